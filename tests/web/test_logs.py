"""Logs: no secret reaches a line, whoever wrote it and in whatever form."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from patch_app.logs import REMOVED, Redactor, configure
from patch_app.settings import LogFormat, LogLevel
from tests.keys import pem

KNOWN = "correct-horse-battery"
TOKENS = {
    "installation": "ghs_" + "a1B2" * 9,
    "long installation": "ghs_123_eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl",
    "personal": "ghp_" + "Zz09" * 9,
    "user to server": "ghu_" + "Zz09" * 9,
    "fine-grained": "github_pat_11ABCDEFG_" + "x" * 40,
    "App JWT": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "git basic": base64.b64encode(b"x-access-token:ghs_abcdefgh").decode(),
}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_token_in_any_place_of_an_event(stream: io.StringIO, kind: str, log_format: LogFormat) -> None:
    token = TOKENS[kind]
    said = f"Basic {token}" if kind == "git basic" else token
    configure(log_format, LogLevel.DEBUG, (), stream)
    log = structlog.get_logger("x").bind(url=f"https://x-access-token:{token}@github.com/a/b.git")
    log.info(
        f"sent {said}", header=f"Bearer {token}", nested={"a": [{"b": said}], said: 1}, raw=said.encode()
    )
    log.warning("formatted %s", said)
    logging.getLogger("library").warning("went %s", said, extra={"more": said})
    try:
        raise RuntimeError(f"refused {said}")
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
        log.info("object", thing=RuntimeError(said), held=[Thing(said)])
    written = stream.getvalue()
    assert token not in written
    assert written.count(REMOVED) >= 12
    assert "failed too" in written
    assert "RuntimeError" in written


class Thing:
    def __init__(self, held: str) -> None:
        self.held = held

    def __repr__(self) -> str:
        return f"<Thing {self.held}>"


def test_known_secrets_and_keys_on_any_number_of_lines(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, (SecretStr(KNOWN), SecretStr(pem())), stream)
    log = structlog.get_logger()
    middle = pem().splitlines()[5]
    log.info("one", said=f"token={KNOWN}&x", key=pem(), line=f"was {middle}", quoted=repr(pem()))
    written = stream.getvalue()
    for secret in (KNOWN, middle, "MII"):
        assert secret not in written
    assert json.loads(written)["event"] == "one"


def test_value_under_a_secret_name_whatever_it_looks_like() -> None:
    event: dict[str, Any] = {
        "event": "e",
        "Authorization": "abc",
        "headers": {"Cookie": "abc", "x-patch-admin-token": "abc", "accept": "abc"},
        "webhook_secret": "abc",
        "token": "abc",
        "tokens": 3,
        "password": None,
    }
    assert Redactor()(None, "info", event) == {
        "event": "e",
        "Authorization": REMOVED,
        "headers": {"Cookie": REMOVED, "x-patch-admin-token": REMOVED, "accept": "abc"},
        "webhook_secret": REMOVED,
        "token": REMOVED,
        "tokens": 3,
        "password": None,
    }


def test_ordinary_words_stay(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, (SecretStr("abc"),), stream)
    structlog.get_logger("engine").info(
        "abc: pushed refs/heads/main to https://github.com/alice/tool@v2", sha="1" * 40, ghs="x"
    )
    line = json.loads(stream.getvalue())
    assert line["event"] == "abc: pushed refs/heads/main to https://github.com/alice/tool@v2"
    assert (line["level"], line["logger"], line["sha"]) == ("info", "engine", "1" * 40)
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_written(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.WARNING, (), stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("httpx").info("quiet")
    assert stream.getvalue() == ""


def test_auto_is_json_where_nobody_watches(stream: io.StringIO) -> None:
    configure(LogFormat.AUTO, LogLevel.INFO, (), stream)
    structlog.get_logger().info("hello", n=1)
    assert json.loads(stream.getvalue())["n"] == 1


HOSTILE = "v1\x1b[2J\x9b31m\u202e\u200b\r\n2026-01-01 [info] all is well"


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_text_of_strangers_in_any_place_of_an_event(stream: io.StringIO, log_format: LogFormat) -> None:
    configure(log_format, LogLevel.DEBUG, (), stream)
    log = structlog.get_logger("x")
    log.info(HOSTILE, tag=HOSTILE, nested={"a": [HOSTILE], HOSTILE: 1}, raw=HOSTILE.encode())
    log.warning("formatted %s", HOSTILE)
    logging.getLogger("library").warning("went %s", HOSTILE)
    assert all(char.isprintable() or char == "\n" for char in stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 3
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        log.exception("failed")
    assert all(char.isprintable() or char == "\n" for char in stream.getvalue())
    assert not any(line.startswith("2026-01-01 [info]") for line in stream.getvalue().splitlines())
