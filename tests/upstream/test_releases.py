from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from graphql import parse

from patch_app.github.errors import Bug, Later
from patch_app.upstream.feeds import BadFeed, parse_feed, tag_of
from patch_app.upstream.model import Source
from patch_app.upstream.releases import (
    build_query,
    read_releases,
    read_releases_anyhow,
    read_releases_rest,
    read_tags,
)

NODE = {
    "id": "RE_1",
    "tagName": "v1",
    "isDraft": False,
    "isPrerelease": True,
    "publishedAt": "2026-01-02T03:04:05Z",
    "url": "http://x/v1",
    "tagCommit": {"oid": "c" * 40},
}


def found(name: str, *nodes) -> dict:
    return {"nameWithOwner": name, "releases": {"nodes": list(nodes)}}


async def test_a_missing_repository_harms_no_other(client, api):
    error = {"type": "NOT_FOUND", "path": ["r1"], "message": "Could not resolve to a Repository"}
    api.graphql = [{"data": {"r0": found("a/b", NODE), "r1": None, "r2": found("e/new")}, "errors": [error]}]
    one, two, three = await read_releases(client, ["a/b", "c/d", "e/f"])
    release = one.releases[0]
    assert (release.upstream, release.tag, release.prerelease, release.tag_commit) == (
        "a/b", "v1", True, "c" * 40,
    )  # fmt: skip
    assert release.published_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert "Could not resolve" in (two.problem or "")
    assert (three.name, three.releases, three.problem) == ("e/new", (), None)


async def test_all_repositories_missing_is_no_failure(client, api):
    error = {"type": "NOT_FOUND", "path": ["r0"], "message": "gone"}
    api.graphql = [{"data": {"r0": None}, "errors": [error]}]
    assert (await read_releases(client, ["a/b"]))[0].problem == "gone"


async def test_fifty_upstreams_are_one_query_and_names_are_never_in_its_text(client, api):
    names = [f"owner/name-{n}" for n in range(120)]
    api.graphql = [{"data": {f"r{n}": found("x/y") for n in range(50)}} for _ in range(3)]
    readings = await read_releases(client, [*names, names[0]])
    assert [reading.upstream for reading in readings] == names
    assert len(api.queries) == 3
    for query in api.queries:
        parse(query["query"])
        assert "name-" not in query["query"]
        assert query["variables"]["first"] == 10


async def test_a_draft_that_a_release_becomes_later_is_read_as_one(client, api):
    node = {**NODE, "isDraft": True, "publishedAt": None, "tagCommit": None}
    api.graphql = [{"data": {"r0": found("a/b", node)}}]
    release = (await read_releases(client, ["a/b"]))[0].releases[0]
    assert (release.draft, release.published_at, release.tag_commit) == (True, None, None)


@pytest.mark.parametrize("name", ["a", "a/b/c", 'a/b"', "../x", ""])
def test_what_is_no_repository_name_is_our_bug(name):
    if name == "../x":
        build_query([name], 1)  # dots are allowed characters; as a variable they can't do harm
        return
    with pytest.raises(Bug):
        build_query([name], 1)


async def test_rate_limits_are_later_and_not_asked_again_over_rest(client, api):
    api.graphql = [{"errors": [{"type": "RATE_LIMITED", "message": "x"}]}]
    with pytest.raises(Later):
        await read_releases_anyhow(client, ["a/b"])


async def test_rest_steps_in_where_graphql_is_not_understood(client, api):
    api.graphql = [{"errors": [{"message": "Field 'tagCommit' doesn't exist on type 'Release'"}]}]
    row = {
        "id": 7,
        "tag_name": "v1",
        "prerelease": False,
        "draft": False,
        "published_at": "2026-01-02T03:04:05Z",
        "html_url": "u",
        "name": "A title that is no tag",
    }
    api.rest["/repos/a/b/releases"] = httpx.Response(200, json=[row])
    one, two = await read_releases_anyhow(client, ["a/b", "c/d"])
    assert [(r.tag, r.id, r.source) for r in one.releases] == [("v1", "7", Source.REST)]
    assert "Not Found" in (two.problem or "")


async def test_bare_tags_are_read_and_an_annotated_ones_commit_is_not_guessed(client, api):
    rows = [
        {"ref": "refs/tags/v1", "object": {"type": "commit", "sha": "a" * 40}},
        {"ref": "refs/tags/x/v2", "object": {"type": "tag", "sha": "b" * 40}},
    ]
    api.rest["/repos/a/b/git/matching-refs/tags/"] = httpx.Response(200, json=rows)
    reading = await read_tags(client, "a/b")
    assert [(r.tag, r.tag_commit) for r in reading.releases] == [("v1", "a" * 40), ("x/v2", None)]
    assert (await read_releases_rest(client, "a/gone")).problem
    assert (await read_tags(client, "a/gone")).problem


FEED = b"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><id>tag:github.com,2008:https://github.com/a/b/releases</id>
<title>Release notes from b</title><updated>2026-01-02T03:04:05Z</updated>
<entry><id>tag:github.com,2008:Repository/12/rust-v1.0</id><updated>2026-01-02T03:04:05Z</updated>
<link rel="alternate" type="text/html" href="https://github.com/a/b/releases/tag/rust-v1.0"/>
<title>1.0, the "v9.9" killer</title></entry>
<entry><id>tag:github.com,2008:Repository/12/x/v2+1</id><updated>2026-01-01T00:00:00Z</updated>
<link rel="alternate" href="https://github.com/a/b/releases/tag/x%2Fv2%2B1"/><title>two</title></entry>
<entry><id>tag:github.com,2008:Repository/12/v0.1</id><updated>2025-01-01T00:00:00Z</updated><title>v7</title></entry>
<entry><id>urn:else</id><updated>2025-01-01T00:00:00Z</updated><link href="https://x/y"/><title>v8</title></entry>
</feed>"""


def test_a_feeds_tags_come_from_link_or_id_and_never_from_the_title():
    releases = parse_feed("a/b", FEED)
    assert [release.tag for release in releases] == ["rust-v1.0", "x/v2+1", "v0.1"]
    assert releases[0].published_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert releases[0].source is Source.FEED


@pytest.mark.parametrize("data", [b"", b"<html><body>Sign in</body></html>", b"{}", b"/etc/hostname"])
def test_what_is_no_feed_is_refused(data):
    with pytest.raises(BadFeed):
        parse_feed("a/b", data)


def test_a_feed_without_end_is_refused():
    with pytest.raises(BadFeed, match="larger"):
        parse_feed("a/b", b" " * 5_000_000)


def test_a_link_to_something_else_has_no_tag():
    assert tag_of("https://github.com/a/b/commit/abc", "tag:github.com,2008:Grit::Commit/abc") is None
    assert tag_of("https://github.com/a/b/releases/tag/v1?x=1#y", "") == "v1"
