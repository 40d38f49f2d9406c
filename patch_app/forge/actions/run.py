"""One run: its jobs in the order of their needs, each leg when its turn comes, and the conclusion.

It refuses to read or write repositories: the file's text and the event come in, the sink gets what happened.

Rules: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax (jobs.*)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patch_app.forge.actions import matrix, values
from patch_app.forge.actions.act import MISSING
from patch_app.forge.actions.expressions import (
    Context,
    ExpressionError,
    condition,
    interpolate,
    interpolate_tree,
)
from patch_app.forge.actions.job import LegPlan, LegRequest, LegResult, Stop, failed, refusal, run_leg
from patch_app.forge.actions.legfile import Need
from patch_app.forge.actions.nodes import WorkflowError
from patch_app.forge.actions.slots import Slots
from patch_app.forge.actions.workflow import Job, Step, Workflow, typed_inputs
from patch_app.forge.actions_api import Conclusion, RunSink, WorkflowRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """How a job ended for the jobs that need it."""

    # the job's own, over all legs
    conclusion: Conclusion
    # what `needs.*.result` says: a tolerated failure is a success
    need: Need


@dataclass(frozen=True, kw_only=True)
class Facilities:
    """What all runs of one runner share."""

    # None: act is missing
    act: Path | None
    slots: Slots
    tools: Path
    actions: Path


def github_context(run: WorkflowRun, workflow_name: str | None, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The `github` context as far as orchestration can see it. No token."""
    pull = payload.get("pull_request") if run.event.startswith("pull_request") else None
    pull = pull if isinstance(pull, dict) else {}
    is_tag = run.ref.startswith("refs/tags/")
    return {
        "event_name": run.event,
        "event": dict(payload),
        "run_id": str(run.id),
        "run_number": str(run.run_number),
        "run_attempt": str(run.run_attempt),
        "workflow": workflow_name or run.path,
        "repository": run.repository,
        "repository_id": str(run.repository_id),
        "repository_owner": run.repository.partition("/")[0],
        "actor": run.actor,
        "triggering_actor": run.actor,
        "ref": run.ref,
        "ref_name": run.ref.removeprefix("refs/").partition("/")[2],
        "ref_type": "tag" if is_tag else "branch",
        "sha": run.merge_sha or run.head_sha,
        "head_ref": (pull.get("head") or {}).get("ref", ""),
        "base_ref": (pull.get("base") or {}).get("ref", ""),
        "server_url": run.server_url,
        "api_url": run.api_url,
        "graphql_url": run.graphql_url,
        "token": "",
    }


class RunJobs:
    """Runs the jobs of one run. `cancel` may be called from any thread."""

    def __init__(
        self,
        run: WorkflowRun,
        workflow: Workflow,
        payload: Mapping[str, Any],
        *,
        inputs: Mapping[str, str],
        sink: RunSink,
        facilities: Facilities,
        directory: Path,
    ) -> None:
        self._run, self._workflow, self._payload = run, workflow, payload
        self._sink, self._facilities, self._directory = sink, facilities, directory
        self._names = {
            "github": github_context(run, workflow.name, payload),
            "inputs": typed_inputs(workflow, inputs),
            "vars": {},
        }
        self._lock = threading.Lock()
        self._cancelled = False
        self._stops: list[Stop] = []
        self._legs = 0

    def cancel(self) -> None:
        """Stop what runs, start nothing more."""
        with self._lock:
            self._cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop.set()
        self._facilities.slots.wake()

    def execute(self) -> Conclusion:
        """Run all jobs; the run's conclusion. The sink has heard of every job then."""
        ends: dict[str, JobEnd] = {}
        waiting = dict(self._workflow.jobs)
        under_way: dict[Future[JobEnd], str] = {}
        with ThreadPoolExecutor(max_workers=len(waiting), thread_name_prefix="forge-job") as pool:
            while waiting or under_way:
                ready = [job for job in waiting.values() if all(needed in ends for needed in job.needs)]
                for job in ready:
                    del waiting[job.key]
                    under_way[pool.submit(self._job, job, dict(ends))] = job.key
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    ends[under_way.pop(future)] = future.result()
        return self._conclude(ends)

    def _conclude(self, ends: Mapping[str, JobEnd]) -> Conclusion:
        results = {end.need.result for end in ends.values()}
        if self._cancelled:
            return Conclusion.CANCELLED
        if "failure" in results:
            return Conclusion.FAILURE
        if "cancelled" in results:
            return Conclusion.CANCELLED
        return Conclusion.SKIPPED if results == {"skipped"} else Conclusion.SUCCESS

    def _job(self, job: Job, ends: Mapping[str, JobEnd]) -> JobEnd:
        context = self._context(job, ends)
        try:
            if self._cancelled or not condition(job.condition, context):
                return self._skip(job, context)
            plans = _plan(job, context)
        except (ExpressionError, WorkflowError) as problem:
            return self._refuse(job, f"jobs.{job.key}: {problem}")
        needs = {needed: ends[needed].need for needed in job.needs}
        fail_fast, width = plans.fail_fast, plans.max_parallel
        stops = [self._stop() for _ in plans.legs]

        def one(index: int) -> LegResult:
            result = self._leg(job, plans.legs[index], needs, stops[index])
            is_failure = result.conclusion is Conclusion.FAILURE and not plans.legs[index].continue_on_error
            if is_failure and fail_fast:
                for other in stops:
                    other.set()
                self._facilities.slots.wake()
            return result

        try:
            with ThreadPoolExecutor(max_workers=width, thread_name_prefix="forge-leg") as pool:
                results = list(pool.map(one, range(len(stops))))
        finally:
            with self._lock:
                self._stops = [stop for stop in self._stops if stop not in stops]
        return _end(plans.legs, results)

    def _context(self, job: Job, ends: Mapping[str, JobEnd]) -> Context:
        direct = {
            needed: {"result": ends[needed].need.result, "outputs": dict(ends[needed].need.outputs)}
            for needed in job.needs
        }
        results = [ends[name].need.result for name in self._workflow.ancestors(job.key)]
        status = {
            "always": True,
            "cancelled": self._cancelled,
            "success": all(result == "success" for result in results),
            "failure": any(result == "failure" for result in results),
        }
        return Context(names={**self._names, "needs": direct}, status=status)

    def _skip(self, job: Job, context: Context) -> JobEnd:
        try:
            name = values.text(interpolate(job.name, context)) if job.name is not None else job.key
        except ExpressionError:
            # GitHub shows the text as it stands where the matrix was never known
            name = job.name or job.key
        self._sink.job_skipped(self._run.id, job_key=job.key, name=name)
        return JobEnd(conclusion=Conclusion.SKIPPED, need=Need(result="skipped", outputs={}))

    def _refuse(self, job: Job, message: str) -> JobEnd:
        started = self._sink.job_started(
            self._run.id, job_key=job.key, name=job.name or job.key, permissions={}
        )
        self._complete(started.id, failed(message, job=job))
        return JobEnd(conclusion=Conclusion.FAILURE, need=Need(result="failure", outputs={}))

    def _stop(self) -> Stop:
        stop = Stop()
        with self._lock:
            self._stops.append(stop)
            cancelled = self._cancelled
        if cancelled:
            stop.set()
        return stop

    def _leg(self, job: Job, plan: LegPlan, needs: Mapping[str, Need], stop: Stop) -> LegResult:
        with self._facilities.slots.taken(lambda: bool(stop)):
            return self._leg_in_slot(job, plan, needs, stop)

    def _leg_in_slot(self, job: Job, plan: LegPlan, needs: Mapping[str, Need], stop: Stop) -> LegResult:
        started = self._sink.job_started(
            self._run.id,
            job_key=job.key,
            name=plan.name,
            permissions=self._permissions(job),
            environment=plan.environment,
        )
        act = self._facilities.act
        if stop:
            result = LegResult(conclusion=Conclusion.CANCELLED)
        elif act is None:
            result = failed(MISSING, job=job)
        elif (reason := refusal(job, plan)) is not None:
            result = failed(reason, job=job)
        else:
            with self._lock:
                self._legs += 1
                directory = self._directory / str(self._legs)
            request = LegRequest(
                run=self._run,
                workflow=self._workflow,
                job=job,
                plan=plan,
                needs=needs,
                payload=self._payload,
                token=started.token,
                secrets=started.secrets,
                upload_url=started.upload_url,
                id_token_url=started.id_token_url,
                id_token_request_token=started.id_token_request_token,
                act=act,
                directory=directory,
                tools=self._facilities.tools,
                actions=self._facilities.actions,
            )
            result = self._guarded(request, stop)
        self._complete(started.id, result)
        return result

    def _guarded(self, request: LegRequest, stop: Stop) -> LegResult:
        try:
            return run_leg(request, stop)
        except (OSError, RuntimeError) as problem:
            logger.exception("run %d: job %s could not be run", self._run.id, request.job.key)
            return failed(
                f"the local GitHub could not run this job: {problem}", job=request.job, token=request.token
            )

    def _complete(self, job_id: int, result: LegResult) -> None:
        self._sink.job_completed(
            self._run.id,
            job_id=job_id,
            conclusion=result.conclusion,
            steps=result.steps,
            annotations=result.annotations,
            log=result.log,
        )

    def _permissions(self, job: Job) -> Mapping[str, str]:
        """A pull request from another repository gets no write, whatever the file says (GitHub's rule)."""
        pull = self._payload.get("pull_request")
        if self._run.event != "pull_request" or not isinstance(pull, dict):
            return job.permissions
        source = ((pull.get("head") or {}).get("repo") or {}).get("full_name")
        if source == self._run.repository:
            return job.permissions
        return {scope: "read" for scope, level in job.permissions.items() if scope != "id-token" and level}


@dataclass(frozen=True, kw_only=True)
class _Plans:
    legs: list[LegPlan]
    fail_fast: bool
    max_parallel: int


def _plan(job: Job, context: Context) -> _Plans:
    """Evaluate a job's orchestration. Errors: ExpressionError, WorkflowError."""
    legs: list[matrix.Leg] | list[None] = [None]
    if job.matrix is not None:
        legs = matrix.expand(interpolate_tree(job.matrix, context))
    fail_fast = values.truthy(interpolate_tree(job.fail_fast, context))
    width = values.to_number(interpolate_tree(job.max_parallel, context))
    plans = []
    for index, leg in enumerate(legs):
        strategy = {
            "fail-fast": fail_fast,
            "job-index": index,
            "job-total": len(legs),
            "max-parallel": int(width) if width >= 1 else len(legs),
        }
        inner = context.with_names(matrix=leg or {}, strategy=strategy)
        plans.append(_leg_plan(job, leg, inner))
    return _Plans(
        legs=plans, fail_fast=fail_fast, max_parallel=min(int(width), len(legs)) if width >= 1 else len(legs)
    )


def _leg_plan(job: Job, leg: matrix.Leg | None, context: Context) -> LegPlan:
    name = values.text(interpolate(job.name, context)) if job.name is not None else job.key
    if leg is not None and "${{" not in (job.name or ""):
        name += matrix.suffix(leg)
    runs_on = interpolate_tree(job.runs_on, context)
    if isinstance(runs_on, dict):
        runs_on = runs_on.get("labels")
    labels = runs_on if isinstance(runs_on, list) else [runs_on]
    environment = interpolate_tree(job.environment, context)
    if isinstance(environment, dict):
        environment = environment.get("name")
    minutes = values.to_number(interpolate_tree(job.timeout_minutes, context))
    if not minutes > 0:
        raise WorkflowError("timeout-minutes must be a positive number")
    return LegPlan(
        name=name,
        leg=leg,
        labels=tuple(values.text(label) for label in labels if label is not None),
        timeout_seconds=minutes * 60,
        continue_on_error=values.truthy(interpolate_tree(job.continue_on_error, context)),
        environment=values.text(environment) if environment else None,
        tolerated=tuple(_tolerated(step, context) for step in job.steps),
    )


def _tolerated(step: Step, context: Context) -> bool:
    try:
        return values.truthy(interpolate_tree(step.continue_on_error, context))
    except ExpressionError:
        # it asks for what only the step can see; act decides, the list of steps shows the failure
        return False


def _end(plans: list[LegPlan], results: list[LegResult]) -> JobEnd:
    outputs: dict[str, str] = {}
    for result in results:
        # GitHub: the last leg that gives an output a value wins
        outputs |= {name: text for name, text in result.outputs.items() if text or name not in outputs}
    pairs = list(zip(plans, results, strict=True))
    hard = {
        result.conclusion
        for plan, result in pairs
        if not (plan.continue_on_error and result.conclusion is Conclusion.FAILURE)
    }
    seen = {result.conclusion for result in results}
    return JobEnd(conclusion=_worst(seen), need=Need(result=_worst(hard).value, outputs=outputs))


def _worst(conclusions: set[Conclusion]) -> Conclusion:
    for bad in (Conclusion.FAILURE, Conclusion.CANCELLED):
        if bad in conclusions:
            return bad
    return Conclusion.SUCCESS
