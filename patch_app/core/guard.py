"""What can happen to an attempt at any moment, whatever its stage: something that it was made of has moved.

Decides before the stage does. Waits where it isn't known yet what became of a branch.
"""

from __future__ import annotations

from patch_app.core import approval, branches, landing, landing_text, names, plan, upstreams
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.facts import Facts, Sibling
from patch_app.core.plan import Decision


def step(attempt: Attempt, facts: Facts) -> Decision | None:
    """What stops an attempt at whatever stage it is: a newer one, a moved branch, a moved tag."""
    if not attempt.open or attempt.stage is Stage.PREFLIGHT:
        return None
    stack = facts.ref(names.head(attempt.stack))
    # our own echo, perhaps with somebody's commits on top already; a pull request's merge may come late
    echo = stack == attempt.candidate or (facts.has_candidate and not attempt.configuration.promotion.lands)
    if (attempt.stage in (Stage.APPROVED, Stage.PROMOTING) and echo) or landing.landed(attempt, facts):
        return _promoted(attempt, facts)
    newer = overtaken(attempt, facts)
    if (
        newer
        and attempt.stage not in (Stage.APPROVED, Stage.PROMOTING)
        and _superseded(attempt, facts, newer)
    ):
        ended = attempt.model_copy(update={"superseded_by": newer.id})
        return plan.to(ended, Stage.SUPERSEDED, message="a newer attempt has taken over")
    if facts.upstream_id is not None and attempt.upstream_id not in (None, facts.upstream_id):
        other = upstreams.other_now(attempt.upstream, attempt.upstream_id or 0, facts.upstream_id)
        return plan.blocked(attempt, other.line)
    if facts.target is not None and facts.target != attempt.target:
        return plan.held(
            attempt,
            f"the tag {attempt.tag} was moved in {attempt.upstream}: it was {names.short(attempt.target)} "
            f"when this attempt began, {names.short(facts.target)} now; nothing is promoted until a person "
            "has looked",
        )
    if stack != attempt.expected:
        return landing.moved(attempt, facts) or _stack_moved(attempt, facts, stack)
    if patches := branches.moved(attempt, facts):
        return plan.replaced(attempt, f"{patches}: they are carried anew, approvals start again")
    return _pushed(attempt, facts)


def _pushed(attempt: Attempt, facts: Facts) -> Decision | None:
    """A person's commits on the maintenance branch are the candidate to go on with."""
    pushed = plan.persons_push(attempt, facts)
    merged = facts.pull_request is not None and facts.pull_request.merged
    if pushed is None or merged or attempt.stage in (Stage.APPROVED, Stage.PROMOTING):
        return None
    return plan.replaced(
        attempt,
        f"somebody pushed {names.short(pushed)} to the maintenance branch, which is the candidate now",
        pushed,
    )


def _superseded(attempt: Attempt, facts: Facts, newer: Sibling) -> bool:
    merged = facts.pull_request is not None and facts.pull_request.merged
    if merged or (attempt.candidate is not None and approval.approvals(attempt, facts)):
        return False
    # of a person's work for this release they are asked instead
    return newer.event == attempt.event or not has_work(attempt, facts)


def has_work(attempt: Attempt, facts: Facts) -> bool:
    """Whether a person's own commits are on the maintenance branch."""
    return attempt.pushed is not None or plan.persons_push(attempt, facts) is not None


def overtaken(attempt: Attempt, facts: Facts) -> Sibling | None:
    """The newer attempt that has taken over, if there is one."""
    before = (Stage.PREFLIGHT, Stage.BLOCKED, Stage.FAILED, Stage.ABANDONED, Stage.SUPERSEDED)
    newer = (
        one for one in facts.siblings if one.newer and (one.stage not in before or one.event == attempt.event)
    )
    return next(newer, None)


def _stack_moved(attempt: Attempt, facts: Facts, stack: str) -> Decision:
    if stack == names.ZERO:
        return plan.blocked(attempt, f"the maintained branch {attempt.stack} is gone")
    if facts.contained:
        return plan.to(
            attempt,
            Stage.CONTAINED,
            message=f"{attempt.stack} contains {attempt.tag} now, without this attempt",
        )
    promoted = any(one.stage is Stage.PROMOTED and one.candidate == stack for one in facts.siblings)
    if facts.descends or promoted:
        return plan.replaced(
            attempt, f"{attempt.stack} has new commits: they are carried on top, approvals start again"
        )
    if facts.descends is None:
        return Decision(attempt=attempt)
    return plan.held(
        attempt,
        f"{attempt.stack} was rewritten while this attempt was open "
        f"({names.short(attempt.stack_head)} is no longer in it): "
        "a person decides; replay the attempt to carry the branch as it is now",
    )


def _promoted(attempt: Attempt, facts: Facts) -> Decision:
    tag = names.candidate_tag(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    return plan.to(
        attempt.model_copy(update={"candidate_tag": tag}),
        Stage.PROMOTED,
        message=landing_text.promoted(attempt)
        if landing.landed(attempt, facts)
        else f"{attempt.stack} is {names.short(attempt.candidate)} now",
    )
