"""Webhook intake: what is taken, what is refused, and what survives."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr

from patch_app.store import Incoming, Store, StoreFullError
from patch_app.web.bodies import Bodies
from patch_app.web.webhook import MAX_BODY, Webhook

from .conftest import SECRET, Serve, World
from .samples import NOW

PATH = "/webhooks/github"
BODY = b'{"action": "created", "text": "\xc3\xa9"}'


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes = BODY, key: str = "d-1", **changes: str | bytes | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "content-type": "application/json",
        "x-github-delivery": key,
        "x-github-event": "issues",
        "x-hub-signature-256": signature(body),
    }
    values |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


async def test_delivery_is_kept_byte_for_byte(world: World) -> None:
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=headers(x_github_hook_id="5", cookie="c"))
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "id": "d-1"})
    [row] = await world.store.inbox_pending(10)
    assert (row.key, row.payload, row.received) == ("d-1", BODY, NOW)
    assert row.headers == {"x-github-delivery": "d-1", "x-github-event": "issues", "x-github-hook-id": "5"}
    assert world.wakes == 1


async def test_same_delivery_twice_is_acknowledged_and_kept_once(world: World) -> None:
    async with world.client() as client:
        for status in ("accepted", "duplicate", "duplicate"):
            answer = await client.post(PATH, content=BODY, headers=headers())
            assert (answer.status_code, answer.json()["status"]) == (202, status)
    assert len(await world.store.inbox_pending(10)) == 1
    assert world.wakes == 1


async def test_two_hundred_deliveries_at_once_are_few_commits(world: World) -> None:
    before = world.store.commits
    async with world.client() as client:
        posts = [client.post(PATH, content=BODY, headers=headers(key=f"d-{n}")) for n in range(200)]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert len(await world.store.inbox_pending(500)) == 200
    assert world.store.commits - before <= 60


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        signature(BODY)[:-1],
        signature(BODY) + "0",
        signature(BODY).removeprefix("sha256="),
        "sha1=" + "0" * 40,
        "sha256=" + "g" * 64,
        ("sha256=" + "é" * 32).encode(),
        "sha256=" + "\uff10".encode().decode("latin-1") * 21 + "0",
        signature(BODY, "another secret"),
        signature(BODY + b" "),
        signature(b""),
    ],
)
async def test_signature_that_does_not_fit(world: World, said: str | bytes | None) -> None:
    if isinstance(said, str):
        said = said.encode("latin-1")
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=headers(x_hub_signature_256=said))
    assert answer.status_code == 401
    assert list(answer.json()) == ["error"]
    assert await world.store.inbox_pending(10) == []
    assert world.wakes == 0


async def test_signature_twice_with_one_that_fits(world: World) -> None:
    twice = [*headers(x_hub_signature_256=None).items()]
    twice += [("x-hub-signature-256", "sha256=" + "0" * 64), ("x-hub-signature-256", signature(BODY))]
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=twice)
    assert answer.status_code == 401


async def test_signature_in_upper_case_fits(world: World) -> None:
    upper = "sha256=" + signature(BODY)[7:].upper()
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=headers(x_hub_signature_256=upper))
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"null", 400),
        (b'{"a": "\xff"}', 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a": ' + b"9" * 5000 + b"}", 400),
        (b"payload=%7B%7D", 400),
        (b"{}", 202),
    ],
)
async def test_signed_body_that_is_no_json_object(world: World, body: bytes, status: int) -> None:
    async with world.client() as client:
        answer = await client.post(PATH, content=body, headers=headers(body))
    assert answer.status_code == status
    assert len(await world.store.inbox_pending(10)) == (status == 202)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_github_delivery", None),
        ("x_github_delivery", ""),
        ("x_github_delivery", "a b"),
        ("x_github_delivery", "x" * 101),
        ("x_github_delivery", "é".encode()),
        ("x_github_event", None),
        ("x_github_event", "../x"),
    ],
)
async def test_delivery_without_its_id_or_event(world: World, name: str, value: Any) -> None:
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=headers(**{name: value}))
    assert answer.status_code == 400
    assert await world.store.inbox_pending(10) == []


async def test_hook_set_to_send_forms_is_signed_over_the_form_and_kept_as_its_json(world: World) -> None:
    form = urlencode({"payload": BODY.decode()}).encode()
    said = headers(form, content_type="application/x-www-form-urlencoded")
    async with world.client() as client:
        answer = await client.post(PATH, content=form, headers=said)
        unsigned = headers(BODY, key="d-2", content_type="application/x-www-form-urlencoded")
        forged = await client.post(PATH, content=form, headers=unsigned)
    assert (answer.status_code, forged.status_code) == (202, 401)
    [row] = await world.store.inbox_pending(10)
    assert row.payload == BODY


@pytest.mark.parametrize("form", [b"payload", b"other=%7B%7D", b"payload=%7B", b"%ff", b"&" * 50])
async def test_form_without_json_in_it_is_refused(world: World, form: bytes) -> None:
    said = headers(form, content_type="application/x-www-form-urlencoded")
    async with world.client() as client:
        answer = await client.post(PATH, content=form, headers=said)
    assert answer.status_code == 400
    assert await world.store.inbox_pending(10) == []


@pytest.mark.parametrize("kind", [None, "text/plain", "application/jsonx"])
async def test_hook_of_another_content_type_is_told_what_to_change(world: World, kind: str | None) -> None:
    async with world.client() as client:
        answer = await client.post(PATH, content=BODY, headers=headers(content_type=kind))
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]


async def test_json_with_a_charset_is_json(world: World) -> None:
    said = headers(content_type="Application/JSON; charset=utf-8")
    async with world.client() as client:
        assert (await client.post(PATH, content=BODY, headers=said)).status_code == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_other_methods(world: World, method: str) -> None:
    async with world.client() as client:
        answer = await client.request(method, PATH, headers=headers())
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_anybody_may_deliver_with_a_signature_but_read_nothing(world: World) -> None:
    async with world.stranger(peer="203.0.113.9", base_url="https://patch.example.org") as client:
        assert (await client.post(PATH, content=BODY, headers=headers())).status_code == 202
        assert (await client.get("/flow-events")).status_code == 401


def body_of(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


async def test_largest_body_is_taken_and_one_byte_more_is_not(world: World) -> None:
    whole, larger = body_of(MAX_BODY), body_of(MAX_BODY + 1)
    async with world.client() as client:
        assert (await client.post(PATH, content=whole, headers=headers(whole))).status_code == 202
        answer = await client.post(PATH, content=larger, headers=headers(larger, key="d-2"))
    assert answer.status_code == 413
    assert [row.key for row in await world.store.inbox_pending(10)] == ["d-1"]


async def test_too_large_by_its_own_word_is_refused_unread(world: World, serve: Serve) -> None:
    async with serve(world.site()) as running:
        reader, writer = await asyncio.open_connection(*running.address)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{head}content-length: {MAX_BODY + 1}\r\n\r\n".encode()
        )
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_chunked_without_a_length(world: World, serve: Serve) -> None:
    async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * size

    async def small() -> AsyncIterator[bytes]:
        for byte in BODY:
            yield bytes([byte])

    site = world.site()
    assert site.webhook is not None
    site.webhook.max_body = 100_000
    async with serve(site) as running, httpx.AsyncClient(base_url=running.url) as client:
        answer = await client.post(PATH, content=small(), headers=headers())
        assert answer.status_code == 202
        # the server may hang up before all is sent
        with contextlib.suppress(httpx.WriteError):
            answer = await client.post(PATH, content=chunks(11, 10_000), headers=headers(key="d-2"))
            assert answer.status_code == 413
    assert [row.key for row in await world.store.inbox_pending(10)] == ["d-1"]


def webhook(world: World, **changes: Any) -> Webhook:
    values: dict[str, Any] = {
        "secret": SecretStr(SECRET),
        "add": world.store.inbox_add,
        "wake": world.wake,
        "clock": lambda: NOW,
    }
    return Webhook(**(values | changes))


async def ask(endpoint: Webhook, messages: list[dict[str, Any]], **said: Any) -> list[Any]:
    """One request, straight to the endpoint; after its messages the client is silent."""
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), str(value).encode()) for name, value in headers(**said).items()]
    await endpoint({"type": "http", "method": "POST", "path": PATH, "headers": raw}, receive, send)
    return sent


async def test_client_that_stops_in_the_middle_is_not_waited_for(world: World) -> None:
    endpoint = webhook(world, read_seconds=0.05)
    sent = await ask(endpoint, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert sent[0]["status"] == 408
    assert endpoint.bodies.held == 0


async def test_client_that_hangs_up_leaves_nothing(world: World) -> None:
    endpoint = webhook(world)
    sent = await ask(
        endpoint,
        [{"type": "http.request", "body": BODY, "more_body": True}, {"type": "http.disconnect"}],
    )
    assert sent == []
    assert endpoint.bodies.held == 0
    assert await world.store.inbox_pending(10) == []


class Asking:
    """A body that comes as slowly as the test wants, from a peer."""

    def __init__(self, endpoint: Webhook, peer: str, body: bytes, **said: Any) -> None:
        self.sent: list[Any] = []
        self._pieces: asyncio.Queue[Any] = asyncio.Queue()
        raw = [(name.encode(), str(value).encode()) for name, value in headers(body, **said).items()]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": raw, "client": (peer, 1)}
        self.task = asyncio.create_task(endpoint(scope, self._pieces.get, self._send))

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def piece(self, body: bytes, *, more: bool = True) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})
        for _ in range(5):
            await asyncio.sleep(0)

    async def status(self) -> int:
        await self.task
        return int(self.sent[0]["status"])


@pytest.mark.parametrize("flood", [["203.0.113.9"] * 9, [f"2001:db8::{n}" for n in range(9)]])
async def test_unsigned_large_bodies_of_one_peer_shut_nobody_out(world: World, flood: list[str]) -> None:
    endpoint = webhook(world, bodies=Bodies(most=1000), read_seconds=30)
    hanging = [Asking(endpoint, peer, b"") for peer in flood]
    github = Asking(endpoint, "192.0.2.1", BODY)
    await github.piece(BODY[:5])
    for one in hanging:
        await one.piece(b"x" * 400)
    assert endpoint.bodies.held <= 1000
    await github.piece(BODY[5:], more=False)
    assert await github.status() == 202
    assert [one.task.done() for one in hanging] == [True] * 7 + [False] * 2
    assert {await one.status() for one in hanging[:7]} == {503}
    assert (b"retry-after", b"60") in hanging[0].sent[0]["headers"]
    for one in hanging[7:]:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in hanging), return_exceptions=True)
    assert endpoint.bodies.held == 0


async def test_behind_a_proxy_all_are_one_peer_and_what_hangs_makes_room(world: World) -> None:
    endpoint = webhook(world, bodies=Bodies(most=1000), read_seconds=30)
    hanging = [Asking(endpoint, "127.0.0.1", b"") for _ in range(2)]
    for one in hanging:
        await one.piece(b"x" * 500)
    large = body_of(800)
    github = Asking(endpoint, "127.0.0.1", large)
    await github.piece(large[:400])
    await github.piece(large[400:], more=False)
    assert await github.status() == 202
    assert [await one.status() for one in hanging] == [503, 503]
    assert endpoint.bodies.held == 0


async def test_delivery_that_is_being_stored_makes_no_room(world: World) -> None:
    go_on = asyncio.Event()

    async def slow(_: Incoming) -> bool:
        await go_on.wait()
        return True

    endpoint = webhook(world, add=slow, bodies=Bodies(most=1000))
    signed = body_of(800)
    github = Asking(endpoint, "192.0.2.1", signed)
    await github.piece(signed, more=False)
    other = Asking(endpoint, "192.0.2.1", b"")
    await other.piece(b"x" * 300)
    assert await other.status() == 503
    go_on.set()
    assert await github.status() == 202
    assert endpoint.bodies.held == 0


async def test_one_body_alone_is_more_than_all_may_be(world: World) -> None:
    endpoint = webhook(world, bodies=Bodies(most=1000))
    alone = Asking(endpoint, "192.0.2.1", b"")
    await alone.piece(b"x" * 1001, more=False)
    assert await alone.status() == 503
    assert endpoint.bodies.held == 0


async def test_full_disk_is_not_acknowledged(world: World) -> None:
    async def full(_: Incoming) -> bool:
        raise StoreFullError("the disk is full (path and all)")

    sent = await ask(webhook(world, add=full), [{"type": "http.request", "body": BODY}])
    assert sent[0]["status"] == 503
    assert "path" not in json.loads(sent[1]["body"])["error"]
    assert world.wakes == 0


async def test_no_secret_no_endpoint(world: World) -> None:
    async with world.client(github_webhook_secret=None) as client:
        assert (await client.post(PATH, content=BODY, headers=headers())).status_code == 404


_SERVER = """
import asyncio, sys
from patch_app.settings import Settings
from patch_app.store import Store
from patch_app.web.app import create_app
from patch_app.web.server import Server, listen, url_of

async def main():
    store = Store.open(sys.argv[1])
    bound = listen("127.0.0.1", 0)
    print(url_of(bound), flush=True)
    settings = Settings(github_webhook_secret=sys.argv[2], patch_admin_token="x" * 16)
    site = create_app(settings, store, lambda: None, lambda: True)
    await Server(site).serve(sockets=[bound])
asyncio.run(main())
"""


async def test_server_is_killed_after_its_answers(tmp_path: Path) -> None:
    taken: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path), SECRET], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        url = (await asyncio.to_thread(child.stdout.readline)).strip()
        killed = asyncio.Event()

        async def post(client: httpx.AsyncClient, key: str) -> None:
            try:
                answer = await client.post(url + PATH, content=BODY, headers=headers(key=key))
            except httpx.TransportError:
                return
            if answer.status_code == 202:
                taken.append(key)
            if len(taken) >= 30 and not killed.is_set():
                killed.set()
                os.kill(child.pid, signal.SIGKILL)

        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(post(client, f"d-{n}") for n in range(80)))
    assert killed.is_set()
    store = Store.open(tmp_path)
    kept = {row.key for row in await store.inbox_pending(500)}
    store.close()
    assert set(taken) <= kept


async def test_the_signature_that_the_documentation_gives_as_an_example() -> None:
    # docs.github.com, "Validating webhook deliveries": the body is no JSON, so it is refused for that alone
    given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    async def never(_: Incoming) -> bool:
        raise AssertionError("this is no delivery")

    secret = SecretStr("It's a Secret to Everybody")
    site: Any = Webhook(secret=secret, add=never, wake=lambda: None, clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site), base_url="http://127.0.0.1"
    ) as client:
        for told, status in ((given, 400), (given[:-1] + "8", 401)):
            answer = await client.post(
                PATH, content=b"Hello, World!", headers=headers(x_hub_signature_256=told)
            )
            assert answer.status_code == status, answer.text
