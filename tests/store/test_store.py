"""What is remembered: the inbox, forks, events, attempts with their effects."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from patch_app.core.attempt import Attempt, Stage, Status
from patch_app.core.configuration import Configuration, Stack
from patch_app.core.effects import Comment, EffectState, PinTarget, key
from patch_app.store import (
    AdvanceCommit,
    AttemptFilter,
    EventFilter,
    FlowEvent,
    Fork,
    Store,
    StoreError,
    UnknownRecordError,
)

from .conftest import NOW, delivery, new_attempt

SOON = NOW + timedelta(minutes=5)
PIN = PinTarget(ref="refs/patch-app/targets/x", target="1" * 40)
SAY = Comment(number=1, marker="m", body="b")


async def put(store: Store, attempt: Attempt, due: datetime | None = None) -> None:
    assert await store.advance(AdvanceCommit(expected_version=None, attempt=attempt, due=due))


async def test_same_delivery_comes_again_after_it_was_dealt_with(store: Store) -> None:
    assert await store.inbox_add(delivery("d", b"\xff\x00"))
    [row] = await store.inbox_pending(10)
    assert (row.payload, row.headers, row.received) == (b"\xff\x00", {"x-github-event": "push"}, NOW)
    await store.inbox_done([row.id], NOW)
    assert not await store.inbox_add(delivery("d"))
    assert await store.inbox_pending(10) == []
    assert await store.inbox_prune(NOW) == 0
    assert await store.inbox_prune(SOON) == 1
    assert await store.inbox_add(delivery("d"))


async def test_row_that_failed_waits_and_says_why(store: Store) -> None:
    await store.inbox_add(delivery("d"))
    [row] = await store.inbox_pending(10)
    await store.inbox_failed(row.id, "GitHub answered 502", SOON)
    assert await store.inbox_pending(10) == []
    [row] = await store.inbox_pending(10, SOON)
    assert (row.tries, row.error) == (1, "GitHub answered 502")


async def test_more_rows_done_at_once_than_one_statement_takes(store: Store) -> None:
    await asyncio.gather(*(store.inbox_add(delivery(str(n))) for n in range(1200)))
    await store.inbox_done([row.id for row in await store.inbox_pending(5000)], NOW)
    assert await store.inbox_pending(5000) == []


async def test_fork_is_renamed_and_goes(store: Store) -> None:
    fork = Fork(
        installation_id=1,
        repository_id=2,
        repository="alice/tool",
        default_branch="main",
        private=False,
        parent="upstream-org/tool",
        configuration=Configuration(stack=(Stack(branch="x"),)),
        updated=NOW,
    )
    await store.put_fork(fork)
    await store.put_fork(fork.model_copy(update={"repository": "bob/tool"}))
    assert await store.forks() == [fork.model_copy(update={"repository": "bob/tool"})]
    assert await store.remove_fork(2)
    assert not await store.remove_fork(2)
    assert await store.fork(2) is None


async def test_stored_configuration_of_another_version_is_no_crash(store: Store) -> None:
    fork = Fork(
        installation_id=1, repository_id=2, repository="a/b", default_branch="main", private=True, updated=NOW
    )
    await store.put_fork(fork)
    with store._writing.begin() as connection:
        connection.exec_driver_sql("""update forks set configuration = '{"gone": 1}'""")
    read = await store.fork(2)
    assert read is not None
    assert read.configuration is None
    assert "another version" in (read.configuration_error or "")


def event(name: str, minutes: int = 0, source: str = "poll") -> FlowEvent:
    return FlowEvent(
        id=name,
        type="upstream.release",
        upstream="upstream-org/tool",
        tag=name,
        payload={"n": 1},
        received=NOW + timedelta(minutes=minutes),
        source=source,
    )


async def test_release_heard_of_twice_keeps_the_first_telling(store: Store) -> None:
    first, new = await store.add_event(event("v1"))
    assert new
    assert await store.add_event(event("v1", 9, "webhook")) == (first, False)


async def test_events_page_by_page_with_equal_times(store: Store) -> None:
    for name, minutes in (("a", 0), ("b", 1), ("c", 1), ("d", 2)):
        await store.add_event(event(name, minutes))
    assert [one.id for one in await store.events(limit=2)] == ["d", "c"]
    assert [one.id for one in await store.events(limit=2, before="c")] == ["b", "a"]
    assert await store.events(EventFilter(tag="zzz")) == []
    with pytest.raises(UnknownRecordError):
        await store.events(before="nobody")


async def test_two_workers_decide_from_the_same_version(store: Store) -> None:
    attempt = new_attempt()
    await put(store, attempt, SOON)
    for number in range(3):
        await store.inbox_add(delivery(str(number)))
    one, two, three = await store.inbox_pending(10)

    def step(row: int, stage: Stage) -> AdvanceCommit:
        return AdvanceCommit(
            expected_version=0,
            attempt=attempt.model_copy(update={"version": 1, "stage": stage}),
            effects=[PIN, SAY],
            done_inbox=[row],
            due=SOON,
            history=[f"became {stage}"],
        )

    steps = [step(one.id, Stage.DISPATCHED), step(two.id, Stage.BLOCKED)]
    assert await asyncio.gather(*map(store.advance, steps)) == [True, False]
    stored = await store.attempt(attempt.id)
    assert stored is not None
    assert (stored.version, stored.stage) == (1, Stage.DISPATCHED)
    # the loser wrote nothing
    assert [row.id for row in await store.inbox_pending(10)] == [two.id, three.id]
    assert [line.line for line in await store.history(attempt.id)] == ["became dispatched"]
    assert len(await store.effects(attempt.id)) == 2


async def test_attempt_is_made_twice(store: Store) -> None:
    await put(store, new_attempt())
    again = AdvanceCommit(expected_version=None, attempt=new_attempt(stage=Stage.FAILED), effects=[PIN])
    assert not await store.advance(again)
    assert await store.effects("a" * 16) == []


async def test_wish_repeated_after_it_was_performed_stays_performed(store: Store) -> None:
    attempt = new_attempt()
    await store.advance(AdvanceCommit(expected_version=None, attempt=attempt, effects=[PIN, PIN]))
    await store.effect_state(attempt.id, key(PIN), EffectState.BEGUN, None, NOW)
    await store.effect_state(attempt.id, key(PIN), EffectState.PENDING, {"message": "502"}, NOW, due=SOON)
    assert await store.unfinished(NOW) == []
    assert await store.unfinished(SOON) == [attempt.id]
    await store.effect_state(attempt.id, key(PIN), EffectState.BEGUN, None, SOON)
    await store.effect_state(attempt.id, key(PIN), EffectState.DONE, {"value": 5}, SOON)
    step = AdvanceCommit(
        expected_version=0, attempt=attempt.model_copy(update={"version": 1}), effects=[SAY, PIN]
    )
    assert await store.advance(step)
    pin, say = await store.effects(attempt.id)
    assert (pin.effect, pin.state, pin.outcome, pin.tries, pin.version, pin.begun_at, pin.due) == (
        PIN,
        EffectState.DONE,
        {"value": 5},
        2,
        0,
        SOON,
        None,
    )
    assert (say.effect, say.state, say.version, say.tries) == (SAY, EffectState.PENDING, 1, 0)
    assert await store.unfinished(NOW) == [attempt.id]


async def test_state_of_an_effect_nobody_wished_for(store: Store) -> None:
    with pytest.raises(StoreError, match="has no effect"):
        await store.effect_state("x", "y", EffectState.DONE, {}, NOW)


async def test_timer_sees_what_is_open_and_due(store: Store) -> None:
    await put(store, new_attempt("due"), NOW)
    await put(store, new_attempt("later"), SOON)
    await put(store, new_attempt("never"))
    await put(store, new_attempt("ended", stage=Stage.PROMOTED))
    assert [one.id for one in await store.open_attempts(NOW)] == ["due"]
    assert {one.id for one in await store.open_attempts()} == {"due", "later", "never"}
    await store.reschedule("later", NOW - timedelta(days=1))
    assert [one.id for one in await store.open_attempts(NOW)] == ["later", "due"]
    await store.reschedule("ended", NOW)
    assert "ended" in [one.id for one in await store.open_attempts(NOW)]
    assert "ended" not in [one.id for one in await store.open_attempts()]


async def test_attempts_are_filtered_newest_first_and_paged(store: Store) -> None:
    for number in range(5):
        await put(store, new_attempt(f"n{number}", created=NOW + timedelta(seconds=number // 2)))
    await put(
        store, new_attempt("other", repository="bob/x", stage=Stage.CONFLICT, repository_id=3, stack="dev")
    )
    assert [one.id for one in await store.attempts(limit=3)] == ["n4", "n3", "n2"]
    assert [one.id for one in await store.attempts(limit=9, before="n2")] == ["other", "n1", "n0"]
    wanted = AttemptFilter(status=Status.NEEDS_INTERVENTION, stage=Stage.CONFLICT, open=True, stack="dev")
    assert [one.id for one in await store.attempts(wanted)] == ["other"]
    assert await store.attempts(AttemptFilter(repository="bob/x", open=False)) == []
    assert [one.id for one in await store.siblings(3, "dev")] == ["other"]
    with pytest.raises(UnknownRecordError):
        await store.attempts(before="nobody")


async def test_history_of_an_unknown_attempt_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await store.remember("nobody", NOW, "line")


async def test_time_without_a_zone_never_reaches_the_table(store: Store) -> None:
    with pytest.raises(ValueError, match="zone"):
        await store.inbox_done([1], datetime(2026, 1, 1))  # noqa: DTZ001


async def test_cursor_is_kept_over_a_restart(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    assert await store.cursor("poll:x") is None
    await store.set_cursor("poll:x", {"tag": "v1"})
    await store.set_cursor("poll:x", {"tag": "v2"})
    store.close()
    store = Store.open(tmp_path)
    assert await store.cursor("poll:x") == {"tag": "v2"}
    store.close()
