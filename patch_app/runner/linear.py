"""Puts a stack with merges into one row of patches whose end has exactly the files of the branch's head.

Each merge in the stack is gone through once more: the commits of its parents, one after the other, on the
newest upstream commit that it has. Where they conflict there, the merge settled it, so its files are taken;
and what it has beyond that is a patch of its own, by its own author. So nothing that a merge decided or added
is lost, and at every merge row and branch agree to the byte.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from . import diff
from . import landing as landings
from .ground import Ground, as_settled
from .merge import Merger
from .records import History, Patch, Problem

MAX_MERGES = 10_000
"""Three-way merges for one stack, a good two minutes; a stack that needs more has to be merged forward."""


class Row(NamedTuple):
    """Patches one on top of the other on `ground`, a tree that stands for the upstream commits `edges`."""

    edges: Tuple[str, ...]
    ground: str
    patches: Tuple[Patch, ...]


class Linear:
    """Over one stack. `patches` are its commits by id: merges with what they are, all others with what they
    do.
    """

    def __init__(self, merger: Merger, ground: Ground, history: History, patches: Dict[str, Patch]) -> None:
        self.merger = merger
        self.ground = ground
        self.history = history
        self.patches = patches
        self._rows: Dict[str, Row] = {}
        self._merges = 0
        self._below = history.landing.below if history.landing else frozenset()
        self._landed = landings.landed(history.parents, history.stack, history.landing)

    def row(self, head: str) -> Row:
        """The whole stack as a row. Raises Problem and GitError."""
        for sha in self.history.stack:
            parents = self.history.parents[sha]
            if len(parents) > 1:
                self._rows[sha] = self._merge(sha, [self._at(parent) for parent in self._ordered(sha)])
            else:
                before = self._at(parents[0]) if parents else Row((), self.merger.empty_tree(), ())
                self._rows[sha] = before._replace(patches=(*before.patches, self.patches[sha]))
        return self._rows[head]

    def _ordered(self, sha: str) -> List[str]:
        """A merge's parents: what was merged beside a landing comes after the candidate's patches."""
        landing, parents = self.history.landing, list(self.history.parents[sha])
        if landing is None or sha in landing.within:
            return parents
        return sorted(parents, key=lambda parent: not self._landed.get(parent, False))

    def _at(self, sha: str) -> Row:
        # what the branch was before a landing is no ground: the candidate stands for it
        edges = () if sha in self._below else (sha,)
        return self._rows.get(sha) or Row(edges, self.merger.tree_of(sha), ())

    def _merge(self, sha: str, rows: Sequence[Row]) -> Row:
        whole = self.patches[sha].made[1]
        edges, ground = self.ground.of([(row.edges, row.ground) for row in rows], whole)
        done: List[Patch] = []
        if rows[0].ground == ground:
            done += rows[0].patches
        seen = {patch.old for patch in done}
        tree = done[-1].after if done else ground
        for row in rows:
            for patch in row.patches:
                if patch.old not in seen:
                    seen.add(patch.old)
                    done.append(self._again(patch, tree, sha, whole))
                    tree = done[-1].after
        if tree != whole:
            own = self.patches[sha]
            changes = diff.raw(self.merger.repository, tree, whole, renames=False)
            done.append(own._replace(made=(tree, whole), before=tree, after=whole, changes=changes))
        return Row(edges, ground, tuple(done))

    def _again(self, patch: Patch, tree: str, sha: str, whole: str) -> Patch:
        """The patch on another tree; where it conflicts there the merge `sha`, with the tree `whole`, settled
        it.
        """
        self._merges += 1
        if self._merges > MAX_MERGES:
            raise Problem(
                "stack",
                "The stack has so many merges that it can't be put into a row in reasonable time. Rebase it "
                "once by hand, or set `start` to the last commit that need not be carried.",
            )
        if patch.before == patch.after:
            return patch._replace(before=tree, after=tree)
        merged = self.merger.apply(patch.after, patch.before, tree)
        if merged.clean:
            return patch._replace(before=tree, after=merged.tree)
        return patch._replace(before=tree, after=as_settled(self.merger, merged, whole), settled_by=sha)
