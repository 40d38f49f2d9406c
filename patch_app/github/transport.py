"""One request to GitHub through githubkit: time-outs, redirects, bounded answers, typed errors.

It knows nothing of tokens but that a header holds one, and refuses to send that header to any other
host than the API's. It never tries again by itself. What githubkit is used for, and what not:
docs/decisions/github-client.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx
from githubkit import GitHub, UnauthAuthStrategy
from githubkit.exception import RequestError

from patch_app.github.errors import Bug, Later, TooMany, from_response, from_transport

# Not 2026-03-10, githubkit's own: it has no `merge_commit_sha`, and older servers answer 400 to it.
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


class Kit(GitHub[UnauthAuthStrategy]):
    """githubkit on one HTTP client that lives as long as the process, whichever task asks.

    githubkit 0.16 keeps the client of its `async with` in a ContextVar: a task that was started
    elsewhere (a web request) doesn't see it and would open a client, so a connection, per request.
    All of githubkit's requests take their client from `get_async_client`, so that is what changes.
    """

    def __init__(self, api_url: str, client: httpx.AsyncClient) -> None:
        super().__init__(base_url=api_url, http_cache=False, auto_retry=False, follow_redirects=False)
        self._client = client

    @asynccontextmanager
    async def get_async_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        """The client that was given, left open afterwards."""
        yield self._client

    async def stream(
        self, method: str, url: httpx.URL, *, json: Any, headers: dict[str, str]
    ) -> httpx.Response:
        """The answer, whatever its status, with its body still unread. The caller closes it.

        Raises httpx.TransportError. This is the call under `arequest` and the typed methods: those
        read the bodies of errors whole and judge rate limits by the machine's clock.
        """
        try:
            return await self._arequest(method, url, json=json, headers=headers, stream=True)
        except RequestError as error:
            cause: Exception = error.exc
        raise cause


class Transport:
    """The HTTP client of one process towards one API. Close it with `aclose`.

    `transport`: what httpx sends by, for tests. `timeout`: seconds without a byte, either way.
    `now`: unix seconds, for rate limits that name a time.
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
        self.kit = Kit(self.api_url, self.http)

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
        etag: str | None = None,
    ) -> httpx.Response:
        """The answer, read whole, with a status below 300. Raises Later, Unknown, Refused, Bug.

        A body over `bound` bytes is TooMany. Redirects keep method and body (a POST stays a POST).
        With `etag`, that of an earlier answer, it may be an empty 304: nothing has changed.
        """
        url = self.url(path)
        query = {key: _param(value) for key, value in (params or {}).items() if value is not None}
        if query:
            url = url.copy_merge_params(query)
        headers = {"Accept": accept}
        if authorization:
            headers["Authorization"] = authorization
        if etag is not None:
            headers["If-None-Match"] = etag
        for _ in range(REDIRECTS + 1):
            told = f"{method} {url.path}"
            response = await self._once(method, url, body, headers, write=write, bound=bound)
            if response.status_code not in (301, 302, 303, 307, 308):
                break
            asked, url = url.query, url.join(response.headers.get("location", ""))
            if _origin(url) == self._origin:
                # whether a renamed repository's new address keeps the question is said nowhere
                url = url if url.query or not asked else url.copy_with(query=asked)
            else:
                # Raw content of some kinds lives on a storage host behind a signed URL.
                headers.pop("Authorization", None)
                if method != "GET" or not _safe(url):
                    raise Bug(f"{told} was redirected to {url.host}")
        else:
            raise Later(f"{method} {path} is redirected without end")
        if response.status_code >= 400:
            raise from_response(response, write=write, now=self.now())
        if response.status_code >= 300 and not (response.status_code == 304 and etag is not None):
            raise Bug(f"{method} {path}: unexpected status {response.status_code}")
        return response

    async def _once(
        self, method: str, url: httpx.URL, body: Any, headers: dict[str, str], *, write: bool, bound: int
    ) -> httpx.Response:
        told = f"{method} {url.path}"
        try:
            response = await self.kit.stream(method, url, json=body, headers=headers)
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > bound:
                        raise TooMany(f"{told}: the answer is larger than {bound} bytes")
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise from_transport(error, told, write=write) from None
        except httpx.DecodingError:
            raise Later(f"{told}: the answer is garbled") from None
        kept = [
            (k, v)
            for k, v in response.headers.multi_items()
            if k not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(
            response.status_code, headers=kept, content=bytes(content), request=response.request
        )


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
