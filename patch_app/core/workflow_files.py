"""What stands in a parsed workflow file or local action: secrets, runners, what it uses.

Reads only; what is new or too much is the gate's to say. A key is found whatever its case, and what
can't be told from the file alone is said in its own words, so that it can't be passed over.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from patch_app.core.model import Model

# what PyYAML's BaseLoader gives: dict, list and str alone
Document: TypeAlias = Any

ALL_SECRETS: Final = "all secrets"
# values of a matrix that are put in for a name, multiplied
MOST_VALUES: Final = 256

# labels of GitHub's own runners (GitHub: "Choosing the runner for a job"); larger runners have names
# that their owners chose, so they are not told from self-hosted ones
_HOSTED = re.compile(
    r"ubuntu-(?:latest|slim|(?:18|20|22|24|26|28)\.04)(?:-arm)?"
    r"|windows-(?:latest|20(?:19|22|25|28)|11-arm|20(?:19|22|25|28)-vs20\d\d)"
    r"|macos-(?:latest|1[1-5]|2[6-9])(?:-(?:large|xlarge|intel))?",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_-]*|\S")
_OF_MATRIX = re.compile(r"\$\{\{\s*matrix((?:\.[A-Za-z_][A-Za-z0-9_-]*)+)\s*\}\}", re.IGNORECASE)


class What(StrEnum):
    """Kinds of things that a workflow file may do."""

    JOB = "new job"
    CHANGED = "changed job"
    TRIGGER = "trigger"
    PERMISSION = "permission"
    SECRET = "secret"  # noqa: S105 - a kind of finding
    ENVIRONMENT = "environment"
    RUNNER = "runner"
    USES = "uses"
    FILE = "file"
    BROKEN = "broken"
    HELD = "held"


class Broken(Model):
    """A file that could not be read or parsed; `blob` is its id where it is known."""

    reason: str
    blob: str = ""


def is_workflow(path: str) -> bool:
    """Whether GitHub takes the file as a workflow: directly in `.github/workflows`, YAML by its name."""
    return re.fullmatch(r"(?:\./)?\.github/workflows/[^/]+\.(?i:ya?ml)", path) is not None


def is_local(use: str) -> bool:
    """Whether a `uses` is a path within the repository; the runner takes it with backslashes too."""
    return use.startswith(("./", ".\\"))


def local_path(use: str) -> str | None:
    """The path within the repository that `uses: ./...` means; None where it leaves the repository."""
    parts = [part for part in use.replace("\\", "/").split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def get(mapping: Any, name: str) -> Any:
    """What a mapping has under a key of any case; None where it is no mapping, or has none."""
    if not isinstance(mapping, dict):
        return None
    return next((value for key, value in mapping.items() if str(key).lower() == name), None)


def jobs(document: Document) -> dict[str, Any]:
    """The jobs of a workflow, by their id; none where it has no such form."""
    found = get(document, "jobs")
    return found if isinstance(found, dict) else {}


def written(value: Any) -> str:
    """A value in one line."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def texts(value: Any) -> tuple[str, ...]:
    """What stands for a list of names in a file, where one alone needs no list."""
    listed = value if isinstance(value, list) else [value]
    return tuple(one for one in listed if isinstance(one, str))


def ambiguous(document: Document) -> str | None:
    """Why a file may be read otherwise than it is read here, or None."""
    parts = [document, get(document, "on"), get(document, "permissions"), *jobs(document).values()]
    parts += [get(job, "permissions") for job in jobs(document).values()]
    for job in jobs(document).values():
        matrix = get(get(job, "strategy"), "matrix")
        include = get(matrix, "include")
        parts += [get(job, "strategy"), matrix, *(include if isinstance(include, list) else ())]
    for part in (one for one in (*parts, jobs(document)) if isinstance(one, dict)):
        if len({str(key).lower() for key in part}) != len(part):
            return "a key is there twice, in upper and lower case"
        if "<<" in part:
            return "it has a merge key, which can't be told"
    return None


# What is used --------------------------------------------------------------------------------------


def uses(document: Document) -> Iterator[str]:
    """Every `uses` of the steps and jobs of a workflow or an action."""
    yield from step_uses(get(document, "runs"))
    for job in jobs(document).values():
        if (called := get(job, "uses")) is not None:
            yield written(called)
        yield from step_uses(job)


def step_uses(part: Any) -> Iterator[str]:
    """Every `uses` of the steps of a job, or of an action's `runs`."""
    steps = get(part, "steps")
    for step in steps if isinstance(steps, list) else ():
        if (use := get(step, "uses")) is not None:
            yield written(use)


# Expressions -----------------------------------------------------------------------------------------


def secrets(part: Any) -> Iterator[str]:
    """Names of the secrets that a part of a workflow reads, or ALL_SECRETS; GITHUB_TOKEN is none of them.

    What that token may do, permissions say.
    """
    for tokens in _expressions(part):
        for after in _after(tokens, "secrets"):
            name = _member(after)
            if name != "GITHUB_TOKEN":
                yield name or ALL_SECRETS


def reads_inputs(part: Any) -> bool:
    """Whether a part may read what its workflow was called or started with; the whole event has that too."""
    for tokens in _expressions(part):
        if any("inputs" in one.lower() for one in tokens):
            return True
        for after in _after([one.lower() for one in tokens], "github"):
            whole = (
                not after or after[0] != "." or (after[1:2] == ["event"] and after[2:3] not in (["."], ["["]))
            )
            if whole or after[:3] == [".", "event", "["]:
                return True
    return False


def reads_outputs(part: Any) -> bool:
    """Whether a part reads more of the jobs that it needs than how they ended."""
    return any(
        not (len(after) >= 4 and after[0] == "." and after[2] == "." and after[3].lower() == "result")
        for tokens in _expressions(part)
        for after in _after(tokens, "needs")
    )


def _after(tokens: list[str], context: str) -> Iterator[list[str]]:
    """What follows each naming of a context; a property of that name isn't one."""
    for index, token in enumerate(tokens):
        if token.lower() == context and not (index and tokens[index - 1] == "."):
            yield tokens[index + 1 : index + 5]


def _member(after: list[str]) -> str:
    """The name that stands behind a context as `.NAME` or `['NAME']`, in capitals; empty where it's none."""
    if len(after) >= 2 and after[0] == "." and re.match(r"[A-Za-z_]", after[1]):
        return after[1].upper()
    if len(after) >= 3 and after[0] == "[" and after[1].startswith("'") and after[2] == "]":
        return after[1][1:-1].upper()
    return ""


def _expressions(value: Any, bare: bool = False) -> Iterator[list[str]]:
    """The tokens of every expression in a part; `if` is one without its braces too."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _expressions(key)
                yield from _expressions(inner, bare=str(key).lower() in ("if", "pre-if", "post-if"))
        case list():
            for inner in value:
                yield from _expressions(inner)
        case str():
            for expression in [value] if bare else _braced(value):
                yield _TOKEN.findall(expression)


def _braced(text: str) -> Iterator[str]:
    """What stands between `${{` and `}}`; braces within quotes don't end it, as GitHub reads it."""
    position = text.find("${{")
    while position >= 0:
        quoted, end = False, position + 3
        while end < len(text) and (quoted or not text.startswith("}}", end)):
            quoted ^= text[end] == "'"
            end += 1
        yield text[position + 3 : end]
        position = text.find("${{", end)


# Runners ---------------------------------------------------------------------------------------------


def own_runners(job: Any) -> Iterator[str]:
    """What a job runs on that isn't known to be GitHub's own, as far as its file tells."""
    for label in _labels(get(job, "runs-on"), get(job, "strategy")):
        if not _HOSTED.fullmatch(label.strip()):
            yield label.strip() or "no runner is named"


def _labels(runs_on: Any, strategy: Any) -> Iterator[str]:
    match runs_on:
        case str():
            yield from _filled(runs_on, get(strategy, "matrix"))
        case [_, *_]:
            for label in runs_on:
                yield from _labels(written(label), strategy)
        case dict():
            if (group := get(runs_on, "group")) is not None or not runs_on:
                yield f"group {written(group)}"
            if (labels := get(runs_on, "labels")) is not None:
                yield from _labels(labels, strategy)
            elif group is None:
                yield written(runs_on)
        case _:
            yield ""


def _filled(text: str, matrix: Any) -> tuple[str, ...]:
    """The text with each value that a matrix gives it; as it is where one of them can't be told."""
    paths = list(dict.fromkeys(match[1] for match in _OF_MATRIX.finditer(text)))
    values = [_matrix(matrix, [part.lower() for part in path[1:].split(".")]) for path in paths]
    number = 1
    for one in values:
        number *= len(one)
    if not paths or not 0 < number <= MOST_VALUES:
        return (text,)
    out = []
    for row in itertools.product(*values):
        known = dict(zip(paths, row, strict=True))
        out.append(_OF_MATRIX.sub(lambda match, known=known: known[match[1]], text))  # type: ignore[misc]
    return tuple(dict.fromkeys(out))


def _matrix(matrix: Any, path: list[str]) -> tuple[str, ...]:
    """The values that a matrix has at a path; none where one of them can't be told."""
    include = [] if get(matrix, "include") is None else get(matrix, "include")
    first = [] if get(matrix, path[0]) is None else get(matrix, path[0])
    if not isinstance(include, list) or not isinstance(first, list):
        return ()
    rows = [{path[0]: one} for one in first]
    rows += [
        one for one in include if not isinstance(one, dict) or get(one, path[0]) is not None or not first
    ]
    found = []
    for row in rows:
        value: Any = row
        for part in path:
            value = get(value, part)
        if not isinstance(value, str) or "${{" in value:
            return ()
        found.append(value)
    return tuple(dict.fromkeys(found))


def permissions(block: Any) -> Mapping[str, str]:
    """Levels by scope of a `permissions` block that is a mapping, all in lower case."""
    found = block if isinstance(block, dict) else {}
    return {str(scope).lower(): written(level).strip().lower() for scope, level in found.items()}
