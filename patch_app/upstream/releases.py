"""Reads the newest releases of many upstreams, in few requests.

GraphQL with up to fifty repositories a query (about one point each query); REST for where GraphQL is
out of reach; bare tags for upstreams that publish none. It refuses to choose: which release counts is
the policy's matter. One upstream that is missing harms no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patch_app.github.client import Client
from patch_app.github.errors import Bug, Later, Refused
from patch_app.github.graphql import GraphQL, as_exception
from patch_app.github.transport import segment
from patch_app.upstream.model import Release, Source

BATCH: Final = 50
# `releases/latest` skips prereleases and sorts by commit date, so several are read.
NEWEST: Final = 10
TAG_BOUND: Final = 5000
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_FIELDS: Final = """fragment found on Repository {
  nameWithOwner
  releases(first: $first, orderBy: {field: CREATED_AT, direction: DESC}) {
    nodes { id tagName isDraft isPrerelease publishedAt url tagCommit { oid } }
  }
}"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one upstream answered: its newest releases, newest first, or why there are none to read.

    `name` is today's "owner/name", which differs from `upstream` after a rename.
    """

    upstream: str
    name: str
    releases: tuple[Release, ...] = ()
    problem: str | None = None


async def read_releases(client: Client, upstreams: Sequence[str], *, first: int = NEWEST) -> list[Reading]:
    """One reading for each of `upstreams` ("owner/name"), in their order.

    Raises Later (rate limits too), Refused, Bug where a whole query fails.
    """
    readings: list[Reading] = []
    wanted = list(dict.fromkeys(upstreams))
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        query, variables = build_query(batch, first)
        readings += read_batch(batch, await client.graphql(query, variables))
    return readings


def build_query(upstreams: Sequence[str], first: int) -> tuple[str, dict[str, Any]]:
    """The query for up to fifty upstreams, names as variables. Raises Bug for what is no "owner/name"."""
    declared, parts = ["$first: Int!"], []
    variables: dict[str, Any] = {"first": first}
    for number, upstream in enumerate(upstreams):
        owner, name = _split(upstream)
        declared.append(f"$o{number}: String!, $n{number}: String!")
        parts.append(f"  r{number}: repository(owner: $o{number}, name: $n{number}) {{ ...found }}")
        variables |= {f"o{number}": owner, f"n{number}": name}
    return f"query({', '.join(declared)}) {{\n" + "\n".join(parts) + "\n}\n" + _FIELDS, variables


def read_batch(upstreams: Sequence[str], answer: GraphQL) -> list[Reading]:
    """The readings of one query's answer, errors sorted to the upstreams that they are about.

    Raises what an error without a place in the data stands for.
    """
    problems: dict[str, str] = {}
    for error in answer.errors:
        if not error.path:
            raise as_exception(error, write=False)
        problems[str(error.path[0])] = error.message
    return [
        _reading(upstream, answer.data.get(f"r{number}"), problems.get(f"r{number}"))
        for number, upstream in enumerate(upstreams)
    ]


async def read_releases_rest(client: Client, upstream: str, *, first: int = NEWEST) -> Reading:
    """The same for one upstream over REST. Raises Later, Bug."""
    owner, name = _split(upstream)
    try:
        rows = await client.get(f"/repos/{segment(owner)}/{segment(name)}/releases", per_page=first)
    except Refused as error:
        return Reading(upstream=upstream, name=upstream, problem=error.message)
    releases = tuple(
        Release(
            upstream=upstream,
            tag=str(row["tag_name"]),
            prerelease=bool(row["prerelease"]),
            draft=bool(row["draft"]),
            published_at=parse_time(row.get("published_at")),
            url=str(row.get("html_url") or ""),
            id=str(row["id"]),
            source=Source.REST,
        )
        for row in rows
    )
    return Reading(upstream=upstream, name=upstream, releases=releases)


async def read_tags(client: Client, upstream: str) -> Reading:
    """All tags of an upstream without releases, in the order of their names. Raises Later, Bug."""
    owner, name = _split(upstream)
    path = f"/repos/{segment(owner)}/{segment(name)}/git/matching-refs/tags/"
    try:
        rows = await client.get_all(path, limit=TAG_BOUND)
    except Refused as error:
        return Reading(upstream=upstream, name=upstream, problem=error.message)
    releases = tuple(
        Release(
            upstream=upstream,
            tag=str(row["ref"]).removeprefix("refs/tags/"),
            # an annotated tag's object is the tag, not the commit
            tag_commit=str(row["object"]["sha"]) if row["object"]["type"] == "commit" else None,
            id=str(row["ref"]),
            source=Source.TAGS,
        )
        for row in rows
    )
    return Reading(upstream=upstream, name=upstream, releases=releases)


async def read_releases_anyhow(
    client: Client, upstreams: Sequence[str], *, first: int = NEWEST
) -> list[Reading]:
    """By GraphQL; where it is refused or can't be understood, one by one over REST. Raises Later, Bug."""
    try:
        return await read_releases(client, upstreams, first=first)
    except Later:
        raise
    except (Refused, Bug):
        return [
            await read_releases_rest(client, upstream, first=first) for upstream in dict.fromkeys(upstreams)
        ]


def parse_time(text: Any) -> datetime | None:
    """An ISO 8601 time of GitHub's with its zone, or None."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _reading(upstream: str, found: Any, problem: str | None) -> Reading:
    if not isinstance(found, dict):
        return Reading(upstream=upstream, name=upstream, problem=problem or "not found")
    nodes = (found.get("releases") or {}).get("nodes") or []
    releases = tuple(
        _release(upstream, node) for node in nodes if isinstance(node, dict) and node.get("tagName")
    )
    name = str(found.get("nameWithOwner") or upstream)
    # A repository may be there while its releases are not to be read: then the problem stands.
    return Reading(upstream=upstream, name=name, releases=releases, problem=problem if not releases else None)


def _release(upstream: str, node: dict[str, Any]) -> Release:
    return Release(
        upstream=upstream,
        tag=str(node["tagName"]),
        prerelease=bool(node.get("isPrerelease")),
        draft=bool(node.get("isDraft")),
        published_at=parse_time(node.get("publishedAt")),
        url=str(node.get("url") or ""),
        id=str(node.get("id") or ""),
        tag_commit=(node.get("tagCommit") or {}).get("oid"),
        source=Source.GRAPHQL,
    )


def _split(upstream: str) -> tuple[str, str]:
    if not _NAME.fullmatch(upstream):
        raise Bug(f"not an owner/name: {upstream!r}")
    owner, _, name = upstream.partition("/")
    return owner, name
