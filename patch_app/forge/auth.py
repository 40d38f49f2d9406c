"""Who is calling, and what they may do.

Its job: tokens, App JWTs, roles and permissions, with GitHub's answers for each refusal. It refuses to mint
anything (rest_apps does) and to know what a route does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import jwt

from patch_app.forge.rest import ApiError, forbidden, not_found
from patch_app.forge.state import ROLES, App, Repository, Role, State

# Permissions that a workflow file may give a job (docs: Workflow syntax, `permissions`), as the API names
# them.
JOB_PERMISSIONS = frozenset(
    {
        *("actions", "artifact_metadata", "attestations", "checks", "contents", "deployments", "discussions"),
        *(
            "id_token",
            "issues",
            "models",
            "packages",
            "pages",
            "pull_requests",
            "security_events",
            "statuses",
        ),
    }
)
LEVELS = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever sent a request. `login` is the actor: a person, or `<slug>[bot]`."""

    kind: Literal["anonymous", "person", "installation", "job", "app"]
    login: str | None = None
    app_id: int | None = None
    installation_id: int | None = None
    run_id: int | None = None
    repositories: frozenset[int] | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    # SHA-256 of the token: the key of State.tokens
    token: str | None = field(default=None, repr=False)

    def actor(self) -> str:
        """The login. Errors: ApiError 401 for anonymous callers."""
        if self.login is None:
            raise ApiError(401, "Requires authentication")
        return self.login


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def new_app_token(app_id: int) -> str:
    """A token of the form of installation and job tokens.

    `ghs_APPID_JWT`, about 520 characters, with dots.
    """
    header = _b64(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    return f"ghs_{app_id}_{header}.{_b64(secrets.token_bytes(90))}.{_b64(secrets.token_bytes(256))}"


def new_personal_token() -> str:
    """A token of the form of classic personal tokens."""
    return "ghp_" + secrets.token_urlsafe(40).replace("-", "a").replace("_", "b")[:36]


def credentials(header: str | None) -> str | None:
    """The token of an Authorization header (Bearer, token, or Basic with the token as password)."""
    if not header:
        return None
    scheme, _, value = header.partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ApiError(401, "Bad credentials") from error
        return password or user
    raise ApiError(401, "Bad credentials")


def _app_of(state: State, token: str, now: datetime) -> App:
    """The App whose JWT this is. Rules: docs "Generating a JSON Web Token for a GitHub App"."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    issuer = str(claims.get("iss", ""))
    app = next((a for a in state.apps.values() if issuer in {str(a.id), a.client_id}), None)
    if app is None:
        raise ApiError(401, "'Issuer' claim ('iss') must be an Integer or a Client ID")
    try:
        jwt.decode(
            token,
            app.public_key,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidTokenError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    issued, expires, at = claims.get("iat"), claims.get("exp"), now.timestamp()
    if not isinstance(issued, int | float) or issued > at + 60:
        raise ApiError(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was "
            "issued",
        )
    if not isinstance(expires, int | float) or expires <= at:
        raise ApiError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which "
            "the assertion expires",
        )
    if expires > at + 600 + 60:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
    return app


def authenticate(state: State, header: str | None, now: datetime) -> Caller:
    """The caller of a request. Errors: ApiError 401 for a token that is wrong, expired or revoked."""
    token = credentials(header)
    if token is None:
        return Caller(kind="anonymous")
    if token.startswith("ey") and token.count(".") == 2:
        app = _app_of(state, token, now)
        return Caller(kind="app", login=f"{app.slug}[bot]", app_id=app.id)
    row = state.tokens.get(digest(token))
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise ApiError(401, "Bad credentials")
    app_id = None
    if row.installation_id is not None:
        installation = state.installations.get(row.installation_id)
        if installation is None:
            raise ApiError(401, "Bad credentials")
        if installation.suspended_at is not None:
            raise ApiError(403, "This installation has been suspended")
        app_id = installation.app_id
    return Caller(
        kind="person" if row.kind == "personal" else row.kind,
        login=row.login,
        app_id=app_id,
        installation_id=row.installation_id,
        run_id=row.run_id,
        repositories=None if row.repositories is None else frozenset(row.repositories),
        permissions=row.permissions,
        token=digest(token),
    )


def role_of(state: State, login: str | None, repo: Repository) -> Role:
    """A person's role on a repository."""
    given: Role = "none" if repo.private else "read"
    if login is None:
        return given
    owner = state.accounts.get(repo.owner.lower())
    if repo.owner.lower() == login.lower():
        return "admin"
    if owner is not None and owner.type == "Organization" and login in owner.members:
        given = "admin" if owner.members[login] == "owner" else "read"
    return max(given, repo.collaborators.get(login, "none"), key=ROLES.index)


def reaches(state: State, caller: Caller, repo: Repository) -> bool:
    """Whether an installation's or a job's token is for this repository."""
    if caller.kind == "job":
        return caller.repositories is not None and repo.id in caller.repositories
    if caller.kind != "installation" or caller.installation_id is None:
        return False
    installation = state.installations.get(caller.installation_id)
    if installation is None or installation.account.lower() != repo.owner.lower():
        return False
    if installation.repositories is not None and repo.id not in installation.repositories:
        return False
    return caller.repositories is None or repo.id in caller.repositories


def has(caller: Caller, permission: str, level: str) -> bool:
    """Whether a token's permissions hold this one; metadata can always be read."""
    if permission == "metadata" and level == "read":
        return True
    return LEVELS.get(caller.permissions.get(permission, ""), 0) >= LEVELS[level]


def visible(state: State, caller: Caller, repo: Repository) -> bool:
    """Whether the caller may know that the repository exists."""
    if not repo.private:
        return True
    match caller.kind:
        case "anonymous" | "app":
            return False
        case "person":
            return role_of(state, caller.login, repo) != "none"
        case _:
            return reaches(state, caller, repo)


def require(
    state: State,
    caller: Caller,
    repo: Repository,
    need: tuple[str, str] | None,
    *,
    role: Role = "read",
    public: bool = False,
) -> None:
    """Errors: ApiError 404 where GitHub hides the repository, 401 and 403 where the caller may not."""
    if not visible(state, caller, repo):
        raise not_found()
    if caller.kind == "app":
        raise ApiError(401, "A JSON web token could not be used for this endpoint")
    if need is None:
        return
    open_read = public and not repo.private
    match caller.kind:
        case "anonymous":
            if not open_read:
                raise ApiError(401, "Requires authentication")
        case "person":
            have = ROLES.index(role_of(state, caller.login, repo))
            if have < ROLES.index(role):
                if role == "admin":
                    raise ApiError(403, "Must have admin rights to Repository.")
                raise ApiError(403, "Must have push access to repository.")
        case _:
            if reaches(state, caller, repo):
                if not has(caller, *need) and not open_read:
                    raise forbidden()
            elif not open_read:
                raise forbidden()


def allowed(
    state: State, caller: Caller, repo: Repository, need: tuple[str, str], *, role: Role = "write"
) -> bool:
    """Like `require`, as a question."""
    try:
        require(state, caller, repo, need, role=role)
    except ApiError:
        return False
    return True
