"""Starts workflows on a fork, and finds again what was started while the answer got lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from patch_app.core.attempt import Attempt
from patch_app.core.channel import ChannelRun
from patch_app.core.configuration_channels import ChannelName
from patch_app.core.effects import StartWorkflow
from patch_app.github.client import Client
from patch_app.github.errors import NotFound, Refused
from patch_app.github.transport import segment

# "create a workflow dispatch event": answers 200 with the run's id instead of 204
RUN_DETAILS: Final = "return_run_details"
# GitHub's clock and ours may differ
_SKEW: Final = timedelta(seconds=60)
_MOST: Final = 100


async def start(client: Client, repository: str, workflow: str, branch: str, inputs: dict[str, str]) -> Any:
    """What GitHub answers to a dispatch; nothing where it gives no run details."""
    path = f"/repos/{repository}/actions/workflows/{segment(workflow)}/dispatches"
    body = {"ref": branch, "inputs": inputs}
    try:
        return await client.post(path, {**body, RUN_DETAILS: True})
    except Refused as error:
        # GitHub Enterprise Server 3.19 knows no such key, and version 2026-03-10 needs none: a
        # refused request has started nothing
        if error.status != 422 or RUN_DETAILS not in error.message:
            raise
        return await client.post(path, body)


def details(answer: Any) -> dict[str, Any]:
    """The run that a dispatch has begun, where the answer tells it."""
    if isinstance(answer, dict) and answer.get("workflow_run_id"):
        return {"run_id": answer["workflow_run_id"], "url": answer["html_url"]}
    return {}


async def start_once(
    client: Client, attempt: Attempt, effect: StartWorkflow, app_slug: str, *, again: bool
) -> dict[str, Any]:
    """The run of the fork's own workflow, begun now or, `again`, perhaps before."""
    found = await find(client, attempt, effect, app_slug) if again else None
    if found is not None:
        return {"run_id": found.id, "url": found.url}
    try:
        answer = await start(client, attempt.repository, effect.workflow, effect.branch, effect.inputs)
    except NotFound:
        raise Refused(
            404, f"the default branch has no workflow {effect.workflow}; GitHub starts none that it lacks"
        ) from None
    return details(answer)


async def find(client: Client, attempt: Attempt, effect: StartWorkflow, app_slug: str) -> ChannelRun | None:
    """The run that the App itself has started on this branch since it was asked to; the first of several.

    Its name and inputs aren't ours to read: who started it, where and when is all that there is.
    """
    since = (effect.since - _SKEW).astimezone(UTC).replace(microsecond=0)
    past = {run for one in attempt.channels if one.name is ChannelName.INTERNAL for run in one.earlier}
    path = f"/repos/{attempt.repository}/actions/workflows/{segment(effect.workflow)}/runs"
    created = f">={since.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    seen, found = 0, []
    async for run in client.each(
        path, key="workflow_runs", event="workflow_dispatch", branch=effect.branch, created=created
    ):
        by = (run.get("actor") or {}).get("login")
        late = datetime.fromisoformat(run["created_at"]) >= since
        if by == f"{app_slug}[bot]" and late and run["id"] not in past:
            found.append(as_run(run))
        seen += 1
        if seen >= _MOST:
            break
    return min(found, key=lambda run: run.id, default=None)


def as_run(run: dict[str, Any]) -> ChannelRun:
    """A run as GitHub tells it."""
    return ChannelRun(
        id=run["id"],
        path=run["path"].split("@")[0],
        attempt=run.get("run_attempt", 1),
        status=run["status"],
        conclusion=run.get("conclusion"),
        url=run["html_url"],
    )
