"""Queues, cancelling, time limits, and what must not stay behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from patch_app.forge.actions import ActionsRunner, act
from patch_app.forge.actions_api import Conclusion

from .conftest import LIMIT, Bench, RecordingSink

HANGS = """
on: workflow_dispatch
concurrency: {group: "patch-app-${{ inputs.attempt }}", cancel-in-progress: %s}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - name: hang
        run: |
          setsid sleep 300 &
          echo up > "%s"
          sleep 300
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{run: "true"}]
"""
QUICK = """
on: workflow_dispatch
concurrency: {group: "Patch-App-${{ inputs.attempt }}"}
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
"""


def wait_for_file(path: Path) -> None:
    """The step writes it when it is up; the wait is bounded and wakes a hundred times a second."""
    pause = threading.Event()
    for _ in range(int(LIMIT * 100)):
        if path.exists():
            return
        pause.wait(0.01)
    raise AssertionError(f"{path} never came")


def sleepers(bench: Bench) -> list[int]:
    """Processes whose environment names this test's directory."""
    mark = str(bench.work_dir).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_cancelled_run_leaves_no_process_and_starts_nothing_more(bench: Bench, tmp_path: Path) -> None:
    up = tmp_path / "up"
    bench.dispatch(HANGS % ("false", up), inputs={"attempt": "x"})
    wait_for_file(up)
    assert sleepers(bench)
    bench.runner.cancel(1)
    assert bench.runner.wait_idle(LIMIT)
    assert bench.sink.conclusions == {1: Conclusion.CANCELLED}
    job = bench.sink.job("a")
    assert job.conclusion is Conclusion.CANCELLED
    assert [step.conclusion for step in job.steps if step.name == "hang"] == [Conclusion.CANCELLED]
    assert bench.sink.job("b").conclusion is Conclusion.SKIPPED
    assert sleepers(bench) == []
    assert sorted(path.name for path in next(bench.work_dir.iterdir()).iterdir()) == ["checkout", "tools"]


def test_a_job_without_namespaces_is_killed_to_its_last_process_too(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(act, "namespace_prefix", lambda: ())
    up = tmp_path / "up"
    bench.dispatch(HANGS % ("false", up), inputs={"attempt": "x"})
    wait_for_file(up)
    bench.runner.cancel(1)
    assert bench.runner.wait_idle(LIMIT)
    assert bench.sink.conclusions == {1: Conclusion.CANCELLED}
    assert sleepers(bench) == []


def test_a_process_left_in_the_background_dies_with_its_job(bench: Bench, tmp_path: Path) -> None:
    text = """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{run: "setsid sleep 300 > /dev/null 2>&1 < /dev/null &"}]
"""
    assert bench.run(text) is Conclusion.SUCCESS
    assert sleepers(bench) == []


def test_closing_stops_what_runs_and_what_waits(tmp_path: Path) -> None:
    sink = RecordingSink()
    runner = ActionsRunner(tmp_path / "actions", max_runs=1)
    runner.attach(sink)
    bench = Bench(runner, sink, tmp_path / "actions")
    up = tmp_path / "up"
    bench.dispatch(HANGS % ("false", up), inputs={"attempt": "x"})
    bench.dispatch(QUICK, run_id=2, inputs={"attempt": "y"})
    wait_for_file(up)
    runner.close()
    runner.close()
    assert sink.conclusions == {1: Conclusion.CANCELLED, 2: Conclusion.CANCELLED}
    assert sleepers(bench) == []
    assert list((tmp_path / "actions").iterdir()) == []
    with pytest.raises(RuntimeError, match="closed"):
        bench.dispatch(QUICK, run_id=3)


def test_runs_of_one_group_wait_and_only_the_newest_pending_one_survives(
    bench: Bench, tmp_path: Path
) -> None:
    up = tmp_path / "up"
    bench.dispatch(HANGS % ("false", up), run_id=1, inputs={"attempt": "x"})
    wait_for_file(up)
    bench.dispatch(QUICK, run_id=2, inputs={"attempt": "x"})
    bench.dispatch(QUICK, run_id=3, inputs={"attempt": "x"})
    bench.dispatch(QUICK, run_id=4, inputs={"attempt": "other"})
    bench.dispatch(QUICK, run_id=5, inputs={"attempt": "x"}, repository_id=78)
    bench.sink.wait_for(lambda: {2, 4, 5} <= set(bench.sink.conclusions))
    assert bench.sink.conclusions == {
        2: Conclusion.CANCELLED,
        4: Conclusion.SUCCESS,
        5: Conclusion.SUCCESS,
    }
    assert "3 started" not in bench.sink.events
    bench.runner.cancel(1)
    assert bench.runner.wait_idle(LIMIT)
    assert bench.sink.conclusions[3] is Conclusion.SUCCESS
    assert bench.sink.events.index("1 cancelled") < bench.sink.events.index("3 started")


def test_a_group_that_cancels_in_progress_ends_the_older_run(bench: Bench, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    bench.dispatch(HANGS % ("true", first), run_id=1, inputs={"attempt": "x"})
    wait_for_file(first)
    bench.dispatch(HANGS % ("true", second), run_id=2, inputs={"attempt": "x"})
    wait_for_file(second)
    assert bench.sink.conclusions == {1: Conclusion.CANCELLED}
    bench.runner.cancel(2)
    assert bench.runner.wait_idle(LIMIT)


def test_a_job_over_its_time_limit_is_cancelled_and_says_so(bench: Bench) -> None:
    text = """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    timeout-minutes: 0.01
    steps: [{run: echo before; sleep 300}]
"""
    assert bench.run(text) is Conclusion.CANCELLED
    job = bench.sink.job("a")
    assert job.conclusion is Conclusion.CANCELLED
    assert "exceeded the maximum execution time" in job.annotations[0].message
    assert "before" in job.log


def test_a_failing_leg_stops_the_others_where_fail_fast_is_on(bench: Bench) -> None:
    text = """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: {matrix: {seconds: [300, 0, 301]}}
    steps:
      - run: |
          sleep ${{ matrix.seconds }}
          exit 1
"""
    assert bench.run(text) is Conclusion.FAILURE
    assert {job.name: job.conclusion for job in bench.sink.jobs} == {
        "a (300)": Conclusion.CANCELLED,
        "a (0)": Conclusion.FAILURE,
        "a (301)": Conclusion.CANCELLED,
    }


def test_without_act_the_log_names_what_to_install(tmp_path: Path) -> None:
    sink = RecordingSink()
    runner = ActionsRunner(tmp_path / "actions", act_path=None)
    runner.attach(sink)
    try:
        assert Bench(runner, sink, tmp_path).run(QUICK, inputs={"attempt": "x"}) is Conclusion.FAILURE
    finally:
        runner.close()
    assert "patch-app[demo]" in sink.job("a").log
    assert "patch-app[demo]" in sink.job("a").annotations[0].message


def test_a_rerun_keeps_the_run_id_and_counts_its_attempt(bench: Bench) -> None:
    text = """
on: workflow_dispatch
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo "try $GITHUB_RUN_ATTEMPT of $GITHUB_RUN_ID"'}]}}
"""
    bench.run(text, run_attempt=1)
    bench.run(text, run_attempt=2)
    assert [job.log.splitlines()[-1] for job in bench.sink.jobs] == ["try 1 of 1", "try 2 of 1"]


def test_a_job_sees_no_process_but_its_own(bench: Bench) -> None:
    if not act.namespace_prefix():
        pytest.skip("this system gives us no process namespace")
    text = """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "first: $(tr '\\0' ' ' < /proc/1/cmdline)"
          echo "ours: $(cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -c PYTEST_CURRENT_TEST)"
"""
    bench.run(text)
    lines = bench.sink.job("a").log.splitlines()
    assert any(line.startswith("first: ") and "act workflow_dispatch" in line for line in lines)
    assert "ours: 0" in lines
