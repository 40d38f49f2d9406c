"""/setup: registers the App on GitHub from its manifest, and takes over its credentials. Only while there is
none.

Open to who has the one-time code of the server's log. Refuses to put a secret on a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from patch_app.credentials import StoredApp
from patch_app.github.setup import manifest, registration_url
from patch_app.web.auth import Admin, origin_of
from patch_app.web.dashboard import read_form
from patch_app.web.door import LIFE, Door, StateProblem, Ticket
from patch_app.web.registrar import Registrar, RegistrationError

PATH: Final = "/setup"
CALLBACK: Final = "/setup/callback"
COOKIE: Final = "patch_app_setup"
# "The name cannot be longer than 34 characters": docs.github.com, "Registering a GitHub App"
MAX_NAME: Final = 34
_ORGANIZATION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
# a browser that is on the server's machine, or reaches it by a tunnel from its own
_OWN_MACHINE: Final = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")

_STATE_WORDS: Final = {
    StateProblem.NO_TICKET: "This isn't the browser in which it began, or its cookie is gone.",
    StateProblem.FOREIGN: "This address wasn't made for this browser, or not by this server.",
    StateProblem.EXPIRED: "The registration was begun over an hour ago.",
    StateProblem.USED: "This registration was finished before.",
}

log = structlog.get_logger("setup")


@dataclass(kw_only=True)
class Setup:
    """The pages. `registered` is told of the App once it is taken over; from then on the pages are gone."""

    door: Door
    registrar: Registrar
    registered: Callable[[StoredApp], None]
    admin: Admin
    github_url: str
    public_url: str | None
    # where it listens: what this machine's browsers use, where PUBLIC_URL says nothing else
    own_url: str
    # credentials are shown on the terminal, not stored
    printed: bool
    # seconds between two looks at the delivery list, 0 where GitHub is to deliver
    polls: float
    # credentials of an earlier try may have been lost
    lost: bool = False
    render: Callable[..., HTMLResponse]
    open: bool = True

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(PATH, self.page, methods=["GET"], response_class=HTMLResponse)
        router.add_api_route(PATH, self.enter, methods=["POST"], response_class=HTMLResponse)
        router.add_api_route(CALLBACK, self.callback, methods=["GET"], response_class=HTMLResponse)
        return router

    async def page(self, request: Request) -> Response:
        """Asks for the code; who has given it sees what will be registered, and a button that does it."""
        if not self.open:
            return RedirectResponse("/", 303)
        ticket = self.door.holder(request.cookies.get(COOKIE, ""))
        if ticket is None:
            return self._door(request)
        organization = request.query_params.get("organization", "").strip()
        name = request.query_params.get("name", "").strip()
        wrong = _wrong(organization, name)
        if wrong:
            organization, name = "", ""
        return self._offer(request, ticket, organization, name, wrong)

    async def enter(self, request: Request) -> Response:
        """Takes the code, gives a ticket."""
        if not self.open:
            return RedirectResponse("/", 303)
        origin = self._origin(request)
        if origin is None:
            return self._elsewhere(request)
        form = await read_form(request)
        if not self.door.enter(form.get("code", "")):
            return self._door(
                request, "That isn't the code. It may have been used: the newest in the log counts."
            )
        log.info("a browser came in with the code", peer=request.client.host if request.client else "")
        answer = RedirectResponse(PATH, 303)
        # Lax: a strict cookie would not come along when GitHub sends the browser back
        answer.set_cookie(
            COOKIE,
            self.door.ticket(origin),
            max_age=int(LIFE.total_seconds()),
            path=PATH,
            httponly=True,
            samesite="lax",
            secure=origin.startswith("https://"),
        )
        return answer

    async def callback(self, request: Request) -> Response:
        """Where GitHub sends the browser with its code."""
        if not self.open:
            return RedirectResponse("/", 303)
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        ticket = self.door.holder(request.cookies.get(COOKIE, ""))
        problem = self.door.problem(state, ticket)
        if problem is not None:
            log.warning("registration not taken", reason=problem.value)
            todo = "Open /setup in one browser and go through it there."
            if code:
                todo += f" If an App was made, delete it first: {self.github_url}/settings/apps has it."
            return self._problem(request, 403, _STATE_WORDS[problem], todo, again=False)
        if not _CODE.fullmatch(code):
            said = "GitHub sent the browser back without a code, so nothing was made."
            return self._problem(request, 400, said, "Begin again.", again=False)
        try:
            app = await self.registrar.register(code)
        except RegistrationError as error:
            if not error.again:
                self.door.use_up(state)
            log.error("registration failed", reason=error.said)
            return self._problem(request, 502, error.said, error.todo, again=error.again)
        if self.open:
            self.open = False
            self.registered(app)
        if self.printed:
            answer: Response = self.render(request, "setup_printed.html", install=app.install_url)
        else:
            answer = RedirectResponse(app.install_url, 303)
        answer.delete_cookie(COOKIE, path=PATH)
        # the code stood in the log beside a ticket, so who had it may see the pages; GitHub leads there next
        self.admin.begin_session(answer)
        return answer

    # Pages ----------------------------------------------------------------------------------------

    def _door(self, request: Request, wrong: str = "") -> HTMLResponse:
        return self.render(request, "setup_code.html", status=401 if wrong else 200, wrong=wrong)

    def _offer(
        self, request: Request, ticket: Ticket, organization: str, name: str, wrong: str
    ) -> HTMLResponse:
        # names are taken on all of GitHub, so the one that is offered has some chance in it
        name = name or f"patch-app-{ticket.nonce[:6]}"
        sent = manifest(ticket.origin, name=name, reachable=not self.polls)
        answer = self.render(
            request,
            "setup.html",
            status=400 if wrong else 200,
            action=registration_url(
                self.github_url, self.door.state(ticket), organization=organization or None
            ),
            manifest=json.dumps(sent),
            organization=organization,
            name=name,
            max_name=MAX_NAME,
            wrong=wrong,
            lost=self.lost,
            github=urlsplit(self.github_url).netloc,
            github_url=self.github_url,
            hook=sent["hook_attributes"]["url"],
            polls=self.polls,
            printed=self.printed,
            permissions=sorted(sent["default_permissions"].items()),
        )
        parts = urlsplit(self.github_url)
        # this page's form goes to GitHub, and GitHub may look at where it comes from
        answer.headers["content-security-policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"form-action 'self' {parts.scheme}://{parts.netloc}; base-uri 'none'; frame-ancestors 'none'"
        )
        answer.headers["referrer-policy"] = "strict-origin"
        return answer

    def _problem(self, request: Request, status: int, said: str, todo: str, *, again: bool) -> HTMLResponse:
        return self.render(request, "setup_problem.html", status=status, said=said, todo=todo, again=again)

    # Where the browser is ---------------------------------------------------------------------------

    def _origin(self, request: Request) -> str | None:
        """Where GitHub sends the browser back to: PUBLIC_URL, else an address of the browser's own machine.

        The Host header has no say: behind a proxy it is the server's, or anybody's. None where the browser is
        at another address: its cookie would not come along.
        """
        said = request.headers.get("origin", "")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return None
        if self.public_url is not None:
            return self.public_url if said in ("", origin_of(self.public_url)) else None
        if not said:
            return self.own_url
        return said if _OWN_MACHINE.fullmatch(said) else None

    def _elsewhere(self, request: Request) -> Response:
        if self.public_url is not None:
            said = "This isn't the address that PUBLIC_URL names."
            todo = f"Open {self.public_url}{PATH} instead: GitHub will send the browser there."
        else:
            said = "The server doesn't know the address at which this browser reaches it."
            todo = (
                "Set PUBLIC_URL to that address and start the server again, or open this page on the "
                f"server's own machine: {self.own_url}{PATH}"
            )
        return self._problem(request, 400, said, todo, again=False)


def _wrong(organization: str, name: str) -> str:
    if organization and not _ORGANIZATION.fullmatch(organization):
        return "An organization's name has letters, digits and hyphens."
    if len(name) > MAX_NAME or not name.isprintable():
        return f"An App's name has at most {MAX_NAME} characters."
    return ""
