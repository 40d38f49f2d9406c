"""A local GitHub with an upstream, a fork and an App, for each test anew."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from patch_app.forge import Forge, ForgeOptions, Person
from patch_app.forge.apps import CreatedApp
from tests import keys
from tests.forge.scripted import Script

PERMISSIONS = {
    "actions": "write",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "workflows": "write",
}
EVENTS = [
    "push",
    "create",
    "delete",
    "pull_request",
    "pull_request_review",
    "check_run",
    "workflow_run",
    "release",
]
WORKFLOW = """name: carry
run-name: "patch_app ${{ inputs.attempt }}"
on:
  workflow_dispatch:
    inputs:
      attempt: {required: true}
jobs:
  carry:
    runs-on: ubuntu-latest
    steps:
      - run: 'true'
"""
R = "/repos/alice/tool"


@dataclass
class Receiver:
    """Where webhooks arrive."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 202

    def events(self) -> list[str]:
        rows = []
        for headers, body in self.got:
            action = json.loads(body).get("action")
            rows.append(headers["x-github-event"] + (f".{action}" if action else ""))
        return rows


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(state.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@dataclass
class World:
    forge: Forge
    script: Script
    alice: Person
    bob: Person
    app: CreatedApp
    installation: int

    def jwt(self, **claims: Any) -> str:
        now = int(time.time())
        return jwt.encode(
            {"iat": now - 30, "exp": now + 300, "iss": self.app.client_id} | claims, self.app.pem, "RS256"
        )

    def request(
        self, token: str | None, method: str, path: str, sent: Any = None, **headers: str
    ) -> httpx.Response:
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {token}"
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.forge.api_url + path, json=sent, headers=given)

    def token(self, **wanted: Any) -> str:
        path = f"/app/installations/{self.installation}/access_tokens"
        answer = self.request(self.jwt(), "POST", path, wanted)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def graphql(self, token: str, query: str, **variables: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.post(
                f"{self.forge.url}/api/graphql",
                json={"query": query, "variables": variables},
                headers={"Authorization": f"Bearer {token}"},
            )

    def head(self, branch: str = "main", repo: str = "alice/tool") -> str:
        sha: str = self.alice.api("GET", f"/repos/{repo}/git/ref/heads/{branch}")["object"]["sha"]
        return sha


@pytest.fixture
def options() -> ForgeOptions:
    return ForgeOptions(new_key=keys.key)


@pytest.fixture
def world(tmp_path: Path, receiver: Receiver, options: ForgeOptions) -> Iterator[World]:
    script = Script()
    with Forge(tmp_path / "data", options=options, actions=script).running() as forge:
        alice, bob = forge.add_user("alice"), forge.add_user("bob")
        forge.add_organization("acme", owners=["alice"])
        forge.add_repository("acme/tool")
        forge.commit("acme/tool", "main", {"a.txt": "1\n"}, "First")
        forge.add_fork("acme/tool", "alice/tool")
        forge.collaborator("alice/tool", "bob", "write")
        forge.commit("alice/tool", "main", {".github/workflows/carry.yml": WORKFLOW}, "Workflow")
        app = forge.create_app(
            owner="alice", name="Carrier", webhook_url=receiver.url, permissions=PERMISSIONS, events=EVENTS
        )
        number = forge.install(app, account="alice", repositories=["alice/tool"])
        forge.settle()
        receiver.got.clear()
        yield World(forge, script, alice, bob, app, number)


class Clone:
    """A person's or a job's clone."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", url)

    def git(self, *args: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "T",
            "GIT_AUTHOR_EMAIL": "t@example.invalid",
            "GIT_COMMITTER_NAME": "T",
            "GIT_COMMITTER_EMAIL": "t@example.invalid",
        }
        done = subprocess.run(
            ["git", *args], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        if ok:
            assert done.returncode == 0, done.stderr
        return done

    def commit(self, path: str, text: str) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", path)
        self.git("commit", "-q", "-m", path)
        return self.git("rev-parse", "HEAD").stdout.strip()


def clone(world: World, folder: Path, token: str | None, repo: str = "alice/tool") -> Clone:
    who = f"x-access-token:{token}@" if token else ""
    made = Clone(folder, world.forge.url.replace("http://", f"http://{who}") + f"/{repo}.git")
    made.git("fetch", "-q", "origin", "main")
    made.git("reset", "-q", "--hard", "FETCH_HEAD")
    return made
