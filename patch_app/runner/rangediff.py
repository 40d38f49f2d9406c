"""Range-diffs: of the old stack and the new one, the main view of a review, and of each adjusted patch.

Decides nothing.
"""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from . import commit
from .git import Git, GitError
from .linear import Row
from .records import ADJUSTED, RESOLVED, Carried, History, Outcome, Patch, Request, cut, text
from .stack import Stack

MAX_CHARACTERS = 60_000
MAX_PATCHES = 400  # its matching costs the square of their number
TIMEOUT = 120.0
MAX_OF_PATCH = 20_000  # characters of one patch's own
MAX_OF_PATCHES = 200_000  # and of all patches' own together
LEAST = 1000  # characters that are worth a process


def range_diff(
    repository: Git, request: Request, history: History, stack: Stack, carried: Carried
) -> Optional[str]:
    """Old stack against what was carried; None where there is nothing to compare, or too much.

    A stack with merges is shown as the row that it was put into; where its merges are kept there is no single
    range.
    """
    if carried.tip == request.target:
        return None
    stop = carried.conflict.patch if carried.conflict else None
    if stop is not None and stop not in history.parents:
        return None  # a patch branch's own commit: there is no place in the old stack to stop at
    old = _old_range(repository, request, history, stack, stop)
    if old is None:
        return None
    new = "%s..%s" % (request.target, carried.tip)
    found = _range_diff(repository, old, new)
    return None if found is None else cut(found, MAX_CHARACTERS)


def of_patches(repository: Git, outcomes: Sequence[Outcome]) -> Tuple[Outcome, ...]:
    """The outcomes; those of adjusted and resolved patches with their own range-diff, while there is room."""
    room = MAX_OF_PATCHES
    told: List[Outcome] = []
    for outcome in outcomes:
        limit = min(room, MAX_OF_PATCH)
        again = len(outcome.patch.onto) > 1  # a merge made again is no patch to Git
        shown = outcome.verdict in (ADJUSTED, RESOLVED) and limit >= LEAST and not again
        if shown and outcome.new is not None:
            # other than for a whole stack it is known what belongs together, however little they are alike
            found = _range_diff(
                repository, _alone(repository, outcome.patch), outcome.new + "^!", "--creation-factor=999"
            )
            if found is not None:
                outcome = outcome._replace(range_diff=cut(found, limit))  # noqa: PLW2901 - the same one
                room -= len(outcome.range_diff or "")
        told.append(outcome)
    return tuple(told)


def _alone(repository: Git, patch: Patch) -> str:
    """The patch as a range, of commits written anew: a root commit would have no lower end, the parents of
    others may be cut off, and a merge is no patch to Git.
    """
    before, after = patch.made
    ground = commit.write(repository, commit.plain(before, (), "what the patch was made on", 0))
    raw, _ = commit.carried(patch.raw, after, [ground], 0)
    return commit.write(repository, raw) + "^!"


def _range_diff(repository: Git, old: str, new: str, *options: str) -> Optional[str]:
    """Git's words on two ranges; None where it has none to say: a view, not a fact."""
    plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--creation-factor=60")
    try:
        out = repository.result("range-diff", *plain, *options, old, new, timeout=TIMEOUT)
    except GitError:
        return None
    return text(out.stdout)


def _old_range(
    repository: Git, request: Request, history: History, stack: Stack, stop: Optional[str]
) -> Optional[str]:
    """The old stack as a range of commits, up to the patch `stop`; None where it is too long or no single
    one.
    """
    if len(history.stack) > MAX_PATCHES:
        return None
    if stack.row is not None:
        return _as_row(repository, stack.row, request, stop)
    if stack.merges or len(history.edges) != 1:
        return None
    return "%s..%s" % (history.edges[0], stop + "^" if stop else request.stack)


def _as_row(repository: Git, row: Row, request: Request, stop: Optional[str]) -> str:
    ground = tip = commit.write(repository, commit.plain(row.ground, (), "what the stack stands on", 0))
    for patch in row.patches:
        if patch.old == stop:
            break
        raw, _ = commit.carried(patch.raw, patch.after, [tip], request.date)
        tip = commit.write(repository, raw)
    return "%s..%s" % (ground, tip)
