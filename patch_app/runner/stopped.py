"""A work tree stopped at a conflict, as `git cherry-pick` or `git merge` leaves it, and what was made of it.

Bytes are written and read as they are: no attribute of the tree converts a line end or starts a filter, and
what is read back is read with an index and a configuration of our own, never with those in the work tree.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import Callable, Dict, List, Sequence, Tuple

from . import checks, diff, index
from .git import Git, GitError
from .records import GITLINK, Merge, Problem

RAW = "* -text -filter -ident -working-tree-encoding\n"
"""Highest of all attributes, in `info/attributes`: content goes in and out as it is."""


class StoppedTree:
    """The work tree at `directory` of a conflict in `repository`, without the files that are hidden.

    Raises GitError and OSError throughout.
    """

    def __init__(
        self, repository: Git, directory: str, merged: Merge, is_hidden: Callable[[bytes], bool]
    ) -> None:
        self.directory = directory
        self._repository = repository
        self._merged = merged
        self._is_hidden = is_hidden
        self._hidden: List[index.Entry] = []
        self._outer = _repository(repository, directory + ".git", bare=True)
        self._outer.work_tree = directory
        self._outer.environment["GIT_OBJECT_DIRECTORY"] = os.path.join(repository.directory, "objects")
        self._inner = os.path.join(directory, ".git")
        self._tip = self._other = ""

    def write(self, tip: str, other: Tuple[str, str], message: bytes) -> None:
        """Writes the conflict on the commit `tip`.

        `other` is what is picked or merged: the name under which Git knows it then, and its commit.
        """
        self._tip, self._other = tip, other[0]
        os.makedirs(self.directory)
        self._outer.run("read-tree", self._merged.tree)
        self._hidden = [
            one for one in diff.list_tree(self._repository, self._merged.tree) if self._is_hidden(one[2])
        ]
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
        """Id of the tree that it has now, and the conflicting paths that the index there has just so.

        Hidden files are as they were, whatever was made in their places. Raises Problem where the work tree
        is gone, or the patch was given up.
        """
        if not os.path.isdir(self.directory):
            raise Problem("resolver", "the work tree is gone")
        given_up = self._is_given_up()
        staged = {} if given_up else self._staged()
        paths = tuple(dict.fromkeys(path for path, _ in self._merged.stages))
        self._outer.run("add", "--all", ".")
        listed = self._outer.run("ls-files", "-z").split(b"\0")
        made = b"".join(path + b"\0" for path in listed if path and self._is_hidden(path))
        if made:
            self._outer.run("update-index", "-z", "--force-remove", "--stdin", stdin=made)
        # nobody has a submodule's files there: its index alone tells which commit was chosen
        links = [(GITLINK, staged[path][0][1], path) for path in paths if _is_link(staged.get(path, ()))]
        back = b"".join(("%s %s\t" % one[:2]).encode() + one[2] + b"\0" for one in [*self._hidden, *links])
        if back:
            self._outer.run("update-index", "-z", "--index-info", stdin=back)
        tree = self._outer.line("write-tree", "--missing-ok")
        after = diff.list_tree(self._outer, tree, paths)
        if given_up and after == diff.list_tree(self._outer, self._tip, paths):
            raise Problem("resolver", "it gave the patch up")
        now = {path: [(mode, oid, "0")] for mode, oid, path in after}
        return tree, tuple(path for path in paths if staged and staged.get(path, []) == now.get(path, []))

    def _is_given_up(self) -> bool:
        """Whether the patch is picked or merged no more, and no commit was made of it (as by `--abort`)."""
        head = os.path.join(self._inner, "HEAD")
        if os.path.exists(os.path.join(self._inner, self._other)) or not os.path.isfile(head):
            return False
        with open(head, "rb") as file:
            return file.read(100).strip() == self._tip.encode()

    def _staged(self) -> Dict[bytes, List[Tuple[str, ...]]]:
        """Mode, id and stage of each path by the index there; nothing where it can't be read."""
        found: Dict[bytes, List[Tuple[str, ...]]] = {}
        try:
            theirs = {"GIT_INDEX_FILE": os.path.join(self._inner, "index")}
            listed = self._outer.run("ls-files", "-z", "--stage", extra=theirs)
        except GitError:
            return found
        for entry in listed.split(b"\0")[:-1]:
            words, _, path = entry.partition(b"\t")
            found.setdefault(path, []).append(tuple(words.decode("ascii").split(" ")))
        return found

    def remove(self) -> None:
        """Takes it away, also where folders in it can't be written. What is another user's may stay."""
        for folder, _, _ in os.walk(self.directory):
            with suppress(OSError):
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


def _is_link(staged: Sequence[Tuple[str, ...]]) -> bool:
    return [(mode, stage) for mode, _, stage in staged] == [(GITLINK, "0")]


def patch(repository: Git, conflict: str, tree: str) -> bytes:
    """The difference from the tree `conflict` to `tree`, in Git's binary form. Raises GitError."""
    options = ("-r", "-p", "--binary", "--no-renames", *diff.PLAIN)
    return repository.run("diff-tree", *options, conflict, tree)


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
