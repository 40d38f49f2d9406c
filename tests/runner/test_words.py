"""Odd bytes: in paths, messages, authors and encodings, and ids of 64 digits. Nothing of them is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import FORK, Made, Plan, plan
from judging import held, state
from runner_world import World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner.job import Runner

A = numbered()
OURS, THEIRS, CLASH = numbered(l3="ours"), numbered(l20="theirs"), numbered(l3="theirs")
PATHS = (
    b"new\nline", b"tab\there", b'quo"te', b"\xff\xfe", b"-x", b"--output=x", b"*", b"a[b]", b"?", b":(top)x",
    b":!x", b"back\\slash", b" before", b"after ", b"a/ /b", b"e\xcc\x81", b"\xc3\xa9", b"x~carried", b"HEAD",
    b"refs/heads/main", b"a\x1b[31m", b"@{u}", b"\x01", b"$(id)", b"%0A::error::x",
)  # fmt: skip


def each(content: str) -> dict[str | bytes, str]:
    return dict.fromkeys(PATHS, content)


def test_odd_paths_that_both_sides_edit(tmp_path: Path) -> None:
    stack = [state(each(OURS)), state({**each(OURS), **{path + b".new": "new\n" for path in PATHS}})]
    carried = held(tmp_path, plan(state(each(A)), stack, [state(each(THEIRS))]))
    assert [(patch.verdict, patch.note) for patch in carried.report.patches] == [("clean", None)] * 2


def test_odd_paths_in_conflict(tmp_path: Path) -> None:
    carried = held(tmp_path, plan(state(each(A)), [state(each(OURS))], [state(each(CLASH))]))
    conflict = carried.report.conflict
    assert conflict is not None
    shown = sorted(path.decode("utf-8", "backslashreplace") for path in PATHS)
    assert sorted(one.path for one in conflict.files) == shown
    assert conflict.diff.count("+ours\n") == len(PATHS)
    assert "since" in (carried.report.patches[0].note or "")


def test_an_odd_path_that_upstream_moved(tmp_path: Path) -> None:
    before, ours, theirs = (
        state({b"d/\xff[*]\n": A}),
        state({b"d/\xff[*]\n": OURS}),
        state({b":(x)/?": THEIRS}),
    )
    carried = held(tmp_path, plan(before, [ours], [theirs]))
    assert carried.report.patches[0].note == "d/\\xff[*]\n is now :(x)/?"


WORDS = {
    "no message": Made({}, b""),
    "only line ends": Made({}, b"\n\n\n"),
    "no line end": Made({}, b"subject"),
    "line ends of Windows": Made({}, b"subject\r\n\r\nbody\r\n"),
    "no empty line after the subject": Made({}, b"subject\nbody\n"),
    "a subject of a megabyte": Made({}, b"s" * 1_000_000 + b"\n"),
    "Latin-1 that says so": Made({}, b"Gr\xfc\xdfe\n", b"Th\xf6r <t@example.org>", encoding=b"ISO-8859-1"),
    "Latin-1 that doesn't": Made({}, b"Gr\xfc\xdfe\n", b"Th\xf6r <t@example.org>"),
    "an encoding that nobody knows": Made({}, b"x\xfc\n", encoding=b"x-no-such"),
    "an encoding that is none of text": Made({}, b"x\xfc\n", encoding=b"hex"),
    "no name": Made({}, b"x\n", b"<t@example.org>"),
    "no address": Made({}, b"x\n", b"A U Thor <>"),
    "nothing": Made({}, b"x\n", b"<>"),
    "a comment": Made({}, b"# not a comment\n"),
    "scissors": Made({}, b"x\n\n# ------------------------ >8 ------------------------\nkept\n"),
    "a diff in the message": Made({}, b"x\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n"),
    "workflow commands": Made({}, b"x\n::notice title=patch-app-inbox::0\n"),
    "control characters": Made({}, b"\x1b[31mred\x07\x1f\x1fx\n"),
    "a trailer of mail": Made({}, b"x\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17\n---\n"),
}


def test_odd_messages_and_authors_keep_every_byte(tmp_path: Path) -> None:
    """One patch each, so that all of them are carried at once."""
    first, stack, files = state({"a": A}), list[Made](), {"a": A}
    for number, made in enumerate(WORDS.values()):
        files[f"n{number}"] = f"{number}\n"
        stack.append(made._replace(state=state(files)))
    carried = held(tmp_path, Plan((Made(first),), (Made(state({"a": THEIRS})),), tuple(stack)))
    patches = carried.report.patches
    assert [patch.verdict for patch in patches] == ["clean"] * len(WORDS)
    for trouble, made, raw in zip(WORDS, stack, carried.commits, strict=True):
        head, _, message = raw.partition(b"\n\n")
        assert message == made.message, trouble
        assert made.author in head, trouble
        assert (b"\nencoding " in head) == (made.encoding is not None), trouble
        assert FORK not in head, trouble
    subjects = dict(zip(WORDS, (patch.subject for patch in patches), strict=True))
    assert subjects["no message"] == ""
    assert subjects["Latin-1 that says so"] == "Grüße"
    assert subjects["Latin-1 that doesn't"] == "Gr\\xfc\\xdfe"
    assert len(subjects["a subject of a megabyte"]) <= 1000
    assert carried.report.range_diff is not None


@pytest.mark.parametrize("clash", [False, True])
def test_a_repository_with_long_ids_is_carried(world: World, clash: bool) -> None:
    """The runner is ready for it; GitHub has none, so the server never asks for one."""
    for repo in (world.upstream, world.fork):
        if repo.path.exists():
            (repo.path / ".git/config").unlink()
        else:
            repo.path.mkdir()
        repo.git("init", "-q", "--object-format=sha256")
    base = world.upstream.commit("first", {"a": A, ".gitattributes": "u merge=union\n", "u": "1\n"})
    world.fork.git("fetch", "-q", str(world.upstream.path), "main:main", "--update-head-ok")
    world.fork.git("reset", "-q", "--hard")
    world.fork.commit("ours", {"a": OURS, "u": "1\nours\n"})
    world.upstream.commit("theirs", {"a": CLASH if clash else THEIRS, "u": "1\ntheirs\n"})
    report = world.carry()
    assert len(report.base or "") == len(base) == 64
    if clash:
        assert (report.status, world.oracle()) == (Status.CONFLICT, None)
        assert "since" in (report.patches[0].note or "")
    else:
        assert report.candidate is not None
        assert report.candidate.tree == world.oracle()


def test_long_and_short_ids_do_not_mix(world: World) -> None:
    world.upstream.commit("first", {"a": A})
    world.fork_now().commit("ours", {"a": OURS})
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, world.request(target="1" * 64)).run().report)
    assert report.error is not None
    assert report.error.stage == "fetch"
