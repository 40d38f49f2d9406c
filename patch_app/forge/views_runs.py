"""Workflows, runs, jobs, checks and statuses as GitHub's JSON.

Its job: one function for each schema. It refuses to change anything.
"""

from __future__ import annotations

from patch_app.forge import artifacts, views, views_git
from patch_app.forge.core import ACTIONS_APP, Core
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import Artifact, CheckRun, CheckSuite, Job, Run, Status, Workflow
from patch_app.forge.views import api_of, html_of, node, stamp, stamp_or_none, user
from patch_app.forge.views_issues import pulls_of


def workflow(core: Core, repo: Repository, row: Workflow) -> Json:
    """Workflow."""
    html = html_of(core, repo)
    return {
        "id": row.id,
        "node_id": node("Workflow", row.id),
        "name": row.name,
        "path": row.path,
        "state": row.state,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "url": f"{api_of(core, repo)}/actions/workflows/{row.id}",
        "html_url": f"{html}/blob/{repo.default_branch}/{row.path}",
        "badge_url": f"{html}/workflows/{row.name}/badge.svg",
    }


def run(core: Core, repo: Repository, row: Run) -> Json:
    """workflow-run."""
    api, html = api_of(core, repo), html_of(core, repo)
    url = f"{api}/actions/runs/{row.id}"
    previous = f"{url}/attempts/{row.attempt - 1}" if row.attempt > 1 else None
    minimal = views.minimal(core, repo)
    return {
        "id": row.id,
        "node_id": node("WorkflowRun", row.id),
        "name": repo.workflows[row.workflow_id].name,
        "display_title": row.name,
        "path": row.path,
        "run_number": row.number,
        "run_attempt": row.attempt,
        "event": row.event,
        "status": row.status,
        "conclusion": row.conclusion,
        "workflow_id": row.workflow_id,
        "head_branch": row.head_branch,
        "head_sha": row.head_sha,
        "check_suite_id": row.suite_id,
        "check_suite_node_id": node("CheckSuite", row.suite_id),
        "url": url,
        "html_url": f"{html}/actions/runs/{row.id}",
        "pull_requests": pulls_of(core, repo, row.head_sha),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "run_started_at": stamp(row.run_started_at),
        "actor": user(core, row.actor),
        "triggering_actor": user(core, row.triggering_actor),
        "referenced_workflows": [],
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{api}/check-suites/{row.suite_id}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": previous,
        "workflow_url": f"{api}/actions/workflows/{row.workflow_id}",
        "head_commit": views_git.simple_commit(core.git(repo).commit(row.head_sha)),
        "repository": minimal,
        "head_repository": minimal,
    }


def job(core: Core, repo: Repository, row: Run, one: Job) -> Json:
    """Job."""
    api = api_of(core, repo)
    name = repo.checks[one.id].name if core.options.names_follow_checks else one.name
    return {
        "id": one.id,
        "run_id": row.id,
        "run_attempt": one.run_attempt,
        "run_url": f"{api}/actions/runs/{row.id}",
        "workflow_name": repo.workflows[row.workflow_id].name,
        "head_branch": row.head_branch,
        "node_id": node("CheckRun", one.id),
        "head_sha": row.head_sha,
        "url": f"{api}/actions/jobs/{one.id}",
        "html_url": f"{html_of(core, repo)}/actions/runs/{row.id}/job/{one.id}",
        "status": one.status,
        "conclusion": one.conclusion,
        "created_at": stamp(one.created_at),
        "started_at": stamp(one.started_at),
        "completed_at": stamp_or_none(one.completed_at),
        "name": name,
        "steps": one.steps,
        "check_run_url": f"{api}/check-runs/{one.id}",
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "local",
        "runner_group_id": 1,
        "runner_group_name": "Default",
    }


def artifact(core: Core, repo: Repository, row: Artifact) -> Json:
    """Artifact."""
    url = f"{api_of(core, repo)}/actions/artifacts/{row.id}"
    of = repo.runs[row.run_id]
    return {
        "id": row.id,
        "node_id": node("Artifact", row.id),
        "name": row.name,
        "size_in_bytes": row.size,
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": artifacts.is_expired(core, row),
        "digest": f"sha256:{row.sha256}",
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.created_at),
        "expires_at": stamp(row.expires_at),
        "workflow_run": {
            "id": of.id,
            "repository_id": repo.id,
            "head_repository_id": repo.id,
            "head_branch": of.head_branch,
            "head_sha": of.head_sha,
        },
    }


def check_run(core: Core, repo: Repository, row: CheckRun) -> Json:
    """check-run."""
    url = f"{api_of(core, repo)}/check-runs/{row.id}"
    return {
        "id": row.id,
        "node_id": node("CheckRun", row.id),
        "head_sha": row.head_sha,
        "external_id": row.external_id,
        "url": url,
        "html_url": f"{html_of(core, repo)}/runs/{row.id}",
        "details_url": row.details_url,
        "status": row.status,
        "conclusion": row.conclusion,
        "started_at": stamp_or_none(row.started_at),
        "completed_at": stamp_or_none(row.completed_at),
        "output": {
            "title": row.title,
            "summary": row.summary,
            "text": row.text,
            "annotations_count": len(row.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "name": row.name,
        "check_suite": {"id": row.suite_id},
        "app": views.app_of_id(core, row.app_id),
        "pull_requests": pulls_of(core, repo, row.head_sha),
    }


def suite_state(repo: Repository, row: CheckSuite) -> tuple[str, str | None]:
    """Status and conclusion from its runs; a workflow's suite has its run's."""
    if row.app_id == ACTIONS_APP:
        for one in repo.runs.values():
            if one.suite_id == row.id:
                return one.status, one.conclusion
    checks = [c for c in repo.checks.values() if c.suite_id == row.id]
    if not checks:
        return "queued", None
    if any(c.status != "completed" for c in checks):
        return "in_progress", None
    order = ("action_required", "failure", "timed_out", "cancelled", "neutral", "success", "skipped")
    found = {c.conclusion for c in checks}
    return "completed", next((c for c in order if c in found), "neutral")


def check_suite(core: Core, repo: Repository, row: CheckSuite) -> Json:
    """check-suite."""
    status, conclusion = suite_state(repo, row)
    url = f"{api_of(core, repo)}/check-suites/{row.id}"
    git = core.git(repo)
    commit = git.commit(row.head_sha)
    return {
        "id": row.id,
        "node_id": node("CheckSuite", row.id),
        "head_branch": row.head_branch,
        "head_sha": row.head_sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": commit.parents[0] if commit.parents else None,
        "after": row.head_sha,
        "pull_requests": pulls_of(core, repo, row.head_sha),
        "app": views.app_of_id(core, row.app_id),
        "repository": views.minimal(core, repo),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "head_commit": views_git.simple_commit(commit),
        "latest_check_runs_count": sum(1 for c in repo.checks.values() if c.suite_id == row.id),
        "check_runs_url": f"{url}/check-runs",
    }


def simple_status(core: Core, repo: Repository, row: Status) -> Json:
    """simple-commit-status."""
    return {
        "id": row.id,
        "node_id": node("Status", row.id),
        "url": f"{api_of(core, repo)}/statuses/{row.sha}",
        "avatar_url": user(core, row.creator)["avatar_url"],
        "state": row.state,
        "context": row.context,
        "description": row.description,
        "target_url": row.target_url,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.created_at),
    }


def status(core: Core, repo: Repository, row: Status) -> Json:
    """Status."""
    return simple_status(core, repo, row) | {"creator": user(core, row.creator)}
