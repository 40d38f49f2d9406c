"""GraphQL objects: repositories and releases, and what of a repository is found by name or number.

Its job: dictionaries whose callables are resolved on demand, with `__typename` for the abstract types.
It refuses to check who may see a repository (the root does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphql import GraphQLError

from patch_app.forge import auth, views
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.graphql_git import account, an_object, committed, connection, date, git_object, ref
from patch_app.forge.graphql_talk import issue, pull_request
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_releases import published
from patch_app.forge.state import Json, Release, Repository

Resolver = Callable[..., Any]


def release(core: Core, repo: Repository, row: Release) -> Json:
    """Release."""
    tag = f"refs/tags/{row.tag_name}"

    def commit(_info: object) -> Json | None:
        sha = core.git(repo).resolve(tag)
        return git_object(core, repo, sha) if sha else None

    full = [r for r in published(repo) if not r.prerelease]
    return {
        "__typename": "Release",
        "id": views.node("Release", row.id),
        "databaseId": row.id,
        "name": row.name,
        "tagName": row.tag_name,
        "tag": lambda _info: ref(core, repo, tag),
        "tagCommit": commit,
        "description": row.body,
        "isDraft": row.draft,
        "isLatest": bool(full) and full[0].id == row.id,
        "isPrerelease": row.prerelease,
        "createdAt": date(row.created_at),
        "publishedAt": date(row.published_at),
        "url": f"{views.html_of(core, repo)}/releases/tag/{row.tag_name}",
    }


def _needs(core: Core, caller: Caller, repo: Repository, permission: str) -> None:
    """Errors: GraphQLError FORBIDDEN."""
    try:
        auth.require(core.state, caller, repo, (permission, "read"), public=True)
    except ApiError as error:
        raise GraphQLError(error.message, extensions={"type": "FORBIDDEN"}) from error


def repository(core: Core, caller: Caller, repo: Repository) -> Json:
    """Repository; what needs a permission asks for it when it is resolved."""
    git = core.git(repo)

    def guarded(permission: str, resolve: Resolver) -> Resolver:
        def run(_info: object, **arguments: Any) -> Any:
            _needs(core, caller, repo, permission)
            return resolve(**arguments)

        return run

    def one_ref(qualifiedName: str) -> Json | None:  # noqa: N803  the schema's name
        tries = (
            [qualifiedName]
            if qualifiedName.startswith("refs/")
            else [
                f"refs/heads/{qualifiedName}",
                f"refs/tags/{qualifiedName}",
            ]
        )
        return next((found for name in tries if (found := ref(core, repo, name))), None)

    def refs(refPrefix: str, **arguments: Any) -> Json:  # noqa: N803
        rows = [n for n in git.refs() if n.startswith(refPrefix) and (arguments.get("query") or "") in n]
        order = arguments.get("orderBy") or {}
        # the schema: "Order refs by underlying commit date if the ref prefix is refs/tags/"
        if order.get("field") == "TAG_COMMIT_DATE" and refPrefix.startswith("refs/tags/"):
            rows.sort(key=lambda n: committed(git, n))
        if (order.get("direction") or arguments.get("direction")) == "DESC":
            rows.reverse()
        return connection(rows, lambda n: ref(core, repo, n) or {}, arguments)

    def releases(**arguments: Any) -> Json:
        rows = published(repo)
        order = arguments.get("orderBy")
        if order:
            by_name = order["field"] == "NAME"
            rows = sorted(
                rows, key=lambda r: (r.name or "") if by_name else views.stamp(r.created_at) + f"{r.id:012}"
            )
            if order["direction"] == "DESC":
                rows.reverse()
        else:
            # without orderBy the oldest come first
            rows = rows[::-1]
        return connection(rows, lambda r: release(core, repo, r), arguments)

    def one_release(tagName: str) -> Json | None:  # noqa: N803
        return next((release(core, repo, r) for r in published(repo) if r.tag_name == tagName), None)

    def latest() -> Json | None:
        return next((release(core, repo, r) for r in published(repo) if not r.prerelease), None)

    def pull(number: int) -> Json:
        row = repo.issues.get(number)
        if row is None or row.pull is None:
            message = f"Could not resolve to a PullRequest with the number of {number}."
            raise GraphQLError(message, extensions={"type": "NOT_FOUND"})
        return pull_request(core, repo, row, visible)

    def pulls(
        states: Sequence[str] = (),
        baseRefName: str | None = None,  # noqa: N803
        headRefName: str | None = None,  # noqa: N803
        **arguments: Any,
    ) -> Json:
        shown = [
            row
            for row in repo.issues.values()
            if row.pull is not None
            and (not states or ("MERGED" if row.pull.merged_at else row.state.upper()) in states)
            and baseRefName in (None, row.pull.base_ref)
            and headRefName in (None, row.pull.head_ref)
        ]
        order = arguments.get("orderBy") or {}
        if order.get("field") == "UPDATED_AT":
            shown.sort(key=lambda row: (row.updated_at, row.number))
        if order.get("direction") == "DESC":
            shown.reverse()
        return connection(shown, lambda row: pull_request(core, repo, row, visible), arguments)

    def one_issue(number: int) -> Json:
        row = repo.issues.get(number)
        if row is None or row.pull is not None:
            message = f"Could not resolve to an Issue with the number of {number}."
            raise GraphQLError(message, extensions={"type": "NOT_FOUND"})
        return issue(core, repo, row)

    def visible(number: int | None) -> Json | None:
        there = core.state.repositories.get(number) if number else None
        shown = there is not None and auth.visible(core.state, caller, there)
        return repository(core, caller, there) if there is not None and shown else None

    return {
        "__typename": "Repository",
        "id": views.node("Repository", repo.id),
        "databaseId": repo.id,
        "name": repo.name,
        "nameWithOwner": repo.full_name,
        "owner": account(core, repo.owner),
        "url": views.html_of(core, repo),
        "isFork": repo.parent is not None,
        "isPrivate": repo.private,
        "isArchived": repo.archived,
        "hasIssuesEnabled": repo.has_issues,
        "parent": lambda _info: visible(repo.parent),
        "defaultBranchRef": guarded("contents", lambda: ref(core, repo, f"refs/heads/{repo.default_branch}")),
        "ref": guarded("contents", one_ref),
        "refs": guarded("contents", refs),
        "releases": guarded("contents", releases),
        "release": guarded("contents", one_release),
        "latestRelease": guarded("contents", latest),
        "object": guarded("contents", lambda **names: an_object(core, repo, **names)),
        "pullRequest": guarded("pull_requests", pull),
        "pullRequests": guarded("pull_requests", pulls),
        "issue": guarded("issues", one_issue),
    }
