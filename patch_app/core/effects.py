"""What decide wants done on GitHub. Data only; github/perform carries it out.

Each effect has a key, unique within its attempt, so that a wish repeated is one effect; and each
says how its own earlier success is recognised, since an effect runs at least once.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from patch_app.core.model import Model

# of one request, GitHub takes no more
MOST_ANNOTATIONS: Final = 50


class RefChange(Model):
    """One ref from exactly `before` to exactly `after` (full names; zeros: does not exist)."""

    ref: str
    before: str
    after: str
    force: bool = False


class Wish(Model):
    """What all effects share. `seq` tells a wish apart from the same wish made earlier."""

    seq: int = 0


class PinTarget(Wish):
    """Try to make a ref on the fork at the upstream commit. Recognised by the ref's value.

    A refusal is an answer too: GitHub shares objects in a fork network only sometimes.
    """

    kind: Literal["pin_target"] = "pin_target"
    ref: str
    target: str


class Dispatch(Wish):
    """Start the workflow on the default branch. Recognised by the attempt's id in the run's name."""

    kind: Literal["dispatch"] = "dispatch"
    workflow: str
    # the default branch, on which the workflow has to run
    branch: str
    run_name: str
    inputs: dict[str, str]


class StartWorkflow(Wish):
    """Start a workflow of the fork's own for a promoted candidate.

    Its name is the fork's, so a lost answer is found by what started it: the App, on this branch, since
    it was asked for.
    """

    kind: Literal["start_workflow"] = "start_workflow"
    # the file's name
    workflow: str
    branch: str
    inputs: dict[str, str]
    # how often the channel was asked for, and when
    ask: int
    since: datetime


class Relay(Wish):
    """Read the bundle from the inbox commit, check it, send its pack. Recognised by the refs' values."""

    kind: Literal["relay"] = "relay"
    inbox: str
    # paths of the bundle's parts in the inbox commit, with their sha256
    parts: tuple[tuple[str, str], ...]
    # by path, the blobs that the inbox commit has
    blobs: dict[str, str] = Field(default_factory=dict)
    bundle_ref: str
    tip: str
    prerequisites: tuple[str, ...]
    # ids from the tip down to, not including, the floor
    chain: tuple[str, ...]
    # those of them that may have several parents
    merges: tuple[str, ...] = ()
    # exactly what a commit of the chain stands on, where that isn't the next one
    parents: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    floor: str
    changes: tuple[RefChange, ...]


class Land(Wish):
    """Make the commit that brings a candidate onto the maintained branch, and its branch.

    Of fixed bytes, so it is recognised by the branch's value.
    """

    kind: Literal["land"] = "land"
    ref: str
    before: str
    # its parents, the second of which has its files
    onto: str
    candidate: str
    message: str


class Record(Wish):
    """Keep the resolutions that the inbox commit has. Recognised by the ref's value."""

    kind: Literal["record"] = "record"
    ref: str
    before: str
    inbox: str
    # the tree in the inbox commit, which becomes a commit of the App's
    tree: str


class UpdateRefs(Wish):
    """Move refs atomically, each from its expected value. Recognised by the refs' values."""

    kind: Literal["update_refs"] = "update_refs"
    purpose: Literal["branches", "promote", "rollback", "clean", "landing", "release", "carry-over"]
    # the repository's id in GraphQL
    node: str = ""
    changes: tuple[RefChange, ...]


class OpenPullRequest(Wish):
    """Recognised by its head branch."""

    kind: Literal["open_pull_request"] = "open_pull_request"
    head: str
    base: str
    title: str
    body: str
    draft: bool = False


class EditPullRequest(Wish):
    """Setting a title and body twice is the same as once."""

    kind: Literal["edit_pull_request"] = "edit_pull_request"
    number: int
    title: str
    body: str


class OpenIssue(Wish):
    """Recognised by the marker, an HTML comment in its body."""

    kind: Literal["open_issue"] = "open_issue"
    marker: str
    title: str
    body: str


class Close(Wish):
    """Say one line and close an issue or pull request. The line is recognised by its marker."""

    kind: Literal["close"] = "close"
    subject: Literal["issue", "pull_request"]
    number: int
    marker: str
    comment: str


class Comment(Wish):
    """One comment on an issue or pull request, recognised by its marker."""

    kind: Literal["comment"] = "comment"
    number: int
    marker: str
    body: str


class Draft(Wish):
    """Make a pull request a draft, or ready again. Recognised by its being so."""

    kind: Literal["draft"] = "draft"
    number: int
    draft: bool


class Hide(Wish):
    """Fold an own comment that is outdated. Recognised by its being folded already."""

    kind: Literal["hide"] = "hide"
    # the comment's id in GraphQL
    comment: str


class React(Wish):
    """A reaction to a comment. GitHub keeps one of each kind a person."""

    kind: Literal["react"] = "react"
    comment: int
    content: Literal["+1", "confused"]


class Rerun(Wish):
    """Start a run again, all its jobs. Recognised by the run's attempt."""

    kind: Literal["rerun"] = "rerun"
    run: int
    # the last attempt of the run that is known
    attempt: int


class Button(Model):
    """A button of a check run. GitHub takes 20 characters, 40 for what it does and 20 for the name."""

    label: str = Field(max_length=20)
    description: str = Field(max_length=40)
    identifier: str = Field(max_length=20)


class Annotation(Model):
    """What a check run says at lines of a file. The page shows title and message as plain text."""

    path: str
    start_line: int
    end_line: int
    level: Literal["notice", "warning", "failure"] = "failure"
    title: str = Field("", max_length=255)
    message: str


class PutCheckRun(Wish):
    """The App's check run on a commit, made or brought up to date. Recognised by name and external id."""

    kind: Literal["put_check_run"] = "put_check_run"
    name: str
    commit: str
    # the one that is brought up to date, where it is known
    number: int | None = None
    external_id: str
    status: Literal["queued", "in_progress", "completed"]
    conclusion: (
        Literal["success", "failure", "neutral", "cancelled", "action_required", "timed_out", "skipped"]
        | None
    ) = None
    title: str
    summary: str
    text: str = ""
    details_url: str = ""
    # at most three
    buttons: tuple[Button, ...] = Field((), max_length=3)
    # with the first wish for a commit alone: GitHub adds them to those that are there
    annotations: tuple[Annotation, ...] = Field((), max_length=MOST_ANNOTATIONS)


Effect = Annotated[
    PinTarget
    | Dispatch
    | StartWorkflow
    | Relay
    | Land
    | Record
    | UpdateRefs
    | OpenPullRequest
    | EditPullRequest
    | OpenIssue
    | Close
    | Comment
    | Draft
    | Hide
    | React
    | Rerun
    | PutCheckRun,
    Field(discriminator="kind"),
]

EFFECT: TypeAdapter[Effect] = TypeAdapter(Effect)


def key(effect: Effect) -> str:
    """The same wish has the same key: the kind and a digest of all it says."""
    digest = hashlib.sha256(effect.model_dump_json().encode()).hexdigest()[:16]
    return f"{effect.kind}:{digest}"


class EffectState(StrEnum):
    """`begun` is written before an effect that can't be compared is sent."""

    PENDING = "pending"
    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    DROPPED = "dropped"


UNFINISHED = frozenset({EffectState.PENDING, EffectState.BEGUN})


class Performed(Model):
    """An effect as it is remembered: what was wanted, how far it came, what GitHub answered."""

    key: str
    effect: Effect
    state: EffectState
    # what GitHub answered: ids and numbers, or a refusal's message
    outcome: dict[str, Any] = Field(default_factory=dict)
