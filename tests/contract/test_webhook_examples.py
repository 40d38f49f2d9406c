"""GitHub's own examples of webhooks, whole and with pieces missing, are received and taken."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import PrivateFormat
from pydantic import SecretStr

from patch_app.core.attempt import Attempt, Link, Stage
from patch_app.core.hints import concerns, hints, is_news
from patch_app.engine.forks import Forks
from patch_app.engine.intake import Intake
from patch_app.engine.onboarder import Onboarder
from patch_app.engine.onboarding import Onboarding
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.store import Store
from patch_app.web.webhook import Webhook
from tests import keys
from tests.contract.npm import webhook_examples
from tests.github.conftest import API, Clock, FakeGitHub

pytestmark = [pytest.mark.network, pytest.mark.timeout(120)]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "It's a Secret to Everybody"
# the repository, the App and the installation that most of the examples are of
REPOSITORY, SLUG, INSTALLATION = 186853002, "octoapp", 2
# no example is a push to the default branch that says what was changed
PUSH = {
    "ref": "refs/heads/main",
    "repository": {"id": REPOSITORY, "full_name": "Codertocat/Hello-World", "default_branch": "main"},
    "commits": [{"added": ["a"], "modified": [".github/patch-app.toml"], "removed": ["b"]}],
}
# how deep pieces are taken out
DEPTH = 3


def an_attempt() -> Attempt:
    return Attempt(
        id="attempt00001",
        event="event0000001",
        installation_id=INSTALLATION,
        repository_id=REPOSITORY,
        repository="Codertocat/Hello-World",
        upstream="up/tool",
        tag="v2",
        stack="main",
        stage=Stage.REVIEWING,
        target="a" * 40,
        stack_head="b" * 40,
        candidate="ec26c3e57ca3a959ca5aad62de7213c562f8c821",
        pull_request=Link(number=2, url="https://example.invalid/2"),
        created=NOW,
        updated=NOW,
    )


def variants(payload: dict[str, Any]) -> Iterator[str]:
    """The payload changed in place, one piece at a time; what was changed. Whole again afterwards."""
    places: list[tuple[dict[str, Any], str, str]] = []

    def walk(node: Any, path: str, depth: int) -> None:
        if isinstance(node, list) and node:
            walk(node[0], f"{path}[0]", depth)
        if isinstance(node, dict):
            for key, value in node.items():
                places.append((node, key, f"{path}.{key}"))
                if depth > 1:
                    walk(value, f"{path}.{key}", depth - 1)

    walk(payload, "", DEPTH)
    for node, key, path in places:
        was = dict(node)
        del node[key]
        yield f"without {path}"
        node.clear()
        node.update(was)
        for value in (None, True, 7, "\ud83d x", [], [None], {}):
            node[key] = value
            yield f"{path} = {value!r}"
        node[key] = was[key]


def look(event: str, payload: dict[str, Any], attempt: Attempt) -> None:
    found = hints(event, payload, SLUG)
    concerns(found, attempt)
    is_news(found, attempt)


def test_an_example_with_one_piece_missing_or_another_is_still_only_a_hint() -> None:
    attempt = an_attempt()
    faults = []
    seen: set[tuple[str, str]] = set()
    for event, payload in [*webhook_examples(), ("push", PUSH)]:
        # one example of each action; of the others the same is told
        kind = (event, str(payload.get("action", payload.get("ref"))))
        if kind in seen:
            continue
        seen.add(kind)
        whole = json.dumps(payload)
        for change in variants(payload):
            try:
                look(event, payload, attempt)
            except Exception as error:  # noqa: BLE001 - told below, all of them
                faults.append(f"{'.'.join(kind)} {change}: {error!r}")
        assert json.dumps(payload) == whole
    assert not faults, "\n" + "\n".join(faults)


def odd(examples: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What no example shows."""
    seen = set()
    for event, payload in examples:
        yield event, payload
        if event not in seen:
            seen.add(event)
            if isinstance(payload.get("repository"), dict):
                yield event, {**payload, "repository": {**payload["repository"], "fork": True}}
            yield f"{event}_of_tomorrow", payload
            yield event, {}
            yield event, {**payload, "action": "of_tomorrow"}
            yield event, dict.fromkeys(payload)
    for action in (
        "created",
        "deleted",
        "suspend",
        "unsuspend",
        "new_permissions_accepted",
        "added",
        "removed",
    ):
        for event in ("installation", "installation_repositories"):
            yield event, {"action": action, "installation": {"id": INSTALLATION}}
    yield "push", PUSH
    yield "repository", {"action": "renamed", "repository": PUSH["repository"]}


async def test_every_example_is_received_kept_and_taken(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    secret = SecretStr(SECRET)
    web: Any = Webhook(secret=secret, add=store.inbox_add, wake=lambda: None, clock=lambda: NOW)
    clock = Clock()
    settings = GitHubSettings(issuer="42", private_key=SecretStr(keys.pem(PrivateFormat.PKCS8)), api_url=API)
    github = httpx.MockTransport(FakeGitHub(clock))
    with structlog.testing.capture_logs() as logs:
        await store.advance(AdvanceCommit(expected_version=None, attempt=an_attempt(), due=NOW))
        async with (
            GitHubApp(settings, transport=github, now=clock.now, sleep=clock.sleep) as app,
            httpx.AsyncClient(transport=httpx.ASGITransport(app=web), base_url="http://127.0.0.1") as client,
        ):
            onboarder = Onboarder(
                app=app,
                store=store,
                onboarding=Onboarding(app=app, app_slug=SLUG, clock=lambda: NOW),
                clock=lambda: NOW,
            )
            intake = Intake(
                store=store,
                app=app,
                forks=Forks(app=app, store=store, clock=lambda: NOW),
                onboarder=onboarder,
                clock=lambda: NOW,
                app_slug=SLUG,
            )
            deliveries = list(odd(webhook_examples()))

            async def post(number: int) -> httpx.Response:
                event, body = deliveries[number][0], json.dumps(deliveries[number][1]).encode()
                return await client.post(
                    "/webhooks/github", content=body, headers=signed(event, body, number)
                )

            # side by side, so that the store keeps many with one write
            answers = await asyncio.gather(*(post(number) for number in range(len(deliveries))))
            assert {answer.status_code for answer in answers} == {202}
            woken: set[str] = set()
            while (wanted := await intake.take()) is not None:
                woken |= wanted
    store.close()
    assert [line for line in logs if line["log_level"] in ("warning", "error")] == []
    assert woken == {"attempt00001"}


def signed(event: str, body: bytes, number: int) -> dict[str, str]:
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-delivery": f"example-{number}",
        "x-github-event": event,
        "x-hub-signature-256": f"sha256={mac}",
    }
