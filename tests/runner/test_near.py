"""The base is known: what is fetched, and that it is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from git_http import GitServer, serving
from runner_world import World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner.job import Runner
from patch_app.runner.workspace import Workspace


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    root = tmp_path / "served"
    root.mkdir()
    with serving(root) as found:
        yield found


def carried(
    world: World, server: GitServer, base: str | None, *, pinned: bool = True, ahead: int = 0
) -> Report:
    """The carry over HTTP, from a fork that has the target or not."""
    for repo, name in ((world.upstream, "up.git"), (world.fork, "fork.git")):
        repo.git("clone", "-q", "--bare", "--no-hardlinks", ".", str(server.root / name))
    if pinned:
        world.upstream.git("push", "-q", str(server.root / "fork.git"), "HEAD:refs/patch-app/targets/t")
    up = f"{server.url}/up.git"
    with Workspace(f"{server.url}/fork.git", up, parent=str(world.tmp)) as workspace:
        request = world.request(base=base, upstream=up, ahead=ahead)
        return Report.model_validate(Runner(workspace, request).run().report)


def arranged(world: World, patches: int = 2) -> str:
    """Upstream goes on for three commits after the fork's base, which is given back."""
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    base = world.upstream.commit("second", {"c.txt": numbered()})
    fork = world.fork_now()
    for number in range(patches):
        fork.commit(f"patch {number}", {"a.txt": numbered(l3=f"ours {number}")})
    for number in range(3):
        world.upstream.commit(f"upstream {number}", {"a.txt": numbered(l25=f"theirs {number}")})
    return base


def test_known_base_takes_one_fetch_for_trees_and_one_for_blobs(world: World, server: GitServer) -> None:
    report = carried(world, server, arranged(world))
    assert report.status is Status.CLEAN
    assert report.network.requests == 4  # each fetch asks what the server can do, then for its objects
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
    assert report.stack is not None
    assert (report.stack.ahead, report.stack.behind) == (2, None)


def test_patch_conflicts_and_nobody_has_looked_at_upstreams_commits_yet(
    world: World, server: GitServer
) -> None:
    base = arranged(world, patches=1)
    breaking = world.upstream.commit("Rewrite it", {"a.txt": numbered(l3="theirs", l25="theirs 2")})
    world.upstream.commit("later", {"b.txt": numbered(l9="theirs")})
    report = carried(world, server, base)
    assert report.status is Status.CONFLICT
    assert report.patches[0].upstream_commits[0].sha == breaking
    assert report.stack is not None
    assert report.stack.behind == 5
    assert report.network.requests <= 4 + 6  # commits, trees and versions


@pytest.mark.parametrize(("ahead", "requests"), [(0, 12), (12, 6), (10, 15), (100, 6)])
def test_stack_is_longer_than_one_fetch_reaches_whatever_its_length_is_said_to_be(
    world: World, server: GitServer, ahead: int, requests: int
) -> None:
    report = carried(world, server, arranged(world, patches=12), ahead=ahead)
    assert report.status is Status.CLEAN
    assert len(report.patches) == 12
    assert report.network.requests == requests
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_known_base_is_reached_by_way_of_a_merge(world: World, server: GitServer) -> None:
    base = arranged(world, patches=1)
    fork = world.fork
    fork.git("checkout", "-q", "-b", "side", base)
    fork.commit("aside", {"b.txt": numbered(l3="aside")})
    fork.git("checkout", "-q", "main")
    fork.git("merge", "-q", "--no-ff", "-m", "Merge it", "side")
    report = carried(world, server, base)
    assert report.status is Status.CLEAN
    assert sorted(patch.subject for patch in report.patches) == ["aside", "patch 0"]
    assert report.merges == (fork.head,)


def test_fork_does_not_have_the_target_that_the_request_says_it_has(world: World, server: GitServer) -> None:
    report = carried(world, server, arranged(world), pinned=False)
    assert report.status is Status.CLEAN
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
