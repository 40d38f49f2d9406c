"""Runs the HTTP server, and stops it without cutting anybody off.

Refuses to believe forwarding headers: who asks is who connects (see web/auth).
"""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import Final

import uvicorn

from patch_app.settings import SettingsError
from patch_app.web.app import Site

# a request that is under way at a stop gets this long
GRACE_SECONDS: Final = 10
# streams of open pages count too
MAX_CONNECTIONS: Final = 1000


class Server(uvicorn.Server):
    """uvicorn, which on a stop first ends the pages' streams: they would never end by themselves."""

    def __init__(self, site: Site) -> None:
        self._site = site
        super().__init__(
            uvicorn.Config(
                site,
                proxy_headers=False,
                server_header=False,
                access_log=False,
                # logs are set up by patch_app.logs
                log_config=None,
                lifespan="on",
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for a stop. uvicorn's own would raise it again when HTTP has ended, and so kill the
        engine in the middle of a step.
        """
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then what uvicorn does."""
        self._site.live.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket for `Server.serve(sockets=[...])`. Raises SettingsError with what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(
            (f"HOST: {host!r} isn't an address of this machine ({error.strerror})",)
        ) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise SettingsError(
            (f"PORT: can't listen on {host} port {port} ({error.strerror}); set another HOST or PORT",)
        ) from None
    bound.setblocking(False)
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a bound socket as people type it."""
    host, port = bound.getsockname()[:2]
    match host:
        case "0.0.0.0":  # noqa: S104 - all addresses, this machine's own among them
            host = "127.0.0.1"
        case "::":
            host = "[::1]"
        case _ if ":" in host:
            host = f"[{host}]"
    return f"http://{host}:{port}"
