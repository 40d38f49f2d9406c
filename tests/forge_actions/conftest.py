"""A recording sink and a runner with real act."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from patch_app.forge.actions import ActionsRunner
from patch_app.forge.actions_api import Annotation, Conclusion, StartedJob, StepResult, WorkflowRun

LIMIT = 60.0


@dataclass
class SeenJob:
    id: int
    run_id: int
    key: str
    name: str
    permissions: Mapping[str, str]
    token: str
    conclusion: Conclusion | None = None
    steps: tuple[StepResult, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    log: str = ""


@dataclass
class RecordingSink:
    """Keeps all that the runner says, in order."""

    events: list[str] = field(default_factory=list)
    jobs: list[SeenJob] = field(default_factory=list)
    conclusions: dict[int, Conclusion] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    # where a job with `id-token: write` may ask for a token, and with what
    id_token: tuple[str, str] = ("", "")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.notify_all()

    def run_started(self, run_id: int) -> None:
        with self.changed:
            self._note(f"{run_id} started")

    def job_started(
        self,
        run_id: int,
        *,
        job_key: str,
        name: str,
        permissions: Mapping[str, str],
        environment: str | None = None,
    ) -> StartedJob:
        with self.changed:
            number = len(self.jobs) + 1
            token = f"ghs_Secret{number}For{run_id}x{'y' * 20}"
            self.jobs.append(SeenJob(number, run_id, job_key, name, dict(permissions), token))
            self._note(f"{run_id} job {name} started")
            secrets = {"PLACE": f"secret-of-{environment}"} if environment else {}
            url, asks = self.id_token if permissions.get("id-token") == "write" else ("", "")
            return StartedJob(
                id=number, token=token, secrets=secrets, id_token_url=url, id_token_request_token=asks
            )

    def job_completed(
        self,
        run_id: int,
        *,
        job_id: int,
        conclusion: Conclusion,
        steps: Sequence[StepResult] = (),
        annotations: Sequence[Annotation] = (),
        log: str = "",
    ) -> None:
        with self.changed:
            job = self.jobs[job_id - 1]
            job.conclusion, job.steps, job.annotations = conclusion, tuple(steps), tuple(annotations)
            job.log = log
            self._note(f"{run_id} job {job.name} {conclusion}")

    def job_skipped(self, run_id: int, *, job_key: str, name: str) -> None:
        with self.changed:
            number = len(self.jobs) + 1
            self.jobs.append(SeenJob(number, run_id, job_key, name, {}, "", Conclusion.SKIPPED))
            self._note(f"{run_id} job {name} skipped")

    def run_completed(self, run_id: int, conclusion: Conclusion) -> None:
        with self.changed:
            self.conclusions[run_id] = conclusion
            self._note(f"{run_id} {conclusion}")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, LIMIT), self.events

    def job(self, name: str) -> SeenJob:
        found = [job for job in self.jobs if job.name == name]
        assert len(found) == 1, [job.name for job in self.jobs]
        return found[0]


@dataclass
class Bench:
    """A runner, its sink, and a short way to run a file."""

    runner: ActionsRunner
    sink: RecordingSink
    work_dir: Path

    def dispatch(
        self,
        text: str,
        run_id: int = 1,
        *,
        event: str = "workflow_dispatch",
        inputs: dict[str, str] | None = None,
        payload: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        fields: dict[str, Any] = {
            "id": run_id,
            "run_number": 12,
            "run_attempt": 2,
            "name": "a run",
            "workflow_name": "flow",
            "path": ".github/workflows/flow.yml",
            "event": event,
            "repository": "alice/tool",
            "repository_id": 77,
            "default_branch": "main",
            "private": False,
            "head_sha": "0123456789abcdef0123456789abcdef01234567",
            "head_branch": "main",
            "ref": "refs/heads/main",
            "actor": "alice",
            "server_url": "http://127.0.0.1:1",
            "api_url": "http://127.0.0.1:1/api/v3",
            "graphql_url": "http://127.0.0.1:1/api/graphql",
        }
        given = inputs or {}
        body = (
            payload if payload is not None else {"inputs": given, "repository": {"full_name": "alice/tool"}}
        )
        self.runner.dispatch(WorkflowRun(**(fields | changes)), text, given, event, body)

    def run(self, text: str, run_id: int = 1, **more: Any) -> Conclusion:
        self.dispatch(text, run_id, **more)
        assert self.runner.wait_idle(LIMIT)
        return self.sink.conclusions[run_id]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    sink = RecordingSink()
    runner = ActionsRunner(tmp_path / "actions")
    runner.attach(sink)
    try:
        yield Bench(runner, sink, tmp_path / "actions")
    finally:
        runner.close()
