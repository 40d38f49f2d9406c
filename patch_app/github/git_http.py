"""Requests to a repository's Git endpoints over HTTP, with a token: bounded answers, typed errors.

Refuses to follow a redirect by itself, and to try anything again.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
from pydantic import SecretStr

from patch_app.github.errors import Bug, Later, NotFound, Refused, TooMany, from_response, from_transport

AGENT: Final = "agent=patch-app"
# A pack of some hundred MB has to be received, indexed and checked before the answer begins.
TIMEOUT: Final = httpx.Timeout(300.0, connect=10.0)
# Refs of a large repository: some 100,000 lines of 60 bytes.
ANSWER_BOUND: Final = 64 * 1024 * 1024
REPORT_BOUND: Final = 4 * 1024 * 1024
# GitHub refuses some fresh tokens for a few seconds.
FRESH_PAUSES: Final = (0.5, 1.0, 2.0)


async def send(
    http: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    token: SecretStr,
    *,
    bound: int = REPORT_BOUND,
    content: AsyncIterator[bytes] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    write: bool = True,
    patience: httpx.Timeout = TIMEOUT,
) -> httpx.Response:
    """The whole answer, whatever its status. Raises Later, Unknown (for a write), TooMany."""
    told = f"{method} {url.path}"
    basic = base64.b64encode(f"x-access-token:{token.get_secret_value()}".encode()).decode()
    request = http.build_request(
        method,
        url,
        content=content,
        headers={**(headers or {}), "Authorization": f"Basic {basic}"},
        timeout=patience,
    )
    try:
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > bound:
                    raise TooMany(f"{told}: the answer is larger than {bound} bytes")
        finally:
            await response.aclose()
    except httpx.TransportError as error:
        raise from_transport(error, told, write=write and method == "POST") from None
    kept = {k: v for k, v in response.headers.items() if k not in ("content-encoding", "content-length")}
    return httpx.Response(response.status_code, headers=kept, content=bytes(body), request=request)


def raise_for_status(response: httpx.Response, *, write: bool) -> None:
    """Raises Later, NotFound, Refused, Bug for anything but a 200."""
    if response.status_code == 200:
        return
    if response.status_code < 400:
        raise Bug(f"the Git server answers {response.status_code}")
    # Git servers answer in plain text.
    said = response.content[:300].decode("utf-8", "replace").strip() or response.reason_phrase
    error = from_response(response, write=write, now=0.0)
    if isinstance(error, Later):
        raise error
    if response.status_code == 404:
        raise NotFound(404, f"Git server: {said}")
    if isinstance(error, Refused):
        raise Refused(response.status_code, f"Git server: {said}")
    raise Bug(f"Git server: {said} ({response.status_code})")


def under(url: httpx.URL, suffix: str) -> httpx.URL:
    """The address of a service below a repository's own."""
    return url.copy_with(path=url.path.rstrip("/") + suffix)
