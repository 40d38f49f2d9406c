"""What becomes of a stack: verdicts, candidates, and the trees that `git rebase` gives."""

from __future__ import annotations

import pytest
from runner_world import TRAILER, WORKFLOW, World, numbered

from patch_app.core.report import Status, Verdict
from patch_app.runner import outlook


def verdicts(report: object) -> list[str]:
    return [str(patch.verdict) for patch in report.patches]  # type: ignore[attr-defined]


def test_patches_that_upstream_never_touched_arrive_unchanged(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("ours", {"c.txt": "ours\n"})
    fork.commit("more", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs"), "b.txt": "theirs\n"})
    report = world.carry()
    assert (report.status, verdicts(report)) == (Status.CLEAN, ["clean", "clean"])
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
    assert report.stack is not None
    assert (report.stack.ahead, report.stack.behind) == (2, 1)


def test_the_same_attempt_twice_gives_the_same_ids(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    first, second = world.carry(), world.carry()
    assert first.candidate == second.candidate
    assert first.bundle == second.bundle


def test_patch_that_a_person_wants_left_out_is_dropped_and_listed(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    first = fork.commit("ours", {"c.txt": "ours\n"})
    unwanted = fork.commit("Would conflict", {"a.txt": numbered(l3="ours")})
    last = fork.commit("on top", {"d.txt": "top\n"})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    assert verdicts(world.carry()) == ["clean", "conflicted", "not-tried"]
    report = world.carry(drop=(unwanted,))
    assert [(one.old, one.verdict, one.new is None) for one in report.patches] == [
        (first, "clean", False),
        (unwanted, "dropped", True),
        (last, "clean", False),
    ]
    assert "left out" in (report.patches[1].note or "")
    assert report.candidate is not None
    assert world.fork.git("show", "refs/carried:a.txt") == numbered(l3="theirs").rstrip("\n")


def test_upstream_took_the_patch(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("Fix line three", {"a.txt": numbered(l3="fixed")})
    fork.commit("ours", {"c.txt": "ours\n"})
    taken = world.upstream.commit("Fix line three (#12)", {"a.txt": numbered(l3="fixed")})
    world.upstream.commit("more", {"d.txt": "more\n"})
    report = world.carry()
    assert verdicts(report) == ["already-upstream", "clean"]
    assert [commit.sha for commit in report.patches[0].upstream_commits] == [taken]
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_upstream_took_the_patch_under_another_subject(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    world.fork_now().commit("Fix line three", {"a.txt": numbered(l3="fixed")})
    world.upstream.commit("unrelated", {"b.txt": "c\n"})
    taken = world.upstream.commit("Repair", {"a.txt": numbered(l3="fixed", l9="too")})
    report = world.carry()
    assert verdicts(report) == ["already-upstream"]
    assert [commit.sha for commit in report.patches[0].upstream_commits] == [taken]
    assert report.candidate is not None
    assert report.candidate.sha == world.upstream.head
    assert report.bundle is None


def test_upstream_took_the_patch_and_reverted_it(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="fixed")})
    world.upstream.commit("ours", {"a.txt": numbered(l3="fixed")})
    world.upstream.commit("Revert ours", {"a.txt": numbered()})
    report = world.carry()
    assert verdicts(report) == ["clean"]
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_the_same_line_is_added_inside_and_outside_an_if(world: World) -> None:
    before = "def f():\n    if x:\n        a()\n    b()\n" + numbered(5) + "def g():\n    c()\n"
    inside = before.replace("        a()\n", "        a()\n        call()\n")
    outside = inside.replace("    c()\n", "    c()\n    call()\n")
    world.upstream.commit("first", {"a.py": before})
    fork = world.fork_now()
    fork.commit("inside", {"a.py": inside})
    fork.commit("outside", {"a.py": outside})
    world.upstream.commit("second", {"b.py": "x\n"})
    report = world.carry()
    assert verdicts(report) == ["clean", "clean"]
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_half_of_the_patch_is_upstream_already(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="three", l20="twenty")})
    world.upstream.commit("second", {"a.txt": numbered(l3="three")})
    report = world.carry()
    assert verdicts(report) == ["adjusted"]
    assert report.patches[0].note is not None
    assert "lines: a.txt: 1 of 2 removed lines not carried" in report.patches[0].note
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_upstream_moved_the_file_that_the_patch_edits(world: World) -> None:
    world.upstream.commit("first", {"old/a.txt": numbered(), "b.txt": "b\n"})
    world.fork_now().commit("ours", {"old/a.txt": numbered(l3="three")})
    world.upstream.commit("moved", {"old/a.txt": None, "new/a.txt": numbered(l20="twenty")})
    report = world.carry()
    assert verdicts(report) == ["clean"]
    assert report.patches[0].note == "old/a.txt is now new/a.txt"
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_upstream_deleted_the_file_that_the_patch_edits(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    fork = world.fork_now()
    fork.commit("fine", {"c.txt": "c\n"})
    ours = fork.commit("ours", {"a.txt": numbered(l3="three")})
    fork.commit("later", {"d.txt": "d\n"})
    gone = world.upstream.commit("gone", {"a.txt": None})
    report = world.carry()
    assert (report.status, verdicts(report)) == (Status.CONFLICT, ["clean", "conflicted", "not-tried"])
    assert report.conflict is not None
    assert report.conflict.patch == ours
    assert [(file.path, file.kind) for file in report.conflict.files] == [("a.txt", "modify/delete")]
    assert "+three" in report.conflict.diff
    assert [commit.sha for commit in report.patches[1].upstream_commits] == [gone]
    assert report.partial is not None
    assert report.partial.sha == report.patches[0].new
    assert report.bundle is not None
    assert report.bundle.tip == report.partial.sha
    assert world.oracle() is None


def test_after_a_conflict_the_notes_say_what_would_become_of_the_rest(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("conflicts", {"a.txt": numbered(l3="ours")})
    fork.commit("builds on it", {"a.txt": numbered(l3="ours again")})
    fork.commit("fine", {"c.txt": "c\n"})
    fork.commit("conflicts too", {"b.txt": numbered(l5="ours")})
    fork.commit("another place", {"b.txt": numbered(l5="ours", l15="ours")})
    fork.commit("builds on the second", {"b.txt": numbered(l5="ours again", l15="ours")})
    fork.commit("taken", {"d.txt": "d\n"})
    fork.commit("builds on what is fine", {"c.txt": "c\nmore\n"})
    fork.git("commit", "-q", "--allow-empty", "-m", "empty")
    theirs = {"a.txt": numbered(l3="theirs"), "b.txt": numbered(l5="theirs")}
    edit = world.upstream.commit("Edit (#7)", theirs)
    world.upstream.commit("took one", {"d.txt": "d\n"})
    report = world.carry()
    assert verdicts(report) == ["conflicted", *["not-tried"] * 8]
    assert [(patch.subject, patch.note) for patch in report.patches[1:]] == [
        ("builds on it", "it builds on a patch that conflicts"),
        ("fine", "it would apply"),
        ("conflicts too", f"it would conflict too, in b.txt, since {edit[:10]} Edit (#7)"),
        ("another place", "it would apply"),
        ("builds on the second", "it builds on a patch that conflicts"),
        ("taken", "nothing would be left of it"),
        ("builds on what is fine", "it would apply"),
        ("empty", "it changes nothing"),
    ]
    assert report.partial is None
    assert report.bundle is None


def test_a_file_where_the_patch_has_a_directory_is_named_without_an_id_in_the_note(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("conflicts", {"a.txt": numbered(l3="ours")})
    fork.commit("a directory", {"d/x": "x\n"})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs"), "d": "a file\n"})
    assert world.carry().patches[1].note == "it would conflict too, in d~carried"


def test_only_so_many_patches_after_a_conflict_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "MOST", 2)
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("conflicts", {"a.txt": numbered(l3="ours")})
    for name in ("one", "two", "three"):
        fork.commit(name, {name: name})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    report = world.carry()
    assert [patch.note for patch in report.patches[1:]] == ["it would apply", "it would apply", None]


def test_both_sides_changed_the_line(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    theirs = world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    report = world.carry()
    assert (report.status, verdicts(report)) == (Status.CONFLICT, ["conflicted"])
    assert report.conflict is not None
    assert {stage.stage for stage in report.conflict.files[0].stages} == {1, 2, 3}
    assert report.conflict.files[0].kind == "contents"
    for line in ("+<<<<<<< carried", " theirs", "+ours", "+>>>>>>> patch"):
        assert line in report.conflict.diff.splitlines()
    assert report.partial is None
    assert report.bundle is None
    assert report.patches[0].upstream_commits[0].sha == theirs


def test_a_patch_that_changes_nothing_and_one_that_an_earlier_one_has(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("nothing")
    fork.commit("one", {"a.txt": numbered(l3="x")})
    fork.commit("undo", {"a.txt": numbered()})
    fork.commit("two", {"a.txt": numbered(l25="y")})
    world.upstream.commit("second", {"a.txt": numbered(l25="y")})
    report = world.carry()
    assert verdicts(report) == ["empty", "clean", "clean", "already-upstream"]
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_a_mode_change_that_upstream_made_too_is_told(world: World) -> None:
    world.upstream.commit("first", {"a.sh": numbered()})
    fork = world.fork_now()
    (fork.path / "a.sh").chmod(0o755)
    fork.commit("ours", {"a.sh": numbered(l3="x")})
    (world.upstream.path / "a.sh").chmod(0o755)
    world.upstream.commit("theirs")
    report = world.carry()
    assert verdicts(report) == ["adjusted"]
    assert "mode: a.sh" in (report.patches[0].note or "")
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_a_latin_1_commit_keeps_its_bytes(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("x", {"c.txt": "c\n"})
    raw = subprocess_cat(world, fork.head)
    head, _, _ = raw.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(b"author")]
    lines.insert(2, b"author A. U. Th\xf6r Jr. <> 1234567890 +0130")
    lines += [b"encoding ISO-8859-1", b"gpgsig -----BEGIN", b" abc", b" -----END"]
    odd = b"\n".join(lines) + b"\n\nGr\xfc\xdfe\n\nk\xf6nig\n"
    sha = fork.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=odd)
    fork.git("reset", "-q", "--hard", sha)
    world.upstream.commit("second", {"b.txt": "b\n"})
    report = world.carry()
    assert verdicts(report) == ["clean"]
    assert report.patches[0].subject == "Grüße"
    assert report.patches[0].author == "A. U. Thör Jr. <>"
    assert "signature" in (report.patches[0].note or "")
    new = subprocess_cat(world, report.patches[0].new or "")
    assert b"author A. U. Th\xf6r Jr. <> 1234567890 +0130\n" in new
    assert b"encoding ISO-8859-1\n" in new
    assert b"gpgsig" not in new
    assert new.endswith(b"\n\nGr\xfc\xdfe\n\nk\xf6nig\n")


def subprocess_cat(world: World, sha: str) -> bytes:
    return world.fork.git("cat-file", "commit", sha).encode("utf-8", "surrogateescape") + b"\n"


def test_union_merges_work_as_in_a_work_tree(world: World) -> None:
    world.upstream.commit("first", {"log": "a\n", "sub/log": "a\n", ".gitattributes": "log merge=union\n"})
    world.fork_now().commit("ours", {"log": "a\nours\n", "sub/log": "a\nours\n"})
    world.upstream.commit("theirs", {"log": "a\ntheirs\n", "sub/log": "a\ntheirs\n"})
    report = world.carry()
    assert report.status is Status.CLEAN
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_the_base_is_on_a_branch_that_the_release_never_had(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.upstream.git("checkout", "-q", "-b", "v1.x")
    world.upstream.commit("backport one", {"x.txt": "1\n"})
    world.upstream.commit("backport two", {"x.txt": "2\n"})
    base = world.upstream.head
    fork = world.fork_now()
    ours = fork.commit("ours", {"c.txt": "c\n"})
    world.upstream.commit("backport three", {"x.txt": "3\n"})
    world.upstream.git("checkout", "-q", "main")
    world.upstream.commit("second", {"a.txt": numbered(l2="x")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")  # a fork network shares objects
    world.upstream.git("fetch", "-q", str(fork.path), "HEAD")
    report = world.carry()
    assert [patch.old for patch in report.patches] == [ours]
    assert report.base == base
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle(base=base)


@pytest.mark.parametrize("ahead", [60, 450])
def test_a_long_stack_is_found_whole(world: World, ahead: int) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    who = f"Fork Person <f@example.org> {type(fork).clock + 30} +0000"
    stream = "".join(
        f"commit refs/heads/main\ncommitter {who}\ndata 1\n{number % 10}\n"
        + ("from refs/heads/main^0\n" if number == 0 else "")
        for number in range(ahead)
    )
    fork.git("fast-import", "--quiet", stdin=stream.encode())
    fork.commit("ours", {"c.txt": "c\n"})
    world.upstream.commit("second", {"b.txt": "b\n"})
    report = world.carry()
    assert len(report.patches) == ahead + 1
    assert {patch.verdict for patch in report.patches} == {Verdict.EMPTY, Verdict.CLEAN}


def test_the_apps_own_commit_is_left_out_and_made_again_on_top(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    installed = fork.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "one\n"})
    ours = fork.commit("ours", {"a.txt": numbered(l3="x")})
    updated = fork.commit(f"Update\n\n{TRAILER}\n", {WORKFLOW: "two\n"})
    lookalike = fork.commit(f"Not installed\n\n{TRAILER}\n", {"other.txt": "x\n"})
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    report = world.carry()
    assert [patch.old for patch in report.patches] == [ours, lookalike]
    assert report.installed is not None
    assert report.installed.commits == (installed, updated)
    assert report.candidate is not None
    assert report.installed.new == report.candidate.sha
    assert report.candidate.tree == world.oracle()
    assert world.fork.git("rev-list", "--count", f"{world.upstream.head}..refs/carried") == "3"
    assert world.fork.git("log", "-1", "--format=%s", "refs/carried") == "Update"


def test_what_people_change_of_the_apps_files_goes_with_its_commit(world: World) -> None:
    """It stands on a commit that is left out: carried as a patch it would conflict with every release."""
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    before = fork.commit("Mine before it", {".github/patch-app.toml": "# 0\n"})
    installed = fork.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "one\n"})
    configured = fork.commit("Configure", {".github/patch-app.toml": "# 1\n", WORKFLOW: "two\n"})
    mixed = fork.commit("Both", {".github/patch-app.toml": "# 2\n", "b.txt": "b\n"})
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    report = world.carry()
    assert report.installed is not None
    assert report.installed.commits == (installed, configured)
    assert [(patch.old, patch.verdict) for patch in report.patches] == [
        (before, Verdict.CLEAN),
        (mixed, Verdict.CONFLICTED),
    ]
    fork.git("reset", "-q", "--hard", configured)
    report = world.carry()
    assert report.candidate is not None
    assert world.fork.git("log", "-1", "--format=%s", "refs/carried") == "Install"
    assert world.fork.git("show", "refs/carried:.github/patch-app.toml") == "# 1"
    assert world.fork.git("show", f"refs/carried:{WORKFLOW}") == "two"


def test_upstream_has_the_apps_own_path(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.commit("second", {WORKFLOW: "evil\n"})
    report = world.carry()
    assert report.status is Status.ERROR
    assert report.error is not None
    assert (report.error.stage, WORKFLOW in report.error.message) == ("blocked", True)


def test_there_is_nothing_to_do(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    assert world.carry().status is Status.NOOP
    fork.commit("ours", {"c.txt": "c\n"})
    report = world.carry()
    assert (report.status, verdicts(report), report.candidate) == (Status.NOOP, ["clean"], None)


def test_the_two_share_no_commit(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.git("checkout", "-q", "--orphan", "other")
    fork.commit("alone", {"z.txt": "z\n"})
    report = world.carry()
    assert report.error is not None
    assert "share no commit" in report.error.message


def test_a_merge_that_adds_nothing_is_flattened(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.git("checkout", "-q", "-b", "side")
    fork.commit("side", {"s.txt": "s\n"})
    fork.git("checkout", "-q", "main")
    fork.commit("ours", {"a.txt": numbered(l3="x")})
    fork.git("merge", "-q", "--no-edit", "side")
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    fork.git("fetch", "-q", str(world.upstream.path), "main")
    fork.git("merge", "-q", "--no-edit", "FETCH_HEAD")
    fork.commit("after", {"t.txt": "t\n"})
    world.upstream.commit("third", {"b.txt": "b\n"})
    report = world.carry()
    assert sorted(verdicts(report)) == ["clean", "clean", "clean"]
    assert {patch.subject for patch in report.patches} == {"side", "ours", "after"}
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_the_fork_lacks_the_release_so_the_bundle_starts_at_the_base(world: World) -> None:
    old = world.upstream.commit("first", {"a.txt": numbered()})
    world.upstream.git("checkout", "-q", "-b", "side")
    world.upstream.commit("side", {"s.txt": "s\n"})
    world.upstream.git("checkout", "-q", "main")
    base = world.upstream.commit("second", {"b.txt": "b\n"})
    fork = world.fork_now()
    fork.commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.git("merge", "-q", "--no-edit", "side")
    world.upstream.commit("third", {"a.txt": numbered(l20="y")})
    out = world.tmp / "out"
    out.mkdir()
    report = world.carry(into=out, bundle_from="base")
    assert report.bundle is not None
    assert report.bundle.prerequisites == (base,)
    # a fork that has its own history alone can take it
    bare = world.tmp / "bare.git"
    world.upstream.git("init", "-q", "--bare", str(bare))
    world.upstream.git("push", "-q", str(bare), f"{base}:refs/heads/main")
    world.upstream.git(
        "-C", str(bare), "fetch", "-q", str(out / "candidate.bundle"), f"{report.bundle.ref}:refs/new"
    )
    world.upstream.git("-C", str(bare), "fsck", "--strict")
    assert world.upstream.git("-C", str(bare), "rev-list", "--count", "refs/new", f"^{old}") == "5"
