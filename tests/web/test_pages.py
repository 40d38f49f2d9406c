"""The pages: what strangers wrote stays text, who sees them, how they update and end."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi import HTTPException, Request

from patch_app.core.attempt import Approval, Artifact, Check, Link, Stage
from patch_app.core.gate import Finding
from patch_app.core.leaving import Leaving, LeavingCommit, LetGo
from patch_app.core.workflow_files import What
from patch_app.settings import SettingsError
from patch_app.store import AdvanceCommit, Store
from patch_app.web import view
from patch_app.web.auth import COOKIE
from patch_app.web.dashboard import read_form
from patch_app.web.records import summary
from patch_app.web.server import listen, url_of
from patch_app.web.view import Pace

from .conftest import ADMIN, Serve, World
from .samples import (
    CARRY_OVER,
    HOSTILE,
    NOW,
    attempt,
    everything,
    fill,
    oid,
    report,
    reviewing,
    with_everything,
)
from .test_webhook import BODY, PATH, headers

ATTEMPT = "a" * 16
HTML = {"accept": "text/html,application/xhtml+xml"}


class Page(HTMLParser):
    """Elements, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def addresses(self) -> list[str]:
        return [v or "" for _, attrs in self.tags for k, v in attrs.items() if k in ("href", "src", "action")]


async def test_hostile_words_of_a_patch_stay_words(world: World) -> None:
    bad = "javascript:alert(3)"
    hostile = reviewing(
        stage=Stage.CONFLICT,
        repository="ada/codex",
        stack=HOSTILE[:60],
        tag='v1"onmouseover="alert(4)',
        message=HOSTILE,
        error=HOSTILE + "!",
        checks=(Check(name=HOSTILE, app=HOSTILE, status="completed", conclusion=HOSTILE, url=bad),),
        artifacts=(Artifact(name=HOSTILE, url=bad),),
        approvals=(Approval(person=HOSTILE, commit=oid("x"), permission=HOSTILE),),
        gate=(Finding(path=HOSTILE, what=What.SECRET, detail=HOSTILE),),
        leaving=Leaving(
            number=2,
            tips=("e" * 40,),
            commits=(LeavingCommit(sha="e" * 40, subject=HOSTILE),),
            url="javascript:alert(1)",
        ),
        let_go=LetGo(person=HOSTILE, permission="write", target="d" * 40, stack_head="c" * 40),
        pull_request=Link(number=1, url=bad),
        issue=Link(number=2, url=bad),
    )
    part = report(conflict_at=0).model_dump(mode="json", by_alias=True)
    part["patches"][0] |= {"subject": HOSTILE, "note": HOSTILE, "author": HOSTILE, "paths": [HOSTILE]}
    part["conflict"]["files"][0] |= {"path": HOSTILE, "kind": HOSTILE}
    part["conflict"]["diff"] = HOSTILE + "\n</code></pre>" + HOSTILE
    conflicted = hostile.model_copy(update={"report": report().model_validate(part)})
    await fill(world.store, [conflicted])
    async with world.client() as client:
        for path in ("/", f"/attempts/{ATTEMPT}"):
            answer = await client.get(path, headers=HTML)
            assert answer.status_code == 200
            page = Page(answer.text)
            assert "<script>alert(1)</script>" in page.text
            assert "{{ 7*7 }}" in page.text
            assert [(attrs.get("src") or "")[:16] for tag, attrs in page.tags if tag == "script"] == [
                "/static/live.js?"
            ]
            assert not [
                name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"
            ]
            assert not [
                url
                for url in page.addresses()
                if url and not url.startswith(("/", "#", "https://github.com/"))
            ]
            assert "img" not in {tag for tag, _ in page.tags}


async def test_page_has_what_a_decision_needs_and_its_words_stay_words(world: World) -> None:
    await fill(world.store, [with_everything(text=HOSTILE)])
    async with world.client() as client:
        page = Page((await client.get(f"/attempts/{ATTEMPT}", headers=HTML)).text)
    for said in (
        "Resolution used in",
        "How it was resolved",
        "New from patch branches, not yet on main",
        "On main with other lines; the patch branch counts",
        "[BREAKING] hooks are read from hooks.toml alone",
        "What upstream changed in the same files",
        "+120 −41",
    ):
        assert said in page.text
    assert page.text.count("<script>alert(1)</script>") == 4
    assert [tag for tag, _ in page.tags if tag in ("img", "script")] == ["script"]


async def test_pages_need_nothing_from_elsewhere_and_may_load_nothing(world: World) -> None:
    await fill(world.store, everything())
    async with world.client() as client:
        answer = await client.get("/", headers=HTML)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        for url in Page(answer.text).addresses():
            if url == "#main":
                continue
            assert url.startswith("/")
            assert (await client.get(url)).status_code == 200
        static = await client.get("/static/style.css")
        assert "immutable" in static.headers["cache-control"]
        assert not re.search(r"url\(|@import|https?:", static.text)


async def test_attempts_are_grouped_by_who_has_to_act(world: World) -> None:
    await fill(world.store, everything())
    async with world.client() as client:
        text = Page((await client.get("/", headers=HTML)).text).text
    order = [
        "Waiting for a person",
        "In review",
        "Conflict",
        "Blocked",
        "Under way",
        "Running",
        "Ended",
        "Failed",
    ]
    places = [text.index(word) for word in order]
    assert places == sorted(places)


async def test_ended_attempts_are_paged(world: World) -> None:
    ended = [
        attempt(f"{n:016x}", stage=Stage.PROMOTED, tag=f"v{n}.0", created=NOW + timedelta(seconds=n))
        for n in range(60)
    ]
    await fill(world.store, ended)
    async with world.client() as client:
        first = (await client.get("/", headers=HTML)).text
        [older] = re.findall(r'href="(/\?before=[^"]+)"', first)
        second = (await client.get(older, headers=HTML)).text
        assert ("v59.0" in first, "v9.0" in first) == (True, False)
        assert ("v59.0" in second, "v9.0" in second, "v0.0" in second) == (False, True, True)
        assert (await client.get("/?before=nobody", headers=HTML)).status_code == 404


async def test_what_is_not_there_is_a_page_in_a_browser(world: World) -> None:
    async with world.client() as client:
        answer = await client.get("/attempts/nobody", headers=HTML)
        assert answer.status_code == 404
        assert "there is no such attempt" in answer.text
        assert answer.headers["content-type"].startswith("text/html")
    async with world.stranger() as client:
        assert (await client.get("/", headers=HTML)).headers["location"] == "/login?next=/"
        said = (await client.get("/login", headers=HTML)).text
        assert "patch-app open" in said
        assert "PATCH_ADMIN_TOKEN" in said


async def test_button_asks_for_a_sync(world: World) -> None:
    await fill(world.store, [attempt()])
    async with world.client() as client:
        answer = await client.post(f"/attempts/{ATTEMPT}/sync")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/attempts/{ATTEMPT}")
    assert len(await world.store.inbox_pending(10)) == 1


async def test_signing_in_and_out(world: World) -> None:
    await fill(world.store, [attempt()])
    async with world.stranger(peer="203.0.113.9") as client:
        answer = await client.get(f"/attempts/{ATTEMPT}", headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=/attempts/{ATTEMPT}")
        form = await client.get(answer.headers["location"], headers=HTML)
        assert f'value="/attempts/{ATTEMPT}"' in form.text
        wrong = await client.post("/login", data={"token": ADMIN + "x", "next": "/"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        right = await client.post("/login", data={"token": ADMIN, "next": f"/attempts/{ATTEMPT}"})
        assert (right.status_code, right.headers["location"]) == (303, f"/attempts/{ATTEMPT}")
        cookie = right.headers["set-cookie"]
        assert ("HttpOnly" in cookie, "SameSite=lax" in cookie, "Secure" in cookie) == (True, True, False)
        assert ADMIN not in cookie
        assert (await client.get("/", headers=HTML)).status_code == 200
        assert (await client.get("/login", headers=HTML)).status_code == 303
        foreign = await client.post(f"/attempts/{ATTEMPT}/sync", headers={"origin": "https://evil.example"})
        assert foreign.status_code == 403
        world.now[0] = NOW + timedelta(hours=13)
        assert (await client.get("/", headers=HTML)).status_code == 303
        world.now[0] = NOW
        assert (await client.post("/logout")).status_code == 403
        await client.post("/logout", headers={"origin": "http://127.0.0.1:3000"})
        assert (await client.get("/", headers=HTML)).status_code == 303


async def test_session_of_another_token_is_none(world: World) -> None:
    async with world.stranger() as client:
        session = (await client.post("/login", data={"token": ADMIN})).cookies[COOKIE]
    async with world.stranger(patch_admin_token="another-" + ADMIN) as client:
        client.cookies.set(COOKIE, session)
        assert (await client.get("/flow-events")).status_code == 401


@pytest.mark.parametrize(
    "next_page",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/attempts/../login", "/attempts/é"],
)
async def test_door_leads_nowhere_else(world: World, next_page: str) -> None:
    async with world.stranger(public_url="https://patch.example.org") as client:
        answer = await client.post("/login", data={"token": ADMIN, "next": next_page})
        assert answer.headers["location"] == "/"
        assert "Secure" in answer.headers["set-cookie"]
        large = await client.post("/login", content=b"token=" + b"x" * 5000)
        assert large.status_code == 413


async def test_what_is_no_form_of_ours_is_refused_and_no_mistake_of_the_server(world: World) -> None:
    async with world.stranger() as client:
        many = await client.post("/login", content="&".join(["token=x"] * 11))
        assert (many.status_code, many.json()["error"]) == (400, "the form has too many fields")


async def test_who_leaves_before_the_form_is_whole_makes_no_traceback() -> None:
    scope = {"type": "http", "method": "POST", "path": "/login", "headers": [], "query_string": b""}
    messages = iter([{"type": "http.request", "body": b"t", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    with pytest.raises(HTTPException):
        await read_form(Request(scope, receive))


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=20, headers={"authorization": f"Bearer {ADMIN}"})


async def lines(answer: httpx.Response, wanted: str) -> str:
    async with asyncio.timeout(20):
        async for line in answer.aiter_lines():
            if line.startswith(wanted):
                return line
    raise AssertionError("the stream ended")


def pulse_in(html: str) -> str:
    [stream] = re.findall(r'data-stream="([^"]+)"', html)
    return str(stream).replace("&amp;", "&")


async def move(store: Store, name: str = ATTEMPT) -> None:
    now = await store.attempt(name)
    assert now is not None
    moved = now.model_copy(update={"version": now.version + 1, "stage": Stage.RUNNING})
    assert await store.advance(AdvanceCommit(expected_version=now.version, attempt=moved))


@pytest.mark.parametrize("path", ["/", f"/attempts/{ATTEMPT}"])
async def test_open_page_hears_of_a_change_and_only_of_its_own(world: World, serve: Serve, path: str) -> None:
    await fill(world.store, [attempt(), attempt("b" * 16)])
    async with serve(world.site()) as running, client_of(running.url) as client:
        stream = pulse_in((await client.get(path, headers=HTML)).text)
        async with client.stream("GET", stream) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            reading = answer.aiter_lines()
            assert await anext(reading) == "retry: 2000"
            if path != "/":
                await move(world.store, "b" * 16)
            await move(world.store)
            async with asyncio.timeout(20):
                heard = [line async for line in _until(reading, "data: ")]
        assert [line for line in heard if line.startswith("event")] == ["event: change"]
        fresh = pulse_in((await client.get(path, headers=HTML)).text)
        assert heard[-1].removeprefix("data: ") in fresh


async def _until(reading: Any, start: str) -> Any:
    async for line in reading:
        yield line
        if line.startswith(start):
            return


async def test_change_between_page_and_stream_is_not_lost(world: World, serve: Serve) -> None:
    await fill(world.store, [attempt()])
    async with serve(world.site()) as running, client_of(running.url) as client:
        stream = pulse_in((await client.get(f"/attempts/{ATTEMPT}", headers=HTML)).text)
        await move(world.store)
        async with client.stream("GET", stream) as answer:
            assert await lines(answer, "event:") == "event: change"


async def test_stop_is_not_held_up_by_open_pages(world: World, serve: Serve) -> None:
    async with serve(world.site()) as running, client_of(running.url) as client:
        async with client.stream("GET", "/stream") as answer:
            reading = answer.aiter_lines()
            await anext(reading)
            running.server.should_exit = True
            # less than the grace that uvicorn would give
            async with asyncio.timeout(8):
                rest = [line async for line in reading]
                await running.task
        assert isinstance(rest, list)


async def test_webhook_under_way_at_a_stop_is_answered(world: World, serve: Serve) -> None:
    site = world.site()
    held, go_on = asyncio.Event(), asyncio.Event()
    assert site.webhook is not None
    add = site.webhook.add

    async def slow(incoming: Any) -> bool:
        held.set()
        await go_on.wait()
        return await add(incoming)

    site.webhook.add = slow
    async with serve(site) as running, client_of(running.url) as client:
        posted = asyncio.create_task(client.post(PATH, content=BODY, headers=headers()))
        await held.wait()
        running.server.should_exit = True
        while not site.live.closed:
            await asyncio.sleep(0)
        go_on.set()
        assert (await posted).status_code == 202


def test_port_that_is_taken_and_address_that_is_none() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert url_of(bound) == f"http://127.0.0.1:{port}"
        with pytest.raises(SettingsError, match=f"can't listen on 127.0.0.1 port {port}"):
            listen("127.0.0.1", port)
    with pytest.raises(SettingsError, match="HOST"):
        listen("not an address", 0)
    with listen("0.0.0.0", 0) as anywhere:  # noqa: S104
        assert url_of(anywhere).startswith("http://127.0.0.1:")


def test_ipv6_address_in_brackets() -> None:
    try:
        bound = listen("::1", 0)
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert bound.family == socket.AF_INET6
        assert url_of(bound).startswith("http://[::1]:")


async def test_page_of_a_pull_request_that_was_carried_over_names_it_and_no_branch(world: World) -> None:
    over = reviewing(stage=Stage.CARRIED_OVER, stack="refs/pull/7/head", carry_over=CARRY_OVER)
    await fill(world.store, [over])
    async with world.client() as client:
        page = Page((await client.get(f"/attempts/{ATTEMPT}", headers=HTML)).text)
        assert "pull request #7" in page.text
        assert CARRY_OVER.url in page.addresses()
        assert not any("refs/pull" in one for one in page.addresses())
        assert (await client.get("/", headers=HTML)).status_code == 200


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_has_a_place_on_the_way(stage: Stage) -> None:
    over = CARRY_OVER if stage is Stage.CARRIED_OVER else None
    one = summary(reviewing(stage=stage, carry_over=over))
    steps = view.path(one)
    assert len(steps) == (9 if over is None else 5)
    here = [step for step in steps if step.pace in (Pace.CURRENT, Pace.STOPPED)]
    assert len(here) == (0 if stage in (Stage.PROMOTED, Stage.CARRIED_OVER) else 1)
    assert view.stage_words(stage)
    assert view.tone(one)


def test_way_of_an_attempt_that_stands_aside() -> None:
    def stopped(resume: Stage | None = None, **changes: Any) -> int:
        steps = view.path(summary(attempt(**changes)), resume)
        return [step.pace for step in steps].index(Pace.STOPPED)

    assert stopped(stage=Stage.BLOCKED) == 0
    assert stopped(stage=Stage.HELD, resume=Stage.APPROVED) == 6
    assert stopped(stage=Stage.FAILED, candidate=oid("c")) == 3
    assert stopped(stage=Stage.CONFLICT, report=report(conflict_at=1)) == 3


def test_bar_is_whole() -> None:
    pieces = view.bar(summary(reviewing()).verdicts)
    assert pieces[0].x == 0
    assert abs(pieces[-1].x + pieces[-1].width - 100) < 0.05
    assert view.bar({}) == []


def test_lines_of_a_diff_have_their_kind() -> None:
    text = "--- a/x\n@@ -1 +1 @@\n-a\n+b\n c\n++<<<<<<< x\n +d\n"
    assert [line.kind for line in view.diff_lines(text)] == [
        "file",
        "hunk",
        "del",
        "add",
        "same",
        "mark",
        "add",
    ]


async def test_json_of_a_page_is_linked_and_readable(world: World) -> None:
    await fill(world.store, [reviewing()])
    async with world.client() as client:
        page = Page((await client.get(f"/attempts/{ATTEMPT}", headers=HTML)).text)
        [link] = [url for url in page.addresses() if url.startswith("/maintenance-attempts/")]
        assert json.loads((await client.get(link, headers=HTML)).text)["id"] == ATTEMPT
