"""What is found wrong with a fork: each code where it appears, and a fork like it where it doesn't."""

from __future__ import annotations

import pytest

from patch_app.core import configuration, doctor, names
from patch_app.core.attempt import PatchBranch, Stage
from patch_app.core.configuration import Configuration, Merges, Strategy
from patch_app.core.facts import Workflow
from patch_app.core.findings import MET, TEXTS, Code, Severity, finding
from patch_app.core.health import Branch, Checkout, Exposed, Health, RequiredRun, Unread, Upstream
from patch_app.core.upstreams import Problem
from patch_app.core.vitals import Bypass, Rule, Vitals
from tests.core.world import World, oid


def rule(kind: str, bypass: Bypass = Bypass.NEVER) -> Rule:
    return Rule(type=kind, ruleset="house", bypass=bypass)


def workflow(**changes: object) -> Workflow:
    good = {
        "blob": oid("blob"),
        "state": "active",
        "runner": oid("runner"),
        "expected_blob": oid("blob"),
        "other_blob": oid("other"),
        "expected_runner": oid("runner"),
    }
    return Workflow.model_validate(good | changes)


def fork(**changes: object) -> Health:
    """A fork that nothing is wrong with, but for the changes."""
    good: dict[str, object] = {
        "repository": "alice/pot",
        "has_issues": True,
        "missing_permissions": {},
        "configuration": Configuration(),
        "workflow": workflow(),
        "upstream": Upstream(name="tea/pot", reachable=True, tag="v1.1.0", has_tag=True),
        "branches": (Branch(name="main", exists=True),),
        "mirrors_upstream": False,
    }
    return Health.model_validate(good | changes)


def branch(**changes: object) -> Health:
    return fork(branches=(Branch.model_validate({"name": "main", "exists": True} | changes),))


def upstream(**changes: object) -> Health:
    return fork(upstream=Upstream.model_validate({"name": "tea/pot", "reachable": True} | changes))


def checkout(**changes: object) -> Health:
    return fork(checkout=Checkout.model_validate({"path": "pot", "upstream_remote": "upstream"} | changes))


ALWAYS, NEVER, UNKNOWN = Bypass.ALWAYS, Bypass.NEVER, Bypass.UNKNOWN
MERGE = {"strategy": Strategy.MERGE}
LANDS: dict[str, object] = {"lands": True}
# a health in which the code appears, and one nearly like it in which it doesn't
CASES: dict[Code, tuple[Health, Health]] = {
    Code.SUSPENDED: (fork(suspended=True), fork()),
    Code.PERMISSION_MISSING: (
        fork(missing_permissions={"checks": "write"}),
        fork(missing_permissions=None),
    ),
    Code.ARCHIVED: (fork(archived=True), fork()),
    Code.CONFIGURATION_ERROR: (fork(configuration=None, configuration_problems=("line 3: x",)), fork()),
    Code.STACK_GONE: (
        fork(stack_gone="old"),
        fork(stack_gone="old", configuration=None, configuration_problems=("line 3: x",)),
    ),
    Code.BRANCH_MISSING: (branch(exists=False), branch(exists=None)),
    Code.PATCH_BRANCHES: (branch(patch_problems=("the branch x is gone: push it",)), branch()),
    Code.WORKFLOW_MISSING: (fork(workflow=workflow(blob=None)), fork(workflow=None)),
    Code.WORKFLOW_OTHER: (fork(workflow=workflow(blob=oid("other"))), fork()),
    Code.WORKFLOW_CHANGED: (
        fork(workflow=workflow(blob=oid("theirs"))),
        fork(workflow=workflow(blob=oid("other"))),
    ),
    Code.RUNNER_CHANGED: (fork(workflow=workflow(runner=names.ZERO)), fork()),
    Code.ACTIONS_OFF: (
        fork(workflow=workflow(state=None)),
        fork(workflow=workflow(state=None, blob=None)),
    ),
    Code.WORKFLOW_DISABLED: (
        fork(workflow=workflow(state="disabled_fork")),
        fork(workflow=workflow(state="disabled_fork", blob=None)),
    ),
    Code.UPSTREAM_UNKNOWN: (upstream(name=None, reachable=None), upstream()),
    Code.UPSTREAM_CHANGED: (
        upstream(changed=Problem(sentence="it is another one", remedy="name it")),
        upstream(),
    ),
    Code.UPSTREAM_PRIVATE: (upstream(private=True), upstream()),
    Code.UPSTREAM_UNREACHABLE: (upstream(reachable=False), upstream(reachable=None)),
    Code.TAG_MISSING: (
        upstream(tag="v9", has_tag=False),
        upstream(tag="v9", has_tag=False, reachable=False),
    ),
    Code.NAME_COLLISION: (fork(collisions=("patch-app",)), fork()),
    Code.PROMOTION_REFUSED: (
        branch(rules=(rule("non_fast_forward"),)),
        branch(rules=(rule("non_fast_forward"),), **MERGE),
    ),
    Code.LANDING_REFUSED: (
        branch(rules=(rule("required_linear_history"),), lands=True),
        branch(rules=(rule("required_linear_history"),)),
    ),
    Code.BRANCHES_REFUSED: (
        branch(own_rules=(rule("creation"),)),
        branch(own_rules=(rule("creation", ALWAYS),)),
    ),
    Code.RULE_IN_DOUBT: (
        branch(rules=(rule("non_fast_forward", UNKNOWN),)),
        branch(rules=(rule("non_fast_forward"),)),
    ),
    Code.RULE_UNWEIGHED: (
        branch(rules=(rule("required_signatures", ALWAYS),)),
        branch(rules=(rule("required_signatures", UNKNOWN),)),
    ),
    Code.PROTECTION_UNREADABLE: (branch(classic_protection=True), branch()),
    Code.RULE_BYPASSED: (branch(rules=(rule("update", ALWAYS),)), branch(rules=(rule("update"),))),
    Code.CHECK_NEVER_STARTS: (
        branch(required=(RequiredRun(name="ci", workflows=("a.yml",), never="a.yml starts never"),)),
        branch(required=(RequiredRun(name="ci", workflows=("a.yml",)),)),
    ),
    Code.WORKFLOW_EXPOSED: (
        fork(exposed=(Exposed(path="a.yml", event="push", what=("the secret KEY",)),)),
        fork(),
    ),
    Code.DEFAULT_BRANCH_MIRRORS: (fork(mirrors_upstream=True), fork(mirrors_upstream=None)),
    Code.TAG_TAKEN: (branch(taken_tag="patch-app/main/v1.1.0"), branch()),
    Code.ISSUES_OFF: (fork(has_issues=False), fork(has_issues=None)),
    Code.CHECKOUT_UNPUSHED: (checkout(unpushed={"main": 2}), checkout(unpushed={})),
    Code.CHECKOUT_DIRTY: (checkout(dirty=1), checkout(dirty=1, problem="it is no repository")),
    Code.CHECKOUT_UNREADABLE: (checkout(problem="it is no repository"), checkout()),
    Code.CHECK_UNKNOWN: (
        branch(required=(RequiredRun(name="ci"),)),
        branch(required=(RequiredRun(name="ci", workflows=("a.yml",)),)),
    ),
    Code.TAG_DIFFERS: (upstream(differing_tags=("v1.0.0",)), upstream()),
    Code.LFS: (branch(lfs=True), branch()),
    Code.SUBMODULES: (branch(submodules=True), branch()),
    Code.REFS_AS_BRANCHES: (fork(workflow=workflow(on_branches=True)), fork()),
    Code.CHECKOUT_NO_UPSTREAM: (
        checkout(upstream_remote=None),
        checkout(upstream_remote=None, added="upstream (https://x)"),
    ),
    Code.CHECKOUT_UPSTREAM_ADDED: (checkout(added="upstream (https://x)"), checkout()),
    Code.UNREAD: (fork(unread=(Unread(what="the rules", why="403"),)), fork()),
}


def codes(health: Health) -> list[Code]:
    return [one.code for one in doctor.findings(health)]


def test_a_fork_with_nothing_wrong_has_no_finding() -> None:
    assert codes(fork()) == []


@pytest.mark.parametrize("code", sorted(set(Code) - MET))
def test_a_finding_appears_where_it_holds_and_only_there(code: Code) -> None:
    wrong, right = CASES[code]
    assert codes(wrong).count(code) == 1
    assert code not in codes(right)


@pytest.mark.parametrize("code", Code)
def test_a_finding_is_one_sentence_and_one_remedy_with_no_blank_left(code: Code) -> None:
    all_found = doctor.findings(CASES[code][0]) if code not in MET else (finding(code, why="x"),)
    found = next(one for one in all_found if one.code is code)
    for part in (found.sentence, found.remedy):
        assert part
        assert not part.endswith(".")
        assert not {"{", "}", "\n"} & set(part)
    assert found.severity is TEXTS[code].severity


def test_what_blocks_comes_first_and_the_most_fundamental_of_it_before_all() -> None:
    health = fork(
        archived=True,
        has_issues=False,
        mirrors_upstream=True,
        workflow=workflow(blob=None, runner=names.ZERO),
        missing_permissions={"issues": "write"},
    )
    assert codes(health) == [
        Code.PERMISSION_MISSING,
        Code.ARCHIVED,
        Code.WORKFLOW_MISSING,
        Code.RUNNER_CHANGED,
        Code.DEFAULT_BRANCH_MIRRORS,
        Code.ISSUES_OFF,
    ]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("non_fast_forward", {}, Code.PROMOTION_REFUSED),
        ("non_fast_forward", {"strategy": Strategy.PATCHES}, Code.PROMOTION_REFUSED),
        ("non_fast_forward", MERGE, None),
        ("required_linear_history", {}, None),
        ("required_linear_history", MERGE, Code.PROMOTION_REFUSED),
        ("required_linear_history", {"merges": Merges.PRESERVE}, Code.RULE_IN_DOUBT),
        ("update", MERGE, Code.PROMOTION_REFUSED),
        ("pull_request", {}, Code.PROMOTION_REFUSED),
        ("required_signatures", {}, Code.PROMOTION_REFUSED),
        ("merge_queue", {}, Code.RULE_UNWEIGHED),
        ("quantum_review", {}, Code.RULE_UNWEIGHED),
        ("copilot_code_review", {}, None),
        *((kind, LANDS, None) for kind in ("non_fast_forward", "pull_request", "merge_queue", "update")),
        ("commit_message_pattern", {}, Code.RULE_IN_DOUBT),
        ("creation", {}, None),
        ("deletion", {}, None),
        ("required_status_checks", {}, None),
    ],
)
def test_a_rule_of_the_maintained_branch(
    kind: str, changes: dict[str, object], expected: Code | None
) -> None:
    found = codes(branch(rules=(rule(kind),), **changes))
    assert found == ([expected] if expected else [])
    in_doubt = codes(branch(rules=(rule(kind, UNKNOWN),), **changes))
    unweighed = expected is Code.RULE_UNWEIGHED or kind == "commit_message_pattern"
    assert in_doubt == ([Code.RULE_UNWEIGHED if unweighed else Code.RULE_IN_DOUBT] if expected else [])


@pytest.mark.parametrize("kind", ["creation", "update", "deletion", "pull_request", "required_signatures"])
def test_a_rule_for_our_own_prefix(kind: str) -> None:
    assert codes(branch(own_rules=(rule(kind),))) == [Code.BRANCHES_REFUSED]
    assert codes(branch(own_rules=(rule(kind, Bypass.PULL_REQUESTS),))) == [Code.BRANCHES_REFUSED]
    assert codes(branch(own_rules=(rule(kind, Bypass.EXEMPT),))) == []
    assert codes(branch(own_rules=(rule(kind, UNKNOWN),))) == [Code.RULE_IN_DOUBT]


@pytest.mark.parametrize("bypass", Bypass)
@pytest.mark.parametrize("kind", ["required_signatures", "required_linear_history"])
def test_a_rule_that_no_merge_commit_meets_holds_people_whatever_the_app_may_bypass(
    kind: str, bypass: Bypass
) -> None:
    assert codes(branch(rules=(rule(kind, bypass),), **LANDS)) == [Code.LANDING_REFUSED]


def test_values_with_braces_and_colons_stay_as_they_are() -> None:
    found = doctor.findings(fork(configuration=None, configuration_problems=("line 1: {x}: {0}",)))
    assert "line 1: {x}: {0}" in found[0].sentence


# The preflight asks the same -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vitals", "message"),
    [
        (Vitals(missing_permissions={"workflows": "write"}), "`workflows: write`"),
        (Vitals(suspended=True), "suspended"),
        (Vitals(rules=(rule("non_fast_forward"),)), 'strategy = "merge"'),
        (Vitals(own_rules=(rule("creation"),)), "exclude patch-app/**"),
        (Vitals(upstream_private=True), "is private"),
    ],
)
def test_an_attempt_is_blocked_by_the_finding_and_goes_on_once_it_is_mended(
    vitals: Vitals, message: str
) -> None:
    world = World(vitals=vitals)
    assert world.settle() is Stage.BLOCKED
    assert message in world.attempt.message
    assert world.run is None
    world.vitals = None
    assert world.settle() is Stage.RUNNING


def test_an_upstream_that_became_private_is_said_instead_of_a_missing_tag() -> None:
    world = World(vitals=Vitals(upstream_reachable=False), tag=None)
    assert world.settle() is Stage.BLOCKED
    assert "can't be seen" in world.attempt.message


def test_only_what_blocks_stops_an_attempt() -> None:
    doubt = Vitals(rules=(rule("update", UNKNOWN), rule("merge_queue")))
    assert World(vitals=doubt).settle() is Stage.RUNNING


def test_patch_branches_and_configuration_are_the_same_findings() -> None:
    stack = configuration.Stack(branch="main", strategy=Strategy.PATCHES)
    world = World(configuration=Configuration(stack=(stack,)), patches=())
    assert world.settle() is Stage.BLOCKED
    assert "push a branch for each patch" in world.attempt.message
    world.patches = (PatchBranch(branch="patch/1", sha=oid("p1")),)
    assert world.settle() is Stage.RUNNING


def test_every_blocking_finding_can_be_known_before_an_attempt() -> None:
    blocking = {code for code, text in TEXTS.items() if text.severity is Severity.BLOCKS}
    # a stack always has an upstream: without one no release reaches it
    assert blocking == set(list(Code)[: list(Code).index(Code.RULE_IN_DOUBT)])
