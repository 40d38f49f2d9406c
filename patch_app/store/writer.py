"""Group commit: one thread takes all waiting writes into one transaction and commits once.

An fsync costs the same for one write as for two hundred. Each item runs in its own savepoint, so a
failing item fails alone; nobody is answered before the commit. Refuses to retry by itself: who
asked is told, and knows whether asking again is right.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from patch_app.store.errors import StoreClosedError, StoreError, in_words

T = TypeVar("T")
Work = Callable[[Connection], T]

# bounds the time for which one transaction holds the write lock
BATCH: Final = 512


@dataclass(frozen=True, kw_only=True)
class _Item:
    work: Work[Any]
    future: Future[Any]


class Writer:
    """All writes of one process, in the order in which they were asked for."""

    def __init__(self, engine: Engine, committed: Callable[[], None]) -> None:
        """`committed` is called in the writer's thread after each commit; it must not raise."""
        self._engine = engine
        self._committed = committed
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """`work` in the next transaction; the future has its result once that is on disk.

        The future raises StoreError (nothing of this item was written) or what `work` raised.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreClosedError("the store is closed")
            self._queue.put(_Item(work=work, future=future))
        return future

    def close(self) -> None:
        """Write what waits, then end. Nothing can be submitted any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch, last = self._next_batch()
            wanted = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if wanted:
                self._write(wanted)
            if last:
                return

    def _next_batch(self) -> tuple[list[_Item], bool]:
        batch: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _write(self, batch: list[_Item]) -> None:
        results: list[tuple[_Item, Any]] = []
        failures: list[tuple[_Item, BaseException]] = []
        try:
            with self._engine.begin() as connection:
                for item in batch:
                    savepoint = connection.begin_nested()
                    try:
                        result = item.work(connection)
                        savepoint.commit()
                    except Exception as error:
                        if not _transaction_lives(connection):
                            raise
                        savepoint.rollback()
                        failures.append((item, _ours(error)))
                    else:
                        results.append((item, result))
        except Exception as error:  # noqa: BLE001 - it is handed to everybody who asked
            told = _ours(error)
            _fail((item, told) for item in batch)
            return
        self.commits += 1
        for item, result in results:
            item.future.set_result(result)
        _fail(failures)
        self._committed()


def _transaction_lives(connection: Connection) -> bool:
    """Whether the transaction is still there.

    SQLite may roll all of it back by itself on a full disk or an I/O error
    (sqlite.org/lang_transaction.html); going on would commit later items one by one.
    """
    dbapi = connection.connection.dbapi_connection
    return bool(getattr(dbapi, "in_transaction", True))


def _ours(error: Exception) -> Exception:
    match error:
        case DBAPIError():
            return in_words(error)
        case SQLAlchemyError():
            return StoreError(f"the database refused: {type(error).__name__}")
        case _:
            return error


def _fail(failures: Iterable[tuple[_Item, BaseException]]) -> None:
    for item, error in failures:
        item.future.set_exception(error)
