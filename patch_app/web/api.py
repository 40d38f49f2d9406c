"""The query API: what is remembered, as JSON, and the wishes a person can write into the inbox.

Refuses to do a wish itself: it is a row of the inbox, and the engine deals with it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from fastapi import APIRouter, HTTPException, Request

from patch_app.core.attempt import Attempt, Stage, Status
from patch_app.core.events import Kind
from patch_app.store import (
    AttemptFilter,
    EventFilter,
    FlowEvent,
    Incoming,
    Store,
    UnknownRecordError,
)
from patch_app.web import records
from patch_app.web.records import (
    Asked,
    AttemptAsked,
    AttemptList,
    AttemptRecord,
    EventList,
    EventWithAttempts,
)

LIMIT: Final = 50
MAX_LIMIT: Final = 500
# attempts of one event that are shown, or asked for again
MAX_ATTEMPTS: Final = 500

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)


def query_api(store: Store, wake: Callable[[], None], clock: Callable[[], datetime]) -> APIRouter:
    """The routes. Who may use them is decided before they are reached."""
    router = APIRouter()
    _reading(router, store)
    _asking(router, store, Wishes(store, wake, clock))
    return router


class Wishes:
    """Writes a person's wishes into the inbox."""

    def __init__(self, store: Store, wake: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wake = wake
        self._clock = clock

    async def ask(self, kind: Kind, attempts: Iterable[str]) -> None:
        """One row an attempt; then the engine is told."""
        now = self._clock()
        for attempt_id in attempts:
            # asking twice within a microsecond is asking once
            key = f"{attempt_id}:{now.isoformat()}"
            await self._store.inbox_add(
                Incoming(kind=kind, key=key, payload=attempt_id.encode(), headers={}, received=now)
            )
        self._wake()

    async def match_again(self, event: FlowEvent) -> None:
        """The event once more, as it was recorded; forks that have an attempt keep it."""
        now = self._clock()
        await self._store.inbox_add(
            Incoming(
                kind=Kind.RELEASE,
                key=f"{event.id}:{now.isoformat()}",
                payload=json.dumps(event.payload).encode(),
                headers={},
                received=now,
            )
        )


def _reading(router: APIRouter, store: Store) -> None:
    @router.get("/flow-events")
    async def flow_events(request: Request) -> EventList:
        """Events, newest first."""
        said = _said(request, "type", "upstream", "tag", "source")
        wanted = EventFilter(
            type=said.get("type"),
            upstream=said.get("upstream"),
            tag=said.get("tag"),
            source=said.get("source"),
        )
        limit = _limit(said)
        found = await _known(store.events(wanted, limit + 1, said.get("before")))
        page = tuple(records.event_record(one) for one in found[:limit])
        return EventList(flow_events=page, next=page[-1].id if len(found) > limit else None)

    @router.get("/flow-events/{event_id}")
    async def flow_event(event_id: str) -> EventWithAttempts:
        """One event and its attempts."""
        event = await _event(store, event_id)
        attempts = await store.attempts(AttemptFilter(event=event_id), MAX_ATTEMPTS)
        return records.event_with_attempts(event, attempts)

    @router.get("/maintenance-attempts")
    async def maintenance_attempts(request: Request) -> AttemptList:
        """Attempts, newest first."""
        said = _said(request, "status", "stage", "event", "repository", "stack", "open")
        wanted = AttemptFilter(
            status=_choice(said, "status", Status),
            stage=_choice(said, "stage", Stage),
            event=said.get("event"),
            repository=said.get("repository"),
            stack=said.get("stack"),
            open=_flag(said, "open"),
        )
        limit = _limit(said)
        found = await _known(store.attempts(wanted, limit + 1, said.get("before")))
        page = tuple(records.summary(one) for one in found[:limit])
        return AttemptList(maintenance_attempts=page, next=page[-1].id if len(found) > limit else None)

    @router.get("/maintenance-attempts/{attempt_id}")
    async def maintenance_attempt(attempt_id: str) -> AttemptRecord:
        """One attempt whole."""
        return await whole(store, attempt_id)


def _asking(router: APIRouter, store: Store, wishes: Wishes) -> None:
    @router.post("/maintenance-attempts/{attempt_id}/sync", status_code=202)
    async def sync(attempt_id: str) -> AttemptAsked:
        """Read the forge again for this attempt."""
        attempt = await whole(store, attempt_id)
        await wishes.ask(Kind.SYNC, [attempt_id])
        return AttemptAsked(attempts=(attempt_id,), attempt=attempt)

    @router.post("/flow-events/{event_id}/retry", status_code=202)
    async def retry(event_id: str) -> Asked:
        """The same event again: matched anew, and its attempts tried again. Nothing is done twice."""
        event = await _event(store, event_id)
        attempts = tuple(one.id for one in latest(await _attempts_of(store, event_id)))
        if event.type == Kind.RELEASE.value:
            await wishes.match_again(event)
        await wishes.ask(Kind.RETRY, attempts)
        return Asked(attempts=attempts)

    @router.post("/flow-events/{event_id}/replay", status_code=202)
    async def replay(event_id: str) -> Asked:
        """A fresh attempt for every stack that has one for this event."""
        await _event(store, event_id)
        attempts = tuple(one.id for one in latest(await _attempts_of(store, event_id)))
        if not attempts:
            raise HTTPException(409, "this event has no attempt to replay; retry matches it anew")
        await wishes.ask(Kind.REPLAY, attempts)
        return Asked(attempts=attempts)


async def whole(store: Store, attempt_id: str) -> AttemptRecord:
    """One attempt with its history and effects. Raises HTTPException 404."""
    attempt = await store.attempt(attempt_id)
    if attempt is None:
        raise HTTPException(404, "there is no such attempt")
    return records.record(attempt, await store.history(attempt_id), await store.effects(attempt_id))


def latest(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Of each stack's attempts the last replay."""
    newest: dict[tuple[int, str], Attempt] = {}
    for one in attempts:
        known = newest.get((one.repository_id, one.stack))
        if known is None or known.number < one.number:
            newest[one.repository_id, one.stack] = one
    return list(newest.values())


async def _attempts_of(store: Store, event_id: str) -> list[Attempt]:
    return await store.attempts(AttemptFilter(event=event_id), MAX_ATTEMPTS)


async def _event(store: Store, event_id: str) -> FlowEvent:
    event = await store.event(event_id)
    if event is None:
        raise HTTPException(404, "there is no such event")
    return event


async def _known(found: Awaitable[T]) -> T:
    try:
        return await found
    except UnknownRecordError as error:
        raise HTTPException(400, f"before: {error}") from None


def _said(request: Request, *filters: str) -> dict[str, str]:
    """The query's parameters, each known, given once and not empty."""
    allowed = (*filters, "limit", "before")
    said: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise HTTPException(400, f"unknown filter {name[:40]!r}; there is: {', '.join(allowed)}")
        if name in said or not value or len(value) > 300:
            raise HTTPException(400, f"{name}: give one value of 1 to 300 characters")
        said[name] = value
    return said


def _limit(said: dict[str, str]) -> int:
    text = said.get("limit", str(LIMIT))
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise HTTPException(400, "limit: must be a whole number")
    return min(max(int(text), 1), MAX_LIMIT)


def _choice(said: dict[str, str], name: str, choices: type[Choice]) -> Choice | None:
    if name not in said:
        return None
    try:
        return choices(said[name])
    except ValueError:
        raise HTTPException(400, f"{name}: must be one of {', '.join(choices)}") from None


def _flag(said: dict[str, str], name: str) -> bool | None:
    match said.get(name):
        case None:
            return None
        case "true":
            return True
        case "false":
            return False
        case _:
            raise HTTPException(400, f"{name}: must be true or false")
