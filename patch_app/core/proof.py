"""Whether two commits do the same, told from GitHub's own diffs of them. Pure.

The rule is that of the verdict `clean`, held more strictly: for each path the same lines go and come, in the
same order, with the same modes and binaries. Each stands between the same two lines as before, at the only
place of the file that fits so well, and the very lines that these two have become in the release; where
upstream didn't change the file, not even the line numbers differ.
What can't be told is a no, with what differs first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final

from patch_app.core import names
from patch_app.core.diffs import FileDiff, Group, Hunk, Unreadable
from patch_app.core.model import Model

# what a decoder writes in place of bytes that it doesn't understand: two such lines may differ
_LOST: Final = "\ufffd".encode()
# steps until one file's places count as too many to look at
_MOST_STEPS: Final = 200_000
# pairs of equal lines that are compared to line two contents up
_MOST_PAIRS: Final = 1_000_000
_FILE: Final = (b"new file mode 100644", b"mode 100644")


class Proof(Model):
    """What the server found out about one candidate, which is void for any other."""

    candidate: str
    patches: int
    # why a person has to decide; None: every patch is the same
    problem: str | None = None
    # GitHub couldn't be read just then
    again: bool = False
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How two diffs compare: the first difference, if there is one, else what has to be looked up yet.

    `blobs`: files whose whole content must be the same before and after; `places`: files that upstream
    changed, in which the same lines could stand elsewhere.
    """

    problem: str | None = None
    blobs: tuple[FileDiff, ...] = ()
    places: tuple[tuple[FileDiff, FileDiff], ...] = ()


def compare(old: Sequence[FileDiff], new: Sequence[FileDiff]) -> Compared:
    """A patch's diff and that of its carried commit."""
    try:
        pairs = list(zip_longest(old, new))
        blobs: list[FileDiff] = []
        places: list[tuple[FileDiff, FileDiff]] = []
        for mine, theirs in pairs:
            if mine is None or theirs is None or mine.names != theirs.names:
                # in the order of paths: the first of the two is the one that only one side has
                extra = mine is None or (theirs is not None and theirs.names < mine.names)
                one = theirs if extra else mine
                told = f"{one.name if one else ''} is {'changed too' if extra else 'not changed'}"
                return Compared(problem=told)
            if (problem := _file_problem(mine, theirs)) is not None:
                return Compared(problem=problem)
            if mine.binary:
                blobs.append(mine)
            elif not _same_before(mine, theirs):
                places.append((mine, theirs))
    except Unreadable as error:
        return Compared(problem=f"its diff can't be read: {error}")
    return Compared(blobs=tuple(blobs), places=tuple(places))


def _file_problem(mine: FileDiff, theirs: FileDiff) -> str | None:
    name = mine.name
    if mine.head != theirs.head:
        return f"{name} has another mode, or is renamed otherwise"
    if mine.binary != theirs.binary:
        return f"{name} is a binary on one side alone"
    if (mine.paths is None) and (mine.binary or not _same_before(mine, theirs)):
        return f"{name} has a name that can't be looked up"
    if any(_LOST in row for one in (mine, theirs) for hunk in one.hunks for row in hunk.rows):
        return f"{name} has bytes that GitHub's diff doesn't show"
    if _same_before(mine, theirs):
        return None if _told(mine.hunks) == _told(theirs.hunks) else f"{name} has other lines"
    for one, other in zip_longest(mine.groups, theirs.groups):
        if one is None or other is None or (one.removed, one.added) != (other.removed, other.added):
            return f"{name} has other lines"
        if (one.up[:1], one.down[:1]) != (other.up[:1], other.down[:1]):
            return f"{name} has the same lines between others"
    return None


def _told(hunks: Iterable[Hunk]) -> list[tuple[object, ...]]:
    return [(one.numbers, one.rows) for one in hunks]


def _same_before(one: FileDiff, other: FileDiff) -> bool:
    """Whether both change the same content. Ids are shortened as far as they are told apart; a wrong yes only
    asks for more.
    """
    if one.blobs is None or other.blobs is None:
        return one.blobs == other.blobs
    mine, theirs = one.blobs[0], other.blobs[0]
    return mine.startswith(theirs) or theirs.startswith(mine)


def blob_problem(one: FileDiff, ids: Sequence[str | None]) -> str | None:
    """`ids`: the file's content before and after the patch, then before and after its carried commit."""
    there = [not any(line.startswith(word) for line in one.head) for word in (b"new file", b"deleted file")]
    if [part is not None for part in ids[:2]] != there or tuple(ids[:2]) != tuple(ids[2:]):
        return f"{one.name} is a binary that isn't the same"
    return None


def place_problem(old: FileDiff, new: FileDiff, content: bytes) -> str | None:
    """Whether another place of the file fits as well as the one where the change stands.

    `content`: the file that `new` changes. A true merge has the lines around a change as they were; how far
    they are tells it from places that only begin and end alike.
    """
    rows = _rows(content)
    places: dict[bytes, list[int]] = {}
    for number, row in enumerate(rows):
        places.setdefault(row, []).append(number + 1)
    steps = 0
    for was, now in zip(old.groups, new.groups, strict=True):
        if not _fits(rows, now, now.at):
            return f"{new.name} isn't what GitHub's diff changes"
        if not was.up or not was.down:
            continue  # the file's begin or end is one place alone
        found = places[was.up[0]]
        steps += len(found) * (len(was.removed) + 1)
        if steps > _MOST_STEPS:
            return f"{new.name} has too many places that look alike"
        best = _likeness(rows, was, now.at)
        if any(at != now.at and _fits(rows, was, at) and _likeness(rows, was, at) >= best for at in found):
            return f"{new.name} has another place where the same lines would fit as well"
    return None


def moved_problem(old: FileDiff, new: FileDiff, before: bytes, content: bytes) -> str | None:
    """Whether a change stands elsewhere than where upstream's own changes have moved its lines.

    `before`: the file that `old` changes; `content`: the one that `new` changes. Without this, a twin of the
    place whose surroundings upstream left alone would do.
    """
    mine, theirs = _rows(before), _rows(content)
    became = _became(mine, theirs)
    if became is None:
        return f"{new.name} has too many lines that look alike"
    for was, now in zip(old.groups, new.groups, strict=True):
        if not _fits(mine, was, was.at):
            return f"{new.name} isn't what GitHub's diff changes"
        around = range(was.at - bool(was.up), was.at + len(was.removed) + bool(was.down))
        if any(became.get(at) != at - was.at + now.at for at in around):
            return f"{new.name} has the lines of a change elsewhere than the release has moved them"
    return None


def _became(old: list[bytes], new: list[bytes]) -> dict[int, int] | None:
    """Which line of `new` each line of `old` is that stayed; None where that is too much to find out."""
    most = min(len(old), len(new))
    head = next((at for at in range(most) if old[at] != new[at]), most)
    tail = next((at for at in range(most - head) if old[-1 - at] != new[-1 - at]), most - head)
    mine, theirs = old[head : len(old) - tail], new[head : len(new) - tail]
    there = Counter(theirs)
    if sum(number * there[row] for row, number in Counter(mine).items()) > _MOST_PAIRS:
        return None
    became = {at: at for at in range(head)}
    became |= {len(old) - 1 - at: len(new) - 1 - at for at in range(tail)}
    for block in SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks():
        became |= {head + block.a + at: head + block.b + at for at in range(block.size)}
    return became


def _rows(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return [one + b"\n" for one in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _fits(rows: list[bytes], one: Group, at: int) -> bool:
    end = at + len(one.removed)
    there = (tuple(rows[at - 1 : at] if at else ()), tuple(rows[at:end]), tuple(rows[end : end + 1]))
    return there == (one.up[:1], one.removed, one.down[:1])


def _likeness(rows: list[bytes], one: Group, at: int) -> int:
    """How many lines around a place are as they were around the change."""
    end = at + len(one.removed)
    above, below = rows[max(0, at - len(one.up)) : at][::-1], rows[end : end + len(one.down)]
    return _alike(above, one.up) + _alike(below, one.down)


def _alike(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    for number, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return number
    return min(len(one), len(other))


def installed_problem(files: Iterable[FileDiff]) -> str | None:
    """Whether the App's own commit touches anything but the App's files."""
    for one in files:
        own = one.paths is not None and set(one.paths) <= set(names.INSTALLED_PATHS)
        if not own or not set(one.head) <= set(_FILE):
            return f"{one.name} is changed too"
    return None
