"""The schema: migrations lead to what the tables say, and what can't be opened says why."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from patch_app.store import Store, StoreError
from patch_app.store.database import alembic_config, connect, database_path, migrate
from patch_app.store.tables import metadata

from .conftest import NOW, delivery


def test_migrated_schema_is_the_tables_own(tmp_path: Path) -> None:
    writing, reading = connect(tmp_path / "migrated.db")
    with writing.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    metadata.create_all(fresh)
    query = (
        "select name, sql from sqlite_master where name not like 'alembic%' and name not like '%autoindex%'"
    )
    with writing.connect() as one, fresh.connect() as other:
        migrated = {name: _words(sql) for name, sql in one.exec_driver_sql(query)}
        created = {name: _words(sql) for name, sql in other.exec_driver_sql(query)}
    assert migrated == created
    for engine in (writing, reading, fresh):
        engine.dispose()


def _words(sql: str | None) -> list[str]:
    return sorted((sql or "").replace("(", " ( ").replace(")", " ) ").replace(",", " ").split())


def test_each_migration_can_be_taken_back(tmp_path: Path) -> None:
    writing, reading = connect(tmp_path / "x.db")
    with writing.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with writing.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    migrate(writing)
    with writing.connect() as connection:
        assert "attempts" in inspect(connection).get_table_names()
    writing.dispose()
    reading.dispose()


def test_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    raw = sqlite3.connect(tmp_path / "patch-app.db")
    raw.execute("update alembic_version set version_num = '9999'")
    raw.commit()
    raw.close()
    with pytest.raises(StoreError, match="newer patch_app"):
        Store.open(tmp_path)


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "patch-app.db").write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(tmp_path)


def test_data_directory_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="can't write"):
        Store.open(tmp_path / "data")


def test_postgres_is_refused_rather_than_promised() -> None:
    with pytest.raises(StoreError, match="isn't supported yet: set DATA_DIR"):
        database_path("postgresql://user:secret@host/db")
    with pytest.raises(StoreError) as refused:
        database_path("mysql://user:secret@host/db")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://host/x.db"])
def test_url_without_a_path(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///"):
        database_path(url)


def test_paths_of_urls() -> None:
    assert database_path("sqlite:////a/b%20c.db") == Path("/a/b c.db")
    assert database_path("sqlite:///b.db") == Path("b.db")
    assert database_path("data") == Path("data/patch-app.db")


async def test_a_commit_is_on_disk_before_it_is_acknowledged(store: Store) -> None:
    await store.inbox_add(delivery("d"))
    with store._writing.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_other_users_of_the_machine_cannot_read_payloads(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data", clock=lambda: NOW)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    store.close()


def test_two_processes_open_a_new_directory_at_once(tmp_path: Path) -> None:
    script = "import sys; from patch_app.store import Store; Store.open(sys.argv[1]).close()"
    children = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
