"""GraphQL: requests, errors and `updateRefs`.

Its job: parse and validate for real, resolve over the same state and the same checks as REST. It refuses
fields that it doesn't know with 501 that names them, where GitHub itself may know them.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Literal

from graphql import GraphQLError, build_schema, execute_sync, parse, validate
from graphql.language import DocumentNode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patch_app.forge import auth, changes, graphql_nodes, graphql_talk, pulls, views
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, Git, RefUpdate
from patch_app.forge.graphql_sdl import SDL
from patch_app.forge.rest import ApiError, unsupported
from patch_app.forge.state import Comment, Issue, Json, Repository

_HEX = re.compile(r"[0-9a-f]{40}")
SCHEMA = build_schema(SDL)


def fault(kind: str, message: str) -> GraphQLError:
    """An error with GitHub's `type` beside the message."""
    return GraphQLError(message, extensions={"type": kind})


def _shown(error: GraphQLError) -> Json:
    body: Json = dict(error.formatted)
    extensions = body.pop("extensions", {})
    return {"type": extensions["type"], **body} if "type" in extensions else body


# a client's documents are few and their validation is slow
@lru_cache(maxsize=256)
def _parsed(query: str) -> DocumentNode:
    return parse(query)


@lru_cache(maxsize=256)
def _faults(query: str) -> tuple[GraphQLError, ...]:
    return tuple(validate(SCHEMA, _parsed(query)))


def serve(core: Core, request: Request, data: bytes) -> Response:
    """POST /api/graphql."""
    try:
        if request.method != "POST":
            raise unsupported(f"{request.method} /api/graphql")
        with core.lock:
            caller = auth.authenticate(core.state, request.headers.get("authorization"), core.now())
        if caller.kind in {"anonymous", "app"}:
            raise ApiError(401, "This endpoint requires you to be authenticated.")
        body = json.loads(data)
        document = _parsed(str(body["query"]))
    except ApiError as error:
        return JSONResponse(error.body(), status_code=error.status)
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"message": "Problems parsing JSON"}, status_code=400)
    except GraphQLError as error:
        return JSONResponse({"errors": [_shown(error)]})
    errors = _faults(str(body["query"]))
    if errors:
        message = "The local GitHub does not support: " + "; ".join(e.message for e in errors)
        return JSONResponse({"message": message, "errors": [_shown(e) for e in errors]}, status_code=501)
    return JSONResponse(_execute(core, caller, document, body))


def _execute(core: Core, caller: Caller, document: DocumentNode, body: Json) -> Json:
    root = _Root(core, caller)
    with core.transaction():
        result = execute_sync(
            SCHEMA,
            document,
            root_value=root,
            variable_values=body.get("variables") or {},
            operation_name=body.get("operationName"),
        )
    answer: Json = {"data": result.data}
    if result.errors:
        answer["errors"] = [_shown(e) for e in result.errors]
    return answer


class _Root:
    """Resolvers of Query and Mutation: methods by field name."""

    def __init__(self, core: Core, caller: Caller) -> None:
        self._core = core
        self._caller = caller

    def repository(self, _info: object, *, owner: str, name: str, **_: Any) -> Json:
        """Query.repository."""
        core = self._core
        repo = core.state.repository(owner, name)
        if repo is None and f"{owner}/{name}".lower() in core.state.renamed:
            repo = core.state.repositories.get(core.state.renamed[f"{owner}/{name}".lower()])
        if repo is None or not auth.visible(core.state, self._caller, repo):
            raise fault("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return graphql_nodes.repository(core, self._caller, repo)

    def node(self, _info: object, **arguments: Any) -> Json:
        """Query.node: repositories and comments of issues and pull requests only."""
        kind, _ = views.unnode(arguments["id"])
        if kind == "IssueComment":
            repo, row, one = self._comment(arguments["id"])
            self._need_conversation(repo, row, "read")
            return graphql_talk.comment(self._core, repo, row, one)
        if kind != "Repository":
            raise fault(
                "NOT_FOUND", f"Could not resolve to a node with the global id of '{arguments['id']}'."
            )
        return graphql_nodes.repository(self._core, self._caller, self._repository(arguments["id"]))

    def rateLimit(self, _info: object, **_: Any) -> Json:  # noqa: N802  the schema's name
        """Query.rateLimit."""
        reset = (int(self._core.now().timestamp()) // 3600 + 1) * 3600
        at = views.stamp(self._core.now().fromtimestamp(reset, tz=self._core.now().tzinfo))
        return {"cost": 1, "limit": 5000, "nodeCount": 0, "remaining": 4999, "used": 1, "resetAt": at}

    def _repository(self, node_id: str) -> Repository:
        kind, number = views.unnode(node_id)
        core = self._core
        repo = core.state.repositories.get(int(number)) if kind == "Repository" and number.isdigit() else None
        if repo is None or not auth.visible(core.state, self._caller, repo):
            raise fault("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'")
        return repo

    def convertPullRequestToDraft(self, _info: object, **arguments: Any) -> Json:  # noqa: N802
        """Mutation.convertPullRequestToDraft."""
        return self._draft(arguments["input"], draft=True)

    def markPullRequestReadyForReview(self, _info: object, **arguments: Any) -> Json:  # noqa: N802
        """Mutation.markPullRequestReadyForReview."""
        return self._draft(arguments["input"], draft=False)

    def _draft(self, given: Json, *, draft: bool) -> Json:
        kind, name = views.unnode(given["pullRequestId"])
        number, _, issue = name.partition(".")
        repo = self._core.state.repositories.get(int(number)) if kind == "PullRequest" else None
        row = repo.issues.get(int(issue)) if repo else None
        if repo is None or row is None or row.pull is None:
            raise fault(
                "NOT_FOUND", f"Could not resolve to a node with the global id of '{given['pullRequestId']}'"
            )
        try:
            auth.require(self._core.state, self._caller, repo, ("pull_requests", "write"), role="write")
        except ApiError as error:
            raise fault("FORBIDDEN", error.message) from error
        if row.state == "closed":
            raise fault("UNPROCESSABLE", "Pull request is closed")
        if row.pull.draft is not draft:
            row.pull.draft = draft
            action = "converted_to_draft" if draft else "ready_for_review"
            pulls.announce(self._core, repo, row, self._caller, action)
        return {"clientMutationId": given.get("clientMutationId")}

    def _comment(self, node_id: str) -> tuple[Repository, Issue, Comment]:
        _, number = views.unnode(node_id)
        core = self._core
        for repo in core.state.repositories.values():
            for row in repo.issues.values() if auth.visible(core.state, self._caller, repo) else ():
                for one in row.comments:
                    if str(one.id) == number:
                        return repo, row, one
        raise fault("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'")

    def _need_conversation(self, repo: Repository, row: Issue, level: Literal["read", "write"]) -> None:
        wanted = "pull_requests" if row.pull else "issues"
        try:
            auth.require(
                self._core.state,
                self._caller,
                repo,
                (wanted, level),
                role=level,
                public=level == "read",
            )
        except ApiError as error:
            raise fault("FORBIDDEN", error.message) from error

    def minimizeComment(self, _info: object, **arguments: Any) -> Json:  # noqa: N802  the schema's name
        """Mutation.minimizeComment, for whoever may write; once more is the same."""
        given = arguments["input"]
        kind, _ = views.unnode(given["subjectId"])
        if kind != "IssueComment":
            message = f"Could not resolve to Minimizable node with the global id of '{given['subjectId']}'."
            raise fault("NOT_FOUND", message)
        repo, row, one = self._comment(given["subjectId"])
        self._need_conversation(repo, row, "write")
        one.minimized = given["classifier"]
        shown = graphql_talk.comment(self._core, repo, row, one)
        return {"clientMutationId": given.get("clientMutationId"), "minimizedComment": shown}

    def updateRefs(self, _info: object, **arguments: Any) -> Json:  # noqa: N802  the schema's name
        """Mutation.updateRefs: all or nothing."""
        given = arguments["input"]
        core, repo = self._core, self._repository(given["repositoryId"])
        try:
            auth.require(core.state, self._caller, repo, ("contents", "write"), role="write")
        except ApiError as error:
            raise fault("FORBIDDEN", error.message) from error
        git = core.git(repo)
        updates = [_update(git, repo, row) for row in given["refUpdates"]]
        names = [u.name for u in updates]
        if len(set(names)) != len(names):
            raise fault("UNPROCESSABLE", "A ref was given more than once")
        try:
            changes.move(core, repo, self._caller, updates)
        except ApiError as error:
            kind = "FORBIDDEN" if error.status == 403 else "UNPROCESSABLE"
            raise fault(kind, error.message) from error
        return {"clientMutationId": given.get("clientMutationId")}


def _update(git: Git, repo: Repository, row: Json) -> RefUpdate:
    """One checked update (docs: GraphQL input object RefUpdate)."""
    name, after, before = row["name"], row["afterOid"], row.get("beforeOid")
    if not name.startswith(("refs/heads/", "refs/tags/")):
        # unknown on GitHub whether others are taken: the careful answer
        raise fault("UNPROCESSABLE", f"{name} is not a fully qualified branch or tag name")
    for value in (after, before):
        if value is not None and not _HEX.fullmatch(value):
            raise fault("UNPROCESSABLE", f"{value} is not a valid Git object id")
    now_there = git.ref(name) or ZERO
    if before is not None and before != now_there:
        raise fault("STALE_DATA", f"Reference {name} has moved: expected {before}")
    if after == ZERO:
        if now_there == ZERO:
            raise fault("UNPROCESSABLE", f"Reference {name} does not exist")
        if name == f"refs/heads/{repo.default_branch}":
            raise fault("UNPROCESSABLE", "Cannot delete the default branch")
        return RefUpdate(name=name, old=now_there, new=ZERO)
    kind = git.kind(after)
    if kind is None or (name.startswith("refs/heads/") and kind != "commit"):
        raise fault("UNPROCESSABLE", f"{after} does not exist or is no commit")
    if now_there != ZERO and not row.get("force", False) and not git.is_ancestor(now_there, after):
        raise fault("UNPROCESSABLE", f"Update of {name} is not a fast forward")
    return RefUpdate(name=name, old=now_there, new=after)
