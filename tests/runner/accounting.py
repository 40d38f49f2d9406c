"""Where has every hunk of a patch gone? An answer from four trees alone, without any of the runner's code.

A patch leads from `old` to `new`; what was carried before it is `before`, and with it `after`. Nothing is
lost where each file that the patch changes is found in `after` with the patch's change, or had that change in
`before` already; and nothing is added where no other file differs between the two.

Why it is sound: a three-way merge that is clean takes a hunk whole, and only where the lines next to it are
unchanged on the other side; or both sides have the same text there. So each hunk of the patch, with the line
before and the line after it, stands in the merged file, in order. And a line's count changes in the carried
commit as in the patch, but for what both sides did. Which lines belong together is a matter of the diff
algorithm, so hunks are read from Git's, with the one that merges use.

It says nothing where attributes change how files are merged.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from histories import FILE, PROGRAM, Entry, State

Lines = tuple[bytes, ...]
LINE = re.compile(rb"[^\n]*\n|[^\n]+")
HEADING = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
START, END = b"(start of file)", b"(end of file)"


class Hunk(NamedTuple):
    """Lines `at`..`to` of the old file, counted from 0, are replaced."""

    at: int
    to: int
    added: Lines


def account(old: State, new: State, before: State, after: State) -> list[str]:
    """What is lost and what is there without a reason; empty where everything is accounted for."""
    lost: list[str] = []
    explained: set[bytes] = set()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        if path not in new:
            place = path if _gone(path, old, new, before, after) else None
        elif path not in old:
            place = path if _added(path, old, new, before, after) else None
        else:
            place = _changed(path, old[path], new[path], before, after)
        if place is None:
            lost.append(f"what the patch does to {path!r} is lost")
        explained.update({path} if place is None else {path, place})
    return lost + [
        f"{path!r} is changed without a reason"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and path not in explained
    ]


def _gone(path: bytes, old: State, new: State, before: State, after: State) -> bool:
    """A file that the patch deletes or moves away."""
    if path not in after:
        return True
    both_moved_it = any(name in new and name not in old for name in before)
    return both_moved_it and after[path] == before.get(path) != old[path]


def _added(path: bytes, old: State, new: State, before: State, after: State) -> bool:
    """A file that the patch adds, or moves here from a file that it takes away."""
    if after.get(path) == new[path]:
        return True
    return path in after and any(
        merged(old[source], before[place], new[path], after[path])
        for source in old.keys() - new.keys()
        for place in (source, path)
        if place in before
    )


def _changed(path: bytes, old: Entry, new: Entry, before: State, after: State) -> bytes | None:
    """Where a file is that the patch changes: at its path, or at one to which upstream moved it."""
    if path in before and path in after and merged(old, before[path], new, after[path]):
        return path
    moved = [place for place in sorted(before.keys() & after.keys()) if _like(old, before[place])]
    return next((place for place in moved if merged(old, before[place], new, after[place])), None)


def _like(one: Entry, other: Entry) -> bool:
    """Whether Git can have taken one for the other, moved: it asks for one half, and we for less."""
    same = Counter(lines(one.content)) & Counter(lines(other.content))
    common = sum(len(line) * count for line, count in same.items())
    return one == other or 5 * common >= 2 * max(len(one.content), len(other.content))


def merged(old: Entry, ours: Entry, theirs: Entry, result: Entry) -> bool:
    """Whether `result` has both sides' changes of one file."""
    if ours in (old, theirs):
        return result == theirs
    if old == theirs:
        return result == ours
    regular = {old.mode, ours.mode, theirs.mode, result.mode} <= {FILE, PROGRAM}
    if not regular or result.mode != (theirs.mode if old.mode == ours.mode else ours.mode):
        return False
    if ours.content in (old.content, theirs.content):
        return result.content == theirs.content
    if old.content == theirs.content:
        return result.content == ours.content
    contents = (old.content, ours.content, theirs.content, result.content)
    return not any(b"\0" in content for content in contents) and text_merged(*map(lines, contents))


def text_merged(old: Lines, ours: Lines, theirs: Lines, result: Lines) -> bool:
    """Whether each hunk of old..theirs stands in `result`, and no line came or went without one."""
    wanted, others = hunks(old, theirs), hunks(old, ours)
    framed, place = (START, *result, END), 0
    for hunk in wanted:
        first = old[hunk.at - 1] if hunk.at else START
        last = old[hunk.to] if hunk.to < len(old) else END
        block = (first, *hunk.added, last)
        found = next((at for at in range(place, len(framed)) if framed[at : at + len(block)] == block), None)
        if found is None:
            return False
        place = found + len(block) - 1  # the line after a hunk may be the one before the next
    added, removed = gross(old, wanted)
    also_added, also_removed = gross(old, others)
    counts = [Counter(part) for part in (old, ours, theirs, result)]
    for line in set().union(*counts):
        was, our, their, now = (count[line] for count in counts)
        missing = (their - was) - (now - our)
        least = -min(removed[line], also_removed[line])
        if not least <= missing <= min(added[line], also_added[line]):
            return False
    return True


def gross(old: Lines, found: tuple[Hunk, ...]) -> tuple[Counter[bytes], Counter[bytes]]:
    """How often each line is added and removed."""
    added = Counter(line for hunk in found for line in hunk.added)
    return added, Counter(line for hunk in found for line in old[hunk.at : hunk.to])


def net(old: State, new: State) -> dict[bytes, int]:
    """By how many each line is more or less in all files together."""
    total: Counter[bytes] = Counter()
    for path in old.keys() | new.keys():
        for state, sign in ((new, 1), (old, -1)):
            for line in (
                lines(state[path].content) if path in state and old.get(path) != new.get(path) else ()
            ):
                total[line] += sign
    return {line: count for line, count in total.items() if count}


def untouched(old: State, new: State, before: State) -> bool:
    """Whether the patch meets nothing but what it was made on."""
    paths = old.keys() | new.keys()
    return all(old.get(path) == before.get(path) for path in paths if old.get(path) != new.get(path))


def lines(content: bytes) -> Lines:
    return tuple(LINE.findall(content))


@functools.lru_cache(maxsize=4096)
def hunks(old: Lines, new: Lines) -> tuple[Hunk, ...]:
    """Hunks as Git's merges see them."""
    with tempfile.TemporaryDirectory() as directory:
        names = [Path(directory) / name for name in ("old", "new")]
        for name, content in zip(names, (old, new), strict=True):
            name.write_bytes(b"".join(content))
        # with a line of context, since without any Git cuts the common end off first
        done = subprocess.run(
            ["git", "diff", "--no-index", "--text", "--histogram", "-U1", "--no-indent-heuristic", *names],
            cwd=directory, capture_output=True, check=False,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return tuple(_parsed(done.stdout.split(b"\n")))


def _parsed(rows: list[bytes]) -> Iterator[Hunk]:
    at = number = 0
    while number < len(rows):
        heading = HEADING.match(rows[number])
        number += 1
        if heading is None:
            continue
        # of no lines Git names the one before
        at = int(heading[1]) - (heading[2] != b"0")
        to, added = at, []
        while number < len(rows) and rows[number][:1] in (b" ", b"-", b"+", b"\\"):
            sign, line = rows[number][:1], rows[number][1:] + b"\n"
            number += 1
            if number < len(rows) and rows[number].startswith(b"\\"):
                line = line[:-1]
            if sign == b" " and (added or to > at):
                yield Hunk(at, to, tuple(added))
            match sign:
                case b" ":
                    at, to, added = to + 1, to + 1, []
                case b"-":
                    to += 1
                case b"+":
                    added.append(line)
        if added or to > at:
            yield Hunk(at, to, tuple(added))
