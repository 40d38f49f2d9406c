from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import conflict_lines, messages
from patch_app.core.effects import MOST_ANNOTATIONS
from patch_app.core.report import Conflict
from tests.core import samples

HEAD = "diff --git a/f b/f\n--- a/f\n+++ b/f\n"


def conflict(diff: str, *paths: str) -> Conflict:
    files = [{"path": path, "kind": "contents", "stages": []} for path in paths or ("f",)]
    return Conflict.model_validate({"patch": samples.oid(1), "files": files, "diff": diff})


def lines(diff: str, *paths: str) -> list[tuple[str, int, int]]:
    found = conflict_lines.annotated(conflict(diff, *paths), "Patch 1 of 2, x")
    return [(one.path, one.start_line, one.end_line) for one in found]


OURS = "+<<<<<<< v2\n a\n b\n+=======\n+c\n+>>>>>>> x\n"


@pytest.mark.parametrize(
    ("diff", "found"),
    [
        (f"{HEAD}@@ -3,4 +3,8 @@ f()\n before\n{OURS} after\n", [("f", 4, 5)]),
        (f"{HEAD}@@ -3,2 +3,6 @@\n{OURS}@@ -20,2 +24,6 @@\n{OURS}", [("f", 3, 4), ("f", 20, 21)]),
        # the side that was there is empty: the line that it would stand before
        (f"{HEAD}@@ -7 +7,5 @@\n x\n+<<<<<<< v2\n+=======\n+c\n+>>>>>>> x\n", [("f", 8, 8)]),
        (f"{HEAD}@@ -0,0 +1,4 @@\n+<<<<<<< v2\n+=======\n+c\n+>>>>>>> x\n", [("f", 1, 1)]),
        (f"{HEAD}@@ -3,2 +3,8 @@\n+<<<<<<< v2\n a\n b\n+||||||| p\n+o\n+=======\n+c\n+>>>>>>> x\n",
         [("f", 3, 4)]),
        # cut in the midst, binary, nothing, and headers that are none
        (f"{HEAD}@@ -3,9 +3,9 @@\n+<<<<<<< v2\n a", [("f", 1, 1)]),
        ("Binary files differ", [("f", 1, 1)]),
        ("", [("f", 1, 1)]),
        (f"{HEAD}@@ -x +y @@\n{OURS}", [("f", 1, 1)]),
        # a line of the file that looks like a header is counted as what it is
        (f"{HEAD}@@ -3,3 +3,8 @@\n+++ b/other\n x\n{OURS}", [("f", 4, 5)]),
        # what the patch did elsewhere are no lines of the carried commit
        (f"What the patch does to files that one side lacks:\n{HEAD}@@ -9,2 +9,6 @@\n{OURS}", [("f", 1, 1)]),
    ],
)  # fmt: skip
def test_an_annotation_stands_at_the_lines_that_were_there(
    diff: str, found: list[tuple[str, int, int]]
) -> None:
    assert lines(diff) == found


def test_the_lines_are_those_that_git_itself_tells(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *words], capture_output=True, text=True, check=False
        )
        return done.stdout

    def commit(text: str) -> None:
        (tmp_path / "f").write_text(text)
        git("add", "f")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x")

    rows = [f"line {n}\n" for n in range(1, 41)]
    git("init", "-q", "-b", "main")
    commit("".join(rows))
    git("switch", "-q", "-c", "theirs")
    commit("".join(["theirs\n" if n in (9, 29) else row for n, row in enumerate(rows)]))
    git("switch", "-q", "main")
    commit("".join(["new\nours\n" if n in (9, 29) else row for n, row in enumerate(rows)]))
    tree = git("merge-tree", "--write-tree", "main", "theirs").split("\n", 1)[0]
    diff = git("diff-tree", "-r", "-p", "--no-renames", "main", tree)
    assert diff.count("+<<<<<<<") == 2, diff
    assert lines(diff) == [("f", 10, 11), ("f", 31, 32)]


@given(st.lists(st.sampled_from([*HEAD.splitlines(), "@@ -1,2 +1,3 @@", *OURS.splitlines(), "\\ No newline"]))
       .map("\n".join))  # fmt: skip
def test_any_diff_gives_lines_that_github_takes(diff: str) -> None:
    for _, start, end in lines(diff):
        assert 1 <= start <= end


def test_there_are_never_more_than_github_takes_and_none_without_a_conflict() -> None:
    many = "".join(f"@@ -{n},2 +{n},6 @@\n{OURS}" for n in range(1, 100))
    assert len(lines(HEAD + many)) == MOST_ANNOTATIONS
    assert len(lines("", *(f"f{n}" for n in range(200)))) == MOST_ANNOTATIONS
    assert messages.check_annotations(samples.carried()) == ()
    for attempt in (samples.conflicted(), samples.hostile(), samples.huge_conflict()):
        assert messages.check_annotations(attempt)


def test_an_annotation_says_which_patch_in_one_line() -> None:
    (one,) = messages.check_annotations(samples.conflicted())
    assert (one.path, one.start_line, one.end_line, one.level) == ("src/count.py", 9, 9, "failure")
    assert one.message == "Patch 2 of 4, Count from one: conflicts with what is here"
    for hostile in messages.check_annotations(samples.hostile()):
        assert "\n" not in hostile.title + hostile.message
