"""What the maintained branch's own rules ask for, as far as they bear on a promotion."""

from __future__ import annotations

from patch_app.core.model import Model


class RuleCheck(Model):
    """A check that a ruleset asks for; `app_id`: the App that must have made it, None: any."""

    name: str
    app_id: int | None = None


class Rules(Model):
    """The rules of a branch, read together. Which rule is kept how: `rule_types`."""

    # whether there is any, of whatever kind
    any: bool = False
    approvals: int = 0
    # an approval is for one commit alone, whatever the next one has ("dismiss stale reviews")
    dismisses_stale: bool = False
    # somebody other than who pushed last must have approved
    last_push: bool = False
    # every conversation on the pull request must be resolved
    threads: bool = False
    # every commit that comes onto the branch needs a verified signature; none may be a merge
    signatures: bool = False
    linear: bool = False
    required_checks: tuple[RuleCheck, ...] = ()
    # what of them can't be weighed, each named; then nothing is promoted
    unweighed: tuple[str, ...] = ()
    # why they could not be read: then nothing is promoted
    problem: str | None = None

    @property
    def unclear(self) -> bool:
        """Whether it isn't known all that they ask for."""
        return self.problem is not None or bool(self.unweighed)

    @property
    def somebody_else(self) -> bool:
        """Whether somebody other than who pushed last must approve, or that can't be read."""
        return self.last_push or self.problem is not None


class Incoming(Model):
    """The commits that a promotion brings onto the maintained branch, as GitHub shows them."""

    commits: int = 0
    # without a signature that GitHub has verified; with more than one parent
    unsigned: int = 0
    merges: int = 0
    # why they could not be read
    problem: str | None = None
