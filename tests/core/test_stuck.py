"""What used to leave an attempt standing for ever, or its end untold."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.core.decide import decide
from patch_app.core.effects import Close, EffectState, PutCheckRun
from tests.core.world import HEAD, INBOX, START, World, oid


def in_review(**changes: object) -> World:
    world = World(**changes)  # type: ignore[arg-type]
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING, world.attempt.message
    return world


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.REVIEWING])
def test_suspended_installation_that_comes_back_goes_on_where_it_was(stage: Stage) -> None:
    world = World()
    world.settle()
    if stage is Stage.REVIEWING:
        world.run_ends()
        world.settle()
    assert world.attempt.stage is stage
    world.gone = "suspended"
    assert world.settle() is Stage.BLOCKED
    assert world.attempt.message == "suspended"
    world.gone = None
    assert world.settle() is stage


def test_retry_after_a_refused_pull_request_opens_it() -> None:
    world = World(refuse={"open_pull_request": "403"})
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    world.refuse = {}
    world.retry()
    assert world.settle() is Stage.REVIEWING
    assert world.pull_request is not None


def test_retry_in_the_preflight_asks_for_the_pin_again() -> None:
    world = World()
    world.step()
    world.workflow_blob = None
    world.settle()
    assert world.attempt.stage is Stage.BLOCKED
    world.retry()
    world.workflow_blob = oid("blob")
    assert world.settle() is Stage.RUNNING


def test_retry_after_a_refused_issue_and_check_run_tells_the_conflict() -> None:
    world = World(conflict=True, refuse={"open_issue": "403", "put_check_run": "403"})
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.CONFLICT
    assert world.attempt.issue is None
    world.refuse = {}
    world.retry()
    world.settle()
    assert world.attempt.issue is not None
    assert world.attempt.check_run is not None


def test_step_that_promotes_brings_its_last_words_with_it() -> None:
    world = in_review()
    world.approve()
    while world.attempt.stage is not Stage.PROMOTED:
        assert world.step()
    pending = [one.effect for one in world.effects.values() if one.state is EffectState.PENDING]
    assert [one.subject for one in pending if isinstance(one, Close)] == ["pull_request"]


def test_step_that_fails_brings_its_check_run_with_it() -> None:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    world.settle()
    failed = world.attempt.model_copy(update={"stage": Stage.RUNNING, "runs": ()})
    decision = decide(failed, world.facts().model_copy(update={"inbox": (), "now": START.replace(year=2027)}))
    assert decision.attempt.stage is Stage.FAILED
    assert any(isinstance(one, PutCheckRun) and one.conclusion == "failure" for one in decision.effects)


def test_tag_of_our_name_that_somebody_else_made_is_left_alone() -> None:
    world = in_review()
    ref = f"refs/tags/{names.candidate_tag('main', 'v2.0.0')}"
    world.refs[ref] = oid("theirs")
    world.approve()
    assert world.settle() is Stage.BLOCKED
    assert "isn't ours" in world.attempt.message
    assert world.refs[ref] == oid("theirs")
    assert world.refs["refs/heads/main"] == HEAD
    del world.refs[ref]
    assert world.settle() is Stage.PROMOTED


def test_refs_that_github_refuses_are_to_be_mended_and_no_fault_of_the_bundle() -> None:
    world = World(refuse={"relay": "push declined due to repository rule violations"})
    world.refused_with = {"status": 422}
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    assert "rule violations: let the App and its workflow make one of the two" in world.attempt.message
    world.refuse.clear()
    assert world.settle() is Stage.BLOCKED
    world.retry()
    assert world.settle() is Stage.REVIEWING


def test_a_run_that_may_hand_nothing_over_waits_for_its_rerun_and_does_not_end() -> None:
    world = World(vouches=(), turned_away="refs/heads/patch-app/inbox/x/1: hook declined")
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    assert "patch-app/inbox/x/1: hook declined" in world.attempt.message
    for _ in range(3):
        world.wait(20)
        assert world.settle() is Stage.BLOCKED
    world.run, world.run_attempt = "in_progress", 2
    assert world.settle() is Stage.RUNNING
    world.vouches, world.turned_away = (INBOX,), ""
    world.run_ends()
    assert world.settle() is Stage.REVIEWING


def test_refs_that_became_branches_on_the_way_stay_it_for_this_attempt() -> None:
    world = World()
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING
    assert not world.attempt.on_branches
    (relay,) = [one for one in world.effects.values() if one.effect.kind == "relay"]
    world.effects[relay.key] = relay.model_copy(update={"outcome": {"on_branches": True}})
    world.settle()
    assert world.attempt.on_branches
    assert world.attempt.place(names.archive_ref("x")) == "refs/heads/patch-app/archive/x"
    assert world.attempt.place("refs/heads/main") == "refs/heads/main"
