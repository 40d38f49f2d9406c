"""A backend for runs that does what a test tells it, and nothing by itself."""

from __future__ import annotations

from typing import Any

import httpx

from patch_app.forge.actions_api import (
    Annotation,
    AnnotationLevel,
    Conclusion,
    RunSink,
    StartedJob,
    StepResult,
    WorkflowRun,
)


class Script:
    """Runs wait until the test starts jobs and finishes them."""

    reruns_failed = True

    def __init__(self) -> None:
        self.runs: dict[int, WorkflowRun] = {}
        self.payloads: dict[int, dict[str, Any]] = {}
        self.inputs: dict[int, dict[str, str]] = {}
        self.cancelled: list[int] = []

    def attach(self, sink: RunSink) -> None:
        self.sink = sink

    def dispatch(
        self,
        run: WorkflowRun,
        workflow_text: str,
        inputs: dict[str, str],
        event: str,
        payload: dict[str, Any],
    ) -> None:
        assert workflow_text
        assert event == run.event
        self.runs[run.id] = run
        self.inputs[run.id] = inputs
        self.payloads[run.id] = payload

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)

    def wait_idle(self, timeout: float) -> bool:
        return timeout >= 0

    def close(self) -> None:
        self.runs.clear()

    def start_job(self, run_id: int, permissions: dict[str, str] | None = None) -> StartedJob:
        self.sink.run_started(run_id)
        return self.sink.job_started(
            run_id, job_key="carry", name="carry", permissions=permissions or {"contents": "write"}
        )

    def finish(self, run_id: int, stores: str = "", ended: Conclusion = Conclusion.SUCCESS) -> int:
        """`stores`: name of an artifact that its job leaves."""
        job = self.start_job(run_id)
        if stores:
            made = httpx.post(job.upload_url, params={"name": stores}, content=b"zip", trust_env=False)
            assert made.status_code == 201, made.text
        note = Annotation(level=AnnotationLevel.NOTICE, message="0" * 40, title="patch-app-inbox")
        step = StepResult(number=1, name="Run true", conclusion=Conclusion.SUCCESS)
        self.sink.job_completed(
            run_id,
            job_id=job.id,
            conclusion=ended,
            steps=[step],
            annotations=[note],
            log="fine\n",
        )
        self.sink.job_skipped(run_id, job_key="check", name="check")
        self.sink.run_completed(run_id, ended)
        return job.id
