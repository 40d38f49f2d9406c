"""Two pages, all attempts and one, which update by themselves; and the door to them.

Everything that comes from a repository is foreign text: templates escape it, no page holds a script
of its own, and only http(s) addresses become links.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from patch_app.core.events import Kind
from patch_app.store import AttemptFilter, Store, UnknownRecordError
from patch_app.web import records, view
from patch_app.web.api import Wishes, whole
from patch_app.web.auth import Access, Admin
from patch_app.web.live import Live

_HERE: Final = Path(__file__).parent
PAGE: Final = 50
# more open attempts than this are not on one page
MAX_OPEN: Final = 200
# commits of other processes are found by looking
LOOK_SECONDS: Final = 5.0
# many commits in a row are one change of the page
CALM_SECONDS: Final = 0.2
# a stream ends by itself after so many looks (an hour); browsers come again
MAX_LOOKS: Final = 720
_MAX_FORM: Final = 4096
_MAX_FIELDS: Final = 10
_USED: Final = "That address was used already, or is too old: each is good once, for an hour."

log = structlog.get_logger("pages")


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        # their names in pages carry their hash
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


STATIC: Final = _Static(directory=_HERE / "static")


@dataclass(kw_only=True)
class Dashboard:
    """The pages' routes. Who may use them is decided before they are reached."""

    store: Store
    live: Live
    admin: Admin
    wishes: Wishes
    github_url: str

    def __post_init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        version = hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted((_HERE / "static").iterdir()))
        ).hexdigest()[:12]
        self._templates.globals.update(
            {"view": view, "links": view.Links(self.github_url), "version": version, "signed_in": False}
        )

    def router(self) -> APIRouter:
        """The routes of the pages."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/", self.all_attempts, methods=["GET"], response_class=HTMLResponse)
        router.add_api_route(
            "/attempts/{attempt_id}", self.one_attempt, methods=["GET"], response_class=HTMLResponse
        )
        router.add_api_route("/attempts/{attempt_id}/sync", self.sync, methods=["POST"])
        router.add_api_route("/stream", self.stream, methods=["GET"])
        router.add_api_route("/login", self.door, methods=["GET"], response_class=HTMLResponse)
        router.add_api_route("/login", self.enter, methods=["POST"], response_class=HTMLResponse)
        router.add_api_route("/logout", self.leave, methods=["POST"])
        return router

    async def all_attempts(self, request: Request) -> Response:
        """Attempts that wait for a person, those under way, and those that ended."""
        before = request.query_params.get("before")
        pulse = await self.store.pulse()
        opened = [] if before else await self.store.attempts(AttemptFilter(open=True), MAX_OPEN)
        try:
            ended = await self.store.attempts(AttemptFilter(open=False), PAGE + 1, before)
        except UnknownRecordError:
            raise HTTPException(404, "there is no such page") from None
        waiting, under_way = view.groups([records.summary(one) for one in opened])
        shown = [records.summary(one) for one in ended[:PAGE]]
        return self.page(
            request,
            "attempts.html",
            stream="" if before else f"/stream?since={pulse}",
            forks=len(await self.store.forks()),
            waiting=waiting,
            under_way=under_way,
            ended=shown,
            before=before,
            older=shown[-1].id if len(ended) > PAGE else None,
        )

    async def one_attempt(self, request: Request, attempt_id: str) -> Response:
        """One attempt with all that was gathered."""
        pulse = await self.store.pulse(attempt_id)
        attempt = await self.store.attempt(attempt_id)
        found = await whole(self.store, attempt_id)
        return self.page(
            request,
            "attempt.html",
            stream=f"/stream?since={pulse}&attempt={quote(attempt_id)}",
            attempt=found,
            steps=view.path(found, attempt.resume if attempt else None),
        )

    async def sync(self, attempt_id: str) -> Response:
        """The page's button: read GitHub again."""
        await whole(self.store, attempt_id)
        await self.wishes.ask(Kind.SYNC, [attempt_id])
        return RedirectResponse(f"/attempts/{quote(attempt_id)}", 303)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: one `change` with the page's new pulse each time it changed."""
        attempt_id = request.query_params.get("attempt")
        since = request.query_params.get("since", "")
        return StreamingResponse(
            self._changes(attempt_id, since),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _changes(self, attempt_id: str | None, since: str) -> AsyncIterator[str]:
        seen = self.live.listen()
        yield "retry: 2000\n\n"
        for _ in range(MAX_LOOKS):
            pulse = await self.store.pulse(attempt_id)
            if self.live.closed:
                return
            if pulse != since:
                since = pulse
                yield f"event: change\ndata: {pulse}\n\n"
                await asyncio.sleep(CALM_SECONDS)
            else:
                yield ": still here\n\n"
            seen = await self.live.after(seen, LOOK_SECONDS)

    async def door(self, request: Request) -> Response:
        """Lets a browser in that brings a ticket; else the form that asks for the admin token."""
        ticket = request.query_params.get("ticket")
        if ticket is not None and await self.store.take_ticket(ticket, self.admin.clock()):
            log.info("a browser came in with a ticket", peer=request.client.host if request.client else "")
            return self._let_in("/")
        if self.admin.access(request) is Access.OPEN:
            return RedirectResponse("/", 303)
        return self._ask(request, request.query_params.get("next", ""), _USED if ticket is not None else "")

    async def enter(self, request: Request) -> Response:
        """Takes the token, gives a session."""
        form = await read_form(request)
        if not self.admin.right_token(form.get("token", "")):
            return self._ask(request, form.get("next", ""), "That isn't the token.")
        return self._let_in(_local(form.get("next", "")))

    async def leave(self) -> Response:
        """Ends the browser's session."""
        answer = RedirectResponse("/login", 303)
        self.admin.end_session(answer)
        return answer

    def _ask(self, request: Request, then: str, wrong: str) -> Response:
        status = 401 if wrong else 200
        return self.page(request, "login.html", status=status, next=_local(then), wrong=wrong)

    def _let_in(self, then: str) -> Response:
        answer = RedirectResponse(then, 303)
        self.admin.begin_session(answer)
        return answer

    def problem(self, request: Request, status: int, said: str) -> Response:
        """An error as a page."""
        return self.page(request, "problem.html", status=status, code=status, said=said)

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from its template."""
        html = self._templates.get_template(template).render(
            {"stream": "", "signed_in": self.admin.has_session(request)} | values
        )
        return HTMLResponse(html, status)


def _local(path: str) -> str:
    """A path of ours to go to; anything else is the front page."""
    name = path.removeprefix("/attempts/")
    return path if path != name and name.isascii() and name.isalnum() else "/"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form. Raises HTTPException for what is none, or isn't whole."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_FORM:
                raise HTTPException(413, "the form is too large")
    except ClientDisconnect:
        # nobody is there to read it
        raise HTTPException(400, "the form didn't come whole") from None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise HTTPException(400, "the form has too many fields") from None
    return {name: values[0] for name, values in fields.items()}
