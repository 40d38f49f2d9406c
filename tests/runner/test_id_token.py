"""The token by which GitHub says who made an inbox commit: asked for once, for one commit, never shown."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from patch_app.runner import id_token

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"
WANTED = id_token.audience(7, "attempt01", "a" * 40)


@dataclass
class Actions:
    """Where jobs ask. `answers`: status and body for each request in turn, the last for all that follow."""

    answers: list[tuple[int, bytes]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: int = 0
    url: str = ""

    @property
    def source(self) -> id_token.Source:
        return id_token.Source(f"{self.url}/idtoken?api-version=2.0", "job-secret")


@contextmanager
def actions(*answers: tuple[int, bytes]) -> Iterator[Actions]:
    there = Actions(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != "/idtoken":
                there.elsewhere += 1
            audience = parse_qs(parts.query).get("audience", [""])[0]
            there.asked.append((audience, self.headers.get("Authorization", "")))
            status, body = there.answers.pop(0) if len(there.answers) > 1 else there.answers[0]
            if status == 0:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", f"{there.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()


GOOD = (200, json.dumps({"value": JWT}).encode())


def test_a_token_for_exactly_one_commit_is_asked_for() -> None:
    with actions(GOOD) as there:
        assert id_token.ask(there.source, WANTED) == JWT
    assert there.asked == [("patch-app-inbox:7:attempt01:" + "a" * 40, "bearer job-secret")]


def test_a_moment_of_trouble_is_waited_for() -> None:
    waited: list[float] = []
    with actions((503, b""), (200, b"{"), GOOD) as there:
        assert id_token.ask(there.source, WANTED, waited.append) == JWT
    assert (len(there.asked), waited) == (3, [3.0, 6.0])


@pytest.mark.parametrize(
    "answer",
    [
        (302, b""),
        (401, b""),
        (200, b"[]"),
        (200, b'{"value": 7}'),
        (200, b'{"value": "no token"}'),
        (200, b'{"value": "' + b"a" * 100_000 + b'.b.c"}'),
        (200, b"\xff"),
        (200, b"[" * 50_000),
        # another length than what comes
        (0, b""),
    ],
)
def test_what_is_no_token_is_none(answer: tuple[int, bytes]) -> None:
    nothing: Callable[[float], None] = lambda _: None  # noqa: E731
    with actions(answer) as there:
        assert id_token.ask(there.source, WANTED, nothing) is None
    assert (len(there.asked), there.elsewhere) == (id_token.TRIES, 0)


def test_nobody_is_there() -> None:
    source = id_token.Source("http://127.0.0.1:9/idtoken?x", "job-secret")
    assert id_token.ask(source, WANTED, lambda _: None) is None


def test_what_the_job_was_given_is_taken_out_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {id_token.URL: "https://host/idtoken?x", id_token.TOKEN: "job-secret"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert id_token.take_source(given) == id_token.Source(*given.values())
    assert not set(given) & set(os.environ)


@pytest.mark.parametrize(
    ("url", "token"),
    [("", ""), ("https://host/?x", ""), ("file:///etc/passwd?x", "t"), ("https://host/?x", "a\r\nb: c")],
)
def test_what_actions_never_gives_is_nothing(url: str, token: str) -> None:
    assert id_token.take_source({id_token.URL: url, id_token.TOKEN: token}) is None
