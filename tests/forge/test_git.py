from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from patch_app.forge import ForgeOptions
from patch_app.forge.pktline import encode, with_reasons
from tests.forge.conftest import Receiver, World, clone


def test_a_push_of_a_workflow_file_without_the_permission(world: World, tmp_path: Path) -> None:
    token = world.token(permissions={"contents": "write"})
    work = clone(world, tmp_path / "w", token)
    work.commit("b.txt", "b")
    work.git("branch", "fine")
    work.commit(".github/workflows/new.yml", "on: push\njobs: {}\n")
    done = work.git("push", "origin", "HEAD:refs/heads/bad", "fine", "HEAD:refs/patch-app/x", ok=False)
    assert done.returncode != 0
    assert (
        "refusing to allow a GitHub App to create or update workflow `.github/workflows/new.yml` without "
        "`workflows` permission" in done.stderr
    )
    refs = world.alice.api("GET", "/repos/alice/tool/git/matching-refs/")
    assert {r["ref"] for r in refs} == {"refs/heads/fine", "refs/heads/main"}


def test_a_workflow_change_that_comes_from_upstream_history_in_a_job(world: World, tmp_path: Path) -> None:
    world.forge.commit(
        "acme/tool", "main", {".github/workflows/ci.yml": "on: push\njobs: {}\n"}, "Upstream's CI"
    )
    run = world.alice.api(
        "POST",
        "/repos/alice/tool/actions/workflows/carry.yml/dispatches",
        {"ref": "main", "inputs": {"attempt": "a"}},
    )["workflow_run_id"]
    job = world.script.start_job(run, {"contents": "write"})
    work = clone(world, tmp_path / "w", job.token)
    work.git("fetch", "-q", f"{world.forge.url}/acme/tool.git", "main")
    done = work.git("push", "origin", "FETCH_HEAD:refs/heads/target", ok=False)
    assert "without `workflows` permission" in done.stderr
    work.git("push", "-q", "origin", "HEAD:refs/patch-app/inbox/a/1")


def test_a_token_for_reading_that_tries_to_push(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path / "w", world.token(permissions={"contents": "read"}))
    work.commit("b.txt", "b")
    assert "403" in work.git("push", "origin", "HEAD:refs/heads/b", ok=False).stderr


def test_nobody_pushes_without_a_token_but_everybody_clones(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path / "w", None)
    assert "could not read Username" in work.git("push", "origin", "HEAD:refs/heads/b", ok=False).stderr


def test_a_private_repository_that_a_stranger_looks_for(world: World, tmp_path: Path) -> None:
    world.forge.add_repository("acme/secret", private=True)
    world.forge.commit("acme/secret", "main", {"s": "s"}, "Secret")
    work = clone(world, tmp_path / "w", world.alice.token, "acme/secret")
    stranger = world.bob.git_url("acme/secret")
    assert "not found" in work.git("ls-remote", stranger, ok=False).stderr
    assert world.bob.request("GET", "/repos/acme/secret").status_code == 404
    assert world.request(world.token(), "GET", "/repos/acme/secret").status_code == 404


def test_an_atomic_push_with_one_stale_value_moves_nothing(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path / "w", world.alice.token)
    world.forge.commit("alice/tool", "main", {"c": "c"}, "Meanwhile")
    before = world.head()
    work.commit("b.txt", "b")
    done = work.git("push", "--atomic", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/other", ok=False)
    assert done.returncode != 0
    assert world.head() == before
    assert world.alice.request("GET", "/repos/alice/tool/git/ref/heads/other").status_code == 404


def test_a_blobless_fetch_gets_missing_blobs_by_their_ids(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path / "w", None)
    work.git("config", "remote.origin.promisor", "true")
    done = work.git(
        "-c",
        "protocol.version=2",
        "clone",
        "-q",
        "--bare",
        "--filter=blob:none",
        f"{world.forge.url}/alice/tool.git",
        str(tmp_path / "b"),
    )
    assert done.returncode == 0
    listed = work.git("-C", str(tmp_path / "b"), "rev-list", "--objects", "--missing=print", "HEAD").stdout
    assert "?" in listed
    assert work.git("-C", str(tmp_path / "b"), "show", "HEAD:a.txt").stdout == "1\n"


def test_a_request_for_refs_whose_body_comes_long_after_its_head(world: World) -> None:
    url = f"{world.forge.url}/alice/tool.git"
    lines = (b"command=ls-refs\n", b"0001", b"ref-prefix refs/heads/\n")
    framed = b"".join(one if one == b"0001" else encode(one) for one in lines) + b"0000"

    def body() -> Iterator[bytes]:
        # time enough for git to begin its answer
        for _ in range(3):
            httpx.get(f"{url}/info/refs?service=git-upload-pack").raise_for_status()
        yield framed

    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Length": str(len(framed)),
        "Git-Protocol": "version=2",
    }
    answer = httpx.post(f"{url}/git-upload-pack", content=body(), headers=headers)
    assert answer.content.endswith(b" refs/heads/main\n0000")


def test_pushes_are_told_but_refs_outside_heads_and_tags_are_not(
    world: World, tmp_path: Path, receiver: Receiver
) -> None:
    work = clone(world, tmp_path / "w", world.alice.token)
    work.commit("b.txt", "b")
    work.git("push", "-q", "origin", "HEAD:refs/patch-app/a", "HEAD:refs/heads/b", "HEAD:refs/tags/t")
    world.forge.settle()
    assert sorted(receiver.events()) == ["create", "create", "push", "push"]
    receiver.got.clear()
    work.git("push", "-q", "origin", *(f"HEAD:refs/tags/many{i}" for i in range(4)))
    work.git("push", "-q", "origin", ":b")
    world.forge.settle()
    assert receiver.events() == ["delete", "push"]


@pytest.mark.parametrize("options", [ForgeOptions(custom_refs=False)])
def test_a_github_that_takes_no_custom_refs(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path / "w", world.alice.token)
    assert "funny refname" in work.git("push", "origin", "HEAD:refs/patch-app/a", ok=False).stderr


def test_rules_hold_a_push_but_not_who_may_bypass_them(world: World, tmp_path: Path) -> None:
    world.forge.set_rules("alice/tool", "main", ["non_fast_forward"], bypass=["carrier"])
    work = clone(world, tmp_path / "w", world.bob.token)
    work.git("commit", "-q", "--amend", "-m", "Other")
    done = work.git("push", "-f", "origin", "HEAD:main", ok=False)
    assert "push declined due to repository rule violations" in done.stderr
    work.git(
        "remote",
        "set-url",
        "origin",
        f"http://x-access-token:{world.token()}@{world.forge.url[7:]}/alice/tool",
    )
    work.git("push", "-qf", "origin", "HEAD:main")


def test_a_report_without_side_bands_gets_its_reasons_too() -> None:
    report = encode(b"unpack ok\n") + encode(b"ng refs/heads/a hook declined\n") + b"0000"
    changed = with_reasons(report, {"refs/heads/a": "because"})
    assert b"ng refs/heads/a because\n" in changed
    assert with_reasons(b"no packets", {}) == b"no packets"


def test_a_large_push_to_a_private_repository(world: World, tmp_path: Path) -> None:
    world.forge.add_repository("alice/secret", private=True)
    world.forge.commit("alice/secret", "main", {"s": "s"}, "Secret")
    work = clone(world, tmp_path / "w", world.alice.token, "alice/secret")
    (work.folder / "big").write_bytes(os.urandom(3_000_000))
    work.git("add", "big")
    work.git("commit", "-q", "-m", "Big")
    work.git("push", "-q", "origin", "HEAD:main")
    other = clone(world, tmp_path / "o", world.alice.token, "alice/secret")
    assert (other.folder / "big").stat().st_size == 3_000_000
