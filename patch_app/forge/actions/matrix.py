"""Expand a job's `strategy.matrix` into legs, and name them.

Pure. It refuses an empty or too large matrix, as GitHub does (256 jobs a matrix).

Rules: https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from patch_app.forge.actions import values
from patch_app.forge.actions.nodes import WorkflowError

MAX_LEGS = 256

Leg = dict[str, Any]


def expand(matrix: Any) -> list[Leg]:
    """The legs of an evaluated matrix, in GitHub's order. Errors: WorkflowError."""
    if not isinstance(matrix, Mapping):
        raise WorkflowError("strategy.matrix must be a mapping")
    axes: dict[str, list[Any]] = {}
    for name, items in matrix.items():
        if name in {"include", "exclude"}:
            continue
        if not isinstance(items, list):
            raise WorkflowError(f"matrix vector '{name}' must be a list")
        if not items:
            raise WorkflowError(f"Matrix vector '{name}' does not contain any values")
        axes[name] = items
    legs = (
        [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())] if axes else []
    )
    for excluded in _entries(matrix, "exclude"):
        legs = [leg for leg in legs if not _matches(leg, excluded)]
    originals = [dict(leg) for leg in legs]
    extra: list[Leg] = []
    for included in _entries(matrix, "include"):
        fitting = [
            leg
            for leg, original in zip(legs, originals, strict=True)
            # an entry joins a leg where it overwrites none of the leg's original values
            if all(original[name] == item for name, item in included.items() if name in original)
        ]
        for leg in fitting:
            leg.update(included)
        if not fitting:
            extra.append(dict(included))
    legs += extra
    if not legs:
        raise WorkflowError("the matrix has no combination left")
    if len(legs) > MAX_LEGS:
        raise WorkflowError(f"the matrix has {len(legs)} combinations, GitHub allows {MAX_LEGS}")
    return legs


def _entries(matrix: Mapping[str, Any], key: str) -> list[Leg]:
    entries = matrix.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise WorkflowError(f"matrix.{key} must be a list of mappings")
    return entries


def _matches(leg: Any, pattern: Any) -> bool:
    if isinstance(leg, dict) and isinstance(pattern, dict):
        return all(name in leg and _matches(leg[name], item) for name, item in pattern.items())
    return bool(leg == pattern)


def suffix(leg: Leg) -> str:
    """What GitHub puts behind the name of a job whose name says nothing of its matrix: ` (a, b)`."""
    leaves = [values.text(leaf) for item in leg.values() for leaf in _leaves(item)]
    return f" ({', '.join(leaves)})" if leaves else ""


def _leaves(value: Any) -> list[Any]:
    match value:
        case list():
            return [leaf for item in value for leaf in _leaves(item)]
        case dict():
            return [leaf for item in value.values() for leaf in _leaves(item)]
    return [value]
