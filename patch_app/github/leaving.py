"""Which commits of upstream a stack stands on that a release lacks, as GitHub itself tells.

The run names the stack's base, and is not trusted: what the server knows of it by itself counts beside that,
and whatever of them the release lacks leaves with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from patch_app.core import verify
from patch_app.core.attempt import Attempt
from patch_app.core.leaving import MOST, Leaving, LeavingCommit
from patch_app.core.report import Report
from patch_app.github import reading
from patch_app.github.client import Client
from patch_app.github.errors import NotFound, Refused
from patch_app.github.transport import segment

# of the commits that a stack stands on; each costs a request or two
_MOST_TIPS: Final = 5
_PAGE: Final = 100


async def leaving(
    client: Client, attempt: Attempt, report: Report, contained: Mapping[str, bool]
) -> Leaving | None:
    """What leaves; None where nothing does. `contained`: of upstream commits, whether the target has them.

    A pull request that is carried over leaves the stack of before, and a merge leaves nothing.
    """
    if attempt.target is None or attempt.carry_over is not None or verify.merges_forward(attempt):
        return None
    stands_on = dict.fromkeys((report.base, *report.other_bases, attempt.base, attempt.shared))
    known = [one for one in stands_on if one is not None]
    tips = [one for one in known if not await _has(client, attempt, one, contained)]
    if not tips:
        return None
    found: dict[str, LeavingCommit] = {}
    numbers: list[int | None] = []
    url = ""
    for one in tips[:_MOST_TIPS]:
        compared = await _between(client, attempt.upstream, attempt.target, one)
        listed = compared["commits"] if compared else []
        found |= {row["sha"]: _commit(row) for row in listed}
        numbers.append(compared["ahead_by"] if compared else None)
        url = url or str((compared or {}).get("html_url") or "")[:2000]
    counted = [one for one in numbers if one is not None]
    # of several that are listed whole: what all of them together have
    number = max(len(found), *counted) if len(counted) == len(tips) else None
    return Leaving(number=number, tips=tuple(tips), commits=tuple(found.values())[:MOST], url=url)


async def _has(client: Client, attempt: Attempt, commit: str, known: Mapping[str, bool]) -> bool:
    if commit in known:
        return known[commit]
    if commit in (attempt.merge_base, attempt.target):
        return True
    return await reading.is_ancestor(client, attempt.upstream, commit, (attempt.target or "",))


async def _between(client: Client, repository: str, base: str, head: str) -> dict[str, Any] | None:
    """GitHub's comparison with its first commits, oldest first; None where it can't compare the two."""
    path = f"/repos/{repository}/compare/{segment(base)}...{segment(head)}"
    try:
        answer: dict[str, Any] = await client.get(path, per_page=_PAGE, page=1)
    except Refused as error:
        if isinstance(error, NotFound) or error.status == 422:
            return None
        raise
    return answer


def _commit(row: Mapping[str, Any]) -> LeavingCommit:
    message = str((row.get("commit") or {}).get("message") or "")
    return LeavingCommit(sha=row["sha"], subject=(message.splitlines() or [""])[0][:200])
