"""/setup on a site of its own: GitHub's answer is what the test says, the file is real."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from patch_app.credentials import Place, StoredApp
from patch_app.github.setup import AppCredentials
from patch_app.web.app import Site
from patch_app.web.door import Door
from patch_app.web.registrar import Registrar
from patch_app.web.setup import Setup
from tests.keys import pem

from .conftest import World

HTML = {"accept": "text/html"}


def credentials(**changed: Any) -> AppCredentials:
    values: dict[str, Any] = {
        "id": 5,
        "slug": "mine",
        "client_id": "Iv1",
        "client_secret": SecretStr("client-value"),
        "webhook_secret": SecretStr("hook-value"),
        "private_key": SecretStr(pem()),
        "html_url": "https://github.com/apps/mine",
    }
    return AppCredentials(**(values | changed))


@dataclass
class Registration:
    """`answers`: what GitHub says to each code in turn, the last one again and again."""

    world: World
    site: Site
    answers: list[AppCredentials | Exception] = field(default_factory=lambda: [credentials()])
    asked: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    registered: list[StoredApp] = field(default_factory=list)
    shown: list[StoredApp] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(self.world.store.path.parent)

    async def convert(self, code: str) -> AppCredentials:
        self.asked.append(code)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def door(self, key: bytes = b"k" * 32) -> Door:
        return Door(key=key, clock=lambda: self.world.now[0], announce=self.codes.append)

    def setup(self, *, printed: bool = False, github_url: str = "https://github.com", **given: Any) -> Setup:
        door = self.door()
        door.new_code()
        values: dict[str, Any] = {
            "door": door,
            "registrar": Registrar(
                convert=self.convert,
                place=None if printed else self.place,
                show=self.shown.append,
                github_url=github_url,
                reachable=True,
            ),
            "registered": self.registered.append,
            "admin": self.site.admin,
            "github_url": github_url,
            "public_url": None,
            "own_url": "http://127.0.0.1:3000",
            "printed": printed,
            "polls": 0,
            "render": self.site.pages.page,
        }
        return Setup(**(values | given))

    def client(self, peer: str = "127.0.0.1", base_url: str = "http://127.0.0.1:3000") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.site, client=(peer, 50000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base_url, headers=HTML)

    async def enter(self, client: httpx.AsyncClient, **headers: str) -> httpx.Response:
        return await client.post("/setup", data={"code": self.codes[-1]}, headers=headers)

    async def offered(self, client: httpx.AsyncClient, query: str = "") -> tuple[str, str, dict[str, Any]]:
        """Comes in where that wasn't done; where the form goes, its state, the manifest."""
        if "patch_app_setup" not in client.cookies:
            assert (await self.enter(client)).status_code == 303
        text = (await client.get(f"/setup{query}")).text
        action = re.search(r'<form class="panel" method="post" action="([^"]+)"', text)
        sent = re.search(r'name="manifest" value="([^"]+)"', text)
        assert action is not None
        assert sent is not None, text
        url = html.unescape(action[1])
        return url, parse_qs(urlsplit(url).query)["state"][0], json.loads(html.unescape(sent[1]))

    async def back(self, client: httpx.AsyncClient, state: str, code: str = "abc") -> httpx.Response:
        return await client.get("/setup/callback", params={"code": code, "state": state})


def opened(world: World, **given: Any) -> Registration:
    site = world.site(github_webhook_secret=None, **given.pop("settings", {}))
    registration = Registration(world, site)
    site.open_setup(registration.setup(**given))
    return registration
