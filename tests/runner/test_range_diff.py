"""An adjusted patch has a range-diff of its own."""

from __future__ import annotations

import io

import pytest
from runner_world import World, numbered

from patch_app import preview_view
from patch_app.runner import rangediff, summary
from patch_app.runner.git import Git, Scrubber
from patch_app.runner.records import Outcome, Patch
from patch_app.terminal import Terminal


def half_taken(world: World, patches: int = 1) -> None:
    """A stack of which upstream has the first line of each patch."""
    files = [f"{number}.txt" for number in range(patches)]
    world.upstream.commit("first", dict.fromkeys(files, numbered()))
    fork = world.fork_now()
    fork.commit("untouched", {"c.txt": "c\n"})
    for name in files:
        fork.commit(f"Change {name} </details> @all", {name: numbered(l3="three ```", l20="twenty")})
    world.upstream.commit("theirs", dict.fromkeys(files, numbered(l3="three ```")))


def test_an_adjusted_patch_is_compared_with_what_it_became_and_a_clean_one_is_not(world: World) -> None:
    half_taken(world)
    report = world.carry()
    assert [str(patch.verdict) for patch in report.patches] == ["clean", "adjusted"]
    assert report.patches[0].range_diff is None
    lines = (report.patches[1].range_diff or "").splitlines()
    assert lines[0].startswith("1:  ")
    assert "    -+three ```" in lines


def test_hardly_anything_is_left_and_it_is_still_compared(world: World) -> None:
    many = {f"l{number}": f"ours {number}" for number in range(1, 29)}
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(**many), "b.txt": numbered(l3="x")})
    world.upstream.commit("theirs", {"a.txt": numbered(**many)})
    found = world.carry().patches[0].range_diff or ""
    assert found.splitlines()[0].split()[2] == "!"
    assert "-+ours 7" in found


def repository(world: World) -> Git:
    return Git(str(world.fork.path / ".git"), world.fork.environment(), Scrubber())


def test_a_root_commit_has_no_parent_to_begin_its_range_at(world: World) -> None:
    world.fork.path.mkdir()
    fork = world.fork
    fork.git("init", "-q")
    root = fork.commit("A root", {"one.txt": "one\n", "two.txt": "two\n"})
    raw = fork.git("cat-file", "commit", root).encode() + b"\n"
    fork.git("switch", "-q", "--orphan", "new")
    fork.commit("base", {"one.txt": "one\n"})
    new = fork.commit("A root", {"one.txt": "one\n", "two.txt": "two\n"})
    trees = (fork.git("hash-object", "-t", "tree", "-w", "--stdin"), fork.rev(f"{root}^{{tree}}"))
    outcome = Outcome(Patch(root, raw, "A root", "x", trees, (), *trees), "adjusted", new)
    found = rangediff.of_patches(repository(world), [outcome])[0].range_diff or ""
    assert found.splitlines()[0].endswith("A root")
    assert " ! " in found.splitlines()[0]
    assert "-+one" in found


def test_each_is_bounded_and_so_are_all_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rangediff, "MAX_OF_PATCH", 300)
    monkeypatch.setattr(rangediff, "MAX_OF_PATCHES", 550)
    monkeypatch.setattr(rangediff, "LEAST", 200)
    half_taken(world, 4)
    lengths = [len(patch.range_diff or "") for patch in world.carry().patches[1:]]
    assert 0 < lengths[0] <= 300
    assert sum(lengths) <= 550
    assert lengths[-1] == 0


def test_the_job_summary_folds_each_and_nothing_in_it_gets_out(world: World) -> None:
    half_taken(world, 2)
    report = world.carry()
    text = summary.markdown(report.model_dump(mode="json", by_alias=True))
    for patch in report.patches[1:]:
        assert f"<details><summary>Range-diff of {patch.old[:12]}</summary>\n\n````diff\n1:  " in text
    assert text.count("<details>") == 2


def test_a_terminal_shows_the_first_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_view, "MAX_ADJUSTED", 1)
    half_taken(world, 3)
    report = world.carry()
    out = io.StringIO()
    preview_view.show(report.model_dump(mode="json", by_alias=True), Terminal(file=out, width=160))
    assert f"Range-diff of {report.patches[1].old[:9]}:" in out.getvalue()
    assert "and of 2 more patches; --json has them" in out.getvalue()
