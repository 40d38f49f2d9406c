"""A person's open pull request onto the maintained branch, after that was promoted under it."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import UpdateRefs
from patch_app.core.events import Kind
from patch_app.forge.people import Person
from patch_app.github.perform import Outcome
from tests.stories.world import FORK, World, numbered

COMMAND = "/patch carry-over"


def open_pull(
    world: World,
    files: dict[str, str | bytes | None],
    branch: str = "topic",
    *,
    by: Person | None = None,
    repository: str = FORK,
) -> int:
    """Somebody's pull request with one commit onto the maintained branch as it is now."""
    who = by or world.bob
    if repository == FORK:
        world.set_ref(f"refs/heads/{branch}", world.main())
    world.forge.commit(repository, branch, files, f"Work on {branch}", by=who.login)
    owner = repository.split("/", maxsplit=1)[0]
    made = who.api(
        "POST",
        f"/repos/{FORK}/pulls",
        {"title": branch, "head": f"{owner}:{branch}", "base": world.stack, "body": ""},
    )
    world.settle()
    return int(made["number"])


def promote(world: World, tag: str = "v1.1.0", **more: Any) -> Attempt:
    attempt = world.release(tag, **more)
    world.approve(attempt)
    world.settle()
    attempt = world.attempt(tag)
    assert attempt.stage is Stage.PROMOTED
    return attempt


def ask(world: World, number: int, by: Person | None = None, text: str = COMMAND) -> str:
    """What the App answers."""
    before = len(world.comments(number))
    world.comment(number, text, by or world.bob)
    world.settle()
    [answer] = world.comments(number)[before + 1 :]
    return answer


def carried(world: World) -> Attempt:
    return [one for one in world.attempts() if one.carry_over is not None][-1]


def own_commits(world: World, head: str) -> list[str]:
    """Subjects of what a pull request shows against the maintained branch."""
    git = world.forge.core.git(world.forge.repository(FORK))
    return git.text("log", "--format=%s", f"{world.main()}..{head}").splitlines()


def test_a_pull_request_shows_the_whole_old_stack_after_a_promotion_and_is_carried_over(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    old = world.ref("refs/heads/topic")
    promoted = promote(world)
    assert len(own_commits(world, old)) > 1
    [offer] = world.comments(number)
    assert "`/patch carry-over` in a comment, by somebody with write permission" in offer
    assert f"git rebase --onto {promoted.candidate} {promoted.stack_head}" in offer
    answer = ask(world, number)
    attempt = carried(world)
    assert attempt.stage is Stage.CARRIED_OVER
    new = world.ref("refs/heads/topic")
    assert new == attempt.candidate != old
    assert own_commits(world, new) == ["Work on topic"]
    assert world.ref(names.archive_ref(attempt.id)) == old
    assert world.main() == promoted.candidate
    assert "bob: **1 commit of this pull request on `main`**" in answer
    assert "| 1 | Work on topic | clean |" in answer
    # asked for once more, there is nothing to do
    assert "already: nothing to carry over" in ask(world, number)
    world.ends()


def test_a_pull_request_conflicts_with_what_was_promoted_and_stays_as_it_is(world: World) -> None:
    number = open_pull(world, {"pot.txt": numbered(l3="ours", l15="theirs")})
    old = world.ref("refs/heads/topic")
    promote(world)
    answer = ask(world, number)
    attempt = carried(world)
    assert attempt.stage is Stage.CONFLICT
    assert world.ref("refs/heads/topic") == old
    assert "**Commit 1 conflicts**" in answer
    assert "`pot.txt`" in answer
    assert "+<<<<<<<" in answer
    assert f"--force-with-lease=topic:{old}" in answer
    assert f"git cherry-pick {old}" in answer
    said = len(world.comments(number))
    # a person settles it: the attempt has nothing more to do
    world.forge.commit(FORK, "topic", {"other.txt": "x\n"}, "More", by="bob")
    world.settle()
    assert carried(world).stage is Stage.SUPERSEDED
    assert len(world.comments(number)) == said
    world.ends()


def test_somebody_pushes_to_the_pull_request_while_it_is_carried_over(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    world.robot.hold()
    world.comment(number, COMMAND, world.bob)
    world.settle()
    pushed = world.forge.commit(FORK, "topic", {"more.txt": "more\n"}, "More", by="alice")
    world.settle()
    world.robot.resume()
    world.settle()
    assert carried(world).stage is Stage.SUPERSEDED
    assert world.ref("refs/heads/topic") == pushed
    said = world.comments(number)[-1]
    assert "nothing of it was overwritten" in said
    assert "`/patch carry-over` asks again" in said
    # the next time it is all of it
    assert "2 commits of this pull request" in ask(world, number)
    assert own_commits(world, world.ref("refs/heads/topic")) == ["More", "Work on topic"]
    world.ends()


def test_a_stranger_asks_for_a_carry_over(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    old = world.ref("refs/heads/topic")
    answer = ask(world, number, world.rita)
    assert "rita: `/patch carry-over` needs write permission here, and you have read." in answer
    assert world.ref("refs/heads/topic") == old
    assert [one for one in world.attempts() if one.carry_over] == []
    world.ends()


def test_a_pull_request_from_another_repository_is_carried_and_left_to_its_author(world: World) -> None:
    world.forge.add_fork(FORK, "rita/pot")
    number = open_pull(world, {"theirs.txt": "theirs\n"}, "main", by=world.rita, repository="rita/pot")
    old = world.ref("refs/heads/main", "rita/pot")
    promote(world)
    answer = ask(world, number)
    attempt = carried(world)
    assert attempt.stage is Stage.CARRIED_OVER
    assert world.ref("refs/heads/main", "rita/pot") == old
    assert world.ref(names.candidate_ref(attempt.id)) == attempt.candidate
    assert "its branch is in another repository" in answer
    assert f"git fetch {world.forge.url}/{FORK}.git {names.candidate_ref(attempt.id)}" in answer
    assert f"git push --force-with-lease=main:{old} {world.forge.url}/rita/pot.git FETCH_HEAD" in answer
    world.ends()


def test_carry_overs_are_offered_once_and_only_where_the_old_stack_is(world: World) -> None:
    on_it = open_pull(world, {"theirs.txt": "theirs\n"})
    # one that stands on the release, with nothing of the fork's stack
    world.set_ref("refs/heads/clean", world.ref("refs/tags/v1.0.0"))
    world.forge.commit(FORK, "clean", {"clean.txt": "x\n"}, "Work on clean", by="bob")
    made = world.bob.api(
        "POST", f"/repos/{FORK}/pulls", {"title": "clean", "head": "clean", "base": "main", "body": ""}
    )
    # one into another branch
    world.set_ref("refs/heads/side", world.main())
    other = world.bob.api(
        "POST", f"/repos/{FORK}/pulls", {"title": "side", "head": "topic", "base": "side", "body": ""}
    )
    world.settle()
    attempt = promote(world)
    assert [len(world.comments(one)) for one in (on_it, made["number"], other["number"])] == [1, 0, 0]
    world.wish(Kind.SYNC, attempt)
    world.later()
    # of what it stands on, its people were told; two promotions later the command still works
    second = promote(world, "v1.2.0", files={"pot.txt": numbered(l15="v1.2.0")})
    assert [len(world.comments(one)) for one in (on_it, made["number"])] == [1, 0]
    assert "`main` still has all that this pull request stands on" in ask(world, made["number"])
    assert "1 clean" in ask(world, on_it)
    assert carried(world).target == second.candidate
    assert own_commits(world, world.ref("refs/heads/topic")) == ["Work on topic"]
    world.ends()


@pytest.mark.fork(configuration='[pull_requests]\ncarry_over = "off"\n')
def test_a_fork_that_wants_no_offers_gets_none_and_has_the_command_all_the_same(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    assert world.comments(number) == []
    ask(world, number)
    assert own_commits(world, world.ref("refs/heads/topic")) == ["Work on topic"]
    world.ends()


class PushesBefore:
    """A person pushes to the pull request in the very moment before the App moves its branch."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.real = world.server.engine.advancer.performer
        self.pushed = ""

    async def perform(self, attempt: Attempt, effect: Any, *, again: bool) -> Outcome:
        if isinstance(effect, UpdateRefs) and effect.purpose == "carry-over":
            self.pushed = self.world.forge.commit(FORK, "topic", {"late.txt": "x\n"}, "Late", by="bob")
        return await self.real.perform(attempt, effect, again=again)


def test_somebody_pushes_at_the_moment_when_the_branch_is_moved(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    meddling = PushesBefore(world)
    object.__setattr__(world.server.engine.advancer, "performer", meddling)
    answer = ask(world, number)
    assert carried(world).stage is Stage.SUPERSEDED
    assert world.ref("refs/heads/topic") == meddling.pushed
    assert "nothing of it was overwritten" in answer
    assert f"What was carried is at `{names.candidate_ref(carried(world).id)}`" in answer
    world.ends()


def test_the_promotion_is_taken_back_while_a_pull_request_is_carried_over(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    old = world.ref("refs/heads/topic")
    world.robot.hold()
    world.comment(number, COMMAND, world.bob)
    world.settle()
    [waiting] = [one for one in world.attempts() if one.carry_over is not None]
    # a person moves the branch back by hand
    world.set_ref("refs/heads/main", waiting.carry_over.old if waiting.carry_over else "")
    world.settle()
    world.robot.resume()
    world.settle()
    assert carried(world).stage is Stage.SUPERSEDED
    assert world.ref("refs/heads/topic") == old
    assert "`main`" not in world.comments(number)[-1]
    assert "main was moved again" in world.comments(number)[-1]
    assert "main` is no longer what was promoted" in ask(world, number)


def test_a_pull_request_whose_branch_has_rules_is_left_to_a_person(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    old = world.ref("refs/heads/topic")
    # the App may pass them, for promotions
    world.forge.set_rules(FORK, "topic", ["non_fast_forward"], bypass=[world.app.slug])
    answer = ask(world, number)
    assert carried(world).stage is Stage.CARRIED_OVER
    assert world.ref("refs/heads/topic") == old
    assert "has rules of its own" in answer
    # without them it goes where it belongs, whether the operator says so or a person
    world.forge.set_rules(FORK, "topic", [])
    world.later(60)
    world.wish(Kind.REPLAY, carried(world))
    world.settle()
    assert (carried(world).number, carried(world).stage) == (2, Stage.CARRIED_OVER)
    assert own_commits(world, world.ref("refs/heads/topic")) == ["Work on topic"]
    assert f"stays at `{names.archive_ref(carried(world).id)}`" in world.comments(number)[-1]
    world.ends()


def test_a_command_is_heard_twice_and_asked_again_while_it_is_obeyed(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world)
    world.robot.hold()
    world.comment(number, COMMAND, world.bob)
    world.settle()
    for row in world.forge.webhooks.deliveries("issue_comment"):
        world.forge.webhooks.redeliver(row)
    world.settle()
    assert "this is being carried over already" in ask(world, number)
    world.robot.resume()
    world.settle()
    assert len([one for one in world.attempts() if one.carry_over]) == 1
    answers = [one for one in world.comments(number) if "answer:comment" in one]
    assert len(answers) == 2
    world.ends()


def test_a_pull_request_has_workflow_files_of_its_own_that_ran_there_before(world: World) -> None:
    workflow = "on: push\njobs: {a: {runs-on: x, steps: [{run: b}]}}\n"
    number = open_pull(world, {".github/workflows/mine.yml": workflow})
    promote(world)
    # what it could do before is nothing new
    assert "1 clean" in ask(world, number)
    assert own_commits(world, world.ref("refs/heads/topic")) == ["Work on topic"]
    world.ends()


def test_all_of_a_pull_request_is_in_the_release_already(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    promote(world, files={"pot.txt": numbered(l15="v1.1.0"), "theirs.txt": "theirs\n"})
    old = world.ref("refs/heads/topic")
    answer = ask(world, number)
    assert carried(world).stage is Stage.CONTAINED
    assert "the pull request can be closed" in answer
    assert "| **already upstream** |" in answer
    assert world.ref("refs/heads/topic") == old
    world.ends()


def test_commands_that_are_misspelled_or_have_no_place(world: World) -> None:
    number = open_pull(world, {"theirs.txt": "theirs\n"})
    assert "no promotion has moved `main`" in ask(world, number)
    attempt = promote(world)
    assert "did you mean `/patch carry-over`?" in ask(world, number, text="/patch carryover")
    assert "it takes no argument" in ask(world, number, text="/patch carry-over now")
    assert attempt.pull_request is not None
    answer = ask(world, attempt.pull_request.number)
    assert "that is for a person's own pull request" in answer
    assert [one for one in world.attempts() if one.carry_over] == []
    world.ends()
