"""The query API: who may ask, what is answered, what a wish becomes."""

from __future__ import annotations

import ast
import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from patch_app.core.attempt import Stage, Status
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.store import StoreError
from patch_app.web import app
from patch_app.web.auth import COOKIE
from patch_app.web.records import AttemptRecord

from .conftest import ADMIN, World
from .registration import Registration, opened
from .samples import EVENT, NOW, attempt, everything, fill, oid, report, reviewing

ATTEMPT = "a" * 16
CLOSED_PATHS = (
    "/",
    "/attempts/x",
    "/stream",
    "/flow-events",
    "/flow-events/x",
    "/maintenance-attempts",
    "/maintenance-attempts/x",
)


async def statuses(client: httpx.AsyncClient, **headers: str) -> set[int]:
    return {(await client.get(path, headers=headers)).status_code for path in CLOSED_PATHS}


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "203.0.113.9", ""])
@pytest.mark.parametrize(
    "host", ["127.0.0.1:3000", "localhost", "[::1]:3000", "patch.example.org", "evil.example:3000", ""]
)
async def test_this_machine_asks_for_this_machine_and_nothing_is_opened_by_that(
    world: World, peer: str, host: str
) -> None:
    # each of these is what comes through a proxy's default or a tunnel, or by DNS rebinding
    async with world.stranger(peer=peer) as client:
        assert await statuses(client, host=host) == {401}
        for name in ("x-forwarded-for", "x-real-ip", "forwarded"):
            assert await statuses(client, host=host, **{name: "127.0.0.1"}) == {401}
        for path in ("/maintenance-attempts/x/sync", "/flow-events/x/replay", "/attempts/x/sync", "/logout"):
            assert (await client.post(path, headers={"host": host})).status_code == 401


def test_settings_without_a_token_are_not_served(world: World) -> None:
    with pytest.raises(ValueError, match="no admin token"):
        world.site(patch_admin_token=None)


@pytest.mark.parametrize(
    "said",
    [
        {"authorization": f"Bearer {ADMIN}"},
        {"authorization": f"bearer {ADMIN}"},
        {"x-patch-admin-token": ADMIN},
        {"x-patch-admin-token": ADMIN, "x-forwarded-for": "10.1.1.1", "host": "patch.example.org"},
    ],
)
async def test_token_opens_from_anywhere(world: World, said: dict[str, str]) -> None:
    async with world.stranger(peer="203.0.113.9") as client:
        assert (await client.get("/maintenance-attempts", headers=said)).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"authorization": ADMIN},
        {"authorization": f"Basic {ADMIN}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {ADMIN}x"},
        {"authorization": f"Bearer {ADMIN[:-1]}"},
        {"x-patch-admin-token": ""},
        {"cookie": f"{COOKIE}={ADMIN}"},
        {"cookie": f"{COOKIE}=99999999999.{'0' * 64}"},
        {"cookie": f"{COOKIE}=."},
    ],
)
async def test_with_a_token_set_nobody_gets_in_without_it(world: World, said: dict[str, str]) -> None:
    for peer in ("127.0.0.1", "203.0.113.9"):
        async with world.stranger(peer=peer) as client:
            assert await statuses(client, **said) == {401}
            answer = await client.get("/flow-events", headers=said)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert list(answer.json()) == ["error"]
            assert ADMIN not in answer.text


@pytest.mark.parametrize(
    "host",
    ["x/healthz?", "x/healthz#", "x/static/", "x/login?", "x/setup?", "x/setup/callback#", "x//login?"],
)
async def test_host_header_names_an_open_path(world: World, host: str) -> None:
    async with world.stranger() as client:
        assert await statuses(client, host=host) == {401}
    it = opened(world)
    async with it.client() as client:
        asked = [path for path in CLOSED_PATHS if path != "/"]
        answers = [await client.get(path, headers={"host": host, "accept": "*/*"}) for path in asked]
        assert {answer.status_code for answer in answers} == {401}


def test_nothing_is_decided_by_an_address_that_the_host_header_is_part_of() -> None:
    # how much of that header gets into `url.path` hangs on Starlette's version
    web = Path(app.__file__).parent
    found = [
        f"{path.name}:{node.lineno} {node.attr}"
        for path in sorted(web.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("url", "base_url", "url_for")
        and isinstance(node.value, ast.Name)
        and node.value.id == "request"
    ]
    assert found == []


async def test_page_of_another_site_makes_a_browser_ask(world: World) -> None:
    await fill(world.store, [attempt()])
    paths = (f"/maintenance-attempts/{ATTEMPT}/sync", f"/attempts/{ATTEMPT}/sync", "/logout")
    async with world.stranger() as client:
        await client.post("/login", data={"token": ADMIN})
        for said in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:3000"},
            {"origin": "https://evil.example"},
            # another port of this machine gets the cookie too
            {"origin": "http://127.0.0.1:8000"},
            {"origin": "null"},
            {"origin": "http://["},
            {"host": "a b", "origin": "http://a b"},
            {},
        ):
            for path in paths:
                assert (await client.post(path, headers=said)).status_code == 403
        assert await world.store.inbox_pending(10) == []
        for own in ({"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:3000"}):
            assert (await client.post(paths[0], headers=own)).status_code == 202
    # a program that has the token is no browser
    async with world.client() as client:
        assert (await client.post(paths[0])).status_code == 202


@pytest.mark.parametrize(
    ("public", "origin", "status"),
    [
        ("https://patch.example.org", "https://patch.example.org", 202),
        ("https://Patch.example.org:443/", "https://patch.example.org", 202),
        ("https://patch.example.org:8443", "https://patch.example.org:8443", 202),
        ("https://patch.example.org:8443", "https://patch.example.org", 403),
        ("https://patch.example.org", "http://patch.example.org", 403),
        ("https://patch.example.org", "http://127.0.0.1:3000", 403),
    ],
)
async def test_browser_is_at_the_public_address_and_a_proxy_says_another_host(
    world: World, public: str, origin: str, status: int
) -> None:
    await fill(world.store, [attempt()])
    async with world.stranger(public_url=public) as client:
        entered = await client.post("/login", data={"token": ADMIN})
        # the test's own client is on http, and doesn't send what is Secure
        client.cookies.clear()
        said = {"cookie": entered.headers["set-cookie"].split(";")[0], "origin": origin}
        answer = await client.post(f"/maintenance-attempts/{ATTEMPT}/sync", headers=said)
    assert answer.status_code == status


async def test_health_is_open_and_tells_no_more_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.stranger(peer="203.0.113.9") as client:
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (await client.head("/healthz")).status_code == 200
        world.alive = False
        assert (await client.get("/healthz")).json() == {"status": "error", "error": "the engine doesn't run"}

        async def broken(*_: Any) -> str:
            raise StoreError("in /secret/place")

        monkeypatch.setattr(world.store, "pulse", broken)
        answer = await client.get("/healthz")
        assert (answer.status_code, "secret" in answer.text) == (503, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/maintenance-attempts/", 404),
        ("GET", "/maintenance-attempts/nobody", 404),
        ("POST", "/maintenance-attempts/nobody/sync", 404),
        ("GET", "/flow-events/nobody", 404),
        ("POST", "/flow-events/nobody/retry", 404),
        ("POST", "/flow-events/nobody/replay", 404),
        ("POST", "/maintenance-attempts", 405),
        ("DELETE", "/flow-events", 405),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/maintenance-attempts?status=fine", 400),
        ("GET", "/maintenance-attempts?stage=", 400),
        ("GET", "/maintenance-attempts?stage=asleep", 400),
        ("GET", "/maintenance-attempts?open=yes", 400),
        ("GET", "/maintenance-attempts?limit=ten", 400),
        ("GET", "/maintenance-attempts?limit=1e3", 400),
        ("GET", "/maintenance-attempts?limit=%C2%B2", 400),
        ("GET", "/maintenance-attempts?before=nobody", 400),
        ("GET", "/maintenance-attempts?colour=red", 400),
        ("GET", "/maintenance-attempts?stack=a&stack=b", 400),
        ("GET", "/flow-events?before=nobody", 400),
        ("GET", "/flow-events?status=started", 400),
        ("GET", f"/flow-events?tag={'x' * 301}", 400),
    ],
)
async def test_errors_have_one_form(world: World, method: str, path: str, status: int) -> None:
    async with world.client() as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"]


async def test_something_unexpected_is_no_traceback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("inner secret")

    async with world.client() as client:
        monkeypatch.setattr(world.store, "attempts", broken)
        answer = await client.get("/maintenance-attempts")
    assert (answer.status_code, "inner secret" in answer.text) == (500, False)


async def test_attempts_newest_first_with_limits_clamped(world: World) -> None:
    many = [attempt(f"{n:016x}", created=NOW + timedelta(seconds=n)) for n in range(60)]
    await fill(world.store, many)

    async with world.client() as client:

        async def page(query: str) -> tuple[list[str], str | None]:
            answer = (await client.get(f"/maintenance-attempts{query}")).json()
            return [one["id"] for one in answer["maintenance_attempts"]], answer["next"]

        newest = [one.id for one in reversed(many)]
        assert await page("") == (newest[:50], newest[49])
        assert await page("?limit=100000") == (newest, None)
        assert await page("?limit=0") == (newest[:1], newest[0])
        assert await page("?limit=-5") == (newest[:1], newest[0])
        assert await page(f"?limit=20&before={newest[49]}") == (newest[50:], None)


async def test_attempts_are_filtered(world: World) -> None:
    await fill(world.store, everything())
    async with world.client() as client:

        async def tags(query: str) -> list[str]:
            answer = (await client.get(f"/maintenance-attempts?{query}")).json()
            return [one["upstream"]["tag"] for one in answer["maintenance_attempts"]]

        assert await tags("status=needs_intervention") == ["v5.0.0"]
        assert await tags("stage=running&open=true") == ["v1.9.0-rc.2"]
        assert await tags("repository=ada/minilib&open=false") == ["v4.2.1"]
        assert await tags("stack=release/acme-2026") == ["v8.1.0"]
        assert len(await tags(f"event={EVENT}")) == 8


async def test_record_has_all_that_was_gathered(world: World) -> None:
    await fill(world.store, [reviewing()])
    async with world.client() as client:
        answer = (await client.get(f"/maintenance-attempts/{ATTEMPT}")).json()
    assert AttemptRecord.model_validate(answer).status is Status.CHANGED
    assert (answer["operation"], answer["status"], answer["stage"]) == ("carry", "changed", "reviewing")
    assert answer["upstream"] == {
        "repository": "openai/codex",
        "id": None,
        "tag": "rust-v0.132.0",
        "ref": "refs/tags/rust-v0.132.0",
        "sha": oid("target"),
    }
    assert [(one["id"], one["conclusion"]) for one in answer["runs"]] == [(90210, "success")]
    assert [one["ref"].split("/")[1] for one in answer["candidate_refs"]] == [
        "heads",
        "patch-app",
        "patch-app",
    ]
    assert answer["pull_request"]["number"] == 14
    assert answer["verdicts"] == {"clean": 4, "adjusted": 1, "already-upstream": 1}
    assert [one["verdict"] for one in answer["patches"]].count("clean") == 4
    assert answer["range_diff"].startswith("1:")
    assert [one["kind"] for one in answer["effects"]] == ["dispatch", "update_refs", "open_issue", "comment"]
    assert answer["history"][-1]["line"] == "became reviewing"
    assert answer["created"] == "2026-03-01T11:51:00Z"


async def test_attempt_with_a_report_is_the_same_after_the_database(world: World) -> None:
    stored = reviewing(report=report(conflict_at=1), stage=Stage.CONFLICT)
    await fill(world.store, [stored])
    assert await world.store.attempt(ATTEMPT) == stored


async def test_event_with_its_attempts_and_the_worst_status(world: World) -> None:
    await fill(world.store, [reviewing(), attempt("b" * 16, stage=Stage.FAILED, stack="dev")])
    async with world.client() as client:
        listed = (await client.get("/flow-events?upstream=openai/codex&type=upstream.release")).json()
        one = (await client.get(f"/flow-events/{EVENT}")).json()
    assert [event["id"] for event in listed["flow_events"]] == [EVENT]
    assert listed["next"] is None
    assert (one["status"], len(one["attempts"])) == ("failed", 2)


async def test_sync_is_a_row_of_the_inbox_each_time(world: World) -> None:
    await fill(world.store, [attempt()])
    async with world.client() as client:
        for minutes in (0, 1):
            world.now[0] = NOW + timedelta(minutes=minutes)
            answer = await client.post(f"/maintenance-attempts/{ATTEMPT}/sync")
            assert answer.status_code == 202
            assert (answer.json()["status"], answer.json()["attempt"]["id"]) == ("accepted", ATTEMPT)
    rows = await world.store.inbox_pending(10)
    assert [(row.kind, row.payload) for row in rows] == [(Kind.SYNC, ATTEMPT.encode())] * 2
    assert world.wakes == 2


async def test_retry_and_replay_take_the_last_try_of_each_stack(world: World) -> None:
    tries = [attempt("1" * 16), attempt("2" * 16, number=2), attempt("3" * 16, stack="dev")]
    await fill(world.store, tries)
    async with world.client() as client:
        retried = (await client.post(f"/flow-events/{EVENT}/retry")).json()
        replayed = (await client.post(f"/flow-events/{EVENT}/replay")).json()
    assert sorted(retried["attempts"]) == sorted(replayed["attempts"]) == ["2" * 16, "3" * 16]
    rows = await world.store.inbox_pending(10)
    kinds = [row.kind for row in rows]
    assert kinds == [Kind.RELEASE, Kind.RETRY, Kind.RETRY, Kind.REPLAY, Kind.REPLAY]
    event = ReleaseEvent.model_validate_json(rows[0].payload)
    assert (event.upstream, event.tag) == ("openai/codex", "rust-v0.132.0")


async def test_replay_of_an_event_that_nothing_came_of(world: World) -> None:
    await fill(world.store, [])
    async with world.client() as client:
        answer = await client.post(f"/flow-events/{EVENT}/replay")
        assert answer.status_code == 409
        assert (await client.post(f"/flow-events/{EVENT}/retry")).status_code == 202


async def test_many_readers_at_once(world: World) -> None:
    await fill(world.store, everything())
    async with world.client() as client:
        answers = await asyncio.gather(*(client.get("/maintenance-attempts") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}


def test_reference_names_every_route(world: World) -> None:
    text = (Path(__file__).parents[2] / "docs/reference/http-api.md").read_text()
    documented = set(re.findall(r"^#+ `(?:GET|POST) ([^`]+)`", text, re.MULTILINE))
    site = world.site()
    site.open_setup(Registration(world, site).setup())
    there = {re.sub(r"\{\w+\}", "{id}", path) for path in paths(site)} - {"/static"}
    assert documented == there | {"/webhooks/github"}


def paths(router: Any) -> set[str]:
    """All paths, those of included routers too."""
    found: set[str] = set()
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        found |= {route.path} if inner is None else paths(inner)
    return found
