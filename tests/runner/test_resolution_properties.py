"""Whatever is recorded and wherever it is replayed: no marker is left, no other path is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from runner_world import DATE, World, numbered

from patch_app.runner import diff, index, loose, rerere, resolutions
from patch_app.runner import resolution_store as store
from patch_app.runner.fetch import commit_objects
from patch_app.runner.git import Git
from patch_app.runner.merge import Merger
from patch_app.runner.records import Merge

NAMES = (b"a.txt", b"dir/b.txt")
ORIGIN = store.Origin("c" * 40, "1" * 40, "Subject", DATE)
BEFORE = numbered(8)
Texts = dict[bytes, str | None]

edits = st.dictionaries(
    st.integers(1, 8),
    st.sampled_from(["ours", "theirs", "x\n=======", "a\nb", ">>>>>>>", "last\r"]),
    max_size=2,
)
texts = st.one_of(
    st.builds(lambda lines: numbered(8, **{f"l{at}": word for at, word in lines.items()}), edits),
    st.builds(lambda text, cut: text[:-cut], st.just(BEFORE), st.integers(1, 9)),
)
trees = st.fixed_dictionaries({name: st.one_of(texts, texts, texts, texts, st.none()) for name in NAMES})
moved = st.sampled_from(["", "", "new\n", "new\n" * 9])
answers = st.fixed_dictionaries(
    {name: st.one_of(texts, st.none(), st.just("<<<<<<< left\n")) for name in NAMES}
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Git]:
    world = World(tmp_path_factory.mktemp("resolutions"))
    with world.workspace() as workspace:
        yield workspace.repository("properties", "sha1")


def tree(repository: Git, files: Texts, more: str = "") -> str:
    """A tree with the files, `more` at the top of each, and one other file."""
    everything = {name: None if text is None else (more + text).encode() for name, text in files.items()}
    everything[b"other.txt"] = b"other\n"
    return index.tree_of(
        repository,
        [
            ("100644", loose.write(repository, "blob", content, 40), name)
            for name, content in everything.items()
            if content is not None
        ],
        40,
    )


def merge(repository: Git, patch: Texts, release: Texts, more: str) -> Merge:
    before = tree(repository, dict.fromkeys(NAMES, BEFORE))
    return Merger(repository).apply(
        tree(repository, patch), before, tree(repository, release, more), ("carried", "patch")
    )


def paths(merged: Merge) -> set[bytes]:
    return {path for path, _ in merged.stages}


@settings(
    max_examples=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(patch=trees, release=trees, answer=answers, more=moved, spoil=st.booleans(), word=texts)
def test_a_replay_leaves_no_marker_and_touches_no_other_path(
    repository: Git, patch: Texts, release: Texts, answer: Texts, more: str, spoil: bool, word: str
) -> None:
    first = merge(repository, patch, release, "")
    if first.clean:
        event("clean")
        return
    # beside the conflict the person's tree is the merge's: what isn't answered stays
    told = {path: answer[path] for path in paths(first) & set(NAMES)}
    resolved = index.write_tree(
        repository,
        [
            ("0" if text is None else "100644",
             "0" * 40 if text is None else loose.write(repository, "blob", text.encode(), 40), path)
            for path, text in told.items()
        ],
        first.tree,
    )  # fmt: skip
    entries = resolutions.learn(repository, first, resolved, ORIGIN)
    if spoil:
        entries = tuple(
            one._replace(postimage=word.encode()) if isinstance(one, store.Text) else one for one in entries
        )
    second = merge(repository, patch, release, more)
    if second.clean:
        return
    found = resolutions.replay(repository, second, lambda ids: [one for one in entries if one.id in ids])
    event("learned" if entries else "nothing learned")
    event("replayed" if found.tree else "not replayed")
    if found.tree is None:
        assert found.used == ()
        return
    assert {one.path for one in found.used} == paths(second)
    there = {path: (mode, oid) for mode, oid, path in diff.list_tree(repository, found.tree)}
    merged = {path: (mode, oid) for mode, oid, path in diff.list_tree(repository, second.tree)}
    changed = {path for path in there.keys() | merged.keys() if there.get(path) != merged.get(path)}
    assert changed <= paths(second)
    contents = commit_objects(repository, [there[path][1] for path in paths(second) if path in there])
    assert not any(rerere.looks_marked(content) for content in contents.values())
    if first == second and not spoil:
        assert found.tree == resolved
