"""Webhooks get lost, come twice, or in a wrong order: nothing but the delay changes."""

from __future__ import annotations

from patch_app.core.attempt import Stage
from tests.stories.world import FORK, UPSTREAM, World, numbered

ONE_RELEASE = "one_release_promoted"


def promoted(world: World) -> None:
    """All of these stories end alike."""
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert len(world.forge.repository(FORK).runs) == 1
    world.name = ONE_RELEASE
    world.ends()


def test_run_finishes_but_its_webhook_is_lost(world: World) -> None:
    for event in ("workflow_run", "workflow_job", "check_run", "check_suite", "create", "push"):
        world.forge.webhooks.drop(event, times=None)
    attempt = world.release()
    assert attempt.stage in (Stage.DISPATCHED, Stage.RUNNING)
    assert [run.conclusion for run in world.forge.repository(FORK).runs.values()] == ["success"]
    world.later()
    world.approve(world.attempt())
    promoted(world)


def test_every_webhook_arrives_twice(world: World) -> None:
    for event in ("workflow_run", "pull_request", "pull_request_review", "push", "check_run", "create"):
        for _ in range(10):
            world.forge.webhooks.repeat(event)
    world.approve(world.release())
    promoted(world)


def test_webhooks_arrive_in_reverse_order(world: World) -> None:
    world.forge.webhooks.hold()
    world.release()
    while world.forge.webhooks.held():
        world.forge.webhooks.release(lambda rows: list(reversed(rows)))
        world.forge.webhooks.hold()
        world.settle()
    world.approve(world.attempt())
    world.settle()
    world.forge.webhooks.release(lambda rows: list(reversed(rows)))
    promoted(world)


def test_all_webhooks_are_lost_and_the_timer_does_it_alone(world: World) -> None:
    world.forge.webhooks.drop(times=None)
    world.release()
    world.later()
    world.approve(world.attempt())
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.later()
    promoted(world)


def test_the_same_release_is_heard_by_poll_webhook_and_command_line(world: World) -> None:
    # its maintainers have the App too, so that their release arrives as a webhook
    world.forge.install(world.app, account="tea", repositories=[UPSTREAM], by="olga")
    world.robot.hold()
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.tell("v1.1.0")
    world.poll()
    world.settle()
    assert {row.status for row in world.forge.webhooks.deliveries("release")} == {"OK"}
    world.robot.resume()
    world.settle()
    world.tell("v1.1.0", key="again")
    world.poll()
    world.settle()
    assert len(world.attempts()) == 1
    world.approve(world.attempt())
    promoted(world)


def test_a_run_is_not_named_in_the_answer_to_its_dispatch(bare: World) -> None:
    object.__setattr__(bare.forge.core.options, "dispatch_details", False)
    bare.arrange()
    bare.serve()
    bare.approve(bare.release())
    promoted(bare)
