"""The same report from every Git: 2.38 is the oldest, and newer ones of Debian's are tried for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from generated import planned, stacks, upstreams
from histories import Plan, Stage, module, plan
from hypothesis import HealthCheck, Phase, given, settings
from judging import judged, state
from other_git import folder_with_git
from runner_world import World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner.job import Runner
from patch_app.runner.records import Problem
from patch_app.runner.workspace import Workspace
from tests.real.archives import NotToBeHad

ROOT = Path(__file__).parents[2]
A = numbered()
FOLDER = {f"d/{n}": numbered(l1=f"file {n}") for n in range(3)}
MOVED = {f"e/{n}": content for n, content in enumerate(FOLDER.values())}


# where what Git itself prints or keeps is read; the rest is in the whole reports that are compared
OF_A_CARRY = ("carry", "diff", "mapping", "rerere")


def text(letters: str) -> str:
    return "".join(letter + "\n" for letter in letters)


NAMED: dict[str, Plan] = {
    "one diff algorithm merges it": plan(
        state({"a": text("caba}b")}), [state({"a": text("caba}x{b")})], [state({"a": text("}bca{ayba")})]
    ),
    "another one would": plan(
        state({"a": text("a}d{a{d")}), [state({"a": text("a}d{{{{a{d")})], [state({"a": text("d{a{y}{}d")})]
    ),
    "a submodule": plan(state({"m": module(1)}), [state({"m": module(2)})], [state({"m": module(3)})]),
    "a moved folder": plan(state(FOLDER), [state({**FOLDER, "d/new": A})], [state(MOVED)]),
    "a union": plan(
        state({".gitattributes": "a merge=union\n", "a": "1\n"}),
        [state({".gitattributes": "a merge=union\n", "a": "1\nours\n"})],
        [state({".gitattributes": "a merge=union\n", "a": "1\ntheirs\n"})],
    ),
}


def fake_git(folder: Path, says: str, status: int = 0) -> str:
    """A `git` that says one thing whatever it is asked."""
    (folder / "git").write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    (folder / "git").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("says", ["1.9.1", "2.0.0", "2.30.2", "2.37.7", "2.37.1 (Apple Git-137.1)"])
def test_a_git_that_is_too_old_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str
) -> None:
    world.upstream.commit("first", {"a": A})
    world.fork_now()
    request = world.request()
    monkeypatch.setenv("PATH", fake_git(tmp_path, "git version " + says))
    with world.workspace() as workspace:
        report = Report.model_validate(Runner(workspace, request).run().report)
    assert report.error is not None
    assert report.error.stage == "git"
    assert report.error.message == f"git {says} is too old: version 2.38 or newer is needed"


@pytest.mark.parametrize(
    "says",
    [
        "2.38.0",
        "2.39.5",
        "2.50.0.rc1",
        "2.100.0",
        "3.0.0",
        "2.45.1.windows.1",
        "2.39.5 (Apple Git-154)",
        "next",
    ],
)
def test_a_git_that_is_new_enough_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str
) -> None:
    monkeypatch.setenv("PATH", fake_git(tmp_path, "git version " + says))
    with Workspace("file:///x", "file:///y", parent=str(tmp_path)) as workspace:
        assert workspace.git_version() == says


def test_there_is_no_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        Workspace("file:///x", "file:///y", parent=str(tmp_path)) as workspace,
        pytest.raises(Problem, match="git was not found"),
    ):
        workspace.git_version()


def told(stage: Stage, extra_config: str = "") -> dict[str, Any]:
    """A report without what differs from run to run."""
    report = stage.carry(extra_config).report.model_dump(mode="json")
    return {key: value for key, value in report.items() if key not in ("seconds", "network", "git_version")}


def compared(directory: Path, made: Plan, path: str, monkeypatch: pytest.MonkeyPatch) -> Status:
    """How the carry ended, with the same report from both."""
    directory.mkdir()
    stage = Stage(directory, made)
    here = told(stage)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", path)
        judged(made, stage.carry(), stage.rebase(), attributes=True)
        there = told(stage, "[init]\n\tdefaultRefFormat = reftable\n\tdefaultObjectFormat = sha256\n")
    assert there == here
    return Status(here["status"])


NEWEST = "sid"
"""Of Debian's suites the one whose Git is the newest that can be had."""


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", ["trixie", NEWEST])
def test_a_newer_git_gives_the_same_reports(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        folder = folder_with_git(suite)
    except NotToBeHad as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    said = [
        subprocess.run(
            ["git", "version"], env={"PATH": one}, check=True, capture_output=True, text=True
        ).stdout
        for one in (os.environ["PATH"], path)
    ]
    assert said[0] != said[1]
    found = [
        compared(tmp_path / f"named-{number}", made, path, monkeypatch)
        for number, made in enumerate(NAMED.values())
    ]

    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(ours=stacks, theirs=upstreams)
    def generated(ours: Any, theirs: Any) -> None:
        found.append(compared(tmp_path / f"generated-{len(found)}", planned(ours, theirs), path, monkeypatch))

    generated()
    assert {Status.CLEAN, Status.CONFLICT} == set(found)
    if suite != NEWEST:
        return
    # what a carry is made of holds with that one, too
    files = [f"tests/runner/test_{name}.py" for name in OF_A_CARRY]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
