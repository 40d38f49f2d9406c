"""What the query API answers: records made of stored attempts and events. Form only, nothing is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from patch_app.core.attempt import (
    Approval,
    Artifact,
    Attempt,
    Check,
    Link,
    Run,
    Stage,
    Status,
    combined,
    status,
)
from patch_app.core.channel import Channel, ChannelRun, ChannelState
from patch_app.core.configuration_channels import ChannelName
from patch_app.core.effects import EffectState
from patch_app.core.gate_text import Finding
from patch_app.core.leaving import Leaving, LetGo
from patch_app.core.model import Model
from patch_app.core.names import ZERO
from patch_app.core.proof import Proof
from patch_app.core.release_notes import ReleaseNotes
from patch_app.core.report import Conflict, Drift, Patch, Verdict
from patch_app.core.upstream_changes import UpstreamChanges
from patch_app.store import FlowEvent, HistoryLine, StoredEffect


class UpstreamRecord(Model):
    """The release: its repository, tag, ref and peeled commit (null until it was read)."""

    repository: str
    # the repository's id, which a rename keeps; null until it was read
    id: int | None
    tag: str
    ref: str
    sha: str | None


class RefRecord(Model):
    """A ref that the App wrote on the fork, and the last value it gave it."""

    ref: str
    sha: str


class ChannelRecord(Model):
    """Where the candidate went after its promotion, and how far it came."""

    name: ChannelName
    state: ChannelState
    # who asked for it; null: nobody yet, or the configuration says auto
    asked_by: str | None
    tag: str | None
    runs: tuple[ChannelRun, ...]
    why: str
    since: datetime


class AttemptSummary(Model):
    """An attempt as lists show it."""

    id: str
    event: str
    # a release onto which the stack is carried, or a promotion over which a pull request is
    operation: Literal["carry", "carry-over"] = "carry"
    number: int
    replay_of: str | None
    superseded_by: str | None
    status: Status
    stage: Stage
    open: bool
    repository: str
    stack: str
    upstream: UpstreamRecord
    base: str | None
    stack_head: str | None
    runs: tuple[Run, ...]
    # what was carried: the candidate, or on a conflict what there was before it
    candidate: str | None
    candidate_refs: tuple[RefRecord, ...]
    pull_request: Link | None
    issue: Link | None
    checks: tuple[Check, ...]
    artifacts: tuple[Artifact, ...]
    channels: tuple[ChannelRecord, ...]
    # how many patches have each verdict
    verdicts: dict[Verdict, int]
    message: str
    error: str | None
    created: datetime
    updated: datetime
    completed: datetime | None


class EffectRecord(Model):
    """One thing that the App did, or is to do, on GitHub."""

    key: str
    kind: str
    state: EffectState
    tries: int
    begun: datetime | None
    due: datetime | None
    outcome: dict[str, Any]


class HistoryRecord(Model):
    """What happened, and when."""

    at: datetime
    line: str


class AttemptRecord(AttemptSummary):
    """An attempt whole."""

    gate: tuple[Finding, ...]
    # commits of upstream that leave the branch with this release, and who lets them go
    leaving: Leaving | None
    let_go: LetGo | None
    approvals: tuple[Approval, ...]
    report_status: str | None
    patches: tuple[Patch, ...]
    conflict: Conflict | None
    range_diff: str | None
    # where patch branches and maintained branch differ; null for other strategies
    drift: Drift | None
    # what the release's page calls breaking, and what upstream changed in the files that the patches touch
    release: ReleaseNotes | None
    upstream_changes: UpstreamChanges | None
    # what the server found out about the candidate, where it could go on by itself
    proof: Proof | None
    effects: tuple[EffectRecord, ...]
    history: tuple[HistoryRecord, ...]


class AttemptList(Model):
    """Newest first; `next` is the `before` of the next page, null on the last."""

    maintenance_attempts: tuple[AttemptSummary, ...]
    next: str | None


class EventRecord(Model):
    """An event; its status is that of its attempts, the worst first."""

    id: str
    type: str
    upstream: str
    tag: str
    source: str
    record_only: bool
    received: datetime
    payload: dict[str, Any]


class EventWithAttempts(EventRecord):
    """An event and the attempts that were made for it."""

    status: Status | None
    attempts: tuple[AttemptSummary, ...]


class EventList(Model):
    """Newest first; `next` is the `before` of the next page, null on the last."""

    flow_events: tuple[EventRecord, ...]
    next: str | None


class Asked(Model):
    """A wish was written down; the engine deals with it."""

    status: Literal["accepted"] = "accepted"
    # ids of the attempts that it concerns
    attempts: tuple[str, ...]


class AttemptAsked(Asked):
    """The same, with the attempt as it was then."""

    attempt: AttemptRecord


def _common(attempt: Attempt) -> dict[str, Any]:
    written = sorted(attempt.written.items())
    refs = {ref: sha for ref, sha in written if ZERO not in (sha, attempt.written.get(attempt.place(ref)))}
    patches = attempt.report.patches if attempt.report else ()
    counts = Counter(patch.verdict for patch in patches)
    over = attempt.carry_over
    onto = f"refs/tags/{attempt.tag}" if over is None else f"refs/heads/{over.into}"
    pull_request = attempt.pull_request if over is None else Link(number=over.number, url=over.url)
    return {
        "id": attempt.id,
        "operation": "carry" if over is None else "carry-over",
        "event": attempt.event,
        "number": attempt.number,
        "replay_of": attempt.replay_of,
        "superseded_by": attempt.superseded_by,
        "status": status(attempt),
        "stage": attempt.stage,
        "open": attempt.open,
        "repository": attempt.repository,
        "stack": attempt.stack,
        "upstream": UpstreamRecord(
            repository=attempt.upstream, id=attempt.upstream_id, tag=attempt.tag, ref=onto, sha=attempt.target
        ),
        "base": attempt.base,
        "stack_head": attempt.stack_head,
        "runs": attempt.runs,
        "candidate": attempt.candidate,
        "candidate_refs": tuple(RefRecord(ref=attempt.place(ref), sha=sha) for ref, sha in refs.items()),
        "pull_request": pull_request,
        "issue": attempt.issue,
        "checks": attempt.checks,
        "artifacts": attempt.artifacts,
        "channels": tuple(_channel(one) for one in attempt.channels),
        "verdicts": {verdict: counts[verdict] for verdict in Verdict if counts[verdict]},
        "message": attempt.message,
        "error": attempt.error,
        "created": attempt.created,
        "updated": attempt.updated,
        "completed": attempt.completed,
    }


def _channel(channel: Channel) -> ChannelRecord:
    return ChannelRecord(
        name=channel.name,
        state=channel.state,
        asked_by=channel.person,
        tag=channel.tag,
        runs=channel.runs,
        why=channel.why,
        since=channel.since,
    )


def summary(attempt: Attempt) -> AttemptSummary:
    """The attempt as lists show it."""
    return AttemptSummary(**_common(attempt))


def record(
    attempt: Attempt, history: Sequence[HistoryLine] = (), effects: Sequence[StoredEffect] = ()
) -> AttemptRecord:
    """The attempt whole."""
    report = attempt.report
    return AttemptRecord(
        **_common(attempt),
        gate=attempt.gate,
        leaving=attempt.leaving,
        let_go=None if attempt.goes_back else attempt.let_go,
        approvals=attempt.approvals,
        report_status=report.status.value if report else None,
        patches=report.patches if report else (),
        conflict=report.conflict if report else None,
        range_diff=report.range_diff if report else None,
        drift=report.drift if report else None,
        release=attempt.release,
        upstream_changes=attempt.upstream_changes,
        proof=attempt.proof,
        effects=tuple(
            EffectRecord(
                key=one.key,
                kind=one.effect.kind,
                state=one.state,
                tries=one.tries,
                begun=one.begun_at,
                due=one.due,
                outcome=one.outcome,
            )
            for one in effects
        ),
        history=tuple(HistoryRecord(at=one.at, line=one.line) for one in history),
    )


def event_record(event: FlowEvent) -> EventRecord:
    """The event as lists show it."""
    return EventRecord(**event.model_dump())


def event_with_attempts(event: FlowEvent, attempts: Sequence[Attempt]) -> EventWithAttempts:
    """The event with its attempts, newest first."""
    return EventWithAttempts(
        **event.model_dump(),
        status=combined([status(one) for one in attempts]) if attempts else None,
        attempts=tuple(summary(one) for one in attempts),
    )
