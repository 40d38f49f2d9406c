"""The runner's report, schema 1, as the server reads it: bounded, frozen, and nothing unknown in it.

A report comes out of a job that is not trusted, so this checks shape and size only; what the report claims is
checked against the fork's refs and the bundle elsewhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_REPORT_BYTES = 20_000_000
"""A report that is longer isn't read. The runner's own limits keep a stack of 2,000 patches well below it."""


class Status(StrEnum):
    """How the carry ended."""

    CLEAN = "clean"
    CONFLICT = "conflict"
    CHECKS_FAILED = "checks_failed"
    NOOP = "noop"
    ERROR = "error"


class Verdict(StrEnum):
    """What became of one patch."""

    CLEAN = "clean"
    ADJUSTED = "adjusted"
    ALREADY_UPSTREAM = "already-upstream"
    EMPTY = "empty"
    RESOLVED = "resolved"
    CONFLICTED = "conflicted"
    NOT_TRIED = "not-tried"
    DROPPED = "dropped"


CARRIED = frozenset({Verdict.CLEAN, Verdict.ADJUSTED, Verdict.RESOLVED})
"""Verdicts that leave a commit on the candidate."""

SETTLED = CARRIED | {Verdict.ALREADY_UPSTREAM, Verdict.EMPTY, Verdict.DROPPED}
"""Verdicts that every patch of a candidate has."""

Oid = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Short = Annotated[str, StringConstraints(max_length=1000)]
Note = Annotated[str, StringConstraints(max_length=4000)]
Path = Annotated[str, StringConstraints(max_length=16_384)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """Base of all parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(Part):
    """The Actions run that wrote the report, as it says itself."""

    id: Annotated[int, Field(ge=0, lt=2**63, strict=True)]
    attempt: Annotated[int, Field(ge=1, lt=2**31, strict=True)]


class Stack(Part):
    """The maintained branch: its head, and how many commits it is ahead of and behind the target."""

    branch: Short
    sha: Oid
    ahead: Count | None
    behind: Count | None


class Target(Part):
    """The release: name of its tag and its peeled commit."""

    name: Short
    sha: Oid


class UpstreamCommit(Part):
    """A commit by name: of upstream, to explain a verdict, or one that a person added."""

    sha: Oid
    subject: Short


class Resolution(Part):
    """A resolution, used for one path, with the diff from the conflict to what was made of it.

    A recorded one has its id and the commit that it was learned from, one of the resolver the name in `by`.
    """

    id: Oid | None
    path: Path
    source: Oid | None
    diff: Annotated[str, StringConstraints(max_length=60_000)]
    by: Short | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if {self.id is None, self.source is None} != {self.by is not None}:
            raise ValueError("a resolution was recorded, or it is the resolver's")
        return self


class Patch(Part):
    """One patch and what became of it. `new` is there exactly where the candidate (or partial) has a commit
    for it."""

    old: Oid
    new: Oid | None
    subject: Short
    author: Short
    verdict: Verdict
    paths: Annotated[tuple[Path, ...], Field(max_length=300)]
    upstream_commits: Annotated[tuple[UpstreamCommit, ...], Field(max_length=50)]
    note: Note | None
    merge: bool = False
    """A merge commit, with what it settled or added."""
    resolution: Annotated[tuple[Resolution, ...], Field(max_length=200)] = ()
    range_diff: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    """The patch against its new commit, where it was adjusted or resolved; a runner of before has none."""
    branch: Short | None = None
    """The patch branch that it comes from; none where only the maintained branch has it."""
    source: Oid | None = None
    """Its commit there: `old`, or what `old` stands for on the maintained branch. Without a branch: no branch
    has it any more."""
    built: Oid | None = None
    """The maintained branch's commit that stands for it, if there is one."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.new is not None) != (self.verdict in CARRIED):
            raise ValueError("a patch has a new commit exactly where it was carried")
        if self.range_diff is not None and self.verdict not in {Verdict.ADJUSTED, Verdict.RESOLVED}:
            raise ValueError("a range-diff of its own belongs to a patch that was adjusted or resolved")
        if self.resolution and self.verdict is not Verdict.RESOLVED:
            raise ValueError("a resolution belongs to the verdict resolved")
        if self.source is None and (self.branch is not None or self.built is not None):
            raise ValueError("a patch of a patch branch has its commit there")
        if self.source is not None and self.branch is None and self.verdict is not Verdict.DROPPED:
            raise ValueError("a patch that no patch branch has any more is dropped")
        if self.source is not None and self.old not in {self.source, self.built}:
            raise ValueError("a patch that is neither its branch's nor the maintained branch's commit")
        return self


class Branch(Part):
    """A patch branch: its head, and the upstream commit that it stands on."""

    branch: Short
    sha: Oid
    base: Oid


class Drift(Part):
    """Where patch branches and maintained branch differ.

    `only_in_branches`: commits of patch branches that the maintained branch lacks; `only_in_maintained`: its
    commits that no patch branch has, which are carried last; `changed`: commits of patch branches that it has
    with other lines.
    """

    only_in_branches: Annotated[tuple[Oid, ...], Field(max_length=2000)]
    only_in_maintained: Annotated[tuple[Oid, ...], Field(max_length=2000)]
    changed: Annotated[tuple[Oid, ...], Field(max_length=2000)]


class Leaving(Part):
    """Commits of upstream that the stack stands on and the release lacks: how many, and the newest ones."""

    number: Annotated[int, Field(ge=1)]
    commits: Annotated[tuple[UpstreamCommit, ...], Field(max_length=50)]


class Candidate(Part):
    """The carried stack: commit, its tree and the ref that it gets on the fork."""

    sha: Oid
    tree: Oid
    ref: Short


class Partial(Part):
    """What was carried before the first conflict."""

    sha: Oid
    ref: Short


class Stage(Part):
    """Index stage of a conflicting path: 1 the patch's parent, 2 what is carried so far, 3 the patch."""

    stage: Literal[1, 2, 3]
    mode: Annotated[str, StringConstraints(pattern=r"^[0-7]{6}$")]
    oid: Oid


class ConflictFile(Part):
    """A path that could not be merged; `kind` is Git's own short name for it."""

    path: Path
    kind: Short
    stages: Annotated[tuple[Stage, ...], Field(max_length=3)]


class Conflict(Part):
    """Where the carry stopped: the patch's old id, the files, and a diff with the conflicting hunks."""

    patch: Oid
    files: Annotated[tuple[ConflictFile, ...], Field(max_length=200)]
    diff: Annotated[str, StringConstraints(max_length=60_000)]


class Installed(Part):
    """The App's own commits in the stack, and the one that stands for them on the candidate."""

    commits: Annotated[tuple[Oid, ...], Field(max_length=2000)]
    new: Oid | None


class Recorded(Part):
    """All recorded resolutions as a tree, which the inbox commit has; and how many are new."""

    tree: Oid
    learned: Annotated[int, Field(ge=1)]


class Resolver(Part):
    """The fork's resolver: how many conflicts it settled, how many answers were none or not taken, and
    whether the inbox commit has what it said."""

    name: Short
    settled: Count
    refused: Count
    log: bool


class BundlePart(Part):
    """One file of the bundle: path in the inbox commit, size in bytes, SHA-256 in hex."""

    path: Annotated[str, StringConstraints(pattern=r"^candidate\.bundle(?:\.[0-9]{3})?$")]
    size: Annotated[int, Field(ge=1, le=100_000_000)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Bundle(Part):
    """The bundle that goes with the report."""

    ref: Short
    tip: Oid
    prerequisites: Annotated[tuple[Oid, ...], Field(min_length=1, max_length=10)]
    parts: Annotated[tuple[BundlePart, ...], Field(min_length=1, max_length=1000)]


class Kept(Part):
    """What was kept of what a check made: files, their bytes, and how many were left out."""

    directory: Annotated[str, StringConstraints(max_length=10_000)]
    files: Count
    bytes: Count
    left_out: Count


class Check(Part):
    """A check that was run on the candidate; `exit` is negative for a signal, `log_tail` head and tail of
    its log."""

    name: Short
    exit: int
    seconds: Annotated[float, Field(ge=0)]
    timed_out: bool
    log_tail: Annotated[str, StringConstraints(max_length=60_000)]
    artifacts: Kept | None


class Network(Part):
    """Bytes of HTTP headers and bodies (over other transports: of packs), and HTTP requests."""

    received_bytes: Count
    sent_bytes: Count
    requests: Count


class Failure(Part):
    """Why there is no outcome: the stage and a sentence for a person."""

    stage: Short
    message: Note


class Report(Part):
    """The whole report.

    `model_validate_json` raises pydantic's ValidationError for anything that isn't schema 1, or whose parts
    contradict each other (a candidate beside a patch without a settled verdict, for example).
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema")
    status: Status
    attempt: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{8,40}$")] | None
    run: Run | None
    stack: Stack | None
    base: Oid | None
    other_bases: Annotated[tuple[Oid, ...], Field(max_length=20)]
    """Upstream commits that the stack stands on too and that the base doesn't have."""
    start: Oid | None
    """The fork's own commit below which nothing is carried; null where the stack begins at upstream's
    commits.
    """
    target: Target | None
    patches: Annotated[tuple[Patch, ...], Field(max_length=2000)]
    branches: Annotated[tuple[Branch, ...], Field(max_length=100)] = ()
    """The patch branches that the stack is built from, in order."""
    drift: Drift | None = None
    candidate: Candidate | None
    partial: Partial | None
    conflict: Conflict | None
    installed: Installed | None
    merges: Annotated[tuple[Oid, ...], Field(max_length=2000)]
    """Merge commits of the stack of which nothing is left: they have no verdict and no new commit."""
    leaving: Leaving | None = None
    """What the release would take out of the branch, for a preview: the server finds it out by itself."""
    notes: Annotated[tuple[Note, ...], Field(max_length=20)]
    """What a person should know about how the stack was read."""
    added: Annotated[tuple[UpstreamCommit, ...], Field(max_length=2000)]
    """Commits that a person pushed beside the patches."""
    resolutions: Recorded | None = None
    resolver: Resolver | None = None
    """Who was asked about conflicts; null where nobody was."""
    range_diff: Annotated[str, StringConstraints(max_length=60_000)] | None
    bundle: Bundle | None
    checks: Annotated[tuple[Check, ...], Field(max_length=50)]
    network: Network
    seconds: dict[Short, Annotated[float, Field(ge=0)]]
    git_version: Short | None
    error: Failure | None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        has_candidate = self.status in {Status.CLEAN, Status.CHECKS_FAILED}
        if (self.candidate is not None) != has_candidate:
            raise ValueError("a candidate belongs to the statuses clean and checks_failed")
        if has_candidate and any(patch.verdict not in SETTLED for patch in self.patches):
            raise ValueError("a candidate whose patches are not all settled")
        if (self.conflict is not None) != (self.status is Status.CONFLICT):
            raise ValueError("a conflict belongs to the status conflict")
        if self.partial is not None and self.status is not Status.CONFLICT:
            raise ValueError("a partial result belongs to the status conflict")
        if (self.error is not None) != (self.status is Status.ERROR):
            raise ValueError("an error belongs to the status error")
        if self.status is not Status.ERROR and (self.stack is None or self.target is None):
            raise ValueError("only an error may lack stack and target")
        if len({patch.old for patch in self.patches}) != len(self.patches):
            raise ValueError("a patch with two verdicts")
        if self.drift not in (None, self._drift()):
            raise ValueError("a drift that is not that of the patches")
        return self

    def _drift(self) -> Drift:
        theirs = [one for one in self.patches if one.source is not None]
        return Drift(
            only_in_branches=tuple(str(one.source) for one in theirs if one.built is None),
            only_in_maintained=tuple(one.old for one in self.patches if one.source is None),
            changed=tuple(one.old for one in theirs if one.built is not None and one.old != one.built),
        )

    @property
    def tip(self) -> str | None:
        """What was carried: the candidate, or what came before the conflict."""
        if self.candidate is not None:
            return self.candidate.sha
        return self.partial.sha if self.partial is not None else None
