"""Runs that lie: each ends as failed with the reason, and no ref moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import Dispatch
from patch_app.github.perform import Outcome
from tests.stories.robot import CarryJob, Scratch
from tests.stories.world import FORK, UPSTREAM, World

BUNDLE = "candidate.bundle"


@pytest.fixture
def forged(world: World) -> Iterator[World]:
    """The test sets what the carry does; afterwards nothing may have moved."""
    before = world.refs()
    yield world
    after = world.refs()
    ours = (f"{names.NAMESPACE}/inbox/", f"{names.NAMESPACE}/targets/")
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in moved if not name.startswith(ours)} == set()
    assert not [issue for issue in world.forge.repository(FORK).issues.values() if issue.pull]


def failed(world: World) -> Attempt:
    world.release()
    world.later()  # a run that vouches for nothing gets its time
    attempt = world.attempt()
    assert attempt.stage is Stage.FAILED
    return attempt


def push_forged(job: CarryJob, world: World, report: bytes = b"{}") -> str:
    """Bob, who may write, puts a commit of his own where the run hands over."""
    scratch = job.scratch()
    commit = scratch.commit({"report.json": report, BUNDLE: b"# v2 git bundle\n"})
    scratch.git("push", "-q", "--force", world.bob.git_url(FORK), f"{commit}:{job.ref}")
    return commit


def test_a_collaborator_pushes_a_report_before_the_run_does(forged: World) -> None:
    def carry(job: CarryJob) -> None:
        push_forged(job, forged)
        job.carry()

    forged.robot.carry = carry
    assert "vouches for no report" in failed(forged).message
    forged.ends()


def test_a_collaborator_replaces_the_report_after_the_run_has_pushed_it(forged: World) -> None:
    def carry(job: CarryJob) -> None:
        job.carry()
        scratch = job.scratch()
        scratch.git("fetch", "-q", forged.bob.git_url(FORK), job.ref)
        push_forged(job, forged, scratch.blob("FETCH_HEAD^", "report.json"))

    forged.robot.carry = carry
    assert "isn't the one that run" in failed(forged).message
    forged.ends()


Change = Any


def _another_attempt(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["attempt"] = "0123456789abcdef"


def _another_run(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["run"]["id"] += 1


def _another_run_attempt(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["run"]["attempt"] += 1


def _another_stack(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["stack"]["sha"] = report["base"]


def _another_target(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["target"]["sha"] = report["base"]


def _another_base(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    report["base"] = report["patches"][0]["old"]


def _a_patch_dropped(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, files
    del report["patches"][0]


def _bundled(report: Any, files: dict[str, bytes], data: bytes) -> None:
    files[BUNDLE] = data
    report["bundle"]["parts"] = [
        {"path": BUNDLE, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ]


def _another_ref_in_the_bundle(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch
    ref = report["bundle"]["ref"].encode()
    _bundled(report, files, files[BUNDLE].replace(ref + b"\n", b"refs/heads/main\n", 1))


def _one_more_ref_in_the_bundle(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch
    tip = report["bundle"]["tip"].encode()
    _bundled(report, files, files[BUNDLE].replace(b"\n\n", b"\n" + tip + b" refs/heads/main\n\n", 1))


def _another_bundle_than_the_report_says(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    del scratch, report
    files[BUNDLE] += b"\0"


def _rebuilt(scratch: Scratch, report: Any, files: dict[str, bytes], *, extra: bool) -> None:
    """The carried commits anew: on top of a commit of somebody else's, or without the first of them."""
    (scratch.folder / "real.bundle").write_bytes(files[BUNDLE])
    target, ref = report["target"]["sha"], report["bundle"]["ref"]
    scratch.git("fetch", "-q", f"{report['x-upstream']}", target)
    scratch.git("fetch", "-q", "real.bundle", f"{ref}:refs/real")
    parent = target
    if extra:
        tree = scratch.git("rev-parse", f"{target}^{{tree}}")
        parent = scratch.git("commit-tree", tree, "-p", target, "-m", "Nobody's patch")
    carried = [one for one in report["patches"] if one["new"]]
    chain = [*carried, report["installed"]]
    if not extra:
        chain = chain[1:]
    for one in chain:
        tree = scratch.git("rev-parse", f"{one['new']}^{{tree}}")
        parent = one["new"] = scratch.git("commit-tree", tree, "-p", parent, "-m", "Carried")
    scratch.git("update-ref", ref, parent)
    scratch.git("bundle", "create", "-q", "--version=2", "forged.bundle", ref, f"^{target}")
    report["candidate"]["sha"] = report["bundle"]["tip"] = parent
    _bundled(report, files, (scratch.folder / "forged.bundle").read_bytes())


def _an_extra_commit_below_the_stack(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    _rebuilt(scratch, report, files, extra=True)


def _a_commit_left_out_that_the_report_names(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
    _rebuilt(scratch, report, files, extra=False)


LIES: list[tuple[Change, str]] = [
    (_another_attempt, "another attempt"),
    (_another_run, "of another run"),
    (_another_run_attempt, "of another run"),
    (_another_stack, "another stack head"),
    (_another_target, "another target"),
    (_another_base, "no verdict for 1 patch|not in the stack|no commit of the upstream"),
    (_a_patch_dropped, "no verdict for 1 patch"),
    (_another_ref_in_the_bundle, "The bundle must hold"),
    (_one_more_ref_in_the_bundle, "The bundle must hold"),
    (_another_bundle_than_the_report_says, "is not what the report says"),
    (_an_extra_commit_below_the_stack, "stands on"),
    (_a_commit_left_out_that_the_report_names, "lacks the commit|stands on"),
]


@pytest.mark.parametrize("part", range(3))
def test_a_run_hands_over_what_is_not_so(forged: World, part: int) -> None:
    """One release after the other, each carried by a run that tells another lie."""
    for number, (lie, reason) in enumerate(LIES[part::3], 1):

        def carry(job: CarryJob, lie: Change = lie) -> None:
            def change(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
                report["x-upstream"] = f"{job.run.server_url}/{UPSTREAM}.git"
                lie(scratch, report, files)
                del report["x-upstream"]

            job.rewrite(change)

        forged.robot.carry = carry
        tag = f"v1.{number}.0"
        attempt = forged.release(tag)
        assert attempt.stage is Stage.FAILED, lie.__name__
        assert any(part in attempt.message for part in reason.split("|")), (lie.__name__, attempt.message)
        assert forged.ref(names.candidate_ref(attempt.id)) == names.ZERO
        assert forged.ref(names.archive_ref(attempt.id)) == names.ZERO


class Meddling:
    """Somebody changes the workflow file in the moment before the run is started."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.real = world.server.engine.advancer.performer

    async def perform(self, attempt: Attempt, effect: Any, *, again: bool) -> Outcome:
        if isinstance(effect, Dispatch):
            file = self.world.forge.core.git(self.world.forge.repository(FORK))
            text = file.run("cat-file", "blob", f"refs/heads/main:{names.WORKFLOW_PATH}").decode()
            changed = text.replace("timeout-minutes: 60", "timeout-minutes: 59")
            self.world.forge.commit(FORK, "main", {names.WORKFLOW_PATH: changed}, "Meddle", by="bob")
        return await self.real.perform(attempt, effect, again=again)


@pytest.mark.fork(stack="patches")
def test_the_workflow_is_changed_between_the_preflight_and_the_run(world: World) -> None:
    meddling = Meddling(world)
    object.__setattr__(world.server.engine.advancer, "performer", meddling)
    before = world.refs()
    attempt = failed(world)
    assert "used a changed workflow file" in attempt.message
    after = world.refs()
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    ours = (f"{names.NAMESPACE}/inbox/", f"{names.NAMESPACE}/targets/")
    assert {name for name in moved if not name.startswith(ours)} == {"refs/heads/main"}
    world.ends()


def test_the_workflow_is_changed_on_the_maintained_branch_before_the_run(world: World) -> None:
    object.__setattr__(world.server.engine.advancer, "performer", Meddling(world))
    attempt = world.release()
    assert (attempt.number, attempt.stage) == (2, Stage.BLOCKED)
    assert "is not the App's own" in attempt.message
    world.ends()
