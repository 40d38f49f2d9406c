"""`move = "pull-request"`: what is opened, what is closed again, and what counts as a promotion."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Check, Stage
from patch_app.core.configuration import Configuration
from patch_app.core.effects import Close, Effect, Land, OpenPullRequest, UpdateRefs
from patch_app.core.rules import RuleCheck, Rules
from tests.core.world import CARRIED, HEAD, LANDING, World, oid

LANDS = Configuration.model_validate({"promotion": {"move": "pull-request"}})
BRANCH = f"refs/heads/{names.landing_branch('main', 'v2.0.0')}"
TAG = f"refs/tags/{names.candidate_tag('main', 'v2.0.0')}"


def reviewing(configuration: Configuration = LANDS, **facts: Any) -> World:
    world = World(configuration=configuration, **facts)
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING, world.attempt.message
    return world


def opened(**facts: Any) -> World:
    world = reviewing(**facts)
    world.approve()
    assert world.settle() is Stage.PROMOTING, world.attempt.message
    return world


def wishes(world: World, kind: type[Effect]) -> list[Any]:
    return [one.effect for one in world.effects.values() if isinstance(one.effect, kind)]


def test_approved_candidate_waits_in_a_pull_request_and_nothing_of_ours_moves_the_branch() -> None:
    world = opened()
    (land,) = wishes(world, Land)
    assert (land.onto, land.candidate, land.before) == (HEAD, CARRIED[-1], names.ZERO)
    assert [(one.head, one.base) for one in wishes(world, OpenPullRequest)][1:] == [
        (names.landing_branch("main", "v2.0.0"), "main")
    ]
    assert world.maintained_moves == []
    assert world.refs[names.archive_ref(world.attempt.id)] == HEAD
    world.wait(100_000)
    assert world.settle() is Stage.PROMOTING
    world.merge()
    assert world.settle() is Stage.PROMOTED
    assert world.maintained_moves == []
    assert world.refs[TAG] == CARRIED[-1]
    assert not [one for one in world.refs if "/maintenance/" in one or "/landing/" in one or "/base/" in one]
    # once was enough: what people do with the tag afterwards is theirs
    del world.refs[TAG]
    world.settle()
    assert TAG not in world.refs


@pytest.mark.parametrize(
    "rules", [Rules(any=True, problem="they have a rule of merge_queue"), Rules(approvals=3)]
)
def test_rules_that_the_app_can_not_meet_are_left_to_the_pull_request(rules: Rules) -> None:
    assert opened(rules=rules).landing is not None


def test_nothing_is_opened_without_an_approval_of_this_very_commit() -> None:
    world = reviewing()
    world.approve(oid("another"))
    world.approve(permission="read", person="rita")
    assert world.settle() is Stage.REVIEWING
    assert wishes(world, Land) == []


def test_configured_checks_must_have_passed_and_those_of_the_branch_are_asked_of_the_pull_request() -> None:
    configuration = Configuration.model_validate(
        {"promotion": {"move": "pull-request", "required_checks": ["ci"]}}
    )
    world = reviewing(configuration, rules=Rules(required_checks=(RuleCheck(name="lint"),)))
    world.approve()
    assert world.settle() is Stage.REVIEWING
    assert "`ci` has not passed" in world.attempt.message
    assert "lint" not in world.attempt.message
    world.checks = (Check(name="ci", app="github-actions", run=1, status="completed", conclusion="success"),)
    assert world.settle() is Stage.PROMOTING


def test_commits_on_the_branch_close_the_pull_request_and_are_carried_too() -> None:
    world = opened()
    world.push("refs/heads/main", oid("later"))
    assert world.settle() is Stage.SUPERSEDED
    assert world.replays == 1
    assert world.landing is not None
    assert not world.landing.open
    assert BRANCH not in world.refs


def test_merge_that_comes_after_the_end_is_no_promotion_of_this_attempt_and_breaks_nothing() -> None:
    world = opened()
    world.push("refs/heads/main", oid("later"))
    world.settle()
    world.merge()
    assert world.settle() is Stage.SUPERSEDED


@pytest.mark.parametrize("stage", ["held", "reviewing"])
def test_merge_that_comes_before_the_pull_request_is_closed_is_the_promotion(stage: str) -> None:
    world = opened()
    world.merge()
    if stage == "held":
        world.ask("/patch hold")
    else:
        world.reviews = ()
    assert world.settle() is Stage.PROMOTED


def test_squash_is_no_promotion_and_the_second_pull_request_is_of_the_same_commit() -> None:
    world = opened()
    world.merge("squash")
    assert world.settle() is Stage.HELD
    assert "by squash or rebase" in world.attempt.message
    assert (world.replays, TAG in world.refs) == (0, False)
    world.ask("/patch promote")
    assert world.settle() is Stage.PROMOTING, world.attempt.message
    assert len({one.candidate for one in wishes(world, Land)}) == 1
    # others' commits on top of the squash are merged with it, as anybody's are
    world.refs["refs/heads/main"] = oid("later")
    assert world.settle() is Stage.PROMOTING
    world.merge()
    assert world.settle() is Stage.PROMOTED


def test_closed_is_no_and_is_not_asked_again_by_itself() -> None:
    world = opened()
    world.merge("close")
    assert world.settle() is Stage.HELD
    world.wait(100_000)
    assert world.settle() is Stage.HELD
    assert len(wishes(world, OpenPullRequest)) == 2
    world.ask("/patch resume")
    assert world.settle() is Stage.PROMOTING
    assert len(wishes(world, OpenPullRequest)) == 3


def test_persons_commit_on_the_landing_branch_stays_and_the_pull_request_is_closed() -> None:
    world = opened()
    world.refs[BRANCH] = oid("sneaked")
    assert world.settle() is Stage.HELD
    assert world.refs[BRANCH] == oid("sneaked")
    assert len(wishes(world, Close)) == 1
    world.ask("/patch promote")
    assert world.settle() is Stage.BLOCKED
    assert "isn't ours" in world.attempt.message


def test_branch_of_that_name_that_is_our_own_commit_is_known_again() -> None:
    # its making was told to nobody, since the server was stopped
    world = reviewing()
    world.refs[BRANCH] = LANDING
    world.approve()
    assert world.settle() is Stage.PROMOTING
    assert world.landing is not None


def test_pull_request_that_github_refuses_blocks_with_its_reason() -> None:
    world = reviewing()
    world.refuse = {"open_pull_request": "No commits between main and it"}
    world.approve()
    assert world.settle() is Stage.BLOCKED
    assert "No commits between" in world.attempt.message
    world.refuse = {}
    world.ask("/patch retry")
    assert world.settle() is Stage.PROMOTING


def test_persons_push_to_the_maintenance_branch_meanwhile_is_not_deleted_by_a_late_merge() -> None:
    world = opened()
    maintenance = f"refs/heads/{names.maintenance_branch('main', 'v2.0.0')}"
    world.refs[maintenance] = oid("mine")
    world.merge()
    assert world.settle() is Stage.PROMOTED
    assert world.refs[maintenance] == oid("mine")
    assert world.refs[TAG] == CARRIED[-1]


@pytest.mark.parametrize("command", ["/patch abandon", "/patch hold"])
def test_what_ends_or_holds_an_attempt_leaves_nothing_to_be_merged(command: str) -> None:
    world = opened()
    world.ask(command)
    world.settle()
    assert world.landing is not None
    assert not world.landing.open
    assert BRANCH not in world.refs
    removed = [one for one in wishes(world, UpdateRefs) if one.purpose == "landing"]
    assert [(change.before, change.after) for one in removed for change in one.changes] == [
        (LANDING, names.ZERO)
    ]


def test_rollback_says_to_revert_the_pull_request() -> None:
    world = opened()
    world.merge()
    world.settle()
    world.ask("/patch rollback", permission="admin")
    assert world.settle() is Stage.PROMOTED
    assert "revert #2 on GitHub" in world.answers[-1]
