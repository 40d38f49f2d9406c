"""Repositories that mean harm, and machines that fail: nothing of theirs runs, and there is always a
report."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from runner_world import World, check, numbered

from patch_app.core.report import Report, Status
from patch_app.runner import checks, summary
from patch_app.runner.git import GitError, Scrubber, token_environment
from patch_app.runner.history import Explorer
from patch_app.runner.job import Runner
from patch_app.runner.records import Problem
from patch_app.runner.request import ref_name


def trap(world: World) -> str:
    """A program that leaves a trace when it is run."""
    script = world.tmp / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {world.tmp}/sprung\ncat\n")
    script.chmod(0o755)
    return str(script)


def test_no_hook_filter_driver_or_textconv_of_a_repository_runs(world: World) -> None:
    program = trap(world)
    attributes = "* filter=evil merge=evil diff=evil\n*.txt merge=evil\n"
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours"), ".gitattributes": attributes})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    for repo in (world.upstream, world.fork):
        for key in (
            "filter.evil.smudge", "filter.evil.clean", "merge.evil.driver", "diff.evil.textconv",
            "diff.evil.command", "diff.external", "core.fsmonitor", "core.sshCommand", "core.pager",
            "uploadpack.packObjectsHook",
        ):  # fmt: skip
            repo.git("config", key, program)
        for hook in (
            "post-checkout",
            "pre-push",
            "reference-transaction",
            "post-index-change",
            "post-commit",
        ):
            hooks = repo.path / ".git" / "hooks"
            hooks.mkdir(exist_ok=True)
            shutil.copy(program, hooks / hook)
    with world.workspace() as workspace:
        runner = Runner(workspace, world.request())
        report = Report.model_validate(runner.run().report)
        assert report.status is Status.CLEAN
        assert report.candidate is not None
        assert runner.repository is not None
        tree = workspace.path("tree")
        runner.fetcher.blobs(
            runner.repository,
            dict.fromkeys(checks.missing_blobs(runner.repository, report.candidate.sha), "upstream"),
        )
        checks.materialise(runner.repository, report.candidate.sha, tree)
        assert (Path(tree) / "a.txt").read_text() == numbered(l3="ours", l20="theirs")
    assert not (world.tmp / "sprung").exists()


def test_the_users_own_configuration_takes_no_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world.tmp / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\tpager = {trap(world)}\n[diff]\n\tnoprefix = true\n\texternal = {trap(world)}\n"
        "[merge]\n\tconflictStyle = diff3\n\trenames = false\n[log]\n\tshowSignature = true\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", trap(world))
    world.upstream.commit("first", {"old.txt": numbered(), "b.txt": "b\n"})
    world.fork_now().commit("ours", {"old.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"old.txt": None, "new.txt": numbered(l20="x")})
    assert world.carry().status is Status.CLEAN
    assert not (world.tmp / "sprung").exists()


def test_an_attribute_file_on_a_path_that_leads_out_is_never_written(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "x/.gitattributes": "* text\n"})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    inner = world.upstream.rev("HEAD:x")
    entry = f"040000 tree {inner}\t..\n".encode()
    listing = world.upstream.git("ls-tree", "HEAD").encode() + b"\n"
    tree = world.upstream.git("mktree", stdin=listing + entry)
    evil = world.upstream.git("commit-tree", "-p", "HEAD", "-m", "evil", tree)
    world.upstream.git("update-ref", "refs/heads/main", evil)
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, world.request(target=evil)).run().report)
        assert not list(Path(workspace.root).rglob("carry.git/.gitattributes"))
    assert report.status in (Status.CLEAN, Status.ERROR)


@pytest.mark.parametrize(
    "name",
    ["-x", "--upload-pack=touch x", "a b", "a..b", "a\x1b[31m", "a\nb", "a:b", "@{-1}", "@", "a.lock", "/a",
     "a//b", ".a", "", "a^b"],
)  # fmt: skip
def test_a_name_that_git_would_misread_is_refused(name: str) -> None:
    with pytest.raises(Problem):
        ref_name(name, "branch")


@pytest.mark.parametrize(
    "name", ["$(id)", "`id`", "a;b", "a'b", 'a"b', "ünï", "a%0Ab", "feature/x.y", "a<b>|c"]
)
def test_a_name_that_only_looks_odd_is_carried(world: World, name: str) -> None:
    assert ref_name(name, "branch") == name
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {name.replace("/", "_"): "x\n"})
    world.upstream.commit("second", {"a.txt": numbered(l20="x")})
    report = world.carry(branch=name, target_name=name)
    assert report.status is Status.CLEAN
    assert report.stack is not None
    assert report.stack.branch == name


def test_paths_that_are_no_text_are_carried_and_shown(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    (Path(os.fsdecode(os.fsencode(fork.path) + b"/\xff\n\t-x"))).write_text("x\n")
    fork.commit("ours", {"--output=x": "x\n", ":(top)y": "y\n"})
    world.upstream.commit("second", {"a.txt": numbered(l20="x")})
    report = world.carry()
    assert report.status is Status.CLEAN
    assert "\\xff\n\t-x" in report.patches[0].paths
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()


def test_a_conflict_in_a_path_with_magic_in_its_name(world: World) -> None:
    odd = {":(exclude)*": numbered()}
    world.upstream.commit("first", odd)
    world.fork_now().commit("ours", {":(exclude)*": numbered(l3="a")})
    world.upstream.commit("second", {":(exclude)*": numbered(l3="b")})
    report = world.carry()
    assert report.conflict is not None
    assert "+a" in report.conflict.diff


def test_the_disk_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="x")})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("patch_app.runner.loose.os.replace", full)
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, world.request()).run().report)
    assert report.error is not None
    assert (report.error.stage, "No space left" in report.error.message) == ("carry", True)
    assert [str(patch.verdict) for patch in report.patches] == ["not-tried"]


def test_a_mistake_of_ours_is_a_report_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="x")})
    monkeypatch.setattr(Explorer, "explore", lambda self: 1 / 0)
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, world.request()).run().report)
    assert report.error is not None
    assert report.error.stage == "history"
    assert "ZeroDivisionError" in report.error.message


def test_a_missing_commit_is_told_with_its_repository(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, world.request(stack="1" * 40)).run().report)
    assert report.error is not None
    assert report.error.stage == "fetch"
    assert world.fork.path.as_uri() in report.error.message


def test_no_secret_survives_scrubbing() -> None:
    token = "ghs_1_abc.def-g"
    basic = token_environment("http://x/y", token)["GIT_CONFIG_VALUE_0"].rsplit(" ", 1)[1]
    scrub = Scrubber([token])
    for value in (token, basic, "https://me:word@host/x", "ghp_0123456789", "Authorization: basic eHg="):
        cleaned = scrub(f"fatal: {value} was refused")
        assert token not in cleaned
        assert basic not in cleaned
        assert "me:word" not in cleaned
        assert "ghp_" not in cleaned
        assert "eHg=" not in cleaned
    assert "secret" not in str(GitError("fetch", 1, "x"))


def test_a_summary_shows_foreign_text_as_text() -> None:
    evil = "| <img src=x> @someone #1 [x](http://y) `z` \n\n# h\x1b[0m **b**"
    shown = summary.escape(evil)
    assert "\n" not in shown
    assert "\x1b" not in shown
    for live in ("<img", "@someone", " #1", "[x](", "http://", " **b"):
        assert live not in shown
    block = summary.fenced("a\n````\n# out", "diff")
    assert block.startswith("`````diff\n")
    assert block.endswith("\n`````\n")


def test_a_log_keeps_its_head_and_its_tail() -> None:
    log = checks.Log(head=4, tail=6)
    for chunk in (b"ab", b"cdef", b"", b"ghijklmnop"):
        log.add(chunk)
    assert log.text() == "abcd\n[6 bytes left out]\nklmnop"


def test_a_check_that_leaves_a_process_behind_does_not_hold_us_up(world: World, tmp_path: Path) -> None:
    outcome = checks.run(check(run="sleep 600 & echo done"), str(tmp_path), {"PATH": os.environ["PATH"]})
    assert (outcome.exit, outcome.timed_out, outcome.log) == (0, False, "done\n")
    assert outcome.seconds < 5
