"""Files and folders that either side moved, deleted or added: found again, or a conflict that says so."""

from __future__ import annotations

from pathlib import Path

from histories import plan
from judging import Case, cases, expect, held, state
from runner_world import numbered

A = numbered()
OURS, THEIRS = numbered(l3="ours"), numbered(l20="theirs")
OTHER = "".join(f"another {n}\n" for n in range(30))
FOLDER = {f"d/{n}": numbered(l1=f"file {n}") for n in range(3)}
MOVED = {f"e/{n}": content for n, content in enumerate(FOLDER.values())}
ELSEWHERE = {f"g/{n}": content for n, content in enumerate(FOLDER.values())}
EDITED = {"0": numbered(l1="file 0", l20="edited")}


@cases(
    Case("upstream moved the file", {"a": A}, {"a": OURS}, {"b": THEIRS}, "clean", "a is now b"),
    Case("we moved the file", {"a": A}, {"b": OURS}, {"a": THEIRS}, "clean"),
    Case(
        "both moved it to one place",
        {"a": A},
        {"b": OURS},
        {"b": THEIRS},
        "adjusted",
        "path: b is changed instead of renamed",
    ),
    Case("both moved it and nothing more", {"a": A}, {"b": A}, {"b": A}, "already-upstream"),
    Case("both moved it apart", {"a": A}, {"b": A}, {"c": A}, conflict=("a", "rename/rename")),
    Case(
        "we moved it to where upstream adds another",
        {"a": A},
        {"b": A},
        {"a": A, "b": OTHER},
        conflict=("b", "add/add"),
    ),
    Case(
        "we moved it to where upstream has a copy",
        {"a": A},
        {"b": A},
        {"a": A, "b": A},
        "adjusted",
        "path: a is deleted instead of renamed",
    ),
    Case(
        "two files moved to one name",
        {"a": A, "c": OTHER},
        {"b": A, "c": OTHER},
        {"a": A, "b": OTHER},
        conflict=("b", "add/add"),
    ),
    Case("we moved and rewrote it", {"a": A}, {"b": OTHER}, {"a": THEIRS}, conflict=("a", "modify/delete")),
    Case(
        "upstream moved and rewrote it", {"a": A}, {"a": OURS}, {"b": OTHER}, conflict=("a", "modify/delete")
    ),
    Case(
        "we swapped two files",
        {"a": A, "b": OTHER},
        {"a": OTHER, "b": A},
        {"a": A, "b": OTHER, "c": "c"},
        "clean",
    ),
    Case(
        "we swapped two files and upstream edits one",
        {"a": A, "b": OTHER},
        {"a": OTHER, "b": A},
        {"a": THEIRS, "b": OTHER},
        conflict=("a", "contents"),
    ),
    Case(
        "upstream swapped two files",
        {"a": A, "b": OTHER},
        {"a": OURS, "b": OTHER},
        {"a": OTHER, "b": A},
        conflict=("a", "contents"),
    ),
    Case("we copied a file", {"a": A}, {"a": A, "b": OURS}, {"a": THEIRS}, "clean"),
    Case("we turned a file into a folder", {"x": A}, {"x/y": A}, {"x": THEIRS}, "clean"),
    Case(
        "upstream turned the folder into a file", {"x/y": A}, {"x/y": OURS}, {"x": A}, "clean", "x/y is now x"
    ),
    Case(
        "a file where upstream has a folder",
        {},
        {"x": A},
        {"x/y": OTHER},
        conflict=("x~patch", "file/directory"),
    ),
    Case("case alone, by us", {"readme": A}, {"README": A}, {"readme": THEIRS}, "clean"),
    Case(
        "case alone, by upstream",
        {"readme": A},
        {"readme": OURS},
        {"README": THEIRS},
        "clean",
        "readme is now README",
    ),
    Case("upstream has both cases", {"readme": A}, {"readme": OURS}, {"readme": A, "README": OTHER}, "clean"),
    Case("a folder's case alone", {"Src/a": A}, {"src/a": OURS}, {"Src/a": THEIRS}, "clean"),
)
def test_a_moved_file(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case(
        "upstream moved the folder that we edit in",
        FOLDER,
        {**FOLDER, "d/0": EDITED["0"]},
        MOVED,
        "clean",
        "d/0 is now e/0",
    ),
    Case(
        "upstream moved the folder that we add to",
        FOLDER,
        {**FOLDER, "d/new": OTHER},
        MOVED,
        conflict=("e/new", "directory rename suggested"),
    ),
    Case(
        "we move a file into a folder that upstream moved",
        {**FOLDER, "x": OTHER},
        {**FOLDER, "d/x": OTHER},
        {**MOVED, "x": OTHER},
        conflict=("e/x", "directory rename suggested"),
    ),
    Case("we move a folder that upstream edits in", FOLDER, MOVED, {**FOLDER, "d/0": EDITED["0"]}, "clean"),
    Case(
        "we move a folder that upstream adds to",
        FOLDER,
        MOVED,
        {**FOLDER, "d/new": OTHER},
        conflict=("e/new", "directory rename suggested"),
    ),
    Case("both move the folder", FOLDER, MOVED, {**MOVED, "e/0": EDITED["0"]}, "already-upstream"),
    Case("both move the folder apart", FOLDER, MOVED, ELSEWHERE, conflict=("g/1", "rename/rename")),
)
def test_a_moved_folder(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case("upstream deleted what we edit", {"a": A}, {"a": OURS}, {}, conflict=("a", "modify/delete")),
    Case("upstream edited what we delete", {"a": A}, {}, {"a": THEIRS}, conflict=("a", "modify/delete")),
    Case("both deleted it", {"a": A}, {}, {}, "already-upstream"),
    Case("upstream deleted what we move", {"a": A}, {"b": A}, {}, conflict=("b", "rename/delete")),
    Case("upstream moved what we delete", {"a": A}, {}, {"b": A}, conflict=("b", "rename/delete")),
    Case("both added the same", {}, {"n": A}, {"n": A}, "already-upstream"),
    Case("both added, and not the same", {}, {"n": A}, {"n": THEIRS}, conflict=("n", "add/add")),
)
def test_a_file_that_is_gone_or_new(case: Case, tmp_path: Path) -> None:
    carried = expect(case, tmp_path)
    if case.conflict is not None:
        (patch,) = carried.report.patches
        assert [commit.subject for commit in patch.upstream_commits] == ["upstream 0"]
        assert "since" in (patch.note or "")


def test_a_file_moved_by_one_patch_and_edited_by_the_next(tmp_path: Path) -> None:
    stack = [state({"b": A}), state({"b": OURS}), state({"a": OURS})]
    carried = held(tmp_path, plan(state({"a": A}), stack, [state({"a": THEIRS})]))
    assert [str(patch.verdict) for patch in carried.report.patches] == ["clean"] * 3
