"""How a preview carries the stack, and the patch branches that it is built from, as the fork has them.

Reads names and heads alone; what may be configured is judged by the same rules as a fork's own file.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

from patch_app.core import branches
from patch_app.core.configuration import Stack
from patch_app.core.names import DEFAULT_PREFIX
from patch_app.runner.git import Git, GitError
from patch_app.runner.records import FLATTEN, PATCHES, REBASE, Problem


class Shape(NamedTuple):
    """How the stack is carried: what becomes of its merges, the strategy, where it starts if not at
    upstream's commits, and which patch branches it is built from (a pattern, or names in order).
    """

    merges: str = FLATTEN
    strategy: str = REBASE
    start: str | None = None
    patches: tuple[str, ...] = ()


AS_IT_IS = Shape()


def patch_branches(names: Git, branch: str, shape: Shape) -> tuple[tuple[str, str], ...]:
    """The patch branches in order with their heads, as the fork has them.

    Raises:
        Problem: with stage `request` where they can't be carried, `fetch` where the fork can't be read.
    """
    if shape.strategy != PATCHES:
        if shape.patches:
            raise Problem("request", "--patches needs --strategy patches")
        return ()
    pattern = len(shape.patches) == 1 and shape.patches[0]
    given = {"branch": branch, "strategy": shape.strategy, "merges": shape.merges}
    try:
        stack = Stack.model_validate({**given, "patches": pattern or shape.patches or None})
        listed = names.run("ls-remote", "--heads", "fork").decode("utf-8", "replace").splitlines()
    except ValidationError as error:
        raise Problem("request", str(error.errors()[0]["ctx"]["error"])) from None
    except GitError as error:
        raise Problem("fetch", f"the patch branches could not be read: {error.stderr or error}") from error
    heads = {
        ref.removeprefix("refs/heads/"): sha for sha, _, ref in (line.partition("\t") for line in listed)
    }
    found = branches.selected(stack, branch, DEFAULT_PREFIX, heads)
    for problem in branches.problems(stack, branch, found):
        raise Problem("request", problem)
    return tuple((one.branch, one.sha) for one in found)
