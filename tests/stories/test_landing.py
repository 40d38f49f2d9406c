"""A maintained branch that nobody may force: each candidate comes onto it by a pull request of the App's."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.forge import Mood
from patch_app.github import keeping
from tests.stories.world import FORK, UPSTREAM, World, check_invariants, numbered

LANDS = '[promotion]\nmove = "pull-request"\n'
pytestmark = pytest.mark.fork(configuration=LANDS)


def landing(world: World, tag: str = "v1.1.0") -> Any:
    """The newest pull request onto the maintained branch, as GitHub shows it."""
    found = world.alice.api("GET", f"/repos/{FORK}/pulls?state=all&base={world.stack}")
    return next(one for one in found if one["head"]["ref"] == names.landing_branch(world.stack, tag))


def merge(world: World, number: int, how: str = "merge") -> None:
    world.alice.api("PUT", f"/repos/{FORK}/pulls/{number}/merge", {"merge_method": how})
    world.settle()


def opened(world: World, tag: str = "v1.1.0", **files: Any) -> Attempt:
    """A release, carried and approved: its pull request waits to be merged."""
    attempt = world.release(tag, **files)
    assert attempt.stage is Stage.REVIEWING, attempt.message
    world.approve(attempt)
    world.settle()
    attempt = world.attempt(tag)
    assert attempt.stage is Stage.PROMOTING, attempt.message
    return attempt


def subjects(attempt: Attempt) -> list[str]:
    assert attempt.report is not None
    return [patch.subject for patch in attempt.report.patches]


def person_merges(world: World, files: dict[str, str], message: str) -> None:
    """What people do on a branch with rules: a branch of their own, a pull request, a review, a merge."""
    world.set_ref("refs/heads/feature", world.main())
    world.forge.commit(FORK, "feature", files, message, by="alice")
    body = {"title": message, "head": "feature", "base": "main"}
    number = world.alice.api("POST", f"/repos/{FORK}/pulls", body)["number"]
    world.review(number, world.ref("refs/heads/feature"), world.bob)
    merge(world, number)
    world.delete_ref("refs/heads/feature")


def tree(world: World, commit: str | None) -> str:
    git = world.forge.core.git(world.forge.repository(FORK))
    return git.text("rev-parse", f"{commit}^{{tree}}")


def left(world: World) -> list[str]:
    """Branches of the App's that are there."""
    return [one for one in world.refs() if one.startswith(f"refs/heads/{names.DEFAULT_PREFIX}/")]


def test_three_releases_land_on_a_branch_that_nobody_may_force(world: World) -> None:
    owners = {"type": "pull_request", "parameters": {"require_code_owner_review": True}}
    world.forge.set_rules(FORK, "main", ["non_fast_forward", owners])
    pot = {"l3": "ours"}
    stack = ["Add a file of ours", "Change the third line"]
    for number, tag in enumerate(("v1.1.0", "v1.2.0", "v1.3.0"), 1):
        pot[f"l{12 + number}"] = tag
        upstreams = {name: text for name, text in pot.items() if name != "l3"}
        before = world.main()
        attempt = opened(world, tag, files={"pot.txt": numbered(**upstreams)})
        assert subjects(attempt) == stack
        pull = landing(world, tag)
        assert world.main() == before
        world.review(pull["number"], pull["head"]["sha"], world.bob)
        merge(world, pull["number"])
        attempt = world.attempt(tag)
        assert attempt.stage is Stage.PROMOTED, attempt.message
        assert tree(world, world.main()) == tree(world, attempt.candidate)
        git = world.forge.core.git(world.forge.repository(FORK))
        assert git.text("show", "main:pot.txt").rstrip("\n") == numbered(**pot).rstrip("\n")
        assert left(world) == []
        if tag == "v1.2.0":
            person_merges(world, {"more.txt": "more\n"}, "Add more of ours")
            stack.append("Add more of ours")
    world.ends()


def test_squashed_landing_is_no_promotion_and_a_second_one_adds_what_is_missing(world: World) -> None:
    attempt = opened(world)
    first = landing(world)
    merge(world, first["number"], "squash")
    held = world.attempt()
    assert held.stage is Stage.HELD
    assert "merged by squash or rebase" in held.message
    assert tree(world, world.main()) == tree(world, attempt.candidate)
    assert world.attempts() == [held]
    assert attempt.pull_request is not None
    world.comment(attempt.pull_request.number, "/patch promote", world.bob)
    world.settle()
    second = landing(world)
    assert second["number"] != first["number"]
    merge(world, second["number"])
    promoted = world.attempt()
    assert promoted.stage is Stage.PROMOTED, promoted.message
    following = opened(world, "v1.2.0")
    assert subjects(following) == [
        "Add a file of ours",
        "Change the third line",
        f"Land v1.1.0 on main (#{first['number']})",
    ]
    assert following.report is not None
    assert [patch.verdict.value for patch in following.report.patches] == ["clean", "clean", "empty"]
    merge(world, landing(world, "v1.2.0")["number"])
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    assert left(world) == []
    world.ends()


def test_branch_moves_before_the_landing_is_merged(world: World) -> None:
    attempt = opened(world)
    first = landing(world)
    world.patch({"more.txt": "more\n"}, "Add more of ours")
    world.settle()
    assert landing(world)["state"] == "closed"
    assert "not to be merged: main has new commits" in world.comments(first["number"])[-1]
    assert world.attempt(number=1).stage is Stage.SUPERSEDED
    again = world.attempt(number=2)
    assert again.stage is Stage.REVIEWING
    assert subjects(again) == [*subjects(attempt), "Add more of ours"]
    world.approve(again)
    world.settle()
    merge(world, landing(world)["number"])
    assert world.attempt(number=2).stage is Stage.PROMOTED
    world.ends()


def test_landing_is_merged_a_moment_after_the_branch_has_moved(world: World) -> None:
    opened(world)
    number = landing(world)["number"]
    # of the push nobody hears before the merge
    world.forge.webhooks.drop("push")
    world.patch({"more.txt": "more\n"}, "Add more of ours")
    merge(world, number)
    assert [one.stage for one in world.attempts()] == [Stage.PROMOTED]
    following = opened(world, "v1.2.0")
    assert subjects(following) == ["Add a file of ours", "Change the third line", "Add more of ours"]
    world.ends()


def test_landing_closed_by_a_person_means_no_until_somebody_asks(world: World) -> None:
    attempt = opened(world)
    first = landing(world)["number"]
    world.alice.api("PATCH", f"/repos/{FORK}/pulls/{first}", {"state": "closed"})
    world.settle()
    held = world.attempt()
    assert held.stage is Stage.HELD
    assert held.message.startswith(f"pull request #{first} was closed without a merge")
    world.later()
    assert world.attempt().stage is Stage.HELD
    assert attempt.pull_request is not None
    world.comment(attempt.pull_request.number, "/patch resume", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTING
    merge(world, landing(world)["number"])
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_persons_push_to_the_landing_branch_is_never_promoted_by_that(world: World) -> None:
    attempt = opened(world)
    first = landing(world)
    branch = names.landing_branch("main", "v1.1.0")
    pushed = world.forge.commit(FORK, branch, {"sneaked.txt": "in\n"}, "Sneak in", by="bob")
    world.settle()
    assert world.attempt().stage is Stage.HELD
    assert "nobody has reviewed" in world.attempt().message
    assert landing(world)["state"] == "closed"
    assert world.ref(f"refs/heads/{branch}") == pushed
    assert attempt.pull_request is not None
    world.comment(attempt.pull_request.number, "/patch promote", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.BLOCKED
    assert "exists and isn't ours" in world.attempt().message
    world.delete_ref(f"refs/heads/{branch}", world.bob)
    world.comment(attempt.pull_request.number, "/patch retry", world.bob)
    world.settle()
    second = landing(world)
    assert (second["number"] > first["number"], second["head"]["sha"]) == (True, first["head"]["sha"])
    merge(world, second["number"])
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()


def test_hold_and_a_withdrawn_approval_close_the_landing_and_rollback_is_refused(world: World) -> None:
    attempt = opened(world)
    first = landing(world)["number"]
    assert attempt.pull_request is not None
    number = attempt.pull_request.number
    world.comment(number, "/patch hold not today", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.HELD
    assert landing(world)["state"] == "closed"
    assert not [one for one in left(world) if "/landing/" in one]
    world.comment(number, "/patch resume", world.bob)
    world.settle()
    second = landing(world)
    assert (second["number"] > first, second["state"]) == (True, "open")
    world.review(number, attempt.candidate or "", world.bob, "REQUEST_CHANGES")
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    assert landing(world)["state"] == "closed"
    world.approve(attempt)
    world.settle()
    merge(world, landing(world)["number"])
    assert world.attempt().stage is Stage.PROMOTED
    before = world.main()
    world.comment(number, "/patch rollback", world.mia)
    world.settle()
    assert "is never forced, so nothing was moved" in world.comments(number)[-1]
    assert world.main() == before
    world.ends()


def test_every_webhook_arrives_twice_and_answers_get_lost_at_each_step_of_a_landing(world: World) -> None:
    for event in ("pull_request", "pull_request_review", "push", "create", "delete"):
        for _ in range(10):
            world.forge.webhooks.repeat(event)
    attempt = world.release()
    assert attempt.stage is Stage.REVIEWING, attempt.message
    moods = world.forge.moods
    moods.next(Mood.BROKEN, "POST .*/git-receive-pack")
    moods.next(Mood.LOST, "POST .*/pulls$")
    world.approve(attempt)
    world.settle()
    for _ in range(4):
        world.later(70)
    assert len(moods.met) == 2, moods.met
    moods.next(Mood.LOST, "POST /api/graphql")
    found = world.alice.api("GET", f"/repos/{FORK}/pulls?state=all&base=main")
    assert [one["number"] for one in found] == [landing(world)["number"]]
    merge(world, found[0]["number"])
    for _ in range(3):
        world.later(70)
    assert world.attempt().stage is Stage.PROMOTED, world.attempt().message
    assert left(world) == []
    check_invariants(world)


def test_an_ended_attempt_leaves_no_pull_request_that_could_be_merged(world: World) -> None:
    attempt = opened(world)
    assert attempt.pull_request is not None
    world.comment(attempt.pull_request.number, "/patch abandon not this one", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.ABANDONED
    assert landing(world)["state"] == "closed"
    assert not [one for one in left(world) if "/landing/" in one]
    world.ends()


def test_next_release_is_out_while_a_landing_waits_and_both_land(world: World) -> None:
    opened(world)
    second = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    assert second.stage is Stage.REVIEWING, second.message
    # approved beats superseded
    assert world.attempt("v1.1.0").stage is Stage.PROMOTING
    merge(world, landing(world)["number"])
    assert world.attempt("v1.1.0").stage is Stage.PROMOTED
    again = world.attempt("v1.2.0")
    assert (again.number, again.stage) == (2, Stage.REVIEWING), again.message
    assert subjects(again) == ["Add a file of ours", "Change the third line"]
    world.approve(again)
    world.settle()
    merge(world, landing(world, "v1.2.0")["number"])
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    world.ends()


def test_a_pull_request_that_was_open_before_a_landing_is_merged_as_ever(world: World) -> None:
    world.set_ref("refs/heads/topic", world.main())
    world.forge.commit(FORK, "topic", {"theirs.txt": "theirs\n"}, "Theirs", by="bob")
    body = {"title": "Theirs", "head": "topic", "base": "main"}
    number = world.bob.api("POST", f"/repos/{FORK}/pulls", body)["number"]
    opened(world)
    merge(world, landing(world)["number"])
    assert world.attempt().stage is Stage.PROMOTED
    assert world.comments(number) == []
    head = world.ref("refs/heads/topic")
    world.comment(number, "/patch carry-over", world.bob)
    world.settle()
    assert "still has all that this pull request stands on" in world.comments(number)[-1]
    assert world.ref("refs/heads/topic") == head
    merge(world, number)
    second = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    assert second.stage is Stage.REVIEWING, second.message
    assert subjects(second) == ["Add a file of ours", "Change the third line", "Theirs"]
    check_invariants(world)


@pytest.mark.forge(custom_refs=False)
def test_two_releases_land_on_a_fork_that_takes_no_refs_of_ours(world: World) -> None:
    for tag, text in (("v1.1.0", "v1.1.0"), ("v1.2.0", "v1.2.0")):
        attempt = opened(world, tag, files={"pot.txt": numbered(l15="v1.1.0", l18=text)})
        assert attempt.on_branches
        assert subjects(attempt) == ["Add a file of ours", "Change the third line"]
        merge(world, landing(world, tag)["number"])
        attempt = world.attempt(tag)
        assert attempt.stage is Stage.PROMOTED, attempt.message
        assert not [one for one in left(world) if "/landing/" in one or "/maintenance/" in one]
        assert world.ref(names.as_branch(names.archive_ref(attempt.id))) == keeping.holder(
            attempt.stack_head or ""
        )
    check_invariants(world)


@pytest.mark.fork(configuration='[promotion]\nmove = "pull-request"\n[[stack]]\nstrategy = "patches"\n')
def test_a_stack_of_patch_branches_lands_twice(world: World) -> None:
    world.set_ref("refs/heads/patch/1-file", world.ref("refs/tags/v1.0.0", UPSTREAM))
    world.forge.commit(FORK, "patch/1-file", {"one.txt": "one\n"}, "One", by="alice")
    world.set_ref("refs/heads/patch/2-file", world.ref("refs/tags/v1.0.0", UPSTREAM))
    world.forge.commit(FORK, "patch/2-file", {"two.txt": "two\n"}, "Two", by="alice")
    first = opened(world)
    said = subjects(first)
    merge(world, landing(world)["number"])
    assert world.attempt().stage is Stage.PROMOTED
    second = opened(world, "v1.2.0", files={"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    merge(world, landing(world, "v1.2.0")["number"])
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    assert subjects(second) == said
    check_invariants(world)


def test_a_pull_request_is_carried_over_where_the_branch_is_forced_after_a_landing(
    world: World,
) -> None:
    world.set_ref("refs/heads/topic", world.main())
    world.forge.commit(FORK, "topic", {"theirs.txt": "theirs\n"}, "Theirs", by="bob")
    body = {"title": "Theirs", "head": "topic", "base": "main"}
    number = world.bob.api("POST", f"/repos/{FORK}/pulls", body)["number"]
    opened(world)
    merge(world, landing(world)["number"])
    world.forge.commit(FORK, "main", {names.CONFIGURATION_PATH: ""}, "Move it as before")
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    world.approve(attempt)
    world.settle()
    assert world.main() == attempt.candidate
    assert "`/patch carry-over` in a comment" in world.comments(number)[-1]
    world.comment(number, "/patch carry-over", world.bob)
    world.settle()
    carried = world.attempts()[-1]
    assert carried.stage is Stage.CARRIED_OVER, carried.message
    assert subjects(carried) == ["Theirs"]
    check_invariants(world)


def test_a_branch_that_was_landed_on_is_moved_again_by_force(world: World) -> None:
    opened(world)
    merge(world, landing(world)["number"])
    world.forge.commit(FORK, "main", {names.CONFIGURATION_PATH: ""}, "Move it as before")
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    assert attempt.stage is Stage.REVIEWING, attempt.message
    assert subjects(attempt) == ["Add a file of ours", "Change the third line"]
    world.approve(attempt)
    world.settle()
    assert (world.attempt("v1.2.0").stage, world.main()) == (Stage.PROMOTED, attempt.candidate)
    following = world.release("v1.3.0", {"pot.txt": numbered(l15="v1.1.0", l18="v1.3.0")})
    assert following.landed is None
    assert subjects(following) == ["Add a file of ours", "Change the third line"]
    world.ends()


def test_database_is_lost_after_a_landing_and_no_patch_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(world)
    merge(world, landing(world)["number"])
    world.patch({"more.txt": "more\n"}, "Add more of ours")
    world.settle()
    known = {one.id for one in world.attempts()}
    siblings = world.store.siblings

    async def forgotten(repository_id: int, stack: str) -> list[Attempt]:
        return [one for one in await siblings(repository_id, stack) if one.id not in known]

    monkeypatch.setattr(world.store, "siblings", forgotten)
    attempt = world.release("v1.2.0", {"pot.txt": numbered(l15="v1.1.0", l18="new")})
    assert attempt.stage is Stage.REVIEWING, attempt.message
    # those of the stack before are told of as well, and nothing is left of them
    assert set(subjects(attempt)) == {"Add a file of ours", "Change the third line", "Add more of ours"}
    git = world.forge.core.git(world.forge.repository(FORK))
    pot = git.text("show", f"{attempt.candidate}:pot.txt").rstrip("\n")
    assert pot == numbered(l3="ours", l15="v1.1.0", l18="new").rstrip("\n")


@pytest.mark.fork(configuration=f'{LANDS}[[stack]]\nmerges = "preserve"\n')
def test_merges_of_a_landed_stack_are_made_again_and_its_landing_is_not(world: World) -> None:
    person_merges(world, {"side.txt": "side\n"}, "On the side")
    for number, tag in enumerate(("v1.1.0", "v1.2.0"), 15):
        attempt = opened(world, tag, files={"pot.txt": numbered(**{"l15": "new", f"l{number}": tag})})
        assert subjects(attempt)[:2] == ["Add a file of ours", "Change the third line"]
        assert "On the side" in subjects(attempt)
        merge(world, landing(world, tag)["number"])
        assert world.attempt(tag).stage is Stage.PROMOTED
    check_invariants(world)


@pytest.mark.fork(configuration=f'{LANDS}[[stack]]\nstrategy = "patches"\n')
def test_patch_branches_land_and_what_a_person_put_on_top_stays(world: World) -> None:
    world.set_ref("refs/heads/patch/1-pot", world.ref("refs/tags/v1.0.0"))
    world.forge.commit(FORK, "patch/1-pot", {"pot.txt": numbered(l3="ours")}, "Change the third line")
    first = opened(world)
    merge(world, landing(world)["number"])
    person_merges(world, {"more.txt": "more\n"}, "Add more of ours")
    second = opened(world, "v1.2.0", files={"pot.txt": numbered(l15="v1.1.0", l18="v1.2.0")})
    assert subjects(second) == [*subjects(first), "Add more of ours"]
    merge(world, landing(world, "v1.2.0")["number"])
    assert world.attempt("v1.2.0").stage is Stage.PROMOTED
    check_invariants(world)


@pytest.mark.fork(configuration=f'{LANDS}approve = "merge"\n')
def test_merge_of_the_maintenance_pull_request_asks_for_the_landing(world: World) -> None:
    attempt = world.release()
    assert attempt.pull_request is not None
    world.review(attempt.pull_request.number, attempt.candidate, world.bob)
    merge(world, attempt.pull_request.number)
    attempt = world.attempt()
    assert attempt.stage is Stage.PROMOTING, attempt.message
    before = world.main()
    merge(world, landing(world)["number"])
    attempt = world.attempt()
    assert attempt.stage is Stage.PROMOTED, attempt.message
    assert world.main() != before
    assert tree(world, world.main()) == tree(world, attempt.candidate)
    assert left(world) == []
    check_invariants(world)


@pytest.mark.parametrize("more", [{}, {"require_code_owner_review": True}])
def test_who_pushed_to_the_maintenance_branch_does_not_approve_alone(
    world: World, more: dict[str, Any]
) -> None:
    rule = {"type": "pull_request", "parameters": {"require_last_push_approval": True} | more}
    world.forge.set_rules(FORK, "main", ["non_fast_forward", rule])
    world.release()
    branch = world.maintenance().removeprefix("refs/heads/")
    world.forge.commit(FORK, branch, {"ours.txt": "theirs\n"}, "What nobody else has seen", by="bob")
    world.settle()
    attempt = world.attempt()
    assert attempt.pushed is not None
    world.approve(attempt, by=world.bob)
    world.settle()
    # of the landing GitHub would say that the App pushed it
    assert world.attempt().stage is Stage.REVIEWING, world.attempt().stage
    assert "somebody else than who pushed" in world.attempt().message
    world.approve(attempt, by=world.mia)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTING, world.attempt().message
