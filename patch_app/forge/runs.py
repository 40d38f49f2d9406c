"""Workflow runs: started by the state side, reported on by the backend.

Its job: run, job and check records, the jobs' tokens, and their webhooks (`Sink`). It refuses to run
anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from patch_app.forge import artifacts, views_runs
from patch_app.forge.actions import run_name
from patch_app.forge.actions_api import (
    Annotation,
    Conclusion,
    RunSink,
    StartedJob,
    StepResult,
    WorkflowRun,
)
from patch_app.forge.auth import JOB_PERMISSIONS, LEVELS, Caller, digest, new_app_token, require
from patch_app.forge.core import ACTIONS_APP, Core
from patch_app.forge.state import Json, Repository, Token
from patch_app.forge.state_runs import CheckRun, CheckSuite, Job, Run, Workflow
from patch_app.forge.views import html_of, stamp

ACTIONS_BOT = "github-actions[bot]"
LIFE = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A run to start. `title` is its name where the file has no run-name."""

    workflow: Workflow
    text: str
    event: str
    ref: str
    sha: str
    actor: str
    title: str
    payload: Json
    inputs: Mapping[str, str] | None = None
    branch: str | None = None


def start(core: Core, repo: Repository, wanted: Wanted) -> Run:
    """Register a run and hand it to the backend once the lock is free."""
    state, now = core.state, core.now()
    inputs = dict(wanted.inputs or {})
    branch = wanted.branch or wanted.ref.split("/", 2)[2]
    number = 1 + sum(1 for r in repo.runs.values() if r.workflow_id == wanted.workflow.id)
    github = {
        "actor": wanted.actor,
        "event": wanted.payload,
        "event_name": wanted.event,
        "ref": wanted.ref,
        "ref_name": wanted.ref.split("/", 2)[2],
        "repository": repo.full_name,
        "run_number": str(number),
        "sha": wanted.sha,
        "workflow": wanted.workflow.name,
    }
    name = run_name(wanted.text, github=github, inputs=inputs, fallback=wanted.title)
    suite = CheckSuite(
        id=state.new_id(),
        app_id=ACTIONS_APP,
        head_sha=wanted.sha,
        head_branch=branch,
        created_at=now,
        updated_at=now,
    )
    repo.suites[suite.id] = suite
    run = Run(
        id=state.new_id(),
        workflow_id=wanted.workflow.id,
        number=number,
        attempt=1,
        name=name,
        path=wanted.workflow.path,
        event=wanted.event,
        head_sha=wanted.sha,
        head_branch=branch,
        ref=wanted.ref,
        actor=wanted.actor,
        triggering_actor=wanted.actor,
        status="queued",
        conclusion=None,
        suite_id=suite.id,
        created_at=now,
        updated_at=now,
        run_started_at=now,
        workflow_text=wanted.text,
        inputs=inputs,
        payload=wanted.payload,
    )
    repo.runs[run.id] = run
    _emit_run(core, repo, run, "requested")
    dispatch(core, repo, run)
    return run


def dispatch(core: Core, repo: Repository, run: Run, *, failed_only: bool = False) -> None:
    """Give a run (or a new attempt of it) to the backend once the lock is free."""
    pull = run.event == "pull_request"
    told = WorkflowRun(
        id=run.id,
        run_number=run.number,
        run_attempt=run.attempt,
        name=run.name,
        workflow_name=repo.workflows[run.workflow_id].name,
        path=run.path,
        event=run.event,
        repository=repo.full_name,
        repository_id=repo.id,
        default_branch=repo.default_branch,
        private=repo.private,
        head_sha=run.head_sha,
        head_branch=run.head_branch,
        ref=run.ref,
        actor=run.actor,
        server_url=core.url,
        api_url=core.api_url,
        graphql_url=f"{core.url}/api/graphql",
        merge_sha=core.git(repo).ref(run.ref) if pull else None,
        failed_only=failed_only,
    )
    text, inputs, payload = run.workflow_text, dict(run.inputs), run.payload
    core.after(lambda: core.actions.dispatch(told, text, inputs, told.event, payload))


def rerun(core: Core, repo: Repository, run: Run, by: str, *, failed_only: bool = False) -> None:
    """A new attempt of an ended run: same id, file and inputs. `failed_only`: what went well is kept."""
    now = core.now()
    if failed_only and core.options.lists_kept_jobs:
        kept = [j for j in run.jobs if j.run_attempt == run.attempt and j.conclusion == "success"]
        run.jobs += [replace(j, id=core.state.new_id(), run_attempt=run.attempt + 1) for j in kept]
    run.attempt += 1
    run.status, run.conclusion = "queued", None
    run.triggering_actor, run.updated_at, run.run_started_at = by, now, now
    _emit_run(core, repo, run, "requested")
    dispatch(core, repo, run, failed_only=failed_only)


def _emit_run(core: Core, repo: Repository, run: Run, action: str) -> None:
    row = views_runs.run(core, repo, run)
    workflow = views_runs.workflow(core, repo, repo.workflows[run.workflow_id])
    payload: Json = {"action": action, "workflow_run": row, "workflow": workflow}
    core.webhooks.emit("workflow_run", repo, run.triggering_actor, payload)


def _emit_job(core: Core, repo: Repository, run: Run, job: Job, action: str) -> None:
    payload: Json = {"action": action, "workflow_job": views_runs.job(core, repo, run, job)}
    core.webhooks.emit("workflow_job", repo, run.triggering_actor, payload)


def emit_check(core: Core, repo: Repository, check: CheckRun, action: str, sender: str) -> None:
    """A `check_run` event, with its suite inside."""
    core.webhooks.emit("check_run", repo, sender, _check_payload(core, repo, check, action))


# What the suite inside a check_run event lacks beside that of the API.
_NOT_INSIDE = ("check_runs_url", "head_commit", "latest_check_runs_count")


def _check_payload(core: Core, repo: Repository, check: CheckRun, action: str) -> Json:
    whole = views_runs.check_suite(core, repo, repo.suites[check.suite_id])
    suite = {k: v for k, v in whole.items() if k not in _NOT_INSIDE}
    return {"action": action, "check_run": views_runs.check_run(core, repo, check) | {"check_suite": suite}}


def press(core: Core, repo: Repository, check: CheckRun, identifier: str, by: str) -> None:
    """A person presses a button: docs, check_run event, `requested_action` reaches the check's App alone."""
    if identifier not in {str(a["identifier"]) for a in check.actions}:
        raise KeyError(identifier)
    require(core.state, Caller(kind="person", login=by), repo, ("checks", "write"), role="write")
    payload = _check_payload(core, repo, check, "requested_action")
    payload["requested_action"] = {"identifier": identifier}
    core.webhooks.emit("check_run", repo, by, payload, app_id=check.app_id)


class Sink(RunSink):
    """What the backend reports to. Errors: KeyError for unknown runs and jobs."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def _find(self, run_id: int) -> tuple[Repository, Run]:
        for repo in self._core.state.repositories.values():
            if run_id in repo.runs:
                return repo, repo.runs[run_id]
        raise KeyError(run_id)

    def run_started(self, run_id: int) -> None:
        """See RunSink."""
        with self._core.transaction():
            repo, run = self._find(run_id)
            run.status, run.updated_at = "in_progress", self._core.now()
            _emit_run(self._core, repo, run, "in_progress")

    def _job(self, repo: Repository, run: Run, key: str, name: str, status: str) -> Job:
        core, now = self._core, self._core.now()
        job = Job(
            id=core.state.new_id(),
            run_attempt=run.attempt,
            key=key,
            name=name,
            status=status,
            conclusion=None,
            created_at=now,
            started_at=now,
            completed_at=None,
        )
        run.jobs.append(job)
        repo.checks[job.id] = CheckRun(
            id=job.id,
            suite_id=run.suite_id,
            app_id=ACTIONS_APP,
            name=name,
            head_sha=run.head_sha,
            status=status,
            conclusion=None,
            external_id=str(job.id),
            details_url=f"{html_of(core, repo)}/actions/runs/{run.id}/job/{job.id}",
            started_at=now,
            completed_at=None,
        )
        return job

    def job_started(
        self,
        run_id: int,
        *,
        job_key: str,
        name: str,
        permissions: Mapping[str, str],
        environment: str | None = None,
    ) -> StartedJob:
        """See RunSink."""
        granted = {key.replace("-", "_"): level for key, level in permissions.items()}
        unknown = sorted(k for k in granted if k not in JOB_PERMISSIONS | {"metadata"})
        if unknown or any(v not in {*LEVELS, "none"} for v in granted.values()):
            raise ValueError(f"no permissions of a job: {unknown or granted}")
        core = self._core
        with core.transaction() as state:
            repo, run = self._find(run_id)
            job = self._job(repo, run, job_key, name, "in_progress")
            job.permissions = {k: v for k, v in granted.items() if v != "none"}
            token = new_app_token(ACTIONS_APP)
            state.tokens[digest(token)] = Token(
                kind="job",
                login=ACTIONS_BOT,
                created_at=core.now(),
                expires_at=core.now() + LIFE,
                repositories=[repo.id],
                permissions=job.permissions,
                run_id=run.id,
                job_id=job.id,
            )
            _emit_job(core, repo, run, job, "queued")
            emit_check(core, repo, repo.checks[job.id], "created", ACTIONS_BOT)
            _emit_job(core, repo, run, job, "in_progress")
            secrets = dict(repo.secrets.get((environment or "").lower(), {}))
            id_token_url, id_token_request_token = core.oidc.begin(job, environment)
        return StartedJob(
            id=job.id,
            token=token,
            secrets=secrets,
            upload_url=artifacts.upload_url(core, job.id),
            id_token_url=id_token_url,
            id_token_request_token=id_token_request_token,
        )

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
        """See RunSink."""
        with self._core.transaction():
            repo, run = self._find(run_id)
            job = next(j for j in run.jobs if j.id == job_id)
            at = stamp(self._core.now())
            job.steps = [
                {
                    "number": s.number,
                    "name": s.name,
                    "status": "completed",
                    "conclusion": s.conclusion.value,
                    "started_at": stamp(job.started_at),
                    "completed_at": at,
                }
                for s in steps
            ]
            job.log = log
            repo.checks[job.id].annotations = [annotation(a) for a in annotations]
            self._complete(repo, run, job, conclusion)

    def _complete(self, repo: Repository, run: Run, job: Job, conclusion: Conclusion) -> None:
        core, now = self._core, self._core.now()
        job.status, job.conclusion, job.completed_at = "completed", conclusion.value, now
        check = repo.checks[job.id]
        check.status, check.conclusion, check.completed_at = "completed", conclusion.value, now
        tokens = core.state.tokens
        for key in [k for k, t in tokens.items() if t.job_id == job.id]:
            del tokens[key]
        _emit_job(core, repo, run, job, "completed")
        emit_check(core, repo, check, "completed", ACTIONS_BOT)

    def job_skipped(self, run_id: int, *, job_key: str, name: str) -> None:
        """See RunSink."""
        with self._core.transaction():
            repo, run = self._find(run_id)
            job = self._job(repo, run, job_key, name, "queued")
            self._complete(repo, run, job, Conclusion.SKIPPED)

    def run_completed(self, run_id: int, conclusion: Conclusion) -> None:
        """See RunSink."""
        core = self._core
        with core.transaction():
            repo, run = self._find(run_id)
            for job in run.jobs:
                if job.status != "completed":
                    self._complete(repo, run, job, Conclusion.CANCELLED)
            run.status, run.conclusion, run.updated_at = "completed", conclusion.value, core.now()
            _emit_run(core, repo, run, "completed")
            whole = views_runs.check_suite(core, repo, repo.suites[run.suite_id])
            suite = {k: v for k, v in whole.items() if k != "repository"}
            core.webhooks.emit(
                "check_suite", repo, ACTIONS_BOT, {"action": "completed", "check_suite": suite}
            )


def annotation(row: Annotation) -> Json:
    """An annotation in the form of the API, without its blob's address."""
    return {
        "path": row.path,
        "start_line": row.start_line,
        "end_line": row.end_line,
        "start_column": None,
        "end_column": None,
        "annotation_level": row.level.value,
        "title": row.title,
        "message": row.message,
        "raw_details": "",
    }
