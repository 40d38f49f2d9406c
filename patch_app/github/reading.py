"""Single readings of GitHub, each one request or one listing, as plain facts.

Refuses to conclude anything, and to read more than a bound from what a fork or a runner wrote.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from patch_app.core import names, rule_types
from patch_app.core.attempt import MOST_ARTIFACTS, Artifact
from patch_app.core.facts import Job, RunFact
from patch_app.core.rules import Incoming, Rules
from patch_app.core.vitals import Bypass
from patch_app.github.client import Client
from patch_app.github.errors import Bug, NotFound, Refused, TooMany
from patch_app.github.transport import segment, segments

# Enough for a report about thousands of patches; a bigger one is refused, not cut.
REPORT_BOUND: Final = 8 * 1024 * 1024
LOG_BOUND: Final = 16 * 1024 * 1024
_LOG_LINES: Final = 80
_STAMP: Final = re.compile(r"^\ufeff?[0-9T:.-]{19,33}Z ")
# of a promotion, looked at one by one where a rule asks for it
_MOST_INCOMING: Final = 1000
# of one job: the App's own have few
_MOST_STEPS: Final = 50
_STEP_NAME: Final = 300
_OLDER_ATTEMPTS: Final = 5


async def refs_under(client: Client, repository: str, prefix: str) -> dict[str, str]:
    """Refs whose full name starts with `prefix`, with the object each points at.

    docs.github.com/rest/git/refs, "List matching references": every namespace, a prefix of text.
    """
    path = f"/repos/{repository}/git/matching-refs/{segments(prefix.removeprefix('refs/'))}"
    listed = await client.get_all(path, limit=5000)
    return {item["ref"]: item["object"]["sha"] for item in listed}


async def ref(client: Client, repository: str, name: str) -> str:
    """The object that a ref points at; zeros where it doesn't exist."""
    found = await client.find(f"/repos/{repository}/git/ref/{segments(name.removeprefix('refs/'))}")
    # a prefix of other refs' names is answered with their list by some servers
    return found["object"]["sha"] if isinstance(found, dict) else names.ZERO


async def file_text(client: Client, repository: str, path: str, at: str) -> tuple[str, str] | None:
    """Blob id and text of a file at a commit or branch, None where there is none."""
    found = await client.find(f"/repos/{repository}/contents/{segments(path)}", ref=at)
    if not isinstance(found, dict) or found.get("type") != "file":
        return None
    try:
        return found["sha"], base64.b64decode(found.get("content", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return found["sha"], "\0"  # no text: whoever parses it says so


async def blob_id(client: Client, repository: str, path: str, at: str) -> str | None:
    """Blob id of a file at a commit or branch, None where there is none."""
    found = await client.find(f"/repos/{repository}/contents/{segments(path)}", ref=at)
    return found["sha"] if isinstance(found, dict) and found.get("type") == "file" else None


async def compare(client: Client, repository: str, base: str, head: str) -> dict[str, Any] | None:
    """GitHub's comparison without its commits, None where either side is unknown to the repository."""
    try:
        answer = await client.get(
            f"/repos/{repository}/compare/{segment(base)}...{segment(head)}", per_page=1, page=1
        )
    except Refused as error:
        if isinstance(error, NotFound) or error.status == 422:
            return None
        raise
    if not isinstance(answer, dict):
        raise Bug("compare: the answer is no JSON object")
    return answer


async def commits_between(
    client: Client, repository: str, base: str, head: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Commits of `head` that `base` does not have, every page of them: those with one parent, and merges."""
    path = f"/repos/{repository}/compare/{segment(base)}...{segment(head)}"
    listed = await client.get_all(path, key="commits", limit=5000)
    merges = tuple(commit["sha"] for commit in listed if len(commit["parents"]) > 1)
    return tuple(commit["sha"] for commit in listed if commit["sha"] not in merges), merges


async def is_tagged(client: Client, repository: str, commit: str) -> bool:
    """Whether a tag of the repository leads to the commit; the first thousand tags are looked at."""
    seen = 0
    async for tag in client.each(f"/repos/{repository}/tags"):
        if tag["commit"]["sha"] == commit:
            return True
        seen += 1
        if seen >= 1000:
            break
    return False


async def is_ancestor(client: Client, repository: str, commit: str, of: Iterable[str]) -> bool:
    """Whether one of `of` contains the commit, as the repository itself tells."""
    for head in of:
        compared = await compare(client, repository, commit, head)
        if compared is not None and compared["merge_base_commit"]["sha"] == commit:
            return True
    return False


async def runs(
    client: Client,
    repository: str,
    name: str,
    known: Iterable[int],
    *,
    jobs: bool = True,
    artifacts: bool = False,
) -> tuple[RunFact, ...]:
    """Runs that carry an attempt's name: those already known by id, else searched in the latest list.

    `jobs`: with their jobs. `artifacts`: with what those that have ended stored.
    """
    ids = list(known)
    if ids:
        listed = [await client.get(f"/repos/{repository}/actions/runs/{run}") for run in ids]
    else:
        listed = []
        async for run in client.each(
            f"/repos/{repository}/actions/runs", key="workflow_runs", event="workflow_dispatch"
        ):
            listed.append(run)
            if len(listed) >= 300:
                break
    ours = [run for run in listed if name in (run.get("display_title"), run.get("name"))]
    out = []
    for run in sorted(ours, key=lambda run: run["id"]):
        listed = await _listed_jobs(client, repository, run) if jobs else []
        stored = artifacts and run["status"] == "completed"
        kept = await _artifacts(client, repository, run) if stored else ()
        out.append(_run(run, name, listed, kept))
    return tuple(out)


async def _listed_jobs(client: Client, repository: str, run: dict[str, Any]) -> list[Any]:
    """The jobs of all run attempts with their steps, which GitHub's list has lacked for older ones
    (r-universe-org/help#607): those are asked for by their attempt, of the newest few.
    """
    path = f"/repos/{repository}/actions/runs/{run['id']}"
    listed = await client.get_all(f"{path}/jobs", key="jobs", filter="all")
    ran = [job for job in listed if job["status"] == "completed" and job.get("conclusion") != "skipped"]
    bare = {job.get("run_attempt") or 1 for job in ran if not job.get("steps")}
    steps: dict[int, Any] = {}
    for number in sorted(bare - {run.get("run_attempt", 1)})[-_OLDER_ATTEMPTS:]:
        of_attempt = await client.get_all(f"{path}/attempts/{number}/jobs", key="jobs")
        steps |= {job["id"]: job.get("steps") for job in of_attempt}
    return [job | {"steps": job.get("steps") or steps.get(job["id"])} for job in listed]


def _jobs(listed: list[Any]) -> tuple[Job, ...]:
    """Each job once, under the run attempt in which it ran.

    What "Re-run failed jobs" doesn't run again may be listed for the newer run attempt too, with old times.
    """
    ran: dict[tuple[Any, ...], dict[str, Any]] = {}
    # two of one run attempt are two, whatever they are called
    twins: Counter[tuple[Any, ...]] = Counter()
    for job in sorted(listed, key=lambda job: (job.get("run_attempt") or 1, job["id"])):
        times = (job.get("started_at"), job.get("completed_at"))
        if job["status"] == "completed" and None not in times:
            face = (job["name"], job.get("conclusion"), *times)
            twins[job.get("run_attempt") or 1, *face] += 1
            known = ran.setdefault((*face, twins[job.get("run_attempt") or 1, *face]), job)
            known["steps"] = known.get("steps") or job.get("steps")
        else:
            ran[job["id"],] = job
    return tuple(
        Job(
            id=job["id"],
            name=job["name"],
            status=job["status"],
            conclusion=job.get("conclusion"),
            url=job.get("html_url") or "",
            attempt=job.get("run_attempt") or 1,
            steps=_steps(job),
        )
        for job in ran.values()
    )


def _steps(job: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(one["name"])[:_STEP_NAME] for one in (job.get("steps") or [])[:_MOST_STEPS])


def _run(run: dict[str, Any], name: str, jobs: list[Any], artifacts: tuple[Artifact, ...]) -> RunFact:
    return RunFact(
        id=run["id"],
        attempt=run.get("run_attempt", 1),
        name=name,
        path=run["path"].split("@")[0],
        event=run["event"],
        head_sha=run["head_sha"],
        actor=(run.get("actor") or {}).get("login") or "",
        status=run["status"],
        conclusion=run.get("conclusion"),
        url=run["html_url"],
        created=run.get("created_at"),
        started=run.get("run_started_at"),
        updated=run.get("updated_at"),
        jobs=_jobs(jobs),
        artifacts=artifacts,
    )


async def log_tail(client: Client, repository: str, job: int) -> str:
    """The end of a job's log; empty where GitHub has none (any more). Its lines begin with a time."""
    try:
        raw = await client.get_bytes(f"/repos/{repository}/actions/jobs/{job}/logs", bound=LOG_BOUND)
    except TooMany:
        return "the log is too long to be shown here"
    except Refused:
        return ""
    lines = raw.decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    return "\n".join(_STAMP.sub("", line) for line in lines)


async def _artifacts(client: Client, repository: str, run: dict[str, Any]) -> tuple[Artifact, ...]:
    """The newest ones. Their names and number are the choice of whoever ran code in a check."""
    found: list[Artifact] = []
    path = f"/repos/{repository}/actions/runs/{run['id']}/artifacts"
    async for one in client.each(path, key="artifacts"):
        found.append(Artifact(name=one["name"][:200], url=f"{run['html_url']}/artifacts/{one['id']}"))
        if len(found) >= MOST_ARTIFACTS:
            break
    return tuple(found)


async def _root(client: Client, repository: str, commit: str) -> list[dict[str, Any]]:
    tree = (await client.get(f"/repos/{repository}/git/commits/{segment(commit)}"))["tree"]["sha"]
    found: list[dict[str, Any]] = (await client.get(f"/repos/{repository}/git/trees/{segment(tree)}"))["tree"]
    return found


async def folder(client: Client, repository: str, commit: str, name: str) -> str | None:
    """Id of the tree of that name at the root of a commit's, None where there is none."""
    entries = await _root(client, repository, commit)
    return next((one["sha"] for one in entries if (one["path"], one["type"]) == (name, "tree")), None)


async def blob(client: Client, repository: str, oid: str, bound: int) -> bytes:
    """A blob's bytes; TooMany where it is over `bound`."""
    return await client.get_bytes(f"/repos/{repository}/git/blobs/{segment(oid)}", bound=bound)


async def permission(client: Client, repository: str, login: str) -> str:
    """What a person may do on the repository: admin, maintain, write, triage, read or none.

    `role_name` tells maintain from write, which `permission` doesn't
    (docs.github.com/rest/collaborators/collaborators).
    """
    found = await client.find(f"/repos/{repository}/collaborators/{segment(login)}/permission")
    if not isinstance(found, dict):
        return "none"
    basic = found.get("permission", "none")
    role = found.get("role_name")
    # a custom role has a name of its own: then the basic permission counts
    known = role in ("admin", "maintain", "write", "triage", "read") and basic != "none"
    return str(role if known else basic)


async def rules(client: Client, repository: str, branch: str) -> Rules:
    """What the maintained branch's rulesets ask for. What can't be read is said, never guessed.

    Classic protection needs Administration to be read: a branch that is protected while no ruleset
    applies to it, or of which GitHub says so, has one that we can't see.
    """
    try:
        listed = await client.get_all(f"/repos/{repository}/rules/branches/{segments(branch)}")
        shown = await client.get(f"/repos/{repository}/branches/{segments(branch)}")
        # what the App may bypass matters for few of them, and is a request for each ruleset
        asked = {row.get("ruleset_id") for row in listed if rule_types.doubts(row, Bypass.UNKNOWN)}
        known = {one: (await ruleset(client, repository, one))[1] for one in asked if one}
    except Refused as error:
        return Rules(problem=error.message)
    classic = bool((shown.get("protection") or {}).get("enabled"))
    if classic or (shown.get("protected") and not listed):
        return Rules(
            problem="the branch has classic protection, which the App may not read; use a ruleset instead"
        )
    return rule_types.weigh((row, known.get(row.get("ruleset_id"), Bypass.UNKNOWN)) for row in listed)


async def ruleset(client: Client, repository: str, number: int) -> tuple[str, Bypass]:
    """A ruleset's name, and what the App may do about it; unknown where GitHub doesn't show it.

    docs.github.com/rest/repos/rules, "Get a repository ruleset": an organisation's are found here too.
    """
    try:
        found = await client.get(f"/repos/{repository}/rulesets/{number}")
    except Refused:
        found = None
    shown = found if isinstance(found, dict) else {}
    said = shown.get("current_user_can_bypass")
    bypass = next((one for one in Bypass if one.value == said), Bypass.UNKNOWN)
    return str(shown.get("name") or ""), bypass


async def incoming(client: Client, repository: str, branch: str, candidate: str) -> Incoming:
    """The commits of the candidate that the branch's value doesn't have, and how they are signed."""
    path = f"/repos/{repository}/compare/{segment(branch)}...{segment(candidate)}"
    try:
        listed = await client.get_all(path, key="commits", limit=_MOST_INCOMING)
    except Refused as error:
        return Incoming(problem=error.message)
    signed = [(one["commit"].get("verification") or {}).get("verified") is True for one in listed]
    merges = sum(len(one["parents"]) > 1 for one in listed)
    return Incoming(commits=len(listed), unsigned=signed.count(False), merges=merges)


async def pushers(client: Client, repository: str, branch: str, commit: str) -> tuple[str, ...]:
    """Who pushed a commit to a branch, as GitHub recorded it; empty where it doesn't say.

    docs.github.com/rest/repos/repos, "List repository activities": the newest hundred of the branch.
    """
    try:
        listed = await client.get(f"/repos/{repository}/activity", ref=names.head(branch), per_page=100)
    except Refused:
        return ()
    found = [one.get("actor") for one in listed if isinstance(one, dict) and one.get("after") == commit]
    logins = [str(one["login"]) for one in found if one]
    # one of them without a name is one of whom nothing is known
    return tuple(dict.fromkeys(logins)) if len(logins) == len(found) else ()
