"""Opens the database: connections with their PRAGMAs, the schema brought up to date.

Refuses a database it can't keep its promises on, and one that a newer program has written.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from patch_app.store.errors import StoreError, in_words

FILE_NAME: Final = "patch-app.db"
# how long a write waits for another process (the command line) before it is told "busy"
BUSY_SECONDS: Final = 5
READERS: Final = 4


def database_path(where: str | Path) -> Path:
    """The database's file for a data directory or a `sqlite:///` URL. Raises StoreError for others."""
    if isinstance(where, Path) or "://" not in where:
        return Path(where) / FILE_NAME
    parts = urlsplit(where)
    if parts.scheme != "sqlite":
        raise StoreError(
            f"a database of the kind {parts.scheme!r} isn't supported yet: set DATA_DIR, "
            "the state is kept there in SQLite"
        )
    if parts.netloc or not parts.path.startswith("/") or len(parts.path) < 2:
        raise StoreError("a database URL is written sqlite:////absolute/path.db or sqlite:///relative.db")
    return Path(unquote(parts.path[1:]))


def connect(path: Path) -> tuple[Engine, Engine]:
    """The engine for the writer thread and the one for readers, over one file with the schema in place."""
    try:
        # payloads of private repositories lie here: for the server's own user alone
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror}") from None
    writer = _engine(path, begin="BEGIN IMMEDIATE", size=1, pragmas=_WRITER)
    try:
        migrate(writer)
    except DBAPIError as error:
        writer.dispose()
        raise in_words(error) from error
    except BaseException:
        writer.dispose()
        raise
    return writer, _engine(path, begin="BEGIN", size=READERS, pragmas=_READER)


# synchronous=FULL: a commit is on disk before anybody is answered (sqlite.org/pragma.html)
_WRITER: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_READER: Final = ("query_only=ON",)


def _engine(path: Path, *, begin: str, size: int, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=size,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS},
        # an error names no payload, token or person
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        # pysqlite's own idea of transactions breaks savepoints (docs.sqlalchemy.org, SQLite dialect)
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def alembic_config() -> Config:
    """Alembic's configuration, without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the schema to a revision in one transaction, which also keeps two processes apart."""
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current == scripts.get_current_head() and to == "head":
            return
        if current is not None and current not in {one.revision for one in scripts.walk_revisions()}:
            raise StoreError(
                f"the database was written by a newer patch_app (its schema is {current}): "
                "start that version, or restore an older copy of DATA_DIR"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, to)
