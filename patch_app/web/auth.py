"""Who may see and ask: the admin token, a session made with it, or, without a token, this machine alone.

Looks at the peer's address and never believes a forwarding header: a request that carries one came
through a proxy, so its peer says nothing. Refuses what another site's page makes a browser send.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request

from patch_app.settings import is_loopback

COOKIE: Final = "patch_app_session"
SESSION: Final = timedelta(hours=12)
_FORWARDED: Final = (
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-original-forwarded-for",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
)
_HOST: Final = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(Enum):
    """What a request may do."""

    OPEN = "open"
    # no or a wrong token, and a token would open
    TOKEN_NEEDED = "token needed"  # noqa: S105
    # no token is set, and the request isn't this machine's
    CLOSED = "closed"
    # a page of another site asks
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Decides access. `token`: the admin token, None where none is set."""

    token: SecretStr | None = field(repr=False)
    clock: Callable[[], datetime]
    # cookies only over https, where people reach the pages that way
    secure: bool = False

    def access(self, request: Request) -> Access:
        """What this request may do."""
        if self.token is not None and self._has_token(request):
            return Access.OPEN
        if self.token is None:
            opened = _from_this_machine(request)
            refused = Access.CLOSED
        else:
            opened = self._has_session(request)
            refused = Access.TOKEN_NEEDED
        if not opened:
            return refused
        # a browser sends cookies, and reaches loopback, on behalf of any page
        if request.method not in _READING and _cross_site(request):
            return Access.FOREIGN
        return Access.OPEN

    def right_token(self, said: str) -> bool:
        """Whether it is the admin token, in constant time."""
        if self.token is None:
            return False
        # equal lengths whatever was said
        digests = [
            hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
            for text in (said, self.token.get_secret_value())
        ]
        return hmac.compare_digest(*digests)

    def session(self) -> str:
        """A session's cookie, good for SESSION and for as long as the token is this one."""
        expires = int((self.clock() + SESSION).timestamp())
        return f"{expires}.{self._signature(expires)}"

    def _has_token(self, request: Request) -> bool:
        said = [value.strip() for value in request.headers.getlist("x-patch-admin-token")]
        for value in request.headers.getlist("authorization"):
            scheme, _, rest = value.partition(" ")
            if scheme.lower() == "bearer":
                said.append(rest.strip())
        return any(self.right_token(one) for one in said)

    def _has_session(self, request: Request) -> bool:
        expires, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return False
        fits = hmac.compare_digest(signature.encode(), self._signature(int(expires)).encode())
        return fits and int(expires) > self.clock().timestamp()

    def _signature(self, expires: int) -> str:
        key = self.token.get_secret_value().encode() if self.token else b""
        return hmac.new(key, f"patch_app session {expires}".encode(), hashlib.sha256).hexdigest()


def _from_this_machine(request: Request) -> bool:
    if request.client is None or not is_loopback(request.client.host):
        return False
    if forwarded(request):
        return False
    # a foreign name that resolves to this machine (DNS rebinding) shows in the Host header
    host = _HOST.fullmatch(request.headers.get("host", ""))
    return host is not None and is_loopback(host[1].strip("[]").lower())


def forwarded(request: Request) -> bool:
    """Whether it came through a proxy that says so."""
    return any(name.startswith("x-forwarded") or name in _FORWARDED for name in request.headers)


def host_of(request: Request) -> str | None:
    """The Host header where it is a name or address with or without a port."""
    host = request.headers.get("host", "")
    return host if _HOST.fullmatch(host) else None


def _cross_site(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")
