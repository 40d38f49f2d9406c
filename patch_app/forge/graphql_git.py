"""GraphQL objects: Git objects and refs, and what all objects share: accounts and pages.

Its job: dictionaries whose callables are resolved on demand, with `__typename` for the abstract types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from graphql import GraphQLError

from patch_app.forge import graphql_checks, views, views_git
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, CommitObject, Git, Signature
from patch_app.forge.state import Json, Repository

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
                "author": _actor(row.author),
                "committer": _actor(row.committer),
                **_counts(git, row),
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


def _actor(one: Signature) -> Json:
    """GitActor; its date keeps its zone, as a GitTimestamp does."""
    sign, hours, minutes = one.zone[:1], int(one.zone[1:3] or 0), int(one.zone[3:5] or 0)
    zone = timezone(timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1))
    return {"name": one.name, "email": one.email, "date": datetime.fromtimestamp(one.when, zone).isoformat()}


def _counts(git: Git, row: CommitObject) -> Json:
    """What a commit does to its first parent, in numbers; each is only counted where it is asked for."""
    parent = row.parents[0] if row.parents else views_git.EMPTY_TREE
    return {
        "additions": lambda _info: sum(one.additions for one in views_git.changes(git, parent, row.sha)),
        "deletions": lambda _info: sum(one.deletions for one in views_git.changes(git, parent, row.sha)),
        "changedFilesIfAvailable": lambda _info: len(views_git.changes(git, parent, row.sha)),
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


def an_object(
    core: Core, repo: Repository, expression: str | None = None, oid: str | None = None
) -> Json | None:
    """What a revision names, or `commit:path`."""
    name = oid or expression
    if not name or name.startswith("-"):
        return None
    if within := _WITHIN.fullmatch(name):
        return _at(core, repo, within[1], within[2])
    out = core.git(repo).run("rev-parse", "--verify", "--quiet", name, ok=(0, 1, 128)).decode().strip()
    return git_object(core, repo, out) if out and out != ZERO else None


def committed(git: Git, name: str) -> int:
    """When the commit that a ref leads to was made, in seconds; 0 for none."""
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


def date(when: datetime | None) -> str | None:
    """As GraphQL writes times."""
    return views.stamp_or_none(when)
