"""People approve, merge, push and change their minds; the App promotes what was approved, or nothing."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.events import Kind
from tests.stories.world import FORK, UPSTREAM, World, numbered


def test_merge_without_an_approval_promotes_nothing_and_says_what_is_missing(world: World) -> None:
    attempt, before = world.release(), world.main()
    assert attempt.pull_request is not None
    world.alice.api(
        "PUT", f"/repos/{FORK}/pulls/{attempt.pull_request.number}/merge", {"merge_method": "merge"}
    )
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.REVIEWING, before)
    assert "1 approving review" in attempt.message
    # the merge is undone, and another pull request shows the stack
    assert attempt.pull_request is not None
    assert attempt.pull_request.number == 2
    assert "merged without an approval" in world.comments(1)[-1]
    assert "1 approving review" in world.issue(2)["body"]
    assert (world.ref(world.base()), world.ref(world.maintenance())) == (attempt.target, attempt.candidate)
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.main() == attempt.candidate
    world.ends()


def test_approval_by_a_person_who_may_only_read(world: World) -> None:
    attempt, before = world.release(), world.main()
    world.approve(attempt, by=world.rita)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    world.ends()


def test_maintained_branch_moves_during_the_review_and_an_approval_of_the_older_candidate_comes_late(
    world: World,
) -> None:
    first = world.release()
    world.approve(first)
    world.forge.webhooks.hold("pull_request_review")
    world.patch({"more.txt": "more\n"}, "One more patch")
    world.settle()
    second = world.attempt()
    assert (second.number, second.stage, second.pull_request) == (2, Stage.REVIEWING, first.pull_request)
    assert [patch.subject for patch in second.report.patches if second.report] == [  # type: ignore[union-attr]
        "Add a file of ours",
        "Change the third line",
        "One more patch",
    ]
    world.forge.webhooks.release()
    world.approve(second, by=world.mia, commit=first.candidate)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    # what was approved before is told where it is new, once, however often GitHub is read
    assert second.pull_request is not None
    number = second.pull_request.number
    body = world.issue(number)["body"]
    assert "**Since bob and mia approved**" in body
    assert "2 patches with the same lines; new: 3 One more patch (clean)." in body
    assert body.count("clean, as approved") == 2
    world.later()
    with world.forge.core.lock:
        told = [one for one in world.forge.repository(FORK).issues[number].comments if names.NEWS in one.body]
    assert [("bob's approval was for" in one.body, one.minimized) for one in told] == [
        (True, "OUTDATED"), (False, None),
    ]  # fmt: skip
    assert "bob and mia's approvals were for" in told[1].body
    world.approve(second)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.main() == second.candidate
    world.ends()


def test_a_tag_is_moved_upstream_during_the_review(world: World) -> None:
    attempt, before = world.release(), world.main()
    moved = world.upstream({"pot.txt": numbered(l15="v1.1.0", l18="sneaked in")}, "After the release")
    world.set_ref("refs/tags/v1.1.0", moved, by=world.olga, repository=UPSTREAM)
    world.approve(attempt)
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.HELD, before)
    assert "the tag v1.1.0 was moved" in attempt.message
    world.ends()


def test_a_person_pushes_a_fix_to_the_maintenance_branch_and_approves_that(world: World) -> None:
    attempt, before = world.release(), world.main()
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"fix.txt": "fix\n"}, "A fix in the review", by="bob")
    world.approve(attempt)
    world.settle()
    second = world.attempt()
    assert (second.number, second.stage, world.main()) == (2, Stage.REVIEWING, before)
    assert (second.candidate, second.pull_request) == (world.ref(world.maintenance()), attempt.pull_request)
    assert second.report is not None
    assert [one.subject for one in second.report.added] == ["A fix in the review"]
    world.approve(second)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.main() == second.candidate
    world.ends()


def test_a_person_settles_a_conflict_pushes_twice_and_is_reviewed(world: World) -> None:
    conflict, before = world.release(files={"pot.txt": numbered(l3="theirs")}), world.main()
    assert (conflict.stage, conflict.pull_request) == (Stage.CONFLICT, None)
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"other.txt": "x\n"}, "Something else first", by="bob")
    world.settle()
    second = world.attempt()
    assert second.number == 2
    # the App's own files were left out by the person, and are put back on top
    assert second.pushed not in (None, second.candidate)
    assert second.candidate == world.ref(world.maintenance())
    world.forge.commit(FORK, branch, {"pot.txt": numbered(l3="both")}, "Change the third line", by="bob")
    world.settle()
    attempt = world.attempt()
    assert (attempt.number, attempt.stage, world.main()) == (3, Stage.REVIEWING, before)
    assert attempt.report is not None
    assert [(one.subject, str(one.verdict)) for one in attempt.report.patches] == [
        ("Add a file of ours", "clean"), ("Change the third line", "resolved"),
    ]  # fmt: skip
    assert [one.subject for one in attempt.report.added] == ["Something else first"]
    assert attempt.candidate == attempt.pushed
    assert conflict.issue is not None
    assert world.issue(conflict.issue.number)["state"] == "closed"
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def settled_by_hand(world: World) -> Attempt:
    """A release that conflicts; bob settles it, alice's approval promotes it."""
    world.release(files={"pot.txt": numbered(l3="theirs")})
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"pot.txt": numbered(l3="both")}, "Change the third line", by="bob")
    world.settle()
    attempt = world.attempt()
    assert attempt.report is not None
    assert attempt.report.resolutions is not None
    assert attempt.report.resolutions.learned == 1
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    return world.attempt()


def test_what_a_person_made_of_a_conflict_is_used_at_the_next_release_and_shown_in_full(world: World) -> None:
    first = settled_by_hand(world)
    kept = world.ref(names.resolutions_ref("main"))
    assert kept not in (names.ZERO, None)
    assert first.written[names.resolutions_ref("main")] == kept
    # the branch is put back to where it conflicts, as a person who wants the old patch would
    assert first.stack_head is not None
    world.set_ref("refs/heads/main", first.stack_head)
    world.settle()
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l12="more")})
    assert (attempt.stage, attempt.resolutions) == (Stage.REVIEWING, kept)
    assert attempt.report is not None
    used = attempt.report.patches[1]
    assert str(used.verdict) == "resolved"
    assert [one.path for one in used.resolution] == ["pot.txt"]
    assert attempt.pull_request is not None
    body = world.issue(attempt.pull_request.number)["body"]
    assert "Resolution used in patch 2" in body
    assert "+both" in body
    world.approve(attempt)
    world.settle()
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    world.ends()


def test_resolutions_that_somebody_else_wrote_are_not_used(world: World) -> None:
    first = settled_by_hand(world)
    assert first.stack_head is not None
    world.set_ref("refs/heads/main", first.stack_head)
    world.set_ref(names.resolutions_ref("main"), first.stack_head, by=world.bob)
    world.settle()
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l12="more")})
    assert (attempt.stage, attempt.resolutions) == (Stage.CONFLICT, None)
    world.ends()


def test_a_person_pushes_something_that_does_not_stand_on_the_release(world: World) -> None:
    world.release()
    world.set_ref(world.maintenance(), world.main(), by=world.bob)
    world.settle()
    attempt = world.attempt()
    assert (attempt.number, attempt.stage) == (2, Stage.HELD)
    assert "does not stand on the release v1.1.0" in attempt.message
    first = world.attempt(number=1)
    assert first.candidate is not None
    world.set_ref(world.maintenance(), first.candidate, by=world.bob)
    world.settle()
    last = world.attempt()
    assert (last.number, last.stage, last.candidate) == (3, Stage.REVIEWING, first.candidate)
    world.approve(last)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_a_ruleset_refuses_force_pushes_on_the_maintained_branch(world: World) -> None:
    attempt, before = world.release(), world.main()
    world.forge.set_rules(FORK, "main", ["non_fast_forward"])
    world.approve(attempt)
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.BLOCKED, before)
    assert "GitHub refused to move" in attempt.message
    assert "rule" in attempt.message.lower()
    world.forge.set_rules(FORK, "main", [])
    world.wish(Kind.RETRY, attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_a_ruleset_asks_for_two_approvals(world: World) -> None:
    world.forge.set_rules(
        FORK,
        "main",
        [{"type": "pull_request", "parameters": {"required_approving_review_count": 2}}],
        bypass=[world.app.slug],
    )
    attempt, before = world.release(), world.main()
    world.approve(attempt)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    assert "1 approving review" in world.attempt().message
    world.approve(attempt, by=world.mia)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_a_reviewer_takes_the_approval_back_before_it_is_enough(world: World) -> None:
    attempt, before = world.release(), world.main()
    assert attempt.pull_request is not None
    world.forge.webhooks.hold()
    world.approve(attempt)
    world.review(attempt.pull_request.number, attempt.candidate or "", world.bob, "REQUEST_CHANGES")
    world.forge.webhooks.release()
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    world.ends()


def test_the_pull_request_is_closed_without_a_merge(world: World) -> None:
    attempt, before = world.release(), world.main()
    assert attempt.pull_request is not None
    world.alice.api("PATCH", f"/repos/{FORK}/pulls/{attempt.pull_request.number}", {"state": "closed"})
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.ABANDONED, before)
    world.ends()


def test_a_new_release_comes_while_an_older_one_is_in_review(world: World) -> None:
    first = world.release("v1.1.0")
    second = world.release("v1.2.0")
    first = world.attempt("v1.1.0")
    assert (first.stage, second.stage) == (Stage.SUPERSEDED, Stage.REVIEWING)
    assert first.pull_request is not None
    assert world.issue(first.pull_request.number)["state"] == "closed"
    said = world.comments(first.pull_request.number)
    assert len(said) == 1
    assert "`v1.2.0` is out" in said[0]
    world.approve(second)
    world.settle()
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    assert world.ref(world.maintenance("v1.1.0")) == first.candidate
    world.later(15 * 86_400)
    assert (world.ref(world.maintenance("v1.1.0")), world.ref(world.base("v1.1.0"))) == (names.ZERO,) * 2
    world.ends()


@pytest.mark.fork(configuration='[[check]]\nname = "look"\nrun = "test -f pot.txt && test -f ours.txt"\n')
def test_a_configured_check_must_pass_before_the_promotion(world: World) -> None:
    attempt = world.release()
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


@pytest.mark.fork(configuration='[[check]]\nname = "look"\nrun = "grep -q mended pot.txt"\n')
def test_a_carry_that_breaks_the_build_is_a_draft_until_a_person_mends_it(world: World) -> None:
    attempt, before = world.release(), world.main()
    assert attempt.pull_request is not None
    pull_request = f"/repos/{FORK}/pulls/{attempt.pull_request.number}"
    shown = world.alice.api("GET", pull_request)
    assert shown["draft"]
    assert "### Every patch applies, and it doesn't work" in shown["body"]
    assert "The end of the log of check look" in shown["body"]
    world.approve(attempt)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    assert "the configured check `look` has failed" in world.attempt().message
    run = next(iter(world.forge.repository(FORK).runs))
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run}/rerun", {})
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"pot.txt": numbered(l3="ours", l15="v1.1.0", l20="mended")}, "Mend it")
    world.settle()
    mended = world.attempt()
    assert (mended.number, mended.stage, mended.pull_request) == (2, Stage.REVIEWING, attempt.pull_request)
    shown = world.alice.api("GET", pull_request)
    assert not shown["draft"]
    assert "doesn't work" not in shown["body"]
    world.approve(mended)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_somebody_rewrites_the_maintained_branch_during_the_review(world: World) -> None:
    attempt = world.release()
    world.approve(attempt)
    rewritten = world.ref("refs/tags/v1.0.0")
    world.forge.webhooks.hold("pull_request_review")
    world.set_ref("refs/heads/main", rewritten)
    world.settle()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.HELD, rewritten)
    assert "was rewritten" in attempt.message
    assert world.ref(names.archive_ref(attempt.id)) == attempt.stack_head
    world.forge.webhooks.release()
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.HELD, rewritten)
    world.ends()
