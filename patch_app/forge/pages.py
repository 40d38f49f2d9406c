"""The few pages of github.com that belong to the flow of an App manifest, and its storage's addresses.

Its job: take the manifest form, make the App, redirect with the code. It refuses to be a web site:
anything else is left to the caller (501).
"""

from __future__ import annotations

import html
import json
import re
import secrets
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from patch_app.forge import apps, artifacts
from patch_app.forge.apps import AppRequest, make_app
from patch_app.forge.auth import authenticate, digest
from patch_app.forge.core import Core
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_apps import HOUR
from patch_app.forge.state import Manifest

_FORM = re.compile(r"^/(?:settings|organizations/([^/]+)/settings)/apps/new$")
_INSTALL = re.compile(r"^/apps/([a-z0-9-]+)/installations/new$")
_LOGS = re.compile(r"^/_logs/([0-9a-f]{64})$")


def serve(core: Core, request: Request, path: str, data: bytes) -> Response | None:
    """The page, or None when there is none at this path."""
    if path == "/":
        return PlainTextResponse(f"A local GitHub. REST: {core.api_url}  GraphQL: {core.url}/api/graphql\n")
    stored = artifacts.serve(core, request, path, data)
    if stored is not None:
        return stored
    logs = _LOGS.match(path)
    if logs and request.method == "GET":
        return _log(core, logs[1])
    install = _INSTALL.match(path)
    if install and request.method in {"GET", "POST"}:
        try:
            return _install(core, request, install[1], data)
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.status)
    form = _FORM.match(path)
    if form is None:
        return None
    if request.method == "GET":
        return HTMLResponse(
            "<h1>Register new GitHub App</h1><p>Post the form field <code>manifest</code>.</p>"
        )
    if request.method != "POST":
        return None
    try:
        return _create(core, request, form[1], data)
    except ApiError as error:
        return JSONResponse(error.body(), status_code=error.status)


def _owner(core: Core, request: Request, organization: str | None) -> str:
    """Who the App will belong to: the signed-in person, or an organisation that they own.

    A browser has no session here. A person's token in the Authorization header says who; without one it
    is the first person, as if they were signed in.
    """
    caller = authenticate(core.state, request.headers.get("authorization"), core.now())
    people = [a.login for a in core.state.accounts.values() if a.type == "User" and a.login != "github"]
    login = caller.login if caller.kind == "person" else (people[0] if people else None)
    if login is None:
        raise ApiError(401, "Requires authentication")
    if organization is None:
        return login
    account = core.state.accounts.get(organization.lower())
    if account is None or account.type != "Organization":
        raise ApiError(404, "Not Found")
    if account.members.get(login) != "owner":
        raise ApiError(403, "You must be an owner of the organization.")
    return account.login


def _create(core: Core, request: Request, organization: str | None, data: bytes) -> Response:
    fields = parse_qs(data.decode("utf-8", "replace"))
    try:
        manifest = json.loads(fields.get("manifest", [""])[0])
    except ValueError as error:
        raise ApiError(422, "Invalid manifest: not JSON") from error
    redirect = manifest.get("redirect_url") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not manifest.get("url") or not isinstance(redirect, str):
        raise ApiError(422, "Invalid manifest: url and redirect_url are required")
    hook = manifest.get("hook_attributes") or {}
    with core.transaction() as state:
        owner = _owner(core, request, organization)
        made = make_app(
            core,
            AppRequest(
                owner=owner,
                name=str(manifest.get("name") or f"app-{secrets.token_hex(3)}"),
                webhook_url=hook.get("url") if hook.get("active", True) else None,
                permissions=dict(manifest.get("default_permissions") or {}),
                events=list(manifest.get("default_events") or []),
                description=manifest.get("description"),
                external_url=str(manifest["url"]),
            ),
        )
        code = secrets.token_hex(20)
        state.manifests[digest(code)] = Manifest(
            app_id=made.id,
            pem=made.pem,
            client_secret=secrets.token_hex(20),
            expires_at=core.now() + HOUR,
        )
    query = {"code": code}
    given = request.query_params.get("state")
    if given is not None:
        query["state"] = given
    joint = "&" if "?" in redirect else "?"
    return RedirectResponse(f"{redirect}{joint}{urlencode(query)}", status_code=302)


def _install(core: Core, request: Request, slug: str, data: bytes) -> Response:
    """The page that installs an App: fields `account` and, once for each, `repository` (none: all)."""
    with core.transaction() as state:
        app = next((a for a in state.apps.values() if a.slug == slug), None)
        if app is None:
            raise ApiError(404, "Not Found")
        if request.method == "GET":
            return HTMLResponse(
                f"<h1>Install {html.escape(app.name)}</h1><form method=post>"
                "<label>Account <input name=account></label> "
                "<label>Repository (empty: all) <input name=repository></label> "
                "<button>Install</button></form>"
            )
        fields = parse_qs(data.decode("utf-8", "replace"))
        by = _owner(core, request, None)
        account = fields.get("account", [by])[0]
        if account.lower() != by.lower():
            account = _owner(core, request, account)
        chosen = [state.repository(account, n.rpartition("/")[2]) for n in fields.get("repository", [])]
        found = [r for r in chosen if r is not None]
        if len(found) != len(chosen):
            raise ApiError(404, "Not Found")
        row = apps.install(core, app.id, account, found or None, by)
    return RedirectResponse(f"{core.url}/settings/installations/{row.id}", status_code=302)


def _log(core: Core, key: str) -> Response:
    """A job's log: the address is the permission, as with GitHub's signed ones."""
    with core.lock:
        for repo in core.state.repositories.values():
            for run in repo.runs.values():
                for job in run.jobs:
                    if log_key(core, job.id) == key:
                        return PlainTextResponse(job.log)
    return HTMLResponse(f"<p>{html.escape(key)} is not here</p>", status_code=404)


def log_key(core: Core, job_id: int) -> str:
    """The unguessable part of a log's address."""
    return digest(f"{core.log_salt}:{job_id}")
