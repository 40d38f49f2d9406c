"""Two diffs that do the same, and all that only looks like it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from patch_app.core import diffs, proving
from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration, parse
from patch_app.core.needs import Need, needs
from patch_app.core.proof import (
    Proof,
    blob_problem,
    compare,
    installed_problem,
    moved_problem,
    place_problem,
)
from patch_app.core.proving import COMMITTER, Commit, row_problem, unprovable, wanted
from patch_app.core.report import Report
from patch_app.runner import commit
from tests.core.world import BASE, CARRIED, HEAD, STACK, TARGET, World, oid, report


def changed(
    body: str,
    *,
    path: str = "a.txt",
    index: str = "1111111..2222222 100644",
    head: str = "",
    names: str | None = None,
) -> bytes:
    """A file's part of a diff; `body` begins with its first hunk."""
    told = names or f"a/{path} b/{path}"
    lines = f"--- a/{path}\n+++ b/{path}\n{body}" if body.startswith("@@") else body
    return f"diff --git {told}\n{head}index {index}\n{lines}".encode()


HUNK = "@@ -4,3 +4,4 @@ def f():\n four\n+x = 1\n five\n six\n"
MOVED = HUNK.replace("-4,3 +4,4", "-9,3 +9,4").replace("def f", "def g")
ELSE = "3333333..4444444 100644"


def problem(old: bytes, new: bytes) -> str | None:
    return compare(diffs.parse(old), diffs.parse(new)).problem


def test_the_same_lines_at_another_place_of_a_file_that_upstream_changed() -> None:
    found = compare(diffs.parse(changed(HUNK)), diffs.parse(changed(MOVED, index=ELSE)))
    assert found.problem is None
    assert [one.name for one, _ in found.places] == ["a.txt"]


def test_the_same_lines_at_another_place_of_the_very_same_file() -> None:
    assert problem(changed(HUNK), changed(MOVED)) == "a.txt has other lines"
    # ids are shortened as far as they are told apart, and not always to one length
    assert (
        problem(changed(HUNK), changed(MOVED, index="11111111..44444444 100644")) == "a.txt has other lines"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (MOVED.replace("x = 1", "x = 2"), "other lines"),
        (MOVED.replace("x = 1", "x  = 1"), "other lines"),
        (MOVED.replace("x = 1\n", "x = 1\r\n"), "other lines"),
        (MOVED.replace("x = 1", "X = 1"), "other lines"),
        (MOVED.replace(" five", "-five").replace("9,3 +9,4", "9,3 +9,3"), "other lines"),
        (MOVED.replace(" four", " for"), "the same lines between others"),
        (MOVED.replace(" five", " fife"), "the same lines between others"),
        ("@@ -1,2 +1,3 @@\n+x = 1\n five\n six\n", "the same lines between others"),
        ("@@ -4,3 +4,4 @@\n four\n+x = 1\n five\n six\n@@ -9 +10,2 @@\n x\n+y\n", "other lines"),
        ("@@ -4,2 +4,3 @@\n four\n five\n+x = 1\n", "the same lines between others"),
    ],
)
def test_lines_that_are_not_the_same(body: str, said: str) -> None:
    assert problem(changed(HUNK), changed(body, index=ELSE)) == f"a.txt has {said}"


def test_the_end_of_a_file_with_and_without_a_newline() -> None:
    body = "@@ -1,2 +1,3 @@\n a\n b\n+c\n"
    assert problem(changed(body), changed(body + "\\ No newline at end of file\n", index=ELSE)) is not None


def test_two_changes_that_stand_the_other_way_round() -> None:
    one, two = "@@ -2,2 +2,3 @@\n a\n+x\n b\n", "@@ -8,2 +9,3 @@\n c\n+y\n d\n"
    turned = "@@ -2,2 +2,3 @@\n c\n+y\n d\n@@ -8,2 +9,3 @@\n a\n+x\n b\n"
    assert problem(changed(one + two), changed(turned, index=ELSE)) == "a.txt has other lines"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (changed(HUNK), changed(HUNK) + changed(HUNK, path="b.txt"), "b.txt is changed too"),
        (changed(HUNK), changed(HUNK, path="A.txt") + changed(HUNK), "A.txt is changed too"),
        (changed(HUNK) + changed(HUNK, path="b.txt"), changed(HUNK), "b.txt is not changed"),
        (changed(HUNK), changed(HUNK, path="b.txt"), "a.txt is not changed"),
        (changed(HUNK), b"", "a.txt is not changed"),
        (b"", changed(HUNK), "a.txt is changed too"),
        (changed(HUNK), changed(HUNK, index="1111111..2222222 100755"), "a.txt has another mode"),
        (changed(HUNK), changed(HUNK, index="1111111..2222222 120000"), "a.txt has another mode"),
        (
            changed(HUNK),
            changed(HUNK, head="old mode 100644\nnew mode 100755\n", index="1111111..2222222"),
            "a.txt has another mode",
        ),
        (changed(HUNK), changed("Binary files a/a.txt and b/a.txt differ\n"), "a binary on one side alone"),
        (changed(HUNK), changed(HUNK.replace("x", "\ufffd")), "bytes that GitHub's diff doesn't show"),
        (
            changed(HUNK, names='"a/\\303" "b/\\303"'),
            changed(MOVED, names='"a/\\303" "b/\\303"', index=ELSE),
            "a name that can't be looked up",
        ),
        (
            b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n",
            b"diff --git a/x b/z\nsimilarity index 100%\nrename from x\nrename to z\n",
            "y is not changed",
        ),
        (
            b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n",
            b"diff --git a/x b/y\nsimilarity index 90%\nrename from x\nrename to y\n"
            b"index 1111111..2222222 100644\n--- a/x\n+++ b/y\n" + HUNK.encode(),
            "y has another mode",
        ),
    ],
)
def test_files_that_are_not_the_same(old: bytes, new: bytes, said: str) -> None:
    assert said in (problem(old, new) or "")


def test_what_two_diffs_may_differ_in() -> None:
    pure = b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"
    assert problem(pure, pure.replace(b"100%", b"97%")) is None
    mode = b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"
    assert problem(mode, mode) is None
    empty = b"diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n"
    assert problem(empty, empty) is None
    assert problem(b"", b"") is None


def test_a_binary_counts_whole_before_and_after() -> None:
    body = "Binary files a/logo and b/logo differ\n"
    found = compare(
        diffs.parse(changed(body, path="logo")), diffs.parse(changed(body, path="logo", index=ELSE))
    )
    (one,) = found.blobs
    assert one.paths == ("logo", "logo")
    assert blob_problem(one, ("1", "2", "1", "2")) is None
    for other in (
        ("1", "2", "1", "3"),
        ("1", "2", "3", "2"),
        (None, None, None, None),
        (None, "2", None, "2"),
    ):
        assert blob_problem(one, other) == "logo is a binary that isn't the same"
    new = "diff --git a/logo b/logo\nnew file mode 100644\nindex 0000000..2222222\n" + body
    (added,) = diffs.parse(new.encode())
    assert blob_problem(added, (None, "2", None, "2")) is None
    assert blob_problem(added, ("2", "2", "2", "2")) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"no diff\n",
        b"<!DOCTYPE html>\n",
        changed(HUNK)[:-1],
        changed(HUNK)[:-5],
        b"\n".join(changed(HUNK).split(b"\n")[:-2]) + b"\n",
        changed(HUNK) + b"and more\n",
        changed(HUNK.replace(" six\n", "\n")),
        changed(HUNK.replace("-4,3", "-4,4")),
        changed(HUNK.replace("@@ -4", "@@ -four")),
        b"diff --cc a.txt\nindex 1,2..3\n",
        b"diff --git a/x b/x\nindex 1111111..2222222 100644\n",
        b"diff --git a/x b/x\nnew file mode 100644\nindex 0000000..2222222\n",
        b"diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n",
        b"diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n",
        b"diff --git a/x b/x\nindex 1111111..2222222 100644\nGIT binary patch\nliteral 1\nIcmZ\n\n",
    ],
)
def test_what_is_no_whole_diff_is_not_read(data: bytes) -> None:
    with pytest.raises(diffs.Unreadable):
        diffs.parse(data)


def test_a_diff_without_context_proves_nothing() -> None:
    bare = "@@ -5,0 +6 @@\n+x = 1\n"
    assert "doesn't show what stands before" in (problem(changed(bare), changed(bare, index=ELSE)) or "")


def test_a_line_that_looks_like_a_header_is_a_line() -> None:
    body = "@@ -1 +1,3 @@\n a\n+diff --git a/b b/b\n++++ b/b\n"
    (one,) = diffs.parse(changed(body))
    assert one.groups[0].added == (b"diff --git a/b b/b\n", b"+++ b/b\n")


def words(text: str) -> str:
    return "".join(f"{one}\n" for one in text.split())


TWINS = "def_a ( check ret ) end def_b ( check ret ) end"
GUARD = "@@ -1,5 +1,6 @@\n def_a\n (\n+GUARD\n check\n ret\n )\n"


@pytest.mark.parametrize(
    ("content", "at", "stands"),
    [
        # where upstream has put a line before, behind, and right beside the twin
        ("0 0 def_a ( check ret ) end def_b ( check ret ) end", 4, True),
        ("def_a ( check ret ) end 0 0 def_b ( check ret ) end", 2, True),
        ("def_a ( check new ret ) end def_b ( check ret ) end", 2, True),
        # the surroundings that upstream left alone are those of the twin
        ("def_a ( check new ret ) end def_b ( check ret ) end", 9, False),
        # the place itself has gone, or has become another
        ("def_a ( other ret ) end def_b ( check ret ) end", 8, False),
        ("def_b ( check ret ) end", 2, False),
        ("def_c ( check x ) end def_a ( check ret ) end def_b ( check ret ) end", 2, False),
        ("def_c ( check x ) end def_a ( check ret ) end def_b ( check ret ) end", 8, True),
    ],
)
def test_a_change_stands_where_upstream_has_moved_its_lines(content: str, at: int, stands: bool) -> None:
    """Whatever looks more alike elsewhere."""
    rows = content.split()
    shown = [f" {one}\n" for one in rows[at - 2 : at]] + ["+GUARD\n"]
    shown += [f" {one}\n" for one in rows[at : at + 3]]
    size = len(shown) - 1
    new = f"@@ -{at - 1},{size} +{at - 1},{size + 1} @@\n" + "".join(shown)
    (one,), (other,) = diffs.parse(changed(GUARD)), diffs.parse(changed(new, index=ELSE))
    said = moved_problem(one, other, words(TWINS).encode(), words(content).encode())
    assert (said is None) is stands, said


def test_files_of_lines_that_look_alike_are_lined_up_within_a_bound() -> None:
    body = "@@ -3 +3,2 @@\n x\n+y\n"
    (one,), (other,) = diffs.parse(changed(body)), diffs.parse(changed(body, index=ELSE))
    long = "0\n" + "x\n" * 5000
    assert "look alike" in (moved_problem(one, other, long.encode(), ("1\n" + long).encode() + b"z\n") or "")
    far = "".join(f"{number}\n" for number in range(20_000))
    told = "@@ -11,2 +11,3 @@\n 10\n+y\n 11\n"
    (one,), (other,) = diffs.parse(changed(told)), diffs.parse(changed(told, index=ELSE))
    assert moved_problem(one, other, far.encode(), f"{far}z\n".encode()) is None


def placed(content: str, *, old: str, new: str) -> str | None:
    (one,), (other,) = diffs.parse(changed(old)), diffs.parse(changed(new, index=ELSE))
    return place_problem(one, other, content.encode())


def test_a_change_stands_where_most_around_it_is_as_it_was() -> None:
    old = "@@ -2,6 +2,7 @@\n one\n open\n {\n+lock\n }\n close\n two\n"
    content = "0\n0\none\nopen\n{\n}\nclose\ntwo\nthree\nshut\n{\n}\nfour\n"
    right = "@@ -3,6 +3,7 @@\n one\n open\n {\n+lock\n }\n close\n two\n"
    wrong = "@@ -9,5 +9,6 @@\n three\n shut\n {\n+lock\n }\n four\n"
    assert placed(content, old=old, new=right) is None
    assert "another place" in (placed(content, old=old, new=wrong) or "")
    # both fit as well: nobody can tell
    twice = "one\nopen\n{\n}\nclose\ntwo\n" * 2
    assert "another place" in (placed(twice, old=old, new=right.replace("-3,6 +3,7", "-1,6 +1,7")) or "")
    # GitHub's text of the file is not the one of the diff
    assert "isn't what" in (placed("other\n" * 20, old=old, new=right) or "")


def test_a_file_of_one_line_again_and_again_costs_no_time() -> None:
    old = "@@ -2,2 +2,3 @@\n a\n+x\n a\n"
    assert placed("a\n" * 300_000, old=old, new=old) is not None


def test_the_apps_own_commit_touches_the_apps_files_alone() -> None:
    own = changed(
        "@@ -0,0 +1 @@\n+x\n",
        path=".github/patch-app.toml",
        index="0000000..2222222",
        head="new file mode 100644\n",
    )
    assert installed_problem(diffs.parse(own)) is None
    assert installed_problem(diffs.parse(own + changed(HUNK))) == "a.txt is changed too"
    assert installed_problem(diffs.parse(own.replace(b"100644", b"120000"))) is not None
    to = b".github/patch-app.toml"
    gone = b"diff --git a/x b/%s\nsimilarity index 100%%\nrename from x\nrename to %s\n" % (to, to)
    assert installed_problem(diffs.parse(gone)) is not None


# The row of commits --------------------------------------------------------------------------------

AUTO = parse(
    '[upstream]\nminimum_age = "1d"\n[promotion]\napprove = "auto"\n[[check]]\nname = "t"\nrun = "true"\n'
)
assert isinstance(AUTO, Configuration)


def row(**changes: dict[str, object]) -> dict[str, Commit]:
    """The stack of two patches, its second one on the head, and what was carried of it."""
    commits = {
        name: Commit(
            tree=oid(f"t{name}"),
            parents=(parent,),
            message=message,
            author="Ann <ann@example.org> 2026-11-21T12:00:00+01:00",
            committer=COMMITTER,
            files=1,
            added=1,
            removed=0,
        )
        for name, parent, message in (
            (STACK[0], BASE, "One"),
            (HEAD, STACK[0], "Two"),
            (CARRIED[0], TARGET, "One"),
            (CARRIED[1], CARRIED[0], "Two"),
            (TARGET, BASE, "Release"),
            (BASE, oid("root"), "Base"),
        )
    }
    for name, change in changes.items():
        at = {"p1": STACK[0], "p2": HEAD, "n1": CARRIED[0], "n2": CARRIED[1]}[name]
        commits[at] = Commit(**{**vars_of(commits[at]), **change})  # type: ignore[arg-type]
    return commits


def vars_of(one: Commit) -> dict[str, object]:
    return {name: getattr(one, name) for name in Commit.__dataclass_fields__}


def in_review() -> tuple[World, Report]:
    world = World(configuration=AUTO)
    claim = report(world.attempt.id).model_dump(mode="json", by_alias=True)
    claim["patches"][1]["old"] = HEAD
    told = Report.model_validate(claim)
    world.attempt = world.attempt.model_copy(
        update={
            "stack_head": HEAD,
            "target": TARGET,
            "candidate": CARRIED[1],
            "configuration": AUTO,
            "report": told,
            "stage": Stage.REVIEWING,
        }
    )
    return world, told


def test_a_row_of_commits_that_is_as_it_has_to_be() -> None:
    world, told = in_review()
    assert row_problem(world.attempt, told, row(), BASE) is None
    assert unprovable(world.attempt, told) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n1": {"parents": (oid("evil"),)}}, "doesn't stand on"),
        ({"n2": {"parents": (TARGET,)}}, "doesn't stand on"),
        ({"n2": {"parents": (CARRIED[0], oid("evil"))}}, "doesn't stand on"),
        ({"p2": {"parents": (oid("more"),)}}, "not the patches in a row"),
        ({"p2": {"parents": (STACK[0], oid("side"))}}, "not the patches in a row"),
        ({"p1": {"parents": (HEAD,)}}, "not the patches in a row"),
        (
            {"n2": {"author": "Mallory <m@example.org> 2026-11-21T12:00:00+01:00"}},
            "patch 2 has another author",
        ),
        ({"n2": {"author": "Ann <ann@example.org> 2026-11-21T11:00:00+00:00"}}, "patch 2 has another author"),
        ({"n1": {"message": "One\n\nReviewed-by: Bob"}}, "patch 1 has another author or message"),
        ({"n1": {"committer": "GitHub <noreply@github.com>"}}, "patch 1 has a committer that isn't"),
    ],
)
def test_a_row_of_commits_with_something_wrong(changes: dict[str, dict[str, object]], said: str) -> None:
    world, told = in_review()
    assert said in (row_problem(world.attempt, told, row(**changes), BASE) or "")


def test_upstreams_own_commits_are_no_patches_of_the_fork() -> None:
    """A run that names an older base carries what upstream took back: the base is what GitHub says."""
    world, told = in_review()
    for merge_base in (oid("older"), None):
        assert "the release lacks" in (row_problem(world.attempt, told, row(), merge_base) or "")


def test_a_patch_more_or_less_than_the_branch_has() -> None:
    world, told = in_review()
    less = told.model_copy(update={"patches": told.patches[1:]})
    assert "in a row" in (row_problem(world.attempt, less, row(), BASE) or "")
    other = world.attempt.model_copy(update={"candidate": CARRIED[0]})
    assert "isn't the last" in (row_problem(other, told, row(), BASE) or "")


def test_stacks_that_no_diff_proves() -> None:
    world, told = in_review()
    many = told.model_copy(update={"patches": told.patches * 16})
    assert unprovable(world.attempt, many) == "the stack has 32 patches, and at most 30 are compared"
    for change in (
        {"merges": (oid("merge"),)},
        {"other_bases": (oid("other"),)},
        {"start": oid("start")},
        {"patches": (told.patches[0].model_copy(update={"merge": True}),)},
    ):
        assert unprovable(world.attempt, told.model_copy(update=change)) is not None


def test_a_diff_that_is_shorter_than_the_commit() -> None:
    commits = row()
    assert proving.diff_problem(commits, CARRIED[0], (1, 1, 0)) is None
    assert "is cut" in (proving.diff_problem(commits, CARRIED[0], (0, 1, 0)) or "")
    assert "is cut" in (proving.diff_problem(commits, CARRIED[0], (1, 0, 0)) or "")
    none = row(n1={"files": 0, "added": 0})
    assert "is empty" in (proving.diff_problem(none, CARRIED[0], (0, 0, 0)) or "")
    assert proving.diff_problem(row(n1={"files": None}), CARRIED[0], (1, 1, 0)) is not None


def test_the_committer_is_the_one_that_the_runner_names() -> None:
    assert commit.COMMITTER.decode() == COMMITTER


# When it is read ------------------------------------------------------------------------------------


def test_a_proof_is_read_once_for_a_candidate_and_never_counts_for_another() -> None:
    world, _ = in_review()
    attempt = world.attempt
    assert Need.PROOF in needs(attempt)
    known = Proof(candidate=CARRIED[1], patches=2, at=world.now)
    proved = attempt.model_copy(update={"proof": known})
    assert Need.PROOF not in needs(proved)
    assert Need.PROOF in needs(proved.model_copy(update={"candidate": oid("other")}))
    assert proving.current(proved.model_copy(update={"candidate": oid("other")})) is None


def test_github_is_asked_again_after_some_minutes_for_what_it_could_not_give() -> None:
    world, _ = in_review()
    told = Proof(candidate=CARRIED[1], patches=2, problem="not now", again=True, at=world.now)
    attempt = world.attempt.model_copy(update={"proof": told})
    assert Need.PROOF in needs(attempt)
    assert not proving.due(attempt, world.now)
    assert proving.due(attempt, world.now + timedelta(seconds=proving.PAUSE))
    ended = attempt.model_copy(update={"proof": told.model_copy(update={"again": False})})
    assert not proving.due(ended, world.now + timedelta(days=1))


def test_nothing_is_read_for_what_a_person_decides_anyway() -> None:
    world, told = in_review()
    attempt = world.attempt
    assert wanted(attempt)
    adjusted = told.model_copy(
        update={"patches": (told.patches[0].model_copy(update={"verdict": "adjusted"}), told.patches[1])}
    )
    for change in (
        {"configuration": Configuration()},
        {"pushed": HEAD},
        {"report": None},
        {"report": adjusted},
    ):
        assert not wanted(attempt.model_copy(update=change))
