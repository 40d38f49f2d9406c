"""DATA_DIR is for the server's own user alone: made so, closed where it isn't, or refused.

Refuses to close what may be somebody else's: another user's directory, or one with other uses.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patch_app.settings import SettingsError

# what group and others may
_OTHERS: Final = 0o077
# each file that is kept there; SQLite's `-wal` and `-shm`, and what is being written, begin like these
_OURS: Final = ("patch-app.db", "github-app.json", "admin-token")
# a file system's own, at the root of a volume
_NOBODYS: Final = frozenset({"lost+found"})


@dataclass(frozen=True, kw_only=True)
class Closed:
    """What others could read or write until now."""

    path: Path
    # as `chmod` takes it
    mode: str


def prepare(path: Path) -> tuple[Closed, ...]:
    """Make the directory, or see to it that nobody else can read what is kept there; what had to be closed.
    Raises SettingsError.
    """
    try:
        # private from the first moment on: a umask only takes away
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = path.stat()
        closed = [_closed_directory(path, there)]
        ours = sorted(one for one in path.iterdir() if one.name.startswith(_OURS))
        # a directory's owner may be another than the server's user: a volume of root's, say
        closed += [_closed_file(one, {os.geteuid(), 0, there.st_uid}) for one in ours]
    except FileExistsError:
        raise _refused(f"{path} isn't a directory") from None
    except OSError as error:
        raise _refused(f"{error.filename or path} can't be used: {error.strerror}") from None
    return tuple(one for one in closed if one is not None)


def _closed_directory(path: Path, there: os.stat_result) -> Closed | None:
    if not there.st_mode & _OTHERS:
        return None
    mode = _octal(there)
    if there.st_uid != os.geteuid():
        raise _refused(
            f"others can read {path} (mode {mode}), and it belongs to another user (id {there.st_uid}): let "
            "that one run chmod 700 on it, or name a directory in it, which is then made with mode 700"
        )
    # / as root, /tmp or a home directory: closing it would shut people out of what is theirs
    folders = (one.name for one in path.iterdir() if one.is_dir() and not one.is_symlink())
    if there.st_mode & stat.S_ISVTX or set(folders) - _NOBODYS:
        raise _refused(
            f"others can read {path} (mode {mode}), and it isn't for this server alone: name a directory of "
            "its own, which is then made with mode 700, or run chmod 700 on this one"
        )
    path.chmod(0o700)
    return Closed(path=path, mode=mode)


def _closed_file(path: Path, owners: set[int]) -> Closed | None:
    try:
        there = path.stat()
    except FileNotFoundError:
        return None  # SQLite takes its own away
    if there.st_uid not in owners:
        raise _refused(
            f"{path} belongs to another user (id {there.st_uid}), who can read and change it: if it is yours "
            "run chown on it, else remove it"
        )
    if not there.st_mode & _OTHERS:
        return None
    mode = _octal(there)
    if there.st_uid != os.geteuid():
        raise _refused(
            f"others can read {path} (mode {mode}), and it belongs to another user (id {there.st_uid}): let "
            "that one run chmod 600 on it"
        )
    # a person's copy in a folder may be named like ours: without its x nobody could enter it
    path.chmod(0o700 if stat.S_ISDIR(there.st_mode) else 0o600)
    return Closed(path=path, mode=mode)


def _octal(there: os.stat_result) -> str:
    return f"{stat.S_IMODE(there.st_mode):o}"


def _refused(why: str) -> SettingsError:
    return SettingsError((f"DATA_DIR: {why}",))
