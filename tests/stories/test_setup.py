"""From an empty data directory to an installed App: each click, and a server that goes on by itself."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from patch_app.demo.process import ServerProcess, free_port
from tests.chaos.world import Killable, killable_at
from tests.stories.browser import Browser
from tests.stories.world import FORK, numbered


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Killable]:
    with killable_at(tmp_path, footprint=False) as world:
        yield world


def serve(world: Killable, *options: str, **settings: str) -> None:
    """`patch-app serve` on an empty data directory. Its timer is far away."""
    port = free_port()
    given = {
        "DATA_DIR": str(world.folder / "data"),
        "GITHUB_URL": world.forge.url,
        "GITHUB_API_URL": world.forge.api_url,
        "POLL_SECONDS": "0.3",
        "SYNC_SECONDS": "3600",
        **{name: value.format(url=f"http://127.0.0.1:{port}") for name, value in settings.items()},
    }
    program = (sys.executable, "-m", "patch_app", "serve", *options)
    world.process = ServerProcess(port, given, world.folder / "server.log", program)
    world.process.start()


def lines(world: Killable, event: str) -> list[dict[str, str]]:
    text = world.process.log.read_text()
    return [found for line in text.splitlines() if (found := json.loads(line)).get("event") == event]


def register_and_install(world: Killable, browser: Browser) -> None:
    [told] = lines(world, "setup: no App yet")
    browser.open(world.process.url)
    assert browser.url == told["url"] == f"{world.process.url}/setup"
    browser.press("Continue", code=told["code"])
    browser.press("Create it for yourself")
    browser.press("Create GitHub App for alice")
    browser.press("Install", repository_selection="selected", repository="pot")
    assert browser.clicks == [
        "Continue",
        "Create it for yourself",
        "Create GitHub App for alice",
        "Install",
    ]


def watched(world: Killable) -> bool:
    headers = {"accept": "text/html", **world.process.token()}
    page = httpx.get(world.process.url, headers=headers, trust_env=False, timeout=30)
    return "<b>1</b> fork watched" in page.text


def offered(world: Killable, words: str) -> dict[str, Any] | None:
    """The onboarding pull request, once it says that."""
    pulls = world.alice.api("GET", f"/repos/{FORK}/pulls", params={"state": "open"})
    return next((one for one in pulls if words in (one["body"] or "")), None)


def merge(browser: Browser, pull: dict[str, Any]) -> None:
    browser.open(pull["html_url"])
    browser.press("Merge pull request")
    assert "merged" in browser.page.text


def test_server_starts_on_an_empty_directory_and_six_clicks_later_keeps_a_fork_whose_actions_were_off(
    world: Killable,
) -> None:
    world.alice.api("PUT", f"/repos/{FORK}/actions/permissions", {"enabled": False})
    serve(world, PUBLIC_URL="{url}")
    with Browser() as browser:
        register_and_install(world, browser)
        assert httpx.URL(browser.url).params["setup_action"] == "install"
        assert browser.url.startswith(f"{world.process.url}/?")
        world.until(lambda: watched(world), "the fork isn't known")
        assert {one.status for one in world.forge.webhooks.deliveries("installation")} == {"OK"}
        # the page is gone, whoever comes, and what GitHub sent back is worth nothing any more
        browser.open(f"{world.process.url}/setup")
        assert httpx.URL(browser.url).path == "/"
        pull = world.until(
            lambda: offered(world, "Actions is off in "), "no pull request brings the App's files"
        )
        browser.open(f"{world.forge.url}/{FORK}/actions")
        browser.press("I understand my workflows, go ahead and enable them")
        merge(browser, pull)
        assert len(browser.clicks) == 6
    kept = world.folder / "data/github-app.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    secrets = json.loads(kept.read_text())
    log = world.process.log.read_text()
    assert secrets["webhook_secret"] not in log
    assert secrets["private_key"].splitlines()[1] not in log
    assert "client_secret" not in secrets
    assert world.process.stop() == 0
    # the next start has them, and hears what was lost meanwhile
    world.forge.commit(FORK, "main", {"note.txt": "while it was down\n"}, "Note")
    world.forge.settle(60)
    world.process.start()
    world.until(
        lambda: any(one["lost"] for one in lines(world, "deliveries read")), "nothing was caught up on"
    )
    assert len(lines(world, "setup: no App yet")) == 2  # the first, and a new one when it was used
    assert watched(world)


def test_five_clicks_from_nothing_to_a_fork_that_is_kept_up_without_a_public_address(
    world: Killable,
) -> None:
    serve(world, "--poll", POLL_DELIVERIES_SECONDS="1")
    with Browser() as browser:
        register_and_install(world, browser)
        assert "is installed on alice" in browser.page.text
        # the pull request's text, once it shows what the last releases would become
        pull = world.until(
            lambda: offered(world, "Carried onto the last releases"), "no pull request brings the App's files"
        )
        assert "2 commits" in pull["body"] or "2 patches" in pull["body"]
        merge(browser, pull)
        assert len(browser.clicks) == 5
    world.until(lambda: '"polled"' in world.process.log.read_text(), "the upstream was not polled")
    # what came while the server was down is heard of afterwards
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    attempt = world.comes_to("v1.1.0", "reviewing")
    assert world.process.stop() == 0
    world.approve_number(attempt["pull_request"]["number"], attempt["candidate"])
    world.forge.settle(60)
    world.process.start()
    world.comes_to("v1.1.0", "promoted")
    world.forge.settle(60)
    assert {one.status for one in world.forge.webhooks.deliveries()} == {"failed to connect to host"}
    assert world.main() == attempt["candidate"]
