"""Check runs and folded comments: two of the things that people see. Each looks for its own earlier success.

A folded comment stays where it is, and GitHub's page says why. Refuses to touch what another App made.
"""

from __future__ import annotations

from typing import Any, Final

from patch_app.core.effects import Annotation, Hide, PutCheckRun
from patch_app.github.client import InstallationClient
from patch_app.github.errors import Refused
from patch_app.github.transport import segment

_MINIMIZE: Final = """
mutation($comment: ID!) {
  minimizeComment(input: {subjectId: $comment, classifier: OUTDATED}) { clientMutationId }
}
"""
_MINIMIZED: Final = "query($comment: ID!) { node(id: $comment) { ... on IssueComment { isMinimized } } }"


async def hide(client: InstallationClient, effect: Hide) -> None:
    """Folds a comment as outdated. Raises Refused where it is not ours to fold, or gone."""
    comment = {"comment": effect.comment}
    try:
        (await client.graphql(_MINIMIZE, comment)).need()
    except Refused:
        there = (await client.graphql(_MINIMIZED, comment)).data.get("node")
        if not (there or {}).get("isMinimized"):
            raise


async def put_check_run(
    client: InstallationClient, repository: str, app_slug: str, effect: PutCheckRun, *, again: bool
) -> dict[str, Any]:
    """Makes the check run or brings it up to date: its id and page."""
    output: dict[str, Any] = {"title": effect.title, "summary": effect.summary, "text": effect.text}
    body: dict[str, Any] = {
        "name": effect.name,
        "status": effect.status,
        "external_id": effect.external_id,
        "output": output,
        # also none: else a button stays that can no longer be used
        "actions": [one.model_dump() for one in effect.buttons],
    }
    if effect.conclusion is not None:
        body["conclusion"] = effect.conclusion
    if effect.details_url:
        body["details_url"] = effect.details_url
    path = f"/repos/{repository}/check-runs"
    lost = await _found(client, repository, app_slug, effect) if again and effect.number is None else None
    number = effect.number or (lost["id"] if lost else None)
    # GitHub adds annotations to those that are there
    if effect.annotations and not (lost and lost["output"].get("annotations_count")):
        output["annotations"] = [_annotation(one) for one in effect.annotations]
    if number is not None:
        made = await client.patch(f"{path}/{number}", body)
    else:
        made = await client.post(path, {**body, "head_sha": effect.commit})
    return {"id": made["id"], "url": made["html_url"]}


async def _found(
    client: InstallationClient, repository: str, app_slug: str, effect: PutCheckRun
) -> dict[str, Any] | None:
    listed: list[dict[str, Any]] = await client.get_all(
        f"/repos/{repository}/commits/{segment(effect.commit)}/check-runs",
        key="check_runs",
        check_name=effect.name,
    )
    for run in listed:
        ours = (run.get("app") or {}).get("slug") == app_slug
        if ours and run.get("external_id") == effect.external_id:
            return run
    return None


def _annotation(one: Annotation) -> dict[str, Any]:
    return {
        "path": one.path,
        "start_line": one.start_line,
        "end_line": one.end_line,
        "annotation_level": one.level,
        "message": one.message,
        **({"title": one.title} if one.title else {}),
    }
