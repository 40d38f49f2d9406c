from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from patch_app.github.errors import (
    Bug,
    Later,
    NotFound,
    Refused,
    TooMany,
    Unknown,
    WorkflowsRefused,
    clean,
)
from patch_app.github.transport import segment, segments

READ = {"contents": "read"}


def answer(status: int, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json={"message": message}, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


async def test_the_jwt_is_backdated_and_ends_within_ten_minutes(app, fake, clock, pem):
    fake.on("GET /app", {"slug": "patch-app"})
    assert await app.jwt_client().get("/app") == {"slug": "patch-app"}
    token = fake.seen[0].headers["authorization"].removeprefix("Bearer ")
    public = load_pem_private_key(pem.get_secret_value().encode(), None).public_key()
    claims = jwt.decode(token, public, ["RS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims == {"iss": "42", "iat": int(clock.time) - 60, "exp": int(clock.time) + 540}


async def test_a_token_is_minted_for_one_repository_and_the_named_permissions(app, fake):
    fake.on("GET /repos/a/b", {"id": 7})
    client = await app.installation(5, 7, READ)
    assert await client.get("/repos/a/b") == {"id": 7}
    assert fake.bodies("POST /app/installations/5/access_tokens") == [
        {"permissions": {"contents": "read"}, "repository_ids": [7]}
    ]
    assert fake.seen[-1].headers["authorization"] == "Bearer ghs_secret1"


async def test_a_token_without_permissions_is_not_minted(app, fake):
    with pytest.raises(Bug):
        await app.installation(5, 7, {})
    assert not fake.seen


async def test_twenty_concurrent_requests_share_one_mint(app, fake):
    fake.on("GET /repos/a/b", {"id": 7})
    await asyncio.gather(*(app.installation(5, 7, READ) for _ in range(20)))
    assert fake.minted == 1


async def test_a_caller_cancelled_while_minting_does_not_take_the_token_from_others(app, fake):
    gate = asyncio.Event()

    async def slow(installation: int, body: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return {"token": "ghs_slow", "expires_at": "2025-10-09T09:53:20Z"}

    app.tokens._mint = slow
    first = asyncio.create_task(app.tokens.get(5, 7, READ))
    second = asyncio.create_task(app.tokens.get(5, 7, READ))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert (await second).secret.get_secret_value() == "ghs_slow"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_token_is_minted_again_five_minutes_before_it_ends(app, fake, clock):
    client = await app.installation(5, 7, READ)
    clock.time += 3600 - 301
    await client.token()
    assert fake.minted == 1
    clock.time += 2
    await client.token()
    assert fake.minted == 2


async def test_a_mint_that_fails_is_tried_by_the_next_caller(app, fake):
    fake.on("POST /app/installations/5/access_tokens", answer(403, "This installation has been suspended"))
    with pytest.raises(Refused, match="suspended"):
        await app.installation(5, 7, READ)
    del fake.answers["POST /app/installations/5/access_tokens"]
    await app.installation(5, 7, READ)


async def test_a_revoked_token_is_not_used_again(app, fake):
    fake.on("DELETE /installation/token", httpx.Response(204))
    client = await app.installation(5, 7, READ)
    await client.revoke()
    assert fake.seen[-1].headers["authorization"] == "Bearer ghs_secret1"
    assert (await client.token()).get_secret_value() == "ghs_secret2"


async def test_no_secret_in_any_repr(app, fake, pem):
    client = await app.installation(5, 7, READ)
    token = await app.tokens.get(5, 7, READ)
    shown = repr([client, token, app, app.settings, app.tokens, vars(client), vars(app.tokens)])
    assert "ghs_secret" not in shown
    assert "PRIVATE KEY" not in shown


async def test_a_fresh_token_refused_for_some_seconds_is_tried_again(app, fake, clock):
    fake.on("GET /repos/a/b", answer(401, "Bad credentials"), answer(404), {"id": 7})
    client = await app.installation(5, 7, READ)
    assert await client.get("/repos/a/b") == {"id": 7}
    assert fake.minted == 1


async def test_a_fresh_token_that_is_never_taken_ends_in_a_refusal(app, fake, clock):
    fake.on("GET /repos/a/b", answer(403, "Resource not accessible by integration"))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Refused, match="not accessible"):
        await client.get("/repos/a/b")
    assert len(clock.slept) == 4


async def test_a_missing_file_costs_a_fresh_token_no_wait(app, fake, clock):
    fake.on("GET /repos/a/b", {"id": 7})
    client = await app.installation(5, 7, READ)
    assert await client.find("/repos/a/b/contents/x") is None
    assert clock.slept == []


async def test_a_proven_token_is_not_tried_again_on_404(app, fake, clock):
    fake.on("GET /repos/a/b", {"id": 7})
    client = await app.installation(5, 7, READ)
    await client.get("/repos/a/b")
    with pytest.raises(NotFound):
        await client.get("/repos/a/b/contents/x")
    assert fake.count("GET /repos/a/b/contents/x") == 1


async def test_a_token_revoked_under_us_is_minted_again_once(app, fake):
    fake.on("GET /repos/a/b", {"id": 7}, answer(401), {"id": 8})
    client = await app.installation(5, 7, READ)
    await client.get("/repos/a/b")
    assert await client.get("/repos/a/b") == {"id": 8}
    assert fake.minted == 2


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        (answer(403, "You have exceeded a secondary rate limit", retry_after="17"), 17),
        (answer(403, "You have exceeded a secondary rate limit"), 60),
        (answer(429, "slow down"), 60),
        (
            answer(403, "API rate limit exceeded", x_ratelimit_remaining="0", x_ratelimit_reset="1760000090"),
            90,
        ),
        (answer(429, "limit", x_ratelimit_remaining="0", x_ratelimit_reset="1860000090"), 3900),
    ],
)
async def test_rate_limits_say_how_long_to_wait(app, fake, clock, response, wait):
    fake.on("GET /repos/a/b", response)
    client = await app.installation(5, 7, READ)
    with pytest.raises(Later) as caught:
        await client.get("/repos/a/b")
    assert caught.value.retry_after == wait
    assert clock.slept == []


@pytest.mark.parametrize("status", [409, 410, 422])
async def test_a_no_is_told_with_its_reason(app, fake, status):
    body = {
        "message": "Validation Failed",
        "errors": [{"message": "already there"}],
        "documentation_url": "d",
    }
    fake.on("POST /repos/a/b/issues", httpx.Response(status, json=body))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Refused, match="already there") as caught:
        await client.post("/repos/a/b/issues", {})
    assert (caught.value.status, caught.value.documentation_url) == (status, "d")


async def test_a_missing_workflows_permission_has_its_own_name(app, fake):
    said = "refusing to allow a GitHub App to create or update workflow `x` without `workflows` permission"
    fake.on("POST /repos/a/b/git/refs", answer(422, said))
    client = await app.installation(5, 7, READ)
    with pytest.raises(WorkflowsRefused):
        await client.post("/repos/a/b/git/refs", {})


async def test_what_we_ask_wrongly_is_a_bug(app, fake):
    fake.on("GET /repos/a/b", answer(400, "Problems parsing JSON"), httpx.Response(200, content=b"<html>"))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Bug, match="parsing"):
        await client.get("/repos/a/b")
    with pytest.raises(Bug, match="no JSON"):
        await client.get("/repos/a/b")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Later),
        (httpx.ReadTimeout("late"), Unknown),
        (httpx.RemoteProtocolError("gone"), Unknown),
        (httpx.ReadError("reset"), Unknown),
    ],
)
async def test_a_write_whose_answer_is_lost_is_unknown(app, fake, error, kind):
    fake.on("POST /repos/a/b/issues", error)
    client = await app.installation(5, 7, READ)
    with pytest.raises(Later) as caught:
        await client.post("/repos/a/b/issues", {})
    assert type(caught.value) is kind


async def test_a_read_whose_answer_is_lost_is_only_later(app, fake):
    fake.on("GET /repos/a/b", httpx.ReadTimeout("late"), answer(502))
    client = await app.installation(5, 7, READ)
    for _ in range(2):
        with pytest.raises(Later) as caught:
            await client.get("/repos/a/b")
        assert type(caught.value) is Later


async def test_a_5xx_on_a_write_is_unknown(app, fake):
    fake.on("POST /repos/a/b/issues", answer(502))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Unknown):
        await client.post("/repos/a/b/issues", {})


async def test_a_renamed_repository_is_followed_and_a_post_stays_a_post(app, fake):
    fake.on(
        "POST /repos/a/b/issues", httpx.Response(301, headers={"location": "/api/v3/repositories/7/issues"})
    )
    fake.on("POST /repositories/7/issues", {"number": 1})
    client = await app.installation(5, 7, READ)
    assert await client.post("/repos/a/b/issues", {"title": "x"}) == {"number": 1}
    assert fake.bodies("POST /repositories/7/issues") == [{"title": "x"}]


@pytest.mark.parametrize("kept", ["", "?state=all&per_page=5"])
async def test_a_renamed_repository_is_asked_the_same_question_whether_its_address_repeats_it_or_not(
    app, fake, kept
):
    moved = httpx.Response(301, headers={"location": f"/api/v3/repositories/7/issues{kept}"})
    fake.on("GET /repos/a/b/issues", moved)
    fake.on("GET /repositories/7/issues", [])
    client = await app.installation(5, 7, READ)
    assert await client.get("/repos/a/b/issues", state="all", per_page=5) == []
    assert dict(fake.seen[-1].url.params) == {"state": "all", "per_page": "5"}


async def test_a_token_revoked_under_us_is_minted_again_for_git_too_and_once_only(app, fake):
    client = await app.installation(5, 7, READ)
    used = []

    async def ask(token, sleep):
        used.append(token.get_secret_value())
        if len(used) != 2:
            raise Refused(401, "Git server: Bad credentials")
        return "refs"

    assert await client.git(ask) == "refs"
    assert used == ["ghs_secret1", "ghs_secret2"]
    with pytest.raises(Refused):
        await client.git(ask)
    assert used[2:] == ["ghs_secret2", "ghs_secret3"]


async def test_the_token_never_follows_a_redirect_to_another_host(app, fake):
    fake.on("GET /repos/a/b/zip", httpx.Response(302, headers={"location": "https://store.example/x?sig=1"}))
    fake.on("GET /x", httpx.Response(200, content=b"bytes"))
    client = await app.installation(5, 7, READ)
    assert await client.get_bytes("/repos/a/b/zip") == b"bytes"
    assert fake.seen[-1].url.host == "store.example"
    assert "authorization" not in fake.seen[-1].headers
    fake.on("POST /repos/a/b/x", httpx.Response(307, headers={"location": "https://store.example/x"}))
    with pytest.raises(Bug):
        await client.post("/repos/a/b/x", {})
    with pytest.raises(Bug, match="refusing"):
        await client.get("https://elsewhere.example/repos/a/b")


async def test_a_redirect_loop_ends(app, fake):
    fake.on("GET /repos/a/b", httpx.Response(301, headers={"location": "/api/v3/repos/a/b"}))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Later, match="without end"):
        await client.get("/repos/a/b")


async def test_pages_are_followed_and_bounded(app, fake):
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "1"))
        link = f'<{request.url.copy_set_param("page", number + 1)}>; rel="next"' if number < 3 else ""
        assert request.url.params["per_page"] == "100"
        assert request.url.params["status"] == "x"
        return httpx.Response(
            200, json={"check_runs": [number, -number]}, headers={"link": link} if link else {}
        )

    fake.on("GET /repos/a/b/check-runs", page)
    client = await app.installation(5, 7, READ)
    path = "/repos/a/b/check-runs"
    assert await client.get_all(path, key="check_runs", status="x") == [1, -1, 2, -2, 3, -3]
    with pytest.raises(TooMany):
        await client.get_all(path, key="check_runs", limit=5, status="x")


async def test_an_answer_without_end_is_cut_off(app, fake):
    fake.on("GET /repos/a/b/blob", httpx.Response(200, content=b"x" * 2000))
    client = await app.installation(5, 7, READ)
    with pytest.raises(TooMany):
        await client.get_bytes("/repos/a/b/blob", bound=1999)
    assert len(await client.get_bytes("/repos/a/b/blob", bound=2000)) == 2000


async def test_names_with_odd_characters_stay_one_path(app, fake):
    fake.on("GET /repos/a/b/git/ref/heads/a%23b%3Fc/d", {"ref": "x"})
    client = await app.installation(5, 7, READ)
    assert await client.get(f"/repos/a/b/git/ref/{segments('heads/a#b?c/d')}") == {"ref": "x"}
    assert segment("a/b") == "a%2Fb"


async def test_graphql_gives_the_data_that_came_beside_the_errors(app, fake):
    error = {"type": "NOT_FOUND", "path": ["b"], "message": "no b"}
    fake.on("POST /api/graphql", {"data": {"a": {"x": 1}, "b": None}, "errors": [error]})
    client = await app.installation(5, 7, READ)
    result = await client.graphql("query { a b }")
    assert result.data["a"] == {"x": 1}
    assert result.errors[0].path == ("b",)
    with pytest.raises(NotFound):
        result.need()


@pytest.mark.parametrize(
    ("body", "query", "kind"),
    [
        ({"errors": [{"type": "RATE_LIMITED", "message": "x"}]}, "{ a }", Later),
        ({"data": {"a": 1}, "errors": [{"type": "RATE_LIMITED", "message": "x"}]}, "{ a }", Later),
        ({"errors": [{"message": "Something went wrong while executing your query"}]}, "{ a }", Later),
        (
            {"data": None, "errors": [{"message": "Something went wrong while executing"}]},
            "mutation { a }",
            Unknown,
        ),
        ({"errors": [{"message": "Field 'x' doesn't exist"}]}, "{ x }", Bug),
        (
            {"data": {"u": None}, "errors": [{"type": "UNPROCESSABLE", "message": "m"}]},
            "mutation { u }",
            Refused,
        ),
        ({"data": {"u": None}, "errors": [{"type": "FORBIDDEN", "message": "m"}]}, "mutation { u }", Refused),
        ({}, "{ x }", Bug),
    ],
)
async def test_graphql_errors_are_of_three_kinds(app, fake, body, query, kind):
    fake.on("POST /api/graphql", body)
    client = await app.installation(5, 7, READ)
    with pytest.raises(kind) as caught:
        await client.graphql(query)
    assert type(caught.value) is kind


async def test_a_lost_mutation_is_unknown_and_a_lost_query_is_later(app, fake):
    fake.on("POST /api/graphql", httpx.ReadTimeout("late"))
    client = await app.installation(5, 7, READ)
    with pytest.raises(Unknown):
        await client.graphql("\n# moves\nmutation M { a }")
    with pytest.raises(Later) as caught:
        await client.graphql("query Q { a }")
    assert type(caught.value) is Later


def test_messages_lose_their_tokens():
    text = (
        "at https://x-access-token:ghs_12_ey.abc-def@github.com with ghs_1234567890abc.def and eyJhb.eyJ.sig"
    )
    assert "ghs_" not in clean(text)
    assert "eyJ" not in clean(text)
