"""Takes away the branches of an attempt that ended without a promotion, after a while. Pure.

Refuses to take away anything but what the App wrote and nobody has touched since.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patch_app.core import names, plan
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import RefChange
from patch_app.core.facts import Facts
from patch_app.core.plan import Decision

_LEFT: frozenset[Stage] = frozenset({Stage.SUPERSEDED, Stage.ABANDONED, Stage.CONTAINED})


def due(attempt: Attempt) -> datetime | None:
    """When the branches go; None where there are none of ours, or they have gone."""
    if attempt.stage not in _LEFT or attempt.cleaned or attempt.completed is None:
        return None
    ours = any(attempt.written.get(ref, names.ZERO) != names.ZERO for ref in plan.branch_refs(attempt))
    return attempt.completed + timedelta(seconds=attempt.configuration.branches.keep) if ours else None


def step(attempt: Attempt, facts: Facts) -> Decision | None:
    """The removal, once it is due; None before."""
    at = due(attempt)
    if at is None or facts.now < at:
        return None
    asked = plan.last(facts, "update_refs", "clean")
    # a replay of the same release goes on with these very branches
    shared = any(one.event == attempt.event and one.number > attempt.number for one in facts.siblings)
    changes = tuple(
        RefChange(ref=ref, before=attempt.written[ref], after=names.ZERO)
        for ref in plan.branch_refs(attempt)
        if facts.ref(ref) == attempt.written.get(ref) != names.ZERO
    )
    if asked is not None or shared or not changes:
        return Decision(attempt=attempt.model_copy(update={"cleaned": True}))
    return Decision(attempt=attempt, effects=(plan.update(facts, "clean", changes),))
