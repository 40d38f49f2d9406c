"""Forks that the App is installed on, and what their configuration said when it was last read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, insert, select, update

from patch_app.core.configuration import Configuration
from patch_app.core.model import Model
from patch_app.store.tables import forks, moment, stamp


class Fork(Model):
    """One fork, by GitHub's repository id (names change, ids don't)."""

    installation_id: int
    repository_id: int
    # owner/name
    repository: str
    default_branch: str
    private: bool
    # the fork's parent, owner/name; None where GitHub names none
    parent: str | None = None
    # None: not read yet, or not valid (then the error says why)
    configuration: Configuration | None = None
    configuration_error: str | None = None
    updated: datetime


def put(connection: Connection, fork: Fork) -> None:
    """Remember a fork as it is now."""
    values = {
        "installation_id": fork.installation_id,
        "repository": fork.repository,
        "default_branch": fork.default_branch,
        "private": fork.private,
        "parent": fork.parent,
        "configuration": None if fork.configuration is None else fork.configuration.model_dump_json(),
        "configuration_error": fork.configuration_error,
        "updated": stamp(fork.updated),
    }
    changed = connection.execute(
        update(forks).where(forks.c.repository_id == fork.repository_id).values(**values)
    )
    if changed.rowcount == 0:
        connection.execute(insert(forks).values(repository_id=fork.repository_id, **values))


def listed(connection: Connection) -> list[Fork]:
    """All forks by name."""
    return [_fork(row) for row in connection.execute(select(forks).order_by(forks.c.repository))]


def one(connection: Connection, repository_id: int) -> Fork | None:
    """The fork with this id."""
    row = connection.execute(select(forks).where(forks.c.repository_id == repository_id)).first()
    return None if row is None else _fork(row)


def remove(connection: Connection, repository_id: int) -> bool:
    """Forget a fork. Its attempts stay: they are the record. Whether there was one."""
    return connection.execute(delete(forks).where(forks.c.repository_id == repository_id)).rowcount > 0


def _fork(row: Row[Any]) -> Fork:
    configuration: Configuration | None = None
    error: str | None = row.configuration_error
    if row.configuration is not None:
        try:
            configuration = Configuration.model_validate_json(row.configuration)
        except ValidationError:
            # another version of the program wrote it: it is read from the fork again
            error = error or "the stored configuration is another version's; it is read again from the fork"
    return Fork(
        installation_id=row.installation_id,
        repository_id=row.repository_id,
        repository=row.repository,
        default_branch=row.default_branch,
        private=row.private,
        parent=row.parent,
        configuration=configuration,
        configuration_error=error,
        updated=moment(row.updated),
    )
