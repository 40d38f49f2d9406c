"""Which facts an attempt needs to be brought on from its stage. Pure; github/evidence reads exactly these.

Refs, the repository and the upstream's tag are read each time. Anything else is named here or not read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from patch_app.core import proving
from patch_app.core.attempt import Attempt, Stage


class Need(StrEnum):
    """A part of the facts that is not always read."""

    PREFLIGHT = "preflight"
    # the attempt's runs, and what they have pushed to the inbox
    RUNS = "runs"
    REPORT = "report"
    # the candidate's workflow files
    GATE = "gate"
    # pull request, reviews, checks
    REVIEW = "review"
    # GitHub's own diffs of the patches and of what was carried
    PROOF = "proof"
    # what a promoted candidate's channels need
    CHANNELS = "channels"


def standing(attempt: Attempt) -> Stage:
    """The stage that a blocked or held attempt goes on from; any other's own."""
    aside = attempt.stage in (Stage.BLOCKED, Stage.HELD)
    return attempt.resume if aside and attempt.resume else attempt.stage


def needs(attempt: Attempt) -> frozenset[Need]:
    """What must have been read for `decide` to go on."""
    carried = standing(attempt) in (Stage.CARRIED, Stage.REVIEWING, Stage.APPROVED, Stage.PROMOTING)
    proof = frozenset({Need.PROOF} if carried and proving.wanted(attempt) else ())
    return _of_stage(attempt) | proof


def _of_stage(attempt: Attempt) -> frozenset[Need]:
    stage = standing(attempt)
    match stage:
        case Stage.PREFLIGHT:
            return frozenset({Need.PREFLIGHT})
        case Stage.DISPATCHED | Stage.RUNNING:
            return frozenset({Need.RUNS, Need.REPORT})
        case Stage.CARRIED:
            return frozenset({Need.GATE})
        case Stage.CONFLICT:
            return frozenset({Need.RUNS, Need.GATE})
        case Stage.FAILED:
            return frozenset({Need.RUNS})
        case Stage.REVIEWING | Stage.APPROVED | Stage.PROMOTING:
            return frozenset({Need.REVIEW})
        case Stage.PROMOTED | Stage.ROLLED_BACK if attempt.channels_due:
            return frozenset({Need.CHANNELS})
        case (
            Stage.GATED
            | Stage.PROMOTED
            | Stage.SUPERSEDED
            | Stage.ABANDONED
            | Stage.CONTAINED
            | Stage.ROLLED_BACK
            | Stage.CARRIED_OVER
            | Stage.HELD
            | Stage.BLOCKED
        ):
            return frozenset()
        case _:
            assert_never(stage)
