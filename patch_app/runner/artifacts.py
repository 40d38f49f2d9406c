"""Keeps what a check made: copies the files at the asked paths out of its tree, into a directory of our own.

The tree is foreign, and what the check left running may still change it. Only regular files are copied, each
opened below the directory that it was seen in: no link is followed, nothing of `.git` is kept, nothing
outside of the tree is ever read. Bounded in files, bytes, depth and time. What can't be kept is said, and
changes nothing of the check's result.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold us up
CHUNK = 1 << 20
NAMED = 10  # what is left out is named up to here, for each reason

ANY = "**"
# Refused by Actions' storage, which holds for stores that can't have such names: "Supported Characters" in
# the toolkit's packages/artifact/docs/faq.md. Where names are read for the upload, a backslash parts them.
REFUSED = re.compile(r'["*:<>?|\\\x00-\x1f\x7f]')

LINK = "links and other things that are no files"
NAME = "names that Actions can't store"
SIZE = "files too large for the room that was left"
FAILED = "files that could not be read or copied"
DEPTH = "directories too far down"
MANY = "all after the most files that are kept"
LATE = "all that was not reached in time"

Pattern = Tuple[str, ...]


class Limits(NamedTuple):
    """How much is kept of one check: files, their bytes together, directories down, seconds."""

    files: int = 5_000
    size: int = 1_000_000_000
    depth: int = 40
    seconds: float = 120.0


DEFAULT_LIMITS = Limits()


class Kept(NamedTuple):
    """How many files and bytes were copied, and what was left out: for each reason how often, and names."""

    files: int
    size: int
    left_out: Dict[str, int]
    named: Dict[str, List[str]]

    def as_entry(self, directory: str) -> Dict[str, Any]:
        """What a check's entry of a report says of it."""
        left_out = sum(self.left_out.values())
        return {"directory": directory, "files": self.files, "bytes": self.size, "left_out": left_out}

    def lines(self) -> List[str]:
        """What was left out, a line each. Names are foreign: quoted, in printable ASCII alone."""
        found = []
        for reason, number in self.left_out.items():
            names = ", ".join(ascii(name) for name in self.named[reason])
            more = ", and more" if number > len(self.named[reason]) else ""
            found.append("left out, %s: %d (%s%s)" % (reason, number, names, more))
        return found


class _EnoughError(Exception):
    """Nothing more is kept."""


@contextmanager
def opened(tree: str) -> Iterator[int]:
    """The tree, held open from before the check: whatever takes its place meanwhile is not looked at."""
    descriptor = os.open(tree, FLAGS | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def keep(
    tree: int,
    patterns: Sequence[str],
    into: str,
    limits: Limits = DEFAULT_LIMITS,
    clock: Callable[[], float] = time.monotonic,
) -> Kept:
    """Copies what matches from the open directory `tree` into `into`, which is made where there is something.

    A pattern that names a directory stands for all in it. Order is that of the names.
    """
    copier = _Copier(into, limits, clock)
    with suppress(_EnoughError):
        copier.directory(tree, (), frozenset(tuple(one.split("/")) for one in patterns))
    return copier.kept()


def step(patterns: Iterable[Pattern], name: str) -> FrozenSet[Pattern]:
    """What is left of the patterns behind `name`; an empty one is fulfilled."""
    found = set()
    for pattern in patterns:
        first, rest = pattern[0], pattern[1:]
        if first != ANY:
            if fnmatchcase(name, first):
                found.add(rest)
            continue
        found.add(pattern)
        # it stands for no directory at all, too; at the end for everything below
        found |= step([rest], name) if rest else {()}
    return frozenset(found)


class _Copier:
    def __init__(self, into: str, limits: Limits, clock: Callable[[], float]) -> None:
        self._into = into
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds
        self._files = 0
        self._size = 0
        self._left_out: Dict[str, int] = {}
        self._named: Dict[str, List[str]] = {}

    def kept(self) -> Kept:
        return Kept(self._files, self._size, self._left_out, self._named)

    def left_out(self, reason: str, path: str) -> None:
        self._left_out[reason] = self._left_out.get(reason, 0) + 1
        names = self._named.setdefault(reason, [])
        if len(names) < NAMED:
            names.append(path if len(path) <= 200 else path[:200] + "...")

    def directory(self, descriptor: int, above: Tuple[str, ...], patterns: FrozenSet[Pattern]) -> None:
        """Copies what matches in an open directory of the tree; `()` among the patterns is everything."""
        for name in self._names(descriptor, above):
            self._in_time()
            left = frozenset([()]) if () in patterns else step(patterns, name)
            if left and name.lower() != ".git":
                self._entry(descriptor, (*above, name), left)

    def _names(self, descriptor: int, above: Tuple[str, ...]) -> List[str]:
        found: List[str] = []
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._in_time()
                    found.append(entry.name)
        except OSError:
            self.left_out(FAILED, "/".join(above) or ".")
        return sorted(found)

    def _in_time(self) -> None:
        if self._clock() > self._until:
            self.left_out(LATE, "after %d files" % self._files)
            raise _EnoughError

    def _entry(self, parent: int, parts: Tuple[str, ...], left: FrozenSet[Pattern]) -> None:
        path = "/".join(parts)
        try:
            mode = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                with _opened(parts[-1], parent, os.O_DIRECTORY) as inner:
                    if len(parts) > self._limits.depth:
                        self.left_out(DEPTH, path)
                    else:
                        self.directory(inner, parts, left)
            elif () not in left:
                return  # only its directory was looked for
            elif not stat.S_ISREG(mode):
                self.left_out(LINK, path)
            elif not storable(path):
                self.left_out(NAME, path)
            else:
                with _opened(parts[-1], parent) as source:
                    self._file(source, parts)
        except OSError:
            self.left_out(FAILED, path)

    def _file(self, source: int, parts: Tuple[str, ...]) -> None:
        path, found = "/".join(parts), os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            self.left_out(LINK, path)  # exchanged since it was seen
            return
        if self._files >= self._limits.files:
            self.left_out(MANY, path)
            raise _EnoughError
        target = os.path.join(self._into, *parts)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        size = None
        try:
            size = self._copy(source, target, 0o755 if found.st_mode & 0o100 else 0o644)
        finally:
            if size is None and os.path.lexists(target):
                os.unlink(target)
        if size is None:
            self.left_out(SIZE, path)
            return
        self._files += 1
        self._size += size

    def _copy(self, source: int, target: str, mode: int) -> Optional[int]:
        """How many bytes were copied; None where the room for them ends, whatever `fstat` said."""
        copied = 0
        room = self._limits.size - self._size
        if os.fstat(source).st_size > room:
            return None
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(made, "wb") as out:
            while True:
                self._in_time()
                chunk = os.read(source, CHUNK)
                copied += len(chunk)
                if copied > room:
                    return None
                if not chunk:
                    return copied
                out.write(chunk)


@contextmanager
def _opened(name: str, parent: int, more: int = 0) -> Iterator[int]:
    descriptor = os.open(name, FLAGS | more, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def storable(path: str) -> bool:
    """Whether Actions' storage takes a file of that path, and whoever uploads it can read its name."""
    try:
        return REFUSED.search(path) is None and len(path.encode("utf-8")) <= 1000
    except UnicodeEncodeError:
        return False  # no UTF-8
