"""REST: check runs, check suites, commit statuses.

Its job: checks belong to the App that made them; statuses to anybody with write. It refuses checks by
people, and an App's change to another's check.
"""

from __future__ import annotations

from datetime import UTC, datetime

from patch_app.forge import runs, views, views_git, views_runs
from patch_app.forge.core import ACTIONS_APP
from patch_app.forge.rest import ApiError, Ctx, Reply, invalid, not_found, number_of, route, text_of
from patch_app.forge.rest_commits import resolve
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import CheckRun, CheckSuite, Status

READ, WRITE = ("checks", "read"), ("checks", "write")
LONGEST = 65535
CONCLUSIONS = (
    *("action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"),
)
FIELDS = (
    *("name", "details_url", "external_id", "status", "started_at", "conclusion", "completed_at"),
    *("output", "actions"),
)


def _app_id(ctx: Ctx) -> int:
    if ctx.caller.kind == "job":
        return ACTIONS_APP
    if ctx.caller.kind != "installation" or ctx.caller.app_id is None:
        raise ApiError(403, "You must authenticate via a GitHub App.")
    return ctx.caller.app_id


def _suite(ctx: Ctx, repo: Repository, app_id: int, sha: str) -> CheckSuite:
    joins = app_id != ACTIONS_APP or ctx.core.options.joins_suites
    for row in repo.suites.values():
        if (row.app_id, row.head_sha) == (app_id, sha) and joins:
            return row
    core = ctx.core
    branches = core.git(repo).refs("refs/heads/")
    branch = next((n.removeprefix("refs/heads/") for n, (s, _) in branches.items() if s == sha), None)
    row = CheckSuite(
        id=core.state.new_id(),
        app_id=app_id,
        head_sha=sha,
        head_branch=branch,
        created_at=core.now(),
        updated_at=core.now(),
    )
    repo.suites[row.id] = row
    return row


def _date(body: Json, name: str) -> datetime | None:
    if body.get(name) is None:
        return None
    try:
        when = datetime.fromisoformat(str(body[name]))
    except ValueError as error:
        raise invalid("CheckRun", name, "invalid") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)


def _output(check: CheckRun, output: object, *, started: bool) -> None:
    if not isinstance(output, dict):
        raise invalid("CheckRun", "output", "invalid")
    for name in ("title", "summary"):
        if name not in output and not (started and name == "title"):
            raise invalid("CheckRun", f"output.{name}", "missing_field")
    for name in ("title", "summary", "text"):
        if name in output:
            value = output[name]
            if value is not None and len(str(value)) > LONGEST:
                raise invalid("CheckRun", name, "custom", f"Only {LONGEST} characters are allowed")
            setattr(check, name, value)
    found = output.get("annotations") or []
    if len(found) > 50:
        raise invalid("CheckRun", "annotations", "custom", "Only 50 annotations are allowed a request")
    for row in found:
        lacks = [k for k in ("path", "start_line", "end_line", "annotation_level", "message") if k not in row]
        if lacks or row["annotation_level"] not in {"notice", "warning", "failure"}:
            raise invalid("CheckRun", "annotations", "invalid")
        defaults = {"start_column": None, "end_column": None, "title": None, "raw_details": None}
        check.annotations.append(defaults | row)


def _actions(given: object) -> list[Json]:
    rows = given if isinstance(given, list) else []
    if len(rows) > 3:
        raise invalid("CheckRun", "actions", "custom", "Only 3 actions are allowed")
    for row in rows:
        for name, longest in (("label", 20), ("description", 40), ("identifier", 20)):
            if len(text_of(row, name, resource="CheckRun")) > longest:
                raise invalid(
                    "CheckRun", f"actions.{name}", "custom", f"{name} is too long (maximum is {longest})"
                )
    return rows


def _apply(ctx: Ctx, check: CheckRun, body: Json, *, started: bool) -> None:
    now = ctx.core.now()
    for name in ("name", "details_url", "external_id"):
        if name in body:
            setattr(check, name, body[name])
    if "status" in body and body["status"] not in {"queued", "in_progress", "completed"}:
        raise invalid("CheckRun", "status", "invalid")
    conclusion = body.get("conclusion")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", "invalid")
    if body.get("status") == "completed" and conclusion is None:
        raise invalid("CheckRun", "conclusion", "missing_field")
    if conclusion is not None:
        # docs: giving a conclusion sets the status to completed
        check.status, check.conclusion = "completed", conclusion
        check.completed_at = _date(body, "completed_at") or now
    elif "status" in body:
        check.status, check.conclusion, check.completed_at = body["status"], None, None
    check.started_at = _date(body, "started_at") or check.started_at or now
    if "output" in body:
        _output(check, body["output"], started=started)
    if "actions" in body:
        check.actions = _actions(body["actions"])


@route("POST", "/repos/{owner}/{repo}/check-runs", need=WRITE, body=("head_sha", *FIELDS))
def create(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../check-runs."""
    core, body, app_id = ctx.core, ctx.json, _app_id(ctx)
    name, sha = text_of(body, "name", resource="CheckRun"), text_of(body, "head_sha", resource="CheckRun")
    if len(sha) != 40 or core.git(repo).kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    suite = _suite(ctx, repo, app_id, sha)
    check = CheckRun(
        id=core.state.new_id(),
        suite_id=suite.id,
        app_id=app_id,
        name=name,
        head_sha=sha,
        status="queued",
        conclusion=None,
        external_id="",
        details_url=core.state.apps[app_id].external_url if app_id in core.state.apps else None,
        started_at=None,
        completed_at=None,
    )
    _apply(ctx, check, body, started=False)
    repo.checks[check.id] = check
    runs.emit_check(core, repo, check, "created", ctx.caller.actor())
    if check.status == "completed":
        runs.emit_check(core, repo, check, "completed", ctx.caller.actor())
    return Reply(status=201, body=views_runs.check_run(core, repo, check))


def _find(repo: Repository, text: str) -> CheckRun:
    row = repo.checks.get(number_of(text))
    if row is None:
        raise not_found()
    return row


@route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}", need=READ)
def get(ctx: Ctx, repo: Repository, check_run_id: str) -> Reply:
    """GET .../check-runs/{check_run_id}."""
    return Reply(body=views_runs.check_run(ctx.core, repo, _find(repo, check_run_id)))


def _is_a_job(repo: Repository, check: CheckRun) -> bool:
    """Whether a check run stands for a job of a workflow run, and isn't one that somebody has made."""
    return any(job.id == check.id for run in repo.runs.values() for job in run.jobs)


@route("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", need=WRITE, body=FIELDS)
def update(ctx: Ctx, repo: Repository, check_run_id: str) -> Reply:
    """PATCH .../check-runs/{check_run_id}: annotations are added to those that are there."""
    check, app_id = _find(repo, check_run_id), _app_id(ctx)
    if check.app_id != app_id:
        message = "check run can only be modified by the GitHub App that created it."
        raise ApiError(403, f"Invalid app_id `{app_id}` - {message}")
    if _is_a_job(repo, check) and {"status", "conclusion"} & ctx.json.keys():
        # since 31 March 2025: github.blog/changelog/2025-02-12, "Changes to check run status modification"
        raise ApiError(
            403, "Check run status and conclusions can only be updated internally by GitHub Actions"
        )
    before = check.status
    _apply(ctx, check, ctx.json, started=True)
    if check.status == "completed" and before != "completed":
        runs.emit_check(ctx.core, repo, check, "completed", ctx.caller.actor())
    return Reply(body=views_runs.check_run(ctx.core, repo, check))


@route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations", need=READ)
def list_annotations(ctx: Ctx, repo: Repository, check_run_id: str) -> Reply:
    """GET .../check-runs/{check_run_id}/annotations."""
    check = _find(repo, check_run_id)
    html = views.html_of(ctx.core, repo)
    rows = [a | {"blob_href": f"{html}/blob/{check.head_sha}/{a['path']}"} for a in check.annotations]
    return ctx.paged(rows)


@route(
    "GET",
    "/repos/{owner}/{repo}/commits/{ref:path}/check-runs",
    need=READ,
    query=("check_name", "status", "filter", "app_id"),
)
def for_ref(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../commits/{ref}/check-runs: the newest of each name and App, or all."""
    sha = resolve(ctx, repo, ref)
    rows = [c for c in repo.checks.values() if c.head_sha == sha]
    if ctx.query.get("filter", "latest") == "latest":
        # within a suite: two workflows may both have a job of that name
        rows = list({(c.app_id, c.suite_id, c.name): c for c in sorted(rows, key=lambda c: c.id)}.values())
    if "check_name" in ctx.query:
        rows = [c for c in rows if c.name == ctx.query["check_name"]]
    if "status" in ctx.query:
        rows = [c for c in rows if c.status == ctx.query["status"]]
    if "app_id" in ctx.query:
        rows = [c for c in rows if str(c.app_id) == ctx.query["app_id"]]
    rows.sort(key=lambda c: c.id, reverse=True)
    return ctx.paged(rows, "check_runs", lambda c: views_runs.check_run(ctx.core, repo, c))


@route(
    "GET", "/repos/{owner}/{repo}/commits/{ref:path}/check-suites", need=READ, query=("app_id", "check_name")
)
def suites(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../commits/{ref}/check-suites."""
    sha = resolve(ctx, repo, ref)
    rows = [s for s in repo.suites.values() if s.head_sha == sha]
    if "app_id" in ctx.query:
        rows = [s for s in rows if str(s.app_id) == ctx.query["app_id"]]
    if "check_name" in ctx.query:
        named = {c.suite_id for c in repo.checks.values() if c.name == ctx.query["check_name"]}
        rows = [s for s in rows if s.id in named]
    return ctx.paged(rows, "check_suites", lambda s: views_runs.check_suite(ctx.core, repo, s))


@route("GET", "/repos/{owner}/{repo}/check-suites/{suite_id}", need=READ)
def suite(ctx: Ctx, repo: Repository, suite_id: str) -> Reply:
    """GET .../check-suites/{suite_id}."""
    row = repo.suites.get(number_of(suite_id))
    if row is None:
        raise not_found()
    return Reply(body=views_runs.check_suite(ctx.core, repo, row))


# -- statuses -------------------------------------------------------------------------------------------


@route(
    "POST",
    "/repos/{owner}/{repo}/statuses/{sha}",
    need=("statuses", "write"),
    body=("state", "target_url", "description", "context"),
)
def create_status(ctx: Ctx, repo: Repository, sha: str) -> Reply:
    """POST .../statuses/{sha}."""
    core, body = ctx.core, ctx.json
    if body.get("state") not in {"error", "failure", "pending", "success"}:
        raise invalid("Status", "state", "invalid")
    if core.git(repo).kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    row = Status(
        id=core.state.new_id(),
        sha=sha,
        state=str(body["state"]),
        context=str(body.get("context") or "default"),
        description=body.get("description"),
        target_url=body.get("target_url"),
        creator=ctx.caller.actor(),
        created_at=core.now(),
    )
    repo.statuses.append(row)
    shown = views_runs.status(core, repo, row)
    payload: Json = {
        "id": row.id,
        "sha": sha,
        "name": repo.full_name,
        "state": row.state,
        "context": row.context,
        "description": row.description,
        "target_url": row.target_url,
        "branches": [],
        "commit": views_git.commit(core, repo, core.git(repo).commit(sha)),
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }
    core.webhooks.emit("status", repo, row.creator, payload)
    return Reply(status=201, body=shown)


@route("GET", "/repos/{owner}/{repo}/commits/{ref:path}/statuses", need=("statuses", "read"))
def statuses(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../commits/{ref}/statuses: newest first."""
    sha = resolve(ctx, repo, ref)
    rows = [s for s in reversed(repo.statuses) if s.sha == sha]
    return ctx.paged(rows, present=lambda s: views_runs.status(ctx.core, repo, s))


@route("GET", "/repos/{owner}/{repo}/commits/{ref:path}/status", need=("statuses", "read"))
def combined(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../commits/{ref}/status: the newest of each context."""
    core, sha = ctx.core, resolve(ctx, repo, ref)
    newest = list({s.context: s for s in repo.statuses if s.sha == sha}.values())
    states = {s.state for s in newest}
    state = "pending"
    if states & {"error", "failure"}:
        state = "failure"
    elif states == {"success"}:
        state = "success"
    api = views.api_of(core, repo)
    body = {
        "state": state,
        "statuses": [views_runs.simple_status(core, repo, s) for s in newest],
        "sha": sha,
        "total_count": len(newest),
        "repository": views.minimal(core, repo),
        "commit_url": f"{api}/commits/{sha}",
        "url": f"{api}/commits/{sha}/status",
    }
    return Reply(body=body)
