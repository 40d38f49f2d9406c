"""A person with a token.

Its job: REST calls and Git addresses for tests and the demo. It refuses to do anything that the token can't.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx

from patch_app.forge.core import Core


@cache
def _tls() -> ssl.SSLContext:
    """Never used on loopback, but httpx makes one a client, which takes longer than the request."""
    return ssl.create_default_context()


def _client() -> httpx.Client:
    return httpx.Client(timeout=30, trust_env=False, verify=_tls())


class RefusedError(Exception):
    """The local GitHub answered with an error: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Person:
    """Somebody who acts over HTTP."""

    def __init__(self, core: Core, login: str, token: str) -> None:
        self._core = core
        self.login = login
        self.token = token

    def __repr__(self) -> str:
        return f"Person({self.login!r})"

    def git_url(self, full_name: str) -> str:
        """The repository's address for git, with the token in it."""
        address = self._core.url.removeprefix("http://")
        return f"http://{self.login}:{self.token}@{address}/{full_name}.git"

    def request(
        self, method: str, path: str, json: Any = None, *, params: dict[str, Any] | None = None
    ) -> httpx.Response:
        """One REST request under version 2026-03-10; the answer as it came."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2026-03-10",
        }
        with _client() as client:
            return client.request(
                method, self._core.api_url + path, json=json, params=params, headers=headers
            )

    def api(self, method: str, path: str, json: Any = None, *, params: dict[str, Any] | None = None) -> Any:
        """One REST request: the parsed answer, None when empty. Errors: RefusedError for 400 and above."""
        answer = self.request(method, path, json, params=params)
        if answer.status_code >= 400:
            body = answer.json() if answer.content else {}
            raise RefusedError(answer.status_code, str(body.get("message", answer.reason_phrase)))
        return answer.json() if answer.content else None

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """One GraphQL request: the whole answer with `data` and `errors`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with _client() as client:
            url = f"{self._core.url}/api/graphql"
            return client.post(
                url, json={"query": query, "variables": variables or {}}, headers=headers
            ).json()
