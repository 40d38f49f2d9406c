"""One HTTP request to GitHub: time-outs, redirects on the same host only, bounded answers, typed errors.

It knows nothing of tokens but that a header holds one, and refuses to send that header to any other
host than the API's. It never tries again by itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from patch_app.github.errors import Bug, Later, TooMany, from_response, from_transport

API_VERSION: Final = "2022-11-28"
USER_AGENT: Final = "patch-app"
JSON_ACCEPT: Final = "application/vnd.github+json"
# GitHub ends its own requests after 10 s; the rest is the way there and back.
TIMEOUT: Final = 30.0
CONNECT_TIMEOUT: Final = 10.0
# The largest JSON answers (a compare with 300 files) are some MB.
ANSWER_BOUND: Final = 32 * 1024 * 1024
REDIRECTS: Final = 3
Param = str | int | bool | None


def segment(text: str) -> str:
    """`text` as one segment of a path: a slash, `?` or `#` in it is escaped."""
    return quote(text, safe="")


def segments(text: str) -> str:
    """`text` as part of a path that keeps its slashes, such as a ref or a file's path."""
    return quote(text, safe="/")


class Transport:
    """The HTTP client of one process towards one API. Use in `async with`.

    httpx is used directly: githubkit keeps its client in a ContextVar, so tasks that were not started
    inside its `async with` open a connection for every request (docs/decisions/github-client.md).
    """

    def __init__(
        self,
        api_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = TIMEOUT,
        api_version: str = API_VERSION,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        # GitHub Enterprise Server: /api/v3 for REST, /api/graphql for GraphQL.
        self.graphql_url = self.api_url.removesuffix("/v3") + "/graphql"
        self.now = now
        self._origin = _origin(httpx.URL(self.api_url))
        self.http = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=10),
            headers={"User-Agent": USER_AGENT, "X-GitHub-Api-Version": api_version},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    def url(self, path: str) -> httpx.URL:
        """The URL of an API path that begins with a slash, or a full URL of the same host."""
        url = httpx.URL(path if path.startswith(("http://", "https://")) else self.api_url + path)
        if _origin(url) != self._origin:
            raise Bug(f"refusing to send a token to {url.host}")
        return url

    async def send(
        self,
        method: str,
        path: str,
        authorization: str | None,
        *,
        params: Mapping[str, Param] | None = None,
        body: Any = None,
        accept: str = JSON_ACCEPT,
        write: bool,
        bound: int = ANSWER_BOUND,
    ) -> httpx.Response:
        """The answer, read whole, with a status below 300. Raises Later, Unknown, Refused, Bug.

        A body over `bound` bytes is TooMany. Redirects keep method and body (a POST stays a POST).
        """
        url = self.url(path)
        query = {key: _param(value) for key, value in (params or {}).items() if value is not None}
        if query:
            url = url.copy_merge_params(query)
        headers = {"Accept": accept}
        if authorization:
            headers["Authorization"] = authorization
        for _ in range(REDIRECTS + 1):
            request = self.http.build_request(method, url, json=body, headers=headers)
            response = await self._once(request, write=write, bound=bound)
            if response.status_code not in (301, 302, 303, 307, 308):
                break
            url = url.join(response.headers.get("location", ""))
            if _origin(url) != self._origin:
                # Raw content of some kinds lives on a storage host behind a signed URL.
                headers.pop("Authorization", None)
                if method != "GET" or not _safe(url):
                    raise Bug(f"{method} {request.url.path} was redirected to {url.host}")
        else:
            raise Later(f"{method} {path} is redirected without end")
        if response.status_code >= 400:
            raise from_response(response, write=write, now=self.now())
        if response.status_code >= 300:
            raise Bug(f"{method} {path}: unexpected status {response.status_code}")
        return response

    async def _once(self, request: httpx.Request, *, write: bool, bound: int) -> httpx.Response:
        told = f"{request.method} {request.url.path}"
        try:
            response = await self.http.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > bound:
                        raise TooMany(f"{told}: the answer is larger than {bound} bytes")
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise from_transport(error, told, write=write) from None
        except httpx.DecodingError:
            raise Later(f"{told}: the answer is garbled") from None
        headers = [
            (k, v)
            for k, v in response.headers.multi_items()
            if k not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=request)


def parse(response: httpx.Response) -> Any:
    """The JSON of an answer, or None for an empty one (204, 205). Raises Bug for anything else."""
    if not response.content:
        return None
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise Bug(f"{response.request.method} {response.request.url.path}: the answer is no JSON") from None


def next_page(response: httpx.Response) -> str | None:
    """The URL of the next page by the Link header, or None on the last one."""
    link = response.links.get("next")
    return link.get("url") if link else None


def _param(value: Param) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme))


def _safe(url: httpx.URL) -> bool:
    return url.scheme == "https" or url.host in ("127.0.0.1", "localhost", "::1")
