"""Stacks that are no plain row of commits go through the whole App: merges, and branches with earlier
versions.
"""

from __future__ import annotations

import pytest

from patch_app.core.attempt import Attempt, Stage
from tests.stories.world import FORK, UPSTREAM, World, numbered


def merge(world: World, message: str, *parents: str, tree_of: str) -> str:
    """A merge commit that a person makes with GitHub's Git API; main isn't moved."""
    tree = world.alice.api("GET", f"/repos/{FORK}/git/commits/{tree_of}")["tree"]["sha"]
    body = {"message": message, "tree": tree, "parents": list(parents)}
    return str(world.alice.api("POST", f"/repos/{FORK}/git/commits", body)["sha"])


def promoted(world: World) -> Attempt:
    attempt = world.release()
    assert attempt.stage is Stage.REVIEWING, attempt.message
    world.approve(attempt)
    world.settle()
    attempt = world.attempt()
    assert attempt.stage is Stage.PROMOTED, attempt.message
    assert world.main() == attempt.candidate
    world.ends()
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
