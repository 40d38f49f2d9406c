"""Writes and reads the bundle that a candidate travels in: a header of one ref, and a pack that is whole in
itself.

The pack has no deltas against objects outside it, so that it can be read without a repository.
"""

from __future__ import annotations

import hashlib
import os
from typing import List, NamedTuple, Sequence, Tuple

from .git import Git
from .records import Problem

MAX_PART = 90 * 1000 * 1000  # GitHub takes blobs of up to 100 MB
NAME = "candidate.bundle"
WINDOW = 3
"""Objects that each is compared with: Git's ten take half as long again, and pack 200 patches no smaller."""


class Part(NamedTuple):
    """One file of the bundle; `size` in bytes, `sha256` in hex."""

    path: str
    size: int
    sha256: str


class Bundle(NamedTuple):
    """A written bundle. `parts` are files in `directory`, to be joined in their order."""

    ref: str
    tip: str
    prerequisites: Tuple[str, ...]
    parts: Tuple[Part, ...]
    directory: str


def create(
    repository: Git,
    directory: str,
    ref: str,
    tip: str,
    *,
    prerequisites: Sequence[str],
    edges: Sequence[str] = (),
) -> Bundle:
    """A bundle of what `tip` has and the `prerequisites` haven't. Raises GitError.

    `edges` are ancestors of them that a shallow repository doesn't know to be ones.
    """
    header = b"# v2 git bundle\n"
    if len(tip) == 64:
        header = b"# v3 git bundle\n@object-format=sha256\n"
    header += ("".join("-%s\n" % one for one in prerequisites) + "%s %s\n\n" % (tip, ref)).encode()
    revisions = ("%s\n--not\n%s\n" % (tip, "\n".join([*prerequisites, *edges]))).encode()
    options = ("-q", "--revs", "--stdout", "--delta-base-offset", "--window=%d" % WINDOW)
    pack = repository.run("pack-objects", *options, stdin=revisions)
    return Bundle(ref, tip, tuple(prerequisites), split(header + pack, directory, MAX_PART), directory)


def split(content: bytes, directory: str, limit: int) -> Tuple[Part, ...]:
    """Writes the content as one file, or as several of at most `limit` bytes."""
    os.makedirs(directory, exist_ok=True)
    pieces = [content[start : start + limit] for start in range(0, len(content), limit)]
    names = [NAME] if len(pieces) == 1 else ["%s.%03d" % (NAME, number) for number in range(len(pieces))]
    parts: List[Part] = []
    for number, piece in enumerate(pieces):
        with open(os.path.join(directory, names[number]), "wb") as file:
            file.write(piece)
        parts.append(Part(names[number], len(piece), hashlib.sha256(piece).hexdigest()))
    return tuple(parts)


def read_header(content: bytes) -> Tuple[str, str, Tuple[str, ...], int]:
    """Tip, ref, prerequisites and where the pack starts. Raises Problem for anything but one ref."""
    end = content.find(b"\n\n")
    lines = content[: max(end, 0)].decode("ascii", "replace").split("\n")
    if end < 0 or lines[0] not in ("# v2 git bundle", "# v3 git bundle"):
        raise Problem("checks", "the candidate's bundle can't be read")
    rest = [line for line in lines[1:] if not line.startswith("@")]
    prerequisites = tuple(line[1:].split(" ", 1)[0] for line in rest if line.startswith("-"))
    refs = [line.split(" ", 1) for line in rest if not line.startswith("-")]
    if len(refs) != 1 or len(refs[0]) != 2:
        raise Problem("checks", "the candidate's bundle must hold exactly one ref")
    return refs[0][0], refs[0][1], prerequisites, end + 2
