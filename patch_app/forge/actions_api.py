"""The seam between the local GitHub and whatever runs its workflow files.

Its job: the two protocols and the records that cross them. The state side (`RunSink`) owns runs, jobs,
steps, annotations, check runs, tokens and webhooks; the running side (`ActionsBackend`) owns processes.
It refuses to know how a workflow is run, and it refuses to let the running side touch state but through
the sink.

The default backend is `patch_app.forge.actions.ActionsRunner(work_dir: Path)`; a test may pass any object
that has the protocol's methods, e.g. a scripted one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Conclusion(StrEnum):
    """How a run, a job or a step ended (GitHub's words)."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    TIMED_OUT = "timed_out"
    NEUTRAL = "neutral"
    ACTION_REQUIRED = "action_required"
    STARTUP_FAILURE = "startup_failure"


class AnnotationLevel(StrEnum):
    """Levels of check annotations: the workflow commands `::notice`, `::warning`, `::error`."""

    NOTICE = "notice"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """What the running side is told about a run. A copy: later changes of the state don't show here."""

    id: int
    run_number: int
    run_attempt: int
    # run-name, evaluated
    name: str
    # the workflow's own `name:`, or its path
    workflow_name: str
    # path of the workflow file in the repository
    path: str
    # workflow_dispatch, push, pull_request, ...
    event: str
    # owner/name
    repository: str
    repository_id: int
    default_branch: str
    private: bool
    # commit that the workflow file was read from and that the run is for
    head_sha: str
    # branch or tag name, without refs/heads/ or refs/tags/
    head_branch: str
    # fully qualified: GITHUB_REF
    ref: str
    # login
    actor: str
    # e.g. http://127.0.0.1:8123 : GITHUB_SERVER_URL
    server_url: str
    # e.g. http://127.0.0.1:8123/api/v3 : GITHUB_API_URL
    api_url: str
    # e.g. http://127.0.0.1:8123/api/graphql : GITHUB_GRAPHQL_URL
    graphql_url: str
    # GITHUB_SHA where it isn't head_sha: the merge commit of pull_request runs
    merge_sha: str | None = None
    # a re-run of those jobs alone that did not succeed, and of what needs them
    failed_only: bool = False


@dataclass(frozen=True, kw_only=True)
class StartedJob:
    """A job as the state side registered it. `token` is the job's own GITHUB_TOKEN; it dies with the job."""

    # also the id of the job's check run
    id: int
    token: str
    # those of the job's environment
    secrets: Mapping[str, str] = field(default_factory=dict)
    # where its actions, and no `run:` step, may store artifacts; it dies with the job as well
    upload_url: str = ""
    # where it may ask for a token by OpenID Connect, and with what; empty without `id-token: write`
    id_token_url: str = ""
    id_token_request_token: str = ""

    def __repr__(self) -> str:
        return f"StartedJob(id={self.id})"


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One annotation of a job's check run."""

    level: AnnotationLevel
    message: str
    title: str = ""
    # ".github" is what GitHub writes where a workflow command names no file
    path: str = ".github"
    start_line: int = 1
    end_line: int = 1


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step of a finished job, in the order of the workflow file."""

    # starts at 1
    number: int
    name: str
    conclusion: Conclusion


class RunSink(Protocol):
    """What the running side reports to. Every method may be called from any thread and returns quickly."""

    def run_started(self, run_id: int) -> None:
        """The first job is about to start: the run is `in_progress`. Errors: KeyError for an unknown run."""

    def job_started(
        self,
        run_id: int,
        *,
        job_key: str,
        name: str,
        permissions: Mapping[str, str],
        environment: str | None = None,
    ) -> StartedJob:
        """Register a job as `in_progress` and mint its GITHUB_TOKEN.

        `job_key` is the key under `jobs:` (a matrix gives several jobs of one key), `name` the evaluated
        name, `permissions` what the workflow file gives this job (`{"contents": "write"}`; an empty
        mapping is no permission but metadata), `environment` the name of its environment. Errors:
        KeyError for an unknown run, ValueError for a permission that GitHub does not know.
        """

    def job_completed(
        self,
        run_id: int,
        *,
        job_id: int,
        conclusion: Conclusion,
        steps: Sequence[StepResult] = (),
        annotations: Sequence[Annotation] = (),
        log: str = "",
    ) -> None:
        """A started job ended; its token is revoked. `log` is plain text. Errors: KeyError."""

    def job_skipped(self, run_id: int, *, job_key: str, name: str) -> None:
        """A job whose `if:` was false, or whose `needs` failed: recorded as completed and skipped."""

    def run_completed(self, run_id: int, conclusion: Conclusion) -> None:
        """The run ended. Jobs that were still under way are recorded as cancelled, their tokens revoked."""


class ActionsBackend(Protocol):
    """What runs workflow files. One object serves all repositories of one local GitHub."""

    # whether it can run again a part of a run; else the local GitHub refuses that
    reruns_failed: bool

    def attach(self, sink: RunSink) -> None:
        """Called once, before any other method."""

    def dispatch(
        self,
        run: WorkflowRun,
        workflow_text: str,
        inputs: dict[str, str],
        event: str,
        payload: dict[str, Any],
    ) -> None:
        """Start a run and return at once; progress goes to the sink.

        `workflow_text` is the file at `run.head_sha`, `payload` the event's (what `github.event` is; for
        workflow_dispatch it holds `inputs`, `ref`, `workflow`, `repository`, `sender`). A re-run is the same
        call with the same run id and a higher `run_attempt`. Serialising a `concurrency` group is the
        backend's part.
        """

    def cancel(self, run_id: int) -> None:
        """Stop a run; it reports itself as cancelled through the sink. Unknown or ended runs are ignored."""

    def wait_idle(self, timeout: float) -> bool:
        """Block until no run is queued or running, at most `timeout` seconds. False: something still runs."""

    def close(self) -> None:
        """Stop everything, whole process groups included, and wait for it. Idempotent."""
