"""Git's objects as bytes: ids, trees, commits and the pack that carries them, without Git.

Only what the App writes itself: a few small objects. It knows SHA-1 repositories alone, as GitHub
does, and refuses names and ids that Git would refuse.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# git help gitformat-pack
KIND_NUMBERS: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """One line of a tree. `mode` in octal without leading zeros: 100644, 100755, 120000, 40000, 160000."""

    mode: str
    name: str
    oid: str


def object_id(kind: str, body: bytes) -> str:
    """The id that Git gives an object: SHA-1 over "<kind> <size>\\0<body>"."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(body)) + body, usedforsecurity=False).hexdigest()


def is_oid(text: str) -> bool:
    """Whether the text is a full SHA-1 id in lower case."""
    return _OID.fullmatch(text) is not None


def tree_body(entries: Iterable[TreeEntry]) -> bytes:
    """A tree's body in Git's order: by name, a directory as if its name ended in a slash.

    Raises ValueError for a name twice, an empty one, or one with a slash or NUL.
    """
    ordered = sorted(entries, key=lambda e: e.name.encode() + (b"/" if e.mode == "40000" else b""))
    if len({entry.name for entry in ordered}) != len(ordered):
        raise ValueError("a tree has each name once")
    body = bytearray()
    for entry in ordered:
        if not entry.name or "/" in entry.name or "\0" in entry.name or not is_oid(entry.oid):
            raise ValueError(f"not a tree entry: {entry!r}")
        body += b"%s %s\0" % (entry.mode.encode(), entry.name.encode()) + bytes.fromhex(entry.oid)
    return bytes(body)


def commit_body(*, tree: str, parents: Sequence[str], author: str, committer: str, message: str) -> bytes:
    """A commit's body. `author` and `committer`: "Name <mail> seconds +hhmm"."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {author}", f"committer {committer}", "", message]
    return "\n".join(lines).encode()


def write_pack(objects: Sequence[tuple[str, bytes]]) -> bytes:
    """A pack (version 2, no deltas) of (kind, body) pairs. With none it is the empty pack."""
    return extended_pack(None, objects)


def extended_pack(pack: bytes | None, objects: Sequence[tuple[str, bytes]]) -> bytes:
    """A pack with more objects at its end, where no offset of a delta leads past them."""
    count = struct.unpack(">I", pack[8:12])[0] if pack else 0
    out = bytearray(b"PACK" + struct.pack(">II", 2, count + len(objects)))
    out += pack[12:-20] if pack else b""
    for kind, body in objects:
        size = len(body)
        byte = (KIND_NUMBERS[kind] << 4) | (size & 15)
        size >>= 4
        while size:
            out.append(byte | 0x80)
            byte = size & 0x7F
            size >>= 7
        out.append(byte)
        out += zlib.compress(body)
    out += hashlib.sha1(out, usedforsecurity=False).digest()
    return bytes(out)


EMPTY_PACK: Final = write_pack(())
