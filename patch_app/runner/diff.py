"""Reads Git's diffs: raw entries, and the removed and added lines of each, byte for byte. Compares
nothing."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .git import Git, GitError
from .records import Change

HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")

HEADERS = (
    b"diff --git ", b"index ", b"old mode ", b"new mode ", b"deleted file mode ", b"new file mode ",
    b"similarity index ", b"dissimilarity index ", b"rename from ", b"rename to ", b"copy from ", b"copy to ",
    b"--- ", b"+++ ", b"@@ ",
)  # fmt: skip
"""How the lines of a patch begin that are none of a file's own."""

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


def _of_pairs(repository: Git, pairs: Sequence[Tuple[str, str]], *options: str) -> List[bytes]:
    """What one `diff-tree` says of each pair of trees: a process each would cost more than the work.

    It names each pair before it. A path or a line may read just like that, so the output is gone through from
    entry to entry and from hunk to hunk.
    """
    if not pairs:
        return []
    heads = [("%s %s\n" % pair).encode("ascii") for pair in pairs]
    out = repository.run("diff-tree", "--stdin", "-r", "-z", "--raw", *options, stdin=b"".join(heads))
    found: List[bytes] = []
    at = 0
    for head in heads:
        if not out.startswith(head, at):
            raise GitError("diff-tree", 0, "it does not say what it was asked")
        start = at + len(head)
        at = _after_patch(out, _after_entries(out, start))
        found.append(out[start:at])
    return found


def _after_entries(out: bytes, at: int) -> int:
    while out.startswith(b":", at):
        end = out.index(b"\0", at)
        names = 2 if b" R" in out[at:end] or b" C" in out[at:end] else 1
        at = end + 1
        for _ in range(names):
            at = out.index(b"\0", at) + 1
    return at


def _after_patch(out: bytes, at: int) -> int:
    if not out.startswith(b"\0", at):
        return at
    at += 1
    while out.startswith(HEADERS, at):
        match = HUNK.match(out, at)
        at = out.index(b"\n", at) + 1
        for count in match.groups() if match else ():
            for _ in range(int(count or 1)):
                at = out.index(b"\n", at) + 1
            if out.startswith(b"\\ ", at):
                at = out.index(b"\n", at) + 1
    return at


def raws(repository: Git, pairs: Sequence[Tuple[str, str]]) -> List[Tuple[Change, ...]]:
    """Raw differences of each pair of trees, without renames. Reads no blob. Raises GitError."""
    options = ("--full-index", "--ignore-submodules=none", "--no-renames")
    return [parse_raw(out) for out in _of_pairs(repository, pairs, *options)]


def lines(
    repository: Git, pairs: Sequence[Tuple[str, str]], renames: bool = True
) -> List[Optional[List[Tuple[Change, Lines]]]]:
    """For each pair of trees each difference with its lines. None where the output can't be matched to its
    entries.
    """
    found = "-M" if renames else "--no-renames"
    return [_lines(out) for out in _of_pairs(repository, pairs, "-p", "-U0", found, "--text", *PLAIN)]


def _lines(out: bytes) -> Optional[List[Tuple[Change, Lines]]]:
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
