"""What to do about the App's files on a repository, from what was read of it. Pure.

GitHub holds all that is known of the past: the files on the default branch, and the App's own pull requests
from its installation branch. So nothing here depends on a database. Refuses to open again what a person has
closed, and to overwrite what a person has changed, unless a person asks for it.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

from patch_app.core.commands import Command, Name, parse
from patch_app.core.installed import Footprint
from patch_app.core.model import Model

# who may ask: who may push
MAY_ASK: Final = frozenset({"write", "maintain", "admin"})
_MARK = re.compile(r"<!-- patch-app:install ([0-9a-f]{40}) -->")


class Standing(StrEnum):
    """How a repository stands to the App, and with it what happens next."""

    NOTHING = "nothing"  # no fork, no configuration: not meant for us
    ARCHIVED = "archived"
    EMPTY = "empty"
    OFFER = "offer"  # make, or bring up to date, the onboarding pull request
    UPDATE = "update"  # the same for files of ours that are older
    OFFERED = "offered"  # it is open as it should be
    DECLINED = "declined"  # a person closed it
    REMOVED = "removed"  # the file was there, and is gone again: a person did that
    CHANGED = "changed"  # a person changed the workflow file
    INSTALLED = "installed"


class Pull(Model):
    """The newest pull request of ours from the installation branch."""

    number: int
    url: str
    open: bool
    merged: bool
    created: datetime
    closed: datetime | None = None
    head: str
    body: str


class Known(Model):
    """What was read."""

    archived: bool = False
    # the default branch's commit; None for an empty repository
    head: str | None
    is_fork: bool
    has_configuration: bool
    # blob of the workflow file on the default branch, and what the file says of itself
    workflow_blob: str | None = None
    footprint: Footprint | None = None
    expected_blob: str
    # the file is gone, and was on the default branch once
    was_there: bool = False
    pull: Pull | None = None
    # blob of the workflow file on the installation branch, where the pull request is open
    offered_blob: str | None = None
    # a person with write permission asks for it
    asked: bool = False


def standing(known: Known) -> Standing:
    """The one thing that is so, in the order in which it matters."""
    if known.archived:
        return Standing.ARCHIVED
    if known.head is None:
        return Standing.EMPTY
    if known.workflow_blob == known.expected_blob:
        return Standing.INSTALLED
    if known.workflow_blob is None and not (known.is_fork or known.has_configuration or known.asked):
        return Standing.NOTHING
    pull = known.pull
    is_open = pull is not None and pull.open
    if is_open and known.offered_blob == known.expected_blob and not known.asked:
        return Standing.OFFERED
    if known.asked:
        return _wanted(known)
    if known.workflow_blob is None:
        if known.was_there and not is_open:
            return Standing.REMOVED
        return Standing.OFFER if pull is None or is_open or pull.merged else Standing.DECLINED
    if known.footprint is None or not known.footprint.intact:
        return Standing.CHANGED
    if is_open:
        return Standing.UPDATE
    closed = pull is not None and not pull.merged and marked(pull.body) == known.expected_blob
    return Standing.DECLINED if closed else Standing.UPDATE


def _wanted(known: Known) -> Standing:
    return Standing.OFFER if known.workflow_blob is None else Standing.UPDATE


def mark(blob: str) -> str:
    """A hidden line of the body, by which a closed pull request is known to be about this very file."""
    return f"<!-- patch-app:install {blob} -->"


def marked(body: str) -> str | None:
    """The file that a pull request's body is about."""
    found = _MARK.search(body)
    return found[1] if found else None


def asks(comment: str) -> bool:
    """Whether a comment has `/patch onboard`."""
    return Command(name=Name.ONBOARD) in parse(comment)


def answer_mark(comment: int) -> str:
    """A hidden line of an answer, by which a comment is known to have one."""
    return f"<!-- patch-app:answer {comment} -->"


def refusal(comment: int, permission: str) -> str:
    """The answer to somebody who may not ask."""
    return (
        "`/patch onboard` is for people who can push here (write permission or more); "
        f"yours is {permission}.\n\n{answer_mark(comment)}"
    )
