"""Tells the demo's story in the terminal as it happens. Knows nothing of what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Narrator:
    """Lines with the seconds since the start. `clock`: seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._start = clock()

    def chapter(self, title: str) -> None:
        """A heading."""
        self.console.print()
        self.console.print(f"[bold]{escape(title)}[/bold]")

    def say(self, who: str, what: str) -> None:
        """Somebody does something."""
        self.console.print(
            f"[dim]{self._elapsed():>5.1f}s[/dim]  [cyan]{escape(who):<10}[/cyan] {escape(what)}",
            soft_wrap=True,
        )

    def seen(self, what: str) -> None:
        """Something was looked at and is so."""
        self.console.print(
            f"[dim]{self._elapsed():>5.1f}s[/dim]  [green]{'seen':<10}[/green] {escape(what)}", soft_wrap=True
        )

    def failed(self, what: str) -> None:
        """A step did not happen."""
        self.console.print(
            f"[dim]{self._elapsed():>5.1f}s[/dim]  [bold red]{'missing':<10}[/bold red] {escape(what)}",
            soft_wrap=True,
        )

    def table(self, headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Rows of text."""
        table = Table(*headers, box=None, pad_edge=True, header_style="dim")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    def _elapsed(self) -> float:
        return self._clock() - self._start
