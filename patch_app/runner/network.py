"""Counts what goes over the network: requests and their headers, and the packs that came.

The first it reads from Git's own curl trace, out of a pipe, and keeps only the sums. A trace of the bodies
too would cost more than all merges of a carry: Git writes it in lines of sixty bytes.
"""

from __future__ import annotations

import os
import re
import select
import threading
from types import TracebackType
from typing import NamedTuple, Optional, Type

SIZED = re.compile(rb"(<= Recv|=> Send) header, (\d{1,12}) bytes")
REQUEST = re.compile(rb"=> Send header: (?:GET|POST|PUT|HEAD) ")


class Traffic(NamedTuple):
    """Bytes received are HTTP headers and packs, bytes sent HTTP headers: no TLS, no lists of refs."""

    received_bytes: int
    sent_bytes: int
    requests: int


class TraceReader:
    """Reads the trace that git writes to the named pipe `path`, as long as the context is open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._received = 0
        self._sent = 0
        self._requests = 0
        self._rest = b""
        self._stop_read, self._stop_write = os.pipe()
        os.mkfifo(path, 0o600)
        # Our own writing end keeps the pipe from ending each time one git process is done with it.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="trace", daemon=True)

    def __enter__(self) -> TraceReader:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        os.write(self._stop_write, b".")
        self._thread.join()
        for descriptor in (self._pipe, self._stop_read, self._stop_write):
            os.close(descriptor)

    def headers(self) -> Traffic:
        """The sums up to now, without packs. What git has written before it ended is included."""
        self._drain()
        with self._lock:
            return Traffic(self._received, self._sent, self._requests)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._pipe, self._stop_read], [], [])
            self._drain()
            if self._stop_read in ready:
                return

    def _drain(self) -> None:
        with self._lock:
            while True:
                try:
                    chunk = os.read(self._pipe, 1 << 16)
                except BlockingIOError:
                    return
                if not chunk:
                    return
                self._count(chunk)

    def _count(self, chunk: bytes) -> None:
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        self._rest = data[end:][-4096:]
        whole = data[:end]
        for match in SIZED.finditer(whole):
            if match.group(1) == b"<= Recv":
                self._received += int(match.group(2))
            else:
                self._sent += int(match.group(2))
        self._requests += len(REQUEST.findall(whole))
