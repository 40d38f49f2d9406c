"""The inbox: every hint from outside, kept until it was dealt with. Refuses to judge what it holds.

A key is taken once a kind, for as long as its row is kept, so a redelivery is known as one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from patch_app.core.events import Kind
from patch_app.store.tables import inbox, moment, stamp

# what is kept of a delivery's headers, and how much of each
DELIVERY_HEADERS: Final = frozenset(
    {
        "x-github-event",
        "x-github-delivery",
        "x-github-hook-id",
        "x-github-hook-installation-target-id",
        "x-github-hook-installation-target-type",
    }
)
_MAX_HEADER: Final = 200
# SQLite takes 32,766 values a statement (sqlite.org/limits.html)
_MANY: Final = 500


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """Something from outside, as it came."""

    kind: Kind
    # the delivery's id, or what else is the same when the same thing comes twice
    key: str
    payload: bytes
    headers: dict[str, str]
    received: datetime


def delivery(guid: str, payload: bytes, headers: Iterable[tuple[str, str]], received: datetime) -> Incoming:
    """A webhook delivery, the same whether it was received or read from GitHub's list."""
    kept = {name.lower(): value[:_MAX_HEADER] for name, value in headers if name.lower() in DELIVERY_HEADERS}
    return Incoming(kind=Kind.DELIVERY, key=guid, payload=payload, headers=kept, received=received)


@dataclass(frozen=True, kw_only=True)
class InboxRow:
    """A row that waits. Ids grow in the order of arrival."""

    id: int
    kind: Kind
    key: str
    payload: bytes
    headers: dict[str, str]
    received: datetime
    # how often it failed, and the last failure
    tries: int
    error: str | None

    @property
    def content(self) -> str:
        """The same for the same bytes, under whatever key they came: only they are signed, no header is."""
        return hashlib.sha256(self.payload).hexdigest()[:32]


def add(connection: Connection, incoming: Incoming) -> bool:
    """Whether it is new; a known key writes nothing."""
    known = select(inbox.c.id).where(inbox.c.kind == incoming.kind.value, inbox.c.key == incoming.key)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        insert(inbox).values(
            kind=incoming.kind.value,
            key=incoming.key,
            payload=incoming.payload,
            headers=json.dumps(incoming.headers),
            received=stamp(incoming.received),
        )
    )
    return True


def known(connection: Connection, kind: Kind, keys: Sequence[str]) -> set[str]:
    """Those of the keys that there is a row for, done or not."""
    found: set[str] = set()
    for start in range(0, len(keys), _MANY):
        wanted = select(inbox.c.key).where(
            inbox.c.kind == kind.value, inbox.c.key.in_(keys[start : start + _MANY])
        )
        found.update(connection.execute(wanted).scalars())
    return found


def pending(connection: Connection, limit: int, now: datetime) -> list[InboxRow]:
    """Rows that are not done and whose time to be tried again has come, oldest first."""
    rows = connection.execute(
        select(inbox)
        .where(
            inbox.c.done_at.is_(None),
            or_(inbox.c.retry_at.is_(None), inbox.c.retry_at <= stamp(now)),
        )
        .order_by(inbox.c.id)
        .limit(limit)
    )
    return [_row(row) for row in rows]


def done(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """Mark rows as dealt with. One that is done already keeps its time."""
    for start in range(0, len(ids), _MANY):
        connection.execute(
            update(inbox)
            .where(inbox.c.id.in_(ids[start : start + _MANY]), inbox.c.done_at.is_(None))
            .values(done_at=stamp(at))
        )


def failed(connection: Connection, row: int, error: str, retry_at: datetime) -> None:
    """Count a failure; the row waits until `retry_at`."""
    connection.execute(
        update(inbox)
        .where(inbox.c.id == row, inbox.c.done_at.is_(None))
        .values(error=error, retry_at=stamp(retry_at), tries=inbox.c.tries + 1)
    )


def prune(connection: Connection, done_before: datetime) -> int:
    """Forget rows done before a time; how many.

    Their keys are new again: keep them for longer than GitHub keeps deliveries to send again (3 days).
    """
    result = connection.execute(delete(inbox).where(inbox.c.done_at < stamp(done_before)))
    return result.rowcount


def _row(row: Row[Any]) -> InboxRow:
    return InboxRow(
        id=row.id,
        kind=Kind(row.kind),
        key=row.key,
        payload=row.payload,
        headers=json.loads(row.headers),
        received=moment(row.received),
        tries=row.tries,
        error=row.error,
    )
