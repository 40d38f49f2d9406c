"""`patch-app serve`: the HTTP surface and the engine in one process, until a signal ends it.

Webhooks are taken even while GitHub can't be reached; what they say waits in the inbox. Refuses to
start with settings it can't use.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import structlog

from patch_app import logs
from patch_app.engine import assemble
from patch_app.engine.engine import Engine
from patch_app.github.errors import GitHubError, Later
from patch_app.settings import Settings
from patch_app.store.store import Store
from patch_app.web.app import create_app
from patch_app.web.server import Server, listen, url_of

# seconds until GitHub is asked again who we are
PAUSE: Final = 5.0

log = structlog.get_logger("server")


def serve(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM; the exit status. Raises SettingsError, StoreError."""
    # what is missing is said before anything is opened; a key from a file is a secret too
    secrets = (*settings.secrets(), assemble.github_settings(settings).private_key)
    logs.configure(settings.log_format, settings.log_level, secrets)
    bound = listen(settings.host, settings.port)
    try:
        store = Store.open(settings.data_dir)
    except BaseException:
        bound.close()
        raise
    try:
        return asyncio.run(_Process(settings, store).run(bound))
    finally:
        store.close()


class _Process:
    """The two halves, and what one has to know of the other."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._engine: Engine | None = None
        self._failed = False
        self._server: Server | None = None

    async def run(self, bound: socket.socket) -> int:
        site = create_app(self._settings, self._store, self._wake, lambda: not self._failed)
        self._server = Server(site)
        log.info("listening", url=url_of(bound), data=str(self._settings.data_dir))
        engine = asyncio.create_task(self._run_engine())
        try:
            await self._server.serve(sockets=[bound])
        finally:
            if self._engine is not None:
                self._engine.stop()
                await engine
            else:
                engine.cancel()
                await asyncio.gather(engine, return_exceptions=True)
        log.info("stopped")
        return 1 if self._failed else 0

    def _wake(self) -> None:
        if self._engine is not None:
            self._engine.wake()

    async def _run_engine(self) -> None:
        while True:
            try:
                async with assemble.engine(self._settings, self._store) as engine:
                    self._engine = engine
                    await engine.run()
                    return
            except Later as error:
                log.warning("GitHub can't be reached yet", reason=error.message, seconds=PAUSE)
                await asyncio.sleep(error.retry_after or PAUSE)
            except GitHubError as error:
                log.error(
                    "GitHub doesn't know this App: check GITHUB_APP_ID and its key", reason=error.message
                )
                break
            except Exception:
                log.exception("the engine ended")
                break
        self._failed = True
        if self._server is not None:
            self._server.should_exit = True
