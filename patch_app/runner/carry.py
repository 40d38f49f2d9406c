"""Carries the patches, one by one, and gives each exactly one verdict. Stops at the first conflict.

What comes after a conflict is carried nowhere; a note says what would become of it.

Never takes a side, never skips a patch in silence, never runs anything of either tree.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import commit, conflict, diff, explain, outlook, verdict
from .attributes import NAME, Attributes
from .attribution import words
from .fetch import commit_objects
from .merge import NAMES, Merger
from .records import (
    ALREADY_UPSTREAM,
    CLEAN,
    CONFLICTED,
    DROPPED,
    EMPTY,
    NOT_TRIED,
    RESOLVED,
    TARGET,
    Carried,
    Conflict,
    History,
    Installed,
    Made,
    Merge,
    Outcome,
    Patch,
    Problem,
    Request,
    Settled,
    Stage,
)
from .resolutions import Replayed, Resolutions
from .resolver import Settler
from .stack import Stack, install

Progress = Callable[[str, int, int], None]
"""Called with a stage and how much of it is done, of how much. Gets no text out of a repository."""


class State(NamedTuple):
    """What is carried up to a place: its commit, the commit's tree, and the commits and the numbers of the
    patches on the way from the target.
    """

    tip: str
    tree: str
    below: FrozenSet[str]
    numbers: FrozenSet[int]


FILES = ("100644", "100755")
LEFT_OUT = "left out, as a person asked"
MARKER = re.compile(rb"(?m)^(?:<{2,} %s|>{2,} %s)\r?$" % tuple(name.encode() for name in NAMES))
"""A line of a conflict of ours. A file that had one before is taken for one in conflict."""

ToJudge = Tuple[verdict.Case, Optional[str]]
"""What there is to judge of a patch that left a commit, and a note on that commit."""

Step = Tuple[Outcome, Optional[Conflict], State]
"""What became of one patch, the conflict, if any, and what is carried then."""


class Carrier:
    """Carries one stack onto one target in a repository that has the commits and trees."""

    def __init__(
        self,
        merger: Merger,
        request: Request,
        stack: Stack,
        explainer: explain.Explainer,
        *,
        resolutions: Resolutions,
        resolver: Settler,
    ) -> None:
        self.merger = merger
        self.repository = merger.repository
        self.request = request
        self.stack = stack
        self.explainer = explainer
        self.resolutions = resolutions
        self.resolver = resolver
        self.settled: List[Settled] = []
        directory = os.path.join(self.repository.directory, "attributes")
        self.attributes = Attributes(self.repository, directory)
        self._attributes_of = ""
        self._made: Dict[str, ToJudge] = {}
        self.target_tree = self.merger.tree_of(request.target)
        self._states: Dict[int, State] = {
            TARGET: State(request.target, self.target_tree, frozenset([request.target]), frozenset())
        }

    def carry(self, progress: Progress) -> Carried:
        """All patches, in order.

        Raises:
            Problem: where an attribute file can't be written.
            GitError: where git fails in another way than by a conflict.
        """
        patches = self.stack.patches
        outcomes: List[Outcome] = []
        found: Optional[Conflict] = None
        state = self._states[TARGET]
        for number, patch in enumerate(patches):
            progress("carry", number, len(patches))
            state = self._states[patch.onto[0]]
            self._use_attributes(state.tree)
            if patch.old in self.request.drop:
                outcome, found, after = Outcome(patch, DROPPED, note=LEFT_OUT), None, state
            elif len(patch.onto) > 1:
                outcome, found, after = self._merge(patch)
            else:
                outcome, found, after = self._one(patch, state)
            outcomes.append(outcome)
            if found is not None:
                outcomes = [*self._before(outcomes[:-1], state), outcome, *self._after(number, state.tree)]
                break
            numbers = after.numbers | {number, *patch.onto}
            self._states[number] = state = after._replace(numbers=numbers)
        progress("carry", len(patches), len(patches))
        outcomes = self.explainer.named(self._judged(outcomes))
        tip = state.tip
        installed: Optional[Installed] = None
        if self.stack.installed:
            new = install(self.merger, self.request, self.stack, tip) if found is None else None
            tip = new or tip
            installed = Installed(self.stack.installed, new)
        return Carried(tuple(outcomes), tip, found, installed, self.stack.merges)

    def _use_attributes(self, tree: str) -> None:
        if self._attributes_of != tree:
            self.attributes.use(tree)
            self._attributes_of = tree

    def _one(self, patch: Patch, state: State) -> Step:
        """One patch on what is carried so far: its outcome, the conflict if any, and what is carried then."""
        if patch.made[0] == patch.made[1]:
            return Outcome(patch, EMPTY, note="it changed nothing to begin with"), None, state
        merged = self.merger.apply(patch.after, patch.before, state.tree)
        if not merged.clean:
            return self._unclean(patch, state)
        if merged.tree == state.tree:
            return self._nothing_left(patch, state.tree), None, state
        outcome, after = self._write(patch, merged.tree, state.tree, [state])
        return outcome, None, after

    def _unclean(self, patch: Patch, state: State) -> Step:
        """A patch that does not apply: as recorded resolutions or the resolver have it, or the conflict."""
        named = self.merger.apply(patch.after, patch.before, state.tree, NAMES)
        replayed = self.resolutions.replay(named)
        is_new = replayed.tree is None
        if is_new:
            found_now = self.resolver.settle(self.merger, patch, named, state.tip)
            used = self.resolutions.bounded(found_now.used)
            replayed = Replayed(found_now.tree, used, (*replayed.notes, *found_now.notes))
        if replayed.tree is None:
            outcome, found = self._conflicted(patch, named, state.tree)
            return outcome._replace(note=joined(outcome.note, *replayed.notes)), found, state
        # a commit even where nothing is left of the patch: that was somebody's decision, to be reviewed
        outcome, after = self._write(patch, replayed.tree, state.tree, [state])
        left = "nothing is left of the patch" if replayed.tree == state.tree else None
        if is_new:
            self.settled.append((patch, Made(after.tip, b"", state.tree, after.tree, ())))
        self.explainer.attribution.unclear.update(path for path, _ in named.stages)
        note = joined(*replayed.notes, left, outcome.note)
        return outcome._replace(verdict=RESOLVED, note=note, resolution=replayed.used), None, after

    def _merge(self, patch: Patch) -> Step:
        """A merge of the stack made again of what its parents have become, with what it settled and added."""
        states = self._distinct(patch)
        first = states[0][1]
        tree = first.tree
        settled: List[Tuple[bytes, Stage]] = []
        refused: Optional[Step] = None
        for base, state in states[1:]:
            merged = self.merger.apply(state.tree, base.tree, tree, NAMES)
            if not merged.clean:
                settled += [*merged.stages]
                refused = self._refused(patch, first, (base.tree, state.tree, tree))
            tree = merged.tree
        if len(states) == 1 and patch.before == patch.after:
            return Outcome(patch, EMPTY, note="there is nothing left to merge"), None, first
        own = self.merger.apply(patch.after, patch.before, tree)
        if not own.clean:
            return refused or self._refused(patch, first, (patch.before, patch.after, tree))
        if refused and not self._settles(patch, settled, tree, own.tree):
            return refused
        if len(states) == 1 and own.tree == first.tree:
            return self._nothing_left(patch, first.tree), None, first
        outcome, after = self._write(patch, own.tree, tree, [state for _, state in states])
        if refused:
            note = "it settles the conflict of its parents as it did before"
            outcome = outcome._replace(verdict=RESOLVED, note=joined(note, outcome.note))
        return outcome, None, after

    def _distinct(self, patch: Patch) -> List[Tuple[State, State]]:
        """What a merge's parents have become, each with its base: without those that another has by now.

        Had it them from the beginning, the merge was made in spite of that (`--no-ff`).
        """
        bases = [TARGET, *patch.bases]
        pairs = [(self._states[base], self._states[one]) for one, base in zip(patch.onto, bases)]
        tips = [state.tip for _, state in pairs]
        return [
            pair for number, pair in enumerate(pairs)
            if pair[1].tip not in tips[:number]
            and not any(
                pair[1].tip in other.below and patch.onto[number] not in other.numbers
                for _, other in pairs if other.tip != pair[1].tip
            )
        ]  # fmt: skip

    def _settles(self, patch: Patch, stages: Sequence[Tuple[bytes, Stage]], tree: str, settled: str) -> bool:
        """Whether a merge as it was made settles every conflict of its parents that there is now.

        `tree` has the conflicts, with markers where files have them; the merge's own part was applied to it.
        In a file with markers none may be left; any other has to conflict in just the way it did then.
        """
        numbers: Dict[bytes, Set[int]] = {}
        for path, stage in stages:
            numbers.setdefault(path, set()).add(stage.stage if stage.mode in FILES else 0)
        for path, found in numbers.items():
            then, now, after = (
                diff.list_tree(self.repository, one, (path,)) for one in (patch.before, tree, settled)
            )
            if then == now:
                continue
            if not {2, 3} <= found or 0 in found or len(after) != 1:
                return False
            if MARKER.search(commit_objects(self.repository, [after[0][1]])[after[0][1]]):
                return False
        return True

    def _refused(self, patch: Patch, onto: State, trees: Tuple[str, str, str]) -> Step:
        """The conflict of merging the difference of the first two trees into the third."""
        before, after, tree = trees
        named = self.merger.apply(after, before, tree, NAMES)
        found = conflict.describe(
            self.repository, patch, parent=before, patch_tree=after, carried=tree, merged=named
        )
        note = "this merge commit can't be made again by itself"
        return Outcome(patch, CONFLICTED, note=note), found, onto

    def _write(self, patch: Patch, tree: str, onto: str, parents: Sequence[State]) -> Tuple[Outcome, State]:
        """The carried commit of a patch; what it does to the tree `onto` is judged when all are carried."""
        tips = [state.tip for state in parents]
        raw, note = commit.carried(patch.raw, tree, tips, self.request.date)
        new = commit.write(self.repository, raw)
        self.merger.know(new, raw)
        changes = diff.raw(self.repository, onto, tree, renames=False)
        self._made[patch.old] = verdict.Case(patch.made, (onto, tree), patch.changes, changes), note
        if onto == self._attributes_of and not any(c.path.rsplit(b"/", 1)[-1] == NAME for c in changes):
            self._attributes_of = tree  # the same attribute files
        below = frozenset([new]).union(*(state.below for state in parents))
        numbers = frozenset().union(*(state.numbers for state in parents))
        return Outcome(patch, CLEAN, new), State(new, tree, below, numbers)

    def _judged(self, outcomes: Sequence[Outcome]) -> List[Outcome]:
        """The outcomes, each that left a commit with the verdict on what it does."""
        made = [self._made[one.patch.old] for one in outcomes if one.new is not None]
        judged = zip(verdict.judge(self.repository, [case for case, _ in made]), made)
        return [one if one.new is None else _told(one, *next(judged)) for one in outcomes]

    def _before(self, outcomes: List[Outcome], state: State) -> List[Outcome]:
        """What was carried on a side branch that doesn't lead to the conflict isn't handed over."""
        note = "it would apply; it is on another side branch than the patch that conflicts"
        return [
            one if one.new is None or one.new in state.below else Outcome(one.patch, NOT_TRIED, note=note)
            for one in outcomes
        ]

    def _after(self, stopped: int, tree: str) -> List[Outcome]:
        patches = self.stack.patches
        notes = outlook.notes(self.merger, self.explainer.attribution, patches, stopped, tree)
        return [Outcome(one, NOT_TRIED, note=note) for one, note in zip(patches[stopped + 1 :], notes)]

    def _alone(self, patch: Patch) -> bool:
        """Whether the patch, applied to the target alone, changes nothing."""
        merged = self.merger.apply(patch.made[1], patch.made[0], self.target_tree)
        return merged.clean and merged.tree == self.target_tree

    def _nothing_left(self, patch: Patch, tree: str) -> Outcome:
        if self._alone(patch):
            return Outcome(patch, ALREADY_UPSTREAM)
        if patch.before == patch.after:
            by = " %s" % patch.settled_by[:12] if patch.settled_by else ""
            return Outcome(patch, EMPTY, note="a merge in the stack%s left nothing of it" % by)
        return Outcome(patch, EMPTY, note=explain.OURS)

    def _conflicted(self, patch: Patch, named: Merge, tree: str) -> Tuple[Outcome, Conflict]:
        """The conflict, described on a merge that was done with words instead of ids in its markers."""
        found = conflict.describe(
            self.repository, patch, parent=patch.before, patch_tree=patch.after, carried=tree, merged=named
        )
        paths = tuple(dict.fromkeys(path for path, _ in named.stages))
        before = self.stack.patches[: self.stack.patches.index(patch)]
        changed = tuple(change.path for change in patch.changes)
        attribution = self.explainer.attribution
        # what became of a file that was moved shows under its old name
        since = attribution.first(patch, paths, before) or attribution.first(
            patch, tuple(dict.fromkeys((*paths, *changed))), before
        )
        note = "it has not applied " + words(since) if since else None
        if self._alone(patch):
            note = "applied to the release alone it changes nothing: it may have been taken upstream"
        # Git may show a path under another name (`x~patch` beside a directory `x`), which upstream never had
        commits = self.explainer.touched(paths) or self.explainer.touched(changed)
        if since is not None:
            commits = (since, *(one for one in commits if one != since))[: explain.MAX_COMMITS]
        return Outcome(patch, CONFLICTED, note=note, upstream_commits=commits), found


def _told(outcome: Outcome, judged: verdict.Judged, made: ToJudge) -> Outcome:
    word, why = judged
    merge = outcome.patch.settled_by
    if merge is not None and word != CLEAN:
        word, why = RESOLVED, joined("as the merge %s settled it" % merge[:12], why)
    word = word if outcome.verdict == CLEAN else outcome.verdict
    return outcome._replace(verdict=word, note=joined(outcome.note, why, made[1]))


def account(history: History, carried: Carried) -> None:
    """Every commit of the stack is a patch with one verdict, an installed one or a merge. Raises Problem."""
    seen: Dict[str, int] = {}
    installed = carried.installed.commits if carried.installed else ()
    for sha in [outcome.patch.old for outcome in carried.outcomes] + list(installed) + list(carried.merges):
        seen[sha] = seen.get(sha, 0) + 1
    wrong = [sha for sha in history.stack if seen.get(sha) != 1]
    if wrong or len(seen) != len(history.stack):
        raise Problem("carry", "commits of the stack are not accounted for: %s" % ", ".join(wrong))


def joined(*notes: Optional[str]) -> Optional[str]:
    """Notes as one, None for none."""
    return "; ".join(note for note in notes if note) or None
