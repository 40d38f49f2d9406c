"""Asks Actions for a token by which GitHub itself says which run made an inbox commit.

The token's audience names the App, the attempt and the commit, so it is of no use for anything else. It is
never printed. Where none can be had there is none: the job's log vouches then, for less.

Rules: docs.github.com, "OpenID Connect reference".
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Mapping, NamedTuple, Optional

URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - a variable's name
TRIES = 4
PAUSE = 3.0
SECONDS = 20.0
# a token is about 2 kB
BOUND = 64 * 1024


class Source(NamedTuple):
    """Where this job may ask, and with what."""

    url: str
    token: str


def take_source(environment: Mapping[str, str]) -> Optional[Source]:
    """What Actions gave the job, taken out of our own environment so that no child gets it by inheritance.

    None where the job has no `id-token: write`, or its GitHub knows no such tokens.
    """
    url, token = environment.get(URL, ""), environment.get(TOKEN, "")
    for name in (URL, TOKEN):
        os.environ.pop(name, None)
    is_http = urllib.parse.urlsplit(url).scheme in ("http", "https")
    return Source(url, token) if is_http and token and (url + token).isprintable() else None


def audience(app: int, attempt: str, commit: str) -> str:
    """Whom the token is for."""
    return "patch-app-inbox:%d:%s:%s" % (app, attempt, commit)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The job's credential goes to the address that Actions named and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def ask(
    source: Source, wanted: str, pause: Callable[[float], None] = time.sleep, tries: int = TRIES
) -> Optional[str]:
    """A token for the audience `wanted`; None where Actions gives none."""
    opener = urllib.request.build_opener(_NoRedirect)
    url = "%s&audience=%s" % (source.url, urllib.parse.quote(wanted, safe=""))
    asked = urllib.request.Request(  # noqa: S310 - http or https, see take_source
        url, headers={"Authorization": "bearer " + source.token, "Accept": "application/json"}
    )
    for number in range(tries):
        if number:
            pause(PAUSE * number)
        try:
            with opener.open(asked, timeout=SECONDS) as answer:
                found = json.loads(answer.read(BOUND))
        except (OSError, ValueError, RecursionError, http.client.HTTPException):
            continue
        value = found.get("value") if isinstance(found, dict) else None
        # three parts of base64, as every signed token
        if isinstance(value, str) and value.isascii() and value.count(".") == 2:
            return value
    return None
