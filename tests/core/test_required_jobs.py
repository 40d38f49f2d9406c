"""Which jobs count as required checks: what a file says against what a run shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from patch_app.core.attempt import Check
from patch_app.core.required_jobs import Evidence, Job, Run, proved

CI = ".github/workflows/ci.yml"
BRANCH = "patch-app/maintenance/main/v1"
AT = datetime(2026, 11, 21, tzinfo=UTC)
FILE = """\
jobs:
  lint:
    steps:
    - run: make lint
  ci:
    steps:
    - uses: actions/checkout@v4
    - name: Build ${{ github.sha }}
      run: make
    - run: |
        make test
        make more
"""
LINT = ("Set up job", "Run make lint", "Complete job")
TEST = (
    *("Set up job", "Run actions/checkout@v4", "Build 0a1b", "Run make test", "Post Run actions/checkout@v4"),
    "Complete job",
)


def job(name: str, conclusion: str | None = "success", number: int = 0, **more: Any) -> Job:
    given = {
        "id": number or sum(name.encode()),
        "name": name,
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "steps": LINT if name == "lint" else TEST,
    }
    return Job.model_validate(given | more)


def run(*jobs: Job, **more: Any) -> Run:
    ended = all(one.conclusion for one in jobs)
    given = {
        "id": 7,
        "path": CI,
        "event": "push",
        "branch": BRANCH,
        "status": "completed" if ended else "in_progress",
        "conclusion": "success" if ended else None,
        "created": AT,
        "jobs": jobs,
    }
    return Run.model_validate(given | more)


def evidence(*runs: Run, file: str = FILE, **more: Any) -> Evidence:
    given = {
        "branch": BRANCH,
        "app_id": 15368,
        "runs": runs,
        "files": {CI: yaml.load(file, Loader=yaml.BaseLoader)},  # noqa: S506
        "maintained": {CI},
    }
    return Evidence.model_validate(given | more)


def found(*runs: Run, name: str = "ci", path: str | None = CI, **more: Any) -> list[Check]:
    return list(proved([(name, path)], evidence(*runs, **more)))


def passes(*runs: Run, **more: Any) -> bool:
    checks = found(*runs, **more)
    return bool(checks) and all(one.conclusion == "success" and not one.doubt for one in checks)


def test_a_job_that_is_what_its_file_says_counts() -> None:
    (one,) = found(run(job("lint"), job("ci")))
    assert (one.name, one.app, one.app_id, one.workflow, one.run) == ("ci", "github-actions", 15368, CI, 7)
    assert (one.conclusion, one.doubt, one.untrusted) == ("success", "", "")


def test_a_run_of_another_file_counts_for_nothing() -> None:
    other = ".github/workflows/other.yml"
    assert found(run(job("ci"), path=other)) == []
    # without a named file each counts that the maintained branch has
    assert found(run(job("ci"), path=other), path=None) == []
    assert found(run(job("lint"), job("ci")), path=None) != []
    assert found(run(job("lint"), job("ci")), path=None, maintained=frozenset()) == []


def test_a_file_that_the_candidate_has_not_or_that_is_broken_makes_no_check() -> None:
    assert found(run(job("ci")), files={}) == []
    for text in ("[]", "jobs: []", "jobs: x", "x", "jobs: {ci: }"):
        assert not passes(run(job("lint"), job("ci")), file=text)


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "skipped", "neutral", "timed_out"])
def test_of_two_runs_the_worse_counts(conclusion: str) -> None:
    good, bad = (
        run(job("lint"), job("ci")),
        run(job("lint"), job("ci", conclusion), id=8, event="pull_request"),
    )
    assert passes(good)
    for runs in ((good, bad), (bad, good)):
        assert {one.conclusion for one in found(*runs)} == {"success", conclusion}


def test_a_run_that_has_not_come_to_the_job_yet_is_waited_for() -> None:
    waiting = run(job("lint", None), id=8)
    assert not passes(run(job("lint"), job("ci")), waiting)
    assert [one.conclusion for one in found(waiting)] == [None]
    # one that has ended without it says nothing
    assert found(run(job("lint"), id=8)) == []


@pytest.mark.parametrize("steps", [TEST, TEST[:2], ()])
def test_a_newer_job_that_failed_and_was_renamed_does_not_leave_the_older_one_to_count(
    steps: tuple[str, ...],
) -> None:
    again = Job(id=3, attempt=2, name="lint", status="completed", conclusion="failure", steps=steps)
    ended = {"attempt": 2, "conclusion": "failure"}
    assert not passes(run(job("lint", number=1), job("ci", number=2), again, **ended))
    # what has its own steps hides nothing, and neither does what never ran
    for own in (again.model_copy(update={"steps": LINT}), again.model_copy(update={"conclusion": "skipped"})):
        assert passes(run(job("lint", number=1), job("ci", number=2), own, **ended))


def test_the_newest_attempt_of_each_job_counts_and_only_once_the_run_has_ended() -> None:
    first, second = job("ci", "failure", 1, attempt=1), job("ci", "success", 2, attempt=2)
    lint = job("lint", number=3)
    assert passes(run(lint, first, second, attempt=2))
    assert passes(run(lint, second, first, attempt=2))
    worse = job("ci", "failure", 2, attempt=2)
    assert not passes(run(lint, job("ci", number=1), worse, attempt=2))
    # run again: what it was before is no pass until it is clear that this job wasn't
    ended = job("ci", number=1, attempt=1)
    again = run(lint, ended, attempt=2)
    assert passes(again)
    for more in ({"status": "in_progress", "conclusion": None}, {"conclusion": "cancelled"}):
        assert not passes(again.model_copy(update=more))


def test_two_jobs_of_one_name_must_both_have_passed() -> None:
    assert not passes(run(job("lint"), job("ci", number=1), job("ci", "failure", 2)))


def test_a_renamed_check_run_is_no_pass() -> None:
    ran = run(job("lint", number=1), job("ci", number=2))
    assert passes(ran, check_runs={1: "lint", 2: "ci"})
    for shown in ({2: "other"}, {1: "ci"}, {2: ""}):
        assert not passes(ran, check_runs=shown)


@pytest.mark.parametrize(
    "jobs",
    [
        (job("ci", steps=LINT), job("lint", "failure", steps=TEST)),
        (job("ci", steps=LINT), job("other", "failure", steps=TEST)),
        (job("ci", steps=LINT),),
        (job("ci", steps=()), job("lint")),
        (job("ci"), job("lint"), job("mine")),
        (job("ci"), job("lint", steps=TEST)),
    ],
    ids=["exchanged", "renamed", "alone", "no steps", "one too many", "two of one"],
)
def test_names_that_are_not_those_of_the_file_are_no_pass(jobs: tuple[Job, ...]) -> None:
    assert not passes(run(*jobs))


def test_jobs_that_cannot_be_told_apart_stand_and_fall_together() -> None:
    file = "jobs: {a: {steps: [{run: make}]}, ci: {steps: [{run: make}]}, b: {steps: [{run: x}]}}"
    steps = {"steps": ("Set up job", "Run make")}
    like, other = job("a", "failure", 1, **steps), job("b", "failure", 3, steps=("Run x",))
    assert not passes(run(like, job("ci", number=2, **steps), other), file=file)
    assert passes(run(job("a", number=1, **steps), job("ci", number=2, **steps), other), file=file)


def test_of_a_file_with_one_job_no_steps_need_be_known() -> None:
    assert passes(run(job("ci", steps=())), file="jobs: {ci: {steps: [{run: make}]}}")


NAMES = [
    ("jobs: {a: {name: Test it, steps: []}}", "Test it", True),
    ("jobs: {a: {name: Test it, steps: []}}", "a", False),
    ("jobs: {a: {steps: []}}", "a (x)", False),
    ("jobs: {a: {strategy: {}, steps: []}}", "a (x, y)", True),
    ("jobs: {a: {strategy: {}, name: 't ${{ matrix.x }} on', steps: []}}", "t 3 on", True),
    ("jobs: {a: {name: '${{ x }}', steps: []}}", "anything", True),
    ("jobs: {a: {name: 'x ${{ y }}', steps: []}}", "y", False),
    ("jobs: {a: {uses: ./.github/workflows/b.yml}}", "a / inner", True),
    ("jobs: {a: {uses: ./.github/workflows/b.yml, strategy: {}}}", "a (x) / inner", True),
    ("jobs: {a: {uses: ./.github/workflows/b.yml}}", "b / inner", False),
    ("jobs: {a: {name: 'cut ${{ x', steps: []}}", "cut anything", True),
]


@pytest.mark.parametrize(("file", "name", "expected"), NAMES)
def test_names_that_a_file_can_give(file: str, name: str, expected: bool) -> None:
    assert bool(found(run(job(name)), name=name, file=file)) is expected


def test_a_workflow_that_is_called_has_steps_of_its_own_but_not_those_of_a_job_beside_it() -> None:
    file = "jobs: {call: {uses: ./x.yml}, lint: {steps: [{run: make lint}]}}"
    inner = {"name": "call / test", "file": file}
    assert passes(run(job("call / test"), job("lint")), **inner)
    assert not passes(run(job("call / test", steps=LINT), job("lint")), **inner)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"branch": "evil"}, "didn't run for the maintenance branch"),
        ({"branch": ""}, "didn't run for the maintenance branch"),
        ({"event": "workflow_dispatch"}, "was started by workflow_dispatch"),
        ({"event": "pull_request_target"}, "was started by pull_request_target"),
        ({"event": "pull_request"}, ""),
    ],
    ids=str,
)
def test_how_a_run_began_says_whether_it_is_to_be_trusted(change: dict[str, Any], said: str) -> None:
    (one,) = found(run(job("lint"), job("ci"), **change))
    assert said in one.untrusted
    assert bool(one.untrusted) is bool(said)


def test_a_pull_request_that_could_have_started_the_run_with_other_files() -> None:
    ran = run(job("lint"), job("ci"), event="pull_request")
    before, after = {9: AT - timedelta(days=1)}, {9: AT + timedelta(seconds=1)}
    assert "#9 from the same branch" in found(ran, pulls=before)[0].untrusted
    assert found(ran, pulls=after)[0].untrusted == ""
    assert "base was changed" in found(ran, rebased=True)[0].untrusted
    assert found(run(job("lint"), job("ci")), pulls=before, rebased=True)[0].untrusted == ""


def test_what_could_not_be_read_is_no_pass() -> None:
    (one,) = found(run(job("lint"), job("ci")), problem="too many runs", runs=())
    assert (one.conclusion, one.doubt) == (None, "too many runs")


def test_a_job_of_thousands_is_judged_in_no_time() -> None:
    steps = [{"name": f"${{{{ x }}}} {n} ${{{{ y }}}}"} for n in range(300)]
    file = {"jobs": {f"j{n}": {"steps": steps} for n in range(30)} | {"ci": {"steps": steps}}}
    jobs = [job("ci", number=n + 1, steps=tuple("a" * 200 for _ in range(300))) for n in range(20)]
    assert not passes(run(*jobs), files={CI: file})


MATRIX = """\
jobs:
  build:
    steps:
    - run: make lint
  ci:
    needs: build
    strategy: {matrix: {py: [1, 2]}}
    steps:
    - run: make test
  call:
    needs: build
    uses: ./.github/workflows/called.yml
"""
LEG = ("Set up job", "Run make test", "Complete job")


@pytest.mark.parametrize("name", ["ci (1)", "call / ci"])
def test_a_leg_that_a_newer_run_does_not_list_yet_may_still_fail(name: str) -> None:
    steps = LEG if name.startswith("ci") else ("Set up job", "Run make called", "Complete job")
    good = run(job("build", steps=LINT), job(name, steps=steps))
    assert passes(good, name=name, file=MATRIX)
    for newer in (run(id=8, status="queued"), run(job("build", None, steps=LINT), id=8)):
        later = newer.model_copy(update={"status": "queued", "conclusion": None})
        assert not passes(good, later, name=name, file=MATRIX)
    # a run that has ended without it says nothing of it
    assert passes(good, run(job("build", "failure", steps=LINT), id=8), name=name, file=MATRIX)


@pytest.mark.parametrize(("name", "whole"), [("ci (1)", "ci"), ("call / ci", "call")])
def test_a_leg_does_not_count_whose_job_was_skipped_when_the_run_ran_again(name: str, whole: str) -> None:
    steps = LEG if whole == "ci" else ("Set up job", "Run make called", "Complete job")
    leg = job(name, steps=steps)
    failed = job("build", "failure", steps=LINT, attempt=2)
    again = [failed, job(whole, "skipped", steps=(), attempt=2)]
    ended = {"attempt": 2, "status": "completed", "conclusion": "failure"}
    assert not passes(run(job("build", steps=LINT), leg, *again, **ended), name=name, file=MATRIX)
    # what another job skips says nothing of it
    other = [failed, job("call" if whole == "ci" else "ci", "skipped", steps=(), attempt=2)]
    assert passes(run(job("build", steps=LINT), leg, *other, **ended), name=name, file=MATRIX)
