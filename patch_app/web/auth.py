"""Who may see and ask: who sends the admin token, or a browser's session that began with it or with a ticket.

Where a request comes from opens nothing: behind a proxy or a tunnel each one comes from this machine and asks
for this machine. Refuses what another site's page makes a browser send.
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
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "patch_app_session"
SESSION: Final = timedelta(hours=12)
_HOST: Final = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(Enum):
    """What a request may do."""

    OPEN = "open"
    # no or a wrong token, and no session
    TOKEN_NEEDED = "token needed"  # noqa: S105
    # a session, but a page of another site asks, or it isn't said which page does
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Decides access. `token`: the admin token. `public_url`: where browsers are, where that is known."""

    token: SecretStr = field(repr=False)
    clock: Callable[[], datetime]
    public_url: str | None = None

    def access(self, request: Request) -> Access:
        """What this request may do."""
        if self._has_token(request):
            return Access.OPEN
        if not self.has_session(request):
            return Access.TOKEN_NEEDED
        # a browser sends a session along with whatever a page asks for
        if request.method not in READING and not self.own_page(request):
            return Access.FOREIGN
        return Access.OPEN

    def right_token(self, said: str) -> bool:
        """Whether it is the admin token, in constant time."""
        # equal lengths whatever was said
        digests = [
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            for text in (said, self.token.get_secret_value())
        ]
        return hmac.compare_digest(*digests)

    def has_session(self, request: Request) -> bool:
        """Whether the browser has signed in, not too long ago and with the token that counts now."""
        expires, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return False
        fits = hmac.compare_digest(signature.encode(), self._signature(int(expires)).encode())
        return fits and int(expires) > self.clock().timestamp()

    def begin_session(self, answer: Response) -> None:
        """Gives the browser a session, good for SESSION and for as long as the token is this one."""
        expires = int((self.clock() + SESSION).timestamp())
        answer.set_cookie(
            COOKIE,
            f"{expires}.{self._signature(expires)}",
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            # Lax: a strict one doesn't come along where a link on GitHub, or GitHub itself, leads here
            samesite="lax",
            secure=self._secure,
        )

    def end_session(self, answer: Response) -> None:
        """Takes the browser's session away."""
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=self._secure)

    @property
    def _secure(self) -> bool:
        return (self.public_url or "").startswith("https://")

    def _has_token(self, request: Request) -> bool:
        said = [value.strip() for value in request.headers.getlist("x-patch-admin-token")]
        for value in request.headers.getlist("authorization"):
            scheme, _, rest = value.partition(" ")
            if scheme.lower() == "bearer":
                said.append(rest.strip())
        return any(self.right_token(one) for one in said)

    def _signature(self, expires: int) -> str:
        key = self.token.get_secret_value().encode()
        return hmac.new(key, f"patch_app session {expires}".encode(), hashlib.sha256).hexdigest()

    def own_page(self, request: Request) -> bool:
        """Whether the browser says that a page of this server asks. One that says nothing is too old to say
        it, or none: programs send the token.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("origin")
        return origin is not None and origin in self._origins(request)

    def _origins(self, request: Request) -> set[str]:
        """Where pages of this server are. A browser's Host header is that of the page's own server, which is
        all that is asked of it here: it opens nothing.
        """
        if self.public_url is not None:
            return {origin_of(self.public_url)}
        host = request.headers.get("host", "")
        return {f"http://{host}", f"https://{host}"} if _HOST.fullmatch(host) else set()


def origin_of(url: str) -> str:
    """The origin of an http address, as browsers write it: in small letters, without the usual port."""
    parts = urlsplit(url.lower())
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"
