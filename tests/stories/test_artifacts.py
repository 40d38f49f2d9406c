"""What a check made, from its machine to the attempt's record and back to a person, bytes and all."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest

from patch_app.core.attempt import Stage
from tests.stories.world import FORK, World

# fails, since the artifact of a failed check is the one that people want
CHECK = '''
[[check]]
name = "build"
run = """
mkdir -p out/.cache
printf 'log\\\\0of %s' "$GITHUB_RUN_ATTEMPT" > out/.cache/log
ln -s /etc/passwd out/passwd
exit 3
"""
artifacts = ["out/**", "ours.txt"]
'''


def downloaded(world: World, artifact: dict[str, Any]) -> dict[str, bytes]:
    redirect = world.alice.request("GET", f"/repos/{FORK}/actions/artifacts/{artifact['id']}/zip")
    assert redirect.status_code == 302
    with httpx.Client(trust_env=False) as anybody:
        archive = zipfile.ZipFile(io.BytesIO(anybody.get(redirect.headers["location"]).content))
    return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.fork(configuration=CHECK)
def test_what_a_failed_check_made_is_on_the_attempt_and_can_be_downloaded(world: World) -> None:
    attempt = world.release()
    assert attempt.stage is Stage.REVIEWING
    assert [check.conclusion for check in attempt.checks] == ["failure"]
    assert [one.name for one in attempt.artifacts] == ["check-build-1"]
    run = attempt.runs[-1]
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run.id}/rerun")
    world.settle()
    attempt = world.attempt()
    assert [one.name for one in attempt.artifacts] == ["check-build-1", "check-build-2"]
    assert attempt.pull_request is not None
    told = world.alice.api("GET", f"/repos/{FORK}/pulls/{attempt.pull_request.number}")
    assert f"- [check-build-2]({attempt.artifacts[1].url})" in told["body"]
    stored = world.alice.api("GET", f"/repos/{FORK}/actions/runs/{run.id}/artifacts")
    assert stored["total_count"] == 2
    for one in stored["artifacts"]:
        assert f"{run.url}/artifacts/{one['id']}" in {a.url for a in attempt.artifacts}
        made_by = one["name"].rpartition("-")[2].encode()
        assert downloaded(world, one) == {"ours.txt": b"ours\n", "out/.cache/log": b"log\0of " + made_by}
