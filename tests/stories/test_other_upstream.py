"""The upstream's name, or the fork's parent, becomes another repository: nothing is taken in silence."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta

from rich.console import Console

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.examine import examine
from tests.stories.world import FORK, UPSTREAM, World, numbered

HEIR = "mallory/pot"
DASHBOARD = "[dashboard]\nissue = true\n"


def with_heir(world: World, configuration: str = "") -> None:
    """There is an older public fork of the same upstream."""
    world.arrange(configuration=configuration)
    world.mallory = world.forge.add_user("mallory")  # type: ignore[attr-defined]
    world.forge.add_fork(UPSTREAM, HEIR)
    world.forge.repository(HEIR).created_at -= timedelta(days=1)
    world.serve()


def release_of(world: World, repository: str, tag: str) -> None:
    world.forge.commit(repository, "main", {"pot.txt": numbered(l15=tag)}, f"Work for {tag}")
    world.forge.publish_release(repository, tag)


def configure(world: World, text: str) -> None:
    world.forge.commit(FORK, "main", {names.CONFIGURATION_PATH: text}, "Configure", by="alice")
    world.settle()


def polls(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.poll()
        world.later(4000)


def dashboard(world: World) -> str:
    world.later(120)
    found = world.alice.api("GET", f"/repos/{FORK}/issues?state=open")
    return "".join(one["body"] for one in found if "patch-app:dashboard" in one["body"])


def doctor(world: World) -> str:
    out = io.StringIO()
    console = Console(file=out, width=300)
    settings = world.server._settings
    asyncio.run(examine(settings, console, repository=FORK))
    return out.getvalue()


def test_upstream_is_deleted_and_github_names_a_stranger_s_fork_the_parent(bare: World) -> None:
    world = bare
    with_heir(world, DASHBOARD)
    before = world.main()
    world.olga.api("DELETE", f"/repos/{UPSTREAM}")
    assert world.alice.api("GET", f"/repos/{FORK}")["parent"]["full_name"] == HEIR
    polls(world)
    assert "No release is taken" in dashboard(world)
    assert f"upstream-changed: GitHub names {HEIR} the parent of this fork" in doctor(world)
    # a fork that the App has forgotten for a while still knows what it followed
    world.forge.suspend(world.installation, by="alice")
    world.settle()
    world.forge.suspend(world.installation, by="alice", on=False)
    world.settle()
    release_of(world, HEIR, "v1.1.0")
    polls(world)
    blocked = world.attempt("v1.1.0")
    assert (blocked.stage, blocked.target, world.main()) == (Stage.BLOCKED, None, before)
    assert f"GitHub names {HEIR} the parent of this fork, and it was {UPSTREAM}" in blocked.message
    assert not world.forge.repository(FORK).runs
    # a person looks, and says that this is the upstream from now on
    configure(world, f'[upstream]\nrepository = "{HEIR}"\n{DASHBOARD}')
    world.later()
    going = world.attempt("v1.1.0")
    assert going.stage is Stage.REVIEWING, going.message
    assert "upstream-changed" not in doctor(world)
    assert going.upstream_id == world.forge.repository(HEIR).id
    assert "No release is taken" not in dashboard(world)
    assert world.main() != going.candidate


def test_person_names_another_upstream_than_the_new_parent(bare: World) -> None:
    world = bare
    with_heir(world)
    world.forge.add_organization("pots", owners=["olga"])
    world.forge.add_fork(UPSTREAM, "pots/mirror")
    world.olga.api("DELETE", f"/repos/{UPSTREAM}")
    polls(world)
    release_of(world, HEIR, "v1.1.0")
    polls(world)
    assert world.attempt("v1.1.0").stage is Stage.BLOCKED
    configure(world, '[upstream]\nrepository = "pots/mirror"\n')
    world.later()
    ended = world.attempt("v1.1.0")
    assert (ended.stage, ended.message) == (
        Stage.ABANDONED,
        f"{FORK} follows pots/mirror now, and this release is one of {HEIR}",
    )
    polls(world, 1)
    release_of(world, "pots/mirror", "v1.2.0")
    polls(world, 1)
    assert world.attempt("v1.2.0").stage is Stage.REVIEWING


def test_upstream_is_renamed_twice_and_its_releases_are_carried_once_each(bare: World) -> None:
    world = bare
    world.arrange(configuration=DASHBOARD)
    world.serve()
    first = world.release("v1.1.0")
    world.approve(first)
    world.settle()
    world.olga.api("PATCH", f"/repos/{UPSTREAM}", {"name": "kettle"})
    release_of(world, "tea/kettle", "v1.2.0")
    polls(world)
    second = world.attempt("v1.2.0")
    assert second.stage is Stage.REVIEWING, second.message
    assert second.upstream_id == first.upstream_id is not None
    world.approve(second)
    world.settle()
    world.olga.api("PATCH", "/repos/tea/kettle", {"name": "urn"})
    polls(world, 1)
    release_of(world, "tea/urn", "v1.3.0")
    polls(world)
    third = world.attempt("v1.3.0")
    assert (third.stage, third.upstream) == (Stage.REVIEWING, "tea/urn")
    assert [one.tag for one in world.attempts()] == ["v1.1.0", "v1.2.0", "v1.3.0"]
    shown = dashboard(world)
    assert "v1.2.0" in shown
    assert "carry it now" not in shown


def test_configured_name_is_taken_by_a_stranger_until_a_person_names_its_id(bare: World) -> None:
    world = bare
    with_heir(world, f'[upstream]\nrepository = "{UPSTREAM}"\n')
    before = world.main()
    polls(world, 1)
    world.olga.api("DELETE", f"/repos/{UPSTREAM}")
    world.forge.add_repository(UPSTREAM)
    release_of(world, UPSTREAM, "v1.1.0")
    polls(world)
    number = world.forge.repository(UPSTREAM).id
    blocked = world.attempt("v1.1.0")
    assert (blocked.stage, world.main()) == (Stage.BLOCKED, before)
    assert f"{UPSTREAM} is another repository now ({number})" in blocked.message
    configure(world, f'[upstream]\nrepository = "{UPSTREAM}"\nrepository_id = {number + 1}\n')
    world.later()
    assert "the configuration names" in world.attempt("v1.1.0").message
    configure(world, f'[upstream]\nrepository = "{UPSTREAM}"\nrepository_id = {number}\n')
    world.later()
    assert world.attempt("v1.1.0").upstream_id == number
    assert world.attempt("v1.1.0").stage is not Stage.BLOCKED


def test_name_is_taken_by_a_stranger_during_the_review(bare: World) -> None:
    """With the very tag on the very commit: what was approved is no longer of the repository it was of."""
    world = bare
    with_heir(world)
    attempt = world.release("v1.1.0", {"new.txt": "new\n"})
    assert attempt.stage is Stage.REVIEWING
    before, git = world.main(), world.forge.core.git
    old = world.forge.repository(UPSTREAM)
    world.olga.api("DELETE", f"/repos/{UPSTREAM}")
    world.forge.add_repository(UPSTREAM)
    with world.forge.core.lock:
        new = git(world.forge.repository(UPSTREAM))
        new.run("fetch", "-q", str(world.forge.core.path_of(old)), "refs/*:refs/*")
    world.approve(attempt)
    world.settle()
    blocked = world.attempt("v1.1.0")
    assert (blocked.stage, world.main()) == (Stage.BLOCKED, before)
    assert "is another repository now" in blocked.message
