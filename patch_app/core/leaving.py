"""What a release takes out of a branch: commits of upstream that it stands on and the release lacks.

Records alone; who lets them go decides `going_back`. Pure.
"""

from __future__ import annotations

from typing import Final

from patch_app.core.model import Model

# named one by one; the rest is counted
MOST: Final = 20


class LeavingCommit(Model):
    """A commit of upstream, by its id and the first line of its message."""

    sha: str
    subject: str


class Leaving(Model):
    """Commits of upstream that leave the branch with a release. `number` None: GitHub can't count them.

    `tips` are the newest of them, on which the stack stands; `commits` the first ones, oldest first.
    """

    number: int | None
    tips: tuple[str, ...]
    commits: tuple[LeavingCommit, ...] = ()
    # GitHub's own comparison of the two
    url: str = ""


class LetGo(Model):
    """A person lets them go: with exactly this release, out of exactly this branch."""

    person: str
    permission: str
    target: str
    stack_head: str
