"""What one workflow file or local action may do, read from its parsed YAML as a set of features.

Reads only; what is new or too much is the gate's to say. A key is found whatever its case, and what
has no form that we know becomes a feature in its own words, so that it can't be passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from patch_app.core.model import Model

# what PyYAML's BaseLoader gives: dict, list and str alone
Document: TypeAlias = Any

ALL_SECRETS: Final = "all secrets"
DEFAULT_PERMISSIONS: Final = "no permissions block: the repository's default"

# labels of GitHub's own runners (GitHub: "Choosing the runner for a job"); larger runners have names
# that their owners chose, so they are not told from self-hosted ones
_HOSTED = re.compile(
    r"ubuntu-(?:latest|slim|\d\d\.\d\d)(?:-arm)?"
    r"|windows-(?:latest|20\d\d|11-arm|20\d\d-vs20\d\d)"
    r"|macos-(?:latest|\d\d)(?:-(?:large|xlarge|intel))?",
    re.IGNORECASE,
)
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})", re.IGNORECASE)
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}", re.IGNORECASE)
_TOKEN = re.compile(r"'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_-]*|\S")
_FILTERS: Final = frozenset({"branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"})


class What(StrEnum):
    """Kinds of things that a workflow file may do."""

    TRIGGER = "trigger"
    PERMISSION = "permission"
    SECRET = "secret"  # noqa: S105 - a kind of finding
    ENVIRONMENT = "environment"
    RUNNER = "runner"
    USES = "uses"
    FILE = "file"
    BROKEN = "broken"


class Broken(Model):
    """A file that could not be read or parsed; `blob` is its id where it is known."""

    reason: str
    blob: str = ""


Feature: TypeAlias = tuple[What, str]


def is_workflow(path: str) -> bool:
    """Whether GitHub takes the file as a workflow: directly in `.github/workflows`, YAML by its name."""
    return re.fullmatch(r"(?:\./)?\.github/workflows/[^/]+\.(?i:ya?ml)", path) is not None


def features(document: Document) -> Iterator[Feature]:
    """What a workflow or action may do; `uses` of local paths is left to the caller."""
    if isinstance(document, str):
        return  # a Dockerfile: a script like any other
    if not isinstance(document, dict):
        yield What.BROKEN, "it is no mapping"
        return
    if any(_ambiguous(one) for one in (document, *_values(_get(document, "jobs"))) if isinstance(one, dict)):
        yield What.BROKEN, "a key is there twice, in upper and lower case"
    is_action = _get(document, "runs") is not None and _get(document, "jobs") is None
    if not is_action:
        yield from _triggers(_get(document, "on"))
        yield from _permissions(document)
        jobs = _get(document, "jobs")
        if not isinstance(jobs, dict):
            yield What.BROKEN, "it has no jobs"
        for job in _values(jobs):
            if isinstance(job, dict):
                yield from _job(job)
            else:
                yield What.BROKEN, "a job is no mapping"
    yield from ((What.SECRET, name) for name in _secrets(document))
    yield from ((What.USES, detail) for use in uses(document) if (detail := _foreign(use)))
    yield from (
        (What.USES, f"{use}: what a workflow elsewhere may do can't be seen") for use in _called(document)
    )


def uses(document: Document) -> Iterator[str]:
    """Every `uses` of steps and jobs, and each container image as `docker://image`."""
    if not isinstance(document, dict):
        return
    runs = _get(document, "runs")
    if isinstance(runs, dict):
        image = _get(runs, "image")
        # `Dockerfile` is a file beside the action
        if isinstance(image, str) and image.startswith("docker://"):
            yield image
        yield from _steps(runs)
    for job in _values(_get(document, "jobs")):
        if not isinstance(job, dict):
            continue
        if (called := _get(job, "uses")) is not None:
            yield called if isinstance(called, str) else _json(called)
        for container in (_get(job, "container"), *_values(_get(job, "services"))):
            image = _get(container, "image") if isinstance(container, dict) else container
            if image:
                yield f"docker://{image if isinstance(image, str) else _json(image)}"
        yield from _steps(job)


def _steps(mapping: Mapping[str, Any]) -> Iterator[str]:
    steps = _get(mapping, "steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and (use := _get(step, "uses")) is not None:
            yield use if isinstance(use, str) else _json(use)


def secrets(part: Any) -> Iterator[str]:
    """Names of the secrets that a part of a workflow reads, or ALL_SECRETS; GITHUB_TOKEN is none of them."""
    yield from _secrets(part)


def local_path(use: str) -> str | None:
    """The path within the repository that `uses: ./...` means; None where it leaves the repository."""
    parts = [part for part in use.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def narrower(detail: str, known: str) -> bool:
    """Whether a trigger runs at most when a known one of the same event does."""
    try:
        new, old = (json.loads(text.partition(": ")[2] or "{}") for text in (detail, known))
    except ValueError:
        return False
    if not isinstance(new, dict) or not isinstance(old, dict):
        return False
    if not old:
        return set(new) <= _FILTERS
    return set(new) == set(old) and all(_subset(key, new[key], old[key]) for key in new)


def _subset(key: str, new: Any, old: Any) -> bool:
    if new == old:
        return True
    if (
        not isinstance(new, list)
        or not isinstance(old, list)
        or key not in ("branches", "tags", "paths", "types")
    ):
        return False
    # with exclusions the order matters, and an empty list is not known to match nothing
    plain = all(isinstance(one, str) and not one.startswith("!") for one in (*new, *old))
    return plain and bool(new) and set(new) <= set(old)


def _get(mapping: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in mapping.items() if key.lower() == name), None)


def _values(mapping: Any) -> list[Any]:
    return list(mapping.values()) if isinstance(mapping, dict) else []


def _ambiguous(mapping: Mapping[str, Any]) -> bool:
    return len({key.lower() for key in mapping}) != len(mapping)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _triggers(on: Any) -> Iterator[Feature]:
    match on:
        case str():
            yield What.TRIGGER, on.strip().lower()
        case list():
            for event in on:
                if isinstance(event, str):
                    yield What.TRIGGER, event.strip().lower()
                else:
                    yield What.BROKEN, "a trigger is no name"
        case dict():
            for event, filters in on.items():
                kept = _kept(event.lower(), filters)
                yield What.TRIGGER, event.lower() + (f": {_json(kept)}" if kept else "")
        case _:
            yield What.BROKEN, "it has no `on`"


def _kept(event: str, filters: Any) -> Any:
    """What of an event's form decides when it starts a run."""
    if event in ("workflow_dispatch", "workflow_call"):
        # inputs are what a person or a calling workflow gives, not when it starts
        return None
    if isinstance(filters, dict):
        return {key.lower(): [value] if isinstance(value, str) else value for key, value in filters.items()}
    return filters or None


def _permissions(document: Mapping[str, Any]) -> Iterator[Feature]:
    top = _get(document, "permissions")
    own = [_get(job, "permissions") for job in _values(_get(document, "jobs")) if isinstance(job, dict)]
    for block in [top if one is None else one for one in own]:
        match block:
            case None:
                yield What.PERMISSION, DEFAULT_PERMISSIONS
            case str():
                # what `permissions:` with nothing after it means is not written down anywhere
                yield What.PERMISSION, block.strip().lower() or DEFAULT_PERMISSIONS
            case dict():
                for scope, level in block.items():
                    said = level.strip().lower() if isinstance(level, str) else _json(level)
                    if said != "none":
                        yield What.PERMISSION, f"{scope.lower()}: {said}"
            case _:
                yield What.PERMISSION, _json(block)


def _job(job: Mapping[str, Any]) -> Iterator[Feature]:
    environment = _get(job, "environment")
    if isinstance(environment, dict):
        environment = _get(environment, "name")
    if environment:
        yield What.ENVIRONMENT, environment if isinstance(environment, str) else _json(environment)
    if _get(job, "uses") is None:
        for label in _labels(_get(job, "runs-on"), _get(job, "strategy")):
            if not _HOSTED.fullmatch(label.strip()):
                yield What.RUNNER, label.strip() or "no runner is named"
    inherited = _get(job, "secrets")
    if isinstance(inherited, str):
        yield What.SECRET, ALL_SECRETS


def _labels(runs_on: Any, strategy: Any) -> Iterator[str]:
    match runs_on:
        case str():
            name = re.fullmatch(r"\s*\$\{\{\s*matrix\.([A-Za-z0-9_-]+)\s*\}\}\s*", runs_on)
            values = list(_matrix(strategy, name[1])) if name else []
            yield from values or [runs_on]
        case list():
            for label in runs_on:
                yield from _labels(label if isinstance(label, str) else _json(label), strategy)
        case dict():
            if (group := _get(runs_on, "group")) is not None:
                yield f"group {group if isinstance(group, str) else _json(group)}"
            if (labels := _get(runs_on, "labels")) is not None:
                yield from _labels(labels, strategy)
        case _:
            yield ""


def _matrix(strategy: Any, name: str) -> Iterator[str]:
    """The values that a matrix gives a name; nothing where one of them can't be told."""
    matrix = _get(strategy, "matrix") if isinstance(strategy, dict) else None
    if not isinstance(matrix, dict):
        return
    include = _get(matrix, "include") or []
    if not isinstance(include, list):
        return
    rows = [_get(row, name.lower()) for row in include if isinstance(row, dict)]
    values = _get(matrix, name.lower()) or []
    if not isinstance(values, list) or len(rows) != len(include):
        return
    all_of_them = [*values, *(row for row in rows if row is not None)]
    if all(isinstance(one, str) and "${{" not in one for one in all_of_them):
        yield from all_of_them


def _secrets(value: Any, bare: bool = False) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _secrets(key)
                # `if` is an expression without its braces too
                yield from _secrets(inner, bare=key.lower() == "if")
        case list():
            for inner in value:
                yield from _secrets(inner)
        case str():
            for expression in [value] if bare else _expressions(value):
                yield from _secrets_in(expression)


def _expressions(text: str) -> Iterator[str]:
    """What stands between `${{` and `}}`; braces within quotes don't end it, as GitHub reads it."""
    position = text.find("${{")
    while position >= 0:
        quoted, end = False, position + 3
        while end < len(text) and (quoted or not text.startswith("}}", end)):
            quoted ^= text[end] == "'"
            end += 1
        yield text[position + 3 : end]
        position = text.find("${{", end)


def _secrets_in(expression: str) -> Iterator[str]:
    """Names of the secrets that an expression reads. GITHUB_TOKEN is bounded by permissions instead."""
    tokens = _TOKEN.findall(expression)
    for index, token in enumerate(tokens):
        if token.lower() != "secrets" or (index and tokens[index - 1] == "."):
            continue
        after = tokens[index + 1 : index + 4]
        name = ""
        if len(after) >= 2 and after[0] == "." and re.match(r"[A-Za-z_]", after[1]):
            name = after[1]
        elif len(after) == 3 and after[0] == "[" and after[1].startswith("'") and after[2] == "]":
            name = after[1][1:-1]
        if name.upper() != "GITHUB_TOKEN":
            yield name.upper() or ALL_SECRETS


def _foreign(use: str) -> str | None:
    """Why code from elsewhere is not pinned, or None."""
    if use.startswith("./"):
        return None
    if use.startswith("docker://"):
        return None if _DIGEST.fullmatch(use) else f"{use} is not pinned by its digest"
    pinned = _COMMIT.fullmatch(use.rpartition("@")[2]) is not None and "@" in use
    return None if pinned else f"{use} is not pinned by a full commit id"


def _called(document: Mapping[str, Any]) -> Iterator[str]:
    """Workflows of other repositories that jobs call."""
    for job in _values(_get(document, "jobs")):
        use = _get(job, "uses") if isinstance(job, dict) else None
        if isinstance(use, str) and not use.startswith("./"):
            yield use
