"""Recorded resolutions that somebody made up: malformed ones are left out, and no id is believed."""

from __future__ import annotations

import json

import pytest
from person import keep, learn, scratch
from runner_world import DATE, Repo, World, numbered
from test_resolutions import OLD, resolve, verdicts

from patch_app.core.report import Report
from patch_app.runner import resolution_store as store
from patch_app.runner.resolution_store import Text

META = {"commit": "c" * 40, "patch": OLD, "subject": "s", "when": DATE}
GOOD = {"preimage": b"p", "postimage": b"q", "meta.json": json.dumps({**META, "beside": []}).encode()}


def spoiled(**changes: object) -> dict[str, bytes]:
    return {**GOOD, "meta.json": json.dumps({**META, "beside": [], **changes}).encode()}


def whole(**changes: object) -> dict[str, bytes]:
    listed = [{"path": "a.txt", "mode": "100644", **changes}]
    return {"meta.json": json.dumps({**META, "files": listed}).encode(), "0": b"x"}


HOSTILE = {
    "no postimage": (OLD, {name: GOOD[name] for name in ("preimage", "meta.json")}),
    "no json": (OLD, {**GOOD, "meta.json": b"{"}),
    "deep json": (OLD, {**GOOD, "meta.json": b"[" * 100_000}),
    "a list": (OLD, {**GOOD, "meta.json": b"[]"}),
    "an id that is an option": (OLD, spoiled(commit="--upload-pack=x")),
    "half a surrogate": (OLD, spoiled(subject="\ud800")),
    "a subject without end": (OLD, spoiled(subject="a" * 501)),
    "no time": (OLD, spoiled(when="now")),
    "a time that is true": (OLD, spoiled(when=True)),
    "a path that is a number": (OLD, spoiled(beside=[1])),
    "a name that is no id": ("hooks", GOOD),
    "a folder above": ("..", GOOD),
    "an odd mode": ("whole-" + OLD, whole(mode="100666")),
    "a mode that is a list": ("whole-" + OLD, whole(mode=["100644"])),
    "a submodule without id": ("whole-" + OLD, whole(mode="160000")),
    "no files": ("whole-" + OLD, {"meta.json": json.dumps({**META, "files": []}).encode()}),
    "too large": (OLD, {**GOOD, "preimage": b"x" * (store.MAX_FILE + 1)}),
}


def hostile(repo: Repo, folder: str, files: dict[str, bytes], mode: str = "100644") -> str:
    """A store with that folder and a good one."""

    def tree(files: dict[str, bytes], mode: str) -> str:
        ids = {
            name: repo.git("hash-object", "-w", "--stdin", stdin=content) for name, content in files.items()
        }
        listing = "".join(f"{mode} blob {oid}\t{name}\n" for name, oid in ids.items())
        return repo.git("mktree", stdin=listing.encode())

    folders = {folder: tree(files, mode), "2" * 40: tree(GOOD, "100644")}
    listing = "".join(f"040000 tree {oid}\t{name}\n" for name, oid in folders.items())
    return repo.git("commit-tree", "-m", "hostile", repo.git("mktree", stdin=listing.encode()))


def kept_of(world: World, name: str) -> tuple[list[str], int]:
    with scratch(world) as repository:
        repository.run("fetch", "-q", str(world.fork.path), name)
        found = store.read(repository, name)
        return [one.id for one in found.entries], found.malformed


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_resolution_is_left_out_and_the_rest_is_used(world: World, case: str) -> None:
    world.upstream.commit("first", {"a.txt": "a\n"})
    assert kept_of(world, hostile(world.fork_now(), *HOSTILE[case])) == (["2" * 40], 1)


def test_a_subject_of_two_lines_becomes_one(world: World) -> None:
    world.upstream.commit("first", {"a.txt": "a\n"})
    fork = world.fork_now()
    name = hostile(fork, OLD, spoiled(subject="a\n::error::b\x1b[31m"))
    with scratch(world) as repository:
        repository.run("fetch", "-q", str(fork.path), name)
        (found,) = store.read(repository, name, {OLD}).entries
    assert found.origin.subject == "a ::error::b [31m"


def test_a_symlink_in_the_store_is_not_followed(world: World) -> None:
    world.upstream.commit("first", {"a.txt": "a\n"})
    name = hostile(world.fork_now(), OLD, {**GOOD, "postimage": b"/etc/passwd"}, "120000")
    assert kept_of(world, name) == (["2" * 40], 1)


def test_a_store_larger_than_any_is_refused_with_a_note(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    empty = fork.git("mktree")
    listing = "".join(f"040000 tree {empty}\t{number:040x}\n" for number in range(store.MAX_ENTRIES + 1))
    name = fork.git("commit-tree", "-m", "hostile", fork.git("mktree", stdin=listing.encode()))
    report = world.carry(resolutions=name)
    assert verdicts(report) == ["conflicted"]
    assert "the recorded resolutions were not used: they are more than 500" in (report.patches[0].note or "")


def forged(world: World, postimage: bytes, **changes: object) -> Report:
    """A carry with a store whose one entry has the right id and another content than anybody resolved."""
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    patch = fork.commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    person, resolved = resolve(world, {"a.txt": numbered(l3="both")})
    (found,) = learn(world, patch, resolved, person)
    assert isinstance(found, Text)
    made = found._replace(postimage=postimage, **changes)
    return world.carry(resolutions=keep(world, made))


@pytest.mark.parametrize(
    "postimage", [b"<<<<<<< x\na\n=======\nb\n>>>>>>> y\n", b"a\0b\n", b"=======\n", b"<<<<<<<"]
)
def test_a_forged_resolution_never_leaves_markers_or_a_binary(world: World, postimage: bytes) -> None:
    report = forged(world, postimage)
    assert verdicts(report) == ["conflicted"]
    assert "was not used" in (report.patches[0].note or "")


def test_a_preimage_that_is_not_of_its_id_is_not_used(world: World) -> None:
    report = forged(world, b"anything\n", preimage=b"<<<<<<<\na\n=======\nb\n>>>>>>>\n")
    assert verdicts(report) == ["conflicted"]


def test_a_resolution_to_an_empty_file_is_one(world: World) -> None:
    report = forged(world, b"")
    assert verdicts(report) == ["resolved"]
    assert world.fork.git("show", "refs/carried:a.txt") == ""
