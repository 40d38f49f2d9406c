"""Takes the stack apart: patches, the App's own commits, and merges that add nothing.

A merge commit that adds something of its own is refused with a sentence: flattening would lose it in silence.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from . import commit, diff
from .attributes import attribute_files
from .fetch import Fetcher, commit_objects, ensure_commits
from .git import Git, GitError
from .history import Explorer
from .merge import Merger
from .records import GITLINK, Change, History, Patch, Problem, Request


class Stack(NamedTuple):
    """The stack's commits, each in exactly one of the three lists, in the order of carrying."""

    patches: Tuple[Patch, ...]
    installed: Tuple[str, ...]
    merges: Tuple[str, ...]


def read(repository: Git, history: History, request: Request) -> Stack:
    """Sorts the commits of the stack. Reads commits and trees only. Raises GitError."""
    objects = commit_objects(repository, history.stack)
    empty = Merger(repository).empty_tree()
    patches: List[Patch] = []
    installed: List[str] = []
    merges: List[str] = []
    for old in history.stack:
        parents = history.parents[old]
        if len(parents) > 1:
            merges.append(old)
            continue
        parent = parents[0] if parents else None
        changes = diff.raw(repository, parent or empty, old, renames=False)
        if is_installed(objects[old], changes, request):
            installed.append(old)
            continue
        subject, author = commit.subject_and_author(objects[old])
        patches.append(Patch(old, parent, objects[old], subject, author, changes))
    return Stack(tuple(patches), tuple(installed), tuple(merges))


def is_installed(raw: bytes, changes: Tuple[Change, ...], request: Request) -> bool:
    """Whether the App made this commit: its trailer, and nothing outside its own paths."""
    return (
        bool(changes)
        and commit.has_trailer(raw, request.installed_trailer)
        and all(change.path in request.installed_paths for change in changes)
    )


def check_merges(
    explorer: Explorer, fetcher: Fetcher, repository: Git, history: History, stack: Stack
) -> None:
    """Every merge of the stack must be what Git makes of its parents by itself.

    Raises:
        Problem: with stage `stack`, naming the first merge that isn't, and what to do about it.
    """
    merger = Merger(repository)
    for sha in stack.merges:
        parents = history.parents[sha]
        found = (
            explorer.repository.result("merge-base", "--all", *parents, ok=(0, 1))
            .stdout.decode("ascii")
            .split()
        )
        if len(parents) != 2 or len(found) != 1:
            raise _refused(repository, sha, "can't be checked: its parents have no single common commit")
        try:
            ensure_commits(fetcher, repository, [sha, *parents, found[0]])
        except GitError as error:
            raise _refused(repository, sha, "can't be checked: %s" % error.stderr) from error
        tree = merger.tree_of(sha)
        first, second, base = (merger.tree_of(name) for name in (*parents, found[0]))
        result = merger.apply(second, base, first)
        if not result.clean:
            raise _refused(repository, sha, "resolves a conflict")
        if result.tree != tree:
            raise _refused(repository, sha, "adds changes of its own")


def _refused(repository: Git, sha: str, why: str) -> Problem:
    subject, _ = commit.subject_and_author(commit_objects(repository, [sha])[sha])
    return Problem(
        "stack",
        "The merge commit %s (%s) %s, and a rebase would lose that. Make those changes a commit of their "
        "own, for example by rebasing the branch by hand once, and try again."
        % (sha[:12], subject[:100], why),
    )


def wanted_blobs(repository: Git, stack: Stack, base: Optional[str], target: str) -> Dict[str, str]:
    """Blobs that the carry will read, and which remote has each.

    The patches' own blobs; the target's at the same paths; where the target deleted such a path, the new
    files of the same name, since that is where Git looks first for a rename.
    """
    wanted: Dict[str, str] = {}
    touched = set()
    for patch in stack.patches:
        for change in patch.changes:
            touched.add(change.path)
            for mode, oid in ((change.old_mode, change.old), (change.new_mode, change.new)):
                if mode != GITLINK and oid.strip("0"):
                    wanted[oid] = "fork"
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


def attribute_blobs(repository: Git, target: str) -> List[str]:
    """Blobs of the target's attribute files."""
    return [oid for oid, _ in attribute_files(repository, target)]


def check_installed_paths(repository: Git, request: Request, base: Optional[str], target: str) -> None:
    """Refuses a release that has, or changed, the App's own paths. Raises Problem with stage `blocked`."""
    if not request.installed_paths:
        return
    theirs = {
        path: (mode, oid) for mode, oid, path in diff.list_tree(repository, target, request.installed_paths)
    }
    before = {
        path: (mode, oid)
        for mode, oid, path in diff.list_tree(repository, base or target, request.installed_paths)
    }
    if theirs != before:
        names = sorted(path for path in {*theirs, *before} if theirs.get(path) != before.get(path))
        raise Problem(
            "blocked",
            "Upstream's release has the App's own paths or changed them: %s. Look at what it wants there, "
            "then carry this release by hand."
            % ", ".join(name.decode("utf-8", "backslashreplace") for name in names),
        )
