"""The admin token of a server that was given none: made at its first start, kept in DATA_DIR.

Whoever can read the file may ask the server everything. Refuses to overwrite it, and to take one that
others can read.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from pydantic import SecretStr

FILE_NAME: Final = "admin-token"
MIN: Final = 16
# what PATCH_ADMIN_TOKEN may be, too
FORM: Final = re.compile(rf"[!-~]{{{MIN},}}")
_BYTES: Final = 32
# no token is longer
_MOST: Final = 4096


class TokenError(Exception):
    """The token can't be read or kept; the message says what to do."""


def kept(data_dir: Path) -> SecretStr:
    """The token in DATA_DIR, made where there is none yet. Raises TokenError."""
    path = data_dir / FILE_NAME
    try:
        with contextlib.suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        # of two starts at once both have the one that came first
        return _read(path)
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror}; set PATCH_ADMIN_TOKEN, or see to the file") from None


def _read(path: Path) -> SecretStr:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        there = os.fstat(file.fileno())
        if not stat.S_ISREG(there.st_mode) or there.st_mode & 0o077:
            raise TokenError(
                f"{path}: isn't a file for its owner alone: remove it, and the next start makes one"
            )
        text = file.read(_MOST).decode("ascii", "replace").strip()
    if not FORM.fullmatch(text):
        raise TokenError(
            f"{path}: isn't a token ({MIN} or more characters of printable ASCII without spaces): remove it, "
            "and the next start makes one"
        )
    return SecretStr(text)


def _make(path: Path) -> None:
    beside = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.token_urlsafe(_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        # whole or not there; a rename would overwrite another start's
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
