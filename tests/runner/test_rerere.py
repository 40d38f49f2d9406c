"""Ids and preimages are those of Git's own rerere; what can't be read for certain has none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from person import Person, merge, scratch
from runner_world import Repo, World, numbered

from patch_app.runner import rerere, resolutions

CRLF = {"l3": "ours\r", "l4": "line 4\r"}
ATTRIBUTES = {"a.txt": "a.txt conflict-marker-size=12\n"}

CASES = {
    "one hunk": (numbered(), numbered(l3="ours"), numbered(l3="theirs")),
    "two hunks": (numbered(), numbered(l3="ours", l20="o"), numbered(l3="theirs", l20="t")),
    "hunks side by side": (numbered(), numbered(l3="o", l5="o"), numbered(l3="t", l5="t")),
    "the whole file": ("a\n", "b\nc\n", "d\n"),
    "one side removes": (numbered(), numbered(l3="ours"), numbered().replace("line 3\n", "")),
    "windows line ends": (
        numbered().replace("\n", "\r\n"),
        numbered(l3="ours").replace("\n", "\r\n"),
        numbered(l3="theirs").replace("\n", "\r\n"),
    ),
    "no final line end": ("a\nb", "a\nours", "a\ntheirs"),
    "one side has no final line end": ("a\nb\n", "a\nours", "a\ntheirs\n"),
    "a heading underlined": ("Chapter\n=======\n\na\n", "Chapter\n=======\n\nb\n", "Chapter\n=======\n\nc\n"),
    "odd bytes": (b"\xff\n\xfe\n", b"\xff\n\xfd\n", b"\xff\r\xfc\n"),
}


def conflict(world: World, before: object, ours: object, theirs: object, path: str = "a.txt") -> Person:
    """Upstream went from `before` to `theirs`, the fork to `ours`; a person's rebase stops there."""
    world.upstream.commit("first", {path: before, ".gitattributes": "marked conflict-marker-size=12\n"})  # type: ignore[dict-item]
    world.fork_now().commit("ours", {path: ours})  # type: ignore[dict-item]
    world.upstream.commit("theirs", {path: theirs})  # type: ignore[dict-item]
    person = Person(world)
    person.git("rebase", "-q", world.upstream.head, ok=(1,))
    return person


def ours_of(world: World) -> resolutions.Conflicts:
    with scratch(world) as repository:
        merged = merge(repository, world.fork.head, world.upstream.head)
        found = resolutions.read(repository, merged)
        assert found is not None
        return found


@pytest.mark.parametrize("case", CASES)
def test_id_and_preimage_are_those_of_gits_own_rerere(world: World, case: str) -> None:
    person = conflict(world, *CASES[case])
    (file,) = ours_of(world).files.values()
    assert person.preimages() == {file.normalised.id: file.normalised.text}


def test_the_id_is_the_same_with_the_sides_swapped(world: World, tmp_path: Path) -> None:
    before, ours, theirs = CASES["two hunks"]
    first = conflict(world, before, ours, theirs).preimages()
    (tmp_path / "swapped").mkdir()
    swapped = World(tmp_path / "swapped")
    second = conflict(swapped, before, theirs, ours).preimages()
    assert first.keys() == second.keys()
    (file,) = ours_of(swapped).files.values()
    assert {file.normalised.id: file.normalised.text} == first


def test_markers_of_another_size_and_content_with_markers_of_the_usual_one(world: World) -> None:
    usual = "<<<<<<< here\n=======\n>>>>>>> there\n"
    person = conflict(world, usual + "a\n", usual + "b\n", usual + "c\n", "marked")
    (file,) = ours_of(world).files.values()
    assert file.size == 12
    assert b"<" * 12 + b"\n" in file.normalised.text
    assert person.preimages() == {file.normalised.id: file.normalised.text}


def test_a_base_shown_between_the_sides_does_not_change_the_id() -> None:
    plain = b"a\n<<<<<<< x\nb\n=======\nc\n>>>>>>> y\n"
    diff3 = b"a\n<<<<<<< x\nb\n||||||| base\nd\n=======\nc\n>>>>>>> y\n"
    assert rerere.normalise(plain) == rerere.normalise(diff3) is not None


def test_ids_in_a_sha256_repository_are_those_of_gits_own(world: World) -> None:
    world.upstream.path.rename(world.tmp / "unused")
    world.upstream.path.mkdir()
    world.upstream.git("init", "-q", "--object-format=sha256")
    person = conflict(world, *CASES["one hunk"])
    with scratch(world, object_format="sha256") as repository:
        found = resolutions.read(repository, merge(repository, world.fork.head, world.upstream.head))
        assert found is not None
        (file,) = found.files.values()
    assert len(file.normalised.id) == 64
    assert person.preimages() == {file.normalised.id: file.normalised.text}


@pytest.mark.parametrize(
    "content",
    [
        b"no conflict\n",
        b"<<<<<<< x\na\n=======\nb\n",
        b"<<<<<<< x\na\n>>>>>>> y\n",
        b"<<<<<<< x\na\n=======\nb\n=======\nc\n>>>>>>> y\n",
        b"<<<<<<< x\n<<<<<<< x\na\n=======\nb\n>>>>>>> y\n=======\nb\n>>>>>>> y\n",
        b">>>>>>> y\n<<<<<<< x\na\n=======\nb\n>>>>>>> y\n",
        b"||||||| y\n<<<<<<< x\na\n=======\nb\n>>>>>>> y\n",
        b"<<<<<<< x\na\n||||||| b\n||||||| b\n=======\nb\n>>>>>>> y\n",
        b"<<<<<<< x\na\n=======\na\n>>>>>>> y\n",
        b"<<<<<<< x\na\0\n=======\nb\n>>>>>>> y\n",
    ],
)
def test_markers_that_tell_no_certain_conflict_have_no_id(content: bytes) -> None:
    assert rerere.normalise(content) is None


@pytest.mark.parametrize(
    "mark", ["<<<<<<< quoted", "<<<<<<<", ">>>>>>> quoted", "||||||| table", ">>>>>>>>> quoted"]
)
def test_content_that_looks_like_a_marker_is_not_read_as_one(world: World, mark: str) -> None:
    conflict(world, numbered(l9=mark), numbered(l3="o", l9=mark), numbered(l3="t", l9=mark))
    found = ours_of(world)
    assert (found.files, found.others) == ({}, (b"a.txt",))


def test_a_heading_is_no_marker_that_was_left_but_one_more_is() -> None:
    text = b"One\n=======\n<<<<<<<\na\n=======\nb\n>>>>>>>\nTwo\n=======\n"
    assert not rerere.unresolved(b"One\n=======\nc\nTwo\n=======\n", text)
    assert not rerere.unresolved(b"One\n=======\nThree\n======= three\nTwo\n", text)
    assert rerere.unresolved(b"One\n=======\na\n=======\nb\nTwo\n=======\n", text)
    assert rerere.unresolved(b"c\n<<<<<<<\n", text)
    assert rerere.unresolved(b"c\n>>>>>>>> nested", text)


plain = st.sampled_from([b"a\n", b"b\r\n", b"\n", b"=======x\n", b"<<<<<<<\n", b">>>>>>>\n", b"c"])
marked = st.sampled_from(
    [b"=======\n", b"======= x\n", b"<<<<<<< x\n", b"|||||||\n", b"||||||| x\r\n", b">>>>>>> y\n"]
)
pieces = st.lists(st.one_of(plain, plain, plain, plain, plain, plain, plain, marked), max_size=4)
hunks = st.lists(
    st.builds(
        lambda before, one, two: [*before, b"<<<<<<< x\n", *one, b"=======\n", *two, b">>>>>>> y\n"],
        pieces,
        pieces,
        pieces,
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def work_tree(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository whose index says that the file `x` conflicts."""
    world = World(tmp_path_factory.mktemp("rerere"))
    repo = world.upstream
    repo.git("config", "rerere.enabled", "true")
    repo.commit("first", {"y": "y\n"})
    stages = [
        f"100644 {repo.git('hash-object', '-w', '--stdin', stdin=b'%d' % n)} {n}\tx\n" for n in (1, 2, 3)
    ]
    repo.git("update-index", "--index-info", stdin="".join(stages).encode())
    return repo


@settings(
    max_examples=30, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)  # fmt: skip
@given(parts=hunks)
def test_whatever_is_read_git_reads_in_the_same_way(work_tree: Repo, parts: list[list[bytes]]) -> None:
    content = b"".join(piece for part in parts for piece in part)
    mine = rerere.normalise(content)
    assume(mine is not None)
    assert mine is not None
    (work_tree.path / "x").write_bytes(content)
    cache = work_tree.path / ".git" / "rr-cache"
    subprocess.run(["rm", "-rf", str(cache), str(work_tree.path / ".git" / "MERGE_RR")], check=True)
    cache.mkdir()
    work_tree.git("rerere")
    assert {one.parent.name: one.read_bytes() for one in cache.glob("*/preimage")} == {mine.id: mine.text}
