"""A promoted candidate goes on: to an internal build, and to a release of the fork's own."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.forge.actions_api import Conclusion
from patch_app.store.flow_events import EventFilter
from tests.stories.world import FORK, UPSTREAM, World

BUILD = (
    "on:\n  workflow_dispatch:\n    inputs:\n      commit: {}\njobs: {a: {runs-on: x, steps: [{run: b}]}}\n"
)
RELEASE = "on:\n  push:\n    tags: ['v*.*.*']\njobs: {a: {runs-on: x, steps: [{run: b}]}}\n"
CONFIGURATION = """\
[channels.internal]
workflow = "build.yml"
inputs = { commit = "{candidate}" }
approve = "auto"
[channels.public]
suffix = "-fork.{n}"
workflow = "release.yml"
"""
FILES = {".github/workflows/build.yml": BUILD, ".github/workflows/release.yml": RELEASE}


@pytest.fixture
def arranged(bare: World) -> World:
    """A fork with both channels, whose own workflows are patches of the stack."""
    bare.arrange(configuration=CONFIGURATION)
    bare.patch(FILES, "Build and release in our own way")
    bare.serve()
    return bare


def promoted(world: World, tag: str = "v1.1.0", **files: Any) -> Attempt:
    attempt = world.release(tag, **files)
    world.approve(attempt)
    world.settle()
    attempt = world.attempt(tag)
    assert attempt.stage is Stage.PROMOTED
    return attempt


def say(world: World, attempt: Attempt, text: str, by: Any) -> list[str]:
    """What the App answers to a comment on the attempt's pull request."""
    assert attempt.pull_request is not None
    number = attempt.pull_request.number
    before = len(world.comments(number))
    world.comment(number, text, by)
    world.settle()
    return world.comments(number)[before + 1 :]


def runs(world: World, file: str) -> list[Any]:
    found = world.alice.api("GET", f"/repos/{FORK}/actions/workflows/{file}/runs")
    return list(found["workflow_runs"])


def state(world: World, tag: str = "v1.1.0") -> dict[str, tuple[str, str]]:
    return {one.name.value: (one.state.value, one.why) for one in world.attempt(tag).channels}


def released(world: World) -> list[Any]:
    wanted = EventFilter(type="downstream.release")
    return [one.payload for one in world.server.call(lambda: world.store.events(wanted))]


def test_a_promotion_is_built_and_a_person_has_it_released_under_a_name_that_upstream_has_not(
    arranged: World,
) -> None:
    world = arranged
    attempt = promoted(world)
    assert state(world) == {"internal": ("done", ""), "public": ("offered", "")}
    [build] = runs(world, "build.yml")
    assert (build["head_sha"], build["event"]) == (attempt.candidate, "workflow_dispatch")
    assert attempt.pull_request is not None
    offer = world.comments(attempt.pull_request.number)[-2:]
    assert any("`/patch promote public`" in one and "`v1.1.0-fork.1`" in one for one in offer)
    # who may only read is told so, and nothing is published
    [answer] = say(world, attempt, "/patch promote public", world.rita)
    assert "needs write permission" in answer
    # the tag starts the workflow, whose success is waited for
    world.robot.hold()
    [answer] = say(world, attempt, "/patch promote public", world.mia)
    assert "puts the tag `v1.1.0-fork.1` on" in answer
    assert world.ref("refs/tags/v1.1.0-fork.1") == attempt.candidate
    assert (state(world)["public"], released(world)) == (("running", ""), [])
    [answer] = say(world, attempt, "/patch promote public", world.mia)
    assert "under way already" in answer
    world.robot.resume()
    world.settle()
    assert state(world)["public"] == ("done", "")
    assert world.comments(attempt.pull_request.number)[-1].startswith("<!-- patch-app:channel:")
    [event] = released(world)
    assert (event["tag"], event["commit"]) == ("v1.1.0-fork.1", attempt.candidate)
    assert (event["upstream_tag"], event["asked_by"]) == ("v1.1.0", "mia")
    assert [(run["event"], run["head_branch"]) for run in runs(world, "release.yml")] == [
        ("push", "v1.1.0-fork.1")
    ]
    # nothing is released twice
    [answer] = say(world, attempt, "/patch promote public", world.mia)
    assert "released as `v1.1.0-fork.1` already" in answer
    world.later()
    assert (len(runs(world, "build.yml")), len(released(world))) == (1, 1)
    world.ends()


def test_a_release_workflow_fails_is_run_again_and_its_first_end_is_no_release(arranged: World) -> None:
    world = arranged
    attempt = promoted(world)
    world.robot.others = lambda run: (
        Conclusion.FAILURE if run.path.endswith("release.yml") else Conclusion.SUCCESS
    )
    say(world, attempt, "/patch promote public", world.mia)
    assert state(world)["public"][0] == "failed"
    assert attempt.pull_request is not None
    said = world.comments(attempt.pull_request.number)[-1]
    assert "mia: `public` has failed: `release.yml`: failure" in said
    assert released(world) == []
    tag = world.ref("refs/tags/v1.1.0-fork.1")
    world.robot.others = lambda _: Conclusion.SUCCESS
    [run] = runs(world, "release.yml")
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run['id']}/rerun")
    world.settle()
    assert released(world) == []
    answer = say(world, attempt, "/patch promote public", world.mia)[0]
    assert "`v1.1.0-fork.1` is on the candidate already" in answer
    assert (state(world)["public"], len(released(world))) == (("done", ""), 1)
    assert (world.ref("refs/tags/v1.1.0-fork.1"), tag) == (attempt.candidate, attempt.candidate)
    world.ends()


def test_a_release_of_upstreams_own_name_is_refused_and_no_tag_moves(bare: World) -> None:
    world = bare
    world.arrange(configuration='[channels.public]\napprove = "command"\n')
    world.patch({".github/workflows/release.yml": RELEASE}, "Release in our own way")
    world.serve()
    attempt = promoted(world)
    theirs = world.ref("refs/tags/v1.1.0", UPSTREAM)
    [answer] = say(world, attempt, "/patch promote public", world.mia)
    assert "is a tag of `tea/pot` at another commit" in answer
    assert '`suffix = "-fork.{n}"`' in answer
    assert state(world)["public"][0] == "refused"
    assert world.ref("refs/tags/v1.1.0") == names.ZERO
    assert world.ref("refs/tags/v1.1.0", UPSTREAM) == theirs
    assert (runs(world, "release.yml"), released(world)) == ([], [])
    world.ends()
