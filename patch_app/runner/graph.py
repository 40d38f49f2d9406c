"""Keeps the merges of a stack: the plan by which its commits and merges are made again on a release.

As `git rebase --rebase-merges=rebase-cousins` does, but for what a merge settled or added, which is carried
along: the difference between what Git makes of its parents, conflict markers included, and what the merge
made of them. A merge of upstream has nothing to be made again, since the release has it; what it added stays
as a patch.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from . import diff
from .ground import Ground
from .merge import NAMES, Merger
from .records import TARGET, History, Patch, Problem


class Graph:
    """Over one stack. `patches` are its commits by id, `left_out` those that are not carried."""

    def __init__(
        self,
        merger: Merger,
        ground: Ground,
        history: History,
        patches: Dict[str, Patch],
        left_out: Sequence[str],
    ) -> None:
        self.merger = merger
        self.ground = ground
        self.history = history
        self.patches = patches
        self.left_out = frozenset(left_out)
        self.plan: List[Patch] = []
        self._at: Dict[str, int] = {}

    def make(self) -> Tuple[Patch, ...]:
        """The patches and merges, each with the numbers of those that it stands on. Raises Problem and
        GitError.
        """
        for sha in self.history.stack:
            parents = self.history.parents[sha]
            if len(parents) > 1:
                self._at[sha] = self._merge(sha)
            else:
                before = self._number(parents[0]) if parents else TARGET
                self._at[sha] = before if sha in self.left_out else self._add(self.patches[sha], (before,))
        return tuple(self.plan)

    def _number(self, sha: str) -> int:
        landing = self.history.landing
        # the candidate of a landing stands for what the branch was before
        return self._at.get(landing.carried if landing and sha in landing.below else sha, TARGET)

    def _add(self, patch: Patch, onto: Tuple[int, ...], bases: Tuple[int, ...] = ()) -> int:
        self.plan.append(patch._replace(onto=onto, bases=bases))
        return len(self.plan) - 1

    def _merge(self, sha: str) -> int:
        """Number of what stands for a merge; of its one parent where nothing of it is left."""
        parents, landing = self.history.parents[sha], self.history.landing
        if landing and sha == landing.commit:
            return self._number(landing.carried)
        bases = [self._base(sha, parent, parents[:number]) for number, parent in enumerate(parents) if number]
        before = self._as_git_would(parents, bases)
        patch = self.patches[sha]
        after = patch.made[1]
        changes = diff.raw(self.merger.repository, before, after, renames=False)
        patch = patch._replace(made=(before, after), before=before, after=after, changes=changes)
        kept = [(self._number(parents[0]), TARGET)]
        kept += [(self._number(parent), self._number(base)) for parent, base in zip(parents[1:], bases)]
        if landing and landing.commit in parents[1:]:
            # what the branch got beside it stands on the candidate's patches, so there is nothing to merge
            kept = [pair for pair in kept if pair[0] != self._number(landing.carried)] or kept[:1]
        # what upstream has, and what upstream's commits have become, is one and the same: the release
        kept = [pair for pair in kept if pair[0] != TARGET] or kept[:1]
        kept = [pair for number, pair in enumerate(kept) if pair[0] not in {one for one, _ in kept[:number]}]
        if len(kept) > 1:
            return self._add(patch, tuple(one for one, _ in kept), tuple(base for _, base in kept[1:]))
        return kept[0][0] if before == after else self._add(patch, (kept[0][0],))

    def _base(self, sha: str, parent: str, others: Sequence[str]) -> str:
        found = self.ground.common(parent, others)
        if len(found) != 1:
            raise Problem(
                "stack",
                "The merge commit %s (%s) has parents with %s, and can't be made again. Use "
                "merges = \"flatten\" for this stack." % (
                    sha[:12], self.patches[sha].subject[:100],
                    "several common commits" if found else "no common commit",
                ),
            )  # fmt: skip
        return found[0]

    def _as_git_would(self, parents: Sequence[str], bases: Sequence[str]) -> str:
        """The tree that Git makes of the parents by itself, markers in it where they conflict."""
        self.ground.fetch([*parents, *bases])
        tree = self.merger.tree_of(parents[0])
        for parent, base in zip(parents[1:], bases):
            merged = self.merger.apply(self.merger.tree_of(parent), self.merger.tree_of(base), tree, NAMES)
            tree = merged.tree
        return tree
