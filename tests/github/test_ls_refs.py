"""Refs in one request, from a real Git server and from answers that are cut or strange."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from patch_app.github.errors import Bug, GitHubError, Later, NotFound, Refused
from patch_app.github.ls_refs import ls_refs
from patch_app.github.pktline import FLUSH, pkt
from tests.github.conftest import Clock, Repository
from tests.github.git_server import GitServer

TOKEN = SecretStr("ghs_token")
OID = "a" * 40


@pytest.fixture
def head(repository: Repository, fork: Repository) -> str:
    commit = repository.commit("base", file="1\n")
    names = ("heads/main", "heads/maine", "heads/patch-app/x", "tags/main", "patch-app/inbox/7/1")
    repository.git("push", "-q", str(fork.path), *(f"HEAD:refs/{name}" for name in names))
    return commit


async def asked(server: GitServer, clock: Clock, *prefixes: str, name: str = "fork") -> dict[str, str]:
    async with httpx.AsyncClient() as http:
        return await ls_refs(http, f"{server.url}/{name}.git", TOKEN, prefixes, sleep=clock.sleep)


async def test_names_and_prefixes_of_every_namespace_in_one_request(
    git_server: GitServer, clock: Clock, head: str
) -> None:
    found = await asked(
        git_server, clock, "refs/heads/main", "refs/patch-app/inbox/7/", "refs/heads/gone", "refs/heads/main"
    )
    assert found == dict.fromkeys(("refs/heads/main", "refs/heads/maine", "refs/patch-app/inbox/7/1"), head)
    assert git_server.requests == ["POST /fork.git/git-upload-pack"]


async def test_a_repository_without_refs(git_server: GitServer, clock: Clock, fork: Repository) -> None:
    assert await asked(git_server, clock, "refs/heads/") == {}


async def test_a_token_that_is_too_young_and_a_renamed_repository(
    git_server: GitServer, clock: Clock, head: str
) -> None:
    git_server.refuse = [401, 404]
    git_server.redirect["old.git"] = "/fork.git"
    assert await asked(git_server, clock, "refs/heads/main", name="old") == dict.fromkeys(
        ("refs/heads/main", "refs/heads/maine"), head
    )
    assert clock.slept == [0.5, 1.0]


async def test_a_repository_that_is_gone(git_server: GitServer, clock: Clock, fork: Repository) -> None:
    git_server.refuse = [404] * 4
    with pytest.raises(NotFound):
        await asked(git_server, clock, "refs/heads/")


async def test_a_name_that_would_be_two_lines(git_server: GitServer, clock: Clock) -> None:
    with pytest.raises(Bug):
        await asked(git_server, clock, "refs/heads/a\n0000")
    assert git_server.requests == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (pkt(f"{OID} refs/heads/main\n".encode()), Later),
        (pkt(f"{OID} refs/heads/main\n".encode())[:-5], Later),
        (b"", Later),
        (b"<html>", Later),
        (pkt(b"ERR upload-pack: not for you\n") + FLUSH, Bug),
    ],
    ids=["no end", "cut", "empty", "a page", "an error"],
)
async def test_an_answer_that_must_not_read_as_refs_that_are_gone(
    answer: bytes, error: type[GitHubError], clock: Clock
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=answer))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(error):
            await ls_refs(http, "http://git/a.git", TOKEN, ["refs/heads/"], sleep=clock.sleep)


async def test_a_cut_answer_is_asked_for_again(clock: Clock) -> None:
    line = pkt(f"{OID} refs/heads/main\n".encode())
    answers = iter((b"", line, line + FLUSH))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=next(answers)))
    async with httpx.AsyncClient(transport=transport) as http:
        found = await ls_refs(http, "http://git/a.git", TOKEN, ["refs/heads/"], sleep=clock.sleep)
    assert found == {"refs/heads/main": OID}
    assert clock.slept == [0.5, 1.0]


def _redirected(where: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(301, headers={"Location": where})


async def test_a_redirect_to_another_host_gets_no_token(clock: Clock) -> None:
    transport = httpx.MockTransport(_redirected("http://elsewhere/a.git/git-upload-pack"))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises((Bug, Refused)):
            await ls_refs(http, "http://git/a.git", TOKEN, ["refs/heads/"], sleep=clock.sleep)
