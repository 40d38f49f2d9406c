"""What to do next about one attempt: `decide(attempt, facts) -> Decision`. Pure.

One step a call: the engine stores the decision, carries its effects out, reads the facts again and
asks again, until nothing changes. So a stage never has to know what came before it, and a lost,
doubled or late event changes nothing. Where more must be known, it waits for the next pass.
"""

from __future__ import annotations

import shlex
from typing import assert_never

from patch_app.core import (
    approval,
    asks,
    carry_overs,
    channels,
    cleaning,
    gate,
    going_back,
    guard,
    landing,
    messages,
    names,
    news,
    notices,
    own_checks,
    plan,
    preflight,
    rollback,
    siblings,
    telling,
    verify,
    vouching,
)
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Workflows
from patch_app.core.effects import EffectState, Performed, RefChange
from patch_app.core.facts import Facts, Inbox, RunFact
from patch_app.core.needs import standing
from patch_app.core.plan import Decision
from patch_app.core.report import Status as ReportStatus

# how long after a dispatch or a run's end we wait for what GitHub shows late, in seconds
PATIENCE = 900
RUN_PATIENCE = 30
# steps that need no other facts than those that were just read: they are taken together
_SAME_FACTS = frozenset({(Stage.PREFLIGHT, Stage.DISPATCHED), (Stage.CARRIED, Stage.GATED)})


def decide(attempt: Attempt, facts: Facts) -> Decision:
    """The attempt as it should be now, and what is to be done on GitHub for it."""
    return landing.tidy(_decide(attempt, facts), facts)


def _decide(attempt: Attempt, facts: Facts) -> Decision:
    attempt = plan.with_outcomes(attempt, facts)
    stage = standing(attempt)
    there = attempt.model_copy(update={"stage": stage})
    if facts.gone is not None:
        return plan.blocked(there, facts.gone) if attempt.open else Decision(attempt=attempt)
    if attempt.carry_over is not None:
        return carry_overs.step(attempt, facts, _step)
    asked = asks.step(attempt, facts)
    if asked is not None:
        return _with_last_words(attempt, asked, facts)
    decision = guard.step(there, facts)
    if there.hold is not None and (decision is None or decision.attempt.stage is not Stage.PROMOTED):
        return _held(attempt, there, facts)
    decision = decision or _step(there, facts)
    if (stage, decision.attempt.stage) in _SAME_FACTS:
        decision = _step(decision.attempt, facts)
    # a blocked attempt that is still blocked must not look changed
    if decision.attempt.stage is stage and decision.attempt.stage is not attempt.stage:
        decision = decision.model_copy(
            update={"attempt": decision.attempt.model_copy(update={"resume": None, "message": ""})}
        )
    decision = _with_last_words(attempt, decision, facts)
    said = (*notices.due(decision.attempt, facts), *telling.overtaken(decision.attempt, facts))
    return decision.model_copy(update={"effects": (*decision.effects, *said)}) if said else decision


def _with_last_words(before: Attempt, decision: Decision, facts: Facts) -> Decision:
    """Nobody looks at an ended attempt again by a timer: its last words go with the step that ends it."""
    if not before.open or decision.attempt.open:
        return decision
    last = _step(decision.attempt, facts).effects
    return decision.model_copy(update={"effects": (*decision.effects, *last)})


def _held(attempt: Attempt, there: Attempt, facts: Facts) -> Decision:
    """A person wants nothing to happen: that is said, and nothing else done."""
    hold = there.hold
    if hold is None or not there.open:
        return Decision(attempt=attempt)
    why = f": {hold.reason}" if hold.reason else ""
    held = plan.held(there, f"held by {hold.person}{why}; `/patch resume` lets it go on").attempt
    said = (*telling.pull_request_edit(held, facts), *telling.check_run(held, facts))
    return Decision(attempt=held, effects=said)


def _step(attempt: Attempt, facts: Facts) -> Decision:
    match attempt.stage:
        case Stage.PREFLIGHT:
            return preflight.step(attempt, facts)
        case Stage.DISPATCHED:
            return _dispatched(attempt, facts)
        case Stage.RUNNING:
            return _running(attempt, facts)
        case Stage.CARRIED:
            return _carried(attempt, facts)
        case Stage.CONFLICT:
            return _conflict(attempt, facts)
        case Stage.GATED:
            return _gated(attempt, facts)
        case Stage.REVIEWING:
            return _reviewing(attempt, facts)
        case Stage.APPROVED | Stage.PROMOTING:
            return _promoting(attempt, facts)
        case Stage.FAILED:
            return _failed(attempt, facts)
        case Stage.PROMOTED if attempt.rollback is not None:
            return rollback.step(attempt, facts)
        case Stage.PROMOTED | Stage.SUPERSEDED | Stage.ABANDONED | Stage.CONTAINED | Stage.ROLLED_BACK:
            on = channels.step(attempt, facts)
            words = telling.last_words(attempt, facts)
            ended = on.model_copy(update={"effects": (*words, *on.effects)})
            return cleaning.step(attempt, facts) or ended
        case Stage.HELD | Stage.BLOCKED | Stage.CARRIED_OVER:
            return Decision(attempt=attempt)
        case _:
            assert_never(attempt.stage)


# From dispatch to a verified report ------------------------------------------------------------


def _dispatched(attempt: Attempt, facts: Facts) -> Decision:
    if facts.runs or attempt.runs:
        return plan.to(
            attempt.model_copy(update={"runs": plan.told_runs(facts) or attempt.runs}), Stage.RUNNING
        )
    effect = plan.last(facts, "dispatch")
    if effect is None or effect.state is EffectState.DROPPED:
        return preflight.dispatch(attempt, facts)
    if effect.state is EffectState.REFUSED:
        return plan.blocked(attempt, f"GitHub refused to start the run: {effect.outcome.get('message', '')}")
    if (facts.now - attempt.updated).total_seconds() > PATIENCE:
        return plan.blocked(
            attempt, "the run was asked for but GitHub shows none; look at the fork's Actions page"
        )
    return Decision(attempt=attempt)


def _running(attempt: Attempt, facts: Facts) -> Decision:
    attempt = attempt.model_copy(update={"runs": plan.told_runs(facts) or attempt.runs})
    good = [run for run in facts.runs if verify.run_problem(attempt, run, facts.app_slug) is None]
    asked = vouching.Asked(app_id=facts.app_id, now=facts.now)
    weighed = vouching.weigh(attempt, good, facts.inbox, asked)
    if weighed.vouch is not None and weighed.run is not None and weighed.inbox is not None:
        attempt = attempt.model_copy(update={"vouch": weighed.vouch, "message": ""})
        return _report(attempt, facts, weighed.run, weighed.inbox)
    if not facts.runs or any(run.status != "completed" for run in facts.runs):
        return Decision(attempt=attempt)
    if not good:
        return plan.failed(attempt, verify.run_problem(attempt, facts.runs[-1], facts.app_slug) or "")
    if refused := vouching.turned_away(good[-1]):
        return plan.refs_refused(attempt, refused)
    return _unvouched(attempt, facts, good[-1], weighed)


def _unvouched(attempt: Attempt, facts: Facts, ended: RunFact, weighed: vouching.Weighed) -> Decision:
    """The run has ended and nothing vouches for a report of it: waits for what GitHub shows late, says so."""
    waited = (facts.now - attempt.updated).total_seconds()
    unread = bool(weighed.waits) and any(one.token and one.token.unread for one in facts.inbox)
    if unread and (waited >= PATIENCE or attempt.resume is not None):
        return plan.blocked(attempt, weighed.waits)  # it goes on once GitHub's keys can be had
    if unread or waited < RUN_PATIENCE:
        return Decision(attempt=attempt.model_copy(update={"message": weighed.waits or attempt.message}))
    if weighed.problem or weighed.waits:
        why = weighed.problem or weighed.waits
    elif facts.inbox:
        why = f"run {ended.id} vouches for no report, yet there is one at {facts.inbox[-1].ref}"
    else:
        why = f"run {ended.id} ended ({ended.conclusion}) without a report; its log says why: {ended.url}"
    return plan.failed(attempt, why)


def _report(attempt: Attempt, facts: Facts, run: RunFact, inbox: Inbox) -> Decision:
    problem = verify.report_problem(attempt, run, inbox, facts)
    if problem is not None or inbox.report is None:
        return plan.failed(attempt.model_copy(update={"inbox": inbox.commit}), problem or "")
    report = inbox.report
    attempt = attempt.model_copy(update={"inbox": inbox.commit, "report": report})
    if report.status is ReportStatus.ERROR:
        said = report.error.message if report.error else "it gave no reason"
        if attempt.pushed and report.error and report.error.stage == "continue":
            return plan.held(attempt, said)
        return plan.failed(attempt, f"the runner could not carry the stack: {said}")
    if report.status is ReportStatus.NOOP:
        if facts.nothing_to_carry is None:
            return Decision(attempt=attempt)  # GitHub's word on it is read in the next pass
        return plan.to(attempt, Stage.CONTAINED, message=f"{attempt.stack} already has all of {attempt.tag}")
    unread = attempt.pushed is not None and facts.pushed_commits is None
    unread = unread or (bool(attempt.patches) and facts.patch_commits is None)
    if facts.stack_commits is None or facts.base_is_upstream is None or unread:
        return Decision(attempt=attempt)  # the evidence for this report is read in the next pass
    known = {"base": report.base, "candidate": verify.tip(report), "leaving": facts.leaving}
    attempt = attempt.model_copy(update=known)
    return _relay(attempt, facts)


def _relay(attempt: Attempt, facts: Facts) -> Decision:
    changes = plan.relay_changes(attempt, facts)
    for change in changes:
        if change.before not in (names.ZERO, attempt.written.get(change.ref)):
            ref = attempt.place(change.ref)
            return plan.blocked(
                attempt, f"somebody else wrote {ref}: delete that ref, then this attempt goes on"
            )
    if not changes:
        clean = attempt.report is not None and attempt.report.candidate is not None
        return plan.to(attempt, Stage.CARRIED if clean else Stage.CONFLICT)
    wish = plan.relay(attempt, facts, changes)
    done = plan.same(facts, wish)
    if done is not None and done.state is EffectState.REFUSED:
        return plan.not_relayed(attempt, done)
    return Decision(attempt=attempt, effects=(wish,))


# From a candidate to a review ------------------------------------------------------------------


def _carried(attempt: Attempt, facts: Facts) -> Decision:
    waiting = going_back.step(attempt, facts) or _gate(attempt, facts)
    return waiting or plan.to(_through_the_gate(attempt, facts), Stage.GATED)


def _through_the_gate(attempt: Attempt, facts: Facts) -> Attempt:
    """What a reviewer should know of it: what was let through, and which patches people have seen before."""
    known = {"trusted_findings": facts.gate or (), "earlier": siblings.earlier(attempt, facts.siblings)}
    return attempt.model_copy(update={"gate": (), **known})


def _gate(attempt: Attempt, facts: Facts) -> Decision | None:
    """Waits while something would run that isn't known, or anything would, and nobody has trusted it."""
    if facts.gate is None:
        return Decision(attempt=attempt)
    if facts.workflow_changes != attempt.workflow_changes:
        return Decision(attempt=attempt.model_copy(update={"workflow_changes": facts.workflow_changes}))
    rule = attempt.configuration.candidate.workflows
    found = facts.gate or ((gate.HELD,) if rule is Workflows.HOLD else ())
    trusted = attempt.trusted is not None and attempt.trusted.commit == attempt.candidate
    if not found or trusted or rule is Workflows.TRUST:
        return None
    why = (
        "nothing of a candidate runs here before somebody has said so"
        if rule is Workflows.HOLD
        else "jobs that aren't the maintained branch's would run with something to lose"
    )
    attempt = attempt.model_copy(
        update={
            "gate": found,
            "message": f"{why}: "
            f"`/patch trust-workflows {attempt.candidate}` by a person with admin or maintain lets it go on"
            + ("" if facts.has_issues else ", or the button of the App's check run on that commit"),
        }
    )
    return Decision(attempt=attempt, effects=telling.gate_notice(attempt, facts))


def _gated(attempt: Attempt, facts: Facts) -> Decision:
    branches = _branches(attempt, facts)
    if branches is not None:
        return branches
    if attempt.candidate == attempt.target:
        return plan.blocked(
            attempt,
            f"every patch is in {attempt.tag} already, so there is nothing to review: "
            f"move {attempt.stack} to {names.short(attempt.target)} yourself, "
            f"with {shlex.quote(f'--force-with-lease={attempt.stack}:{attempt.stack_head}')}",
        )
    if attempt.pull_request is None:
        attempt = _waiting(attempt, facts)
        wish = telling.pull_request(attempt, facts)
        done = plan.same(facts, wish)
        if done is not None and done.state is EffectState.REFUSED:
            return plan.blocked(
                attempt, f"GitHub refused the pull request: {done.outcome.get('message', '')}"
            )
        return Decision(attempt=attempt, effects=(wish, *telling.check_run(attempt, facts)))
    return plan.to(attempt, Stage.REVIEWING)


def _branches(attempt: Attempt, facts: Facts) -> Decision | None:
    """Makes the base and maintenance branches; None once they have their values."""
    foreign = plan.foreign_branch(attempt, facts)
    if foreign is not None:
        return plan.blocked(
            attempt,
            f"the branch {foreign} exists and isn't ours: rename or delete it, then this attempt goes on",
        )
    changes = plan.branch_changes(attempt, facts)
    if not changes:
        return None
    return _moving(attempt, facts, "branches", changes)


def _moving(
    attempt: Attempt, facts: Facts, purpose: plan.Purpose, changes: tuple[RefChange, ...]
) -> Decision:
    """Wishes for the refs' move; where GitHub refused the same move before, says so instead."""
    wish = plan.update(facts, purpose, changes)
    before = plan.last(facts, "update_refs", purpose)
    if before is not None and before.state is EffectState.REFUSED and not _moved_meanwhile(before, changes):
        return plan.blocked(
            attempt, f"GitHub refused to move {_refs(changes)}: {before.outcome.get('message', '')}"
        )
    return Decision(attempt=attempt, effects=(wish,))


def _moved_meanwhile(before: Performed, changes: tuple[RefChange, ...]) -> bool:
    return getattr(before.effect, "changes", ()) != changes or bool(before.outcome.get("moved"))


def _conflict(attempt: Attempt, facts: Facts) -> Decision:
    waiting = _run_again(attempt, facts) or going_back.step(attempt, facts) or _gate(attempt, facts)
    if waiting is not None:
        return waiting
    attempt = _through_the_gate(attempt, facts)
    branches = _branches(attempt, facts)
    if branches is not None:
        return branches
    attempt = attempt.model_copy(update={"message": messages.conflict_line(attempt)})
    return Decision(attempt=attempt, effects=telling.conflict_notice(attempt, facts))


# From a review to the maintained branch --------------------------------------------------------


def _reviewing(attempt: Attempt, facts: Facts) -> Decision:
    attempt = plan.gathered(attempt, facts)
    if own_checks.carried_anew(attempt, facts.runs):
        return plan.rerun(attempt, plan.told_runs(facts))
    pull_request = facts.pull_request
    if pull_request is None:
        return Decision(attempt=attempt)
    if not pull_request.open and not pull_request.merged:
        return plan.to(attempt, Stage.ABANDONED, message=f"pull request #{pull_request.number} was closed")
    if lacking := approval.unapproved_merge(attempt, facts):
        return telling.undo_merge(attempt, facts, pull_request, lacking)
    seen = siblings.earlier(attempt, facts.siblings, facts.reviews)
    attempt = _waiting(attempt.model_copy(update={"earlier": seen}), facts)
    if not approval.missing(attempt, facts) and approval.asked(attempt, facts) and facts.rules is not None:
        older = approval.carried_over(attempt)
        why = f"the approval of {names.short(older)} counts: every patch and the target are the same"
        return plan.to(attempt, Stage.APPROVED, message=why if older else "")
    said = (
        *telling.draft(attempt, facts),
        *telling.pull_request_edit(attempt, facts),
        *telling.check_run(attempt, facts),
        *news.due(attempt, facts),
    )
    return Decision(attempt=attempt, effects=said)


def _waiting(attempt: Attempt, facts: Facts) -> Attempt:
    """The attempt in review, with what it waits for."""
    missing = approval.missing(attempt, facts)
    waits = telling.waiting_line(missing) or "approved: merging the pull request promotes it"
    return attempt.model_copy(update={"message": waits})


def _promoting(attempt: Attempt, facts: Facts) -> Decision:
    """The conditions are read again for every wish to promote: an old wish is never carried out."""
    attempt = plan.gathered(attempt, facts)
    unasked = facts.rules is None or not approval.asked(attempt, facts)
    if unasked or approval.missing(attempt, facts):
        return plan.to(attempt, Stage.REVIEWING)
    attempt = attempt.model_copy(update={"stage": Stage.PROMOTING})
    foreign = plan.foreign_tag(attempt, facts)
    if foreign is not None:
        return plan.blocked(
            attempt, f"the tag {foreign} exists and isn't ours: delete it, then this attempt goes on"
        )
    if attempt.configuration.promotion.lands:
        landed = landing.step(attempt, facts)
        said = (*telling.pull_request_edit(landed.attempt, facts), *telling.check_run(landed.attempt, facts))
        return landed.model_copy(update={"effects": (*landed.effects, *said)})
    return _moving(attempt, facts, "promote", plan.promotion(attempt, facts))


def _failed(attempt: Attempt, facts: Facts) -> Decision:
    again = _run_again(attempt, facts)
    return again or Decision(attempt=attempt, effects=telling.check_run(attempt, facts))


def _run_again(attempt: Attempt, facts: Facts) -> Decision | None:
    """Somebody used GitHub's own "Re-run" button on a run of ours."""
    known = {run.id: run.attempt for run in attempt.runs}
    newer = any(run.attempt > known.get(run.id, run.attempt) for run in facts.runs)
    return plan.rerun(attempt, plan.told_runs(facts)) if newer else None


def _refs(changes: tuple[RefChange, ...]) -> str:
    return ", ".join(change.ref.removeprefix("refs/heads/") for change in changes)
