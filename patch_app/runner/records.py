"""The runner's records: what goes from one step to the next. Holds no logic and starts nothing."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

CLEAN = "clean"
ADJUSTED = "adjusted"
ALREADY_UPSTREAM = "already-upstream"
EMPTY = "empty"
RESOLVED = "resolved"
CONFLICTED = "conflicted"
NOT_TRIED = "not-tried"

CARRIED = frozenset({CLEAN, ADJUSTED, RESOLVED})
"""Verdicts that leave a commit in the candidate."""

GITLINK = "160000"
SYMLINK = "120000"


class Problem(Exception):  # noqa: N818 - it is an outcome more often than an error
    """Something a person can read: the carry can't go on. `stage` says where, `message` says what to do."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message


class Change(NamedTuple):
    """One path of a raw diff. Modes are octal strings, ids are hex; `source` and `path` differ for a
    rename."""

    old_mode: str
    new_mode: str
    old: str
    new: str
    status: str
    source: bytes
    path: bytes


class UpstreamCommit(NamedTuple):
    """A commit of the upstream repository that explains a verdict."""

    sha: str
    subject: str


class Patch(NamedTuple):
    """One commit of the stack. `parent` is None for a root commit; `raw` is the commit object's own bytes."""

    old: str
    parent: Optional[str]
    raw: bytes
    subject: str
    author: str
    changes: Tuple[Change, ...]


class Outcome(NamedTuple):
    """What became of one patch. `new` is None where the candidate has no commit for it."""

    patch: Patch
    verdict: str
    new: Optional[str] = None
    note: Optional[str] = None
    upstream_commits: Tuple[UpstreamCommit, ...] = ()


class Stage(NamedTuple):
    """One index stage of a conflicting path: 1 the patch's parent, 2 what is carried so far, 3 the patch."""

    stage: int
    mode: str
    oid: str


class ConflictFile(NamedTuple):
    """A path that could not be merged; `kind` is Git's own short name for the conflict."""

    path: str
    kind: str
    stages: Tuple[Stage, ...]


class Conflict(NamedTuple):
    """Why the carry stopped: the patch (old id), the files and a diff that holds the conflicting hunks."""

    patch: str
    files: Tuple[ConflictFile, ...]
    diff: str


class Merge(NamedTuple):
    """Answer of `git merge-tree`: `clean` tells whether `tree` can be used."""

    clean: bool
    tree: str
    stages: Tuple[Tuple[bytes, Stage], ...]
    kinds: Dict[bytes, str]


class Check(NamedTuple):
    """A command of the fork's configuration, to be run on the carried tree. `timeout` is in seconds."""

    name: str
    run: str
    working_directory: str
    timeout: int


class Request(NamedTuple):
    """A validated request; see request.py for the rules."""

    attempt: Optional[str]
    branch: str
    stack: str
    base: Optional[str]
    target_name: str
    target: str
    upstream: str
    bundle_from: str
    date: int
    installed_paths: Tuple[bytes, ...]
    installed_trailer: str
    checks: Tuple[Check, ...]


class History(NamedTuple):
    """Where the stack starts. `stack` is in the order of carrying and still holds merges and installed
    commits.

    `parents` are those of each stack commit. `depth` is how many generations below the head must be fetched.
    `upstream` are the commits between base and target, newest first, with their subjects; `behind` counts
    them, None where that isn't known.
    """

    stack: Tuple[str, ...]
    parents: Dict[str, Tuple[str, ...]]
    base: Optional[str]
    depth: int
    upstream: Tuple[UpstreamCommit, ...]
    behind: Optional[int]
    contained: bool
    oldest: int


class Installed(NamedTuple):
    """The App's own commits in the stack (old ids) and the one that stands for them on the candidate."""

    commits: Tuple[str, ...]
    new: Optional[str]


class Carried(NamedTuple):
    """The end of a carry: an outcome for every patch, the tip of what was carried, and the conflict, if
    any."""

    outcomes: Tuple[Outcome, ...]
    tip: str
    conflict: Optional[Conflict]
    installed: Optional[Installed]
    merges: Tuple[str, ...]


def text(raw: bytes) -> str:
    """Bytes of a repository as text that any JSON parser takes; what isn't UTF-8 is escaped, never
    dropped."""
    return raw.decode("utf-8", "backslashreplace")


def cut(value: str, limit: int) -> str:
    """At most `limit` characters, cut at a line end, with a line that says so."""
    if len(value) <= limit:
        return value
    note = "\n[cut here: %d of %d characters shown]"
    room = max(0, limit - len(note) - 20)
    kept = value[:room]
    end = kept.rfind("\n")
    kept = kept[:end] if end > 0 else kept
    return kept + note % (len(kept), len(value))


def unique(values: List[str]) -> List[str]:
    """The values without repeats, in their first order."""
    return list(dict.fromkeys(values))
