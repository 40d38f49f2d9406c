"""Writes docs/reference/cli.md from the `--help` of every command: `python -m tests.cli_reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from patch_app.cli import app

FILE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
WIDTH = 88

_HEAD = """\
# Command line

Written from `--help` of every command by `python -m tests.cli_reference`. With `uv run` in front, a command
runs in a clone of this repository.

Exit status, where a command says nothing else: 0 done, 1 it could not be done, 2 wrong usage or settings.
The commands `serve`, `open`, `run release`, `install`, `doctor`, `attempts`, `sync`, `retry`, `replay`,
`go-back` and `rollback` take the [settings of the server](settings.md) from the environment.
[preview](preview.md) has a page of its own.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Each command with its full name, groups before what is in them."""
    yield from _walk("patch-app", get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {part}", inner)


def help_of(name: str, command: Any) -> str:
    """The help as plain text: boxes and colours depend on the terminal."""
    command.rich_markup_mode = None
    context = command.context_class(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    text: str = command.get_help(context)
    return "\n".join(line.rstrip() for line in text.splitlines())


def reference() -> str:
    parts = [f"## {name}\n\n```text\n{help_of(name, command)}\n```\n" for name, command in commands()]
    return "\n".join([_HEAD, *parts])


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
