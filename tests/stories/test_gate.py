"""What would run because of the App, and with what: what isn't known starts only once somebody says so."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from tests.stories.world import FORK, World, numbered

PUBLISH = """\
name: publish
on: push
permissions: {contents: read}
jobs:
  publish:
    if: github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    env: {KEY: "${{ secrets.PUBLISH_KEY }}"}
    steps:
      - run: make publish
"""
STOLEN = PUBLISH.replace("    if: github.ref == 'refs/heads/main'\n", "").replace("make publish", "steal")
SILENT = """\
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: make test
"""
WORKFLOW = ".github/workflows/publish.yml"


def runs(world: World) -> list[str]:
    """The events of all runs but the App's own."""
    rows = world.forge.repository(FORK).runs.values()
    return [one.event for one in rows if one.event != "workflow_dispatch"]


def nothing_was_made(world: World, tag: str = "v1.1.0") -> bool:
    """No branch of the App's, no pull request, no tag that could start a workflow."""
    made = [one for one in world.refs() if one.startswith(("refs/heads/patch-app/", "refs/tags/patch-app/"))]
    return [one for one in made if names.escape(tag) in one] == []


def test_a_job_with_a_secret_lost_its_condition_and_runs_something_else(world: World) -> None:
    first = world.release("v1.1.0", {WORKFLOW: PUBLISH, "pot.txt": numbered(l15="v1.1.0")})
    assert first.issue is not None
    world.comment(first.issue.number, f"/patch trust-workflows {first.candidate}", world.mia)
    world.settle()
    world.approve(world.attempt())
    world.settle()
    before = runs(world)
    attempt = world.release("v1.2.0", {WORKFLOW: STOLEN})
    assert (attempt.stage, attempt.pull_request) == (Stage.CARRIED, None)
    assert nothing_was_made(world, "v1.2.0")
    assert runs(world) == before
    assert attempt.issue is not None
    body = world.issue(attempt.issue.number)["body"]
    assert "| changed job | `secret PUBLISH_KEY` |" in body
    assert "-      - run: make publish\n+      - run: steal" in body
    # the same again is known once the branch has it
    world.comment(attempt.issue.number, f"/patch trust-workflows {attempt.candidate}", world.mia)
    world.settle()
    world.approve(world.attempt("v1.2.0"))
    world.settle()
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    assert world.release("v1.3.0", {"pot.txt": numbered(l15="v1.3.0")}).stage is Stage.REVIEWING
    world.ends()


def test_upstream_changes_what_has_nothing_to_lose(world: World) -> None:
    silent = SILENT.replace("jobs:", "permissions: {contents: read}\njobs:")
    assert world.release("v1.1.0", {WORKFLOW: silent}).stage is Stage.REVIEWING
    changed = silent.replace("make test", "make test lint")
    assert world.release("v1.2.0", {WORKFLOW: changed}).stage is Stage.REVIEWING
    world.ends()


def silent(world: World, default: str, *, granted: bool) -> Attempt:
    """A release with a workflow that says nothing of permissions, where the fork's default is `default`."""
    if granted:
        state = world.forge.core.state
        state.installations[world.installation].permissions["administration"] = "read"
        state.apps[world.app.id].permissions["administration"] = "read"
    setting = {"default_workflow_permissions": default}
    world.alice.api("PUT", f"/repos/{FORK}/actions/permissions/workflow", setting)
    return world.release("v1.1.0", {WORKFLOW: SILENT, "pot.txt": numbered(l15="v1.1.0")})


def test_a_workflow_says_nothing_of_permissions_and_the_default_is_read(world: World) -> None:
    assert silent(world, "read", granted=True).stage is Stage.REVIEWING
    world.ends()


def test_a_workflow_says_nothing_of_permissions_and_the_default_is_write(world: World) -> None:
    attempt = silent(world, "write", granted=True)
    assert attempt.stage is Stage.CARRIED
    assert attempt.gate[0].detail == "permission the repository's default: write"
    world.ends()


def test_a_workflow_says_nothing_of_permissions_and_the_default_can_not_be_read(world: World) -> None:
    attempt = silent(world, "read", granted=False)
    assert attempt.stage is Stage.CARRIED
    assert "which may be write" in attempt.gate[0].detail
    world.ends()


HOLD = pytest.mark.fork(configuration='[candidate]\nworkflows = "hold"\n')


@HOLD
def test_nothing_of_a_candidate_runs_before_somebody_has_said_so(world: World) -> None:
    silent = SILENT.replace("jobs:", "permissions: {contents: read}\njobs:")
    attempt = world.release("v1.1.0", {WORKFLOW: silent, "pot.txt": numbered(l15="v1.1.0")})
    assert (attempt.stage, attempt.pull_request) == (Stage.CARRIED, None)
    assert nothing_was_made(world)
    assert runs(world) == []
    assert attempt.issue is not None
    assert "| new job | `nothing worth having` |" in world.issue(attempt.issue.number)["body"]
    world.comment(attempt.issue.number, f"/patch trust-workflows {attempt.candidate}", world.bob)
    world.later()
    assert nothing_was_made(world)
    world.comment(attempt.issue.number, f"/patch trust-workflows {attempt.candidate}", world.mia)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    assert runs(world)
    world.approve(world.attempt())
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    # each candidate waits, though nothing of the next is new
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.2.0")})
    assert attempt.stage is Stage.CARRIED
    assert nothing_was_made(world, "v1.2.0")
    assert attempt.issue is not None
    assert world.issue(attempt.issue.number)["title"] == "Nothing of v1.2.0 runs before somebody has said so"
    world.ends()


@HOLD
def test_a_conflict_waits_too_before_its_branch_is_made(world: World) -> None:
    attempt = world.release("v1.1.0", {"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.CONFLICT
    assert nothing_was_made(world)
    assert attempt.issue is not None
    world.comment(attempt.issue.number, f"/patch trust-workflows {attempt.candidate}", world.mia)
    world.settle()
    assert world.ref(world.maintenance()) == attempt.candidate
    world.ends()


@pytest.mark.fork(configuration='[candidate]\nworkflows = "hold"\n', issues=False)
def test_a_maintainer_lets_workflows_run_by_the_check_run_where_issues_are_off(world: World) -> None:
    attempt = world.release("v1.1.0")
    assert attempt.stage is Stage.CARRIED
    assert "the button of the App's check run" in attempt.message
    assert attempt.check_run is not None
    check = world.forge.repository(FORK).checks[attempt.check_run]
    assert (check.conclusion, check.head_sha) == ("action_required", attempt.candidate)
    world.forge.press(FORK, attempt.check_run, "trust-workflows", by=world.bob.login)
    world.settle()
    assert world.attempt().stage is Stage.CARRIED
    assert nothing_was_made(world)
    world.forge.press(FORK, attempt.check_run, "trust-workflows", by=world.mia.login)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.ends()
