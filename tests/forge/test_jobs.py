"""What a job's token may do to the runs and jobs of others, and how a run is run again in part."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from patch_app.forge.actions_api import Conclusion
from patch_app.forge.core import ForgeOptions
from tests import keys
from tests.forge.conftest import World
from tests.forge.test_repositories import DISPATCH, SENT, R

ALL = {"checks": "write", "actions": "write", "statuses": "write", "contents": "write"}


@pytest.fixture
def options(request: pytest.FixtureRequest) -> ForgeOptions:
    marker = request.node.get_closest_marker("forge")
    return ForgeOptions(new_key=keys.key, **(marker.kwargs if marker else {}))


def dispatched(world: World) -> int:
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    run: int = answer.json()["workflow_run_id"]
    return run


def jobs(world: World, run: int, which: str = "all") -> list[Any]:
    found: list[Any] = world.alice.api("GET", f"{R}/actions/runs/{run}/jobs?filter={which}")["jobs"]
    return found


@pytest.mark.parametrize(
    "renames",
    [
        pytest.param(False, marks=pytest.mark.forge(names_follow_checks=False)),
        pytest.param(True, marks=pytest.mark.forge(names_follow_checks=True)),
    ],
)
def test_job_of_somebody_patches_the_check_run_of_another_but_not_its_end(
    world: World, renames: bool
) -> None:
    job = world.script.finish(dispatched(world))
    run = dispatched(world)
    token = world.script.start_job(run, ALL).token
    at = f"{R}/check-runs/{job}"
    for sent in ({"conclusion": "failure"}, {"status": "in_progress"}):
        answer = world.request(token, "PATCH", at, sent)
        assert answer.status_code == 403
        assert "only be updated internally" in answer.json()["message"]
    note = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
    sent = {"name": "green", "output": {"title": "T", "summary": "S", "annotations": [note]}}
    assert world.request(token, "PATCH", at, sent).json()["name"] == "green"
    assert len(world.alice.api("GET", f"{at}/annotations")) == 2
    assert world.alice.api("GET", f"{R}/actions/jobs/{job}")["name"] == ("green" if renames else "carry")
    # one that it made itself is another matter
    made = world.request(token, "POST", f"{R}/check-runs", {"name": "ci", "head_sha": world.head()}).json()
    assert made["app"]["slug"] == "github-actions"
    green = world.request(token, "PATCH", f"{R}/check-runs/{made['id']}", {"conclusion": "success"})
    assert green.json()["conclusion"] == "success"


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(False, marks=pytest.mark.forge(lists_kept_jobs=False)),
        pytest.param(True, marks=pytest.mark.forge(lists_kept_jobs=True, older_steps=False)),
    ],
)
def test_failed_jobs_alone_are_run_again(world: World, kept: bool) -> None:
    run = dispatched(world)
    good = world.script.start_job(run).id
    world.script.sink.job_completed(run, job_id=good, conclusion=Conclusion.SUCCESS)
    world.script.finish(run, ended=Conclusion.FAILURE)
    assert world.alice.request("POST", f"{R}/actions/runs/{run}/rerun-failed-jobs").status_code == 201
    assert (world.script.runs[run].run_attempt, world.script.runs[run].failed_only) == (2, True)
    assert world.alice.request("POST", f"{R}/actions/runs/{run}/rerun-failed-jobs").status_code == 403
    world.script.finish(run)
    newest = [job for job in jobs(world, run) if job["run_attempt"] == 2 and job["conclusion"] == "success"]
    assert len(newest) == 1 + kept
    older = [job["steps"] for job in jobs(world, run) if job["run_attempt"] == 1]
    assert any(older) is not kept
    assert any(
        job["steps"] for job in world.alice.api("GET", f"{R}/actions/runs/{run}/attempts/1/jobs")["jobs"]
    )
    assert world.alice.request("POST", f"{R}/actions/runs/{run}/rerun-failed-jobs").status_code == 403


def test_log_has_a_time_on_each_line_and_is_gone_once_somebody_deletes_it(world: World) -> None:
    run = dispatched(world)
    token = world.script.start_job(run, ALL)
    assert world.alice.request("GET", f"{R}/actions/jobs/{token.id}/logs").status_code == 404
    assert world.request(token.token, "DELETE", f"{R}/actions/runs/{run}/logs").status_code == 403
    world.script.sink.job_completed(
        run, job_id=token.id, conclusion=Conclusion.SUCCESS, log="one\n\n2026-01-01T00:00:00Z two\n"
    )
    world.script.sink.run_completed(run, Conclusion.SUCCESS)
    answer = world.alice.request("GET", f"{R}/actions/jobs/{token.id}/logs")
    text = httpx.get(answer.headers["location"], trust_env=False).text
    assert [line.split("Z ", 1)[1] for line in text.splitlines()] == ["one", "", "2026-01-01T00:00:00Z two"]
    other = world.script.start_job(dispatched(world), ALL)
    assert world.request(other.token, "DELETE", f"{R}/actions/runs/{run}/logs").status_code == 204
    assert world.alice.request("GET", f"{R}/actions/jobs/{token.id}/logs").status_code == 410
    weak = world.script.start_job(dispatched(world), {"actions": "read"})
    assert world.request(weak.token, "DELETE", f"{R}/actions/runs/{run}/logs").status_code == 403
