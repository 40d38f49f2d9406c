"""What can go wrong in the store, in words for a person. No error here carries a row's content."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError


class StoreError(Exception):
    """The store could not do it, and nothing of it was written."""


class StoreBusyError(StoreError):
    """Another process holds the database's write lock for too long. Trying again is right."""


class StoreFullError(StoreError):
    """The disk is full or failing: nothing more is acknowledged until there is room."""


class StoreClosedError(StoreError):
    """The store was closed, or is closing."""


class UnknownRecordError(StoreError):
    """A page was asked for that begins at a record which isn't there."""


def in_words(error: DBAPIError) -> StoreError:
    """The error of ours for one of the database's. SQLite's result codes: sqlite.org/rescode.html."""
    original = error.orig
    code = getattr(original, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    said = str(original)
    match primary:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusyError(f"the database is locked by another process ({said})")
        case sqlite3.SQLITE_FULL:
            return StoreFullError(f"the disk is full ({said})")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return StoreFullError(f"the database's files can't be written ({said})")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreError(f"the database's file is damaged ({said})")
        case _:
            return StoreError(f"the database refused: {said}")
