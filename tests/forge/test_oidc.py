"""Tokens by which the local GitHub vouches for a job: who gets one, what it says, when it ends."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from patch_app.forge.actions_api import Conclusion
from patch_app.forge.core import ForgeOptions
from tests import keys
from tests.forge.conftest import World
from tests.forge.test_repositories import DISPATCH, SENT

PERMISSIONS = {"contents": "write", "id-token": "write"}


@pytest.fixture
def options(request: pytest.FixtureRequest) -> ForgeOptions:
    marker = request.node.get_closest_marker("forge")
    return ForgeOptions(new_key=keys.key, **(marker.kwargs if marker else {}))


def begun(world: World, permissions: dict[str, str] | None = None) -> tuple[int, Any]:
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    run: int = answer.json()["workflow_run_id"]
    return run, world.script.start_job(run, permissions or PERMISSIONS)


def asked(job: Any, audience: str = "") -> httpx.Response:
    url = job.id_token_url + (f"&audience={audience}" if audience else "")
    return httpx.get(url, headers={"Authorization": f"bearer {job.id_token_request_token}"})


def proved(world: World, token: str, audience: str) -> dict[str, Any]:
    issuer = f"{world.forge.url}/_services/token"
    told = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert told["issuer"] == issuer
    rows = {row["kid"]: row for row in httpx.get(told["jwks_uri"]).json()["keys"]}
    key: Any = RSAAlgorithm.from_jwk(rows[jwt.get_unverified_header(token)["kid"]])
    found: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer)
    return found


def test_a_job_with_the_permission_gets_a_token_for_the_audience_that_it_names(world: World) -> None:
    run, job = begun(world)
    claims = proved(world, asked(job, "one%3Atwo").json()["value"], "one:two")
    row = world.forge.repository("alice/tool").runs[run]
    assert claims["run_id"] == str(run)
    assert (claims["run_attempt"], claims["event_name"]) == ("1", "workflow_dispatch")
    assert claims["workflow_ref"] == f"alice/tool/{row.path}@refs/heads/main"
    assert (claims["workflow_sha"], claims["sha"]) == (row.head_sha, row.head_sha)
    assert all(isinstance(claims[one], str) for one in ("repository_id", "run_number", "actor_id"))
    assert claims["jti"] != proved(world, asked(job).json()["value"], f"{world.forge.url}/alice")["jti"]


def test_only_the_job_itself_gets_one_and_only_while_it_runs(world: World) -> None:
    run, job = begun(world)
    assert httpx.get(job.id_token_url).status_code == 401
    assert httpx.get(job.id_token_url, headers={"Authorization": f"bearer {job.token}"}).status_code == 401
    assert asked(job).status_code == 200
    world.script.sink.run_completed(run, Conclusion.SUCCESS)
    assert asked(job).status_code == 401


@pytest.mark.parametrize("permissions", [{"contents": "write"}, {"id-token": "read", "contents": "write"}])
def test_a_job_without_the_permission_gets_no_address(world: World, permissions: dict[str, str]) -> None:
    _, job = begun(world, permissions)
    assert (job.id_token_url, job.id_token_request_token) == ("", "")


@pytest.mark.forge(oidc=False)
def test_an_enterprise_server_without_it_gives_none(world: World) -> None:
    _, job = begun(world)
    assert job.id_token_url == ""
    assert httpx.get(f"{world.forge.url}/_services/token/.well-known/jwks").status_code == 501


def test_a_key_that_was_taken_back_proves_nothing(world: World) -> None:
    _, job = begun(world)
    token = asked(job, "x").json()["value"]
    world.forge.core.oidc.rotate()
    assert proved(world, token, "x")
    world.forge.core.oidc.rotate(keep=False)
    with pytest.raises(KeyError):
        proved(world, token, "x")
    assert proved(world, asked(job, "x").json()["value"], "x")
