"""Conflicts that the fork's own resolver settles: what of its answers is taken, and what is refused.

An answer is taken only where no conflict is left and nothing but the conflicting paths, or those that the
configuration allows, was changed. A refused one is the conflict as if there were no resolver, with a note.
Runs nothing of anybody: the resolver itself runs in a job of its own (resolve_job.py).
"""

from __future__ import annotations

import os
from typing import AbstractSet, Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

from . import diff, rerere, resolutions
from .answers import Answers, unpack
from .conflict import changed
from .fetch import commit_objects
from .git import Git, GitError
from .merge import Merger
from .records import GITLINK, SYMLINK, Change, Merge, Patch, Problem, Request, Resolver, Used, text
from .resolutions import Conflicts, Replayed

MAX_BYTES = 100_000_000
"""Of all files that an answer changes. GitHub takes no larger file, and each is read as a whole."""


class Settler:
    """Is asked about every conflict that no recorded resolution settles. This one has no answer to any.

    `said` is what the resolver said about all conflicts, bounded.
    """

    said = ""

    def settle(self, merger: Merger, patch: Patch, merged: Merge, tip: str) -> Replayed:
        """The tree in which the conflict `merged` of the patch on `tip` is settled, or notes on why not."""
        return Replayed(None)

    def told(self) -> Optional[Dict[str, Any]]:
        """The report's entry."""
        return None


class Handed(Settler):
    """Takes the answers that the resolver's job handed on, each for the conflict that it was made for."""

    def __init__(
        self, request: Request, resolver: Resolver, answers: Optional[Answers], problem: str
    ) -> None:
        self._request = request
        self._resolver = resolver
        self._answers = answers
        self._problem = problem
        self.said = answers.said if answers else ""
        self._settled = 0
        self._refused = 0

    def settle(self, merger: Merger, patch: Patch, merged: Merge, tip: str) -> Replayed:
        """As Settler has it. Git's own failure on a foreign patch is a refusal."""
        try:
            found = self._found(merger.repository, patch, merged)
        except GitError as error:
            found = refused(self._resolver, "its patch does not apply: %s" % error)
        self._settled += found.tree is not None
        self._refused += found.tree is None
        return found

    def _found(self, repository: Git, patch: Patch, merged: Merge) -> Replayed:
        if self._answers is None:
            return refused(self._resolver, self._problem)
        same = (patch.old, merged.tree)
        answer = next((one for one in self._answers.answers if (one.patch, one.conflict) == same), None)
        if answer is None:
            return refused(self._resolver, "it had no answer")
        if answer.problem is not None or answer.result is None:
            return refused(self._resolver, answer.problem or "it had no answer")
        tree = applied(repository, merged.tree, answer.diff)
        if tree != answer.result:
            return refused(self._resolver, "its patch gives another tree than it says")
        return taken(repository, merged, tree, self._request, self._resolver, kept=answer.kept)

    def told(self) -> Optional[Dict[str, Any]]:
        """Who was asked, and how many conflicts it settled; None where there was none for it."""
        if not self._settled + self._refused:
            return None
        return {
            "name": self._resolver.name,
            "settled": self._settled,
            "refused": self._refused,
            "log": bool(self.said),
        }


class Parts(NamedTuple):
    """A conflict as a resolver is given it: its paths, and why it can't be given to one, if so."""

    conflicts: Optional[Conflicts]
    problem: Optional[str]


def refused(resolver: Resolver, why: str) -> Replayed:
    """No tree, and a note that says why."""
    return Replayed(None, (), ("the resolver %s did not settle it: %s" % (resolver.name, why),))


def parts(repository: Git, merged: Merge, request: Request, resolver: Resolver) -> Parts:
    """The conflicting paths, where a resolver may be asked about them. Raises GitError."""
    conflicts = resolutions.read(repository, merged)
    if conflicts is None:
        return Parts(None, "the conflict is about more than the content of up to 200 files")
    for path in (*conflicts.files, *conflicts.others):
        if path in request.installed_paths:
            return Parts(None, "%s is the App's own" % text(path))
        if is_hidden(path, resolver):
            return Parts(None, "%s is kept from it, since agents take instructions from it" % text(path))
    return Parts(conflicts, None)


def taken(
    repository: Git,
    merged: Merge,
    tree: str,
    request: Request,
    resolver: Resolver,
    *,
    kept: Sequence[bytes] = (),
) -> Replayed:
    """The tree of an answer, with what it does to each path; or the refusal.

    `kept` are paths without markers (modify/delete, binary and the like) that were settled by leaving them as
    the conflict has them. Raises GitError.
    """
    conflicts, problem = parts(repository, merged, request, resolver)
    if conflicts is None:
        return refused(resolver, problem or "")
    changes = {one.path: one for one in diff.raw(repository, merged.tree, tree, renames=False)}
    paths = (*conflicts.files, *conflicts.others)
    for path, change in changes.items():
        if path not in paths and not is_allowed(path, request, resolver):
            return refused(resolver, "it changed %s, which has no conflict" % text(path))
        if path not in paths and change.new_mode in (SYMLINK, GITLINK):
            return refused(resolver, "it made a link of %s" % text(path))
    if len({*paths, *changes}) > resolutions.MAX_PATHS:
        return refused(resolver, "it changed more than %d files" % resolutions.MAX_PATHS)
    if sum(_sizes(repository, new_blobs(changes.values()))) > MAX_BYTES:
        return refused(resolver, "what it made is larger than %d bytes" % MAX_BYTES)
    left = _left(repository, conflicts, merged, tree, {*changes, *kept})
    if left is not None:
        return refused(resolver, left)
    shown = [path for path in dict.fromkeys((*paths, *changes)) if path in changes or path in paths]
    used = tuple(
        Used(None, path, None, changed(repository, merged.tree, tree, [path]), resolver.name)
        for path in shown
    )
    names = ", ".join(text(path) for path in shown[:3])
    more = " and %d more" % (len(shown) - 3) if len(shown) > 3 else ""
    return Replayed(tree, used, ("%s%s: by the resolver %s" % (names, more, resolver.name),))


def _left(
    repository: Git, conflicts: Conflicts, merged: Merge, tree: str, settled: AbstractSet[bytes]
) -> Optional[str]:
    """Which conflict is left, as a sentence's end; None for none."""
    paths = (*conflicts.files, *conflicts.others)
    there = {path: (mode, oid) for mode, oid, path in diff.list_tree(repository, tree, paths)}
    contents = commit_objects(repository, sorted({oid for mode, oid in there.values() if mode != GITLINK}))
    modes: Dict[bytes, List[str]] = {}
    for path, stage in merged.stages:
        modes.setdefault(path, []).append(stage.mode)
    for path in paths:
        if path not in settled:
            return "%s is as the conflict left it" % text(path)
        if path not in there:
            continue  # deleted, which the reviewer sees
        mode, oid = there[path]
        if mode not in modes[path] and mode not in resolutions.REGULAR:
            return "%s is of another kind than it was on either side" % text(path)
        file, content = conflicts.files.get(path), contents.get(oid, b"")
        unresolved = (
            rerere.unresolved(content, file.normalised.text, file.size)
            if file is not None
            else mode in resolutions.REGULAR and rerere.looks_marked(content, conflicts.sizes[path])
        )
        if unresolved:
            return "a conflict marker is left in %s" % text(path)
    return None


def new_blobs(changes: Iterable[Change]) -> List[str]:
    """Ids of the files that there are after the changes."""
    return sorted({one.new for one in changes if one.new_mode not in (GITLINK, "000000")})


def _sizes(repository: Git, blobs: Sequence[str]) -> List[int]:
    listed = "".join(oid + "\n" for oid in blobs).encode()
    return [
        int(one) for one in repository.run("cat-file", "--batch-check=%(objectsize)", stdin=listed).split()
    ]


def is_allowed(path: bytes, request: Request, resolver: Resolver) -> bool:
    """Whether a path may change although it has no conflict. The App's own never may."""
    if path in request.installed_paths or is_hidden(path, resolver):
        return False
    return any(path == one or path.startswith(one + b"/") for one in map(str.encode, resolver.paths))


def is_hidden(path: bytes, resolver: Resolver) -> bool:
    """Whether a path is kept from the resolver: by a name at any depth, or as a path from the root."""
    lower = path.lower()
    names = lower.split(b"/")
    for one in (hidden.encode().lower() for hidden in resolver.hidden):
        if one in names if b"/" not in one else lower == one or lower.startswith(one + b"/"):
            return True
    return False


def applied(repository: Git, tree: str, patch: bytes) -> str:
    """Id of the tree that a patch in Git's binary form makes of `tree`, by an index. Raises GitError."""
    own = {"GIT_INDEX_FILE": os.path.join(repository.directory, "applied.index")}
    repository.run("read-tree", tree, extra=own)
    if patch:
        # a few bytes of a binary patch can stand for any number
        bounded = {**own, "GIT_ALLOC_LIMIT": str(2 * MAX_BYTES)}
        repository.run("apply", "--cached", "--whitespace=nowarn", "-", stdin=patch, extra=bounded)
    return repository.run("write-tree", "--missing-ok", extra=own).decode("ascii").strip()


def handed(request: Request, line: str) -> Settler:
    """The settler for what the resolver's job handed on: its output, or nothing where the job failed."""
    if request.resolver is None:
        return Settler()
    if not line:
        return Handed(request, request.resolver, None, "its job ended without an answer")
    try:
        return Handed(request, request.resolver, unpack(line), "")
    except Problem as problem:
        return Handed(request, request.resolver, None, problem.message)
