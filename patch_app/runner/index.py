"""Writes trees: small ones by itself, changed ones by way of an index of its own. Reads no blob, makes no
work tree."""

from __future__ import annotations

import os
from typing import Dict, Iterable, List, Tuple

from . import loose
from .git import Git
from .treewalk import FOLDER

Entry = Tuple[str, str, bytes]
"""Mode, id and path; mode 0 takes the path away."""


def write_tree(repository: Git, entries: Iterable[Entry], onto: str) -> str:
    """Id of the tree that `onto` becomes with the entries. Raises GitError."""
    own = {"GIT_INDEX_FILE": os.path.join(repository.directory, "written.index")}
    repository.run("read-tree", onto, extra=own)
    lines = b"".join(("%s %s\t" % (mode, oid)).encode() + path + b"\0" for mode, oid, path in entries)
    repository.run("update-index", "-z", "--index-info", stdin=lines, extra=own)
    return repository.run("write-tree", "--missing-ok", extra=own).decode("ascii").strip()


def tree_of(repository: Git, entries: Iterable[Entry], digits: int) -> str:
    """Id of the tree with these entries alone, written without a process; ids have `digits` hex digits.

    The entries are some of one tree's: none lies below another. Raises OSError where the disk refuses.
    """
    rows: Dict[bytes, Tuple[str, str]] = {}
    folders: Dict[bytes, List[Entry]] = {}
    for mode, oid, path in entries:
        name, slash, rest = path.partition(b"/")
        if slash:
            folders.setdefault(name, []).append((mode, oid, rest))
        else:
            # Git sorts a folder as if its name ended with a slash
            kind = mode.lstrip("0")
            rows[name + b"/" if kind == FOLDER else name] = (kind, oid)
    for name, inside in folders.items():
        rows[name + b"/"] = (FOLDER, tree_of(repository, inside, digits))
    raw = b"".join(
        mode.encode() + b" " + name.rstrip(b"/") + b"\0" + bytes.fromhex(oid)
        for name, (mode, oid) in sorted(rows.items())
    )
    return loose.write(repository, "tree", raw, digits)
