"""REST: workflow runs, jobs, logs, artifacts.

Its job: read runs and what they stored, start them again, stop them. It refuses zipped logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from patch_app.forge import artifacts, pages, runs, views_runs
from patch_app.forge.rest import ApiError, Ctx, Reply, not_found, number_of, route, unsupported
from patch_app.forge.rest_actions import find_workflow
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import Artifact, Job, Run
from patch_app.forge.views import stamp

READ, WRITE = ("actions", "read"), ("actions", "write")
FILTERS = (
    "event",
    "created",
    "status",
    "branch",
    "head_sha",
    "actor",
    "check_suite_id",
    "exclude_pull_requests",
)


def created_filter(text: str) -> Callable[[str], bool]:
    """`>=`, `<=`, `>`, `<`, `a..b` or a day, compared as text (docs: "Understanding the search syntax")."""

    def plain(value: str) -> str:
        return value.replace("+00:00", "Z")

    if ".." in text:
        low, high = (plain(part) for part in text.split("..", 1))
        return lambda at: (low == "*" or at >= low) and (high == "*" or at[: len(high)] <= high)
    found = re.match(r"(>=|<=|>|<)(.*)", text)
    if found is None:
        return lambda at: at.startswith(plain(text))
    edge = plain(found[2])
    # a day as upper edge holds all of that day
    match found[1]:
        case ">=":
            return lambda at: at >= edge
        case "<=":
            return lambda at: at[: len(edge)] <= edge
        case ">":
            return lambda at: at[: len(edge)] > edge
        case _:
            return lambda at: at < edge


def _filtered(ctx: Ctx, rows: list[Run]) -> list[Run]:
    query = ctx.query
    if "event" in query:
        rows = [r for r in rows if r.event == query["event"]]
    if "created" in query:
        fits = created_filter(query["created"])
        rows = [r for r in rows if fits(stamp(r.created_at))]
    if "status" in query:
        rows = [r for r in rows if query["status"] in {r.status, r.conclusion}]
    if "branch" in query:
        rows = [r for r in rows if r.head_branch == query["branch"]]
    if "head_sha" in query:
        rows = [r for r in rows if r.head_sha == query["head_sha"]]
    if "actor" in query:
        rows = [r for r in rows if r.actor == query["actor"]]
    if "check_suite_id" in query:
        rows = [r for r in rows if str(r.suite_id) == query["check_suite_id"]]
    return sorted(rows, key=lambda r: r.id, reverse=True)


@route("GET", "/repos/{owner}/{repo}/actions/runs", need=READ, query=FILTERS)
def list_runs(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../actions/runs: newest first."""
    rows = _filtered(ctx, list(repo.runs.values()))
    return ctx.paged(rows, "workflow_runs", lambda r: views_runs.run(ctx.core, repo, r))


@route("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs", need=READ, query=FILTERS)
def list_workflow_runs(ctx: Ctx, repo: Repository, workflow_id: str) -> Reply:
    """GET .../actions/workflows/{workflow_id}/runs."""
    workflow = find_workflow(repo, workflow_id)
    rows = _filtered(ctx, [r for r in repo.runs.values() if r.workflow_id == workflow.id])
    return ctx.paged(rows, "workflow_runs", lambda r: views_runs.run(ctx.core, repo, r))


def _run(repo: Repository, text: str) -> Run:
    row = repo.runs.get(number_of(text))
    if row is None:
        raise not_found()
    return row


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}", need=READ, query=("exclude_pull_requests",))
def get_run(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """GET .../actions/runs/{run_id}."""
    return Reply(body=views_runs.run(ctx.core, repo, _run(repo, run_id)))


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", need=READ, query=("filter",))
def jobs(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """GET .../actions/runs/{run_id}/jobs: of the latest attempt, or all."""
    run = _run(repo, run_id)
    everything = ctx.query.get("filter", "latest") == "all"
    rows = [j for j in run.jobs if everything or j.run_attempt == run.attempt]

    def shown(one: Job) -> Json:
        bare = one.run_attempt != run.attempt and not ctx.core.options.older_steps
        return views_runs.job(ctx.core, repo, run, one) | ({"steps": []} if bare else {})

    return ctx.paged(rows, "jobs", shown)


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt}/jobs", need=READ)
def attempt_jobs(ctx: Ctx, repo: Repository, run_id: str, attempt: str) -> Reply:
    """GET .../actions/runs/{run_id}/attempts/{attempt}/jobs."""
    run, number = _run(repo, run_id), number_of(attempt)
    if not 1 <= number <= run.attempt:
        raise not_found()
    rows = [j for j in run.jobs if j.run_attempt == number]
    return ctx.paged(rows, "jobs", lambda j: views_runs.job(ctx.core, repo, run, j))


@route(
    "POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun", need=WRITE, body=("enable_debug_logging",)
)
def rerun(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """POST .../rerun: the same run id, the next attempt."""
    run = _run(repo, run_id)
    if run.status != "completed":
        raise ApiError(403, "This workflow is already running")
    runs.rerun(ctx.core, repo, run, ctx.caller.actor())
    return Reply(status=201, body={})


@route(
    "POST",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs",
    need=WRITE,
    body=("enable_debug_logging",),
)
def rerun_failed(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """POST .../rerun-failed-jobs: the next attempt, in which what went well is not repeated."""
    run = _run(repo, run_id)
    if not ctx.core.actions.reruns_failed:
        raise unsupported("running again a part of a run, by this backend")
    if run.status != "completed":
        raise ApiError(403, "This workflow is already running")
    if run.conclusion == "success":
        raise ApiError(403, "This workflow run cannot be retried")
    runs.rerun(ctx.core, repo, run, ctx.caller.actor(), failed_only=True)
    return Reply(status=201, body={})


@route("POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel", need=WRITE)
def cancel(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """POST .../cancel."""
    core, run = ctx.core, _run(repo, run_id)
    if run.status == "completed":
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    core.after(lambda: core.actions.cancel(run.id))
    return Reply(status=202, body={})


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts", need=READ, query=("name",))
def run_artifacts(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """GET .../artifacts: those of all its attempts, newest first."""
    run, name = _run(repo, run_id), ctx.query.get("name")
    rows = [a for a in repo.artifacts.values() if a.run_id == run.id and name in {None, a.name}]
    rows.sort(key=lambda a: a.id, reverse=True)
    return ctx.paged(rows, "artifacts", lambda a: views_runs.artifact(ctx.core, repo, a))


def _artifact(repo: Repository, text: str) -> Artifact:
    row = repo.artifacts.get(number_of(text))
    if row is None:
        raise not_found()
    return row


@route("GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}", need=READ)
def get_artifact(ctx: Ctx, repo: Repository, artifact_id: str) -> Reply:
    """GET .../actions/artifacts/{artifact_id}."""
    return Reply(body=views_runs.artifact(ctx.core, repo, _artifact(repo, artifact_id)))


@route(
    "GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}", need=READ, public=False
)
def download_artifact(ctx: Ctx, repo: Repository, artifact_id: str, archive_format: str) -> Reply:
    """GET .../actions/artifacts/{artifact_id}/zip: 302 to an address of its own; 410 once it has expired."""
    row = _artifact(repo, artifact_id)
    if archive_format != "zip":
        raise not_found()
    if artifacts.is_expired(ctx.core, row):
        raise ApiError(410, "Artifact has expired")
    return Reply(status=302, headers={"Location": artifacts.download_url(ctx.core, row)})


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/logs", need=READ)
def run_logs(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """GET .../logs: not here."""
    del ctx
    _run(repo, run_id)
    raise unsupported("the zipped logs of a run: read those of its jobs")


@route("DELETE", "/repos/{owner}/{repo}/actions/runs/{run_id}/logs", need=WRITE)
def delete_logs(ctx: Ctx, repo: Repository, run_id: str) -> Reply:
    """DELETE .../logs: those of all its jobs; nobody may of a run that goes on."""
    del ctx
    run = _run(repo, run_id)
    if run.status != "completed":
        raise ApiError(403, "The logs of a workflow run in progress can't be deleted")
    for job in run.jobs:
        job.log, job.log_deleted = "", True
    return Reply(status=204)


def _job(repo: Repository, text: str) -> tuple[Run, Job]:
    number = number_of(text)
    for run in repo.runs.values():
        for job in run.jobs:
            if job.id == number:
                return run, job
    raise not_found()


@route("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}", need=READ)
def get_job(ctx: Ctx, repo: Repository, job_id: str) -> Reply:
    """GET .../actions/jobs/{job_id}."""
    run, job = _job(repo, job_id)
    return Reply(body=views_runs.job(ctx.core, repo, run, job))


@route("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}/logs", need=READ, public=False)
def job_logs(ctx: Ctx, repo: Repository, job_id: str) -> Reply:
    """GET .../actions/jobs/{job_id}/logs: 302 to an address of its own; 404 before the job's end."""
    _, job = _job(repo, job_id)
    if job.log_deleted:
        raise ApiError(ctx.core.options.deleted_logs, "The log is gone")
    if job.status != "completed":
        raise not_found()
    return Reply(status=302, headers={"Location": f"{ctx.core.url}/_logs/{pages.log_key(ctx.core, job.id)}"})
