"""The short way where the base is known: stack, base and target with their trees, from the fork.

Takes it only where nothing has to be found out: the fork has the target pinned, and from the head down to the
base each commit has one parent, as in a candidate that was promoted (without a pull request). Upstream's
commits between base and target aren't needed for that; they are fetched when something asks what upstream
did.
"""

from __future__ import annotations

from typing import List, Optional, Sequence, Set

from . import commit
from .fetch import NO_BLOBS, Fetcher, commit_objects
from .git import Git, GitError
from .history import MAX_STACK, Explorer, log, shallow_commits
from .records import REBASE, History, Problem, Request, UpstreamCommit
from .start import Known

DEPTH = 8
"""Generations of both that one fetch gets at most: upstream commits too many cost less than another request.

Where the stack is said to be longer it is fetched by itself, and of the target nothing but its commit."""


def look(fetcher: Fetcher, repository: Git, request: Request) -> Optional[History]:
    """Fetches commits and trees and gives the stack; None where it takes the long way. Raises GitError."""
    if request.base is None or request.bundle_from != "target" or request.start or request.pushed:
        return None
    if request.strategy != REBASE or request.landing:
        return None  # what a merge has in common, and what patch branches stand on, has to be found out
    stack, target = "+%s:refs/carry/stack" % request.stack, "+%s:refs/carry/target" % request.target
    depth = min(request.ahead, MAX_STACK) + 1 if request.ahead else DEPTH  # the base too
    fetches = [([stack, target], depth)] if depth <= DEPTH else [([stack], depth), ([target], 1)]
    try:
        for specs, generations in fetches:
            fetcher.fetch(repository, "fork", specs, "--depth=%d" % generations, "--filter=" + NO_BLOBS)
    except GitError as error:
        if error.timed_out:
            raise
        return None  # the long way asks each remote by itself, and says what is wrong
    chain = log(repository, request.stack)
    own = _above(chain, request.base, shallow_commits(repository))
    if own is None:
        return None
    contained = any(one.sha == request.target for one in chain)
    return History(
        stack=tuple(one.sha for one in reversed(own)),
        parents={one.sha: one.parents for one in own},
        base=request.base,
        edges=(request.base,),
        others=(),
        depth=len(own) + 1,
        upstream=(),
        behind=0 if contained else None,
        contained=contained,
        oldest=0,
        start=None,
        notes=(),
    )


def _above(chain: List[Known], base: str, cut: Set[str]) -> Optional[List[Known]]:
    """The commits from the head down to the base, where they are one line."""
    own: List[Known] = []
    for one in chain:
        if one.sha == base:
            return own
        if len(one.parents) != 1 or one.sha in cut or (own and own[-1].parents != (one.sha,)):
            return None
        own.append(one)
    return None


class Upstream:
    """Upstream's commits between base and target, fetched when they are first asked for."""

    def __init__(self, explorer: Explorer, history: History, repository: Git) -> None:
        self.explorer = explorer
        self.repository = repository
        self.known = history

    @property
    def commits(self) -> Git:
        """The repository that has those commits, without their trees."""
        return self.explorer.repository

    def history(self) -> History:
        """The history with upstream's part known. Raises Problem or GitError where it can't be fetched."""
        if self.known.behind is None and self.known.base is not None:
            raw = commit_objects(self.repository, [self.known.base])[self.known.base]
            found = self.explorer.since(commit.committed(raw)) or self.explorer.explore()
            self.known = self.known._replace(
                upstream=found.upstream, behind=found.behind, oldest=found.oldest
            )
        return self.known

    def reach_back(self, bases: Sequence[str]) -> None:
        """Takes upstream's commits since what these bases have in common, too. Raises GitError."""
        if set(bases) <= {self.known.base}:
            return
        every = (*bases, *([self.known.base] if self.known.base else ()))
        common = self.commits.result("merge-base", "--octopus", *every, ok=(0, 1)).stdout.decode().split()
        found = log(self.commits, self.explorer.target, "--not", *common) if common else ()
        since = tuple(UpstreamCommit(one.sha, one.subject) for one in found)
        self.known = self.known._replace(upstream=since or self.known.upstream)

    def if_reachable(self) -> History:
        """The same, or what is known without it: a verdict stands without its explanation."""
        try:
            return self.history()
        except (Problem, GitError):
            return self.known
