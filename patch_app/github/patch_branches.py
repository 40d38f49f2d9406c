"""What a report says of the commits of patch branches, held against what GitHub has.

Reads branches by name, never by what a run says. Concludes nothing, moves no branch.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from patch_app.core.attempt import Attempt
from patch_app.core.report import Patch, Report
from patch_app.github import reading
from patch_app.github.client import InstallationClient
from patch_app.github.transport import segment


async def evidence(client: InstallationClient, attempt: Attempt, report: Report) -> dict[str, Any]:
    """By branch its commits above the base that the report names; and which claims of likeness don't hold.

    Raises NotFound where a base is unknown to the fork.
    """
    if [(one.branch, one.sha) for one in report.branches] != [
        (one.branch, one.sha) for one in attempt.patches
    ]:
        return {"patch_commits": {}}
    found: dict[str, tuple[str, ...]] = {}
    for one in report.branches:
        commits, merges = await reading.commits_between(client, attempt.repository, one.base, one.sha)
        found[one.branch] = (*commits, *merges)
    told = [
        patch
        for patch in report.patches
        if patch.built not in (None, patch.source) and attempt.built.get(str(patch.built)) != patch.source
    ]
    unlike = [str(patch.built) for patch in told if not await _alike(client, attempt.repository, patch)]
    return {"patch_commits": found, "unlike": tuple(unlike)}


async def _alike(client: InstallationClient, repository: str, patch: Patch) -> bool:
    """Whether GitHub shows the two commits with the same lines; for one that is only replaced, the same
    author, date and message will do.
    """
    one, other = [
        await client.get(f"/repos/{repository}/commits/{segment(str(sha))}")
        for sha in (patch.source, patch.built)
    ]
    if _lines(one) == _lines(other):
        return True
    return patch.old == patch.source and _written(one) == _written(other)


def _lines(commit: dict[str, Any]) -> dict[tuple[str, str, str], object]:
    """What a commit does to each file."""
    return {
        (file["filename"], file["status"], file.get("previous_filename") or ""): _done(file)
        for file in commit["files"]
    }


def _done(file: dict[str, Any]) -> object:
    if file.get("patch"):
        return Counter(line for line in file["patch"].splitlines() if line[:1] in ("+", "-"))
    # too many lines to be shown, or none at all: then what became of it
    return (file.get("additions"), file.get("deletions")) if file.get("changes") else file.get("sha")


def _written(commit: dict[str, Any]) -> tuple[object, str]:
    inner = commit["commit"]
    return inner["author"], inner["message"].rstrip()
