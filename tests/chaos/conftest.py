"""The killable world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.world import Killable, killable_at


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Killable]:
    with killable_at(tmp_path) as world:
        yield world
