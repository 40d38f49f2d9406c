"""Any history of side branches and merges: on a release that adds a file, the branch comes out as it is."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_world import Repo, World

from patch_app.core.report import SETTLED, Report, Status

NAMES = ("a", "b", "dir/c", "new")
LINES = 6
EXAMPLES = int(os.environ.get("PATCH_APP_EXAMPLES", "8"))

Files = dict[str, tuple[str, ...]]
Edit = tuple[str, str, int, str]
Step = tuple[str, int, object]
edit = st.tuples(
    st.sampled_from(("edit", "edit", "edit", "insert", "delete", "move")),
    st.sampled_from(NAMES),
    st.integers(0, LINES - 1),
    st.sampled_from("xyz"),
)
# what a person makes of two sides: for each file one of them, or both, and then something of their own
answer = st.tuples(
    st.lists(st.sampled_from(("ours", "theirs", "both")), min_size=4, max_size=4), st.none() | edit
)
step = st.one_of(
    st.tuples(st.just("commit"), st.integers(0, 2), st.lists(edit, min_size=1, max_size=2)),
    st.tuples(st.just("branch"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("merge"), st.integers(0, 2), st.tuples(st.integers(0, 2), answer)),
    st.tuples(st.just("upstream"), st.just(0), st.lists(edit, min_size=1, max_size=2)),
    st.tuples(st.just("merge upstream"), st.integers(0, 2), answer),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Two branches of the fork that differ, merged at least once, and upstream merged at least once."""
    edits, more = st.lists(edit, min_size=1, max_size=2), st.lists(step, max_size=4)
    return [
        ("commit", 0, draw(edits)), ("commit", 1, draw(edits)), *draw(more),
        ("merge", 0, (1, draw(answer))), *draw(more),
        ("upstream", 0, draw(edits)), ("merge upstream", 0, draw(answer)), *draw(more),
    ]  # fmt: skip


def edited(files: Files, one: Edit) -> Files:
    kind, name, at, word = one
    lines = files.get(name)
    if lines is None:
        return {**files, name: (word, f"new {name}")} if kind != "delete" else files
    match kind:
        case "edit":
            return {**files, name: (*lines[:at], word, *lines[at + 1 :])}
        case "insert":
            return {**files, name: (*lines[:at], word, *lines[at:])}
        case "delete":
            return {key: value for key, value in files.items() if key != name}
        case _:
            return {
                key.replace("dir/", "moved/") if key == name else key: value for key, value in files.items()
            }


@dataclass
class Play:
    """Commits as `git fast-import` reads them, with each one's files and all that is in its history."""

    stream: list[str] = field(default_factory=list)
    states: dict[int, Files] = field(default_factory=dict)
    known: dict[int, frozenset[int]] = field(default_factory=dict)
    merged_upstream: bool = False

    def commit(self, ref: str, files: Files, *parents: int) -> int:
        mark = len(self.states) + 1
        self.states[mark] = files
        self.known[mark] = frozenset([mark]).union(*(self.known[one] for one in parents))
        lines = [
            f"commit {ref}",
            f"mark :{mark}",
            f"committer P <p@example.org> {1_700_000_000 + 60 * mark} +0000",
        ]
        lines += [f"data {len(f'commit {mark}')}", f"commit {mark}"]
        lines += [f"{'from' if number == 0 else 'merge'} :{one}" for number, one in enumerate(parents)]
        lines.append("deleteall")
        for name, rows in sorted(files.items()):
            text = "".join(row + "\n" for row in rows)
            lines += [f"M 100644 inline {name}", f"data {len(text)}", text]
        self.stream.append("\n".join(lines) + "\n")
        return mark

    def merge(self, ours: int, theirs: int, given: tuple[list[str], Edit | None]) -> int:
        if theirs in self.known[ours]:
            return ours
        one, other = self.states[ours], self.states[theirs]
        files: Files = {}
        for name, choice in zip(sorted({*one, *other}), given[0] * 4, strict=False):
            sides = {"ours": one.get(name), "theirs": other.get(name)}
            found = (one.get(name, ()) + other.get(name, ())) if choice == "both" else sides[choice]
            if found:
                files[name] = found
        files = edited(files, given[1]) if given[1] else files
        return self.commit("refs/made/fork", files or {"a": ("left",)}, ours, theirs)


def played(world: World, steps: list[Step]) -> Play:
    """Upstream's and the fork's history, up to date with upstream, and a release that adds one file."""
    play = Play()
    upstream = play.commit(
        "refs/made/up", {name: tuple(f"{name} {n}" for n in range(LINES)) for name in NAMES[:3]}
    )
    tips = [upstream] * 3
    for kind, at, more in steps:
        match kind, more:
            case "commit", list(edits):
                files = play.states[tips[at]]
                for one in edits:
                    files = edited(files, one)
                tips[at] = play.commit("refs/made/fork", files, tips[at])
            case "branch", int(other):
                tips[at] = tips[other]
            case "merge", (int(other), given):
                tips[at] = play.merge(tips[at], tips[other], given)
            case "upstream", list(edits):
                files = play.states[upstream]
                for one in edits:
                    files = edited(files, one)
                upstream = play.commit("refs/made/up", files or {"a": ("left",)}, upstream)
            case "merge upstream", given:
                tips[at] = merged_upstream(play, tips[at], upstream, given)  # type: ignore[arg-type]
    head = merged_upstream(play, tips[0], upstream, (["ours"] * 4, None))
    release = play.commit("refs/made/up", {**play.states[upstream], "release": ("v2",)}, upstream)
    expected = play.commit("refs/made/expected", {**play.states[head], "release": ("v2",)})
    for repo, ref, mark in ((world.upstream, "main", release), (world.fork, "main", head)):
        repo.path.mkdir(exist_ok=True)
        repo.git("init", "-q", "--bare")
        stream = [*play.stream, f"reset refs/heads/{ref}\nfrom :{mark}\n\n"]
        stream += [f"reset refs/made/expected\nfrom :{expected}\n\n"]
        repo.git("fast-import", "--quiet", "--force", stdin="".join(stream).encode())
    return play


def merged_upstream(play: Play, tip: int, upstream: int, given: tuple[list[str], Edit | None]) -> int:
    found = play.merge(tip, upstream, given)
    # nothing of its own yet: a fast-forward, as Git would have it
    if found != tip and tip in play.known[upstream]:
        return upstream
    play.merged_upstream |= found != tip
    return found


def carried(world: World, merges: str) -> Report:
    return world.carry(merges=merges, stack=world.fork.rev("main"), target=world.upstream.rev("main"))


@pytest.mark.parametrize("merges", ["flatten", "preserve"])
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(steps=histories())
def test_nothing_that_a_merge_decided_is_lost(merges: str, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), bare=True)
        play = played(world, steps)
        report = carried(world, merges)
        if report.status is Status.NOOP:
            return
        stack = Repo.git(world.fork, "rev-list", "main", f"^{report.base}").split()
        assert sorted([*(patch.old for patch in report.patches), *report.merges]) == sorted(stack)
        if merges == "preserve" and (play.merged_upstream or report.status is not Status.CLEAN):
            return  # merges of upstream are not made again, and what cuts across itself can't be
        assert report.status is Status.CLEAN, report.error or report.conflict
        assert all(patch.verdict in SETTLED for patch in report.patches)
        assert report.candidate is not None
        assert report.candidate.tree == world.fork.rev("refs/made/expected^{tree}")
