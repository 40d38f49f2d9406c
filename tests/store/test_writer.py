"""Group commit: who is answered, and when."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from patch_app.store import Store, StoreBusyError, StoreClosedError, StoreError, StoreFullError, database
from patch_app.store.database import connect
from patch_app.store.writer import Writer

from .conftest import NOW, delivery


async def test_two_hundred_deliveries_at_once_are_few_commits(store: Store) -> None:
    answers = await asyncio.gather(*(store.inbox_add(delivery(f"d{n}")) for n in range(200)))
    assert all(answers)
    assert store.commits <= 20
    assert [row.key for row in await store.inbox_pending(500)] == [f"d{n}" for n in range(200)]


async def test_same_delivery_twice_in_one_batch_is_stored_once(store: Store) -> None:
    answers = await asyncio.gather(*(store.inbox_add(delivery("same")) for _ in range(50)))
    assert sorted(answers) == [False] * 49 + [True]
    assert len(await store.inbox_pending(10)) == 1


def test_one_bad_item_of_a_batch_fails_alone(tmp_path: Path) -> None:
    writing, reading = connect(tmp_path / "x.db")
    writer = Writer(writing, lambda: None)
    begun, gate = threading.Event(), threading.Event()

    def put(connection: Connection, name: str) -> str:
        connection.execute(
            text("insert into cursors (name, document, updated) values (:n, '{}', '')"), {"n": name}
        )
        return name

    def half_then_fail(connection: Connection) -> None:
        put(connection, "half")
        raise ValueError("mine")

    def hold(_: Connection) -> bool:
        begun.set()
        return gate.wait(20)

    # all that is submitted while the first waits is one batch
    first = writer.submit(hold)
    assert begun.wait(20)
    good = [writer.submit(lambda c: put(c, "one"))]
    bad = writer.submit(half_then_fail)
    taken = writer.submit(lambda c: put(c, "one"))
    good.append(writer.submit(lambda c: put(c, "two")))
    gate.set()
    assert first.result(20)
    assert [one.result(20) for one in good] == ["one", "two"]
    with pytest.raises(ValueError, match="mine"):
        bad.result(20)
    with pytest.raises(StoreError, match="UNIQUE"):
        taken.result(20)
    assert writer.commits == 2
    writer.close()
    with reading.connect() as connection:
        assert list(connection.execute(text("select name from cursors order by name")).scalars()) == [
            "one",
            "two",
        ]
    reading.dispose()
    writing.dispose()


async def test_disk_is_full_and_nothing_is_acknowledged(store: Store) -> None:
    # the page limit is SQLite's own way to be full
    with store._writing.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreFullError, match="disk is full"):
        await store.inbox_add(delivery("big", b"x" * 1_000_000))
    with pytest.raises(StoreFullError):
        await asyncio.gather(
            store.inbox_add(delivery("big", b"x" * 1_000_000)), store.inbox_add(delivery("small"))
        )
    with store._writing.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1073741823")
    kept = {row.key for row in await store.inbox_pending(10)}
    assert "big" not in kept
    # there is room again: the redelivery is new
    assert await store.inbox_add(delivery("big", b"x" * 1_000_000))


async def test_another_process_holds_the_lock_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    store = Store.open(tmp_path, clock=lambda: NOW)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="locked"):
        await store.inbox_add(delivery("d"))
    other.execute("ROLLBACK")
    other.close()
    assert await store.inbox_add(delivery("d"))
    store.close()


async def test_a_closed_store_refuses_and_has_written_what_waited(tmp_path: Path) -> None:
    store = Store.open(tmp_path, clock=lambda: NOW)
    waiting = [asyncio.ensure_future(store.inbox_add(delivery(f"d{n}"))) for n in range(20)]
    await asyncio.gather(*waiting[:1])
    store.close()
    assert all(await asyncio.gather(*waiting))
    with pytest.raises(StoreClosedError):
        await store.inbox_add(delivery("late"))
    with pytest.raises(StoreClosedError):
        await store.inbox_pending(1)
    store.close()
    again = Store.open(tmp_path, clock=lambda: NOW)
    assert len(await again.inbox_pending(50)) == 20
    again.close()


async def test_who_waits_gives_up_and_the_writer_goes_on(store: Store) -> None:
    tasks = [asyncio.ensure_future(store.inbox_add(delivery(f"d{n}"))) for n in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await store.inbox_add(delivery("after"))
    keys = {row.key for row in await store.inbox_pending(100)}
    assert {f"d{n}" for n in range(1, 30, 2)} <= keys


async def test_listeners_hear_of_commits_until_they_leave(store: Store) -> None:
    heard = threading.Event()
    leave = store.subscribe(heard.set)
    await store.set_cursor("x", {})
    assert await asyncio.to_thread(heard.wait, 10)
    leave()
    leave()
    heard.clear()
    await store.set_cursor("x", {"n": 1})
    await store.set_cursor("x", {"n": 2})
    assert not heard.is_set()


async def test_a_listener_that_breaks_does_not_stop_the_writer(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("mine")

    store.subscribe(broken)
    for number in range(3):
        await store.set_cursor("x", {"n": number})
    assert "a listener of the store failed" in caplog.text


_CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from patch_app.core.events import Kind
from patch_app.store import Incoming, Store

async def main():
    store = Store.open(sys.argv[1])
    for n in range(100000):
        await store.inbox_add(Incoming(
            kind=Kind.DELIVERY, key=f"d{n}", payload=b"x" * 3000, headers={}, received=datetime.now(UTC)))
        print(n, flush=True)
asyncio.run(main())
"""


async def test_killed_between_two_commits_keeps_all_it_acknowledged(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(20)]
        os.kill(child.pid, signal.SIGKILL)
        said += child.stdout.readlines()
    acknowledged = [int(line) for line in said if line.endswith("\n")]
    assert len(acknowledged) >= 20
    store = Store.open(tmp_path, clock=lambda: NOW + timedelta(days=400))
    keys = {row.key for row in await store.inbox_pending(100_000)}
    store.close()
    assert {f"d{n}" for n in acknowledged} <= keys
