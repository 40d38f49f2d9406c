"""The lines of a release's notes that say that something breaks. Pure.

Takes what is marked: `[BREAKING]`, `BREAKING CHANGE`, `feat!:`, and what stands below a heading of that.
Refuses to judge: the lines are shown as they are, and where nothing is marked, nothing is promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from patch_app.core import markdown
from patch_app.core.model import Model

MOST_LINES: Final = 40
LONGEST_LINE: Final = 300
# what is looked through; GitHub takes 125,000 characters
_LONGEST: Final = 200_000

_BREAKS = re.compile(
    r"\[breaking\]|\bbreaking[ -]changes?\b|\bbreaking:|\bbackwards?[ -]incompatib|^BREAKING\b",
    re.IGNORECASE,
)
# conventional commits: a mark before the colon
_MARKED = re.compile(
    r"(?:build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)(?:\([^()]{0,80}\))?!:", re.IGNORECASE
)
_NONE = re.compile(
    r"\b(?:no|without)(?: known)? breaking[ -]changes?\b|^(?:none|n/a|nothing)\W*$", re.IGNORECASE
)
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
# a line of bold text alone, or one that ends in a colon, begins a list as a heading does
_SMALL_HEADING = re.compile(r"\s*(?:(?:\*\*|__)(?P<bold>.+?)(?:\*\*|__):?|(?P<plain>[^\s*+-].{0,120}):)\s*$")
_BREAKING_HEADING = re.compile(r"\bbreaking\b|\bbackwards?[ -]incompatib", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:[*+-]|\d{1,3}[.)])\s+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class ReleaseNotes(Model):
    """A release's page, and what of its notes says that something breaks."""

    url: str = ""
    breaking: tuple[str, ...] = ()
    # lines beyond those
    more: int = 0


def read(node: Any) -> ReleaseNotes | None:
    """From `description url` of GraphQL's release; None where the tag has no release."""
    if not isinstance(node, dict):
        return None
    found = breaking(str(node.get("description") or ""))
    return ReleaseNotes(
        url=str(node.get("url") or "")[:2000],
        breaking=tuple(found[:MOST_LINES]),
        more=max(0, len(found) - MOST_LINES),
    )


def breaking(text: str) -> list[str]:
    """The lines, in their order, without what makes them items of a list; each once."""
    found = [markdown.line(line, LONGEST_LINE) for line in _lines(text[:_LONGEST])]
    return list(dict.fromkeys(line for line in found if line and not _NONE.search(line)))


def _lines(text: str) -> Iterator[str]:
    level = 0  # of the heading that says so and that we are below; 7 for a small one; 0: none
    for line in _shown(text):
        heading = _HEADING.match(line)
        small = None if heading else _SMALL_HEADING.match(line)
        if heading:
            depth = len(heading[1])
            if level and depth > level:
                yield heading[2]
            else:
                level = depth if _BREAKING_HEADING.search(heading[2]) else 0
        elif small and not _ITEM.match(line) and _BREAKING_HEADING.search(line):
            level = level or 7
        elif small and level == 7:
            level = 0
        elif level or _BREAKS.search(line) or _MARKED.match(_ITEM.sub("", line, count=1)):
            yield _ITEM.sub("", line, count=1)


def _shown(text: str) -> Iterator[str]:
    """Lines outside blocks of code and comments that nobody sees."""
    fence = ""
    for line in re.sub(r"<!--.*?(?:-->|\Z)", "", text, flags=re.DOTALL).splitlines():
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and line.strip() == mark[1] else fence
        elif mark:
            fence = mark[1]
        else:
            yield line
