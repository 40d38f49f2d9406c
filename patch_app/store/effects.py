"""Effects: each wish is here before it is tried, and what came of it after. Performs nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from patch_app.core import effects as core
from patch_app.core.effects import EFFECT, UNFINISHED, Effect, EffectState, Performed
from patch_app.store.errors import StoreError
from patch_app.store.tables import effects, moment, stamp


class StoredEffect(Performed):
    """An effect with how it has gone so far."""

    # the attempt's version that wished for it
    version: int
    # how often it was begun
    tries: int
    # when it was begun last; None: never
    begun_at: datetime | None
    # not before this time; None: any time
    due: datetime | None


def wish(connection: Connection, attempt_id: str, version: int, wanted: Sequence[Effect]) -> None:
    """Add new effects as pending. One whose key is known is kept as it is."""
    if not wanted:
        return
    known = set(connection.execute(select(effects.c.key).where(effects.c.attempt == attempt_id)).scalars())
    for effect in wanted:
        key = core.key(effect)
        if key in known:
            continue
        known.add(key)
        connection.execute(
            insert(effects).values(
                attempt=attempt_id,
                key=key,
                version=version,
                document=effect.model_dump_json(),
                state=EffectState.PENDING.value,
                outcome="{}",
            )
        )


def of_attempt(connection: Connection, attempt_id: str) -> list[StoredEffect]:
    """All effects of an attempt, in the order in which they were wished for."""
    rows = connection.execute(select(effects).where(effects.c.attempt == attempt_id).order_by(effects.c.id))
    return [_effect(row) for row in rows]


def states(connection: Connection, attempt_id: str) -> list[tuple[str, int]]:
    """State and number of tries of each effect, in the order in which they were wished for."""
    query = select(effects.c.state, effects.c.tries).where(effects.c.attempt == attempt_id)
    return [(state, tries) for state, tries in connection.execute(query.order_by(effects.c.id))]


def unfinished(connection: Connection, due_before: datetime) -> list[str]:
    """Ids of attempts, open or ended, with an effect that is pending or begun and due by then."""
    query = (
        select(effects.c.attempt)
        .where(
            effects.c.state.in_([state.value for state in UNFINISHED]),
            effects.c.due.is_(None) | (effects.c.due <= stamp(due_before)),
        )
        .group_by(effects.c.attempt)
        .order_by(effects.c.attempt)
    )
    return list(connection.execute(query).scalars())


def put_state(
    connection: Connection,
    attempt_id: str,
    key: str,
    *,
    state: EffectState,
    outcome: dict[str, Any] | None,
    at: datetime,
    due: datetime | None,
) -> None:
    """How far an effect came. `begun` counts a try; an outcome of None keeps what there was.

    Raises StoreError where there is no such effect.
    """
    values: dict[str, Any] = {"state": state.value, "due": stamp(due)}
    if outcome is not None:
        values["outcome"] = json.dumps(outcome)
    if state is EffectState.BEGUN:
        values |= {"begun_at": stamp(at), "tries": effects.c.tries + 1}
    changed = connection.execute(
        update(effects).where(effects.c.attempt == attempt_id, effects.c.key == key).values(**values)
    )
    if changed.rowcount != 1:
        raise StoreError(f"attempt {attempt_id} has no effect {key}")


def forgive(connection: Connection, attempt_id: str) -> None:
    """What was refused is as if it had never been wished for."""
    connection.execute(
        update(effects)
        .where(effects.c.attempt == attempt_id, effects.c.state == EffectState.REFUSED.value)
        .values(state=EffectState.DROPPED.value)
    )


def postpone(connection: Connection, attempt_id: str, key: str, due: datetime) -> None:
    """Try an effect again not before `due`; how far it came stays as it is."""
    connection.execute(
        update(effects).where(effects.c.attempt == attempt_id, effects.c.key == key).values(due=stamp(due))
    )


def _effect(row: Row[Any]) -> StoredEffect:
    return StoredEffect(
        key=row.key,
        effect=EFFECT.validate_json(row.document),
        state=EffectState(row.state),
        outcome=json.loads(row.outcome),
        version=row.version,
        tries=row.tries,
        begun_at=moment(row.begun_at),
        due=moment(row.due),
    )
