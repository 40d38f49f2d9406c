from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from pydantic import SecretStr

from patch_app.github.client import GitHubApp, GitHubSettings
from tests import keys
from tests.github.git_server import GitServer

API = "http://127.0.0.1:1/api/v3"
Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    """A clock that moves only when something sleeps."""

    def __init__(self) -> None:
        self.time = 1_760_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class FakeGitHub:
    """Answers by `METHOD /path`; each entry is a list of answers, the last of which repeats."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answers: dict[str, list[httpx.Response | Exception | Handler]] = {}
        self.seen: list[httpx.Request] = []
        self.minted = 0

    def on(self, what: str, *answers: Any) -> None:
        self.answers[what] = [
            answer
            if isinstance(answer, (httpx.Response, Exception)) or callable(answer)
            else httpx.Response(200, json=answer)
            for answer in answers
        ]

    def bodies(self, what: str) -> list[Any]:
        return [json.loads(r.content) for r in self.seen if f"{r.method} {_path(r)}" == what]

    def count(self, what: str) -> int:
        return sum(f"{r.method} {_path(r)}" == what for r in self.seen)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        path = _path(request)
        answers = self.answers.get(f"{request.method} {path}")
        if answers is None:
            if path.endswith("/access_tokens"):
                self.minted += 1
                expires = "2025-10-09T09:53:20Z"  # an hour after the clock's start
                return httpx.Response(201, json={"token": f"ghs_secret{self.minted}", "expires_at": expires})
            return httpx.Response(404, json={"message": "Not Found"})
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def _path(request: httpx.Request) -> str:
    return request.url.raw_path.decode().split("?")[0].removeprefix("/api/v3")


@pytest.fixture(scope="session")
def pem() -> SecretStr:
    return SecretStr(keys.pem(PrivateFormat.PKCS8))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeGitHub:
    return FakeGitHub(clock)


@pytest.fixture
async def app(pem: SecretStr, clock: Clock, fake: FakeGitHub) -> AsyncIterator[GitHubApp]:
    settings = GitHubSettings(issuer="42", private_key=pem, web_url="http://127.0.0.1:1", api_url=API)
    async with GitHubApp(
        settings, transport=httpx.MockTransport(fake), now=clock.now, sleep=clock.sleep
    ) as github:
        yield github


class Repository:
    """A repository of real Git with fixed people and dates."""

    def __init__(self, path: Path, *, bare: bool = False) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", *(["--bare"] if bare else []))

    def git(self, *arguments: str, data: bytes | None = None, env: dict[str, str] | None = None) -> str:
        return self.git_bytes(*arguments, data=data, env=env).decode().strip()

    def git_bytes(
        self, *arguments: str, data: bytes | None = None, env: dict[str, str] | None = None
    ) -> bytes:
        person = {
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example", "GIT_AUTHOR_DATE": "1760000000 +0000",
            "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example",
            "GIT_COMMITTER_DATE": "1760000000 +0000",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"],
        }  # fmt: skip
        return subprocess.run(
            ["git", *arguments], cwd=self.path, input=data or b"", env={**person, **(env or {})},
            check=True, capture_output=True,
        ).stdout  # fmt: skip

    def commit(self, message: str = "change", **files: str) -> str:
        for name, text in files.items():
            target = self.path / name.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-F", "-", data=message.encode())
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "served", "ghs_token")
    yield server
    server.stop()


@pytest.fixture
def fork(tmp_path: Path, git_server: GitServer) -> Repository:
    """A bare repository, served as /fork.git."""
    fork = Repository(tmp_path / "served" / "fork.git", bare=True)
    fork.git("config", "http.receivepack", "true")
    return fork
