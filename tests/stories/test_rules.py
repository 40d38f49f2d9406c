"""The App may bypass the rules of the branch, and keeps them all the same."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Attempt, Stage
from patch_app.core.rule_types import TYPES, Kept
from tests.stories.world import FORK, World

PARAMETERS: dict[str, dict[str, Any]] = {
    "commit_message_pattern": {"operator": "starts_with", "pattern": "fork: "},
    "commit_author_email_pattern": {"operator": "ends_with", "pattern": "@alice.example"},
    "committer_email_pattern": {"operator": "ends_with", "pattern": "@alice.example"},
    "file_path_restriction": {"restricted_file_paths": ["pot.txt"]},
    "max_file_path_length": {"max_file_path_length": 3},
    "file_extension_restriction": {"restricted_file_extensions": [".txt"]},
    "max_file_size": {"max_file_size": 1},
}


def bypassed(world: World, *rules: Any) -> None:
    world.forge.set_rules(FORK, "main", list(rules), bypass=[world.app.slug])


def pulls(**parameters: Any) -> dict[str, Any]:
    return {"type": "pull_request", "parameters": parameters}


def stays(world: World, attempt: Attempt, said: str) -> None:
    """Two people approve, and nothing moves."""
    before = world.main()
    for person in (world.bob, world.mia):
        world.approve(attempt, by=person)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before), world.attempt().message
    assert said in world.attempt().message


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
def test_a_rule_about_commits_and_files_that_nobody_holds_the_app_to(world: World, kind: str) -> None:
    bypassed(world, {"type": kind, "parameters": PARAMETERS[kind]})
    stays(world, world.release(), f"can't weigh (the rule {kind} (GitHub doesn't hold the App to it))")
    assert TYPES[kind].kept is Kept.GITHUB
    # off the list GitHub looks at each push itself
    world.forge.set_rules(FORK, "main", [{"type": kind, "parameters": PARAMETERS[kind]}])
    world.later()
    assert world.attempt().stage is Stage.PROMOTED


def test_a_rule_of_the_future(world: World) -> None:
    bypassed(world, "deletion")
    with world.forge.core.transaction():
        world.forge.repository(FORK).rules["main"].append({"type": "quantum_review"})
    stays(world, world.release(), "the unknown rule quantum_review")


def test_a_parameter_of_the_future_is_passed_over_only_while_it_asks_for_nothing(world: World) -> None:
    bypassed(world, pulls(required_approving_review_count=1, quantum_review=True))
    stays(world, world.release(), "quantum_review of the rule pull_request")
    bypassed(world, pulls(required_approving_review_count=1, quantum_review=False))
    world.later()
    assert world.attempt().stage is Stage.PROMOTED


def test_signatures_are_wanted_and_the_carried_commits_have_none(world: World) -> None:
    bypassed(world, "required_signatures")
    stays(world, world.release(), "have no verified signature (required_signatures)")


def test_a_linear_history_is_wanted_and_upstream_merges(world: World) -> None:
    bypassed(world, "required_linear_history")
    attempt = world.release()
    world.approve(attempt)
    world.settle()
    # no commit of this release is a merge
    assert world.attempt().stage is Stage.PROMOTED


@pytest.mark.fork(configuration='[[stack]]\nbranch = "main"\nstrategy = "merge"\n')
def test_a_linear_history_is_wanted_and_the_release_is_merged(world: World) -> None:
    bypassed(world, "required_linear_history")
    stays(world, world.release(), "are merges (required_linear_history)")


def test_a_conversation_on_the_pull_request_is_not_resolved(world: World) -> None:
    bypassed(world, pulls(required_review_thread_resolution=True))
    attempt = world.release()
    assert attempt.pull_request is not None
    thread = world.forge.discuss(FORK, attempt.pull_request.number, "rita")
    stays(world, attempt, "1 conversation(s) on the pull request to be resolved")
    world.forge.resolve(FORK, attempt.pull_request.number, thread)
    world.later()
    assert world.attempt().stage is Stage.PROMOTED


def test_a_person_pushes_to_the_maintenance_branch_and_approves_it_alone(world: World) -> None:
    bypassed(world, pulls(require_last_push_approval=True))
    world.release()
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"ours.txt": "theirs\n"}, "What nobody else has seen", by="bob")
    world.settle()
    attempt, before = world.attempt(), world.main()
    assert attempt.pushed is not None
    world.approve(attempt, by=world.bob)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    assert "somebody else than who pushed" in world.attempt().message
    world.approve(attempt, by=world.mia)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED


def test_github_does_not_say_who_pushed_so_two_people_approve(world: World) -> None:
    bypassed(world, pulls(require_last_push_approval=True))
    world.release()
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"ours.txt": "theirs\n"}, "What nobody else has seen", by="bob")
    world.settle()
    world.forge.repository(FORK).activities.clear()
    attempt = world.attempt()
    world.approve(attempt, by=world.mia)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    assert "a second approving review" in world.attempt().message
    world.approve(attempt, by=world.bob)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
