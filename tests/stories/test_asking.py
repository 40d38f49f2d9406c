"""People ask by comment and by button, over HTTP: who may is obeyed once, who may not is told so."""

from __future__ import annotations

import json

import httpx

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.forge.people import Person
from patch_app.forge.state import Delivery
from tests.stories.world import FORK, World, numbered


def press(world: World, button: str, by: Person) -> None:
    attempt = world.attempt()
    assert attempt.check_run is not None
    world.forge.press(FORK, attempt.check_run, button, by=by.login)
    world.settle()


def test_a_maintainer_holds_asks_and_rolls_back_without_leaving_github(world: World) -> None:
    attempt, before = world.release(), world.main()
    assert attempt.pull_request is not None
    number = attempt.pull_request.number
    world.comment(number, "/patch hold", world.rita)
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    assert "rita: `/patch hold`: this needs write permission" in world.comments(number)[-1]
    press(world, "hold", world.bob)
    assert world.attempt().stage is Stage.HELD
    world.comment(number, "Is this safe?\n\n/patch promote", world.mia)
    world.approve(attempt, by=world.mia)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.HELD, before)
    # the same webhook once more, and a comment that was answered, do nothing
    answers = len(world.comments(number))
    world.forge.webhooks.repeat("issue_comment", "created")
    world.comment(number, "/patch resume", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert len(world.comments(number)) == answers + 3  # the question, its answer, the last words
    promoted = world.main()
    world.comment(number, "/patch rollback", world.bob)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.PROMOTED, promoted)
    world.comment(number, "/patch rollback", world.mia)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.ROLLED_BACK, before)
    assert world.ref(names.candidate_ref(attempt.id)) == promoted


def test_a_press_is_sent_again_under_another_id_long_after_it_was_dealt_with(world: World) -> None:
    """Whoever got hold of a signed body can send it again: no header is signed."""
    world.release()
    press(world, "hold", world.bob)
    press(world, "resume", world.bob)
    held, resumed = (
        row for row in world.forge.webhooks.deliveries("check_run") if row.action == "requested_action"
    )
    again(world, held)
    assert world.attempt().stage is Stage.REVIEWING
    # a person who holds it once more is heard
    press(world, "hold", world.bob)
    again(world, resumed)
    assert world.attempt().stage is Stage.HELD
    press(world, "resume", world.bob)
    assert world.attempt().stage is Stage.REVIEWING
    assert [one.command for one in world.attempt().presses] == ["hold", "resume"] * 2


def again(world: World, row: Delivery) -> None:
    """The same signed body, with another id for the delivery."""
    body = json.dumps(row.payload, separators=(",", ":")).encode()
    headers = {**(row.request_headers or {}), "X-GitHub-Delivery": f"{row.guid}-again"}
    answer = httpx.post(f"{world.server.url}/webhooks/github", content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    world.settle()


def test_a_patch_that_conflicts_is_left_out_by_a_comment(world: World) -> None:
    attempt = world.release(files={"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.CONFLICT
    assert attempt.issue is not None
    assert attempt.report is not None
    unwanted = attempt.report.patches[1].old
    world.comment(attempt.issue.number, f"/patch drop {unwanted[:12]}", world.bob)
    world.settle()
    second = world.attempt()
    assert (second.number, second.stage) == (2, Stage.REVIEWING)
    assert second.report is not None
    assert [patch.verdict.value for patch in second.report.patches] == ["clean", "dropped"]
    assert second.pull_request is not None
    assert "left out, as a person asked" in world.issue(second.pull_request.number)["body"]
    world.approve(second)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    world.ends()
