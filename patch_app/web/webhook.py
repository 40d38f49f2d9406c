"""Webhook intake, `POST /webhooks/github`: verified, committed to the inbox, then acknowledged.

A bare ASGI endpoint. Refuses to act on what it reads: a delivery is only kept, the engine deals with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

import structlog
from pydantic import SecretStr

from patch_app.store.errors import StoreError
from patch_app.store.inbox import Incoming, delivery
from patch_app.web.bodies import Bodies, peer_of
from patch_app.web.http import Receive, Scope, Send, answer, header

# "payloads are capped at 25 MB": docs.github.com, Webhook events and payloads
MAX_BODY: Final = 25 * 1024 * 1024
# GitHub itself gives up after 10 seconds
READ_SECONDS: Final = 10.0
# all bodies that are being read together; where more come, one is told to come again
MAX_HELD: Final = 4 * MAX_BODY

_JSON: Final = b"application/json"
_FORM: Final = b"application/x-www-form-urlencoded"
_SIGNATURE = re.compile(rb"sha256=([0-9a-fA-F]{64})")
_DELIVERY = re.compile(rb"[A-Za-z0-9-]{1,100}")
_EVENT = re.compile(rb"[a-z0-9_]{1,64}")
_LENGTH = re.compile(rb"[0-9]{1,15}")
log = structlog.get_logger("webhook")


class _RefusedError(Exception):
    """The answer to a delivery that isn't taken."""

    def __init__(self, status: int, error: str, *headers: tuple[bytes, bytes]) -> None:
        self.status = status
        self.error = error
        self.headers = headers
        super().__init__(error)


class _GoneError(Exception):
    """The client left before its request was whole: nobody is there to answer."""


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What the request's head says."""

    signature: bytes
    delivery: str
    headers: tuple[tuple[str, str], ...]
    # the JSON is the form field `payload` (docs.github.com: "Webhook events and payloads")
    form: bool


@dataclass(kw_only=True)
class Webhook:
    """The endpoint. `add` commits to the inbox (False: known); `wake` tells the engine of a new row."""

    secret: SecretStr = field(repr=False)
    add: Callable[[Incoming], Awaitable[bool]]
    wake: Callable[[], None]
    clock: Callable[[], datetime]
    max_body: int = MAX_BODY
    bodies: Bodies = field(default_factory=lambda: Bodies(most=MAX_HELD))
    read_seconds: float = READ_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 202 {"status": "accepted" | "duplicate", "id": ...} or {"error": ...}."""
        try:
            head = self._head(scope)
            client = scope.get("client")
            new = await self._take(head, receive, peer_of(client[0] if client else ""))
        except _GoneError:
            return
        except _RefusedError as refusal:
            log.warning("delivery refused", status=refusal.status, reason=refusal.error)
            # the rest of the body is not wanted
            await answer(
                send, refusal.status, {"error": refusal.error}, [*refusal.headers, (b"connection", b"close")]
            )
            return
        if new:
            self.wake()
        await answer(send, 202, {"status": "accepted" if new else "duplicate", "id": head.delivery})

    def _head(self, scope: Scope) -> _Head:
        if scope["method"] != "POST":
            raise _RefusedError(405, "webhooks are sent by POST", (b"allow", b"POST"))
        kind = (header(scope, b"content-type") or b"").split(b";")[0].strip().lower()
        if kind not in (_JSON, _FORM):
            raise _RefusedError(415, "a webhook's content type is application/json, or GitHub's form of it")
        signature = _SIGNATURE.fullmatch(header(scope, b"x-hub-signature-256") or b"")
        if signature is None:
            raise _RefusedError(401, "X-Hub-Signature-256 is missing or isn't sha256= and 64 hex digits")
        guid = header(scope, b"x-github-delivery") or b""
        if not _DELIVERY.fullmatch(guid):
            raise _RefusedError(400, "X-GitHub-Delivery is missing or isn't an id")
        if not _EVENT.fullmatch(header(scope, b"x-github-event") or b""):
            raise _RefusedError(400, "X-GitHub-Event is missing or isn't an event's name")
        length = header(scope, b"content-length")
        if length is not None and _LENGTH.fullmatch(length) and int(length) > self.max_body:
            raise self._too_large()
        return _Head(
            signature=signature[1].lower(),
            delivery=guid.decode(),
            headers=tuple((n.decode("latin-1"), v.decode("ascii", "replace")) for n, v in scope["headers"]),
            form=kind == _FORM,
        )

    async def _take(self, head: _Head, receive: Receive, peer: str) -> bool:
        mac = hmac.new(self.secret.get_secret_value().encode(), digestmod=hashlib.sha256)
        async with self._read(peer, receive, mac) as body:
            if not hmac.compare_digest(mac.hexdigest().encode(), head.signature):
                raise _RefusedError(
                    401, "the signature doesn't fit the body: is the webhook secret the same on both sides?"
                )
            return await self._keep(head, b"".join(body))

    @asynccontextmanager
    async def _read(self, peer: str, receive: Receive, mac: hmac.HMAC) -> AsyncIterator[list[bytes]]:
        """The whole body in pieces, which count as held until the end of this."""
        limit = asyncio.timeout(self.read_seconds)
        reading = self.bodies.begin(peer, limit)
        total = 0
        try:
            try:
                async with limit:
                    more = True
                    while more:
                        chunk, more = await _chunk(receive)
                        total += len(chunk)
                        if total > self.max_body:
                            raise self._too_large()
                        mac.update(chunk)
                        self.bodies.add(reading, chunk)
                        if reading.gone:
                            break
            except TimeoutError:
                if not reading.gone:
                    raise _RefusedError(
                        408, f"the body didn't come within {self.read_seconds:g} seconds"
                    ) from None
            if reading.gone:
                raise self._no_room()
            reading.whole = True
            yield reading.chunks
        finally:
            self.bodies.end(reading)

    async def _keep(self, head: _Head, body: bytes) -> bool:
        try:
            if head.form:
                fields = parse_qs(
                    body.decode("ascii"), strict_parsing=True, max_num_fields=10, errors="strict"
                )
                body = fields["payload"][0].encode()
            payload = json.loads(body)
        except (ValueError, KeyError, RecursionError):
            raise _RefusedError(400, "the body isn't JSON, nor a form with JSON as its payload") from None
        if not isinstance(payload, dict):
            raise _RefusedError(400, "the body isn't a JSON object")
        try:
            return await self.add(delivery(head.delivery, body, head.headers, self.clock()))
        except StoreError as error:
            log.error("delivery not stored", delivery=head.delivery, reason=str(error))
            raise _RefusedError(
                503, "the delivery could not be stored; it can be sent again", (b"retry-after", b"60")
            ) from None

    def _no_room(self) -> _RefusedError:
        return _RefusedError(503, "too many large deliveries at once; send it again", (b"retry-after", b"60"))

    def _too_large(self) -> _RefusedError:
        return _RefusedError(413, f"the body is larger than {self.max_body:,} bytes")


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise _GoneError
    return message.get("body", b""), message.get("more_body", False)
