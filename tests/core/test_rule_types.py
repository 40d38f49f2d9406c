"""Each rule that GitHub has, and how a promotion keeps it; what nobody has heard of promotes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Stage
from patch_app.core.rule_types import TYPES, Kept, doubts, weigh
from patch_app.core.rules import Incoming, RuleCheck, Rules
from patch_app.core.vitals import Bypass
from tests.core.test_decide import in_review
from tests.core.world import World, oid

# of each parameter a value that asks for something
VALUES: dict[str, Any] = {
    "required_approving_review_count": 2,
    "allowed_merge_methods": ["squash"],
    "required_reviewers": [{"minimum_approvals": 1}],
    "dismissal_restriction": {"enabled": True, "allowed_actors": []},
    "required_status_checks": [{"context": "ci", "integration_id": 15368}],
    "max_file_size": 10,
    "max_file_path_length": 100,
}


def row(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, "parameters": parameters}


def weighed(*rows: dict[str, Any], bypass: Bypass = Bypass.ALWAYS) -> Rules:
    return weigh((one, bypass) for one in rows)


@pytest.mark.parametrize("bypass", Bypass)
@pytest.mark.parametrize("kind", TYPES)
def test_a_rule_without_parameters_is_kept_as_the_list_says(kind: str, bypass: Bypass) -> None:
    held = bypass in (Bypass.NEVER, Bypass.PULL_REQUESTS)
    clear = TYPES[kind].kept not in (Kept.NEVER, Kept.GITHUB) or (TYPES[kind].kept is Kept.GITHUB and held)
    found = weighed({"type": kind}, bypass=bypass)
    assert found.unclear is not clear
    assert clear or kind in found.unweighed[0]
    assert found.any


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, one in TYPES.items() for name in one.parameters]
)
def test_a_parameter_that_asks_for_something_is_kept_or_promotes_nothing(kind: str, name: str) -> None:
    known = TYPES[kind].parameters[name]
    found = doubts(row(kind, **{name: VALUES.get(name, True)}), Bypass.NEVER)
    if TYPES[kind].kept is Kept.NEVER:
        assert found == (f"the rule {kind}",)
    else:
        assert found == ((f"{name} of the rule {kind}",) if known.kept is Kept.NEVER else ())


@pytest.mark.parametrize("kind", [kind for kind, one in TYPES.items() if one.kept is not Kept.NEVER])
def test_an_unknown_parameter_promotes_nothing_unless_it_turns_nothing_on(kind: str) -> None:
    for value in (True, 1, "x", ["x"], {"enabled": True}):
        assert f"not_yet_known of the rule {kind}" in doubts(row(kind, not_yet_known=value), Bypass.NEVER)
    for value in (False, 0, "", [], {}, None, {"enabled": False, "actors": []}):
        assert doubts(row(kind, not_yet_known=value), Bypass.NEVER) == ()


@pytest.mark.parametrize("bypass", Bypass)
def test_an_invented_rule_promotes_nothing(bypass: Bypass) -> None:
    found = weighed({"type": "quantum_review"}, {"type": "deletion"}, bypass=bypass)
    assert found.unweighed == ("the unknown rule quantum_review",)


@pytest.mark.parametrize(
    "rule",
    [
        row("pull_request", required_approving_review_count="2"),
        row("pull_request", required_approving_review_count=True),
        row("pull_request", require_last_push_approval="yes"),
        row("required_status_checks", required_status_checks=["ci"]),
        row("required_status_checks", required_status_checks={"context": "ci"}),
        row("required_status_checks", required_status_checks=[{"context": "ci", "all_of_them": True}]),
        row("required_status_checks", required_status_checks=[{"context": "ci", "integration_id": "x"}]),
        {"type": "pull_request", "parameters": ["x"]},
        {"type": None},
        {},
    ],
    ids=str,
)
def test_a_rule_in_a_form_that_nobody_knows_promotes_nothing(rule: dict[str, Any]) -> None:
    assert weighed(rule, bypass=Bypass.NEVER).unclear


def test_what_is_weighed_of_several_rulesets_is_the_strictest_of_them() -> None:
    found = weighed(
        row("pull_request", required_approving_review_count=1, require_last_push_approval=True),
        row("pull_request", required_approving_review_count=3, required_review_thread_resolution=True),
        row("pull_request", required_approving_review_count=None, dismiss_stale_reviews_on_push=True),
        row("required_status_checks", required_status_checks=[{"context": "ci", "integration_id": 7}]),
        {"type": "required_signatures"},
        {"type": "required_linear_history"},
    )
    assert found == Rules(
        any=True,
        approvals=3,
        dismisses_stale=True,
        last_push=True,
        threads=True,
        signatures=True,
        linear=True,
        required_checks=(RuleCheck(name="ci", app_id=7),),
    )


# What they hold up -----------------------------------------------------------------------------------


def approved(**changes: Any) -> World:
    world = in_review(**changes)
    world.approve()
    return world


def test_rules_that_cannot_be_weighed_are_named_and_promote_nothing() -> None:
    world = approved(rules=weighed(row("pull_request", require_code_owner_review=True)))
    assert world.settle() is Stage.REVIEWING
    assert "require_code_owner_review of the rule pull_request" in world.attempt.message
    assert world.maintained_moves == []
    world.rules = Rules()
    assert world.settle() is Stage.PROMOTED


def test_an_open_conversation_holds_where_the_rules_say_so() -> None:
    world = approved(rules=Rules(threads=True))
    assert world.settle() is Stage.REVIEWING
    assert "can't be read (required_review_thread_resolution)" in world.attempt.message
    for number, stage in ((2, Stage.REVIEWING), (0, Stage.PROMOTED)):
        assert world.pull_request is not None
        world.pull_request = world.pull_request.model_copy(update={"unresolved": number})
        assert world.settle() is stage


def test_an_open_conversation_holds_nothing_where_no_rule_asks() -> None:
    world = in_review()
    assert world.pull_request is not None
    world.pull_request = world.pull_request.model_copy(update={"unresolved": 3})
    world.approve()
    assert world.settle() is Stage.PROMOTED


@pytest.mark.parametrize(
    ("rules", "incoming", "said"),
    [
        (Rules(signatures=True), None, "they were not read"),
        (Rules(signatures=True), Incoming(problem="more than 1000 items"), "more than 1000 items"),
        (Rules(signatures=True), Incoming(commits=3, unsigned=2), "2 of the 3 commits"),
        (Rules(signatures=True), Incoming(commits=3, merges=1), None),
        (Rules(linear=True), Incoming(commits=3, merges=1), "1 of the 3 commits"),
        (Rules(linear=True), Incoming(commits=3, unsigned=3), None),
        (Rules(), None, None),
    ],
)
def test_commits_are_what_the_rules_want_or_they_stay_away(
    rules: Rules, incoming: Incoming | None, said: str | None
) -> None:
    world = approved(rules=rules, incoming=incoming)
    assert world.settle() is (Stage.REVIEWING if said else Stage.PROMOTED)
    assert said is None or said in world.attempt.message


def pushed(*pushers: str) -> World:
    """A candidate that a person has pushed, under the rule `require_last_push_approval`."""
    world = in_review(rules=Rules(last_push=True), pushers=pushers)
    candidate = world.attempt.candidate
    world.attempt = world.attempt.model_copy(update={"pushed": candidate})
    return world


@pytest.mark.parametrize(
    ("pushers", "people", "promoted"),
    [
        (("bob",), ("bob",), False),
        (("BOB",), ("bob",), False),
        (("bob",), ("carol",), True),
        (("bob",), ("bob", "carol"), True),
        (("bob", "carol"), ("bob", "carol"), False),
        ((), ("bob",), False),
        ((), ("bob", "carol"), True),
    ],
    ids=str,
)
def test_whoever_pushed_last_does_not_approve_it_alone(
    pushers: tuple[str, ...], people: tuple[str, ...], promoted: bool
) -> None:
    world = pushed(*pushers)
    for person in people:
        world.approve(person=person)
    assert world.settle() is (Stage.PROMOTED if promoted else Stage.REVIEWING)
    assert promoted or "require_last_push_approval" in world.attempt.message


def test_what_the_app_carried_itself_needs_no_second_person() -> None:
    world = in_review(rules=Rules(last_push=True), pushers=("bob",))
    world.approve()
    assert world.settle() is Stage.PROMOTED
    assert world.refs["refs/heads/main"] != oid("head")


@pytest.mark.parametrize("parameters", [None, {}, {"required_approving_review_count": None}])
def test_a_rule_of_pull_requests_that_does_not_say_how_many_approvals_asks_for_one(parameters: Any) -> None:
    row = {"type": "pull_request", "parameters": parameters}
    assert weigh([(row, Bypass.ALWAYS)]).approvals == 1
