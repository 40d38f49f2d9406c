"""A person's open pull request onto a maintained branch, and its carry-over: what is known of them.

A promotion moves the maintained branch, so such a pull request suddenly has the old stack among its own
commits. A carry-over puts its own ones, and no others, onto the promoted candidate.
"""

from __future__ import annotations

from patch_app.core.model import Model


class CarryOver(Model):
    """What an attempt carries that is no release's: one pull request's commits."""

    number: int
    url: str = ""
    # the maintained branch that the pull request goes into
    into: str
    # what the maintained branch was before it moved to the candidate, and the attempt that moved it
    old: str
    promoted: str
    # the head's branch and its repository; None: that is gone, or can't be seen
    branch: str
    repository: str | None
    # the head's branch is one of the fork itself
    here: bool
    # login of who asked for it, the ask, and the comment that it was asked in
    person: str
    ask: str
    comment: int
    # as the end of a sentence: why the App never moves this branch, and why it didn't at the end
    barred: str | None = None
    left: str | None = None


class OpenPull(Model):
    """An open pull request onto a maintained branch that isn't the App's own."""

    number: int
    # commits that GitHub lists as its own, the oldest of many, and what each stands on
    commits: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
