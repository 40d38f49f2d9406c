"""REST: what fills an empty local GitHub: repositories, forks, and (as GHES has it) people and organisations.

Its job: make things for whoever serves the local GitHub alone. It refuses invitations: collaborators are
set in Python.
"""

from __future__ import annotations

from patch_app.forge import repos, views
from patch_app.forge.auth import digest, new_personal_token
from patch_app.forge.rest import ApiError, Ctx, Reply, invalid, not_found, route, text_of
from patch_app.forge.state import Account, Json, Repository, Token


def _person(ctx: Ctx) -> str:
    if ctx.caller.kind == "anonymous":
        raise ApiError(401, "Requires authentication")
    if ctx.caller.kind != "person":
        raise ApiError(403, "Resource not accessible by integration")
    return ctx.caller.actor()


def _create(ctx: Ctx, owner: str) -> Reply:
    name = text_of(ctx.json, "name", resource="Repository")
    if ctx.core.state.repository(owner, name) is not None:
        raise invalid("Repository", "name", "custom", "name already exists on this account")
    repo = repos.add(
        ctx.core,
        f"{owner}/{name}",
        private=bool(ctx.json.get("private", False)),
        default_branch="main",
        description=ctx.json.get("description"),
    )
    repo.has_issues = bool(ctx.json.get("has_issues", True))
    return Reply(status=201, body=views.full_repository(ctx.core, ctx.caller, repo))


FIELDS = ("name", "description", "private", "has_issues")


@route("POST", "/user/repos", body=FIELDS)
def create_own(ctx: Ctx) -> Reply:
    """POST /user/repos."""
    return _create(ctx, _person(ctx))


@route("POST", "/orgs/{org}/repos", body=FIELDS)
def create_in(ctx: Ctx, org: str) -> Reply:
    """POST /orgs/{org}/repos: owners only."""
    account = ctx.core.state.accounts.get(org.lower())
    if account is None or account.type != "Organization":
        raise not_found()
    if account.members.get(_person(ctx)) != "owner":
        raise ApiError(403, "You must be an owner of the organization.")
    return _create(ctx, account.login)


@route("POST", "/repos/{owner}/{repo}/forks", need=("metadata", "read"), body=("organization", "name"))
def fork(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../forks: issues off, workflows waiting to be enabled, as on GitHub."""
    person = _person(ctx)
    owner = ctx.core.state.accounts.get(str(ctx.json.get("organization") or person).lower())
    if owner is None:
        raise not_found()
    if owner.login != person and owner.members.get(person) != "owner":
        raise ApiError(403, "You must be an owner of the organization.")
    for one in ctx.core.state.network(repo):
        if one.owner == owner.login:
            return Reply(status=202, body=views.full_repository(ctx.core, ctx.caller, one))
    name = f"{owner.login}/{ctx.json.get('name') or repo.name}"
    made = repos.fork(ctx.core, repo, name, actions=False, issues=False)
    return Reply(status=202, body=views.full_repository(ctx.core, ctx.caller, made))


# -- GHES: "Global webhooks and users" administration --------------------------------------------------------


def _admin(ctx: Ctx) -> None:
    """The first person is the site's admin. Errors: ApiError 404, as GHES."""
    people = [a.login for a in ctx.core.state.accounts.values() if a.type == "User"]
    if _person(ctx) != (people[0] if people else None):
        raise not_found()


def _account(ctx: Ctx, login: str, kind: str) -> Account:
    state = ctx.core.state
    if login.lower() in state.accounts:
        raise invalid(kind, "login", "already_exists")
    row = Account(
        id=state.new_id(),
        login=login,
        type="User" if kind == "User" else "Organization",
        created_at=ctx.core.now(),
    )
    state.accounts[login.lower()] = row
    return row


@route("POST", "/admin/users", body=("login", "email"))
def create_user(ctx: Ctx) -> Reply:
    """POST /admin/users (GHES)."""
    _admin(ctx)
    row = _account(ctx, text_of(ctx.json, "login", resource="User"), "User")
    return Reply(status=201, body=views.user(ctx.core, row.login))


@route("POST", "/admin/organizations", body=("login", "admin", "profile_name"))
def create_organization(ctx: Ctx) -> Reply:
    """POST /admin/organizations (GHES): `admin` becomes its owner."""
    _admin(ctx)
    row = _account(ctx, text_of(ctx.json, "login", resource="Organization"), "Organization")
    row.members = {ctx.core.account(text_of(ctx.json, "admin", resource="Organization")).login: "owner"}
    return Reply(status=201, body=views.organization(ctx.core, row.login))


@route("POST", "/admin/users/{username}/authorizations", body=("scopes",))
def impersonate(ctx: Ctx, username: str) -> Reply:
    """POST /admin/users/{username}/authorizations (GHES): a token to act as that person; told once."""
    _admin(ctx)
    core = ctx.core
    if username.lower() not in core.state.accounts:
        raise not_found()
    token, login = new_personal_token(), core.account(username).login
    core.state.tokens[digest(token)] = Token(kind="personal", login=login, created_at=core.now())
    number, at = core.state.new_id(), views.stamp(core.now())
    url = f"{core.api_url}/authorizations/{number}"
    body: Json = {
        "id": number,
        "url": url,
        "app": {"name": "Impersonation", "url": core.url, "client_id": "0" * 20},
        "token": token,
        "hashed_token": digest(token),
        "token_last_eight": token[-8:],
        "note": None,
        "note_url": None,
        "created_at": at,
        "updated_at": at,
        "scopes": ctx.json.get("scopes", []),
        "fingerprint": None,
        "expires_at": None,
    }
    return Reply(status=201, body=body)
