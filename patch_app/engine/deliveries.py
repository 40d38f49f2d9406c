"""Takes webhooks from GitHub's own list: all of them where GitHub can't reach us, lost ones where it can.

They go into the inbox as web/webhook puts them there, under the same key, so what came both ways is one
row. There is no signature to check on this way: see github/deliveries. Refuses to move its cursor past
what it has not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from patch_app.core.events import Kind
from patch_app.github.client import GitHubApp
from patch_app.github.deliveries import Delivery, deliveries_since, read_delivery
from patch_app.github.errors import Bug, NotFound
from patch_app.store.inbox import Incoming, delivery
from patch_app.store.store import Store

# seconds that GitHub keeps deliveries at the longest: 3 days, 7 on Enterprise Server
KEPT: Final = 7 * 86_400.0
# deliveries read whole between two times that the cursor is stored
BATCH: Final = 100
_CURSOR: Final = "deliveries"

log = structlog.get_logger("deliveries")


@dataclass(kw_only=True)
class Deliveries:
    """What reading the list needs."""

    app: GitHubApp
    store: Store
    clock: Callable[[], datetime]
    # of the list when all of it was read
    _etag: str | None = None
    # of deliveries that can't be read: they'd be asked for again and again
    _unreadable: set[str] = field(default_factory=set)

    async def poll(self) -> None:
        """What is new since the last time. One request where that is nothing. Raises Later, Refused, Bug."""
        while not await self._round(failed_only=False):
            pass

    async def catch_up(self) -> None:
        """What GitHub could not deliver since the last time. Raises Later, Refused, Bug."""
        while not await self._round(failed_only=True):
            pass

    async def _round(self, *, failed_only: bool) -> bool:
        """Read at most a batch; whether that was all."""
        kept = await self.store.cursor(_CURSOR)
        since = max(float(kept["since"]) if kept else 0.0, self.clock().timestamp() - KEPT)
        client = self.app.jwt_client()
        listing = await deliveries_since(client, since, etag=self._etag)
        if listing is None:
            return True
        if listing.cut:
            log.warning("too many deliveries: the oldest are passed over", read=len(listing.deliveries))
        guids = list({one.guid for one in listing.deliveries})
        there = self._unreadable | await self.store.inbox_known(Kind.DELIVERY, guids)
        if failed_only:
            # what was sent again and taken is no loss
            there |= {one.guid for one in listing.deliveries if one.succeeded}
        reads, upto = 0, since
        try:
            for one in listing.deliveries:
                if one.guid not in there:
                    if reads == BATCH:
                        return False
                    reads += 1
                    await self._take(one)
                    there.add(one.guid)
                upto = max(upto, one.delivered_at)
        finally:
            if upto > since:
                await self.store.set_cursor(_CURSOR, {"since": upto})
            if reads:
                log.info("deliveries read", count=reads, lost=failed_only)
        self._etag = listing.etag
        return True

    async def _take(self, one: Delivery) -> None:
        incoming = await self._read(one)
        if incoming is not None:
            await self.store.inbox_add(incoming)

    async def _read(self, one: Delivery) -> Incoming | None:
        try:
            full = await read_delivery(self.app.jwt_client(), one.id)
        except (NotFound, Bug) as error:
            # forgotten meanwhile, or of no form that we know: the timer looks at open attempts anyway
            log.warning("delivery unreadable", delivery=one.guid, hook_event=one.event, reason=error.message)
            self._unreadable.add(one.guid)
            return None
        # what was never sent has no headers
        headers = {**full.headers, "X-GitHub-Event": one.event, "X-GitHub-Delivery": one.guid}
        return delivery(one.guid, json.dumps(full.payload).encode(), headers.items(), self.clock())
