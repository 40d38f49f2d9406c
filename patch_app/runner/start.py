"""Where a stack begins that keeps its own earlier versions in its history. Looks at commits alone.

The merging-rebase of git-for-windows: each round begins with a merge that has the new upstream commit as its
first parent and all of its files, and the old stack as its second. What only that second parent has is an
earlier version of the stack. A merge of upstream into the stack has its parents the other way round, so it is
never taken for one.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .records import Problem


class Known(NamedTuple):
    """A commit as the exploration sees it. `written` is its author with the date, which a rewrite keeps."""

    sha: str
    parents: Tuple[str, ...]
    tree: str
    date: int
    written: str
    subject: str


class Start(NamedTuple):
    """Nothing that `commit` has is carried. `upstream` is the parent whose very files it has, if there is
    one.
    """

    commit: Known
    upstream: Optional[str]


def recognise(
    head: str, own: Mapping[str, Known], whole: Mapping[str, Known], is_upstreams: Callable[[Known], bool]
) -> Optional[Start]:
    """The newest merging-rebase on the first parents from `head`; `own` are the commits that the target
    lacks.
    """
    at = own.get(head)
    while at is not None:
        first = whole.get(at.parents[0]) if at.parents else None
        if first is not None and len(at.parents) > 1 and first.tree == at.tree:
            others = [parent for parent in at.parents[1:] if parent in own or parent not in whole]
            if others and (first.sha not in own or is_upstreams(first)):
                return Start(at, first.sha)
        at = own.get(at.parents[0]) if at.parents else None
    return None


def configured(start: str, own: Mapping[str, Known], whole: Mapping[str, Known]) -> Optional[Start]:
    """The start that the fork's configuration names, where it is in the branch's history."""
    found = whole.get(start)
    if found is None:
        return None
    twins = (parent for parent in found.parents if parent in whole and parent not in own)
    if found.sha not in own:
        return Start(found, found.sha)
    return Start(found, next((parent for parent in twins if whole[parent].tree == found.tree), None))


def rewritten(own: Sequence[Known], upstream: Sequence[Known]) -> Optional[str]:
    """A note where the oldest commits of the stack are upstream's too, under other ids; `own` is newest
    first.

    One alone is no sign: somebody may have picked it.
    """
    theirs: Set[Tuple[str, str]] = {(commit.written, commit.subject) for commit in upstream}
    run: List[Known] = []
    for commit in reversed(own):
        if (commit.written, commit.subject) not in theirs:
            break
        run.append(commit)
    if len(run) < 2:
        return None
    return (
        "the %d oldest commits of the stack are in upstream's history with the same author, date and subject "
        "but other ids: upstream may have rewritten its history. If they are not yours, set `start` to %s, "
        "the last of them" % (len(run), run[-1].sha)
    )


def nothing_shared(start: Optional[str]) -> Problem:
    """Branch and release have no common commit, and no start that is in the branch's history says where to
    begin.
    """
    lost = " (%s, the start that is configured, is not in the branch's history)" % start[:12] if start else ""
    return Problem(
        "base",
        "The branch and the release share no commit, so there is no telling which commits are patches%s. "
        "Where upstream has rewritten its history, set `start` of this stack to the last commit that is "
        "not a patch of yours." % lost,
    )


def by_sha(commits: Sequence[Known]) -> Dict[str, Known]:
    """The commits by their ids."""
    return {commit.sha: commit for commit in commits}
