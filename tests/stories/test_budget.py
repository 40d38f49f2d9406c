"""What one clean attempt asks of GitHub, from the release to the promotion, with its webhooks arriving."""

from __future__ import annotations

import httpx

from patch_app.core.attempt import Stage
from tests.stories.world import World

MOST_WRITES, MOST_REQUESTS = 10, 40
# requests that change nothing, though they are sent by POST: Git's list of refs, and tokens
_READS = ("/git-upload-pack", "/access_tokens")


def test_clean_attempt_needs_few_requests_and_fewer_writes(world: World) -> None:
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        path = request.url.path.removeprefix("/api/v3")
        writes = request.method != "GET" and not path.endswith(_READS)
        if path == "/api/graphql":
            writes = b"mutation" in request.content
        seen.append(f"{'WRITE' if writes else 'read '} {request.method} {path}")

    world.server.engine.intake.app.http.event_hooks = {"request": [note], "response": []}
    attempt = world.release()
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    writes = [one for one in seen if one.startswith("WRITE")]
    told = "\n".join(seen)
    assert len(writes) <= MOST_WRITES, told
    assert len(seen) <= MOST_REQUESTS, told
    world.ends()
