"""A maintained branch that is built from patch branches goes through the whole App, release after release."""

from __future__ import annotations

import pytest

from patch_app.core.attempt import Stage
from tests.stories.world import FORK, UPSTREAM, World, numbered

BUILT = '[[stack]]\nstrategy = "patches"\n'
CHECKED = BUILT + '[promotion]\nrequired_checks = [{ name = "ci", creator = "bob" }]\n'


def branch(world: World, name: str, files: dict[str, str], message: str) -> str:
    """A patch branch that stands on upstream's first commit; once it is there, one more commit on it."""
    ref = f"refs/heads/{name}"
    if ref not in world.refs():
        world.set_ref(ref, world.ref("refs/tags/v1.0.0", UPSTREAM))
    return world.forge.commit(FORK, name, files, message)


def verdicts(world: World, tag: str) -> list[tuple[str | None, str, str]]:
    report = world.attempt(tag).report
    assert report is not None
    return [(one.branch, one.subject, one.verdict.value) for one in report.patches]


@pytest.mark.fork(configuration=BUILT)
def test_patches_on_branches_of_their_own_come_and_go_with_their_branches(world: World) -> None:
    branch(world, "patch/2-line", {"pot.txt": numbered(l3="ours")}, "Change the third line")
    branch(world, "patch/10-more", {"more.txt": "more\n"}, "Add another file")
    attempt = world.release()
    assert attempt.stage is Stage.REVIEWING, attempt.message
    assert verdicts(world, "v1.1.0") == [
        ("patch/2-line", "Change the third line", "clean"),
        ("patch/10-more", "Add another file", "clean"),
        (None, "Add a file of ours", "clean"),
    ]
    assert attempt.pull_request is not None
    body = world.issue(attempt.pull_request.number)["body"]
    assert "| 2 | `patch/10-more` | Add another file |" in body
    assert "On no patch branch, only on `main`; carried after the branches: " in body
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED, world.attempt().message
    world.delete_ref("refs/heads/patch/10-more")
    branch(world, "patch/2-line", {"pot.txt": numbered(l3="ours", l5="ours")}, "And the fifth")
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    assert attempt.stage is Stage.REVIEWING, attempt.message
    assert verdicts(world, "v1.2.0") == [
        ("patch/2-line", "Change the third line", "clean"),
        ("patch/2-line", "And the fifth", "clean"),
        (None, "Add a file of ours", "clean"),
        (None, "Add another file", "dropped"),
    ]
    world.approve(attempt)
    world.settle()
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED, world.attempt("v1.2.0").message
    world.ends()


@pytest.mark.fork(configuration=CHECKED)
def test_patch_branch_that_moves_after_the_approval_is_carried_anew_and_approved_anew(world: World) -> None:
    branch(world, "patch/1", {"ours.txt": "ours\n"}, "Add a file of ours")
    branch(world, "patch/2", {"pot.txt": numbered(l3="ours")}, "Change the third line")
    first = world.release()
    world.approve(first)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    assert "required check" in world.attempt().message
    before = world.main()
    branch(world, "patch/2", {"pot.txt": numbered(l3="ours", l4="ours")}, "And the fourth")
    world.settle()
    old, new = world.attempts()
    assert (old.stage, new.stage, world.main()) == (Stage.SUPERSEDED, Stage.REVIEWING, before), new.message
    assert "of the patch branches patch/2 moved since the stack was read" in old.message
    assert new.report is not None
    assert [one.subject for one in new.report.patches] == [
        "Add a file of ours", "Change the third line", "And the fourth"
    ]  # fmt: skip
    assert new.candidate is not None
    path = f"/repos/{FORK}/statuses/{new.candidate}"
    world.bob.api("POST", path, {"state": "success", "context": "ci"})
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING  # the approval was one of the other candidate
    world.approve(new)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.PROMOTED, new.candidate)
    world.ends()


@pytest.mark.fork(configuration=BUILT)
def test_conflict_of_a_patch_branch_is_settled_on_the_branch_or_in_the_candidate(world: World) -> None:
    branch(world, "patch/1", {"ours.txt": "ours\n"}, "Add a file of ours")
    branch(world, "patch/2", {"pot.txt": numbered(l3="ours")}, "Change the third line")
    world.approve(world.release())
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.CONFLICT, attempt.message
    assert attempt.issue is not None
    body = world.issue(attempt.issue.number)["body"]
    assert "Or rebase `patch/2` onto `v1.2.0` and push it" in body
    assert "--strategy patches --patches patch/1 --patches patch/2" in body
    # one person rebases the branch
    world.set_ref("refs/heads/rebased", world.ref("refs/tags/v1.2.0", UPSTREAM))
    rebased = branch(world, "rebased", {"pot.txt": numbered(l3="both")}, "Change the third line")
    world.set_ref("refs/heads/patch/2", rebased)
    world.settle()
    again = world.attempt("v1.2.0")
    assert (again.number, again.stage) == (2, Stage.REVIEWING), again.message
    # another settles it otherwise, on what was carried
    world.forge.commit(
        FORK, world.maintenance("v1.2.0").removeprefix("refs/heads/"), {"more.txt": "x\n"}, "More", by="bob"
    )
    world.settle()
    pushed = world.attempt("v1.2.0")
    assert (pushed.number, pushed.stage) == (3, Stage.REVIEWING), pushed.message
    assert pushed.report is not None
    assert [one.subject for one in pushed.report.added] == ["More"]
    world.approve(pushed, by=world.mia)
    world.settle()
    assert (world.attempt("v1.2.0").stage, world.main()) == (Stage.PROMOTED, pushed.candidate)
    world.ends()


@pytest.mark.fork(configuration=BUILT)
def test_stack_without_any_patch_branch_waits_for_one(world: World) -> None:
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "no branch of the fork matches patch/*" in attempt.message
    branch(world, "patch/1", {"ours.txt": "ours\n"}, "Add a file of ours")
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING, world.attempt().message
    world.ends()
