"""The records of checks and workflow runs, a part of the local GitHub's state.

Its job: plain dataclasses. It refuses to do I/O, to check permissions and to build answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(kw_only=True)
class Status:
    """A commit status. The newest of a context counts."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: str
    created_at: datetime


@dataclass(kw_only=True)
class CheckSuite:
    """Checks of one App on one commit; for Actions one per run."""

    id: int
    app_id: int
    head_sha: str
    head_branch: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(kw_only=True)
class CheckRun:
    """A check run; the annotations are those of the API."""

    id: int
    suite_id: int
    app_id: int
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    external_id: str
    details_url: str | None
    started_at: datetime | None
    completed_at: datetime | None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Workflow:
    """A workflow that the default branch has or had."""

    id: int
    path: str
    name: str
    state: str
    created_at: datetime
    updated_at: datetime


@dataclass(kw_only=True)
class Job:
    """A job of a run attempt. Its id is also the id of its check run."""

    id: int
    run_attempt: int
    key: str
    name: str
    status: str
    conclusion: str | None
    created_at: datetime
    started_at: datetime
    completed_at: datetime | None
    permissions: dict[str, str] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""
    log_deleted: bool = False


@dataclass(kw_only=True)
class Run:
    """A workflow run. `workflow_text`, `inputs` and `payload` are what a re-run is started with."""

    id: int
    workflow_id: int
    number: int
    attempt: int
    name: str
    path: str
    event: str
    head_sha: str
    head_branch: str
    ref: str
    actor: str
    triggering_actor: str
    status: str
    conclusion: str | None
    suite_id: int
    created_at: datetime
    updated_at: datetime
    run_started_at: datetime
    workflow_text: str
    inputs: dict[str, str] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)


@dataclass(kw_only=True)
class Artifact:
    """What a run stored, as a zip at `<data>/artifacts/<id>.zip`. It never changes."""

    id: int
    run_id: int
    name: str
    # bytes of the zip, and their SHA-256
    size: int
    sha256: str
    created_at: datetime
    expires_at: datetime
