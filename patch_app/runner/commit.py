"""Commit objects, read and written as bytes.

`git commit-tree` would re-encode a Latin-1 message, drop a dot of a name and refuse an empty one; so a
carried commit is made of the old one's bytes. Signatures can't stay valid and are left out, which the note
says.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from . import loose
from .git import Git
from .records import text

COMMITTER = b"patch_app <patch-app@users.noreply>"
SIGNED = (b"gpgsig", b"gpgsig-sha256", b"mergetag")


class Headers(NamedTuple):
    """A commit object taken apart. Each header's value holds its continuation lines."""

    headers: Tuple[Tuple[bytes, bytes], ...]
    message: bytes

    def first(self, name: bytes) -> Optional[bytes]:
        """Value of the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: bytes) -> List[str]:
        """Values of all headers of that name, for those that hold ids."""
        return [value.decode("ascii") for key, value in self.headers if key == name]


def parse(raw: bytes) -> Headers:
    """Takes a commit object apart without interpreting any value."""
    head, separator, message = raw.partition(b"\n\n")
    if not separator:
        head = head.rstrip(b"\n")
    headers: List[Tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and headers:
            key, value = headers[-1]
            headers[-1] = (key, value + b"\n" + line)
        else:
            key, _, value = line.partition(b" ")
            headers.append((key, value))
    return Headers(tuple(headers), message)


def decoded(raw: bytes, encoding: Optional[bytes]) -> str:
    """Text in the encoding that the commit names; UTF-8 where it names none or one that Python doesn't
    know."""
    try:
        return raw.decode((encoding or b"utf-8").decode("ascii"))
    except (LookupError, UnicodeError, ValueError):
        return text(raw)


def tree(raw: bytes) -> str:
    """Tree id of a commit object."""
    return parse(raw).all(b"tree")[0]


def subject_and_author(raw: bytes) -> Tuple[str, str]:
    """First paragraph of the message on one line, and `Name <address>`."""
    commit = parse(raw)
    encoding = commit.first(b"encoding")
    message = decoded(commit.message, encoding).lstrip("\n")
    subject = " ".join(message.split("\n\n", 1)[0].split())
    author = decoded(commit.first(b"author") or b"", encoding)
    name = author.rsplit("> ", 1)[0] + ">" if "> " in author else author
    return subject[:500], name.strip()[:500]


def committed(raw: bytes) -> int:
    """Committer date in unix seconds; 0 where there is none that can be read."""
    words = (parse(raw).first(b"committer") or b"").rsplit(b" ", 2)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else 0


def has_trailer(raw: bytes, trailer: str) -> bool:
    """Whether the last paragraph of the message has exactly that line."""
    paragraphs = parse(raw).message.rstrip().split(b"\n\n")
    return trailer.encode() in [line.rstrip() for line in paragraphs[-1].split(b"\n")]


def carried(raw: bytes, tree: str, parents: Sequence[str], date: int) -> Tuple[bytes, Optional[str]]:
    """Bytes of the new commit: author, encoding, other headers and message as they are. And a note, if
    any."""
    commit = parse(raw)
    dropped = sorted({key.decode("ascii") for key, _ in commit.headers if key in SIGNED})
    lines = [b"tree " + tree.encode()] + [b"parent " + parent.encode() for parent in parents]
    for key, value in commit.headers:
        if key in (b"tree", b"parent") or key in SIGNED:
            continue
        kept = COMMITTER + b" %d +0000" % date if key == b"committer" else value
        lines.append(key + b" " + kept)
    note = "the signature (%s) can't stay valid and was left out" % ", ".join(dropped) if dropped else None
    return b"\n".join(lines) + b"\n\n" + commit.message, note


def plain(tree: str, parents: Sequence[str], message: str, date: int) -> bytes:
    """Bytes of a commit of our own."""
    who = COMMITTER + b" %d +0000" % date
    lines = [b"tree " + tree.encode()] + [b"parent " + parent.encode() for parent in parents]
    return b"\n".join([*lines, b"author " + who, b"committer " + who]) + b"\n\n" + message.encode() + b"\n"


def write(repository: Git, raw: bytes) -> str:
    """Stores a commit object and gives its id. Raises OSError where the disk refuses.

    `git hash-object` would refuse an odd old author line.
    """
    return loose.write(repository, "commit", raw, len(raw.split(b"\n", 1)[0]) - len(b"tree "))
