"""What comes after a carry that went well: checks that fail, merges too early, releases that overtake."""

from __future__ import annotations

import pytest

from patch_app.core import cleaning, failure_text, markdown, names
from patch_app.core.attempt import Check, Failure, Stage
from patch_app.core.configuration import Configuration, Promotion, parse
from patch_app.core.durations import DAY
from patch_app.core.effects import Close, Comment, UpdateRefs
from patch_app.core.facts import Sibling
from patch_app.core.rules import RuleCheck, Rules
from tests.core.test_asks import ended
from tests.core.test_carry_over import over
from tests.core.test_decide import in_review
from tests.core.world import CARRIED, HEAD, TARGET, World, check_job, oid, report

CI = ".github/workflows/ci.yml"
BASE_BRANCH = names.head(names.base_branch("main", "v2.0.0"))
MAINTENANCE = names.head(names.maintenance_branch("main", "v2.0.0"))


def required(**more: object) -> Configuration:
    checks = [{"name": "ci", **more}]
    return Configuration(promotion=Promotion.model_validate({"required_checks": checks}))


def ci(conclusion: str | None, workflow: str | None = CI, app: str = "github-actions") -> tuple[Check, ...]:
    run = 1 if app == "github-actions" else None
    return (Check(name="ci", app=app, status="completed", conclusion=conclusion, workflow=workflow, run=run),)


# Required checks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        ((), False),
        (ci("success"), True),
        (ci("skipped"), False),
        (ci("neutral"), False),
        (ci("cancelled"), False),
        (ci(None), False),
        (ci("success") + ci("failure", ".github/workflows/other.yml"), False),
        (ci("success", None, "status"), False),
    ],
    ids=["missing", "success", "skipped", "neutral", "cancelled", "running", "one of two", "a status"],
)
def test_only_a_result_that_is_named_is_a_pass(found: tuple[Check, ...], passes: bool) -> None:
    world = in_review(configuration=required(), checks=found)
    world.approve()
    assert world.settle() is (Stage.PROMOTED if passes else Stage.REVIEWING)


@pytest.mark.parametrize("app", ["github-advanced-security", "github-code-scanning"])
def test_a_check_that_any_workflow_can_feed_counts_only_where_its_app_is_named(app: str) -> None:
    for config, passes in ((required(), False), (required(app=app), True)):
        world = in_review(configuration=config, checks=ci("success", None, app))
        world.approve()
        assert world.settle() is (Stage.PROMOTED if passes else Stage.REVIEWING)
    for number, passes in ((None, False), (9, True)):
        ruled = Rules(any=True, required_checks=(RuleCheck(name="ci", app_id=number),))
        (one,) = ci("success", None, app)
        world = in_review(rules=ruled, checks=(one.model_copy(update={"app_id": 9}),))
        world.approve()
        assert world.settle() is (Stage.PROMOTED if passes else Stage.REVIEWING)


STATUS = {"name": "ci", "app": "status", "status": "completed", "conclusion": "success"}


@pytest.mark.parametrize(
    ("rule", "status", "passes"),
    [
        (None, {"creator": "bob"}, False),
        (7, {"creator": "x[bot]"}, False),
        (7, {"creator": "x[bot]", "app_id": 8}, False),
        (7, {"creator": "x[bot]", "app_id": 7}, True),
        (7, {"app_id": 7}, False),
    ],
    ids=str,
)
def test_a_status_that_a_ruleset_asks_for_is_its_apps(
    rule: int | None, status: dict[str, object], passes: bool
) -> None:
    ruled = Rules(any=True, required_checks=(RuleCheck(name="ci", app_id=rule),))
    world = in_review(rules=ruled, checks=(Check.model_validate(STATUS | status),))
    world.approve()
    assert world.settle() is (Stage.PROMOTED if passes else Stage.REVIEWING)


def test_a_status_by_the_creator_that_the_configuration_names_is_the_rulesets_too() -> None:
    ruled = Rules(any=True, required_checks=(RuleCheck(name="ci"),))
    for creator, passes in (("eve", False), ("qa[bot]", True), ("QA[bot]", True), ("qa", False)):
        world = in_review(
            configuration=required(creator="qa[bot]"),
            rules=ruled,
            checks=(Check.model_validate(STATUS | {"creator": creator}),),
        )
        world.approve()
        assert world.settle() is (Stage.PROMOTED if passes else Stage.REVIEWING), creator


def test_a_skipped_check_passes_where_the_fork_says_so() -> None:
    world = in_review(configuration=required(conclusions=["success", "skipped"]), checks=ci("skipped"))
    world.approve()
    assert world.settle() is Stage.PROMOTED


def test_a_failed_check_that_nobody_requires_holds_nothing_up() -> None:
    world = in_review(checks=ci("failure"))
    world.approve()
    assert world.settle() is Stage.PROMOTED


@pytest.mark.parametrize("by", ["configuration", "ruleset"])
def test_a_check_that_the_release_itself_changed_counts_once_somebody_trusts_it(by: str) -> None:
    ruled = Rules(any=True, required_checks=(RuleCheck(name="ci"),)) if by == "ruleset" else Rules()
    config = Configuration() if by == "ruleset" else required()
    world = in_review(configuration=config, rules=ruled, checks=ci("success"), workflow_changes=(CI,))
    world.approve()
    assert world.settle() is Stage.REVIEWING
    assert f"/patch trust-workflows {CARRIED[1]}" in world.attempt.message
    world.ask(f"/patch trust-workflows {CARRIED[1]}", permission="maintain")
    assert world.settle() is Stage.PROMOTED


def test_a_change_of_another_workflow_file_takes_nothing_from_a_check() -> None:
    other = (".github/workflows/docs.yml",)
    world = in_review(configuration=required(), checks=ci("success"), workflow_changes=other)
    world.approve()
    assert world.settle() is Stage.PROMOTED


# Checks that fail on a clean carry ----------------------------------------------------------------------


BUILD = parse('[[check]]\nname = "build"\nrun = "make"')
FAILED = Failure(job=1, name="check build", url="https://example.org/job/1", tail="a\nerror: no such field")


def test_candidate_that_breaks_is_a_draft_with_the_logs_end_until_it_is_mended() -> None:
    world = in_review(configuration=BUILD)
    world.jobs, world.failures = ended("failure"), (FAILED,)
    assert world.settle() is Stage.REVIEWING
    assert world.pull_request is not None
    assert world.pull_request.draft
    assert "error: no such field" in failure_text.written(world.attempt)
    world.approve()
    assert world.settle() is Stage.REVIEWING
    world.jobs, world.failures = ended("success"), ()
    assert world.settle() is Stage.PROMOTED


def test_pull_request_is_ready_again_once_its_checks_passed_but_not_one_that_a_person_made_a_draft() -> None:
    world = in_review(configuration=BUILD, jobs=ended("failure"), failures=(FAILED,))
    assert world.pull_request is not None
    assert world.pull_request.draft
    world.failures, world.jobs = (), (check_job("build", None),)
    world.settle()
    assert world.pull_request.draft
    world.jobs = ended("success")
    world.settle()
    assert not world.pull_request.draft
    world.pull_request = world.pull_request.model_copy(update={"draft": True})
    world.settle()
    assert world.pull_request.draft


def test_end_of_a_log_stays_where_it_was_put_and_has_room() -> None:
    tail = "x" * 50_000 + "\n" + "\n".join(f"``` @everyone {n}" for n in range(500))
    failures = tuple(Failure(job=n, name=f"check <b>{n}", tail=tail) for n in range(20))
    world = in_review()
    text = failure_text.written(world.attempt.model_copy(update={"failures": failures}))
    assert markdown.size(text) < 30_000
    assert "<b>" not in text
    assert text.count("````") == 40
    one = failure_text.written(
        world.attempt.model_copy(update={"failures": (Failure(job=1, name="n", tail="y" * 90_000),)})
    )
    assert "yyy" in one
    assert markdown.size(one) < 13_000


# A merge without an approval ------------------------------------------------------------------------------


def merge(world: World, commit: str) -> None:
    assert world.pull_request is not None
    world.refs[BASE_BRANCH] = commit
    world.pull_request = world.pull_request.model_copy(
        update={"open": False, "merged": True, "merge_commit": commit}
    )


@pytest.mark.parametrize("deleted", [False, True], ids=["kept", "head deleted by the setting"])
def test_merge_without_an_approval_is_undone_and_says_what_is_missing(deleted: bool) -> None:
    world = in_review()
    merge(world, oid("squashed"))
    if deleted:
        del world.refs[MAINTENANCE]
    assert world.settle() is Stage.REVIEWING
    assert world.maintained_moves == []
    assert (world.refs[BASE_BRANCH], world.refs[MAINTENANCE]) == (TARGET, CARRIED[1])
    assert world.attempt.pull_request is not None
    assert world.attempt.pull_request.number == 2
    (said,) = [
        one.effect.body
        for one in world.effects.values()
        if isinstance(one.effect, Comment) and one.effect.number == 1
    ]
    assert "1 approving review" in said
    merge(world, oid("again"))
    assert world.settle() is Stage.REVIEWING
    assert world.attempt.pull_request.number == 3
    world.approve()
    assert world.settle() is Stage.PROMOTED
    assert [(before, after) for _, before, after, _ in world.maintained_moves] == [(HEAD, CARRIED[1])]


def test_merge_while_the_rules_cannot_be_read_is_left_as_it_is() -> None:
    world = in_review()
    world.rules = Rules(problem="Resource not accessible by integration")
    merge(world, oid("merged"))
    assert world.settle() is Stage.REVIEWING
    assert world.refs[BASE_BRANCH] == oid("merged")
    assert world.attempt.undone == ()


# Approvals that are carried over -----------------------------------------------------------------


def replayed(**changes: object) -> World:
    """A replay that came to the same candidate, but for its id; bob approved the one before."""
    world = in_review(**changes)
    before = Sibling(
        id="b" * 12,
        event=world.attempt.event,
        tag="v2.0.0",
        number=0,
        stage=Stage.SUPERSEDED,
        newer=False,
        candidate=oid("before"),
        target=TARGET,
        report=world.attempt.report,
    )
    world.siblings, world.same_tree = (before,), (oid("before"),)
    world.approve(commit=oid("before"))
    return world


def test_approval_of_what_is_the_same_patch_by_patch_counts_and_that_is_said() -> None:
    world = replayed()
    assert world.settle() is Stage.PROMOTED
    closing = [one.effect for one in world.effects.values() if isinstance(one.effect, Close)]
    assert (
        f"The approval was of {oid('before')}: every patch and the target are the same." in closing[0].comment
    )


@pytest.mark.parametrize(
    "change",
    [
        {"candidate": None},
        {"target": HEAD},
        {"event": "another"},
        {"report": None},
        {"report": report("attempt00001", conflict=True)},
    ],
    ids=["none", "another target", "another release", "unknown patches", "another patch"],
)
def test_approval_of_anything_else_goes_stale(change: dict[str, object]) -> None:
    world = replayed()
    world.siblings = (world.siblings[0].model_copy(update=change),)
    assert world.settle() is Stage.REVIEWING


def test_approval_goes_stale_with_another_tree_a_persons_push_or_a_rule_that_says_so() -> None:
    world = replayed()
    world.same_tree = ()
    assert world.settle() is Stage.REVIEWING
    world = replayed(rules=Rules(any=True, approvals=1, dismisses_stale=True))
    assert world.settle() is Stage.REVIEWING
    world = replayed()
    world.attempt = world.attempt.model_copy(update={"pushed": CARRIED[1]})
    assert world.settle() is Stage.REVIEWING


# Releases that overtake -------------------------------------------------------------------------------------


def newer(world: World, stage: Stage = Stage.REVIEWING) -> None:
    world.siblings = (Sibling(id="b" * 12, event="other", tag="v3.0.0", number=1, stage=stage, newer=True),)


def test_branches_of_an_overtaken_attempt_go_after_the_configured_time_and_not_before() -> None:
    world = in_review(configuration=parse('[branches]\nkeep = "3d"'))
    newer(world)
    assert world.settle() is Stage.SUPERSEDED
    world.attempt = world.attempt.model_copy(update={"completed": world.now})
    at = cleaning.due(world.attempt)
    assert at is not None
    assert (at - world.now).total_seconds() == 3 * DAY
    world.wait(3 * DAY - 60)
    world.settle()
    assert MAINTENANCE in world.refs
    world.wait(120)
    world.settle()
    assert not [ref for ref in world.refs if ref.startswith("refs/heads/patch-app/")]
    assert world.refs[names.candidate_ref(world.attempt.id)] == CARRIED[1]
    assert cleaning.due(world.attempt) is None


def test_what_was_carried_for_a_pull_request_stays_where_branches_stand_for_refs() -> None:
    world = in_review()
    ref = names.candidate_ref(world.attempt.id)
    ended = {
        "stage": Stage.PROMOTED,
        "completed": world.now,
        "on_branches": True,
        "written": {ref: CARRIED[1]},
    }
    attempt = world.attempt.model_copy(update=ended)
    assert cleaning.due(attempt) is not None
    assert cleaning.due(attempt.model_copy(update={"carry_over": over()})) is None
    assert cleaning.due(attempt.model_copy(update={"on_branches": False})) is None


def test_branch_that_somebody_touched_since_stays() -> None:
    world = in_review()
    newer(world)
    world.settle()
    world.attempt = world.attempt.model_copy(update={"completed": world.now})
    world.refs[MAINTENANCE] = oid("theirs")
    world.wait(15 * DAY)
    world.settle()
    assert world.refs[MAINTENANCE] == oid("theirs")
    assert BASE_BRANCH not in world.refs


def test_branches_that_a_replay_goes_on_with_stay() -> None:
    world = in_review()
    world.ask("/patch replay")
    assert world.settle() is Stage.SUPERSEDED
    again = Sibling(
        id="b" * 12,
        event=world.attempt.event,
        tag="v2.0.0",
        number=2,
        stage=Stage.REVIEWING,
        newer=True,
    )
    world.siblings = (again,)
    world.attempt = world.attempt.model_copy(update={"completed": world.now})
    world.wait(15 * DAY)
    world.settle()
    assert MAINTENANCE in world.refs
    assert not [one for one in world.effects.values() if getattr(one.effect, "purpose", "") == "clean"]


def test_removal_that_github_refuses_is_not_tried_for_ever() -> None:
    world = in_review(refuse={"clean": "protected"})
    newer(world)
    world.settle()
    world.attempt = world.attempt.model_copy(update={"completed": world.now})
    world.wait(15 * DAY)
    world.settle()
    tried = [one for one in world.effects.values() if isinstance(one.effect, UpdateRefs)]
    assert [one.effect.purpose for one in tried if isinstance(one.effect, UpdateRefs)].count("clean") == 1
    assert cleaning.due(world.attempt) is None


def test_attempt_with_a_persons_commits_is_never_overtaken_and_they_are_asked_once() -> None:
    world = in_review()
    world.attempt = world.attempt.model_copy(update={"pushed": CARRIED[1]})
    newer(world)
    assert world.settle() is Stage.REVIEWING
    world.wait(3600)
    assert world.settle() is Stage.REVIEWING
    asked = [
        one.effect.body
        for one in world.effects.values()
        if isinstance(one.effect, Comment) and "patch-app:newer" in one.effect.marker
    ]
    assert len(asked) == 1
    assert "`v3.0.0` is out" in asked[0]
    assert "/patch abandon" in asked[0]
