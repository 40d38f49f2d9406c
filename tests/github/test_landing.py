"""How a stack came onto its branch, as GitHub's comparisons tell of the attempts that may have brought it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from patch_app.core.attempt import Attempt, Landed, Landing, Stage
from patch_app.github import landing

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = "f" * 40


class GitHub:
    """Knows one landing in the branch's history."""

    def __init__(self, landed: str) -> None:
        self.landed = landed
        self.asked = 0

    async def get(self, path: str, **_: Any) -> Any:
        self.asked += 1
        behind = 0 if path == f"/repos/alice/tool/compare/{self.landed}...{HEAD}" else 1
        return {"behind_by": behind, "ahead_by": 3, "commits": []}


def tried(number: int, stage: Stage) -> Attempt:
    """One attempt of many for the stack, with a landing of its own."""
    return Attempt(
        id=f"attempt{number:05}",
        event="event0000001",
        number=number,
        installation_id=1,
        repository_id=2,
        repository="alice/tool",
        upstream="up/tool",
        tag="v2",
        stack="main",
        stage=stage,
        stack_head=f"{number:040}",
        landing=Landing(commit=f"{number + 500:040}"),
        created=START + timedelta(hours=number),
        updated=START,
    )


@pytest.mark.parametrize("closed", [0, 4, 12])
async def test_a_landing_is_found_however_many_of_later_attempts_were_closed(closed: int) -> None:
    promoted = tried(1, Stage.PROMOTED)
    later = [tried(number, Stage.SUPERSEDED) for number in range(2, closed + 2)]
    now, github = tried(50, Stage.PREFLIGHT), GitHub(f"{501:040}")
    found, base = await landing.landed(github, now, [promoted, *later], HEAD)  # type: ignore[arg-type]
    assert (found, base) == (Landed(commit=f"{501:040}", onto=f"{1:040}"), None)
    assert github.asked <= 6


async def test_one_that_nobody_saw_merged_is_found_before_an_older_promotion() -> None:
    late, github = tried(2, Stage.SUPERSEDED), GitHub(f"{502:040}")
    found, _ = await landing.landed(
        github,  # type: ignore[arg-type]
        tried(50, Stage.PREFLIGHT),
        [tried(1, Stage.PROMOTED), late],
        HEAD,
    )
    assert found == Landed(commit=f"{502:040}", onto=f"{2:040}")
