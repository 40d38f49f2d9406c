"""A store in a directory of its own, and records to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from patch_app.core.attempt import Attempt
from patch_app.core.events import Kind
from patch_app.store import Incoming, Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, clock=lambda: NOW)
    yield opened
    opened.close()


def delivery(key: str, payload: bytes = b"{}") -> Incoming:
    return Incoming(
        kind=Kind.DELIVERY, key=key, payload=payload, headers={"x-github-event": "push"}, received=NOW
    )


def new_attempt(name: str = "a" * 16, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "id": name,
        "event": "e" * 16,
        "installation_id": 1,
        "repository_id": 7_000_000_000,
        "repository": "alice/tool",
        "upstream": "upstream-org/tool",
        "tag": "v2.0.0",
        "stack": "main",
        "created": NOW,
        "updated": NOW,
    }
    return Attempt(**(values | changes))
