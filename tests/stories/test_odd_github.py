"""GitHub as it is at times, and installations and repositories that change in the middle of an attempt."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.forge import Mood
from tests.stories.world import FORK, SYNC, World, check_invariants

RENAMED = "alice/kettle"


@pytest.mark.forge(dispatch_details=False)
def test_limits_and_lost_answers_at_every_step_make_nothing_twice_and_leave_nothing_out(world: World) -> None:
    moods = world.forge.moods
    wrong = [
        (Mood.SECONDARY, "POST /api/graphql"),
        (Mood.BROKEN, "POST /api/graphql"),
        (Mood.SECONDARY, "POST .*/git/refs"),
        (Mood.LOST, "POST .*/git/refs"),
        (Mood.TOO_MANY, "POST .*/dispatches"),
        (Mood.LOST, "POST .*/dispatches"),
        (Mood.TOO_MANY, "POST .*/git-upload-pack"),
        (Mood.BROKEN, "POST .*/git-receive-pack"),
        (Mood.LOST, "POST .*/pulls$"),
        (Mood.LOST, "POST .*/check-runs$"),
    ]
    for mood, where in wrong:
        moods.next(mood, where)
    world.publish("v1.1.0", {"new.txt": "new\n"})
    world.tell("v1.1.0")
    for seconds in (70, 70, 70, 70, 70, SYNC + 60, 70, SYNC + 60, 70):
        world.later(seconds)
    attempt = world.attempt()
    assert (attempt.number, attempt.stage) == (1, Stage.REVIEWING), attempt.message
    world.later(120)
    repo = world.forge.repository(FORK)
    assert len(moods.met) == len(wrong), moods.met
    assert (len(repo.runs), len(repo.issues), len(attempt.runs)) == (1, 1, 1)
    assert len([one for one in repo.checks.values() if one.external_id == attempt.id]) == 1
    world.approve(attempt)
    moods.next(Mood.LOST, "POST /api/graphql", times=2)
    moods.next(Mood.SECONDARY, "PATCH .*/check-runs")
    world.settle()
    for _ in range(3):
        world.later(70)
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate)
    check_invariants(world)


def test_an_installation_suspended_in_the_middle_and_a_repository_renamed_after_it_is_back(
    world: World,
) -> None:
    world.publish("v1.1.0", {"new.txt": "new\n"})
    world.forge.webhooks.hold("workflow_run")
    world.forge.webhooks.hold("workflow_job")
    world.poll()
    world.settle()
    assert world.attempt().stage is Stage.RUNNING
    world.forge.suspend(world.installation, by="alice")
    world.forge.webhooks.release()
    world.settle()
    world.later()
    attempt = world.attempt()
    assert attempt.stage is Stage.BLOCKED
    assert "suspended" in attempt.message
    assert world.ref(world.maintenance()) == names.ZERO
    world.forge.suspend(world.installation, by="alice", on=False)
    world.settle()
    world.later()
    attempt = world.attempt()
    assert attempt.stage is Stage.REVIEWING, attempt.message
    world.alice.api("PATCH", f"/repos/{FORK}", {"name": "kettle"})
    assert attempt.pull_request is not None
    world.bob.api(
        "POST",
        f"/repos/{RENAMED}/pulls/{attempt.pull_request.number}/reviews",
        {"event": "APPROVE", "commit_id": attempt.candidate, "body": "x"},
    )
    world.settle()
    world.later()
    attempt = world.attempt()
    assert attempt.stage is Stage.PROMOTED, attempt.message
    assert world.ref("refs/heads/main", RENAMED) == attempt.candidate
    # and the next one, on a default branch that got another name
    world.set_ref("refs/heads/trunk", attempt.candidate or "", repository=RENAMED)
    world.alice.api("PATCH", f"/repos/{RENAMED}", {"default_branch": "trunk"})
    world.delete_ref("refs/heads/main", repository=RENAMED)
    second = world.release("v1.2.0", {"newer.txt": "newer\n"})
    assert (second.repository, second.stack, second.stage) == (RENAMED, "trunk", Stage.REVIEWING)
    world.alice.api("PATCH", f"/repos/{RENAMED}", {"name": "pot"})
    world.settle()
    world.approve(second)
    world.settle()
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    assert world.ref("refs/heads/trunk") == second.candidate
