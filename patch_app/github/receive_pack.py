"""Sends ref changes and a pack to a repository's git-receive-pack over HTTP, all or nothing.

Each command names the value the ref must have, so a push is a compare-and-swap over several refs. It
refuses servers without `atomic`, never sends the token to another host, and never tries a push again
whose answer got lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from pydantic import SecretStr

from patch_app.github.errors import (
    Bug,
    GitHubError,
    Later,
    RefMoved,
    Refused,
    Unknown,
    WorkflowsRefused,
    clean,
    is_workflow_refusal,
)
from patch_app.github.git_http import AGENT, ANSWER_BOUND, FRESH_PAUSES, raise_for_status, send, under
from patch_app.github.gitobjects import EMPTY_PACK, is_oid
from patch_app.github.pktline import FLUSH, BadLine, demultiplex, pkt, pkts

ZERO: Final = "0" * 40
# what receive-pack says of a name that it doesn't take or hides, and a server's hooks of what is forbidden
_NO_CUSTOM_REFS: Final = frozenset(
    {
        "funny refname",
        "deny updating a hidden ref",
        "hook declined",
        "pre-receive hook declined",
        "push declined due to repository rule violations",
    }
)
_CHUNK: Final = 256 * 1024

Command = tuple[str, str, str]


class PackRefused(Refused):
    """The server can't take the pack: objects are missing or malformed. Nothing moved."""


class NameRefused(Refused):
    """The server takes no ref of such a name, as where it has branches and tags alone. Nothing moved."""


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """All refs have their new values. `already`: they had them before, and nothing was sent."""

    refs: Mapping[str, str]
    already: bool = False
    # what the server's hooks said
    messages: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class _Advertised:
    url: httpx.URL
    refs: Mapping[str, str]
    capabilities: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    failure: GitHubError | None
    messages: str = ""
    accepted: frozenset[str] = frozenset()


async def push(
    http: httpx.AsyncClient,
    url: str,
    token: SecretStr,
    commands: Sequence[Command],
    pack: bytes | None = None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> PushResult:
    """Move each ref of `commands`, (old, new, full ref name), from exactly old to new, or none of them.

    Forty zeros as old: must not exist; as new: delete. `url`: the repository's Git URL (.../name.git).
    `pack`: the objects that the server may lack; None where it has them all.

    Raises RefMoved (a ref has another value; nothing moved), PackRefused, NameRefused, WorkflowsRefused,
    Refused, Later, Unknown (the answer got lost: compare the refs, or push again, which recognises success),
    Bug. Format: git help gitprotocol-pack, gitprotocol-http.
    """
    _check(commands)
    found = await _advertised_patiently(http, url, token, sleep)
    done = {ref: new for _, new, ref in commands}
    # A ref that has its new value already is our own earlier success.
    left = [command for command in commands if found.refs.get(command[2], ZERO) != command[1]]
    if not left:
        return PushResult(refs=done, already=True)
    _raise_if_moved(left, found.refs)
    outcome = await _send_commands(http, found, token, left, EMPTY_PACK if pack is None else pack)
    if outcome.failure is None:
        return PushResult(refs=done, messages=outcome.messages)
    if outcome.accepted:
        await _take_back(http, found, token, [c for c in left if c[2] in outcome.accepted], outcome.failure)
    if type(outcome.failure) is Refused:
        # Servers word a lost race in many ways; the refs' values are plain.
        _raise_if_moved(left, (await _advertised(http, url, token)).refs)
    raise outcome.failure


async def _send_commands(
    http: httpx.AsyncClient, found: _Advertised, token: SecretStr, commands: Sequence[Command], pack: bytes
) -> _Outcome:
    if not {"atomic", "report-status"} <= found.capabilities:
        raise Refused(0, "the Git server can't move several refs atomically")
    if "delete-refs" not in found.capabilities and any(new == ZERO for _, new, _ in commands):
        raise Refused(0, "the Git server doesn't let refs be deleted")
    deletes_only = all(new == ZERO for _, new, _ in commands)
    wanted = ["report-status", "atomic", *(c for c in ("side-band-64k",) if c in found.capabilities), AGENT]
    body = _request(commands, wanted, b"" if deletes_only else pack)
    answer = await _post(http, found.url, token, body)
    return _read_report(answer, "side-band-64k" in wanted, [ref for _, _, ref in commands])


async def _take_back(
    http: httpx.AsyncClient,
    found: _Advertised,
    token: SecretStr,
    accepted: Sequence[Command],
    failure: GitHubError,
) -> None:
    """Undo what moved although another command failed.

    git receive-pack leaves commands with missing objects out of its atomic transaction and does the
    others (seen with Git 2.39), so `atomic` alone isn't all or nothing.
    """
    backwards = [(new, old, ref) for old, new, ref in accepted]
    try:
        failed = (await _send_commands(http, found, token, backwards, EMPTY_PACK)).failure
    except GitHubError as error:
        failed = error
    if failed is not None:
        refs = ", ".join(ref for _, _, ref in backwards)
        raise Refused(422, f"{failure.message}; but {refs} moved and can't be moved back: {failed.message}")


async def read_refs(http: httpx.AsyncClient, url: str, token: SecretStr) -> Mapping[str, str]:
    """All refs that the server shows to a pusher, name to id. Raises as `push`."""
    return (await _advertised(http, url, token)).refs


def _check(commands: Sequence[Command]) -> None:
    names = [ref for _, _, ref in commands]
    if not commands or len(set(names)) != len(names):
        raise Bug("a push needs commands, one a ref")
    for old, new, ref in commands:
        if not (is_oid(old) and is_oid(new) and ref.startswith("refs/") and not set(ref) & set(" \n\0")):
            raise Bug(f"not a ref change: {ref!r}")


def _raise_if_moved(commands: Sequence[Command], refs: Mapping[str, str]) -> None:
    for old, _, ref in commands:
        if (actual := refs.get(ref, ZERO)) != old:
            raise RefMoved(ref, old, actual)


async def _advertised_patiently(
    http: httpx.AsyncClient, url: str, token: SecretStr, sleep: Callable[[float], Awaitable[None]]
) -> _Advertised:
    for pause in FRESH_PAUSES:
        try:
            return await _advertised(http, url, token)
        except Refused as error:
            if error.status not in (401, 403, 404):
                raise
        await sleep(pause)
    return await _advertised(http, url, token)


async def _advertised(http: httpx.AsyncClient, url: str, token: SecretStr) -> _Advertised:
    base = httpx.URL(url)
    target = under(base, "/info/refs").copy_set_param("service", "git-receive-pack")
    response = await send(http, "GET", target, token, bound=ANSWER_BOUND)
    for _ in range(3):
        if response.status_code not in (301, 302, 307, 308):
            break
        # A renamed repository; as Git does, go on with the new address, on the same host alone.
        target = target.join(response.headers.get("location", ""))
        if (target.scheme, target.netloc) != (base.scheme, base.netloc) or "/info/refs" not in target.path:
            raise Bug(f"the Git server redirects to {target.host}")
        response = await send(http, "GET", target, token, bound=ANSWER_BOUND)
    raise_for_status(response, write=False)
    try:
        lines = list(pkts(response.content))
    except BadLine as error:
        raise Later(f"the Git server's list of refs is garbled: {error}") from None
    if not lines or not (lines[0] or b"").startswith(b"# service=git-receive-pack"):
        raise Bug("the answer isn't a Git server's list of refs")
    refs: dict[str, str] = {}
    capabilities: frozenset[str] = frozenset()
    for line in lines[1:]:
        if line is None:
            continue
        text, separator, extra = line.rstrip(b"\n").partition(b"\0")
        if separator:
            capabilities = frozenset(extra.decode("utf-8", "replace").split())
        oid, _, name = text.decode("utf-8", "surrogateescape").partition(" ")
        if is_oid(oid) and name.startswith("refs/"):
            refs[name] = oid
    if not capabilities:
        raise Bug("the Git server names no capabilities")
    path = target.path.removesuffix("/info/refs")
    return _Advertised(url=target.copy_with(path=path, query=None), refs=refs, capabilities=capabilities)


def _request(commands: Sequence[Command], capabilities: Sequence[str], pack: bytes) -> tuple[bytes, bytes]:
    head = bytearray()
    for number, (old, new, ref) in enumerate(commands):
        extra = b"\0 " + " ".join(capabilities).encode() if number == 0 else b""
        head += pkt(f"{old} {new} {ref}".encode("utf-8", "surrogateescape") + extra)
    return bytes(head + FLUSH), pack


async def _post(
    http: httpx.AsyncClient, url: httpx.URL, token: SecretStr, body: tuple[bytes, bytes]
) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        # The pack isn't copied; and the length is told, since not every server takes chunked bodies.
        yield body[0]
        for start in range(0, len(body[1]), _CHUNK):
            yield body[1][start : start + _CHUNK]

    headers = {
        "Content-Type": "application/x-git-receive-pack-request",
        "Accept": "application/x-git-receive-pack-result",
        "Content-Length": str(len(body[0]) + len(body[1])),
    }
    response = await send(
        http, "POST", under(url, "/git-receive-pack"), token, content=chunks(), headers=headers
    )
    raise_for_status(response, write=True)
    return response.content


def _is_custom(ref: str) -> bool:
    return not ref.startswith(("refs/heads/", "refs/tags/"))


def _read_report(answer: bytes, banded: bool, refs: Sequence[str]) -> _Outcome:
    """What the hooks said, and the error of the report (git help gitprotocol-pack, "Report Status")."""
    try:
        report, told = demultiplex(answer) if banded else (answer, b"")
        lines = [line.decode("utf-8", "replace").rstrip("\n") for line in pkts(report) if line]
    except BadLine as error:
        return _Outcome(failure=Unknown(f"the report of the push is garbled: {error}"))
    messages = clean(told.decode("utf-8", "replace"), 2000)
    unpack = next((line.removeprefix("unpack ") for line in lines if line.startswith("unpack ")), None)
    if unpack is None:
        return _Outcome(failure=Unknown(f"the push ended without a report. {messages}".rstrip()))
    rejected = [line.removeprefix("ng ").partition(" ") for line in lines if line.startswith("ng ")]
    reasons = [f"{ref}: {reason}" for ref, _, reason in rejected]
    said = "; ".join([*reasons, messages]) if messages else "; ".join(reasons)
    accepted = frozenset(line.removeprefix("ok ") for line in lines if line.startswith("ok "))
    if unpack == "ok" and any(reason == "missing necessary objects" for _, _, reason in rejected):
        unpack = "missing necessary objects"
    failure: GitHubError | None = None
    if is_workflow_refusal(said):
        failure = WorkflowsRefused(403, said)
    elif unpack != "ok":
        failure = PackRefused(422, f"the Git server can't take the pack: {unpack}. {messages}".rstrip())
    elif any(_is_custom(ref) and reason in _NO_CUSTOM_REFS for ref, _, reason in rejected):
        failure = NameRefused(422, f"this Git server takes no such ref: {said}")
    elif rejected:
        failure = Refused(422, f"the push was refused: {said}")
    elif missing := [ref for ref in refs if ref not in accepted]:
        failure = Unknown(f"the report of the push says nothing of {missing[0]}")
    return _Outcome(messages=messages, failure=failure, accepted=accepted)
