"""What one clean attempt costs GitHub, from the release to the promotion."""

from __future__ import annotations

from collections import Counter
import re
import httpx

from patch_app.core.attempt import Stage
from tests.stories.world import World


def test_a_clean_attempt(world: World) -> None:
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        told = request.url.path
        if "graphql" in told:
            told += " " + request.content[:60].decode()
        seen.append(f"{request.method} {told} {request.url.query.decode()[:60]}")

    world.server.engine.intake.app.http.event_hooks = {"request": [note], "response": []}
    attempt = world.release()
    seen.append("-- approve")
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    for one in seen:
        print(one)
    print(len(seen))
    assert 0
