"""Polls the upstreams of all forks for releases, since upstreams don't have the App.

What is new goes into the inbox before the cursor is moved, so that a crash between the two only
tells the same release twice, which is one event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from patch_app.core.events import Kind, ReleaseEvent
from patch_app.engine.following import heard_of
from patch_app.engine.forks import upstream_of
from patch_app.github.client import GitHubApp
from patch_app.github.errors import GitHubError
from patch_app.store.forks import Fork
from patch_app.store.inbox import Incoming
from patch_app.store.store import Store
from patch_app.upstream.model import Release
from patch_app.upstream.poller import Cursor, new_releases
from patch_app.upstream.releases import Reading, read_releases_anyhow

log = structlog.get_logger("poll")

# the forks of an upstream that can't be read are looked at again after this
ASTRAY: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Poller:
    """What polling needs."""

    app: GitHubApp
    store: Store
    clock: Callable[[], datetime]
    # told of each upstream of which something new was read
    heard: Callable[[str], None] | None = None
    # asked about an upstream that can't be read, or has another name now
    astray: Callable[[str], Awaitable[None]] | None = None
    # when it was last asked of each
    _asked: dict[str, datetime] = field(default_factory=dict)

    async def poll(self) -> None:
        """One sweep over all upstreams; each is read with the token of a fork of it.

        An installation that can't be read is said and passed over, so that the others aren't.
        """
        by_installation: dict[int, tuple[Fork, list[str]]] = {}
        seen: set[str] = set()
        for fork in await self.store.forks():
            upstream = upstream_of(fork)
            if upstream is None or upstream.lower() in seen:
                continue
            seen.add(upstream.lower())
            by_installation.setdefault(fork.installation_id, (fork, []))[1].append(upstream)
        for fork, upstreams in by_installation.values():
            try:
                client = await self.app.installation(
                    fork.installation_id, fork.repository_id, {"metadata": "read", "contents": "read"}
                )
                readings = await read_releases_anyhow(client, upstreams)
            except GitHubError as error:
                log.warning("not polled", repository=fork.repository, reason=error.message)
                continue
            for reading in readings:
                await self._take(reading)
                if reading.problem is not None or reading.name.lower() != reading.upstream.lower():
                    await self._astray(reading.upstream)
            log.info("polled", upstreams=upstreams)

    async def _astray(self, upstream: str) -> None:
        """Where an upstream is gone, GitHub has named the forks another parent; after a rename, the new name.

        No delivery tells of it.
        """
        now, last = self.clock(), self._asked.get(upstream.lower())
        if self.astray is None or (last is not None and now < last + ASTRAY):
            return
        self._asked[upstream.lower()] = now
        try:
            await self.astray(upstream)
        except GitHubError as error:
            log.warning("followers not read", upstream=upstream, reason=error.message)

    async def _take(self, reading: Reading) -> None:
        if reading.problem is not None:
            log.warning("upstream unreadable", upstream=reading.upstream, reason=reading.problem)
            return
        name = heard_of(reading.upstream)
        known = await self.store.cursor(name)
        poll = new_releases(_cursor(known), reading.releases)
        if poll.lost:
            log.warning("cursor lost", upstream=reading.upstream, told=len(poll.events))
        for release in poll.events:
            await self.store.inbox_add(_incoming(release, self.clock()))
            log.info("release", upstream=release.upstream, tag=release.tag)
        after = _document(poll.cursor)
        if after != known:
            await self.store.set_cursor(name, after)
            if self.heard is not None:
                self.heard(reading.upstream)


def _incoming(release: Release, now: datetime) -> Incoming:
    event = ReleaseEvent(
        upstream=release.upstream,
        tag=release.tag,
        prerelease=release.prerelease,
        published=release.published_at,
        url=release.url,
        source="poll",
    )
    # a prerelease that became a release is told again, and is a row of its own
    key = f"{event.id}:{'prerelease' if release.prerelease else 'release'}"
    return Incoming(
        kind=Kind.RELEASE, key=key, payload=event.model_dump_json().encode(), headers={}, received=now
    )


def _cursor(document: dict[str, Any] | None) -> Cursor | None:
    if document is None:
        return None
    newest = document["newest"]
    return Cursor(seen=document["seen"], newest=datetime.fromisoformat(newest) if newest else None)


def _document(cursor: Cursor) -> dict[str, Any]:
    return {**asdict(cursor), "newest": cursor.newest.isoformat() if cursor.newest else None}
