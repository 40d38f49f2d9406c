"""Stacks that are no plain row of commits go through the whole App: merges, and branches with earlier
versions.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from patch_app.core.attempt import Attempt, Stage
from tests.stories.world import FORK, UPSTREAM, World, numbered


def merge(world: World, message: str, *parents: str, tree_of: str) -> str:
    """A merge commit that a person makes with GitHub's Git API; main isn't moved."""
    tree = world.alice.api("GET", f"/repos/{FORK}/git/commits/{tree_of}")["tree"]["sha"]
    body = {"message": message, "tree": tree, "parents": list(parents)}
    return str(world.alice.api("POST", f"/repos/{FORK}/git/commits", body)["sha"])


def promoted(world: World, tag: str = "v1.1.0", files: Mapping[str, str] | None = None) -> Attempt:
    attempt = world.release(tag, files)
    assert attempt.stage is Stage.REVIEWING, attempt.message
    world.approve(attempt)
    world.settle()
    attempt = world.attempt(tag)
    assert attempt.stage is Stage.PROMOTED, attempt.message
    assert world.main() == attempt.candidate
    return attempt


def parents(world: World, commit: str) -> list[str]:
    git = world.forge.core.git(world.forge.repository(FORK))
    return git.text("rev-list", "--parents", "-1", commit).split()[1:]


@pytest.mark.fork(configuration='[[stack]]\nmerges = "preserve"\n')
def test_a_side_branch_keeps_its_merge_and_what_the_merge_added(world: World) -> None:
    before = world.main()
    side = world.patch({"side.txt": "side\n"}, "On the side")
    added = world.patch({"added.txt": "by the merge\n"}, "A tree to take")
    world.set_ref("refs/heads/main", merge(world, "Merge the side", before, side, tree_of=added))
    attempt = promoted(world)
    assert attempt.report is not None
    assert [patch.subject for patch in attempt.report.patches][-2:] == ["On the side", "Merge the side"]
    made = attempt.report.patches[-1].new
    assert made is not None
    assert len(parents(world, made)) == 2
    world.ends()


def test_a_branch_that_keeps_its_earlier_versions_begins_at_its_newest_round(world: World) -> None:
    old = world.main()
    newer = world.upstream({"pot.txt": numbered(l9="newer")}, "Newer")
    start = merge(world, "Start the merging-rebase", newer, old, tree_of=newer)
    world.set_ref("refs/heads/main", start)
    world.patch({"ours.txt": "ours again\n"}, "Add a file of ours")
    world.footprint()
    attempt = promoted(world)
    assert attempt.report is not None
    assert (attempt.report.start, attempt.report.base) == (start, newer)
    assert [patch.subject for patch in attempt.report.patches] == ["Add a file of ours"]
    assert world.ref("refs/tags/v1.1.0", UPSTREAM) == parents(world, attempt.report.patches[0].new or "")[0]
    world.ends()


MERGED = '[[stack]]\nstrategy = "merge"\n'


@pytest.mark.fork(configuration=MERGED)
def test_releases_are_merged_one_after_the_other_where_nobody_may_force_push(world: World) -> None:
    world.forge.set_rules(FORK, "main", ["non_fast_forward"])
    git = world.forge.core.git(world.forge.repository(FORK))
    stack = git.text("rev-list", world.main()).split()
    before = world.main()
    for tag, line in (("v1.1.0", "l15"), ("v1.2.0", "l25")):
        attempt = promoted(world, tag, {"pot.txt": numbered(**{"l15": "new", line: "new"})})
        assert attempt.report is not None
        assert [(one.subject, one.new == one.old) for one in attempt.report.patches] == [
            ("Add a file of ours", True),
            ("Change the third line", True),
        ]
        assert parents(world, world.main()) == [before, world.ref(f"refs/tags/{tag}", UPSTREAM)]
        before = world.main()
    assert set(stack) < set(git.text("rev-list", before).split())
    assert git.text("show", f"{before}:pot.txt").rstrip("\n") == numbered(
        l3="ours", l15="new", l25="new"
    ).rstrip("\n")
    world.ends()


@pytest.mark.fork(configuration=MERGED)
def test_a_release_that_conflicts_is_merged_by_hand_and_the_next_by_the_app(world: World) -> None:
    before = world.main()
    attempt = world.release(files={"pot.txt": numbered(l3="theirs")})
    assert (attempt.stage, world.main()) == (Stage.CONFLICT, before)
    assert attempt.issue is not None
    body = world.issue(attempt.issue.number)["body"]
    assert f"git switch -c carry {before}\ngit merge {attempt.target}\n" in body
    side = world.patch({"pot.txt": numbered(l3="both")}, "A tree to take")
    world.set_ref("refs/heads/main", before)
    by_hand = merge(world, "Merge v1.1.0", before, attempt.target or "", tree_of=side)
    world.set_ref(world.maintenance(), before)  # without the release: a person forgot something
    world.settle()
    assert world.attempt().stage is Stage.HELD, world.attempt().message
    assert world.attempt().message.endswith("Merge the two and push again.")
    world.set_ref(world.maintenance(), by_hand)
    world.settle()
    attempt = world.attempt()
    assert attempt.stage is Stage.REVIEWING, attempt.message
    assert attempt.candidate == by_hand
    world.approve(attempt)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.PROMOTED, by_hand)
    after = promoted(world, "v1.2.0", {"pot.txt": numbered(l3="theirs", l25="new")})
    assert after.report is not None
    assert after.report.merges == (by_hand,)
    world.ends()


@pytest.mark.fork(configuration=MERGED)
def test_a_release_that_somebody_merged_into_the_branch_is_nothing_to_do_any_more(world: World) -> None:
    before = world.main()
    attempt = world.release(files={"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.CONFLICT
    by_hand = merge(world, "Merge v1.1.0", before, attempt.target or "", tree_of=before)
    world.set_ref("refs/heads/main", by_hand)
    world.settle()
    assert world.attempt().stage is Stage.CONTAINED
    world.ends()
