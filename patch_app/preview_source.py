"""Where `patch-app preview` reads from: an address that anybody may see, and what else was in it.

Everybody on the machine can read a command line, so Git gets name and password by its environment alone, and
our own command line is written over. Refuses to guess: what is no repository is said, and which of the names
is a token nobody can tell.
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
    """A repository's address, `user:password` where one was given, and a user name that came alone."""

    url: str
    credentials: str | None = None
    # whom the person's own credential helper is asked for
    user: str | None = None


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
    parts = urlsplit(value)
    user, found, address = parts.netloc.rpartition("@")
    name, has_password, _ = user.partition(":")
    known = has_password or TOKENS.search(unquote(name))
    if parts.query or parts.fragment:
        # a token of a web page's address, say, which would stand on every command line
        raise Problem(
            "request", f"{where}: the URL of a repository ends before its ? or #; leave the rest out"
        )
    if parts.scheme not in ("http", "https"):
        if found and known:
            raise Problem(
                "request", f"{where}: a password in the URL is of no use to {parts.scheme}; leave it out"
            )
        return Source(value)
    if not found:
        return Source(value)
    url = urlunsplit(parts._replace(netloc=address))
    if not known:
        return Source(url, user=unquote(name) or None)
    return Source(url, unquote(user if has_password else f"{user}:"))


def environment(sources: Iterable[Source]) -> dict[str, str]:
    """Settings for each address alone, in Git's environment: its password, or the name that a credential
    helper is asked for (git-config(1), gitcredentials(7)).
    """
    given: list[tuple[str, str]] = []
    for one in sources:
        if one.credentials is not None:
            encoded = base64.b64encode(one.credentials.encode()).decode()
            given.append((f"http.{one.url}.extraheader", f"AUTHORIZATION: basic {encoded}"))
        if one.user is not None:
            given.append((f"credential.{one.url}.username", one.user))
    out = {"GIT_CONFIG_COUNT": str(len(given))} if given else {}
    for number, (key, value) in enumerate(given):
        out |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return out


def hide_command_line(sources: Iterable[Source]) -> bool:
    """Whether a password was given. Then, and where a name was, this process no longer shows its arguments
    (`ps`).
    """
    found = tuple(sources)
    password = any(one.credentials is not None for one in found)
    if password or any(one.user is not None for one in found):
        setproctitle("patch-app preview")
    return password
