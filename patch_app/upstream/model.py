"""One release of an upstream, wherever it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """Where a release was read."""

    GRAPHQL = "graphql"
    REST = "rest"
    TAGS = "tags"
    FEED = "feed"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release (or bare tag). Its identity is `upstream` and `tag`, never a title.

    `tag_commit` is a hint: the peeled commit as listed, None where the source doesn't tell.
    `published_at` is None for drafts and bare tags.
    """

    # "owner/name" as the source spells it
    upstream: str
    tag: str
    prerelease: bool = False
    draft: bool = False
    published_at: datetime | None = None
    url: str = ""
    # the source's own id, for the record
    id: str = ""
    tag_commit: str | None = None
    source: Source
