"""Tells which of a row of commits did a patch's work: by what the patch had left to do before and after each.

The patch is merged onto what was there, and what it would still change is counted line by line. So a commit
is named for its effect, whatever its subject says and whatever else it does. Names nobody on likeness.
"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import and_
from typing import Counter as Counted
from typing import Dict, Generic, List, NamedTuple, Optional, Tuple, TypeVar

from . import diff
from .git import Git
from .merge import Merger

Work = Counted[Tuple[bytes, str, bytes]]
"""Lines by path and sign, `-` and `+`; with the sign `mode`, what a path is afterwards."""

Who = TypeVar("Who")


class Step(NamedTuple):
    """Trees before a commit, one for each parent that is known, and the tree after it."""

    before: Tuple[str, ...]
    after: str


def work(repository: Git, old: str, new: str) -> Optional[Work]:
    """What has to be done to get from one tree to another; None where it can't be told. Raises GitError."""
    found = diff.lines(repository, [(old, new)], renames=False)[0]
    if found is None:
        return None
    done: Work = Counter()
    for change, lines in found:
        done.update((change.path, "-", line) for line in lines.removed)
        done.update((change.path, "+", line) for line in lines.added)
        if change.old_mode != change.new_mode:
            done[change.path, "mode", change.new_mode.encode()] += 1
    return done


class Left:
    """What the patch between two trees has left to do on other trees. A conflict leaves all of it."""

    def __init__(self, merger: Merger, old: str, new: str) -> None:
        self.merger = merger
        self.old = old
        self.new = new
        self.whole = work(merger.repository, old, new) or Counter()
        self._known: Dict[str, Work] = {old: self.whole, new: Counter()}

    def on(self, tree: str) -> Work:
        """Raises GitError."""
        if tree not in self._known:
            merged = self.merger.apply(self.new, self.old, tree)
            left = work(self.merger.repository, tree, merged.tree) if merged.clean else None
            self._known[tree] = self.whole if left is None else left
        return self._known[tree]

    def did(self, step: Step) -> Work:
        """What a commit did of it that none of its parents had."""
        return reduce(and_, (self.on(tree) - self.on(step.after) for tree in step.before))


class Search(Generic[Who]):
    """Gathers those who together did `wanted`. To be shown each with its step, newest first."""

    def __init__(self, left: Left, wanted: Work) -> None:
        self.left = left
        self.missing = wanted
        self.found: List[Who] = []

    def show(self, who: Who, step: Step) -> None:
        """Takes one into account. Raises GitError."""
        did = self.left.did(step) & self.missing
        if did:
            self.found.append(who)
            self.missing -= did

    def names(self) -> Tuple[Who, ...]:
        """Who did all of it; nobody where a part of it is not accounted for."""
        return () if self.missing else tuple(self.found)
