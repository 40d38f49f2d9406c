"""Finds where the stack starts: the commits of the maintained branch that no upstream commit's history has.

Works in a repository of its own that holds commits only, a few hundred bytes each. Never takes the fork's
own branches for upstream: after a promotion they hold the stack. Never takes "the server has that object" for
"upstream has that commit": GitHub serves a fork's objects from the upstream's address too.
"""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Sequence, Set, Tuple

from . import branches as patch_branches
from . import landing as landings
from . import start as starts
from .fetch import COMMITS_ONLY, Fetcher, unreachable
from .git import Git, GitError
from .records import History, Landing, Problem, UpstreamCommit, text
from .start import Known, Start
from .workspace import Workspace

DEPTHS: Tuple[Optional[int], ...] = (40, 400, 4000, None)
MAX_STACK = 2000
SLACK = 86_400
"""Committer dates are not in order everywhere; a day more costs a few commits."""

FORMAT = "--format=%H%x1f%P%x1f%T%x1f%ct%x1f%an <%ae> %at%x1f%s"


def log(repository: Git, *revisions: str) -> List[Known]:
    """Commits in topological order, newest first. Raises GitError."""
    out = repository.run(
        "log", "-z", "--no-show-signature", "--topo-order", "--encoding=UTF-8", FORMAT, *revisions, "--"
    )
    found = []
    for entry in out.split(b"\0"):
        if entry:
            sha, parents, tree, date, written, subject = text(entry).split("\x1f", 5)
            found.append(Known(sha, tuple(parents.split()), tree, int(date or 0), written, subject))
    return found


def shallow_commits(repository: Git) -> Set[str]:
    """Commits whose parents were cut off."""
    path = os.path.join(repository.directory, "shallow")
    if not os.path.exists(path):
        return set()
    with open(path, encoding="ascii") as file:
        return set(file.read().split())


class Explorer:
    """Explores one stack; `head` and `target` are full commit ids, `branches` names and heads of the patch
    branches that it is built from; `landing` the commit by which a pull request brought it onto its branch,
    and what that was before.
    """

    def __init__(
        self,
        workspace: Workspace,
        head: str,
        target: str,
        base: Optional[str],
        *,
        start: Optional[str] = None,
        branches: Sequence[Tuple[str, str]] = (),
        landing: Optional[Tuple[str, str]] = None,
    ) -> None:
        self.workspace = workspace
        self.fetcher = Fetcher(workspace)
        self.head = head
        self.target = target
        self.hint = base
        self.start = start
        self.branches = branches
        self.landing = landing
        self._before = [landing[1]] if landing else []
        self.tips = [sha for _, sha in branches]
        self.format = "sha256" if len(head) == 64 else "sha1"
        self.repository = workspace.repository("commits", self.format)
        self._theirs: Dict[int, Set[str]] = {}

    def explore(self) -> History:
        """The stack's commits and its base.

        Raises:
            Problem: where a repository can't be reached, the two share no commit, or the stack is too long.
        """
        for depth in DEPTHS:
            self._fetch_stack(depth)
            whole = log(self.repository, self.head)
            both = log(self.repository, self.head, *self.tips) if self.tips else whole
            self._fetch_target(None if depth is None else min(commit.date for commit in both) - SLACK)
            everything = self._own(self._hinted(whole))
            start = self._start(everything, whole)
            left_out = [*([start.commit.sha] if start else []), *self._before]
            own = self._own([*self._hinted(whole), *left_out]) if left_out else everything
            theirs = self._of_branches(self._hinted(whole))
            cut = shallow_commits(self.repository)
            # what the branch was before a landing is told from the rest by its whole history alone
            seen = everything if self.landing else own
            if not any(commit.sha in cut for commit in (*seen, *theirs)):
                break
        own = self._without_other_upstream(own, whole)
        found = self._other_upstream(theirs)
        theirs = self._of_branches([*self._hinted(whole), *found]) if found else theirs
        if max(len(own), len(theirs)) > MAX_STACK:
            raise Problem(
                "base",
                "%d commits of the branch are not in upstream's history; is this the right upstream? Where "
                "the branch keeps its earlier versions, set `start` of this stack to the last commit that "
                "is not a patch of yours." % max(len(own), len(theirs)),
            )
        known = not any(commit.sha in cut for commit in everything)
        left = len(everything) - len(own) if left_out and known else None
        history = self._history(own, whole, start, left)
        history = history._replace(leaving=self._leaving(history))
        return history._replace(branches=patch_branches.listed(self.branches, theirs))

    def _start(self, own: Sequence[Known], whole: Sequence[Known]) -> Optional[Start]:
        ours, all_of_it = starts.by_sha(own), starts.by_sha(whole)
        if self.start is not None:
            return starts.configured(self.start, ours, all_of_it)
        if self.landing is not None:
            return None
        return starts.recognise(self.head, ours, all_of_it, self._is_upstreams)

    def _is_upstreams(self, commit: Known) -> bool:
        """Whether a branch or tag of upstream has a commit that the target lacks."""
        return not self.workspace.same_repository and commit.sha in self._upstream_tips(commit.date - SLACK)

    def since(self, date: int) -> Optional[History]:
        """The same from one fetch, down to some date, for a known base on a fork that has the target too.

        None where that doesn't lead to the base.
        """
        specs = ["+%s:refs/stack" % self.head, "+%s:refs/target" % self.target]
        limit = "--shallow-since=%d" % max(1, date - SLACK)
        try:
            self.fetcher.fetch(self.repository, "fork", specs, "--filter=" + COMMITS_ONLY, limit)
        except GitError as error:
            if error.timed_out:
                raise
            return None
        whole = log(self.repository, self.head)
        hinted = self._hinted(whole)
        return self._history(self._own(hinted), whole, None, None) if hinted else None

    def _hinted(self, whole: Sequence[Known]) -> List[str]:
        """The server's word on the base counts where it is an ancestor of the stack's head."""
        return [commit.sha for commit in whole if commit.sha == self.hint]

    def _own(self, excluded: Sequence[str]) -> List[Known]:
        return log(self.repository, self.head, "--not", self.target, *excluded)

    def _of_branches(self, excluded: Sequence[str]) -> List[Known]:
        """What all patch branches together have; a start of the maintained branch is none of theirs."""
        return log(self.repository, *self.tips, "--not", self.target, *excluded) if self.tips else []

    def _fetch_stack(self, depth: Optional[int]) -> None:
        limit = ["--depth=%d" % depth] if depth else []
        if depth is None and shallow_commits(self.repository):
            limit = ["--unshallow"]
        specs = ["+%s:refs/stack" % self.head]
        specs += ["+%s:refs/branches/%d" % (sha, number) for number, sha in enumerate(self.tips)]
        try:
            self.fetcher.fetch(self.repository, "fork", specs, "--filter=" + COMMITS_ONLY, *limit)
        except GitError as error:
            what = "the stack and its patch branches" if self.tips else "the stack"
            raise unreachable(error, what, self.workspace.fork_url) from error

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
        found = [] if self._hinted(whole) else self._other_upstream(own)
        return self._own([*found, *self._before]) if found else own

    def _other_upstream(self, own: Sequence[Known]) -> List[str]:
        """Those of the commits that another branch or tag of upstream has."""
        if self.workspace.same_repository or not own or not self._may_have(own):
            return []
        theirs = self._upstream_tips(min(commit.date for commit in own) - SLACK)
        return [commit.sha for commit in own if commit.sha in theirs]

    def _may_have(self, own: Sequence[Known]) -> bool:
        """Whether upstream's server has objects of the stack. No is proof; yes must be looked at by refs."""
        try:
            tips = ["--negotiation-tip=" + sha for sha in dict.fromkeys([self.head, *self.tips])]
            out = self.repository.run("fetch", "--quiet", "--negotiate-only", *tips, "upstream")
        except GitError as error:
            if error.timed_out:
                raise unreachable(error, "upstream", self.workspace.upstream_url) from error
            return True  # a server without `wait-for-done` can't tell
        common = set(out.decode("ascii").split())
        return any(commit.sha in common for commit in own)

    def _upstream_tips(self, since: int) -> Set[str]:
        """Commits that upstream's branches and tags have, down to a date."""
        if since not in self._theirs:
            self._theirs[since] = self._fetch_tips(since)
        return self._theirs[since]

    def _fetch_tips(self, since: int) -> Set[str]:
        tips = self.workspace.repository("tips-%d" % len(self._theirs), self.format)
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

    def _history(
        self, own: List[Known], whole: Sequence[Known], start: Optional[Start], left: Optional[int]
    ) -> History:
        landing = self._landing(own, whole)
        own = landings.in_order(own, landing) if landing else own
        shas = {commit.sha for commit in own}
        order = {commit.sha: number for number, commit in enumerate(whole)}
        if any(not commit.parents for commit in own) and not self._joined(own, shas):
            raise starts.nothing_shared(self.start)
        stands = {start.commit.sha: start.upstream} if start and start.upstream else {}
        parents = {
            commit.sha: tuple(stands.get(parent, parent) for parent in commit.parents) for commit in own
        }
        below = landing.below if landing else frozenset()
        edges = {parent for found in parents.values() for parent in found if parent not in shas} - below
        newest = sorted(edges, key=lambda sha: order.get(sha, len(order)))
        # a start with files of its own is no commit of upstream's
        bare = start.commit.sha if start and not start.upstream else None
        base: Optional[str] = newest[0] if newest and bare not in edges else self._merge_base()
        upstream = log(self.repository, self.target, "--not", self.head)
        notes = [
            landings.note(landing, left or 0) if landing else None,
            self._start_note(start, None if landing else left),
            starts.rewritten(own, upstream),
        ]
        return History(
            stack=tuple(commit.sha for commit in reversed(own)),
            parents=parents,
            base=base,
            edges=tuple(newest),
            others=self._others(base, [edge for edge in newest if edge != bare]),
            depth=self._depth(own, shas),
            upstream=tuple(UpstreamCommit(commit.sha, commit.subject) for commit in upstream),
            behind=len(upstream),
            contained=any(commit.sha == self.target for commit in whole),
            oldest=min((commit.date for commit in upstream), default=0),
            start=start.commit.sha if start and start.upstream != start.commit.sha else None,
            notes=tuple(note for note in notes if note),
            landing=landing,
        )

    def _leaving(self, history: History) -> Tuple[UpstreamCommit, ...]:
        """Commits of upstream that the stack stands on and the target lacks; none where they are cut off and
        the server has named the base, since it looks by itself.
        """
        bases = [one for one in (history.base, *history.others) if one is not None]
        found = log(self.repository, *bases, "--not", self.target) if bases else []
        cut = shallow_commits(self.repository)
        if any(commit.sha in cut for commit in found):
            if self.hint is not None:
                return ()
            self._fetch_stack(None)
            self._fetch_target(None)
            found = log(self.repository, *bases, "--not", self.target)
        return tuple(UpstreamCommit(commit.sha, commit.subject) for commit in found)

    def _landing(self, own: Sequence[Known], whole: Sequence[Known]) -> Optional[Landing]:
        if self.landing is None:
            return None
        return landings.look(self.repository, self.landing, starts.by_sha(whole), own, self.target)

    def _start_note(self, start: Optional[Start], left: Optional[int]) -> Optional[str]:
        if start is None:
            if self.start is None:
                return None
            return "%s, the configured start, is not in the branch's history and was passed over" % self.start
        why = "as configured" if self.start else "it has upstream's files, and the older stack as a parent"
        below = "" if left is None else "; %d commits of the branch up to it are not carried" % left
        subject = start.commit.subject[:200]
        return "the stack begins after %s %s (%s)%s" % (start.commit.sha[:12], subject, why, below)

    def _joined(self, own: Sequence[Known], shas: Set[str]) -> bool:
        return any(parent not in shas for commit in own for parent in commit.parents)

    def _others(self, base: Optional[str], edges: Sequence[str]) -> Tuple[str, ...]:
        """Upstream commits that the stack stands on too, none of which has another or is in the base."""
        if not [edge for edge in edges if edge != base]:
            return ()
        found = self.repository.run("merge-base", "--independent", *edges).decode("ascii").split()
        return tuple(edge for edge in edges if edge in found and edge != base)

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
