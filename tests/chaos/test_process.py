"""The server as a process: killed after it said yes, asked to stop, and with a full disk."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import resource
import signal
import time

import httpx

from patch_app.core import names
from tests.chaos.world import Killable
from tests.stories.world import FORK, UPSTREAM, numbered


def deliver(world: Killable, tag: str, guid: str) -> int:
    """A signed release webhook, as GitHub sends it; the status of the answer."""
    body = json.dumps(
        {
            "action": "published",
            "release": {"tag_name": tag, "draft": False, "prerelease": False},
            "repository": {"id": world.forge.repository(UPSTREAM).id, "full_name": UPSTREAM},
        }
    ).encode()
    secret = (world.app.webhook_secret or "").encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": "release",
        "x-github-delivery": guid,
        "x-hub-signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    answer = httpx.post(
        f"{world.process.url}/webhooks/github", content=body, headers=headers, trust_env=False, timeout=30
    )
    return answer.status_code


def pid(world: Killable) -> int:
    process = world.process._process
    assert process is not None
    return process.pid


def test_server_is_killed_right_after_it_took_a_webhook(world: Killable) -> None:
    world.run(more={"POLL_SECONDS": "0"})
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    assert deliver(world, "v1.1.0", "0b989ba4-242f-11e5-81e1-c7b6966d2516") == 202
    os.kill(pid(world), signal.SIGKILL)
    assert world.process.wait(10) == -signal.SIGKILL
    world.process.start()
    assert deliver(world, "v1.1.0", "0b989ba4-242f-11e5-81e1-c7b6966d2516") == 202
    world.comes_to("v1.1.0", "reviewing")
    assert len(world.all()) == 1


def test_server_is_asked_to_stop_in_the_middle_of_a_run(world: Killable) -> None:
    world.run()
    world.robot.hold()
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.until(lambda: world.one("v1.1.0").get("stage") in ("dispatched", "running"), "no run")
    token = world.process.token()
    with httpx.stream("GET", f"{world.process.url}/", headers=token, trust_env=False) as page:
        assert page.status_code == 200
    began = time.monotonic()
    assert world.process.stop() == 0
    assert time.monotonic() - began < 8
    world.robot.resume()
    world.forge.settle(60)
    assert "Traceback" not in world.process.log.read_text()
    world.process.start()
    world.comes_to("v1.1.0", "reviewing")
    assert len(world.forge.repository(FORK).runs) == 1


def test_disk_is_full_and_then_it_is_not(world: Killable) -> None:
    world.run(more={"POLL_SECONDS": "0"})
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.forge.settle(60)
    unlimited = resource.prlimit(pid(world), resource.RLIMIT_FSIZE)
    # no file of the process may grow: every write of SQLite's fails, as on a full disk
    resource.prlimit(pid(world), resource.RLIMIT_FSIZE, (1, unlimited[1]))
    assert deliver(world, "v1.1.0", "11111111-242f-11e5-81e1-c7b6966d2516") == 503
    assert world.process.running
    resource.prlimit(pid(world), resource.RLIMIT_FSIZE, unlimited)
    assert deliver(world, "v1.1.0", "11111111-242f-11e5-81e1-c7b6966d2516") == 202
    world.comes_to("v1.1.0", "reviewing")
    assert world.ref(names.head("main")) != names.ZERO
