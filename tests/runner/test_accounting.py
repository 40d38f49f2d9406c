"""The accounting itself: a runner that is broken on purpose must not get past it, even without a rebase."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from accounting import account, hunks
from histories import Plan, Stage, file, link, plan, program
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import accounted, state
from runner_world import numbered

from patch_app.runner import diff, index
from patch_app.runner.merge import Merger
from patch_app.runner.records import Merge

A, B = numbered(), numbered(20)
APART = plan(
    state({"a": A, "b": B}),
    [state({"a": numbered(l3="ours"), "b": numbered(20, l9="ours")}), state({"a": A, "b": B, "c": "c\n"})],
    [state({"a": numbered(l20="theirs"), "b": B})],
)
SAME_LINE = plan(state({"a": A}), [state({"a": numbered(l3="ours")})], [state({"a": numbered(l3="theirs")})])
GONE = plan(state({"a": A}), [state({"a": numbered(l3="ours")})], [state({"z": "z\n"})])
BIT = plan(state({"a": A, "b": B}), [state({"a": program(A), "b": B})], [state({"a": A, "b": "x\n"})])

Apply = Callable[..., Merge]
Break = Callable[[Apply, Merger, str, str, str], Merge]


def nothing_is_applied(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    return Merge(True, onto, (), {})


def the_releases_side_is_taken(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    merged = apply(merger, patch, parent, onto)
    return merged if merged.clean else Merge(True, onto, (), {})


def the_patchs_side_is_taken(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    merged = apply(merger, patch, parent, onto)
    return merged if merged.clean else Merge(True, patch, (), {})


def markers_are_committed(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    return apply(merger, patch, parent, onto)._replace(clean=True)


def whole_files_are_copied(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    changes = diff.raw(merger.repository, parent, patch, renames=False)
    entries = [(change.new_mode, change.new, change.path) for change in changes]
    return Merge(True, index.write_tree(merger.repository, entries, onto), (), {})


def one_file_is_forgotten(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    merged = apply(merger, patch, parent, onto)
    first = diff.raw(merger.repository, onto, merged.tree, renames=False)[0]
    entries = [(first.old_mode, first.old, first.path)]
    return merged._replace(tree=index.write_tree(merger.repository, entries, merged.tree))


def modes_are_forgotten(apply: Apply, merger: Merger, patch: str, parent: str, onto: str) -> Merge:
    merged = apply(merger, patch, parent, onto)
    changes = diff.raw(merger.repository, onto, merged.tree, renames=False)
    entries = [(change.old_mode, change.new, change.path) for change in changes]
    return merged._replace(tree=index.write_tree(merger.repository, entries, merged.tree))


@pytest.mark.parametrize(
    ("broken", "made"),
    [
        (nothing_is_applied, APART),
        (the_releases_side_is_taken, SAME_LINE),
        (the_releases_side_is_taken, GONE),
        (the_patchs_side_is_taken, SAME_LINE),
        (the_patchs_side_is_taken, GONE),
        (markers_are_committed, SAME_LINE),
        (markers_are_committed, GONE),
        (whole_files_are_copied, APART),
        (whole_files_are_copied, SAME_LINE),
        (one_file_is_forgotten, APART),
        (modes_are_forgotten, BIT),
    ],
)
def test_a_runner_that_loses_something_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Break, made: Plan
) -> None:
    stage = Stage(tmp_path, made)
    accounted(made, stage.carry())
    whole = Merger.apply

    def apply(self: Merger, patch: str, parent: str, onto: str, names: object = None) -> Merge:
        return broken(whole, self, patch, parent, onto)

    monkeypatch.setattr(Merger, "apply", apply)
    with pytest.raises(AssertionError):
        accounted(made, stage.carry())


def test_what_is_missing_and_what_is_too_much_is_said() -> None:
    old, new = state({"a": A}), state({"a": numbered(l3="x"), "l": link("a")})
    before = state({"a": numbered(l20="y")})
    both = state({"a": numbered(l3="x", l20="y"), "l": link("a")})
    assert account(old, new, before, both) == []
    assert account(old, new, both, both) == []
    assert account(old, new, before, before) == [
        f"what the patch does to {p!r} is lost" for p in (b"a", b"l")
    ]
    assert account(old, new, before, new) == ["what the patch does to b'a' is lost"]
    assert account(old, new, before, {**both, b"z": file("z")}) == ["b'z' is changed without a reason"]


def test_a_line_that_is_there_twice_is_counted() -> None:
    """Upstream changes another place, so nothing but the count tells that the second one is lost."""
    old, new = "x\nx\n" + A, "x\nx\nx\n" + A
    before, after = old + "end\n", new + "end\n"
    states = [state({"a": content}) for content in (old, new, before, before)]
    assert account(*states)
    assert not account(*states[:3], state({"a": after}))


lines = st.lists(st.sampled_from([b"a\n", b"b\n", b"}\n", b"\n", b"@@ -1 +1 @@\n", b"-- a\n"]), max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(old=lines, new=lines, end=st.sampled_from([(), (b"no end",)]))
def test_hunks_lead_from_one_text_to_the_other(old: list[bytes], new: list[bytes], end: tuple[bytes]) -> None:
    made, at = list[bytes](), 0
    for hunk in hunks((*old, *end), tuple(new)):
        made += [*[*old, *end][at : hunk.at], *hunk.added]
        at = hunk.to
    assert made + [*old, *end][at:] == new


def test_upstream_moved_the_file_and_took_the_patch() -> None:
    old, new = state({"a": A}), state({"a": numbered(l3="x")})
    before = state({"b": numbered(l3="x", l20="y")})
    assert account(old, new, before, before) == []
    assert account(old, new, state({"b": numbered(l20="y")}), state({"b": numbered(l20="y")}))
