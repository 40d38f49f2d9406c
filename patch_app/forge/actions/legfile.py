"""The workflow file that act gets for one job, or one leg of its matrix.

Each job runs in an act process of its own, so that its GITHUB_TOKEN can be its own. The copy keeps the file's
top level and this one job, text and style untouched, but for these changes:

- the jobs it needs become stand-ins that end with the same result and give the same outputs, so that act
  itself evaluates every `needs.*` expression of the job;
- `if` was decided before and is `always()` now;
- the matrix is this one leg, as a JSON literal, so that nothing in it is evaluated again;
- a job behind it writes the job's outputs to a file.

It refuses to touch steps, env, defaults, shell, working directories.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from patch_app.forge.actions import nodes, values
from patch_app.forge.actions.workflow import Workflow

# A job key that no file can have by accident: GitHub takes it, people don't write it.
COLLECTOR = "_patch_app_forge_outputs"


@dataclass(frozen=True, kw_only=True)
class Need:
    """How a needed job ended. `result`: success, failure, cancelled or skipped."""

    result: str
    outputs: Mapping[str, str]


def literal(text: str) -> str:
    """A text as an expression that evaluates to exactly it."""
    escaped = text.replace("'", "''")
    return f"${{{{ '{escaped}' }}}}"


def leg_text(
    workflow: Workflow,
    key: str,
    *,
    needs: Mapping[str, Need],
    leg: Mapping[str, Any] | None,
    outputs_file: Path,
) -> str:
    """The copy for job `key`. `needs` holds the direct needs, `leg` its matrix values (None: no matrix)."""
    jobs_node = nodes.get(workflow.root, "jobs")
    assert isinstance(jobs_node, yaml.MappingNode)  # noqa: S101 - load() refuses anything else
    job_node = nodes.get(jobs_node, key)
    assert isinstance(job_node, yaml.MappingNode)  # noqa: S101 - same
    changes: dict[str, yaml.Node | None] = {
        "if": nodes.scalar("${{ always() }}"),
        "needs": nodes.sequence([nodes.scalar(needed) for needed in needs]) if needs else None,
        "strategy": None,
    }
    if leg is not None:
        changes["strategy"] = _strategy(job_node, leg)
    jobs: list[tuple[str, yaml.Node]] = [(needed, _stand_in(need)) for needed, need in needs.items()]
    jobs.append((key, nodes.replaced(job_node, changes)))
    if workflow.jobs[key].has_outputs:
        jobs.append((COLLECTOR, _collector(key, outputs_file)))
    return nodes.dump(nodes.replaced(workflow.root, {"jobs": nodes.mapping(jobs)}))


def _strategy(job_node: yaml.MappingNode, leg: Mapping[str, Any]) -> yaml.MappingNode:
    old = nodes.get(job_node, "strategy")
    one_leg = json.dumps({"include": [values.plain(leg)]}, ensure_ascii=False)
    escaped = one_leg.replace("'", "''")
    matrix = nodes.scalar(f"${{{{ fromJSON('{escaped}') }}}}")
    if isinstance(old, yaml.MappingNode):
        return nodes.replaced(old, {"matrix": matrix})
    return nodes.mapping([("matrix", matrix)])


def _run_job(script: str, condition: str, more: list[tuple[str, yaml.Node]]) -> yaml.MappingNode:
    step = [("run", script), ("shell", "bash"), ("working-directory", "/")]
    return nodes.mapping(
        [
            ("runs-on", nodes.scalar("ubuntu-latest")),
            ("if", nodes.scalar(condition)),
            *more,
            ("steps", nodes.sequence([nodes.mapping([(name, nodes.scalar(text)) for name, text in step])])),
        ]
    )


def _stand_in(need: Need) -> yaml.MappingNode:
    more: list[tuple[str, yaml.Node]] = []
    if need.outputs:
        pairs: list[tuple[str, yaml.Node]] = [
            (name, nodes.scalar(literal(text))) for name, text in need.outputs.items()
        ]
        more.append(("outputs", nodes.mapping(pairs)))
    # act knows no job that ended as cancelled: it becomes a failure
    script = "true" if need.result == "success" else "exit 1"
    condition = "${{ false }}" if need.result == "skipped" else "${{ always() }}"
    return _run_job(script, condition, more)


def _collector(key: str, outputs_file: Path) -> yaml.MappingNode:
    mark = f"END_{secrets.token_hex(8)}"
    script = f"cat > {shlex.quote(str(outputs_file))} <<'{mark}'\n${{{{ toJSON(needs) }}}}\n{mark}\n"
    return _run_job(script, "${{ always() }}", [("needs", nodes.sequence([nodes.scalar(key)]))])
