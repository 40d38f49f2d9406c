"""Would a workflow file be started by the App's branches or its pull request? Read from its parsed YAML.

By GitHub's rules for `on` and its filters ("Events that trigger workflows", "Filter pattern cheat
sheet"). Says only that a file can't be started where no form of it could be; paths filters depend on
what a candidate changes, so they are told and never decided.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from patch_app.core import workflow_files
from patch_app.core.health import Exposed, RequiredRun
from patch_app.core.model import Model
from patch_app.core.workflow_files import ALL_SECRETS, Broken, Document, get, texts

Files = Mapping[str, Document | Broken]

# what a pull request of the App's does, where a file names types (the default has all three)
_TYPES: Final = frozenset({"opened", "synchronize", "reopened"})
# permissions with which a job publishes what others install or trust
_PUBLISHES: Final = ("id-token", "packages", "attestations", "deployments", "pages")


class Ours(Model):
    """Names of the branches and of the tag that the App makes for one release."""

    base: str
    maintenance: str
    tag: str


def events(document: Document, ours: Ours) -> Iterator[str]:
    """The events of the App's that start this workflow; paths filters are taken to let them through."""
    for event, filters in triggers(document):
        match event:
            case "push":
                if pushed(filters, (ours.base, ours.maintenance), ours.tag):
                    yield event
            case "pull_request" | "pull_request_target":
                types = texts(filters.get("types"))
                if (not types or _TYPES & set(types)) and passes(filters, "branches", ours.base):
                    yield event
            case "create" | "pull_request_review":
                yield event
            case _:
                pass


def started_by_tag(files: Files, tag: str) -> tuple[str, ...]:
    """Paths of the workflows that a push of this tag starts; filters on paths don't count for tags."""
    return tuple(
        path
        for path, document in sorted(files.items())
        if workflow_files.is_workflow(path) and isinstance(document, dict)
        if any(event == "push" and pushed(filters, (), tag) for event, filters in triggers(document))
    )


def tag_patterns(document: Document) -> tuple[str, ...]:
    """The tags whose push a workflow names, as its file writes them."""
    told = (texts(f.get("tags")) for event, f in triggers(document) if event == "push" and "tags" in f)
    return tuple(one for patterns in told for one in patterns)


def dispatch_inputs(document: Document) -> tuple[str, ...] | None:
    """The inputs that a workflow takes by hand; None: it isn't started that way."""
    for event, filters in triggers(document):
        if event == "workflow_dispatch":
            inputs = filters.get("inputs")
            return tuple(map(str, inputs)) if isinstance(inputs, dict) else ()
    return None


def exposed(files: Files, ours: Ours) -> tuple[Exposed, ...]:
    """Workflows that the App's branches start, with jobs that have secrets or publish, and no environment."""
    found = []
    for path, document in sorted(files.items()):
        if not workflow_files.is_workflow(path) or not isinstance(document, dict):
            continue
        started = next(events(document, ours), None)
        what = tuple(dict.fromkeys(_unbound(document)))
        if started is not None and what:
            found.append(Exposed(path=path, event=started, what=what))
    return tuple(found)


def required(name: str, workflow: str | None, files: Files, ours: Ours) -> RequiredRun:
    """Which workflow files make a required check, and why none of them would on a candidate.

    `workflow`: the path of the only one that counts, where the configuration names one.
    """
    makers = {
        path: document
        for path, document in files.items()
        if workflow_files.is_workflow(path) and isinstance(document, dict) and workflow in (None, path)
        if workflow == path or any(_makes(one, name) for one in _job_names(document))
    }
    if any(_on_candidate(document, ours) for document in makers.values()):
        return RequiredRun(name=name, workflows=tuple(makers))
    why = "; ".join(f"{path} {_why(document, ours)}" for path, document in list(makers.items())[:3])
    return RequiredRun(name=name, workflows=tuple(makers), never=why)


def _on_candidate(document: Document, ours: Ours) -> bool:
    # checks of pull_request_target and workflow_run are put on another commit
    return any(one in ("push", "pull_request", "create") for one in _candidate_events(document, ours))


def _candidate_events(document: Document, ours: Ours) -> Iterator[str]:
    # the base branch is upstream's commit: what starts for it says nothing about the candidate
    narrowed = ours.model_copy(update={"tag": ""})
    for event in events(document, narrowed):
        filters = dict(triggers(document)).get(event, {})
        if event != "push" or pushed(filters, (ours.maintenance,), ""):
            yield event


def _why(document: Document, ours: Ours) -> str:
    said = []
    for event, filters in triggers(document):
        if event in ("push", "pull_request"):
            kinds = [key for key in filters if key.startswith(("branches", "tags", "types"))]
            if kinds:
                own = ours.base if event == "pull_request" else ours.maintenance
                said.append(f"starts for {event} with {' and '.join(kinds)} that leave out {own}")
    return ", ".join(said) or f"starts for {', '.join(e for e, _ in triggers(document)) or 'nothing'} alone"


# What a job has ------------------------------------------------------------------------------------


def _unbound(document: Mapping[str, Any]) -> Iterator[str]:
    """Secrets and publishing permissions of jobs that have no environment; the top level is every job's."""
    jobs = get(document, "jobs")
    jobs = jobs if isinstance(jobs, dict) else {}
    loose = [job for job in jobs.values() if isinstance(job, dict) and not get(job, "environment")]
    if not loose:
        return
    for part in (get(document, "env"), get(document, "defaults"), *loose):
        yield from (_secret(one) for one in workflow_files.secrets(part))
    for job in loose:
        if isinstance(get(job, "secrets"), str):
            yield _secret(ALL_SECRETS)
        block = get(job, "permissions")
        block = get(document, "permissions") if block is None else block
        if isinstance(block, str) and block.strip().lower() == "write-all":
            yield "permission to publish (write-all)"
        elif isinstance(block, dict):
            levels = {str(key).lower(): str(level).strip().lower() for key, level in block.items()}
            yield from (f"{one}: write" for one in _PUBLISHES if levels.get(one) == "write")


def _secret(name: str) -> str:
    return name if name == ALL_SECRETS else f"the secret {name}"


def _job_names(document: Mapping[str, Any]) -> Iterator[str]:
    jobs = get(document, "jobs")
    for key, job in jobs.items() if isinstance(jobs, dict) else ():
        name = get(job, "name") if isinstance(job, dict) else None
        yield name if isinstance(name, str) and name else str(key)


def _makes(job: str, check: str) -> bool:
    """Whether a job's check run may have this name: with a matrix behind it, or of a workflow it calls."""
    parts = [re.escape(part) for part in re.split(r"\$\{\{.*?\}\}", job)]
    return re.fullmatch(".*".join(parts) + r"(?: \(.*\)| / .*)?", check, re.DOTALL) is not None


# Triggers and filters ------------------------------------------------------------------------------


def triggers(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The events of a workflow's `on` with their filters, names in lower case."""
    on = get(document, "on") if isinstance(document, dict) else None
    match on:
        case str():
            yield on.strip().lower(), {}
        case list():
            yield from ((one.strip().lower(), {}) for one in on if isinstance(one, str))
        case dict():
            for event, filters in on.items():
                known = filters if isinstance(filters, dict) else {}
                yield str(event).lower(), {str(key).lower(): value for key, value in known.items()}
        case _:
            pass


def pushed(filters: Mapping[str, Any], branches: Iterable[str], tag: str) -> bool:
    """Whether filters of `push` let one of the branches or the tag through; those on paths do."""
    of_branches = "branches" in filters or "branches-ignore" in filters
    of_tags = "tags" in filters or "tags-ignore" in filters
    if tag and (of_tags or not of_branches) and passes(filters, "tags", tag):
        return True
    # a filter on one kind alone leaves the other out
    return (of_branches or not of_tags) and any(passes(filters, "branches", one) for one in branches)


def passes(filters: Mapping[str, Any], key: str, name: str) -> bool:
    """Whether filters let a branch or tag (`key`) of this name through; an empty one is none.

    What can't be told lets it through.
    """
    if any(one.strip() for one in texts(filters.get(key))):
        return _taken(texts(filters[key]), name)
    ignored = texts(filters.get(f"{key}-ignore"))
    return len(ignored) > _MOST_PATTERNS or not any(_leaves_out(one, name) for one in ignored)


def _taken(patterns: Sequence[str], name: str) -> bool:
    """The last pattern that fits decides; one with `!` in front takes the name back."""
    if len(patterns) > _MOST_PATTERNS:
        return True
    taken = False
    for pattern in patterns:
        if pattern.startswith("!"):
            taken = taken and not _leaves_out(pattern[1:], name)
        elif (compiled := _compiled(pattern)) is None or compiled.fullmatch(name):
            taken = True
    return taken


def _leaves_out(pattern: str, name: str) -> bool:
    """Whether a pattern certainly fits: one with more than stars and letters might be read otherwise."""
    compiled = _compiled(pattern) if _SIMPLE.fullmatch(pattern) else None
    return compiled is not None and compiled.fullmatch(name) is not None


_MOST_PATTERNS: Final = 300
_SIMPLE: Final = re.compile(r"[\w./*@=-]*")
# what a pattern with more stands for can't be told: trying it could take for ever, and nobody writes one
_MOST_REPEATS: Final = 8
_MOST_TEXT: Final = 1000
_PARTS: Final = re.compile(r"\*\*/|\*\*|\*|\[[^\]]+\]|\\.|.", re.DOTALL)
_MEANING: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A filter pattern: `*` without slashes, `**` with them, `?` and `+` repeat what stands before.

    None: what it stands for can't be told.
    """
    out: list[str] = []
    parts = _PARTS.findall(pattern)
    if len(pattern) > _MOST_TEXT or sum(part[0] in "*?+" for part in parts) > _MOST_REPEATS:
        return None
    for part in parts:
        if part in ("?", "+") and out:
            if not out[-1].endswith(("?", "+", ".*", "*")):  # said twice is said once
                out[-1] = f"(?:{out[-1]}){part}"
        elif part in _MEANING:
            out.append(_MEANING[part])
        elif part.startswith(("[!", "[^")):
            return None  # whether it takes all others is not written down
        elif part.startswith("[") and len(part) > 2:
            out.append("[" + part[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^") + "]")
        else:
            out.append(re.escape(part[-1]))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        return None  # a range the wrong way round
