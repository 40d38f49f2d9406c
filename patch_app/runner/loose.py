"""Writes loose objects by itself: `git hash-object` and `git mktree` start a process for each. Reads none."""

from __future__ import annotations

import hashlib
import os
import zlib

from .git import Git


def write(repository: Git, kind: str, raw: bytes, digits: int) -> str:
    """Stores an object and gives its id, which has `digits` hex digits: 64 in a SHA-256 repository.

    Raises OSError where the disk refuses.
    """
    head = b"%s %d\0" % (kind.encode(), len(raw))
    found = hashlib.sha256(head) if digits == 64 else hashlib.sha1(head)  # noqa: S324 - Git's own
    found.update(raw)
    name = found.hexdigest()
    folder = os.path.join(repository.directory, "objects", name[:2])
    path = os.path.join(folder, name[2:])
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        packer = zlib.compressobj(1)  # as Git does: it is read once
        with open(path + ".new", "wb") as file:
            file.write(packer.compress(head))
            file.write(packer.compress(raw))
            file.write(packer.flush())
        os.replace(path + ".new", path)
    return name
