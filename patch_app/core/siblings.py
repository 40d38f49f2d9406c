"""The other attempts for the same stack, as an attempt gets to see them."""

from __future__ import annotations

from collections.abc import Iterable

from patch_app.core import approval, releases, verify
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.earlier import Earlier, compared
from patch_app.core.facts import Review, Sibling


def siblings_of(attempt: Attempt, others: Iterable[Attempt]) -> tuple[Sibling, ...]:
    """All of `others` but the attempt itself."""
    return tuple(sibling(attempt, one) for one in others if one.id != attempt.id)


def same_upstream(one: Attempt, other: Attempt) -> bool:
    """Whether two attempts are for releases of one repository, which may have been renamed between them."""
    if one.upstream_id is not None and other.upstream_id is not None:
        return one.upstream_id == other.upstream_id
    return one.upstream.lower() == other.upstream.lower()


def sibling(attempt: Attempt, other: Attempt) -> Sibling:
    """What an attempt needs to know of another one."""
    newer = (
        other.number > attempt.number
        if other.event == attempt.event
        # versions of two upstreams have no order
        else same_upstream(other, attempt) and releases.newer(other.tag, attempt.tag)
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


def earlier(
    attempt: Attempt, siblings: Iterable[Sibling], reviews: Iterable[Review] = ()
) -> tuple[Earlier, ...]:
    """The last candidate that people approved, for this release or before; and the last for this release.

    Where the release is merged into the stack the commits stay, and nothing is told by them.
    """
    if attempt.report is None or verify.merges_forward(attempt):
        return ()
    approved = _approvers(attempt, siblings := tuple(siblings), reviews)
    known = [
        one.model_copy(update={"approved_by": approved.get(one.candidate, ())})
        for one in siblings
        if one.report is not None and one.report.candidate is not None and one.candidate is not None
    ]
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
    first = max((one for one in of_use if one.approved_by), key=lambda one: len(one.same), default=None)
    return (*([first] if first else []), *(one for one in of_use if not one.approved_by))


def _approvers(
    attempt: Attempt, siblings: Iterable[Sibling], reviews: Iterable[Review]
) -> dict[str | None, tuple[str, ...]]:
    """By candidate: a review may be read only once the candidate was replaced, and be given anew later."""
    found: dict[str | None, set[str]] = {one.candidate: set(one.approved_by) for one in siblings}
    for before in attempt.earlier:
        found.setdefault(before.candidate, set()).update(before.approved_by)
    for one in reviews:
        counts = one.state == "APPROVED" and one.permission in approval.MAY_WRITE and not one.bot
        if counts and one.commit in found:
            found[one.commit].add(one.person)
    return {candidate: tuple(sorted(people)) for candidate, people in found.items()}


def _compared(attempt: Attempt, other: Sibling) -> Earlier | None:
    if attempt.report is None or other.report is None:
        return None
    return compared(attempt.report, other.report, tag=other.tag, approved_by=other.approved_by)
