"""What the maintained branch's own rules ask for, as far as they bear on a promotion."""

from __future__ import annotations

from patch_app.core.model import Model


class RuleCheck(Model):
    """A check that a ruleset asks for; `app_id`: the App that must have made it, None: any."""

    name: str
    app_id: int | None = None


class Rules(Model):
    """The rules of a branch, read together."""

    # whether there is any, of whatever kind
    any: bool = False
    approvals: int = 0
    # an approval is for one commit alone, whatever the next one has ("dismiss stale reviews")
    dismisses_stale: bool = False
    required_checks: tuple[RuleCheck, ...] = ()
    # why they could not be read: then nothing is promoted
    problem: str | None = None
