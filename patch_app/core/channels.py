"""What becomes of a promoted candidate: its channels, each asked for by itself and watched to its end. Pure.

`internal` starts a workflow of the fork's with the candidate; `public` puts the fork's release tag on it
and waits until the release workflow has succeeded. Refuses a tag that upstream or the fork has at any
other commit: a published tag never moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

from patch_app.core import approval, channel_texts, names, plan, refnames, release_tag, workflow_triggers
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.channel import Channel, ChannelFacts, ChannelRun, ChannelState
from patch_app.core.commands import Command, Name
from patch_app.core.configuration_channels import FOLDER, ApproveInternal, ChannelName, filled
from patch_app.core.effects import Comment, Effect, EffectState, Performed, RefChange, StartWorkflow
from patch_app.core.facts import Ask, Facts
from patch_app.core.markdown import code, inline
from patch_app.core.plan import Decision

# how long we wait for a run that GitHub doesn't show, in seconds
PATIENCE: Final = 900
_ENDED: Final = frozenset({ChannelState.DONE, ChannelState.FAILED, ChannelState.REFUSED})


# What people ask ---------------------------------------------------------------------------------


def named(command: Command) -> ChannelName | None:
    """The channel that a command asks for."""
    known = command.name is Name.PROMOTE and command.argument in list(ChannelName)
    return ChannelName(command.argument) if known and command.argument else None


def asked_for(asks: Iterable[Ask]) -> bool:
    """Whether one of them is about a channel, so that more has to be known to answer it."""
    written = [command for one in asks for command in one.commands if isinstance(command, Command)]
    return any(named(command) for command in written)


def ask(attempt: Attempt, facts: Facts, asked: Ask, name: ChannelName) -> tuple[Attempt, str, bool]:
    """The attempt with what was asked for, the answer, and whether it is taken up."""
    if (why := _unaskable(attempt, asked, name)) is not None:
        return attempt, why, False
    before = _channel(attempt, name)
    channel = Channel(
        name=name,
        state=ChannelState.ASKED,
        person=asked.person,
        ask=before.ask + 1 if before else 1,
        since=facts.now,
        earlier=(*before.earlier, *(run.id for run in before.runs)) if before else (),
    )
    if facts.channels is None:
        return _put(attempt, channel), "asked for.", True
    line, good = _what(attempt, facts, facts.channels, channel)
    if not good:
        refused = {"state": ChannelState.REFUSED, "why": line, "answered": True}
        channel = channel.model_copy(update=refused)
    return _put(attempt, channel), f"{line}.", good


def _unaskable(attempt: Attempt, asked: Ask, name: ChannelName) -> str | None:
    """Why this person can't ask for this channel now."""
    careful = name is ChannelName.PUBLIC and may_release(attempt) == approval.MAY_TRUST
    if asked.permission not in (may_release(attempt) if careful else approval.MAY_WRITE):
        need = "maintain or admin" if careful else "write"
        return f"this needs {need} permission here, and you have {inline(asked.permission)}."
    if name not in attempt.configuration.channels.names:
        return (
            f"no channel `{name}` is configured for this attempt; the configuration is read when an "
            "attempt begins."
        )
    if attempt.stage is not Stage.PROMOTED:
        return f"only a promoted candidate can go there: the attempt is {attempt.stage.value}."
    before = _channel(attempt, name)
    if before is not None and before.under_way:
        return "it is under way already."
    if before is not None and before.state is ChannelState.DONE and name is ChannelName.PUBLIC:
        return f"it was released as {code(before.tag or '')} already."
    return None


def may_release(attempt: Attempt) -> frozenset[str]:
    """Permissions with which a person may ask for the public channel; rules unread count as rules."""
    return approval.MAY_TRUST if attempt.rules is None or attempt.rules.any else approval.MAY_WRITE


# What comes next ---------------------------------------------------------------------------------


def step(attempt: Attempt, facts: Facts) -> Decision:
    """One step of each channel that is under way; else what is still to be said of them."""
    known, effects = facts.channels, list[Effect]()
    if known is not None:
        attempt = _begun(attempt, facts)
        for channel in attempt.channels:
            if channel.under_way:
                after, wishes = _on(attempt, facts, known, channel)
                attempt = _put(attempt, after)
                effects += wishes
    return Decision(attempt=attempt, effects=(*effects, *_words(attempt, facts)))


def _begun(attempt: Attempt, facts: Facts) -> Attempt:
    """With the channels of the configuration that nobody was told of yet."""
    wanted = attempt.configuration.channels
    for name in wanted.names if attempt.stage is Stage.PROMOTED else ():
        if _channel(attempt, name) is None:
            internal = wanted.internal if name is ChannelName.INTERNAL else None
            auto = internal is not None and internal.approve is ApproveInternal.AUTO
            state = ChannelState.ASKED if auto else ChannelState.OFFERED
            attempt = _put(attempt, Channel(name=name, state=state, ask=int(auto), since=facts.now))
    return attempt


def _on(
    attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel
) -> tuple[Channel, tuple[Effect, ...]]:
    running = channel.state is ChannelState.RUNNING
    match channel.name:
        case ChannelName.INTERNAL:
            if running:
                return _staged(facts, known, channel), ()
            return _starting(attempt, facts, known, channel)
        case ChannelName.PUBLIC:
            if running:
                return _released(attempt, facts, known, channel), ()
            return _releasing(attempt, facts, known, channel)
        case _:
            assert_never(channel.name)


# internal ----------------------------------------------------------------------------------------


def _start(attempt: Attempt, known: ChannelFacts, channel: Channel) -> StartWorkflow | str:
    """The wish to start the internal workflow, or why there is none.

    The maintained branch's file is the candidate's own; where it has none that can be started, the
    default branch's may build what it is told to.
    """
    internal = attempt.configuration.channels.internal
    if internal is None:
        return "no internal channel is configured"
    if not known.reachable:
        return release_tag.left(attempt)
    document = known.files.get(f"{FOLDER}{internal.workflow}")
    taken = workflow_triggers.dispatch_inputs(document)
    if taken is None and attempt.default_branch == attempt.stack:
        return f"{code(internal.workflow)} of the candidate doesn't start for `workflow_dispatch`"
    unknown = [one for one in internal.inputs if taken is not None and one not in taken]
    if unknown:
        there = ", ".join(map(code, taken or ())) or "none"
        return f"{code(internal.workflow)} has no input {code(unknown[0])}; there is {there}"
    values = {**release_tag.values(attempt), "candidate": attempt.candidate or ""}
    for name, value in values.items():
        used = any(f"{{{name}}}" in text for text in internal.inputs.values())
        if used and (why := refnames.tag_problem(value)):
            return f"{code(value, 200)} can't be an input of {code(internal.workflow)}: it {why}"
    return StartWorkflow(
        workflow=internal.workflow,
        branch=attempt.default_branch if taken is None else attempt.stack,
        inputs={one: filled(text, values) for one, text in internal.inputs.items()},
        ask=channel.ask,
        since=channel.since,
    )


def _starting(
    attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel
) -> tuple[Channel, tuple[Effect, ...]]:
    before = _started(facts, channel)
    if before is not None and before.state is EffectState.DONE:
        return _running(channel, facts), ()
    if before is not None and before.state is EffectState.REFUSED:
        return _refused(channel, f"GitHub refused to start it: {_message(before)}"), ()
    if not known.reachable and channel.person is None:
        # right behind the promotion GitHub may still show the branch as it was
        return _patient(facts, channel, release_tag.left(attempt)), ()
    wish = _start(attempt, known, channel)
    if isinstance(wish, str):
        return _refused(channel, wish), ()
    return channel, (wish.model_copy(update={"seq": plan.again(facts, "start_workflow")}),)


def _started(facts: Facts, channel: Channel) -> Performed | None:
    found = plan.last(facts, "start_workflow")
    mine = found is not None and isinstance(found.effect, StartWorkflow) and found.effect.ask == channel.ask
    return found if mine else None


def _staged(facts: Facts, known: ChannelFacts, channel: Channel) -> Channel:
    """What became of the internal workflow's run."""
    run = known.internal_run
    if run is None:
        return _patient(facts, channel, "GitHub shows no run of it; look at the fork's Actions page")
    return _ended(channel.model_copy(update={"runs": (run,)}), (run,))


# public ------------------------------------------------------------------------------------------


def _releasing(
    attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel
) -> tuple[Channel, tuple[Effect, ...]]:
    chosen = release_tag.release(attempt, facts, known)
    if isinstance(chosen, str):
        return _refused(channel, chosen), ()
    sent = channel.tag == chosen.tag
    channel = channel.model_copy(update={"tag": chosen.tag, "waits": chosen.waits})
    if chosen.there:
        return _running(channel, facts), ()
    change = RefChange(
        ref=f"refs/tags/{chosen.tag}", before=names.ZERO, after=attempt.candidate or names.ZERO
    )
    before = plan.last(facts, "update_refs", "release")
    if before is not None and getattr(before.effect, "changes", ()) == (change,):
        if before.state is EffectState.DONE and sent:
            return _running(channel, facts), ()  # GitHub shows it in a moment
        if before.state is EffectState.REFUSED and not before.outcome.get("moved"):
            return _refused(channel, f"GitHub refused the tag: {_message(before)}"), ()
    return channel, (plan.update(facts, "release", (change,)),)


def _released(attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel) -> Channel:
    """What became of the runs that the tag has started."""
    there = known.tags.get(channel.tag or "")
    if there is None:
        return _patient(facts, channel, f"the tag {code(channel.tag or '')} is gone")
    if there != attempt.candidate:
        return _failed(channel, f"the tag {code(channel.tag or '')} is no longer on the candidate")
    runs = {run.path: run for run in sorted(known.release_runs, key=lambda run: run.id)}
    found = tuple(runs[path] for path in channel.waits if path in runs)
    channel = channel.model_copy(update={"runs": found})
    missing = [path for path in channel.waits if path not in runs]
    if missing:
        file = code(missing[0].removeprefix(FOLDER))
        return _patient(
            facts, channel, f"GitHub shows no run of {file} for the tag; is the workflow disabled?"
        )
    return _ended(channel, found)


# Ends --------------------------------------------------------------------------------------------


def _running(channel: Channel, facts: Facts) -> Channel:
    return channel.model_copy(update={"state": ChannelState.RUNNING, "since": facts.now, "runs": ()})


def _refused(channel: Channel, why: str) -> Channel:
    return channel.model_copy(update={"state": ChannelState.REFUSED, "why": why})


def _message(refused: Performed) -> str:
    """What GitHub said; others may have had a hand in its words."""
    return inline(str(refused.outcome.get("message", "")))


def _failed(channel: Channel, why: str) -> Channel:
    return channel.model_copy(update={"state": ChannelState.FAILED, "why": why})


def _patient(facts: Facts, channel: Channel, why: str) -> Channel:
    return _failed(channel, why) if (facts.now - channel.since).total_seconds() > PATIENCE else channel


def _ended(channel: Channel, runs: tuple[ChannelRun, ...]) -> Channel:
    """Done once every run has succeeded; anything else that they all ended with is a failure."""
    if any(run.status != "completed" for run in runs):
        return channel
    bad = [run for run in runs if run.conclusion != "success"]
    if not bad:
        return channel.model_copy(update={"state": ChannelState.DONE})
    told = "; ".join(
        f"{code(run.path.removeprefix(FOLDER))}: {inline(run.conclusion or 'no end')}" for run in bad
    )
    return _failed(channel, told)


def _words(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """What is offered after a promotion, and how each channel ended: one comment each, once."""
    if attempt.pull_request is None:
        return ()
    said: dict[str, str] = {}
    offered = [one for one in attempt.channels if one.state is ChannelState.OFFERED]
    if offered and facts.channels is not None and attempt.stage is Stage.PROMOTED:
        said[f"patch-app:channels:{attempt.id}"] = channel_texts.offer(
            attempt, [_offered(attempt, facts, facts.channels, one) for one in offered]
        )
    for one in attempt.channels:
        if one.state in _ENDED and not one.answered:
            said[f"patch-app:channel:{attempt.id}:{one.name}:{one.ask}"] = channel_texts.ended(attempt, one)
    told = {one.marker for one in plan.told(facts, "comment") if isinstance(one, Comment)}
    number, seq = attempt.pull_request.number, plan.again(facts, "comment")
    return tuple(
        Comment(number=number, marker=marker, body=body, seq=seq)
        for marker, body in said.items()
        if marker not in told
    )


def _offered(attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel) -> str:
    """What `/patch promote <channel>` would do, or why it can't."""
    careful = channel.name is ChannelName.PUBLIC and may_release(attempt) == approval.MAY_TRUST
    line, good = _what(attempt, facts, known, channel)
    who = f"by a person with {'maintain or admin' if careful else 'write'} permission"
    return f"`/patch promote {channel.name}` {who if good else 'is not possible yet'}: {line}."


def _what(attempt: Attempt, facts: Facts, known: ChannelFacts, channel: Channel) -> tuple[str, bool]:
    """What a channel would do now, or why it can't, and whether it can."""
    if channel.name is ChannelName.INTERNAL:
        wish = _start(attempt, known, channel)
        if isinstance(wish, str):
            return wish, False
        return channel_texts.starting(wish.workflow, wish.branch), True
    chosen = release_tag.release(attempt, facts, known)
    if isinstance(chosen, str):
        return chosen, False
    if chosen.there:
        return channel_texts.looking(chosen.tag), True
    return channel_texts.releasing(attempt, chosen.tag, chosen.starts, chosen.waits), True


def _channel(attempt: Attempt, name: ChannelName) -> Channel | None:
    return next((one for one in attempt.channels if one.name is name), None)


def _put(attempt: Attempt, channel: Channel) -> Attempt:
    others = [one for one in attempt.channels if one.name is not channel.name]
    both = sorted((*others, channel), key=lambda one: one.name)
    return attempt.model_copy(update={"channels": tuple(both)})
