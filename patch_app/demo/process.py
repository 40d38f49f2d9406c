"""The App's server as a process of its own, as in production: only it holds the App's key."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from patch_app import admin_token

START: Final = 30.0
STOP: Final = 15.0
# what a server needs of its surroundings; nothing else of ours gets in
_KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


def free_port() -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class ServerProcess:
    """`patch-app serve` with its settings, its log in a file. A context manager that ends it.

    `settings` has DATA_DIR; the query API is asked with the token that is kept there.
    """

    def __init__(
        self, port: int, settings: Mapping[str, str], log: Path, program: tuple[str, ...] = ()
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._program = program or (sys.executable, "-m", "patch_app", "serve")
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = {**kept, "HOST": "127.0.0.1", "PORT": str(port), "LOG_FORMAT": "json", **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._data = Path(settings["DATA_DIR"])
        self._http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def start(self) -> None:
        """Start, and wait until it answers. Raises RuntimeError with the log's end where it doesn't."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._program, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if self._http.get("/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.tail()}")

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout: float) -> int | None:
        """The exit status once it has ended, None where it has not within `timeout` seconds."""
        try:
            return self._process.wait(timeout) if self._process else None
        except subprocess.TimeoutExpired:
            return None

    def get(self, path: str) -> Any:
        """JSON of the query API. Raises httpx.HTTPError."""
        return self._http.get(path, headers=self.token()).raise_for_status().json()

    def token(self) -> dict[str, str]:
        """The header that opens the API and the pages. Raises TokenError."""
        return {"authorization": f"Bearer {admin_token.kept(self._data).get_secret_value()}"}

    def tail(self, lines: int = 20) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Ask it to end, and wait; the exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def close(self) -> None:
        """End it and let go of everything."""
        self.stop()
        self._http.close()

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
