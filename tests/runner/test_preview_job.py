from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from patch_app.core import previewed
from patch_app.core.report import Status
from patch_app.runner import preview_job
from patch_app.runner.records import Problem
from patch_app.runner.workspace import Workspace
from tests.runner.runner_world import TRAILER, WORKFLOW, World, numbered

REF = "refs/patch-app/onboarding"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.upstream.commit("one", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    return world


def asked(world: World, **changed: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "attempt": "onboarding",
        "stack": {"branch": "main", "sha": world.fork.head},
        "base": None,
        "target": {"name": "v2", "sha": world.upstream.head},
        "upstream": "http://upstream.invalid/x",
        "bundle_from": "target",
        "date": 1,
        "merges": "flatten",
        "strategy": "rebase",
        "start": None,
        "pushed": None,
        "installed_paths": [WORKFLOW],
        "app": 7,
        "installed_trailer": TRAILER,
        "resolutions": None,
        "checks": [],
        **changed,
    }


def store(world: World, content: bytes) -> None:
    blob = world.fork.git("hash-object", "-w", "--stdin", stdin=content)
    tree = world.fork.git("mktree", stdin=f"100644 blob {blob}\trequests.json\n".encode())
    world.fork.git("update-ref", REF, world.fork.git("commit-tree", tree, "-m", "x"))


def preview(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The job with both repositories on this disk, as a workspace with the protocol `file` reads them."""
    said: list[str] = []
    written: list[str] = []

    def local(url: str, upstream: str, **more: Any) -> Workspace:
        there = world.upstream.path.as_uri() if upstream.startswith("http") else upstream
        return Workspace(url, there, protocols=("file",), **more)

    monkeypatch.setattr(preview_job, "Workspace", local)
    environment = {preview_job.KEY: REF, "RUNNER_TEMP": str(world.tmp)}
    preview_job.run(environment, world.fork.path.as_uri(), "", said.append, written.append)
    return said, written


def test_a_preview_tells_each_release_and_moves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = world.upstream.commit("two", {"a.txt": numbered(l20="theirs")})
    world.fork.git("fetch", "-q", str(world.upstream.path), good)
    bad = world.upstream.commit("three", {"a.txt": numbered(l3="::error::theirs", l20="theirs")})
    gone = "a" * 40
    targets = [good, bad, gone]
    requests = [asked(world, target={"name": f"v{n}", "sha": sha}) for n, sha in enumerate(targets)]
    store(world, json.dumps(requests).encode())
    before = world.fork.git("for-each-ref")
    said, written = preview(world, monkeypatch)
    assert world.fork.git("for-each-ref") == before
    notes = [line.removeprefix("::notice title=patch-app-preview::") for line in said]
    found = previewed.claims(notes, [previewed.Target(tag="t", commit=one) for one in targets])
    assert [found[n].status for n in range(3)] == [Status.CLEAN, Status.CONFLICT, Status.ERROR]
    assert found[1].conflict == world.fork.head
    assert found[2].stage == "fetch"
    assert "theirs" not in "".join(said)
    assert "### Conflict" in written[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "at most 3 requests"),
        (b"[1,2,3,4]", "at most 3 requests"),
        (b"[{}]", "lacks schema"),
        (b" " * 300_000, "longer than"),
    ],
)
def test_a_forged_request_is_refused_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    store(world, content)
    with pytest.raises(Problem, match=said):
        preview(world, monkeypatch)


@pytest.mark.parametrize("ref", ["", "refs/heads/main", "refs/patch-app/../heads/main", "--upload-pack=x"])
def test_a_request_is_read_from_our_own_refs_alone(world: World, ref: str) -> None:
    with world.workspace() as workspace, pytest.raises(Problem):
        preview_job.requests(workspace, ref)


def test_nothing_to_preview_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store(world, b"[]")
    assert preview(world, monkeypatch) == ([], [])


def test_a_fork_without_the_request_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="could not be read from refs/patch-app/onboarding"):
        preview(world, monkeypatch)
