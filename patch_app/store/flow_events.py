"""What happened upstream, recorded once whichever way it was heard of. Starts nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, insert, select

from patch_app.core.model import Model
from patch_app.store.errors import UnknownRecordError
from patch_app.store.tables import flow_events, moment, stamp


class FlowEvent(Model):
    """One event; the id is the same for the same upstream and tag (`core.names.event_id`)."""

    id: str
    type: str
    upstream: str
    tag: str
    payload: dict[str, Any] = Field(default_factory=dict)
    received: datetime
    # webhook, poll, cli
    source: str
    # recorded only: no attempt was started for it
    record_only: bool = False


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events are wanted; None: whichever."""

    type: str | None = None
    upstream: str | None = None
    tag: str | None = None
    source: str | None = None


def add(connection: Connection, event: FlowEvent) -> tuple[FlowEvent, bool]:
    """The event as it is recorded, and whether it is new. A known one is kept as it was first heard of."""
    known = one(connection, event.id)
    if known is not None:
        return known, False
    connection.execute(
        insert(flow_events).values(
            id=event.id,
            type=event.type,
            upstream=event.upstream,
            tag=event.tag,
            payload=json.dumps(event.payload),
            received=stamp(event.received),
            source=event.source,
            record_only=event.record_only,
        )
    )
    return event, True


def one(connection: Connection, event_id: str) -> FlowEvent | None:
    """The event with this id."""
    row = connection.execute(select(flow_events).where(flow_events.c.id == event_id)).first()
    return None if row is None else _event(row)


def listed(connection: Connection, wanted: EventFilter, limit: int, before: str | None) -> list[FlowEvent]:
    """Newest first; with `before`, an event's id, those older than it. Raises UnknownRecordError."""
    query = select(flow_events).order_by(flow_events.c.received.desc(), flow_events.c.id.desc()).limit(limit)
    for column, value in (
        (flow_events.c.type, wanted.type),
        (flow_events.c.upstream, wanted.upstream),
        (flow_events.c.tag, wanted.tag),
        (flow_events.c.source, wanted.source),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        at = connection.execute(select(flow_events.c.received).where(flow_events.c.id == before)).scalar()
        if at is None:
            raise UnknownRecordError(f"there is no event {before!r}")
        query = query.where(
            (flow_events.c.received < at) | ((flow_events.c.received == at) & (flow_events.c.id < before))
        )
    return [_event(row) for row in connection.execute(query)]


def _event(row: Row[Any]) -> FlowEvent:
    return FlowEvent(
        id=row.id,
        type=row.type,
        upstream=row.upstream,
        tag=row.tag,
        payload=json.loads(row.payload),
        received=moment(row.received),
        source=row.source,
        record_only=row.record_only,
    )
