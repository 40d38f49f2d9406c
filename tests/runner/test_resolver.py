"""A resolver's answer is taken where it settles the conflict and touches nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from runner_world import TRAILER, WORKFLOW, Repo, World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner import answers, resolve_job, resolver
from patch_app.runner.job import Job, Runner
from patch_app.runner.records import Request, Resolver

TAKE_BOTH = "sed -i -e '/^<<<<<<< /d' -e '/^=======$/d' -e '/^>>>>>>> /d' a.txt"


def asking(run: str, **changes: Any) -> Resolver:
    return Resolver("robot", run, 30)._replace(**changes)


def conflict(world: World, **files: str) -> str:
    """A stack of three patches, of which the second conflicts. Its commit."""
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n", **files})
    fork = world.fork_now()
    fork.commit("before", {"b.txt": "ours\n"})
    patch = fork.commit("Speak louder", {"a.txt": numbered(l3="ours")})
    fork.commit("after", {"c.txt": "c\n"})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    return patch


def ask(world: World, request: Request, key: str | None = None) -> str:
    with world.workspace() as workspace:
        return resolve_job.run(workspace, request, key)


def carry(world: World, request: Request, line: str) -> tuple[Report, Job]:
    with world.workspace() as workspace:
        job = Runner(workspace, request, resolver=resolver.handed(request, line)).run()
        report = Report.model_validate(job.report)
        if job.bundle is not None:
            world.receive(job, report)
    return report, job


def both(world: World, asked: Resolver, key: str | None = None) -> Report:
    """Asks, and carries with the answers."""
    request = world.request(resolver=asked)
    return carry(world, request, ask(world, request, key))[0]


def note(report: Report) -> str:
    return next(patch.note or "" for patch in report.patches if patch.verdict == "conflicted")


def test_a_conflict_is_settled_and_shown_line_by_line(world: World) -> None:
    patch = conflict(world)
    request = world.request(resolver=asking("echo thinking; " + TAKE_BOTH))
    report, job = carry(world, request, ask(world, request))
    assert [str(one.verdict) for one in report.patches] == ["clean", "resolved", "clean"]
    settled = "line 1\nline 2\ntheirs\nours\nline 4\n"
    assert world.fork.git("show", "refs/carried:a.txt").startswith(settled.strip())
    (one,) = report.patches[1].resolution
    assert (one.path, one.by, one.id) == ("a.txt", "robot", None)
    assert "-<<<<<<< carried" in one.diff
    assert (report.patches[1].note or "").startswith("a.txt: by the resolver robot; ")
    assert report.resolver is not None
    assert (report.resolver.name, report.resolver.settled, report.resolver.log) == ("robot", 1, True)
    assert job.said == f"== {patch[:12]} Speak louder\nthinking\n"
    # once it is promoted it is used again without asking
    assert report.resolutions is not None
    assert report.resolutions.learned == 1


def test_the_stack_goes_on_to_the_next_conflict(world: World) -> None:
    conflict(world)
    world.fork.commit("louder still", {"a.txt": numbered(l3="ours", l20="ours")})
    world.upstream.commit("third", {"a.txt": numbered(l3="theirs", l20="theirs")})
    report = both(world, asking(TAKE_BOTH))
    assert [str(one.verdict) for one in report.patches] == ["clean", "resolved", "clean", "resolved"]


def test_no_more_conflicts_are_asked_about_than_a_run_has_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict(world)
    world.fork.commit("louder still", {"a.txt": numbered(l3="ours", l20="ours")})
    world.upstream.commit("third", {"a.txt": numbered(l3="theirs", l20="theirs")})
    monkeypatch.setattr(resolve_job, "MAX_CONFLICTS", 1)
    report = both(world, asking(TAKE_BOTH))
    assert [str(one.verdict) for one in report.patches] == ["clean", "resolved", "clean", "conflicted"]
    assert "it was asked about 1 before" in note(report)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("exit 3", "it ended with 3"),
        ("true", "a.txt is as the conflict left it"),
        ("sed -i '/^=======$/d' a.txt", "a conflict marker is left in a.txt"),
        (TAKE_BOTH + "; echo more >> b.txt", "it changed b.txt, which has no conflict"),
        (TAKE_BOTH + "; echo new > new.txt", "it changed new.txt, which has no conflict"),
        (TAKE_BOTH + "; rm b.txt", "it changed b.txt, which has no conflict"),
        (TAKE_BOTH + "; mkdir -p x && cd x && git init -q", "it could not be asked: git add"),
        ("ln -sf /etc/passwd a.txt", "a.txt is of another kind than it was on either side"),
        ("sleep 60", "it took longer than 1 s"),
        (TAKE_BOTH + "; echo $PATCH_APP_RESOLVER_KEY >> a.txt", "its patch holds its own credential"),
        ("printf '\\0%s' $PATCH_APP_RESOLVER_KEY > a.txt", "its patch holds its own credential"),
        ('rm -rf "$PWD"', "it could not be asked: the work tree is gone"),
        ("git cherry-pick --abort", "it could not be asked: it gave the patch up"),
        (f"git reset -q; {TAKE_BOTH}", ""),
        ("rm -rf .git; " + TAKE_BOTH, ""),
        ("echo x > .git/index; " + TAKE_BOTH, ""),
    ],
)
def test_whatever_else_it_does_is_the_conflict_as_if_it_were_not_there(
    world: World, run: str, why: str
) -> None:
    conflict(world)
    plain = world.carry()
    report = both(world, asking(run, timeout=1 if "sleep" in run else 30), key="hunter2-hunter2")
    if not why:
        assert report.status is Status.CLEAN
        return
    assert report.status is Status.CONFLICT
    assert f"the resolver robot did not settle it: {why}" in note(report)
    assert report.conflict == plain.conflict
    assert report.partial == plain.partial
    assert [one.verdict for one in report.patches] == [one.verdict for one in plain.patches]
    assert report.resolver is not None
    assert (report.resolver.settled, report.resolver.refused) == (0, 1)


def test_a_file_that_the_configuration_allows_may_change_too(world: World) -> None:
    conflict(world, **{"lock/Cargo.lock": "old\n"})
    report = both(world, asking(TAKE_BOTH + "; echo new > lock/Cargo.lock", paths=("lock",)))
    assert report.status is Status.CLEAN
    assert [one.path for one in report.patches[1].resolution] == ["a.txt", "lock/Cargo.lock"]


def test_a_file_that_upstream_deleted_needs_a_word(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": None})
    assert "a.txt is as the conflict left it" in note(both(world, asking("true")))
    kept = both(world, asking("git add a.txt"))
    assert [str(one.verdict) for one in kept.patches] == ["resolved"]
    gone = both(world, asking("git rm -q a.txt"))
    assert [str(one.verdict) for one in gone.patches] == ["resolved"]
    assert gone.candidate is not None
    assert gone.candidate.tree == world.upstream.rev("HEAD^{tree}")


@pytest.mark.parametrize(
    ("run", "is_settled"),
    [("git add x", True), ("git reset -q", False), ("git cherry-pick --abort", False), ("true", False)],
)
def test_a_patch_that_is_taken_back_is_no_word_on_a_binary(world: World, run: str, is_settled: bool) -> None:
    world.upstream.commit("first", {"x": b"\0" * 9})
    world.fork_now().commit("ours", {"x": b"\1\0"})
    world.upstream.commit("second", {"x": b"\2\0"})
    assert (both(world, asking(run)).status is Status.CLEAN) == is_settled


def test_a_file_that_both_renamed_can_be_settled(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    fork.git("mv", "a.txt", "ours.txt")
    fork.commit("ours")
    world.upstream.git("mv", "a.txt", "theirs.txt")
    world.upstream.commit("second")
    assert "a.txt is as the conflict left it" in note(both(world, asking("rm ours.txt; git add theirs.txt")))
    assert both(world, asking("rm ours.txt; git add -A")).status is Status.CLEAN
    assert world.fork.git("ls-tree", "--name-only", "refs/carried") == "theirs.txt"


def test_the_commit_of_a_submodule_is_the_one_that_was_chosen(world: World) -> None:
    chosen = "2" * 40

    def point(repo: Repo, oid: str) -> None:
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{oid},sub")
        repo.git("commit", "-q", "-m", oid)

    world.upstream.commit("first", {"a.txt": "a\n"})
    point(world.upstream, "1" * 40)
    point(world.fork_now(), chosen)
    point(world.upstream, "3" * 40)
    report = both(world, asking(f"git update-index --cacheinfo 160000,{chosen},sub"))
    assert report.status is Status.CLEAN
    assert world.fork.rev("refs/carried:sub") == chosen


def test_more_than_a_report_holds_is_not_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    conflict(world)
    many = asking(TAKE_BOTH + "; mkdir v; touch $(seq -f v/%g 200)", paths=("v",))
    assert "it changed more than 200 files" in note(both(world, many))
    monkeypatch.setattr(resolver, "MAX_BYTES", 2_000_000)
    large = world.request(resolver=asking("truncate -s 0 a.txt; truncate -s 5M a.txt"))
    line = ask(world, large)
    assert "what it made is larger than 2000000 bytes" in note(carry(world, large, line)[0])
    # the same with the first judge out of the way
    monkeypatch.setattr(resolver, "MAX_BYTES", 100_000_000)
    line = ask(world, large)
    monkeypatch.setattr(resolver, "MAX_BYTES", 2_000_000)
    assert "its patch does not apply" in note(carry(world, large, line)[0])


def test_the_apps_own_files_are_not_for_it(world: World) -> None:
    world.upstream.commit("first", {"a.txt": "a\n"})
    world.fork_now().commit(f"install\n\n{TRAILER}", {WORKFLOW: "ours\n"})
    # a change of nothing else would go with the App's own commit
    world.fork.commit("by hand", {WORKFLOW: "changed\n", "c.txt": "c\n"})
    world.upstream.commit("second", {"a.txt": "b\n"})
    assert f"{WORKFLOW} is the App's own" in note(both(world, asking("git add -A")))


def test_what_another_user_left_in_the_tree_costs_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    conflict(world)
    monkeypatch.setattr(os, "chmod", refuse)
    assert both(world, asking(TAKE_BOTH)).status is Status.CLEAN


def test_it_sees_the_conflict_as_git_leaves_it_and_no_instructions_of_the_tree(
    world: World, tmp_path: Path
) -> None:
    patch = conflict(
        world,
        **{"AGENTS.md": "obey\n", "sub/claude.md": "obey\n", "Ü.md": "", ".gitattributes": "* eol=crlf\n"},
    )
    seen = tmp_path / "seen"
    look = f"""
    exec > {seen}
    git status --porcelain
    git rev-parse HEAD^ CHERRY_PICK_HEAD
    find . -iname '*.md'
    cat "$PATCH_APP_INSTRUCTIONS"
    grep -c '"Speak louder"' "$PATCH_APP_CONFLICT"
    grep '^+ours' "$PATCH_APP_PATCH"
    echo "key $PATCH_APP_RESOLVER_KEY token $PATCH_APP_TOKEN"
    mkdir -p .claude sub && echo mine | tee .claude/settings.json > sub/claude.md
    {TAKE_BOTH}
    """
    asked = asking(look, instructions="Be careful.\n", hidden=("AGENTS.md", "CLAUDE.md", ".claude", "Ü.md"))
    report = both(world, asked, key="hunter2-hunter2")
    assert report.status is Status.CLEAN
    assert seen.read_text().splitlines() == [
        "UU a.txt",
        world.upstream.head,
        patch,
        "Be careful.",
        "1",
        "+ours",
        "key hunter2-hunter2 token ",
    ]
    assert world.fork.git("show", "refs/carried:AGENTS.md") == "obey"
    assert world.fork.git("show", "refs/carried:sub/claude.md") == "obey"


def test_a_conflict_in_a_file_of_instructions_is_not_for_it(world: World, tmp_path: Path) -> None:
    world.upstream.commit("first", {"docs/AGENTS.md": numbered()})
    world.fork_now().commit("ours", {"docs/AGENTS.md": numbered(l3="ours")})
    world.upstream.commit("second", {"docs/AGENTS.md": numbered(l3="theirs")})
    asked = asking(f"touch {tmp_path}/asked", hidden=("agents.md",))
    assert "docs/AGENTS.md is kept from it" in note(both(world, asked))
    assert not (tmp_path / "asked").exists()


def test_its_credential_is_taken_out_of_what_it_said(world: World) -> None:
    conflict(world)
    # the second one lies where what it said is cut
    key = "$PATCH_APP_RESOLVER_KEY"
    run = f"echo my key is {key}; printf '%01980d%s' 0 {key}; printf %020000d"
    said = answers.unpack(ask(world, world.request(resolver=asking(run)), "hunter2-hunter2\n")).said
    assert "my key is ***" in said
    assert "hunter" not in said
    assert "bytes left out" in said


def test_an_answer_for_another_conflict_is_none(world: World) -> None:
    conflict(world)
    request = world.request(resolver=asking(TAKE_BOTH))
    line = ask(world, request)
    world.upstream.commit("third", {"a.txt": numbered(l3="theirs", l25="theirs")})
    report, _ = carry(world, request._replace(target=world.upstream.head), line)
    assert "it had no answer" in note(report)


def test_forged_answers_are_judged_again(world: World) -> None:
    patch = conflict(world)
    request = world.request(resolver=asking(TAKE_BOTH))
    (answer,) = answers.unpack(ask(world, request)).answers
    beside = answer.diff.replace(b"a.txt", b"b.txt")
    evil = (
        b"diff --git a/.git/x b/.git/x\nnew file mode 100644\n--- /dev/null\n+++ b/.git/x\n@@ -0,0 +1 @@\n+x"
    )
    for forged, why in (
        (answer._replace(diff=beside), "its patch does not apply"),
        (answer._replace(diff=evil), "its patch does not apply"),
        (answer._replace(diff=b"", result=answer.conflict), "a.txt is as the conflict left it"),
        (answer._replace(diff=b"", result=answer.conflict, kept=(b"a.txt",)), "a conflict marker is left"),
        (answer._replace(result="0" * 40), "its patch gives another tree than it says"),
        (answer._replace(patch="0" * 40), "it had no answer"),
    ):
        report, _ = carry(world, request, answers.pack([forged], ""))
        assert why in note(report)
        assert report.patches[1].old == patch


@pytest.mark.parametrize("line", ["", "x", "AAAA", "eJw=", answers.pack([], "")[:-4]])
def test_an_answer_that_can_not_be_read_is_none(world: World, line: str) -> None:
    conflict(world)
    report, _ = carry(world, world.request(resolver=asking("true")), line)
    assert "the resolver robot did not settle it" in note(report)


def test_an_answer_says_nothing_that_a_report_can_not_hold() -> None:
    forged = answers.Answer("1" * 40, "2" * 40, "a\ud800b\nc\0")
    assert answers.unpack(answers.pack([forged], "")).answers[0].problem == "a b c "


def test_a_patch_too_large_to_be_handed_on_leaves_the_conflict_and_the_other_answers() -> None:
    large = random.Random(1).randbytes(200_000)
    one, two = "1" * 40, "2" * 40
    made = answers.unpack(
        answers.pack(
            [answers.Answer(one, one, None, two, large), answers.Answer(two, two, None, one, b"x")], "said"
        )
    )
    assert made.answers[0].problem == "its patch of 200000 bytes is too large to be handed on"
    assert (made.answers[1].diff, made.said) == (b"x", "said")


def test_a_release_that_does_not_merge_is_settled_in_a_work_tree_stopped_at_the_merge(
    world: World, tmp_path: Path
) -> None:
    conflict(world)
    seen = tmp_path / "seen"
    look = f"git rev-parse HEAD MERGE_HEAD > {seen}; git status --porcelain >> {seen}; {TAKE_BOTH}"
    request = world.request(resolver=asking(look), strategy="merge")
    report, _ = carry(world, request, ask(world, request))
    assert seen.read_text().splitlines() == [world.fork.head, world.upstream.head, "UU a.txt"]
    assert [str(one.verdict) for one in report.patches] == ["clean", "resolved", "clean"]
    (one,) = report.patches[1].resolution
    assert "-<<<<<<< stack" in one.diff
    assert world.fork.git("rev-list", "--parents", "-1", "refs/carried").split()[1:] == [
        world.fork.head,
        world.upstream.head,
    ]
    plain, _ = carry(world, world.request(strategy="merge"), "")
    failed, _ = carry(world, request, ask(world, world.request(resolver=asking("exit 3"), strategy="merge")))
    assert "the resolver robot did not settle it: it ended with 3" in note(failed)
    assert failed.conflict == plain.conflict
