"""Stacks with merges, in one row or with their merges made again: nothing that a merge settled is lost."""

from __future__ import annotations

import pytest
from runner_world import TRAILER, WORKFLOW, Content, Repo, World, numbered

from patch_app.core.report import SETTLED, Report, Status
from patch_app.runner import linear


def said(report: Report) -> list[tuple[str, str]]:
    return [(patch.subject, str(patch.verdict)) for patch in report.patches]


def carried(world: World, tree: str | None = None, **changes: object) -> Report:
    """A report without a conflict, every commit of the stack accounted for; its tree the one expected."""
    report = world.carry(**changes)
    assert report.status is Status.CLEAN, report.error or report.conflict
    assert report.candidate is not None
    assert all(patch.verdict in SETTLED for patch in report.patches)
    if tree is not None:
        shown = world.fork.git("diff", tree, report.candidate.tree)
        assert report.candidate.tree == tree, shown
    return report


def side_branch(fork: Repo, name: str, files: dict[str, Content], ours: dict[str, Content]) -> None:
    """A commit on a branch of its own, one on main, and main stays checked out."""
    fork.git("checkout", "-q", "-b", name)
    fork.commit(name, files)
    fork.git("checkout", "-q", "main")
    fork.commit("ours", ours)


def merge(fork: Repo, what: str, files: dict[str, Content] | None = None, message: str = "a merge") -> str:
    """A merge of `what`, in which these files are then what they are given as."""
    fork.git("merge", "-q", "--no-ff", "--no-commit", what, ok=(0, 1))
    return fork.commit(message, files or {})


def merge_upstream(world: World, files: dict[str, Content] | None = None) -> str:
    world.fork.git("fetch", "-q", str(world.upstream.path), "main")
    return merge(world.fork, "FETCH_HEAD", files, "merge upstream")


def rebased_merges(world: World) -> str:
    """Tree of `git rebase --rebase-merges=rebase-cousins` in a work tree."""
    clone = Repo(world.tmp / f"oracle-{Repo.clock}", world.fork.config)
    world.fork.git("clone", "-q", "--no-hardlinks", ".", str(clone.path))
    clone.git("fetch", "-q", str(world.upstream.path), "main")
    clone.git(
        "rebase", "-q", "--rebase-merges=rebase-cousins", "--reapply-cherry-picks", "--empty=drop",
        "--keep-empty", "FETCH_HEAD",
    )  # fmt: skip
    return clone.rev("HEAD^{tree}")


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_a_merge_that_adds_something_keeps_it(world: World, merges: str) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    side_branch(fork, "side", {"s.txt": "s\n"}, {"a.txt": numbered(l3="x")})
    evil = merge(fork, "side", {"only-here.txt": "x\n"}, "evil merge")
    fork.commit("after", {"t.txt": "t\n"})
    world.upstream.commit("second", {"b.txt": "b\n"})
    report = carried(world, merges=merges)
    assert said(report) == [
        ("ours", "clean"), ("side", "clean"), ("evil merge", "clean"), ("after", "clean"),
    ] or merges == "preserve"  # fmt: skip
    assert {subject for subject, _ in said(report)} == {"ours", "side", "evil merge", "after"}
    assert report.merges == ()
    files = world.fork.git("ls-tree", "-r", "--name-only", "refs/carried").split()
    assert files == ["a.txt", "b.txt", "only-here.txt", "s.txt", "t.txt"]
    new = next(patch.new for patch in report.patches if patch.old == evil)
    parents = world.fork.git("rev-list", "--parents", "-1", str(new)).split()[1:]
    assert len(parents) == (2 if merges == "preserve" else 1)


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_a_merge_that_settled_a_conflict_keeps_its_answer(world: World, merges: str) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    side_branch(fork, "side", {"a.txt": numbered(l3="side")}, {"a.txt": numbered(l3="main")})
    settled = merge(fork, "side", {"a.txt": numbered(l3="both")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    report = carried(world, merges=merges)
    assert world.fork.git("show", "refs/carried:a.txt") == numbered(l3="both", l20="theirs").strip()
    if merges == "flatten":
        assert said(report) == [("ours", "clean"), ("side", "resolved")]
        assert report.patches[1].note is not None
        assert report.patches[1].note.startswith(f"as the merge {settled[:12]} settled it")
        assert report.merges == (settled,)
        assert report.range_diff is not None
    else:
        assert sorted(said(report)) == [("a merge", "resolved"), ("ours", "clean"), ("side", "clean")]
        assert "it settles the conflict of its parents as it did before" in (report.patches[2].note or "")


def test_upstream_was_merged_in_between_with_conflicts(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    one = fork.commit("one", {"a.txt": numbered(l3="one"), "b.txt": numbered(l3="one")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    settled = merge_upstream(world, {"a.txt": numbered(l3="theirs and one")})
    two = fork.commit("two", {"a.txt": numbered(l3="theirs and one", l10="two"), "b.txt": numbered(l3="one")})
    world.upstream.commit("third", {"b.txt": numbered(l20="theirs")})
    again = merge_upstream(world)
    world.upstream.commit("fourth", {"c.txt": "c\n", "b.txt": numbered(l20="theirs")})
    report = carried(world)
    assert [(patch.old, str(patch.verdict)) for patch in report.patches] == [
        (one, "resolved"), (two, "clean"),
    ]  # fmt: skip
    assert set(report.merges) == {settled, again}
    assert world.fork.git("show", "refs/carried:a.txt") == numbered(l3="theirs and one", l10="two").strip()
    assert world.fork.git("show", "refs/carried:b.txt") == numbered(l3="one", l20="theirs").strip()
    assert report.base == fork.rev("main^2")
    assert report.other_bases == ()


def test_a_merge_of_upstream_took_their_side_so_nothing_of_the_patch_is_left(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("given up", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    settled = merge_upstream(world, {"a.txt": numbered(l3="theirs")})
    fork.commit("kept", {"b.txt": "b\n"})
    world.upstream.commit("third", {"c.txt": "c\n"})
    report = carried(world)
    assert said(report) == [("given up", "empty"), ("kept", "clean")]
    assert report.patches[0].note == f"a merge in the stack {settled[:12]} left nothing of it"


def test_several_patches_touch_what_a_merge_settled(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    fork = world.fork_now()
    fork.commit("one", {"a.txt": numbered(l3="one")})
    fork.commit("two", {"a.txt": numbered(l3="one", l4="two")})
    fork.commit("three", {"a.txt": numbered(l3="one", l4="two", l25="three")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs", l4="theirs")})
    whole = numbered(l3="theirs one", l4="theirs two", l25="three")
    merge_upstream(world, {"a.txt": whole})
    world.upstream.commit("third", {"b.txt": "c\n"})
    report = carried(world)
    assert [subject for subject, _ in said(report)] == ["one", "two", "three"]
    assert world.fork.git("show", "refs/carried:a.txt") == whole.strip()


def test_the_stack_went_from_one_release_branch_to_the_next(world: World) -> None:
    upstream = world.upstream
    upstream.commit("first", {"a.txt": numbered(), "version": "dev\n"})
    upstream.git("checkout", "-q", "-b", "v1")
    upstream.commit("release one", {"version": "1\n", "only-in-one.txt": "1\n"})
    fork = world.fork_now()
    ours = fork.commit("ours", {"a.txt": numbered(l3="ours")})
    upstream.git("checkout", "-q", "main")
    upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    upstream.git("checkout", "-q", "-b", "v2")
    upstream.commit("release two", {"version": "2\n"})
    fork.git("fetch", "-q", str(upstream.path), "v2")
    merge(fork, "FETCH_HEAD", {"version": "2\n"}, "to v2")
    later = fork.commit("later", {"z.txt": "z\n"})
    upstream.git("checkout", "-q", "main")
    upstream.commit("third", {"c.txt": "c\n"})
    upstream.git("checkout", "-q", "-b", "v3")
    upstream.commit("release three", {"version": "3\n"})
    for repo, other in ((fork, upstream), (upstream, fork)):  # a fork network shares objects
        repo.git("fetch", "-q", str(other.path), "HEAD")
    report = carried(world)
    assert [(patch.old, str(patch.verdict)) for patch in report.patches] == [
        (ours, "clean"), (later, "clean"),
    ]  # fmt: skip
    assert {report.base, *report.other_bases} == {upstream.rev("v1"), upstream.rev("v2")}
    # what upstream did on its first release branch is upstream's, and no patch
    files = fork.git("ls-tree", "-r", "--name-only", "refs/carried").split()
    assert files == ["a.txt", "c.txt", "version", "z.txt"]


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
def test_an_octopus_and_a_branch_of_a_branch(world: World, merges: str) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    for name in ("x", "y", "z"):
        fork.git("checkout", "-q", "-b", name, "main")
        fork.commit(name, {f"{name}.txt": name})
    fork.git("checkout", "-q", "-b", "zz", "z")
    fork.commit("zz", {"zz.txt": "zz"})
    fork.git("checkout", "-q", "z")
    fork.git("merge", "-q", "--no-ff", "--no-edit", "zz")
    fork.git("checkout", "-q", "main")
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    fork.git("merge", "-q", "--no-edit", "x", "y", "z")
    fork.commit("last", {"a.txt": numbered(l3="ours", l30="last")})
    world.upstream.commit("second", {"a.txt": numbered(l15="theirs")})
    expected = rebased_merges(world)
    report = carried(world, expected, merges=merges)
    graph = fork.git("rev-list", "--min-parents=2", "--parents", f"{world.upstream.head}..refs/carried")
    if merges == "flatten":
        assert graph == ""
        assert len(report.merges) == 2
        assert len(report.patches) == 6
    else:
        assert sorted(len(line.split()) - 1 for line in graph.split("\n")) == [2, 4]
        assert len(report.patches) == 8


def test_preserved_merges_are_those_of_rebase_cousins(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("zero", {"zero.txt": "0\n"})
    side_branch(fork, "side", {"b.txt": numbered(l5="side")}, {"a.txt": numbered(l5="main")})
    fork.git("merge", "-q", "--no-ff", "--no-edit", "side")
    fork.commit("after", {"after.txt": "a\n"})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs"), "b.txt": numbered(l20="theirs")})
    expected = rebased_merges(world)
    report = carried(world, expected, merges="preserve")
    order = "--topo-order"
    old = fork.git("log", order, "--format=%s", f"{report.base}..main").split("\n")
    new = fork.git("log", order, "--format=%s", f"{world.upstream.head}..refs/carried").split("\n")
    assert new == old


def test_a_side_branch_that_upstream_took_leaves_nothing_to_merge(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    side_branch(fork, "side", {"b.txt": numbered(l5="side")}, {"a.txt": numbered(l5="main")})
    merge(fork, "side")
    fork.commit("after", {"after.txt": "a\n"})
    world.upstream.commit("took it", {"b.txt": numbered(l5="side")})
    report = carried(world, rebased_merges(world), merges="preserve")
    assert dict(said(report)) == {
        "ours": "clean", "side": "already-upstream", "a merge": "empty", "after": "clean",
    }  # fmt: skip


def test_a_conflict_on_a_side_branch_hands_over_only_what_leads_to_it(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("zero", {"zero.txt": "0\n"})
    side_branch(fork, "side", {"b.txt": numbered(l5="side")}, {"a.txt": numbered(l25="main")})
    merge(fork, "side")
    world.upstream.commit("theirs", {"b.txt": numbered(l5="theirs")})
    report = world.carry(merges="preserve")
    assert report.status is Status.CONFLICT
    assert report.partial is not None
    new = [patch.new for patch in report.patches if patch.new]
    held = fork.git("rev-list", f"{world.upstream.head}..refs/carried").split()
    assert sorted(new) == sorted(held)
    assert dict(said(report))["side"] == "conflicted"
    assert dict(said(report))["zero"] == "clean"


def test_preserve_stops_where_the_parents_conflict_anew(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    side_branch(fork, "side", {"a.txt": numbered(l3="side")}, {"a.txt": numbered(l3="main")})
    merge(fork, "side", {"a.txt": numbered(l3="both")})
    world.upstream.commit("second", {"a.txt": numbered(l2="theirs")})
    report = world.carry(merges="preserve")
    assert report.status is Status.CONFLICT
    assert report.conflict is not None


def test_the_apps_own_commits_among_merges(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    installed = fork.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "one\n"})
    side_branch(fork, "side", {"s.txt": "s\n"}, {"a.txt": numbered(l3="x")})
    merge(fork, "side")
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    for merges in ("flatten", "preserve"):
        report = carried(world, merges=merges)
        assert {subject for subject, _ in said(report)} - {"a merge"} == {"ours", "side"}
        assert report.installed is not None
        assert report.installed.commits == (installed,)
        assert fork.git("show", f"refs/carried:{WORKFLOW}") == "one"


def test_too_many_merges_end_in_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MAX_MERGES", 1)
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    for number in range(3):
        fork.commit(str(number), {f"{number}.txt": "x\n"})
    world.upstream.commit("second", {"b.txt": "b\n"})
    merge_upstream(world)
    world.upstream.commit("third", {"c.txt": "c\n"})
    report = world.carry()
    assert report.error is not None
    assert (report.error.stage, "Rebase it once by hand" in report.error.message) == ("stack", True)
