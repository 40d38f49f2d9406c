"""A bounded number of places, and a wait for one that can be given up.

It refuses fairness: who asks first needn't be served first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Slots:
    """Like a semaphore whose waiters can be called off."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, called_off: Callable[[], bool]) -> Iterator[None]:
        """Hold a place; when called off while waiting, go on without one."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or called_off())
            held = self._free > 0
            if held:
                self._free -= 1
        try:
            yield
        finally:
            if held:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()

    def wake(self) -> None:
        """Let waiters look again whether they were called off."""
        with self._changed:
            self._changed.notify_all()
