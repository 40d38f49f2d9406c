"""Webhooks read from GitHub's own list: each once, none passed over, nothing asked for without need."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from patch_app.core.events import Kind
from patch_app.engine import deliveries
from patch_app.engine.deliveries import Deliveries
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.errors import Later
from patch_app.store.inbox import InboxRow, Incoming, delivery
from patch_app.store.store import Store
from tests import keys

START = 1_760_000_000
LIST = "/app/hook/deliveries"


class GitHub:
    """The App's deliveries, newest first, in pages of `size`."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.broken: dict[str, httpx.Response] = {}
        self.size = 100

    def deliver(self, guid: str, at: int, status: int = 0, event: str = "push") -> None:
        stamp = datetime.fromtimestamp(START + at, UTC).isoformat()
        row = {"id": len(self.rows) + 1, "guid": guid, "delivered_at": stamp, "status_code": status}
        self.rows.insert(0, row | {"event": event, "action": None, "redelivery": False})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v3")
        self.asked.append(path)
        if path in self.broken:
            return self.broken[path]
        if path != LIST:
            number = int(path.removeprefix(f"{LIST}/"))
            row = next(one for one in self.rows if one["id"] == number)
            return httpx.Response(200, json=row | {"request": {"headers": {}, "payload": {"n": number}}})
        etag = f'W/"{len(self.rows)}"'
        if request.headers.get("if-none-match") == etag:
            return httpx.Response(304)
        start = int(request.url.params.get("cursor", 0))
        more = {"link": f'<{request.url.copy_set_param("cursor", start + self.size)}>; rel="next"'}
        headers = {"etag": etag} | (more if start + self.size < len(self.rows) else {})
        return httpx.Response(200, json=self.rows[start : start + self.size], headers=headers)

    def reads(self) -> list[int]:
        """Deliveries read whole since the last question."""
        found = [int(path.removeprefix(f"{LIST}/")) for path in self.asked if path != LIST]
        self.asked.clear()
        return found


@pytest.fixture
def github() -> GitHub:
    return GitHub()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def app(github: GitHub) -> AsyncIterator[GitHubApp]:
    settings = GitHubSettings(
        issuer="1", private_key=SecretStr(keys.pem()), api_url="http://127.0.0.1:1/api/v3"
    )
    async with GitHubApp(settings, transport=httpx.MockTransport(github)) as app:
        yield app


@pytest.fixture
def reading(app: GitHubApp, store: Store) -> Deliveries:
    return again(app, store)


def again(app: GitHubApp, store: Store) -> Deliveries:
    """As after a restart."""
    return Deliveries(app=app, store=store, clock=lambda: datetime.fromtimestamp(START + 5000, UTC))


async def inbox(store: Store) -> list[InboxRow]:
    return await store.inbox_pending(1000)


async def test_nothing_is_new_and_that_costs_one_request_which_does_not_count(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    github.deliver("a", 1000)
    github.deliver("b", 2000, 202)
    await reading.poll()
    assert github.reads() == [1, 2]
    await reading.poll()
    assert github.asked == [LIST]
    assert [row.key for row in await inbox(store)] == ["a", "b"]


async def test_polled_delivery_is_the_row_that_a_webhook_makes(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    github.deliver("a", 1000, event="issues")
    await reading.poll()
    [row] = await inbox(store)
    assert (row.kind, row.key) == (Kind.DELIVERY, "a")
    assert row.headers == {"x-github-event": "issues", "x-github-delivery": "a"}
    assert json.loads(row.payload) == {"n": 1}
    # and what comes both ways is one
    received = delivery("a", b"{}", [("X-GitHub-Event", "issues"), ("Cookie", "x")], row.received)
    assert received.headers == {"x-github-event": "issues"}
    assert await store.inbox_add(received) is False


async def test_server_dies_in_the_middle_of_the_list(
    github: GitHub, app: GitHubApp, reading: Deliveries, store: Store
) -> None:
    for number in range(4):
        github.deliver(f"g{number}", 1000 * number)
    github.broken[f"{LIST}/3"] = httpx.Response(502)
    with pytest.raises(Later):
        await reading.poll()
    assert github.reads() == [1, 2, 3]
    github.broken.clear()
    await again(app, store).poll()
    assert github.reads() == [3, 4]
    assert [row.key for row in await inbox(store)] == ["g0", "g1", "g2", "g3"]


async def test_list_could_not_be_read_and_is_not_taken_for_unchanged(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    github.deliver("a", 1000)
    github.broken[f"{LIST}/1"] = httpx.Response(502)
    with pytest.raises(Later):
        await reading.poll()
    github.broken.clear()
    await reading.poll()
    assert [row.key for row in await inbox(store)] == ["a"]


async def test_delivery_shows_up_in_the_list_after_a_later_one(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    github.deliver("a", 1000)
    await reading.poll()
    github.deliver("late", 900)
    await reading.poll()
    assert [row.key for row in await inbox(store)] == ["a", "late"]


async def test_only_what_was_lost_is_read_where_webhooks_arrive(
    github: GitHub, app: GitHubApp, reading: Deliveries, store: Store
) -> None:
    github.deliver("taken", 1000, 202)
    github.deliver("lost", 1100, 0)
    github.deliver("refused", 1200, 503)
    github.deliver("sent again", 1300, 502)
    github.deliver("sent again", 1400, 202)
    await reading.catch_up()
    assert github.reads() == [2, 3]
    github.deliver("lost later", 2500)
    await again(app, store).catch_up()
    assert github.reads() == [6]
    assert [row.key for row in await inbox(store)] == ["lost", "refused", "lost later"]


async def test_delivery_that_github_has_forgotten_or_garbled_stops_nothing(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    for number, guid in enumerate("abc"):
        github.deliver(guid, 1000 + number)
    github.broken[f"{LIST}/1"] = httpx.Response(404, json={"message": "Not Found"})
    github.broken[f"{LIST}/2"] = httpx.Response(200, json={"id": 2, "request": {"payload": None}})
    await reading.poll()
    assert [row.key for row in await inbox(store)] == ["c"]
    github.reads()
    github.deliver("d", 1010)
    await reading.poll()
    assert github.reads() == [4]


async def test_more_deliveries_than_are_read_at_once(
    github: GitHub, reading: Deliveries, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 3)
    github.size = 4
    for number in range(10):
        github.deliver(f"g{number}", number)
    await reading.poll()
    assert github.reads() == list(range(1, 11))
    assert [row.key for row in await inbox(store)] == [f"g{number}" for number in range(10)]


async def test_rows_that_were_received_are_not_read(
    github: GitHub, reading: Deliveries, store: Store
) -> None:
    github.deliver("a", 1000)
    now = datetime.fromtimestamp(START, UTC)
    await store.inbox_add(Incoming(kind=Kind.DELIVERY, key="a", payload=b"{}", headers={}, received=now))
    await reading.poll()
    assert github.reads() == []
