"""The one comment on what a person must notice and editing the pull request would hide. Pure.

An approval that was for another candidate, and a check that failed after an approval. Said once, calmly, in
one comment that has all of it; where that no longer holds, or more has come, the older one is folded. What
needs nobody is not said.
"""

from __future__ import annotations

from typing import Final

from patch_app.core import approval, names, plan
from patch_app.core.attempt import Attempt
from patch_app.core.effects import Comment, Effect, Hide
from patch_app.core.facts import Facts
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import commit

_FAILED: Final = frozenset(
    {"failure", "timed_out", "cancelled", "action_required", "error", "startup_failure"}
)
_MOST: Final = 10


def due(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """The comment that the moment asks for, and those that it makes outdated."""
    if attempt.pull_request is None:
        return ()
    points = (*_stale(attempt, facts), *_failed(attempt, facts))
    told = [
        one
        for one in plan.told(facts, "comment")
        if isinstance(one, Comment) and one.marker.startswith(f"{names.NEWS}:")
    ]
    wishes: list[Effect] = []
    current = ""
    if points:
        body = "".join(f"{point}\n\n" for point in points).rstrip() + "\n"
        if not told or told[-1].body != body:
            marker = names.news_marker(attempt.id, len(told) + 1)
            told = [*told, Comment(number=attempt.pull_request.number, marker=marker, body=body)]
            wishes.append(told[-1])
        current = told[-1].marker
    hides = (
        Hide(comment=one.node, seq=plan.again(facts, "hide")) for one in facts.said if one.marker != current
    )
    return (*wishes, *(one for one in hides if plan.same(facts, one) is None))


def _stale(attempt: Attempt, facts: Facts) -> tuple[str, ...]:
    """Approvals of people who have not looked at this candidate."""
    counted = {one.person for one in approval.approvals(attempt, facts)}
    found = [
        one
        for one in facts.reviews
        if one.state == "APPROVED" and one.commit != attempt.candidate and one.person not in counted
        if one.permission in approval.MAY_WRITE and not one.bot
    ]
    if not found or attempt.candidate is None:
        return ()
    who = _people([one.person for one in found])
    was = ", ".join(sorted({code(names.short(one.commit)) for one in found})[:_MOST])
    verb = "approvals were" if len(found) > 1 else "approval was"
    since = (
        "what changed since is at the top of this pull request" if attempt.earlier else "please look again"
    )
    return (
        f"The candidate is {commit(attempt, attempt.candidate)} now, and {who}'s {verb} for {was}: "
        f"{since}, and an approval counts for exactly the candidate that it was given to.",
    )


def _failed(attempt: Attempt, facts: Facts) -> tuple[str, ...]:
    """Checks that hold the promotion up, and that somebody approved without knowing of."""
    approvals = approval.approvals(attempt, facts)
    wanted = {one.name for one in attempt.configuration.promotion.required_checks}
    wanted |= {f"check {one.name}" for one in attempt.configuration.check}
    rules = facts.rules or attempt.rules
    wanted |= {one.name for one in rules.required_checks} if rules else set()
    known = [one for one in attempt.checks if one.name in wanted and one.conclusion in _FAILED]
    # one that only looks like a required check holds nothing up
    own = [one for one in known if approval.counts(one) or one.workflow == names.WORKFLOW_PATH]
    failed = sorted({one.name for one in own})
    if not approvals or not failed:
        return ()
    shown = ", ".join(code(one, 100) for one in failed[:_MOST])
    who = _people([one.person for one in approvals])
    return (f"{who} approved this candidate, and {shown} failed: it is not promoted while that is so.",)


def _people(logins: list[str]) -> str:
    shown = [inline(one, 60) for one in logins[:_MOST]]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
