"""Bodies that are being read and aren't known to be anybody's yet: how much of memory they may take.

Where there is no room one has to go, and it is never that of who asks for little: of the peer that holds the
most, the one that began first. Behind a proxy all are one peer, and then the oldest goes, which is the one
that hangs. Refuses to turn the newcomer away for what others hold.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

# of what one host is given by its provider
_V6_PREFIX = 64


@dataclass(eq=False, kw_only=True)
class Reading:
    """One body. `limit` ends its reading."""

    peer: str
    limit: asyncio.Timeout
    held: int = 0
    # it has come and is being stored: that takes no time, so it stays
    whole: bool = False
    # it had to make room
    gone: bool = False
    chunks: list[bytes] = field(default_factory=list)


@dataclass(kw_only=True)
class Bodies:
    """`most`: bytes of all together. In the event loop's own thread."""

    most: int
    _all: list[Reading] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Bytes of all that are being read."""
        return sum(one.held for one in self._all)

    def begin(self, peer: str, limit: asyncio.Timeout) -> Reading:
        """A body that is read from now on."""
        reading = Reading(peer=peer, limit=limit)
        self._all.append(reading)
        return reading

    def add(self, reading: Reading, chunk: bytes) -> None:
        """One more piece of it. Whoever has to make room is told by its `limit`, and is `gone`."""
        reading.chunks.append(chunk)
        reading.held += len(chunk)
        while self.held > self.most and not reading.gone:
            self._drop(self._first_of_the_greediest())

    def end(self, reading: Reading) -> None:
        """It is dealt with, or given up."""
        if reading in self._all:
            self._all.remove(reading)

    def _first_of_the_greediest(self) -> Reading:
        peers: dict[str, int] = {}
        # the newcomer is one of them
        coming = [one for one in self._all if one.held and not one.whole]
        for one in coming:
            peers[one.peer] = peers.get(one.peer, 0) + one.held
        greediest = max(peers, key=lambda peer: peers[peer])
        # in the order in which they began
        return next(one for one in coming if one.peer == greediest)

    def _drop(self, reading: Reading) -> None:
        reading.gone = True
        reading.held = 0
        reading.chunks.clear()
        self._all.remove(reading)
        if not reading.limit.expired():
            reading.limit.reschedule(asyncio.get_running_loop().time())


def peer_of(address: str) -> str:
    """Who counts as one: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, _V6_PREFIX), strict=False))
