"""Run one job (one leg of its matrix) with act, in a directory of its own that is removed afterwards.

It refuses, before anything starts and with a log that says so, what can't be run here: actions from
elsewhere, containers, reusable workflows, Windows and macOS. On GitHub a missing action ends a job the same
way, at "Set up job".
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patch_app.forge.actions import act, checkout, upload
from patch_app.forge.actions.joblog import JobLog
from patch_app.forge.actions.legfile import COLLECTOR, Need, leg_text
from patch_app.forge.actions.workflow import Job, Workflow
from patch_app.forge.actions_api import Annotation, AnnotationLevel, Conclusion, StepResult, WorkflowRun

_FOREIGN_SYSTEMS = re.compile(r"(windows|macos)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LegPlan:
    """A job (leg) whose orchestration is evaluated."""

    name: str
    leg: Mapping[str, Any] | None
    labels: tuple[str, ...]
    timeout_seconds: float
    continue_on_error: bool
    # its name
    environment: str | None
    # for each step, whether its failure counts as success
    tolerated: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class LegResult:
    """How a leg ended. Everything is masked."""

    conclusion: Conclusion
    steps: tuple[StepResult, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    log: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


class Stop:
    """Stops a leg from another thread: before, while or after it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: act.ActProcess | None = None
        self._set = False

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Ask for the stop; kills what runs."""
        with self._lock:
            self._set = True
            process = self._process
        if process is not None:
            process.kill()

    def watch(self, process: act.ActProcess | None) -> None:
        """From now on this process is what a stop kills."""
        with self._lock:
            self._process = process
            already = self._set
        if already and process is not None:
            process.kill()


def refusal(job: Job, plan: LegPlan) -> str | None:
    """Why this job can't be run here, or None."""
    if job.uses is not None:
        return f"the reusable workflow {job.uses} can't be run by the local GitHub"
    if job.wants_docker:
        return "the local GitHub runs jobs on the host: container and services are not supported"
    for label in plan.labels:
        if _FOREIGN_SYSTEMS.match(label):
            return f"the local GitHub has no runner for {label}"
    if not plan.labels:
        return "runs-on is missing"
    for step in job.steps:
        uses = step.uses
        if uses is None or uses.startswith("./"):
            continue
        if not checkout.is_checkout(uses) and not upload.is_upload(uses):
            return (
                f"Unable to resolve action {uses}: the local GitHub runs offline and knows only "
                "actions/checkout, actions/upload-artifact (v4 and later) and actions of the repository "
                "itself (./path)"
            )
    return None


def failed(message: str, *, job: Job, token: str = "") -> LegResult:
    """A leg that could not be set up."""
    log = JobLog(job_key=job.key, token=token)
    log.say(f"##[error]{message}")
    log.annotate(AnnotationLevel.FAILURE, message)
    return LegResult(
        conclusion=Conclusion.FAILURE,
        steps=tuple(log.steps((), ())) if job.uses is None else (),
        annotations=tuple(log.annotations()),
        log=log.text(),
    )


@dataclass(frozen=True, kw_only=True)
class LegRequest:
    """All that one leg needs to run."""

    run: WorkflowRun
    workflow: Workflow
    job: Job
    plan: LegPlan
    needs: Mapping[str, Need]
    payload: Mapping[str, Any]
    token: str
    secrets: Mapping[str, str]
    upload_url: str
    # empty: no token for this job
    id_token_url: str
    id_token_request_token: str
    act: Path
    # doesn't exist yet; made, used, removed
    directory: Path
    # the tools that all jobs share
    tools: Path
    actions: Path


def run_leg(request: LegRequest, stop: Stop) -> LegResult:
    """Run the leg to its end, its time limit or its stop. Errors: OSError when act can't be started."""
    try:
        invocation, outputs_file = _prepare(request)
        return _run(request, invocation, outputs_file, stop)
    finally:
        _remove(request.directory)


def _prepare(request: LegRequest) -> tuple[act.Invocation, Path]:
    run, directory = request.run, request.directory
    for name in ("home", "repository", "cache"):
        (directory / name).mkdir(parents=True)
    outputs_file = directory / "outputs.json"
    workflow_file = directory / "workflow.yml"
    workflow_file.write_text(
        leg_text(
            request.workflow,
            request.job.key,
            needs=request.needs,
            leg=request.plan.leg,
            outputs_file=outputs_file,
        ),
        encoding="utf-8",
    )
    event_file = directory / "event.json"
    event_file.write_text(json.dumps(request.payload), encoding="utf-8")
    secret_file = directory / "secrets"
    secret_file.touch(mode=0o600)
    secrets_given = {**request.secrets, "GITHUB_TOKEN": request.token}
    lines = "".join(f"{name}={json.dumps(value)}\n" for name, value in secrets_given.items())
    secret_file.write_text(lines, encoding="utf-8")
    _write_identity(directory / "repository", run)
    named = {step.uses for step in request.job.steps if step.uses}
    checkouts = {f"actions/checkout@{ref}" for ref in checkout.KNOWN_REFS}
    checkouts |= {uses for uses in named if checkout.is_checkout(uses)}
    uploads = {uses for uses in named if upload.is_upload(uses)}
    if uploads:
        upload.write_action(directory / "upload", request.upload_url)
    invocation = act.Invocation(
        act=request.act,
        event=run.event,
        workflow_file=workflow_file,
        directory=directory / "repository",
        event_file=event_file,
        secret_file=secret_file,
        cache=directory / "cache",
        env_file=_env_file(request),
        actor=run.actor,
        # the stand-ins run on ubuntu-latest
        labels=sorted({*request.plan.labels, "ubuntu-latest"}),
        local_actions={
            **dict.fromkeys(sorted(checkouts), request.actions),
            **dict.fromkeys(sorted(uploads), directory / "upload"),
        },
        variables=_variables(run),
    )
    return invocation, outputs_file


def _env_file(request: LegRequest) -> Path:
    """Variables that no command line may show."""
    file = request.directory / "env"
    file.touch(mode=0o600)
    if request.id_token_url:
        file.write_text(
            f"ACTIONS_ID_TOKEN_REQUEST_URL={json.dumps(request.id_token_url)}\n"
            f"ACTIONS_ID_TOKEN_REQUEST_TOKEN={json.dumps(request.id_token_request_token)}\n",
            encoding="utf-8",
        )
    return file


def _write_identity(directory: Path, run: WorkflowRun) -> None:
    """A .git without objects: act reads from it which commit the run is for, and where it came from."""
    git = directory / ".git"
    (git / "objects").mkdir(parents=True)
    (git / "refs").mkdir()
    (git / "HEAD").write_text(f"{run.merge_sha or run.head_sha}\n", encoding="utf-8")
    (git / "config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        f'[remote "origin"]\n\turl = {run.server_url}/{run.repository}.git\n',
        encoding="utf-8",
    )


def _variables(run: WorkflowRun) -> dict[str, str]:
    owner = run.repository.partition("/")[0]
    return {
        "GITHUB_RUN_ID": str(run.id),
        "GITHUB_RUN_NUMBER": str(run.run_number),
        "GITHUB_RUN_ATTEMPT": str(run.run_attempt),
        "GITHUB_REPOSITORY": run.repository,
        "GITHUB_REPOSITORY_ID": str(run.repository_id),
        "GITHUB_REPOSITORY_OWNER": owner,
        "GITHUB_SERVER_URL": run.server_url,
        "GITHUB_API_URL": run.api_url,
        "GITHUB_GRAPHQL_URL": run.graphql_url,
        "GITHUB_REF": run.ref,
        "GITHUB_SHA": run.merge_sha or run.head_sha,
        "GITHUB_TRIGGERING_ACTOR": run.actor,
        "GITHUB_WORKFLOW_REF": f"{run.repository}/{run.path}@{run.ref}",
        "GITHUB_WORKFLOW_SHA": run.merge_sha or run.head_sha,
        "RUNNER_ENVIRONMENT": "self-hosted",
    }


def _run(request: LegRequest, invocation: act.Invocation, outputs_file: Path, stop: Stop) -> LegResult:
    log = JobLog(job_key=request.job.key, token=request.token)
    for secret in (*request.secrets.values(), request.id_token_request_token):
        log.masks.add(secret)
    tracking = f"github_{secrets.token_hex(16)}"
    env = act.environment(home=request.directory / "home", tools=request.tools, tracking=tracking)
    command = [*invocation.command(), "--env", f"{act.TRACKING}={tracking}"]
    process = act.ActProcess(command, env=env, cwd=invocation.directory)
    too_long = threading.Event()

    def time_out() -> None:
        too_long.set()
        process.kill()

    timer = threading.Timer(request.plan.timeout_seconds, time_out)
    timer.daemon = True
    stop.watch(process)
    timer.start()
    try:
        process.read(log.feed)
    finally:
        timer.cancel()
        stop.watch(None)
    return _result(request, log, outputs_file, stopped=bool(stop), too_long=too_long.is_set())


def _result(
    request: LegRequest, log: JobLog, outputs_file: Path, *, stopped: bool, too_long: bool
) -> LegResult:
    conclusion = log.result or Conclusion.FAILURE
    if log.result is None and too_long:
        # GitHub ends such a job as cancelled, not as timed_out
        minutes = request.plan.timeout_seconds / 60
        message = f"The job has exceeded the maximum execution time of {minutes:g} minutes."
        log.say(f"##[error]{message}")
        log.annotate(AnnotationLevel.FAILURE, message)
        conclusion = Conclusion.CANCELLED
    elif log.result is None and stopped:
        log.say("##[error]The operation was canceled.")
        log.annotate(AnnotationLevel.FAILURE, "The operation was canceled.")
        conclusion = Conclusion.CANCELLED
    elif log.result is None:
        log.annotate(AnnotationLevel.FAILURE, "The job could not be set up: see its log.")
    return LegResult(
        conclusion=conclusion,
        steps=tuple(log.steps(request.job.steps, request.plan.tolerated)),
        annotations=tuple(log.annotations()),
        log=log.text(),
        outputs=_outputs(request.job, outputs_file, log),
    )


def _outputs(job: Job, outputs_file: Path, log: JobLog) -> dict[str, str]:
    if not outputs_file.is_file():
        return {}
    try:
        found = json.loads(outputs_file.read_text(encoding="utf-8"))[job.key]["outputs"] or {}
    except (ValueError, KeyError, TypeError) as problem:
        raise RuntimeError(f"{COLLECTOR} wrote what can't be read") from problem
    # as GitHub does: an output that holds a secret is not handed on
    return {name: str(text) for name, text in found.items() if not log.masks.found_in(str(text))}


def _remove(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except PermissionError:
        # a tool left folders that can't be written (Go's module cache does)
        for folder, _, _ in os.walk(directory):
            Path(folder).chmod(0o700)
        shutil.rmtree(directory)
