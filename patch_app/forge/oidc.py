"""Tokens by which GitHub vouches for a job: OpenID Connect, as Actions has it.

Its job: the addresses that such a job gets, the signed tokens, the published keys. It refuses a token to
every job whose permissions lack `id-token: write`, and to every job that has ended.

Rules: https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patch_app.forge.auth import credentials, digest
from patch_app.forge.rest import ApiError
from patch_app.forge.state import Json, Repository
from patch_app.forge.state_runs import Job, Run

if TYPE_CHECKING:
    from patch_app.forge.core import Core

ISSUER = "/_services/token"
"""Of an Enterprise Server, below its own address."""
_REQUEST = "/_services/pipelines/idtoken"
LIFE = timedelta(hours=6)
_EARLY = timedelta(minutes=10)


class Oidc:
    """The issuer. Keys are made when the first is needed, and not kept: a restart is a rotation."""

    def __init__(self, core: Core) -> None:
        self._core = core
        # the newest signs; all of them are published
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        # digest of a request token -> id of its job, and the job's environment
        self._jobs: dict[str, tuple[int, str | None]] = {}

    @property
    def issuer(self) -> str:
        """`iss` of every token."""
        return f"{self._core.url}{ISSUER}"

    # keys ---------------------------------------------------------------------------------------------

    def rotate(self, *, keep: bool = True) -> None:
        """From now on another key signs; without `keep` the old ones are no longer published."""
        with self._core.lock:
            if not keep:
                self._keys.clear()
            # not the Apps' key, which a test may share among all of them
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self._keys[secrets.token_hex(16)] = key

    def sign(self, claims: Mapping[str, Any], *, key_id: str | None = None) -> str:
        """A token with any claims, by the newest key or the one that is named. Errors: KeyError."""
        with self._core.lock:
            if not self._keys:
                self._keys[secrets.token_hex(16)] = self._core.options.new_key()
            name = key_id or next(reversed(self._keys))
            return jwt.encode(dict(claims), self._keys[name], algorithm="RS256", headers={"kid": name})

    def published(self) -> Json:
        """The key set (RFC 7517)."""
        with self._core.lock:
            keys = dict(self._keys)
        rows = [
            {
                **json.loads(RSAAlgorithm.to_jwk(key.public_key())),
                "kid": name,
                "use": "sig",
                "alg": "RS256",
            }
            for name, key in keys.items()
        ]
        for row in rows:
            row.pop("key_ops", None)
        return {"keys": rows}

    # jobs ---------------------------------------------------------------------------------------------

    def begin(self, job: Job, environment: str | None) -> tuple[str, str]:
        """ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN of a job, both empty where it may ask for none."""
        if not self._core.options.oidc or job.permissions.get("id_token") != "write":
            return "", ""
        token = secrets.token_urlsafe(48)
        self._jobs[digest(token)] = (job.id, environment)
        return f"{self._core.url}{_REQUEST}?api-version=2.0", token

    def claims(
        self, repo: Repository, run: Run, audience: str, environment: str | None = None
    ) -> dict[str, Any]:
        """What a token of a job of this run says."""
        core, now = self._core, self._core.now()
        owner = core.account(repo.owner)
        at = f"{repo.full_name}/{run.path}@{run.ref}"
        where = f"environment:{environment}" if environment else f"ref:{run.ref}"
        return {
            "iss": self.issuer,
            "aud": audience,
            "sub": f"repo:{repo.full_name}:{where}",
            "jti": secrets.token_hex(16),
            "iat": int(now.timestamp()),
            "nbf": int((now - _EARLY).timestamp()),
            "exp": int((now + LIFE).timestamp()),
            "ref": run.ref,
            "ref_type": "tag" if run.ref.startswith("refs/tags/") else "branch",
            "sha": run.head_sha,
            "repository": repo.full_name,
            "repository_id": str(repo.id),
            "repository_owner": repo.owner,
            "repository_owner_id": str(owner.id),
            "repository_visibility": "private" if repo.private else "public",
            "run_id": str(run.id),
            "run_number": str(run.number),
            "run_attempt": str(run.attempt),
            "actor": run.actor,
            "actor_id": str(core.account(run.actor).id),
            "workflow": repo.workflows[run.workflow_id].name,
            "workflow_ref": at,
            "workflow_sha": run.head_sha,
            "job_workflow_ref": at,
            "job_workflow_sha": run.head_sha,
            "event_name": run.event,
            "head_ref": "",
            "base_ref": "",
            "runner_environment": "self-hosted",
            **({"environment": environment} if environment else {}),
        }

    # HTTP ---------------------------------------------------------------------------------------------

    def serve(self, request: Request, path: str) -> Response | None:
        """The answer below the issuer's addresses, None where there is nothing."""
        if request.method != "GET" or not self._core.options.oidc:
            return None
        if path == f"{ISSUER}/.well-known/jwks":
            return JSONResponse(self.published())
        if path == f"{ISSUER}/.well-known/openid-configuration":
            return JSONResponse(self._description())
        return self._token(request) if path == _REQUEST else None

    def _description(self) -> Json:
        names = ("sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "run_id")
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "claims_supported": [*names],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }

    def _token(self, request: Request) -> Response:
        refused = JSONResponse({"message": "not allowed to ask for a token"}, status_code=401)
        try:
            token = credentials(request.headers.get("authorization"))
        except ApiError:
            return refused
        with self._core.lock:
            number, environment = self._jobs.get(digest(token or ""), (0, None))
            found = next(
                (
                    (repo, run)
                    for repo in self._core.state.repositories.values()
                    for run in repo.runs.values()
                    for job in run.jobs
                    if job.id == number and job.status == "in_progress"
                ),
                None,
            )
            if found is None:
                return refused
            repo, run = found
            asked = parse_qs(request.url.query).get("audience", [])
            audience = asked[0] if asked else f"{self._core.url}/{repo.owner}"
            return JSONResponse({"value": self.sign(self.claims(repo, run, audience, environment))})
