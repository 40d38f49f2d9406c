"""The ASGI side: from a request on the wire to a handler's answer.

Its job: routing between Git, REST, GraphQL and the few pages; API versions, rate limit headers, ETags.
It refuses to answer what nobody wrote with anything but 501.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from patch_app.forge import (
    auth,
    git_backend,
    graphql,
    pages,
    rest_actions,
    rest_apps,
    rest_checks,
    rest_commits,
    rest_git,
    rest_issues,
    rest_pulls,
    rest_releases,
    rest_repos,
    rest_runs,
    rest_setup,
)
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.rest import (
    VERSIONS,
    ApiError,
    Ctx,
    Reply,
    Route,
    check_shape,
    find,
    not_found,
    unsupported,
)
from patch_app.forge.state import Json

# Importing a module registers its routes.
REST_MODULES = (
    *(rest_apps, rest_actions, rest_runs, rest_checks, rest_pulls, rest_issues, rest_releases),
    *(rest_git, rest_commits, rest_repos, rest_setup),
)
LIMIT = 5000
_GIT = re.compile(r"^/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _json(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    if body is None:
        return Response(status_code=status, headers=dict(headers))
    if isinstance(body, bytes):
        return Response(body, status_code=status, headers=dict(headers))
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(
        data, status_code=status, headers=dict(headers), media_type="application/json; charset=utf-8"
    )


def limits(core: Core, caller: Caller | None, *, count: bool) -> dict[str, str]:
    """The rate limit headers (docs: "Rate limits for the REST API"); a 304 isn't counted."""
    now = int(core.now().timestamp())
    key = f"{(caller.token or caller.login or 'anonymous') if caller else 'anonymous'}@{now // 3600}"
    if count:
        core.used[key] = core.used.get(key, 0) + 1
    used = core.used.get(key, 0)
    return {
        "x-ratelimit-limit": str(LIMIT),
        "x-ratelimit-remaining": str(max(0, LIMIT - used)),
        "x-ratelimit-used": str(used),
        "x-ratelimit-reset": str((now // 3600 + 1) * 3600),
        "x-ratelimit-resource": "core",
    }


def _parsed(data: bytes) -> Json:
    if not data:
        return {}
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ApiError(400, "Problems parsing JSON") from error
    if not isinstance(body, dict):
        raise ApiError(422, "Invalid request.\n\nFor 'properties', nil is not an object.")
    return body


# What version 2026-03-10 takes away (GitHub's OpenAPI description, x-github-breaking-changes).
_GONE = frozenset({"merge_commit_sha", "assignee", "has_downloads"})


def adapted(body: Any, version: str) -> Any:
    """An answer in the form of an API version; handlers write the oldest."""
    if version < "2026-03-10":
        return body
    if isinstance(body, list):
        return [adapted(row, version) for row in body]
    if isinstance(body, dict):
        rows = {k: adapted(v, version) for k, v in body.items() if k not in _GONE}
        pull = rows.get("pull_request")
        if isinstance(pull, dict) and "merged_at" in pull and pull["merged_at"] is None:
            del pull["merged_at"]  # of an issue: not nullable any more, but not required
        return rows
    return body


def _handle(core: Core, rule: Route, parts: dict[str, str], ctx: Ctx) -> Reply:
    with core.transaction() as state:
        if "owner" in parts and "repo" in parts:
            owner, name = parts.pop("owner"), parts.pop("repo")
            repo = state.repository(owner, name)
            if repo is None:
                moved = state.renamed.get(f"{owner}/{name}".lower())
                if moved is None or moved not in state.repositories:
                    raise not_found()
                auth.require(state, ctx.caller, state.repositories[moved], None)
                rest = ctx.path.removeprefix(f"/repos/{owner}/{name}")
                asked = f"?{urlencode(ctx.query)}" if ctx.query else ""
                url = f"{core.api_url}/repositories/{moved}{rest}{asked}"
                body = {
                    "message": "Moved Permanently",
                    "url": url,
                    "documentation_url": "https://docs.github.com",
                }
                return Reply(status=301 if ctx.method == "GET" else 307, body=body, headers={"Location": url})
            if rule.need is not None or ctx.caller.kind != "app":
                auth.require(state, ctx.caller, repo, rule.need, role=rule.role, public=rule.public)
            check_shape(rule, ctx.query, ctx.json)
            if repo.archived and ctx.method != "GET":
                raise ApiError(403, "Repository was archived so is read-only.")
            reply: Reply = rule.handler(ctx, repo, **parts)
            return reply
        check_shape(rule, ctx.query, ctx.json)
        answer: Reply = rule.handler(ctx, **parts)
        return answer


def _rest(core: Core, request: Request, path: str, data: bytes) -> Response:
    version = request.headers.get("x-github-api-version", VERSIONS[0])
    caller: Caller | None = None
    headers = {"x-github-request-id": hashlib.sha256(path.encode()).hexdigest()[:12].upper()}
    try:
        if version not in VERSIONS:
            raise ApiError(400, f'"{version}" is not a supported version of the API.')
        headers["x-github-api-version-selected"] = version
        with core.lock:
            caller = auth.authenticate(core.state, request.headers.get("authorization"), core.now())
            found = re.match(r"^/repositories/(\d+)(/.*)?$", path)
            if found and int(found[1]) in core.state.repositories:
                path = f"/repos/{core.state.repositories[int(found[1])].full_name}{found[2] or ''}"
        method = "GET" if request.method == "HEAD" else request.method
        rule, parts = find(method, path)
        ctx = Ctx(
            core=core,
            caller=caller,
            method=method,
            path=path,
            query=dict(request.query_params),
            headers=dict(request.headers),
            json=_parsed(data),
            version=version,
        )
        before = core.state.next_id
        reply = _handle(core, rule, parts, ctx)
        core.moods.made(before)
    except ApiError as error:
        reply = Reply(status=error.status, body=error.body())
    headers |= dict(reply.headers)
    body = core.moods.listed(reply.body) if request.method == "GET" else reply.body
    answer = _json(reply.status, adapted(body, version), headers)
    fresh = True
    if request.method == "GET" and reply.status == 200 and isinstance(answer.body, bytes):
        etag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
        answer.headers["etag"] = etag
        answer.headers["cache-control"] = "private, max-age=60, s-maxage=60"
        if request.headers.get("if-none-match", "").removeprefix("W/") == etag.removeprefix("W/"):
            fresh = False
            answer = Response(status_code=304, headers={**headers, "etag": etag})
    for key, value in limits(core, caller, count=fresh).items():
        answer.headers[key] = value
    return answer


def build(core: Core) -> Starlette:
    """The application. Everything that blocks runs in threads."""

    async def endpoint(request: Request) -> Response:
        raw = request.scope.get("raw_path", b"").decode("ascii").partition("?")[0] or request.url.path
        met = core.moods.before(request.method, raw, request.headers.get("authorization"))
        if met is not None:
            return met
        return core.moods.after(request.method, raw, await answered(request, raw))

    async def answered(request: Request, raw: str) -> Response:
        git = _GIT.match(raw)
        if git:
            return await git_backend.serve(core, request, unquote(git[1]), unquote(git[2]), git[3])
        data = await request.body()
        if raw.startswith("/api/v3/") or raw == "/api/v3":
            return await run_in_threadpool(_rest, core, request, raw.removeprefix("/api/v3") or "/", data)
        if raw == "/api/graphql":
            return await run_in_threadpool(graphql.serve, core, request, data)
        page = await run_in_threadpool(pages.serve, core, request, raw, data)
        if page is not None:
            return page
        error = unsupported(f"{request.method} {raw}")
        return _json(501, error.body(), {})

    return Starlette(routes=[WebRoute("/{path:path}", endpoint, methods=_METHODS)])
