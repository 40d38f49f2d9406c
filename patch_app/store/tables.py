"""The tables, once, for SQLite and any other database SQLAlchemy speaks. No query lives here.

JSON is text; times are UTC in ISO 8601 with microseconds, so that text order is time order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("headers", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("retry_at", Text),
    Column("done_at", Text),
    UniqueConstraint("kind", "key"),
    # ids of done rows are never used again: an id in a log names one row for ever
    sqlite_autoincrement=True,
)
Index(
    "ix_inbox_pending",
    inbox.c.id,
    sqlite_where=inbox.c.done_at.is_(None),
    postgresql_where=inbox.c.done_at.is_(None),
)

forks = Table(
    "forks",
    metadata,
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("installation_id", BigInteger, nullable=False),
    Column("repository", Text, nullable=False),
    Column("default_branch", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("parent", Text),
    Column("configuration", Text),
    Column("configuration_error", Text),
    Column("updated", Text, nullable=False),
)
Index(None, forks.c.installation_id)

flow_events = Table(
    "flow_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("record_only", Boolean, nullable=False),
)
Index(None, flow_events.c.received, flow_events.c.id)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("stack", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("due", Text),
    Column("created", Text, nullable=False),
    Column("updated", Text, nullable=False),
    Column("document", Text, nullable=False),
)
Index(None, attempts.c.created, attempts.c.id)
Index(None, attempts.c.open, attempts.c.due)
Index(None, attempts.c.repository_id, attempts.c.stack)
Index(None, attempts.c.event)

effects = Table(
    "effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("attempt", Text, ForeignKey("attempts.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("begun_at", Text),
    Column("due", Text),
    UniqueConstraint("attempt", "key"),
)
Index(None, effects.c.state, effects.c.due)

history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("attempt", Text, ForeignKey("attempts.id"), nullable=False),
    Column("at", Text, nullable=False),
    Column("line", Text, nullable=False),
)
Index(None, history.c.attempt)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),
    Column("updated", Text, nullable=False),
)


@overload
def stamp(moment: datetime) -> str: ...
@overload
def stamp(moment: None) -> None: ...
def stamp(moment: datetime | None) -> str | None:
    """A time as it is stored. Raises ValueError for a time without its zone."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a stored time needs its zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@overload
def moment(stamped: str) -> datetime: ...
@overload
def moment(stamped: None) -> None: ...
def moment(stamped: str | None) -> datetime | None:
    """The time that `stamp` stored."""
    return None if stamped is None else datetime.fromisoformat(stamped)
