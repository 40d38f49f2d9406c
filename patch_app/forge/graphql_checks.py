"""GraphQL objects: the checks and statuses of a commit.

Its job: what `statusCheckRollup` has. It refuses to leave out runs that a later one of the same name has
overtaken: GitHub lists them too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from patch_app.forge import views
from patch_app.forge.core import Core
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import CheckRun, Status

Connection = Callable[..., Json]
Account = Callable[[Core, str], Json]


def rollup(core: Core, repo: Repository, sha: str, connection: Connection, account: Account) -> Json | None:
    """StatusCheckRollup of a commit; None where nothing was ever reported on it."""
    rows: list[CheckRun | Status] = [c for c in repo.checks.values() if c.head_sha == sha]
    rows += {s.context: s for s in repo.statuses if s.sha == sha}.values()
    if not rows:
        return None

    def show(row: CheckRun | Status) -> Json:
        if isinstance(row, CheckRun):
            return _check_run(core, repo, row)
        return _status(row, account(core, row.creator))

    def contexts(_info: object, **arguments: Any) -> Json:
        return connection(rows, show, arguments)

    return {"id": views.node("StatusCheckRollup", f"{repo.id}.{sha}"), "contexts": contexts}


def _check_run(core: Core, repo: Repository, row: CheckRun) -> Json:
    run = next((one for one in repo.runs.values() if one.suite_id == row.suite_id), None)
    app = views.app_of_id(core, row.app_id)
    return {
        "__typename": "CheckRun",
        "id": views.node("CheckRun", row.id),
        "databaseId": row.id,
        "name": row.name,
        "status": row.status.upper(),
        "conclusion": row.conclusion.upper() if row.conclusion else None,
        "externalId": row.external_id,
        "url": f"{views.html_of(core, repo)}/runs/{row.id}",
        "checkSuite": {
            "id": views.node("CheckSuite", row.suite_id),
            "databaseId": row.suite_id,
            "app": {"id": views.node("App", row.app_id), "databaseId": row.app_id, "slug": app["slug"]},
            "workflowRun": run
            and {
                "id": views.node("WorkflowRun", run.id),
                "databaseId": run.id,
                "event": run.event,
                "file": {"id": views.node("WorkflowRunFile", run.id), "path": run.path},
            },
        },
    }


def _status(row: Status, creator: Json) -> Json:
    return {
        "__typename": "StatusContext",
        "id": views.node("StatusContext", row.id),
        "context": row.context,
        "state": row.state.upper(),
        "targetUrl": row.target_url,
        "creator": creator,
    }
