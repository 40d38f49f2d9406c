"""Reads Git's diffs: raw entries, and the removed and added lines of each, byte for byte. Compares
nothing."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Tuple

from .git import Git
from .records import Change

HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")

# --text: a binary's lines can be compared too; the rest keeps attributes and configuration from taking part.
PLAIN = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--full-index",
    "--submodule=short",
    "--ignore-submodules=none",
)


class Lines(NamedTuple):
    """Removed and added lines of one path, each with its line end (the last one perhaps without)."""

    removed: Tuple[bytes, ...]
    added: Tuple[bytes, ...]


def parse_raw(out: bytes) -> Tuple[Change, ...]:
    """Entries of `diff-tree -r -z --raw`."""
    fields = out.split(b"\0")
    changes: List[Change] = []
    position = 0
    while position < len(fields) and fields[position].startswith(b":"):
        old_mode, new_mode, old, new, status = fields[position][1:].decode("ascii").split(" ")
        source = fields[position + 1]
        path = source
        position += 2
        if status[0] in "RC":
            path = fields[position]
            position += 1
        changes.append(Change(old_mode, new_mode, old, new, status[0], source, path))
    return tuple(changes)


def raw(
    repository: Git, old: str, new: str, renames: bool, paths: Tuple[bytes, ...] = ()
) -> Tuple[Change, ...]:
    """Raw differences of two trees or commits. Without renames no blob is read. Raises GitError."""
    options = [
        "-r",
        "-z",
        "--raw",
        "--full-index",
        "--ignore-submodules=none",
        "-M" if renames else "--no-renames",
    ]
    limits = (
        ["--", *(":(top,literal)" + path.decode("utf-8", "surrogateescape") for path in paths)]
        if paths
        else []
    )
    return parse_raw(repository.run("diff-tree", *options, old, new, *limits))


def lines(repository: Git, old: str, new: str, renames: bool = True) -> Optional[List[Tuple[Change, Lines]]]:
    """Each difference with its lines. None where the output can't be matched to its entries."""
    found = "-M" if renames else "--no-renames"
    out = repository.run("diff-tree", "-r", "-z", "--raw", "-p", "-U0", found, "--text", *PLAIN, old, new)
    if not out:
        return []
    head, separator, body = out.partition(b"\0\0")
    changes = parse_raw(head + b"\0")
    sections = split_sections(body)
    if not separator or len(sections) != sum(2 if change.status == "T" else 1 for change in changes):
        return None
    entries = []
    position = 0
    for change in changes:
        # a change of kind is shown as a deletion and an addition
        taken = sections[position : position + (2 if change.status == "T" else 1)]
        position += len(taken)
        removed = tuple(row for part in taken for row in part.removed)
        added = tuple(row for part in taken for row in part.added)
        entries.append((change, Lines(removed, added)))
    return entries


def split_sections(body: bytes) -> List[Lines]:
    """The files of a patch. Hunks are read by their counts, so a line that looks like a header can't
    mislead."""
    found: List[Tuple[List[bytes], List[bytes]]] = []
    rows = body.split(b"\n")
    position = 0
    while position < len(rows):
        row = rows[position]
        position += 1
        if row.startswith(b"diff --git "):
            found.append(([], []))
            continue
        match = HUNK.match(row)
        if match and found:
            removed = int(match.group(1) or 1)
            added = int(match.group(2) or 1)
            position = _read_hunk(rows, position, removed, found[-1][0])
            position = _read_hunk(rows, position, added, found[-1][1])
    return [Lines(tuple(removed), tuple(added)) for removed, added in found]


def _read_hunk(rows: List[bytes], position: int, count: int, into: List[bytes]) -> int:
    for _ in range(count):
        into.append(rows[position][1:] + b"\n")
        position += 1
    if position < len(rows) and rows[position].startswith(b"\\ "):
        into[-1] = into[-1][:-1]
        position += 1
    return position


def list_tree(repository: Git, tree: str, paths: Tuple[bytes, ...] = ()) -> List[Tuple[str, str, bytes]]:
    """Mode, id and path of every file below a tree, or of those paths alone. Raises GitError."""
    limits = ["--", *(path.decode("utf-8", "surrogateescape") for path in paths)] if paths else []
    out = repository.run("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, *limits)
    found = []
    for entry in out.split(b"\0"):
        if entry:
            meta, _, path = entry.partition(b"\t")
            mode, _, oid = meta.decode("ascii").split(" ")
            found.append((mode, oid, path))
    return found
