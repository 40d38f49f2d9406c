"""The range-diff of the old stack and the new one: the reviewer's main view. Decides nothing."""

from __future__ import annotations

from typing import Optional

from . import commit
from .git import Git, GitError
from .linear import Row
from .records import Carried, History, Request, cut, text
from .stack import Stack

MAX_CHARACTERS = 60_000
MAX_PATCHES = 400  # its matching costs the square of their number
TIMEOUT = 120.0


def range_diff(
    repository: Git, request: Request, history: History, stack: Stack, carried: Carried
) -> Optional[str]:
    """Old stack against what was carried; None where there is nothing to compare, or too much.

    A stack with merges is shown as the row that it was put into; where its merges are kept there is no single
    range.
    """
    if carried.tip == request.target or len(history.stack) > MAX_PATCHES:
        return None
    new = "%s..%s" % (request.target, carried.tip)
    if stack.row is not None:
        old = _as_row(repository, stack.row, request, carried)
    elif stack.merges or len(history.edges) != 1:
        return None
    else:
        old = "%s..%s" % (history.edges[0], request.stack)
        if carried.conflict is not None:
            old = "%s..%s^" % (history.edges[0], carried.conflict.patch)
    try:
        out = repository.result(
            "range-diff", "--no-color", "--no-ext-diff", "--no-textconv", old, new, timeout=TIMEOUT
        )
    except GitError:
        return None  # a view, not a fact: the verdicts stand without it
    return cut(text(out.stdout), MAX_CHARACTERS)


def _as_row(repository: Git, row: Row, request: Request, carried: Carried) -> str:
    """Commits that stand for the row, up to the patch that conflicted, as a range."""
    ground = tip = commit.write(repository, commit.plain(row.ground, (), "what the stack stands on", 0))
    for patch in row.patches:
        if carried.conflict is not None and patch.old == carried.conflict.patch:
            break
        raw, _ = commit.carried(patch.raw, patch.after, [tip], request.date)
        tip = commit.write(repository, raw)
    return "%s..%s" % (ground, tip)
