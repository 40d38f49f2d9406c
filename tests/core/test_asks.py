"""What people ask for in comments and with buttons: done once, refused politely, never an approval."""

from __future__ import annotations

import pytest

from patch_app.core import names, plan
from patch_app.core.approval import unfit_for_auto
from patch_app.core.asks import ANSWER
from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration, Promotion, parse
from patch_app.core.effects import Button, Close, PutCheckRun, React
from patch_app.core.report import Report
from patch_app.core.rules import Rules
from tests.core.test_decide import in_review
from tests.core.world import CARRIED, HEAD, INBOX, STACK, World, check_job, oid, report

BY_COMMAND = Configuration(promotion=Promotion.model_validate({"approve": "command"}))


def conflicted() -> World:
    world = World(conflict=True)
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.CONFLICT
    return world


def reactions(world: World) -> list[str]:
    return [one.effect.content for one in world.effects.values() if isinstance(one.effect, React)]


def buttons(world: World) -> list[str]:
    made = [one.effect for one in world.effects.values() if isinstance(one.effect, PutCheckRun)]
    return [one.label for one in made[-1].buttons]


@pytest.mark.parametrize(
    "command", ["retry", "replay", "hold", "resume", "promote", f"drop {STACK[0]}", "abandon"]
)
def test_person_who_may_only_read_is_told_so_and_nothing_happens(command: str) -> None:
    world = in_review()
    before = world.attempt
    world.ask(f"/patch {command}", permission="read")
    assert world.settle() is Stage.REVIEWING
    assert (world.replays, world.maintained_moves, world.attempt.hold) == (0, [], None)
    assert (
        world.attempt.model_copy(
            update={"answered": (), "version": before.version, "updated": before.updated}
        )
        == before
    )
    (answer,) = world.answers
    assert "this needs write permission here, and you have read" in answer
    assert reactions(world) == ["confused"]


@pytest.mark.parametrize(("permission", "may"), [("write", False), ("maintain", True), ("admin", True)])
def test_promotion_of_a_branch_with_rules_is_asked_for_by_who_maintains_it(
    permission: str, may: bool
) -> None:
    world = in_review(configuration=BY_COMMAND, rules=Rules(any=True))
    world.approve()
    assert world.settle() is Stage.REVIEWING
    world.ask("/patch promote", permission=permission)
    assert world.settle() is (Stage.PROMOTED if may else Stage.REVIEWING)


def test_asking_is_no_approval_and_is_remembered_until_there_is_one() -> None:
    world = in_review()
    world.ask("/patch promote", permission="admin")
    assert world.settle() is Stage.REVIEWING
    assert "1 approving review" in world.answers[0]
    assert world.maintained_moves == []
    world.approve()
    assert world.settle() is Stage.PROMOTED


def test_promotion_by_command_waits_for_the_command_though_everybody_approved() -> None:
    world = in_review(configuration=BY_COMMAND)
    world.approve()
    assert world.settle() is Stage.REVIEWING
    world.ask(f"/patch promote {HEAD}")
    assert world.settle() is Stage.REVIEWING
    assert CARRIED[1] in world.answers[0]
    world.ask(f"/patch promote {CARRIED[1]}")
    assert world.settle() is Stage.PROMOTED


def test_comment_that_is_seen_again_is_answered_once() -> None:
    world = in_review()
    world.ask("/patch help\n\n/patch hodl")
    world.settle()
    world.wait(3600)
    world.settle()
    (answer,) = world.answers
    assert "`/patch rollback`" in answer
    assert "did you mean `/patch hold`?" in answer
    assert reactions(world) == ["confused"]
    marks = [one.effect.marker for one in world.effects.values() if getattr(one.effect, "marker", "")]
    assert marks.count(f"{ANSWER}comment:1") == 1


def test_hold_stops_everything_until_it_is_taken_back() -> None:
    world = in_review()
    world.ask("/patch hold the QA is on holiday")
    assert world.settle() is Stage.HELD
    assert "held by bob: the QA is on holiday" in world.attempt.message
    assert buttons(world) == ["Resume"]
    world.approve()
    world.ask("/patch promote")
    assert world.settle() is Stage.HELD
    assert world.maintained_moves == []
    world.ask("/patch resume", person="mia")
    assert world.settle() is Stage.PROMOTED


def test_hold_while_the_run_goes_on_and_a_branch_that_moves_meanwhile() -> None:
    world = World()
    world.settle()
    world.ask("/patch hold")
    world.run_ends()
    assert world.settle() is Stage.HELD
    world.push("refs/heads/main", oid("later"))
    assert world.settle() is Stage.HELD
    assert world.replays == 0
    world.ask("/patch resume")
    assert world.settle() is Stage.SUPERSEDED
    assert world.replays == 1


def test_retry_of_a_conflict_runs_the_run_again() -> None:
    world = conflicted()
    world.ask("/patch retry")
    assert world.settle() is Stage.RUNNING
    assert world.run_attempt == 2
    world.conflict = False
    world.run_ends()
    assert world.settle() is Stage.REVIEWING


def test_retry_of_a_run_that_could_hand_nothing_over_runs_it_again() -> None:
    world = World(vouches=(), turned_away="refs/heads/patch-app/inbox/x/1: hook declined")
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.BLOCKED
    world.ask("/patch retry")
    assert world.settle() is Stage.RUNNING
    assert world.run_attempt == 2
    world.vouches, world.turned_away = (INBOX,), ""
    world.run_ends()
    assert world.settle() is Stage.REVIEWING


def test_retry_after_github_refused() -> None:
    world = in_review(refuse={"promote": "the branch is locked"})
    world.approve()
    assert world.settle() is Stage.BLOCKED
    world.refuse = {}
    assert world.settle() is Stage.BLOCKED
    world.ask("/patch retry")
    assert world.settle() is Stage.PROMOTED


def test_patch_that_is_in_the_way_is_left_out_by_a_new_attempt() -> None:
    world = conflicted()
    world.ask(f"/patch drop {STACK[1][:10]}")
    assert world.settle() is Stage.SUPERSEDED
    assert (world.replays, world.attempt.drop) == (1, (STACK[1],))
    assert "is listed as dropped" in world.answers[0]


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('[[stack]]\nstrategy = "merge"', "revert the patch there instead"),
        ('[[stack]]\nstrategy = "patches"', "out of the patch branches instead"),
    ],
)
def test_patch_can_not_be_left_out_of_a_stack_that_is_not_rebased(configuration: str, said: str) -> None:
    world = conflicted()
    world.attempt = world.attempt.model_copy(update={"configuration": parse(configuration)})
    world.ask(f"/patch drop {STACK[1]}")
    world.step()
    world.step()
    assert said in world.answers[0]
    assert world.replays == 0


@pytest.mark.parametrize("commit", ["0123456", "7"])
def test_patch_that_nobody_knows_is_not_left_out(commit: str) -> None:
    world = conflicted()
    world.ask(f"/patch drop {commit}")
    assert world.settle() is Stage.CONFLICT
    assert world.replays == 0
    assert "no patch" in world.answers[0] or "it needs a commit id" in world.answers[0]


def test_abandoned_attempt_says_who_and_why_and_can_be_begun_again() -> None:
    world = in_review()
    world.ask("/patch abandon not this one @everyone", person="mia")
    assert world.settle() is Stage.ABANDONED
    assert world.pull_request is not None
    assert not world.pull_request.open
    (closing,) = [one.effect for one in world.effects.values() if isinstance(one.effect, Close)]
    assert "abandoned by mia" in closing.comment
    assert "@everyone" not in closing.comment
    world.ask("/patch hold")
    world.settle()
    assert "this attempt has ended (abandoned)" in world.answers[-1]
    world.ask("/patch replay")
    world.settle()
    assert world.replays == 1


def test_rollback_puts_the_archived_stack_back_and_nothing_else() -> None:
    world = in_review()
    world.approve()
    assert world.settle() is Stage.PROMOTED
    world.ask("/patch rollback")
    assert world.settle() is Stage.PROMOTED
    assert "maintain or admin" in world.answers[-1]
    world.ask("/patch rollback", permission="maintain")
    assert world.settle() is Stage.ROLLED_BACK
    assert [(before, after) for _, before, after, _ in world.maintained_moves] == [
        (HEAD, CARRIED[1]),
        (CARRIED[1], HEAD),
    ]
    assert world.refs[names.archive_ref(world.attempt.id)] == HEAD


def test_rollback_after_somebody_pushed_on_top_loses_nothing() -> None:
    world = in_review()
    world.approve()
    world.settle()
    world.push("refs/heads/main", oid("later"))
    world.ask("/patch rollback", permission="admin")
    assert world.settle() is Stage.PROMOTED
    assert "what came later would be lost" in world.answers[-1]
    assert len(world.maintained_moves) == 1


def test_rollback_that_github_refuses_is_said_and_asked_for_anew() -> None:
    world = in_review()
    world.approve()
    world.settle()
    world.refuse = {"rollback": "Cannot force-push"}
    world.ask("/patch rollback", permission="admin")
    assert world.settle() is Stage.PROMOTED
    assert "Cannot force-push" in world.attempt.message
    world.refuse = {}
    world.ask("/patch rollback", permission="admin")
    assert world.settle() is Stage.ROLLED_BACK


def test_buttons_are_what_can_be_asked_for_now() -> None:
    world = in_review()
    assert buttons(world) == ["Promote", "Retry", "Hold"]
    world.approve()
    world.settle()
    assert buttons(world) == []
    assert buttons(conflicted()) == ["Retry", "Hold"]


def test_button_has_no_room_for_more_than_github_takes() -> None:
    with pytest.raises(ValueError, match="at most 20"):
        Button(label="x" * 21, description="", identifier="")


def test_trust_is_for_one_commit_and_from_who_maintains_the_fork() -> None:
    world = in_review()
    world.ask(f"/patch trust-workflows {CARRIED[1]}", permission="write")
    world.ask(f"/patch trust-workflows {HEAD}", permission="admin")
    world.settle()
    assert world.attempt.trusted is None
    world.ask(f"/patch trust-workflows {CARRIED[1]}", permission="maintain", person="mia")
    world.settle()
    assert world.attempt.trusted is not None
    assert (world.attempt.trusted.person, world.attempt.trusted.commit) == ("mia", CARRIED[1])


AUTO = parse(
    '[upstream]\nminimum_age = "1d"\n[[check]]\nname = "build"\nrun = "true"\n[promotion]\napprove = "auto"\n'
)


def ended(conclusion: str) -> tuple[object, ...]:
    return (check_job("build", conclusion),)


def test_auto_promotes_what_nobody_had_a_hand_in_once_its_checks_passed() -> None:
    world = in_review(configuration=AUTO)
    assert world.maintained_moves == []
    world.jobs = ended("success")
    assert world.settle() is Stage.PROMOTED
    assert world.attempt.approvals == ()


def test_auto_still_gives_the_branchs_own_rules_what_they_ask_for() -> None:
    world = in_review(configuration=AUTO, rules=Rules(any=True, approvals=1), jobs=ended("success"))
    assert world.maintained_moves == []
    world.approve()
    assert world.settle() is Stage.PROMOTED


def test_auto_is_not_for_a_failed_check_an_adjusted_patch_or_a_persons_push() -> None:
    world = in_review(configuration=AUTO, jobs=ended("failure"))
    world.wait(90_000)
    assert world.settle() is Stage.REVIEWING
    adjusted = World(configuration=AUTO, jobs=ended("success"))
    claim = report(adjusted.attempt.id).model_dump(mode="json", by_alias=True)
    claim["patches"][0]["verdict"] = "adjusted"
    adjusted.claim = Report.model_validate(claim)
    adjusted.settle()
    adjusted.run_ends()
    assert adjusted.settle() is Stage.REVIEWING
    assert "1 approving review" in adjusted.attempt.message
    adjusted.approve()
    adjusted.ask("/patch promote")
    assert adjusted.settle() is Stage.PROMOTED
    assert unfit_for_auto(adjusted.attempt.model_copy(update={"pushed": HEAD})) == "a person has pushed to it"


def test_what_the_server_did_not_prove_never_goes_on_by_itself() -> None:
    world = in_review(configuration=AUTO, jobs=ended("success"), unproved="patch 1 of 2 isn't the same")
    assert world.settle() is Stage.REVIEWING
    assert "1 approving review" in world.attempt.message
    world.wait(90_000)
    assert world.settle() is Stage.REVIEWING
    world.approve()
    world.ask("/patch promote")
    assert world.settle() is Stage.PROMOTED


def test_a_run_again_makes_what_was_proved_void() -> None:
    world = in_review(configuration=AUTO)
    assert world.attempt.proof is not None
    again = plan.rerun(world.attempt, world.attempt.runs).attempt
    assert again.proof is None
    assert unfit_for_auto(again.model_copy(update={"report": world.attempt.report})) is not None
