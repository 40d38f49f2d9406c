"""Carries the patches, one by one, and gives each exactly one verdict. Stops at the first conflict.

What comes after a conflict is carried nowhere; a note says what would become of it.

Never takes a side, never skips a patch in silence, never runs anything of either tree.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

from . import commit, conflict, diff, explain, index, outlook, verdict
from .attributes import NAME, Attributes
from .attribution import words
from .git import Git
from .merge import Merger
from .records import (
    ALREADY_UPSTREAM,
    CARRIED,
    CONFLICTED,
    EMPTY,
    NOT_TRIED,
    Carried,
    Conflict,
    History,
    Installed,
    Outcome,
    Patch,
    Problem,
    Request,
)
from .stack import Stack

Progress = Callable[[str, int, int], None]
"""Called with a stage and how much of it is done, of how much. Gets no text out of a repository."""


class Carrier:
    """Carries one stack onto one target in a repository that has the commits and trees."""

    def __init__(
        self, repository: Git, request: Request, history: History, stack: Stack, explainer: explain.Explainer
    ) -> None:
        self.repository = repository
        self.request = request
        self.history = history
        self.stack = stack
        self.explainer = explainer
        self.merger = Merger(repository)
        self.attributes = Attributes(repository, os.path.join(repository.directory, "attributes"))

    def carry(self, progress: Progress) -> Carried:
        """All patches, in order.

        Raises:
            Problem: where a patch is left without a verdict, which would be a mistake of ours.
            GitError: where git fails in another way than by a conflict.
        """
        target_tree = self.merger.tree_of(self.request.target)
        tip, tree = self.request.target, target_tree
        outcomes: List[Outcome] = []
        found: Optional[Conflict] = None
        self.attributes.use(tree)
        for number, patch in enumerate(self.stack.patches):
            progress("carry", number, len(self.stack.patches))
            outcome, found, after = self._one(patch, tip, tree, target_tree)
            outcomes.append(outcome)
            if found is not None:
                outcomes += self._after(number, tree)
                break
            if outcome.verdict in CARRIED and outcome.new is not None:
                tip = outcome.new
                tree = after
        progress("carry", len(self.stack.patches), len(self.stack.patches))
        installed: Optional[Installed] = None
        if self.stack.installed:
            new = self._install(tip) if found is None else None
            tip = new or tip
            installed = Installed(self.stack.installed, new)
        carried = Carried(tuple(outcomes), tip, found, installed, self.stack.merges)
        self.account(carried)
        return carried

    def _one(
        self, patch: Patch, tip: str, tree: str, target_tree: str
    ) -> Tuple[Outcome, Optional[Conflict], str]:
        """One patch on what is carried so far: its outcome, the conflict if any, the tree after it."""
        parent_tree, patch_tree = self.merger.parent_tree(patch), self.merger.patch_tree(patch)
        if patch_tree == parent_tree:
            return Outcome(patch, EMPTY, note="it changed nothing to begin with"), None, tree
        merged = self.merger.apply(patch_tree, parent_tree, tree)
        if not merged.clean:
            return self._conflicted(patch, tree, target_tree)
        if merged.tree == tree:
            return self._nothing_left(patch, tree, target_tree), None, tree
        raw, note = commit.carried(patch.raw, merged.tree, tip, self.request.date)
        new = commit.write(self.repository, raw)
        changes = diff.raw(self.repository, tree, merged.tree, renames=False)
        word, why = verdict.judge(
            self.repository, (parent_tree, patch_tree), (tree, merged.tree), patch.changes, changes
        )
        if any(change.path.rsplit(b"/", 1)[-1] == NAME for change in changes):
            self.attributes.use(merged.tree)
        return (
            Outcome(patch, word, new, "; ".join(part for part in (why, note) if part) or None),
            None,
            merged.tree,
        )

    def _after(self, stopped: int, tree: str) -> List[Outcome]:
        patches = self.stack.patches
        notes = outlook.notes(self.merger, self.explainer.attribution, patches, stopped, tree)
        return [Outcome(one, NOT_TRIED, note=note) for one, note in zip(patches[stopped + 1 :], notes)]

    def _alone(self, patch: Patch, target_tree: str) -> bool:
        """Whether the patch, applied to the target alone, changes nothing."""
        merged = self.merger.apply(self.merger.patch_tree(patch), self.merger.parent_tree(patch), target_tree)
        return merged.clean and merged.tree == target_tree

    def _nothing_left(self, patch: Patch, tree: str, target_tree: str) -> Outcome:
        if tree == target_tree or self._alone(patch, target_tree):
            commits = self.explainer.took(patch)
            return Outcome(patch, ALREADY_UPSTREAM, upstream_commits=commits)
        return Outcome(patch, EMPTY, note="an earlier patch of the stack has it already")

    def _conflicted(self, patch: Patch, tree: str, target_tree: str) -> Tuple[Outcome, Conflict, str]:
        """The conflict, described on a merge done again with words instead of ids in its markers."""
        parent_tree, patch_tree = self.merger.parent_tree(patch), self.merger.patch_tree(patch)
        named = self.merger.apply(patch_tree, parent_tree, tree, ("carried", "patch"))
        found = conflict.describe(
            self.repository, patch, parent=parent_tree, patch_tree=patch_tree, carried=tree, merged=named
        )
        paths = tuple(dict.fromkeys(path for path, _ in named.stages))
        before = self.stack.patches[: self.stack.patches.index(patch)]
        since = self.explainer.attribution.first(patch, paths, before)
        note = "it has not applied " + words(since) if since else None
        if self._alone(patch, target_tree):
            note = "applied to the release alone it changes nothing: it may have been taken upstream"
        # Git may show a path under another name (`x~patch` beside a directory `x`), which upstream never had
        commits = self.explainer.touched(paths) or self.explainer.touched(
            tuple(c.path for c in patch.changes)
        )
        if since is not None:
            commits = (since, *(one for one in commits if one != since))[: explain.MAX_COMMITS]
        return Outcome(patch, CONFLICTED, note=note, upstream_commits=commits), found, tree

    def _install(self, tip: str) -> str:
        """The App's own commits as one commit on top, with its files as the stack's head has them."""
        tree = self.merger.tree_of(tip)
        paths = self.request.installed_paths
        head = diff.list_tree(self.repository, self.request.stack, paths)
        present = {path for _, _, path in head}
        gone = [("0", "0" * len(self.request.stack), path) for path in paths if path not in present]
        new_tree = index.write_tree(self.repository, [*head, *gone], tree)
        newest = self.repository.run("cat-file", "commit", self.stack.installed[-1])
        raw, _ = commit.carried(newest, new_tree, tip, self.request.date)
        return commit.write(self.repository, raw)

    def account(self, carried: Carried) -> None:
        """Every commit of the stack is a patch with one verdict, an installed one or a merge. Raises
        Problem."""
        seen: Dict[str, int] = {}
        installed = carried.installed.commits if carried.installed else ()
        for sha in (
            [outcome.patch.old for outcome in carried.outcomes] + list(installed) + list(carried.merges)
        ):
            seen[sha] = seen.get(sha, 0) + 1
        wrong = [sha for sha in self.history.stack if seen.get(sha) != 1]
        if wrong or len(seen) != len(self.history.stack):
            raise Problem("carry", "commits of the stack are not accounted for: %s" % ", ".join(wrong))
