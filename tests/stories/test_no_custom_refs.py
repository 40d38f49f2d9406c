"""A GitHub that takes branches and tags alone: the App's own refs are branches, and nothing runs for them."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.events import Kind
from patch_app.github import keeping
from patch_app.github.footprint import runner_commit
from tests.stories.robot import CarryJob
from tests.stories.test_doctor import doctor
from tests.stories.test_onboarding import look_again, merge, pull
from tests.stories.world import FORK, World, check_invariants, numbered

CI = """\
on: {push: {}, create: {}}
jobs: {ci: {runs-on: ubuntu-latest, permissions: {}, steps: [{run: "true"}]}}
"""
RUNNER = names.as_branch(names.RUNNER_REF)


def own(world: World) -> dict[str, str]:
    """The branches that stand for refs of the App's, without the runner's and the onboarding's."""
    kinds = ("inbox", "candidates", "archive", "resolutions", "targets")
    under = tuple(f"refs/heads/patch-app/{kind}/" for kind in kinds)
    return {ref: sha for ref, sha in world.refs().items() if ref.startswith(under)}


def started(world: World) -> set[str]:
    """Branches and tags for which a workflow of the fork's own has run."""
    runs = world.forge.repository(FORK).runs.values()
    return {str(one.head_branch) for one in runs if one.path != names.WORKFLOW_PATH}


def files(world: World, commit: str) -> list[str]:
    git = world.forge.core.git(world.forge.repository(FORK))
    return git.text("ls-tree", "-r", "--name-only", commit).split()


def parents(world: World, commit: str) -> list[str]:
    git = world.forge.core.git(world.forge.repository(FORK))
    return git.text("log", "-1", "--format=%P", commit).split()


def approved(world: World, attempt: Attempt) -> Attempt:
    world.approve(attempt)
    world.settle()
    return world.attempt(attempt.tag)


@pytest.mark.forge(custom_refs=False)
def test_installed_carried_promoted_rolled_back_and_carried_again_on_branches_alone(bare: World) -> None:
    world = bare
    world.arrange(footprint=False)
    world.patch({".github/workflows/ci.yml": CI}, "Test it")
    world.serve()
    assert world.ref(RUNNER) == runner_commit()[0]
    assert "| `v1.0.0` | 3 clean |" in str(pull(world, 1)["body"])
    merge(world, 1)
    before = world.main()
    first = world.release()
    assert (first.stage, first.on_branches) == (Stage.REVIEWING, True), first.message
    archive, candidate = (
        names.as_branch(one) for one in (names.archive_ref(first.id), names.candidate_ref(first.id))
    )
    inbox = names.as_branch(f"{names.inbox_prefix(first.id)}1")
    assert set(own(world)) == {archive, candidate, inbox}
    for branch, kept in ((archive, before), (candidate, first.candidate)):
        assert (files(world, branch), parents(world, branch)) == (["README.md"], [kept])
    assert first.pull_request is not None
    assert f"`{archive}^`" in str(pull(world, first.pull_request.number)["body"])
    number = first.pull_request.number
    first = approved(world, first)
    assert (first.stage, world.main()) == (Stage.PROMOTED, first.candidate), first.message
    world.comment(number, "/patch rollback", world.mia)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.ROLLED_BACK, before)
    second = approved(world, world.release("v1.2.0"))
    assert (second.stage, world.main()) == (Stage.PROMOTED, second.candidate), second.message
    assert len(own(world)) == 6
    assert all(ref.startswith(("refs/heads/", "refs/tags/", "refs/pull/")) for ref in world.refs())
    # the fork's own workflow ran for what people look at, and for nothing that the App keeps
    ours = {ref.removeprefix("refs/heads/") for ref in (*own(world), RUNNER)}
    assert names.maintenance_branch("main", "v1.1.0") in started(world)
    assert not started(world) & {*ours, "patch-app/onboarding"}


@pytest.mark.forge(custom_refs=False)
@pytest.mark.fork(configuration='[branches]\nkeep = "3d"\n')
def test_branches_that_nothing_is_read_from_go_and_the_archive_stays(world: World) -> None:
    before = world.main()
    first = world.release()
    inbox, taken = (f"{names.inbox_prefix(first.id)}{one}" for one in (1, 2))
    world.set_ref(names.as_branch(taken), before, by=world.bob)
    # overtaken, its branches stay as long as its pull request's do
    second = approved(world, world.release("v1.2.0"))
    assert (world.attempt().stage, second.stage) == (Stage.SUPERSEDED, Stage.PROMOTED), second.message
    assert names.as_branch(inbox) in own(world)
    world.later(4 * 86400)
    world.later(10)
    archives = {names.as_branch(names.archive_ref(one.id)) for one in (first, second)}
    assert set(own(world)) == {*archives, names.as_branch(taken)}
    assert second.pull_request is not None
    world.comment(second.pull_request.number, "/patch rollback", world.mia)
    world.settle()
    world.later(10)
    last = world.attempt("v1.2.0")
    assert (last.stage, world.main()) == (Stage.ROLLED_BACK, before), last.message
    assert set(own(world)) == {*archives, names.as_branch(taken)}
    assert len(world.attempts()) == 2


@pytest.mark.forge(custom_refs=False)
def test_resolutions_a_rerun_and_a_person_s_commits_on_branches(world: World) -> None:
    world.release(files={"pot.txt": numbered(l3="theirs")})
    conflict = world.attempt()
    assert (conflict.stage, conflict.on_branches) == (Stage.CONFLICT, True), conflict.message
    assert conflict.issue is not None
    said = world.issue(conflict.issue.number)["body"]
    assert f"git fetch origin {names.as_branch(names.archive_ref(conflict.id))}\n" in said
    # the same run once more: a second report, and a candidate's branch that moves from its value
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{conflict.runs[0].id}/rerun", {})
    world.settle()
    assert world.attempt().stage is Stage.CONFLICT, world.attempt().message
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"pot.txt": numbered(l3="both")}, "Change the third line", by="bob")
    world.settle()
    first = world.attempt()
    assert (first.number, first.stage) == (2, Stage.REVIEWING), first.message
    first = approved(world, first)
    assert first.stage is Stage.PROMOTED, first.message
    kept = first.written[names.resolutions_ref("main")]
    assert world.ref(names.as_branch(names.resolutions_ref("main"))) == keeping.holder(kept)
    assert first.stack_head is not None
    world.set_ref("refs/heads/main", first.stack_head)
    world.settle()
    second = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l12="more")})
    assert (second.stage, second.resolutions) == (Stage.REVIEWING, kept), second.message
    check_invariants(world)


def test_refs_are_refused_once_a_run_has_ended_and_the_attempt_is_looked_at_but_once(world: World) -> None:
    # no later delivery of the run looks again, as where the relay comes after all of them
    world.forge.webhooks.drop(times=None)
    attempt = world.release()
    object.__setattr__(world.forge.core.options, "custom_refs", False)
    world.wish(Kind.SYNC, attempt)
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, attempt.on_branches) == (Stage.REVIEWING, True), attempt.message
    world.forge.webhooks.clear()


@pytest.mark.parametrize("at", ["before the run", "after it"])
def test_refs_refused_in_the_middle_of_an_attempt(world: World, at: str) -> None:
    real, options = world.robot.carry, world.forge.core.options

    def lost(job: CarryJob) -> None:
        if at == "before the run":
            object.__setattr__(options, "custom_refs", False)
        real(job)
        object.__setattr__(options, "custom_refs", False)

    world.robot.carry = lost
    attempt = world.release()
    assert (attempt.stage, attempt.on_branches) == (Stage.REVIEWING, True), attempt.message
    inbox = names.as_branch(names.inbox_prefix(attempt.id)) + "1"
    assert (inbox in own(world)) is (at == "before the run")
    attempt = approved(world, attempt)
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate), attempt.message
    # the runner's ref is still there, so the next one begins as ever and ends on branches too
    second = approved(world, world.release("v1.2.0"))
    assert (second.stage, second.on_branches) == (Stage.PROMOTED, True), second.message
    check_invariants(world)


@pytest.mark.forge(custom_refs=False)
@pytest.mark.parametrize("what", ["inbox", "candidates"])
def test_branches_refused_too_block_the_attempt_which_says_so_once_until_they_are_let_through(
    world: World, what: str
) -> None:
    world.forge.set_rules(FORK, f"patch-app/{what}/*", ["creation"])
    before = world.main()
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "GitHub refused what the work is handed over by" in attempt.message
    assert "repository rule violations" in attempt.message
    world.later()
    world.later()
    assert (world.attempt().stage, world.main()) == (Stage.BLOCKED, before)
    assert [(one.number, one.state) for one in world.forge.repository(FORK).issues.values()] == [(1, "open")]
    world.forge.set_rules(FORK, f"patch-app/{what}/*", [])
    if what == "inbox":
        world.alice.api("POST", f"/repos/{FORK}/actions/runs/{attempt.runs[0].id}/rerun", {})
    else:
        world.wish(Kind.RETRY, attempt)
    world.settle()
    attempt = world.attempt()
    assert (attempt.number, attempt.stage) == (1, Stage.REVIEWING), attempt.message
    assert (world.issue(1)["state"], len(world.comments(1))) == ("closed", 1)
    attempt = approved(world, attempt)
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate), attempt.message
    check_invariants(world)


@pytest.mark.forge(custom_refs=False)
def test_a_branch_of_ours_that_somebody_moved_stops_the_promotion(world: World) -> None:
    attempt = world.release()
    archive = names.as_branch(names.archive_ref(attempt.id))
    world.forge.webhooks.hold("pull_request_review")
    world.set_ref(archive, world.main(), by=world.bob)
    world.approve(attempt)
    world.forge.webhooks.release()
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.REVIEWING, attempt.stack_head)
    assert "the archive of the old stack is missing" in attempt.message
    world.set_ref(archive, keeping.holder(attempt.stack_head or ""), by=world.bob)
    world.later()
    assert world.attempt().stage is Stage.PROMOTED, world.attempt().message


@pytest.mark.forge(custom_refs=False)
def test_somebody_made_our_branches_first(world: World) -> None:
    world.robot.hold()
    world.publish("v1.1.0", {"pot.txt": numbered(l15="x")})
    world.poll()
    world.settle()
    taken = names.as_branch(names.candidate_ref(world.attempt().id))
    world.set_ref(taken, world.main(), by=world.bob)
    world.robot.resume()
    world.settle()
    attempt = world.attempt()
    assert attempt.stage is Stage.BLOCKED
    assert f"somebody else wrote {taken}: delete that ref" in attempt.message
    assert world.ref(taken) == world.main()
    world.delete_ref(taken, by=world.bob)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING, world.attempt().message
    check_invariants(world)


def test_a_branch_in_the_way_of_ours_is_found_where_they_are_branches(world: World) -> None:
    world.set_ref("refs/heads/patch-app/archive", world.main(), by=world.bob)
    assert "name-collision" not in doctor(world)[1]
    world.set_ref(RUNNER, runner_commit()[0], by=world.bob)
    status, found = doctor(world)
    assert (status, set(found)) == (1, {"name-collision", "refs-as-branches"})
    assert "the branch patch-app/archive stands where" in found["name-collision"]
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "the branch patch-app/archive stands where" in attempt.message


def test_a_github_that_takes_our_refs_away_blocks_until_the_runner_is_stored_again(world: World) -> None:
    first = approved(world, world.release())
    assert (first.stage, first.on_branches) == (Stage.PROMOTED, False)
    object.__setattr__(world.forge.core.options, "custom_refs", False)
    git = world.forge.core.git(world.forge.repository(FORK))
    for ref in [one for one in world.refs() if one.startswith("refs/patch-app/")]:
        git.run("update-ref", "-d", ref)
    second = world.release("v1.2.0")
    assert second.stage is Stage.BLOCKED
    assert "refs/patch-app/runner is not this version's runner" in second.message
    world.later()
    assert len(world.forge.repository(FORK).issues) == 2
    look_again(world)
    assert world.ref(RUNNER) == runner_commit()[0]
    world.later()
    second = approved(world, world.attempt("v1.2.0"))
    assert (second.stage, second.on_branches) == (Stage.PROMOTED, True), second.message
    assert world.ref(names.as_branch(names.archive_ref(second.id))) == keeping.holder(first.candidate or "")
    # told once, in an issue between the two pull requests
    assert (sorted(world.forge.repository(FORK).issues), world.issue(2)["state"]) == ([1, 2, 3], "closed")
    check_invariants(world)
