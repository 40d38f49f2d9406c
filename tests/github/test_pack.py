from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.github.gitobjects import (
    EMPTY_PACK,
    TreeEntry,
    commit_body,
    object_id,
    tree_body,
    write_pack,
)
from patch_app.github.pack import BadPack, Limits, apply_delta, read_commits, read_pack


def sealed(count: int, body: bytes) -> bytes:
    data = b"PACK" + struct.pack(">II", 2, count) + body
    return data + hashlib.sha1(data, usedforsecurity=False).digest()


def entry(number: int, size: int, payload: bytes, base: bytes = b"") -> bytes:
    first, size = (number << 4) | (size & 15), size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first]) + base + zlib.compress(payload)


def long_history(repository, count: int = 30) -> list[str]:
    """Commits whose long, similar messages make Git store them as deltas."""
    text = "\n".join(f"line {n} of a long message" for n in range(200))
    return [repository.commit(f"change {n}\n\n{text}", file=f"{n}\n" * 50) for n in range(count)]


@pytest.mark.parametrize("how", [["--delta-base-offset"], []])
def test_deltas_of_commits_are_resolved_by_offset_and_by_id(repository, how):
    oids = long_history(repository)
    pack = repository.git_bytes(
        "pack-objects", "--stdout", "--revs", "--window=50", "--depth=50", "-q", *how, data=b"main\n"
    )
    stored = [pack_entry for pack_entry in _verify(repository, pack) if pack_entry[1] == "commit"]
    assert any(len(pack_entry) > 5 for pack_entry in stored), "Git made no delta of a commit"
    commits = read_commits(pack)
    assert set(commits) == set(oids)
    assert commits[oids[-1]].parents == (oids[-2],)
    assert commits[oids[-1]].tree == repository.git("rev-parse", "main^{tree}")
    assert commits[oids[3]].message.startswith("change 3\n")
    assert commits[oids[3]].author == "A <a@example> 1760000000 +0000"


def _verify(repository, pack: bytes) -> list[list[str]]:
    path = repository.path / "x.pack"
    path.write_bytes(pack)
    repository.git("index-pack", str(path))
    return [line.split() for line in repository.git("verify-pack", "-v", str(path)).splitlines()]


def test_all_kinds_are_built_when_asked_for(repository):
    long_history(repository, 8)
    pack = repository.git_bytes(
        "pack-objects", "--stdout", "--revs", "-q", "--delta-base-offset", data=b"main\n"
    )
    read = read_pack(pack, keep=frozenset({"commit", "tree", "blob"}))
    listed = repository.git("rev-list", "--objects", "main").splitlines()
    assert set(read.objects) == {line.split()[0] for line in listed}
    for oid, found in read.objects.items():
        assert repository.git_bytes("cat-file", found.kind, oid) == found.body
    assert sum(read.kinds.values()) == len(listed)


def test_a_thin_packs_foreign_deltas_stay_unresolved(repository):
    text = "".join(f"line {n}\n" for n in range(500))
    first = repository.commit("one", file=text)
    second = repository.commit("two", file=text + "more\n")
    revs = f"{second}\n^{first}\n".encode()
    pack = repository.git_bytes("pack-objects", "--stdout", "--thin", "--revs", "-q", data=revs)
    read = read_pack(pack)
    assert set(read.objects) == {second}
    assert read.unresolved == 1
    assert read.kinds["unknown"] == 1


def test_large_files_are_passed_over_without_being_kept(repository):
    (repository.path / "big").write_bytes(b"\0" * 3_000_000)
    oid = repository.commit("big")
    pack = repository.git_bytes("pack-objects", "--stdout", "--revs", "-q", data=b"main\n")
    assert set(read_pack(pack, limits=Limits(object=1000, kept=1000)).objects) == {oid}
    with pytest.raises(BadPack, match="inflates to more than"):
        read_pack(pack, limits=Limits(inflated=1_000_000))


@given(st.lists(st.tuples(st.sampled_from(["blob", "commit", "tree", "tag"]), st.binary(max_size=300))))
def test_what_is_written_is_read(objects):
    read = read_pack(write_pack(objects), keep=frozenset({"blob", "commit", "tree", "tag"}))
    assert {oid: (o.kind, o.body) for oid, o in read.objects.items()} == {
        object_id(kind, body): (kind, body) for kind, body in objects
    }


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_pack_never_passes(position, value):
    pack = bytearray(write_pack([("blob", b"some text " * 20), ("tree", b""), ("blob", bytes(range(256)))]))
    position %= len(pack)
    if pack[position] == value:
        return
    pack[position] = value
    with pytest.raises(BadPack):
        read_pack(bytes(pack))


@given(st.binary(max_size=200), st.integers(0, 4))
def test_garbage_with_a_right_checksum_is_refused_or_read_but_never_crashes(body, count):
    with contextlib.suppress(BadPack):
        read_pack(sealed(count, body))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_garbage_delta_is_refused_or_applied_but_never_crashes(base, delta):
    with contextlib.suppress(BadPack):
        assert len(apply_delta(base, delta, 1000)) <= 1000


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        (b"", "not a pack"),
        (b"PACK" + b"\0" * 40, "version 0"),
        (sealed(5_000_000, b""), "5000000 objects"),
        (sealed(0, b"more"), "more data"),
        (sealed(1, b""), "middle"),
        (sealed(1, entry(5, 1, b"x")), "unknown type 5"),
        (sealed(1, entry(3, 5, b"x")), "smaller than it says"),
        (sealed(1, entry(3, 5, b"x" * 10_000)), "larger than it says"),
        (sealed(1, entry(6, 4, b"abcd", b"\x05")), "no object"),
        (sealed(1, entry(6, 4, b"abcd", b"\x00")), "no object"),
        (sealed(1, entry(1, 9_000_000, b"x" * 9_000_000)), "larger than"),
    ],
)
def test_a_bad_pack_is_refused_with_its_reason(pack, why):
    with pytest.raises(BadPack, match=why):
        read_pack(pack)


def test_a_delta_that_grows_without_bound_is_refused():
    base = commit_body(tree="a" * 40, parents=[], author="A", committer="C", message="m")
    # A copy of the whole base 3000 times over, announced as such.
    count = 3000
    size = bytearray()
    left = len(base) * count
    while left > 0x7F:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    delta = bytes([len(base) & 0x7F | 0x80, len(base) >> 7]) + bytes(size) + bytes([0x90, len(base)]) * count
    whole = entry(1, len(base), base)
    pack = sealed(2, whole + entry(6, len(delta), delta, bytes([len(whole)])))
    with pytest.raises(BadPack, match="larger than 100000 bytes"):
        read_pack(pack, limits=Limits(object=100_000))
    assert len(read_pack(pack).objects) == 2
    with pytest.raises(BadPack, match="bytes of commits"):
        read_pack(pack, limits=Limits(kept=100_000))


def test_a_chain_that_is_too_long_is_refused(repository):
    long_history(repository)
    pack = repository.git_bytes("pack-objects", "--stdout", "--revs", "--depth=50", "-q", data=b"main\n")
    with pytest.raises(BadPack, match="chain"):
        read_pack(pack, limits=Limits(depth=0))


def test_written_objects_are_what_git_makes(repository):
    head = repository.commit("message\n", a="1", sub__b="2", a2="3", **{"a.b": "4"})
    tree = repository.git("rev-parse", "HEAD^{tree}")
    blobs = {n: object_id("blob", str(i).encode()) for i, n in enumerate(["a", "b", "a2", "a.b"], 1)}
    sub = tree_body([TreeEntry(mode="100644", name="b", oid=blobs["b"])])
    top = tree_body(
        [TreeEntry(mode="40000", name="sub", oid=object_id("tree", sub))]
        + [TreeEntry(mode="100644", name=name, oid=blobs[name]) for name in ("a2", "a", "a.b")]
    )
    assert object_id("tree", top) == tree
    body = commit_body(
        tree=tree,
        parents=[],
        author="A <a@example> 1760000000 +0000",
        committer="C <c@example> 1760000000 +0000",
        message="message\n",
    )
    assert object_id("commit", body) == head


def test_git_takes_the_packs_we_write(repository):
    body = b"new content"
    repository.git("unpack-objects", "-q", data=write_pack([("blob", body)]))
    assert repository.git_bytes("cat-file", "blob", object_id("blob", body)) == body
    repository.git("unpack-objects", "-q", data=EMPTY_PACK)


@pytest.mark.parametrize("name", ["", "a/b", "a\0b"])
def test_a_tree_refuses_names_that_git_refuses(name):
    with pytest.raises(ValueError, match="not a tree entry"):
        tree_body([TreeEntry(mode="100644", name=name, oid="a" * 40)])
