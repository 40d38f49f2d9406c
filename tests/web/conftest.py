"""The site over a store of its own, asked in process or over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from patch_app.settings import NOT_YET, Settings
from patch_app.store import Store
from patch_app.web.app import Site, create_app
from patch_app.web.server import Server, listen, url_of

from .samples import NOW

SECRET = "it's a secret to everybody"
ADMIN = "0123456789abcdef-admin"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*(name.upper() for name in Settings.model_fields), *NOT_YET}:
        monkeypatch.delenv(name, raising=False)


@dataclass
class World:
    store: Store
    wakes: int = 0
    alive: bool = True
    now: list[Any] = field(default_factory=lambda: [NOW])

    def wake(self) -> None:
        self.wakes += 1

    def site(self, **settings: Any) -> Site:
        chosen = Settings(**({"github_webhook_secret": SECRET, "patch_admin_token": ADMIN} | settings))
        return create_app(chosen, self.store, self.wake, lambda: self.alive, clock=lambda: self.now[0])

    def client(self, **given: Any) -> httpx.AsyncClient:
        """Somebody with the token."""
        client = self.stranger(**given)
        client.headers["authorization"] = f"Bearer {ADMIN}"
        return client

    def stranger(
        self, peer: str = "127.0.0.1", base_url: str = "http://127.0.0.1:3000", **settings: Any
    ) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            self.site(**settings), client=(peer, 50000), raise_app_exceptions=False
        )
        return httpx.AsyncClient(transport=transport, base_url=base_url)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(tmp_path / "data", clock=lambda: NOW)
    yield World(store)
    store.close()


@dataclass
class Running:
    url: str
    server: Server
    task: asyncio.Task[None]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


Serve = Callable[[Site], AbstractAsyncContextManager[Running]]


@pytest.fixture
def serve() -> Serve:
    return _serve


@asynccontextmanager
async def _serve(site: Site) -> AsyncIterator[Running]:
    bound: socket.socket = listen("127.0.0.1", 0)
    server = Server(site)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield Running(url_of(bound), server, task)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)
        bound.close()
