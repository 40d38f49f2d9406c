"""Releases out of an Atom or RSS feed, such as GitHub's releases.atom, which needs no token.

The tag comes from an entry's link or id, never from its title, which anybody words as they like. It
fetches nothing and refuses entries without a tag in either.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import feedparser

from patch_app.upstream.model import Release, Source

FEED_BOUND: Final = 4 * 1024 * 1024
_RELEASE_LINK: Final = re.compile(r"/releases/tag/(?P<tag>[^?#]+)$")
# tag:github.com,2008:Repository/123456/v1.2.3
_ENTRY_ID: Final = re.compile(r"^tag:[^:]+:Repository/\d+/(?P<tag>.+)$")


class BadFeed(Exception):  # noqa: N818
    """The bytes are no feed; the message is a sentence for a person."""


def parse_feed(upstream: str, data: bytes) -> tuple[Release, ...]:
    """The feed's releases in its order. Raises BadFeed.

    Feeds don't say whether a release is a prerelease: `prerelease` is False, and what counts is read
    from the release itself before anything begins.
    """
    if len(data) > FEED_BOUND:
        raise BadFeed(f"The feed is larger than {FEED_BOUND} bytes.")
    # A stream: given bytes, feedparser would also try them as a URL or file name.
    found: Any = feedparser.parse(io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False)
    entries: Sequence[Any] = found.entries
    if not entries and not found.get("version"):
        raise BadFeed("The answer is neither an Atom nor an RSS feed.")
    releases: list[Release] = []
    for entry in entries:
        link, identity = str(entry.get("link") or ""), str(entry.get("id") or "")
        if tag := tag_of(link, identity):
            releases.append(
                Release(
                    upstream=upstream,
                    tag=tag,
                    published_at=_time(entry),
                    url=link,
                    id=identity,
                    source=Source.FEED,
                )
            )
    return tuple(releases)


def tag_of(link: str, identity: str) -> str | None:
    """The tag in a release's link or in GitHub's entry id, or None."""
    if match := _RELEASE_LINK.search(urlsplit(link).path):
        return unquote(match["tag"])
    if match := _ENTRY_ID.match(identity):
        return match["tag"]
    return None


def _time(entry: Any) -> datetime | None:
    # GitHub's feed has `updated` alone, which is when the release was published.
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
