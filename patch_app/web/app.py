"""Puts the HTTP surface together: webhook intake, query API, pages. Starts no work by itself.

Errors are {"error": ...} on every JSON route, and no answer leaves without its security headers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from patch_app.settings import Settings
from patch_app.store import Store, StoreError
from patch_app.web.api import Wishes, query_api
from patch_app.web.auth import Access, Admin
from patch_app.web.dashboard import STATIC, Dashboard
from patch_app.web.live import Live
from patch_app.web.setup import CALLBACK, Setup
from patch_app.web.setup import PATH as SETUP_PATH
from patch_app.web.webhook import Webhook

WEBHOOK_PATH: Final = "/webhooks/github"
# what anybody may read
_OPEN: Final = ("/healthz", "/login", WEBHOOK_PATH)

_ASK: Final = {"www-authenticate": "Bearer"}
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
)

log = structlog.get_logger("web")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Site(FastAPI):
    """The application. Webhooks don't pass through FastAPI: that would halve the intake."""

    live: Live
    admin: Admin
    pages: Dashboard
    intake: Callable[[SecretStr], Webhook]
    webhook: Webhook | None = None
    # until the App is registered, and None where it was before the start
    registration: Setup | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif self.webhook is not None and scope["path"] == WEBHOOK_PATH:
            await self.webhook(scope, receive, send)
        else:
            sending = _with_headers(send)
            refusal = self._refusal(Request(scope))
            await (refusal or super().__call__)(scope, receive, sending)

    def open_webhook(self, secret: SecretStr) -> None:
        """From now on webhooks are taken."""
        self.webhook = self.intake(secret)

    def open_setup(self, setup: Setup) -> None:
        """From now on, until it says otherwise, the App can be registered."""
        self.registration = setup
        self.include_router(setup.router())

    def _refusal(self, request: Request) -> Response | None:
        """What is answered instead. Everything is closed but what is named as open."""
        # what routes are chosen by, too: Starlette's `url` is put together with the Host header
        path = request.scope["path"]
        if path in _OPEN or path.startswith("/static/"):
            return None
        if self.registration is not None and path in (SETUP_PATH, CALLBACK):
            return None  # it has a door of its own
        if self.registration is not None and self.registration.open and path == "/":
            return RedirectResponse(SETUP_PATH, 303)
        match self.admin.access(request):
            case Access.OPEN:
                return None
            case Access.TOKEN_NEEDED if _is_page(request):
                return RedirectResponse(f"/login?next={quote(path)}", 303)
            case Access.TOKEN_NEEDED:
                said = (
                    "send the admin token (PATCH_ADMIN_TOKEN, else the file admin-token in DATA_DIR) as "
                    "Authorization: Bearer or X-Patch-Admin-Token"
                )
                return self.problem(request, 401, said, _ASK)
            case Access.FOREIGN:
                said = (
                    "only a page of this server may ask for this with a browser's session; if this is one, "
                    "set PUBLIC_URL to the address that you see, or have the proxy pass the Host header on"
                )
                return self.problem(request, 403, said)
            case access:
                assert_never(access)

    def problem(
        self, request: Request, status: int, said: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """An error, in the form that the asker reads."""
        if _is_page(request):
            answer = self.pages.problem(request, status, said)
        else:
            answer = JSONResponse({"error": said}, status)
        answer.headers.update(headers or {})
        return answer


def _is_page(request: Request) -> bool:
    path = request.scope["path"]
    shown = path == "/" or path.startswith(("/attempts/", "/login", SETUP_PATH))
    return shown and "text/html" in request.headers.get("accept", "")


def create_app(
    settings: Settings,
    store: Store,
    wake: Callable[[], None],
    alive: Callable[[], bool],
    *,
    clock: Callable[[], datetime] = _utc_now,
    admin: type[Admin] = Admin,
) -> Site:
    """The application for uvicorn (see web/server). Raises ValueError for settings without an admin token:
    nothing is open because one is missing.

    `wake` is called after each new inbox row; `alive` says whether the engine runs; `admin` decides who may
    ask. Without a webhook secret in the environment there is no webhook endpoint until `open_webhook`.
    """
    if settings.patch_admin_token is None:
        raise ValueError("the settings have no admin token")
    live = Live()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        leave = store.subscribe(live.ring)
        try:
            yield
        finally:
            leave()

    site = Site(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    site.live = live
    site.intake = lambda secret: Webhook(secret=secret, add=store.inbox_add, wake=wake, clock=clock)
    if settings.github_webhook_secret is not None:
        site.open_webhook(settings.github_webhook_secret)
    site.admin = admin(token=settings.patch_admin_token, clock=clock, public_url=settings.public_url)
    site.pages = Dashboard(
        store=store,
        live=live,
        admin=site.admin,
        wishes=Wishes(store, wake, clock),
        github_url=settings.github_url,
    )
    _health(site, store, alive)
    site.include_router(query_api(store, wake, clock))
    site.include_router(site.pages.router())
    site.mount("/static", STATIC)
    _errors(site)
    return site


def _health(site: Site, store: Store, alive: Callable[[], bool]) -> None:
    @site.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> JSONResponse:
        """Whether the database answers and the engine runs."""
        try:
            await store.pulse()
        except StoreError as error:
            log.error("not healthy", reason=str(error))
            return JSONResponse({"status": "error", "error": "the database doesn't answer"}, 503)
        if not alive():
            return JSONResponse({"status": "error", "error": "the engine doesn't run"}, 503)
        return JSONResponse({"status": "ok"})


def _errors(site: Site) -> None:
    @site.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return site.problem(request, error.status_code, str(error.detail), error.headers)

    @site.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return site.problem(request, 400, f"{where}: {first['msg']}")

    @site.exception_handler(StoreError)
    async def not_stored(request: Request, error: StoreError) -> Response:
        log.error("the store failed", reason=str(error))
        return site.problem(request, 503, "the database doesn't answer", {"retry-after": "30"})

    @site.exception_handler(Exception)
    async def unexpected(request: Request, _: Exception) -> Response:
        # the traceback is logged by the server
        return site.problem(request, 500, "something went wrong; the log has it")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = message["headers"]
            # a page may say otherwise
            there = {name for name, _ in headers}
            more = [(name, value) for name, value in _HEADERS if name not in there]
            message = {**message, "headers": [*headers, *more]}
        await send(message)

    return sending
