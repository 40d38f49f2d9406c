"""What a check made is kept: what matches, never what lies elsewhere, within bounds, and all else is said."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from patch_app.runner import artifacts
from patch_app.runner.artifacts import Kept, Limits, keep


def write(tree: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)


ALL = Limits()


def kept(tree: Path, *patterns: str, limits: Limits = ALL) -> tuple[list[str], Kept]:
    into = tree.parent / "kept"
    with artifacts.opened(str(tree)) as held:
        found = keep(held, patterns, str(into), limits)
    return sorted(str(path.relative_to(into)) for path in into.rglob("*") if not path.is_dir()), found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


FILES = ("a.txt", "dist/a.whl", "dist/a.txt", "dist/.hidden", "dist/in/b.whl", "dist/in/deep/c.txt", "end")


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("a.txt", ["a.txt"]),
        ("dist/*.whl", ["dist/a.whl"]),
        ("dist", ["dist/.hidden", "dist/a.txt", "dist/a.whl", "dist/in/b.whl", "dist/in/deep/c.txt"]),
        ("dist/**", ["dist/.hidden", "dist/a.txt", "dist/a.whl", "dist/in/b.whl", "dist/in/deep/c.txt"]),
        ("**/*.txt", ["a.txt", "dist/a.txt", "dist/in/deep/c.txt"]),
        ("dist/**/c.txt", ["dist/in/deep/c.txt"]),
        ("dist/*/deep", ["dist/in/deep/c.txt"]),
        ("**/in/**/*.txt", ["dist/in/deep/c.txt"]),
        ("*/[ab].w?l", ["dist/a.whl"]),
        ("A.TXT", []),
        ("a.txt/b", []),
    ],
)
def test_a_pattern_says_which_files(tree: Path, pattern: str, wanted: list[str]) -> None:
    write(tree, *FILES)
    names, found = kept(tree, pattern)
    assert (names, found.files, found.left_out) == (wanted, len(wanted), {})


def test_what_lies_elsewhere_is_not_kept_through_a_link(tree: Path) -> None:
    secret = tree.parent / "secret"
    write(secret, "in/key", text="secret")
    write(tree, "out/real.txt")
    (tree / "out/file").symlink_to(secret / "in/key")
    (tree / "out/folder").symlink_to(secret)
    (tree / "linked").symlink_to(secret)
    (tree / "loop").symlink_to(".")
    os.mkfifo(tree / "out/pipe")
    names, found = kept(tree, "**/key", "out", "linked/in/key", "loop/out", "linked", "out/folder/in/*")
    assert names == ["out/real.txt"]
    assert found.left_out == {artifacts.LINK: 4}
    assert found.named[artifacts.LINK] == ["linked", "out/file", "out/folder", "out/pipe"]


def test_a_tree_that_another_takes_the_place_of_is_not_left(tree: Path) -> None:
    write(tree, "a.txt")
    write(tree.parent / "other", "b.txt")
    with artifacts.opened(str(tree)) as held:
        tree.rename(tree.parent / "aside")
        tree.symlink_to(tree.parent / "other")
        keep(held, ("**",), str(tree.parent / "kept"))
    assert [path.name for path in (tree.parent / "kept").iterdir()] == ["a.txt"]


def test_a_file_that_becomes_a_link_after_it_was_seen_is_not_followed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree, "a.txt", "dir/b.txt")
    write(tree.parent, "secret/b.txt", text="secret")
    seen = os.stat

    def exchanged(path: str, **how: Any) -> os.stat_result:
        found = seen(path, **how)
        if how.get("dir_fd") is not None:
            (tree / path).rename(tree.parent / f"old-{path}")
            (tree / path).symlink_to(tree.parent / ("secret" if path == "dir" else "secret/b.txt"))
        return found

    monkeypatch.setattr("patch_app.runner.artifacts.os.stat", exchanged)
    names, found = kept(tree, "**")
    assert (names, found.left_out) == ([], {artifacts.FAILED: 2})


def test_nothing_of_git_is_kept(tree: Path) -> None:
    write(tree, ".git/config", "sub/.git", "x/.GIT/HEAD", "a")
    assert kept(tree, "**", ".g*", "**/HEAD")[0] == ["a"]


def test_names_that_the_store_refuses_are_left_out_and_said_without_a_line_of_their_own(tree: Path) -> None:
    write(tree, "good [1].txt", "ünïcode", "a:b", 'q"q', "back\\slash", "line\n::error::forged", "tab\tbed")
    write(tree, "bad?dir/inner.txt")
    (tree / os.fsdecode(b"latin-\xe9")).write_text("x")
    names, found = kept(tree, "**")
    assert names == ["good [1].txt", "ünïcode"]
    assert found.left_out == {artifacts.NAME: 7}
    (line,) = found.lines()
    assert "'line\\n::error::forged'" in line
    assert "\\udce9" in line
    assert line.isprintable()


def test_a_file_that_does_not_fit_is_left_out_and_smaller_ones_are_kept(tree: Path) -> None:
    write(tree, "a", text="12345")
    write(tree, "b", "c", text="12")
    with (tree / "aa").open("wb") as sparse:
        sparse.truncate(1 << 40)
    names, found = kept(tree, "*", limits=Limits(size=7))
    assert (names, found.size) == (["a", "b"], 7)
    assert found.left_out == {artifacts.SIZE: 2}


def test_files_directories_and_time_have_an_end(tree: Path) -> None:
    write(tree, "1", "2", "3", "deep/down/4")
    names, found = kept(tree, "**", limits=Limits(files=2))
    assert (names, found.left_out) == (["1", "2"], {artifacts.MANY: 1})
    names, found = kept(tree, "deep", limits=Limits(depth=1))
    assert found.left_out == {artifacts.DEPTH: 1}
    ticks = iter(range(100))
    with artifacts.opened(str(tree)) as held:
        found = keep(held, ("**",), str(tree.parent / "late"), Limits(seconds=8), lambda: next(ticks))
    assert found.files == 1
    assert found.left_out == {artifacts.LATE: 1}


def test_a_tree_deeper_than_any_path_may_be_is_walked_to_the_limit_alone(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    write(tree, "a")
    names, found = kept(tree, "**")
    assert (names, found.left_out) == (["a"], {artifacts.DEPTH: 1})


def test_what_can_not_be_read_or_written_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, "a", "b", "c")
    opened = os.open

    def full(path: str, flags: int, mode: int = 0o777, **how: int) -> int:
        if path == "b" or path.endswith("kept/c"):
            raise OSError(28, "No space left on device")
        return opened(path, flags, mode, **how)

    monkeypatch.setattr("patch_app.runner.artifacts.os.open", full)
    names, found = kept(tree, "**")
    assert (names, found.left_out) == (["a"], {artifacts.FAILED: 2})


def test_a_file_that_grows_while_it_is_copied_is_given_up(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree, "a", "b")
    read, lock = os.read, threading.Lock()

    def growing(descriptor: int, size: int) -> bytes:
        with lock:
            chunk = read(descriptor, size)
            return chunk or b"more"

    monkeypatch.setattr("patch_app.runner.artifacts.os.read", growing)
    names, found = kept(tree, "**", limits=Limits(size=100))
    assert (names, found.left_out) == ([], {artifacts.SIZE: 2})


def test_a_name_made_to_be_slow_to_match_is_not(tree: Path) -> None:
    write(tree, "a" * 200)
    assert kept(tree, "*a*a*a*a*a*a*a*a*a*b", limits=Limits(seconds=5))[1].left_out == {}
