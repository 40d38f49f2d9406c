"""A person with write makes our run's work look otherwise; nothing that nobody approved moves a branch."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.vouch import By
from patch_app.runner import id_token
from tests import keys
from tests.stories.attacker import EVIL, Attacker, no_evil
from tests.stories.robot import CarryJob
from tests.stories.world import FORK, World, check_invariants

CHECKS = '[[check]]\nname = "build"\nrun = "true"\n[[check]]\nname = "lint"\nrun = "true"\n'
AUTO = f'{CHECKS}[upstream]\nminimum_age = "1s"\n[promotion]\napprove = "auto"\n'
auto = pytest.mark.fork(configuration=AUTO)
checked = pytest.mark.fork(configuration=CHECKS)


def released(world: World, tag: str = "v1.1.0") -> Attempt:
    """The release is old enough, and a run that vouches for nothing gets its time."""
    world.publish(tag, {"new.txt": f"{tag}\n"})
    world.poll()
    world.later(60)
    world.later()
    return world.attempt(tag)


def refused(world: World, before: str, *reasons: str) -> Attempt:
    """The attempt says why it can't go on, and nothing of the attacker's is anywhere but where he put it."""
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.FAILED, before), attempt.message
    assert any(reason in attempt.message for reason in reasons), attempt.message
    no_evil(world)
    check_invariants(world)
    return attempt


@auto
def test_honest_run_is_promoted_by_itself(world: World) -> None:
    attempt = released(world)
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate), attempt.message
    assert attempt.vouch is not None
    assert (attempt.vouch.by, attempt.vouch.commit) == (By.SIGNATURE, attempt.inbox)
    (check,) = [one for one in world.forge.repository(FORK).checks.values() if one.external_id == attempt.id]
    assert f"by GitHub's signature (key `{attempt.vouch.key}`" in (check.summary or "")


# The annotation, the ref and the log ---------------------------------------------------------------


@auto
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_somebody_patches_the_carrys_check_run_and_writes_the_inbox(world: World, when: str) -> None:
    attacker, before = Attacker(world), world.main()
    real_check = world.robot.check

    def carry(job: CarryJob) -> None:
        if when == "before":
            attacker.attack(job)
        if when == "after":
            # nobody reads anything before it is done
            world.forge.webhooks.hold()
        job.carry()
        if when == "during":
            attacker.attack(job)

    def check(job: CarryJob, name: str) -> tuple[int, str]:
        if when == "after" and name == "build":
            attacker.attack(job)
            world.forge.webhooks.release()
        return real_check(job, name)

    world.robot.carry, world.robot.check = carry, check
    released(world)
    # the run finds its place occupied, or the token is gone with what lay under it
    refused(world, before, "no report, yet", "isn't the one that run")


@auto
@pytest.mark.parametrize("first", [True, False])
def test_somebody_writes_the_other_place_of_the_inbox_before_or_after_the_run(
    world: World, first: bool
) -> None:
    attacker = Attacker(world)

    def carry(job: CarryJob) -> None:
        scratch, commit = None, ""
        if first:
            scratch, commit = attacker.forged(job)
            attacker.push(scratch, commit, names.as_branch(job.ref))
            scratch.git("push", "-q", attacker.git_url, f":{job.ref}")
        job.carry()
        if not first:
            scratch, commit = attacker.forged(job)
            attacker.push(scratch, commit, names.as_branch(job.ref))

    world.robot.carry = carry
    attempt = released(world)
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate), attempt.message
    for ref, sha in world.refs().items():
        git = world.forge.core.git(world.forge.repository(FORK))
        if "/inbox/" not in ref:
            assert EVIL not in git.text("ls-tree", "-r", "--name-only", sha).split(), ref


@checked
def test_all_is_patched_and_overwritten_once_the_report_was_read(world: World) -> None:
    attempt = released(world)
    assert attempt.stage is Stage.REVIEWING
    attacker, before = Attacker(world), world.main()
    job = world.robot.carried[attempt.runs[0].id]
    folder = world.folder / "late"
    folder.mkdir()
    job.folder = folder
    attacker.attack(job)
    world.later()
    again = world.attempt()
    assert (again.stage, again.candidate, world.main()) == (Stage.REVIEWING, attempt.candidate, before)
    no_evil(world)


# Tokens --------------------------------------------------------------------------------------------

Make = Callable[[World, Attacker, CarryJob, str], str]


def _claims(world: World, job: CarryJob, commit: str, **changes: Any) -> dict[str, Any]:
    """What GitHub would sign for the carry of this run."""
    core, repo = world.forge.core, world.forge.repository(FORK)
    audience = names.audience(world.app.id, job.attempt, commit)
    return core.oidc.claims(repo, repo.runs[job.run.id], audience) | changes


def _signed(world: World, job: CarryJob, commit: str, **changes: Any) -> str:
    return world.forge.core.oidc.sign(_claims(world, job, commit, **changes))


def _of_his_own_workflow(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    source = id_token.Source(attacker.job.id_token_url, attacker.job.id_token_request_token)
    token = id_token.ask(source, names.audience(world.app.id, job.attempt, commit))
    assert token is not None
    return token


def _of_his_own_key(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    header = jwt.get_unverified_header(_signed(world, job, commit))
    return jwt.encode(
        _claims(world, job, commit), keys.other(), algorithm="RS256", headers={"kid": header["kid"]}
    )


def _unsigned(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    header = jwt.get_unverified_header(_signed(world, job, commit))
    return jwt.encode(_claims(world, job, commit), None, algorithm="none", headers={"kid": header["kid"]})


def _of_an_old_key(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    token = _signed(world, job, commit)
    world.forge.core.oidc.rotate(keep=False)
    return token


def _of_another_run(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return _signed(world, job, commit, run_id="1")


def _of_another_attempt(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return _signed(world, job, commit, aud=names.audience(world.app.id, "0123456789abcdef", commit))


def _of_another_run_attempt(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return _signed(world, job, commit, run_attempt="2")


def _of_another_repository(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return _signed(world, job, commit, repository_id="1")


def _of_another_commit(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return _signed(world, job, job.outputs["inbox"])


def _of_another_time(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    claims = _claims(world, job, commit)
    return world.forge.core.oidc.sign(claims | {"iat": claims["iat"] - 86_400})


def _of_no_token_at_all(world: World, attacker: Attacker, job: CarryJob, commit: str) -> str:
    return "no token"


TOKENS: list[tuple[Make, str]] = [
    (_of_his_own_workflow, "its run_id is"),
    (_of_his_own_key, "its signature is not one of the key"),
    (_unsigned, "signed by none"),
    (_of_an_old_key, "has no key"),
    (_of_another_run, "its run_id is"),
    (_of_another_attempt, "its audience is"),
    (_of_another_run_attempt, "its run_attempt is"),
    (_of_another_repository, "its repository_id is"),
    (_of_another_commit, "its audience is"),
    (_of_another_time, "wasn't under way"),
    (_of_no_token_at_all, "no JSON Web Token"),
]


@auto
@pytest.mark.parametrize("make", [one for one, _ in TOKENS], ids=lambda one: one.__name__.strip("_"))
def test_forged_report_comes_with_a_token_that_is_for_something_else(world: World, make: Make) -> None:
    attacker, before = Attacker(world), world.main()

    def carry(job: CarryJob) -> None:
        job.carry()
        scratch, commit = attacker.forged(job)
        token = base64.b64encode(make(world, attacker, job, commit).encode()) + b"\n"
        attacker.push(scratch, scratch.commit({"token": token}, parent=commit), job.ref)
        # and the log says it too, as it would where the runner printed something of a tree
        job.log += f"patch-app-inbox {job.attempt} {job.run.run_attempt} {commit}\n"

    world.robot.carry = carry
    released(world)
    refused(world, before, dict(TOKENS)[make])


@auto
def test_somebody_starts_our_workflow_himself_with_our_attempts_id(world: World) -> None:
    """His run has a token of its own, by GitHub and of the right file; it isn't the run that we started."""
    attacker, before = Attacker(world), world.main()
    world.robot.hold()
    world.publish("v1.1.0", {"new.txt": "x\n"})
    world.poll()
    world.later(60)
    (ours,) = [one for one in world.forge.repository(FORK).runs.values() if one.path == names.WORKFLOW_PATH]
    sent = {"ref": "main", "inputs": dict(ours.inputs)}
    path = names.WORKFLOW_PATH.rsplit("/", 1)[-1]
    assert attacker.api("POST", f"/actions/workflows/{path}/dispatches", sent).status_code in (200, 204)

    def carry(job: CarryJob) -> None:
        if job.run.id == ours.id:
            his.wait(30)
            job.carry()
            return
        try:
            scratch, commit = attacker.forged(job)
            attacker.push(scratch, job.vouched(scratch, commit), job.ref)
        finally:
            his.set()

    his = threading.Event()
    world.robot.carry = carry
    world.robot.resume()
    world.settle()
    world.later()
    refused(world, before, "its run_id is")


# Where no token can be had -------------------------------------------------------------------------

without = pytest.mark.forge(oidc=False)


@without
@auto
def test_log_of_the_carry_vouches_for_a_review_but_never_for_auto(world: World) -> None:
    attempt, before = released(world), world.main()
    assert (attempt.stage, attempt.vouch and attempt.vouch.by) == (Stage.REVIEWING, By.LOG), attempt.message
    assert world.main() == before
    assert attempt.pull_request is not None
    world.approve(attempt, by=world.mia)
    world.comment(attempt.pull_request.number, "/patch promote", world.mia)
    world.settle()
    assert (world.attempt().stage, world.main()) == (Stage.PROMOTED, attempt.candidate)
    world.ends()


@without
@auto
def test_somebody_writes_the_inbox_where_the_log_vouches(world: World) -> None:
    attacker, before = Attacker(world), world.main()

    def carry(job: CarryJob) -> None:
        job.carry()
        attacker.attack(job)

    world.robot.carry = carry
    released(world)
    refused(world, before, "isn't the one that run")


@without
@checked
@pytest.mark.parametrize("same", [True, False])
def test_log_names_an_inbox_commit_twice(world: World, same: bool) -> None:
    before = world.main()

    def carry(job: CarryJob) -> None:
        real = job.carry()
        job.log += f"patch-app-inbox {job.attempt} 1 {real if same else 'a' * 40}\n"

    world.robot.carry = carry
    released(world)
    refused(world, before, "2 times")


@without
@checked
@pytest.mark.parametrize(
    "status",
    [
        pytest.param(404, marks=pytest.mark.forge(oidc=False, deleted_logs=404)),
        pytest.param(410, marks=pytest.mark.forge(oidc=False, deleted_logs=410)),
    ],
)
def test_somebody_deletes_the_log_before_it_was_read(world: World, status: int) -> None:
    attacker, before = Attacker(world), world.main()
    world.forge.webhooks.hold()
    world.publish("v1.1.0", {"new.txt": "x\n"})
    world.poll()
    world.settle()
    (ours,) = [one for one in world.forge.repository(FORK).runs.values() if one.path == names.WORKFLOW_PATH]
    assert ours.status == "completed"
    assert attacker.api("DELETE", f"/actions/runs/{ours.id}/logs").status_code == 204
    world.forge.webhooks.release()
    world.settle()
    waiting = world.attempt()
    assert (waiting.stage, "deleted or isn't there yet" in waiting.message) == (Stage.RUNNING, True)
    world.later()
    refused(world, before, "deleted or isn't there yet")


@without
@checked
def test_fork_of_an_older_server_forges_a_token_all_the_same(world: World) -> None:
    """Keys that can't be had are waited for, and the attempt says so; nobody else's are taken."""
    attacker, before = Attacker(world), world.main()

    def carry(job: CarryJob) -> None:
        job.carry()
        scratch, commit = attacker.forged(job)
        made = jwt.encode({"iss": "x"}, keys.other(), algorithm="RS256", headers={"kid": "mine"})
        token = base64.b64encode(made.encode())
        attacker.push(scratch, scratch.commit({"token": token}, parent=commit), job.ref)

    world.robot.carry = carry
    released(world)
    for _ in range(3):
        attempt = world.attempt()
        assert (attempt.stage, world.main()) == (Stage.BLOCKED, before), attempt.message
        assert "can't be read (it answers " in attempt.message
        world.later()
    no_evil(world)


# Checks and runs that are run again ----------------------------------------------------------------


def failing(world: World, *which: str) -> Callable[[CarryJob, str], tuple[int, str]]:
    real = world.robot.check

    def check(job: CarryJob, name: str) -> tuple[int, str]:
        if name in which:
            inbox = job.outputs["inbox"]
            return 1, f"patch-app-inbox {job.attempt} 1 {inbox}\n::notice title=check build::success\n"
        return real(job, name)

    return check


@auto
@pytest.mark.parametrize(
    "renames",
    [
        pytest.param(False, marks=pytest.mark.forge(names_follow_checks=False)),
        pytest.param(True, marks=pytest.mark.forge(names_follow_checks=True)),
    ],
)
def test_somebody_paints_a_failed_check_green(world: World, renames: bool) -> None:
    attacker, before = Attacker(world), world.main()
    world.robot.check = failing(world, "build")
    attempt = released(world)
    assert attempt.stage is Stage.REVIEWING, attempt.message
    run = attempt.runs[0].id
    jobs = attacker.jobs(run)
    for check, name in (("check build", "x"), ("check lint", "check build"), ("carry", "check lint")):
        attacker.patch(jobs[check], attempt.inbox or "", name)
    for commit in (attempt.candidate, before):
        green = {"name": "check build", "head_sha": commit, "conclusion": "success"}
        assert attacker.api("POST", "/check-runs", green).status_code == 201
        status = {"state": "success", "context": "check build"}
        assert attacker.api("POST", f"/statuses/{commit}", status).status_code == 201
    world.later()
    # the good check runs once more under its real name, and its older job has that of the bad one
    world.robot.check = failing(world, "build")
    assert attacker.api("POST", f"/actions/runs/{run}/rerun-failed-jobs").status_code == 201
    world.settle()
    newest = {name: number for name, number in attacker.jobs(run).items() if number > max(jobs.values())}
    attacker.patch(newest["check build"], "", "check lint")
    world.later()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.REVIEWING, before), attempt.message
    assert "the configured check `build` has failed" in attempt.message
    assert renames is world.forge.core.options.names_follow_checks


@auto
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("once", marks=pytest.mark.forge(lists_kept_jobs=False)),
        pytest.param("again", marks=pytest.mark.forge(lists_kept_jobs=True)),
        pytest.param("without their steps", marks=pytest.mark.forge(older_steps=False)),
        pytest.param("both", marks=pytest.mark.forge(lists_kept_jobs=True, older_steps=False)),
    ],
)
def test_failed_check_is_run_again_after_the_same_carry_and_passes(world: World, kept: str) -> None:
    attacker, real = Attacker(world), world.robot.check
    world.robot.check = failing(world, "build")
    attempt = released(world)
    assert "the configured check `build` has failed" in attempt.message, kept
    # a report that nobody asked for lies where the new run attempt would hand one over
    scratch = attacker.scratch()
    forged = scratch.commit({"report.json": b"{}"})
    attacker.push(scratch, forged, f"{names.inbox_prefix(attempt.id)}2")
    world.robot.check = real
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{attempt.runs[0].id}/rerun-failed-jobs")
    world.settle()
    world.later()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.PROMOTED, attempt.candidate), attempt.message
    assert attempt.vouch is not None
    assert attempt.vouch.run_attempt == 1


@checked
def test_run_again_as_a_whole_carries_anew_and_only_its_own_checks_count(world: World) -> None:
    before = world.main()
    attempt = released(world)
    assert attempt.stage is Stage.REVIEWING
    world.robot.check = failing(world, "build")
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{attempt.runs[0].id}/rerun")
    world.settle()
    again = world.attempt()
    assert (again.stage, again.candidate) == (Stage.REVIEWING, attempt.candidate), again.message
    assert again.vouch is not None
    assert again.vouch.run_attempt == 2
    world.approve(again, by=world.mia)
    world.later()
    assert (world.attempt().stage, world.main()) == (Stage.REVIEWING, before)
    assert "the configured check `build` has failed" in world.attempt().message
    world.ends()


# All of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lacks",
    [
        # that a check passes, and that somebody approves
        pytest.param("build", marks=auto),
        pytest.param("", marks=checked),
    ],
)
def test_somebody_with_all_of_these_permissions_tries_everything(world: World, lacks: str) -> None:
    """Nothing is promoted, no maintained branch moves, and each attempt says what stopped it."""
    attacker, before = Attacker(world), world.main()
    world.robot.check = failing(world, lacks)

    def spoil(attempt: Attempt, commit: str) -> None:
        """All refs of ours that he may write have his commit, and every light is green."""
        ours = (
            names.candidate_ref(attempt.id),
            names.archive_ref(attempt.id),
            names.target_ref(attempt.id),
            names.resolutions_ref(world.stack),
            world.base(attempt.tag),
            world.maintenance(attempt.tag),
            f"refs/tags/{names.candidate_tag(world.stack, attempt.tag)}",
        )
        for ref in ours:
            sent: dict[str, Any] = {"sha": commit, "force": True}
            path = f"/git/refs/{ref.removeprefix('refs/')}"
            if attacker.api("PATCH", path, sent).status_code != 200:
                attacker.api("POST", "/git/refs", {"ref": ref, "sha": commit})
        for sha in {commit, attempt.candidate or commit, before}:
            for name in ("check build", "check lint", names.check_name(world.stack), "ci"):
                attacker.api("POST", "/check-runs", {"name": name, "head_sha": sha, "conclusion": "success"})
                attacker.api("POST", f"/statuses/{sha}", {"state": "success", "context": name})

    def carry(job: CarryJob) -> None:
        job.carry()
        if job.run.run_attempt > 1:
            scratch, commit = attacker.forged(job)
            attacker.push(scratch, job_token(scratch, job, commit), job.ref)

    def job_token(scratch: Any, job: CarryJob, commit: str) -> str:
        token = _of_his_own_workflow(world, attacker, job, commit).encode()
        made: str = scratch.commit({"token": base64.b64encode(token)}, parent=commit)
        return made

    world.robot.carry = carry
    attempt = released(world)
    assert attempt.stage is Stage.REVIEWING
    run = attempt.runs[0].id
    job = world.robot.carried[run]
    job.folder = Path(world.folder / "later")
    job.folder.mkdir()
    commit = attacker.attack(job)
    candidate = attacker.candidate(commit)
    spoil(attempt, candidate)
    world.later()
    steps: list[tuple[str, str, Any]] = [
        ("POST", f"/actions/runs/{run}/rerun-failed-jobs", None),
        ("DELETE", f"/actions/runs/{run}/logs", None),
        ("POST", f"/actions/runs/{run}/rerun", None),
        ("POST", f"/actions/runs/{run}/cancel", None),
        ("POST", f"/actions/workflows/{names.WORKFLOW_PATH.rsplit('/', 1)[-1]}/dispatches",
         {"ref": "main", "inputs": {"attempt": attempt.id, "request": "{}"}}),
        ("PUT", f"/actions/workflows/{names.WORKFLOW_PATH.rsplit('/', 1)[-1]}/disable", None),
        ("DELETE", f"/git/refs/{names.RUNNER_REF.removeprefix('refs/')}", None),
    ]  # fmt: skip
    for method, path, sent in steps:
        attacker.api(method, path, sent)
        world.settle()
        spoil(world.attempt(), candidate)
        world.later()
    released(world, "v1.2.0")
    for one in world.attempts():
        assert one.stage is not Stage.PROMOTED
        assert one.message, (one.id, one.stage)
    assert world.main() == before
    assert not [log for log in world.logs if log["event"] in ("unexpected", "stopped")]
