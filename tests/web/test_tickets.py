"""Tickets: each lets one browser in, once, for an hour, until the next start. The demo asks for none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from patch_app import admin_token
from patch_app.cli import app
from patch_app.demo.server import Opened, demo_settings
from patch_app.settings import Settings, SettingsError
from patch_app.store import Store
from patch_app.web import tickets
from patch_app.web.app import create_app
from patch_app.web.auth import COOKIE

from .conftest import ADMIN, World
from .samples import NOW
from .test_api import statuses

HTML = {"accept": "text/html"}


async def ticket(world: World) -> str:
    await tickets.announce_start(world.store, "http://127.0.0.1:3000")
    address = await tickets.address(world.store, world.now[0])
    assert address is not None
    return address


async def test_ticket_lets_one_browser_in_and_nobody_after_it(world: World) -> None:
    address = await ticket(world)
    async with world.stranger() as first, world.stranger() as second:
        assert (await first.head(address)).status_code == 405
        entered = await first.get(address)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))
        assert "Secure" not in cookie
        assert ADMIN not in cookie
        assert (await first.get("/", headers=HTML)).status_code == 200
        refused = await second.get(address, headers=HTML)
        assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
        assert "used already" in refused.text
        # who is in already goes on
        assert (await first.get(address)).headers["location"] == "/"


async def test_one_ticket_and_many_browsers_at_once(world: World) -> None:
    address = await ticket(world)
    async with world.stranger() as client:
        answers = await asyncio.gather(*(client.get(address) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers).count(303) >= 1
    assert [answer.headers.get("set-cookie", "")[: len(COOKIE)] for answer in answers].count(COOKIE) == 1


async def test_ticket_that_is_too_old_or_from_before_the_start_or_none(world: World) -> None:
    old = await ticket(world)
    world.now[0] += tickets.LIFE
    async with world.stranger() as client:
        assert (await client.get(old)).status_code == 401
        world.now[0] = NOW
        assert (await client.get(old)).status_code == 401, "an expired one was kept"
        before = await tickets.address(world.store, NOW)
        after = await ticket(world)
        assert (await client.get(str(before))).status_code == 401
        commits = world.store.commits
        for said in ("", "x", "x" * 5000, "%00", "%ff", "é", "%ED%B2%80", after[-10:]):
            assert (await client.get(f"/login?ticket={said}")).status_code == 401
        assert world.store.commits == commits, "strangers make the server write"
        assert (await client.get(after)).status_code == 303


async def test_cookie_is_secure_where_people_come_by_https(world: World) -> None:
    address = await ticket(world)
    async with world.stranger(public_url="https://patch.example.org") as client:
        assert "Secure" in (await client.get(address)).headers["set-cookie"]


async def test_ticket_is_not_kept_as_it_is(world: World) -> None:
    address = await ticket(world)
    secret = address.partition("ticket=")[2].encode()
    for file in world.store.path.parent.iterdir():
        assert secret not in file.read_bytes()


def test_address_is_asked_for_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    none = CliRunner().invoke(app, ["open"])
    assert (none.exit_code, "patch-app serve" in none.output) == (2, True)

    async def used(start: bool) -> bool:
        store = Store.open(tmp_path)
        try:
            if start:
                await tickets.announce_start(store, "https://patch.example.org")
                return False
            return await store.take_ticket(address.partition("ticket=")[2], NOW + timedelta(0))
        finally:
            store.close()

    asyncio.run(used(True))
    first, second = (CliRunner().invoke(app, ["open"]).output.strip() for _ in range(2))
    assert first != second
    address = second
    assert address.startswith("https://patch.example.org/login?ticket=")
    assert asyncio.run(used(False))
    (tmp_path).chmod(0o755)
    assert CliRunner().invoke(app, ["open"]).exit_code == 0
    assert tmp_path.stat().st_mode & 0o077 == 0


# The demo -------------------------------------------------------------------------------------------


def demo(world: World, **headers: str) -> httpx.AsyncClient:
    settings = Settings(patch_admin_token=ADMIN)
    site = create_app(settings, world.store, world.wake, lambda: True, clock=lambda: NOW, admin=Opened)
    transport = httpx.ASGITransport(site, client=("127.0.0.1", 5))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000", headers=headers)


async def test_demo_is_open_to_this_machine_and_to_no_page_of_another_site(world: World) -> None:
    async with demo(world) as client:
        assert (await client.get("/", headers=HTML)).status_code == 200
        assert (await client.get("/login")).headers["location"] == "/"
        own = {"origin": "http://127.0.0.1:3000"}
        assert (await client.post("/attempts/x/sync", headers=own)).status_code == 404
        foreign = {"origin": "https://evil.example"}
        assert (await client.post("/attempts/x/sync", headers=foreign)).status_code == 403
        for host in ("evil.example:3000", "127.0.0.1.evil.example", "", "[::1", "x@evil.example"):
            assert await statuses(client, host=host) == {401}


@pytest.mark.parametrize(
    "given",
    [
        {"HOST": "0.0.0.0"},  # noqa: S104
        {"PUBLIC_URL": "https://patch.example.org"},
        {"GITHUB_URL": "https://github.com"},
        {"GITHUB_API_URL": "https://api.github.com"},
    ],
)
def test_demo_server_is_for_the_demo_alone(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    local = {"GITHUB_URL": "http://127.0.0.1:9", "GITHUB_API_URL": "http://127.0.0.1:9/api/v3"}
    for name, value in local.items():
        monkeypatch.setenv(name, value)
    assert demo_settings().host == "127.0.0.1"
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="patch-app serve"):
        demo_settings()


def test_no_command_but_the_demo_knows_of_its_server() -> None:
    package = Path(admin_token.__file__).parent
    naming = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "demo.server" in path.read_text(encoding="utf-8")
    ]
    assert sorted(naming) == ["demo/server.py", "demo/story.py"]


def test_demo_server_says_what_it_is_for(tmp_path: Path) -> None:
    environment: dict[str, Any] = {"DATA_DIR": str(tmp_path), "HOST": "0.0.0.0", "PORT": "0"}  # noqa: S104
    program = [sys.executable, "-m", "patch_app.demo.server"]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "run patch-app serve" in done.stderr) == (1, True)
