"""`[pull_requests]` of a configuration: what the App does about people's own pull requests."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from patch_app.core.model import Model


class CarryOvers(StrEnum):
    """Whether people are told that their pull request can be carried over."""

    OFFER = "offer"
    OFF = "off"


class PullRequests(Model):
    """People's own pull requests onto a maintained branch."""

    carry_over: CarryOvers = Field(
        CarryOvers.OFFER,
        description="After a promotion, each open pull request that still has the old stack's commits gets "
        "one comment that offers `/patch carry-over`; `off` offers nothing. The command works with both.",
    )
