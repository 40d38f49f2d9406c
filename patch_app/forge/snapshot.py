"""The snapshot of the state in the data directory.

Its job: read it at start, write it atomically after changes and at the end. It refuses to write half a
file, and the file is readable by its owner alone, since webhook secrets are in it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pydantic import TypeAdapter

from patch_app.forge.core import Core
from patch_app.forge.state import State

_ADAPTER = TypeAdapter(State)
# Writes are gathered for this long.
DEBOUNCE = 0.5


def load(path: Path) -> State:
    """The state of a former run, or an empty one. Errors: pydantic.ValidationError for a damaged file."""
    return _ADAPTER.validate_json(path.read_bytes()) if path.exists() else State()


def save(path: Path, state: State) -> None:
    """Write beside, then rename."""
    data = _ADAPTER.dump_json(state, indent=1)
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


class Keeper:
    """A thread that writes the snapshot some time after a change."""

    def __init__(self, core: Core, path: Path) -> None:
        self._core = core
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="forge-snapshot", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._stop.set()
        self._core.dirty.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._core.dirty.wait()
            self._stop.wait(DEBOUNCE)
            self._core.dirty.clear()
            # asked after clearing: a stop that comes in between would be lost with its wake-up
            last = self._stop.is_set()
            with self._core.lock:
                save(self._path, self._core.state)
            if last:
                return
