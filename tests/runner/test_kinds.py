"""Files that are no plain text at a plain path: binaries, links, modules, renames, and their conflicts."""

from __future__ import annotations

import pytest
from runner_world import Content, World, numbered

from patch_app.core.report import Report, Status

BINARY = bytes(range(256)) * 8


def carried(world: World) -> Report:
    report = world.carry()
    assert report.status is Status.CLEAN, report.error or report.conflict
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
    return report


def test_binaries_links_and_changes_of_kind(world: World) -> None:
    world.upstream.commit(
        "first", {"a.txt": numbered(), "b.bin": BINARY, "c.txt": numbered(), "d.txt": "d\n"}
    )
    fork = world.fork_now()
    fork.write({"b.bin": BINARY + b"\0x", "a.txt": numbered(l3="x"), "d.txt": None})
    (fork.path / "d.txt").symlink_to("a.txt")
    (fork.path / "link").symlink_to("/nowhere")
    fork.git("update-index", "--add", "--cacheinfo", f"160000,{fork.head},module")
    (fork.path / "module").mkdir()
    fork.commit("all kinds")
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    report = carried(world)
    assert [str(patch.verdict) for patch in report.patches] == ["clean"]
    assert set(report.patches[0].paths) == {"a.txt", "b.bin", "d.txt", "link", "module"}


def test_our_rename_follows_upstreams_edit(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "z.txt": "z\n"})
    world.fork_now().commit("move", {"a.txt": None, "dir/b.txt": numbered(l3="x")})
    world.upstream.commit("second", {"a.txt": numbered(l20="y")})
    report = carried(world)
    assert [(str(patch.verdict), patch.note) for patch in report.patches] == [("clean", None)]


def test_a_file_without_a_last_line_end(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered() + "end"})
    world.fork_now().commit("ours", {"a.txt": numbered() + "our end"})
    world.upstream.commit("second", {"a.txt": numbered(l2="y") + "end"})
    assert str(carried(world).patches[0].verdict) == "clean"


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "kind"),
    [
        ({"x.bin": BINARY}, {"x.bin": BINARY + b"a"}, {"x.bin": BINARY + b"b"}, "binary"),
        ({}, {"x": "file\n"}, {"x/y": "directory\n"}, "file/directory"),
        ({}, {"x": "ours\n"}, {"x": "theirs\n"}, "contents"),
        ({"x": numbered()}, {"x": None}, {"x": numbered(l2="y")}, "modify/delete"),
        ({"x": numbered()}, {"x": None, "y": numbered()}, {"x": None, "z": numbered()}, "rename/rename"),
    ],
)
def test_a_conflict_says_its_kind(
    world: World, before: dict[str, Content], ours: dict[str, Content], theirs: dict[str, Content], kind: str
) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), **before})
    world.fork_now().commit("ours", ours)
    world.upstream.commit("second", theirs)
    report = world.carry()
    assert world.oracle() is None
    assert report.status is Status.CONFLICT
    assert report.conflict is not None
    assert kind in {file.kind for file in report.conflict.files}
    assert [commit.sha for commit in report.patches[0].upstream_commits] == [world.upstream.head]
