"""What the pages show of an attempt, worked out from its record. Pure; escaping is the templates' part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never
from urllib.parse import quote

from patch_app.core import patch_table
from patch_app.core.attempt import Stage, Status
from patch_app.core.channel import ChannelState
from patch_app.core.report import Verdict
from patch_app.web.records import AttemptRecord, AttemptSummary

# the way forward, as people call it
_WAY: Final = (
    (Stage.PREFLIGHT, "Preflight"),
    (Stage.DISPATCHED, "Dispatched"),
    (Stage.RUNNING, "Running"),
    (Stage.CARRIED, "Carried"),
    (Stage.GATED, "Gate"),
    (Stage.REVIEWING, "Review"),
    (Stage.APPROVED, "Approved"),
    (Stage.PROMOTING, "Promoting"),
    (Stage.PROMOTED, "Promoted"),
)
# of a pull request that is carried over
_WAY_OVER: Final = (*_WAY[:4], (Stage.CARRIED_OVER, "Carried over"))
_LAST: Final = frozenset({Stage.PROMOTED, Stage.CARRIED_OVER})


class Pace(StrEnum):
    """How a step of the way looks."""

    DONE = "done"
    CURRENT = "current"
    STOPPED = "stopped"
    AHEAD = "ahead"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the way."""

    label: str
    pace: Pace


def path(attempt: AttemptSummary, resume: Stage | None = None) -> list[Step]:
    """The way to a promotion, or of a carry-over, with where this attempt is on it, or where it left it."""
    way = _WAY if attempt.operation == "carry" else _WAY_OVER
    order = [stage for stage, _ in way]
    aside = attempt.stage not in order
    here = order.index(_reached(attempt, resume, order) if aside else attempt.stage)
    steps = []
    for number, (_, label) in enumerate(way):
        if number < here or attempt.stage in _LAST:
            pace = Pace.DONE
        elif number > here:
            pace = Pace.AHEAD
        else:
            pace = Pace.STOPPED if aside else Pace.CURRENT
        steps.append(Step(label=stage_words(attempt.stage) if pace is Pace.STOPPED else label, pace=pace))
    return steps


def _reached(attempt: AttemptSummary, resume: Stage | None, order: list[Stage]) -> Stage:
    """How far an attempt came that stands aside or ended early, by what was gathered."""
    if resume in order:
        return resume
    shown = attempt.pull_request is not None and attempt.operation == "carry"
    if shown and attempt.stage is not Stage.CONFLICT:
        return Stage.REVIEWING
    if attempt.candidate is not None or attempt.verdicts:
        return Stage.CARRIED
    if attempt.runs:
        return Stage.RUNNING
    return Stage.PREFLIGHT


def stage_words(stage: Stage) -> str:
    """A stage as one or two words."""
    match stage:
        case Stage.CONFLICT:
            return "Conflict"
        case Stage.HELD:
            return "Held"
        case Stage.BLOCKED:
            return "Blocked"
        case Stage.SUPERSEDED:
            return "Superseded"
        case Stage.FAILED:
            return "Failed"
        case Stage.ABANDONED:
            return "Abandoned"
        case Stage.CONTAINED:
            return "Nothing to do"
        case Stage.ROLLED_BACK:
            return "Rolled back"
        case Stage.CARRIED_OVER:
            return "Carried over"
        case Stage.REVIEWING:
            return "In review"
        case Stage.GATED:
            return "At the gate"
        case (
            Stage.PREFLIGHT
            | Stage.DISPATCHED
            | Stage.RUNNING
            | Stage.CARRIED
            | Stage.APPROVED
            | Stage.PROMOTING
            | Stage.PROMOTED
        ):
            return stage.value.capitalize()
        case _:
            assert_never(stage)


def tone(attempt: AttemptSummary) -> str:
    """The colour of an attempt: wait, busy, good, bad or quiet."""
    if attempt.stage in (Stage.REVIEWING, Stage.GATED):
        return "wait"
    match attempt.status:
        case Status.NEEDS_INTERVENTION | Status.BLOCKED:
            return "wait"
        case Status.STARTED | Status.CHANGED:
            return "busy"
        case Status.COMPLETED:
            return "good"
        case Status.FAILED:
            return "bad"
        case Status.SKIPPED:
            return "quiet"
        case _:
            assert_never(attempt.status)


def waits_for_a_person(attempt: AttemptSummary) -> bool:
    """Whether it goes on only once a person does something."""
    return attempt.open and tone(attempt) == "wait"


def verdict_word(verdict: Verdict) -> str:
    """The verdict in words."""
    return patch_table.word(verdict)


def drifted(attempt: AttemptRecord) -> list[tuple[str, list[tuple[str, str]]]]:
    """Where patch branches and maintained branch differ, in words, with the commits."""
    if attempt.drift is None:
        return []
    found = patch_table.drifted(attempt.drift, attempt.patches)
    return [(words.format(stack=attempt.stack), commits) for words, commits in found]


def summed(verdicts: dict[Verdict, int]) -> str:
    """`4 clean, 1 adjusted`."""
    return ", ".join(f"{count} {verdict_word(verdict)}" for verdict, count in verdicts.items())


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of the bar of verdicts, in hundredths of its width."""

    verdict: Verdict
    x: float
    width: float


def bar(verdicts: dict[Verdict, int]) -> list[Segment]:
    """All patches as one bar; pieces are in the order of the design's list."""
    total = sum(verdicts.values())
    segments: list[Segment] = []
    x = 0.0
    for verdict, count in verdicts.items():
        width = 100 * count / total
        segments.append(Segment(verdict=verdict, x=round(x, 2), width=round(width, 2)))
        x += width
    return segments


@dataclass(frozen=True, kw_only=True)
class DiffLine:
    """A line of a diff and its kind: add, del, hunk, mark, file or same."""

    kind: str
    text: str


def diff_lines(diff: str) -> list[DiffLine]:
    """A diff, line by line."""
    return [DiffLine(kind=_kind(line), text=line) for line in diff.splitlines()]


def _kind(line: str) -> str:
    bare = line.lstrip("+- ")
    if bare.startswith(("<<<<<<<", ">>>>>>>", "=======", "|||||||")):
        return "mark"
    if line.startswith(("diff ", "index ", "--- ", "+++ ")):
        return "file"
    for start, kind in (("@@", "hunk"), ("+", "add"), (" +", "add"), ("-", "del"), (" -", "del")):
        if line.startswith(start):
            return kind
    return "same"


def range_lines(text: str) -> list[DiffLine]:
    """A range-diff, line by line; pairs of commits are its files."""
    lines = []
    for line in text.splitlines():
        inner = line.strip()
        if line[:1].strip() and (" = " in line or " ! " in line or " < " in line or " > " in line):
            lines.append(DiffLine(kind="file", text=line))
        elif inner.startswith("@@"):
            lines.append(DiffLine(kind="hunk", text=line))
        elif inner.startswith("+"):
            lines.append(DiffLine(kind="add", text=line))
        elif inner.startswith("-"):
            lines.append(DiffLine(kind="del", text=line))
        else:
            lines.append(DiffLine(kind="same", text=line))
    return lines


def check_tone(status: str, conclusion: str | None) -> str:
    """The colour of a check or run."""
    if status != "completed":
        return "busy"
    match conclusion:
        case "success":
            return "good"
        case "neutral" | "skipped" | None:
            return "quiet"
        case _:
            return "bad"


def channel_tone(state: ChannelState) -> str:
    """The colour of a channel."""
    match state:
        case ChannelState.DONE:
            return "good"
        case ChannelState.FAILED | ChannelState.REFUSED:
            return "bad"
        case ChannelState.ASKED | ChannelState.RUNNING:
            return "busy"
        case ChannelState.OFFERED:
            return "quiet"
        case _:
            assert_never(state)


class Links:
    """Addresses on GitHub. Names are quoted: a tag may hold anything Git takes."""

    def __init__(self, github_url: str) -> None:
        self._base = github_url

    def repository(self, name: str) -> str:
        """A repository's page."""
        return f"{self._base}/{quote(name)}"

    def commit(self, repository: str, sha: str) -> str:
        """A commit's page."""
        return f"{self.repository(repository)}/commit/{quote(sha)}"

    def branch(self, repository: str, name: str) -> str:
        """A branch's page."""
        return f"{self.repository(repository)}/tree/{quote(name)}"

    def release(self, repository: str, tag: str) -> str:
        """A release's page."""
        return f"{self.repository(repository)}/releases/tag/{quote(tag)}"

    def outside(self, url: str) -> str:
        """An address that GitHub gave; nothing but http(s) is ever a link."""
        return url if url.startswith(("https://", "http://")) else ""


def groups(
    opened: Sequence[AttemptSummary],
) -> tuple[list[AttemptSummary], list[AttemptSummary]]:
    """Those that wait for a person, and those under way."""
    waiting = [one for one in opened if waits_for_a_person(one)]
    return waiting, [one for one in opened if not waits_for_a_person(one)]


def title(attempt: AttemptRecord | AttemptSummary) -> str:
    """`alice/tool: main onto v2.0.0`."""
    return f"{attempt.repository}: {attempt.stack} onto {attempt.upstream.tag}"
