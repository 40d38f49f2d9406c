"""Refs of a repository over Git's own protocol: any number of names and prefixes in one request.

What GitHub's API needs a request a ref for, and counts. Refuses to tell of anything that wasn't asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import httpx
from pydantic import SecretStr

from patch_app.github.errors import Bug, Later, Refused
from patch_app.github.git_http import AGENT, ANSWER_BOUND, FRESH_PAUSES, raise_for_status, send, under
from patch_app.github.gitobjects import is_oid
from patch_app.github.pktline import DELIMITER, FLUSH, BadLine, pkt, pkts

_SERVICE: Final = "/git-upload-pack"
_HEADERS: Final = {
    "Content-Type": "application/x-git-upload-pack-request",
    "Accept": "application/x-git-upload-pack-result",
    "Git-Protocol": "version=2",
}
_REDIRECTS: Final = 3
# Between two pieces of the answer: refs take a server no time to list, and are asked for four times.
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)


async def ls_refs(
    http: httpx.AsyncClient,
    url: str,
    token: SecretStr,
    prefixes: Iterable[str],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> dict[str, str]:
    """Refs whose full names begin with one of `prefixes`, with the object that each points at.

    `url`: the repository's Git URL (.../name.git). Raises Later, NotFound, Refused, Bug.
    Format: git help gitprotocol-v2, "ls-refs"; the prefixes are a hint to the server, so they are
    applied here too.
    """
    wanted = tuple(dict.fromkeys(prefixes))
    if not wanted or any(set(one) & set("\n\0") for one in wanted):
        raise Bug("refs are asked for by prefixes without newlines")
    body = _request(wanted)
    for pause in FRESH_PAUSES:
        try:
            return _refs(await _ask(http, httpx.URL(url), token, body), wanted)
        except Later as error:
            # cut off, or a server in trouble: nothing was changed, and the next answer may be whole
            if error.retry_after is not None:
                raise
        except Refused as error:
            if error.status not in (401, 403, 404):
                raise
        await sleep(pause)
    return _refs(await _ask(http, httpx.URL(url), token, body), wanted)


def _request(prefixes: Iterable[str]) -> bytes:
    lines = [pkt(b"command=ls-refs\n"), pkt(f"{AGENT}\n".encode()), DELIMITER]
    lines += [pkt(f"ref-prefix {one}\n".encode("utf-8", "surrogateescape")) for one in prefixes]
    return b"".join([*lines, FLUSH])


async def _ask(http: httpx.AsyncClient, url: httpx.URL, token: SecretStr, body: bytes) -> bytes:
    target = under(url, _SERVICE)
    for _ in range(_REDIRECTS + 1):
        response = await send(
            http,
            "POST",
            target,
            token,
            content=body,
            headers=_HEADERS,
            bound=ANSWER_BOUND,
            write=False,
            patience=_TIMEOUT,
        )
        if response.status_code not in (301, 302, 307, 308):
            break
        # a renamed repository; on the same host alone
        target = target.join(response.headers.get("location", ""))
        if (target.scheme, target.netloc) != (url.scheme, url.netloc) or not target.path.endswith(_SERVICE):
            raise Bug(f"the Git server redirects to {target.host}")
    raise_for_status(response, write=False)
    return response.content


def _refs(answer: bytes, prefixes: tuple[str, ...]) -> dict[str, str]:
    try:
        lines = list(pkts(answer))
    except BadLine as error:
        raise Later(f"the Git server's list of refs is garbled: {error}") from None
    if not lines or lines[-1] is not None:
        # else a cut answer would read as refs that are gone
        raise Later("the Git server's list of refs has no end")
    found: dict[str, str] = {}
    for line in lines[:-1]:
        oid, _, rest = (line or b"").rstrip(b"\n").decode("utf-8", "surrogateescape").partition(" ")
        if not is_oid(oid):
            raise Bug("the answer isn't a list of refs: does the Git server speak protocol 2?")
        name = rest.split(" ")[0]
        if name.startswith(prefixes):
            found[name] = oid
    return found
