"""Reports that hide something: a patch called the App's own, a release said to be there already."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration
from patch_app.core.report import Report, Resolution, Verdict
from tests.core.world import CARRIED, STACK, World, oid, report


def claim(world: World, **changes: Any) -> None:
    whole = report(world.attempt.id).model_dump(mode="json", by_alias=True)
    world.claim = Report.model_validate({**whole, **changes})
    world.settle()
    world.run_ends()
    world.settle()


def without_the_second_patch(**installed: Any) -> dict[str, Any]:
    whole = report("attempt00001").model_dump(mode="json", by_alias=True)
    return {
        "patches": whole["patches"][:1],
        "installed": installed,
        "candidate": {**whole["candidate"], "sha": CARRIED[1]},
    }


def test_patch_that_is_called_the_apps_own_commit_fails_with_the_reason() -> None:
    world = World()
    claim(world, **without_the_second_patch(commits=[STACK[1]], new=CARRIED[1]))
    assert world.attempt.stage is Stage.FAILED
    assert "the App's own commit, and it isn't" in world.attempt.message
    assert not world.moves


def test_apps_own_commit_that_github_shows_as_one_is_believed() -> None:
    world = World(installed=(STACK[1],))
    claim(world, **without_the_second_patch(commits=[STACK[1]], new=CARRIED[1]))
    assert world.attempt.stage is Stage.REVIEWING


@pytest.mark.parametrize(
    ("commits", "new"), [([STACK[1]], None), ([], oid("extra"))], ids=["left out", "one for none"]
)
def test_apps_own_commit_is_neither_left_out_nor_made_up(commits: list[str], new: str | None) -> None:
    world = World(installed=(STACK[1],))
    changes = (
        without_the_second_patch(commits=commits, new=new)
        if commits
        else {"installed": {"commits": [], "new": new}}
    )
    claim(world, **changes)
    assert world.attempt.stage is Stage.FAILED
    assert "leaves the App's own commits out" in world.attempt.message


NOOP = {"status": "noop", "candidate": None, "bundle": None}


def test_release_that_is_falsely_said_to_be_there_already_fails_with_the_reason() -> None:
    world = World(nothing_to_carry=False)
    claim(world, **NOOP)
    assert world.attempt.stage is Stage.FAILED
    assert "nothing to carry" in world.attempt.message


def test_release_that_is_said_to_be_there_ends_the_attempt_only_once_github_says_so_too() -> None:
    world = World(nothing_to_carry=None)
    claim(world, **NOOP)
    assert world.attempt.stage is Stage.RUNNING
    world.nothing_to_carry = True
    assert world.settle() is Stage.CONTAINED


def test_merge_that_the_stack_does_not_have_or_one_left_out_fails_with_the_reason() -> None:
    for world, claimed in ((World(), [oid("merge")]), (World(stack_merges=(oid("merge"),)), [])):
        claim(world, merges=claimed)
        assert world.attempt.stage is Stage.FAILED
        assert "merge commits are not those of the stack" in world.attempt.message


def test_merge_that_added_something_counts_as_one_patch_and_not_as_left_out_too() -> None:
    claimed = report("attempt00001")
    merge = claimed.patches[1].model_copy(update={"old": oid("merge")})
    for merges, stage in ((), Stage.REVIEWING), ((oid("merge"),), Stage.FAILED):
        world = World(stack_merges=(oid("merge"),))
        both = (*claimed.patches, merge.model_copy(update={"new": None, "verdict": Verdict.EMPTY}))
        claim(world, merges=list(merges), patches=[one.model_dump(mode="json") for one in both])
        assert world.attempt.stage is stage, world.attempt.message


PUSHED = oid("pushed")


def continued(**facts: Any) -> World:
    """An attempt that goes on from what a person pushed: the first patch, and one commit of their own."""
    world = World(**{"pushed_commits": (CARRIED[0], PUSHED), **facts})
    world.attempt = world.attempt.model_copy(update={"pushed": PUSHED})
    world.refs["refs/heads/patch-app/maintenance/main/v2.0.0"] = PUSHED
    return world


def as_pushed(**changes: Any) -> dict[str, Any]:
    whole = report("attempt00001").model_dump(mode="json", by_alias=True)
    dropped = {**whole["patches"][1], "new": None, "verdict": "dropped"}
    return {
        "patches": [whole["patches"][0], dropped],
        "added": [{"sha": PUSHED, "subject": "One more"}],
        "candidate": {**whole["candidate"], "sha": PUSHED},
        "bundle": None,
        **changes,
    }


def test_what_a_person_pushed_is_the_candidate_and_no_commit_of_the_runners_is() -> None:
    world = continued()
    claim(world, **as_pushed())
    assert world.attempt.stage is Stage.REVIEWING, world.attempt.message
    assert world.attempt.candidate == PUSHED


@pytest.mark.parametrize(
    ("facts", "changes", "why"),
    [
        ({"pushed_stands": False}, {}, "does not stand on v2.0.0"),
        ({}, {"added": []}, "not those that were pushed"),
        ({"pushed_commits": (PUSHED,)}, {}, "not those that were pushed"),
        ({}, {"candidate": {"sha": CARRIED[0], "tree": oid("tree"), "ref": "x"}}, "not what was pushed"),
    ],
)
def test_claim_about_pushed_commits_that_github_does_not_bear_out(
    facts: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    world = continued(**facts)
    claim(world, **as_pushed(**changes))
    assert world.attempt.stage is Stage.FAILED
    assert why in world.attempt.message


def test_patch_that_the_runner_drops_although_nobody_pushed_fails_with_the_reason() -> None:
    world = World()
    claim(world, **as_pushed(added=[], candidate={"sha": CARRIED[0], "tree": oid("tree"), "ref": "x"}))
    assert world.attempt.stage is Stage.FAILED
    assert "nobody has pushed any" in world.attempt.message


def test_start_that_is_neither_configured_nor_upstreams_fails_with_the_reason() -> None:
    world = World(start_holds=False)
    claim(world, start=oid("p1"))
    assert world.attempt.stage is Stage.FAILED
    assert "neither configured nor upstream's" in world.attempt.message


def test_run_that_somebody_else_dispatched_under_our_name_counts_for_nothing() -> None:
    world = World(run_actor="mallory")
    claim(world)
    world.wait(3600)
    assert world.settle() is Stage.FAILED
    assert "started by mallory, not by the App" in world.attempt.message
    assert not world.moves


def test_report_of_an_earlier_run_attempt_stays_good_when_only_a_later_job_was_run_again() -> None:
    world = World(run_attempt=3, claim=report("attempt00001", run_attempt=2), inbox_attempt=2)
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING


def test_report_of_a_run_attempt_that_never_was_fails_with_the_reason() -> None:
    world = World(claim=report("attempt00001", run_attempt=2), inbox_attempt=2)
    world.settle()
    world.run_ends()
    world.settle()
    world.wait(60)
    assert world.settle() is Stage.FAILED
    assert "never was" in world.attempt.message


RESOLUTION = {"id": None, "path": "a.c", "source": None, "diff": "+x\n", "by": "robot"}


def resolved(*, told: bool) -> dict[str, Any]:
    patches = report("attempt00001").model_dump(mode="json", by_alias=True)["patches"]
    patches[0] |= {"verdict": "resolved", "resolution": [RESOLUTION]}
    entry = {"name": "robot", "settled": 1, "refused": 0, "log": False}
    return {"patches": patches, "resolver": entry if told else None}


def test_resolver_that_nobody_configured_or_that_a_report_is_silent_about_fails_with_the_reason() -> None:
    robot = Configuration.model_validate({"resolver": {"run": "x", "name": "robot"}})
    for configuration, told, said in (
        (Configuration(), True, "has a resolver, robot, that the configuration doesn't"),
        (robot, False, "has answers of a resolver and doesn't say so"),
        (robot, True, ""),
    ):
        world = World(configuration=configuration)
        claim(world, **resolved(told=told))
        assert world.attempt.stage is (Stage.FAILED if said else Stage.REVIEWING), world.attempt.message
        assert said in world.attempt.message


def test_resolution_is_recorded_or_the_resolvers_and_never_both_or_none() -> None:
    for changes in ({"by": None}, {"id": oid("x")}, {"source": oid("x")}, {"id": oid("x"), "by": None}):
        with pytest.raises(ValueError, match="a resolution was recorded, or it is the resolver's"):
            Resolution.model_validate({**RESOLUTION, **changes})
