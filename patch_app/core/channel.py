"""A channel of a promoted attempt as the record has it. Form only: what comes next is decided elsewhere."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from patch_app.core.configuration_channels import ChannelName
from patch_app.core.model import Model


class ChannelState(StrEnum):
    """How far a channel came."""

    OFFERED = "offered"
    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


_UNDER_WAY: Final = frozenset({ChannelState.ASKED, ChannelState.RUNNING})


class ChannelRun(Model):
    """A run that a channel waits for."""

    id: int
    path: str
    attempt: int = 1
    status: str
    conclusion: str | None = None
    url: str = ""


class Channel(Model):
    """One channel. `ask` counts how often somebody asked for it."""

    name: ChannelName
    state: ChannelState
    # who asked; None: nobody has, or the configuration says `auto`
    person: str | None = None
    ask: int = 0
    # when it was asked for, and when what is waited for began
    since: datetime
    # the release tag that is pushed, or was
    tag: str | None = None
    # workflow files whose runs must succeed
    waits: tuple[str, ...] = ()
    runs: tuple[ChannelRun, ...] = ()
    # ids of runs that it waited for before somebody asked again
    earlier: tuple[int, ...] = ()
    # why it was refused or has failed
    why: str = ""
    # the answer to the command has said how it ended
    answered: bool = False

    @property
    def under_way(self) -> bool:
        """Whether it has to be looked at again."""
        return self.state in _UNDER_WAY


class ChannelFacts(Model):
    """What was read from GitHub, just now, for the channels of one attempt."""

    # the candidate's workflow files by path, as core/workflow_files takes them
    files: dict[str, Any]
    # the candidate is on the maintained branch
    reachable: bool
    # by name, the fork's tags that begin like the release tag; and branches that do
    tags: dict[str, str] = Field(default_factory=dict)
    branches: frozenset[str] = frozenset()
    # of the names that could be used, those that upstream has; None: its tags can't be read
    upstream_tags: frozenset[str] | None = None
    # the internal workflow's run, and those that the release tag has started
    internal_run: ChannelRun | None = None
    release_runs: tuple[ChannelRun, ...] = ()
