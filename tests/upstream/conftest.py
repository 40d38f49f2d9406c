from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from patch_app.github.client import TokenClient
from patch_app.github.transport import Transport


class FakeApi:
    """GraphQL answers in turn, REST answers by path."""

    def __init__(self) -> None:
        self.graphql: list[dict] = []
        self.rest: dict[str, httpx.Response] = {}
        self.queries: list[dict] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/graphql":
            self.queries.append(json.loads(request.content))
            return httpx.Response(200, json=self.graphql.pop(0))
        found = self.rest.get(request.url.path.removeprefix("/api/v3"))
        return found or httpx.Response(404, json={"message": "Not Found"})


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def client(api) -> AsyncIterator[TokenClient]:
    transport = Transport("http://127.0.0.1:1/api/v3", transport=httpx.MockTransport(api))
    yield TokenClient(transport, None)
    await transport.aclose()
