"""Merges the release into the stack: one merge commit on the stack's head, for `strategy = "merge"`.

The patches' commits stay as they are. What is said of each is read from the merged tree, by taking the
patches away again from the newest to the oldest; the merge itself never depends on it. Settles no conflict by
itself; the fork's resolver may.
"""

from __future__ import annotations

import os
from typing import Callable, List, Optional, Sequence, Set, Tuple

from . import commit, conflict, diff, stack, verdict
from .attributes import Attributes
from .attribution import words
from .explain import MAX_COMMITS, Explainer
from .fetch import COMMITS_ONLY, NO_BLOBS, unreachable
from .git import GitError
from .ground import Ground
from .history import Explorer, log, shallow_commits
from .merge import NAMES, Merger
from .records import (
    ADJUSTED,
    ALREADY_UPSTREAM,
    CONFLICTED,
    DROPPED,
    EMPTY,
    GITLINK,
    NOT_TRIED,
    RESOLVED,
    Carried,
    History,
    Installed,
    Merge,
    Outcome,
    Patch,
    Problem,
    Request,
    UpstreamCommit,
)
from .resolutions import Replayed, Resolutions
from .resolver import Settler
from .stack import Commits

Paths = Tuple[bytes, ...]

SIDES = ("stack", "release")
"""The words in the conflict markers that a resolver sees."""

MORE = 200
"""Commits that a person may have pushed beside the merge."""

UNTOLD = "what it does could not be told apart from the other changes to the same lines"
GONE = "nothing of it is left in the merged files"
APART = "it has no part in the conflict; a merge is made whole or not at all"


class Forward:
    """Merges one target into one stack, in a merger's repository that has the trees of both."""

    def __init__(
        self,
        explorer: Explorer,
        merger: Merger,
        request: Request,
        history: History,
        *,
        ground: Ground,
        commits: Commits,
        explainer: Explainer,
        resolver: Settler,
    ) -> None:
        self.explorer = explorer
        self.fetcher = explorer.fetcher
        self.merger = merger
        self.repository = merger.repository
        self.request = request
        self.history = history
        self.ground = ground
        self.commits = commits
        self.explainer = explainer
        self.resolver = resolver
        self.head_tree = self.merger.tree_of(request.stack)
        self.target_tree = self.merger.tree_of(request.target)
        self.patches = commits.of_people

    def merge(self, progress: Callable[[str, int, int], None]) -> Carried:
        """The merge commit and an outcome for every patch; or the conflict, and nothing; or, as it is, what a
        person made of it and pushed.

        Raises:
            Problem: with stage `base` where the two have no history in common that can be used, `continue`
                where what a person pushed can't be taken up.
            GitError: where git fails in another way than by a conflict.
        """
        if self.request.pushed is not None:
            return self._pushed(self.request.pushed, progress)
        base_tree = self._base_tree(self._bases())
        whole = self._whole(base_tree)
        self._fetch_blobs([whole, *self.patches], base_tree)
        attributes = Attributes(self.repository, os.path.join(self.repository.directory, "attributes"))
        attributes.use(self.head_tree)  # those of the branch, as in a work tree of it
        merged = self.merger.apply(self.target_tree, base_tree, self.head_tree)
        settled = Replayed(merged.tree) if merged.clean else self._settled(whole, base_tree)
        if settled.tree is None:
            return self._conflicted(whole, settled.notes)
        outcomes = self._outcomes(settled.tree, progress)
        if not merged.clean:
            outcomes = [self._resolved(outcome, settled) for outcome in outcomes]
        message = "Merge %s into %s" % (self.request.target_name, self.request.branch)
        parents = (self.request.stack, self.request.target)
        tip = commit.write(self.repository, commit.plain(settled.tree, parents, message, self.request.date))
        return Carried(tuple(outcomes), tip, None, self._installed(kept=True), self.commits.merges)

    # What a person pushed ---------------------------------------------------------------------------

    def _pushed(self, pushed: str, progress: Callable[[str, int, int], None]) -> Carried:
        """The pushed commit as the candidate; the commits that it has beyond stack and target are added."""
        commits, request = self.explorer.repository, self.request
        try:
            spec = ["+%s:refs/pushed" % pushed]
            self.fetcher.fetch(commits, "fork", spec, "--filter=" + COMMITS_ONLY)
            spec = ["+%s:refs/carry/pushed" % pushed]
            self.fetcher.fetch(self.repository, "fork", spec, "--filter=" + NO_BLOBS, "--depth=1")
        except GitError as error:
            raise unreachable(error, "the pushed commit", self.fetcher.workspace.fork_url) from error
        own = log(commits, pushed, "--not", request.stack, request.target)
        if (
            not all(self.ground.has(pushed, one) for one in (request.stack, request.target))
            or len(own) > MORE
        ):
            raise Problem(
                "continue",
                "What was pushed, %s, is not %s with %s merged into it. Merge the two and push again."
                % (pushed[:12], request.branch, request.target_name),
            )
        tree, paths = self.merger.tree_of(pushed), request.installed_paths
        there, ours = (diff.list_tree(self.repository, one, paths) for one in (tree, self.head_tree))
        if self.commits.installed and there != ours:
            raise Problem(
                "continue",
                "What was pushed, %s, changes the App's own files. Put them back as they are on %s and push "
                "again." % (pushed[:12], request.branch),
            )
        self._fetch_blobs(self.patches, self.history.base)
        touched = tuple({path for patch in self.patches for path in _paths(patch)})
        listed = diff.list_tree(self.repository, tree, touched) if touched else ()
        self.fetcher.blobs(self.repository, {oid: "fork" for mode, oid, _ in listed if mode != GITLINK})
        outcomes = [_by_hand(outcome) for outcome in self._outcomes(tree, progress)]
        added = tuple(UpstreamCommit(one.sha, one.subject) for one in reversed(own))
        installed, merges = self._installed(kept=True), self.commits.merges
        return Carried(tuple(outcomes), pushed, None, installed, merges, added)

    # What the two have in common --------------------------------------------------------------------

    def _bases(self) -> List[str]:
        """The merge bases of the stack and the target, in the history that is at hand or in all of it."""
        found = self.ground.common(self.request.stack, [self.request.target])
        if len(found) == 1 and all(self.ground.has(self.request.target, edge) for edge in self.history.edges):
            return found  # there may be more below, but none beside it
        commits, request = self.explorer.repository, self.request
        for remote, spec in (
            ("fork", "+%s:refs/stack" % request.stack), ("upstream", "+%s:refs/target" % request.target)
        ):  # fmt: skip
            if shallow_commits(commits):
                try:
                    self.fetcher.fetch(commits, remote, [spec], "--filter=" + COMMITS_ONLY, "--unshallow")
                except GitError as error:
                    raise unreachable(error, "the history", self.fetcher.workspace.fork_url) from error
        found = self.ground.common(self.request.stack, [self.request.target])
        if not found:
            raise Problem(
                "base",
                "%s and %s have no history in common, so there is nothing to merge from. Is this the right "
                'upstream? If it was rewritten, set strategy = "rebase" and `start` for this stack.'
                % (request.branch, request.target_name),
            )
        return found

    def _base_tree(self, bases: Sequence[str]) -> str:
        """The tree to merge from: the merge base's, or that of the merge of several."""
        self.ground.fetch(bases)
        tree = self.merger.tree_of(bases[0])
        for number, one in enumerate(bases[1:], 1):
            below = self.ground.common(one, bases[:number])
            if len(below) != 1:
                raise self._too_many(bases)
            self.ground.fetch(below)
            merged = self.merger.apply(self.merger.tree_of(one), self.merger.tree_of(below[0]), tree)
            if not merged.clean:
                raise self._too_many(bases)
            tree = merged.tree
        return tree

    def _too_many(self, bases: Sequence[str]) -> Problem:
        return Problem(
            "base",
            "%s and %s have several newest commits in common (%s), which don't merge by themselves. Merge %s "
            "into %s once by hand; the release after it has one again."
            % (
                self.request.branch,
                self.request.target_name,
                ", ".join(base[:12] for base in bases[:5]),
                self.request.target_name,
                self.request.branch,
            ),
        )

    def _whole(self, base_tree: str) -> Patch:
        """The whole stack as one patch on what it has in common with the target."""
        raw = self.commits.patches[self.request.stack].raw
        trees = (base_tree, self.head_tree)
        changes = diff.raw(self.repository, *trees, renames=False)
        return Patch(self.request.stack, raw, self.request.branch, "", trees, changes, *trees)

    def _fetch_blobs(self, patches: Sequence[Patch], base: Optional[str]) -> None:
        wanted = stack.wanted_blobs(self.repository, patches, base, self.request.target)
        wanted.update(dict.fromkeys(stack.attribute_blobs(self.repository, self.head_tree), "fork"))
        self.fetcher.blobs(self.repository, wanted)

    def _installed(self, kept: bool) -> Optional[Installed]:
        """The App's own commits stay as well; the newest stands for them."""
        own = self.commits.installed
        return Installed(own, own[-1] if kept else None) if own else None

    # What became of the patches ---------------------------------------------------------------------

    def _outcomes(self, tree: str, progress: Callable[[str, int, int], None]) -> List[Outcome]:
        told: List[Outcome] = []
        for number in reversed(range(len(self.patches))):
            progress("carry", len(told), len(self.patches))
            outcome, tree = self._effect(number, tree)
            told.append(outcome)
        progress("carry", len(told), len(told))
        told.reverse()
        theirs = [outcome for outcome in told if outcome.verdict == ALREADY_UPSTREAM]
        named = {outcome.patch.old: outcome for outcome in self.explainer.named(theirs)}
        return [named.get(outcome.patch.old, outcome) for outcome in told]

    def _effect(self, number: int, tree: str) -> Tuple[Outcome, str]:
        """What became of a patch in the merged tree less those after it, and that tree less the patch."""
        patch = self.patches[number]
        if patch.before == patch.after:
            return Outcome(patch, EMPTY, note="it changed nothing to begin with"), tree
        if self._upstream_has(number):
            return Outcome(patch, ALREADY_UPSTREAM), tree
        without = self.merger.apply(patch.before, patch.after, tree)
        if not without.clean:
            return Outcome(patch, ADJUSTED, patch.old, UNTOLD), tree
        if without.tree == tree:
            return Outcome(patch, EMPTY, note=GONE), tree
        changes = diff.raw(self.repository, without.tree, tree, renames=False)
        case = verdict.Case(patch.made, (without.tree, tree), patch.changes, changes)
        ((word, why),) = verdict.judge(self.repository, [case])
        return Outcome(patch, word, patch.old, why), without.tree

    def _upstream_has(self, number: int) -> bool:
        """Whether a patch changes nothing on the target, alone and after earlier ones of its files."""
        patch = self.patches[number]
        if not self._changes_nothing(patch, self.target_tree):
            return False
        tree, paths = self.target_tree, _paths(patch)
        for one in self.patches[:number]:
            if paths & _paths(one):
                merged = self.merger.apply(one.after, one.before, tree)
                tree = merged.tree if merged.clean else tree
        return tree == self.target_tree or self._changes_nothing(patch, tree)

    def _changes_nothing(self, patch: Patch, tree: str) -> bool:
        merged = self.merger.apply(patch.after, patch.before, tree)
        return merged.clean and merged.tree == tree

    # The resolver -----------------------------------------------------------------------------------

    def _settled(self, whole: Patch, base_tree: str) -> Replayed:
        """The merged tree as the resolver has it, where there is a patch to show that at."""
        named = self.merger.apply(self.target_tree, base_tree, self.head_tree, SIDES)
        if not self.patches:
            return Replayed(None)
        return self.resolver.settle(self.merger, whole, named, self.request.stack)

    def _resolved(self, outcome: Outcome, settled: Replayed) -> Outcome:
        """The outcome where the resolver made the merge. The newest patch that touches what it made shows it;
        one without a trace in the merged files is no loss that goes unseen.
        """
        patch = outcome.patch
        paths = {used.path for used in settled.used}
        shown = [one for one in self.patches if _paths(one) & paths][-1:] or self.patches[-1:]
        if patch is shown[0]:
            used = Resolutions(self.fetcher, self.repository, None).bounded(settled.used)
            note = "; ".join(one for one in (*settled.notes, outcome.note) if one)
            return outcome._replace(verdict=RESOLVED, new=patch.old, note=note, resolution=used)
        if outcome.verdict == ADJUSTED or outcome.note == GONE:
            return outcome._replace(
                verdict=RESOLVED, new=patch.old, note="as it was settled; %s" % outcome.note
            )
        return outcome

    # The conflict -----------------------------------------------------------------------------------

    def _conflicted(self, whole: Patch, notes: Sequence[str]) -> Carried:
        """The conflict of the stack as one patch on the target, with the newest patch that is in it."""
        named = self.merger.apply(whole.after, whole.before, self.target_tree, NAMES)
        paths = tuple(dict.fromkeys(path for path, _ in named.stages))
        blamed, patches = self._blamed(paths)
        found = conflict.describe(
            self.repository, whole, parent=whole.before, patch_tree=whole.after, carried=self.target_tree,
            merged=named,
        )._replace(patch=blamed.old)  # fmt: skip
        outcomes = tuple(
            self._blame(whole, patch, paths, notes) if patch is blamed else self._apart(patch, paths)
            for patch in patches
        )
        merges = tuple(sha for sha in self.commits.merges if sha != blamed.old)
        return Carried(outcomes, self.request.target, found, self._installed(kept=False), merges)

    def _blamed(self, paths: Paths) -> Tuple[Patch, List[Patch]]:
        """The newest patch that is in the conflict, and all patches with it: it may be a merge."""
        near = [patch for patch in self.patches if _paths(patch) & {*paths}]
        if not near:  # Git may show a path under another name
            near = [patch for patch in self.patches if not self._on_target(patch).clean]
        if near:
            return near[-1], self.patches
        left = self.commits.merges or tuple(patch.old for patch in self.patches)
        kept = {left[-1], *(patch.old for patch in self.patches)}
        patches = [patch for sha, patch in self.commits.patches.items() if sha in kept]
        return self.commits.patches[left[-1]], patches

    def _blame(self, whole: Patch, patch: Patch, paths: Paths, notes: Sequence[str]) -> Outcome:
        attribution, changed = self.explainer.attribution, tuple(change.path for change in patch.changes)
        # what became of a file that was moved shows under its old name
        more = tuple(dict.fromkeys((*paths, *changed)))
        since = attribution.first(whole, paths, ()) or attribution.first(whole, more, ())
        note = "the newest patch of the files in conflict"
        if not _paths(patch) & {*paths}:
            note = "it could not be told which patch conflicts"
            if changed and not self._on_target(patch).clean:
                note = "it conflicts by itself too"
        if since is not None:
            note += "; the stack has not merged %s" % words(since)
        note = "; ".join((note, *notes))
        upstream = self.explainer.touched(paths) or self.explainer.touched(changed)
        if since is not None:
            upstream = (since, *(one for one in upstream if one != since))[:MAX_COMMITS]
        return Outcome(patch, CONFLICTED, note=note, upstream_commits=upstream)

    def _apart(self, patch: Patch, paths: Paths) -> Outcome:
        if not _paths(patch) & {*paths}:
            return Outcome(patch, NOT_TRIED, note=APART)
        would = "apply" if self._on_target(patch).clean else "conflict too"
        return Outcome(patch, NOT_TRIED, note="it changes files in conflict; by itself it would " + would)

    def _on_target(self, patch: Patch) -> Merge:
        return self.merger.apply(patch.after, patch.before, self.target_tree)


def _by_hand(outcome: Outcome) -> Outcome:
    """The outcome where a person made the merge: what differs is theirs."""
    if outcome.verdict == ADJUSTED:
        return outcome._replace(verdict=RESOLVED, note="as it was pushed; %s" % outcome.note)
    return outcome._replace(verdict=DROPPED) if outcome.note == GONE else outcome


def _paths(patch: Patch) -> Set[bytes]:
    return {path for change in patch.changes for path in (change.source, change.path)}
