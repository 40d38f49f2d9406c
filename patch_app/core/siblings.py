"""The other attempts for the same stack, as an attempt gets to see them."""

from __future__ import annotations

from collections.abc import Iterable

from patch_app.core import releases, verify
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.earlier import Earlier, compared
from patch_app.core.report import Report
from patch_app.core.facts import Sibling


def siblings_of(attempt: Attempt, others: Iterable[Attempt]) -> tuple[Sibling, ...]:
    """All of `others` but the attempt itself."""
    return tuple(sibling(attempt, one) for one in others if one.id != attempt.id)


def verdicts(report: Report | None) -> tuple[tuple[str, str], ...]:
    """Each patch of the stack with what became of it."""
    return tuple((one.old, one.verdict.value) for one in (report.patches if report else ()))


def same_work(attempt: Attempt, other: Sibling) -> bool:
    """Whether an attempt for the same release had the same patches, each with the same end, on the same
    target.
    """
    known = verdicts(attempt.report)
    return (
        (other.event, other.target) == (attempt.event, attempt.target)
        and other.candidate not in (None, attempt.candidate)
        and bool(known)
        and known == verdicts(other.report)
    )


def sibling(attempt: Attempt, other: Attempt) -> Sibling:
    """What an attempt needs to know of another one."""
    newer = (
        other.number > attempt.number
        if other.event == attempt.event
        # versions of two upstreams have no order
        else other.upstream.lower() == attempt.upstream.lower() and releases.newer(other.tag, attempt.tag)
    )
    return Sibling(
        id=other.id,
        event=other.event,
        tag=other.tag,
        number=other.number,
        stage=other.stage,
        newer=newer,
        pull_request=other.pull_request,
        candidate=other.candidate,
        target=other.target,
        report=other.report,
        approved_by=tuple(one.person for one in other.approvals if one.commit == other.candidate),
        written=other.written,
        releasing=next((one.tag for one in other.channels if one.under_way and one.tag), None),
    )


def earlier(attempt: Attempt, siblings: Iterable[Sibling]) -> tuple[Earlier, ...]:
    """The last candidate that people approved, for this release or before; and the last for this release.

    Where the release is merged into the stack the commits stay, and nothing is told by them.
    """
    if attempt.report is None or verify.merges_forward(attempt):
        return ()
    known = [one for one in siblings if one.report is not None and one.report.candidate is not None]
    replayed = sorted(
        (one for one in known if one.event == attempt.event and one.number < attempt.number),
        key=lambda one: one.number,
    )
    seen = [one for one in replayed if one.approved_by][-1:]
    if not seen:
        # a promoted stack is what the next one is carried from
        promoted = [one for one in known if one.stage is Stage.PROMOTED and one.approved_by]
        seen = [one for one in promoted if one.candidate == attempt.stack_head] or promoted
    found = [_compared(attempt, one) for one in (*seen, *(one for one in replayed[-1:] if one not in seen))]
    of_use = [one for one in found if one is not None and (one.same or one.tag == attempt.tag)]
    approved = max((one for one in of_use if one.approved_by), key=lambda one: len(one.same), default=None)
    rest = [one for one in of_use if not one.approved_by]
    return (*([approved] if approved else []), *rest)


def _compared(attempt: Attempt, other: Sibling) -> Earlier | None:
    if attempt.report is None or other.report is None:
        return None
    return compared(attempt.report, other.report, tag=other.tag, approved_by=other.approved_by)
