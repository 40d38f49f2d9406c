"""The patch branches of `strategy = "patches"`: what each has beyond upstream, and the stack made of them.

Each commit is carried once, in the order of the branches. Where the maintained branch has it, made of that
very commit or with the same lines, it is carried as it stands there, where it was settled; else from its
branch. What only the maintained branch has comes last. Moves no branch, lets no commit go without a word.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import commit, diff, stack
from .git import Git
from .merge import Merger
from .records import DROPPED, Branch, Carried, History, Outcome, Patch, Problem, Request
from .start import Known

MAX_PATHS = 300
"""Of a patch with more, GitHub doesn't list all, so the server couldn't hold the same lines against it."""


MAX_PATCHES = 2000
"""As many as a report may have."""


class Origin(NamedTuple):
    """Where a patch comes from: a patch branch, its commit there, and the maintained branch's commit that
    stands for it, if one does.

    What was made of a commit that no patch branch has any more has no branch; what only the maintained branch
    has, nothing of it.
    """

    branch: Optional[str]
    source: Optional[str]
    built: Optional[str]


class Sources(NamedTuple):
    """What is carried, by old id where each comes from, and what no patch branch has any more.

    `changed` are the commits of patch branches that the maintained branch has with other lines.
    """

    stack: stack.Stack
    origins: Dict[str, Origin]
    changed: FrozenSet[str]
    dropped: Tuple[Patch, ...]


def listed(branches: Sequence[Tuple[str, str]], own: Sequence[Known]) -> Tuple[Branch, ...]:
    """Each branch with what it has of `own`, the commits that upstream hasn't. Raises Problem."""
    known = {one.sha: one for one in own}
    found = []
    for name, sha in branches:
        at, commits = sha, []
        while at in known:
            if len(known[at].parents) != 1:
                raise _problem(name, known[at])
            commits.append(at)
            at = known[at].parents[0]
        found.append(Branch(name, sha, at, tuple(reversed(commits))))
    return tuple(found)


def _problem(name: str, one: Known) -> Problem:
    if not one.parents:
        return Problem(
            "stack",
            "The patch branch %s does not stand on upstream: its history ends at %s. Rebase its commits onto "
            "a commit of upstream's, or leave it out of `patches`." % (name, one.sha[:12]),
        )
    return Problem(
        "stack",
        "The patch branch %s has the merge commit %s. Rebase it, so that it is a row of commits on one of "
        "upstream's." % (name, one.sha[:12]),
    )


def read(repository: Git, merger: Merger, history: History, request: Request) -> Dict[str, Patch]:
    """The branches' commits by id, in order, without the App's own. Reads commits and trees only.

    Raises:
        Problem: where a branch has a commit of the App's own that the maintained branch hasn't.
        GitError: where git fails.
    """
    parents: Dict[str, Tuple[str, ...]] = {}
    for branch in history.branches:
        for parent, sha in zip((branch.base, *branch.commits), branch.commits):
            parents.setdefault(sha, (parent,))
    edges = tuple(dict.fromkeys(branch.base for branch in history.branches))
    whole = history._replace(stack=tuple(parents), parents=parents, edges=edges)
    found = stack.read(repository, merger, whole, request)
    astray = next((sha for sha in found.installed if sha not in history.parents), None)
    if astray is not None:
        name = next(branch.name for branch in history.branches if astray in branch.commits)
        raise Problem(
            "stack",
            "The patch branch %s has %s, a commit with the App's own files: it was made from an earlier %s. "
            "Rebase its own commits onto a commit of upstream's." % (name, astray[:12], request.branch),
        )
    return {sha: patch for sha, patch in found.patches.items() if sha not in found.installed}


def commits(history: History) -> List[str]:
    """All that has to be at hand of the branches: their commits, and what they stand on."""
    return [sha for branch in history.branches for sha in (branch.base, *branch.commits)]


def arrange(
    repository: Git, history: History, parts: stack.Stack, theirs: Dict[str, Patch], request: Request
) -> Sources:
    """The order of carrying. `parts` is the maintained branch's own stack, `theirs` as `read` gives them.

    Raises:
        Problem: where they are too many.
        GitError: where git fails.
    """
    ours = {patch.old: patch for patch in parts.patches}
    pairs, same = _pairs(repository, ours, theirs, history, request)
    stand_in = {built for source, built in pairs.items() if built != source}
    names: Dict[str, str] = {}
    for branch in history.branches:
        for sha in branch.commits:
            names.setdefault(sha, branch.name)
    carried: List[Patch] = []
    origins: Dict[str, Origin] = {}
    for sha, patch in theirs.items():
        if sha in stand_in:
            continue  # the App made it of another branch's commit, which is carried
        built = pairs.get(sha)
        carried.append(ours[built] if built is not None and sha in same else patch)
        origins[carried[-1].old] = Origin(names[sha], sha, built)
    made = dict(request.built)
    rest = [patch for patch in parts.patches if patch.old not in pairs.values()]
    gone = tuple(patch for patch in rest if patch.old in made and made[patch.old] not in theirs)
    for patch in rest:
        if patch not in gone:
            carried.append(patch)
            origins[patch.old] = Origin(None, None, None)
    if len(carried) + len(gone) > MAX_PATCHES:
        raise Problem(
            "stack",
            "The patch branches and %s have %d patches together, and %d are the most that can be carried."
            % (request.branch, len(carried) + len(gone), MAX_PATCHES),
        )
    origins.update({patch.old: Origin(None, made[patch.old], patch.old) for patch in gone})
    changed = frozenset(sha for sha in pairs if sha not in same)
    return Sources(parts._replace(patches=stack.in_row(carried)), origins, changed, gone)


def _pairs(
    repository: Git, ours: Dict[str, Patch], theirs: Dict[str, Patch], history: History, request: Request
) -> Tuple[Dict[str, str], Set[str]]:
    """The maintained branch's commit for each of a patch branch, and those for which it may be carried.

    It is the one that the App made of it; else it itself; else one with the same lines; else one with the
    same author, date and message, which may have other lines.
    """
    pairs: Dict[str, str] = {}
    for built, source in request.built:
        if built in ours and source in theirs:
            pairs.setdefault(source, built)
    taken = set(pairs.values())
    pairs.update({sha: sha for sha in theirs if sha in ours and sha not in taken and sha not in pairs})
    same = set(pairs)
    for number, keys in enumerate((_lines, _written)):
        taken = set(pairs.values())
        mine = [one for sha, one in ours.items() if sha not in taken and len(history.parents[sha]) == 1]
        other = [one for sha, one in theirs.items() if sha not in pairs and sha not in taken]
        free: Dict[object, List[str]] = {}
        for one, key in zip(mine, keys(repository, mine)):
            if key is not None:
                free.setdefault(key, []).append(one.old)
        for one, key in zip(other, keys(repository, other)):
            found = free.get(key)
            if found:
                pairs[one.old] = found.pop(0)
                same.update([] if number else [one.old])
    return pairs, same


def _lines(repository: Git, patches: Sequence[Patch]) -> List[object]:
    """What patches do, as something that can be compared; None for what can't."""
    told = diff.lines(repository, [patch.made for patch in patches]) if patches else []
    return [
        frozenset((c.status[0], c.source, c.path, c.old_mode, c.new_mode, *lines) for c, lines in found)
        if found and len(found) <= MAX_PATHS
        else None
        for found in told
    ]


def _written(_: Git, patches: Sequence[Patch]) -> List[object]:
    """Author, date and message, which a rebase and an amended commit keep."""
    found = [commit.parse(patch.raw) for patch in patches]
    return [(one.first(b"author"), one.message.rstrip()) for one in found]


def to_account_for(history: History, parts: stack.Stack, sources: Sources) -> History:
    """The commits that need an outcome, as the stack of a history."""
    olds = [patch.old for patch in (*sources.stack.patches, *sources.dropped)]
    return history._replace(stack=(*olds, *parts.installed, *parts.merges))


def told(carried: Carried, sources: Sources, request: Request) -> Carried:
    """The outcomes with what is to be said about where patches come from, and those of dropped patches."""
    outcomes = []
    for outcome in carried.outcomes:
        origin = sources.origins[outcome.patch.old]
        note = None
        if origin.source is None:
            note = "on no patch branch, only on %s" % request.branch
        elif origin.source in sources.changed and origin.built is not None:
            note = "%s has it with other lines, as %s" % (request.branch, origin.built[:12])
        outcomes.append(outcome._replace(note="; ".join(one for one in (note, outcome.note) if one) or None))
    for patch in sources.dropped:
        source = sources.origins[patch.old].source or ""
        note = "made of %s, which no patch branch has any more" % source[:12]
        outcomes.append(Outcome(patch, DROPPED, note=note))
    return carried._replace(outcomes=tuple(outcomes))


def bases(history: History, sources: Sources) -> List[str]:
    """What those branches stand on of which a commit is carried as it is there."""
    own = {one.source for old, one in sources.origins.items() if one.source == old}
    return [branch.base for branch in history.branches if own.intersection(branch.commits)]


def drift(sources: Sources) -> Dict[str, List[str]]:
    """Where patch branches and maintained branch differ, as the report has it."""
    origins = sources.origins
    return {
        "only_in_branches": [one.source for one in origins.values() if one.source and not one.built],
        "only_in_maintained": [old for old, one in origins.items() if not one.source],
        "changed": [one.source for one in origins.values() if one.source and one.source in sources.changed],
    }
