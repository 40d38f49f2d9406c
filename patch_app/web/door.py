"""Who may register the App: the person who reads the server's log. A one-time code, a ticket, a state.

The code gives one browser a ticket; a state is bound to that ticket and comes back from GitHub. Both are
signed with a key that outlives a restart, so that nothing is lost between there and back. Refuses to count
wrong codes: who sends many must not keep the right one out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

# GitHub's code is good for an hour: docs.github.com, "Registering a GitHub App from a manifest"
LIFE: Final = timedelta(hours=1)
# without letters that look alike
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
# 79 bits: a million tries a second would need some thousand million years
_LENGTH: Final = 16


class StateProblem(Enum):
    """Why a state isn't taken."""

    NO_TICKET = "another browser"
    FOREIGN = "not from here"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A browser that came in. `origin`: the address that it uses for this server."""

    nonce: str
    origin: str


@dataclass(kw_only=True)
class Door:
    """`key`: 32 bytes, kept over restarts; `announce` tells the person who reads the log of a new code."""

    key: bytes = field(repr=False)
    clock: Callable[[], datetime]
    announce: Callable[[str], None]
    _code: str = field(default="", repr=False)
    _used: set[str] = field(default_factory=set)

    def new_code(self) -> None:
        """Make a code and announce it; the one before is void."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        self._code = "-".join(letters[i : i + 4] for i in range(0, _LENGTH, 4))
        self.announce(self._code)

    def enter(self, said: str) -> bool:
        """Whether it is the code, in constant time. A right one is used up by that."""
        right = hmac.compare_digest(_digest(said), _digest(self._code))
        if right:
            self.new_code()
        return right

    def ticket(self, origin: str) -> str:
        """The value of a cookie for the browser that came in."""
        there = base64.urlsafe_b64encode(origin.encode()).decode().rstrip("=")
        return self._signed("ticket", f"{secrets.token_hex(16)}.{there}", "")

    def holder(self, cookie: str) -> Ticket | None:
        """Whose cookie it is; None where it isn't ours or is too old."""
        body = self._body("ticket", cookie, "")
        if body is None or self._expired(cookie):
            return None
        nonce, _, there = body.partition(".")
        return Ticket(nonce=nonce, origin=base64.urlsafe_b64decode(there + "=" * (-len(there) % 4)).decode())

    def state(self, ticket: Ticket) -> str:
        """A new state for GitHub to send back."""
        return self._signed("state", secrets.token_hex(16), ticket.nonce)

    def problem(self, state: str, ticket: Ticket | None) -> StateProblem | None:
        """Why this browser may not come back with this state; None where it may."""
        if ticket is None:
            return StateProblem.NO_TICKET
        if self._body("state", state, ticket.nonce) is None:
            return StateProblem.FOREIGN
        if self._expired(state):
            return StateProblem.EXPIRED
        return StateProblem.USED if state in self._used else None

    def use_up(self, state: str) -> None:
        """It has served."""
        self._used.add(state)

    def _signed(self, kind: str, body: str, bound: str) -> str:
        text = f"{int((self.clock() + LIFE).timestamp())}.{body}"
        return f"{text}.{self._mac(kind, text, bound)}"

    def _body(self, kind: str, value: str, bound: str) -> str | None:
        text, _, mac = value.rpartition(".")
        right = self._mac(kind, text, bound)
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), right.encode()):
            return None
        return text.partition(".")[2]

    def _expired(self, signed: str) -> bool:
        return int(signed.partition(".")[0]) <= self.clock().timestamp()

    def _mac(self, kind: str, text: str, bound: str) -> str:
        said = f"patch_app setup\n{kind}\n{bound}\n{text}".encode("utf-8", "replace")
        return hmac.new(self.key, said, hashlib.sha256).hexdigest()


def _digest(code: str) -> bytes:
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()
