"""Conflicts in the form of `git rerere`: their normalised text and id, and a resolution used once more.

Works on the bytes that `git merge-tree` left, without a work tree. What can't be read for certain (content
that looks like a marker, markers that don't pair, binary) is refused: no resolution is better than one of
another conflict.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from typing import Dict, List, NamedTuple, Optional

from .git import Git

MARKER_SIZE = 7
MAX_MARKER_SIZE = 200
BLANK = b" \t\r\n"


class Normalised(NamedTuple):
    """A file with its conflicts normalised: no labels, no common ancestor, the lesser side first.

    `id` is rerere's, in hex: the digest over the sides of all hunks. `text` is what rerere calls preimage.
    """

    id: str
    text: bytes


def is_marker(line: bytes, char: bytes, size: int) -> bool:
    """Whether rerere takes the line for a marker. `<` and `>` always have a label, so a space must follow."""
    after = line[size : size + 1]
    return line[:size] == char * size and after != b"" and after in (b" " if char in b"<>" else BLANK)


def normalise(merged: bytes, size: int = MARKER_SIZE, digest: str = "sha1") -> Optional[Normalised]:
    """The normalised form of a file with conflict markers of `size` characters.

    `digest` is that of the repository's ids. None where there is no conflict, where markers don't pair or
    one hunk is inside of another, where both sides of a hunk look alike, and for a binary.
    """
    if b"\0" in merged:
        return None
    out: List[bytes] = []
    hashed = hashlib.new(digest)
    sides: Optional[Dict[bytes, List[bytes]]] = None  # by the marker that begins each; None outside of a hunk
    at, hunks = b"", 0
    for line in lines(merged):
        kind = next((char for char in (b"<", b"|", b"=", b">") if is_marker(line, char, size)), b"")
        if sides is None:
            if kind == b"<":
                sides, at = {b"<": [], b"|": [], b"=": []}, kind
            elif kind in (b"|", b">"):
                return None
            else:
                out.append(line)
        elif not kind:
            sides[at].append(line)
        elif kind + at in (b"|<", b"=<", b"=|"):
            at = kind
        elif kind + at == b">=":
            one, two = sorted((b"".join(sides[b"<"]), b"".join(sides[b"="])))
            if one == two:
                return None  # they differ in the last line's end, which is lost beside a marker
            out += [b"<" * size + b"\n", one, b"=" * size + b"\n", two, b">" * size + b"\n"]
            hashed.update(one + b"\0" + two + b"\0")
            sides, hunks = None, hunks + 1
        else:
            return None
    return Normalised(hashed.hexdigest(), b"".join(out)) if hunks and sides is None else None


def is_preimage(content: bytes, name: str, size: int = MARKER_SIZE) -> bool:
    """Whether this is the normalised text of a conflict with that id."""
    labelled = re.sub(rb"^(<{%d}|>{%d})\n" % (size, size), rb"\1 x\n", content, flags=re.M)
    return normalise(labelled, size, "sha256" if len(name) == 64 else "sha1") == (name, content)


def lines(content: bytes) -> List[bytes]:
    """The lines with their ends, as Git splits them: at line feeds alone."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]


def looks_marked(content: bytes, size: int = MARKER_SIZE) -> bool:
    """Whether a line could be taken for a marker of that size, or a larger one as a merge in a merge has
    them, with a label or without. `=` is left out: many a heading is underlined so."""
    return bool(re.search(rb"^(?:<{%d,}|>{%d,}|\|{%d,})(?:[ \t\r\n]|\Z)" % (size, size, size), content, re.M))


def unresolved(resolved: bytes, text: bytes, size: int = MARKER_SIZE) -> bool:
    """Whether a marker is left: a line that looks so, or more `=======` than stand outside of the hunks of
    `text`, the normalised conflict."""

    def count(content: bytes, char: bytes) -> int:
        return sum(line.startswith(char * size) and not line[size:].strip(BLANK) for line in lines(content))

    return looks_marked(resolved, size) or count(resolved, b"=") > count(text, b"=") - count(text, b"<")


def replay(repository: Git, current: bytes, preimage: bytes, postimage: bytes) -> Optional[bytes]:
    """What `preimage`..`postimage` makes of `current`, all normalised; None where it doesn't apply cleanly.

    The result may still have markers. Raises GitError, and OSError where the disk refuses.
    """
    if current == preimage:
        return postimage
    with tempfile.TemporaryDirectory(dir=repository.directory) as folder:
        paths = []
        for name, content in (("thisimage", current), ("preimage", preimage), ("postimage", postimage)):
            paths.append(os.path.join(folder, name))
            with open(paths[-1], "wb") as file:
                file.write(content)
        # the exit status counts conflicts, up to 127
        result = repository.result("merge-file", "-p", "-q", *paths, ok=range(128))
    return result.stdout if result.code == 0 else None
