"""GraphQL objects: issues, pull requests, their reviews and comments.

It refuses to check who may see a repository (the root and `graphql_nodes` do).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError

from patch_app.forge import views
from patch_app.forge.core import Core
from patch_app.forge.graphql_git import account, connection, date, git_object
from patch_app.forge.state import Comment, Issue, Json, Repository, Review, Thread

Resolver = Callable[..., Any]
Visible = Callable[[int], Json | None]


def _review(core: Core, repo: Repository, row: Review) -> Json:
    return {
        "__typename": "PullRequestReview",
        "id": views.node("PullRequestReview", row.id),
        "databaseId": row.id,
        "state": row.state,
        "body": row.body,
        "author": account(core, row.user),
        "commit": lambda _info: git_object(core, repo, row.commit_id),
        "submittedAt": date(row.submitted_at),
    }


def comment(core: Core, repo: Repository, row: Issue, one: Comment) -> Json:
    """IssueComment."""
    return {
        "__typename": "IssueComment",
        "id": views.node("IssueComment", one.id),
        "databaseId": one.id,
        "author": account(core, one.user),
        "body": one.body,
        "createdAt": date(one.created_at),
        "lastEditedAt": date(one.updated_at) if one.updated_at != one.created_at else None,
        "isMinimized": one.minimized is not None,
        # the schema: "the case and formatting of these values differs from the inputs"
        "minimizedReason": one.minimized.lower().replace("_", "-") if one.minimized else None,
        "url": f"{views.html_of(core, repo)}/issues/{row.number}#issuecomment-{one.id}",
    }


def _comments(core: Core, repo: Repository, row: Issue) -> Resolver:
    def show(one: Comment) -> Json:
        return comment(core, repo, row, one)

    return lambda _info, **arguments: connection(row.comments, show, arguments)


def issue(core: Core, repo: Repository, row: Issue) -> Json:
    """Issue."""
    return {
        "__typename": "Issue",
        "id": views.node("Issue", f"{repo.id}.{row.number}"),
        "databaseId": row.id,
        "number": row.number,
        "state": row.state.upper(),
        "title": row.title,
        "body": row.body or "",
        "url": f"{views.html_of(core, repo)}/issues/{row.number}",
        "author": account(core, row.user),
        "closed": row.state == "closed",
        "comments": _comments(core, repo, row),
    }


def pull_request(core: Core, repo: Repository, row: Issue, visible: Visible) -> Json:
    """PullRequest. `visible`: a repository by its id, where the caller may see it."""
    pull = row.pull
    assert pull is not None  # noqa: S101
    state = "MERGED" if pull.merged_at else row.state.upper()
    mergeable = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}[pull.mergeable]
    return {
        "__typename": "PullRequest",
        "id": views.node("PullRequest", f"{repo.id}.{row.number}"),
        "databaseId": row.id,
        "fullDatabaseId": str(row.id),
        "number": row.number,
        "state": state,
        "title": row.title,
        "body": row.body or "",
        "url": f"{views.html_of(core, repo)}/pull/{row.number}",
        "author": account(core, row.user),
        "closed": row.state == "closed",
        "merged": pull.merged_at is not None,
        "mergeCommit": lambda _info: (
            git_object(core, repo, pull.merge_commit_sha)
            if pull.merged_at and pull.merge_commit_sha
            else None
        ),
        "mergedBy": account(core, pull.merged_by) if pull.merged_by else None,
        "comments": _comments(core, repo, row),
        "mergeable": mergeable if row.state == "open" else "UNKNOWN",
        "isDraft": pull.draft,
        "headRefName": pull.head_ref,
        "headRefOid": pull.head_sha,
        "baseRefName": pull.base_ref,
        "baseRefOid": pull.base_sha,
        "isCrossRepository": pull.head_repo != repo.id,
        "headRepository": lambda _info: visible(pull.head_repo),
        "commits": lambda _info, **a: _commits(core, repo, row, a),
        "reviews": lambda _info, **a: connection(pull.reviews, lambda r: _review(core, repo, r), a),
        "reviewThreads": lambda _info, **a: connection(pull.threads, _thread, a),
        "timelineItems": lambda _info, **a: _timeline(row, a),
        "createdAt": date(row.created_at),
    }


def _thread(row: Thread) -> Json:
    return {
        "__typename": "PullRequestReviewThread",
        "id": views.node("PullRequestReviewThread", row.id),
        "isResolved": row.resolved,
        "path": row.path,
        "line": row.line,
    }


def _timeline(row: Issue, arguments: dict[str, Any]) -> Json:
    """What happened to the base; the local GitHub remembers no other items of a timeline."""
    pull = row.pull
    assert pull is not None  # noqa: S101
    wanted = arguments.pop("itemTypes", None)
    if not wanted or any(not one.startswith("BASE_REF_") for one in wanted):
        raise GraphQLError("The local GitHub has timeline items of a pull request's base alone")
    names = {"".join(word.capitalize() for word in one.split("_")) for one in wanted}
    shown = [(place, one) for place, one in enumerate(pull.base_events) if one in names]

    def show(found: tuple[int, str]) -> Json:
        return {"__typename": found[1], "id": views.node(found[1], f"{row.id}.{found[0]}")}

    return connection(shown, show, arguments)


def _commits(core: Core, repo: Repository, row: Issue, arguments: dict[str, Any]) -> Json:
    """Oldest first, as the pull request's page lists them."""
    pull = row.pull
    assert pull is not None  # noqa: S101
    shas = [
        one.sha
        for one in core.git(repo).commits("--reverse", "--topo-order", f"{pull.base_sha}..{pull.head_sha}")
    ]

    def show(sha: str) -> Json:
        return {
            "__typename": "PullRequestCommit",
            "id": views.node("PullRequestCommit", f"{row.id}.{sha}"),
            "commit": lambda _info: git_object(core, repo, sha),
        }

    return connection(shas, show, arguments)
