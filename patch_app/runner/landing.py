"""A stack that came onto its branch by a pull request: where it begins, and what of the branch it is not.

The App's own commit, the landing, has two parents: what the branch was before, and the candidate of then,
whose very files it has. What the branch had before is the stack of before, which the candidate stands for; so
all of that is left out. The server, which made the landing, names it; it is never guessed from a history: a
branch that looks alike would lose the patches that only its first parent has. Looks at commits alone.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .git import Git
from .records import Landing, Problem
from .start import Known


def look(
    repository: Git, told: Tuple[str, str], whole: Mapping[str, Known], own: Sequence[Known], target: str
) -> Landing:
    """The landing as the history has it. `own` are the commits that count as the stack's.

    Raises:
        Problem: with stage `base` where the branch has no such commit, or it isn't what it is said to be.
        GitError: where git fails.
    """
    commit, onto = told
    found = whole.get(commit)
    if found is None:
        raise Problem("base", "The landing %s is not in the branch's history." % commit[:12])
    carried = whole.get(found.parents[1]) if len(found.parents) == 2 and found.parents[0] == onto else None
    if carried is None or carried.tree != found.tree:
        raise Problem(
            "base",
            "%s is no landing on %s: that would have two parents, the second a candidate whose files it has."
            % (commit[:12], onto[:12]),
        )
    before = set(_list(repository, onto, "--not", carried.sha))
    shas = {one.sha for one in own}
    return Landing(
        commit,
        onto,
        carried.sha,
        below=frozenset(parent for one in own for parent in one.parents if parent in before),
        within=frozenset(shas.intersection(_list(repository, carried.sha, "--not", target, onto))),
    )


def in_order(own: Sequence[Known], landing: Landing) -> List[Known]:
    """The stack's commits, newest first, with the candidate's own below all others."""
    last = [one for one in own if one.sha in landing.within]
    return [one for one in own if one.sha not in landing.within] + last


def landed(
    parents: Mapping[str, Sequence[str]], stack: Sequence[str], landing: Optional[Landing]
) -> Dict[str, bool]:
    """Which commits of the stack, oldest first, have the candidate; empty without a landing."""
    if landing is None:
        return {}
    found = {landing.carried: True}
    for sha in stack:
        found[sha] = sha in landing.within or any(found.get(parent, False) for parent in parents[sha])
    return found


def note(landing: Landing, left: int) -> str:
    """What a reviewer should know of it."""
    return (
        "the stack came onto the branch by the pull request of %s, with the files of %s; %d commits that the "
        "branch had before are not carried again" % (landing.commit[:12], landing.carried[:12], left)
    )


def _list(repository: Git, *revisions: str) -> List[str]:
    return repository.run("rev-list", *revisions, "--").decode("ascii").split()
