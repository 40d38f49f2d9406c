"""What the outside tells us, as it lies in the inbox: a delivery, a release, a wish of a person.

An event is a hint. What is true is read again from GitHub before anything is decided.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from patch_app.core import names
from patch_app.core.model import Model

# what a fork itself has released, with success of its release workflow
DOWNSTREAM_RELEASE: Final = "downstream.release"


class Kind(StrEnum):
    """Where an inbox row comes from."""

    DELIVERY = "delivery"  # a webhook, verified
    RELEASE = "upstream.release"  # poller, relay or command line
    SYNC = "sync"  # a person asks to read the forge again
    RETRY = "retry"  # the same attempt again, what GitHub refused included
    ASK = "ask"  # a command of the person who runs the server, as in a comment
    REPLAY = "replay"  # a new attempt for the same event
    ONBOARD = "onboard"  # a repository whose files of ours, or whose pull request for them, may have changed


class ReleaseEvent(Model):
    """`upstream.release`: an upstream has released a tag. One id for one upstream and tag."""

    upstream: str
    tag: str
    prerelease: bool = False
    published: datetime | None = None
    url: str = ""
    source: str = "cli"
    # recorded only, nothing is started
    record_only: bool = False
    # the one repository that it is told for, by its id; None: for every fork of the upstream
    only: int | None = None
    # a person doesn't want to wait until it is old enough
    at_once: bool = False

    @property
    def id(self) -> str:
        """The same for the same upstream and tag."""
        return names.event_id(self.upstream, self.tag)
