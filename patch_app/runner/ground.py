"""What a stack with merges stands on: one upstream commit, or several that none of them has all of.

A fork that goes from one release branch of upstream to the next stands on both: their merge, which then is
upstream's work and not the fork's. Reads upstream's history, writes no commit.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence, Tuple

from . import diff, index
from .git import Git, GitError
from .merge import Merger
from .records import Merge, Problem

Standing = Tuple[Tuple[str, ...], str]
"""Upstream commits, none of which has another, and the tree that stands for them."""


class Ground:
    """`commits` has upstream's commits alone; `fetch` gets commits with their trees into the merger's
    repository.
    """

    def __init__(
        self,
        commits: Git,
        merger: Merger,
        fetch: Callable[[Sequence[str]], None],
    ) -> None:
        self.commits = commits
        self.merger = merger
        self.fetch = fetch
        self._within: Dict[Tuple[str, str], bool] = {}

    def of(self, standings: Sequence[Standing], whole: str) -> Standing:
        """What a merge stands on whose parents stand on these. `whole` is the merge's own tree.

        Raises:
            Problem: with stage `stack` where two of the commits have nothing in common that can be found.
            GitError: where git fails.
        """
        edges = list(dict.fromkeys(edge for found, _ in standings for edge in found))
        kept = tuple(one for one in edges if not any(self.has(other, one) for other in edges))
        for found, tree in standings:
            if found == kept:
                return found, tree
        tree = self.merger.tree_of(kept[0])
        for number, edge in enumerate(kept[1:], 1):
            base = self._common(edge, kept[:number])
            merged = self.merger.apply(self.merger.tree_of(edge), self.merger.tree_of(base), tree)
            tree = merged.tree if merged.clean else as_settled(self.merger, merged, whole)
        return kept, tree

    def common(self, one: str, others: Sequence[str]) -> List[str]:
        """The merge bases of a commit and the merge of others. Raises GitError."""
        found = self.commits.result("merge-base", "--all", one, *others, ok=(0, 1)).stdout
        return found.decode("ascii").split()

    def has(self, one: str, other: str) -> bool:
        """Whether a commit has another in its history; no where that was cut off. Raises GitError."""
        if one == other:
            return False
        key = (one, other)
        if key not in self._within:
            ok = (0, 1, 128)  # 128: a history that was cut off
            self._within[key] = (
                self.commits.result("merge-base", "--is-ancestor", other, one, ok=ok).code == 0
            )
        return self._within[key]

    def _common(self, edge: str, others: Sequence[str]) -> str:
        found = self.common(edge, others)
        if not found:
            raise Problem(
                "stack",
                "The stack stands on the upstream commits %s and %s, which have nothing in common that could "
                "be found. Rebase the stack once by hand onto one of them." % (others[0][:12], edge[:12]),
            )
        try:
            self.fetch(found[:1])
        except GitError as error:
            raise Problem("stack", "%s could not be fetched: %s" % (found[0][:12], error.stderr)) from error
        return found[0]


def as_settled(merger: Merger, merged: Merge, whole: str) -> str:
    """The tree of an unclean merge with each path in conflict as the tree `whole` has it. Raises GitError."""
    paths = tuple(dict.fromkeys(path for path, _ in merged.stages))
    zero = "0" * len(whole)
    gone = [("0", zero, path) for path in paths]
    return index.write_tree(
        merger.repository, [*gone, *diff.list_tree(merger.repository, whole, paths)], merged.tree
    )
