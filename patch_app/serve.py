"""`patch-app serve`: the HTTP surface and the engine in one process, until a signal ends it.

Without an App it serves /setup, and goes on as the whole server once one is registered there. Webhooks
are taken even while GitHub can't be reached; what they say waits in the inbox. Refuses to start with
settings it can't use.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import socket
import sys
from collections.abc import Iterable
from typing import Final

import structlog
from pydantic import SecretStr

from patch_app import admin_token, credentials, data_dir, identity, logs
from patch_app.admin_token import TokenError
from patch_app.credentials import AppIdentity, CredentialsError, Place, StoredApp
from patch_app.engine import assemble
from patch_app.engine.engine import Engine
from patch_app.github.errors import GitHubError, Later
from patch_app.identity import Known
from patch_app.settings import AppCredentials, Settings, SettingsError
from patch_app.store.store import Store
from patch_app.web import tickets
from patch_app.web.app import Site, create_app
from patch_app.web.auth import Admin
from patch_app.web.door import Door
from patch_app.web.registrar import Registrar, convert
from patch_app.web.server import Server, listen, url_of
from patch_app.web.setup import PATH as SETUP_PATH
from patch_app.web.setup import Setup

# seconds until GitHub is asked again who we are
PAUSE: Final = 5.0
_KEY: Final = "setup"

log = structlog.get_logger("server")


def serve(settings: Settings, admin: type[Admin] = Admin) -> int:
    """Run until SIGINT or SIGTERM; the exit status. Raises SettingsError, StoreError.

    `admin` decides who may ask. No setting changes it: the demo, a program of its own, gives another one.
    """
    # first of all: a second server by mistake ends here, before it touches what the first one writes
    bound = listen(settings.host, settings.port)
    try:
        closed = data_dir.prepare(settings.data_dir)
        seen = _forget_seen_token(closed)
        settings = _with_token(settings)
        known, lost = _known(settings)
        _configure_logs(settings, known.app.secrets() if known else ())
        for one in closed:
            log.warning("others could read this until now", path=str(one.path), mode=one.mode)
        if seen:
            log.warning("another admin token is used from now on, since others could read the one before")
        store = Store.open(settings.data_dir)
    except BaseException:
        bound.close()
        raise
    try:
        return asyncio.run(_Process(settings, store, known, lost=lost, admin=admin).run(bound))
    finally:
        store.close()


def _forget_seen_token(closed: Iterable[data_dir.Closed]) -> bool:
    """Whether the kept token was one that others could read; then the next one is made."""
    seen = [one.path for one in closed if one.path.name == admin_token.FILE_NAME]
    for path in seen:
        path.unlink(missing_ok=True)
    return bool(seen)


def _with_token(settings: Settings) -> Settings:
    """With an admin token, whether one is set or not. Raises SettingsError."""
    if settings.patch_admin_token is not None:
        return settings
    try:
        return settings.model_copy(update={"patch_admin_token": admin_token.kept(settings.data_dir)})
    except TokenError as error:
        raise SettingsError((str(error),)) from None


def _known(settings: Settings) -> tuple[Known | None, bool]:
    """The App where there is one, and whether an earlier registration was cut off. Raises SettingsError."""
    try:
        lost = credentials.recover(settings.data_dir)
    except CredentialsError as error:
        raise SettingsError((str(error),)) from None
    known = identity.known(settings)
    if known is None:
        _check_setup(settings)
    return known, lost


def _check_setup(settings: Settings) -> None:
    """Raises SettingsError for what would make a new App useless."""
    problems = []
    if settings.app_credentials is AppCredentials.PRINT and not sys.stdout.isatty():
        problems.append("APP_CREDENTIALS: print needs a terminal to print on (a container: docker run -it)")
    if settings.poll_deliveries is False and settings.public_url is None:
        problems.append(
            "POLL_DELIVERIES: is off, and without PUBLIC_URL GitHub can't deliver: set one of them"
        )
    if problems:
        raise SettingsError(tuple(problems))


def _configure_logs(settings: Settings, more: Iterable[SecretStr]) -> None:
    # a key from a file, or one that was handed out just now, is a secret too
    logs.configure(settings.log_format, settings.log_level, (*settings.secrets(), *more))


class _Process:
    """The two halves, and what one has to know of the other."""

    def __init__(
        self, settings: Settings, store: Store, known: Known | None, *, lost: bool, admin: type[Admin]
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._store = store
        self._known = known
        self._lost = lost
        self._registered = asyncio.Event()
        self._engine: Engine | None = None
        self._failed = False
        self._server: Server | None = None

    async def run(self, bound: socket.socket) -> int:
        own_url = url_of(bound)
        site = create_app(
            self._settings, self._store, self._wake, lambda: not self._failed, admin=self._admin
        )
        self._server = Server(site)
        log.info("listening", url=own_url, data=str(self._settings.data_dir))
        await tickets.announce_start(self._store, self._settings.public_url or own_url)
        log.warning("the pages, for one browser", url=await tickets.address(self._store, assemble.utc_now()))
        if self._known is None:
            await self._open_setup(site, own_url)
        else:
            for line in self._known.overridden:
                log.warning("the environment wins", reason=line)
            self._become(site, self._known.app)
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

    async def _open_setup(self, site: Site, own_url: str) -> None:
        settings = self._settings
        url = settings.public_url or own_url
        printed = settings.app_credentials is AppCredentials.PRINT
        # an address that people use is no address for GitHub where its deliveries are polled
        reachable = settings.public_url is not None and not settings.poll_deliveries
        door = Door(
            key=await self._setup_key(),
            clock=assemble.utc_now,
            announce=lambda code: log.warning("setup: no App yet", url=f"{url}{SETUP_PATH}", code=code),
        )
        if self._lost:
            log.warning(
                "setup was cut off: an App may be on GitHub whose credentials are lost; delete it there",
                settings=f"{settings.github_url}/settings/apps",
            )
        setup = Setup(
            door=door,
            registrar=Registrar(
                convert=functools.partial(convert, settings.github_api_url),
                place=None if printed else Place(settings.data_dir),
                show=_show,
                github_url=settings.github_url,
                reachable=reachable,
            ),
            registered=functools.partial(self._on_registered, site),
            admin=site.admin,
            github_url=settings.github_url,
            public_url=settings.public_url,
            own_url=own_url,
            printed=printed,
            polls=0 if reachable else settings.poll_deliveries_seconds,
            lost=self._lost,
            render=site.pages.page,
        )
        site.open_setup(setup)
        door.new_code()

    async def _setup_key(self) -> bytes:
        """Signs what a browser brings back from GitHub, also after a restart in between."""
        kept = await self._store.cursor(_KEY)
        key = kept["key"] if kept else secrets.token_hex(32)
        if kept is None:
            await self._store.set_cursor(_KEY, {"key": key})
        return bytes.fromhex(key)

    def _on_registered(self, site: Site, app: StoredApp) -> None:
        """The rest of the server starts."""
        _configure_logs(self._settings, app.identity.secrets())
        if self._settings.app_credentials is AppCredentials.PRINT:
            # until the next start, which has them in its environment
            held = app.identity
            self._settings = self._settings.model_copy(
                update={
                    "github_app_id": held.id,
                    "github_app_private_key": held.private_key,
                    "github_webhook_secret": held.webhook_secret,
                    "poll_deliveries": self._settings.poll_deliveries or not app.reachable,
                }
            )
        log.info("the App is registered", slug=app.slug, install=app.install_url)
        self._become(site, identity.need(self._settings))

    def _become(self, site: Site, app: AppIdentity) -> None:
        if app.webhook_secret is not None:
            site.open_webhook(app.webhook_secret)
        self._registered.set()

    def _wake(self) -> None:
        if self._engine is not None:
            self._engine.wake()

    async def _run_engine(self) -> None:
        await self._registered.wait()
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
                    "GitHub doesn't know this App: check GITHUB_APP_ID and its key, or github-app.json in "
                    "DATA_DIR",
                    reason=error.message,
                )
                break
            except Exception:
                log.exception("the engine ended")
                break
        self._failed = True
        if self._server is not None:
            self._server.should_exit = True


def _show(app: StoredApp) -> None:
    """Once, on the terminal and past the log."""
    key = app.identity.private_key.get_secret_value().strip().replace("\n", "\\n")
    secret = app.identity.webhook_secret
    lines = [
        f"The credentials of {app.slug}, shown this once. Put them into your secret store:",
        f"GITHUB_APP_ID={app.identity.id}",
        *([f"GITHUB_WEBHOOK_SECRET={secret.get_secret_value()}"] if secret else []),
        *([] if app.reachable else ["POLL_DELIVERIES=true"]),
        f'GITHUB_APP_PRIVATE_KEY="{key}"',
    ]
    sys.stdout.write("\n".join(["", *lines, "", ""]))
    sys.stdout.flush()
