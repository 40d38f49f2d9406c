"""A run's report, and what GitHub itself says about what it claims.

Believes nothing of a report: what a claim is held against is read from GitHub. Concludes nothing.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from patch_app.core import names
from patch_app.core.attempt import Attempt
from patch_app.core.facts import Inbox
from patch_app.core.report import Report, Status
from patch_app.github import reading
from patch_app.github.client import InstallationClient
from patch_app.github.errors import NotFound, Refused
from patch_app.github.transport import segment


async def inbox(client: InstallationClient, repository: str, ref: str, commit: str) -> Inbox:
    """The report in a commit of the inbox, or why it can't be read."""
    try:
        files = await reading.commit_files(client, repository, commit)
        if "report.json" not in files:
            return Inbox(ref=ref, commit=commit, report=None, problem="the commit has no report.json")
        text = await reading.blob(client, repository, files["report.json"][0], reading.REPORT_BOUND)
        return Inbox(ref=ref, commit=commit, report=Report.model_validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Inbox(ref=ref, commit=commit, report=None, problem=f"{where}: {first['msg']}")
    except Refused as error:
        return Inbox(ref=ref, commit=commit, report=None, problem=error.message)


async def evidence(client: InstallationClient, attempt: Attempt, report: Report | None) -> dict[str, Any]:
    """Facts about a report's base: whether it is upstream's, and what the stack has above it."""
    if report is None or report.stack is None:
        return {}
    if attempt.target is None or attempt.stack_head is None or report.stack.sha != attempt.stack_head:
        return {}
    if report.status is Status.NOOP:
        return {
            "nothing_to_carry": await _nothing_to_carry(client, attempt, attempt.target, attempt.stack_head)
        }
    if report.base is None or report.status not in (Status.CLEAN, Status.CONFLICT):
        return {}
    fork = attempt.repository
    try:
        commits, merges = await reading.commits_between(client, fork, report.base, attempt.stack_head)
    except NotFound:
        return {"stack_commits": (), "base_is_upstream": False}
    claimed = report.installed.commits if report.installed else ()
    own = [one for one in claimed if one in commits and await is_our_own(client, fork, one)]
    return {
        "stack_commits": commits,
        "stack_merges": merges,
        "base_is_upstream": await _upstreams(client, attempt.upstream, report.base, attempt.target),
        "installed": tuple(own),
    }


async def is_our_own(client: InstallationClient, repository: str, commit: str) -> bool:
    """Whether a commit has the App's trailer and touches the App's paths alone, as GitHub shows it."""
    found = await client.get(f"/repos/{repository}/commits/{segment(commit)}")
    paths = {file[key] for file in found["files"] for key in ("filename", "previous_filename") if key in file}
    lines = [line.rstrip() for line in found["commit"]["message"].splitlines()]
    return names.INSTALLED_TRAILER in lines and bool(paths) and paths <= set(names.INSTALLED_PATHS)


async def _upstreams(client: InstallationClient, upstream: str, commit: str, target: str) -> bool:
    repository = await client.get(f"/repos/{upstream}")
    if await reading.is_ancestor(client, upstream, commit, (target, repository["default_branch"])):
        return True
    # many upstreams tag a release on a commit that no branch has
    return await reading.is_tagged(client, upstream, commit)


async def _nothing_to_carry(client: InstallationClient, attempt: Attempt, target: str, head: str) -> bool:
    compared = await reading.compare(client, attempt.repository, target, head)
    if compared is not None and compared["behind_by"] == 0:
        return True
    return await _upstreams(client, attempt.upstream, head, target)
