"""What the onboarding pull request is made from, read in a small and fixed number of requests.

Two GraphQL documents and at most eleven comparisons, however many branches, tags and releases there are:
what is beyond the first hundred is counted or left out. Concludes nothing: `core/detect` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from patch_app.core import inherited, names, onboarding, previewed
from patch_app.core.detect import BranchReading, ReleaseReading
from patch_app.core.onboarding_text import Commit, Inventory
from patch_app.core.workflow_files import Broken, is_workflow
from patch_app.github import reading, workflows
from patch_app.github.client import Client
from patch_app.github.errors import NotFound, Refused
from patch_app.github.transport import Param, parse, segment, segments

# branches of the fork that are compared with the upstream, the default branch among them
MOST_COMPARED: Final = 8
# releases that the stack is compared with too: it may stand on one that no branch of the upstream has
MOST_RELEASES: Final = 3
# GitHub tells at most 300 files of a comparison (docs.github.com/rest/commits, "Compare two commits")
MOST_FILES: Final = 300

# GitHub's schema promises this order for tags alone: the branches that come are sorted here
_NEWEST: Final = "orderBy: {field: TAG_COMMIT_DATE, direction: DESC}"
FORK: Final = f"""query($owner: String!, $name: String!, $workflows: String!, $root: String!) {{
  repository(owner: $owner, name: $name) {{
    refs(refPrefix: "refs/heads/", first: 100, {_NEWEST}) {{
      totalCount nodes {{ name target {{ oid ... on Commit {{ committedDate }} }} }}
    }}
    workflows: object(expression: $workflows) {{ ...folder }}
    root: object(expression: $root) {{ ... on Tree {{ entries {{ name }} }} }}
  }}
}}
fragment folder on GitObject {{
  ... on Tree {{ entries {{ name oid object {{ ... on Blob {{ isTruncated text }} }} }} }}
}}"""
UPSTREAM: Final = f"""query($owner: String!, $name: String!) {{
  repository(owner: $owner, name: $name) {{
    nameWithOwner
    defaultBranchRef {{ name target {{ oid }} }}
    heads: refs(refPrefix: "refs/heads/", first: 100, {_NEWEST}) {{ nodes {{ target {{ oid }} }} }}
    releases(first: 30, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
      nodes {{ tagName isDraft isPrerelease tagCommit {{ oid }} }}
    }}
    tags: refs(refPrefix: "refs/tags/", first: 30, {_NEWEST}) {{
      nodes {{ name target {{ __typename oid ... on Tag {{ target {{ __typename oid }} }} }} }}
    }}
  }}
}}"""


@dataclass(frozen=True, kw_only=True)
class ForkReading:
    """The fork's branches (newest first), workflow files and root."""

    branches: Mapping[str, str]
    unread: int
    root: tuple[str, ...]
    workflows: tuple[inherited.Workflow, ...]


@dataclass(frozen=True, kw_only=True)
class UpstreamReading:
    """The upstream's default branch, heads and releases; `problem` where it could not be read."""

    name: str
    problem: str | None = None
    branch: str = ""
    head: str = ""
    heads: frozenset[str] = frozenset()
    releases: tuple[ReleaseReading, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A branch of the fork beside the upstream."""

    branch: BranchReading
    against: str
    answer: Mapping[str, Any] = field(repr=False)


async def read_fork(client: Client, repository: str, head: str) -> ForkReading:
    """One query. Raises Later, Refused, Bug."""
    owner, _, name = repository.partition("/")
    given = {"owner": owner, "name": name, "workflows": f"{head}:.github/workflows", "root": f"{head}:"}
    found = (await client.graphql(FORK, given)).need()["repository"]
    refs = found["refs"]
    nodes = [one for one in refs["nodes"] if one and one["target"]]
    nodes.sort(key=lambda one: str(one["target"].get("committedDate")), reverse=True)
    branches = {one["name"]: one["target"]["oid"] for one in nodes}
    return ForkReading(
        branches=branches,
        unread=refs["totalCount"] - len(branches),
        root=tuple(one["name"] for one in _entries(found["root"])),
        workflows=inherited.workflows(_documents(_entries(found["workflows"]))),
    )


def _entries(tree: Any) -> list[dict[str, Any]]:
    return (tree or {}).get("entries") or []


def _documents(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in entries:
        path = f"{workflows.DIRECTORY}/{one['name']}"
        if is_workflow(path) and path != names.WORKFLOW_PATH:
            blob = one.get("object") or {}
            text = None if blob.get("isTruncated") else blob.get("text")
            broken = Broken(reason="it is no text, or too long", blob=one["oid"])
            out[path] = broken if text is None else workflows.parse(text.encode(), one["oid"])
    return out


async def read_upstream(client: Client, upstream: str) -> UpstreamReading:
    """One query; what GitHub refuses is a reading too. Raises Later, Bug."""
    owner, _, name = upstream.partition("/")
    try:
        answer = await client.graphql(UPSTREAM, {"owner": owner, "name": name})
        found = answer.data.get("repository")
        if found is None:
            answer.need()
    except Refused as error:
        return UpstreamReading(name=upstream, problem=error.message)
    if found is None or not found["defaultBranchRef"]:
        return UpstreamReading(name=upstream, problem="it is empty, or can't be read")
    branch = found["defaultBranchRef"]
    return UpstreamReading(
        name=found["nameWithOwner"],
        branch=branch["name"],
        head=branch["target"]["oid"],
        heads=frozenset(one["target"]["oid"] for one in found["heads"]["nodes"] if one and one["target"]),
        releases=_releases(found),
    )


def _releases(found: Mapping[str, Any]) -> tuple[ReleaseReading, ...]:
    nodes = [one for one in (found.get("releases") or {}).get("nodes") or [] if one and not one["isDraft"]]
    if nodes:
        return tuple(
            ReleaseReading(
                tag=one["tagName"], prerelease=one["isPrerelease"], commit=(one["tagCommit"] or {}).get("oid")
            )
            for one in nodes
        )
    tags = [one for one in (found.get("tags") or {}).get("nodes") or [] if one and one["target"]]
    return tuple(ReleaseReading(tag=one["name"], commit=_peeled(one["target"])) for one in tags)


def _peeled(target: Mapping[str, Any]) -> str | None:
    if target["__typename"] == "Tag":
        target = target["target"]
    return target["oid"] if target["__typename"] == "Commit" else None


async def compare_branches(
    client: Client, repository: str, *, default: tuple[str, str], fork: ForkReading, upstream: UpstreamReading
) -> list[Compared]:
    """The default branch (name and head), and the newest of those that upstream hasn't got as they are.

    Raises Later, Bug.
    """
    wanted = [default]
    wanted += [
        (name, head)
        for name, head in fork.branches.items()
        if name != default[0]
        and head not in upstream.heads
        and not f"{name}/".startswith(f"{names.DEFAULT_PREFIX}/")
    ]
    out = []
    for branch in wanted[:MOST_COMPARED]:
        one = await _compare(client, repository, (upstream.head, upstream.branch), branch, upstream)
        if one is not None:
            out.append(one)
    return out


async def nearest(client: Client, repository: str, stack: Compared, upstream: UpstreamReading) -> Compared:
    """The stack beside what it has least above: upstream's default branch, or one of its last releases."""
    best = stack
    for release in [one for one in upstream.releases if one.commit][:MOST_RELEASES]:
        side = (str(release.commit), release.tag)
        one = await _compare(client, repository, side, (stack.branch.name, stack.branch.head), upstream)
        if one is not None and one.branch.ahead < best.branch.ahead:
            best = one
    return best


async def _compare(
    client: Client, repository: str, base: tuple[str, str], branch: tuple[str, str], upstream: UpstreamReading
) -> Compared | None:
    """By commit, which the network's repositories share; else by owner and name. None where neither is
    known.
    """
    owner = upstream.name.partition("/")[0]
    for side in (base[0], f"{owner}:{base[1]}"):
        path = f"/repos/{repository}/compare/{segment(side)}...{segment(branch[1])}"
        try:
            answer = await client.get(path, per_page=100, page=1)
        except Refused as error:
            if isinstance(error, NotFound) or error.status == 422:
                continue
            raise
        based = answer["merge_base_commit"]["commit"]["committer"]["date"]
        found = BranchReading(
            name=branch[0], head=branch[1], ahead=answer["ahead_by"], based=datetime.fromisoformat(based)
        )
        return Compared(branch=found, against=base[1], answer=answer)
    return None


def inventory(compared: Compared, upstream: str) -> Inventory:
    """The comparison as the body shows it."""
    answer = compared.answer
    files = len(answer.get("files") or ())
    return Inventory(
        branch=compared.branch.name,
        upstream=upstream,
        against=compared.against,
        commits=tuple(
            Commit(sha=one["sha"], subject=one["commit"]["message"].partition("\n")[0])
            for one in answer["commits"]
        ),
        ahead=compared.branch.ahead,
        files=files,
        more_files=files >= MOST_FILES,
    )


# What is known of the past ------------------------------------------------------------------------


async def newest_pull(client: Client, repository: str, bot: str) -> onboarding.Pull | None:
    """The App's newest pull request from its installation branch. `bot`: the App's login."""
    owner = repository.partition("/")[0]
    listed = await client.get(
        f"/repos/{repository}/pulls", state="all", head=f"{owner}:{names.INSTALL_BRANCH}", per_page=100
    )
    ours = [one for one in listed if (one.get("user") or {}).get("login") == bot]
    if not ours:
        return None
    one = max(ours, key=lambda pull: int(pull["number"]))
    return onboarding.Pull(
        number=one["number"],
        url=one["html_url"],
        open=one["state"] == "open",
        merged=one.get("merged_at") is not None,
        created=datetime.fromisoformat(one["created_at"]),
        closed=datetime.fromisoformat(one["closed_at"]) if one.get("closed_at") else None,
        head=one["head"]["sha"],
        body=one.get("body") or "",
    )


async def ever_installed(client: Client, repository: str, branch: str) -> bool:
    """Whether the workflow file is on the branch, or was in its history. Raises Later, Bug."""
    params: dict[str, Param] = {"sha": branch, "path": names.WORKFLOW_PATH, "per_page": 1}
    try:
        return bool(parse(await client.request("GET", f"/repos/{repository}/commits", params=params)))
    except Refused:
        return False  # an empty repository (409), or one that is gone


async def preview_run(client: Client, repository: str, head: str) -> tuple[previewed.State, str, list[str]]:
    """How far the preview on this commit of the pull request is, its page, and what its job said."""
    answer = await client.get(
        f"/repos/{repository}/actions/runs", head_sha=head, event="pull_request", per_page=100
    )
    runs = [one for one in answer["workflow_runs"] if one["path"].partition("@")[0] == names.WORKFLOW_PATH]
    if not runs:
        return previewed.State.WAITING, "", []
    run = max(runs, key=lambda one: int(one["id"]))
    if run["status"] != "completed":
        return previewed.State.RUNNING, run["html_url"], []
    jobs = await client.get_all(
        f"/repos/{repository}/actions/runs/{run['id']}/jobs", key="jobs", filter="latest"
    )
    job = next((one for one in jobs if one["name"] == names.PREVIEW_JOB), None)
    if job is None or job.get("conclusion") == "skipped":
        return previewed.State.FAILED, run["html_url"], []
    notes = await client.get_all(f"/repos/{repository}/check-runs/{job['id']}/annotations")
    said = [one["message"].strip() for one in notes if one.get("title") == previewed.TITLE]
    state = previewed.State.DONE if job.get("conclusion") == "success" else previewed.State.FAILED
    return state, run["html_url"], said


async def commands(
    client: Client, repository: str, pull: onboarding.Pull, bot: str
) -> tuple[bool, list[tuple[int, str]]]:
    """Whether somebody who may asks in a comment of the pull request, and whom to refuse: comment and
    permission.

    On a closed one a comment since it was closed counts, on an open one a comment since the branch's
    commit. An edited comment asks for nothing: whoever can write can edit another's, and only the author is
    named.
    """
    since = pull.closed or await _made(client, repository, pull.head)
    found = await client.get_all(f"/repos/{repository}/issues/{pull.number}/comments", since=_zulu(since))
    answered = "".join(one["body"] or "" for one in found if (one.get("user") or {}).get("login") == bot)
    refused = []
    for one in found:
        author, at = one.get("user") or {}, datetime.fromisoformat(one["created_at"])
        late = at >= since if pull.closed else at > since
        plain = author.get("type") == "User" and one.get("updated_at") == one.get("created_at")
        if not (late and plain and onboarding.asks(one.get("body") or "")):
            continue
        may = await reading.permission(client, repository, author["login"])
        if may in onboarding.MAY_ASK:
            return True, []
        if onboarding.answer_mark(one["id"]) not in answered:
            refused.append((one["id"], may))
    return False, refused


async def _made(client: Client, repository: str, commit: str) -> datetime:
    found = await client.get(f"/repos/{repository}/git/commits/{segment(commit)}")
    return datetime.fromisoformat(found["committer"]["date"])


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def head_of(client: Client, repository: str, branch: str) -> str | None:
    """The branch's commit; None in an empty repository (GitHub: 409) or without that branch."""
    try:
        found = await client.get(f"/repos/{repository}/git/ref/heads/{segments(branch)}")
    except Refused as error:
        if error.status in (404, 409):
            return None
        raise
    return found["object"]["sha"] if isinstance(found, dict) else None
