"""The little of HTTP that bare ASGI endpoints need: types, headers, JSON answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]

# what every answer carries
NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")


def header(scope: Scope, name: bytes) -> bytes | None:
    """The one header of this name (lower case); None where there is none, or more than one."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


async def answer(send: Send, status: int, body: dict[str, Any], headers: RawHeaders = ()) -> None:
    """Send a JSON answer."""
    content = json.dumps(body).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                (b"cache-control", b"no-store"),
                NO_SNIFF,
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
