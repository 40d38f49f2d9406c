"""What the workflow gate found, and as Markdown: a table of the jobs, and how each differs.

A definition is shown in the form of a workflow file, whatever form the file itself has. Everything in it
is upstream's word and stays text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from patch_app.core import markdown
from patch_app.core.model import Model
from patch_app.core.workflow_files import What

# of one difference, and characters of all that are kept with an attempt
MOST_LINES: Final = 120
MOST_TEXT: Final = 16_000
_MOST_COMPARED: Final = 400
_MOST_WIDTH: Final = 300
_FIRST: Final = ("name", "id", "if", "needs", "runs-on", "environment", "uses", "with", "run")


class Finding(Model):
    """One job of a workflow file that would run with something worth having, and isn't known; or a file."""

    path: str
    what: What
    # what it has, or what is wrong
    detail: str
    job: str = ""
    # what would start it
    starts: tuple[str, ...] = ()
    # from the maintained branch's definition to this one, as a unified diff; cut, or empty, where it is long
    difference: str = ""


def difference(old: Any, new: Any) -> str:
    """From one definition to another, as a unified diff; None as the old one: all of it is new."""
    before, after = [] if old is None else list(_lines(old)), list(_lines(new))
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    # what is the same at the start needs no comparing, but for the lines around
    start = max(0, same - 3)
    before, after = before[start : start + _MOST_COMPARED], after[start : start + _MOST_COMPARED]
    told = [
        one for one in difflib.unified_diff(before, after, lineterm="") if not one.startswith(("---", "+++"))
    ]
    lines = [markdown.cut(one, _MOST_WIDTH) for one in told if not one.startswith("@@")]
    if not lines:
        return "the difference is further on than is shown here"
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"… and {more} lines more"] if more > 0 else [])])


def written(found: Sequence[Finding]) -> str:
    """A table, then what differs; empty without any."""
    if not found:
        return ""
    rows = [
        (
            markdown.code(one.path, 200),
            markdown.code(one.job, 200) if one.job else "",
            one.what.value,
            markdown.code(one.detail),
            ", ".join(markdown.code(start, 200) for start in one.starts[:6]),
        )
        for one in found
    ]
    table = markdown.table(("file", "job", "what is new", "what it has", "started by"), rows)
    differences = [
        markdown.details(f"{one.path}: {one.job}", markdown.fenced(one.difference, "diff"))
        for one in found
        if one.difference
    ]
    return "\n".join([table, *differences])


def _lines(value: Any, indent: str = "", lead: str = "") -> Iterator[str]:
    """A document in the form of YAML, keys in one order. `lead`: what stands before its first line."""
    match value:
        case {}:
            first = lead or indent
            for key in sorted(value, key=_order):
                yield from _pair(f"{first}{key}:", value[key], indent)
                first = indent
            if not value:
                yield f"{first}{{}}"
        case [_, *_]:
            for one in value:
                yield from _lines(one, f"{indent}  ", f"{lead or indent}- ")
                lead = ""
        case _:
            yield f"{lead or indent}{_flat(value)}"


def _pair(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield key
        yield from _lines(value, f"{indent}  ")
    elif isinstance(value, str) and "\n" in value:
        yield f"{key} |"
        for one in value.split("\n"):
            yield f"{indent}  {one}"
    else:
        yield f"{key} {_flat(value)}"


def _flat(value: Any) -> str:
    return "[]" if value == [] else "{}" if value == {} else " ".join(str(value).split("\n"))


def _order(key: str) -> tuple[int, str]:
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)
