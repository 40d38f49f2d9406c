"""Names of refs, runs and checks on a fork, made and read in this one place.

Refuses to make a name that Git would refuse, or one that could collide with another of ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

NAMESPACE: Final = "refs/patch-app"
RUNNER_REF: Final = f"{NAMESPACE}/runner"
ONBOARDING_REF: Final = f"{NAMESPACE}/onboarding"
WORKFLOW_PATH: Final = ".github/workflows/patch-maintenance.yml"
WORKFLOW_NAME: Final = "patch maintenance"
CONFIGURATION_PATH: Final = ".github/patch-app.toml"
INSTALLED_PATHS: Final = (WORKFLOW_PATH, CONFIGURATION_PATH)
CARRY_JOBS: Final = frozenset({"carry", "carry resolved"})
"""Jobs of that workflow that hand a report over. Nothing rests on these names: check runs can be renamed."""
RUNNER_STEP: Final = "Get the runner"
CARRY_STEP: Final = "Carry"
ANSWERS_STEP: Final = "Carry without answers"
"""The steps by which a job that carries is known, the last where it carries with a resolver's answers."""
INSTALLED_TRAILER: Final = "Patch-App-Installed: true"
DEFAULT_PREFIX: Final = "patch-app"
INSTALL_BRANCH: Final = f"{DEFAULT_PREFIX}/install"
"""Of the pull request that brings or updates the files. The workflow names it: no prefix of the fork's
counts.
"""
PREVIEW_JOB: Final = "preview"
ZERO: Final = "0" * 40

# what the marker of a comment on what a person must notice begins with
NEWS: Final = "patch-app:news"
_NOTICE: Final = "patch-app:blocked"

_PLAIN = re.compile(r"[A-Za-z0-9_.+-]")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def escape(name: str) -> str:
    """One path component for any branch or tag name, reversible by `unescape`.

    Letters, digits and `_ . + -` stay; everything else, `/` too, becomes `=XX` a UTF-8 byte. So no
    two names share a component, and `a` with `a/b` are siblings rather than file and directory. A
    leading or trailing dot, `..`, a leading dash and a trailing `.lock` are escaped as well, since
    Git refuses them (git-check-ref-format).
    """
    if not name:
        raise ValueError("an empty name has no ref")
    out = "".join(c if _PLAIN.fullmatch(c) else _hex(c) for c in name)
    out = out.replace("..", "=2E=2E")
    if out[0] in ".-":
        out = _hex(out[0]) + out[1:]
    if out.endswith("."):
        out = out[:-1] + _hex(".")
    if out.lower().endswith(".lock"):
        out = out[:-5] + "=2E" + out[-4:]
    return out


def unescape(component: str) -> str:
    """The name that `escape` was given. Raises ValueError for what `escape` never makes."""
    raw = bytearray()
    position = 0
    while position < len(component):
        if component[position] == "=":
            raw.append(int(component[position + 1 : position + 3], 16))
            position += 3
        else:
            raw += component[position].encode()
            position += 1
    name = raw.decode()
    if escape(name) != component:
        raise ValueError(f"not an escaped name: {component!r}")
    return name


def _hex(text: str) -> str:
    return "".join(f"={byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def base_branch(stack: str, tag: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Branch (without refs/heads/) that holds the target of a release, one for each stack carried onto it."""
    return f"{prefix}/base/{escape(stack)}/{escape(tag)}"


def maintenance_branch(stack: str, tag: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Branch (without refs/heads/) that holds a candidate, or what was carried before a conflict."""
    return f"{prefix}/maintenance/{escape(stack)}/{escape(tag)}"


def landing_branch(stack: str, tag: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Branch (without refs/heads/) that goes into the maintained branch by a pull request."""
    return f"{prefix}/landing/{escape(stack)}/{escape(tag)}"


def candidate_tag(stack: str, tag: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Tag (without refs/tags/) that a promotion leaves on the candidate."""
    return f"{prefix}/{escape(stack)}/{escape(tag)}"


def in_the_way(branches: Iterable[str], ours: Sequence[str]) -> tuple[str, ...]:
    """Branches that are a directory of one of ours, or the other way round (files in Git)."""
    return tuple(
        branch
        for branch in branches
        if any(one.startswith(f"{branch}/") or branch.startswith(f"{one}/") for one in ours)
    )


def head(branch: str) -> str:
    """Full name of a branch."""
    return f"refs/heads/{branch}"


def candidate_ref(attempt: str) -> str:
    """What was carried, brought by the App."""
    return f"{NAMESPACE}/candidates/{attempt}"


def archive_ref(attempt: str) -> str:
    """The stack's head before the carry."""
    return f"{NAMESPACE}/archive/{attempt}"


def as_branch(ref: str) -> str:
    """The branch that stands for a ref of ours where a GitHub takes branches and tags alone: of its name."""
    return f"refs/heads/{ref.removeprefix('refs/')}"


def kept_refs(attempt: str, stack: str) -> tuple[str, ...]:
    """Refs of ours that keep commits which may be foreign; as branches these are held, never pointed at."""
    return candidate_ref(attempt), archive_ref(attempt), resolutions_ref(stack)


def branches_of_ours(attempt: str, stack: str) -> tuple[str, ...]:
    """Branches (without refs/heads/) that stand for an attempt's refs of ours."""
    refs = (*kept_refs(attempt, stack), f"{inbox_prefix(attempt)}1")
    return tuple(as_branch(one).removeprefix("refs/heads/") for one in refs)


def resolutions_ref(stack: str) -> str:
    """How people settled this stack's conflicts, for the releases to come."""
    return f"{NAMESPACE}/resolutions/{escape(stack)}"


def target_ref(attempt: str) -> str:
    """The target, where GitHub lets us pin it on the fork."""
    return f"{NAMESPACE}/targets/{attempt}"


def inbox_prefix(attempt: str) -> str:
    """Prefix of the refs under which a run hands its report over; the run attempt follows."""
    return f"{NAMESPACE}/inbox/{attempt}/"


def inbox_number(ref: str) -> int:
    """The run attempt that a ref of the inbox is named for, 0 for none."""
    last = ref.rsplit("/", 1)[-1]
    return int(last) if _NUMBER.fullmatch(last) else 0


def check_step(name: str) -> str:
    """The step by which the job of a configured check is known."""
    return f"Check {name}"


def audience(app: int, attempt: str, commit: str) -> str:
    """Whom a carry job's token is for: this App, about one inbox commit of one attempt."""
    return f"patch-app-inbox:{app}:{attempt}:{commit}"


def run_name(attempt: str) -> str:
    """The `run-name` that the workflow template gives a run, by which a lost answer is found again."""
    return f"patch_app {attempt}"


def check_name(stack: str) -> str:
    """The App's own check run on a candidate."""
    return f"patch-app / {stack}"


def notice_name(stack: str) -> str:
    """The App's check run on the maintained branch that says what is in the way, where issues are off."""
    return f"{check_name(stack)} / blocked"


def notice_marker(attempt: str, number: int) -> str:
    """Marker of an attempt's notice of what is in its way, from 1."""
    return f"{_NOTICE}:{attempt}:{number}"


def is_notice(marker: str) -> bool:
    """Whether a marker is one of `notice_marker`'s."""
    return marker.startswith(f"{_NOTICE}:")


def news_marker(attempt: str, number: int) -> str:
    """Marker of an attempt's comment on what a person must notice, from 1."""
    return f"{NEWS}:{attempt}:{number}"


def event_id(upstream: str, tag: str) -> str:
    """One id for one upstream and tag, whichever way the release was heard of."""
    return _digest("upstream.release", upstream.lower(), tag)


def release_id(repository_id: int, tag: str) -> str:
    """One id for one release tag of a fork."""
    return _digest("downstream.release", str(repository_id), tag)


def pull_ref(number: int) -> str:
    """GitHub's own ref of a pull request's head, wherever its branch is; no branch's name."""
    return f"refs/pull/{number}/head"


def carry_over_id(repository_id: int, number: int, promoted: str) -> str:
    """One id for a pull request that is carried over a promotion, that of the attempt `promoted`."""
    return _digest("carry-over", str(repository_id), str(number), promoted)


def attempt_id(event: str, repository_id: int, stack: str, number: int) -> str:
    """One id for one try; `number` counts replays from 1."""
    return _digest("attempt", event, str(repository_id), stack, str(number))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def short(commit: str | None) -> str:
    """A commit's id as sentences have it."""
    return (commit or "nothing")[:12]
