"""What the preview job said of a few releases, and how the pull request shows it.

A claim of a workflow on a branch: shown as a preview, never used for a decision. Refuses whatever has not the
form of our own runner's words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from patch_app.core import markdown, patch_table
from patch_app.core.model import Model
from patch_app.core.report import Status, Verdict

TITLE: Final = "patch-app-preview"
MOST: Final = 3
_BEGIN: Final = "<!-- patch-app:preview "
_END: Final = "<!-- patch-app:preview-end -->"
_Oid = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_Count = Annotated[int, Field(ge=1, le=100_000, strict=True)]


class Target(Model):
    """A release that is previewed."""

    tag: str
    commit: _Oid


class Claim(Model):
    """What the job said of one of them."""

    number: int = Field(ge=0, lt=MOST, strict=True)
    target: _Oid
    status: Status
    verdicts: Mapping[Verdict, _Count]
    conflict: _Oid | None
    stage: Annotated[str, Field(pattern=r"^[a-z-]{1,30}$")] | None
    # commits of upstream that the branch stands on and the release lacks
    leaving: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 0


class State(StrEnum):
    """How far the preview is."""

    NONE = "none"  # there is nothing to preview
    WAITING = "waiting"  # no run has been seen
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def claims(messages: Iterable[str], targets: Sequence[Target]) -> dict[int, Claim]:
    """The claims about these targets by number, the last about each; what isn't one is left out."""
    out: dict[int, Claim] = {}
    for message in messages:
        try:
            claim = Claim.model_validate_json(message)
        except ValidationError:
            continue
        if claim.number < len(targets) and claim.target == targets[claim.number].commit:
            out[claim.number] = claim
    return out


def section(
    targets: Sequence[Target],
    state: State,
    found: Mapping[int, Claim],
    *,
    repository_url: str,
    run_url: str = "",
    why: str = "",
) -> str:
    """The part of the pull request's body between our two marks. `why`: why there is nothing to preview."""
    known = json.dumps([[one.tag, one.commit] for one in targets])
    # nothing in it may end the HTML comment that it lies in
    hidden = known.replace("-", "\\u002d").replace(">", "\\u003e").replace("<", "\\u003c")
    parts = [f"{_BEGIN}{hidden} -->\n", _sentence(state, repository_url, run_url, why) + "\n"]
    if targets:
        rows = [_row(one, found.get(number), state, repository_url) for number, one in enumerate(targets)]
        parts.append(markdown.table(("release", "what would become of the patches", ""), rows))
    return "\n".join([*parts, _END])


def targets_in(body: str) -> tuple[Target, ...] | None:
    """The targets of the section in a body; None where somebody took it out or changed it."""
    _, begin, rest = body.partition(_BEGIN)
    known, end, rest = rest.partition(" -->")
    if not (begin and end and _END in rest):
        return None
    try:
        return tuple(Target(tag=tag, commit=commit) for tag, commit in json.loads(known))[:MOST]
    except (ValueError, TypeError):
        return None


def replaced(body: str, new: str) -> str:
    """The body with its section replaced; as it is where it has none."""
    before, begin, rest = body.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return before + new + after if begin and end else body


def _sentence(state: State, repository_url: str, run_url: str, why: str) -> str:
    match state:
        case State.NONE:
            return why
        case State.WAITING:
            return (
                "The preview runs in this pull request and is written here. **If nothing "
                "comes, Actions is off in "
                "this repository**, as on every fresh fork: enable workflows on [its Actions "
                f"page]({repository_url}"
                "/actions), then comment `/patch onboard` here."
            )
        case State.RUNNING:
            return f"The preview is running: [its log]({run_url})."
        case State.DONE:
            return (
                "Carried onto the last releases by this pull request's own workflow, which may "
                "only read; nothing of "
                f"it was kept. All verdicts and diffs: [the run's summary]({run_url})."
            )
        case State.FAILED:
            return (
                f"The preview's run did not end well: [its log]({run_url}) says why. `/patch "
                "onboard` tries once more."
            )


def _row(target: Target, claim: Claim | None, state: State, repository_url: str) -> tuple[str, ...]:
    said, more = "waiting" if state in (State.WAITING, State.RUNNING) else "nothing was said", ""
    if claim is not None:
        said = ", ".join(
            f"{claim.verdicts[one]} {patch_table.word(one)}" for one in Verdict if one in claim.verdicts
        )
        more = _words(claim, repository_url)
        if claim.status is Status.ERROR:
            said = "could not be carried"
    return markdown.code(target.tag, 200), said or "nothing to carry", more


def _words(claim: Claim, repository_url: str) -> str:
    if claim.status is Status.ERROR:
        return f"in stage {claim.stage or 'unknown'}: the run's summary says why"
    words = []
    if claim.conflict:
        words.append(f"a person would be asked about {patch_table.commit(claim.conflict, repository_url)}")
    if claim.leaving:
        words.append(f"{claim.leaving} commit(s) of upstream would leave the branch, which a person is asked")
    return "; ".join(words)
