"""REST: workflows, their state and dispatch.

Its job: what a repository's workflows are, and starting one. It refuses dispatches that GitHub refuses.
"""

from __future__ import annotations

from patch_app.forge import changes, runs, views, views_runs
from patch_app.forge.actions import WorkflowError, dispatch_inputs, load
from patch_app.forge.rest import ApiError, Ctx, Reply, not_found, route, text_of
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import Workflow

READ, WRITE = ("actions", "read"), ("actions", "write")
# reference of the dispatches endpoint; the size in characters is reported by GitHub's own error
MAX_INPUTS = 25
MAX_SIZE = 65_535


@route(
    "GET",
    "/repos/{owner}/{repo}/actions/permissions",
    need=("administration", "read"),
    role="admin",
    public=False,
)
def permissions(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../actions/permissions."""
    body: Json = {"enabled": repo.actions_enabled, "sha_pinning_required": False}
    if repo.actions_enabled:
        body["allowed_actions"] = "all"
    del ctx
    return Reply(body=body)


@route(
    "PUT",
    "/repos/{owner}/{repo}/actions/permissions",
    need=("administration", "write"),
    role="admin",
    body=("enabled",),
)
def set_permissions(ctx: Ctx, repo: Repository) -> Reply:
    """PUT .../actions/permissions."""
    if not isinstance(ctx.json.get("enabled"), bool):
        raise ApiError(422, 'Invalid request.\n\n"enabled" wasn\'t supplied.')
    repo.actions_enabled = ctx.json["enabled"]
    changes.moved_default(ctx.core, repo)  # what was pushed meanwhile is known from now on
    return Reply(status=204)


@route(
    "GET",
    "/repos/{owner}/{repo}/actions/permissions/workflow",
    need=("administration", "read"),
    role="admin",
    public=False,
)
def default_permissions(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../actions/permissions/workflow: what a token may do where a workflow says nothing."""
    del ctx
    default = repo.default_workflow_permissions
    return Reply(body={"default_workflow_permissions": default, "can_approve_pull_request_reviews": False})


@route(
    "PUT",
    "/repos/{owner}/{repo}/actions/permissions/workflow",
    need=("administration", "write"),
    role="admin",
    body=("default_workflow_permissions",),
)
def set_default_permissions(ctx: Ctx, repo: Repository) -> Reply:
    """PUT .../actions/permissions/workflow."""
    wanted = ctx.json.get("default_workflow_permissions", repo.default_workflow_permissions)
    if wanted not in {"read", "write"}:
        raise ApiError(422, "Invalid request.\n\nNo such default_workflow_permissions.")
    repo.default_workflow_permissions = wanted
    return Reply(status=204)


def _listed(repo: Repository) -> list[Workflow]:
    return [w for w in repo.workflows.values() if w.state != "deleted"]


@route("GET", "/repos/{owner}/{repo}/actions/workflows", need=READ)
def workflows(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../actions/workflows."""
    return ctx.paged(_listed(repo), "workflows", lambda w: views_runs.workflow(ctx.core, repo, w))


def find_workflow(repo: Repository, key: str) -> Workflow:
    """By id or file name. Errors: ApiError 404."""
    for row in repo.workflows.values():
        if str(row.id) == key or row.path.rsplit("/", 1)[-1] == key:
            return row
    raise not_found()


@route("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}", need=READ)
def workflow(ctx: Ctx, repo: Repository, workflow_id: str) -> Reply:
    """GET .../actions/workflows/{workflow_id}."""
    return Reply(body=views_runs.workflow(ctx.core, repo, find_workflow(repo, workflow_id)))


@route("PUT", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/enable", need=WRITE)
def enable(ctx: Ctx, repo: Repository, workflow_id: str) -> Reply:
    """PUT .../enable."""
    row = find_workflow(repo, workflow_id)
    row.state, row.updated_at = "active", ctx.core.now()
    return Reply(status=204)


@route("PUT", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/disable", need=WRITE)
def disable(ctx: Ctx, repo: Repository, workflow_id: str) -> Reply:
    """PUT .../disable."""
    row = find_workflow(repo, workflow_id)
    row.state, row.updated_at = "disabled_manually", ctx.core.now()
    return Reply(status=204)


def checked_inputs(path: str, text: str, given: object) -> tuple[dict[str, str], str]:
    """The inputs with defaults, and the workflow's name. Errors: ApiError 422."""
    if not isinstance(given, dict):
        raise ApiError(422, "Invalid request.\n\nFor 'properties/inputs', it is not an object.")
    if len(given) > MAX_INPUTS:
        raise ApiError(
            422, f"Invalid request.\n\nNo more than {MAX_INPUTS} properties are allowed for inputs."
        )
    texts = {str(k): str(v).lower() if isinstance(v, bool) else str(v) for k, v in given.items()}
    try:
        workflow = load(text)
        inputs = dispatch_inputs(workflow, texts)
    except WorkflowError as error:
        raise ApiError(422, str(error)) from error
    if sum(len(k) + len(v) for k, v in inputs.items()) > MAX_SIZE:
        raise ApiError(422, "inputs are too large.")
    return inputs, workflow.name or path


@route(
    "POST",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
    need=WRITE,
    body=("ref", "inputs", "return_run_details"),
)
def dispatches(ctx: Ctx, repo: Repository, workflow_id: str) -> Reply:
    """POST .../dispatches: 200 with the run under 2026-03-10 or on request, else 204."""
    core, git = ctx.core, ctx.core.git(repo)
    details = core.options.dispatch_details
    asked = ctx.json.get("return_run_details")
    if asked is not None and (not details or ctx.version >= "2026-03-10"):
        raise ApiError(422, 'Invalid request.\n\n"return_run_details" is not a permitted key.')
    row = find_workflow(repo, workflow_id)
    if row.state == "deleted":
        raise not_found()
    if not repo.actions_enabled:
        raise ApiError(422, "Actions has been disabled for this repository.")
    if row.state != "active":
        raise ApiError(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    given = (
        text_of(ctx.json, "ref", resource="WorkflowDispatch")
        .removeprefix("refs/heads/")
        .removeprefix("refs/tags/")
    )
    name = next((n for n in (f"refs/heads/{given}", f"refs/tags/{given}") if git.ref(n)), None)
    sha = git.resolve(name) if name else None
    if name is None or sha is None:
        raise ApiError(422, f"No ref found for: {given}")
    found = git.run("ls-tree", sha, row.path).decode().split()
    if not found:
        raise ApiError(422, f"No workflow {row.path} at {given}")
    text = git.body(found[2], "blob").decode("utf-8", "replace")
    inputs, title = checked_inputs(row.path, text, ctx.json.get("inputs") or {})
    actor = ctx.caller.actor()
    payload: Json = {
        "inputs": inputs,
        "ref": name,
        "workflow": row.path,
        "repository": views.repository(core, repo),
        "sender": views.user(core, actor),
    }
    run = runs.start(
        core,
        repo,
        runs.Wanted(
            workflow=row,
            text=text,
            event="workflow_dispatch",
            ref=name,
            sha=sha,
            actor=actor,
            title=title,
            payload=payload,
            inputs=inputs,
        ),
    )
    if not details or (ctx.version < "2026-03-10" and not asked):
        return Reply(status=204)
    return Reply(
        body={
            "workflow_run_id": run.id,
            "run_url": f"{views.api_of(core, repo)}/actions/runs/{run.id}",
            "html_url": f"{views.html_of(core, repo)}/actions/runs/{run.id}",
        }
    )
