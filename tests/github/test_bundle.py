from __future__ import annotations

import pytest

from patch_app.github.bundle import BadBundle, check_bundle, read_bundle
from patch_app.github.gitobjects import commit_body, object_id, write_pack

REF = "refs/patch-app/candidates/x"


class Story:
    """upstream: base <- target; candidate: target <- one <- two."""

    def __init__(self, repository) -> None:
        self.repository = repository
        self.base = repository.commit("base", file="1\n")
        self.target = repository.commit("target", file="1\n2\n")
        self.one = repository.commit("one", mine="1\n")
        self.two = repository.commit("two", mine="1\n2\n")

    def bundle(self, tip: str, *without: str, ref: str = REF) -> bytes:
        self.repository.git("update-ref", ref, tip)
        return self.repository.git_bytes(
            "bundle", "create", "-q", "-", ref, *(f"^{commit}" for commit in without)
        )

    def check(self, data: bytes, **changed):
        expected = {
            "expected_ref": REF,
            "expected_tip": self.two,
            "allowed_prerequisites": [self.target],
            "chain": [self.two, self.one],
            "floor": self.target,
        }
        return check_bundle(data, **{**expected, **changed})


@pytest.fixture
def story(repository) -> Story:
    return Story(repository)


def test_a_bundle_on_the_target_gives_its_pack(story):
    data = story.bundle(story.two, story.target)
    assert read_bundle(data).prerequisites == (story.target,)
    pack = story.check(data)
    assert pack.startswith(b"PACK")
    assert data.endswith(pack)


def test_a_bundle_from_the_base_brings_upstreams_commits_too(story):
    data = story.bundle(story.two, story.base)
    assert story.check(data, allowed_prerequisites=[story.base])


def test_a_partial_of_nothing_is_the_target_itself(story):
    data = story.bundle(story.target, story.base)
    assert story.check(data, expected_tip=story.target, chain=[], allowed_prerequisites=[story.base])


def test_an_annotated_prerequisite_line_is_read(story):
    data = story.bundle(story.two, story.target)
    line = f"-{story.target}".encode()
    assert read_bundle(data.replace(line, line + b" subject text", 1)).prerequisites == (story.target,)


def test_another_ref_is_refused(story):
    data = story.bundle(story.two, story.target, ref="refs/heads/main2")
    with pytest.raises(BadBundle, match="alone"):
        story.check(data)


def test_a_second_ref_is_refused(story):
    story.repository.git("update-ref", "refs/heads/other", story.one)
    story.repository.git("update-ref", REF, story.two)
    data = story.repository.git_bytes(
        "bundle", "create", "-q", "-", REF, "refs/heads/other", f"^{story.target}"
    )
    with pytest.raises(BadBundle, match="alone"):
        story.check(data)


def test_another_tip_is_refused(story):
    with pytest.raises(BadBundle, match="alone"):
        story.check(story.bundle(story.one, story.target))


def test_a_foreign_prerequisite_is_refused(story):
    with pytest.raises(BadBundle, match="isn't expected"):
        story.check(story.bundle(story.two, story.base))


def test_an_extra_commit_below_the_stack_is_refused(story):
    data = story.bundle(story.two, story.target)
    with pytest.raises(BadBundle, match="stands on"):
        story.check(data, chain=[story.two])


def test_a_commit_that_the_report_names_and_the_bundle_lacks_is_refused(story):
    story.repository.git("update-ref", REF, story.two)
    data = story.bundle(story.two, story.one)
    with pytest.raises(BadBundle, match="lacks the commit"):
        story.check(data, allowed_prerequisites=[story.one])


def test_a_merge_in_the_stack_is_refused(story):
    story.repository.git("checkout", "-q", "-b", "side", story.target)
    side = story.repository.commit("side", other="x")
    story.repository.git("checkout", "-q", "-")
    story.repository.git("merge", "-q", "--no-ff", "-m", "merge", side)
    merge = story.repository.git("rev-parse", "HEAD")
    data = story.bundle(merge, story.target)
    with pytest.raises(BadBundle, match="2 parents"):
        story.check(data, expected_tip=merge, chain=[merge, story.two, story.one])


def test_merges_that_are_kept_have_all_their_parents_in_the_stack(story):
    git = story.repository.git
    git("checkout", "-q", "-b", "side", story.target)
    side = story.repository.commit("side", other="x")
    git("checkout", "-q", "-")
    git("merge", "-q", "--no-ff", "-m", "merge", side)
    merge = git("rev-parse", "HEAD")
    data = story.bundle(merge, story.target)
    kept = {"expected_tip": merge, "merges": [merge]}
    assert story.check(data, chain=[merge, side, story.two, story.one], **kept)
    with pytest.raises(BadBundle, match=f"stands on {side}"):
        story.check(data, chain=[merge, story.two, story.one], **kept)
    with pytest.raises(BadBundle, match="2 parents"):
        story.check(data, chain=[merge, side, story.two, story.one], expected_tip=merge, merges=[side])


def forward(story) -> tuple[str, str, dict]:
    """A stack from the base, the release merged into it, and what check_bundle is told of that."""
    git = story.repository.git
    git("checkout", "-q", "-b", "stack", story.base)
    head = story.repository.commit("ours", mine="x")
    git("merge", "-q", "--no-ff", "-m", "Merge", story.target)
    merge = git("rev-parse", "HEAD")
    told = {
        "expected_tip": merge,
        "chain": [merge],
        "parents": {merge: (head, story.target)},
        "allowed_prerequisites": [story.target, story.base, head],
    }
    return head, merge, told


def test_a_release_merged_into_the_stack_brings_the_merge_alone(story):
    head, merge, told = forward(story)
    assert story.check(story.bundle(merge, head, story.target), **told)
    assert story.check(story.bundle(merge, head), **told)  # with what is below the target


def test_a_merge_of_the_release_stands_on_the_stacks_head_first(story):
    head, merge, told = forward(story)
    data = story.bundle(merge, head, story.target)
    for wrong in ((story.target, head), (head,), (story.one, story.target), (head, story.one)):
        with pytest.raises(BadBundle, match=f"The merge {merge} doesn't stand on {wrong[0]}"):
            story.check(data, **{**told, "parents": {merge: wrong}})
    with pytest.raises(BadBundle, match="2 parents"):
        story.check(data, **{**told, "parents": {}})


def test_commits_of_the_stack_in_the_bundle_of_a_merge_are_refused(story):
    _, merge, told = forward(story)
    with pytest.raises(BadBundle, match="neither in the stack nor in the target"):
        story.check(story.bundle(merge, story.target), **told)


def test_a_merge_of_a_stack_that_is_neither_brought_nor_built_on_is_refused():
    floor, head = "b" * 40, "d" * 40
    body = commit_body(tree="a" * 40, parents=[head, floor], author="A", committer="C", message="m")
    tip = object_id("commit", body)
    with pytest.raises(BadBundle, match=f"neither holds {head}, which it merges"):
        check_bundle(
            _forged(tip, [("commit", body)], floor),
            expected_ref=REF,
            expected_tip=tip,
            allowed_prerequisites=[floor, head],
            chain=[tip],
            parents={tip: (head, floor)},
            floor=floor,
        )


def test_a_commit_that_the_tip_does_not_have_is_refused_beside_merges(story):
    git = story.repository.git
    git("checkout", "-q", "-b", "side", story.target)
    side = story.repository.commit("side", other="x")
    git("checkout", "-q", "-")
    git("update-ref", REF, story.two)
    both = story.repository.git_bytes("bundle", "create", "-q", "-", REF, "side", f"^{story.target}")
    header, _, pack = both.partition(b"\n\n")
    alone = b"\n".join(line for line in header.split(b"\n") if b"side" not in line)
    with pytest.raises(BadBundle, match="not in the history of the bundle's tip"):
        story.check(alone + b"\n\n" + pack, chain=[story.two, side, story.one], merges=[story.one])


def _commit(parent: str) -> bytes:
    return commit_body(tree="a" * 40, parents=[parent], author="A", committer="C", message="m")


def _forged(tip: str, objects: list[tuple[str, bytes]], prerequisite: str) -> bytes:
    return f"# v2 git bundle\n-{prerequisite}\n{tip} {REF}\n\n".encode() + write_pack(objects)


def test_a_commit_beside_the_stack_is_refused():
    floor = "b" * 40
    mine, beside = _commit(floor), _commit("c" * 40)
    tip = object_id("commit", mine)
    data = _forged(tip, [("commit", mine), ("commit", beside)], floor)
    with pytest.raises(BadBundle, match="neither in the stack nor in the target"):
        check_bundle(
            data,
            expected_ref=REF,
            expected_tip=tip,
            allowed_prerequisites=[floor],
            chain=[tip],
            floor=floor,
        )


def test_a_target_that_is_neither_brought_nor_built_on_is_refused():
    floor = "b" * 40
    mine = _commit(floor)
    tip = object_id("commit", mine)
    with pytest.raises(BadBundle, match="neither holds the target"):
        check_bundle(
            _forged(tip, [("commit", mine)], "c" * 40),
            expected_ref=REF,
            expected_tip=tip,
            allowed_prerequisites=["c" * 40, floor],
            chain=[tip],
            floor=floor,
        )


def test_a_tag_object_is_refused():
    floor = "b" * 40
    mine = _commit(floor)
    tip = object_id("commit", mine)
    with pytest.raises(BadBundle, match="tag object"):
        check_bundle(
            _forged(tip, [("commit", mine), ("tag", b"object x")], floor),
            expected_ref=REF,
            expected_tip=tip,
            allowed_prerequisites=[floor],
            chain=[tip],
            floor=floor,
        )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a version 2"),
        (b"# v3 git bundle\n@object-format=sha1\n", "not a version 2"),
        (b"# v2 git bundle\n" + b"x" * 100_000, "no end"),
        (b"# v2 git bundle\nnonsense\n\nPACK", "neither a prerequisite nor a ref"),
        (b"# v2 git bundle\n" + b"a" * 40 + b"\n\nPACK", "without a name"),
        (b"# v2 git bundle\n" + (b"a" * 40 + b" r\n") * 2 + b"\nPACK", "twice"),
    ],
)
def test_a_malformed_bundle_is_refused_with_its_reason(data, why):
    with pytest.raises(BadBundle, match=why):
        read_bundle(data)


def test_a_damaged_pack_is_a_bad_bundle(story):
    data = bytearray(story.bundle(story.two, story.target))
    data[-30] ^= 1
    with pytest.raises(BadBundle, match="damaged"):
        story.check(bytes(data))


def test_a_pack_that_leans_on_objects_it_does_not_hold_is_refused(repository):
    lines = "".join(f"line {number}\n" for number in range(400))
    target = repository.commit("target", file=lines)
    tip = repository.commit("one", file=lines + "mine\n")
    revisions = f"{tip}\n--not\n{target}\n".encode()
    pack = repository.git_bytes("pack-objects", "--stdout", "--thin", "--revs", "-q", data=revisions)
    data = f"# v2 git bundle\n-{target}\n{tip} {REF}\n\n".encode() + pack
    with pytest.raises(BadBundle, match="leans on 1 object"):
        check_bundle(
            data,
            expected_ref=REF,
            expected_tip=tip,
            allowed_prerequisites=[target],
            chain=[tip],
            floor=target,
        )
