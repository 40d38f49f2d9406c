"""Goes on from what a person pushed: says which of the pushed commits stands for which patch of the stack.

The pushed commits are taken as they are: nothing is applied again, and a patch that none of them stands for
is listed as dropped. Refuses a branch that doesn't stand on the release, and merges where they aren't kept.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Optional, Sequence, Tuple

from . import commit, diff, verdict
from .fetch import COMMITS_ONLY, NO_BLOBS, commit_objects, unreachable
from .git import GitError
from .history import Explorer, log, shallow_commits
from .merge import Merger
from .records import (
    ALREADY_UPSTREAM,
    CLEAN,
    DROPPED,
    EMPTY,
    PRESERVE,
    RESOLVED,
    Carried,
    Change,
    History,
    Installed,
    Made,
    Outcome,
    Patch,
    Problem,
    Request,
    Settled,
    UpstreamCommit,
)
from .stack import Stack, install, is_installed

MORE = 200
"""Commits that a person may have added to those of the stack."""
CLOSE = 0.5
"""Of the lines of both, what two commits must share to be taken for one: Git's own range-diff pairs them by
rules that differ from version to version."""


Told = Tuple[Change, diff.Lines]
"""A file's difference with its lines."""


class Mapper:
    """Over one stack and one pushed commit, in the repository that has the stack's commits and trees."""

    def __init__(
        self, explorer: Explorer, merger: Merger, request: Request, history: History, stack: Stack
    ) -> None:
        self.explorer = explorer
        self.merger = merger
        self.repository = merger.repository
        self.request = request
        self.history = history
        self.stack = stack
        self.settled: List[Settled] = []

    def read(self, pushed: str) -> Tuple[Made, ...]:
        """The pushed commits on top of the release, oldest first, with their trees.

        Raises:
            Problem: with stage `continue`, where they don't stand on the release or have merges.
        """
        fetcher, commits = self.explorer.fetcher, self.explorer.repository
        depth = "--depth=%d" % (len(self.history.stack) + MORE)
        spec = ["+%s:refs/pushed" % pushed]
        try:
            fetcher.fetch(commits, "fork", spec, "--filter=" + COMMITS_ONLY, depth)
        except GitError as error:
            raise unreachable(error, "the pushed commit", fetcher.workspace.fork_url) from error
        own = log(commits, pushed, "--not", self.request.target)
        known, cut = {one.sha for one in own}, shallow_commits(commits)
        below = {parent for one in own for parent in one.parents if parent not in known}
        astray = not own and pushed != self.request.target  # an older commit of upstream's
        if below - {self.request.target} or any(one.sha in cut for one in own) or astray:
            raise Problem(
                "continue",
                "The branch that was pushed, %s, does not stand on the release %s alone. Rebase it onto %s "
                "and push again." % (pushed[:12], self.request.target_name, self.request.target[:12]),
            )
        merges = [one for one in own if len(one.parents) > 1]
        if merges and self.request.merges != PRESERVE:
            raise Problem(
                "continue",
                "The branch that was pushed has the merge commit %s. Make it a row of commits and push "
                'again, or set merges = "preserve" for this stack.' % merges[0].sha[:12],
            )
        self._fetch_trees(pushed, len(own))
        raw = commit_objects(self.repository, [one.sha for one in own])
        for name, content in raw.items():
            self.merger.know(name, content)
        own.reverse()
        trees = [(self.merger.tree_of(one.parents[0]), self.merger.tree_of(one.sha)) for one in own]
        changes = diff.raws(self.repository, trees)
        return tuple(
            Made(one.sha, raw[one.sha], *pair, changed) for one, pair, changed in zip(own, trees, changes)
        )

    def _fetch_trees(self, pushed: str, count: int) -> None:
        fetcher, spec = self.explorer.fetcher, ["+%s:refs/carry/pushed" % pushed]
        try:
            fetcher.fetch(self.repository, "fork", spec, "--filter=" + NO_BLOBS, "--depth=%d" % (count + 1))
        except GitError as error:
            raise unreachable(error, "the pushed commit", fetcher.workspace.fork_url) from error

    def carry(self, made: Sequence[Made]) -> Carried:
        """An outcome for every patch, as the pushed commits have it. Raises GitError."""
        own = [one for one in made if is_installed(one.raw, one.changes, self.request)]
        theirs = [one for one in made if one not in own]
        tip = made[-1].sha if made else self.request.target
        pairs = self._pairs(theirs)
        tree = made[-1].after if made else self.merger.tree_of(self.request.target)
        outcomes = [
            self._stands(patch, pairs[patch.old]) if patch.old in pairs else self._missing(patch, tree)
            for patch in self.stack.patches
        ]
        taken = {one.sha for one in pairs.values()}
        added = tuple(
            UpstreamCommit(one.sha, commit.subject_and_author(one.raw)[0])
            for one in theirs
            if one.sha not in taken
        )
        installed: Optional[Installed] = None
        if self.stack.installed:
            new = own[-1].sha if own else None
            if self._lacks_the_apps_files(tree):
                new = tip = install(self.merger, self.request, self.stack, tip)
            installed = Installed(self.stack.installed, new)
        return Carried(tuple(outcomes), tip, None, installed, self.stack.merges, added)

    def _lacks_the_apps_files(self, tree: str) -> bool:
        paths = self.request.installed_paths
        there, ours = (diff.list_tree(self.repository, one, paths) for one in (tree, self.request.stack))
        return there != ours

    def _pairs(self, made: Sequence[Made]) -> Dict[str, Made]:
        """The pushed commit of each patch: of the same lines, else the same message, else most alike."""
        pairs: Dict[str, Made] = {}
        found = diff.lines(self.repository, [(one.before, one.after) for one in made])
        lines = {one.sha: of_one for one, of_one in zip(made, found)}
        patches = [patch for patch in self.stack.patches if patch.before != patch.after]
        told = diff.lines(self.repository, [patch.made for patch in patches])
        for patch, mine in zip(patches, told):
            same = [
                one
                for one in made
                if mine is not None
                and (other := lines[one.sha]) is not None
                and verdict.compare(mine, other)[0] == CLEAN
            ]
            self._pair(
                pairs, patch, sorted(same, key=lambda one: (_elsewhere(patch, one), -alike(patch, one)))
            )
        for least in (2, 1):
            for patch in patches:
                self._pair(pairs, patch, [one for one in made if alike(patch, one) >= least])
        close = [
            (-likeness, number, one)
            for number, (patch, mine) in enumerate(zip(patches, told))
            for one in made
            if patch.old not in pairs and (likeness := like(mine, lines[one.sha])) > CLOSE
        ]
        for _, number, one in sorted(close, key=lambda found: found[:2]):
            self._pair(pairs, patches[number], [one])
        return pairs

    @staticmethod
    def _pair(pairs: Dict[str, Made], patch: Patch, found: Sequence[Made]) -> None:
        taken = {one.sha for one in pairs.values()}
        free = [one for one in found if one.sha not in taken]
        if patch.old not in pairs and free:
            pairs[patch.old] = free[0]

    def _stands(self, patch: Patch, made: Made) -> Outcome:
        """The verdict on a patch as it was pushed: what carrying it gives, or what a person made of it."""
        merged = self.merger.apply(patch.after, patch.before, made.before)
        case = verdict.Case(patch.made, (made.before, made.after), patch.changes, made.changes)
        ((word, why),) = verdict.judge(self.repository, [case])
        if not (merged.clean and merged.tree == made.after) and word != CLEAN:
            word, why = RESOLVED, "as it was pushed; %s" % why
            self.settled.append((patch, made))
        return Outcome(patch, word, made.sha, why)

    def _missing(self, patch: Patch, tree: str) -> Outcome:
        """A patch that no pushed commit stands for; `tree` is what was pushed."""
        if patch.made[0] == patch.made[1]:
            return Outcome(patch, EMPTY, note="it changed nothing to begin with")
        for onto, word, note in (
            (self.merger.tree_of(self.request.target), ALREADY_UPSTREAM, None),
            (tree, EMPTY, "what was pushed has it already"),
        ):
            merged = self.merger.apply(patch.after, patch.before, onto)
            if merged.clean and merged.tree == onto:
                return Outcome(patch, word, note=note)
        return Outcome(patch, DROPPED, note="no pushed commit stands for it")


def _elsewhere(patch: Patch, made: Made) -> bool:
    """Whether a commit changes other files: the same lines may stand in several."""
    return {change.path for change in patch.changes} != {change.path for change in made.changes}


def alike(patch: Patch, made: Made) -> int:
    """2 where a commit has the patch's message and author, as `git cherry-pick` keeps them; 1 for the message
    alone.
    """
    one, other = commit.parse(patch.raw), commit.parse(made.raw)
    if one.message.rstrip() != other.message.rstrip():
        return 0
    return 2 if one.first(b"author") == other.first(b"author") else 1


def like(one: Optional[Sequence[Told]], other: Optional[Sequence[Told]]) -> float:
    """How much of what two commits remove and add is the same, from 0 to 1."""
    mine, theirs = (
        Counter(
            (sign, line)
            for _, lines in told or ()
            for sign, part in (("-", lines.removed), ("+", lines.added))
            for line in part
        )
        for told in (one, other)
    )
    whole = sum(mine.values()) + sum(theirs.values())
    return 2 * sum((mine & theirs).values()) / whole if whole else 0.0
