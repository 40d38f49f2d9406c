"""Fixtures of the runner's tests: real Git in a temporary directory, nothing beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
