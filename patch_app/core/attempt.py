"""The attempt: one try to carry one stack onto one release, and all that was gathered about it.

The record is the state; nothing here knows how it is stored or how GitHub is asked.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, assert_never

from pydantic import Field

from patch_app.core import names
from patch_app.core.carry_over import CarryOver
from patch_app.core.channel import Channel
from patch_app.core.configuration import Configuration
from patch_app.core.earlier import Earlier
from patch_app.core.gate_text import Finding
from patch_app.core.leaving import Leaving, LetGo
from patch_app.core.model import Model
from patch_app.core.proof import Proof
from patch_app.core.release_notes import ReleaseNotes
from patch_app.core.report import Report
from patch_app.core.rules import Rules
from patch_app.core.upstream_changes import UpstreamChanges
from patch_app.core.upstreams import Followed
from patch_app.core.vouch import Vouch

# of an attempt: code in a check may store any number
MOST_ARTIFACTS: Final = 100


class Stage(StrEnum):
    """Where an attempt stands. The first row goes forward; the second stands aside or ends."""

    PREFLIGHT = "preflight"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    CARRIED = "carried"
    CONFLICT = "conflict"
    GATED = "gated"
    REVIEWING = "reviewing"
    APPROVED = "approved"
    PROMOTING = "promoting"
    PROMOTED = "promoted"

    HELD = "held"
    BLOCKED = "blocked"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    ABANDONED = "abandoned"
    CONTAINED = "contained"
    ROLLED_BACK = "rolled-back"
    CARRIED_OVER = "carried-over"


ENDED = frozenset(
    {
        Stage.PROMOTED,
        Stage.SUPERSEDED,
        Stage.FAILED,
        Stage.ABANDONED,
        Stage.CONTAINED,
        Stage.ROLLED_BACK,
        Stage.CARRIED_OVER,
    }
)


class Status(StrEnum):
    """patch.moi's word for where an attempt stands, for people and for its query API."""

    STARTED = "started"
    CHANGED = "changed"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    BLOCKED = "blocked"
    NEEDS_INTERVENTION = "needs_intervention"


class Run(Model):
    """One workflow run that carries the attempt's id in its name."""

    id: int
    attempt: int = 1
    status: str
    conclusion: str | None = None
    url: str = ""


class Check(Model):
    """One check or commit status on the candidate, or one configured check's job."""

    name: str
    app: str
    # id of the App that made it; None: a commit status, which anybody who may write can set
    app_id: int | None = None
    status: str
    conclusion: str | None = None
    url: str = ""
    workflow: str | None = None
    # login of who set a commit status, an App's with `[bot]` behind it
    creator: str | None = None
    # the run of Actions that was found to have it as a job; None: it counts for nothing as a required check
    run: int | None = None
    # why it is no pass whatever its conclusion is
    doubt: str = ""
    # why it passes only once somebody has trusted the candidate's workflow files
    untrusted: str = ""


class Artifact(Model):
    """What a run stored, by its name and page. Whoever ran code in a check chose the name."""

    name: str
    url: str = ""


class Failure(Model):
    """A configured check that failed on the candidate, with the end of its log."""

    job: int
    name: str
    url: str = ""
    tail: str = ""


class Approval(Model):
    """A person's review of exactly one commit, with the permission they have on the fork."""

    person: str
    commit: str
    permission: str
    at: datetime | None = None


class Asked(Model):
    """What a person asked for, of exactly one commit, with the permission they had when it was read."""

    person: str
    permission: str
    commit: str


class Hold(Model):
    """A person wants nothing to happen for now."""

    person: str
    reason: str = ""


class Press(Model):
    """A person pressed a button of the App's check run, or asked on the command line.

    Only a signed delivery tells of it, once, so it is kept; `id` is the delivery's.
    """

    id: str
    # login; empty for the person who runs the server
    person: str = ""
    # a line as in a comment, without `/patch`
    command: str
    # the commit that the check run is on
    commit: str | None = None


class Undone(Model):
    """A merge without an approval, which was taken back: the pull request and the merge's commit."""

    number: int
    commit: str


class Link(Model):
    """A pull request or issue of the attempt."""

    number: int
    url: str


class Landed(Model):
    """How the stack came onto its branch: the App's commit there, and the branch's head before it."""

    commit: str
    onto: str


class Landing(Model):
    """The pull request that brings the candidate onto a branch that is never forced."""

    # its head: the candidate's files on top of the branch's head and of the candidate
    commit: str | None = None
    pull_request: Link | None = None
    # the last number that is closed, or is to be
    closed: int = 0
    # why no other one is opened before somebody asks
    refused: str | None = None
    # its files came onto the branch without its commits, and what the branch was then
    squashed: str | None = None


class PatchBranch(Model):
    """A patch branch of the stack and its head; zeros: there is no such branch."""

    branch: str
    sha: str


class Attempt(Model):
    """The record that everything about one try is gathered into."""

    id: str
    version: int = 0
    event: str
    number: int = 1
    replay_of: str | None = None
    # the attempt that has taken over
    superseded_by: str | None = None

    installation_id: int
    repository_id: int
    repository: str
    upstream: str
    # its repository's id, once the preflight has held it against what the fork has followed until then
    upstream_id: int | None = None
    followed: Followed = Followed()
    tag: str
    stack: str
    # what is carried is a person's pull request, which `stack` names then; None: the stack, onto a release
    carry_over: CarryOver | None = None

    stage: Stage = Stage.PREFLIGHT
    # where a held or blocked attempt goes on once nothing is in its way
    resume: Stage | None = None
    message: str = ""
    error: str | None = None

    configuration: Configuration = Configuration()
    configuration_blob: str | None = None

    # read once in the preflight, expected from then on
    target: str | None = None
    base: str | None = None
    stack_head: str | None = None
    # how many commits the stack has, as GitHub counts them: a hint for the run, never believed
    ahead: int | None = None
    # the newest commit that the stack and the target both have, as GitHub compares them
    merge_base: str | None = None
    # the newest that the stack and upstream's default branch both have
    shared: str | None = None
    # the patch branches that the stack is built from, in order
    patches: tuple[PatchBranch, ...] = ()
    # what an attempt before made of commits of patch branches: commit of the maintained branch, commit there
    built: dict[str, str] = Field(default_factory=dict)
    # how the stack that is carried came onto its branch, where that was by a pull request
    landed: Landed | None = None
    # on which the App's workflow runs
    default_branch: str = ""
    # what the release's page says; None: the tag has none
    release: ReleaseNotes | None = None
    # blob id of the App's workflow file, which must be the one that the run used
    workflow_blob: str | None = None
    bundle_from: Literal["target", "base"] = "base"
    # the App's own refs are branches here: this GitHub takes no other
    on_branches: bool = False
    # the recorded resolutions that the run may use
    resolutions: str | None = None
    # what a person pushed to the maintenance branch, which this attempt goes on from
    pushed: str | None = None

    runs: tuple[Run, ...] = ()
    # the inbox commit that our run vouched for, how, and what it says
    inbox: str | None = None
    vouch: Vouch | None = None
    report: Report | None = None
    # what was carried: the candidate, or on a conflict what there was before it
    candidate: str | None = None

    # what workflow files would do that is new: while it waits for trust, and once that was given
    gate: tuple[Finding, ...] = ()
    # workflow files that the candidate has otherwise than the maintained branch, or has alone
    workflow_changes: tuple[str, ...] = ()
    trusted_findings: tuple[Finding, ...] = ()
    # commits of upstream that leave the branch with this release, and who lets them go
    leaving: Leaving | None = None
    let_go: LetGo | None = None
    # what upstream changed in the files that the patches touch, read once
    upstream_changes: UpstreamChanges | None = None
    # whether the server found the patches the same on the candidate; read where it could go on by itself
    proof: Proof | None = None
    # candidates that people have seen before: the last approved one, the last one for this release
    earlier: tuple[Earlier, ...] = ()
    pull_request: Link | None = None
    issue: Link | None = None
    check_run: int | None = None
    checks: tuple[Check, ...] = ()
    failures: tuple[Failure, ...] = ()
    # candidates before this one whose approvals count for it, since they are the same patch by patch
    equals: tuple[str, ...] = ()
    # we made the pull request a draft
    drafted: bool = False
    # as they were when they were last read: to tell of, never to promote by
    rules: Rules | None = None
    approvals: tuple[Approval, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    candidate_tag: str | None = None

    # what people asked for: what was dealt with, and what still stands
    answered: tuple[str, ...] = ()
    presses: tuple[Press, ...] = ()
    hold: Hold | None = None
    asked: Asked | None = None
    trusted: Asked | None = None
    rollback: Asked | None = None
    # where the candidate went, or can go, since its promotion
    channels: tuple[Channel, ...] = ()
    # patches that the carry leaves out, by their full ids
    drop: tuple[str, ...] = ()

    undone: tuple[Undone, ...] = ()
    # once one was begun; it stays, for a merge that comes late
    landing: Landing | None = None
    # an ended attempt's branches were taken away, or are not to be
    cleaned: bool = False
    # the last value that we wrote to each ref, by full name; zeros for a deletion
    written: dict[str, str] = Field(default_factory=dict)

    created: datetime
    updated: datetime
    completed: datetime | None = None

    def place(self, ref: str) -> str:
        """The full name under which the fork has a ref of ours."""
        return names.as_branch(ref) if self.on_branches and ref.startswith(f"{names.NAMESPACE}/") else ref

    @property
    def floor(self) -> str | None:
        """What the runner's own commits stand on: the release, or what a person has pushed on top of it."""
        return self.pushed or self.target

    @property
    def expected(self) -> str | None:
        """What the maintained branch must be until the promotion."""
        return (self.landing.squashed if self.landing else None) or self.stack_head

    @property
    def goes_back(self) -> bool:
        """Whether commits of upstream leave with the release, and nobody lets them: a word on another release
        or on another head is none on this.
        """
        word = self.let_go
        let = word is not None and (word.target, word.stack_head) == (self.target, self.stack_head)
        return self.leaving is not None and not let

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.stage not in ENDED

    @property
    def watched(self) -> bool:
        """Whether the timer looks at it: it is open, or a channel has not come to its end."""
        return self.open or self.channels_due

    @property
    def channels_due(self) -> bool:
        """Whether a channel is under way, or nobody was told of one yet."""
        known = {one.name for one in self.channels}
        wanted = set(self.configuration.channels.names) if self.stage is Stage.PROMOTED else set()
        return not wanted <= known or any(one.under_way for one in self.channels)


def status(attempt: Attempt) -> Status:
    """patch.moi's status, derived from the stage by this one table."""
    match attempt.stage:
        case Stage.PREFLIGHT | Stage.DISPATCHED | Stage.RUNNING:
            return Status.STARTED
        case Stage.CARRIED:
            return Status.NEEDS_INTERVENTION if attempt.gate else Status.STARTED
        case Stage.GATED | Stage.REVIEWING | Stage.APPROVED | Stage.PROMOTING:
            return Status.CHANGED
        case Stage.PROMOTED | Stage.CARRIED_OVER:
            return Status.COMPLETED
        case Stage.CONFLICT | Stage.HELD:
            return Status.NEEDS_INTERVENTION
        case Stage.BLOCKED:
            return Status.BLOCKED
        case Stage.FAILED:
            return Status.FAILED
        case Stage.SUPERSEDED | Stage.ABANDONED | Stage.CONTAINED | Stage.ROLLED_BACK:
            return Status.SKIPPED
        case _:
            assert_never(attempt.stage)


# of several attempts the worst status wins, in this order
_WORST = (
    Status.NEEDS_INTERVENTION,
    Status.BLOCKED,
    Status.FAILED,
    Status.CHANGED,
)


def combined(statuses: list[Status]) -> Status:
    """The status of an event from those of its attempts (skipped or completed only where all are)."""
    for worst in _WORST:
        if worst in statuses:
            return worst
    for same in (Status.SKIPPED, Status.COMPLETED):
        if statuses and all(one is same for one in statuses):
            return same
    if statuses and all(one in (Status.SKIPPED, Status.COMPLETED) for one in statuses):
        return Status.COMPLETED
    return Status.STARTED
