"""The range-diff of the old stack and the new one: the reviewer's main view. Decides nothing."""

from __future__ import annotations

from typing import Optional

from .git import Git, GitError
from .records import Carried, History, Request, cut, text

MAX_CHARACTERS = 60_000
MAX_PATCHES = 400  # its matching costs the square of their number
TIMEOUT = 120.0


def range_diff(repository: Git, request: Request, history: History, carried: Carried) -> Optional[str]:
    """Old stack against what was carried; None where there is nothing to compare, or too much.

    A stack with merges has no single range on the old side, so it gets none.
    """
    if history.base is None or carried.merges or carried.tip == request.target:
        return None
    if len(history.stack) > MAX_PATCHES:
        return None
    old, new = "%s..%s" % (history.base, request.stack), "%s..%s" % (request.target, carried.tip)
    if carried.conflict is not None:
        old = "%s..%s^" % (history.base, carried.conflict.patch)
    try:
        out = repository.result(
            "range-diff", "--no-color", "--no-ext-diff", "--no-textconv", old, new, timeout=TIMEOUT
        )
    except GitError:
        return None  # a view, not a fact: the verdicts stand without it
    return cut(text(out.stdout), MAX_CHARACTERS)
