"""Tokens of jobs: only GitHub's own signature counts, and its keys are read seldom and within bounds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from patch_app.github import oidc
from patch_app.github.oidc import Keys, issuer
from tests import keys as made

ISSUER = "https://github.example/_services/token"
NOW = 1_780_000_000.0


@cache
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def said(**changes: Any) -> dict[str, Any]:
    where = "alice/tool/.github/workflows/patch-maintenance.yml@refs/heads/main"
    fields = {
        "iss": ISSUER,
        "aud": "patch-app-inbox:1:a:b",
        "sub": "repo:alice/tool:ref:refs/heads/main",
        "iat": int(NOW) - 9000,
        "nbf": int(NOW) - 9600,
        "exp": int(NOW) - 8000,
        "repository": "alice/tool",
        "repository_id": "2",
        "run_id": "7",
        "run_attempt": "1",
        "event_name": "workflow_dispatch",
        "workflow_ref": where,
        "workflow_sha": "c" * 40,
        "job_workflow_ref": where,
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def signed(claims: dict[str, Any] | None = None, kid: str | None = "one", **more: Any) -> str:
    given: dict[str, Any] = {"key": made.key(), "algorithm": "RS256"} | more
    headers = {"kid": kid} if kid is not None else {}
    return jwt.encode(claims or said(), headers=headers, **given)


def row(key: rsa.RSAPrivateKey, kid: str = "one", **changes: Any) -> dict[str, Any]:
    found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": kid,
        "n": found["n"],
        "e": found["e"],
    } | changes


class Issuer:
    """Answers with `keys`, or with what a test puts there."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys or (row(made.key()),))
        self.asked: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] | None = None
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), follow_redirects=True)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.answer is not None:
            return self.answer(request)
        return httpx.Response(200, json={"keys": self.keys})

    def reader(self) -> Keys:
        return Keys(http=self.http, issuer=ISSUER)


@pytest.mark.parametrize(
    ("web", "by"),
    [
        ("https://github.com", "https://token.actions.githubusercontent.com"),
        ("https://github.com/", "https://token.actions.githubusercontent.com"),
        ("https://octo.ghe.com", "https://token.actions.octo.ghe.com"),
        ("https://github.example", ISSUER),
        ("http://127.0.0.1:8123/", "http://127.0.0.1:8123/_services/token"),
        ("https://github.com.example", "https://github.com.example/_services/token"),
    ],
)
def test_issuer_is_that_of_the_configured_host(web: str, by: str) -> None:
    assert issuer(web) == by


async def test_token_that_lapsed_long_ago_still_says_what_it_said() -> None:
    token = await Issuer().reader().read(signed(), NOW)
    assert token.claims is not None
    assert (token.claims.key, token.claims.run_id, token.claims.issued) == ("one", "7", int(NOW) - 9000)
    listed = await Issuer().reader().read(signed(said(aud=["x"])), NOW)
    assert listed.claims is not None
    assert listed.claims.audience == "x"
    # an enterprise's own name behind the issuer's
    named = await Issuer().reader().read(signed(said(iss=f"{ISSUER}/octo")), NOW)
    assert named.claims is not None


def unsigned(alg: str = "none", kid: str = "one") -> str:
    head, body = (
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()
        for one in ({"alg": alg, "kid": kid, "typ": "JWT"}, said())
    )
    return f"{head}.{body}."


def with_the_public_key_as_secret() -> str:
    """HS256, as a careless reader would take it."""
    secret = made.key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = unsigned("HS256").removesuffix(".")
    mac = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


FORGED: dict[str, tuple[Callable[[], str], str]] = {
    "nothing": (lambda: "", "no JSON Web Token"),
    "no token": (lambda: "a.b.c", "no JSON Web Token"),
    "not signed": (unsigned, "not by RS256"),
    "not signed, another word": (lambda: unsigned("nOnE"), "not by RS256"),
    "the public key as a secret": (with_the_public_key_as_secret, "not by RS256"),
    "another hash": (lambda: signed(algorithm="RS512"), "not by RS256"),
    "another kind": (
        lambda: signed(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        "not by RS256",
    ),
    "no signature": (lambda: unsigned("RS256"), "signature"),
    "another key of that name": (lambda: signed(key=other_key()), "signature"),
    "a key that nobody knows": (lambda: signed(kid="old"), "has no key old"),
    "no key": (lambda: signed(kid=None), "names no key"),
    "another issuer": (lambda: signed(said(iss="https://evil.example")), "issued by"),
    "an issuer that only begins alike": (lambda: signed(said(iss=f"{ISSUER}.evil.example")), "issued by"),
    "two audiences": (lambda: signed(said(aud=["patch-app-inbox:1:a:b", "x"])), "several"),
    "no audience": (lambda: signed(said(aud=None)), "aud"),
    "no time": (lambda: signed(said(iat=None)), "iat"),
    "no beginning": (lambda: signed(said(nbf=None)), "nbf"),
    "a time that is a text": (lambda: signed(said(iat=str(int(NOW)))), "iat is no time"),
    "a time that is a truth": (lambda: signed(said(iat=True)), "iat is no time"),
    "a broken time": (lambda: signed(said(nbf=NOW + 0.5)), "nbf is no time"),
    "no run": (lambda: signed(said(run_id=None)), "run_id"),
    "a run that is a list": (lambda: signed(said(run_id=["7"])), "run_id"),
    "far too long": (lambda: signed(said(sub="x" * 20_000)), "too long"),
}


@pytest.mark.parametrize("kind", FORGED)
async def test_token_that_github_didnt_sign_so_is_refused_with_the_reason(kind: str) -> None:
    make, reason = FORGED[kind]
    token = await Issuer().reader().read(make(), NOW)
    assert (token.claims, token.unread) == (None, "")
    assert reason in token.problem


@pytest.mark.parametrize(
    "changes", [{"kty": "oct"}, {"use": "enc"}, {"alg": "RS512"}, {"n": "AQAB"}, {"n": 5}, {"e": None}]
)
async def test_key_of_another_kind_is_no_key(changes: dict[str, Any]) -> None:
    there = Issuer(row(made.key(), **changes), row(other_key(), "two"))
    assert "has no key one" in (await there.reader().read(signed(), NOW)).problem


async def test_private_key_that_an_issuer_shows_is_taken_for_its_public_half() -> None:
    whole = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(made.key()))
    token = await Issuer(whole | {"kid": "one", "use": "sig"}).reader().read(signed(), NOW)
    assert token.claims is not None


async def test_keys_are_read_once_for_many_tokens_and_without_credentials() -> None:
    there = Issuer()
    reader = there.reader()
    await asyncio.gather(*(reader.read(signed(), NOW) for _ in range(5)))
    await reader.read(signed(), NOW + 500)
    (request,) = there.asked
    assert str(request.url) == f"{ISSUER}/.well-known/jwks"
    assert "authorization" not in request.headers


async def test_key_that_was_taken_back_is_refused_once_the_keys_are_old() -> None:
    there = Issuer()
    reader = there.reader()
    assert (await reader.read(signed(), NOW)).claims is not None
    there.keys = [row(other_key(), "two")]
    assert (await reader.read(signed(), NOW + 599)).claims is not None
    assert "has no key one (any more)" in (await reader.read(signed(), NOW + 601)).problem


async def test_unknown_key_makes_it_ask_again_but_at_most_once_a_minute() -> None:
    there = Issuer()
    reader = there.reader()
    assert (await reader.read(signed(), NOW)).claims is not None
    there.keys.append(row(other_key(), "two"))
    new = signed(kid="two", key=other_key())
    for seconds in (1, 30, 59):
        assert "a moment ago" in (await reader.read(new, NOW + seconds)).unread
    assert (await reader.read(new, NOW + 61)).claims is not None
    for number in range(20):
        await reader.read(signed(kid=f"made up {number}"), NOW + 62 + number)
    assert len(there.asked) == 2
    assert "has no key nobody's" in (await reader.read(signed(kid="nobody's"), NOW + 130)).problem


def redirected(_: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"location": "https://evil.example/jwks"})


BROKEN: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "redirect": redirected,
    "not there": lambda _: httpx.Response(404),
    "down": lambda _: httpx.Response(502),
    "no JSON": lambda _: httpx.Response(200, text="<html>"),
    "no keys": lambda _: httpx.Response(200, json={"keys": []}),
    "no list": lambda _: httpx.Response(200, json=["keys"]),
    "far too many": lambda _: httpx.Response(200, json={"keys": [row(made.key())] * 51}),
    "far too large": lambda _: httpx.Response(200, content=b" " * 300_000),
    "a row that is none": lambda _: httpx.Response(200, json={"keys": ["x", None, {}]}),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_issuer_that_cant_be_read_is_waited_for_and_is_no_refusal(kind: str) -> None:
    there = Issuer()
    there.answer = BROKEN[kind]
    reader = there.reader()
    token = await reader.read(signed(), NOW)
    assert (token.claims, token.problem) == (None, "")
    assert ISSUER in token.unread
    # the same words again, without another request
    assert (await reader.read(signed(), NOW + 10)).unread == token.unread
    assert len(there.asked) == 1
    there.answer = None
    assert (await reader.read(signed(), NOW + 61)).claims is not None
    assert {one.url.host for one in there.asked} == {"github.example"}


async def test_issuer_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Issuer()

    async def hang() -> Any:
        yield b" "
        await asyncio.Event().wait()

    there.answer = lambda _: httpx.Response(200, content=hang())
    monkeypatch.setattr(oidc, "TIMEOUT", 0.05)
    assert "TimeoutError" in (await there.reader().read(signed(), NOW)).unread


async def test_lost_connection_is_waited_for() -> None:
    there = Issuer()

    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    there.answer = lost
    assert "no route" in (await there.reader().read(signed(), NOW)).unread
