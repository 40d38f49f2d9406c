"""Who took a patch: named is the commit whose effect was shown, else it is said that this is a guess."""

from __future__ import annotations

import pytest
from git_http import serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_world import World, numbered
from test_preview import Shown

from patch_app.core.report import Patch, Report, Status
from patch_app.runner import attribution, explain


def carried(world: World) -> Report:
    """A carry that went well, its tree held against the oracle's."""
    report = world.carry()
    assert report.status is Status.CLEAN, report.error or report.conflict
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
    return report


def named(patch: Patch) -> list[str]:
    return [commit.sha for commit in patch.upstream_commits]


def begun(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "dir/b.txt": numbered(), "z.txt": "z\n"})


def busy(world: World, count: int = 3) -> None:
    """Upstream commits to the same file, far from what any patch touches."""
    for number in range(count):
        text = (world.upstream.path / "a.txt").read_text().splitlines()
        text[28] = f"busy {number} {len(text)}"
        world.upstream.commit(f"Busy {number}", {"a.txt": "\n".join(text) + "\n"})


@pytest.mark.parametrize("subject", ["Fix line three (#12)", "Repair the third"])
def test_upstream_took_it_as_it_was_among_commits_to_the_same_file(world: World, subject: str) -> None:
    begun(world)
    world.fork_now().commit("Fix line three", {"a.txt": numbered(l3="fixed"), "new/c.txt": "c\n"})
    taken = world.upstream.commit(subject, {"a.txt": numbered(l3="fixed"), "new/c.txt": "c\n"})
    busy(world)
    patch = carried(world).patches[0]
    assert (str(patch.verdict), named(patch), patch.note) == ("already-upstream", [taken], None)


def test_a_namesake_that_did_something_else_is_not_named(world: World) -> None:
    begun(world)
    world.fork_now().commit("Fix it", {"a.txt": numbered(l3="fixed")})
    taken = world.upstream.commit("Other words", {"a.txt": numbered(l3="fixed")})
    world.upstream.commit("Fix it (#9)", {"a.txt": numbered(l3="fixed", l20="another line")})
    assert named(carried(world).patches[0]) == [taken]


def test_upstream_squashed_it_with_others(world: World) -> None:
    begun(world)
    fork = world.fork_now()
    fork.commit("one", {"a.txt": numbered(l3="one")})
    fork.commit("two", {"dir/b.txt": numbered(l7="two")})
    fork.commit("ours alone", {"c.txt": "c\n"})
    fork.commit("three", {"a.txt": numbered(l3="one", l12="three")})
    squashed = {"a.txt": numbered(l3="one", l12="three", l20="more"), "dir/b.txt": numbered(l7="two")}
    taken = world.upstream.commit("All at once", squashed)
    busy(world)
    patches = carried(world).patches
    assert [str(patch.verdict) for patch in patches] == [
        *["already-upstream"] * 2,
        "clean",
        "already-upstream",
    ]
    assert [named(patch) for patch in patches] == [[taken], [taken], [], [taken]]


def test_upstream_split_it(world: World) -> None:
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x", l12="y"), "dir/b.txt": numbered(l7="two")})
    first = world.upstream.commit("part one", {"a.txt": numbered(l3="x")})
    busy(world)
    lines = (world.upstream.path / "a.txt").read_text().replace("line 12\n", "y\n")
    second = world.upstream.commit("part two", {"a.txt": lines})
    third = world.upstream.commit("part three", {"dir/b.txt": numbered(l7="two")})
    patch = carried(world).patches[0]
    assert str(patch.verdict) == "already-upstream"
    assert named(patch) == [third, second, first]
    assert patch.note == explain.SEVERAL


def test_the_halves_came_by_two_branches_and_the_merge_is_not_named(world: World) -> None:
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x", l20="y")})
    git = world.upstream.git
    git("switch", "-q", "-c", "topic")
    half = world.upstream.commit("half", {"a.txt": numbered(l3="x")})
    git("switch", "-q", "main")
    other = world.upstream.commit("other half", {"a.txt": numbered(l20="y")})
    git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    assert sorted(named(carried(world).patches[0])) == sorted([half, other])


def test_upstream_took_it_and_reverted_it_so_the_fork_still_carries_it(world: World) -> None:
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.commit("Revert ours", {"a.txt": numbered()})
    patch = carried(world).patches[0]
    assert (str(patch.verdict), named(patch), patch.note) == ("clean", [], None)


def test_taken_reverted_and_taken_again_under_another_name_is_the_last_one(world: World) -> None:
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.commit("first try", {"a.txt": numbered(l3="x")})
    world.upstream.commit("Revert", {"a.txt": numbered()})
    again = world.upstream.commit("second try", {"a.txt": numbered(l3="x")})
    assert named(carried(world).patches[0]) == [again]


def test_upstream_has_a_part_and_the_note_names_who(world: World) -> None:
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x", l20="y")})
    world.upstream.commit("Busy itself", {"a.txt": numbered(l10="z")})
    taken = world.upstream.commit("Third line (#4)", {"a.txt": numbered(l3="x", l10="z")})
    patch = carried(world).patches[0]
    assert str(patch.verdict) == "adjusted"
    assert (patch.note or "").endswith(f"; upstream has the rest: {taken[:10]} Third line (#4)")
    assert named(patch) == [taken]


def test_upstream_made_the_same_file_executable_and_only_the_rest_is_carried(world: World) -> None:
    begun(world)
    fork = world.fork_now()
    (fork.path / "a.txt").chmod(0o755)
    fork.commit("ours", {"a.txt": numbered(l3="x")})
    (world.upstream.path / "a.txt").chmod(0o755)
    taken = world.upstream.commit("Executable")
    busy(world)
    patch = carried(world).patches[0]
    assert str(patch.verdict) == "adjusted"
    assert named(patch) == [taken]


def test_both_sides_of_a_merge_in_the_stack_have_it_and_the_note_names_who_came_first(world: World) -> None:
    begun(world)
    fork = world.fork_now()
    first = fork.commit("One half", {"a.txt": numbered(l3="x")})
    second = fork.commit("Other half", {"a.txt": numbered(l3="x", l12="y")})
    fork.git("switch", "-q", "-c", "topic", "HEAD~2")
    fork.commit("Both halves", {"a.txt": numbered(l3="x", l12="y")})
    fork.git("switch", "-q", "main")
    fork.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    busy(world)
    report = world.carry()
    assert report.status is Status.CLEAN, report.error
    told = {patch.subject: (str(patch.verdict), patch.note) for patch in report.patches}
    note = f"{explain.OURS}: {second[:10]} Other half, {first[:10]} One half"
    assert told == {
        "One half": ("clean", None), "Other half": ("clean", None), "Both halves": ("empty", note)
    }  # fmt: skip


def test_upstream_has_one_half_and_an_earlier_patch_of_ours_the_other(world: World) -> None:
    begun(world)
    fork = world.fork_now()
    ours = fork.commit("One half", {"a.txt": numbered(l3="x")})
    fork.git("switch", "-q", "-c", "topic", "HEAD~1")
    fork.commit("Both halves", {"a.txt": numbered(l3="x", l12="y")})
    fork.git("switch", "-q", "main")
    fork.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    taken = world.upstream.commit("Theirs", {"a.txt": numbered(l12="y")})
    patch = next(one for one in world.carry().patches if one.subject == "Both halves")
    note = f"{explain.OURS}: {ours[:10]} One half; upstream has a part of it: {taken[:10]} Theirs"
    assert (str(patch.verdict), patch.note, named(patch)) == ("empty", note, [taken])


def test_too_many_commits_to_tell_are_said_to_be_a_guess(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "ROUNDS", ((0, 2),))
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x")})
    taken = world.upstream.commit("taken", {"a.txt": numbered(l3="x")})
    busy(world)
    patch = carried(world).patches[0]
    assert patch.note == explain.TOUCHED
    assert len(named(patch)) == 4
    assert named(patch)[-1] == taken


def test_a_history_that_is_too_long_names_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "MAX_RANGE", 2)
    begun(world)
    world.fork_now().commit("ours", {"a.txt": numbered(l3="x")})
    world.upstream.commit("ours", {"a.txt": numbered(l3="x")})
    busy(world)
    patch = carried(world).patches[0]
    assert (str(patch.verdict), named(patch), patch.note) == ("already-upstream", [], explain.UNKNOWN)


@pytest.mark.parametrize(("subject", "most"), [("Fix 1 (#1)", 4), ("Other words", 4)])
def test_many_patches_that_were_taken_cost_no_more_requests_than_one(
    world: World, subject: str, most: int
) -> None:
    names = [f"dir/{number}.txt" for number in range(6)]
    world.upstream.commit("first", {"z.txt": "z\n", **dict.fromkeys(names, numbered())})
    world.upstream.git("tag", "v1")
    fork = world.fork_now()
    for number, name in enumerate(names):
        fork.commit(f"Fix {number}", {name: numbered(l3="fixed")})
    taken = []
    for number, name in enumerate(names):
        made = world.upstream.commit(subject.replace("1", str(number)), {name: numbered(l3="fixed")})
        taken.append(made)
        world.upstream.commit("Busy", {"z.txt": f"{number}\n"})
    world.upstream.git("tag", "v2")
    root = world.tmp / "served"
    for repo, name in ((world.upstream, "up"), (world.fork, "fork")):
        repo.git("clone", "-q", "--bare", "--no-hardlinks", ".", str(root / name))
    requests = []
    for limit in (0, attribution.MAX_RANGE):
        with pytest.MonkeyPatch.context() as patched, serving(root) as server:
            patched.setattr(explain, "MAX_RANGE", limit)
            shown = Shown(f"{server.url}/fork", "v2", f"{server.url}/up")
        requests.append(shown.report.network.requests)
    assert [named(patch) for patch in shown.report.patches] == [[one] for one in taken]
    assert requests[1] - requests[0] <= most


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["three", "twelve", "both", "neither", "far"]), max_size=7))
def test_whatever_upstream_did_a_named_commit_left_less_to_do_than_it_found(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("mine", {"a.txt": numbered(l3="three", l12="twelve")})
    lines: dict[str, str] = {}
    for number, move in enumerate([*moves, "both"]):
        if move == "far":
            lines["l25"] = str(number)
        for name, word in (("l3", "three"), ("l12", "twelve")):
            if move in (word, "both"):
                lines[name] = word
            elif move == "neither":
                lines.pop(name, None)
        world.upstream.commit(f"commit {number}", {"a.txt": numbered(**lines)})
    patch = carried(world).patches[0]
    found = named(patch)
    assert patch.note in (None, explain.SEVERAL)
    assert 1 <= len(found) <= 2
    show = world.upstream.git
    done = {line for sha in found for line in show("show", "-U0", "--format=", sha).splitlines()}
    assert {"-line 3", "+three", "-line 12", "+twelve"} <= done
    after = show("rev-list", f"{found[-1]}..HEAD").split()
    later = {line for sha in after for line in show("show", "-U0", "--format=", sha).splitlines()}
    assert not {"-three", "-twelve"} & later
