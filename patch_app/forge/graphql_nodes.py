"""GraphQL objects: repositories, refs, releases, Git objects, pull requests.

Its job: dictionaries whose callables are resolved on demand, with `__typename` for the abstract types.
It refuses to check who may see a repository (the root does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from graphql import GraphQLError

from patch_app.forge import auth, graphql_checks, views, views_git
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, Git
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_releases import published
from patch_app.forge.state import Comment, Issue, Json, Pull, Release, Repository, Review

Resolver = Callable[..., Any]
_WITHIN = re.compile(r"(HEAD|[0-9a-f]{40}):(.*[^/])")


def account(core: Core, login: str) -> Json:
    """User, Organization or Bot; Bots are called without [bot], as GraphQL does."""
    row = core.account(login)
    return {
        "__typename": row.type,
        "id": views.node("User", row.id),
        "databaseId": row.id,
        "login": row.login.removesuffix("[bot]"),
        "url": f"{core.url}/{row.login}".removesuffix("[bot]"),
    }


def connection(rows: Sequence[Any], show: Callable[[Any], Json], arguments: dict[str, Any]) -> Json:
    """A page by `first`, `last` and `after`. Errors: GraphQLError when neither first nor last is given."""
    first, last, after = arguments.get("first"), arguments.get("last"), arguments.get("after")
    if first is None and last is None:
        raise GraphQLError(
            "You must provide a `first` or `last` value to properly paginate the connection.",
            extensions={"type": "MISSING_PAGINATION_BOUNDARIES"},
        )
    if (first or last or 0) > 100:
        raise GraphQLError(
            "Requesting more than 100 records on the connection.", extensions={"type": "EXCESSIVE_PAGINATION"}
        )
    start = int(views.unnode(after)[1]) if after else 0
    if first is not None:
        end = min(len(rows), start + first)
    else:
        start, end = max(0, len(rows) - int(last or 0)), len(rows)
    return {
        "totalCount": len(rows),
        "nodes": [show(row) for row in rows[start:end]],
        "pageInfo": {
            "startCursor": views.node("cursor", start) if end > start else None,
            "endCursor": views.node("cursor", end) if end > start else None,
            "hasNextPage": end < len(rows),
            "hasPreviousPage": start > 0,
        },
    }


def git_object(core: Core, repo: Repository, sha: str) -> Json | None:
    """Commit, Tree, Blob or Tag."""
    git = core.git(repo)
    kind = git.kind(sha)
    if kind is None:
        return None
    base: Json = {
        "__typename": kind.capitalize(),
        "id": views.node(kind.capitalize(), f"{repo.id}.{sha}"),
        "oid": sha,
        "abbreviatedOid": sha[:7],
    }
    match kind:
        case "commit":
            row = git.commit(sha)
            return base | {
                "message": row.message,
                "messageHeadline": row.message.split("\n", 1)[0],
                "committedDate": views_git.when(row.committer),
                "parents": lambda _info, **a: connection(
                    row.parents, lambda parent: git_object(core, repo, parent) or {}, a
                ),
                "tree": lambda _info: git_object(core, repo, row.tree),
                "statusCheckRollup": lambda _info: graphql_checks.rollup(
                    core, repo, sha, connection, account
                ),
                "url": f"{views.html_of(core, repo)}/commit/{sha}",
            }
        case "tree":
            return base | {"entries": lambda _info: _entries(core, repo, sha)}
        case "blob":
            data = git.body(sha, "blob")
            binary = b"\0" in data
            text = None if binary else data[:512_000].decode("utf-8", "replace")
            truncated = len(data) > 512_000
            return base | {"byteSize": len(data), "isBinary": binary, "isTruncated": truncated, "text": text}
        case _:
            head, _, message = git.body(sha, "tag").decode("utf-8", "replace").partition("\n\n")
            fields = dict(line.split(" ", 1) for line in head.split("\n") if " " in line)
            target = fields["object"]
            return base | {
                "name": fields["tag"],
                "message": message,
                "target": lambda _info: git_object(core, repo, target),
            }


def _entries(core: Core, repo: Repository, sha: str) -> list[Json]:
    rows = []
    for line in core.git(repo).run("ls-tree", "-z", "-l", sha).decode("utf-8", "replace").split("\0"):
        if line:
            meta, path = line.split("\t", 1)
            mode, kind, oid, size = meta.split()
            row = {"mode": int(mode, 8), "type": kind, "oid": oid, "name": path, "path": path}
            inner = partial(_inner, core, repo, oid)
            rows.append({**row, "size": int(size) if size.isdigit() else 0, "object": inner})
    return rows


def _inner(core: Core, repo: Repository, oid: str, _info: object) -> Json | None:
    return git_object(core, repo, oid)


def _at(core: Core, repo: Repository, commit: str, path: str) -> Json | None:
    """What `commit:path` names: asked for often, and of a commit it never changes."""
    git = core.git(repo)
    sha = git.ref(f"refs/heads/{repo.default_branch}") if commit == "HEAD" else commit
    if sha is None or git.kind(sha) is None:
        return None
    found = git.run("ls-tree", "-z", sha, "--", path).decode("utf-8", "replace")
    return git_object(core, repo, found.split("\t")[0].split()[2]) if found else None


def _committed(git: Git, name: str) -> int:
    sha = git.resolve(name)
    return git.commit(sha).committer.when if sha else 0


def ref(core: Core, repo: Repository, name: str) -> Json | None:
    """Ref by its full name."""
    sha = core.git(repo).ref(name)
    if sha is None:
        return None
    short = name.split("/", 2)[2]
    return {
        "__typename": "Ref",
        "id": views.node("Ref", f"{repo.id}.{name}"),
        "name": short,
        "prefix": name.removesuffix(short),
        "target": lambda _info: git_object(core, repo, sha),
    }


def _date(when: datetime | None) -> str | None:
    return views.stamp_or_none(when)


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
        "createdAt": _date(row.created_at),
        "publishedAt": _date(row.published_at),
        "url": f"{views.html_of(core, repo)}/releases/tag/{row.tag_name}",
    }


def _review(core: Core, repo: Repository, row: Review) -> Json:
    return {
        "__typename": "PullRequestReview",
        "id": views.node("PullRequestReview", row.id),
        "databaseId": row.id,
        "state": row.state,
        "body": row.body,
        "author": account(core, row.user),
        "commit": lambda _info: git_object(core, repo, row.commit_id),
        "submittedAt": _date(row.submitted_at),
    }


def comment(core: Core, repo: Repository, row: Issue, one: Comment) -> Json:
    """IssueComment."""
    return {
        "__typename": "IssueComment",
        "id": views.node("IssueComment", one.id),
        "databaseId": one.id,
        "author": account(core, one.user),
        "body": one.body,
        "createdAt": _date(one.created_at),
        "lastEditedAt": _date(one.updated_at) if one.updated_at != one.created_at else None,
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


def pull_request(core: Core, caller: Caller, repo: Repository, row: Issue) -> Json:
    """PullRequest."""
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
        "headRepository": lambda _info: _head_repository(core, caller, pull),
        "commits": lambda _info, **a: _commits(core, repo, row, a),
        "reviews": lambda _info, **a: connection(pull.reviews, lambda r: _review(core, repo, r), a),
    }


def _head_repository(core: Core, caller: Caller, pull: Pull) -> Json | None:
    there = core.state.repositories.get(pull.head_repo)
    seen = there is not None and auth.visible(core.state, caller, there)
    return repository(core, caller, there) if there is not None and seen else None


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


def _needs(core: Core, caller: Caller, repo: Repository, permission: str) -> None:
    """Errors: GraphQLError FORBIDDEN."""
    try:
        auth.require(core.state, caller, repo, (permission, "read"), public=True)
    except ApiError as error:
        raise GraphQLError(error.message, extensions={"type": "FORBIDDEN"}) from error


def repository(core: Core, caller: Caller, repo: Repository) -> Json:
    """Repository; what needs a permission asks for it when it is resolved."""
    git = core.git(repo)
    parent = core.state.repositories.get(repo.parent) if repo.parent else None

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
            rows.sort(key=lambda n: _committed(git, n))
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

    def an_object(expression: str | None = None, oid: str | None = None) -> Json | None:
        name = oid or expression
        if not name or name.startswith("-"):
            return None
        if within := _WITHIN.fullmatch(name):
            return _at(core, repo, within[1], within[2])
        out = git.run("rev-parse", "--verify", "--quiet", name, ok=(0, 1, 128)).decode().strip()
        return git_object(core, repo, out) if out and out != ZERO else None

    def pull(number: int) -> Json:
        row = repo.issues.get(number)
        if row is None or row.pull is None:
            message = f"Could not resolve to a PullRequest with the number of {number}."
            raise GraphQLError(message, extensions={"type": "NOT_FOUND"})
        return pull_request(core, caller, repo, row)

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
        return connection(shown, lambda row: pull_request(core, caller, repo, row), arguments)

    def one_issue(number: int) -> Json:
        row = repo.issues.get(number)
        if row is None or row.pull is not None:
            message = f"Could not resolve to an Issue with the number of {number}."
            raise GraphQLError(message, extensions={"type": "NOT_FOUND"})
        return issue(core, repo, row)

    def visible_parent(_info: object) -> Json | None:
        shown = parent is not None and auth.visible(core.state, caller, parent)
        return repository(core, caller, parent) if parent is not None and shown else None

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
        "parent": visible_parent,
        "defaultBranchRef": guarded("contents", lambda: ref(core, repo, f"refs/heads/{repo.default_branch}")),
        "ref": guarded("contents", one_ref),
        "refs": guarded("contents", refs),
        "releases": guarded("contents", releases),
        "release": guarded("contents", one_release),
        "latestRelease": guarded("contents", latest),
        "object": guarded("contents", an_object),
        "pullRequest": guarded("pull_requests", pull),
        "pullRequests": guarded("pull_requests", pulls),
        "issue": guarded("issues", one_issue),
    }
