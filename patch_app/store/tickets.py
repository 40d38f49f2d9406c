"""Tickets: each lets one browser in, once. Kept as digests among the cursors; to take one is to use it up."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from patch_app.store.tables import cursors, stamp

_KIND: Final = "ticket:"


def add(connection: Connection, ticket: str, until: datetime, now: datetime) -> None:
    """A ticket that is good until then."""
    connection.execute(
        insert(cursors).values(
            name=_name(ticket), document=json.dumps({"until": stamp(until)}), updated=stamp(now)
        )
    )


def known(connection: Connection, ticket: str) -> bool:
    """Whether there is such a ticket."""
    query = select(cursors.c.name).where(cursors.c.name == _name(ticket))
    return connection.execute(query).scalar() is not None


def take(connection: Connection, ticket: str, now: datetime) -> bool:
    """Whether there is such a ticket and its time isn't over. There is none after that."""
    named = cursors.c.name == _name(ticket)
    document = connection.execute(select(cursors.c.document).where(named)).scalar()
    connection.execute(delete(cursors).where(named))
    return document is not None and stamp(now) < json.loads(document)["until"]


def void(connection: Connection) -> None:
    """All tickets that are out are worth nothing any more."""
    connection.execute(delete(cursors).where(cursors.c.name.startswith(_KIND, autoescape=True)))


def _name(ticket: str) -> str:
    return _KIND + hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
