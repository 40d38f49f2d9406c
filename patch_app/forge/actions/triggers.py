"""Does an event start a workflow? The `on:` section with its filters.

Pure. It refuses to know who acted: that what GITHUB_TOKEN does starts no workflow is the caller's rule.

Rules: https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows
and, for the patterns, .../workflow-syntax#filter-pattern-cheat-sheet
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from patch_app.forge.actions import values
from patch_app.forge.actions.nodes import WorkflowError
from patch_app.forge.actions.workflow import load

# Where a file gives no `types:` these are meant; for other events all types are.
_DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
_SKIP_COMMANDS = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
_SKIP_TRAILER = re.compile(r"^skip-checks:\s*true\s*$", re.MULTILINE | re.IGNORECASE)


def triggers(
    workflow_text: str,
    event: str,
    *,
    ref: str = "",
    action: str | None = None,
    paths: Sequence[str] | None = None,
) -> bool:
    """Whether `event` starts a run of this workflow file.

    `ref`: for push the full ref, for pull_request(_target) the base branch's ref; a plain name is a branch.
    `action`: the event's activity type, where it has any. `paths`: the changed files; None (unknown) passes
    every path filter, as GitHub does for diffs that it can't compute. A file that is no valid workflow starts
    nothing.
    """
    try:
        configs = load(workflow_text).on
    except WorkflowError:
        return False
    if event not in configs:
        return False
    config = configs[event]
    types = config.get("types")
    wanted = _texts(types) if types is not None else _DEFAULT_TYPES.get(event, ())
    if action is not None and wanted and action not in wanted:
        return False
    match event:
        case "push":
            return _push(config, ref, paths)
        case "pull_request" | "pull_request_target":
            branch = ref.removeprefix("refs/heads/")
            return _passes(config, "branches", branch) and _paths_pass(config, paths)
    return True


def _push(config: Mapping[str, Any], ref: str, paths: Sequence[str] | None) -> bool:
    filters_branches = "branches" in config or "branches-ignore" in config
    filters_tags = "tags" in config or "tags-ignore" in config
    if ref.startswith("refs/tags/"):
        if filters_tags:
            return _passes(config, "tags", ref.removeprefix("refs/tags/"))
        # a filter on branches alone leaves tags out; path filters don't apply to tags
        return not filters_branches
    if ref.startswith("refs/") and not ref.startswith("refs/heads/"):
        return False
    if filters_branches:
        if not _passes(config, "branches", ref.removeprefix("refs/heads/")):
            return False
    elif filters_tags:
        return False
    return _paths_pass(config, paths)


def _texts(data: Any) -> tuple[str, ...]:
    items = data if isinstance(data, list) else [] if data is None else [data]
    return tuple(values.text(item) for item in items)


def _passes(config: Mapping[str, Any], key: str, name: str) -> bool:
    if key in config:
        return matches(_texts(config[key]), name)
    if f"{key}-ignore" in config:
        return not matches(_texts(config[f"{key}-ignore"]), name)
    return True


def _paths_pass(config: Mapping[str, Any], paths: Sequence[str] | None) -> bool:
    if paths is None:
        return True
    if "paths" in config:
        return any(matches(_texts(config["paths"]), path) for path in paths)
    if "paths-ignore" in config:
        return any(not matches(_texts(config["paths-ignore"]), path) for path in paths)
    return True


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a list of filter patterns takes a name: the last pattern that fits decides, `!` negates."""
    taken = False
    for pattern in patterns:
        negative = pattern.startswith("!")
        if _regex(pattern[1:] if negative else pattern).fullmatch(name):
            taken = not negative
    return taken


def _regex(pattern: str) -> re.Pattern[str]:
    """`*` stops at a slash, `**` doesn't, `?` and `+` repeat what is before them, `[]` is a class."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**/"):
            out.append("(?:.*/)?")
            position += 3
        elif rest.startswith("**"):
            out.append(".*")
            position += 2
        elif rest[0] == "*":
            out.append("[^/]*")
            position += 1
        elif rest[0] in "?+" and out:
            out[-1] = f"(?:{out[-1]}){rest[0]}"
            position += 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inner = rest[1:end].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{inner}]")
            position += end + 1
        else:
            if rest[0] == "\\" and len(rest) > 1:
                position += 1
            out.append(re.escape(pattern[position]))
            position += 1
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        # a class that no one can read matches only itself
        return re.compile(re.escape(pattern))


def skips_ci(message: str) -> bool:
    """Whether a head commit's message keeps `push` and `pull_request` workflows from running.

    Source: https://docs.github.com/en/actions/how-tos/manage-workflow-runs/skip-workflow-runs
    """
    lowered = message.lower()
    return any(command in lowered for command in _SKIP_COMMANDS) or bool(_SKIP_TRAILER.search(message))
