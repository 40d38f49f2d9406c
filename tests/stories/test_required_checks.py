"""Required checks that somebody forges: what any workflow can post, rename and set promotes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from patch_app.core.attempt import Attempt, Stage
from patch_app.forge.actions_api import Conclusion, WorkflowRun
from tests.stories.world import FORK, World

CI, EVIL = ".github/workflows/ci.yml", ".github/workflows/evil.yml"
CI_FILE = """\
on: push
permissions: {contents: read}
jobs:
  lint:
    runs-on: ubuntu-latest
    steps: [{run: make lint}]
  ci:
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v4}, {run: make test}]
"""
EVIL_FILE = """\
on: push
permissions: {contents: write, checks: write, statuses: write, actions: write}
jobs:
  evil:
    runs-on: ubuntu-latest
    steps: [{run: make evil}]
"""
REQUIRED = '[promotion]\nrequired_checks = ["ci"]\n'
NAMED = f'[promotion]\nrequired_checks = [{{ name = "ci", app = "github-actions", workflow = "{CI}" }}]\n'

Attack = Callable[[Callable[..., Any]], None]


class Attacker:
    """Bob, who may write, and a workflow of his whose token may write all that a token can."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.attack: Attack | None = None
        self.done = threading.Event()
        self.pushes = 0
        world.robot.within = self.within

    def within(self, run: WorkflowRun, key: str, token: str) -> None:
        del key
        if run.path != EVIL or self.attack is None:
            return

        def call(method: str, path: str, body: Any = None, status: int | None = None) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(trust_env=False) as client:
                answer = client.request(
                    method, f"{self.world.forge.api_url}/repos/{FORK}/{path}", json=body, headers=headers
                )
            assert answer.is_success if status is None else answer.status_code == status, answer.text
            return answer.json() if answer.content else None

        self.attack(call)
        self.done.set()

    def push(self, attack: Attack) -> None:
        """A branch with that workflow; what it does is done when `done` is set."""
        self.attack, self.pushes = attack, self.pushes + 1
        self.done.clear()
        world = self.world
        world.set_ref(f"refs/heads/evil-{self.pushes}", world.ref("refs/tags/v1.0.0"), by=world.bob)
        world.forge.commit(FORK, f"evil-{self.pushes}", {EVIL: EVIL_FILE}, "Something else", by="bob")

    def __call__(self, attack: Attack) -> None:
        self.push(attack)
        assert self.done.wait(60)
        self.world.settle()


def begin(world: World, **verdicts: Conclusion) -> Attacker:
    """The fork has a workflow file, whose jobs end as is said."""
    world.robot.verdicts = {"lint": Conclusion.SUCCESS, "ci": Conclusion.FAILURE, **verdicts}
    world.patch({CI: CI_FILE}, "Check with Actions")
    world.settle()
    return Attacker(world)


def green(commit: str, name: str = "ci") -> Attack:
    return lambda call: call(
        "POST",
        "check-runs",
        {"name": name, "head_sha": commit, "status": "completed", "conclusion": "success"},
    )


def held(world: World, said: str = "required check `ci` has not passed") -> Attempt:
    """Approved by everybody, and nothing moved."""
    before = world.main()
    attempt = world.attempt()
    for person in (world.bob, world.mia):
        world.approve(attempt, by=person)
    world.settle()
    world.later()
    attempt = world.attempt()
    assert (attempt.stage, world.main()) == (Stage.REVIEWING, before), attempt.message
    assert said in attempt.message
    return attempt


def promoted(world: World) -> None:
    for _ in range(2):
        world.later()
    assert world.attempt().stage is Stage.PROMOTED, world.attempt().message


def jobs(world: World, commit: str) -> dict[str, int]:
    """By name, the ids of the jobs that ran for a commit."""
    repo = world.forge.repository(FORK)
    runs = [run for run in repo.runs.values() if run.head_sha == commit and run.path == CI]
    return {job.name: job.id for run in runs for job in run.jobs}


@pytest.mark.parametrize("configured", [REQUIRED, NAMED], ids=["by name", "by file"])
@pytest.mark.fork
def test_a_green_check_that_another_workflow_posts_after_the_real_one_failed(
    bare: World, configured: str
) -> None:
    bare.arrange(configuration=configured)
    bare.serve()
    attacker = begin(bare)
    attempt = bare.release()
    attacker(green(attempt.candidate or ""))
    attempt = held(bare)
    assert attempt.candidate is not None
    run = next(one.run for one in attempt.checks if one.name == "ci" and one.run)
    # the real one is mended: the posted one was neither good nor bad
    assert bare.robot.verdicts is not None
    bare.robot.verdicts["ci"] = Conclusion.SUCCESS
    bare.alice.api("POST", f"/repos/{FORK}/actions/runs/{run}/rerun", {})
    bare.settle()
    promoted(bare)


@pytest.mark.forge(joins_suites=True)
@pytest.mark.fork(configuration=NAMED)
def test_a_green_check_is_posted_into_the_suite_of_the_real_run_while_that_one_runs(world: World) -> None:
    attacker = begin(world)
    within = attacker.within

    def during(run: WorkflowRun, key: str, token: str) -> None:
        if run.path == CI and key == "ci" and "/maintenance/" in run.head_branch:
            attacker.push(green(run.head_sha))
            assert attacker.done.wait(60)
        within(run, key, token)

    world.robot.within = during
    world.release()
    held(world)


@pytest.mark.fork(configuration=REQUIRED)
def test_a_red_check_that_another_workflow_posts_holds_nothing_up(world: World) -> None:
    attacker = begin(world, ci=Conclusion.SUCCESS)
    attempt = world.release()
    red = {"name": "ci", "head_sha": attempt.candidate, "status": "completed", "conclusion": "failure"}
    attacker(lambda call: call("POST", "check-runs", red))
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED, world.attempt().message


@pytest.mark.parametrize("exchanged", [False, True], ids=["renamed", "exchanged"])
@pytest.mark.parametrize("follow", [False, True], ids=["jobs keep their names", "jobs are renamed too"])
def test_a_check_run_of_a_job_that_passed_is_renamed(bare: World, follow: bool, exchanged: bool) -> None:
    bare.forge.core.options = bare.forge.core.options.__class__(
        **{**vars(bare.forge.core.options), "names_follow_checks": follow}
    )
    bare.arrange(configuration=NAMED)
    bare.serve()
    attacker = begin(bare)
    attempt = bare.release()
    made = jobs(bare, attempt.candidate or "")

    def rename(call: Callable[..., Any]) -> None:
        call("PATCH", f"check-runs/{made['lint']}", {"name": "ci"})
        call("PATCH", f"check-runs/{made['ci']}", {"name": "lint" if exchanged else "other"})
        # neither is taken since February 2025
        call("PATCH", f"check-runs/{made['ci']}", {"conclusion": "success"}, status=403)

    attacker(rename)
    held(bare)


@pytest.mark.fork(configuration=REQUIRED)
def test_a_commit_status_of_the_required_name_counts_for_nothing(world: World) -> None:
    attacker = begin(world)
    attempt = world.release()
    set_it = {"state": "success", "context": "ci"}
    attacker(lambda call: call("POST", f"statuses/{attempt.candidate}", set_it))
    world.bob.api("POST", f"/repos/{FORK}/statuses/{attempt.candidate}", set_it)
    world.settle()
    held(world)


@pytest.mark.fork(configuration='[promotion]\nrequired_checks = [{ name = "qa", creator = "Mia" }]\n')
def test_a_commit_status_counts_from_its_creator_alone_whoever_else_sets_it(world: World) -> None:
    attempt = world.release()
    status = f"/repos/{FORK}/statuses/{attempt.candidate}"
    world.bob.api("POST", status, {"state": "success", "context": "qa"})
    world.settle()
    held(world, "a commit status of that name counts only from the `creator`")
    world.mia.api("POST", status, {"state": "success", "context": "qa"})
    # a stranger's newer one hides it from GitHub's own page, and takes nothing back
    world.bob.api("POST", status, {"state": "failure", "context": "qa"})
    world.settle()
    promoted(world)


@pytest.mark.fork(configuration='[promotion]\nrequired_checks = [{ name = "qa", creator = "mia" }]\n')
def test_a_later_status_of_its_creator_takes_an_earlier_one_back(world: World) -> None:
    attempt = world.release()
    status = f"/repos/{FORK}/statuses/{attempt.candidate}"
    world.mia.api("POST", status, {"state": "success", "context": "qa"})
    world.mia.api("POST", status, {"state": "failure", "context": "qa"})
    world.bob.api("POST", status, {"state": "success", "context": "qa"})
    world.settle()
    held(world, "required check `qa` has not passed")


@pytest.mark.fork(configuration=NAMED)
def test_a_candidate_without_the_workflow_has_no_such_check(world: World) -> None:
    world.robot.verdicts = {}
    attacker = Attacker(world)
    attempt = world.release()
    attacker(green(attempt.candidate or ""))
    held(world)


@pytest.mark.fork(configuration=REQUIRED)
def test_a_job_of_that_name_in_a_file_that_only_the_release_has(world: World) -> None:
    world.robot.verdicts = {"ci": Conclusion.SUCCESS}
    other = CI_FILE.replace("make test", "true")
    world.release(files={".github/workflows/theirs.yml": other})
    attempt = world.attempt()
    world.comment(gate_of(world, attempt), f"/patch trust-workflows {attempt.candidate}", world.mia)
    world.settle()
    held(world)


def gate_of(world: World, attempt: Attempt) -> int:
    """The issue or pull request at which workflow files are trusted."""
    link = attempt.issue or attempt.pull_request
    assert link is not None, attempt.message
    return link.number


@pytest.mark.fork(configuration=NAMED)
def test_the_other_of_two_events_failed(world: World) -> None:
    attacker = begin(world)
    del attacker
    world.patch({CI: CI_FILE.replace("on: push", "on: [push, pull_request]")}, "Check pull requests too")
    world.settle()
    ends = world.robot

    def within(run: WorkflowRun, key: str, token: str) -> None:
        del token
        if key == "ci" and ends.verdicts is not None:
            ends.verdicts["ci"] = Conclusion.FAILURE if run.event == "pull_request" else Conclusion.SUCCESS

    ends.within = within
    world.release()
    held(world)


@pytest.mark.fork(configuration=NAMED)
def test_a_run_that_somebody_started_by_hand_is_no_pass(world: World) -> None:
    world.robot.verdicts = {"ci": Conclusion.SUCCESS}
    world.patch({CI: CI_FILE.replace("on: push", "on: workflow_dispatch")}, "Check by hand")
    world.settle()
    attempt = world.release()
    attacker = Attacker(world)
    branch = world.maintenance().removeprefix("refs/heads/")
    attacker(lambda call: call("POST", "actions/workflows/ci.yml/dispatches", {"ref": branch}))
    held(world, "it was started by workflow_dispatch")
    assert attempt.pull_request is not None
    number = attempt.pull_request.number
    world.comment(number, f"/patch trust-workflows {attempt.candidate}", world.mia)
    world.settle()
    promoted(world)


PULLS = CI_FILE.replace("on: push", "on: pull_request")


@pytest.mark.fork(configuration=NAMED)
def test_checks_of_the_pull_request_pass_where_nobody_touched_its_base(world: World) -> None:
    begin(world, ci=Conclusion.SUCCESS)
    world.patch({CI: PULLS}, "Check pull requests")
    world.settle()
    attempt = world.release()
    world.approve(attempt)
    world.settle()
    promoted(world)


@pytest.mark.parametrize("how", ["another pull request", "the base is moved", "the base is another one"])
@pytest.mark.fork(configuration=NAMED)
def test_a_pull_request_brings_other_workflow_files_by_its_base(world: World, how: str) -> None:
    """A run for a pull request has the files of its merge, and yet is one for the candidate's commit."""
    begin(world, ci=Conclusion.FAILURE)
    world.patch({CI: PULLS}, "Check pull requests")
    world.settle()
    attempt = world.release()
    assert attempt.pull_request is not None
    number, branch = attempt.pull_request.number, world.maintenance().removeprefix("refs/heads/")
    # the real run is gone, as whoever may write can make it
    for run in [one for one in world.forge.repository(FORK).runs.values() if one.path == CI]:
        del world.forge.repository(FORK).runs[run.id]
    assert world.robot.verdicts is not None
    world.robot.verdicts["ci"] = Conclusion.SUCCESS
    base = world.base()
    there = world.ref(base)
    if how == "the base is moved":
        world.forge.commit(FORK, base.removeprefix("refs/heads/"), {"x": "x\n"}, "Other files", by="bob")
        pull = f"/repos/{FORK}/pulls/{number}"
        world.forge.webhooks.hold()
        for state in ("closed", "open"):
            world.bob.api("PATCH", pull, {"state": state})
        world.set_ref(base, there, by=world.bob)
        world.forge.webhooks.release()
    else:
        world.set_ref("refs/heads/theirs", there, by=world.bob)
        world.forge.commit(FORK, "theirs", {"x": "x\n"}, "Other files", by="bob")
        if how == "another pull request":
            path, body = f"/repos/{FORK}/pulls", {"title": "x", "head": branch, "base": "theirs"}
            world.bob.api("POST", path, body)
        else:
            pull = f"/repos/{FORK}/pulls/{number}"
            world.forge.webhooks.hold()
            world.bob.api("PATCH", pull, {"base": "theirs"})
            for state in ("closed", "open"):
                world.bob.api("PATCH", pull, {"state": state})
            world.bob.api("PATCH", pull, {"base": base.removeprefix("refs/heads/")})
            world.forge.webhooks.release()
    world.settle()
    held(world, "counts for nothing yet")


@pytest.mark.fork(configuration=NAMED)
def test_failed_jobs_are_run_again_and_the_newest_attempt_of_each_counts(world: World) -> None:
    begin(world)
    attempt = world.release()
    world.approve(attempt)
    world.settle()
    assert world.robot.verdicts is not None
    run = next(one.run for one in world.attempt().checks if one.name == "ci" and one.run)
    world.robot.verdicts["ci"] = Conclusion.SUCCESS
    world.robot.hold()
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run}/rerun", {})
    world.settle()
    assert world.attempt().stage is Stage.REVIEWING
    world.robot.resume()
    world.settle()
    promoted(world)


def test_a_ruleset_asks_for_a_check_of_actions_and_another_workflow_posts_it(world: World) -> None:
    attacker = begin(world)
    wanted = {"required_status_checks": [{"context": "ci", "integration_id": 15368}]}
    rule = {"type": "required_status_checks", "parameters": wanted}
    world.forge.set_rules(FORK, "main", [rule], bypass=[world.app.slug])
    attempt = world.release()
    attacker(green(attempt.candidate or ""))
    held(world)
    run = next(one.run for one in world.attempt().checks if one.name == "ci" and one.run)
    assert world.robot.verdicts is not None
    world.robot.verdicts["ci"] = Conclusion.SUCCESS
    world.alice.api("POST", f"/repos/{FORK}/actions/runs/{run}/rerun", {})
    world.settle()
    promoted(world)


@pytest.mark.fork(configuration=NAMED)
def test_what_a_token_that_may_write_everything_does_moves_no_branch_of_the_app(world: World) -> None:
    attacker = begin(world)
    attempt = world.release()
    for person in (world.bob, world.mia):
        world.approve(attempt, by=person)
    world.settle()
    before = {name: sha for name, sha in world.refs().items() if "evil" not in name}
    commit, made = attempt.candidate or "", jobs(world, attempt.candidate or "")
    run = next(one.id for one in world.forge.repository(FORK).runs.values() if one.head_sha == commit)

    def everything(call: Callable[..., Any]) -> None:
        green(commit)(call)
        call("POST", f"statuses/{commit}", {"state": "success", "context": "ci"})
        call("PATCH", f"check-runs/{made['lint']}", {"name": "ci"})
        call("PATCH", f"check-runs/{made['ci']}", {"name": "lint"})
        call("PATCH", f"check-runs/{made['ci']}", {"status": "completed", "conclusion": "success"}, 403)
        call("POST", f"actions/runs/{run}/rerun", {})

    attacker(everything)
    held(world)
    after = {name: sha for name, sha in world.refs().items() if "evil" not in name}
    assert {name for name in before if before[name] != after.get(name)} <= set()
