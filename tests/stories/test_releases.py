"""Releases come in, one after the other, and what people do about them."""

from __future__ import annotations

from patch_app.core.attempt import Stage
from tests.stories.world import World, numbered


def test_two_releases_the_first_promoted_the_second_a_conflict(world: World) -> None:
    before = world.main()
    first = world.release("v1.1.0")
    assert first.stage is Stage.REVIEWING
    assert world.main() == before
    world.approve(first)
    world.settle()
    first = world.attempt("v1.1.0")
    assert (first.stage, world.main()) == (Stage.PROMOTED, first.candidate)
    second = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l15="v1.2.0")})
    assert second.stage is Stage.CONFLICT
    assert second.issue is not None
    assert "pot.txt" in world.issue(second.issue.number)["body"]
    assert world.main() == first.candidate
    world.ends()
