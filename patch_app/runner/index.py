"""Writes trees by way of an index of its own. Reads no blob and makes no work tree."""

from __future__ import annotations

import os
from typing import Iterable, Optional, Tuple

from .git import Git

Entry = Tuple[str, str, bytes]
"""Mode, id and path; mode 0 takes the path away."""


def write_tree(repository: Git, entries: Iterable[Entry], onto: Optional[str] = None) -> str:
    """Id of the tree that `onto`, by default the empty one, becomes with the entries. Raises GitError."""
    own = {"GIT_INDEX_FILE": os.path.join(repository.directory, "written.index")}
    repository.run("read-tree", onto or "--empty", extra=own)
    lines = b"".join(("%s %s\t" % (mode, oid)).encode() + path + b"\0" for mode, oid, path in entries)
    repository.run("update-index", "-z", "--index-info", stdin=lines, extra=own)
    return repository.run("write-tree", "--missing-ok", extra=own).decode("ascii").strip()
