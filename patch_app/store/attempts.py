"""Attempts: one row each, moved on by compare-and-set, with its effects and history in the same commit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, insert, select, update

from patch_app.core.attempt import Attempt, Stage, Status
from patch_app.core.attempt import status as status_of
from patch_app.core.effects import Effect
from patch_app.store import effects as effect_rows
from patch_app.store import flow_events, inbox
from patch_app.store.errors import UnknownRecordError
from patch_app.store.flow_events import FlowEvent
from patch_app.store.tables import attempts, history, moment, stamp


@dataclass(frozen=True, kw_only=True)
class AdvanceCommit:
    """One step of one attempt: written whole, or not at all."""

    # the version that the step was decided from; None: the attempt is new
    expected_version: int | None
    # with its version one higher already
    attempt: Attempt
    # new wishes; one whose key is known stays as it is
    effects: Sequence[Effect] = ()
    # inbox rows that this step has dealt with
    done_inbox: Sequence[int] = ()
    # when to look at it again by itself; None: the timer leaves it alone
    due: datetime | None = None
    # one line each of what happened
    history: Sequence[str] = ()
    # what others may want to know of it; a known one is kept as it is
    events: Sequence[FlowEvent] = ()


@dataclass(frozen=True, kw_only=True)
class AttemptFilter:
    """Which attempts are wanted; None: whichever."""

    status: Status | None = None
    stage: Stage | None = None
    event: str | None = None
    repository: str | None = None
    stack: str | None = None
    open: bool | None = None


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """What happened to an attempt, and when."""

    at: datetime
    line: str


def advance(connection: Connection, step: AdvanceCommit) -> bool:
    """Write the step. False, and nothing written: the version moved, or a new id exists already."""
    attempt = step.attempt
    values = {
        "version": attempt.version,
        "event": attempt.event,
        "repository": attempt.repository,
        "repository_id": attempt.repository_id,
        "stack": attempt.stack,
        "stage": attempt.stage.value,
        "status": status_of(attempt).value,
        "open": attempt.open,
        "due": stamp(step.due),
        "created": stamp(attempt.created),
        "updated": stamp(attempt.updated),
        "document": attempt.model_dump_json(),
    }
    if step.expected_version is None:
        if one(connection, attempt.id) is not None:
            return False
        connection.execute(insert(attempts).values(id=attempt.id, **values))
    else:
        moved = connection.execute(
            update(attempts)
            .where(attempts.c.id == attempt.id, attempts.c.version == step.expected_version)
            .values(**values)
        )
        if moved.rowcount != 1:
            return False
    effect_rows.wish(connection, attempt.id, attempt.version, step.effects)
    inbox.done(connection, step.done_inbox, attempt.updated)
    for event in step.events:
        flow_events.add(connection, event)
    for line in step.history:
        remember(connection, attempt.id, attempt.updated, line)
    return True


def remember(connection: Connection, attempt_id: str, at: datetime, line: str) -> None:
    """Add one line to an attempt's history."""
    connection.execute(insert(history).values(attempt=attempt_id, at=stamp(at), line=line))


def lines(connection: Connection, attempt_id: str) -> list[HistoryLine]:
    """An attempt's history, oldest first."""
    rows = connection.execute(
        select(history.c.at, history.c.line).where(history.c.attempt == attempt_id).order_by(history.c.id)
    )
    return [HistoryLine(at=moment(row.at), line=row.line) for row in rows]


def one(connection: Connection, attempt_id: str) -> Attempt | None:
    """The attempt with this id."""
    found = _read(connection, select(attempts.c.document).where(attempts.c.id == attempt_id))
    return found[0] if found else None


def listed(connection: Connection, wanted: AttemptFilter, limit: int, before: str | None) -> list[Attempt]:
    """Newest first; with `before`, an attempt's id, those older than it. Raises UnknownRecordError."""
    query = select(attempts.c.document).order_by(attempts.c.created.desc(), attempts.c.id.desc()).limit(limit)
    for column, value in (
        (attempts.c.status, wanted.status),
        (attempts.c.stage, wanted.stage),
        (attempts.c.event, wanted.event),
        (attempts.c.repository, wanted.repository),
        (attempts.c.stack, wanted.stack),
        (attempts.c.open, wanted.open),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        at = connection.execute(select(attempts.c.created).where(attempts.c.id == before)).scalar()
        if at is None:
            raise UnknownRecordError(f"there is no attempt {before!r}")
        query = query.where(
            (attempts.c.created < at) | ((attempts.c.created == at) & (attempts.c.id < before))
        )
    return _read(connection, query)


def open_ones(connection: Connection, due_before: datetime | None) -> list[Attempt]:
    """Attempts that have not ended; with a time, those due by then (soonest first).

    Due is an ended attempt, too, that somebody asked to look at and that nobody has looked at since.
    """
    wanted = attempts.c.open.is_(True) if due_before is None else attempts.c.due <= stamp(due_before)
    return _read(
        connection,
        select(attempts.c.document).where(wanted).order_by(attempts.c.due, attempts.c.id),
    )


def watched(connection: Connection) -> list[Attempt]:
    """Attempts that have not ended, and ended ones that the timer looks at."""
    wanted = attempts.c.open.is_(True) | attempts.c.due.is_not(None)
    return _read(connection, select(attempts.c.document).where(wanted).order_by(attempts.c.id))


def siblings(connection: Connection, repository_id: int, stack: str) -> list[Attempt]:
    """All attempts for one stack, oldest first."""
    return _read(
        connection,
        select(attempts.c.document)
        .where(attempts.c.repository_id == repository_id, attempts.c.stack == stack)
        .order_by(attempts.c.created, attempts.c.id),
    )


def of_repository(connection: Connection, repository_id: int) -> list[Attempt]:
    """All attempts on one fork, oldest first."""
    query = select(attempts.c.document).where(attempts.c.repository_id == repository_id)
    return _read(connection, query.order_by(attempts.c.created, attempts.c.id))


def reschedule(connection: Connection, attempt_id: str, due: datetime | None) -> None:
    """Change when the timer looks at an attempt, and nothing else of it."""
    connection.execute(update(attempts).where(attempts.c.id == attempt_id).values(due=stamp(due)))


def _read(connection: Connection, query: Select[tuple[str]]) -> list[Attempt]:
    return [Attempt.model_validate_json(document) for document in connection.execute(query).scalars()]


def pulse(connection: Connection, attempt_id: str | None) -> str:
    """A short text that changes with what is remembered of one attempt, or of all."""
    if attempt_id is None:
        row = connection.execute(
            select(func.count(), func.sum(attempts.c.version), func.max(attempts.c.updated))
        )
        return _digest(row.one())
    of_one = select(attempts.c.version, attempts.c.updated).where(attempts.c.id == attempt_id)
    return _digest(
        (
            *connection.execute(of_one).all(),
            *connection.execute(select(func.count()).where(history.c.attempt == attempt_id)).all(),
            *effect_rows.states(connection, attempt_id),
        )
    )


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
