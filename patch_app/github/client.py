"""GitHub's API as the App uses it: plain JSON in and out, three kinds of error, nothing retried blindly.

It refuses to keep a client without time-outs, to repeat a write whose fate is unknown, and to ask
with more permissions than were named.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import SecretStr

from patch_app.github.errors import Bug, Refused, TooMany
from patch_app.github.graphql import GraphQL, read_answer
from patch_app.github.oidc import Keys, issuer
from patch_app.github.tokens import AppJwt, Json, Token, Tokens
from patch_app.github.transport import (
    ANSWER_BOUND,
    API_VERSION,
    JSON_ACCEPT,
    TIMEOUT,
    Param,
    Transport,
    next_page,
    parse,
)

# GitHub refuses some fresh tokens for a few seconds, until all its replicas know them.
FRESH_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
PAGE: Final = 100
# "A blob holds at most 100 MB": docs.github.com/rest/git/blobs
BLOB_BOUND: Final = 100 * 1024 * 1024

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")
_REPOSITORY = re.compile(r"/repos/[^/]+/[^/?]+")
_MUTATION = re.compile(r"^\s*(#.*\n\s*)*mutation\b")


@dataclass(frozen=True, kw_only=True)
class GitHubSettings:
    """Where GitHub is and who we are there. `issuer`: App id or client id, as text."""

    issuer: str
    private_key: SecretStr = field(repr=False)
    web_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    api_version: str = API_VERSION
    # seconds without a byte, either way
    timeout: float = TIMEOUT


class Client:
    """Requests in one identity. Paths begin with a slash; build parts with `segment` and `segments`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def authorization(self) -> str | None:
        """The Authorization header's value."""
        return None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        body: Any = None,
        accept: str = JSON_ACCEPT,
        write: bool | None = None,
        bound: int | None = None,
    ) -> httpx.Response:
        """The whole answer, status below 300. Raises Later, Unknown (writes), Refused, Bug."""
        return await self.transport.send(
            method,
            path,
            await self.authorization(),
            params=params,
            body=body,
            accept=accept,
            write=method != "GET" if write is None else write,
            bound=ANSWER_BOUND if bound is None else bound,
        )

    async def get(self, path: str, **params: Param) -> Any:
        """The JSON at `path`."""
        return parse(await self.request("GET", path, params=params))

    async def find(self, path: str, **params: Param) -> Any | None:
        """The JSON at `path`, or None where GitHub answers 404."""
        try:
            return await self.get(path, **params)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def post(self, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        return parse(await self.request("POST", path, body=body))

    async def patch(self, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        return parse(await self.request("PATCH", path, body=body))

    async def put(self, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        return parse(await self.request("PUT", path, body=body))

    async def delete(self, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one."""
        return parse(await self.request("DELETE", path, body=body))

    async def each(self, path: str, *, key: str | None = None, **params: Param) -> AsyncIterator[Any]:
        """Every item of a listing, page by page as they are wanted.

        `key` names the list where the answer is an object (`check_runs`, `workflow_runs`, ...).
        """
        url: str | None = path
        query: Mapping[str, Param] | None = {"per_page": PAGE, **params}
        while url:
            response = await self.request("GET", url, params=query)
            page = parse(response)
            items = page.get(key) if key and isinstance(page, dict) else page
            if not isinstance(items, list):
                raise Bug(f"GET {path}: the answer is no listing")
            for item in items:
                yield item
            url, query = next_page(response), None

    async def get_all(
        self, path: str, *, key: str | None = None, limit: int = 1000, **params: Param
    ) -> list[Any]:
        """All items of a listing; TooMany, and never a part of them, where there are more than `limit`."""
        items: list[Any] = []
        async for item in self.each(path, key=key, **params):
            if len(items) >= limit:
                raise TooMany(f"GET {path}: more than {limit} items")
            items.append(item)
        return items

    async def get_bytes(
        self, path: str, *, accept: str = "application/vnd.github.raw+json", bound: int = BLOB_BOUND
    ) -> bytes:
        """The raw content at `path` (a blob, a file, a log); TooMany where it is over `bound` bytes."""
        return (await self.request("GET", path, accept=accept, bound=bound)).content

    async def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> GraphQL:
        """Data and errors of one query or mutation. Raises Later (rate limits too), Unknown, Refused, Bug."""
        write = bool(_MUTATION.match(query))
        body = {"query": query, "variables": dict(variables or {})}
        response = await self.request("POST", self.transport.graphql_url, body=body, write=write)
        return read_answer(response, parse(response), write=write, now=self.transport.now())


class JwtClient(Client):
    """The App itself: /app and /app/... alone."""

    def __init__(self, transport: Transport, jwt: AppJwt) -> None:
        super().__init__(transport)
        self._jwt = jwt

    async def changed(
        self, path: str, etag: str | None, params: Mapping[str, Param] | None = None
    ) -> httpx.Response | None:
        """The answer at `path`; None where it still is the one with that ETag, which GitHub doesn't count."""
        response = await self.transport.send(
            "GET", path, await self.authorization(), params=params, write=False, etag=etag
        )
        return None if response.status_code == 304 else response

    async def authorization(self) -> str | None:
        """Bearer and the App's JWT."""
        return f"Bearer {self._jwt.get().get_secret_value()}"


class TokenClient(Client):
    """Requests with a token that somebody gave us, or without any (public data, small limits)."""

    def __init__(self, transport: Transport, token: SecretStr | None) -> None:
        super().__init__(transport)
        self._token = token

    async def authorization(self) -> str | None:
        """Bearer and the token, or None."""
        return f"Bearer {self._token.get_secret_value()}" if self._token else None


class InstallationClient(Client):
    """The App on one installation, narrowed to one repository and the named permissions."""

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        *,
        installation_id: int,
        repository_id: int | None,
        permissions: Mapping[str, str],
        sleep: Sleep,
    ) -> None:
        super().__init__(transport)
        self.installation_id = installation_id
        self.repository_id = repository_id
        self.permissions = dict(permissions)
        self._tokens = tokens
        self._sleep = sleep

    async def token(self) -> SecretStr:
        """The installation token, for Git over HTTP."""
        return (await self._token()).secret

    async def git(self, ask: Callable[[SecretStr, Sleep], Awaitable[T]]) -> T:
        """What `ask` does by Git over HTTP with the token and our way to wait.

        Once more with another token where GitHub takes this one no longer: then it has done nothing.
        """
        token = await self._token()
        try:
            return await ask(token.secret, self._sleep)
        except Refused as error:
            if error.status != 401:
                raise
        self._tokens.forget(token)
        return await ask((await self._token()).secret, self._sleep)

    async def revoke(self) -> None:
        """End the token now (DELETE /installation/token). The next request mints another."""
        token = await self._token()
        self._tokens.forget(token)
        await self.transport.send("DELETE", "/installation/token", _bearer(token), write=True)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        body: Any = None,
        accept: str = JSON_ACCEPT,
        write: bool | None = None,
        bound: int | None = None,
    ) -> httpx.Response:
        """As in Client; a 401, 403 or 404 that may come of the token's youth is tried again, bounded.

        A refusal means that nothing was done, so writes may be repeated here too.
        """
        pauses = iter(FRESH_PAUSES)
        renewed = False
        while True:
            token = await self._token()
            try:
                response = await self.transport.send(
                    method,
                    path,
                    _bearer(token),
                    params=params,
                    body=body,
                    accept=accept,
                    write=method != "GET" if write is None else write,
                    bound=ANSWER_BOUND if bound is None else bound,
                )
            except Refused as error:
                if error.status not in (401, 403, 404):
                    raise
                if token.proven:
                    if error.status != 401 or renewed:
                        raise
                    self._tokens.forget(token)  # revoked or lapsed under us
                    renewed = True
                elif await self._takes(token, path):
                    token.proven = True
                elif (pause := next(pauses, None)) is None:
                    raise
                else:
                    await self._sleep(pause)
            else:
                token.proven = True
                return response

    async def _takes(self, token: Token, path: str) -> bool:
        """Whether GitHub takes the token by now, asked of the repository itself (metadata: read)."""
        repository = _REPOSITORY.match(path.removeprefix(self.transport.api_url))
        if repository is None:
            return False
        try:
            await self.transport.send("GET", repository.group(), _bearer(token), write=False)
        except Refused:
            return False
        return True

    async def _token(self) -> Token:
        return await self._tokens.get(self.installation_id, self.repository_id, self.permissions)

    async def authorization(self) -> str | None:
        """Bearer and the installation token."""
        return _bearer(await self._token())


class GitHubApp:
    """The App in one process. `async with GitHubApp(settings) as app: ...`

    `transport`, `now` (unix seconds) and `sleep` are passed in by tests.
    """

    def __init__(
        self,
        settings: GitHubSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.transport = Transport(
            settings.api_url,
            transport=transport,
            timeout=settings.timeout,
            api_version=settings.api_version,
            now=now,
        )
        self._sleep = sleep
        self._jwt = JwtClient(self.transport, AppJwt(settings.issuer, settings.private_key, now))
        self.tokens = Tokens(self._mint, now)
        # those by which GitHub signs what its jobs say of themselves
        self.keys = Keys(http=self.transport.http, issuer=issuer(settings.web_url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.tokens.aclose()
        await self.transport.aclose()

    @property
    def http(self) -> httpx.AsyncClient:
        """The HTTP client, for Git over HTTP. It carries no credentials of its own."""
        return self.transport.http

    def git_url(self, repository: str) -> str:
        """The Git URL of "owner/name"."""
        return f"{self.settings.web_url.rstrip('/')}/{repository}.git"

    def jwt_client(self) -> JwtClient:
        """The client for /app endpoints."""
        return self._jwt

    def token_client(self, token: SecretStr | None) -> TokenClient:
        """A client with somebody's own token, or none."""
        return TokenClient(self.transport, token)

    async def installation(
        self, installation_id: int, repository_id: int | None, permissions: Mapping[str, str]
    ) -> InstallationClient:
        """A client narrowed to one repository (None: all of the installation) and these permissions.

        The token is minted now, so what GitHub refuses is heard here: Refused (suspended, removed,
        a permission that the installation lacks), Later, Bug.
        """
        client = InstallationClient(
            self.transport,
            self.tokens,
            installation_id=installation_id,
            repository_id=repository_id,
            permissions=permissions,
            sleep=self._sleep,
        )
        await client.token()
        return client

    async def _mint(self, installation_id: int, body: Json) -> Json:
        # Not a write in our sense: a token that got lost on its way harms nobody and lapses.
        response = await self._jwt.request(
            "POST", f"/app/installations/{installation_id}/access_tokens", body=body, write=False
        )
        answer = parse(response)
        if not isinstance(answer, dict):
            raise Bug("the answer to minting a token is no JSON object")
        return answer


def _bearer(token: Token) -> str:
    return f"Bearer {token.secret.get_secret_value()}"
