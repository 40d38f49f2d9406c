"""The pages on which a person registers an App from a manifest and installs it.

A browser gets what GitHub shows: a page to confirm on, then the answer. A program that names itself by a
token, or doesn't ask for HTML, is taken at its word in one request. There are no sessions: a browser acts
for the first person, as if they were signed in.
"""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Sequence
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from patch_app.forge import apps
from patch_app.forge.apps import AppRequest, make_app
from patch_app.forge.auth import digest
from patch_app.forge.core import Core
from patch_app.forge.page import browses, page, person
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_apps import HOUR
from patch_app.forge.state import App, Json, Manifest

_FORM = re.compile(r"^/(?:settings|organizations/([^/]+)/settings)/apps/new$")
_INSTALL = re.compile(r"^/apps/([a-z0-9-]+)/installations/new$")
_INSTALLATION = re.compile(r"^/settings/installations/([0-9]+)$")


def serve(core: Core, request: Request, path: str, data: bytes) -> Response | None:
    """The page, or None when there is none at this path."""
    form, install, installed = _FORM.match(path), _INSTALL.match(path), _INSTALLATION.match(path)
    fields = parse_qs(data.decode("utf-8", "replace"))
    try:
        match request.method, form, install, installed:
            case "GET", re.Match(), _, _:
                return page("Register new GitHub App", "<p>Post the form field <code>manifest</code>.</p>")
            case "POST", re.Match() as found, _, _:
                return _create(core, request, found[1], fields)
            case "GET", _, re.Match() as found, _:
                return _choose(core, request, found[1])
            case "POST", _, re.Match() as found, _:
                return _install(core, request, found[1], fields)
            case "GET", _, _, re.Match() as found:
                return _installed(core, request, int(found[1]))
            case _:
                return None
    except ApiError as error:
        if browses(request):
            return page("Something is wrong", f"<p>{html.escape(error.message)}</p>", error.status)
        return JSONResponse(error.body(), status_code=error.status)


def _owner(core: Core, request: Request, organization: str | None) -> str:
    """Who the App will belong to: the signed-in person, or an organisation that they own."""
    login = person(core, request).actor()
    if organization is None:
        return login
    account = core.state.accounts.get(organization.lower())
    if account is None or account.type != "Organization":
        raise ApiError(404, "Not Found")
    if account.members.get(login) != "owner":
        raise ApiError(403, "You must be an owner of the organization.")
    return account.login


# Registering -----------------------------------------------------------------------------------------


def _create(core: Core, request: Request, organization: str | None, fields: dict[str, list[str]]) -> Response:
    manifest = _manifest(fields)
    redirect = str(manifest["redirect_url"])
    confirmed = "confirmed" in fields
    name = str((fields.get("name", [""])[0] if confirmed else "") or manifest.get("name") or "")
    with core.transaction() as state:
        owner = _owner(core, request, organization)
        if browses(request) and not confirmed:
            return _confirm(owner, name, fields["manifest"][0])
        hook = manifest.get("hook_attributes") or {}
        made = make_app(
            core,
            AppRequest(
                owner=owner,
                name=name or f"app-{secrets.token_hex(3)}",
                webhook_url=hook.get("url") if hook.get("active", True) else None,
                permissions=dict(manifest.get("default_permissions") or {}),
                events=list(manifest.get("default_events") or []),
                description=manifest.get("description"),
                external_url=str(manifest["url"]),
                setup_url=manifest.get("setup_url"),
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
    return RedirectResponse(_with_query(redirect, query), status_code=302)


def _manifest(fields: dict[str, list[str]]) -> Json:
    try:
        manifest = json.loads(fields.get("manifest", [""])[0])
    except ValueError as error:
        raise ApiError(422, "Invalid manifest: not JSON") from error
    redirect = manifest.get("redirect_url") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not manifest.get("url") or not isinstance(redirect, str):
        raise ApiError(422, "Invalid manifest: url and redirect_url are required")
    return manifest


def _confirm(owner: str, name: str, manifest: str) -> Response:
    return page(
        "Create GitHub App",
        '<form method="post">'
        f'<input type="hidden" name="manifest" value="{html.escape(manifest)}">'
        f'<p><label>GitHub App name <input name="name" value="{html.escape(name)}" required></label></p>'
        f'<button name="confirmed" value="1">Create GitHub App for {html.escape(owner)}</button></form>',
    )


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"


# Installing ------------------------------------------------------------------------------------------


def _app(core: Core, slug: str) -> App:
    app = next((a for a in core.state.apps.values() if a.slug == slug), None)
    if app is None:
        raise ApiError(404, "Not Found")
    return app


def _choose(core: Core, request: Request, slug: str) -> Response:
    """First the account, where there is a choice; then its repositories."""
    with core.lock:
        app, login = _app(core, slug), person(core, request).actor()
        # an App that isn't public can be installed on its owner's account alone, as here
        accounts = [
            a.login
            for a in core.state.accounts.values()
            if a.login == login or (a.type == "Organization" and a.members.get(login) == "owner")
        ]
        chosen = request.query_params.get("account") or (accounts[0] if len(accounts) == 1 else None)
        if chosen is None:
            links = "".join(
                f'<li><a href="?{urlencode({"account": one})}">{html.escape(one)}</a></li>'
                for one in accounts
            )
            return page(f"Install {app.name}", f"<p>Where do you want to install it?</p><ul>{links}</ul>")
        account = _owner(core, request, None if chosen.lower() == login.lower() else chosen)
        names = sorted(r.name for r in core.state.repositories.values() if r.owner == account)
    boxes = "".join(
        f'<li class=choice><label><input type="checkbox" name="repository" value="{html.escape(one)}"> '
        f"{html.escape(account)}/{html.escape(one)}</label></li>"
        for one in names
    )
    radio = '<p><label><input type="radio" name="repository_selection" value="{}"{}> {}</label></p>'
    return page(
        f"Install {app.name}",
        f"<p>on {html.escape(account)}, with {_granted(app)}</p>"
        f'<form method="post"><input type="hidden" name="account" value="{html.escape(account)}">'
        + radio.format("all", " checked", "All repositories")
        + radio.format("selected", "", "Only select repositories")
        + f"<ul>{boxes}</ul><button>Install</button></form>",
    )


def _granted(app: App) -> str:
    words = ", ".join(f"{name.replace('_', ' ')}: {level}" for name, level in sorted(app.permissions.items()))
    return f"<b>{html.escape(words)}</b>"


def _install(core: Core, request: Request, slug: str, fields: dict[str, list[str]]) -> Response:
    """Fields `account` and, once for each, `repository` (none: all); a browser says which it means in
    `repository_selection`.
    """
    with core.transaction() as state:
        app = _app(core, slug)
        by = _owner(core, request, None)
        account = fields.get("account", [by])[0]
        if account.lower() != by.lower():
            account = _owner(core, request, account)
        names: Sequence[str] = fields.get("repository", [])
        match fields.get("repository_selection"):
            case ["all"]:
                names = []
            case ["selected"] if not names:
                raise ApiError(422, "Select at least one repository.")
        chosen = [state.repository(account, n.rpartition("/")[2]) for n in names]
        found = [r for r in chosen if r is not None]
        if len(found) != len(chosen):
            raise ApiError(404, "Not Found")
        row = apps.install(core, app.id, account, found or None, by)
    if app.setup_url:
        query = {"installation_id": str(row.id), "setup_action": "install"}
        return RedirectResponse(_with_query(app.setup_url, query), status_code=302)
    return RedirectResponse(f"{core.url}/settings/installations/{row.id}", status_code=302)


def _installed(core: Core, request: Request, number: int) -> Response:
    with core.lock:
        row = core.state.installations.get(number)
        if (
            row is None
            or _owner(core, request, None if row.account == person(core, request).actor() else row.account)
            != row.account
        ):
            raise ApiError(404, "Not Found")
        app = core.state.apps[row.app_id]
        names = [r.full_name for r in core.state.repositories.values() if r.id in (row.repositories or [])]
        covered = (
            "".join(f"<li>{html.escape(one)}</li>" for one in sorted(names)) or "<li>All repositories</li>"
        )
    return page(f"{app.name} is installed on {row.account}", f"<ul>{covered}</ul>")
