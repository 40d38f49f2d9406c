"""What a preflight reads for a fork's health alone: permissions, rules, and whether upstream can be seen.

Plain readings, kept small, since they are read before each attempt. `None`: not read this time.
"""

from __future__ import annotations

from enum import StrEnum

from patch_app.core.model import Model
from patch_app.core.rules import Rules


class Bypass(StrEnum):
    """Whether the App may go past the rules of a ruleset, in GitHub's words (`current_user_can_bypass`)."""

    ALWAYS = "always"
    EXEMPT = "exempt"
    PULL_REQUESTS = "pull_requests_only"
    NEVER = "never"
    # GitHub showed the rule and not the ruleset
    UNKNOWN = "unknown"


class Rule(Model):
    """One rule that holds for a branch, with what the App may do about it."""

    type: str
    # name of its ruleset, where that could be read
    ruleset: str = ""
    bypass: Bypass = Bypass.UNKNOWN
    # what of it can't be weighed, each named
    doubts: tuple[str, ...] = ()


class Vitals(Model):
    """What a preflight reads for its health alone, besides what the attempt needs anyway."""

    missing_permissions: dict[str, str] | None = None
    suspended: bool = False
    rules: tuple[Rule, ...] = ()
    # what they ask for before a promotion, to tell of
    weighed: Rules | None = None
    own_rules: tuple[Rule, ...] = ()
    # read only where the tag is not there
    upstream_reachable: bool | None = None
    upstream_private: bool = False
