"""Reads a pack that somebody else made, within bounds, to learn which commits it brings.

Contents of files are inflated to find where they end and thrown away; commits (and what else is
asked for) are kept. It refuses packs that are damaged, larger than the bounds, or built to blow up;
and it never looks outside of the pack: a delta whose base isn't here stays unresolved.
It is pure computation: give it to a thread (`asyncio.to_thread`) where a loop must go on.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from patch_app.github.gitobjects import KIND_NUMBERS, is_oid, object_id

_KINDS: Final = {number: kind for kind, number in KIND_NUMBERS.items()}
_OFS_DELTA: Final = 6
_REF_DELTA: Final = 7
_CHUNK: Final = 32 * 1024


class BadPack(Exception):  # noqa: N818
    """The pack can't be used; the message is a sentence for a person."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a pack may be. Bytes but for the counts.

    The defaults take a stack with some large files, or a small project's whole range of a release,
    and end within seconds whatever the pack holds.
    """

    pack: int = 400 * 1024 * 1024
    objects: int = 200_000
    # all inflated data together, of which only the kept kinds stay in memory
    inflated: int = 1024 * 1024 * 1024
    kept: int = 64 * 1024 * 1024
    # one kept object, or one delta on the way to it
    object: int = 8 * 1024 * 1024
    # Git's own limit for a delta chain is 4095.
    depth: int = 4095


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit says about its place, and its message."""

    tree: str
    parents: tuple[str, ...]
    author: str
    committer: str
    message: str


@dataclass(frozen=True, kw_only=True)
class GitObject:
    """A kept object."""

    kind: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """What a pack holds. `kinds` counts objects by kind, `unknown` for deltas without a base here."""

    objects: dict[str, GitObject]
    kinds: dict[str, int]
    unresolved: int
    inflated: int


@dataclass(slots=True)
class _Entry:
    number: int
    size: int
    start: int = 0
    base_offset: int = -1
    base_oid: str = ""
    kind: str = ""
    oid: str = ""
    body: bytes | None = None


def read_pack(
    data: bytes | memoryview, *, keep: frozenset[str] = frozenset({"commit"}), limits: Limits = DEFAULT_LIMITS
) -> Pack:
    """All objects of the kinds in `keep` that can be built from the pack alone, by id.

    Raises BadPack. Format: git help gitformat-pack.
    """
    return _Reader(memoryview(data), keep, limits).read()


def read_commits(data: bytes | memoryview, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Commit]:
    """The commits of a pack by id. Raises BadPack."""
    return commits_of(read_pack(data, limits=limits))


def commits_of(pack: Pack) -> dict[str, Commit]:
    """The commits of a pack that was read. Raises BadPack where one is malformed."""
    return {oid: parse_commit(o.body) for oid, o in pack.objects.items() if o.kind == "commit"}


def parse_commit(body: bytes) -> Commit:
    """Tree, parents, people and message of a commit's body. Raises BadPack."""
    header, _, message = body.partition(b"\n\n")
    tree, parents, people = "", [], {"author": "", "committer": ""}
    # Continuation lines (of gpgsig and mergetag) begin with a space and belong to no key of ours.
    for line in header.split(b"\n"):
        key, _, value = line.decode("utf-8", "replace").partition(" ")
        if key == "tree" and not tree:
            tree = value
        elif key == "parent":
            parents.append(value)
        elif key in people and not people[key]:
            people[key] = value
    if not all(is_oid(oid) for oid in (tree, *parents)):
        raise BadPack("A commit in the pack is malformed.")
    return Commit(
        tree=tree,
        parents=tuple(parents),
        author=people["author"],
        committer=people["committer"],
        message=message.decode("utf-8", "replace"),
    )


class _Reader:
    def __init__(self, data: memoryview, keep: frozenset[str], limits: Limits) -> None:
        self.data = data
        self.keep = keep
        self.limits = limits
        self.inflated = 0
        self.kept = 0
        self.entries: dict[int, _Entry] = {}

    def read(self) -> Pack:
        count = self._header()
        position = 12
        for _ in range(count):
            position = self._entry(position)
        if position != len(self.data) - 20:
            raise BadPack("The pack has more data than objects.")
        self._resolve()
        objects = {
            entry.oid: GitObject(kind=entry.kind, body=entry.body)
            for entry in self.entries.values()
            if entry.body is not None
        }
        kinds = Counter(entry.kind or "unknown" for entry in self.entries.values())
        return Pack(objects=objects, kinds=dict(kinds), unresolved=kinds["unknown"], inflated=self.inflated)

    def _header(self) -> int:
        data = self.data
        if len(data) > self.limits.pack:
            raise BadPack(f"The pack is larger than {self.limits.pack} bytes.")
        if len(data) < 32 or bytes(data[:4]) != b"PACK":
            raise BadPack("The data is not a pack.")
        version, count = struct.unpack(">II", data[4:12])
        if version not in (2, 3):
            raise BadPack(f"The pack has version {version}, known are 2 and 3.")
        if count > self.limits.objects:
            raise BadPack(f"The pack has {count} objects, allowed are {self.limits.objects}.")
        if hashlib.sha1(data[:-20], usedforsecurity=False).digest() != bytes(data[-20:]):
            raise BadPack("The pack is damaged: its checksum is wrong.")
        return int(count)

    def _byte(self, position: int) -> int:
        if position >= len(self.data) - 20:
            raise BadPack("The pack ends in the middle of an object.")
        return self.data[position]

    def _entry(self, offset: int) -> int:
        """Read the object at `offset`; the next one's offset."""
        position = offset
        byte = self._byte(position)
        number, size, shift = (byte >> 4) & 7, byte & 15, 4
        while byte & 0x80:
            position += 1
            byte = self._byte(position)
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise BadPack("An object in the pack has an impossible size.")
        position += 1
        entry = _Entry(number=number, size=size)
        if number == _OFS_DELTA:
            position, entry.base_offset = self._base_offset(position, offset)
        elif number == _REF_DELTA:
            self._byte(position + 19)
            entry.base_oid = bytes(self.data[position : position + 20]).hex()
            position += 20
        elif number not in _KINDS:
            raise BadPack(f"The pack has an object of unknown type {number}.")
        entry.start = position
        self.inflated += size
        if self.inflated > self.limits.inflated:
            raise BadPack(f"The pack inflates to more than {self.limits.inflated} bytes.")
        self.entries[offset] = entry
        return self._whole(entry) if number in _KINDS else self._inflate(entry, lambda piece: None)

    def _base_offset(self, position: int, offset: int) -> tuple[int, int]:
        byte = self._byte(position)
        distance = byte & 0x7F
        while byte & 0x80 and distance <= offset:
            position += 1
            byte = self._byte(position)
            distance = ((distance + 1) << 7) | (byte & 0x7F)
        if distance == 0 or offset - distance not in self.entries:
            raise BadPack("A delta in the pack names a base that is no object.")
        return position + 1, offset - distance

    def _whole(self, entry: _Entry) -> int:
        entry.kind = _KINDS[entry.number]
        digest = hashlib.sha1(b"%s %d\0" % (entry.kind.encode(), entry.size), usedforsecurity=False)
        if entry.kind not in self.keep:
            end = self._inflate(entry, digest.update)
        else:
            self._room(entry.kind, entry.size)
            body = bytearray()
            end = self._inflate(entry, body.extend)
            digest.update(body)
            entry.body = bytes(body)
        entry.oid = digest.hexdigest()
        return end

    def _inflate(self, entry: _Entry, use: Callable[[bytes], object]) -> int:
        """Hand the entry's data to `use` piece by piece; where its compressed form ends."""
        inflater = zlib.decompressobj()
        position, end, done = entry.start, len(self.data) - 20, 0
        pending: bytes | memoryview = b""
        while not inflater.eof:
            if not pending:
                if position >= end:
                    raise BadPack("The pack ends in the middle of an object.")
                pending = self.data[position : min(position + _CHUNK, end)]
                position += len(pending)
            try:
                # One byte over the announced size is enough to see that it is a lie.
                piece = inflater.decompress(pending, min(_CHUNK, entry.size - done + 1))
            except zlib.error:
                raise BadPack("The pack is damaged: an object can't be inflated.") from None
            pending = inflater.unconsumed_tail
            done += len(piece)
            if done > entry.size:
                raise BadPack("An object in the pack is larger than it says.")
            use(piece)
        if done != entry.size:
            raise BadPack("An object in the pack is smaller than it says.")
        return position - len(inflater.unused_data)

    def _room(self, kind: str, size: int) -> None:
        self.kept += size
        if size > self.limits.object:
            raise BadPack(f"A {kind} in the pack is larger than {self.limits.object} bytes.")
        if self.kept > self.limits.kept:
            raise BadPack(
                f"The pack has more than {self.limits.kept} bytes of {' and '.join(sorted(self.keep))}s."
            )

    def _resolve(self) -> None:
        """From the whole objects outwards: give deltas their kind, and build those of kept kinds."""
        on_offset: dict[int, list[_Entry]] = defaultdict(list)
        on_oid: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self.entries.values():
            if entry.number == _OFS_DELTA:
                on_offset[entry.base_offset].append(entry)
            elif entry.number == _REF_DELTA:
                on_oid[entry.base_oid].append(entry)
        offsets = {id(entry): offset for offset, entry in self.entries.items()}
        waiting = [(entry, 0) for entry in self.entries.values() if entry.oid]
        while waiting:
            base, depth = waiting.pop()
            if depth > self.limits.depth:
                raise BadPack(f"A delta chain in the pack is longer than {self.limits.depth}.")
            for delta in on_offset.pop(offsets[id(base)], []) + on_oid.pop(base.oid, []):
                delta.kind = base.kind
                if base.body is not None:
                    self._build(base.body, delta)
                waiting.append((delta, depth + 1))

    def _build(self, base: bytes, delta: _Entry) -> None:
        if delta.size > self.limits.object:
            raise BadPack(f"A delta in the pack is larger than {self.limits.object} bytes.")
        data = bytearray()
        self._inflate(delta, data.extend)
        delta.body = apply_delta(base, bytes(data), self.limits.object)
        delta.oid = object_id(delta.kind, delta.body)
        self._room(delta.kind, len(delta.body))


def apply_delta(base: bytes, delta: bytes, limit: int) -> bytes:
    """The object that `delta` makes of `base`, at most `limit` bytes. Raises BadPack."""
    try:
        source, position = _size(delta, 0)
        target, position = _size(delta, position)
        if source != len(base):
            raise BadPack("A delta in the pack doesn't fit its base.")
        if target > limit:
            raise BadPack(f"An object in the pack is larger than {limit} bytes.")
        out = bytearray()
        while position < len(delta):
            code = delta[position]
            position += 1
            if code & 0x80:
                offset = size = 0
                for bit in range(4):
                    if code & (1 << bit):
                        offset |= delta[position] << (8 * bit)
                        position += 1
                for bit in range(3):
                    if code & (16 << bit):
                        size |= delta[position] << (8 * bit)
                        position += 1
                size = size or 0x10000
                if offset + size > len(base):
                    raise BadPack("A delta in the pack copies from beyond its base.")
                out += base[offset : offset + size]
            elif code:
                out += delta[position : position + code]
                position += code
            else:
                raise BadPack("A delta in the pack has an unknown instruction.")
            if len(out) > target:
                break
    except IndexError:
        raise BadPack("A delta in the pack ends too early.") from None
    if len(out) != target:
        raise BadPack("A delta in the pack makes an object of another size than it says.")
    return bytes(out)


def _size(data: bytes, position: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = data[position]
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, position
        if shift > 63:
            raise BadPack("A delta in the pack has an impossible size.")
