"""Stacks that came onto their branch by a pull request: the next release carries the candidate's patches,
what people have put on top, and nothing of the stack before; and nothing that was merged beside it is lost.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from runner_world import TRAILER, WORKFLOW, World, numbered
from test_merges import carried, merge, said

from patch_app.core.report import Status


class Landed(NamedTuple):
    """A landing: its commit and the branch's head before it."""

    commit: str
    onto: str


def land(world: World, onto: str | None = None) -> Landed:
    """The App's commit for what was carried last, and GitHub's merge of it into the branch as it is now."""
    fork, onto = world.fork, onto or world.fork.head
    commit = fork.git("commit-tree", "refs/carried^{tree}", "-p", onto, "-p", "refs/carried", "-m", "Land")
    fork.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7", commit)
    return Landed(commit, onto)


def two_patches(world: World) -> None:
    """A stack of two on the first release, and a second release that moved what they touch."""
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    fork.commit("two", {"b.txt": numbered(l3="ours"), "two.txt": "two\n"})
    world.upstream.commit("second", {"a.txt": "top\n" + numbered()})


def tree(world: World, **files: str | None) -> str:
    """The tree of the newest release with these files, and nothing else of the fork's."""
    clone = world.tmp / f"expected-{world.fork.clock}"
    world.upstream.git("clone", "-q", "--no-hardlinks", ".", str(clone))
    made = type(world.upstream)(clone, world.upstream.config)
    made.commit("expected", {name.replace("_", "."): content for name, content in files.items()})
    world.fork.git("fetch", "-q", str(clone), "HEAD")
    return made.rev("HEAD^{tree}")


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
@pytest.mark.parametrize("base_is_told", [True, False])
def test_the_next_release_carries_the_new_stack_alone(world: World, merges: str, base_is_told: bool) -> None:
    two_patches(world)
    base = world.upstream.head
    carried(world)
    landed = land(world)
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    expected = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours"), b_txt=numbered(l3="ours"), two_txt="two\n"
    )
    report = carried(world, expected, landing=landed, merges=merges, base=base if base_is_told else None)
    assert said(report) == [("one", "clean"), ("two", "clean")]
    assert report.base == base
    assert report.start is None
    assert set(report.merges) == {landed.commit, world.fork.head}
    assert "2 commits that the branch had before are not carried again" in report.notes[0]
    assert world.fork.git("rev-list", "--count", f"{world.upstream.head}..refs/carried") == "2"


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_a_persons_commit_on_top_is_carried_and_three_releases_follow(world: World, merges: str) -> None:
    two_patches(world)
    expected = {"b_txt": numbered(l3="ours"), "two_txt": "two\n"}
    landed, top = None, "top\n"
    for release in ("third", "fourth", "fifth"):
        carried(world, landing=landed, merges=merges)
        landed = land(world)
        world.fork.commit(
            f"on top before the {release}", {f"{release}.md": "mine\n", "two.txt": f"{release}\n"}
        )
        expected |= {f"{release}_md": "mine\n", "two_txt": f"{release}\n"}
        top = f"{release}\n{top}"
        world.upstream.commit(release, {"a.txt": top + numbered()})
    whole = tree(world, a_txt=top + numbered(l3="ours"), **expected)
    report = carried(world, whole, landing=landed, merges=merges)
    subjects = [subject for subject, _ in said(report)]
    assert subjects == ["one", "two", *(f"on top before the {one}" for one in ("third", "fourth", "fifth"))]
    assert report.stack is not None
    # the patches, the landing, its merge, and what is on top
    assert report.stack.ahead == len(subjects) + 2


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_others_merged_between_the_candidate_and_its_landing(world: World, merges: str) -> None:
    two_patches(world)
    carried(world)
    fork, onto = world.fork, world.fork.head
    # one was begun on an earlier commit of the old stack, and builds on a patch of it
    fork.git("checkout", "-q", "-b", "feature", "HEAD~1")
    fork.commit("feature", {"a.txt": numbered(l3="ours", l4="feature")})
    fork.git("checkout", "-q", "main")
    merge(fork, "feature", message="Merge pull request #6")
    fork.commit("hot fix", {"fix.txt": "fix\n"})
    landed = land(world, onto)
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    whole = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours", l4="feature"), b_txt=numbered(l3="ours"),
        two_txt="two\n", fix_txt="fix\n",
    )  # fmt: skip
    report = carried(world, whole, landing=landed, merges=merges)
    found = said(report)
    assert found[:2] == [("one", "clean"), ("two", "clean")]
    again = [("Merge pull request #6", "clean")] if merges == "preserve" else []
    assert sorted(found[2:]) == [*again, ("feature", "clean"), ("hot fix", "clean")]
    assert len(report.merges) == 3 - len(again)


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_a_branch_of_before_is_merged_after_the_landing(world: World, merges: str) -> None:
    two_patches(world)
    carried(world)
    fork = world.fork
    fork.git("checkout", "-q", "-b", "feature")
    fork.commit("feature", {"b.txt": numbered(l3="ours", l4="feature")})
    fork.git("checkout", "-q", "main")
    landed = land(world)
    merge(fork, "feature", {"note.txt": "settled\n"}, message="Merge pull request #8")
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    whole = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours"), b_txt=numbered(l3="ours", l4="feature"),
        two_txt="two\n", note_txt="settled\n",
    )  # fmt: skip
    report = carried(world, whole, landing=landed, merges=merges)
    # what the merge added by itself is a patch too
    assert [subject for subject, _ in said(report)] == ["one", "two", "feature", "Merge pull request #8"]


def test_a_squashed_landing_that_was_merged_after_all(world: World) -> None:
    two_patches(world)
    carried(world)
    fork, onto = world.fork, world.fork.head
    commit = fork.git("commit-tree", "refs/carried^{tree}", "-p", onto, "-p", "refs/carried", "-m", "Land")
    fork.git("merge", "-q", "--squash", commit)
    fork.commit("Squashed (#7)")
    fork.git("merge", "-q", "--no-ff", "-m", "Merge pull request #8", commit)
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    expected = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours"), b_txt=numbered(l3="ours"), two_txt="two\n"
    )
    report = carried(world, expected, landing=(commit, onto))
    assert said(report) == [("one", "clean"), ("two", "clean"), ("Squashed (#7)", "empty")]


def test_the_apps_own_commit_comes_along_once(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "one\n"})
    fork.commit("ours", {"a.txt": numbered(l3="x")})
    landed = None
    for number in range(3):
        world.upstream.commit("next", {"b.txt": f"{number}\n"})
        report = carried(world, landing=landed)
        assert said(report) == [("ours", "clean")]
        assert report.installed is not None
        assert len(report.installed.commits) == 1
        assert fork.git("show", f"refs/carried:{WORKFLOW}") == "one"
        landed = land(world)


def test_a_landing_that_nobody_told_of_loses_nothing(world: World) -> None:
    two_patches(world)
    carried(world)
    land(world)
    world.fork.commit("on top", {"two.txt": "mine\n"})
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    expected = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours"), b_txt=numbered(l3="ours"), two_txt="mine\n"
    )
    report = carried(world, expected)
    # the stack of before is told of as well
    assert sorted(subject for subject, _ in said(report)) == ["on top", "one", "one", "two", "two"]


@pytest.mark.parametrize(
    "other", ["other files", "not in the branch", "another parent", "no merge", "no parents"]
)
def test_what_is_no_landing_ends_in_a_sentence(world: World, other: str) -> None:
    two_patches(world)
    carried(world)
    fork, onto = world.fork, world.fork.head
    landed = land(world)
    commit, before = landed
    if other == "other files":
        commit = fork.git("commit-tree", f"{onto}^{{tree}}", "-p", onto, "-p", "refs/carried", "-m", "Land")
        fork.git("merge", "-q", "-s", "ours", "-m", "Merge it", commit)
    elif other == "not in the branch":
        commit = "1" * 40
    elif other == "another parent":
        before = fork.rev(f"{onto}~1")
    elif other == "no parents":
        commit = fork.git("commit-tree", f"{onto}^{{tree}}", "-m", "Land")
        fork.git("merge", "-q", "-s", "ours", "--allow-unrelated-histories", "-m", "Merge it", commit)
    else:
        commit = fork.rev("refs/carried")
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    report = world.carry(landing=(commit, before))
    assert report.status is Status.ERROR
    assert report.error is not None
    assert report.error.stage == "base"
    assert "landing" in report.error.message


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
@pytest.mark.parametrize("base_is_told", [True, False])
def test_what_a_person_put_into_the_merge_of_the_landing_is_carried(
    world: World, merges: str, base_is_told: bool
) -> None:
    two_patches(world)
    carried(world)
    landed = land(world)
    base = world.upstream.head if base_is_told else None
    fork = world.fork
    (fork.path / "two.txt").write_text("mine\n")
    fork.git("commit", "-q", "-a", "--amend", "--no-edit")
    world.upstream.commit("third", {"a.txt": "over\ntop\n" + numbered()})
    expected = tree(
        world, a_txt="over\ntop\n" + numbered(l3="ours"), b_txt=numbered(l3="ours"), two_txt="mine\n"
    )
    report = carried(world, expected, landing=landed, merges=merges, base=base)
    assert [subject for subject, _ in said(report)] == ["one", "two", "Merge pull request #7"]


def test_the_patch_of_a_landed_stack_conflicts(world: World) -> None:
    two_patches(world)
    carried(world)
    landed = land(world)
    world.upstream.commit("third", {"b.txt": numbered(l3="theirs")})
    report = world.carry(landing=landed)
    assert report.status is Status.CONFLICT
    assert said(report) == [("one", "clean"), ("two", "conflicted")]


def test_a_long_stack_is_told_from_the_one_before_by_its_whole_history(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    for number in range(30):
        fork.commit(f"patch {number}", {f"{number}.txt": "ours\n"})
    landed = None
    for number in range(3):
        world.upstream.commit("next", {"a.txt": f"{number}\n"})
        report = carried(world, landing=landed)
        assert len(report.patches) == 30
        landed = land(world)
