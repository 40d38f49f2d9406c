"""A person's checkout is looked at; nothing in it is run, or changed but for a remote that was asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from patch_app import checkout
from patch_app.core.health import Checkout

URL = "https://github.example/tea/pot.git"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pot"
    made.mkdir()
    git(made, "init", "-q", "--initial-branch=main")
    git(made, "commit", "-q", "--allow-empty", "-m", "one")
    return made


def look(folder: Path, *, apply: bool = False, **heads: str) -> Checkout:
    return checkout.look(folder, heads=heads, upstream="tea/pot", url=URL, apply=apply)


def config(folder: Path) -> str:
    return (folder / ".git" / "config").read_text()


def test_uncommitted_work_and_commits_that_the_fork_lacks(folder: Path) -> None:
    pushed = git(folder, "rev-parse", "HEAD")
    assert look(folder, main=pushed) == Checkout(path=str(folder))
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    (folder / "new file").write_text("x")
    found = look(folder, main=pushed, gone=pushed)
    assert (found.dirty, found.unpushed) == (1, {"main": 1})
    # the fork's head was never fetched here
    assert look(folder, main="1" * 40).unpushed == {"main": 2}
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert look(folder, main="1" * 40).unpushed == {}


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://github.com/tea/pot", True),
        ("https://github.com/Tea/Pot.git", True),
        ("git@github.com:tea/pot.git", True),
        ("ssh://git@github.com/tea/pot/", True),
        ("https://github.com/greentea/pot", False),
        ("https://github.com/tea/pots", False),
        ("https://github.com/tea/pot/wiki", False),
    ],
)
def test_a_remote_that_leads_to_the_upstream(folder: Path, url: str, leads: bool) -> None:
    git(folder, "remote", "add", "theirs", url)
    assert look(folder).upstream_remote == ("theirs" if leads else None)


def test_a_remote_is_added_only_where_it_was_asked_for_and_once(folder: Path) -> None:
    git(folder, "remote", "add", "upstream", "https://github.example/else/where")
    before = config(folder)
    assert look(folder).added is None
    assert config(folder) == before
    assert look(folder, apply=True).added == f"patch-app-upstream ({URL})"
    after = config(folder)
    assert after.startswith(before)
    again = look(folder, apply=True)
    assert (again.added, again.upstream_remote) == (None, "patch-app-upstream")
    assert config(folder) == after


def test_a_hostile_configuration_runs_nothing(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {proof}\n")
    trap.chmod(0o755)
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("fsmonitor-watchman", "post-index-change", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(trap.read_text())
        (hooks / name).chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "credential.helper", "core.editor"):
        git(folder, "config", key, str(trap))
    # objects that the checkout lacks are promised by a remote that would run the trap
    git(folder, "config", "remote.origin.url", f"ext::{trap}")
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.uploadpack", str(trap))
    git(folder, "config", "protocol.ext.allow", "always")
    git(folder, "config", "extensions.partialClone", "origin")
    git(folder, "config", "core.repositoryFormatVersion", "1")
    (folder / "new").write_text("x")
    proof.unlink(missing_ok=True)
    found = look(folder, apply=True, main="1" * 40)
    assert (found.problem, found.dirty, found.added is None) == (None, 1, False)
    assert not proof.exists()


def test_what_is_no_checkout_is_said(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(tmp_path / "nowhere").problem
    (tmp_path / "file").write_text("")
    assert look(tmp_path / "file").problem
    bare = tmp_path / "bare"
    bare.mkdir()
    git(bare, "init", "-q", "--bare")
    assert "work tree" in (look(bare).problem or "")
    # a variable of the caller's names another repository: it is left out
    monkeypatch.setitem(os.environ, "GIT_DIR", str(bare))
    assert look(folder).problem is None
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    assert look(folder).problem
