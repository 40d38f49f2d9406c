"""Where a stack begins: in branches that keep earlier versions, and after upstream rewrote its history."""

from __future__ import annotations

from runner_world import World, numbered

from patch_app.core.report import Report, Status


def subjects(report: Report) -> list[str]:
    assert report.error is None, report.error.message
    return [patch.subject for patch in report.patches]


def merging_rebase(world: World, *patches: str) -> str:
    """A new round as git-for-windows does it: upstream's files with the old stack behind, then the patches
    again.
    """
    fork = world.fork
    old = fork.head
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("checkout", "-q", "-B", "main", "FETCH_HEAD")
    fork.git("merge", "-q", "-s", "ours", "-m", "Start the merging-rebase", old)
    start = fork.head
    for name in patches:
        fork.commit(name, {f"{name}.txt": f"{name}\n"})
    return start


def test_a_merging_rebase_is_recognised_by_its_first_merge(world: World) -> None:
    upstream = world.upstream
    upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    for name in ("one", "two", "gone"):
        fork.commit(name, {f"{name}.txt": f"{name}\n"})
    upstream.commit("second", {"a.txt": numbered(l2="x")})
    merging_rebase(world, "one", "two")
    base = upstream.commit("third", {"a.txt": numbered(l2="x", l20="y")})
    start = merging_rebase(world, "one", "two", "new")
    upstream.commit("fourth", {"b.txt": "b\n"})
    report = world.carry()
    assert subjects(report) == ["one", "two", "new"]
    assert (report.base, report.start, report.merges) == (base, start, ())
    # 5 patches of two earlier rounds, and the merges that began the rounds
    assert report.notes == (
        f"the stack begins after {start[:12]} Start the merging-rebase (it has upstream's files, and the "
        "older stack as a parent); 7 commits of the branch up to it are not carried",
    )
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle(base=start)
    assert report.range_diff is not None


def test_tens_of_thousands_of_earlier_commits_are_not_fetched(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    who = f"Fork Person <f@example.org> {type(fork).clock + 30} +0000"
    stream = "".join(
        f"commit refs/heads/main\ncommitter {who}\ndata 1\n{number % 10}\n"
        + ("from refs/heads/main^0\n" if number == 0 else "")
        for number in range(5000)
    )
    fork.git("fast-import", "--quiet", stdin=stream.encode())
    fork.git("reset", "-q", "--hard")
    world.upstream.commit("second", {"a.txt": numbered(l2="x")})
    merging_rebase(world, "one")
    world.upstream.commit("third", {"b.txt": "b\n"})
    report = world.carry()
    assert subjects(report) == ["one"]
    assert "up to it" not in report.notes[0]
    assert report.network.received_bytes < 60_000


def test_a_merge_of_upstream_that_leaves_nothing_of_the_fork_is_no_start(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("taken", {"a.txt": numbered(l3="x")})
    world.upstream.commit("took it", {"a.txt": numbered(l3="x")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("merge", "-q", "--no-edit", "FETCH_HEAD")
    fork.commit("after", {"b.txt": "b\n"})
    world.upstream.commit("third", {"c.txt": "c\n"})
    report = world.carry()
    assert (subjects(report), report.start) == (["taken", "after"], None)
    assert [str(patch.verdict) for patch in report.patches] == ["already-upstream", "clean"]


def test_a_side_branch_that_was_merged_away_is_no_start(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.git("checkout", "-q", "-b", "side")
    fork.commit("given up", {"s.txt": "s\n"})
    fork.git("checkout", "-q", "main")
    fork.commit("ours", {"b.txt": "b\n"})
    fork.git("merge", "-q", "-s", "ours", "-m", "never mind", "side")
    world.upstream.commit("second", {"c.txt": "c\n"})
    report = world.carry()
    assert (subjects(report), report.start) == (["ours", "given up", "never mind"], None)
    assert "s.txt" not in fork.git("ls-tree", "--name-only", "refs/carried").split()


def test_several_side_branches_were_merged_away_at_different_times(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    for number in range(3):
        fork.git("checkout", "-q", "-b", f"side-{number}")
        fork.commit("given up", {f"s{number}.txt": "s\n"})
        fork.git("checkout", "-q", "main")
        fork.commit("ours", {f"b{number}.txt": "b\n"})
        fork.git("merge", "-q", "-s", "ours", "-m", "never mind", f"side-{number}")
        type(fork).clock += 10 * 86_400
    world.upstream.commit("second", {"c.txt": "c\n"})
    report = world.carry()
    assert (len(subjects(report)), report.start) == (9, None)


def test_the_configured_start_is_any_commit_of_the_branch(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("not ours", {"x.txt": "x\n"})
    start = fork.commit("not ours either", {"y.txt": "y\n"})
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    base = world.upstream.rev("HEAD")
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    report = world.carry(start=start)
    assert subjects(report) == ["ours"]
    assert (report.base, report.start) == (base, start)
    assert report.notes[0].endswith("(as configured); 2 commits of the branch up to it are not carried")
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle(base=start)


def test_a_start_that_is_not_there_any_more_is_said(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"b.txt": "b\n"})
    world.upstream.commit("second", {"c.txt": "c\n"})
    report = world.carry(start="1" * 40)
    assert subjects(report) == ["ours"]
    assert report.notes == (
        f"{'1' * 40}, the configured start, is not in the branch's history and was passed over",
    )


def test_upstream_rewrote_its_history(world: World) -> None:
    upstream = world.upstream
    first = upstream.commit("first", {"a.txt": numbered()})
    upstream.commit("second", {"b.txt": "b\n"})
    last = upstream.commit("third", {"c.txt": "c\n"})
    fork = world.fork_now()
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    upstream.git("checkout", "-q", "--orphan", "new", first)
    upstream.commit("first again", {"a.txt": numbered(l30="rewritten")})
    upstream.git("cherry-pick", f"{first}..{last}")
    upstream.git("branch", "-q", "-M", "new", "main")
    upstream.commit("fourth", {"d.txt": "d\n"})
    report = world.carry()
    assert (report.status, report.error is not None) == (Status.ERROR, True)
    assert report.error is not None
    assert "set `start` of this stack to the last commit that is not a patch of yours" in report.error.message
    told = world.carry(start=last)
    assert subjects(told) == ["ours"]
    assert (told.base, told.start) == (None, last)
    assert told.candidate is not None
    assert told.candidate.tree == world.oracle(base=last)
    wrong = world.carry(start="1" * 40)
    assert wrong.error is not None
    assert "111111111111, the start that is configured, is not in the branch's history" in wrong.error.message


def test_upstream_rewrote_the_end_of_its_history(world: World) -> None:
    upstream = world.upstream
    first = upstream.commit("first", {"a.txt": numbered()})
    upstream.commit("second", {"b.txt": "b\n"})
    last = upstream.commit("third", {"c.txt": "c\n"})
    fork = world.fork_now()
    fork.commit("ours", {"z.txt": "z\n"})
    upstream.git("reset", "-q", "--hard", first)
    upstream.commit("in between", {"d.txt": "d\n"})
    upstream.git("cherry-pick", f"{first}..{last}")
    report = world.carry()
    assert [(patch.subject, str(patch.verdict)) for patch in report.patches] == [
        ("second", "already-upstream"), ("third", "already-upstream"), ("ours", "clean"),
    ]  # fmt: skip
    assert report.notes[0].startswith("the 2 oldest commits of the stack are in upstream's history")
    assert f"set `start` to {last}" in report.notes[0]
