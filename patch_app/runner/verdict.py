"""Decides what became of a patch that was carried, from blobs and modes alone. Changes nothing.

A patch id ignores white space and includes context, so it says nothing here.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import diff
from .diff import Lines
from .git import Git
from .records import ADJUSTED, CLEAN, Change, text

Judged = Tuple[str, Optional[str]]
Told = Optional[List[Tuple[Change, Lines]]]

AT_A_TIME = 40
"""Patches whose lines are in memory together."""


def same_entry(one: Change, other: Change) -> bool:
    """The same blobs and modes at the same path: nothing of the file moved, so no line has to be read."""
    return one[:4] == other[:4] and one.path == other.path


class Case(NamedTuple):
    """A patch and what was carried of it: the trees before and after of each, and their raw differences
    without renames.
    """

    patch: Tuple[str, str]
    carried: Tuple[str, str]
    old: Sequence[Change]
    new: Sequence[Change]

    def same(self) -> bool:
        """Whether every file goes from the same blob and mode to the same."""
        return len(self.old) == len(self.new) and all(map(same_entry, self.old, self.new))


def judge(repository: Git, cases: Sequence[Case]) -> List[Judged]:
    """For each case `clean` or `adjusted` with a note. Raises GitError.

    Lines are read for many at a time: a process for each would cost more than the work.
    """
    judged: List[Judged] = []
    for start in range(0, len(cases), AT_A_TIME):
        part = cases[start : start + AT_A_TIME]
        pairs = [pair for case in part if not case.same() for pair in (case.patch, case.carried)]
        lines = iter(diff.lines(repository, pairs))
        judged += [(CLEAN, None) if case.same() else _judged(next(lines), next(lines)) for case in part]
    return judged


def _judged(old: Told, new: Told) -> Judged:
    if old is None or new is None:
        return ADJUSTED, "lines: they could not be compared"
    return compare(old, new)


def compare(old: List[Tuple[Change, Lines]], new: List[Tuple[Change, Lines]]) -> Judged:
    """Compares path by path. A path that upstream renamed is paired by what the patch does to it."""
    by_path: Dict[Tuple[bytes, bytes], Tuple[Change, Lines]] = {
        (c.source, c.path): (c, lines) for c, lines in new
    }
    notes: List[str] = []
    left: List[Tuple[Change, Lines]] = []
    moved: List[str] = []
    for change, lines in old:
        found = by_path.pop((change.source, change.path), None)
        if found is None:
            left.append((change, lines))
        else:
            notes += differences(change, lines, *found)
    for change, lines in left:
        match = next(
            (key for key, (c, other) in by_path.items() if not differences(change, lines, c, other)), None
        )
        if match is not None:
            del by_path[match]
            moved.append("%s is now %s" % (text(change.path), text(match[1])))
            continue
        # one side took a rename apart: the file that it came from or went to is there all the same
        match = next((key for key in by_path if key[1] == change.path or key[0] == change.source), None)
        if match is None:
            notes.append("path: %s is not changed as in the patch" % text(change.path))
        else:
            notes += differences(change, lines, *by_path.pop(match))
    notes += ["path: %s is changed, which the patch did not" % text(key[1]) for key in by_path]
    if notes:
        return ADJUSTED, bounded(notes)
    return CLEAN, bounded(moved) if moved else None


def differences(change: Change, lines: Lines, other: Change, other_lines: Lines) -> List[str]:
    """What differs between a file's change in the patch and in the carried commit; empty for the same."""
    name = text(other.path)
    found = []
    if change.status != other.status:
        found.append(
            "path: %s is %s instead of %s"
            % (name, WORDS.get(other.status, other.status), WORDS.get(change.status, change.status))
        )
        if "D" in (change.status, other.status):
            return found  # its mode and all its lines differ, which says no more
    if (change.old_mode, change.new_mode) != (other.old_mode, other.new_mode):
        found.append(
            "mode: %s goes %s to %s instead of %s to %s"
            % (name, other.old_mode, other.new_mode, change.old_mode, change.new_mode)
        )
    if (change.old, change.new) != (other.old, other.new):
        found += line_differences(name, lines, other_lines)
    return found


WORDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "C": "copied", "T": "changed in kind"}


def line_differences(name: str, lines: Lines, other: Lines) -> List[str]:
    """Lines that only one of the two removes or adds. Their order may differ: a diff can slide."""
    if any(b"\0" in line for part in (*lines, *other) for line in part):
        return ["binary: %s is not the same" % name]
    found = []
    for word, mine, theirs in (
        ("removed", lines.removed, other.removed),
        ("added", lines.added, other.added),
    ):
        one, two = Counter(mine), Counter(theirs)
        less, more = sum((one - two).values()), sum((two - one).values())
        if less:
            found.append("lines: %s: %d of %d %s lines not carried" % (name, less, len(mine), word))
        if more:
            found.append("lines: %s: %d lines %s beyond the patch's" % (name, more, word))
    return found


def bounded(notes: List[str]) -> str:
    """A note of a handful of parts."""
    shown = notes[:8]
    rest = len(notes) - len(shown)
    return "; ".join(shown) + ("; and %d more" % rest if rest else "")
