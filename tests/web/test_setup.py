"""/setup: who gets in, what is sent to GitHub, what comes back, and all that may go wrong in between."""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from patch_app import credentials as stored
from patch_app.credentials import CredentialsError, Place
from patch_app.github.errors import Bug, Later, NotFound, Refused, Unknown
from patch_app.github.setup import AppCredentials
from patch_app.web.door import Door

from .conftest import SECRET, World
from .registration import Registration, credentials, opened
from .samples import NOW

HOSTILE = '"><script>alert(1)</script>'


# The door -------------------------------------------------------------------------------------------


async def test_stranger_without_the_code_sees_a_form_and_nothing_else(world: World) -> None:
    it = opened(world)
    async with it.client(peer="203.0.113.9", base_url="http://patch.example") as client:
        page = await client.get("/setup")
        assert page.status_code == 200
        assert "manifest" not in page.text
        assert it.codes[0] not in page.text
        wrong = await client.post("/setup", data={"code": "abcd-efgh-jkmn-pqrs"})
        assert (wrong.status_code, "patch_app_setup" in client.cookies) == (401, False)
        forged = {"cookie": f"patch_app_setup=99999999999.aa.aHR0cDovL2V2aWw.{'0' * 64}"}
        assert "manifest" not in (await client.get("/setup", headers=forged)).text
        assert (await client.get("/")).headers["location"] == "/setup"
        assert (await client.get("/maintenance-attempts")).status_code == 401
    assert it.asked == []


async def test_codes_are_guessed_and_the_right_one_is_taken_all_the_same(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        wrong = {(await client.post("/setup", data={"code": f"{n}"})).status_code for n in range(50)}
        assert wrong == {401}
        assert (await it.enter(client)).status_code == 303


async def test_code_is_used_up_and_the_log_has_another(world: World) -> None:
    it = opened(world)
    async with it.client() as first, it.client() as second:
        said = f"  {it.codes[0].upper().replace('-', ' ')} "
        assert (await first.post("/setup", data={"code": said})).status_code == 303
        assert (await second.post("/setup", data={"code": it.codes[0]})).status_code == 401
        assert len(it.codes) == len(set(it.codes)) == 2
        assert (await it.enter(second)).status_code == 303


async def test_cookie_comes_along_when_github_sends_the_browser_back_and_goes_nowhere_else(
    world: World,
) -> None:
    it = opened(world, public_url="https://patch.example")
    async with it.client(base_url="https://patch.example") as client:
        entered = await it.enter(client, origin="https://patch.example")
        cookie = entered.headers["set-cookie"].lower()
        assert all(part in cookie for part in ("httponly", "secure", "samesite=lax", "path=/setup"))
        world.now[0] += timedelta(hours=1)
        assert "manifest" not in (await client.get("/setup")).text


async def test_page_lets_its_form_go_to_github_and_to_nobody_else(world: World) -> None:
    it = opened(world, github_url="https://ghe.example")
    async with it.client() as client:
        await it.enter(client)
        page = await client.get("/setup")
        [policy] = page.headers.get_list("content-security-policy")
        assert "form-action 'self' https://ghe.example;" in policy
        assert "unsafe" not in policy
        assert page.headers.get_list("cache-control") == ["no-store"]
        elsewhere = await client.get("/setup/callback")
        assert "form-action 'self';" in elsewhere.headers["content-security-policy"]


# What is sent ---------------------------------------------------------------------------------------


async def test_app_for_oneself_and_for_an_organization(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        url, _, manifest = await it.offered(client)
        assert url.startswith("https://github.com/settings/apps/new?state=")
        assert manifest["redirect_url"] == "http://127.0.0.1:3000/setup/callback"
        assert manifest["name"].startswith("patch-app-")
        url, _, manifest = await it.offered(client, "?organization=acme&name=Ours")
        assert url.startswith("https://github.com/organizations/acme/settings/apps/new?state=")
        assert manifest["name"] == "Ours"


@pytest.mark.parametrize("query", [f"organization={HOSTILE}", f"name={'x' * 35}", "organization=../apps"])
async def test_name_that_github_would_not_take(world: World, query: str) -> None:
    it = opened(world)
    async with it.client() as client:
        await it.enter(client)
        page = await client.get(f"/setup?{query}")
        assert page.status_code == 400
        assert HOSTILE not in page.text


async def test_hostile_name_of_an_app_stays_text(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        await it.enter(client)
        page = await client.get("/setup", params={"name": HOSTILE})
        assert page.status_code == 200
        assert HOSTILE not in page.text


async def test_github_cannot_reach_the_server_so_its_webhooks_go_nowhere(world: World) -> None:
    it = opened(world, polls=10)
    async with it.client() as client:
        _, _, manifest = await it.offered(client)
        assert manifest["hook_attributes"]["url"] == "https://patch-app.invalid/webhooks/github"
        assert "every 10 seconds" in (await client.get("/setup")).text


@pytest.mark.parametrize(
    ("public", "headers", "origin"),
    [
        ("https://patch.example", {"origin": "http://127.0.0.1:3000"}, None),
        ("https://patch.example", {"origin": "null"}, None),
        ("https://patch.example", {}, "https://patch.example"),
        # a proxy's default
        ("https://patch.example", {"origin": "https://patch.example"}, "https://patch.example"),
        (None, {"origin": "https://patch.example"}, None),
        (None, {"origin": "https://127.0.0.1:3000"}, None),
        (None, {"origin": "https://evil.example"}, None),
        # DNS rebinding
        (None, {"origin": "http://evil.example:3000", "host": "evil.example:3000"}, None),
        (None, {"origin": "http://127.0.0.1.evil.example"}, None),
        (None, {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "cross-site"}, None),
        # a tunnel from another machine, at another port
        (None, {"origin": "http://localhost:8080"}, "http://localhost:8080"),
        (None, {"host": "evil.example"}, "http://127.0.0.1:3000"),
        (None, {"x-forwarded-host": "evil.example"}, "http://127.0.0.1:3000"),
    ],
)
async def test_browser_is_at_an_address_to_which_github_would_not_send_it_back(
    world: World, public: str | None, headers: dict[str, str], origin: str | None
) -> None:
    it = opened(world, public_url=public)
    async with it.client() as client:
        answer = await it.enter(client, **headers)
        if origin is None:
            assert answer.status_code == 400
            assert "PUBLIC_URL" in answer.text or "https://patch.example/setup" in answer.text
            assert len(it.codes) == 1, "the code was used up"
        else:
            ticket = it.site.registration
            assert ticket is not None
            held = ticket.door.holder(answer.cookies["patch_app_setup"])
            assert held is not None
            assert held.origin == origin


# What comes back ------------------------------------------------------------------------------------


async def test_app_is_registered_and_the_pages_are_gone(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        done = await it.back(client, state)
        assert (done.status_code, done.headers["location"]) == (
            303,
            "https://github.com/apps/mine/installations/new",
        )
        app = stored.read(it.place.path.parent)
        assert app is not None
        assert (app.identity.id, app.slug, app.identity.webhook_secret) == (
            5,
            "mine",
            SecretStr("hook-value"),
        )
        assert it.registered == [app]
        # GitHub leads the browser here once the App is installed: it may see the pages by then
        assert "patch_app_session" in client.cookies
        assert stat.S_IMODE(it.place.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(it.place.path.parent.stat().st_mode) == 0o700
        assert "client-value" not in it.place.path.read_text()
        for path in ("/setup", f"/setup/callback?code=abc&state={state}"):
            assert (await client.get(path)).headers["location"] == "/"
        assert (await client.post("/setup", data={"code": it.codes[-1]})).headers["location"] == "/"
        assert (await client.get("/")).status_code == 200
    assert it.asked == ["abc"]


async def test_another_browser_comes_back_with_the_state(world: World) -> None:
    it = opened(world)
    async with it.client() as client, it.client() as other, it.client() as none:
        _, state, _ = await it.offered(client)
        await it.offered(other)
        for browser in (other, none):
            answer = await it.back(browser, state)
            assert answer.status_code == 403
            assert "/settings/apps" in answer.text
        for bad in ("", "x", state[:-1], f"9{state}", state.replace(".", ".0", 1)):
            assert (await it.back(client, bad)).status_code == 403
        world.now[0] += timedelta(hours=1)
        assert (await it.back(client, state)).status_code == 403
    assert it.asked == []
    assert not it.place.path.exists()


async def test_person_goes_back_without_making_an_app(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        for code in ("", "../../x", "a b"):
            assert (await it.back(client, state, code)).status_code == 400
    assert it.asked == []


async def test_server_was_restarted_while_the_person_was_on_github(world: World) -> None:
    before, after = opened(world), opened(world)
    async with before.client() as client, after.client() as again:
        _, state, _ = await before.offered(client)
        again.cookies = client.cookies
        assert (await after.back(again, state)).status_code == 303
        other = opened(world)
        assert other.site.registration is not None
        other.site.registration.door = Door(key=b"x" * 32, clock=lambda: NOW, announce=other.codes.append)
        async with other.client() as foreign:
            foreign.cookies = client.cookies
            assert (await other.back(foreign, state)).status_code == 403


@pytest.mark.parametrize(
    ("trouble", "again", "said"),
    [
        (NotFound(404, "Not Found"), False, "over an hour old"),
        (Later("no route to host"), True, "no route to host"),
        (Unknown("the answer was lost"), True, "delete the App"),
        (Refused(422, "no"), False, "GitHub refused"),
        (Bug("not the expected form"), False, "not the expected form"),
    ],
)
async def test_github_does_not_hand_out_the_credentials(
    world: World, trouble: Exception, again: bool, said: str
) -> None:
    it = opened(world)
    it.answers = [trouble, credentials()]
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        answer = await it.back(client, state)
        assert answer.status_code == 502
        assert said in answer.text
        assert it.registered == []
        # a state that has served is used up; one that may still serve is not
        assert (await it.back(client, state)).status_code == (303 if again else 403)
        _, state, _ = await it.offered(client) if not again else ("", "", {})
        if not again:
            assert (await it.back(client, state)).status_code == 303
    assert len(it.registered) == 1


async def test_github_names_a_page_of_somebody_else(world: World) -> None:
    it = opened(world)
    it.answers = [credentials(html_url="https://evil.example/apps/mine")]
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        answer = await it.back(client, state)
        assert answer.headers["location"] == "https://github.com/apps/mine/installations/new"


async def test_disk_is_full_before_the_credentials_are_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = opened(world)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        with monkeypatch.context() as full:
            full.setattr(os, "ftruncate", no_room)
            answer = await it.back(client, state)
            assert (answer.status_code, it.asked) == (502, [])
            assert "No space left on device" in answer.text
        assert not it.place.beside.exists()
        assert (await it.back(client, state)).status_code == 303


async def test_disk_fails_after_the_credentials_were_handed_out_and_none_are_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = opened(world)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        with monkeypatch.context() as failing:
            failing.setattr(os, "link", no_room)
            answer = await it.back(client, state)
            assert "don&#39;t stop it" in answer.text
        assert (await it.back(client, state)).status_code == 303
    assert it.asked == ["abc"]
    assert len(it.registered) == 1


def no_room(*_: Any) -> None:
    raise OSError(28, "No space left on device")


async def test_credentials_are_shown_on_the_terminal_and_not_kept(world: World) -> None:
    it = opened(world, printed=True)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        page = await it.back(client, state)
        assert page.status_code == 200
        assert "https://github.com/apps/mine/installations/new" in page.text
        assert "hook-value" not in page.text
    assert [one.slug for one in it.shown] == ["mine"]
    assert not it.place.path.exists()


async def test_browser_sends_the_same_return_twice_at_once(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        _, state, _ = await it.offered(client)
        first, second = await both(it, client, state)
        assert (first, second) == (303, 303)
    assert it.asked == ["abc"]
    assert len(it.registered) == 1


async def both(it: Registration, client: Any, state: str) -> tuple[int, int]:
    answers = await asyncio.gather(it.back(client, state), it.back(client, state))
    return answers[0].status_code, answers[1].status_code


async def test_webhooks_are_taken_once_the_secret_is_known(world: World) -> None:
    it = opened(world)
    async with it.client() as client:
        before = await client.post("/webhooks/github", json={})
        it.site.open_webhook(SecretStr(SECRET))
        after = await client.post("/webhooks/github", json={})
    assert (before.status_code, after.status_code) == (404, 401)


# The file -------------------------------------------------------------------------------------------


def app_of(made: AppCredentials) -> stored.StoredApp:
    return stored.StoredApp(
        identity=stored.AppIdentity(
            id=made.id, private_key=made.private_key, webhook_secret=made.webhook_secret
        ),
        slug=made.slug,
        html_url=made.html_url,
        github_url="https://github.com",
        reachable=True,
    )


def test_credentials_are_never_overwritten(tmp_path: Path) -> None:
    place, first, second = Place(tmp_path), app_of(credentials()), app_of(credentials(id=6))
    place.reserve()
    place.keep(first)
    with pytest.raises(FileExistsError):
        place.reserve()
    with pytest.raises(FileExistsError):
        place.keep(second)
    assert stored.read(tmp_path) == first


@pytest.mark.parametrize("when", ["before the credentials came", "before they had their name", "never"])
def test_server_is_killed_in_the_middle_of_a_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    place, app = Place(tmp_path), app_of(credentials())
    place.reserve()
    if when != "before the credentials came":
        if when == "before they had their name":
            monkeypatch.setattr(Place, "publish", lambda _: None)
        place.keep(app)
        monkeypatch.undo()
    assert stored.recover(tmp_path) is (when == "before the credentials came")
    assert stored.read(tmp_path) == (None if when == "before the credentials came" else app)
    assert stored.recover(tmp_path) is False
    assert not place.beside.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"id": "5"}', b"\xff"])
def test_stored_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / stored.FILE_NAME).write_bytes(content)
    with pytest.raises(CredentialsError, match="isn't what /setup wrote"):
        stored.read(tmp_path)
