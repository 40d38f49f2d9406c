"""The App's own refs against real Git: as refs, or as branches that hold what they keep."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.effects import RefChange
from patch_app.github.errors import RefMoved
from patch_app.github.gitobjects import extended_pack
from patch_app.github.keeping import held, holder, keep, placed
from tests.github.test_receive_pack import Story

CANDIDATE, ARCHIVE = names.candidate_ref("x"), names.archive_ref("x")


@pytest.fixture
def story(repository, fork, git_server, clock) -> Story:
    return Story(repository, fork, git_server, clock)


def moved(ref: str, after: str, before: str = names.ZERO) -> RefChange:
    return RefChange(ref=ref, before=before, after=after, force=True)


async def put(story: Story, *changes: RefChange, pack: bytes | None, on_branches: bool = False) -> bool:
    async def push(commands, pack):
        await story.push(*commands, pack=pack)

    return await keep(push, changes, pack, on_branches=on_branches)


def hide(story: Story, *under: str) -> None:
    for one in under or ("refs/patch-app",):
        story.fork.git("config", "--add", "receive.hideRefs", one)


async def test_where_refs_are_taken_there_is_no_branch(story):
    wanted = moved(CANDIDATE, story.tip), moved(ARCHIVE, story.base)
    assert await put(story, *wanted, pack=story.pack(story.base)) is False
    assert story.refs() == {"refs/heads/main": story.base, CANDIDATE: story.tip, ARCHIVE: story.base}


async def test_a_server_that_was_stopped_after_the_push_finds_its_branches(story):
    hide(story)
    wanted, pack = (moved(CANDIDATE, story.tip), moved(ARCHIVE, story.base)), story.pack(story.base)
    for _ in range(2):
        assert await put(story, *wanted, pack=pack) is True
    refs = story.refs()
    assert set(refs) == {"refs/heads/main", names.as_branch(CANDIDATE), names.as_branch(ARCHIVE)}
    for ref, kept in ((CANDIDATE, story.tip), (ARCHIVE, story.base)):
        branch = names.as_branch(ref)
        assert story.fork.git("rev-parse", f"{branch}^@") == kept
        assert story.fork.git("ls-tree", "-r", "--name-only", branch) == "README.md"
        assert held(refs[branch], ["f" * 40, kept]) == kept
    story.fork.git("fsck", "--strict")


async def test_a_branch_moves_from_what_it_kept_alone(story):
    hide(story)
    await put(story, moved(CANDIDATE, story.base), pack=None)
    wanted, pack = moved(CANDIDATE, story.tip, story.base), story.pack(story.base)
    # what it kept as a ref is of no matter where it is a branch for the first time
    with pytest.raises(RefMoved):
        await put(story, wanted, pack=pack)
    assert await put(story, wanted, pack=pack, on_branches=True) is True
    with pytest.raises(RefMoved):
        await put(story, moved(CANDIDATE, story.base, "f" * 40), pack=None, on_branches=True)
    assert story.refs()[names.as_branch(CANDIDATE)] == holder(story.tip)


async def test_one_branch_refused_and_none_is_made(story):
    hide(story, "refs/patch-app", "refs/heads/patch-app/archive")
    with pytest.raises(Exception, match="refs/heads/patch-app/archive/x: deny updating a hidden ref"):
        await put(story, moved(CANDIDATE, story.tip), moved(ARCHIVE, story.base), pack=story.pack(story.base))
    assert story.refs() == {"refs/heads/main": story.base}


def test_a_branch_that_points_at_foreign_work_itself_keeps_nothing_of_ours():
    kept = "a" * 40
    assert held(kept, [kept]) not in (kept, names.ZERO)
    assert held(names.ZERO, [kept]) == names.ZERO
    away = placed([moved(CANDIDATE, names.ZERO, kept)], on_branches=True)
    assert [(one.ref, one.before, one.after) for one in away] == [
        ("refs/heads/patch-app/candidates/x", holder(kept), names.ZERO)
    ]


def test_a_pack_with_deltas_takes_more_objects(repository, tmp_path):
    text = "".join(f"line {number}\n" for number in range(2000))
    first = repository.commit("one", file=text)
    second = repository.commit("two", file=text + "more\n")
    pack = repository.git_bytes("pack-objects", "--revs", "--stdout", "-q", data=b"HEAD\n")
    other = type(repository)(tmp_path / "other", bare=True)
    other.git("unpack-objects", "-q", data=extended_pack(pack, [("blob", b"another")]))
    blob = other.git("hash-object", "--stdin", data=b"another")
    assert other.git("cat-file", "-t", blob) == "blob"
    assert other.git("rev-list", second).split() == [second, first]
    other.git("fsck", "--strict")
