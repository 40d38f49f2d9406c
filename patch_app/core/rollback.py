"""Back from a promoted candidate to the archived stack, where a person asked for it. Pure.

Refuses where anything came on top since, and where the branch got there by a pull request.
"""

from __future__ import annotations

from patch_app.core import names, plan
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import EffectState, RefChange
from patch_app.core.facts import Facts
from patch_app.core.plan import Decision


def step(attempt: Attempt, facts: Facts) -> Decision:
    """From the promoted candidate back to the archived stack, and from nothing else."""
    there = facts.ref(names.head(attempt.stack))
    if there == attempt.stack_head:
        who = attempt.rollback.person if attempt.rollback else ""
        said = f"{attempt.stack} is {names.short(there)} again, as before; {who} asked for it"
        return plan.to(attempt, Stage.ROLLED_BACK, message=said)
    if there != attempt.candidate:
        moved = f"{attempt.stack} moved to {names.short(there)} meanwhile: nothing was rolled back"
        return Decision(attempt=attempt.model_copy(update={"rollback": None, "message": moved}))
    change = RefChange(
        ref=names.head(attempt.stack),
        before=attempt.candidate or names.ZERO,
        after=attempt.stack_head or names.ZERO,
        force=True,
    )
    wish = plan.update(facts, "rollback", (change,))
    before = plan.last(facts, "update_refs", "rollback")
    if before is not None and before.state is EffectState.REFUSED:
        why = f"GitHub refused to roll {attempt.stack} back: {before.outcome.get('message', '')}"
        return Decision(attempt=attempt.model_copy(update={"rollback": None, "message": why}))
    return Decision(attempt=attempt, effects=(wish,))
