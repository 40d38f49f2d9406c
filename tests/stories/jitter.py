"""Stories under a clumsy clock: whatever happens beside something else may be late.

`PATCH_APP_JITTER=SEED` makes deliveries, the engine's turns and looks, the jobs of runs, people and the
server's requests wait a moment each. Who is first is then another one than on an idle machine; how a story
ends must not change. Nothing is late where the variable isn't set.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import time
from typing import Any

import pytest

from patch_app.engine.engine import Engine
from patch_app.forge.people import Person
from patch_app.forge.webhooks import Webhooks
from patch_app.github import transport
from tests.stories.robot import Robot

VARIABLE = "PATCH_APP_JITTER"
# seconds at most; a second or more now and then, since Git's dates and GitHub's are of whole seconds
DELIVERY, TURN, LOOK, RUN, REQUEST, PERSON = 0.3, 0.2, 0.3, 1.2, 0.1, 1.1


def late(patch: pytest.MonkeyPatch, story: str) -> None:
    """Make everything late for one story, where the variable is set."""
    seed = os.environ.get(VARIABLE)
    if not seed:
        return
    chance = random.Random(f"{seed} {story}")
    for owner, name, most in (
        (Webhooks, "_deliver", DELIVERY),
        (Robot, "_run", RUN),
        (Robot, "start", RUN / 2),
        (Person, "api", PERSON),
    ):
        patch.setattr(owner, name, _later(getattr(owner, name), chance, most))
    for owner, name, most in (
        (Engine, "_turn", TURN),
        (Engine, "_look", LOOK),
        (transport.Transport, "send", REQUEST),
    ):
        patch.setattr(owner, name, _async_later(getattr(owner, name), chance, most))


def _moment(chance: random.Random, most: float) -> float:
    """Seconds: nothing at all in half of the cases, so that what is late meets what is not."""
    return chance.uniform(0, most) if chance.random() < 0.5 else 0.0


def _later(real: Any, chance: random.Random, most: float) -> Any:
    @functools.wraps(real)
    def waited(*args: Any, **more: Any) -> Any:
        time.sleep(_moment(chance, most))
        return real(*args, **more)

    return waited


def _async_later(real: Any, chance: random.Random, most: float) -> Any:
    @functools.wraps(real)
    async def waited(*args: Any, **more: Any) -> Any:
        await asyncio.sleep(_moment(chance, most))
        return await real(*args, **more)

    return waited
