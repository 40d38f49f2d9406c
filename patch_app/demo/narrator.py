"""Tells the demo's story in the terminal as it happens. Knows nothing of what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.text import Text

from patch_app.terminal import Terminal, plain, table


class Narrator:
    """Lines with the seconds since the start. `clock`: seconds."""

    def __init__(self, console: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._start = clock()

    def chapter(self, title: str) -> None:
        """A heading."""
        self.console.print()
        self.console.print(plain(title), style="bold")

    def say(self, who: str, what: str) -> None:
        """Somebody does something."""
        self._line(who, "cyan", what)

    def seen(self, what: str) -> None:
        """Something was looked at and is so."""
        self._line("seen", "green", what)

    def failed(self, what: str) -> None:
        """A step did not happen."""
        self._line("missing", "bold red", what)

    def table(self, headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Rows of text."""
        self.console.print(table(*headers, rows=rows, box=None, pad_edge=True, header_style="dim"))

    def _line(self, who: str, style: str, what: str) -> None:
        line = Text(f"{self._clock() - self._start:>5.1f}s  ", style="dim")
        line.append(f"{plain(who).plain:<10} ", style=f"not dim {style}")
        line.append(plain(what).plain, style="not dim")
        self.console.print(line, soft_wrap=True)
