"""REST: the App itself, its installations and tokens, hook deliveries, the manifest's code.

Its job: mint and revoke tokens within what was granted, and show deliveries. It refuses to widen a
permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from patch_app.forge import views
from patch_app.forge.auth import LEVELS, Caller, digest, new_app_token, reaches
from patch_app.forge.core import ACTIONS_APP, Core
from patch_app.forge.rest import ApiError, Ctx, Reply, not_found, number_of, route
from patch_app.forge.state import App, Delivery, Installation, Json, Repository, Token

HOUR = timedelta(hours=1)
KEPT = timedelta(days=3)
"""How long deliveries can be read (docs: "Viewing webhook deliveries")."""


def _app(ctx: Ctx) -> App:
    if ctx.caller.kind != "app" or ctx.caller.app_id is None:
        raise ApiError(401, "A JSON web token could not be decoded")
    return ctx.core.state.apps[ctx.caller.app_id]


def _own(ctx: Ctx, text: str) -> Installation:
    row = ctx.core.state.installations.get(number_of(text))
    if row is None or row.app_id != _app(ctx).id:
        raise not_found()
    return row


@route("GET", "/app")
def get_app(ctx: Ctx) -> Reply:
    """GET /app."""
    app = _app(ctx)
    count = sum(1 for i in ctx.core.state.installations.values() if i.app_id == app.id)
    return Reply(body=views.integration(ctx.core, app) | {"installations_count": count})


@route("GET", "/app/installations")
def installations(ctx: Ctx) -> Reply:
    """GET /app/installations."""
    app = _app(ctx)
    rows = [i for i in ctx.core.state.installations.values() if i.app_id == app.id]
    return ctx.paged(rows, present=lambda row: views.installation(ctx.core, row))


@route("GET", "/app/installations/{installation_id}")
def installation(ctx: Ctx, installation_id: str) -> Reply:
    """GET /app/installations/{installation_id}."""
    return Reply(body=views.installation(ctx.core, _own(ctx, installation_id)))


@route("GET", "/repos/{owner}/{repo}/installation")
def repository_installation(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}/installation."""
    app = _app(ctx)
    for row in ctx.core.state.installations.values():
        fits = row.repositories is None or repo.id in row.repositories
        if row.app_id == app.id and row.account.lower() == repo.owner.lower() and fits:
            return Reply(body=views.installation(ctx.core, row))
    raise not_found()


def mint(
    core: Core,
    row: Installation,
    permissions: Mapping[str, str],
    repositories: list[int] | None,
    *,
    now: datetime,
) -> tuple[str, Token]:
    """A new installation token, good for an hour."""
    app = core.state.apps[row.app_id]
    token = new_app_token(app.id)
    record = Token(
        kind="installation",
        login=f"{app.slug}[bot]",
        created_at=now,
        expires_at=now + HOUR,
        installation_id=row.id,
        repositories=repositories,
        permissions=dict(permissions),
    )
    core.state.tokens[digest(token)] = record
    return token, record


def _wanted_permissions(row: Installation, wanted: object) -> dict[str, str]:
    if wanted is None:
        return dict(row.permissions)
    if not isinstance(wanted, dict):
        raise ApiError(422, "Invalid request.\n\nFor 'properties/permissions', it is not an object.")
    for name, level in wanted.items():
        granted = row.permissions.get(name, "read" if name == "metadata" else "")
        if level not in LEVELS or LEVELS.get(granted, 0) < LEVELS[level]:
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    return {**wanted, "metadata": "read"}


def _wanted_repositories(core: Core, row: Installation, body: Json) -> list[int] | None:
    names, ids = body.get("repositories"), body.get("repository_ids")
    if names is None and ids is None:
        return None
    reachable = {
        r.id: r
        for r in core.state.repositories.values()
        if r.owner.lower() == row.account.lower() and (row.repositories is None or r.id in row.repositories)
    }
    chosen = set(ids or [])
    for name in names or []:
        chosen.add(next((r.id for r in reachable.values() if r.name.lower() == str(name).lower()), -1))
    if not chosen or not chosen <= set(reachable):
        raise ApiError(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent "
            "installation.",
        )
    return sorted(chosen)


@route(
    "POST",
    "/app/installations/{installation_id}/access_tokens",
    body=("repositories", "repository_ids", "permissions"),
)
def access_token(ctx: Ctx, installation_id: str) -> Reply:
    """POST /app/installations/{installation_id}/access_tokens."""
    row, core = _own(ctx, installation_id), ctx.core
    if row.suspended_at is not None:
        raise ApiError(403, "This installation has been suspended")
    permissions = _wanted_permissions(row, ctx.json.get("permissions"))
    repositories = _wanted_repositories(core, row, ctx.json)
    token, record = mint(core, row, permissions, repositories, now=core.now())
    body: Json = {
        "token": token,
        "expires_at": views.stamp_or_none(record.expires_at),
        "permissions": record.permissions,
        "repository_selection": "all" if row.repositories is None and repositories is None else "selected",
    }
    if repositories is not None:
        body["repositories"] = [views.repository(core, core.state.repositories[i]) for i in repositories]
    return Reply(status=201, body=body)


@route("GET", "/installation/repositories")
def installation_repositories(ctx: Ctx) -> Reply:
    """GET /installation/repositories."""
    core, caller = ctx.core, ctx.caller
    if caller.kind not in {"installation", "job"}:
        raise ApiError(403, "You must authenticate with an installation access token.")
    rows = [r for r in core.state.repositories.values() if reaches(core.state, caller, r)]
    return ctx.paged(
        rows,
        "repositories",
        lambda r: views.repository(core, r) | {"permissions": views.permissions(core, caller, r)},
    )


@route("DELETE", "/installation/token")
def revoke(ctx: Ctx) -> Reply:
    """DELETE /installation/token."""
    if ctx.caller.kind != "installation" or ctx.caller.token is None:
        raise ApiError(403, "You must authenticate with an installation access token.")
    del ctx.core.state.tokens[ctx.caller.token]
    return Reply(status=204)


def _delivery_item(row: Delivery) -> Json:
    return {
        "id": row.id,
        "guid": row.guid,
        "delivered_at": row.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "redelivery": row.redelivery,
        "duration": row.duration,
        "status": row.status,
        "status_code": row.status_code,
        "event": row.event,
        "action": row.action,
        "installation_id": row.installation_id,
        "repository_id": row.repository_id,
        "throttled_at": None,
    }


def _deliveries(ctx: Ctx) -> list[Delivery]:
    app, oldest = _app(ctx), ctx.core.now() - KEPT
    rows = [
        d
        for d in ctx.core.state.deliveries.values()
        if d.app_id == app.id and d.delivered_at >= oldest and d.status not in {"pending", "released"}
    ]
    return sorted(rows, key=lambda d: d.id, reverse=True)


@route("GET", "/app/hook/deliveries", query=("cursor", "status"))
def deliveries(ctx: Ctx) -> Reply:
    """GET /app/hook/deliveries: newest first; `cursor` is the id of the first one of a page."""
    rows = _deliveries(ctx)
    match ctx.query.get("status"):
        case None:
            pass
        case "success":
            rows = [d for d in rows if 200 <= d.status_code < 400]
        case "failure":
            rows = [d for d in rows if not 200 <= d.status_code < 400]
        case other:
            raise ApiError(422, f"status {other} is none of success, failure")
    cursor = ctx.query.get("cursor")
    if cursor:
        rows = [
            d
            for d in rows
            if str(d.id) == cursor.removeprefix("v1_") or d.id <= int(cursor.removeprefix("v1_"))
        ]
    size = ctx.page()[1]
    headers = {}
    if len(rows) > size:
        url = f"{ctx.core.api_url}/app/hook/deliveries?per_page={size}&cursor=v1_{rows[size].id}"
        headers["Link"] = f'<{url}>; rel="next"'
    return Reply(body=[_delivery_item(d) for d in rows[:size]], headers=headers)


def _delivery(ctx: Ctx, text: str) -> Delivery:
    number = number_of(text)
    row = next((d for d in _deliveries(ctx) if d.id == number), None)
    if row is None:
        raise not_found()
    return row


@route("GET", "/app/hook/deliveries/{delivery_id}")
def delivery(ctx: Ctx, delivery_id: str) -> Reply:
    """GET /app/hook/deliveries/{delivery_id}."""
    row = _delivery(ctx, delivery_id)
    more = {
        "url": ctx.core.state.apps[row.app_id].webhook_url or "",
        "request": {"headers": row.request_headers, "payload": row.payload},
        "response": {"headers": row.response_headers, "payload": row.response_body},
    }
    return Reply(body=_delivery_item(row) | more)


@route("POST", "/app/hook/deliveries/{delivery_id}/attempts")
def redeliver(ctx: Ctx, delivery_id: str) -> Reply:
    """POST /app/hook/deliveries/{delivery_id}/attempts: the same guid again."""
    ctx.core.webhooks.redeliver(_delivery(ctx, delivery_id))
    return Reply(status=202, body={})


@route("POST", "/app-manifests/{code}/conversions")
def convert(ctx: Ctx, code: str) -> Reply:
    """POST /app-manifests/{code}/conversions: once, within an hour, without authentication."""
    state = ctx.core.state
    row = state.manifests.pop(digest(code), None)
    if row is None or row.expires_at <= ctx.core.now():
        raise not_found()
    app = state.apps[row.app_id]
    secrets = {"client_secret": row.client_secret, "webhook_secret": app.webhook_secret, "pem": row.pem}
    return Reply(status=201, body=views.integration(ctx.core, app) | secrets)


@route("GET", "/apps/{app_slug}")
def by_slug(ctx: Ctx, app_slug: str) -> Reply:
    """GET /apps/{app_slug}: an App that is registered here, or Actions' own."""
    core = ctx.core
    found = next((one.id for one in core.state.apps.values() if one.slug == app_slug), None)
    if found is None and app_slug == "github-actions":
        found = ACTIONS_APP
    if found is None:
        raise not_found()
    return Reply(body=views.app_of_id(core, found))


@route("GET", "/rate_limit")
def rate_limit(ctx: Ctx) -> Reply:
    """GET /rate_limit."""
    now = int(ctx.core.now().timestamp())
    row = {"limit": 5000, "used": 0, "remaining": 5000, "reset": (now // 3600 + 1) * 3600}
    names = ("core", "graphql", "search")
    body: Json = {"resources": dict.fromkeys(names, row)}
    # 2026-03-10 took the doubled `rate` away
    return Reply(body=body if ctx.version >= "2026-03-10" else body | {"rate": row})


def _self(ctx: Ctx, caller: Caller) -> Json:
    return views.public_user(ctx.core, caller.actor())


@route("GET", "/user")
def current_user(ctx: Ctx) -> Reply:
    """GET /user: people only."""
    if ctx.caller.kind == "anonymous":
        raise ApiError(401, "Requires authentication")
    if ctx.caller.kind != "person":
        raise ApiError(403, "Resource not accessible by integration")
    return Reply(body=_self(ctx, ctx.caller))


@route("GET", "/users/{username}")
def one_user(ctx: Ctx, username: str) -> Reply:
    """GET /users/{username}."""
    if username.lower() not in ctx.core.state.accounts:
        raise not_found()
    return Reply(body=views.public_user(ctx.core, username))


@route("GET", "/meta")
def meta(ctx: Ctx) -> Reply:
    """GET /meta."""
    return Reply(body={"verifiable_password_authentication": True})
