"""The server is killed at every effect boundary of the story, and the story ends as if it had not been."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from patch_app.core import names
from tests.chaos import supervised
from tests.chaos.world import Killable
from tests.stories.world import FORK, compare, numbered

# a run per boundary: more than pytest's usual limit on a loaded machine
pytestmark = pytest.mark.timeout(300)

KINDS = {
    "v1.1.0": {
        "pin_target",
        "dispatch",
        "relay",
        "update_refs branches",
        "open_pull_request",
        "put_check_run",
        "update_refs promote",
        "close",
    },
    "v1.2.0": {
        "pin_target",
        "dispatch",
        "relay",
        "update_refs branches",
        "open_issue",
        "put_check_run",
    },
}


def start(world: Killable, when: str) -> None:
    program = (sys.executable, str(Path(supervised.__file__)))
    world.run(program, {"KILL": when, "KILLED": str(world.folder / "killed"), "PYTHONDONTWRITEBYTECODE": "1"})


def killed(world: Killable, tag: str) -> set[str]:
    """The kinds of effects at which the server was killed."""
    file = world.folder / "killed"
    lines = [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []
    return {f"{kind} {purpose}".strip() for _, hit, kind, purpose, _ in lines if hit == tag}


def first(world: Killable) -> None:
    """v1.1.0 comes out, is reviewed, and promoted."""
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.comes_to("v1.1.0", "reviewing")
    did(world, "v1.1.0", "put_check_run")
    attempt = world.one("v1.1.0")
    world.approve_number(attempt["pull_request"]["number"], attempt["candidate"])
    world.comes_to("v1.1.0", "promoted")
    did(world, "v1.1.0", "close")


def second(world: Killable) -> None:
    """v1.2.0 comes out and conflicts."""
    world.publish("v1.2.0", {"pot.txt": numbered(l3="theirs", l15="v1.2.0")})
    world.comes_to("v1.2.0", "conflict")
    did(world, "v1.2.0", "open_issue")


def did(world: Killable, tag: str, kind: str) -> None:
    """Waits until such an effect is done, and nothing else that was wished for is left."""

    def done() -> bool:
        states = [(effect["kind"], effect["state"]) for effect in world.one(tag).get("effects", ())]
        return (kind, "done") in states and not {state for _, state in states} & {"pending", "begun"}

    world.until(done, f"no {kind} was done for {tag}")
    world.forge.settle(60)


@pytest.mark.parametrize("when", ["before", "after"])
def test_server_is_killed_around_every_effect_of_two_releases(world: Killable, when: str) -> None:
    start(world, when)
    first(world)
    second(world)
    assert {tag: killed(world, tag) for tag in KINDS} == KINDS
    # to the letter what the same story leaves where nobody is killed
    compare("two_releases_the_first_promoted_the_second_a_conflict", world.told())


@pytest.mark.parametrize("when", ["before", "after"])
def test_server_is_killed_around_every_effect_of_a_landing(world: Killable, when: str) -> None:
    files = {names.CONFIGURATION_PATH: '[promotion]\nmove = "pull-request"\n'}
    world.forge.commit(FORK, "main", files, "Never force it")
    start(world, when)
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.comes_to("v1.1.0", "reviewing")
    did(world, "v1.1.0", "put_check_run")
    attempt = world.one("v1.1.0")
    world.approve_number(attempt["pull_request"]["number"], attempt["candidate"])
    path = f"/repos/{FORK}/pulls"
    world.until(lambda: world.alice.api("GET", f"{path}?base=main"), "nothing was opened onto main")
    did(world, "v1.1.0", "land")
    (pull,) = world.alice.api("GET", f"{path}?base=main&state=all")
    world.alice.api("PUT", f"{path}/{pull['number']}/merge", {"merge_method": "merge"})
    world.comes_to("v1.1.0", "promoted")
    did(world, "v1.1.0", "close")
    assert {"land", "open_pull_request", "update_refs landing", "close"} <= killed(world, "v1.1.0")
    branches = [one for one in world.refs() if one.startswith("refs/heads/")]
    assert branches == ["refs/heads/main"]
    assert world.ref(f"refs/tags/{names.candidate_tag('main', 'v1.1.0')}") == attempt["candidate"]
    assert len(world.alice.api("GET", f"{path}?base=main&state=all")) == 1
