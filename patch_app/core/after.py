"""The facts once an effect was carried out: what GitHub has just said need not be asked again. Pure.

Refuses to guess: after a refusal, and where somebody else may have had a hand in it, all is read again.
"""

from __future__ import annotations

from typing import Any, assert_never

from patch_app.core.attempt import Attempt
from patch_app.core.effects import (
    Close,
    Comment,
    Dispatch,
    Draft,
    EditPullRequest,
    Effect,
    EffectState,
    Hide,
    Land,
    OpenIssue,
    OpenPullRequest,
    PinTarget,
    PutCheckRun,
    React,
    Record,
    Relay,
    Rerun,
    StartWorkflow,
    UpdateRefs,
)
from patch_app.core.facts import Facts, PullRequest
from patch_app.core.needs import Need


def after(facts: Facts, attempt: Attempt, effect: Effect, state: EffectState, answer: Any) -> Facts | None:
    """The facts with the effect's outcome in them; None where they have to be read again."""
    if state is not EffectState.DONE:
        # a refused pin changes nothing, and was expected
        return facts if isinstance(effect, PinTarget) and state is EffectState.REFUSED else None
    match effect:
        case PinTarget():
            return _moved(facts, {effect.ref: effect.target})
        case UpdateRefs(purpose="release"):
            return None
        case Relay() if answer.get("on_branches") and not attempt.on_branches:
            return None
        case Relay() | UpdateRefs():
            return _moved(facts, {change.ref: change.after for change in effect.changes})
        case Land() | Record():
            return _moved(facts, {effect.ref: answer["commit"]})
        case Dispatch():
            if "run_id" not in answer or answer.get("found"):
                return None
            # begun this moment: there is nothing to see yet
            read = facts.read | {Need.RUNS, Need.REPORT}
            return facts.model_copy(update={"read": read, "runs": (), "inbox": ()})
        case StartWorkflow():
            return None
        case OpenPullRequest():
            reviewed = answer.get("new") and effect.base != attempt.stack
            return _opened(facts, attempt, effect, answer) if reviewed else None
        case Draft():
            made = facts.pull_request
            changed = made.model_copy(update={"draft": effect.draft}) if made else None
            return facts.model_copy(update={"pull_request": changed})
        case (
            EditPullRequest() | OpenIssue() | Comment() | Hide() | React() | PutCheckRun() | Close() | Rerun()
        ):
            return facts
        case _:
            assert_never(effect)


def _moved(facts: Facts, values: dict[str, str]) -> Facts:
    return facts.model_copy(update={"refs": {**facts.refs, **values}})


def _opened(facts: Facts, attempt: Attempt, effect: OpenPullRequest, answer: Any) -> Facts:
    """Nobody can have said anything about a pull request that didn't exist a moment ago."""
    made = PullRequest(
        number=answer["number"],
        url=answer["url"],
        open=True,
        merged=False,
        head=attempt.candidate or "",
        base=attempt.target or "",
        into=effect.base,
    )
    return facts.model_copy(
        update={"pull_request": made, "reviews": (), "checks": (), "read": facts.read | {Need.REVIEW}}
    )
