"""What was read from GitHub, just now, about one attempt. Facts only: nothing here is concluded.

`None` in a field always means "not read this time"; what was read and isn't there has a value that
says so. `decide` gets nothing else.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from patch_app.core import names
from patch_app.core.attempt import Artifact, Check, Failure, Landed, Link, PatchBranch, Stage
from patch_app.core.carry_over import OpenPull
from patch_app.core.channel import ChannelFacts
from patch_app.core.commands import Parsed
from patch_app.core.configuration import Configuration
from patch_app.core.effects import Performed
from patch_app.core.gate_text import Finding
from patch_app.core.leaving import Leaving
from patch_app.core.model import Model
from patch_app.core.needs import Need
from patch_app.core.proof import Proof
from patch_app.core.release_notes import ReleaseNotes
from patch_app.core.report import Report
from patch_app.core.rules import Incoming, Rules
from patch_app.core.upstream_changes import UpstreamChanges
from patch_app.core.upstreams import Repository
from patch_app.core.vitals import Vitals
from patch_app.core.vouch import CarryLog, Token


class Workflow(Model):
    """The App's workflow on the default branch, and the runner it fetches."""

    # blob id of the file on the default branch, None: no such file
    blob: str | None
    # GitHub's word: active, disabled_fork, disabled_inactivity, disabled_manually; None: not registered
    state: str | None
    # value of refs/patch-app/runner, or of the branch that stands for it
    runner: str | None
    on_branches: bool = False
    expected_blob: str
    # the App's file as it is where checks ask for artifacts, if these don't, or the other way round
    other_blob: str
    expected_runner: str


class Preflight(Model):
    """What must be known before a run is started."""

    default_branch: str
    archived: bool = False
    workflow: Workflow
    configuration: Configuration | None
    configuration_blob: str | None = None
    # one line a problem of .github/patch-app.toml
    configuration_problems: tuple[str, ...] = ()
    # peeled commit of the tag, read from the upstream repository alone; None: no such tag
    target: str | None
    # the repository that the upstream's name leads to, and the fork's parent; None: GitHub shows none
    upstream: Repository | None = None
    parent: Repository | None = None
    # a hint from GitHub's compare inside the fork network; the runner verifies it
    base: str | None = None
    # the maintained branch already has the target; None: GitHub could not tell
    contained: bool | None = None
    # what the release's page says; None: the tag has none
    release: ReleaseNotes | None = None
    # how many commits it has that the target lacks, and the newest that both have
    ahead: int | None = None
    merge_base: str | None = None
    # the newest that the stack and upstream's default branch both have; None: not known, or of no use
    shared: str | None = None
    # how the stack came onto its branch, where that was by a pull request of ours
    landed: Landed | None = None
    # what the last promoted attempt made of commits of patch branches: new commit, commit of the branch
    built: dict[str, str] = Field(default_factory=dict)
    # branches whose names stand in the way of ours
    collisions: tuple[str, ...] = ()
    # None: not read this time, since they were a moment ago
    vitals: Vitals | None = None


class Job(Model):
    """One job of a run, from the jobs API."""

    id: int
    name: str
    status: str
    conclusion: str | None = None
    url: str = ""
    # run attempt in which it ran
    attempt: int = 1
    # their names, as far as they have begun: unlike the job's own nobody can change them afterwards
    steps: tuple[str, ...] = ()


class RunFact(Model):
    """A run whose name carries the attempt's id."""

    id: int
    attempt: int
    name: str
    path: str
    event: str
    head_sha: str
    status: str
    conclusion: str | None = None
    url: str = ""
    # login of who started it first
    actor: str = ""
    # blob id of the workflow file at head_sha
    workflow_blob: str | None = None
    created: datetime | None = None
    # the newest run attempt's begin, and the run's last change
    started: datetime | None = None
    updated: datetime | None = None
    # of all run attempts
    jobs: tuple[Job, ...] = ()
    # the first ones of many, their names cut
    artifacts: tuple[Artifact, ...] = ()
    # of the newest carry, read where no token vouches
    log: CarryLog | None = None


class Inbox(Model):
    """One ref under the attempt's inbox. A claim, until a run vouches for its commit."""

    ref: str
    # what was handed over
    commit: str
    report: Report | None
    # what the ref points at, where that is the token's commit on top of it; and the token
    tip: str | None = None
    token: Token | None = None
    # why the report could not be read
    problem: str | None = None
    # the commit's files and their blobs
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def run_attempt(self) -> int:
        """The run attempt that the ref is named for, 0 for no number."""
        return names.inbox_number(self.ref)


class PullRequest(Model):
    """The maintenance pull request as GitHub has it."""

    number: int
    url: str
    open: bool
    merged: bool
    merge_commit: str | None = None
    merged_by: str | None = None
    head: str
    base: str
    # name of the branch that it goes into
    into: str
    draft: bool = False
    # conversations that nobody has resolved; None: not read
    unresolved: int | None = None


class Review(Model):
    """The last review of one person that approves or asks for changes."""

    person: str
    bot: bool
    permission: str
    state: str
    commit: str
    at: datetime | None = None


class Ask(Model):
    """What one person asked for in one comment or with one button, and what they may do on the fork."""

    id: str
    person: str
    permission: str
    commands: tuple[Parsed, ...]
    # the issue or pull request that it was asked on, and the comment
    number: int | None = None
    comment: int | None = None
    # the commit that the button stands on
    commit: str | None = None


class Said(Model):
    """A comment of ours that tells what a person must notice, and that is not folded."""

    # its id in GraphQL
    node: str
    marker: str


class Sibling(Model):
    """Another attempt for the same stack."""

    id: str
    event: str
    tag: str
    number: int
    stage: Stage
    # its release is a later version than ours, or it is a replay of ours
    newer: bool
    pull_request: Link | None = None
    candidate: str | None = None
    target: str | None = None
    # what was carried, and who approved exactly the candidate, as it was last read
    report: Report | None = None
    approved_by: tuple[str, ...] = ()
    written: dict[str, str] = Field(default_factory=dict)
    # the release tag whose release is under way
    releasing: str | None = None


class PullFacts(Model):
    """What a carry-over needs to know of the pull request, of the branch it goes into, and of the fork."""

    open: bool
    head: str
    into: str
    # the maintained branch still has the candidate that is carried onto
    stands: bool
    default_branch: str = ""
    # read before a run is started
    workflow: Workflow | None = None
    # read before the pull request's branch is moved
    rules: Rules | None = None


class Facts(Model):
    """All that `decide` gets. Reports are read before branches."""

    now: datetime
    # the parts that were read beside those that always are
    read: frozenset[Need] = frozenset()
    # why the repository can't be read at all: removed, suspended, renamed away
    gone: str | None = None
    preflight: Preflight | None = None
    # its id, for which tokens of its runs are issued
    app_id: int = 0
    # slug of the App itself, whose checks and reviews never count
    app_slug: str
    has_issues: bool = True
    # the repository's id in GraphQL
    node: str = ""
    # id of the repository that the upstream's name leads to now; None: GitHub shows none
    upstream_id: int | None = None
    # where the runner fetches the target from
    upstream_git_url: str = ""
    # the patch branches as they are now, in order
    patches: tuple[PatchBranch, ...] | None = None
    # every ref read this time by full name; zeros: it doesn't exist
    refs: dict[str, str] = Field(default_factory=dict)
    # peeled commit of the tag now
    target: str | None = None
    # the maintained branch's new head contains the one that the stack was read at
    descends: bool | None = None
    # the maintained branch's new head contains the target, or even the candidate
    contained: bool | None = None
    has_candidate: bool | None = None
    # it contains the commit of our own pull request onto it
    has_landing: bool | None = None
    # that pull request
    landing: PullRequest | None = None
    runs: tuple[RunFact, ...] = ()
    inbox: tuple[Inbox, ...] = ()
    # commits of the maintained branch above the report's base, merges excluded
    stack_commits: tuple[str, ...] | None = None
    # the commit at which the report lets the stack begin is configured, or upstream's files
    start_holds: bool | None = None
    # merges among them
    stack_merges: tuple[str, ...] = ()
    # by patch branch: its commits above what the report says that it stands on
    patch_commits: dict[str, tuple[str, ...]] | None = None
    # of the maintained branch's commits that the report takes for one of a patch branch, those that GitHub
    # doesn't show alike
    unlike: tuple[str, ...] = ()
    # commits of what a person pushed that the target doesn't have, merges included; they stand on it
    pushed_commits: tuple[str, ...] | None = None
    pushed_stands: bool | None = None
    # the report's base is a commit of the upstream repository
    base_is_upstream: bool | None = None
    # commits of upstream that the stack stands on and the target lacks; None, where the base was read: none
    leaving: Leaving | None = None
    # of the commits that the report calls the App's own, those with its trailer that touch its paths alone
    installed: tuple[str, ...] = ()
    # the stack's head has all of the target, or has nothing that upstream lacks
    nothing_to_carry: bool | None = None
    gate: tuple[Finding, ...] | None = None
    workflow_changes: tuple[str, ...] = ()
    # read where the attempt doesn't know it yet
    upstream_changes: UpstreamChanges | None = None
    # read where the candidate could go on by itself, once
    proof: Proof | None = None
    # oldest first, those that were dealt with left out
    asks: tuple[Ask, ...] = ()
    # on the pull request, oldest first
    said: tuple[Said, ...] = ()
    pull_request: PullRequest | None = None
    failures: tuple[Failure, ...] = ()
    reviews: tuple[Review, ...] = ()
    # candidates of attempts before this one that have the very tree of this one's
    same_tree: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    # read where a channel is under way or was asked for
    channels: ChannelFacts | None = None
    # read where somebody asks for a promotion
    rules: Rules | None = None
    # what a promotion would bring onto the maintained branch, and who pushed what a person pushed: read where
    # the rules bear on it; nobody: GitHub doesn't say
    incoming: Incoming | None = None
    pushers: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    # of the pull request that is carried over
    pull: PullFacts | None = None
    # people's, onto the maintained branch; None: not read this time
    open_pulls: tuple[OpenPull, ...] | None = None
    # by key, in the order in which they were wished for
    effects: dict[str, Performed] = Field(default_factory=dict)

    def ref(self, name: str) -> str:
        """The value of a ref; zeros where it does not exist or was not read."""
        return self.refs.get(name, names.ZERO)
