"""Names the upstream commits behind a verdict, as far as that is cheap. A guess is never a verdict."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from .fetch import NO_BLOBS, Fetcher
from .git import Git, GitError
from .history import SLACK
from .records import History, Patch, UpstreamCommit, text

MAX_COMMITS = 20
MAX_RANGE = 3000  # commits between base and target whose trees we are ready to fetch
NUMBER = re.compile(r"\s*\(#\d+\)\s*$")


class Explainer:
    """Looks into upstream's commits between base and target; fetches their trees the first time it has to."""

    def __init__(self, fetcher: Fetcher, repository: Git, history: History, target: str) -> None:
        self.fetcher = fetcher
        self.repository = repository
        self.history = history
        self.target = target
        self._ready: Optional[bool] = None

    def took(self, patch: Patch) -> Tuple[UpstreamCommit, ...]:
        """Commits by which upstream has the patch: by subject, else by the files it changes."""
        wanted = NUMBER.sub("", patch.subject)
        same = [commit for commit in self.history.upstream if NUMBER.sub("", commit.subject) == wanted]
        if same:
            return tuple(same[:MAX_COMMITS])
        return self.touched(tuple(change.path for change in patch.changes))

    def touched(self, paths: Tuple[bytes, ...]) -> Tuple[UpstreamCommit, ...]:
        """Upstream's commits since the base that touched the paths, newest first, at most twenty."""
        if not paths or not self._with_trees():
            return ()
        limits = [path.decode("utf-8", "surrogateescape") for path in paths[:100]]
        out = self.repository.run(
            "--literal-pathspecs", "log", "-z", "--no-show-signature", "--no-renames", "--encoding=UTF-8",
            "--max-count=%d" % MAX_COMMITS, "--format=%H%x1f%s", "refs/carry/history", "--not", "refs/carry/stack",
            "--", *limits,
        )  # fmt: skip
        known = {commit.sha for commit in self.history.upstream}
        found = [UpstreamCommit(*text(entry).split("\x1f", 1)) for entry in out.split(b"\0") if entry]
        return tuple(commit for commit in found if commit.sha in known)

    def _with_trees(self) -> bool:
        if self._ready is None:
            self._ready = 0 < len(self.history.upstream) <= MAX_RANGE and self._fetch()
        return self._ready

    def _fetch(self) -> bool:
        since = "--shallow-since=%d" % max(1, self.history.oldest - SLACK)
        spec = "+%s:refs/carry/history" % self.target
        try:
            self.fetcher.fetch(self.repository, "upstream", [spec], since, "--filter=" + NO_BLOBS)
        except GitError:
            return False  # the verdict stands without it
        return True
