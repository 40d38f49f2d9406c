"""Names the upstream commits behind a verdict, as far as that is cheap. A guess is never a verdict."""

from __future__ import annotations

import re
from typing import List, Tuple

from . import commit as commits
from .attribution import MAX_PATHS, MAX_RANGE, Attribution
from .fetch import Fetcher, commit_objects
from .git import Git, GitError
from .records import History, Patch, UpstreamCommit
from .treewalk import TreeWalk

MAX_COMMITS = 20
NUMBER = re.compile(r"\s*\(#\d+\)\s*$")


class Explainer:
    """Looks into upstream's commits between base and target. `repository` has those commits, not their
    trees."""

    def __init__(self, fetcher: Fetcher, repository: Git, history: History, attribution: Attribution) -> None:
        self.attribution = attribution
        self.history = history
        self.repository = repository
        self._walk = TreeWalk(fetcher, repository, "upstream")

    def took(self, patch: Patch) -> Tuple[UpstreamCommit, ...]:
        """Commits by which upstream has the patch: by subject, else by the files it changes."""
        wanted = NUMBER.sub("", patch.subject)
        same = [commit for commit in self.history.upstream if NUMBER.sub("", commit.subject) == wanted]
        if same:
            return tuple(same[:MAX_COMMITS])
        return self.touched(tuple(change.path for change in patch.changes))

    def touched(self, paths: Tuple[bytes, ...]) -> Tuple[UpstreamCommit, ...]:
        """Upstream's commits since the base that touched the paths, newest first, at most twenty.

        A merge counts where it has another content than each of its parents.
        """
        if not paths or not 0 < len(self.history.upstream) <= MAX_RANGE:
            return ()
        try:
            return tuple(self._touched(paths[:MAX_PATHS]))
        except GitError:
            return ()  # the verdict stands without it

    def _touched(self, paths: Tuple[bytes, ...]) -> List[UpstreamCommit]:
        shas = [commit.sha for commit in self.history.upstream]
        raw = commit_objects(self.repository, shas)
        parents = {sha: commits.parse(raw[sha]).all(b"parent") for sha in shas}
        present = self.repository.objects()
        known = {parent for found in parents.values() for parent in found if parent in present}
        at = self._walk.look_up(sorted({*shas, *known}), paths)
        found: List[UpstreamCommit] = []
        for commit in self.history.upstream:
            before = [at[parent] for parent in parents[commit.sha] if parent in at]
            if before and all(at[commit.sha] != other for other in before):
                found.append(commit)
        return found[:MAX_COMMITS]
