"""What must be known before a run is started, read once: configuration, workflow, release, rules.

Reads with the attempt's own query and few requests beside it. Concludes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from patch_app.core import names, release_notes
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.facts import Preflight, Workflow
from patch_app.core.siblings import same_upstream
from patch_app.core.upstreams import Repository
from patch_app.github import landing, reading, vitals
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.document import Answer, Document, peeled
from patch_app.github.footprint import runner_commit, workflow_blob_id, workflow_file
from patch_app.github.fork_configuration import parsed_configuration
from patch_app.github.refs_of import Refs
from patch_app.github.transport import segment

# the query's answer, and the refs that were listed beside it
Asked: TypeAlias = tuple[Answer, Refs]


def ask(document: Document, tag: str) -> None:
    """Adds the fork's two files and the release to a query."""
    text = "... on Blob { oid text isTruncated }"
    document.select("parent { databaseId nameWithOwner }")
    document.add("configuration", "object", "expression", f"HEAD:{names.CONFIGURATION_PATH}", text)
    document.add("workflow", "object", "expression", f"HEAD:{names.WORKFLOW_PATH}", "oid")
    document.add("release", "release", "tagName", tag, "description url", of="upstream")


async def read(
    app: GitHubApp, client: InstallationClient, attempt: Attempt, siblings: Sequence[Attempt], asked: Asked
) -> Preflight:
    """The preflight's facts. Raises Later, Refused, Bug."""
    answer, refs = asked
    fork, upstream = answer.fork, answer.upstream or {}
    config, blob, problems = parsed_configuration(fork.get("configuration"))
    settings = config or attempt.configuration
    target, head = peeled(upstream.get("tag")), refs.value(names.head(attempt.stack))
    promoted = promoted_target(attempt, siblings, head)
    compared, shared, (landed, base), ours, health = await asyncio.gather(
        _compared(client, attempt, target, head),
        _shared(client, attempt, upstream, target, head) if promoted is None else _none(),
        landing.landed(client, attempt, siblings, head),
        workflow(client, attempt.repository, asked, uploads=config is not None and config.keeps_artifacts),
        vitals.before_attempt(app, client, attempt, settings.branches.prefix, answer.upstream),
    )
    return Preflight(
        default_branch=(fork["defaultBranchRef"] or {}).get("name", ""),
        archived=bool(fork["isArchived"]),
        workflow=ours,
        configuration=config,
        configuration_blob=blob,
        configuration_problems=problems,
        target=target,
        upstream=repository(answer.upstream),
        parent=repository(fork.get("parent")),
        base=base or promoted,
        landed=landed,
        built=_built(siblings),
        contained=compared["behind_by"] == 0 if compared else None,
        ahead=compared["ahead_by"] if compared else None,
        merge_base=compared["merge_base_commit"]["sha"] if compared else None,
        shared=shared["merge_base_commit"]["sha"] if shared else None,
        release=release_notes.read(upstream.get("release")),
        collisions=refs.collisions(attempt, settings),
        vitals=health,
    )


def repository(found: Mapping[str, Any] | None) -> Repository | None:
    """A repository that a query has asked for with `databaseId nameWithOwner`."""
    if not found or found.get("databaseId") is None:
        return None
    return Repository(id=found["databaseId"], name=found["nameWithOwner"])


async def _compared(
    client: InstallationClient, attempt: Attempt, target: str | None, head: str
) -> dict[str, Any] | None:
    if target is None or head == names.ZERO:
        return None
    return await reading.compare(client, attempt.repository, target, head)


async def _shared(
    client: InstallationClient, attempt: Attempt, upstream: Mapping[str, Any], target: str | None, head: str
) -> dict[str, Any] | None:
    """The stack's comparison with upstream's default branch, where that isn't the release itself."""
    default = ((upstream.get("defaultBranchRef") or {}).get("target") or {}).get("oid")
    return await _compared(client, attempt, default, head) if default != target else None


async def _none() -> None:
    """For what needn't be read: the stack stands on what an attempt of ours put it on."""


def promoted_target(attempt: Attempt, siblings: Sequence[Attempt], head: str) -> str | None:
    """What the stack stands on, where it is just as an attempt of ours left it; else the runner looks."""
    for one in siblings:
        if one.stage is Stage.PROMOTED and one.candidate == head and same_upstream(one, attempt):
            return one.target
    return None


def _built(siblings: Sequence[Attempt]) -> dict[str, str]:
    """What the last promoted attempt made of commits of patch branches, by the new commits."""
    promoted = [one for one in siblings if one.stage is Stage.PROMOTED and one.report is not None]
    last = max(promoted, key=lambda one: one.completed or one.updated, default=None)
    patches = last.report.patches if last and last.report else ()
    return {one.new: one.source for one in patches if one.new and one.source}


async def workflow(client: InstallationClient, repository: str, asked: Asked, *, uploads: bool) -> Workflow:
    """The App's workflow as it is, and as it has to be; `uploads`: where checks ask for artifacts."""
    answer, refs = asked
    private = bool(answer.fork["isPrivate"])
    expected, other = (
        workflow_blob_id(workflow_file(private, uploads=one)) for one in (uploads, not uploads)
    )
    file = names.WORKFLOW_PATH.rsplit("/", 1)[-1]
    found = await client.find(f"/repos/{repository}/actions/workflows/{segment(file)}")
    return Workflow(
        blob=(answer.fork.get("workflow") or {}).get("oid"),
        state=found["state"] if found else None,
        runner=refs.runner,
        on_branches=refs.on_branches,
        expected_blob=expected,
        other_blob=other,
        expected_runner=runner_commit()[0],
    )
