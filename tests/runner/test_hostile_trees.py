"""Trees and servers that mean harm: nothing is written outside, no program runs, no wait is endless."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from git_http import serving
from runner_world import World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner import checks
from patch_app.runner.git import Git, GitError, Scrubber
from patch_app.runner.job import Runner
from patch_app.runner.workspace import Workspace

A, OURS, THEIRS = numbered(), numbered(l3="ours"), numbered(l20="theirs")


def raw_tree(world: World, *entries: tuple[str, bytes, str]) -> str:
    """A tree with any names at all. `git mktree` would refuse some."""
    raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    options = ("-t", "tree", "-w", "--stdin", "--literally")
    return world.upstream.git("hash-object", *options, stdin=raw)


def blob(world: World, content: str) -> str:
    return world.upstream.git("hash-object", "-w", "--stdin", stdin=content.encode())


def trap(world: World) -> str:
    """A program that leaves a trace when it is run."""
    script = world.tmp / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {world.tmp}/sprung\ncat\n")
    script.chmod(0o755)
    return str(script)


def materialised(world: World, target: str) -> tuple[Report, str | None, set[str]]:
    """Carries onto a target, writes the candidate as the check job does; gives what Git said against it.

    And all that is in the folder around it then, but for Git's own.
    """
    with world.workspace() as workspace:
        runner = Runner(workspace, world.request(target=target))
        report = Report.model_validate(runner.run().report)
        around = Path(workspace.root) / "around"
        around.mkdir()
        refused = None
        if report.candidate is not None:
            assert runner.repository is not None
            missing = checks.missing_blobs(runner.repository, report.candidate.sha)
            runner.fetcher.blobs(runner.repository, dict.fromkeys(missing, "upstream"))
            try:
                checks.materialise(runner.repository, report.candidate.sha, str(around / "in" / "tree"))
            except GitError as error:
                refused = error.stderr
        names = {str(path.relative_to(around)) for path in around.rglob("*")}
        return report, refused, {name for name in names if not name.startswith("in/tree/.git/")}


@pytest.mark.parametrize(
    "name",
    [b".git", b".GIT", b".Git", b"..", b".", b"git~1", b"/etc", b"a/../../b"],
    ids=lambda name: name.decode().replace("/", "|"),
)
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_path_that_leads_out_or_into_git_is_never_written(world: World, name: bytes, kind: str) -> None:
    world.upstream.commit("first", {"a.txt": A})
    world.fork_now().commit("ours", {"a.txt": OURS})
    config = blob(world, f"[core]\n\tfsmonitor = {trap(world)}\n")
    inner = raw_tree(world, ("100644", b"config", config))
    entry = {
        "folder": ("40000", name, inner),
        "file": ("100644", name, blob(world, "gitdir: /\n")),
        "link": ("120000", name, blob(world, "/")),
    }[kind]
    text = blob(world, THEIRS)
    tree = raw_tree(world, *sorted([entry, ("100644", b"a.txt", text)], key=lambda row: row[1]))
    target = world.upstream.git("commit-tree", "-p", "HEAD", "-m", "evil", tree)
    world.upstream.git("update-ref", "refs/heads/main", target)
    report, refused, there = materialised(world, target)
    if b"/" in name:
        assert report.status is Status.ERROR
        assert not there
    else:
        assert "invalid path" in (refused or "")
        assert there <= {"in", "in/tree", "in/tree/.git"}
    assert not (world.tmp / "sprung").exists()


def test_a_repository_inside_the_tree_is_data(world: World) -> None:
    """`safe.bareRepository`: whoever runs Git in that folder would take its configuration."""
    program = trap(world)
    inside = {
        "sub/HEAD": "ref: refs/heads/main\n",
        "sub/config": f"[core]\n\tbare = true\n\tfsmonitor = {program}\n\tsshCommand = {program}\n"
        f'[filter "evil"]\n\tsmudge = {program}\n\tclean = {program}\n\tprocess = {program}\n'
        f'[diff "evil"]\n\ttextconv = {program}\n[merge "evil"]\n\tdriver = {program}\n',
        "sub/objects/info/x": "x\n",
        "sub/refs/heads/x": "x\n",
        "sub/hooks/post-checkout": f"#!/bin/sh\n{program}\n",
        "sub/.gitattributes": "* filter=evil diff=evil merge=evil\n",
        "sub/a.txt": A,
        ".gitattributes": "* filter=evil diff=evil merge=evil\n",
        ".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = ext::{program}\n\tupdate = !{program}\n',
        ".gitconfig": f"[core]\n\tfsmonitor = {program}\n",
        ".lfsconfig": f'[lfs]\n\turl = "ext::{program}"\n',
    }
    world.upstream.commit("first", {**inside, "a.txt": A})
    fork = world.fork_now()
    fork.git("update-index", "--add", "--cacheinfo", f"160000,{fork.head},m")
    (fork.path / "m").mkdir()
    fork.commit("ours", {"a.txt": OURS, "sub/a.txt": OURS})
    world.upstream.commit("theirs", {"a.txt": THEIRS, "sub/a.txt": THEIRS})
    report, refused, there = materialised(world, world.upstream.head)
    assert (report.status, refused) == (Status.CLEAN, None)
    assert {"in/tree/sub/config", "in/tree/a.txt", "in/tree/m"} <= there
    assert not (world.tmp / "sprung").exists()


def test_a_conflict_over_hostile_attributes_runs_nothing(world: World) -> None:
    """The conflict's diff and range-diff are what could start a program of the user's."""
    program = trap(world)
    evil = {".gitattributes": "* filter=evil diff=evil merge=evil\n"}
    world.upstream.commit("first", {"a.txt": A, **evil})
    fork = world.fork_now()
    fork.commit("fine", {"b.txt": "b\n"})
    fork.commit("ours", {"a.txt": OURS})
    world.upstream.commit("theirs", {"a.txt": numbered(l3="theirs")})
    for repo in (world.upstream, world.fork):
        for key in ("diff.evil.command", "diff.evil.textconv", "merge.evil.driver", "filter.evil.process"):
            repo.git("config", key, program)
    report = world.carry()
    assert report.conflict is not None
    assert "+ours" in report.conflict.diff
    assert report.range_diff
    assert not (world.tmp / "sprung").exists()


def test_a_server_that_hangs_is_given_up(world: World) -> None:
    world.upstream.commit("first", {"a.txt": A})
    world.fork_now().commit("ours", {"a.txt": OURS})
    request = world.request()
    root = world.tmp / "served"
    for repo, name in ((world.upstream, "up.git"), (world.fork, "fork.git")):
        repo.git("clone", "-q", "--bare", ".", str(root / name))
    with serving(root) as server:
        server.hold.set()
        urls = (f"{server.url}/fork.git", f"{server.url}/up.git")
        try:
            with Workspace(*urls, parent=str(world.tmp), timeout=1) as workspace:
                report = Report.model_validate(Runner(workspace, request).run().report)
        finally:
            server.go_on.set()
        assert server.held.is_set()
    assert report.error is not None
    assert report.error.stage == "fetch"
    assert "took longer than 1 s and was ended" in report.error.message
    assert urls[0] in report.error.message


def test_every_call_of_git_has_a_time_out_that_ends_its_children(tmp_path: Path) -> None:
    """A child that holds the pipe open would keep us waiting for as long as it lives."""
    (tmp_path / "git").write_text("#!/bin/sh\nsleep 600 &\necho $! > child\nsleep 600\n")
    (tmp_path / "git").chmod(0o755)
    git = Git(str(tmp_path), {"PATH": f"{tmp_path}:/usr/bin:/bin"}, Scrubber(), timeout=0.5)
    with pytest.raises(GitError) as caught:
        git.run("status")
    assert caught.value.timed_out
    child = (tmp_path / "child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True, check=False)
    assert state.stdout.strip()[:1] in ("", "Z")
