"""The runner's records: what goes from one step to the next. Holds no logic and starts nothing."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

CLEAN = "clean"
ADJUSTED = "adjusted"
ALREADY_UPSTREAM = "already-upstream"
EMPTY = "empty"
RESOLVED = "resolved"
CONFLICTED = "conflicted"
NOT_TRIED = "not-tried"
DROPPED = "dropped"

CARRIED = frozenset({CLEAN, ADJUSTED, RESOLVED})
"""Verdicts that leave a commit in the candidate."""

FLATTEN = "flatten"
PRESERVE = "preserve"
"""What becomes of merges in the stack: its commits in one row, or the merges made again."""

REBASE = "rebase"
MERGE = "merge"
PATCHES = "patches"
"""How a release gets into the maintained branch: the patches written anew onto it, or it merged into them; or
patches of branches of their own."""

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
    """A commit by name: of upstream, to explain a verdict, or one that a person added."""

    sha: str
    subject: str


TARGET = -1
"""In place of a patch's number: the release itself."""


class Patch(NamedTuple):
    """What one commit of the stack does. `raw` is the commit object's own bytes.

    `made` are the trees before and after it in the fork's history, and `changes` their differences; for a
    merge commit what Git makes of its parents, and what the merge made of it. `before` and `after` are what
    is carried: the same, or what merges in the stack have made of it. `settled_by` is the merge commit that
    settled a conflict of it.

    `onto` are the numbers of the patches that it is carried onto: one, or for a merge that is made again each
    of its parents, and in `bases` for each parent but the first what it has in common with those before it.
    """

    old: str
    raw: bytes
    subject: str
    author: str
    made: Tuple[str, str]
    changes: Tuple[Change, ...]
    before: str
    after: str
    settled_by: Optional[str] = None
    onto: Tuple[int, ...] = (TARGET,)
    bases: Tuple[int, ...] = ()


class Used(NamedTuple):
    """A resolution, used for a path, and the diff from the conflict with its markers to what was made of it.

    A recorded one has an id and the commit that it was learned from; one of a resolver has the name in `by`.
    """

    id: Optional[str]
    path: bytes
    source: Optional[str]
    diff: str
    by: Optional[str] = None


class Outcome(NamedTuple):
    """What became of one patch. `new` is None where the candidate has no commit for it.

    `range_diff` compares the patch with its new commit; it belongs to adjusted and resolved ones.
    """

    patch: Patch
    verdict: str
    new: Optional[str] = None
    note: Optional[str] = None
    upstream_commits: Tuple[UpstreamCommit, ...] = ()
    resolution: Tuple[Used, ...] = ()
    range_diff: Optional[str] = None


class Recorded(NamedTuple):
    """All resolutions, old and new, as a tree at hand; and how many are new."""

    tree: str
    learned: int


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
    """A command of the fork's configuration, to be run on the carried tree. `timeout` is in seconds.

    `sparse` are the directories that it needs, with the files directly in those above them; none: all.
    `artifacts` are paths and patterns of what is kept of what it made.
    """

    name: str
    run: str
    working_directory: str
    timeout: int
    sparse: Tuple[str, ...] = ()
    artifacts: Tuple[str, ...] = ()


class Resolver(NamedTuple):
    """A command of the fork's configuration that is asked to settle a conflict. `timeout` is in seconds.

    `paths` may change beside the conflicting ones; `hidden` are names and paths that are kept from it, since
    agents take instructions from them.
    """

    name: str
    run: str
    timeout: int
    instructions: str = ""
    paths: Tuple[str, ...] = ()
    hidden: Tuple[str, ...] = ()


class Request(NamedTuple):
    """A validated request; see request.py for the rules.

    `ahead` says how many commits the stack may have, 0 where nobody knows: it saves requests, and where it is
    wrong the report is the same.
    `patches` are the patch branches in order, each with its head. `built` are commits of the maintained
    branch that the App made, each with the commit of a patch branch that it was made of.
    `app` is the App's id, for which a token is asked for.
    `landing` is the App's commit by which a pull request brought the stack onto the branch, and what the
    branch was before it.
    """

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
    resolutions: Optional[str]
    checks: Tuple[Check, ...]
    merges: str = FLATTEN
    strategy: str = REBASE
    start: Optional[str] = None
    pushed: Optional[str] = None
    resolver: Optional[Resolver] = None
    ahead: int = 0
    patches: Tuple[Tuple[str, str], ...] = ()
    built: Tuple[Tuple[str, str], ...] = ()
    drop: Tuple[str, ...] = ()
    landing: Optional[Tuple[str, str]] = None
    app: int = 0


class Branch(NamedTuple):
    """A patch branch: its head, the upstream commit that it stands on, and what it has beyond upstream,
    oldest first.
    """

    name: str
    sha: str
    base: str
    commits: Tuple[str, ...]


class Landing(NamedTuple):
    """A stack that came onto its branch by a pull request. `commit` is the App's own, with the files of
    `carried`, the candidate of then, and on top of `onto`, the branch of before.

    `below` are parents of the stack's commits that the branch had before: no patch of theirs is carried, and
    what stands on them comes after the candidate's. `within` are the candidate's own commits.
    """

    commit: str
    onto: str
    carried: str
    below: FrozenSet[str]
    within: FrozenSet[str]


class History(NamedTuple):
    """Where the stack starts. `stack` is in the order of carrying and still holds merges and installed
    commits.

    `parents` are those of each stack commit, `edges` those of them that are no stack commits, newest first,
    `others` those that the base doesn't have.
    `depth` is how many generations below the head must be fetched. `upstream` are the commits between base
    and target, newest first, with their subjects; `behind` counts them, None where that isn't known. `start`
    is the fork's own commit below which nothing is carried, if there is one; `notes` are for a person;
    `branches` are the patch branches, in order, where the stack is built from such; `landing` how it came
    onto its branch, where that was a pull request; `leaving` the commits of upstream that the stack stands on
    and the target lacks, newest first, as far as the history is at hand.
    """

    stack: Tuple[str, ...]
    parents: Dict[str, Tuple[str, ...]]
    base: Optional[str]
    edges: Tuple[str, ...]
    others: Tuple[str, ...]
    depth: int
    upstream: Tuple[UpstreamCommit, ...]
    behind: Optional[int]
    contained: bool
    oldest: int
    start: Optional[str]
    notes: Tuple[str, ...]
    branches: Tuple[Branch, ...] = ()
    landing: Optional[Landing] = None
    leaving: Tuple[UpstreamCommit, ...] = ()


class Made(NamedTuple):
    """A commit made of a patch by somebody: its bytes, the trees before and after it, their differences."""

    sha: str
    raw: bytes
    before: str
    after: str
    changes: Tuple[Change, ...]


Settled = Tuple[Patch, Made]
"""A patch and the commit that stands for it, in which somebody has settled a conflict."""


class Installed(NamedTuple):
    """The App's own commits in the stack (old ids) and the one that stands for them on the candidate."""

    commits: Tuple[str, ...]
    new: Optional[str]


class Carried(NamedTuple):
    """The end of a carry: an outcome for every patch, the tip of what was carried, and the conflict, if any.

    `added` are commits that a person pushed beside the patches.
    """

    outcomes: Tuple[Outcome, ...]
    tip: str
    conflict: Optional[Conflict]
    installed: Optional[Installed]
    merges: Tuple[str, ...]
    added: Tuple[UpstreamCommit, ...] = ()


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
