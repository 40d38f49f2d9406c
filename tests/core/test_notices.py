"""What is in an attempt's way is reported once, where the fork can show it, and withdrawn when mended."""

from __future__ import annotations

from typing import TypeVar

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.core.effects import Close, Comment, EffectState, OpenIssue, PutCheckRun
from patch_app.core.vitals import Vitals
from tests.core.world import BLOB, HEAD, World, oid

T = TypeVar("T")


def sent(world: World, kind: type[T]) -> list[T]:
    """Notices of a kind that were carried out, in order."""
    return [
        one.effect
        for one in world.effects.values()
        if isinstance(one.effect, kind) and one.state is EffectState.DONE
        if names.is_notice(getattr(one.effect, "marker", ""))
        or getattr(one.effect, "name", "") == names.notice_name("main")
    ]


def test_a_missing_workflow_opens_one_issue_and_closes_it_when_it_is_there() -> None:
    world = World(workflow_blob=None)
    for _ in range(3):
        assert world.settle() is Stage.BLOCKED
        world.wait(600)
    issue = sent(world, OpenIssue)
    assert len(issue) == 1
    assert "installation pull request" in issue[0].body
    assert world.attempt.issue is None
    world.workflow_blob = BLOB
    assert world.settle() is Stage.RUNNING
    closed = sent(world, Close)
    assert [(one.number, one.subject) for one in closed] == [(2, "issue")]
    world.wait(600)
    world.settle()
    assert len(sent(world, Close)) == 1


def test_where_issues_are_off_a_check_run_on_the_maintained_branch_says_it() -> None:
    world = World(workflow_blob=None, has_issues=False)
    world.settle()
    runs = sent(world, PutCheckRun)
    assert [(one.commit, one.conclusion) for one in runs] == [(HEAD, "action_required")]
    world.workflow_blob = BLOB
    assert world.settle() is Stage.RUNNING
    runs = sent(world, PutCheckRun)
    assert [one.conclusion for one in runs] == ["action_required", "neutral"]
    assert world.attempt.check_run is None


def test_the_check_run_of_a_branch_that_moved_is_withdrawn_where_it_was_put() -> None:
    world = World(workflow_blob=None, has_issues=False)
    world.settle()
    world.refs["refs/heads/main"] = oid("later")
    world.settle()
    world.workflow_blob = BLOB
    world.settle()
    told = [(one.commit, one.conclusion) for one in sent(world, PutCheckRun)]
    assert told == [(HEAD, "action_required"), (HEAD, "neutral")]


def test_an_issue_that_github_refuses_becomes_a_check_run() -> None:
    world = World(workflow_blob=None, refuse={"open_issue": "410 Issues are disabled"})
    assert world.settle() is Stage.BLOCKED
    assert [one.commit for one in sent(world, PutCheckRun)] == [HEAD]


def test_a_fork_that_takes_no_notice_at_all_comes_to_rest() -> None:
    world = World(workflow_blob=None, refuse={"open_issue": "403", "put_check_run": "403"})
    assert world.settle() is Stage.BLOCKED
    before = len(world.effects)
    world.wait(6000)
    world.settle()
    assert len(world.effects) == before
    world.refuse = {}
    world.retry()
    world.settle()
    assert len(sent(world, OpenIssue)) == 1


def test_the_next_obstacle_is_told_in_the_same_issue_and_the_first_not_again() -> None:
    world = World(workflow_blob=None)
    world.settle()
    world.vitals = Vitals(suspended=True)
    world.settle()
    world.vitals = None
    world.settle()
    assert len(sent(world, OpenIssue)) == 1
    assert [("suspended" in one.body, one.number) for one in sent(world, Comment)] == [(True, 2)]
    world.workflow_blob = BLOB
    assert world.settle() is Stage.RUNNING
    assert len(sent(world, Comment)) == 1
    assert len(sent(world, Close)) == 1


def test_a_block_during_the_review_is_told_on_the_pull_request() -> None:
    world = World()
    world.settle()
    world.run_ends()
    world.settle()
    tag = f"refs/tags/{names.candidate_tag('main', 'v2.0.0')}"
    world.refs[tag] = oid("theirs")
    world.approve()
    assert world.settle() is Stage.BLOCKED
    assert [one.number for one in sent(world, Comment)] == [1]
    assert sent(world, OpenIssue) == []
    del world.refs[tag]
    assert world.settle() is Stage.PROMOTED
    said = [one.body for one in sent(world, Comment)]
    assert len(said) == 2
    assert "no longer in the way" in said[-1]


def test_a_block_beside_a_conflict_is_told_in_its_issue() -> None:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    world.settle()
    assert world.attempt.issue is not None
    branch = names.head(names.maintenance_branch("main", "v2.0.0"))
    base = names.head(names.base_branch("main", "v2.0.0"))
    world.refs[base] = oid("theirs")
    assert branch in world.refs
    assert world.settle() is Stage.BLOCKED
    assert [one.number for one in sent(world, Comment)] == [world.attempt.issue.number]


def test_an_attempt_that_ends_while_it_is_blocked_closes_its_notice() -> None:
    world = World(workflow_blob=None)
    world.settle()
    world.workflow_blob, world.contained = BLOB, True
    world.settle()
    assert world.attempt.stage in (Stage.RUNNING, Stage.CONTAINED)
    assert len(sent(world, Close)) == 1


def test_a_fork_that_cannot_be_read_is_not_written_to() -> None:
    world = World(gone="suspended")
    assert world.settle() is Stage.BLOCKED
    assert world.effects == {}


@pytest.mark.parametrize("issues", [True, False])
def test_a_branch_that_does_not_exist_is_told_where_there_is_a_place(issues: bool) -> None:
    world = World(has_issues=issues)
    del world.refs["refs/heads/main"]
    assert world.settle() is Stage.BLOCKED
    assert len(sent(world, OpenIssue)) == issues
    assert sent(world, PutCheckRun) == []


def test_what_strangers_wrote_stays_text_in_a_notice() -> None:
    world = World(workflow_blob=None)
    world.attempt = world.attempt.model_copy(update={"tag": "v2.0.0-@everyone|`x`<b>"})
    world.settle()
    body = sent(world, OpenIssue)[0].body
    assert "<b>" not in body
    assert "v2.0.0-@everyone|" not in body
