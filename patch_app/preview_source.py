"""Where `patch-app preview` reads from: an address that anybody may see, and the password that was in it.

Everybody on the machine can read a command line, so Git gets a password by its environment alone, and our own
command line is written over. Refuses to guess: what is no repository is said.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from setproctitle import setproctitle

from patch_app.runner.git import TOKENS
from patch_app.runner.records import Problem

_GITHUB_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}\Z")
_URL: Final = re.compile(r"(?:https?|ssh|git|file)://[^\s]+\Z")
_SCP: Final = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s-][^\s]*\Z")


class Source(NamedTuple):
    """A repository's address without a password, and `user:password` where one was given."""

    url: str
    credentials: str | None = None


def source(value: str, where: str) -> Source:
    """A repository given as URL, path or GitHub's `owner/name`.

    Raises:
        Problem: with stage `request`, where it is none of them.
    """
    if not value or value.startswith("-") or not value.isprintable():
        raise Problem("request", f"{where} is no repository")
    path = Path(value).expanduser()
    if _URL.match(value):
        return _parted(value, where)
    if _SCP.match(value):
        return Source(value)
    if path.exists():
        return Source(path.resolve().as_uri())
    if _GITHUB_NAME.match(value):
        return Source(f"https://github.com/{value}")
    raise Problem(
        "request", f"{where}: there is no such path, and it is neither a Git URL nor GitHub's owner/name"
    )


def _parted(value: str, where: str) -> Source:
    """A plain user name stays: it says whom the person's own credential helper is asked for."""
    parts = urlsplit(value)
    user, found, address = parts.netloc.rpartition("@")
    name, has_password, _ = user.partition(":")
    if not found or not (has_password or TOKENS.search(unquote(name))):
        return Source(value)
    if parts.scheme not in ("http", "https"):
        raise Problem(
            "request", f"{where}: a password in the URL is of no use to {parts.scheme}; leave it out"
        )
    credentials = unquote(user if has_password else f"{user}:")
    return Source(urlunsplit(parts._replace(netloc=address)), credentials)


def environment(sources: Iterable[Source]) -> dict[str, str]:
    """Settings that send each password to its own address, in Git's environment (git-config(1))."""
    given = [one for one in sources if one.credentials is not None]
    out = {"GIT_CONFIG_COUNT": str(len(given))} if given else {}
    for number, one in enumerate(given):
        encoded = base64.b64encode((one.credentials or "").encode()).decode()
        out[f"GIT_CONFIG_KEY_{number}"] = f"http.{one.url}.extraheader"
        out[f"GIT_CONFIG_VALUE_{number}"] = f"AUTHORIZATION: basic {encoded}"
    return out


def hide_command_line(sources: Iterable[Source]) -> bool:
    """Whether a password was given; then this process no longer shows its arguments (`ps`)."""
    given = any(one.credentials is not None for one in sources)
    if given:
        setproctitle("patch-app preview")
    return given
