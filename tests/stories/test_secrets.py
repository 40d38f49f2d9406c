"""Whole stories with act, and then a search for every secret in everything that they left."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from pydantic import TypeAdapter

from patch_app import logs
from patch_app.core.attempt import Stage
from patch_app.forge import rest_apps, runs
from patch_app.forge.actions import ActionsRunner
from patch_app.settings import LogFormat, LogLevel
from tests.stories import thief
from tests.stories.world import ADMIN, FORK, World, numbered, world_at

RESOLVER_KEY = "the-forks-own-key-for-its-resolver"
RESOLVER = r"""
[resolver]
run = '''echo "I have $PATCH_APP_RESOLVER_KEY"; env; test -n "$PATCH_APP_RESOLVER_KEY"
sed -i -e '/^<<<<<<< /d' -e '/^=======$/d' -e '/^>>>>>>> /d' pot.txt'''
"""


@pytest.fixture
def minted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every installation and job token in plain text: the local GitHub keeps digests alone."""
    out: list[str] = []
    real = runs.new_app_token

    def recorded(app: int) -> str:
        token = real(app)
        out.append(token)
        return token

    monkeypatch.setattr(runs, "new_app_token", recorded)
    monkeypatch.setattr(rest_apps, "new_app_token", recorded)
    return out


@contextmanager
def logged(world: World, file: Path) -> Iterator[None]:
    """All logs, the chattiest too, into a file, as `patch-app serve` writes them."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    try:
        with file.open("w") as stream:
            logs.configure(LogFormat.JSON, LogLevel.DEBUG, world.server._settings.secrets(), stream)
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)


def left(world: World) -> Iterator[tuple[str, bytes]]:
    """Everything that two stories have left, with where it was."""
    for file in sorted((world.folder / "data").rglob("*")):
        if file.is_file():
            yield str(file), file.read_bytes()
    yield "log", (world.folder / "server.log").read_bytes()
    paths = ["/", "/healthz", "/login", "/flow-events", "/maintenance-attempts"]
    paths += [f"/flow-events/{one.event}" for one in world.attempts()]
    for one in world.attempts():
        paths += [f"/attempts/{one.id}", f"/maintenance-attempts/{one.id}"]
    admin = {"x-patch-admin-token": ADMIN}
    with httpx.Client(base_url=world.server.url, headers=admin, trust_env=False, timeout=30) as client:
        for path in paths:
            for kind in ("text/html", "application/json"):
                answer = client.get(path, headers={"accept": kind})
                assert answer.status_code < 400, path
                yield path, answer.content + repr(answer.headers).encode()
    repo = world.forge.repository(FORK)
    for run in repo.runs.values():
        for job in run.jobs:
            assert job.log or job.conclusion == "skipped"
            yield f"log of {job.name}", job.log.encode()
    record = TypeAdapter(dict[str, Any])
    # issues, comments, reviews, checks with their annotations, runs with their inputs
    records = {name: value for name, value in vars(repo).items() if name != "secrets"}
    yield "GitHub's records", record.dump_json(records, fallback=vars)
    # reports and bundles, and all else that was pushed
    git = world.forge.core.git(repo)
    yield "objects", git.run("cat-file", "--batch", "--batch-all-objects", "--buffer")
    for folder in ("actions", "artifacts"):
        for file in sorted((world.folder / "github" / folder).rglob("*")):
            if file.is_file():
                yield str(file), file.read_bytes()


def needles(world: World, minted: list[str]) -> set[bytes]:
    key = [line for line in world.app.pem.splitlines() if line and not line.startswith("-----")]
    plain = [*key, world.app.webhook_secret, ADMIN, RESOLVER_KEY, *minted]
    headers = [base64.b64encode(f"x-access-token:{token}".encode()).decode() for token in minted]
    # a token cut by a bound is still a secret
    cut = [token[20:80] for token in minted]
    return {one.encode() for one in [*plain, *headers, *cut] if one}


@pytest.mark.timeout(240)
def test_secrets_are_in_nothing_that_a_story_leaves_and_a_thieving_check_can_write_nothing(
    tmp_path: Path, minted: list[str]
) -> None:
    out = tmp_path / "thief.json"
    with world_at(tmp_path, backend=ActionsRunner(tmp_path / "github" / "actions")) as world:
        program = f"{sys.executable} {thief.__file__} {world.forge.api_url} {FORK} {out}"
        check = f'[[check]]\nname = "look"\nrun = """{program}"""\nartifacts = ["ours.txt", "**/config"]\n'
        world.arrange(configuration=check + RESOLVER)
        world.forge.set_secret(FORK, "patch-app-resolver", "PATCH_APP_RESOLVER_KEY", RESOLVER_KEY)
        world.serve()
        with logged(world, tmp_path / "server.log"):
            before, attempt = world.main(), world.release()
            assert attempt.stage is Stage.REVIEWING
            # by the workflow file's own step
            assert [one.name for one in attempt.artifacts] == ["check-look-1"]
            _nothing_stolen(world, out, minted)
            assert world.main() == before
            world.approve(attempt)
            world.settle()
            assert world.attempt().stage is Stage.PROMOTED
            second = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l15="v1.2.0")})
            assert second.stage is Stage.REVIEWING, second.message
            assert second.report is not None
            assert second.report.resolver is not None
            assert second.report.resolver.settled == 1
            wanted = needles(world, minted)
            found = [
                (where, needle[:8]) for where, data in left(world) for needle in wanted if needle in data
            ]
        assert found == []
        assert len(minted) > 5


def _nothing_stolen(world: World, out: Path, minted: list[str]) -> None:
    told = json.loads(out.read_text())
    # it did look, and could see its own surroundings
    assert told["sources"] > 20
    assert told["environment"]
    # the carry's token died with its job; the check's own may do nothing
    for statuses in told["tried"]:
        assert all(status >= 400 for status in statuses[:2])
        assert statuses[2] != 0
    assert "refs/heads/stolen" not in world.refs()
    issues = world.forge.repository(FORK).issues.values()
    assert [one.title for one in issues if one.pull is None] == []
    app = [token for token in told["found"] if token in minted and token.startswith(f"ghs_{world.app.id}_")]
    assert app == [], "an App token reached a runner"
