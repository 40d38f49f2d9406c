"""Since which upstream commit a patch no longer applies."""

from __future__ import annotations

import pytest
from git_http import serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_world import World, numbered
from test_preview import Shown

from patch_app.core.report import Report, Status
from patch_app.runner import attribution


def named(report: Report) -> str | None:
    """The commit that the conflict's note names, whole; it is the first of the upstream commits then."""
    assert report.status is Status.CONFLICT
    stopped = next(patch for patch in report.patches if str(patch.verdict) == "conflicted")
    if stopped.note is None or not stopped.note.startswith("it has not applied since "):
        return None
    assert stopped.upstream_commits[0].sha.startswith(stopped.note.split()[5])
    return stopped.upstream_commits[0].sha


def edits(world: World, count: int, *, breaking: int) -> str:
    """Upstream commits to lines far away, but one that changes the third; that one's id."""
    found = ""
    lines: dict[str, str] = {}
    for number in range(count):
        lines["l3" if number == breaking else f"l{10 + 2 * (number % 5)}"] = f"theirs {number}"
        made = world.upstream.commit(f"Edit {number} (#{number})", {"a.txt": numbered(**lines)})
        found = made if number == breaking else found
        world.upstream.commit(f"Elsewhere {number}", {"b.txt": f"{number}\n"})
    return found


@pytest.mark.parametrize("breaking", [0, 1, 7, 20, 39])
def test_the_commit_that_changed_the_line_among_many_that_changed_the_file(
    world: World, breaking: int
) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    wanted = edits(world, 40, breaking=breaking)
    assert named(world.carry()) == wanted


def test_a_patch_that_builds_on_an_earlier_one_is_tried_on_top_of_it(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.commit("one", {"a.txt": numbered(l7="one")})
    fork.commit("two", {"a.txt": numbered(l3="ours", l7="two")})
    wanted = edits(world, 6, breaking=4)
    report = world.carry()
    assert [str(patch.verdict) for patch in report.patches] == ["clean", "conflicted"]
    assert named(report) == wanted


def test_upstream_deleted_the_file(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("edit", {"a.txt": numbered(l15="theirs")})
    wanted = world.upstream.commit("gone", {"a.txt": None})
    world.upstream.commit("later", {"b.txt": "c\n"})
    assert named(world.carry()) == wanted


def test_upstream_added_the_file_that_the_patch_adds(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"new.txt": "ours\n"})
    world.upstream.commit("edit", {"a.txt": numbered(l15="theirs")})
    wanted = world.upstream.commit("theirs", {"new.txt": "theirs\n"})
    world.upstream.commit("later", {"new.txt": "theirs, later\n"})
    assert named(world.carry()) == wanted


def test_a_change_that_came_by_a_merge_is_the_merge(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    git = world.upstream.git
    git("switch", "-q", "-c", "topic")
    world.upstream.commit("the edit", {"a.txt": numbered(l3="theirs")})
    git("switch", "-q", "main")
    world.upstream.commit("meanwhile", {"b.txt": "b\n"})
    git("merge", "-q", "--no-ff", "-m", "Merge pull request #5", "topic")
    wanted = world.upstream.rev("HEAD")
    world.upstream.commit("later", {"b.txt": "c\n"})
    assert named(world.carry()) == wanted


def test_a_file_that_upstream_moved_and_then_edited_names_the_edit(world: World) -> None:
    world.upstream.commit("first", {"old/a.txt": numbered()})
    world.fork_now().commit("ours", {"old/a.txt": numbered(l3="ours")})
    world.upstream.commit("move", {"old/a.txt": None, "new/a.txt": numbered()})
    edit = world.upstream.commit("edit", {"new/a.txt": numbered(l3="theirs")})
    assert named(world.carry()) == edit


def test_a_history_that_is_too_long_names_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MAX_RANGE", 3)
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    edits(world, 4, breaking=2)
    assert named(world.carry()) is None


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["ours", "theirs", "line 3", "far"]), min_size=1, max_size=12))
def test_whatever_upstream_did_the_patch_applies_before_the_named_commit_and_not_at_it(
    tmp_path_factory: pytest.TempPathFactory, third: list[str]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("mine", {"a.txt": numbered(l3="mine")})
    now = {"l3": ""}
    made = []
    for number, word in enumerate([*third, "theirs"]):
        if word == "far":
            now["l18"] = str(number)
        else:
            now["l3"] = "" if word == "line 3" else f"{word} {number % 2}"
        lines = {name: value for name, value in now.items() if value}
        made.append(world.upstream.commit(f"commit {number}", {"a.txt": numbered(**lines)}))
    found = named(world.carry())
    assert found in made
    assert "CONFLICT" in merged(world, found)
    assert "CONFLICT" not in merged(world, f"{found}^")


def merged(world: World, commit: str) -> str:
    """What `git cherry-pick` of the fork's patch onto an upstream commit says."""
    git = world.fork.git
    git("fetch", "-q", str(world.upstream.path), world.upstream.rev(commit))
    patch = world.fork.rev("main")
    git("switch", "-q", "--detach", "FETCH_HEAD")
    try:
        return git("cherry-pick", "--keep-redundant-commits", patch, ok=(0, 1))
    finally:
        git("cherry-pick", "--quit")
        git("reset", "-q", "--hard")
        git("switch", "-q", "main")


def test_it_costs_few_requests_and_few_of_the_versions(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.upstream.git("tag", "v1")
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    wanted = edits(world, 60, breaking=41)
    world.upstream.git("tag", "v2")
    root = world.tmp / "served"
    for repo, name in ((world.upstream, "up"), (world.fork, "fork")):
        repo.git("clone", "-q", "--bare", "--no-hardlinks", ".", str(root / name))
    requests = []
    for limit in (0, attribution.MAX_RANGE):
        attribution_limit = pytest.MonkeyPatch()
        attribution_limit.setattr(attribution, "MAX_RANGE", limit)
        with serving(root) as server:
            shown = Shown(f"{server.url}/fork", "v2", f"{server.url}/up")
            requests.append(shown.report.network.requests)
        attribution_limit.undo()
    assert named(shown.report) == wanted
    assert requests[1] - requests[0] <= 8
