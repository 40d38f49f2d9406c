"""Takes the stack apart: patches, the App's own commits, and merges; and says in which order they are
carried.

Loses nothing of a merge: what it settled or added is carried, in a row (linear.py) or as a merge made again
(graph.py).
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import commit, diff, index
from .attributes import attribute_files
from .fetch import commit_objects
from .git import Git
from .graph import Graph
from .ground import Ground
from .linear import Linear, Row
from .merge import Merger
from .records import GITLINK, PRESERVE, TARGET, Change, History, Patch, Problem, Request


class Commits(NamedTuple):
    """The stack's commits by id, oldest first, and which of them are the App's own and which are merges."""

    patches: Dict[str, Patch]
    installed: Tuple[str, ...]
    merges: Tuple[str, ...]

    @property
    def of_people(self) -> List[Patch]:
        """Those that are neither."""
        return [patch for sha, patch in self.patches.items() if sha not in {*self.installed, *self.merges}]


class Stack(NamedTuple):
    """What is carried, in order. Each commit is a patch, one of the App's own, or a merge of which nothing is
    left.

    `row` is the whole stack in one row, where it has merges and they are not kept.
    """

    patches: Tuple[Patch, ...]
    installed: Tuple[str, ...]
    merges: Tuple[str, ...]
    row: Optional[Row] = None


def read(repository: Git, merger: Merger, history: History, request: Request) -> Commits:
    """Sorts the commits of the stack. Reads commits and trees only. Raises GitError."""
    below = history.landing.below if history.landing else ()
    objects = commit_objects(repository, [*history.stack, *history.edges, *below, request.target])
    for name, raw in objects.items():
        merger.know(name, raw)
    patches: Dict[str, Patch] = {}
    installed: List[str] = []
    merges = [old for old in history.stack if len(history.parents[old]) > 1]
    trees = {
        old: (
            merger.tree_of(history.parents[old][0]) if history.parents[old] else merger.empty_tree(),
            merger.tree_of(old),
        )
        for old in history.stack
    }
    single = [old for old in history.stack if old not in set(merges)]
    changed = dict(zip(single, diff.raws(repository, [trees[old] for old in single])))
    for old in history.stack:
        raw, (before, after), changes = objects[old], trees[old], changed.get(old, ())
        # what people change of the App's files afterwards stands on its commit, and goes with it
        if old in changed and (
            is_installed(raw, changes, request) or (installed and is_of_installed(changes, request))
        ):
            installed.append(old)
        subject, author = commit.subject_and_author(raw)
        patches[old] = Patch(old, raw, subject, author, (before, after), changes, before, after)
    return Commits(patches, tuple(installed), tuple(merges))


def arrange(merger: Merger, ground: Ground, history: History, commits: Commits, request: Request) -> Stack:
    """The order of carrying: as it is, in a row, or with its merges.

    Raises:
        Problem: with stage `stack` where the merges can't be had like that, and what to do about it.
        GitError: where git fails.
    """
    if not commits.merges:
        return Stack(in_row(commits.of_people), commits.installed, ())
    row: Optional[Row] = None
    if request.merges == PRESERVE:
        patches = Graph(merger, ground, history, commits.patches, commits.installed).make()
    else:
        row = Linear(merger, ground, history, commits.patches).row(request.stack)
        patches = in_row([patch for patch in row.patches if patch.old not in commits.installed])
    there = {patch.old for patch in patches}
    merges = tuple(sha for sha in commits.merges if sha not in there)
    return Stack(patches, commits.installed, merges, row)


def in_row(patches: Sequence[Patch]) -> Tuple[Patch, ...]:
    """The patches each onto the one before, the first onto the release."""
    return tuple(
        patch._replace(onto=(number - 1 if number else TARGET,)) for number, patch in enumerate(patches)
    )


def blobs_of_merges(repository: Git, merger: Merger, history: History, commits: Commits) -> Dict[str, str]:
    """Blobs that putting the stack in order will read, all of which the fork has: none for a stack without
    merges.
    """
    if not commits.merges:
        return {}
    wanted = {oid for patch in commits.of_people for oid in blobs(patch.changes)}
    touched = {change.path for patch in commits.of_people for change in patch.changes}
    for sha in (*history.edges, *commits.merges):
        wanted |= {
            oid
            for mode, oid, path in diff.list_tree(repository, merger.tree_of(sha))
            if path in touched and mode != GITLINK
        }
    return dict.fromkeys(wanted, "fork")


def blobs(changes: Sequence[Change]) -> List[str]:
    """The blobs on both sides of changes."""
    sides = [side for c in changes for side in ((c.old_mode, c.old), (c.new_mode, c.new))]
    return [oid for mode, oid in sides if mode != GITLINK and oid.strip("0")]


def is_installed(raw: bytes, changes: Tuple[Change, ...], request: Request) -> bool:
    """Whether the App made this commit: its trailer, and nothing outside its own paths."""
    return commit.has_trailer(raw, request.installed_trailer) and is_of_installed(changes, request)


def is_of_installed(changes: Tuple[Change, ...], request: Request) -> bool:
    """Whether a commit changes the App's own paths and nothing else."""
    return bool(changes) and all(change.path in request.installed_paths for change in changes)


def wanted_blobs(
    repository: Git, patches: Sequence[Patch], base: Optional[str], target: str
) -> Dict[str, str]:
    """Blobs that the carry will read, and which remote has each.

    The patches' own blobs; the target's at the same paths; where the target deleted such a path, the new
    files of the same name, since that is where Git looks first for a rename.
    """
    wanted: Dict[str, str] = {}
    touched = set()
    for patch in patches:
        for change in patch.changes:
            touched.add(change.path)
        wanted.update(dict.fromkeys(blobs(patch.changes), "fork"))
    if base is None:
        return wanted
    moved = diff.raw(repository, base, target, renames=False)
    deleted = {c.path.rsplit(b"/", 1)[-1] for c in moved if c.status == "D" and c.path in touched}
    for change in moved:
        near = change.path in touched or (change.status == "A" and change.path.rsplit(b"/", 1)[-1] in deleted)
        if near and change.new_mode != GITLINK and change.new.strip("0"):
            wanted.setdefault(change.new, "upstream")
        if change.path in touched and change.old_mode != GITLINK and change.old.strip("0"):
            wanted.setdefault(change.old, "fork")
    return wanted


def attribute_blobs(repository: Git, tree: str) -> List[str]:
    """Blobs of a tree's attribute files."""
    return [oid for oid, _ in attribute_files(repository, tree)]


def check_installed_paths(merger: Merger, request: Request, base: Optional[str], target: str) -> None:
    """Refuses a release that has, or changed, the App's own paths. Raises Problem with stage `blocked`."""
    if not request.installed_paths:
        return
    changed = diff.raw(merger.repository, base or merger.empty_tree(), target, False, request.installed_paths)
    if changed:
        names = sorted(change.path for change in changed)
        raise Problem(
            "blocked",
            "Upstream's release has the App's own paths or changed them: %s. Look at what it wants there, "
            "then carry this release by hand."
            % ", ".join(name.decode("utf-8", "backslashreplace") for name in names),
        )


def install(merger: Merger, request: Request, stack: Stack, tip: str) -> str:
    """The App's own commits as one commit on top of `tip`, with its files as the stack's head has them."""
    repository, paths = merger.repository, request.installed_paths
    head = diff.list_tree(repository, request.stack, paths)
    present = {path for _, _, path in head}
    gone = [("0", "0" * len(request.stack), path) for path in paths if path not in present]
    tree = index.write_tree(repository, [*head, *gone], merger.tree_of(tip))
    raws = commit_objects(repository, stack.installed)
    ours = [raws[sha] for sha in stack.installed if commit.has_trailer(raws[sha], request.installed_trailer)]
    raw, _ = commit.carried(ours[-1], tree, [tip], request.date)
    new = commit.write(repository, raw)
    merger.know(new, raw)
    return new
