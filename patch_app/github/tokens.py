"""The App's JWT and installation tokens: made narrow, shared while they last, never shown.

One mint per installation, repository and permission subset at a time, however many ask. It refuses
to mint without naming permissions: a token with all of them is never wanted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from patch_app.github.errors import Bug

# "iat ... 60 seconds in the past", "exp ... no more than 10 minutes into the future":
# docs.github.com/apps, "Generating a JSON Web Token (JWT) for a GitHub App"
JWT_BACKDATE: Final = 60
JWT_LIFE: Final = 540
# A JWT or token that is about to lapse could do so on its way.
JWT_MARGIN: Final = 120
TOKEN_MARGIN: Final = 300

Json = dict[str, Any]
Mint = Callable[[int, Json], Awaitable[Json]]


class AppJwt:
    """Signs the App's JWTs. `issuer`: App id or client id. `pem`: the App's RSA key.

    Raises Bug where the key is no RSA key in PEM form.
    """

    def __init__(self, issuer: str, pem: SecretStr, now: Callable[[], float] = time.time) -> None:
        try:
            # that its numbers are sound was seen when the settings were read, and takes a tenth of a second
            key = load_pem_private_key(
                pem.get_secret_value().encode(), password=None, unsafe_skip_rsa_key_validation=True
            )
        except (ValueError, TypeError):
            raise Bug("the App's private key can't be read: it must be an RSA key in PEM form") from None
        if not isinstance(key, RSAPrivateKey):
            raise Bug("the App's private key must be an RSA key")
        self._issuer = issuer
        self._key = key
        self._now = now
        self._current: tuple[SecretStr, float] | None = None

    def get(self) -> SecretStr:
        """A JWT with at least two minutes left."""
        now = self._now()
        if self._current and now < self._current[1] - JWT_MARGIN:
            return self._current[0]
        claims = {"iss": self._issuer, "iat": int(now) - JWT_BACKDATE, "exp": int(now) + JWT_LIFE}
        token = SecretStr(jwt.encode(claims, self._key, algorithm="RS256"))
        self._current = (token, now + JWT_LIFE)
        return token


@dataclass(kw_only=True, eq=False)
class Token:
    """An installation token. `proven`: GitHub has taken it once, so a refusal is not its youth."""

    secret: SecretStr
    # unix seconds
    expires_at: float
    permissions: Mapping[str, str]
    repository_id: int | None
    proven: bool = field(default=False, repr=False)


_Key = tuple[int, int | None, tuple[tuple[str, str], ...]]


class Tokens:
    """The installation tokens of one process.

    `mint(installation_id, body)` does POST /app/installations/{id}/access_tokens and returns its JSON.
    """

    def __init__(self, mint: Mint, now: Callable[[], float] = time.time) -> None:
        self._mint = mint
        self._now = now
        self._tokens: dict[_Key, Token] = {}
        self._flights: dict[_Key, asyncio.Task[Token]] = {}

    async def get(
        self, installation_id: int, repository_id: int | None, permissions: Mapping[str, str]
    ) -> Token:
        """A token with more than five minutes left; minted where there is none. Raises what `mint` raises."""
        if not permissions:
            raise Bug("a token must name its permissions")
        key = (installation_id, repository_id, tuple(sorted(permissions.items())))
        token = self._tokens.get(key)
        if token and self._now() < token.expires_at - TOKEN_MARGIN:
            return token
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: one caller that is cancelled must not take the token from the others.
        return await asyncio.shield(flight)

    def forget(self, token: Token) -> None:
        """The next `get` mints anew."""
        for key in [key for key, known in self._tokens.items() if known is token]:
            del self._tokens[key]

    async def aclose(self) -> None:
        """End mints that are under way, and forget all tokens."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self._tokens.clear()

    async def _fly(self, key: _Key) -> Token:
        installation_id, repository_id, permissions = key
        body: Json = {"permissions": dict(permissions)}
        if repository_id is not None:
            body["repository_ids"] = [repository_id]
        answer = await self._mint(installation_id, body)
        try:
            secret = answer["token"]
            expires_at = datetime.fromisoformat(answer["expires_at"].replace("Z", "+00:00")).timestamp()
        except (KeyError, ValueError, AttributeError, TypeError):
            raise Bug("the answer to minting a token has not the expected form") from None
        token = Token(
            secret=SecretStr(secret),
            expires_at=expires_at,
            permissions=dict(permissions),
            repository_id=repository_id,
        )
        now = self._now()
        self._tokens = {k: known for k, known in self._tokens.items() if known.expires_at > now}
        self._tokens[key] = token
        return token

    def _landed(self, key: _Key, flight: asyncio.Task[Token]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # fetched here too: every waiter may have gone meanwhile
