"""Several differences read from one output of Git: no path and no line is taken for the next one's head."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runner_world import World

from patch_app.runner import diff, index, loose
from patch_app.runner.git import Git
from patch_app.runner.workspace import Workspace


def tree(repository: Git, files: dict[bytes, bytes]) -> str:
    entries = [("100644", loose.write(repository, "blob", text, 40), path) for path, text in files.items()]
    return index.tree_of(repository, entries, 40)


def scratch(workspace: Workspace) -> Git:
    return workspace.repository("scratch", "sha1")


def test_a_path_that_reads_like_the_next_head_does_not_mislead(world: World) -> None:
    world.fork_now()
    with world.workspace() as workspace:
        repository = scratch(workspace)
        one, two = tree(repository, {b"a": b"1\n"}), tree(repository, {b"a": b"2\n"})
        head = f"{one} {two}\n".encode()
        odd = tree(repository, {b"a": b"1\n", b"x" + head + b":100644": b"odd\n"})
        pairs = [(odd, one), (one, two), (one, one), (two, odd)]
        found = diff.raws(repository, pairs)
        assert found == [diff.raw(repository, *pair, renames=False) for pair in pairs]
        assert [len(changes) for changes in found] == [1, 1, 0, 2]


def test_a_line_that_reads_like_the_next_head_does_not_mislead(world: World) -> None:
    world.fork_now()
    with world.workspace() as workspace:
        repository = scratch(workspace)
        one, two = tree(repository, {b"a": b"1"}), tree(repository, {b"a": b"2\n"})
        head = f"{one} {two}\n".encode()
        odd = tree(repository, {b"a": b"1", b"b": head + b"+" + head + b"@@ -1 +1 @@\n" + head[:-1]})
        pairs = [(odd, one), (one, two), (two, odd), (one, one)]
        found = diff.lines(repository, pairs)
        assert found == [diff.lines(repository, [pair])[0] for pair in pairs]
        assert found[0] is not None
        assert found[0][0][1].removed == (head, b"+" + head, b"@@ -1 +1 @@\n", head[:-1])


contents = st.lists(
    st.sampled_from([b"a\n", b"@@ -1 +1 @@\n", b"diff --git a/x b/x\n", b"\\ no\n", b"--- x\n"]), max_size=5
)
files = st.dictionaries(
    st.sampled_from([b"a", b"b\nc", b"d/:e", b'"q"', b"f\tg"]), st.tuples(contents, st.booleans()), max_size=4
)


@settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(several=st.lists(files, min_size=2, max_size=5))
def test_together_they_are_what_they_are_alone(
    world: World, several: list[dict[bytes, tuple[list[bytes], bool]]]
) -> None:
    world.fork.path.mkdir(exist_ok=True)
    with world.workspace() as workspace:
        repository = scratch(workspace)
        trees = [
            tree(repository, {path: b"".join(rows) + b"x" * cut for path, (rows, cut) in one.items()})
            for one in several
        ]
        pairs = list(pairwise(trees))
        assert diff.lines(repository, pairs) == [diff.lines(repository, [pair])[0] for pair in pairs]
        assert diff.raws(repository, pairs) == [diff.raw(repository, *one, renames=False) for one in pairs]
