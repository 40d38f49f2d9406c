"""A work tree stopped at a conflict, as `git cherry-pick` or `git merge` leaves it, and what was made of it.

Bytes are written and read as they are: no attribute of the tree converts a line end or starts a filter, and
what is read back is read with an index and a configuration of our own, never with those in the work tree.
"""

from __future__ import annotations

import os
import shutil
from typing import Dict, Sequence, Tuple

from . import checks, diff, index
from .git import Git
from .records import Merge

RAW = "* -text -filter -ident -working-tree-encoding\n"
"""Highest of all attributes, in `info/attributes`: content goes in and out as it is."""


class StoppedTree:
    """The work tree at `directory` of a conflict in `repository`. Raises GitError and OSError throughout."""

    def __init__(self, repository: Git, directory: str, merged: Merge, hidden: Sequence[index.Entry]) -> None:
        self.directory = directory
        self._repository = repository
        self._merged = merged
        self._hidden = hidden
        self._outer = _repository(repository, directory + ".git", bare=True)
        self._outer.work_tree = directory
        self._outer.environment["GIT_OBJECT_DIRECTORY"] = os.path.join(repository.directory, "objects")
        self._inner = os.path.join(directory, ".git")

    def write(self, tip: str, other: Tuple[str, str], message: bytes) -> None:
        """Writes the conflict on the commit `tip`, without the hidden files.

        `other` is what is picked or merged: the name under which Git knows it then, and its commit.
        """
        os.makedirs(self.directory)
        self._outer.run("read-tree", self._merged.tree)
        names = b"".join(path + b"\0" for _, _, path in self._hidden)
        if names:
            self._outer.run("update-index", "-z", "--force-remove", "--stdin", stdin=names)
        self._outer.run("checkout-index", "-a", "-f", "-q", "-u")
        inner = _repository(self._repository, self._inner, bare=False)
        inner.run("update-ref", "--no-deref", "HEAD", tip)
        inner.run("read-tree", self._merged.tree)
        if names:
            inner.run("update-index", "-z", "--skip-worktree", "--stdin", stdin=names)
        inner.run("update-index", "-z", "--index-info", stdin=_stages(self._merged))
        inner.run("update-ref", "--no-deref", *other)
        with open(os.path.join(self._inner, "MERGE_MSG"), "wb") as file:
            file.write(message)

    def read(self) -> Tuple[str, Tuple[bytes, ...]]:
        """Id of the tree that it has now, and the conflicting paths that were added to the index there."""
        theirs = {"GIT_INDEX_FILE": os.path.join(self._inner, "index")}
        left = self._outer.run("ls-files", "-z", "--stage", extra=theirs)
        added = {entry.partition(b"\t")[2] for entry in left.split(b"\0") if b" 0\t" in entry}
        paths = dict.fromkeys(path for path, _ in self._merged.stages)
        self._outer.run("add", "--all", ".")
        back = b"".join(("%s %s\t" % one[:2]).encode() + one[2] + b"\0" for one in self._hidden)
        if back:
            self._outer.run("update-index", "-z", "--index-info", stdin=back)
        tree = self._outer.line("write-tree", "--missing-ok")
        return tree, tuple(path for path in paths if path in added)

    def patch(self, tree: str) -> bytes:
        """The difference from the conflict to `tree`, in Git's binary form."""
        options = ("-r", "-p", "--binary", "--no-renames", *diff.PLAIN)
        return self._repository.run("diff-tree", *options, self._merged.tree, tree)

    def remove(self) -> None:
        """Takes it away, also where folders in it can't be written."""
        for folder, _, _ in os.walk(self.directory):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._outer.directory, ignore_errors=True)


def _repository(source: Git, directory: str, *, bare: bool) -> Git:
    """A new repository with the objects of another, in which every file is taken as it is."""
    made = Git(directory, source.environment, source.scrub, source.timeout)
    form = source.line("rev-parse", "--show-object-format")
    place = ["--bare"] if bare else [os.path.dirname(directory)]
    made.run("init", "-q", "--template=", "--object-format=" + form, *place)
    os.makedirs(os.path.join(directory, "info"), exist_ok=True)
    with open(os.path.join(directory, "info", "attributes"), "w", encoding="ascii") as file:
        file.write(RAW)
    with open(os.path.join(directory, "objects", "info", "alternates"), "w", encoding="utf-8") as file:
        file.write(os.path.join(source.directory, "objects") + "\n")
    shallow = os.path.join(source.directory, "shallow")
    if os.path.exists(shallow):
        shutil.copyfile(shallow, os.path.join(directory, "shallow"))
    return made


def _stages(merged: Merge) -> bytes:
    """The conflicting paths for `update-index --index-info`: out of stage 0, into theirs."""
    gone = dict.fromkeys(path for path, _ in merged.stages)
    rows = [b"0 " + b"0" * len(merged.tree) + b"\t" + path for path in gone]
    rows += [("%s %s %d\t" % (one.mode, one.oid, one.stage)).encode() + path for path, one in merged.stages]
    return b"".join(row + b"\0" for row in rows)


def missing(repository: Git, tree: str, ours: str) -> Dict[str, str]:
    """Blobs of the tree that aren't at hand, each with the remote that has it. Raises GitError."""
    wanted = checks.missing_blobs(repository, tree)
    of_fork = {oid for _, oid, _ in diff.list_tree(repository, ours)} if wanted else set()
    return {oid: "fork" if oid in of_fork else "upstream" for oid in wanted}
