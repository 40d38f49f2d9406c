"""What people ask for, by comment or button, and what comes of it at once. Pure.

Asking is never an approval: a promotion that somebody asked for has the same conditions as any other.
Who may not ask is told so; nothing that was asked is passed over or done twice.
"""

from __future__ import annotations

from typing import Final, assert_never

from patch_app.core import approval, channels, commands, going_back, landing, landing_text, names, plan
from patch_app.core.attempt import Asked, Attempt, Hold, Stage
from patch_app.core.commands import Command, Name, Unknown
from patch_app.core.configuration import Strategy, stack_of
from patch_app.core.effects import Comment, Effect, React, Rerun
from patch_app.core.facts import Ask, Facts
from patch_app.core.markdown import code, inline
from patch_app.core.model import Model
from patch_app.core.plan import Decision

# beginning of the marker of an answer; what was asked follows
ANSWER: Final = "patch-app:answer:"
# what an ended attempt can still be asked
_AFTER_THE_END: Final = frozenset({Name.REPLAY, Name.ROLLBACK, Name.CARRY_OVER, Name.HELP})
# what is asked for on other pull requests than an attempt's
_ELSEWHERE: Final = {
    Name.ONBOARD: "that is for the pull request that brings the App's files: the fork has them.",
    Name.CARRY_OVER: "that is for a person's own pull request onto a maintained branch.",
}
_RUN_AGAIN: Final = frozenset({Stage.FAILED, Stage.CONFLICT})
_PROMOTING: Final = frozenset({Stage.REVIEWING, Stage.APPROVED, Stage.PROMOTING})


class Reply(Model):
    """What one command did: the attempt with it, a line for the person, what else is to be done."""

    attempt: Attempt
    line: str
    done: bool = True
    effects: tuple[Effect, ...] = ()
    replay: bool = False
    # what GitHub refused is tried once more
    forgive: bool = False


def step(attempt: Attempt, facts: Facts) -> Decision | None:
    """Deals with the first ask that has no answer yet; None where there is none."""
    ask = next((one for one in facts.asks if one.id not in attempt.answered), None)
    if ask is None:
        return None
    lines: list[str] = []
    effects: list[Effect] = []
    good = True
    replay = forgive = False
    for command in ask.commands:
        reply = _reply(attempt, facts, ask, command)
        attempt, good = reply.attempt, good and reply.done
        replay, forgive = replay or reply.replay, forgive or reply.forgive
        lines.append(reply.line)
        effects += reply.effects
    attempt = attempt.model_copy(update={"answered": (*attempt.answered, ask.id)})
    return Decision(
        attempt=attempt,
        effects=(*effects, *_answer(attempt, ask, lines, good=good)),
        replay=replay,
        forgive=forgive,
    )


def _answer(attempt: Attempt, ask: Ask, lines: list[str], *, good: bool) -> tuple[Effect, ...]:
    said: list[Effect] = []
    if ask.comment is not None:
        said.append(React(comment=ask.comment, content="+1" if good else "confused"))
    link = attempt.pull_request or attempt.issue
    number = ask.number or (link.number if link else None)
    if number is not None:
        who = inline(ask.person) or "The operator"
        listed = "".join(f"\n\n- {line}" for line in lines) if len(lines) > 1 else f" {lines[0]}"
        text = f"{who}:{listed}"
        said.append(Comment(number=number, marker=f"{ANSWER}{ask.id}", body=text))
    return tuple(said)


def _reply(attempt: Attempt, facts: Facts, ask: Ask, command: Command | Unknown) -> Reply:
    if isinstance(command, Unknown):
        near = f"; did you mean `/patch {command.nearest}`?" if command.nearest else ""
        written = code(f"/patch {command.text}", 120)
        line = f"{written}: {command.problem}{near} `/patch help` lists what there is."
        return Reply(attempt=attempt, line=line, done=False)
    channel = channels.named(command)
    if channel is not None:
        after, line, done = channels.ask(attempt, facts, ask, channel)
        line = f"`/patch promote {channel}`: {line}"
        return Reply(attempt=after, line=line, done=done, forgive=done)
    refused = _refusal(attempt, ask, command.name)
    if refused is not None:
        return Reply(attempt=attempt, line=f"`/patch {command.name}`: {refused}", done=False)
    return _apply(attempt, facts, ask, command)


def _refusal(attempt: Attempt, ask: Ask, name: Name) -> str | None:
    """Why this person can't ask for this now."""
    if name is Name.HELP:
        return None
    careful = name in (Name.TRUST_WORKFLOWS, Name.ROLLBACK)
    lands = attempt.configuration.promotion.lands
    if name is Name.PROMOTE and attempt.rules is not None and attempt.rules.any and not lands:
        careful = True
    wanted = approval.MAY_TRUST if careful else approval.MAY_WRITE
    if ask.permission not in wanted:
        need = "maintain or admin" if careful else "write"
        return f"this needs {need} permission here, and you have {inline(ask.permission)}."
    if not attempt.open and attempt.stage is not Stage.FAILED and name not in _AFTER_THE_END:
        return f"this attempt has ended ({attempt.stage.value})."
    return None


def _apply(attempt: Attempt, facts: Facts, ask: Ask, command: Command) -> Reply:
    match command.name:
        case Name.HELP:
            return Reply(attempt=attempt, line=f"this can be asked for:\n\n{commands.usage()}")
        case Name.RETRY:
            return _retry(attempt)
        case Name.REPLAY:
            return _replay(attempt, ask)
        case Name.HOLD:
            hold = Hold(person=ask.person, reason=command.argument or "")
            line = "held: nothing more happens here until `/patch resume`."
            return Reply(attempt=attempt.model_copy(update={"hold": hold}), line=line)
        case Name.RESUME:
            return _resume(attempt)
        case Name.PROMOTE:
            return _promote(attempt, facts, ask, command.argument)
        case Name.TRUST_WORKFLOWS:
            return _trust(attempt, ask, command.argument or "")
        case Name.GO_BACK:
            after, line, done = going_back.let(attempt, ask, command.argument or "")
            return Reply(attempt=after, line=line, done=done)
        case Name.ABANDON:
            why = f": {command.argument}" if command.argument else ""
            ended = plan.to(attempt, Stage.ABANDONED, message=f"abandoned by {ask.person}{why}").attempt
            return Reply(attempt=ended, line="abandoned; `/patch replay` begins again.")
        case Name.ROLLBACK:
            return _rollback(attempt, facts, ask)
        case Name.DROP:
            return _drop(attempt, ask, command.argument or "")
        case Name.ONBOARD | Name.CARRY_OVER:
            return Reply(attempt=attempt, line=_ELSEWHERE[command.name], done=False)
        case _:
            assert_never(command.name)


def _resume(attempt: Attempt) -> Reply:
    if attempt.hold is not None:
        return Reply(attempt=attempt.model_copy(update={"hold": None}), line="it goes on.")
    if attempt.goes_back:
        # what goes on is said in full: "resume" could be meant for anything
        return Reply(attempt=attempt, line=going_back.how(attempt), done=False)
    again = landing.asked_again(attempt)
    line = "another pull request is opened." if again != attempt else "nobody holds this attempt."
    return Reply(attempt=again, line=line, done=again != attempt)


def _retry(attempt: Attempt) -> Reply:
    latest = attempt.runs[-1] if attempt.runs else None
    # blocked since GitHub took no report from it
    unheard = attempt.stage is Stage.BLOCKED and attempt.resume is Stage.RUNNING and attempt.report is None
    refused = unheard and latest is not None and latest.conclusion == "failure"
    if (attempt.stage in _RUN_AGAIN or refused) and latest is not None:
        return Reply(
            attempt=attempt,
            line="the run is started again.",
            effects=(Rerun(run=latest.id, attempt=latest.attempt),),
            forgive=True,
        )
    if attempt.stage is Stage.FAILED:
        begun = plan.to(attempt, Stage.PREFLIGHT).attempt
        return Reply(attempt=begun, line="this attempt begins again.", forgive=True)
    return Reply(attempt=attempt, line="what GitHub refused is tried once more.", forgive=True)


def _replay(attempt: Attempt, ask: Ask) -> Reply:
    if not attempt.open:
        return Reply(attempt=attempt, line="a new attempt carries the stack as it is now.", replay=True)
    ended = plan.replaced(attempt, f"{ask.person} asked for a replay").attempt
    return Reply(attempt=ended, line="a new attempt carries the stack as it is now.", replay=True)


def _promote(attempt: Attempt, facts: Facts, ask: Ask, commit: str | None) -> Reply:
    if attempt.stage not in _PROMOTING and landing.asked_again(attempt) == attempt:
        line = f"there is nothing to promote yet: the attempt is {attempt.stage.value}."
        return Reply(attempt=attempt, line=line, done=False)
    if (commit or ask.commit or attempt.candidate) != attempt.candidate:
        line = f"the candidate is {code(attempt.candidate or '')} now: look at that, and ask again."
        return Reply(attempt=attempt, line=line, done=False)
    asked = Asked(person=ask.person, permission=ask.permission, commit=attempt.candidate or "")
    attempt = landing.asked_again(attempt).model_copy(update={"asked": asked})
    missing = approval.missing(attempt, facts)
    if missing:
        listed = "; ".join(inline(one) for one in missing)
        return Reply(attempt=attempt, line=f"asked for; it is promoted once there is: {listed}.")
    if attempt.configuration.promotion.lands:
        line = f"a pull request brings the candidate onto {code(attempt.stack)}."
        return Reply(attempt=attempt, line=line, forgive=True)
    return Reply(attempt=attempt, line=f"{code(attempt.stack)} is moved to the candidate.")


def _trust(attempt: Attempt, ask: Ask, commit: str) -> Reply:
    if commit != attempt.candidate:
        there = f"it is {code(attempt.candidate)}" if attempt.candidate else "there is none yet"
        line = f"that is not the candidate, {there}: trust is given to exactly one commit."
        return Reply(attempt=attempt, line=line, done=False)
    trust = Asked(person=ask.person, permission=ask.permission, commit=commit)
    attempt = attempt.model_copy(update={"trusted": trust})
    return Reply(attempt=attempt, line=f"the workflow files of {code(names.short(commit))} may run.")


def _drop(attempt: Attempt, ask: Ask, commit: str) -> Reply:
    patches = attempt.report.patches if attempt.report else ()
    found = [one for one in patches if one.old.startswith(commit)]
    if len(found) != 1:
        line = f"{code(commit)} is {'no patch' if not found else 'more than one patch'} of this stack."
        return Reply(attempt=attempt, line=line, done=False)
    strategy = stack_of(attempt.configuration, attempt.stack).strategy
    if strategy is Strategy.MERGE:
        line = "a stack that the release is merged into keeps its commits: revert the patch there instead."
        return Reply(attempt=attempt, line=line, done=False)
    if strategy is Strategy.PATCHES:
        line = f"take {code(found[0].branch or attempt.stack)} out of the patch branches instead."
        return Reply(attempt=attempt, line=line, done=False)
    if attempt.pushed is not None:
        line = "a person's commits are the candidate: push them without the patch instead."
        return Reply(attempt=attempt, line=line, done=False)
    drop = (*attempt.drop, *([] if found[0].old in attempt.drop else [found[0].old]))
    ended = plan.replaced(attempt, f"{ask.person} left {names.short(found[0].old)} out").attempt
    line = f"a new attempt carries the stack without {code(found[0].subject, 100)}; it is listed as dropped."
    return Reply(attempt=ended.model_copy(update={"drop": drop}), line=line, replay=True)


def _rollback(attempt: Attempt, facts: Facts, ask: Ask) -> Reply:
    if attempt.stage is not Stage.PROMOTED:
        line = f"there is nothing to roll back: the attempt is {attempt.stage.value}."
        return Reply(attempt=attempt, line=line, done=False)
    there = facts.ref(names.head(attempt.stack))
    if attempt.landing is not None and there != attempt.candidate:
        return Reply(attempt=attempt, line=landing_text.no_rollback(attempt), done=False)
    if there != attempt.candidate:
        line = (
            f"{code(attempt.stack)} is {code(names.short(there))} now and no longer this attempt's "
            f"{code(names.short(attempt.candidate))}: what came later would be lost, so nothing was moved."
        )
        return Reply(attempt=attempt, line=line, done=False)
    asked = Asked(person=ask.person, permission=ask.permission, commit=attempt.stack_head or "")
    line = f"{code(attempt.stack)} is moved back to {code(names.short(attempt.stack_head))}."
    return Reply(attempt=attempt.model_copy(update={"rollback": asked}), line=line, forgive=True)
