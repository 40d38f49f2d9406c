"""What goes to a terminal: text is text. The one place that makes a console.

Refuses to hand on what a terminal would obey or what reorders what is read: control characters, bidirectional
and other format characters. Nothing in a string is markup: who wants a style says so with Text or `style`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

# what lines of a file are laid out with
_LAYOUT: Final = frozenset("\n\t")


class Terminal(Console):
    """A console whose strings are text, and whose every character can be shown. Options: those of Console."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, markup=False, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything, without what a terminal would obey.

        Rich's own control segments move the cursor of a spinner; they hold nothing foreign.
        """
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else shown(text), style, control)

    def print_data(self, data: Any) -> None:
        """JSON for programs and people: everything but ASCII is escaped, no line is folded."""
        self.print(json.dumps(data, indent=2, ensure_ascii=True), soft_wrap=True)


def shown(text: str) -> str:
    """The text with a space for each character that a terminal would obey or that hides or reorders others.

    Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _LAYOUT else " " for char in text)


def plain(value: str | None, limit: int = 2000) -> Text:
    """Foreign text on one line."""
    flat = " ".join(shown(value or "").split())
    return Text(flat if len(flat) <= limit else flat[: limit - 1] + "…")


def block(value: str) -> Text:
    """Foreign text of several lines."""
    return Text(shown(value))


def table(*headers: str, rows: Iterable[Iterable[Any]], **looks: Any) -> Table:
    """A table of foreign text, each cell on one line. `looks`: options of Rich's Table."""
    made = Table(*headers, **looks)
    for row in rows:
        made.add_row(*(plain(str(cell)) for cell in row))
    return made
