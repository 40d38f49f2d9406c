"""Finds where the stack starts: the commits of the maintained branch that no upstream commit's history has.

Works in a repository of its own that holds commits only, a few hundred bytes each. Never takes the fork's
own branches for upstream: after a promotion they hold the stack. Never takes "the server has that object" for
"upstream has that commit": GitHub serves a fork's objects from the upstream's address too.
"""

from __future__ import annotations

import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .fetch import COMMITS_ONLY, Fetcher, unreachable
from .git import Git, GitError
from .records import History, Problem, UpstreamCommit, text
from .workspace import Workspace

DEPTHS: Tuple[Optional[int], ...] = (40, 400, 4000, None)
MAX_STACK = 2000
SLACK = 86_400
"""Committer dates are not in order everywhere; a day more costs a few commits."""

FORMAT = "--format=%H%x1f%P%x1f%ct%x1f%s"


class Known(NamedTuple):
    """A commit as the exploration sees it."""

    sha: str
    parents: Tuple[str, ...]
    date: int
    subject: str


def log(repository: Git, *revisions: str) -> List[Known]:
    """Commits in topological order, newest first. Raises GitError."""
    out = repository.run(
        "log", "-z", "--no-show-signature", "--topo-order", "--encoding=UTF-8", FORMAT, *revisions, "--"
    )
    found = []
    for entry in out.split(b"\0"):
        if entry:
            sha, parents, date, subject = text(entry).split("\x1f", 3)
            found.append(Known(sha, tuple(parents.split()), int(date or 0), subject))
    return found


def shallow_commits(repository: Git) -> Set[str]:
    """Commits whose parents were cut off."""
    path = os.path.join(repository.directory, "shallow")
    if not os.path.exists(path):
        return set()
    with open(path, encoding="ascii") as file:
        return set(file.read().split())


class Explorer:
    """Explores one stack; `head` and `target` are full commit ids."""

    def __init__(self, workspace: Workspace, head: str, target: str, base: Optional[str]) -> None:
        self.workspace = workspace
        self.fetcher = Fetcher(workspace)
        self.head = head
        self.target = target
        self.hint = base
        self.format = "sha256" if len(head) == 64 else "sha1"
        self.repository = workspace.repository("commits", self.format)

    def explore(self) -> History:
        """The stack's commits and its base.

        Raises:
            Problem: where a repository can't be reached, the two share no commit, or the stack is too long.
        """
        for depth in DEPTHS:
            self._fetch_stack(depth)
            whole = log(self.repository, self.head)
            self._fetch_target(None if depth is None else min(commit.date for commit in whole) - SLACK)
            own = self._own(self._hinted(whole))
            cut = shallow_commits(self.repository)
            if not any(commit.sha in cut for commit in own):
                break
        own = self._without_other_upstream(own, whole)
        if len(own) > MAX_STACK:
            raise Problem(
                "base",
                "%d commits of the branch are not in upstream's history; is this the right upstream?"
                % len(own),
            )
        return self._history(own, whole)

    def _hinted(self, whole: Sequence[Known]) -> List[str]:
        """The server's word on the base counts where it is an ancestor of the stack's head."""
        return [commit.sha for commit in whole if commit.sha == self.hint]

    def _own(self, excluded: Sequence[str]) -> List[Known]:
        return log(self.repository, self.head, "--not", self.target, *excluded)

    def _fetch_stack(self, depth: Optional[int]) -> None:
        limit = ["--depth=%d" % depth] if depth else []
        if depth is None and shallow_commits(self.repository):
            limit = ["--unshallow"]
        spec = ["+%s:refs/stack" % self.head]
        try:
            self.fetcher.fetch(self.repository, "fork", spec, "--filter=" + COMMITS_ONLY, *limit)
        except GitError as error:
            raise unreachable(error, "the stack", self.workspace.fork_url) from error

    def _fetch_target(self, since: Optional[int]) -> None:
        """History of the target down to a date; a target that is older than that comes alone."""
        spec = ["+%s:refs/target" % self.target]
        limits: List[List[str]] = (
            [[]] if since is None else [["--shallow-since=%d" % max(1, since)], ["--depth=1"]]
        )
        for number, limit in enumerate(limits):
            try:
                self.fetcher.fetch(self.repository, "upstream", spec, "--filter=" + COMMITS_ONLY, *limit)
            except GitError as error:
                if number + 1 == len(limits) or error.timed_out:
                    raise unreachable(error, "the target", self.workspace.upstream_url) from error
            else:
                return

    def _without_other_upstream(self, own: List[Known], whole: Sequence[Known]) -> List[Known]:
        """Leaves out what another branch or tag of upstream has: the base may be on upstream's main alone."""
        if self.workspace.same_repository or not own or self._hinted(whole):
            return own
        if not self._may_have(own):
            return own
        theirs = self._upstream_tips(min(commit.date for commit in own) - SLACK)
        found = [commit.sha for commit in own if commit.sha in theirs]
        return self._own(found) if found else own

    def _may_have(self, own: Sequence[Known]) -> bool:
        """Whether upstream's server has objects of the stack. No is proof; yes must be looked at by refs."""
        try:
            out = self.repository.run(
                "fetch", "--quiet", "--negotiate-only", "--negotiation-tip=" + self.head, "upstream"
            )
        except GitError as error:
            if error.timed_out:
                raise unreachable(error, "upstream", self.workspace.upstream_url) from error
            return True  # a server without `wait-for-done` can't tell
        common = set(out.decode("ascii").split())
        return any(commit.sha in common for commit in own)

    def _upstream_tips(self, since: int) -> Set[str]:
        """Commits that upstream's branches and tags have, down to a date."""
        tips = self.workspace.repository("tips", self.format)
        specs = ["+refs/heads/*:refs/tips/heads/*", "+refs/tags/*:refs/tips/tags/*"]
        filtered = "--filter=" + COMMITS_ONLY
        try:
            self.fetcher.fetch(tips, "upstream", specs, filtered, "--depth=1")
            out = tips.run(
                "for-each-ref", "--format=%(refname)%00%(committerdate:unix)%00%(*committerdate:unix)"
            )
            recent = []
            for line in out.decode("utf-8", "surrogateescape").splitlines():
                name, own_date, peeled_date = line.split("\0")
                if int(peeled_date or own_date or 0) >= since:
                    source = name.replace("refs/tips/", "refs/", 1)
                    recent.append("+%s:%s" % (source, name))
            if recent:
                lines = "".join(spec + "\n" for spec in recent).encode("utf-8", "surrogateescape")
                self.fetcher.fetch(
                    tips,
                    "upstream",
                    (),
                    filtered,
                    "--shallow-since=%d" % max(1, since),
                    "--stdin",
                    stdin=lines,
                )
            return set(tips.run("rev-list", "--all").decode("ascii").split())
        except GitError as error:
            raise unreachable(error, "upstream's branches", self.workspace.upstream_url) from error

    def _history(self, own: List[Known], whole: Sequence[Known]) -> History:
        shas = {commit.sha for commit in own}
        order = {commit.sha: number for number, commit in enumerate(whole)}
        if any(not commit.parents for commit in own) and not self._joined(own, shas):
            raise Problem(
                "base", "The branch and the release share no commit, so there is nothing to carry from."
            )
        if own:
            edges = [parent for commit in own for parent in commit.parents if parent not in shas]
            base: Optional[str] = min(edges, key=lambda sha: order.get(sha, len(order)))
        else:
            base = self._merge_base()
        upstream = log(self.repository, self.target, "--not", self.head)
        known_ancestor = any(commit.sha == self.target for commit in whole)
        return History(
            stack=tuple(commit.sha for commit in reversed(own)),
            parents={commit.sha: commit.parents for commit in own},
            base=base,
            depth=self._depth(own, shas),
            upstream=tuple(UpstreamCommit(commit.sha, commit.subject) for commit in upstream),
            behind=len(upstream),
            contained=known_ancestor,
            oldest=min((commit.date for commit in upstream), default=0),
        )

    def _joined(self, own: Sequence[Known], shas: Set[str]) -> bool:
        return any(parent not in shas for commit in own for parent in commit.parents)

    def _merge_base(self) -> Optional[str]:
        out = self.repository.result("merge-base", self.head, self.target, ok=(0, 1)).stdout.decode("ascii")
        return out.strip() or None

    def _depth(self, own: Sequence[Known], shas: Set[str]) -> int:
        """Generations below the head that hold the whole stack and the parents of its commits."""
        parents: Dict[str, Tuple[str, ...]] = {commit.sha: commit.parents for commit in own}
        level, frontier, seen = 1, [self.head], {self.head}
        while frontier:
            following = [p for sha in frontier for p in parents.get(sha, ()) if p not in seen]
            seen.update(following)
            frontier = [sha for sha in dict.fromkeys(following) if sha in shas]
            level += 1
        return level
