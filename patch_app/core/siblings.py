"""The other attempts for the same stack, as an attempt gets to see them."""

from __future__ import annotations

from collections.abc import Iterable

from patch_app.core import releases
from patch_app.core.attempt import Attempt
from patch_app.core.facts import Sibling


def siblings_of(attempt: Attempt, others: Iterable[Attempt]) -> tuple[Sibling, ...]:
    """All of `others` but the attempt itself."""
    return tuple(sibling(attempt, one) for one in others if one.id != attempt.id)


def verdicts(attempt: Attempt) -> tuple[tuple[str, str], ...]:
    """Each patch of the stack with what became of it."""
    patches = attempt.report.patches if attempt.report else ()
    return tuple((one.old, one.verdict.value) for one in patches)


def same_work(attempt: Attempt, other: Sibling) -> bool:
    """Whether an attempt for the same release had the same patches, each with the same end, on the same
    target.
    """
    known = verdicts(attempt)
    return (
        (other.event, other.target) == (attempt.event, attempt.target)
        and other.candidate not in (None, attempt.candidate)
        and bool(known)
        and known == other.verdicts
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
        verdicts=verdicts(other),
        written=other.written,
        releasing=next((one.tag for one in other.channels if one.under_way and one.tag), None),
    )
