"""The dashboard issue: made when it is wanted, kept up to date, its boxes obeyed from those who may."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import dashboard, names
from patch_app.core.attempt import Stage
from patch_app.core.dashboard import Action
from patch_app.forge.people import Person
from tests.stories.world import FORK, UPSTREAM, World, numbered

ON = '[dashboard]\nissue = true\n[upstream]\nminimum_age = "30d"\n'


def issues(world: World) -> list[Any]:
    found = world.alice.api("GET", f"/repos/{FORK}/issues?state=all")
    return [one for one in found if dashboard.MARK in (one["body"] or "")]


def body(world: World) -> str:
    (one,) = issues(world)
    return str(one["body"])


def tick(world: World, action: Action, tag: str, by: Person) -> None:
    """What the page of GitHub sends when a box is clicked, with its own line ends."""
    (one,) = issues(world)
    box = dashboard.box(action, names.event_id(UPSTREAM, tag))
    lines = [line.replace("[ ]", "[x]") if line.endswith(box) else line for line in one["body"].splitlines()]
    assert lines != one["body"].splitlines(), one["body"]
    by.api("PATCH", f"/repos/{FORK}/issues/{one['number']}", {"body": "\r\n".join(lines)})
    world.settle()


def hear(world: World, tag: str) -> None:
    world.publish(tag, {"pot.txt": numbered(l15=tag)})
    world.poll()
    world.later(61)


@pytest.mark.fork(configuration=ON)
def test_young_release_is_carried_at_once_and_an_ignored_one_stays_away_until_it_is_taken_back(
    world: World,
) -> None:
    tim = world.forge.add_user("tim")
    world.forge.collaborator(FORK, "tim", "triage")
    (first,) = issues(world)
    number = first["number"]
    assert first["user"]["login"].endswith("[bot]")
    assert "not known before the first attempt" in first["body"]
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.poll()
    world.settle()
    # a minute between two writes
    assert "`v1.1.0`" not in body(world)
    world.later(61)
    assert "too young, taken by itself from" in body(world)
    assert world.attempts() == []
    world.forge.webhooks.repeat("issues", "edited")
    tick(world, Action.CARRY, "v1.1.0", world.mia)
    assert world.attempt("v1.1.0").stage is Stage.REVIEWING
    world.approve(world.attempt("v1.1.0"))
    world.settle()
    world.later(61)
    assert "| `main` | `v1.1.0` | up to date |" in body(world)
    hear(world, "v1.2.0")
    assert "| `main` | `v1.1.0` | 1 release; the newest that matches is `v1.2.0` |" in body(world)
    # who may not is told so once, and the box is empty again
    tick(world, Action.IGNORE, "v1.2.0", tim)
    world.later(61)
    (said,) = world.comments(number)
    assert "yours is triage. Nothing was done." in said
    assert "[x]" not in body(world)
    tick(world, Action.IGNORE, "v1.2.0", world.bob)
    world.later(61)
    assert "take `v1.2.0` after all (ignored by `bob`)" in body(world)
    world.later(40 * 86_400)
    assert [one.tag for one in world.attempts()] == ["v1.1.0"]
    # somebody who had the permission, and has it no more when it is read
    world.forge.webhooks.hold("issues")
    tick(world, Action.TAKE, "v1.2.0", world.bob)
    world.forge.collaborator(FORK, "bob", "read")
    world.forge.webhooks.release()
    world.settle()
    world.later(61)
    assert "yours is read" in world.comments(number)[1]
    assert [one.tag for one in world.attempts()] == ["v1.1.0"]
    world.forge.collaborator(FORK, "bob", "write")
    tick(world, Action.TAKE, "v1.2.0", world.bob)
    assert world.attempt("v1.2.0").stage is Stage.REVIEWING
    world.later(61)
    assert "| `v1.2.0` | `main` | reviewing |" in body(world)
    assert len(world.comments(number)) == 2


@pytest.mark.fork(configuration=ON)
def test_closed_issue_is_left_and_a_reopened_one_goes_on(world: World) -> None:
    (first,) = issues(world)
    path = f"/repos/{FORK}/issues/{first['number']}"
    world.alice.api("PATCH", path, {"state": "closed", "body": "mine"})
    world.later(61)
    before = world.issue(first["number"])
    hear(world, "v1.1.0")
    assert world.issue(first["number"]) == before
    world.alice.api("PATCH", path, {"state": "open"})
    world.settle()
    assert "`v1.1.0`" in body(world)
    world.footprint("[dashboard]\nissue = false\n")
    world.later(61)
    (off,) = world.alice.api("GET", f"/repos/{FORK}/issues?state=closed")
    assert (off["number"], off["closed_by"]["type"]) == (first["number"], "Bot")
    world.footprint(ON)
    world.later(61)
    (again,) = issues(world)
    assert (again["number"], again["state"]) == (first["number"], "open")
    assert "`v1.1.0`" in again["body"]
