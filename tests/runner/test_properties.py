"""Any stack on any release: every patch has one verdict, and the tree is the one that `git rebase` gives."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_world import Content, World

from patch_app.core.report import SETTLED, Status, Verdict
from patch_app.runner import diff, verdict
from patch_app.runner.records import Change

NAMES = ("a.txt", "dir/b.txt", "dir/c.txt", "moved/b.txt", "new.txt")
LINES = 12

edits = st.tuples(
    st.sampled_from(("edit", "edit", "edit", "edit", "insert", "remove", "add", "delete", "move", "nothing")),
    st.sampled_from(NAMES),
    st.integers(0, LINES - 1),
    st.sampled_from(("x", "y", "    x")),
)
commits = st.lists(st.lists(edits, min_size=1, max_size=2), min_size=1, max_size=4)
Edits = list[list[tuple[str, str, int, str]]]


def apply(files: dict[str, list[str]], kind: str, name: str, at: int, word: str) -> None:
    lines = files.get(name)
    if kind == "add" and lines is None:
        files[name] = [word, f"added to {name}"]
    if lines is None:
        return
    match kind:
        case "edit" if at < len(lines):
            lines[at] = word
        case "insert":
            lines.insert(at, word)
        case "remove" if at < len(lines):
            del lines[at]
        case "delete":
            del files[name]
        case "move":
            files[name.replace("dir/", "moved/")] = files.pop(name)


def play(
    world: World, where: str, files: dict[str, list[str]], history: Edits, same: Mapping[int, int]
) -> None:
    """Commits a history; every commit's files are written whole."""
    repo = world.upstream if where == "upstream" else world.fork
    for number, steps in enumerate(history):
        for step in steps:
            apply(files, *step)
        written: dict[str, Content] = {name: "\n".join(lines) + "\n" for name, lines in files.items()}
        present = set(repo.git("ls-files").split("\n")) - {""}
        repo.commit(f"{where} {number}", {**dict.fromkeys(present - set(written)), **written})


@settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(ours=commits, theirs=commits, taken=st.booleans())
def test_every_patch_has_one_verdict_and_the_tree_is_the_rebases(
    ours: Edits, theirs: Edits, taken: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        first = {name: [f"{name} line {n}" for n in range(LINES)] for name in NAMES[:3]}
        play(
            world,
            "upstream",
            {name: list(lines) for name, lines in first.items()},
            [[("nothing", "a.txt", 0, "x")]],
            {},
        )
        world.fork_now()
        play(world, "fork", {name: list(lines) for name, lines in first.items()}, ours, {})
        # half of the time upstream takes our first patch before it goes on by itself
        begin = ours[:1] if taken else []
        play(world, "upstream", {name: list(lines) for name, lines in first.items()}, [*begin, *theirs], {})
        report = world.carry()
        assert report.status in (Status.CLEAN, Status.CONFLICT), report.error
        stack = world.fork.git("rev-list", "--reverse", f"{report.base}..HEAD").split()
        assert [patch.old for patch in report.patches] == stack
        tree = world.oracle()
        if report.status is Status.CLEAN:
            assert report.candidate is not None
            assert all(patch.verdict in SETTLED for patch in report.patches)
            assert report.candidate.tree == tree
        else:
            assert tree is None
            assert [patch.verdict for patch in report.patches].count(Verdict.CONFLICTED) == 1


lines = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"  a\n", b"@@ -1 +1 @@\n", b"diff --git x\n", b"-- x\n"]), max_size=6
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(one=lines, two=lines)
def test_a_verdict_is_clean_only_for_the_same_lines(one: list[bytes], two: list[bytes]) -> None:
    change = Change("100644", "100644", "1" * 40, "2" * 40, "M", b"f", b"f")
    other = change._replace(old="3" * 40, new="4" * 40)
    word, note = verdict.compare(
        [(change, diff.Lines(tuple(one), ()))], [(other, diff.Lines(tuple(two), ()))]
    )
    assert (word == "clean") == (sorted(one) == sorted(two))
    assert (note is None) == (word == "clean")


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(removed=lines, added=lines, ends=st.booleans())
def test_lines_that_look_like_headers_do_not_mislead(
    removed: list[bytes], added: list[bytes], ends: bool
) -> None:
    body = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n"
    if removed or added:
        body += b"@@ -1,%d +1,%d @@ heading\n" % (len(removed), len(added))
        body += b"".join(b"-" + line for line in removed) + b"".join(b"+" + line for line in added)
    if added and not ends:
        body += b"\\ No newline at end of file\n"
        added = [*added[:-1], added[-1][:-1]]
    sections = diff.split_sections(body + b"diff --git a/y b/y\nold mode 100644\nnew mode 100755\n")
    assert sections == [diff.Lines(tuple(removed), tuple(added)), diff.Lines((), ())]
