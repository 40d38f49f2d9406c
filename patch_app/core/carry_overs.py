"""A person's pull request is carried onto a promoted candidate: asked for, run, put into it, told. Pure.

Runs as a release's attempt does, and ends where that begins to be reviewed: the command of somebody who may
write, on exactly that head, is what moves the branch. Refuses to move it from any other value, to touch a
branch that has rules or belongs to somebody else, and to promote anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from patch_app.core import branches, names, plan
from patch_app.core import carry_over_texts as texts
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.carry_over import CarryOver, OpenPull
from patch_app.core.configuration import Configuration, stacks
from patch_app.core.configuration_pull_requests import CarryOvers
from patch_app.core.effects import Comment, Effect, EffectState, React, RefChange
from patch_app.core.facts import Facts
from patch_app.core.needs import standing
from patch_app.core.plan import Decision
from patch_app.core.report import Report
from patch_app.core.verify import merges_forward

# of one promotion; the others are told by nobody, and the command works there too
MOST_OFFERS: Final = 20
# beginning of the marker of an offer; the attempt and the pull request follow
OFFER: Final = "patch-app:carry-over:"
ANSWER: Final = "patch-app:answer:"

_Step = Callable[[Attempt, Facts], Decision]


# The attempt ------------------------------------------------------------------------------------


def step(attempt: Attempt, facts: Facts, walk: _Step) -> Decision:
    """The next step of a carry-over; `walk` is a release's own, from the dispatch to a verified report."""
    over = attempt.carry_over
    if over is None or not attempt.open:
        return Decision(attempt=attempt, effects=_answer(attempt, facts) if over else ())
    there = attempt.model_copy(update={"stage": standing(attempt)})
    decision = _stopped(there, over, facts) or _step(there, over, facts, walk)
    if decision.attempt.stage is Stage.BLOCKED:
        # nobody looks after it as after a release: it is said, and asked for again
        decision = plan.failed(there, decision.attempt.message)
    if attempt.stage is Stage.BLOCKED and decision.attempt.stage is there.stage:
        decision = decision.model_copy(
            update={"attempt": decision.attempt.model_copy(update={"resume": None, "message": ""})}
        )
    said = _answer(decision.attempt, facts)
    return decision.model_copy(update={"effects": (*decision.effects, *said)})


def _stopped(attempt: Attempt, over: CarryOver, facts: Facts) -> Decision | None:
    """What ends a carry-over at whatever stage it is; our own move of the branch doesn't."""
    now = facts.pull
    if now is None:
        return Decision(attempt=attempt)
    head = facts.ref(names.head(over.branch)) if over.here else now.head
    if attempt.stage is Stage.CARRIED and over.here and head == attempt.candidate:
        return plan.to(attempt, Stage.CARRIED_OVER, message=f"{over.branch} is {names.short(head)} now")
    if any(one.newer and one.event == attempt.event for one in facts.siblings):
        return plan.to(attempt, Stage.SUPERSEDED, message="it was asked for again")
    if not now.open:
        return plan.to(attempt, Stage.ABANDONED, message=f"pull request #{over.number} is closed")
    if now.into != over.into:
        return plan.to(attempt, Stage.ABANDONED, message=f"it no longer goes into {over.into}")
    if head != attempt.stack_head:
        pushed = f"{over.branch} is {names.short(head)} now, and was {names.short(attempt.stack_head)} when "
        why = f"{pushed}this was asked for: nothing of it was overwritten"
        return plan.to(attempt, Stage.SUPERSEDED, message=why)
    if not now.stands:
        why = f"{over.into} was moved again, and no longer has {names.short(attempt.target)}"
        return plan.to(attempt, Stage.SUPERSEDED, message=why)
    return None


def _step(attempt: Attempt, over: CarryOver, facts: Facts, walk: _Step) -> Decision:
    match attempt.stage:
        case Stage.PREFLIGHT:
            return _begin(attempt, over, facts, walk)
        case Stage.DISPATCHED | Stage.RUNNING:
            return walk(attempt, facts)
        case Stage.CARRIED:
            return _put(attempt, over, facts)
        case Stage.CONFLICT:
            return Decision(attempt=attempt.model_copy(update={"message": texts.conflict_line(attempt)}))
        case _:
            return Decision(attempt=attempt)


def _begin(attempt: Attempt, over: CarryOver, facts: Facts, walk: _Step) -> Decision:
    now, workflow = facts.pull, facts.pull.workflow if facts.pull else None
    if now is None or workflow is None:
        return Decision(attempt=attempt)
    usable = workflow.blob in (workflow.expected_blob, workflow.other_blob) and workflow.state == "active"
    if not usable or workflow.runner != workflow.expected_runner:
        why = f"the App's workflow can't run on {now.default_branch} now; patch-app doctor says why"
        return plan.failed(attempt, why)
    known = {
        "workflow_blob": workflow.blob,
        "default_branch": now.default_branch,
        "bundle_from": "target",
        "on_branches": workflow.on_branches,
    }
    begun = plan.to(attempt.model_copy(update=known), Stage.DISPATCHED)
    heard = React(comment=over.comment, content="+1")
    first = walk(begun.attempt, facts)
    return first.model_copy(update={"effects": (heard, *first.effects)})


def _put(attempt: Attempt, over: CarryOver, facts: Facts) -> Decision:
    """The pull request's branch, from exactly the head that was asked about to what was carried of it."""
    if attempt.candidate == attempt.target:
        why = f"all of it is in {over.into} already: the pull request can be closed"
        return plan.to(attempt, Stage.CONTAINED, message=why)
    if facts.gate is None or facts.pull is None:
        return Decision(attempt=attempt)
    if held_back := over.barred or _held_back(over, facts):
        return _left(attempt, over, held_back)
    change = RefChange(
        ref=names.head(over.branch),
        before=attempt.stack_head or names.ZERO,
        after=attempt.candidate or names.ZERO,
        force=True,
    )
    before = plan.last(facts, "update_refs", "carry-over")
    if before is not None and before.state is EffectState.REFUSED:
        return _left(attempt, over, f"GitHub refused to move the branch: {before.outcome.get('message', '')}")
    return Decision(attempt=attempt, effects=(plan.update(facts, "carry-over", (change,)),))


def _held_back(over: CarryOver, facts: Facts) -> str | None:
    """Why the App doesn't move a branch of the fork that it could move."""
    if facts.gate:
        paths = ", ".join(sorted({one.path for one in facts.gate})[:5])
        return f"its workflow files would do something there that they didn't before ({paths})"
    rules = facts.pull.rules if facts.pull else None
    if rules is None or rules.any or rules.unclear:
        # the App may be let past them for the maintained branch's sake, and not for this
        return f"the branch {over.branch} has rules of its own, which the App stays out of"
    return None


def _left(attempt: Attempt, over: CarryOver, why: str) -> Decision:
    kept = attempt.model_copy(update={"carry_over": over.model_copy(update={"left": why})})
    return plan.to(kept, Stage.CARRIED_OVER, message=f"left to a person: {why}")


def _answer(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """The one comment that answers the command, at the end or at a conflict."""
    over = attempt.carry_over
    if over is None or (attempt.open and attempt.stage is not Stage.CONFLICT):
        return ()
    again = f":{attempt.number}" if attempt.replay_of else ""
    marker = f"{ANSWER}{over.ask}{again}"
    if any(getattr(one, "marker", None) == marker for one in plan.told(facts, "comment")):
        return ()
    body = texts.answer(attempt)
    return (Comment(number=over.number, marker=marker, body=body, seq=plan.again(facts, "comment")),)


# The offer --------------------------------------------------------------------------------------


def offers(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """After a promotion, one comment on each open pull request that still has the old stack's commits."""
    off = attempt.configuration.pull_requests.carry_over is CarryOvers.OFF
    if off or attempt.stage is not Stage.PROMOTED or attempt.report is None or merges_forward(attempt):
        return ()
    if attempt.landing is not None:
        return ()  # the branch still has the old stack, so what stands on it is merged as ever
    old = _commits(attempt.report) | {attempt.stack_head} | _before_landing(attempt, facts)
    return tuple(
        Comment(
            number=one.number,
            marker=f"{OFFER}{attempt.id}:{one.number}",
            body=texts.offer(attempt),
            seq=plan.again(facts, "comment"),
        )
        for one in affected(facts.open_pulls or (), old)
    )


def affected(pulls: Iterable[OpenPull], old: Collection[str | None]) -> list[OpenPull]:
    """Those with commits of their own that stand on one of the old stack's, by the newest change first.

    Once the branch has moved, GitHub lists the old stack's commits among a pull request's own.
    """
    found = [
        one
        for one in pulls
        if set(one.commits) - set(old) and {*one.commits, *one.parents} & {sha for sha in old if sha}
    ]
    return found[:MOST_OFFERS]


def _commits(report: Report) -> set[str | None]:
    """All commits that the old stack had."""
    own = report.installed.commits if report.installed else ()
    patches = {sha for patch in report.patches for sha in (patch.old, patch.built)}
    return {*patches, *own, *report.merges}


def _before_landing(attempt: Attempt, facts: Facts) -> set[str | None]:
    """What the branch has lost only now where it was forced after a landing: the stack of before that."""
    if attempt.landed is None:
        return set()
    onto = attempt.landed.onto
    reports = [one.report for one in facts.siblings if one.report is not None]
    before = [one for one in reports if one.stack is not None and one.stack.sha == onto]
    return {onto, *(sha for report in before for sha in _commits(report))}


# Where a result may go --------------------------------------------------------------------------


def maintained(configuration: Configuration, default_branch: str, branch: str) -> set[str]:
    """Branches that the fork's stacks are on or built from; of a pattern's, whether `branch` is one."""
    found = stacks(configuration, default_branch)
    named = {str(one.branch) for one in found}
    for one in found:
        built = branches.selected(one, str(one.branch), configuration.branches.prefix, {branch: ""})
        named |= {patch.branch for patch in built}
    return named


def barred(
    *, here: bool, branch: str, default_branch: str, maintained: Collection[str], prefix: str
) -> str | None:
    """Why the App never moves a pull request's branch itself, as the end of a sentence; None: it may."""
    if not here:
        return "its branch is in another repository, where the App can't write"
    if branch == default_branch or branch in maintained:
        return f"{branch} is a branch that the fork maintains"
    if f"{branch}/".startswith(f"{prefix}/"):
        return f"{branch} is one of the App's own branches"
    return None
