"""The backend that the local GitHub runs workflow files with: which run goes when, and how it is stopped.

Runs of one concurrency group of a repository go one after the other; at most `max_runs` runs and `max_jobs`
jobs go at once. It refuses to report through the sink while it holds its own lock: the sink may call back.

Rules: https://docs.github.com/en/actions/concepts/workflows-and-actions/concurrency
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patch_app.forge.actions import act, checkout, values
from patch_app.forge.actions.expressions import Context, ExpressionError, interpolate, interpolate_tree
from patch_app.forge.actions.nodes import WorkflowError
from patch_app.forge.actions.run import Facilities, RunJobs, github_context
from patch_app.forge.actions.slots import Slots
from patch_app.forge.actions.workflow import Workflow, load, typed_inputs
from patch_app.forge.actions_api import ActionsBackend, Conclusion, RunSink, WorkflowRun

logger = logging.getLogger(__name__)

_UNSET = object()


@dataclass(kw_only=True)
class _Entry:
    """A run that has not ended."""

    run: WorkflowRun
    jobs: RunJobs | None
    # None: in no group
    group: tuple[int, str] | None = None
    problem: str = ""
    cancelled: bool = False
    thread: threading.Thread | None = None
    directory: Path = field(default_factory=Path)


class ActionsRunner(ActionsBackend):
    """Runs workflow files with act. See the package's docstring for what is faithful and what is not."""

    def __init__(
        self, work_dir: Path, *, max_runs: int = 2, max_jobs: int = 2, act_path: Path | object | None = _UNSET
    ) -> None:
        """`work_dir` is made when needed and holds temporary directories only.

        `act_path`: the act program; by default it is looked for beside the interpreter and on PATH. Without
        act (None) every job fails with a log that names the extra to install.
        """
        work_dir.mkdir(parents=True, exist_ok=True)
        self._root = Path(tempfile.mkdtemp(prefix="actions-", dir=work_dir.resolve()))
        act.write_tools(self._root / "tools")
        checkout.write_action(self._root / "checkout")
        self._facilities = Facilities(
            act=act_path if isinstance(act_path, Path) else act.find_act() if act_path is _UNSET else None,
            slots=Slots(max_jobs),
            tools=self._root / "tools",
            actions=self._root / "checkout",
        )
        self._max_runs = max_runs
        self._sink: RunSink | None = None
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._closed = False
        self._count = 0

    # what a run's jobs handed on isn't kept
    reruns_failed = False

    def attach(self, sink: RunSink) -> None:
        """Say where progress goes. Once, before the first run."""
        self._sink = sink

    def dispatch(
        self,
        run: WorkflowRun,
        workflow_text: str,
        inputs: dict[str, str],
        event: str,
        payload: dict[str, Any],
    ) -> None:
        """Queue a run and return. A file that GitHub would refuse ends as `startup_failure`.

        Errors: RuntimeError before `attach` and after `close`.
        """
        if self._sink is None:
            raise RuntimeError("attach() comes before dispatch()")
        with self._changed:
            self._count += 1
            directory = self._root / f"run-{run.id}-{run.run_attempt}-{self._count}"
        entry = _Entry(run=run, jobs=None, directory=directory)
        in_progress_too = False
        try:
            workflow = load(workflow_text)
            entry.group, in_progress_too = _group(run, workflow, inputs, payload)
            entry.jobs = RunJobs(
                run,
                workflow,
                {**payload, "inputs": dict(inputs)} if event == "workflow_dispatch" else payload,
                inputs=inputs,
                sink=self._sink,
                facilities=self._facilities,
                directory=directory,
            )
        except (WorkflowError, ExpressionError) as problem:
            entry.problem = str(problem)
        with self._changed:
            if self._closed:
                raise RuntimeError("the runner is closed")
            # a pending run of the group gives way to the new one; a running one only where the file says so
            rivals = [
                other
                for other in self._entries
                if entry.group is not None
                and other.group == entry.group
                and (other.thread is None or in_progress_too)
            ]
            self._entries.append(entry)
        for rival in rivals:
            self._cancel(rival)
        self._schedule()

    def cancel(self, run_id: int) -> None:
        """Stop a run: its processes are killed, at once."""
        with self._changed:
            entries = [entry for entry in self._entries if entry.run.id == run_id]
        for entry in entries:
            self._cancel(entry)
        self._schedule()

    def wait_idle(self, timeout: float) -> bool:
        """Whether nothing is queued or running, waiting at most `timeout` seconds for it."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries, timeout)

    def close(self) -> None:
        """Stop everything and wait for it; removes the temporary directories. Idempotent."""
        with self._changed:
            self._closed = True
            entries = list(self._entries)
        for entry in entries:
            self._cancel(entry)
        self._schedule()
        for entry in entries:
            if entry.thread is not None and entry.thread is not threading.current_thread():
                entry.thread.join()
        shutil.rmtree(self._root, ignore_errors=True)

    def _cancel(self, entry: _Entry) -> None:
        with self._changed:
            entry.cancelled = True
        if entry.jobs is not None:
            entry.jobs.cancel()

    def _schedule(self) -> None:
        """Start what may start. Runs that only have to be reported as ended wait for nothing."""
        started: list[threading.Thread] = []
        with self._changed:
            for entry in self._entries:
                if entry.thread is None and (entry.cancelled or entry.jobs is None or self._may_start(entry)):
                    entry.thread = threading.Thread(
                        target=self._execute, args=(entry,), name=f"forge-run-{entry.run.id}", daemon=True
                    )
                    started.append(entry.thread)
                    # started within the lock: whoever sees the thread may join it
                    entry.thread.start()

    def _may_start(self, entry: _Entry) -> bool:
        running = [other for other in self._entries if other.thread is not None and other is not entry]
        if len(running) >= self._max_runs:
            return False
        return entry.group is None or all(other.group != entry.group for other in running)

    def _execute(self, entry: _Entry) -> None:
        assert self._sink is not None  # noqa: S101 - dispatch() made sure
        run_id = entry.run.id
        conclusion = Conclusion.STARTUP_FAILURE
        try:
            if entry.cancelled:
                conclusion = Conclusion.CANCELLED
            elif entry.jobs is not None:
                self._sink.run_started(run_id)
                conclusion = entry.jobs.execute()
            else:
                logger.warning("run %d can't start: %s", run_id, entry.problem)
        except Exception:
            # a bug of ours or of the sink: the run must end all the same
            logger.exception("run %d failed within the local GitHub", run_id)
            conclusion = Conclusion.FAILURE
        finally:
            shutil.rmtree(entry.directory, ignore_errors=True)
            try:
                self._sink.run_completed(run_id, conclusion)
            finally:
                with self._changed:
                    self._entries.remove(entry)
                    self._changed.notify_all()
                self._schedule()


def _context(
    run: WorkflowRun, workflow: Workflow, inputs: Mapping[str, str], payload: Mapping[str, Any]
) -> Context:
    names = {
        "github": github_context(run, workflow.name, payload),
        "inputs": typed_inputs(workflow, inputs),
        "vars": {},
    }
    return Context(names=names, status={})


def _group(
    run: WorkflowRun, workflow: Workflow, inputs: Mapping[str, str], payload: Mapping[str, Any]
) -> tuple[tuple[int, str] | None, bool]:
    """The run's concurrency group (names ignore case) and whether it cancels what runs in it."""
    if workflow.concurrency is None:
        return None, False
    context = _context(run, workflow, inputs, payload)
    name = values.text(interpolate(workflow.concurrency.group, context))
    cancels = values.truthy(interpolate_tree(workflow.concurrency.cancel_in_progress, context))
    return ((run.repository_id, name.lower()) if name else None), cancels


def run_name(
    workflow_text: str, *, github: Mapping[str, Any], inputs: Mapping[str, str], fallback: str
) -> str:
    """The run's name: `run-name:` evaluated, else `fallback`.

    `fallback` is GitHub's choice for the event: a push's first message line, a pull request's title, else the
    workflow's name. A `run-name` that can't be evaluated, or is blank, gives it too.
    """
    try:
        workflow = load(workflow_text)
        if workflow.run_name is None:
            return fallback
        names = {"github": dict(github), "inputs": typed_inputs(workflow, inputs), "vars": {}}
        evaluated = values.text(interpolate(workflow.run_name, Context(names=names, status={})))
    except (WorkflowError, ExpressionError):
        return fallback
    return evaluated.strip() or fallback
