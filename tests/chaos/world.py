"""The world of the stories with the server as a process of its own, that can be killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from patch_app.core import names
from patch_app.demo.process import ServerProcess, free_port
from patch_app.forge.server import Forge
from patch_app.github import receive_pack
from patch_app.github.footprint import runner_commit
from tests.stories.robot import Robot
from tests.stories.world import FORK, World, make_app, told

PATIENCE: Final = 90.0


class Killable(World):
    """A world whose server is a process. What it did is read through its query API."""

    process: ServerProcess

    def run(self, program: tuple[str, ...] = (), more: Mapping[str, str] | None = None) -> None:
        """Make the App, install it, start the server."""
        port = free_port()
        self.app = make_app(self.forge, f"http://127.0.0.1:{port}")
        settings = {
            "DATA_DIR": str(self.folder / "data"),
            "GITHUB_URL": self.forge.url,
            "GITHUB_API_URL": self.forge.api_url,
            "GITHUB_APP_ID": str(self.app.id),
            "GITHUB_APP_PRIVATE_KEY": self.app.pem,
            "GITHUB_WEBHOOK_SECRET": self.app.webhook_secret or "",
            "POLL_SECONDS": "0.3",
            "SYNC_SECONDS": "0.5",
            **(more or {}),
        }
        self.process = ServerProcess(port, settings, self.folder / "server.log", program)
        self.process.start()
        self.installation = self.forge.install(self.app, account="alice", repositories=[FORK])
        push_runner(self)
        self.forge.settle(PATIENCE)
        if settings["POLL_SECONDS"] != "0":
            # the first poll has to have seen the old release: what comes later is new
            self.until(lambda: '"polled"' in self.process.log.read_text(), "the upstream was not polled")

    def until(self, so: Callable[[], Any], otherwise: str) -> Any:
        """Asks again and again, at most PATIENCE seconds, for something that isn't nothing."""
        end = time.monotonic() + PATIENCE
        while not (found := so()):
            if time.monotonic() > end:
                pytest.fail(f"{otherwise}\n{self.forge.dump(FORK)}\n{self.process.tail(60)}")
            time.sleep(0.2)  # the question costs the server more than what is waited for
        return found

    def all(self) -> list[dict[str, Any]]:
        """All attempts, oldest first; none while the server is being started anew."""
        try:
            listed = self.process.get("/maintenance-attempts")["maintenance_attempts"]
            return [self.process.get(f"/maintenance-attempts/{one['id']}") for one in reversed(listed)]
        except httpx.HTTPError:
            return []

    def one(self, tag: str) -> dict[str, Any]:
        """The latest attempt for a tag; empty while there is none."""
        return next((one for one in reversed(self.all()) if one["upstream"]["tag"] == tag), {})

    def comes_to(self, tag: str, stage: str) -> dict[str, Any]:
        """The attempt, once it is at that stage and nothing is left to do for it."""
        self.until(lambda: self.one(tag).get("stage") == stage, f"{tag} did not come to {stage}")
        return self.one(tag)

    def approve_number(self, number: int, candidate: str) -> None:
        self.review(number, candidate, self.bob)

    def told(self) -> str:
        """The dump of the fork and of the attempts."""
        return told(
            self.forge,
            [
                (one["id"], one["upstream"]["tag"], one["number"], one["stage"], one["message"])
                for one in self.all()
            ],
        )


def push_runner(world: World) -> None:
    """The runner's ref, pushed by a person."""
    oid, pack = runner_commit()

    async def push() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            change = (names.ZERO, oid, names.RUNNER_REF)
            url = f"{world.forge.url}/{FORK}.git"
            await receive_pack.push(http, url, SecretStr(world.alice.token), [change], pack)

    asyncio.run(push())


@contextmanager
def killable_at(folder: Path, *, footprint: bool = True) -> Iterator[Killable]:
    """Arranged; `run()` starts the server."""
    robot = Robot(folder / "robot")
    with Forge(folder / "github", actions=robot).running() as forge:
        world = Killable(folder, forge, robot)
        world.arrange(footprint=footprint)
        try:
            yield world
        finally:
            if hasattr(world, "process"):
                world.process.close()
        assert robot.problems == []
