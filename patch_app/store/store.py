"""The store's face: everything the engine and the pages ask for, awaitable.

Reads run in threads beside the writer (WAL lets them); every write goes through the one writer.
Refuses to hold a transaction open between two calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DBAPIError

from patch_app.core.attempt import Attempt
from patch_app.core.effects import EffectState
from patch_app.core.events import Kind
from patch_app.store import attempts, database, effects, flow_events, forks, inbox, tickets
from patch_app.store.attempts import AdvanceCommit, AttemptFilter, HistoryLine
from patch_app.store.effects import StoredEffect
from patch_app.store.errors import StoreClosedError, in_words
from patch_app.store.flow_events import EventFilter, FlowEvent
from patch_app.store.forks import Fork
from patch_app.store.inbox import InboxRow, Incoming
from patch_app.store.tables import cursors, stamp
from patch_app.store.writer import Writer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
DEFAULT_LIMIT: Final = 50


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """All that is remembered. Every method raises StoreError where the database could not do it."""

    def __init__(self, path: Path, engines: tuple[Engine, Engine], clock: Callable[[], datetime]) -> None:
        self.path = path
        self._writing, self._reading = engines
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._closed = False
        self._readers = ThreadPoolExecutor(database.READERS, thread_name_prefix="store-reader")
        self._writer = Writer(self._writing, self._committed)

    @classmethod
    def open(cls, where: str | Path, *, clock: Callable[[], datetime] = _utc_now) -> Store:
        """Open a data directory or `sqlite:///` URL, and bring its schema up to date. Raises StoreError."""
        path = database.database_path(where)
        return cls(path, database.connect(path), clock)

    def close(self) -> None:
        """Write what waits and let go of the files. Blocks until that is done; twice is fine."""
        self._closed = True
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` in the writer's thread after each commit; it must be quick.

        Gives what ends it. Commits of other processes aren't heard.
        """
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return end

    @property
    def commits(self) -> int:
        """How many transactions this process has committed since it opened the store."""
        return self._writer.commits

    # --- inbox

    async def inbox_add(self, incoming: Incoming) -> bool:
        """True: new, and on disk. False: the key is known, and was on disk before."""
        return await self._write(lambda c: inbox.add(c, incoming))

    async def inbox_known(self, kind: Kind, keys: Sequence[str]) -> set[str]:
        """Those of the keys that came before."""
        return await self._read(lambda c: inbox.known(c, kind, keys))

    async def inbox_pending(self, limit: int, now: datetime | None = None) -> list[InboxRow]:
        """Rows to deal with, oldest first; those that failed only once their time has come."""
        at = now or self._clock()
        return await self._read(lambda c: inbox.pending(c, limit, at))

    async def inbox_done(self, ids: Sequence[int], at: datetime) -> None:
        """Rows that need nothing more."""
        await self._write(lambda c: inbox.done(c, ids, at))

    async def inbox_failed(self, row: int, error: str, retry_at: datetime) -> None:
        """A row that is to be tried again, not before `retry_at`."""
        await self._write(lambda c: inbox.failed(c, row, error, retry_at))

    async def inbox_prune(self, done_before: datetime) -> int:
        """Forget rows done before then; how many."""
        return await self._write(lambda c: inbox.prune(c, done_before))

    # --- forks

    async def put_fork(self, fork: Fork) -> None:
        """Remember a fork as it is now."""
        await self._write(lambda c: forks.put(c, fork))

    async def forks(self) -> list[Fork]:
        """All forks by name."""
        return await self._read(forks.listed)

    async def fork(self, repository_id: int) -> Fork | None:
        """The fork with this id."""
        return await self._read(lambda c: forks.one(c, repository_id))

    async def remove_fork(self, repository_id: int) -> bool:
        """Forget a fork; its attempts stay. Whether there was one."""
        return await self._write(lambda c: forks.remove(c, repository_id))

    # --- events

    async def add_event(self, event: FlowEvent) -> tuple[FlowEvent, bool]:
        """The event as it is recorded, and whether it is new."""
        return await self._write(lambda c: flow_events.add(c, event))

    async def event(self, event_id: str) -> FlowEvent | None:
        """The event with this id."""
        return await self._read(lambda c: flow_events.one(c, event_id))

    async def events(
        self, wanted: EventFilter | None = None, limit: int = DEFAULT_LIMIT, before: str | None = None
    ) -> list[FlowEvent]:
        """Newest first; `before` is an event's id. Raises UnknownRecordError for an unknown one."""
        return await self._read(lambda c: flow_events.listed(c, wanted or EventFilter(), limit, before))

    # --- attempts

    async def attempt(self, attempt_id: str) -> Attempt | None:
        """The attempt with this id."""
        return await self._read(lambda c: attempts.one(c, attempt_id))

    async def attempts(
        self, filters: AttemptFilter | None = None, limit: int = DEFAULT_LIMIT, before: str | None = None
    ) -> list[Attempt]:
        """Newest first; `before` is an attempt's id. Raises UnknownRecordError for an unknown one."""
        return await self._read(lambda c: attempts.listed(c, filters or AttemptFilter(), limit, before))

    async def open_attempts(self, due_before: datetime | None = None) -> list[Attempt]:
        """Attempts that have not ended; with a time, those due by then, ended ones to be looked at too."""
        return await self._read(lambda c: attempts.open_ones(c, due_before))

    async def watched_attempts(self) -> list[Attempt]:
        """Attempts that have not ended, and ended ones that the timer looks at."""
        return await self._read(attempts.watched)

    async def siblings(self, repository_id: int, stack: str) -> list[Attempt]:
        """All attempts for one stack, oldest first, the asking one too."""
        return await self._read(lambda c: attempts.siblings(c, repository_id, stack))

    async def attempts_of(self, repository_id: int) -> list[Attempt]:
        """All attempts on one fork, oldest first."""
        return await self._read(lambda c: attempts.of_repository(c, repository_id))

    async def advance(self, step: AdvanceCommit) -> bool:
        """One step in one transaction. False, and nothing written: somebody else moved it first."""
        return await self._write(lambda c: attempts.advance(c, step))

    async def reschedule(self, attempt_id: str, due: datetime | None) -> None:
        """Change when the timer looks at an attempt, and nothing else of it."""
        await self._write(lambda c: attempts.reschedule(c, attempt_id, due))

    async def history(self, attempt_id: str) -> list[HistoryLine]:
        """What happened when, oldest first."""
        return await self._read(lambda c: attempts.lines(c, attempt_id))

    async def pulse(self, attempt_id: str | None = None) -> str:
        """A short text that changes with what is remembered of one attempt, or of all."""
        return await self._read(lambda c: attempts.pulse(c, attempt_id))

    async def remember(self, attempt_id: str, at: datetime, line: str) -> None:
        """Add one line to an attempt's history, without a step. Raises StoreError for an unknown attempt."""
        await self._write(lambda c: attempts.remember(c, attempt_id, at, line))

    # --- effects

    async def effects(self, attempt_id: str) -> list[StoredEffect]:
        """All effects of an attempt, in the order in which they were wished for."""
        return await self._read(lambda c: effects.of_attempt(c, attempt_id))

    async def effect_state(
        self,
        attempt_id: str,
        key: str,
        state: EffectState,
        outcome: dict[str, Any] | None,
        at: datetime,
        *,
        due: datetime | None = None,
    ) -> None:
        """How far an effect came; `begun` counts a try, an outcome of None keeps what there was."""
        await self._write(
            lambda c: effects.put_state(c, attempt_id, key, state=state, outcome=outcome, at=at, due=due)
        )

    async def forgive(self, attempt_id: str) -> None:
        """What was refused is as if it had never been wished for."""
        await self._write(lambda c: effects.forgive(c, attempt_id))

    async def postpone(self, attempt_id: str, key: str, due: datetime) -> None:
        """Try an effect again not before `due`; how far it came stays as it is."""
        await self._write(lambda c: effects.postpone(c, attempt_id, key, due))

    async def unfinished(self, due_before: datetime) -> list[str]:
        """Ids of attempts, ended ones too, with an effect that is pending or begun and due by then."""
        return await self._read(lambda c: effects.unfinished(c, due_before))

    # --- cursors

    async def cursor(self, name: str) -> dict[str, Any] | None:
        """What was last kept under this name."""
        query = select(cursors.c.document).where(cursors.c.name == name)
        document = await self._read(lambda c: c.execute(query).scalar())
        return None if document is None else json.loads(document)

    async def set_cursor(self, name: str, value: dict[str, Any]) -> None:
        """Keep something small under a name."""
        values = {"document": json.dumps(value), "updated": stamp(self._clock())}

        def put(connection: Connection) -> None:
            changed = connection.execute(update(cursors).where(cursors.c.name == name).values(**values))
            if changed.rowcount == 0:
                connection.execute(insert(cursors).values(name=name, **values))

        await self._write(put)

    # --- tickets

    async def add_ticket(self, ticket: str, until: datetime) -> None:
        """A ticket for one browser, good until then."""
        await self._write(lambda c: tickets.add(c, ticket, until, self._clock()))

    async def take_ticket(self, ticket: str, now: datetime) -> bool:
        """Whether there is such a ticket and its time isn't over. It is used up by that."""
        # strangers may ask as often as they like, and only a write makes others wait
        if not await self._read(lambda c: tickets.known(c, ticket)):
            return False
        return await self._write(lambda c: tickets.take(c, ticket, now))

    async def void_tickets(self) -> None:
        """Tickets that are out let nobody in any more."""
        await self._write(tickets.void)

    # --- threads

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._writer.submit(work))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise StoreClosedError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_now, work)

    def _read_now(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except DBAPIError as error:
            raise in_words(error) from None

    def _committed(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception:  # noqa: BLE001
                # the writer's thread must outlive whoever listens
                _LOG.exception("a listener of the store failed")
