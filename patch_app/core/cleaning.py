"""Takes away an ended attempt's branches, after a while: those of one that ended without a promotion, and
where branches stand for the App's own refs those that nothing is read from any more. Pure.

Refuses to take away anything but what the App or its run wrote and nobody has touched since, and an archive.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from patch_app.core import names, plan
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import RefChange
from patch_app.core.facts import Facts
from patch_app.core.plan import Decision

_LEFT: frozenset[Stage] = frozenset({Stage.SUPERSEDED, Stage.ABANDONED, Stage.CONTAINED})
_OVER: Final = _LEFT | {Stage.PROMOTED, Stage.ROLLED_BACK}


def due(attempt: Attempt) -> datetime | None:
    """When the branches go; None where there are none of ours, or they have gone."""
    if attempt.cleaned or attempt.completed is None or attempt.stage not in _OVER:
        return None
    shown = plan.branch_refs(attempt) if attempt.stage in _LEFT else ()
    kept = (names.candidate_ref(attempt.id),) if _as_branches(attempt) else ()
    ours = any(attempt.written.get(ref, names.ZERO) != names.ZERO for ref in (*shown, *kept))
    return attempt.completed + timedelta(seconds=attempt.configuration.branches.keep) if ours else None


def step(attempt: Attempt, facts: Facts) -> Decision | None:
    """The removal, once it is due; None before."""
    at = due(attempt)
    if at is None or facts.now < at:
        return None
    asked = plan.last(facts, "update_refs", "clean")
    # a replay of the same release goes on with these very branches
    shared = any(one.event == attempt.event and one.number > attempt.number for one in facts.siblings)
    shown = () if shared or attempt.stage not in _LEFT else plan.branch_refs(attempt)
    changes = tuple(
        RefChange(ref=ref, before=attempt.written[ref], after=names.ZERO)
        for ref in shown
        if facts.ref(ref) == attempt.written.get(ref) != names.ZERO
    )
    changes += tuple(
        RefChange(ref=ref, before=facts.ref(ref), after=names.ZERO) for ref in _used_up(attempt, facts)
    )
    if asked is not None or not changes:
        return Decision(attempt=attempt.model_copy(update={"cleaned": True}))
    return Decision(attempt=attempt, effects=(plan.update(facts, "clean", changes),))


def _as_branches(attempt: Attempt) -> bool:
    # what was carried for a pull request is there for its author to fetch, whenever that is
    return attempt.on_branches and attempt.carry_over is None


def _used_up(attempt: Attempt, facts: Facts) -> tuple[str, ...]:
    """Branches that stand for the candidate's ref and the inbox: as refs they are in nobody's way."""
    if not _as_branches(attempt):
        return ()
    ref, inbox = names.candidate_ref(attempt.id), names.as_branch(names.inbox_prefix(attempt.id))
    candidate = (names.as_branch(ref),) if facts.ref(ref) == attempt.candidate else ()
    handed = {attempt.inbox, attempt.vouch.tip if attempt.vouch else None}
    read = (one for one, value in facts.refs.items() if one.startswith(inbox) and value in handed)
    return (*candidate, *read)
