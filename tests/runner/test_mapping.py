"""A person pushed to the maintenance branch: which of their commits stands for which patch."""

from __future__ import annotations

from runner_world import TRAILER, WORKFLOW, World, numbered

from patch_app.core.report import Report, Status


def stack(world: World) -> str:
    """Four patches, of which the second conflicts with upstream's release; its id."""
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("one", {"one.txt": "one\n"})
    second = fork.commit("two", {"a.txt": numbered(l3="ours")})
    fork.commit("three", {"b.txt": numbered(l5="ours")})
    fork.commit("four", {"four.txt": "four\n"})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("tag", "release", "FETCH_HEAD")
    return second


def by_hand(world: World, *picks: str, settled: str = "both") -> None:
    """What the issue tells a person to do: pick, settle the conflict, go on. On a branch `carry`."""
    fork = world.fork
    fork.git("checkout", "-q", "-b", "carry", "release")
    for pick in picks:
        fork.git("cherry-pick", pick, ok=(0, 1))
        if fork.git("status", "--porcelain"):
            fork.write({"a.txt": numbered(l3=settled)})
            fork.git("add", "-A")
            fork.git("-c", "core.editor=true", "cherry-pick", "--continue")


def go_on(world: World, **changes: object) -> Report:
    return world.carry(pushed=world.fork.rev("carry"), stack=world.fork.rev("main"), **changes)


def said(report: Report) -> list[tuple[str, str]]:
    assert report.error is None, report.error.message
    return [(patch.subject, str(patch.verdict)) for patch in report.patches]


def test_a_settled_conflict_is_shown_and_everything_else_is_as_it_was(world: World) -> None:
    stack(world)
    by_hand(world, "main~3", "main~2", "main~1", "main")
    report = go_on(world)
    assert said(report) == [("one", "clean"), ("two", "resolved"), ("three", "clean"), ("four", "clean")]
    assert report.patches[1].note is not None
    assert report.patches[1].note.startswith(
        "as it was pushed; lines: a.txt: 1 of 1 removed lines not carried;"
    )
    assert report.candidate is not None
    assert report.candidate.sha == world.fork.rev("carry")
    assert [patch.new for patch in report.patches] == world.fork.git(
        "rev-list", "--reverse", "release..carry"
    ).split()
    assert (report.bundle, report.added) == (None, ())
    assert report.range_diff is not None


def test_dropped_patches_are_listed_and_added_commits_too(world: World) -> None:
    stack(world)
    by_hand(world, "main~3", "main~1")
    world.fork.commit("something new", {"new.txt": "new\n"})
    report = go_on(world)
    assert said(report) == [("one", "clean"), ("two", "dropped"), ("three", "clean"), ("four", "dropped")]
    assert report.patches[1].note == "no pushed commit stands for it"
    assert [(one.sha, one.subject) for one in report.added] == [(world.fork.rev("carry"), "something new")]


def test_patches_that_were_reworded_reordered_and_mended_are_found(world: World) -> None:
    stack(world)
    by_hand(world, "main", "main~1", "main~2", settled="ours, mended")
    fork = world.fork
    fork.commit("One, in other words", {"one.txt": "one\n"})
    fork.git("commit", "-q", "--amend", "-m", "One, in other words")
    report = go_on(world)
    assert said(report) == [("one", "clean"), ("two", "resolved"), ("three", "clean"), ("four", "clean")]
    assert [patch.new for patch in report.patches] == fork.git("rev-list", "release..carry").split()


def test_a_patch_that_was_squashed_into_another_is_no_dropped_one(world: World) -> None:
    stack(world)
    by_hand(world, "main~3", "main~2", "main~1", "main")
    fork = world.fork
    fork.git("reset", "-q", "--soft", "HEAD~2")
    fork.git("commit", "-q", "-m", "three and four")
    report = go_on(world)
    assert said(report)[:2] == [("one", "clean"), ("two", "resolved")]
    assert said(report)[2:] == [("three", "resolved"), ("four", "empty")]
    assert report.patches[3].note == "what was pushed has it already"
    assert report.added == ()


def test_a_branch_that_stands_on_something_else_is_refused(world: World) -> None:
    stack(world)
    world.fork.git("branch", "carry", "main")
    report = go_on(world)
    assert report.status is Status.ERROR
    assert report.error is not None
    assert (report.error.stage, "Rebase it onto" in report.error.message) == ("continue", True)


def test_a_branch_that_was_put_back_to_an_older_upstream_commit_is_refused(world: World) -> None:
    stack(world)
    world.fork.git("branch", "carry", "release~1")
    report = go_on(world)
    assert report.error is not None
    assert (report.error.stage, report.patches[0].verdict.value) == ("continue", "not-tried")


def test_a_merge_is_refused_unless_merges_are_kept(world: World) -> None:
    stack(world)
    by_hand(world, "main~3")
    fork = world.fork
    fork.git("checkout", "-q", "-b", "side", "release")
    fork.commit("beside", {"beside.txt": "x\n"})
    fork.git("checkout", "-q", "carry")
    fork.git("merge", "-q", "--no-edit", "side")
    report = go_on(world)
    assert report.error is not None
    assert "merge commit" in report.error.message
    assert go_on(world, merges="preserve").status is Status.CLEAN


def test_the_apps_own_files_come_back_where_they_were_left_out(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "one\n"})
    fork.commit("ours", {"b.txt": "ours\n"})
    world.upstream.commit("second", {"c.txt": "c\n"})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("tag", "release", "FETCH_HEAD")
    by_hand(world, "main")
    report = go_on(world)
    assert said(report) == [("ours", "clean")]
    assert report.installed is not None
    assert report.bundle is not None
    assert report.bundle.prerequisites == (fork.rev("carry"),)
    assert report.candidate is not None
    assert report.candidate.sha == report.installed.new == report.bundle.tip
    assert fork.git("show", f"refs/carried:{WORKFLOW}") == "one"
    fork.git("cherry-pick", "main~1")
    whole = go_on(world)
    assert (whole.bundle, whole.installed is not None) == (None, True)


def test_a_patch_that_upstream_took_is_named_and_not_dropped(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("ours", {"b.txt": "ours\n"})
    fork.commit("taken", {"a.txt": numbered(l3="taken")})
    took = world.upstream.commit("took it", {"a.txt": numbered(l3="taken")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("tag", "release", "FETCH_HEAD")
    by_hand(world, "main~1")
    report = go_on(world)
    assert said(report) == [("ours", "clean"), ("taken", "already-upstream")]
    assert [one.sha for one in report.patches[1].upstream_commits] == [took]


def test_nothing_was_left_of_the_stack(world: World) -> None:
    stack(world)
    world.fork.git("branch", "carry", "release")
    report = go_on(world)
    assert {verdict for _, verdict in said(report)} == {"dropped"}
    assert report.candidate is not None
    assert report.candidate.sha == world.fork.rev("release")


def test_the_same_lines_in_two_files_are_two_patches_though_both_were_reworded(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("one", {"one.txt": "the same\n"})
    fork.commit("two", {"two.txt": "the same\n"})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("checkout", "-q", "-b", "carry", "FETCH_HEAD")
    two = fork.commit("reworded", {"two.txt": "the same\n"})
    one = fork.commit("reworded as well", {"one.txt": "the same\n"})
    report = go_on(world)
    assert [(patch.subject, patch.new, patch.note) for patch in report.patches] == [
        ("one", one, None),
        ("two", two, None),
    ]
