from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_app.core import configuration_check, names
from patch_app.core.attempt import Check, Stage, Status, status
from patch_app.core.configuration import Configuration, Promotion, RequiredCheck
from patch_app.core.effects import Close, EffectState, OpenIssue, PutCheckRun, Record
from patch_app.core.facts import Sibling
from patch_app.core.gate import Finding
from patch_app.core.report import Recorded, Report
from patch_app.core.rules import RuleCheck, Rules
from patch_app.core.vouch import By
from patch_app.core.workflow_files import What
from tests.core.world import CARRIED, HEAD, INBOX, TARGET, World, oid, report


def in_review(**changes: object) -> World:
    world = World(**changes)  # type: ignore[arg-type]
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING, world.attempt.message
    return world


def test_release_is_carried_reviewed_and_promoted() -> None:
    world = in_review()
    assert world.maintained_moves == []
    world.approve()
    assert world.settle() is Stage.PROMOTED
    assert [(before, after) for _, before, after, _ in world.maintained_moves] == [(HEAD, CARRIED[1])]
    assert world.refs[names.archive_ref(world.attempt.id)] == HEAD
    assert not [ref for ref in world.refs if ref.startswith("refs/heads/patch-app/")]
    assert world.pull_request is not None
    assert not world.pull_request.open
    assert status(world.attempt) is Status.COMPLETED


def test_bundle_starts_at_the_target_only_where_the_fork_took_the_pin() -> None:
    for shares, start in ((True, "target"), (False, "base")):
        world = World(shares_objects=shares)
        world.settle()
        assert world.attempt.bundle_from == start


def test_approval_of_another_commit_promotes_nothing() -> None:
    world = in_review()
    world.approve(commit=HEAD)
    assert world.settle() is Stage.REVIEWING
    assert world.maintained_moves == []


def test_approval_by_somebody_who_may_only_read_promotes_nothing() -> None:
    world = in_review()
    world.approve(permission="read")
    assert world.settle() is Stage.REVIEWING


def test_pull_request_that_was_pointed_at_another_branch_promotes_nothing() -> None:
    world = in_review()
    assert world.pull_request is not None
    world.pull_request = world.pull_request.model_copy(update={"into": "nearly-the-candidate"})
    world.approve()
    assert world.settle() is Stage.REVIEWING
    assert "goes into nearly-the-candidate" in world.attempt.message
    assert world.maintained_moves == []


def test_rules_that_cannot_be_read_promote_nothing_and_say_why() -> None:
    world = in_review(rules=Rules(problem="403"))
    world.approve()
    assert world.settle() is Stage.REVIEWING
    assert "can't be read (403)" in world.attempt.message


def test_branch_that_wants_two_approvals_gets_two() -> None:
    world = in_review(rules=Rules(approvals=2))
    world.approve()
    assert world.settle() is Stage.REVIEWING
    world.approve(person="carol")
    assert world.settle() is Stage.PROMOTED


def test_required_check_that_was_skipped_is_no_pass() -> None:
    config = Configuration(promotion=Promotion(required_checks=(RequiredCheck(name="ci"),)))
    world = in_review(configuration=config)
    world.approve()
    for conclusion in (None, "skipped", "neutral", "cancelled", "failure"):
        world.checks = (
            Check(name="ci", app="github-actions", run=1, status="completed", conclusion=conclusion),
        )
        assert world.settle() is Stage.REVIEWING, conclusion
    world.checks = (Check(name="ci", app="github-actions", run=1, status="completed", conclusion="success"),)
    assert world.settle() is Stage.PROMOTED


def test_check_that_a_ruleset_asks_for_must_be_the_named_apps() -> None:
    world = in_review(rules=Rules(required_checks=(RuleCheck(name="ci", app_id=15368),)))
    world.approve()
    good = Check(
        name="ci", app="github-actions", run=1, app_id=15368, status="completed", conclusion="success"
    )
    others = ({"app_id": 99}, {"app_id": None}, {"conclusion": "skipped"}, {"name": "other"}, {"run": None})
    for other in others:
        world.checks = (good.model_copy(update=other),)
        assert world.settle() is Stage.REVIEWING, other
        assert "required check `ci` has not passed" in world.attempt.message
    world.checks = (good,)
    assert world.settle() is Stage.PROMOTED


def test_check_that_both_configuration_and_ruleset_ask_for_must_satisfy_both() -> None:
    config = Configuration(promotion=Promotion(required_checks=(RequiredCheck(name="ci", app="ours"),)))
    rules = Rules(required_checks=(RuleCheck(name="ci", app_id=2),))
    world = in_review(configuration=config, rules=rules)
    world.approve()
    both = (
        Check(name="ci", app="ours", app_id=1, status="completed", conclusion="success"),
        Check(name="ci", app="theirs", app_id=2, status="completed", conclusion="success"),
    )
    for some in (both[:1], both[1:]):
        world.checks = some
        assert world.settle() is Stage.REVIEWING
    world.checks = both
    assert world.settle() is Stage.PROMOTED


def test_branch_that_another_attempt_of_ours_promoted_is_carried_anew() -> None:
    world = in_review()
    theirs = oid("theirs")
    other = Sibling(
        id="s", event="e", tag="v1.9.9", number=1, stage=Stage.PROMOTED, newer=False, candidate=theirs
    )
    world.siblings = (other,)
    world.refs["refs/heads/main"] = theirs
    assert world.settle() is Stage.SUPERSEDED
    assert world.replays == 1
    assert world.maintained_moves == []


def test_stack_whose_every_patch_is_upstream_already_is_left_to_a_person() -> None:
    whole = report("attempt00001").model_dump(mode="json", by_alias=True)
    for patch in whole["patches"]:
        patch |= {"verdict": "already-upstream", "new": None}
    tip = {**whole["candidate"], "sha": TARGET}
    world = World(claim=Report.model_validate({**whole, "candidate": tip, "bundle": None}))
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    assert "nothing to review" in world.attempt.message
    assert f"--force-with-lease=main:{HEAD}" in world.attempt.message
    assert world.maintained_moves == []


def test_apps_own_check_of_a_required_name_is_no_pass() -> None:
    config = Configuration(promotion=Promotion(required_checks=(RequiredCheck(name="ci"),)))
    world = in_review(configuration=config)
    world.approve()
    world.checks = (Check(name="ci", app="patch-app", status="completed", conclusion="success"),)
    assert world.settle() is Stage.REVIEWING


def test_maintained_branch_that_moved_is_never_promoted_over() -> None:
    world = in_review()
    world.approve()
    world.refs["refs/heads/main"] = oid("later")
    assert world.settle() is Stage.SUPERSEDED
    assert world.replays == 1
    assert world.maintained_moves == []


def test_push_right_after_the_promotion_does_not_hide_it() -> None:
    world = in_review()
    world.approve()
    while not world.maintained_moves:
        world.step()
    world.push("refs/heads/main", oid("later"))
    assert world.settle() is Stage.PROMOTED
    assert world.refs["refs/heads/main"] == oid("later")


def test_rewritten_maintained_branch_waits_for_a_person() -> None:
    world = in_review()
    world.refs["refs/heads/main"] = oid("rewritten")
    assert world.settle() is Stage.HELD
    world.refs["refs/heads/main"] = HEAD
    assert world.settle() is Stage.REVIEWING


def test_tag_that_upstream_moved_stops_the_attempt() -> None:
    world = in_review()
    world.approve()
    world.tag = oid("moved")
    assert world.settle() is Stage.HELD
    assert "was moved in up/tool" in world.attempt.message
    assert world.maintained_moves == []


def test_branch_of_our_name_that_somebody_else_made_is_left_alone() -> None:
    world = World()
    theirs = "refs/heads/patch-app/maintenance/main/v2.0.0"
    world.refs[theirs] = oid("theirs")
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    assert world.refs[theirs] == oid("theirs")
    del world.refs[theirs]
    assert world.settle() is Stage.REVIEWING


def test_person_pushes_to_the_maintenance_branch_and_their_commits_are_the_candidate_to_go_on_with() -> None:
    world = in_review()
    world.approve()
    world.refs["refs/heads/patch-app/maintenance/main/v2.0.0"] = oid("theirs")
    assert world.settle() is Stage.SUPERSEDED
    assert (world.replays, world.pushed) == (1, oid("theirs"))
    assert world.maintained_moves == []


def test_refused_promotion_is_said_and_tried_again_only_when_asked() -> None:
    world = in_review()
    world.refuse["promote"] = "Repository rule violations found"
    world.approve()
    assert world.settle() is Stage.BLOCKED
    assert "Repository rule violations" in world.attempt.message
    world.refuse.clear()
    assert world.settle() is Stage.BLOCKED
    for name, one in world.effects.items():
        if one.state is EffectState.REFUSED:
            world.effects[name] = one.model_copy(update={"state": EffectState.DROPPED})
    assert world.settle() is Stage.PROMOTED


def test_conflict_becomes_an_issue_and_a_branch_to_go_on_from() -> None:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.CONFLICT
    assert status(world.attempt) is Status.NEEDS_INTERVENTION
    assert world.refs["refs/heads/patch-app/maintenance/main/v2.0.0"] == CARRIED[0]
    assert world.refs["refs/heads/patch-app/base/main/v2.0.0"] == TARGET
    assert [one.effect.kind for one in world.effects.values()].count("open_issue") == 1
    assert world.pull_request is None


def test_conflict_that_a_person_solved_by_hand_closes_its_issue() -> None:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    world.settle()
    world.refs["refs/heads/main"], world.contained = oid("by hand"), True
    assert world.settle() is Stage.CONTAINED
    closed = [one.effect for one in world.effects.values() if isinstance(one.effect, Close)]
    assert [(one.subject, one.number) for one in closed] == [("issue", 2)]


def test_conflict_on_a_fork_without_issues_is_told_by_the_check_run() -> None:
    world = World(conflict=True, has_issues=False)
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.CONFLICT
    assert not [one for one in world.effects.values() if isinstance(one.effect, OpenIssue)]
    checks = [one.effect for one in world.effects.values() if isinstance(one.effect, PutCheckRun)]
    assert checks[-1].conclusion == "action_required"


def test_rerun_button_takes_a_conflict_up_again() -> None:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    world.settle()
    world.conflict, world.run_attempt = False, 2
    assert world.settle() is Stage.REVIEWING
    assert world.attempt.candidate == CARRIED[1]


def test_new_workflow_permission_waits_for_a_person_before_any_branch_is_made() -> None:
    finding = Finding(path=".github/workflows/x.yml", what=What.SECRET, detail="NPM_TOKEN")
    world = World(gate=(finding,))
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.CARRIED
    assert status(world.attempt) is Status.NEEDS_INTERVENTION
    assert not [ref for ref in world.refs if ref.startswith("refs/heads/patch-app/")]


def failing(**changes: object) -> str:
    world = World(**changes)  # type: ignore[arg-type]
    world.settle()
    world.run_ends()
    world.settle()
    world.wait(3600)
    assert world.settle() is Stage.FAILED, world.attempt.stage
    assert world.moves == []
    return world.attempt.message


def test_report_for_another_attempt_fails_with_the_reason() -> None:
    assert "another attempt" in failing(claim=report("otherattempt1"))


def test_report_of_another_run_fails_with_the_reason() -> None:
    assert "another run" in failing(claim=report("attempt00001", run_attempt=9))


def test_report_about_another_stack_head_fails_with_the_reason() -> None:
    assert "another stack head" in failing(claim=report("attempt00001", stack_head=oid("other")))


def test_changed_workflow_fails_with_the_reason() -> None:
    assert "changed workflow" in failing(run_blob=oid("evil"))


def test_inbox_commit_that_no_run_vouches_for_fails_with_the_reason() -> None:
    assert "isn't the one that run 7 pushed" in failing(by=By.LOG, vouches=(oid("another"),))
    assert "vouches for no report" in failing(by=By.LOG, vouches=())


def test_patch_missing_from_the_report_fails_with_the_reason() -> None:
    good = report("attempt00001")
    short = good.model_copy(update={"patches": good.patches[:1]})
    assert "no verdict for 1 patch(es)" in failing(claim=short)


def test_refused_bundle_fails_with_the_reason() -> None:
    world = World()
    world.refuse["relay"] = "The bundle holds a commit that is neither in the stack nor in the target"
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.FAILED
    assert "neither in the stack" in world.attempt.message
    assert world.moves == []


def test_missing_workflow_blocks_until_it_is_there() -> None:
    world = World(workflow_blob=None)
    assert world.settle() is Stage.BLOCKED
    assert "merge the App's installation pull request" in world.attempt.message
    world.workflow_blob = oid("blob")
    assert world.settle() is Stage.DISPATCHED or world.attempt.stage is Stage.RUNNING


@pytest.mark.parametrize(
    ("artifacts", "words"),
    [
        ((), "uploads artifacts, which no check asks for any more: run `patch-app install` again"),
        (
            ("dist",),
            "a check asks for artifacts, which the workflow file on the default branch does not",
        ),
    ],
)
def test_workflow_file_of_before_artifacts_were_asked_for_blocks(
    artifacts: tuple[str, ...], words: str
) -> None:
    check = configuration_check.Check(name="a", run="make", artifacts=artifacts)
    world = World(workflow_blob=oid("other blob"), configuration=Configuration(check=(check,)))
    assert world.settle() is Stage.BLOCKED
    assert words in world.attempt.message
    world.workflow_blob = oid("blob")
    assert world.settle() is Stage.RUNNING


ACTIONS = st.sampled_from(
    [
        "run_ends",
        "rerun",
        "approve",
        "approve_head",
        "withdraw",
        "push_stack",
        "rewrite_stack",
        "push_maintenance",
        "restore",
        "move_tag",
        "merge",
        "close",
        "conflict",
        "forge_inbox",
        "refuse",
        "allow",
        "step",
        "settle",
        "wait",
    ]
)


def act(world: World, action: str) -> None:
    maintenance = "refs/heads/patch-app/maintenance/main/v2.0.0"
    match action:
        case "run_ends" if world.run:
            world.run_ends()
        case "rerun" if world.run == "completed":
            world.run_attempt += 1
        case "approve" if world.attempt.candidate:
            world.approve()
        case "approve_head":
            world.approve(commit=HEAD)
        case "withdraw":
            world.reviews = ()
        case "push_stack":
            world.push("refs/heads/main", oid("later"))
        case "rewrite_stack" if not world.maintained_moves:
            world.refs["refs/heads/main"] = oid("rewritten")
        case "push_maintenance" if maintenance in world.refs:
            world.refs[maintenance] = oid("theirs")
        case "restore":
            if not world.maintained_moves:
                world.refs["refs/heads/main"] = HEAD
            world.tag = TARGET
        case "move_tag":
            world.tag = oid("moved")
        case "merge" if world.pull_request and world.pull_request.open:
            world.refs["refs/heads/patch-app/base/main/v2.0.0"] = oid("merge")
            world.pull_request = world.pull_request.model_copy(
                update={"open": False, "merged": True, "merge_commit": oid("merge")}
            )
        case "close" if world.pull_request:
            world.pull_request = world.pull_request.model_copy(update={"open": False})
        case "conflict":
            world.conflict = not world.conflict
        case "forge_inbox":
            world.vouches = (oid("another"),) if world.vouches == (INBOX,) else (INBOX,)
        case "refuse":
            world.refuse = {"promote": "rules", "branches": "rules"}
        case "allow":
            world.refuse = {}
        case "step":
            world.step()
        case "settle":
            world.settle()
        case "wait":
            world.wait(3600)
        case _:
            pass


# the way to a promotion, with up to two troubles before each step
STORY = st.lists(st.lists(ACTIONS, max_size=2), min_size=7, max_size=7).map(
    lambda troubles: [
        action
        for trouble, step in zip(
            troubles, ["settle", "run_ends", "settle", "approve", "step", "step", "settle"], strict=True
        )
        for action in (*trouble, step)
    ]
)


def check_invariants(world: World) -> None:
    for _, before, after, approvals in world.maintained_moves:
        assert before == HEAD
        assert any(one.commit == after and one.permission == "write" for one in approvals)
    assert len(world.maintained_moves) <= 1
    if world.attempt.stage is Stage.PROMOTED:
        assert world.refs[names.archive_ref(world.attempt.id)] == HEAD
        assert world.attempt.candidate in (world.refs["refs/heads/main"], world.promoted_under)
    for ref, before, _, _ in world.moves:
        assert before != oid("theirs"), ref


@settings(max_examples=400, deadline=None)
@given(STORY)
def test_whatever_happens_the_maintained_branch_moves_only_from_the_expected_value_with_an_approval(
    actions: list[str],
) -> None:
    world = World()
    for action in actions:
        act(world, action)
    world.settle()
    check_invariants(world)


@settings(max_examples=200, deadline=None)
@given(STORY)
def test_whatever_went_wrong_before_an_attempt_in_order_again_is_promoted_or_says_why_not(
    actions: list[str],
) -> None:
    world = World()
    for action in actions:
        act(world, action)
    for action in ("allow", "restore", "run_ends", "settle", "wait", "settle", "approve", "settle"):
        act(world, action)
    assert world.attempt.stage is Stage.PROMOTED or world.attempt.message, world.attempt.stage
    check_invariants(world)


def learned(world: World) -> World:
    """A promoted candidate of which the run learned a resolution."""
    world.claim = report(world.attempt.id).model_copy(
        update={"resolutions": Recorded(tree=oid("rr"), learned=1)}
    )
    world.settle()
    world.run_ends()
    world.settle()
    world.approve()
    assert world.settle() is Stage.PROMOTED
    return world


def recorded(world: World) -> list[tuple[str, str]]:
    return [
        (one.effect.before, one.effect.tree)
        for one in world.effects.values()
        if isinstance(one.effect, Record)
    ]


def test_resolutions_are_kept_once_the_candidate_is_promoted_and_never_over_somebody_elses() -> None:
    ref = names.resolutions_ref("main")
    assert recorded(learned(World(refs={**World().refs, ref: names.ZERO}))) == [(names.ZERO, oid("rr"))]
    assert recorded(learned(World(refs={**World().refs, ref: oid("theirs")}))) == []
