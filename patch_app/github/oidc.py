"""Reads the token of a carry job: proves its signature with the keys of GitHub's issuer, says what it claims.

Concludes nothing of the claims. Sends nobody's credential, follows no redirect, and takes no algorithm but
RS256, whatever the token's header says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from patch_app.core.vouch import Claims, Token
from patch_app.github.errors import Later, clean

# seconds for which keys are good without being read again: then one that GitHub took back is refused
FRESH: Final = 600.0
# at most so often a token makes us ask for keys (seconds): anybody may push one with any key's name
AGAIN: Final = 60.0
TIMEOUT: Final = 20.0
KEYS_BOUND: Final = 256 * 1024
MOST_KEYS: Final = 50
# RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used"
_LEAST_BITS: Final = 2048
# a token of Actions is about 2 kB
TOKEN_BOUND: Final = 16 * 1024


def issuer(web_url: str) -> str:
    """Who signs the tokens of a GitHub's jobs (docs.github.com, "OpenID Connect reference").

    `web_url`: the address of its pages, such as https://github.com.
    """
    host = urlsplit(web_url).hostname or ""
    if host == "github.com":
        return "https://token.actions.githubusercontent.com"
    if host.endswith(".ghe.com"):
        return f"https://token.actions.{host}"
    return f"{web_url.rstrip('/')}/_services/token"


@dataclass(kw_only=True)
class Keys:
    """The issuer's keys, read when they are needed. `http`: a client without credentials of its own."""

    http: httpx.AsyncClient
    issuer: str
    _known: dict[str, RSAPublicKey] = field(default_factory=dict)
    # when they were read, and when that was tried last, in the seconds of whoever asks
    _read: float | None = None
    _tried: float | None = None
    _why: str = ""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, text: str, now: float) -> Token:
        """What a token says, why it is none of GitHub's, or why nobody can tell now. `now`: unix seconds."""
        if len(text) > TOKEN_BOUND:
            return Token(problem="it is too long")
        try:
            header = jwt.get_unverified_header(text)
        except jwt.InvalidTokenError:
            return Token(problem="it is no JSON Web Token")
        if header.get("alg") != "RS256":
            return Token(problem=f"it is signed by {clean(str(header.get('alg')), 40)}, not by RS256")
        name = header.get("kid")
        if not isinstance(name, str):
            return Token(problem="it names no key")
        try:
            key = await self._key(name, now)
        except Later as error:
            return Token(unread=error.message)
        if key is None:
            return Token(problem=f"{self.issuer} has no key {clean(name, 100)} (any more)")
        return self._verified(text, name, key)

    def _verified(self, text: str, name: str, key: RSAPublicKey) -> Token:
        # times are weighed by who knows when the run was; it may long have ended
        unused = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
        options: Any = {f"verify_{one}": False for one in unused} | {"require": ["iss", "aud", "iat", "nbf"]}
        try:
            said = jwt.decode(text, key, algorithms=["RS256"], options=options)
        except jwt.InvalidSignatureError:
            return Token(problem=f"its signature is not one of the key {clean(name, 100)}")
        except jwt.InvalidTokenError as error:
            return Token(problem=clean(str(error), 200))
        try:
            return Token(claims=_claims(said, name, self.issuer))
        except ValueError as error:
            return Token(problem=clean(str(error), 200))

    async def _key(self, name: str, now: float) -> RSAPublicKey | None:
        """None where the issuer, asked since, has no such key. Raises Later."""
        async with self._lock:
            old = self._read is None or not 0 <= now - self._read < FRESH
            if not old and name in self._known:
                return self._known[name]
            if self._tried is not None and 0 <= now - self._tried < AGAIN:
                raise Later(
                    self._why or f"{self.issuer} was asked for keys a moment ago and has no other yet"
                )
            self._tried = now
            try:
                self._known = await self._fetched()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
                reason = clean(str(error), 200) or type(error).__name__
                self._why = f"the keys of {self.issuer} can't be read ({reason})"
                raise Later(self._why) from None
            self._read, self._why = now, ""
            return self._known.get(name)

    async def _fetched(self) -> dict[str, RSAPublicKey]:
        """Raises httpx.HTTPError, TimeoutError, ValueError."""
        url, content = f"{self.issuer}/.well-known/jwks", bytearray()
        async with asyncio.timeout(TIMEOUT):
            asked = self.http.stream(
                "GET", url, headers={"Accept": "application/json"}, follow_redirects=False
            )
            async with asked as answer:
                if answer.status_code != 200:
                    raise ValueError(f"it answers {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > KEYS_BOUND:
                        raise ValueError("its answer is too large")
        found = json.loads(content)
        rows = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(rows, list) or len(rows) > MOST_KEYS:
            raise ValueError("its answer is no set of keys")
        keys = {row["kid"]: key for row in rows if (key := _public(row)) is not None}
        if not keys:
            raise ValueError("it has no key for RS256")
        return keys


def _public(row: Any) -> RSAPublicKey | None:
    """The key of one row of a key set, None for one of another kind."""
    if not isinstance(row, dict) or row.get("kty") != "RSA" or not isinstance(row.get("kid"), str):
        return None
    if row.get("use") not in (None, "sig") or row.get("alg") not in (None, "RS256"):
        return None
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": row["n"], "e": row["e"]})
    except (KeyError, TypeError, ValueError, jwt.InvalidKeyError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_BITS else None


def _claims(said: Mapping[str, Any], key: str, by: str) -> Claims:
    """What a token with a good signature says. Raises ValueError."""
    # an enterprise may have its own name put behind the issuer's, by the same keys
    found = said["iss"]
    if not isinstance(found, str) or (found != by and not found.startswith(f"{by}/")):
        raise ValueError(f"it was issued by {found}, not by {by}")
    audience = said["aud"]
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str):
        raise ValueError("it is for no audience, or for several")
    for name in ("iat", "nbf"):
        if type(said[name]) is not int:
            raise ValueError(f"its {name} is no time")
    wanted = (
        "repository",
        "repository_id",
        "run_id",
        "run_attempt",
        "event_name",
        "workflow_ref",
        "workflow_sha",
    )
    job = said.get("job_workflow_ref")
    return Claims(
        key=key,
        audience=audience,
        issued=said["iat"],
        job_workflow_ref=None if job is None else _text(said, "job_workflow_ref"),
        **{name: _text(said, name) for name in wanted},
    )


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise ValueError(f"it says nothing of {name}")
    return value
