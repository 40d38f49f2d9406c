"""Turns the code that GitHub sends back into credentials, and puts them where they belong.

GitHub hands them out once. So room is made first, what was handed out is held until it is written, and
what goes wrong says what is left to do. Refuses to write a secret to the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import httpx

from patch_app.credentials import AppIdentity, CredentialsError, Place, StoredApp
from patch_app.github.client import Client
from patch_app.github.errors import Bug, Later, NotFound, Refused, Unknown
from patch_app.github.setup import AppCredentials, convert_code
from patch_app.github.transport import Transport

_AGAIN: Final = "Then reload this page; GitHub's code is good for an hour."


class RegistrationError(Exception):
    """The App could not be taken over. `again`: the same address, loaded again, may do it."""

    def __init__(self, said: str, todo: str, *, again: bool) -> None:
        super().__init__(said)
        self.said = said
        self.todo = todo
        self.again = again


@dataclass(kw_only=True)
class Registrar:
    """`place` None: the credentials are shown by `show`, once, and not stored."""

    convert: Callable[[str], Awaitable[AppCredentials]]
    place: Place | None
    show: Callable[[StoredApp], None]
    github_url: str
    reachable: bool
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # handed out and not written yet, with the code that they were for
    _held: tuple[str, StoredApp] | None = field(default=None, repr=False)
    # where they are by now: a browser may send the same return twice
    _done: tuple[str, StoredApp] | None = field(default=None, repr=False)

    async def register(self, code: str) -> StoredApp:
        """The App that belongs to the code, its credentials written. Raises RegistrationError."""
        async with self._lock:
            if self._done is not None:
                if self._done[0] != code:
                    raise _stored_already()
                return self._done[1]
            if self._held is None or self._held[0] != code:
                await self._reserve()
                self._held = (code, self._app(await self._converted(code)))
            app = self._held[1]
            if self.place is None:
                self.show(app)
            else:
                await self._keep(self.place, app)
            self._held, self._done = None, (code, app)
            return app

    async def _reserve(self) -> None:
        if self.place is None:
            return
        try:
            await asyncio.to_thread(self.place.reserve)
        except FileExistsError:
            raise _stored_already() from None
        except OSError as error:
            await asyncio.to_thread(self.place.release)
            raise RegistrationError(
                f"{self.place.path} can't be written: {error.strerror}.",
                f"GitHub has the App and holds its credentials until they are fetched. Make room. {_AGAIN}",
                again=True,
            ) from None

    async def _converted(self, code: str) -> AppCredentials:
        try:
            return await self.convert(code)
        except Unknown as error:
            # the room stays taken: after a crash it tells that credentials may have been handed out
            raise RegistrationError(
                f"GitHub's answer was lost: {error.message}",
                "Reload this page. If GitHub doesn't know the code then, they went with the answer: "
                f"delete the App at {self.github_url}/settings/apps and begin again.",
                again=True,
            ) from None
        except Later as error:
            await self._release()
            raise RegistrationError(f"GitHub can't be reached: {error.message}", _AGAIN, again=True) from None
        except NotFound:
            await self._release()
            raise RegistrationError(
                "GitHub doesn't know this code, or doesn't any more: it was used, or is over an hour old.",
                f"If an App was made, it stands at {self.github_url}/settings/apps (an organisation's in its "
                "own settings): delete it there and begin again.",
                again=False,
            ) from None
        except (Refused, Bug) as error:
            await self._release()
            raise RegistrationError(f"GitHub refused: {error.message}", "Begin again.", again=False) from None

    def _app(self, made: AppCredentials) -> StoredApp:
        identity = AppIdentity(id=made.id, private_key=made.private_key, webhook_secret=made.webhook_secret)
        page, github = httpx.URL(made.html_url), httpx.URL(self.github_url)
        at_home = (page.scheme, page.host, page.port) == (github.scheme, github.host, github.port)
        return StoredApp(
            identity=identity,
            slug=made.slug,
            # a browser is sent there
            html_url=made.html_url if at_home else f"{self.github_url}/apps/{made.slug}",
            github_url=self.github_url,
            reachable=self.reachable,
        )

    async def _keep(self, place: Place, app: StoredApp) -> None:
        try:
            await asyncio.to_thread(place.keep, app)
        except FileExistsError:
            raise _stored_already() from None
        except (OSError, CredentialsError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise RegistrationError(
                f"{place.path} can't be written: {reason}.",
                "The server holds the App's credentials until it ends, so don't stop it. Make room, and "
                "reload this page.",
                again=True,
            ) from None

    async def _release(self) -> None:
        if self.place is not None:
            await asyncio.to_thread(self.place.release)


def _stored_already() -> RegistrationError:
    return RegistrationError(
        "This server has an App's credentials already, and they are never overwritten.",
        "Delete the App that you just made on GitHub. Start the server again to use what it has.",
        again=False,
    )


async def convert(api_url: str, code: str) -> AppCredentials:
    """The credentials for a code, asked without a token. Raises NotFound, Later, Refused, Bug."""
    transport = Transport(api_url)
    try:
        return await convert_code(Client(transport), code)
    finally:
        await transport.aclose()
