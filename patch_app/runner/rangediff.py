"""The range-diff of the old stack and the new one: the reviewer's main view. Decides nothing."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

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
    if carried.tip == request.target:
        return None
    old = old_range(repository, request, history, stack, carried.conflict.patch if carried.conflict else None)
    if old is None:
        return None
    new = "%s..%s" % (request.target, carried.tip)
    try:
        out = repository.result(
            "range-diff", "--no-color", "--no-ext-diff", "--no-textconv", old[0], new, timeout=TIMEOUT
        )
    except GitError:
        return None  # a view, not a fact: the verdicts stand without it
    return cut(text(out.stdout), MAX_CHARACTERS)


def old_range(
    repository: Git, request: Request, history: History, stack: Stack, stop: Optional[str] = None
) -> Optional[Tuple[str, Dict[str, str]]]:
    """The old stack as a range of commits, up to the patch `stop`; and the patches that commits of ours stand
    for.

    None where it is too long, or can't be told in one range.
    """
    if len(history.stack) > MAX_PATCHES:
        return None
    if stack.row is not None:
        return _as_row(repository, stack.row, request, stop)
    if stack.merges or len(history.edges) != 1:
        return None
    return "%s..%s" % (history.edges[0], stop + "^" if stop else request.stack), {}


def _as_row(repository: Git, row: Row, request: Request, stop: Optional[str]) -> Tuple[str, Dict[str, str]]:
    ground = tip = commit.write(repository, commit.plain(row.ground, (), "what the stack stands on", 0))
    names: Dict[str, str] = {}
    for patch in row.patches:
        if patch.old == stop:
            break
        raw, _ = commit.carried(patch.raw, patch.after, [tip], request.date)
        tip = commit.write(repository, raw)
        names[tip] = patch.old
    return "%s..%s" % (ground, tip), names
