"""A workflow file as the local GitHub needs to know it: events, jobs, permissions, concurrency, inputs.

Pure. It refuses (`WorkflowError`) what GitHub refuses before the first job: unknown permissions, needs that
lead nowhere or in a circle, a file without jobs. What a step does is act's to judge.

Rules: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from patch_app.forge.actions import nodes, values
from patch_app.forge.actions.nodes import WorkflowError

# Every scope that `permissions:` may name.
SCOPES = (
    "actions",
    "artifact-metadata",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "id-token",
    "issues",
    "models",
    "packages",
    "pages",
    "pull-requests",
    "security-events",
    "statuses",
)
# Still accepted in files, means nothing since classic projects are gone.
_LEGACY_SCOPES = frozenset({"repository-projects"})
# What GITHUB_TOKEN has where a file says nothing, with GitHub's default setting for new repositories.
DEFAULT_PERMISSIONS = {"contents": "read", "packages": "read"}
# A job's time limit where the file gives none: 360 minutes.
DEFAULT_TIMEOUT_MINUTES = 360.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, unevaluated."""

    # `id`, else the index from 0 as text: what act calls it
    id: str
    name: str | None
    run: str | None
    uses: str | None
    continue_on_error: Any

    @property
    def title(self) -> str:
        """The name that GitHub shows."""
        if self.name is not None:
            return self.name
        if self.uses is not None:
            return f"Run {self.uses}"
        lines = (self.run or "").strip().splitlines()
        return f"Run {lines[0] if lines else ''}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One entry under `jobs:`, unevaluated."""

    key: str
    name: str | None
    needs: tuple[str, ...]
    condition: str
    # effective: the job's own, else the workflow's, else the default; "none" is left out
    permissions: Mapping[str, str]
    runs_on: Any
    # None: no matrix
    matrix: Any
    fail_fast: Any
    max_parallel: Any
    timeout_minutes: Any
    continue_on_error: Any
    steps: tuple[Step, ...]
    has_outputs: bool
    # a name, or a mapping with one; unevaluated
    environment: Any
    # a reusable workflow instead of steps
    uses: str | None
    # `container:` or `services:`
    wants_docker: bool


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """The workflow's `concurrency:`, unevaluated."""

    group: str
    cancel_in_progress: Any


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One workflow file."""

    root: yaml.MappingNode
    name: str | None
    run_name: str | None
    # event -> its configuration, {} where there is none; `schedule` holds a list under "schedule"
    on: Mapping[str, Mapping[str, Any]]
    concurrency: Concurrency | None
    jobs: Mapping[str, Job]

    def ancestors(self, key: str) -> frozenset[str]:
        """All jobs that `key` needs, directly or not."""
        found: set[str] = set()
        todo = list(self.jobs[key].needs)
        while todo:
            needed = todo.pop()
            if needed not in found:
                found.add(needed)
                todo += self.jobs[needed].needs
        return frozenset(found)


@lru_cache(maxsize=256)
def load(text: str) -> Workflow:
    """Read a workflow file. Errors: WorkflowError.

    Kept, since each push and each run asks anew and PyYAML takes its time; nobody changes what comes out.
    """
    root = nodes.parse(text)
    data = nodes.value(root)
    on = _events(data.get("on"))
    defaults = _permissions(data["permissions"]) if "permissions" in data else DEFAULT_PERMISSIONS
    jobs_data = _mapping(data.get("jobs"), "jobs")
    if not jobs_data:
        raise WorkflowError("a workflow needs at least one job")
    jobs = {key: _job(key, _mapping(job, f"jobs.{key}"), defaults) for key, job in jobs_data.items()}
    workflow = Workflow(
        root=root,
        name=_optional_text(data.get("name")),
        run_name=_optional_text(data.get("run-name")),
        on=on,
        concurrency=_concurrency(data.get("concurrency")),
        jobs=jobs,
    )
    _check_needs(workflow)
    return workflow


def _check_needs(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        for needed in job.needs:
            if needed not in workflow.jobs:
                raise WorkflowError(f"job {job.key!r} needs the unknown job {needed!r}")
    for key in workflow.jobs:
        if key in workflow.ancestors(key):
            raise WorkflowError(f"job {key!r} needs itself")


def _mapping(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise WorkflowError(f"{where} must be a mapping")
    return data


def _optional_text(data: Any) -> str | None:
    return None if data is None else values.text(data)


def _texts(data: Any) -> tuple[str, ...]:
    items = data if isinstance(data, list) else [] if data is None else [data]
    return tuple(values.text(item) for item in items)


def _events(data: Any) -> dict[str, Mapping[str, Any]]:
    match data:
        case None:
            raise WorkflowError("a workflow needs `on`")
        case dict():
            return {
                event: config if isinstance(config, dict) else {} if config is None else {event: config}
                for event, config in data.items()
            }
    return {event: {} for event in _texts(data)}


def _permissions(data: Any) -> dict[str, str]:
    match data:
        case "read-all":
            return {scope: "read" for scope in SCOPES if scope != "id-token"}
        case "write-all":
            return {scope: "read" if scope == "models" else "write" for scope in SCOPES}
        case None | "":
            return {}
        case dict():
            for scope, level in data.items():
                if scope not in SCOPES and scope not in _LEGACY_SCOPES:
                    raise WorkflowError(f"permissions: unknown scope {scope!r}")
                if level not in {"read", "write", "none"}:
                    raise WorkflowError(f"permissions: {scope} must be read, write or none, not {level!r}")
            return {scope: level for scope, level in data.items() if level != "none" and scope in SCOPES}
    raise WorkflowError("permissions must be a mapping, read-all or write-all")


def _concurrency(data: Any) -> Concurrency | None:
    match data:
        case None:
            return None
        case dict():
            return Concurrency(
                group=values.text(data.get("group")), cancel_in_progress=data.get("cancel-in-progress", False)
            )
    return Concurrency(group=values.text(data), cancel_in_progress=False)


def _job(key: str, data: dict[str, Any], defaults: Mapping[str, str]) -> Job:
    strategy = data.get("strategy")
    if not isinstance(strategy, dict):
        strategy = {}
    steps = data.get("steps") or []
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise WorkflowError(f"jobs.{key}.steps must be a list of mappings")
    if not steps and "uses" not in data:
        raise WorkflowError(f"jobs.{key} has no steps")
    return Job(
        key=key,
        name=_optional_text(data.get("name")),
        needs=_texts(data.get("needs")),
        condition=values.text(data.get("if", "")),
        permissions=_permissions(data["permissions"]) if "permissions" in data else defaults,
        runs_on=data.get("runs-on"),
        matrix=strategy.get("matrix"),
        fail_fast=strategy.get("fail-fast", True),
        max_parallel=strategy.get("max-parallel"),
        timeout_minutes=data.get("timeout-minutes", DEFAULT_TIMEOUT_MINUTES),
        continue_on_error=data.get("continue-on-error", False),
        steps=tuple(_step(index, step) for index, step in enumerate(steps)),
        has_outputs=bool(data.get("outputs")),
        environment=data.get("environment"),
        uses=_optional_text(data.get("uses")),
        wants_docker=bool(data.get("container") or data.get("services")),
    )


def _step(index: int, data: dict[str, Any]) -> Step:
    return Step(
        id=values.text(data.get("id", index)),
        name=_optional_text(data.get("name")),
        run=_optional_text(data.get("run")),
        uses=_optional_text(data.get("uses")),
        continue_on_error=data.get("continue-on-error", False),
    )


def dispatch_inputs(workflow: Workflow, given: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a `workflow_dispatch`, defaults filled in, as GitHub puts them into the event.

    Errors: WorkflowError with GitHub's reason for a 422: no such trigger, unknown input, a required one
    missing, a choice that is not among its options, a boolean that is none.
    """
    if "workflow_dispatch" not in workflow.on:
        raise WorkflowError("Workflow does not have 'workflow_dispatch' trigger")
    declared = workflow.on["workflow_dispatch"].get("inputs") or {}
    if unknown := sorted(set(given) - set(declared)):
        raise WorkflowError(f"Unexpected inputs provided: {unknown}")
    result: dict[str, str] = {}
    for name, raw in declared.items():
        config = raw if isinstance(raw, dict) else {}
        kind = config.get("type", "string")
        if name in given:
            result[name] = given[name]
        elif "default" in config:
            result[name] = values.text(config["default"])
        elif config.get("required") is True:
            raise WorkflowError(f"Required input '{name}' not provided")
        else:
            result[name] = "false" if kind == "boolean" else ""
        if kind == "choice" and result[name] and result[name] not in _texts(config.get("options")):
            raise WorkflowError(
                f"Provided value '{result[name]}' for input '{name}' not in the list of options"
            )
        if kind == "boolean" and result[name] not in {"true", "false"}:
            raise WorkflowError(f"Provided value '{result[name]}' for input '{name}' is not a boolean")
    return result


def typed_inputs(workflow: Workflow, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The `inputs` context: unlike `github.event.inputs` it keeps booleans and numbers."""
    declared = workflow.on.get("workflow_dispatch", {}).get("inputs") or {}
    result: dict[str, Any] = {}
    for name, given in inputs.items():
        config = declared.get(name)
        match config.get("type") if isinstance(config, dict) else None:
            case "boolean":
                result[name] = given == "true"
            case "number":
                result[name] = values.to_number(given)
            case _:
                result[name] = given
    return result
