"""Tells open pages that something was committed. Knows nothing of what."""

from __future__ import annotations

import asyncio
import contextlib


class Live:
    """A bell that any thread may ring and any number of streams wait for."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()
        self._count = 0
        self.closed = False

    def ring(self) -> None:
        """Something was committed. From any thread."""
        loop = self._loop
        if loop is not None:
            # a loop that has ended has nobody waiting
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._rung)

    def listen(self) -> int:
        """How often it has rung; from now on rings are counted."""
        self._loop = asyncio.get_running_loop()
        return self._count

    async def after(self, seen: int, seconds: float) -> int:
        """Wait for the bell to have rung more than `seen` times, at most so long; how often it has."""
        if self._count == seen and not self.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._event.wait(), seconds)
        return self._count

    def close(self) -> None:
        """End all streams: the server is stopping. From the event loop's own thread."""
        self.closed = True
        self._event.set()

    def _rung(self) -> None:
        self._count += 1
        event, self._event = self._event, asyncio.Event()
        event.set()
        if self.closed:
            self._event.set()
