"""The App's credentials in DATA_DIR: one file for the server's own user, written once.

Room is made for them before GitHub hands them out, since it does that once. Refuses to overwrite what
is there, and to keep the client secret: nobody signs in with this App.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

FILE_NAME: Final = "github-app.json"
# several times what GitHub sends: a key of 4096 bits has 3.2 kB
ROOM: Final = 16 * 1024
_MODE: Final = 0o600


class CredentialsError(Exception):
    """The stored credentials can't be used or written; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class AppIdentity:
    """What the server needs to be the App."""

    id: int
    private_key: SecretStr = field(repr=False)
    # None: webhooks can't be checked, so none are taken (deliveries are polled)
    webhook_secret: SecretStr | None = field(repr=False)

    def secrets(self) -> tuple[SecretStr, ...]:
        """For the logs to leave out."""
        held = (self.private_key, self.webhook_secret)
        return tuple(one for one in held if one is not None)


@dataclass(frozen=True, kw_only=True)
class StoredApp:
    """An App that was registered on this server's /setup."""

    identity: AppIdentity
    slug: str
    # the App's page on GitHub
    html_url: str
    # GITHUB_URL of that time: elsewhere the credentials mean nothing
    github_url: str
    # whether GitHub can deliver webhooks to this server; without, deliveries are polled
    reachable: bool

    @property
    def install_url(self) -> str:
        """Where a person installs it."""
        return f"{self.html_url}/installations/new"


def read(data_dir: Path) -> StoredApp | None:
    """What is stored, None where nothing is. Raises CredentialsError."""
    path = data_dir / FILE_NAME
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CredentialsError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CredentialsError(
            f"{path}: isn't what /setup wrote: restore it, or set GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY and "
            "GITHUB_WEBHOOK_SECRET, or remove it to register another App"
        ) from None


def recover(data_dir: Path) -> bool:
    """After a start: finish a write that was cut off. Whether credentials were lost: GitHub may have handed
    them out, and they never reached the disk. Raises CredentialsError.
    """
    place = Place(data_dir)
    try:
        content = place.beside.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CredentialsError(f"{place.beside}: can't be read: {error.strerror}") from None
    try:
        _parsed(content)
    except (ValueError, KeyError, TypeError, AttributeError):
        place.release()
        return not place.path.exists()
    try:
        place.publish()
    except FileExistsError:
        place.release()
    return False


class Place:
    """Where credentials go. `reserve()` before they are asked for, then `keep()` or `release()`."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME
        self.beside = data_dir / f"{FILE_NAME}.new"

    def reserve(self) -> None:
        """Take the room. Raises FileExistsError where credentials are stored, OSError where there is none."""
        if self.path.exists():
            raise FileExistsError(self.path)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(b" " * ROOM)

    def keep(self, app: StoredApp) -> None:
        """Write what was handed out. Raises FileExistsError where credentials are stored, OSError."""
        content = json.dumps(_document(app), indent=1).encode()
        # as large as the room, so that a full disk has no say any more
        self._write(content + b" " * (ROOM - len(content)))
        self.publish()

    def publish(self) -> None:
        """Give the file its name, which nothing may have. Raises FileExistsError, OSError."""
        # a link, since a rename would overwrite
        os.link(self.beside, self.path)
        self.beside.unlink()
        _sync_directory(self.path.parent)

    def release(self) -> None:
        """Nothing was handed out."""
        self.beside.unlink(missing_ok=True)

    def _write(self, content: bytes) -> None:
        handle = os.open(self.beside, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, _MODE)
        try:
            os.fchmod(handle, _MODE)
            with os.fdopen(os.dup(handle), "wb") as file:
                file.write(content)
            os.ftruncate(handle, len(content))
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _document(app: StoredApp) -> dict[str, Any]:
    secret = app.identity.webhook_secret
    return {
        "id": app.identity.id,
        "slug": app.slug,
        "html_url": app.html_url,
        "github_url": app.github_url,
        "reachable": app.reachable,
        "webhook_secret": secret.get_secret_value() if secret else None,
        "private_key": app.identity.private_key.get_secret_value(),
    }


def _parsed(content: bytes) -> StoredApp:
    row: Mapping[str, Any] = json.loads(content)
    secret = row["webhook_secret"]
    texts = (row["slug"], row["html_url"], row["github_url"], row["private_key"], secret or "")
    if type(row["id"]) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError("not the stored form")
    return StoredApp(
        identity=AppIdentity(
            id=row["id"],
            private_key=SecretStr(row["private_key"]),
            webhook_secret=SecretStr(secret) if secret else None,
        ),
        slug=row["slug"],
        html_url=row["html_url"],
        github_url=row["github_url"],
        reachable=bool(row["reachable"]),
    )
