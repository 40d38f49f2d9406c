"""Alembic's entry: runs migrations on the connection that it is given, in that one's transaction."""

from __future__ import annotations

from alembic import context

from patch_app.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can't alter much of a table in place: Alembic copies it
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
