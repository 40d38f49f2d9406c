"""Proves required checks: reads the runs and jobs that made those of Actions, and who set commit statuses.

Asks for nothing where no required check has a result yet. Judges nothing: `required_jobs` does. What can't
be read proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from patch_app.core import names
from patch_app.core.approval import STATUS
from patch_app.core.attempt import Attempt, Check
from patch_app.core.configuration_promotion import same_login
from patch_app.core.required_jobs import ACTIONS, Evidence, Job, Run, proved
from patch_app.core.rules import Rules
from patch_app.github import reviewing, workflows
from patch_app.github.client import Client
from patch_app.github.document import Document
from patch_app.github.errors import Refused, TooMany
from patch_app.github.reviewing import Seen
from patch_app.github.transport import segment

# of a candidate: each push and pull request starts each workflow file once, and people a few more
_MOST_RUNS: Final = 200
_MOST_READ: Final = 20
_MOST_JOBS: Final = 1000
# "up to 1000 statuses per sha and context": docs.github.com/rest/commits/statuses
_MOST_STATUSES: Final = 2000
_MOST_CHECK_RUNS: Final = 20
_FILES: Final = "... on Tree { entries { name type } }"
_BASES: Final = (
    "timelineItems(first: 1, itemTypes: "
    "[BASE_REF_CHANGED_EVENT, BASE_REF_DELETED_EVENT, BASE_REF_FORCE_PUSHED_EVENT]) { nodes { __typename } }"
)
_PULLS: Final = "nodes { number createdAt isCrossRepository } pageInfo { hasNextPage }"

Wanted = tuple[str, str | None]


async def prove(client: Client, attempt: Attempt, seen: Seen, rules: Rules | None) -> tuple[Check, ...]:
    """All that was seen on the candidate, and after it what of it counts as a required check."""
    jobs, statuses = await asyncio.gather(
        _jobs(client, attempt, seen, tuple(_wanted(attempt, seen, rules))),
        _statuses(client, attempt, seen, rules),
    )
    # what was proved stands for what was seen of it
    known = {_face(one) for one in (*jobs, *statuses)}
    return (*(one for one in seen.checks if _face(one) not in known), *jobs, *statuses)


def _face(one: Check) -> tuple[str | None, ...]:
    return one.name, one.app, one.workflow, one.creator, one.status, one.conclusion


def _wanted(attempt: Attempt, seen: Seen, rules: Rules | None) -> Iterable[Wanted]:
    """Required checks that Actions may have made and that have a result, with the file that must have it."""
    ids = {one.app_id for one in seen.checks if one.app == ACTIONS}
    wanted: list[Wanted] = [
        (one.name, one.workflow)
        for one in attempt.configuration.promotion.required_checks
        if one.creator is None and one.app in (None, ACTIONS)
    ]
    wanted += [(one.name, None) for one in _ruled(attempt, rules) if one.app_id is None or one.app_id in ids]
    return (one for one in dict.fromkeys(wanted) if one[0] in seen.ended)


def _ruled(attempt: Attempt, rules: Rules | None) -> tuple[Any, ...]:
    if rules is None or attempt.configuration.promotion.lands:
        return ()
    return rules.required_checks


# Jobs ----------------------------------------------------------------------------------------------------


async def _jobs(
    client: Client, attempt: Attempt, seen: Seen, wanted: tuple[Wanted, ...]
) -> tuple[Check, ...]:
    if not wanted or attempt.candidate is None:
        return ()
    branch = names.maintenance_branch(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    app_id = next((one.app_id for one in seen.checks if one.app == ACTIONS), None)
    try:
        evidence = await _files(client, attempt, attempt.candidate, branch)
        paths = {path for _, path in wanted if path is not None}
        if any(path is None for _, path in wanted):
            paths |= evidence.maintained
        runs = await _runs(client, attempt.repository, attempt.candidate, paths)
        shown = await _check_runs(client, attempt.repository, seen, {name for name, _ in wanted}, runs)
    except Refused as error:
        return proved(wanted, Evidence(branch=branch, app_id=app_id, problem=error.message))
    told = {"app_id": app_id, "runs": runs, "check_runs": shown}
    return proved(wanted, evidence.model_copy(update=told))


async def _files(client: Client, attempt: Attempt, candidate: str, branch: str) -> Evidence:
    """The candidate's workflow files, names of the maintained branch's, and pull requests of the branch."""
    document = Document(attempt.repository)
    workflows.ask(document, [candidate])
    at = f"{attempt.stack_head}:{workflows.DIRECTORY}"
    document.add("maintained", "object", "expression", at, _FILES)
    document.add("pulls", "pullRequests", "first: 100, headRefName", branch, _PULLS)
    number = attempt.pull_request.number if attempt.pull_request else 0
    document.add("own", "pullRequest", "number", number, _BASES)
    answer = await document.ask(client)
    fork = answer.fork
    pulls = fork["pulls"]
    if pulls["pageInfo"]["hasNextPage"]:
        raise TooMany("more than 100 pull requests were opened from the maintenance branch")
    entries = (fork.get("maintained") or {}).get("entries") or []
    return Evidence(
        branch=branch,
        files=await workflows.parsed_files(client, attempt.repository, answer),
        maintained=frozenset(
            f"{workflows.DIRECTORY}/{one['name']}" for one in entries if one["type"] == "blob"
        ),
        pulls={
            one["number"]: datetime.fromisoformat(one["createdAt"])
            for one in pulls["nodes"]
            if one["number"] != number and not one["isCrossRepository"]
        },
        rebased=bool(((fork.get("own") or {}).get("timelineItems") or {}).get("nodes")),
    )


async def _runs(client: Client, repository: str, candidate: str, paths: set[str]) -> tuple[Run, ...]:
    """Runs that GitHub lists for the candidate, of these files, with the jobs of all their attempts."""
    listed = await client.get_all(
        f"/repos/{repository}/actions/runs", key="workflow_runs", limit=_MOST_RUNS, head_sha=candidate
    )
    found = [run for run in listed if run["head_sha"] == candidate and run["path"].partition("@")[0] in paths]
    if len(found) > _MOST_READ:
        raise TooMany(f"more than {_MOST_READ} runs on the candidate could have made it")
    return tuple(await asyncio.gather(*(_run(client, repository, run) for run in found)))


async def _run(client: Client, repository: str, run: dict[str, Any]) -> Run:
    path = f"/repos/{repository}/actions/runs/{run['id']}/jobs"
    jobs = await client.get_all(path, key="jobs", limit=_MOST_JOBS, filter="all")
    here = (run.get("head_repository") or {}).get("id") == (run.get("repository") or {}).get("id")
    return Run(
        id=run["id"],
        path=run["path"].partition("@")[0],
        event=run["event"],
        branch=(run.get("head_branch") or "") if here else "",
        attempt=run.get("run_attempt", 1),
        status=run["status"] or "",
        conclusion=run.get("conclusion"),
        created=datetime.fromisoformat(run["created_at"]),
        jobs=tuple(
            Job(
                id=job["id"],
                attempt=job.get("run_attempt", 1),
                name=job["name"],
                status=job["status"],
                conclusion=job.get("conclusion"),
                url=job.get("html_url") or "",
                steps=tuple(step["name"] for step in job.get("steps") or []),
            )
            for job in jobs
        ),
    )


async def _check_runs(
    client: Client, repository: str, seen: Seen, wanted: set[str], runs: tuple[Run, ...]
) -> dict[int, str]:
    """The names of check runs of Actions; those of required jobs that GitHub didn't list are asked for."""
    shown = dict(seen.actions)
    lacking = [job.id for run in runs for job in run.jobs if job.name in wanted and job.id not in shown]
    if len(lacking) > _MOST_CHECK_RUNS:
        raise TooMany(f"more than {_MOST_CHECK_RUNS} jobs whose check runs GitHub doesn't list")
    for number in lacking:
        found = await client.find(f"/repos/{repository}/check-runs/{number}")
        shown[number] = found["name"] if isinstance(found, dict) else ""
    return shown


# Commit statuses -----------------------------------------------------------------------------------------


async def _statuses(client: Client, attempt: Attempt, seen: Seen, rules: Rules | None) -> tuple[Check, ...]:
    """Statuses that count and aren't the newest of their context, and the Apps of those that an App set."""
    shown = {one.name: one for one in seen.checks if one.app == STATUS}
    named = [one for one in attempt.configuration.promotion.required_checks if one.creator is not None]
    hidden = [
        (one.name, one.creator or "")
        for one in named
        if one.name in shown and not same_login(shown[one.name].creator, one.creator or "")
    ]
    # a ruleset's App by its id: who set the newest may be it, or somebody behind whom it is hidden
    ruled = [(one.name, one.app_id) for one in _ruled(attempt, rules) if one.app_id and one.name in shown]
    if not hidden and not ruled:
        return ()
    listed = await _all_statuses(client, attempt.repository, attempt.candidate or "")
    found = [one for one in listed if any(_is(one, name, login) for name, login in hidden)]
    apps: dict[str, int | None] = {}
    for one in listed:
        wanted = [number for name, number in ruled if name == one.name]
        slug = (one.creator or "").removesuffix("[bot]")
        # what Actions sets any workflow may set
        if not wanted or slug in (one.creator, ACTIONS):
            continue
        if slug not in apps:
            app = await client.find(f"/apps/{segment(slug)}")
            apps[slug] = app["id"] if isinstance(app, dict) else None
        if apps[slug] in wanted:
            found.append(one.model_copy(update={"app_id": apps[slug]}))
    return tuple({(one.name, one.creator): one for one in reversed(found)}.values())


def _is(one: Check, name: str, login: str) -> bool:
    return one.name == name and same_login(one.creator, login)


async def _all_statuses(client: Client, repository: str, commit: str) -> list[Check]:
    """Newest first; none where they can't be read."""
    try:
        listed = await client.get_all(
            f"/repos/{repository}/commits/{segment(commit)}/statuses", limit=_MOST_STATUSES
        )
    except Refused:
        return []
    return [
        reviewing.status(
            one["context"], one["state"], one["target_url"], (one["creator"] or {}).get("login") or ""
        )
        for one in listed
    ]
