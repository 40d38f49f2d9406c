"""Where on the carried commit a conflict is, for annotations: paths and lines of the report's diff. Pure.

The diff goes from what was carried so far to the merge with its markers, so its old side is the commit
that the annotations stand on. Refuses to guess: what has no markers is told at the file's first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from patch_app.core import markdown
from patch_app.core.effects import MOST_ANNOTATIONS, Annotation
from patch_app.core.report import Conflict

_MESSAGE: Final = 1000
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
# after this, the diff is the patch's own, whose lines are no lines of the commit
_OTHER_SIDE: Final = "What the patch does to files"


def annotated(conflict: Conflict, subject: str) -> tuple[Annotation, ...]:
    """One for each conflict in each file, in the report's order, as many as GitHub takes at once."""
    lines = _lines(conflict.diff)
    found = [
        Annotation(
            path=one.path[:4096],
            start_line=start,
            end_line=end,
            title=markdown.line(one.kind, 200) or "conflict",
            message=markdown.line(f"{subject}: conflicts with what is here", _MESSAGE),
        )
        for one in conflict.files
        for start, end in lines.get(one.path) or [(1, 1)]
    ]
    return tuple(found[:MOST_ANNOTATIONS])


def _lines(diff: str) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    path = ""
    rows = iter(diff.split("\n"))
    for row in rows:
        if row.startswith(_OTHER_SIDE):
            break
        if row.startswith("diff "):
            path = ""
        elif row.startswith("+++ b/"):
            # git ends a name that has spaces with a tab
            path = row.removeprefix("+++ b/").removesuffix("\t")
        elif path and (hunk := _HUNK.match(row)):
            counts = [1 if one is None else int(one) for one in (hunk[2], hunk[4])]
            found.setdefault(path, []).extend(_of_hunk(rows, int(hunk[1]), counts))
    return found


def _of_hunk(rows: Iterator[str], line: int, counts: list[int]) -> Iterator[tuple[int, int]]:
    """Ranges of the old side between `<<<<<<<` and what ends that side. Rows are counted, not believed:
    a file's own line may look like a header.
    """
    old, new = counts
    start = 0
    while old > 0 or new > 0:
        row = next(rows, None)
        if row is None:
            break
        if row.startswith("+<<<<<<< "):
            start = line
        elif start and row.startswith(("+=======", "+||||||| ")):
            yield max(1, start), max(1, start, line - 1)
            start = 0
        if row.startswith("\\"):
            continue  # "No newline at end of file" is no line
        old -= not row.startswith("+")
        new -= not row.startswith("-")
        line += not row.startswith("+")
