"""The world of a story: `world`, arranged and served; `options`, `arranged` to arrange it otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patch_app.forge.core import ForgeOptions
from tests import keys
from tests.stories import jitter
from tests.stories.world import World, world_at


@pytest.fixture(autouse=True)
def _late(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    jitter.late(monkeypatch, request.node.name)


@pytest.fixture
def options(request: pytest.FixtureRequest) -> ForgeOptions:
    marker = request.node.get_closest_marker("forge")
    return ForgeOptions(new_key=keys.key, **(marker.kwargs if marker else {}))


@pytest.fixture
def bare(request: pytest.FixtureRequest, tmp_path: Path, options: ForgeOptions) -> Iterator[World]:
    """Not arranged and not served yet."""
    with world_at(tmp_path, options) as world:
        world.name = request.node.name.removeprefix("test_")
        yield world


@pytest.fixture
def world(request: pytest.FixtureRequest, bare: World) -> World:
    marker = request.node.get_closest_marker("fork")
    given: dict[str, Any] = dict(marker.kwargs) if marker else {}
    bare.arrange(**given)
    bare.serve()
    return bare
