"""Names the commits behind a verdict: upstream's that took a patch or a part of it, earlier patches of ours.

Named is whose effect was shown, see taken.py; else upstream's commits that touched the same files, and the
note says that this is all. All patches are looked at together, at the end: one request for each level of
upstream's folders and few for blobs, however many patches there are. Never changes a verdict.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import commit as commits
from . import diff, index
from .attribution import MAX_PATHS, MAX_RANGE, Attribution
from .fetch import commit_objects
from .git import GitError
from .near import Upstream
from .records import (
    ADJUSTED,
    ALREADY_UPSTREAM,
    EMPTY,
    GITLINK,
    TARGET,
    Outcome,
    Patch,
    UpstreamCommit,
)
from .taken import Left, Search, Step, work
from .treewalk import FOLDER, Found

MAX_COMMITS = 20
MAX_STEPS = 2000
"""Commits that are merged onto, for all patches of a stack: at most about 30 s."""
ROUNDS = ((0, 8), (8, 32), (32, 128))
"""Commits that touch a patch's files, newest first: their blobs are fetched a round at a time."""
NOTHING = "000000"
NUMBER = re.compile(r"\s*\(#\d+\)\s*$")

SEVERAL = "upstream has it in several commits"
UNKNOWN = "which commit took it could not be told"
TOUCHED = UNKNOWN + ": named are upstream's that touched the same files"
OURS = "an earlier patch of the stack has it already"

Paths = Tuple[bytes, ...]


class Case(NamedTuple):
    """A patch of which something was there already; what upstream and what earlier patches did of it."""

    number: int
    patch: Patch
    paths: Paths
    upstream: Search[UpstreamCommit]
    ours: Search[Patch]


class Explainer:
    """Looks into upstream's commits between base and target."""

    def __init__(self, upstream: Upstream, attribution: Attribution) -> None:
        self.attribution = attribution
        self.upstream = upstream
        self._steps = 0
        self._parts: Dict[Tuple[str, Paths], str] = {}

    def named(self, outcomes: Sequence[Outcome]) -> List[Outcome]:
        """The outcomes, with commits and notes for those of which something was there already."""
        told = list(outcomes)
        try:
            cases = [case for number in range(len(told)) for case in self._case(told, number)]
            self._search_upstream(cases)
            for case in cases:
                self._search_ours(case, told)
        except GitError:
            cases = []  # the verdicts stand without it
        by_number = {case.number: case for case in cases}
        for number, outcome in enumerate(told):
            told[number] = self._told(outcome, by_number.get(number))
        return told

    # What is looked for -----------------------------------------------------------------------------

    def _case(self, outcomes: Sequence[Outcome], number: int) -> List[Case]:
        """The patch as a case, if there is something to look for. Raises GitError."""
        outcome = outcomes[number]
        patch, merger = outcome.patch, self.attribution.merger
        paths = tuple(change.path for change in patch.changes)
        if outcome.verdict not in (ALREADY_UPSTREAM, EMPTY, ADJUSTED) or not 0 < len(paths) <= MAX_PATHS:
            return []
        old = [(change.old_mode, change.old, change.path) for change in patch.changes]
        new = [(change.new_mode, change.new, change.path) for change in patch.changes]
        left = Left(merger, self._written(old), self._written(new))
        missing = left.whole
        if outcome.new is not None:
            before = self._first_parent(outcome.new)
            done = work(self.attribution.repository, merger.tree_of(before), merger.tree_of(outcome.new))
            missing = left.whole - (done or left.whole)
        if not missing:
            return []
        target = left.on(self._part(merger.tree_of(self.attribution.target), paths))
        theirs = missing & (left.whole - target)
        return [Case(number, patch, paths, Search(left, theirs), Search(left, missing - theirs))]

    def _first_parent(self, sha: str) -> str:
        return commits.parse(commit_objects(self.attribution.repository, [sha])[sha]).all(b"parent")[0]

    def _part(self, tree: str, paths: Paths) -> str:
        """A tree's part at the paths, in the repository where patches are carried."""
        if (tree, paths) not in self._parts:
            self._parts[tree, paths] = self._written(diff.list_tree(self.attribution.repository, tree, paths))
        return self._parts[tree, paths]

    def _written(self, entries: Sequence[index.Entry]) -> str:
        files = [entry for entry in entries if entry[0] not in (FOLDER, NOTHING)]
        return index.tree_of(self.attribution.repository, files, len(self.attribution.target))

    # Upstream's commits -----------------------------------------------------------------------------

    def _search_upstream(self, cases: Sequence[Case]) -> None:
        """First those with the patch's subject, which costs little; then all. Raises GitError."""
        if not any(case.upstream.missing for case in cases):
            return  # upstream's commits need not even be fetched
        listed = self.upstream.if_reachable().upstream
        if not 0 < len(listed) <= MAX_RANGE:
            return
        by_subject: Dict[str, List[UpstreamCommit]] = {}
        for one in listed:
            by_subject.setdefault(NUMBER.sub("", one.subject), []).append(one)
        namesakes = {case.number: by_subject.get(NUMBER.sub("", case.patch.subject), []) for case in cases}
        for everything in (False, True):
            waiting = [case for case in cases if case.upstream.missing]
            pool = [listed if everything else namesakes[case.number] for case in waiting]
            if any(pool):
                self._look(waiting, pool)

    def _look(self, cases: Sequence[Case], pools: Sequence[Sequence[UpstreamCommit]]) -> None:
        """Shows each case the commits of its pool that touch its files, newest first."""
        wanted = list(dict.fromkeys(one for pool in pools for one in pool))
        before = self._parents([one.sha for one in wanted])
        at = self.attribution.walk.look_up(
            sorted({*before, *(parent for found in before.values() for parent in found)}),
            sorted({path for case in cases for path in case.paths}),
        )
        rows = [
            [one for one in pool if self._touches(at, one.sha, before[one.sha], case.paths)]
            for case, pool in zip(cases, pools)
        ]
        for first, last in ROUNDS:
            parts = [row[first:last] if case.upstream.missing else [] for case, row in zip(cases, rows)]
            self._fetch(at, before, cases, parts)
            for case, part in zip(cases, parts):
                for one in part:
                    self._show(case, one, at, before[one.sha])

    def _show(self, case: Case, one: UpstreamCommit, at: Dict[str, Found], before: Sequence[str]) -> None:
        if case.upstream.missing and self._steps < MAX_STEPS:
            self._steps += 1
            trees = [self._written(_entries(at[sha], case.paths)) for sha in (*before, one.sha)]
            case.upstream.show(one, Step(tuple(trees[:-1]), trees[-1]))

    def _fetch(
        self,
        at: Dict[str, Found],
        before: Dict[str, List[str]],
        cases: Sequence[Case],
        parts: Sequence[Sequence[UpstreamCommit]],
    ) -> None:
        entries = [
            at[sha][path]
            for case, part in zip(cases, parts)
            for one in part
            for sha in (one.sha, *before[one.sha])
            for path in case.paths
        ]
        blobs = {entry[1]: "upstream" for entry in entries if entry and entry[0] not in (FOLDER, GITLINK)}
        if blobs:
            self.attribution.fetcher.blobs(self.attribution.repository, blobs)

    # Earlier patches --------------------------------------------------------------------------------

    def _search_ours(self, case: Case, outcomes: Sequence[Outcome]) -> None:
        """Shows the case what was carried below it, newest first. Raises GitError."""
        repository, merger = self.attribution.repository, self.attribution.merger
        for number in sorted(_below(outcomes, case.number), reverse=True):
            outcome = outcomes[number]
            touches = {change.path for change in outcome.patch.changes} & set(case.paths)
            if outcome.new is None or not touches:
                continue
            if not case.ours.missing or self._steps >= MAX_STEPS:
                return
            self._steps += 1
            raw = commit_objects(repository, [outcome.new])[outcome.new]
            trees = [merger.tree_of(sha) for sha in (*commits.parse(raw).all(b"parent"), outcome.new)]
            parts = [self._part(tree, case.paths) for tree in trees]
            case.ours.show(outcome.patch, Step(tuple(parts[:-1]), parts[-1]))

    # What is said -----------------------------------------------------------------------------------

    def _told(self, outcome: Outcome, case: Optional[Case]) -> Outcome:
        theirs = case.upstream.names()[:MAX_COMMITS] if case else ()
        ours = case.ours.names() if case else ()
        if outcome.verdict == ALREADY_UPSTREAM:
            note = SEVERAL if len(theirs) > 1 else None
            if not theirs:
                theirs = self.touched(tuple(change.path for change in outcome.patch.changes))
                note = TOUCHED if theirs else UNKNOWN
            return outcome._replace(upstream_commits=theirs, note=note)
        notes = [outcome.note]
        if outcome.verdict == EMPTY and ours:
            notes = ["%s: %s" % (OURS, _shown([(one.old, one.subject) for one in ours]))]
        elif ours:
            notes.append("an earlier patch has the rest: " + _shown([(one.old, one.subject) for one in ours]))
        if theirs:
            part = "a part of it" if outcome.verdict == EMPTY else "the rest"
            notes.append("upstream has %s: %s" % (part, _shown(theirs)))
        note = "; ".join(one for one in notes if one) or None
        return outcome._replace(upstream_commits=outcome.upstream_commits or theirs, note=note)

    def touched(self, paths: Paths) -> Tuple[UpstreamCommit, ...]:
        """Upstream's commits since the base that touched the paths, newest first, at most twenty.

        A merge counts where it has another content than each of its parents.
        """
        listed = self.upstream.if_reachable().upstream if paths else ()
        if not 0 < len(listed) <= MAX_RANGE:
            return ()
        paths = paths[:MAX_PATHS]
        try:
            before = self._parents([one.sha for one in listed])
            shas = {*before, *(parent for found in before.values() for parent in found)}
            at = self.attribution.walk.look_up(sorted(shas), paths)
        except GitError:
            return ()  # the verdict stands without it
        return tuple(one for one in listed if self._touches(at, one.sha, before[one.sha], paths))[
            :MAX_COMMITS
        ]

    def _parents(self, shas: Sequence[str]) -> Dict[str, List[str]]:
        """Parents of upstream's commits, those that are at hand. Raises GitError."""
        raw = commit_objects(self.upstream.commits, shas)
        present = self.upstream.commits.objects()
        return {
            sha: [one for one in commits.parse(raw[sha]).all(b"parent") if one in present] for sha in shas
        }

    @staticmethod
    def _touches(at: Dict[str, Found], sha: str, before: Sequence[str], paths: Paths) -> bool:
        there = [at[sha][path] for path in paths]
        return bool(before) and all(there != [at[one][path] for path in paths] for one in before)


def _entries(there: Found, paths: Paths) -> List[index.Entry]:
    found = ((path, there[path]) for path in paths)
    return [(entry[0], entry[1], path) for path, entry in found if entry]


def _below(outcomes: Sequence[Outcome], number: int) -> Set[int]:
    """Numbers of the patches that one is carried on top of, however many are between."""
    found: Set[int] = set()
    waiting = [number]
    while waiting:
        onto = set(outcomes[waiting.pop()].patch.onto) - found - {TARGET}
        found |= onto
        waiting += onto
    return found


def _shown(found: Sequence[Tuple[str, str]]) -> str:
    shown = ", ".join("%s %s" % (sha[:10], subject) for sha, subject in found[:3])
    return shown + (" and %d more" % (len(found) - 3) if len(found) > 3 else "")
