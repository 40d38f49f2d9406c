"""`strategy = "merge"`: what a report has to say, and how the maintained branch moves."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration
from patch_app.core.effects import Relay, UpdateRefs
from patch_app.core.report import Report
from tests.core.world import BASE, HEAD, STACK, TARGET, World, oid, report

MERGE = oid("the merge")
MERGING = Configuration.model_validate({"stack": [{"strategy": "merge"}]})


def merged(**changes: Any) -> Report:
    whole = report("attempt00001").model_dump(mode="json", by_alias=True)
    for patch in whole["patches"]:
        patch["new"] = patch["old"]
    whole["candidate"]["sha"] = whole["bundle"]["tip"] = MERGE
    return Report.model_validate({**whole, **changes})


def ended(claim: Report, configuration: Configuration = MERGING) -> World:
    world = World(configuration=configuration, claim=claim)
    world.settle()
    world.run_ends()
    world.settle()
    return world


def wishes(world: World, kind: type[Relay] | type[UpdateRefs]) -> list[Any]:
    return [one.effect for one in world.effects.values() if isinstance(one.effect, kind)]


def test_merge_of_the_release_is_the_only_commit_that_is_taken_and_promoted_without_force() -> None:
    world = ended(merged())
    assert world.attempt.stage is Stage.REVIEWING, world.attempt.message
    (relay,) = wishes(world, Relay)
    assert (relay.chain, relay.parents) == ((MERGE,), {MERGE: (HEAD, TARGET)})
    assert relay.prerequisites == (BASE, HEAD)
    world.approve()
    assert world.settle() is Stage.PROMOTED
    promotion = wishes(world, UpdateRefs)[-1]
    (move,) = [one for one in promotion.changes if one.ref == "refs/heads/main"]
    assert (move.before, move.after, move.force) == (HEAD, MERGE, False)


def test_conflict_of_a_merge_takes_nothing_and_promises_nothing() -> None:
    whole = report("attempt00001", conflict=True).model_dump(mode="json", by_alias=True)
    whole["patches"][0] |= {"new": None, "verdict": "not-tried"}
    whole["bundle"]["tip"] = TARGET
    world = ended(Report.model_validate({**whole, "partial": None}))
    assert world.attempt.stage is Stage.CONFLICT, world.attempt.message
    (relay,) = wishes(world, Relay)
    assert (relay.chain, relay.parents, relay.prerequisites) == ((), {}, (BASE,))


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (report("attempt00001"), f"has {STACK[0][:12]} written anew, and the stack is merged"),
        (report("attempt00001", conflict=True), f"has {STACK[0][:12]} written anew"),
        (merged(bundle=None), "the report has no bundle of the merge"),
        (
            merged(bundle=None, candidate={"sha": TARGET, "tree": oid("tree"), "ref": "refs/x"}),
            "the report has no bundle of the merge",
        ),
    ],
    ids=["rebased", "partly rebased", "no bundle", "the release alone"],
)
def test_report_that_does_not_merge_fails_with_the_reason(claim: Report, why: str) -> None:
    world = ended(claim)
    assert world.attempt.stage is Stage.FAILED
    assert why in world.attempt.message
    assert not world.moves


def test_apps_own_commit_is_not_written_anew_by_a_merge() -> None:
    claim = merged(
        patches=[merged().patches[0].model_dump(mode="json")],
        installed={"commits": [STACK[1]], "new": oid("anew")},
    )
    world = World(configuration=MERGING, claim=claim, installed=(STACK[1],))
    world.settle()
    world.run_ends()
    world.settle()
    assert "the App's own commit" in world.attempt.message
    assert "written anew" in world.attempt.message


def test_patch_that_stays_what_it_was_is_not_rebased() -> None:
    world = ended(merged(), Configuration())
    assert world.attempt.stage is Stage.FAILED
    assert f"has {STACK[0][:12]} as it was, and the stack is rebased" in world.attempt.message


def pushed_world(**changes: Any) -> World:
    person = oid("by a person")
    whole = merged(added=[{"sha": person, "subject": "Merge"}], bundle=None).model_dump(
        mode="json", by_alias=True
    )
    whole["candidate"]["sha"] = person
    world = World(configuration=MERGING, claim=Report.model_validate({**whole, **changes}))
    world.attempt = world.attempt.model_copy(update={"pushed": person})
    world.pushed_commits = (person,)
    return world


def run(world: World) -> World:
    world.settle()
    world.run_ends()
    world.settle()
    return world


def test_merge_that_a_person_pushed_is_taken_as_it_is() -> None:
    world = run(pushed_world())
    assert world.attempt.stage is Stage.REVIEWING, world.attempt.message
    (relay,) = wishes(world, Relay)
    assert (relay.chain, relay.parents, relay.parts) == ((), {}, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"added": []},
        {"added": [{"sha": oid("another"), "subject": "Merge"}]},
        {"candidate": {"sha": MERGE, "tree": oid("tree"), "ref": "refs/x"}},
    ],
    ids=["left out", "another", "another candidate"],
)
def test_report_of_another_merge_than_was_pushed_fails_with_the_reason(changes: dict[str, Any]) -> None:
    world = run(pushed_world(**changes))
    assert world.attempt.stage is Stage.FAILED
    assert "the report's candidate is not what was pushed" in world.attempt.message


def test_push_that_lacks_the_stack_or_the_release_fails_with_the_reason() -> None:
    world = pushed_world()
    world.pushed_stands = False
    assert "does not stand on v2.0.0" in run(world).attempt.message
