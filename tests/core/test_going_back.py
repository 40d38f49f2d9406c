"""A release that lacks commits of upstream which the branch stands on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from patch_app.core import messages
from patch_app.core.attempt import Stage
from patch_app.core.effects import OpenIssue
from patch_app.core.facts import Facts
from patch_app.core.leaving import Leaving, LeavingCommit
from patch_app.engine.advance import successor
from tests.core.test_asks import AUTO, ended
from tests.core.world import HEAD, STACK, TARGET, World, oid

LEAVING = Leaving(
    number=7,
    tips=(oid("tip"),),
    commits=tuple(LeavingCommit(sha=oid(f"u{n}"), subject=f"Upstream <b>{n}</b>\x1b[31m") for n in range(5)),
    url="https://example.org/compare/a...b",
)


@dataclass
class Back(World):
    leaving: Leaving | None = LEAVING

    def facts(self) -> Facts:
        return super().facts().model_copy(update={"leaving": self.leaving})


def carried(**known: object) -> Back:
    world = Back(**known)  # type: ignore[arg-type]
    world.settle()
    world.run_ends()
    world.settle()
    return world


@pytest.mark.parametrize("conflict", [False, True])
def test_held_with_a_bounded_list_before_any_branch_is_made(conflict: bool) -> None:
    world = carried(conflict=conflict)
    assert (world.attempt.stage, world.settle()) == (Stage.HELD, Stage.HELD)
    assert not [ref for ref in world.refs if "maintenance" in ref or "base" in ref]
    assert "v2.0.0 would take 7 commits of upstream out of main" in world.attempt.message
    assert f"`/patch go-back {TARGET}`" in world.attempt.message
    assert "\x1b" not in world.attempt.message
    told = [one.effect for one in world.effects.values() if isinstance(one.effect, OpenIssue)]
    assert len(told) == 1
    assert "and 2 more" in told[0].body
    assert "<b>" not in told[0].body
    assert "What would leave" in messages.check_run(world.attempt)[2]
    world.ask(f"/patch go-back {TARGET}")
    assert world.settle() is (Stage.CONFLICT if conflict else Stage.REVIEWING)
    if not conflict:
        assert "What would leave" in messages.pull_request_body(world.attempt)


def test_word_is_of_who_may_write_and_on_exactly_the_release() -> None:
    world = carried()
    world.ask(f"/patch go-back {TARGET}", permission="triage")
    world.ask(f"/patch go-back {HEAD}", permission="admin")
    world.ask(f"/patch go-back {TARGET[:12]}", permission="admin")
    world.ask("/patch resume", permission="admin")
    assert world.settle() is Stage.HELD
    assert world.attempt.let_go is None
    assert world.answers[-1].endswith(f"`/patch go-back {TARGET}` lets go what leaves `main`.")


def test_word_is_none_on_another_release_or_another_head() -> None:
    world = carried()
    world.ask(f"/patch go-back {TARGET}")
    world.settle()
    assert not world.attempt.goes_back
    for other in ({"stack_head": STACK[0]}, {"target": STACK[0]}):
        assert world.attempt.model_copy(update=other).goes_back
    again = successor(world.attempt, world.now)
    assert again.let_go == world.attempt.let_go


def test_release_that_takes_nothing_has_nothing_to_let_go() -> None:
    world = carried(leaving=None)
    assert world.settle() is Stage.REVIEWING
    world.ask(f"/patch go-back {TARGET}")
    world.settle()
    assert (world.attempt.let_go, world.attempt.stage) == (None, Stage.REVIEWING)


def test_auto_never_promotes_it_even_where_a_person_lets_them_go() -> None:
    world = carried(configuration=AUTO)
    world.ask(f"/patch go-back {TARGET}")
    world.settle()
    world.jobs = ended("success")
    assert world.settle() is Stage.REVIEWING
    assert "approving review" in world.attempt.message
    world.approve()
    world.ask("/patch promote")
    assert world.settle() is Stage.PROMOTED


def test_what_github_can_not_count_is_held_too() -> None:
    world = carried(leaving=Leaving(number=None, tips=(oid("tip"),)))
    assert world.settle() is Stage.HELD
    assert "GitHub can't say how many" in world.attempt.message


def test_run_that_is_started_again_is_looked_at_again() -> None:
    world = carried(conflict=True)
    assert world.settle() is Stage.HELD
    world.run_attempt, world.leaving = 2, None
    world.conflict = False
    assert world.settle() is Stage.REVIEWING
