"""Lets `.gitattributes` of the tree at hand take part in merges, as they would in a work tree.

In a bare repository git below 2.43 ignores them, so `merge=union` would conflict. The attribute files, and
nothing else of the tree, are written into an otherwise empty work tree. They can name merge drivers, but a
driver is a program only by configuration, and no repository's configuration is read.
"""

from __future__ import annotations

import functools
import os
import shutil
from typing import Dict, Tuple

from . import diff
from .fetch import commit_objects
from .git import Git
from .records import GITLINK, SYMLINK, Problem

NAME = b".gitattributes"


@functools.lru_cache(maxsize=4)
def attribute_files(repository: Git, tree: str) -> Tuple[Tuple[str, bytes], ...]:
    """Id and path of each attribute file of a tree, which is given by its own id."""
    return tuple(
        (oid, path)
        for mode, oid, path in diff.list_tree(repository, tree)
        if path.rsplit(b"/", 1)[-1] == NAME and mode not in (SYMLINK, GITLINK)
    )


def safe(path: bytes) -> bool:
    """Whether a path out of a foreign tree stays inside the directory that we write to."""
    return all(part not in (b"", b".", b"..") for part in path.split(b"/")) and not path.startswith(b"/")


class Attributes:
    """Keeps the work tree's attribute files the same as those of the tree that is merged into."""

    def __init__(self, repository: Git, directory: str) -> None:
        self.repository = repository
        self.directory = directory
        self._files: Dict[bytes, str] = {}

    def use(self, tree: str) -> None:
        """Writes the attribute files of `tree`. Raises Problem where a path can't be written."""
        files = {path: oid for oid, path in attribute_files(self.repository, tree) if safe(path)}
        if files != self._files or not os.path.isdir(self.directory):
            shutil.rmtree(self.directory, ignore_errors=True)
            os.makedirs(self.directory)
            contents = commit_objects(self.repository, sorted(set(files.values()))) if files else {}
            for path, oid in files.items():
                self._write(path, contents[oid])
            self._files = files
        self.repository.work_tree = self.directory

    def _write(self, path: bytes, content: bytes) -> None:
        whole = os.path.join(os.fsencode(self.directory), path)
        try:
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "wb") as file:
                file.write(content)
        except OSError as error:
            raise Problem(
                "carry", "an attribute file of the target could not be written: %s" % error.strerror
            ) from error
