"""`strategy = "merge"`: the release merged into the stack. The oracle is `git merge --no-ff`."""

from __future__ import annotations

import pytest
from runner_world import TRAILER, WORKFLOW, Repo, World, numbered

from patch_app.core.report import Report, Status


def oracle(world: World, target: str) -> str | None:
    """Tree of `git merge --no-ff` in a work tree, None where it conflicts."""
    clone = Repo(world.tmp / f"oracle-{Repo.clock}", world.fork.config)
    world.fork.git("clone", "-q", "--no-hardlinks", ".", str(clone.path))
    clone.git("fetch", "-q", str(world.upstream.path), "+refs/heads/*:refs/up/*")
    clone.git("merge", "-q", "--no-ff", "-m", "by hand", target, ok=(0, 1))
    return None if clone.git("status", "--porcelain") else clone.rev("HEAD^{tree}")


def forward(world: World, **changes: object) -> Report:
    """Merges, and holds the candidate against the oracle and what a merge has to be."""
    target = str(changes.get("target", world.upstream.head))
    wanted = oracle(world, target)
    report = world.carry(strategy="merge", **changes)
    assert report.error is None, report.error.message
    if wanted is None:
        assert (report.status, report.candidate, report.partial) == (Status.CONFLICT, None, None)
        assert [patch.new for patch in report.patches] == [None] * len(report.patches)
        return report
    assert report.candidate is not None
    assert report.candidate.tree == wanted
    assert parents(world, report.candidate.sha) == [world.fork.head, target]
    assert all(patch.new in (None, patch.old) for patch in report.patches)
    return report


def candidate(world: World) -> str:
    """The merge commit, where it is made."""
    found = forward(world).candidate
    assert found is not None
    return found.sha


def parents(world: World, sha: str) -> list[str]:
    return world.fork.git("rev-list", "--parents", "-1", sha).split()[1:]


def said(report: Report) -> list[tuple[str, str]]:
    return [(patch.subject, str(patch.verdict)) for patch in report.patches]


def begin(world: World) -> Repo:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered(), "c.txt": numbered()})
    return world.fork_now()


def test_a_release_is_merged_with_one_commit_on_the_stacks_head(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    fork.commit("two", {"new.txt": "ours\n"})
    world.upstream.commit("theirs", {"a.txt": numbered(l20="theirs"), "b.txt": numbered(l1="theirs")})
    report = forward(world)
    assert said(report) == [("one", "clean"), ("two", "clean")]
    assert report.candidate is not None
    shown = fork.git("show", "-s", "--format=%an <%ae> %at%n%cn <%ce> %ct%n%B", report.candidate.sha)
    who = "patch_app <patch-app@users.noreply> 1760000000"
    assert shown == f"{who}\n{who}\nMerge v2 into main"
    again = forward(world)
    assert again.candidate == report.candidate
    assert again.range_diff is None


def test_a_second_release_merges_from_the_first_and_old_merges_stay(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    first = world.upstream.commit("v2", {"a.txt": numbered(l20="theirs")})
    fork.git("reset", "-q", "--hard", candidate(world))
    merged = fork.head
    fork.commit("two", {"a.txt": numbered(l3="ours", l10="ours too", l20="theirs")})
    world.upstream.commit("v3", {"a.txt": numbered(l20="theirs", l28="theirs too")})
    report = forward(world)
    assert said(report) == [("one", "clean"), ("two", "clean")]
    assert report.merges == (merged,)
    assert report.base == first


def test_a_release_that_the_branch_has_already_is_nothing_to_do(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("v2", {"b.txt": numbered(l20="theirs")})
    fork.git("reset", "-q", "--hard", candidate(world))
    report = world.carry(strategy="merge")
    assert (report.status, report.candidate, report.bundle) == (Status.NOOP, None, None)


def test_a_fork_without_the_release_gets_it_in_the_bundle(world: World) -> None:
    fork = begin(world)
    base = fork.head
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.git("checkout", "-q", "-b", "side")
    world.upstream.commit("on the side", {"c.txt": numbered(l9="side")})
    world.upstream.git("checkout", "-q", "main")
    world.upstream.commit("theirs", {"b.txt": numbered(l20="theirs")})
    world.upstream.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    report = forward(world, bundle_from="base")
    assert report.bundle is not None
    assert report.bundle.prerequisites == (base, fork.head)


def test_what_becomes_of_each_patch_is_read_from_the_merged_files(world: World) -> None:
    fork = begin(world)
    fork.commit("taken", {"a.txt": numbered(l3="both")})
    fork.commit("built on", {"b.txt": numbered(l5="first")})
    fork.commit("builds on it", {"b.txt": numbered(l5="second")})
    fork.commit("there and", {"c.txt": numbered(l9="there")})
    fork.commit("back again", {"c.txt": numbered()})
    fork.commit("nothing")
    took = world.upstream.commit("took it (#7)", {"a.txt": numbered(l3="both")})
    world.upstream.commit("theirs", {"c.txt": numbered(l20="theirs")})
    report = forward(world)
    assert said(report) == [
        ("taken", "already-upstream"),
        ("built on", "clean"),
        ("builds on it", "clean"),
        ("there and", "clean"),
        ("back again", "clean"),
        ("nothing", "empty"),
    ]
    assert [one.sha for one in report.patches[0].upstream_commits] == [took]


def test_a_patch_that_was_taken_says_so_at_each_release_after(world: World) -> None:
    fork = begin(world)
    fork.commit("taken", {"a.txt": numbered(l3="both")})
    fork.commit("ours", {"b.txt": numbered(l3="ours")})
    world.upstream.commit("took it", {"a.txt": numbered(l3="both")})
    fork.git("reset", "-q", "--hard", candidate(world))
    world.upstream.commit("v3", {"c.txt": numbered(l28="theirs")})
    assert said(forward(world)) == [("taken", "already-upstream"), ("ours", "clean")]


def test_a_patch_of_which_the_merge_leaves_nothing_is_not_called_clean(world: World) -> None:
    fork = begin(world)
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    fork.commit("side", {"b.txt": numbered(l3="ours")})
    world.upstream.commit("v2", {"c.txt": numbered(l2="theirs")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("merge", "-q", "--no-ff", "--no-commit", "FETCH_HEAD")
    fork.commit("merged by hand, and dropped ours", {"a.txt": numbered()})
    world.upstream.commit("v3", {"c.txt": numbered(l28="theirs")})
    report = forward(world)
    assert said(report) == [("ours", "empty"), ("side", "clean")]
    assert report.patches[0].note == "nothing of it is left in the merged files"


def test_a_conflict_names_the_newest_patch_of_the_files_and_changes_nothing(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"b.txt": numbered(l3="ours")})
    fork.commit("two", {"a.txt": numbered(l3="ours")})
    fork.commit("three", {"a.txt": numbered(l3="ours", l20="ours")})
    fork.commit("four", {"four.txt": "four\n"})
    since = world.upstream.commit("theirs (#9)", {"a.txt": numbered(l3="theirs")})
    report = forward(world)
    assert said(report) == [
        ("one", "not-tried"),
        ("two", "not-tried"),
        ("three", "conflicted"),
        ("four", "not-tried"),
    ]
    assert report.patches[2].note == (
        f"the newest patch of the files in conflict; the stack has not merged since {since[:10]} theirs (#9)"
    )
    assert [one.sha for one in report.patches[2].upstream_commits] == [since]
    assert report.patches[1].note == "it changes files in conflict; by itself it would conflict too"
    assert report.patches[0].note == "it has no part in the conflict; a merge is made whole or not at all"
    assert report.conflict is not None
    assert [(one.path, one.kind) for one in report.conflict.files] == [("a.txt", "contents")]
    assert report.conflict.patch == report.patches[2].old
    assert "+>>>>>>> patch" in report.conflict.diff
    assert report.bundle is None


def test_a_conflict_on_a_fork_without_the_release_still_brings_the_release(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    report = forward(world, bundle_from="base")
    assert report.bundle is not None
    assert report.bundle.tip == world.upstream.head


def test_a_file_that_upstream_moved_takes_the_patch_along(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    fork.git("mv", "b.txt", "ours.txt")
    fork.commit("moved by us")
    world.upstream.git("mv", "a.txt", "moved.txt")
    world.upstream.commit("moved", {"b.txt": numbered(l7="theirs")})
    report = forward(world)
    assert said(report) == [("one", "clean"), ("moved by us", "clean")]
    assert report.patches[0].note == "a.txt is now moved.txt"


def test_a_file_that_upstream_deleted_is_a_conflict_and_no_patch_is_lost(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("gone", {"a.txt": None})
    report = forward(world)
    assert said(report) == [("one", "conflicted")]
    assert report.conflict is not None
    assert [(one.path, one.kind) for one in report.conflict.files] == [("a.txt", "modify/delete")]


def test_the_apps_own_commits_stay_in_the_branch(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    first = fork.commit(f"Install\n\n{TRAILER}", {WORKFLOW: "one\n"})
    newest = fork.commit(f"Update\n\n{TRAILER}", {WORKFLOW: "two\n"})
    world.upstream.commit("theirs", {"b.txt": numbered(l3="theirs")})
    report = forward(world)
    assert said(report) == [("one", "clean")]
    assert report.installed is not None
    assert (report.installed.commits, report.installed.new) == ((first, newest), newest)


def test_criss_cross_bases_are_merged_first(world: World) -> None:
    """A fork that has merged a newer point of a release branch than the release on main has."""
    up = world.upstream
    fork = begin(world)
    fork.commit("ours", {"c.txt": numbered(l3="ours")})
    up.git("checkout", "-q", "-b", "old")
    up.commit("fix", {"a.txt": numbered(l3="fix")})
    up.git("checkout", "-q", "main")
    up.commit("new", {"b.txt": numbered(l3="new")})
    fork.git("fetch", "-q", str(up.path), "+refs/heads/*:refs/up/*")
    fork.git("merge", "-q", "--no-ff", "-m", "fix", "refs/up/old")
    fork.git("merge", "-q", "--no-ff", "-m", "new", "refs/up/main")
    up.git("checkout", "-q", "old")
    up.commit("fix again", {"a.txt": numbered(l3="fix again")})
    up.git("merge", "-q", "--no-ff", "-m", "both ways", "main~0")
    up.git("checkout", "-q", "main")
    up.git("merge", "-q", "--no-ff", "-m", "fixes", "old~1")
    up.commit("newest", {"b.txt": numbered(l3="new", l9="newest")})
    assert len(fork.git("merge-base", "--all", "main", "refs/up/main").split()) == 1
    fork.git("fetch", "-q", str(up.path), "+refs/heads/*:refs/up/*")
    bases = fork.git("merge-base", "--all", "main", "refs/up/main").split()
    assert len(bases) == 2
    assert said(forward(world)) == [("ours", "clean")]


def test_bases_that_dont_merge_by_themselves_are_refused_with_what_to_do(world: World) -> None:
    up = world.upstream
    fork = begin(world)
    fork.commit("ours", {"c.txt": numbered(l3="ours")})
    up.git("checkout", "-q", "-b", "old")
    up.commit("fix", {"a.txt": numbered(l3="old")})
    up.git("checkout", "-q", "main")
    up.commit("new", {"a.txt": numbered(l3="new")})
    fork.git("fetch", "-q", str(up.path), "+refs/heads/*:refs/up/*")
    fork.git("merge", "-q", "-s", "ours", "-m", "fix", "refs/up/old")
    fork.git("merge", "-q", "-s", "ours", "-m", "new", "refs/up/main")
    up.git("merge", "-q", "-s", "ours", "-m", "fixes", "old")
    report = world.carry(strategy="merge")
    assert report.error is not None
    assert report.error.stage == "base"
    assert report.error.message.startswith("main and v2 have several newest commits in common (")
    assert report.error.message.endswith(
        "Merge v2 into main once by hand; the release after it has one again."
    )


def test_a_fork_on_a_release_branch_finds_where_the_branch_began(world: World) -> None:
    """The newest upstream commit of the stack is none of the target's."""
    up = world.upstream
    begin_at = up.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    for number in range(60):
        up.commit(f"on main {number}", {"main.txt": f"{number}\n"})
    up.git("checkout", "-q", "-b", "release", begin_at)
    for number in range(60):
        up.commit(f"on release {number}", {"release.txt": f"{number}\n"})
    up.git("checkout", "-q", "main")
    fork = world.fork_now()
    fork.git("fetch", "-q", str(up.path), "release")
    fork.git("reset", "-q", "--hard", "FETCH_HEAD")
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    up.commit("newest", {"a.txt": numbered(l20="theirs")})
    assert said(forward(world)) == [("ours", "clean")]


def test_an_upstream_that_shares_nothing_is_refused_with_what_to_do(world: World) -> None:
    fork = begin(world)
    other = fork.git("rev-parse", "HEAD")
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.git("checkout", "-q", "--orphan", "rewritten")
    world.upstream.commit("rewritten", {"a.txt": numbered(l20="theirs")})
    report = world.carry(strategy="merge", start=other)
    assert report.error is not None
    assert report.error.stage == "base"
    assert "have no history in common" in report.error.message


def by_hand(world: World, files: dict[str, str | None], *, onto: str = "main") -> str:
    """What a person makes of the merge and pushes; main stays where it is."""
    fork = world.fork
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("checkout", "-q", "-b", "carry", onto)
    fork.git("merge", "-q", "--no-ff", "--no-commit", "FETCH_HEAD", ok=(0, 1))
    pushed = fork.commit("merged by hand", files)
    fork.git("checkout", "-q", "main")
    return pushed


def test_a_conflict_that_a_person_settled_and_pushed_is_the_candidate(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    fork.commit("two", {"b.txt": numbered(l3="ours")})
    fork.commit("three", {"c.txt": numbered(l3="ours")})
    own = fork.commit(f"Install\n\n{TRAILER}", {WORKFLOW: "one\n"})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs", l20="theirs")})
    pushed = by_hand(world, {"a.txt": numbered(l3="both", l20="theirs"), "c.txt": numbered()})
    report = world.carry(strategy="merge", pushed=pushed)
    assert said(report) == [("one", "resolved"), ("two", "clean"), ("three", "dropped")]
    assert report.candidate is not None
    assert (report.candidate.sha, report.bundle) == (pushed, None)
    assert [(one.sha, one.subject) for one in report.added] == [(pushed, "merged by hand")]
    assert report.installed is not None
    assert report.installed.new == own
    assert report.patches[0].note is not None
    assert report.patches[0].note.startswith("as it was pushed; ")


@pytest.mark.parametrize("what", ["the stack alone", "the release alone"])
def test_what_was_pushed_has_to_have_the_stack_and_the_release(world: World, what: str) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("theirs", {"b.txt": numbered(l3="theirs")})
    pushed = fork.head if what == "the stack alone" else by_hand(world, {"x.txt": "x\n"}, onto="main^")
    report = world.carry(strategy="merge", pushed=pushed)
    assert report.error is not None
    assert (report.error.stage, report.error.message) == (
        "continue",
        f"What was pushed, {pushed[:12]}, is not main with v2 merged into it. Merge the two and push again.",
    )


def test_a_push_that_takes_the_apps_own_files_away_is_refused(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    fork.commit(f"Install\n\n{TRAILER}", {WORKFLOW: "one\n"})
    world.upstream.commit("theirs", {"b.txt": numbered(l3="theirs")})
    report = world.carry(strategy="merge", pushed=by_hand(world, {WORKFLOW: None}))
    assert report.error is not None
    assert report.error.stage == "continue"
    assert "changes the App's own files. Put them back as they are on main" in report.error.message


def test_a_merge_of_the_stack_alone_can_be_what_conflicts(world: World) -> None:
    """What only a merge commit brought is attributed to it."""
    fork = begin(world)
    fork.commit("one", {"one.txt": "one\n"})
    fork.git("checkout", "-q", "-b", "side", "HEAD^")
    fork.commit("two", {"two.txt": "two\n"})
    fork.git("checkout", "-q", "main")
    fork.git("merge", "-q", "--no-ff", "--no-commit", "side")
    fork.commit("with more", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    report = forward(world)
    assert [(one.subject, str(one.verdict), one.merge) for one in report.patches] == [
        ("one", "not-tried", False),
        ("two", "not-tried", False),
        ("with more", "conflicted", True),
    ]
    assert report.merges == ()


@pytest.mark.parametrize("bundle_from", ["target", "base"])
def test_a_merge_attribute_of_the_branch_counts_as_in_a_work_tree(world: World, bundle_from: str) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), ".gitattributes": "a.txt merge=union\n"})
    fork = world.fork_now()
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    forward(world, bundle_from=bundle_from)


def test_a_stack_that_was_merged_can_be_rebased_again(world: World) -> None:
    fork = begin(world)
    fork.commit("one", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("v2", {"a.txt": numbered(l20="theirs")})
    fork.git("reset", "-q", "--hard", candidate(world))
    fork.commit("two", {"a.txt": numbered(l3="ours", l10="ours too", l20="theirs")})
    world.upstream.commit("v3", {"a.txt": numbered(l20="theirs", l28="theirs too")})
    merged, rebased = forward(world), world.carry()
    assert said(rebased) == [("one", "clean"), ("two", "clean")]
    assert rebased.candidate is not None
    assert merged.candidate is not None
    assert rebased.candidate.tree == merged.candidate.tree
    assert fork.git("rev-list", f"{world.upstream.head}..{rebased.candidate.sha}").count("\n") == 1
