"""Git's diffs, read byte for byte: which lines each file loses and gets, and between which lines. Pure.

Refuses whatever it doesn't know, a diff that is cut off, and one without lines of context: what can't be read
whole proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# docs: git help diff, "Generating patch text with -p"
_HEADERS: Final = (
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"copy from ",
    b"copy to ",
    b"rename from ",
    b"rename to ",
)
# how alike two files are says nothing that their lines don't
_LIKENESS: Final = (b"similarity index ", b"dissimilarity index ")
_INDEX: Final = re.compile(rb"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]{6}))?")
_HUNK: Final = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?", re.DOTALL)
_NO_NEWLINE: Final = b"\\ No newline at end of file"
# the id of a content without a byte
_EMPTY: Final = b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
# lines that Git shows around a change
CONTEXT: Final = 3


class Unreadable(ValueError):  # noqa: N818
    """The text is no whole diff of Git's."""


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """Where it stands in the old and in the new file, as Git writes it, and its rows: a sign, then the line
    with its end, which the last one of a file may lack.
    """

    numbers: tuple[int, int, int, int]
    rows: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Lines removed and added in one place. `at`: how many lines of the old file stand before it.

    `up` and `down`: the old file's lines next to it, the nearest first, as far as the hunk shows them; an
    empty one is the file's begin or end.
    """

    at: int
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    up: tuple[bytes, ...]
    down: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """What a commit does to one file.

    `names`: both paths as Git writes them, `head` what it says of modes and renames, `blobs` the ids of both
    contents, shortened by Git, None where the content stays.
    """

    names: bytes
    head: tuple[bytes, ...]
    blobs: tuple[bytes, bytes] | None
    binary: bool
    hunks: tuple[Hunk, ...]

    @property
    def paths(self) -> tuple[str, str] | None:
        """The paths before and after; None where Git had to quote them or they aren't UTF-8."""
        moved = {
            word: line.removeprefix(word)
            for line in self.head
            for word in (b"rename from ", b"rename to ", b"copy from ", b"copy to ")
            if line.startswith(word)
        }
        if moved:
            if len(moved) != 2:
                return None
            before, after = [moved[one] for one in sorted(moved)]
        else:
            # `a/X b/X`
            before = after = self.names[2 : 2 + (len(self.names) - 5) // 2]
            if self.names != b"a/%s b/%s" % (before, after):
                return None
        try:
            return (before.decode(), after.decode()) if b'"' not in before + after else None
        except UnicodeDecodeError:
            return None

    @property
    def name(self) -> str:
        """The path to tell of."""
        return self.paths[1] if self.paths else self.names.decode("utf-8", "replace")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Its changes, in the file's order."""
        return tuple(group for hunk in self.hunks for group in _groups(hunk))


def parse(data: bytes) -> tuple[FileDiff, ...]:
    """The files of a diff in its order. Raises Unreadable."""
    if not data:
        return ()
    if not data.endswith(b"\n"):
        raise Unreadable("it ends within a line")
    rows = data[:-1].split(b"\n")
    found, at = [], 0
    while at < len(rows):
        one, at = _file(rows, at)
        found.append(one)
    return tuple(found)


def _file(rows: list[bytes], at: int) -> tuple[FileDiff, int]:
    names = _after(rows, at, b"diff --git ")
    at += 1
    head: list[bytes] = []
    while at < len(rows) and rows[at].startswith((*_HEADERS, *_LIKENESS)):
        if rows[at].startswith(_HEADERS):
            head.append(rows[at])
        at += 1
    blobs = None
    if at < len(rows) and (index := _INDEX.fullmatch(rows[at])):
        blobs = (index[1], index[2])
        if index[3]:
            head.append(b"mode " + index[3])
        at += 1
    binary = at < len(rows) and rows[at].startswith(b"Binary files ") and rows[at].endswith(b" differ")
    hunks: list[Hunk] = []
    if binary:
        at += 1
    elif at < len(rows) and rows[at].startswith(b"--- "):
        _after(rows, at + 1, b"+++ ")
        at += 2
        while at < len(rows) and rows[at].startswith(b"@@ "):
            hunk, at = _hunk(rows, at)
            hunks.append(hunk)
        if not hunks:
            raise Unreadable("a file has no lines in it")
    one = FileDiff(names=names, head=tuple(head), blobs=blobs, binary=binary, hunks=tuple(hunks))
    empty = blobs is not None and any(_EMPTY.startswith(blob) for blob in blobs)
    if blobs is not None and not (binary or hunks or empty):
        raise Unreadable("a file's lines are missing")
    return one, at


def _after(rows: list[bytes], at: int, word: bytes) -> bytes:
    if at >= len(rows) or not rows[at].startswith(word):
        raise Unreadable(f"a line that begins with {word.decode().strip()} is missing")
    return rows[at].removeprefix(word)


def _hunk(rows: list[bytes], at: int) -> tuple[Hunk, int]:
    match = _HUNK.fullmatch(rows[at])
    if match is None:
        raise Unreadable("the place of some lines can't be read")
    old, olds, new, news = (int(one) if one is not None else 1 for one in match.groups())
    left, right, taken = olds, news, []
    at += 1
    # by the counts, so that a line that looks like a header can't mislead
    while left or right:
        if at >= len(rows) or rows[at][:1] not in (b" ", b"-", b"+"):
            raise Unreadable("lines are missing in it")
        sign = rows[at][:1]
        left -= sign in (b" ", b"-")
        right -= sign in (b" ", b"+")
        if left < 0 or right < 0:
            raise Unreadable("it has more lines than it says")
        at += 1
        if at < len(rows) and rows[at] == _NO_NEWLINE:
            taken.append(rows[at - 1])
            at += 1
        else:
            taken.append(rows[at - 1] + b"\n")
    return Hunk(numbers=(old, olds, new, news), rows=tuple(taken)), at


def _groups(hunk: Hunk) -> Iterator[Group]:
    """Raises Unreadable where the hunk begins or ends with a change that is neither at the file's begin nor
    at its end, as far as that can be told: then it has no context.
    """
    start, count, _, _ = hunk.numbers
    # without old lines, the number is that of the line before
    line = start if count == 0 else start - 1
    rows, at = hunk.rows, 0
    while at < len(rows):
        if rows[at].startswith(b" "):
            line, at = line + 1, at + 1
            continue
        end = at
        while end < len(rows) and not rows[end].startswith(b" "):
            end += 1
        if at == 0 and line > 0:
            raise Unreadable("it doesn't show what stands before a change")
        removed = tuple(row[1:] for row in rows[at:end] if row.startswith(b"-"))
        yield Group(
            at=line,
            removed=removed,
            added=tuple(row[1:] for row in rows[at:end] if row.startswith(b"+")),
            up=tuple(_old(reversed(rows[:at]))),
            down=tuple(_old(rows[end:])),
        )
        line, at = line + len(removed), end


def _old(rows: Iterator[bytes] | tuple[bytes, ...]) -> Iterator[bytes]:
    """The first lines that the old file has."""
    found = 0
    for row in rows:
        if not row.startswith(b"+") and found < CONTEXT:
            found += 1
            yield row[1:]
