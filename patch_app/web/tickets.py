"""Addresses that let one browser in, once: who reads the log, or the server's database, may see the pages."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from patch_app.store import Store

LIFE: Final = timedelta(hours=1)
_BYTES: Final = 32
# where the running server is reached, for who asks for an address on the command line
_WHERE: Final = "address"


async def announce_start(store: Store, url: str) -> None:
    """The server starts, at this address: tickets of before let nobody in any more."""
    await store.void_tickets()
    await store.set_cursor(_WHERE, {"url": url})


async def address(store: Store, now: datetime) -> str | None:
    """A new address for one browser, good for LIFE; None where no server has started on this database yet."""
    kept = await store.cursor(_WHERE)
    if kept is None:
        return None
    ticket = secrets.token_urlsafe(_BYTES)
    await store.add_ticket(ticket, now + LIFE)
    return f"{kept['url']}/login?ticket={ticket}"
