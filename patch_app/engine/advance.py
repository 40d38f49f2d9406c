"""Brings one attempt on: carry out what is wished for, read the facts, decide, store; until quiet.

Refuses to decide while an effect's fate is open, and to carry out a wish of an older decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from patch_app.core import cleaning, names, plan
from patch_app.core.after import after
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.decide import decide
from patch_app.core.effects import UNFINISHED, Effect, EffectState, Performed, UpdateRefs, key
from patch_app.core.facts import Facts
from patch_app.core.needs import needs
from patch_app.core.siblings import siblings_of
from patch_app.engine import releases
from patch_app.github.errors import Bug, Later, Refused, Unknown
from patch_app.github.perform import MARKED, Outcome
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.effects import StoredEffect
from patch_app.store.store import Store

# an attempt that does not come to rest within so many steps is looked at again by the timer
STEPS: Final = 40
# seconds until something that GitHub could not do now is tried again
PAUSE: Final = 5.0
# a wish to promote or to release that is older than this was made from facts that may be stale (seconds)
FRESH: Final = 20.0

_FRESHLY: Final = frozenset({"promote", "release", "carry-over"})
# an attempt that has come here may be the end of another
_CONCERNS_OTHERS: Final = frozenset({Stage.DISPATCHED, Stage.PROMOTED, Stage.ROLLED_BACK})

log = structlog.get_logger("engine")


class ReadsFacts(Protocol):
    """github/evidence."""

    async def read(
        self, attempt: Attempt, effects: Sequence[Performed], siblings: Sequence[Attempt], now: datetime
    ) -> Facts:
        """The facts as they are now."""
        ...


class Performs(Protocol):
    """github/perform."""

    async def perform(self, attempt: Attempt, effect: Effect, *, again: bool) -> Outcome:
        """What became of the effect."""
        ...


@dataclass
class _Look:
    """What is known while one attempt is looked at."""

    facts: Facts | None = None
    # when they were read
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Advancer:
    """Everything that one step of one attempt needs. Times in seconds."""

    store: Store
    evidence: ReadsFacts
    performer: Performs
    clock: Callable[[], datetime]
    # how often the timer looks at an open attempt
    sync: float
    # how long a begun effect is left alone before its absence from a list means anything
    settle: float
    # told of each repository whose attempts have changed
    changed: Callable[[int], None] | None = None

    async def advance(self, attempt_id: str) -> None:
        """One attempt, until nothing more can be done now. Raises StoreError.

        What was read is kept while it is all that is needed, with what our own effects did since.
        """
        look = _Look()
        for _ in range(STEPS):
            attempt = await self.store.attempt(attempt_id)
            if attempt is None:
                return
            try:
                if not await self._perform_all(attempt, look):
                    return
                if not await self._decide(attempt, look):
                    return
            except Later as error:
                log.info("later", attempt=attempt_id, reason=error.message, retry_after=error.retry_after)
                due = self.clock() + timedelta(seconds=error.retry_after or PAUSE)
                await self.store.reschedule(attempt_id, due)
                return
            except Refused as error:
                log.warning("unreadable", attempt=attempt_id, reason=error.message)
                await self._unreadable(attempt, error.message)
                return
            except Bug as error:
                log.error("stopped", attempt=attempt_id, reason=error.message)
                await self._stop(attempt, error.message)
                return

    # Effects --------------------------------------------------------------------------------------

    async def _perform_all(self, attempt: Attempt, look: _Look) -> bool:
        """Whether every wish has an end now."""
        for stored in await self.store.effects(attempt.id):
            if stored.state in UNFINISHED and not await self._perform(attempt, stored, look):
                return False
        return True

    async def _perform(self, attempt: Attempt, stored: StoredEffect, look: _Look) -> bool:
        now = self.clock()
        if stored.due is not None and stored.due > now:
            await self.store.reschedule(attempt.id, stored.due if attempt.watched else None)
            return False
        if stored.state is EffectState.PENDING and self._stale(attempt, stored, now):
            await self._ended(attempt, stored, EffectState.DROPPED, {})
            look.facts = None
            return True
        again = stored.state is EffectState.BEGUN
        if stored.effect.kind in MARKED:
            if again and stored.begun_at and now < stored.begun_at + timedelta(seconds=self.settle):
                await self._wait(attempt, stored, stored.begun_at + timedelta(seconds=self.settle))
                return False
            await self.store.effect_state(attempt.id, stored.key, EffectState.BEGUN, None, now)
        try:
            outcome = await self.performer.perform(attempt, stored.effect, again=again)
        except Later as error:
            log.info("effect later", attempt=attempt.id, effect=stored.effect.kind, reason=error.message)
            pause = error.retry_after or PAUSE
            if isinstance(error, Unknown) and stored.effect.kind in MARKED:
                # it may be done, whichever try this was: until then its absence from a list means nothing
                pause = max(pause, self.settle)
            await self._wait(attempt, stored, self.clock() + timedelta(seconds=pause))
            return False
        except Bug as error:
            # else it would be begun again each second, for ever
            await self._ended(attempt, stored, EffectState.REFUSED, {"message": error.message})
            raise
        state = EffectState.DONE if outcome.done else EffectState.REFUSED
        await self._ended(attempt, stored, state, outcome.answer)
        if look.facts is not None:
            look.facts = after(look.facts, attempt, stored.effect, state, outcome.answer)
        return True

    def _stale(self, attempt: Attempt, stored: StoredEffect, now: datetime) -> bool:
        if stored.version != attempt.version:
            return True
        promotes = isinstance(stored.effect, UpdateRefs) and stored.effect.purpose in _FRESHLY
        return promotes and (now - attempt.updated).total_seconds() > FRESH

    async def _ended(
        self, attempt: Attempt, stored: StoredEffect, state: EffectState, answer: dict[str, object]
    ) -> None:
        now = self.clock()
        await self.store.effect_state(attempt.id, stored.key, state, answer, now)
        said = f": {answer['message']}" if "message" in answer else ""
        await self.store.remember(attempt.id, now, f"{stored.effect.kind} {state.value}{said}")
        log.info("effect", attempt=attempt.id, effect=stored.effect.kind, state=state.value, answer=answer)

    async def _wait(self, attempt: Attempt, stored: StoredEffect, due: datetime) -> None:
        # a begun effect stays begun: what it began with is what its absence is measured from
        await self.store.postpone(attempt.id, stored.key, due)
        await self.store.reschedule(attempt.id, due if attempt.watched else None)

    # Decisions ------------------------------------------------------------------------------------

    async def _decide(self, attempt: Attempt, look: _Look) -> bool:
        """Whether something changed, so that it has to be looked at once more."""
        effects = await self.store.effects(attempt.id)
        siblings = await self.store.siblings(attempt.repository_id, attempt.stack)
        facts, now = look.facts, self.clock()
        old = look.at is None or (now - look.at).total_seconds() > FRESH
        if facts is None or old or not needs(attempt) <= facts.read:
            facts = await self.evidence.read(attempt, effects, siblings, now)
            look.at = now
        else:
            facts = facts.model_copy(
                update={
                    "now": now,
                    "effects": {one.key: one for one in effects},
                    "siblings": siblings_of(attempt, siblings),
                }
            )
        look.facts = facts
        decision = decide(attempt, facts)
        known = {one.key for one in effects}
        wishes = [one for one in decision.effects if key(one) not in known]
        if decision.attempt == attempt and not wishes:
            await self._rest(attempt)
            return False
        if decision.attempt.on_branches != attempt.on_branches:
            look.facts = None  # they were read where the refs no longer are
        if decision.forgive:
            # before the decision: if we are stopped in between, it is only asked for again
            await self.store.forgive(attempt.id)
        if decision.replay:
            await self.store.advance(
                AdvanceCommit(
                    expected_version=None,
                    attempt=successor(decision.attempt, facts.now, decision.pushed),
                    due=facts.now,
                )
            )
        return await self._store(attempt, decision.attempt, facts.now, wishes)

    async def _store(
        self, before: Attempt, after: Attempt, now: datetime, wishes: Sequence[Effect] = ()
    ) -> bool:
        after = stamped(before, after, now)
        stored = await self.store.advance(
            AdvanceCommit(
                expected_version=before.version,
                attempt=after,
                effects=wishes,
                due=self._next(after, now),
                history=[*changes(before, after), *releases.lines(before, after)],
                events=releases.released(before, after, now),
            )
        )
        if stored and self.changed is not None:
            self.changed(after.repository_id)
        if stored and before.stage is not after.stage:
            log.info("stage", attempt=after.id, stage=after.stage.value, message=after.message)
            if after.stage in _CONCERNS_OTHERS:
                await self._wake_siblings(after, now)
        return True

    async def _wake_siblings(self, attempt: Attempt, now: datetime) -> None:
        """The other open attempts of the stack: GitHub tells us nothing of what we did ourselves."""
        for one in await self.store.siblings(attempt.repository_id, attempt.stack):
            if one.open and one.id != attempt.id:
                await self.store.reschedule(one.id, now)

    async def _stop(self, attempt: Attempt, why: str) -> None:
        if attempt.open:
            await self._store(attempt, plan.failed(attempt, f"internal error: {why}").attempt, self.clock())
        else:
            await self._rest(attempt)

    async def _unreadable(self, attempt: Attempt, why: str) -> None:
        """Says what GitHub refuses to show; it is asked again, and the attempt goes on when it does."""
        stage = attempt.resume if attempt.stage in (Stage.BLOCKED, Stage.HELD) else None
        standing = attempt.model_copy(update={"stage": stage or attempt.stage})
        told = plan.blocked(standing, f"GitHub doesn't show what must be known: {why}").attempt
        if attempt.open and told != attempt:
            await self._store(attempt, told, self.clock())
        else:
            await self._rest(attempt)

    async def _rest(self, attempt: Attempt) -> None:
        # an ended attempt was looked at because somebody asked; the timer leaves it alone again
        await self.store.reschedule(attempt.id, self._next(attempt, self.clock()))

    def _next(self, attempt: Attempt, now: datetime) -> datetime | None:
        """When the timer looks at an attempt again; at an ended one while a channel is under way, and when
        its branches are to go.
        """
        later = now + timedelta(seconds=self.sync)
        at = later if attempt.watched else cleaning.due(attempt)
        # they can't go now, as where the repository is gone: not at once again
        return later if at is not None and at <= now else at


def stamped(before: Attempt, after: Attempt, now: datetime) -> Attempt:
    """The attempt as it is stored: the next version, with the time of the change."""
    completed = None if after.open else after.completed or now
    return after.model_copy(update={"version": before.version + 1, "updated": now, "completed": completed})


def changes(before: Attempt, after: Attempt) -> list[str]:
    """What the history says of a step."""
    if before.stage is not after.stage:
        said = f": {after.message}" if after.message else ""
        return [f"{before.stage.value} -> {after.stage.value}{said}"]
    return [after.message] if after.message and after.message != before.message else []


def successor(attempt: Attempt, now: datetime, pushed: str | None = None) -> Attempt:
    """A new attempt for the same event, of the next number, linked to the one it replays.

    `pushed`: what a person pushed to the maintenance branch, which it goes on from.
    """
    number = attempt.number + 1
    new = Attempt(
        id=names.attempt_id(attempt.event, attempt.repository_id, attempt.stack, number),
        event=attempt.event,
        number=number,
        replay_of=attempt.id,
        installation_id=attempt.installation_id,
        repository_id=attempt.repository_id,
        repository=attempt.repository,
        upstream=attempt.upstream,
        followed=attempt.followed,
        tag=attempt.tag,
        stack=attempt.stack,
        carry_over=attempt.carry_over and attempt.carry_over.model_copy(update={"left": None}),
        stage=Stage.PREFLIGHT,
        pushed=pushed,
        answered=attempt.answered,
        drop=attempt.drop,
        let_go=attempt.let_go,
        drafted=attempt.drafted,
        created=now,
        updated=now,
    )
    if attempt.carry_over is None:
        return new
    # what is carried over, and onto what, was read when it was asked for
    kept = ("configuration", "target", "base", "merge_base", "stack_head", "ahead")
    return new.model_copy(update={name: getattr(attempt, name) for name in kept})
