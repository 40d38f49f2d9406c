"""GitHub's rules for branches: each type and each parameter, and how a promotion keeps it. Pure.

The list is GitHub's own (its OpenAPI description, "repository-rule-detailed"; a test holds it there). What
isn't on it can't be weighed, nor can a parameter that isn't, unless it has a value that asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from patch_app.core.rules import RuleCheck, Rules
from patch_app.core.vitals import Bypass


class Kept(StrEnum):
    """How a rule or a parameter is kept where the App itself moves the branch."""

    # whatever it says, a promotion can't break it
    FREE = "asks nothing"
    # it says how the branch may be moved, which is what a bypass list lets the App do otherwise
    MOVE = "for the bypass list"
    # the App asks for it itself, on either side of the bypass list
    WEIGHED = "the App asks for it"
    # GitHub asks for it of each move, where it says that the App can't bypass it
    GITHUB = "GitHub asks for it"
    # the App can't know whether it is met
    NEVER = "can't be weighed"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """How one parameter is kept. `how`: half a sentence, for people."""

    kept: Kept
    how: str


@dataclass(frozen=True, kw_only=True)
class RuleType:
    """How a rule is kept, and each of its parameters."""

    kept: Kept
    how: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


# in GitHub's words (`current_user_can_bypass`) for "it holds the App to the rule when it moves the branch"
_HELD: Final = frozenset({Bypass.NEVER, Bypass.PULL_REQUESTS})
_LONGEST: Final = 100


def _free(how: str) -> Parameter:
    return Parameter(kept=Kept.FREE, how=how)


def _weighed(how: str) -> Parameter:
    return Parameter(kept=Kept.WEIGHED, how=how)


def _never(how: str) -> Parameter:
    return Parameter(kept=Kept.NEVER, how=how)


def _of_commits(what: str, *parameters: str) -> RuleType:
    parts = {one: _free("part of the rule") for one in parameters}
    return RuleType(kept=Kept.GITHUB, how=what, parameters=parts)


def _pattern(what: str) -> RuleType:
    return _of_commits(what, "name", "negate", "operator", "pattern")


def _other(what: str, *parameters: str) -> RuleType:
    how = f"{what}, which the App can't look up"
    return RuleType(
        kept=Kept.NEVER, how=how, parameters={one: _free("part of the rule") for one in parameters}
    )


def _names(what: str) -> RuleType:
    how = f"{what}: a promotion makes no branch"
    names = ("name", "negate", "operator", "pattern")
    return RuleType(kept=Kept.FREE, how=how, parameters={one: _free("part of the rule") for one in names})


_PULL_REQUEST: Final = RuleType(
    kept=Kept.MOVE,
    how="the maintenance pull request stands for it, and its parameters are asked of that one",
    parameters={
        "required_approving_review_count": _weighed("as many approvals of the candidate"),
        "dismiss_stale_reviews_on_push": _weighed("an approval counts for its own commit alone"),
        "require_last_push_approval": _weighed(
            "of commits that a person pushed somebody else approves; two people where GitHub doesn't say who"
        ),
        "required_review_thread_resolution": _weighed("no open conversation on the pull request"),
        "allowed_merge_methods": _free("nothing is merged"),
        "require_code_owner_review": _never("who owns which file isn't known"),
        "required_reviewers": _never("who is in which team isn't known"),
        "dismissal_restriction": _never("who dismissed a review isn't known"),
    },
)
TYPES: Final[Mapping[str, RuleType]] = {
    "creation": RuleType(kept=Kept.FREE, how="the branch is there"),
    "deletion": RuleType(kept=Kept.FREE, how="the branch stays"),
    "update": RuleType(
        kept=Kept.MOVE,
        how="who may bypass it may move the branch",
        parameters={"update_allows_fetch_and_merge": _free("the branch isn't synchronised")},
    ),
    "non_fast_forward": RuleType(
        kept=Kept.MOVE, how="patches that are carried anew move the branch by force; the old stack is kept"
    ),
    "pull_request": _PULL_REQUEST,
    "required_status_checks": RuleType(
        kept=Kept.WEIGHED,
        how="each check has passed on the candidate",
        parameters={
            "required_status_checks": _weighed("by name and App"),
            "strict_required_status_checks_policy": _weighed("the branch becomes what was checked"),
            "do_not_enforce_on_create": _free("the branch is there"),
        },
    ),
    "required_signatures": RuleType(
        kept=Kept.WEIGHED,
        how="every new commit has a signature that GitHub has verified; carried ones have none",
    ),
    "required_linear_history": RuleType(
        kept=Kept.WEIGHED, how="no new commit is a merge, upstream's included"
    ),
    "commit_message_pattern": _pattern("messages of commits"),
    "commit_author_email_pattern": _pattern("addresses of authors"),
    "committer_email_pattern": _pattern("addresses of committers"),
    "file_path_restriction": _of_commits("paths of files", "restricted_file_paths"),
    "max_file_path_length": _of_commits("lengths of paths", "max_file_path_length"),
    "file_extension_restriction": _of_commits("ends of file names", "restricted_file_extensions"),
    "max_file_size": _of_commits("sizes of files", "max_file_size"),
    "branch_name_pattern": _names("names of branches"),
    "tag_name_pattern": _names("names of tags"),
    "copilot_code_review": RuleType(
        kept=Kept.FREE,
        how="it asks for a review and for no answer",
        parameters={
            one: _free("when it is asked for") for one in ("review_on_push", "review_draft_pull_requests")
        },
    ),
    "merge_queue": _other(
        "a merge queue",
        *(
            "check_response_timeout_minutes",
            "grouping_strategy",
            "max_entries_to_build",
            "max_entries_to_merge",
        ),
        *("merge_method", "min_entries_to_merge", "min_entries_to_merge_wait_minutes"),
    ),
    "required_deployments": _other("deployments", "required_deployment_environments"),
    "workflows": _other("workflows of another repository", "do_not_enforce_on_create", "workflows"),
    "code_scanning": _other("results of code scanning", "code_scanning_tools"),
    "license_compliance_scanning": _other("results of a scan of licences"),
    # in the documentation, not yet in the description
    "code_quality": _other("results of a scan of code quality", "severity"),
}
_CHECK_KEYS: Final = frozenset({"context", "integration_id"})


def doubts(row: Mapping[str, Any], bypass: Bypass) -> tuple[str, ...]:
    """What of a rule can't be weighed, each named with the rule; nothing where all of it is kept.

    `row`: one rule as GitHub lists it for a branch. `bypass`: what the App may do about its ruleset.
    """
    name = _named(row.get("type"))
    known = TYPES.get(str(row.get("type")))
    if known is None:
        return (f"the unknown rule {name}",)
    if known.kept is Kept.NEVER:
        return (f"the rule {name}",)
    if known.kept is Kept.GITHUB and bypass not in _HELD:
        free = "doesn't say whether it holds" if bypass is Bypass.UNKNOWN else "doesn't hold"
        return (f"the rule {name} (GitHub {free} the App to it)",)
    parameters = row.get("parameters") or {}
    if not isinstance(parameters, dict):
        return (f"an unknown form of the rule {name}",)
    found = [
        f"{_named(key)} of the rule {name}"
        for key, value in parameters.items()
        if not _plain(str(row["type"]), key, value, known.parameters.get(key))
    ]
    return tuple(found)


def weigh(rows: Iterable[tuple[Mapping[str, Any], Bypass]]) -> Rules:
    """What the rules of a branch ask for before a promotion, with what the App may do about each."""
    given = list(rows)
    unweighed = tuple(dict.fromkeys(doubt for row, bypass in given for doubt in doubts(row, bypass)))
    kinds = {str(row.get("type")) for row, _ in given}
    pulls = [row.get("parameters") or {} for row, _ in given if row.get("type") == "pull_request"]
    pulls = [one for one in pulls if isinstance(one, dict)]
    last_push = any(one.get("require_last_push_approval") for one in pulls)
    if unweighed:
        return Rules(any=True, unweighed=unweighed, last_push=last_push)
    checks = [row.get("parameters") or {} for row, _ in given if row["type"] == "required_status_checks"]
    return Rules(
        any=bool(given),
        approvals=max((_approvals(one) for one in pulls), default=0),
        dismisses_stale=any(one.get("dismiss_stale_reviews_on_push") for one in pulls),
        last_push=last_push,
        threads=any(one.get("required_review_thread_resolution") for one in pulls),
        signatures="required_signatures" in kinds,
        linear="required_linear_history" in kinds,
        required_checks=tuple(
            RuleCheck(name=one["context"], app_id=one.get("integration_id"))
            for parameters in checks
            for one in parameters.get("required_status_checks") or []
        ),
    )


def _approvals(parameters: Mapping[str, Any]) -> int:
    """How many a rule of pull requests asks for; one where it doesn't say, which GitHub's own always do."""
    count = parameters.get("required_approving_review_count")
    return 1 if count is None else int(count)


def _plain(kind: str, key: str, value: Any, known: Parameter | None) -> bool:
    """Whether a parameter's value is understood, or asks for nothing."""
    if known is None or known.kept is Kept.NEVER:
        return _harmless(value)
    if known.kept is Kept.FREE or value is None:
        return True
    match kind, key:
        case "pull_request", "required_approving_review_count":
            return isinstance(value, int) and not isinstance(value, bool)
        case "required_status_checks", "required_status_checks":
            return isinstance(value, list) and all(_is_check(one) for one in value)
        case _:
            return isinstance(value, bool)


def _is_check(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("context"), str)
        and isinstance(value.get("integration_id"), int | None)
        and all(_harmless(inner) for key, inner in value.items() if key not in _CHECK_KEYS)
    )


def _harmless(value: Any) -> bool:
    """Whether a value turns nothing on: false, zero, empty, and what has nothing else in it."""
    if isinstance(value, dict):
        return all(_harmless(inner) for inner in value.values())
    return not value


def _named(name: Any) -> str:
    return str(name)[:_LONGEST]
