"""Making Apps and installing them, as people do on GitHub's pages.

Its job: keys, secrets, slugs; installation records and their webhooks. It refuses to keep a private key.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization

from patch_app.forge import views
from patch_app.forge.core import Core
from patch_app.forge.rest import ApiError
from patch_app.forge.state import Account, App, Installation, Json, Repository


@dataclass(frozen=True, kw_only=True)
class AppRequest:
    """What a person fills in to register an App."""

    owner: str
    name: str
    webhook_url: str | None
    permissions: Mapping[str, str]
    events: Sequence[str]
    description: str | None = None
    external_url: str = "https://example.invalid"
    # where a person is sent after an installation
    setup_url: str | None = None
    webhook_secret: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreatedApp:
    """An App with its secrets; they are told once."""

    id: int
    slug: str
    client_id: str
    # name of the bot account: `<slug>[bot]`
    bot: str
    pem: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def make_app(core: Core, wanted: AppRequest) -> CreatedApp:
    """Register an App. Errors: ApiError 422 when the name is taken, KeyError for an unknown owner."""
    slug = re.sub(r"[^a-z0-9]+", "-", wanted.name.lower()).strip("-")
    state, now = core.state, core.now()
    if any(a.slug == slug for a in state.apps.values()):
        raise ApiError(422, f"Name {wanted.name} is already taken")
    owner = core.account(wanted.owner).login
    key = core.options.new_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    app = App(
        id=state.new_id(),
        slug=slug,
        name=wanted.name,
        owner=owner,
        client_id="Iv23li" + secrets.token_hex(7),
        public_key=public.decode(),
        webhook_url=wanted.webhook_url,
        webhook_secret=wanted.webhook_secret or secrets.token_hex(20),
        permissions={"metadata": "read", **wanted.permissions},
        events=list(wanted.events),
        description=wanted.description,
        external_url=wanted.external_url,
        setup_url=wanted.setup_url,
        created_at=now,
        updated_at=now,
    )
    state.apps[app.id] = app
    bot = f"{slug}[bot]"
    state.accounts[bot.lower()] = Account(id=state.new_id(), login=bot, type="Bot", created_at=now)
    return CreatedApp(
        id=app.id,
        slug=slug,
        client_id=app.client_id,
        bot=bot,
        pem=pem,
        webhook_secret=app.webhook_secret or "",
    )


def brief(repo: Repository) -> Json:
    """A repository as installation events show it."""
    return {
        "id": repo.id,
        "node_id": views.node("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
    }


def install(
    core: Core, app_id: int, account: str, repositories: Sequence[Repository] | None, by: str
) -> Installation:
    """Install an App on an account.

    Sends `installation` created. Errors: ApiError 422 when it is there already.
    """
    state, now = core.state, core.now()
    app, login = state.apps[app_id], core.account(account).login
    if any(i.app_id == app_id and i.account == login for i in state.installations.values()):
        raise ApiError(422, f"{app.slug} is already installed on {login}")
    row = Installation(
        id=state.new_id(),
        app_id=app_id,
        account=login,
        repositories=None if repositories is None else [r.id for r in repositories],
        permissions=dict(app.permissions),
        events=list(app.events),
        created_at=now,
        updated_at=now,
    )
    state.installations[row.id] = row
    announce(core, row, "created", by)
    return row


def _covered(core: Core, row: Installation) -> list[Repository]:
    owned = [r for r in core.state.repositories.values() if r.owner == row.account]
    return owned if row.repositories is None else [r for r in owned if r.id in row.repositories]


def announce(core: Core, row: Installation, action: str, by: str) -> None:
    """An `installation` event: created, deleted, suspend, unsuspend, new_permissions_accepted."""
    payload: Json = {
        "action": action,
        "repositories": [brief(r) for r in _covered(core, row)],
        "requester": None,
        "sender": views.user(core, by),
    }
    core.webhooks.emit_to(row, "installation", payload)


def choose(core: Core, row: Installation, repositories: Sequence[Repository] | None, by: str) -> None:
    """Change which repositories an installation reaches; sends `installation_repositories`."""
    before = {r.id: r for r in _covered(core, row)}
    row.repositories = None if repositories is None else [r.id for r in repositories]
    row.updated_at = core.now()
    after = {r.id: r for r in _covered(core, row)}
    for action, gained in (("added", True), ("removed", False)):
        added = [brief(r) for i, r in after.items() if i not in before] if gained else []
        removed = [] if gained else [brief(r) for i, r in before.items() if i not in after]
        if added or removed:
            payload: Json = {
                "action": action,
                "repository_selection": "all" if row.repositories is None else "selected",
                "repositories_added": added,
                "repositories_removed": removed,
                "requester": None,
                "sender": views.user(core, by),
            }
            core.webhooks.emit_to(row, "installation_repositories", payload)


def uninstall(core: Core, row: Installation, by: str) -> None:
    """Remove an installation with its tokens; sends `installation` deleted."""
    announce(core, row, "deleted", by)
    del core.state.installations[row.id]
    tokens = core.state.tokens
    for key in [k for k, t in tokens.items() if t.installation_id == row.id]:
        del tokens[key]


def suspend(core: Core, row: Installation, by: str, *, on: bool) -> None:
    """Suspend or unsuspend; sends the event."""
    if on:
        row.suspended_at, row.suspended_by = core.now(), by
    else:
        row.suspended_at, row.suspended_by = None, None
    announce(core, row, "suspend" if on else "unsuspend", by)


def accept(core: Core, row: Installation, by: str) -> None:
    """The owner accepts what the App's registration asks for now; sends `new_permissions_accepted`."""
    app = core.state.apps[row.app_id]
    row.permissions, row.events = dict(app.permissions), list(app.events)
    row.updated_at = core.now()
    announce(core, row, "new_permissions_accepted", by)
