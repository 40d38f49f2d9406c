"""What a review has on GitHub: pull request, reviews, comments, checks. Asked for as parts of one query.

Concludes nothing. People's permissions are read one by one, and only of those whose word may count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from patch_app.core import names
from patch_app.core.attempt import Check
from patch_app.core.facts import PullRequest, Review, Said
from patch_app.core.required_jobs import ACTIONS
from patch_app.github import reading
from patch_app.github.asking import Comment
from patch_app.github.client import Client
from patch_app.github.document import Answer, Document, nodes

_PAGE: Final = "pageInfo { hasNextPage endCursor }"
_REVIEWS: Final = f"nodes {{ author {{ __typename login }} state commit {{ oid }} submittedAt }} {_PAGE}"
# the last ones: what was asked for is answered long before a hundred more have come
COMMENTS: Final = (
    "comments(last: 100) { "
    "nodes { id databaseId author { __typename login } body lastEditedAt isMinimized } }"
)
_NEWS = re.compile(rf"<!-- ({names.NEWS}:\S{{1,100}}) -->")
FIELDS: Final = (
    "number url state isDraft merged mergeCommit { oid } mergedBy { login } headRefOid baseRefOid baseRefName"
)
_THREADS: Final = f"nodes {{ isResolved }} {_PAGE}"
_PULL_REQUEST: Final = (
    f"{FIELDS} reviews(first: 100) {{ {_REVIEWS} }} reviewThreads(first: 100) {{ {_THREADS} }} {COMMENTS}"
)
_CONTEXTS: Final = (
    "nodes { __typename "
    "... on CheckRun { databaseId name status conclusion url "
    "checkSuite { app { slug databaseId } workflowRun { event file { path } } } } "
    f"... on StatusContext {{ context state targetUrl creator {{ __typename login }} }} }} {_PAGE}"
)
_ROLLUP: Final = f"... on Commit {{ statusCheckRollup {{ contexts(first: 100) {{ {_CONTEXTS} }} }} }}"


def ask(document: Document, number: int, candidate: str) -> None:
    """Adds the pull request and the candidate's checks to a query."""
    document.add("pullRequest", "pullRequest", "number", number, _PULL_REQUEST)
    document.add("candidate", "object", "expression", candidate, _ROLLUP)


def pull_request(answer: Answer) -> PullRequest | None:
    """The pull request, None where GitHub has none of that number."""
    return shown(answer.fork.get("pullRequest"))


def shown(found: Any) -> PullRequest | None:
    """A pull request as GraphQL gives it, None for null."""
    if not found:
        return None
    return PullRequest(
        number=found["number"],
        url=found["url"],
        open=found["state"] == "OPEN",
        merged=found["merged"],
        merge_commit=(found["mergeCommit"] or {}).get("oid"),
        merged_by=(found["mergedBy"] or {}).get("login"),
        head=found["headRefOid"],
        base=found["baseRefOid"],
        into=found["baseRefName"],
        draft=found["isDraft"],
    )


async def unresolved(client: Client, repository: str, answer: Answer) -> int | None:
    """How many conversations on the pull request's lines nobody has resolved; None: there is no such list."""
    found = answer.fork.get("pullRequest") or {}
    if not found.get("reviewThreads"):
        return None
    path = (("pullRequest", "number", found["number"]), "reviewThreads")
    threads = [one async for one in nodes(client, repository, path, found["reviewThreads"], _THREADS)]
    return sum(not one["isResolved"] for one in threads)


async def reviews(client: Client, repository: str, answer: Answer) -> tuple[Review, ...]:
    """The last review of each person that approves, asks for changes, or was dismissed.

    A later comment alone doesn't take an approval back, as on GitHub's own pull request page.
    """
    found = answer.fork.get("pullRequest") or {}
    if not found:
        return ()
    latest: dict[str, dict[str, Any]] = {}
    path = (("pullRequest", "number", found["number"]), "reviews")
    async for review in nodes(client, repository, path, found["reviews"], _REVIEWS):
        if review["state"] in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED") and review["author"]:
            latest[review["author"]["login"]] = review
    out = []
    for login, review in sorted(latest.items()):
        bot = review["author"]["__typename"] != "User"
        out.append(
            Review(
                person=login,
                bot=bot,
                permission="none" if bot else await reading.permission(client, repository, login),
                state=review["state"],
                commit=(review["commit"] or {}).get("oid") or "",
                at=_time(review["submittedAt"]),
            )
        )
    return tuple(out)


def ask_trees(document: Document, candidate: str, others: Sequence[str]) -> None:
    """Adds the trees of the candidate and of those before it to a query."""
    for number, commit in enumerate([candidate, *others] if others else []):
        document.add(f"tree{number}", "object", "expression", f"{commit}^{{tree}}", "oid")


def same_tree(answer: Answer, others: Sequence[str]) -> tuple[str, ...]:
    """Those of the others that have the candidate's tree."""
    trees = [(answer.fork.get(f"tree{number}") or {}).get("oid") for number in range(len(others) + 1)]
    return tuple(one for one, tree in zip(others, trees[1:], strict=True) if tree and tree == trees[0])


def ask_comments(document: Document, number: int) -> None:
    """Adds a pull request's comments alone to a query."""
    document.add("pullRequest", "pullRequest", "number", number, f"number {COMMENTS}")


def ask_issue(document: Document, number: int) -> None:
    """Adds an issue's comments to a query."""
    document.add(f"issue{number}", "issue", "number", number, f"number {COMMENTS}")


def said(answer: Answer, app_slug: str) -> tuple[Said, ...]:
    """Our own comments on the pull request that tell what a person must notice and aren't folded."""
    listed = ((answer.fork.get("pullRequest") or {}).get("comments") or {}).get("nodes") or []
    return tuple(
        Said(node=one["id"], marker=marker[1])
        for one in listed
        if one["author"] and (one["author"]["__typename"], one["author"]["login"]) == ("Bot", app_slug)
        if not one["isMinimized"] and (marker := _NEWS.match(one["body"]))
    )


def comments(node: Any) -> tuple[Comment, ...]:
    """The last comments of an issue or pull request, oldest first."""
    listed = ((node or {}).get("comments") or {}).get("nodes") or []
    return tuple(
        Comment(
            id=one["databaseId"],
            number=node["number"],
            person=one["author"]["login"],
            bot=one["author"]["__typename"] != "User",
            body=one["body"],
            edited=one["lastEditedAt"] is not None,
        )
        for one in listed
        if one and one["author"]
    )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What GitHub shows on a commit. `actions`: names of all check runs of Actions, by id; `ended`: of those
    that have a result.
    """

    checks: tuple[Check, ...] = ()
    actions: dict[int, str] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()


async def checks(client: Client, repository: str, answer: Answer, candidate: str) -> Seen:
    """Check runs and commit statuses on the candidate, the latest of each. None of them is proved.

    GitHub lists a check that was run again beside its older runs, so of those of one name, App,
    workflow file and event the one with the highest id counts.
    """
    rollup = (answer.fork.get("candidate") or {}).get("statusCheckRollup") or {}
    path = (("object", "expression", candidate), "statusCheckRollup.contexts")
    latest: dict[tuple[Any, ...], tuple[int, Check]] = {}
    actions: dict[int, str] = {}
    ended: set[str] = set()
    async for one in nodes(client, repository, path, rollup.get("contexts"), _CONTEXTS):
        if one["__typename"] == "StatusContext":
            latest["status", one["context"]] = (0, _status(one))
            continue
        check, event = _check_run(one)
        key = (check.name, check.app, check.workflow, event)
        number = one["databaseId"] or 0
        if check.app == ACTIONS:
            actions[number] = check.name
            ended |= {check.name} if check.status == "completed" else set()
        if key not in latest or latest[key][0] <= number:
            latest[key] = (number, check)
    told = tuple(check for _, check in latest.values())
    return Seen(checks=told, actions=actions, ended=frozenset(ended))


def _check_run(one: dict[str, Any]) -> tuple[Check, str]:
    suite = one["checkSuite"]
    app, run = suite["app"] or {}, suite["workflowRun"] or {}
    check = Check(
        name=one["name"],
        app=app.get("slug") or "",
        app_id=app.get("databaseId"),
        status=one["status"].lower(),
        conclusion=one["conclusion"].lower() if one["conclusion"] else None,
        url=one["url"] or "",
        workflow=(run.get("file") or {}).get("path"),
    )
    return check, run.get("event") or ""


def _status(one: dict[str, Any]) -> Check:
    creator = one["creator"] or {}
    login = creator.get("login") or ""
    # GraphQL leaves out what tells an App's account from a person's
    suffix = "[bot]" if creator.get("__typename") == "Bot" and not login.endswith("[bot]") else ""
    return status(one["context"], one["state"], one["targetUrl"], login + suffix)


def status(context: str, state: str, url: str | None, creator: str) -> Check:
    """A commit status as a check."""
    waiting = state.lower() in ("pending", "expected")
    return Check(
        name=context,
        app="status",
        status="in_progress" if waiting else "completed",
        conclusion=None if waiting else state.lower(),
        url=url or "",
        creator=creator or None,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
