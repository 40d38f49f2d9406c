"""What the rules of a fork's branches will refuse: the promotion, or the branches that the App makes.

By the types of GitHub's rules ("Available rules for rulesets"). Refuses to guess: a rule whose effect
depends on what a candidate is like, or whose bypass list wasn't shown, is a doubt and blocks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from patch_app.core import rule_types
from patch_app.core.configuration import Merges, Strategy
from patch_app.core.findings import Code, Finding, finding
from patch_app.core.health import Branch
from patch_app.core.rule_types import Kept, RuleType
from patch_app.core.vitals import Bypass, Rule

_FREE = frozenset({Bypass.ALWAYS, Bypass.EXEMPT})

_LAND = 'set move = "pull-request" under [promotion], or '
_MERGE = 'set strategy = "merge" for the stack, or '
_PROMOTION = {
    "update": "nobody may move that branch directly",
    "pull_request": "it is moved by pull requests alone",
    "required_signatures": "the runner's commits aren't signed",
}
# kept by the App itself, so that its place on a bypass list changes nothing
_KEPT = frozenset({"required_signatures", "required_linear_history"})
# of a pull request that people merge with a merge commit; all else GitHub asks of them
_LANDING = {
    "required_signatures": "the runner's commits aren't signed",
    "required_linear_history": "only a merge commit keeps the candidate's commits",
}
# rules that don't bear on the App's own branches, or that they meet
_NO_OWN = frozenset(
    {"required_status_checks", "required_linear_history", "copilot_code_review", "tag_name_pattern"}
)
_OWN = {
    "creation": "they can't be made",
    "update": "they can't be moved to a newer candidate",
    "deletion": "a promotion takes them away in the same step",
    "pull_request": "they are moved without a pull request",
    "required_signatures": "the runner's commits aren't signed",
}


def of_branch(branch: Branch, prefix: str) -> Iterator[Finding]:
    """Findings about the rules of a maintained branch, and of the App's own branches for it."""
    for rule in _once(branch.rules):
        yield from _maintained(branch, rule)
    if branch.classic_protection and not branch.lands:
        yield finding(Code.PROTECTION_UNREADABLE, branch=branch.name)
    for rule in _once(branch.own_rules):
        if rule.type in _OWN and rule.bypass in (Bypass.NEVER, Bypass.PULL_REQUESTS):
            yield finding(
                Code.BRANCHES_REFUSED,
                ruleset=_named(rule),
                rule=rule.type,
                branch=f"{prefix}/**",
                why=_OWN[rule.type],
                prefix=prefix,
            )
        elif rule.type not in _NO_OWN and _held(rule):
            yield _doubt(f"{prefix}/**", rule)


def _maintained(branch: Branch, rule: Rule) -> Iterator[Finding]:
    if branch.lands:
        if rule.type in _LANDING:
            why = _LANDING[rule.type]
            about = {"ruleset": _named(rule), "rule": rule.type, "branch": branch.name, "why": why}
            yield finding(Code.LANDING_REFUSED, **about)
        return
    known = rule_types.TYPES.get(rule.type)
    doubts = rule.doubts or rule_types.doubts({"type": rule.type}, rule.bypass)
    yield from (_unweighed(branch, one, "the App can't weigh", _instead(rule, known)) for one in doubts)
    of_parameters = known is not None and known.kept not in (Kept.NEVER, Kept.GITHUB)
    if known is None or (doubts and not (of_parameters and rule.bypass is Bypass.NEVER)):
        return
    if known.kept is Kept.FREE or rule.type == "required_status_checks":
        return
    refused = _refused(branch, rule)
    if rule.bypass in _FREE and (rule.type not in _KEPT or refused is None):
        how = known.how
        yield finding(Code.RULE_BYPASSED, ruleset=_named(rule), rule=rule.type, branch=branch.name, how=how)
        return
    if refused is None:
        if rule.type not in ("non_fast_forward", "required_linear_history") or _may_merge(branch, rule):
            yield _doubt(branch.name, rule)
        return
    if rule.bypass is Bypass.UNKNOWN:
        yield _doubt(branch.name, rule)
        return
    why, instead = refused
    if rule.bypass in _FREE:
        yield _unweighed(
            branch, f"the rule {rule.type}", f"the App keeps on a bypass list too, and {why}", instead
        )
        return
    yield finding(
        Code.PROMOTION_REFUSED,
        ruleset=_named(rule),
        rule=rule.type,
        branch=branch.name,
        why=why,
        instead=instead,
        last="take that rule out of it"
        if rule.type in _KEPT
        else "put the App on the bypass list of that ruleset",
    )


def _unweighed(branch: Branch, what: str, why: str, instead: str) -> Finding:
    return finding(Code.RULE_UNWEIGHED, branch=branch.name, what=what, why=why, instead=instead)


def _instead(rule: Rule, known: RuleType | None) -> str:
    """What else lets a candidate through where the App can't weigh a rule."""
    if known is not None and known.kept is Kept.GITHUB and rule.bypass in _FREE:
        return f"take the App off the bypass list of {_named(rule)}, so that GitHub holds it to that, {_LAND}"
    return _LAND


def _refused(branch: Branch, rule: Rule) -> tuple[str, str] | None:
    """Why the promotion can't pass the rule, and what may be done instead of a bypass; None: it can."""
    match rule.type:
        case "non_fast_forward" if branch.strategy is not Strategy.MERGE:
            instead = _LAND + (_MERGE if branch.strategy is Strategy.REBASE else "")
            return "carrying patches anew moves the branch with force", instead
        case "required_linear_history" if branch.strategy is Strategy.MERGE:
            return "the release is merged into the branch", 'set strategy = "rebase" for the stack, or '
        case other if other in _PROMOTION:
            lands = other == "pull_request" and branch.strategy is not Strategy.MERGE
            return _PROMOTION[other], _LAND if lands else ""
        case _:
            return None


def _may_merge(branch: Branch, rule: Rule) -> bool:
    return rule.type == "required_linear_history" and branch.merges is Merges.PRESERVE


def _held(rule: Rule) -> bool:
    return rule.bypass not in _FREE


def _doubt(branch: str, rule: Rule) -> Finding:
    why = (
        "GitHub doesn't show the App whether it is on that ruleset's bypass list"
        if rule.bypass is Bypass.UNKNOWN
        else "whether it lets a candidate through depends on the candidate"
    )
    return finding(Code.RULE_IN_DOUBT, branch=branch, rule=rule.type, why=why)


def _named(rule: Rule) -> str:
    return f"the ruleset {rule.ruleset}" if rule.ruleset else "a ruleset"


def _once(rules: tuple[Rule, ...]) -> list[Rule]:
    return list(dict.fromkeys(rules))
