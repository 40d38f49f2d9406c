"""Readings for carry-overs: open pull requests, one of them, and what it stands on. Concludes nothing.

What a pull request says of itself (names of branches, repositories) is its author's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from patch_app.core import deeds, names
from patch_app.core.attempt import Attempt
from patch_app.core.carry_over import OpenPull
from patch_app.core.facts import PullFacts
from patch_app.core.needs import Need
from patch_app.github import preflight, reading, reviewing, workflows
from patch_app.github.asking import Comment
from patch_app.github.client import Client, GitHubApp, InstallationClient
from patch_app.github.document import Answer, Document
from patch_app.github.refs_of import Refs

# open pull requests that are looked through, and of each the oldest commits: they stand on the branch
_MOST_PULLS: Final = 30
_MOST_COMMITS: Final = 10
_AUTHOR: Final = "author { __typename login }"
_OPEN: Final = (
    f"nodes {{ number isCrossRepository headRefName {_AUTHOR} commits(first: {_MOST_COMMITS}) "
    "{ nodes { commit { oid parents(first: 2) { nodes { oid } } } } } }"
)
_HEAD: Final = "number state headRefOid baseRefName"
_ONE: Final = (
    f"{_HEAD} url isCrossRepository headRefName headRepository {{ nameWithOwner }} {_AUTHOR} "
    f"{reviewing.COMMENTS}"
)


@dataclass(frozen=True, kw_only=True)
class Pull:
    """One pull request as it is asked about."""

    number: int
    url: str
    open: bool
    head: str
    # the branch that it goes into
    into: str
    branch: str
    # where the branch is; None: gone, or not to be seen
    repository: str | None
    here: bool
    # by the App itself
    ours: bool
    # the last ones, oldest first
    comments: tuple[Comment, ...]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a pull request's head stands on, of the old stack."""

    # the newest commit that it has of the old stack, and how many it has beyond
    base: str
    own: int
    # of the heads that were asked about, the old stack's
    old: str


async def pull(client: Client, repository: str, number: int, app_slug: str) -> Pull | None:
    """The pull request; None where there is none of that number."""
    document = Document(repository)
    document.add("pullRequest", "pullRequest", "number", number, _ONE)
    found = (await document.ask(client)).fork.get("pullRequest")
    if not found:
        return None
    return Pull(
        number=found["number"],
        url=found["url"],
        open=found["state"] == "OPEN",
        head=found["headRefOid"],
        into=found["baseRefName"],
        branch=found["headRefName"],
        repository=(found["headRepository"] or {}).get("nameWithOwner"),
        here=not found["isCrossRepository"],
        ours=_is_ours(found["author"], app_slug),
        comments=reviewing.comments(found),
    )


async def ground(client: Client, repository: str, head: str, olds: Sequence[str]) -> Ground | None:
    """Of the old stacks' heads, the one that `head` has the fewest commits beyond; None: all unknown."""
    found: Ground | None = None
    for old in dict.fromkeys(olds):
        compared = await reading.compare(client, repository, old, head)
        if compared is not None and (found is None or compared["ahead_by"] < found.own):
            base = compared["merge_base_commit"]["sha"]
            found = Ground(base=base, own=compared["ahead_by"], old=old)
    return found


# Beside an attempt's other facts ------------------------------------------------------------------


def ask_open(document: Document, into: str) -> None:
    """Adds the open pull requests onto a branch to a query."""
    newest = (
        f"first: {_MOST_PULLS}, states: OPEN, orderBy: {{field: UPDATED_AT, direction: DESC}}, baseRefName"
    )
    document.add("openPulls", "pullRequests", newest, into, _OPEN)


def open_pulls(answer: Answer, app_slug: str, prefix: str) -> tuple[OpenPull, ...] | None:
    """Those that aren't the App's own; None where they were not asked for."""
    if "openPulls" not in answer.fork:
        return None
    found = []
    for one in (answer.fork["openPulls"] or {}).get("nodes") or []:
        own_branch = not one["isCrossRepository"] and f"{one['headRefName']}/".startswith(f"{prefix}/")
        if own_branch or _is_ours(one["author"], app_slug):
            continue
        commits = [node["commit"] for node in one["commits"]["nodes"] or []]
        parents = {parent["oid"] for commit in commits for parent in commit["parents"]["nodes"] or []}
        found.append(
            OpenPull(
                number=one["number"],
                commits=tuple(commit["oid"] for commit in commits),
                parents=tuple(sorted(parents)),
            )
        )
    return tuple(found)


def ask(document: Document, number: int) -> None:
    """Adds the pull request that is carried over to a query."""
    document.add("carriedOver", "pullRequest", "number", number, _HEAD)


def refs(attempt: Attempt) -> list[str]:
    """The branches that a carry-over looks at, by full name."""
    over = attempt.carry_over
    return [names.head(one) for one in (over.into, over.branch)] if over else []


def gated(attempt: Attempt) -> tuple[str, ...]:
    """Commits whose workflow files are compared: on the branch before, beside it, and after."""
    if attempt.carry_over is None or not (attempt.candidate and attempt.base and attempt.target):
        return ()
    commits = (attempt.stack_head or attempt.target, attempt.target, attempt.candidate)
    return tuple(dict.fromkeys(commits))


async def read(
    app: GitHubApp,
    client: InstallationClient,
    attempt: Attempt,
    wanted: frozenset[Need],
    asked: tuple[Answer, Refs],
) -> dict[str, Any]:
    """The facts that only a carry-over has. Raises Later, Refused, Bug."""
    over, (answer, there) = attempt.carry_over, asked
    if over is None or attempt.target is None:
        return {}
    fork, name = answer.fork, attempt.repository
    found = fork.get("carriedOver") or {"state": "CLOSED", "headRefOid": names.ZERO, "baseRefName": ""}
    into = there.value(names.head(over.into))
    stands = into == attempt.target
    if not stands and into != names.ZERO:
        stands = await reading.is_ancestor(client, name, attempt.target, (into,))
    pull = PullFacts(
        open=found["state"] == "OPEN",
        head=found["headRefOid"],
        into=found["baseRefName"],
        stands=stands,
        default_branch=(fork["defaultBranchRef"] or {}).get("name", ""),
    )
    out: dict[str, Any] = {}
    if Need.PREFLIGHT in wanted:
        workflow = await preflight.workflow(client, name, asked, uploads=False)
        pull = pull.model_copy(update={"workflow": workflow})
    if (commits := gated(attempt)) and Need.GATE in wanted:
        # what was on the person's branch before, or is on the one that it goes into, runs there anyhow
        question = workflows.Asked(
            commits=commits,
            known=(attempt.target, attempt.stack_head or attempt.target),
            branches=((attempt.candidate or "", deeds.of_carry_over(over.branch, over.into)),),
            default=workflows.reads_default(app, attempt),
        )
        out["gate"] = await workflows.findings(client, name, answer, question)
        if over.here:
            pull = pull.model_copy(update={"rules": await reading.rules(client, name, over.branch)})
    return out | {"pull": pull}


def _is_ours(author: Any, app_slug: str) -> bool:
    return (author or {}).get("__typename") == "Bot" and author["login"] == app_slug
