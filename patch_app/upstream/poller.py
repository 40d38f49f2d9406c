"""What is new among the releases that a poll read: pure, so that no poll can surprise.

The first poll records and emits nothing (unless asked to); a lost cursor leads to a bounded catch-up,
never to a flood; drafts are not seen until they are published. It refuses to judge versions: order
and choice are the policy's matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from patch_app.upstream.model import Release

# What is emitted at most after the cursor was lost, or on a first poll that shall emit.
CATCH_UP: Final = 3
# What one poll emits at most: somebody who pushes hundreds of old tags asks for no hundred attempts.
BURST: Final = 20
# Listings lag and releases of one minute appear in any order: this much older than the newest seen
# still counts as new. An older one that was never seen only slid into the listing's window.
SLACK: Final = timedelta(hours=1)
# Tags remembered of an upstream; a listing of bare tags holds at most 5000.
REMEMBERED: Final = 5000


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """What was seen of one upstream. `seen`: tag to whether it was a prerelease then, oldest first."""

    seen: Mapping[str, bool] = field(default_factory=dict)
    newest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Poll:
    """`events`: releases to tell of, oldest first. `lost`: nothing listed was known, catch-up was bounded."""

    events: tuple[Release, ...]
    cursor: Cursor
    lost: bool = False


def new_releases(cursor: Cursor | None, releases: Sequence[Release], *, prime: bool = True) -> Poll:
    """The releases to tell of, and the cursor to keep with them.

    `cursor` None: never polled. `prime` (primeOnly): the first poll then emits nothing; False emits the
    newest three. A cursor is lost when it knows tags and none of those listed: then at most three
    newer than all that it knew are told. A prerelease that became a release is told again; otherwise a
    tag is told once. All that is listed counts as seen afterwards, told or not.
    """
    listed = _by_age(release for release in releases if not release.draft and release.tag)
    known: Mapping[str, bool] = cursor.seen if cursor else {}
    seen = {**known, **{release.tag: release.prerelease for release in listed}}
    dates = [release.published_at for release in listed if release.published_at]
    if cursor and cursor.newest:
        dates.append(cursor.newest)
    after = Cursor(seen=dict(list(seen.items())[-REMEMBERED:]), newest=max(dates, default=None))
    if cursor is None:
        return Poll(events=() if prime else tuple(listed[-CATCH_UP:]), cursor=after)
    fresh = [release for release in listed if _is_new(cursor, release)]
    lost = bool(known) and bool(listed) and not any(release.tag in known for release in listed)
    return Poll(events=tuple(fresh[-(CATCH_UP if lost else BURST) :]), cursor=after, lost=lost)


def _is_new(cursor: Cursor, release: Release) -> bool:
    if release.tag in cursor.seen:
        return cursor.seen[release.tag] and not release.prerelease
    if cursor.newest is None or release.published_at is None:
        return True
    return release.published_at > cursor.newest - SLACK


def _by_age(releases: Iterable[Release]) -> list[Release]:
    """Oldest first, each tag once; bare tags have no date and keep the listing's order, before the rest."""
    unique = {release.tag: release for release in releases}
    undated = [release for release in unique.values() if release.published_at is None]
    dated = [(release.published_at, release) for release in unique.values() if release.published_at]
    return undated + [release for _, release in sorted(dated, key=lambda pair: (pair[0], pair[1].tag))]
