"""What githubkit must do for us, and what it must not: connections, time-outs, retries, caches, bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from githubkit import GitHub
from githubkit.core import GitHubCore

from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.errors import Later, Refused, TooMany, Unknown
from patch_app.github.transport import ANSWER_BOUND, Transport

READ = {"contents": "read"}
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server on loopback that counts connections. `answer` handles each request on one."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self, answer: Answer) -> AsyncIterator[Server]:
        ends: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the client is done
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
                    self.requests.append(head[0])
                    length = next((x.split(":")[1] for x in head if x.startswith("content-length")), "0")
                    await reader.readexactly(int(length))
                    await answer(reader, writer)
            writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            ends.append(asyncio.create_task(serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v3"
        try:
            yield self
            async with asyncio.timeout(10):
                await asyncio.gather(*ends)
        finally:
            server.close()


async def say_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = b'{"id": 7, "data": {"a": 1}, "token": "ghs_x", "expires_at": "2099-01-01T00:00:00Z"}'
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def settings(pem, url: str, **more) -> GitHubSettings:
    return GitHubSettings(issuer="42", private_key=pem, api_url=url, **more)


async def test_tasks_from_anywhere_share_the_same_few_connections(pem):
    go = asyncio.Event()
    held: list[GitHubApp] = []

    async def ask(number: int) -> None:
        await go.wait()  # begun before the App was there, as the web server's tasks are
        client = await held[0].installation(5, 7, READ)
        for _ in range(4):
            assert (await client.get(f"/repos/a/b/issues/{number}"))["id"] == 7
        assert (await client.graphql("{ a }")).data == {"a": 1}

    async with Server().running(say_ok) as server:
        tasks = [asyncio.create_task(ask(number)) for number in range(10)]
        async with GitHubApp(settings(pem, server.url)) as app:
            held.append(app)
            go.set()
            await asyncio.gather(*tasks)
            for _ in range(20):  # one after the other needs one
                await app.token_client(None).get("/rate_limit")
        assert len(server.requests) == 10 * 5 + 20 + 1  # all of them, and one mint
        assert server.connections <= 10


async def test_every_rest_and_graphql_request_goes_through_githubkit(app, fake, monkeypatch):
    asked: list[tuple[str, str]] = []
    through = GitHubCore._arequest

    async def spy(self, method, url, **more):
        asked.append((method, str(url)))
        return await through(self, method, url, **more)

    monkeypatch.setattr(GitHubCore, "_arequest", spy)
    fake.on("GET /app", {"slug": "x"})
    fake.on("GET /repos/a/b", {"id": 7})
    fake.on("POST /api/graphql", {"data": {"a": 1}})
    fake.on("DELETE /installation/token", httpx.Response(204))
    await app.jwt_client().get("/app")
    client = await app.installation(5, 7, READ)
    await client.get("/repos/a/b")
    await client.graphql("{ a }")
    await client.revoke()
    assert asked == [(request.method, str(request.url)) for request in fake.seen]
    assert len(asked) == 5


async def test_githubkit_neither_caches_nor_tries_again_nor_redirects(app, fake):
    config = app.transport.kit.config
    assert isinstance(app.transport.kit, GitHub)
    assert (config.http_cache, config.auto_retry, config.follow_redirects) == (False, None, False)
    fresh = httpx.Response(200, json={"id": 7}, headers={"cache-control": "max-age=60", "etag": '"x"'})
    fake.on("GET /repos/a/b", fresh)
    fake.on("POST /repos/a/b/issues", httpx.Response(502))
    client = await app.installation(5, 7, READ)
    await client.get("/repos/a/b")
    await client.get("/repos/a/b")
    assert fake.count("GET /repos/a/b") == 2
    assert "if-none-match" not in fake.seen[-1].headers
    with pytest.raises(Unknown):
        await client.post("/repos/a/b/issues", {})
    assert fake.count("POST /repos/a/b/issues") == 1


async def test_a_server_that_stays_silent_is_given_up(pem):
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client goes away

    async with (
        Server().running(silent) as server,
        GitHubApp(settings(pem, server.url, timeout=0.05)) as app,
    ):
        with pytest.raises(Later, match="ReadTimeout") as caught:
            await app.token_client(None).get("/rate_limit")
        assert type(caught.value) is Later
        with pytest.raises(Unknown):
            await app.token_client(None).post("/repos/a/b/issues", {})
        assert server.connections == 2


async def test_a_connection_cut_in_the_middle_of_an_answer_is_later(pem):
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        raise ConnectionError

    async with Server().running(cut) as server, GitHubApp(settings(pem, server.url)) as app:
        with pytest.raises(Later, match="RemoteProtocolError"):
            await app.token_client(None).get("/rate_limit")


async def test_an_endless_answer_is_left_as_soon_as_it_is_too_long(pem):
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:  # ends with the connection
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536
            await writer.drain()

    async with Server().running(endless) as server, GitHubApp(settings(pem, server.url)) as app:
        with pytest.raises(TooMany):
            await app.token_client(None).request("GET", "/x", bound=1_000_000)
    assert sent < ANSWER_BOUND


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_an_answer_packed_small_is_measured_unpacked(app, fake, status):
    packed = gzip.compress(b"x" * 100_000)
    fake.on(
        "GET /x",
        lambda _: httpx.Response(
            status, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(packed)
        ),
    )
    with pytest.raises(TooMany):
        await app.token_client(None).request("GET", "/x", bound=99_999)


async def test_rate_limits_are_told_by_our_clock_whatever_their_headers_hold(app, fake, clock):
    limited = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(clock.time) + 90)}
    fake.on(
        "GET /x",
        httpx.Response(403, json={"message": "limit"}, headers=limited),
        httpx.Response(403, json={"message": "secondary rate limit"}, headers={"retry-after": "soon"}),
        httpx.Response(403, json={"message": "no"}),
    )
    client = app.token_client(None)
    for wait in (90, 60):
        with pytest.raises(Later) as caught:
            await client.get("/x")
        assert caught.value.retry_after == wait
    with pytest.raises(Refused):
        await client.get("/x")
    assert fake.count("GET /x") == 3


async def test_nothing_of_the_token_is_in_what_is_raised(pem):
    secret = "ghs_" + "secret" * 4

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset by peer", request=request)

    transport = Transport("http://127.0.0.1:1/api/v3", transport=httpx.MockTransport(broken))
    with pytest.raises(Unknown) as caught:
        await transport.send("POST", "/x", f"Bearer {secret}", write=True)
    await transport.aclose()
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=False).format())
    assert secret not in f"{caught.value!r} {caught.value} {told}"
    assert "RequestError" not in told
