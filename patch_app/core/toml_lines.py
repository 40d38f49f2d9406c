"""Which line of a TOML document a key stands on. Reads valid documents only; tomllib judges them."""

from __future__ import annotations

import tomllib
from typing import Any, Final

Path = tuple[str | int, ...]

# a statement over more lines than this is not looked through, so that the work stays linear
MAX_STATEMENT_LINES: Final = 200


def lines(text: str) -> dict[Path, int]:
    """Line (from 1) of each table and key of a valid document, by path: `("check", 0, "timeout")`.

    tomllib gives no positions, so statements are found by giving it one more line at a time until it
    takes them. What stands in a statement of more than 200 lines is missing from the answer.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _open(_spine(parsed), statement.lstrip().startswith("[["), counts)
            for depth in range(1, len(table) + 1):
                found.setdefault(table[:depth], number)
        else:
            _note(parsed, table, number, found)
    return found


def _statements(text: str) -> list[tuple[int, str]]:
    out: list[tuple[int, str]] = []
    pending: list[str] = []
    start = 0
    # TOML ends lines with LF or CR LF, nothing else
    for number, line in enumerate(text.split("\n"), 1):
        if not pending:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        pending.append(line.removesuffix("\r"))
        statement = "\n".join(pending)
        if _valid(statement):
            out.append((start, statement))
            pending = []
        elif len(pending) >= MAX_STATEMENT_LINES:
            break
    return out


def _valid(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _spine(parsed: dict[str, Any]) -> tuple[str, ...]:
    out: list[str] = []
    here: Any = parsed
    while isinstance(here, (dict, list)) and here:
        if isinstance(here, list):
            here = here[0]
        else:
            (name, here), *_ = here.items()
            out.append(name)
    return tuple(out)


def _open(header: tuple[str, ...], array: bool, counts: dict[Path, int]) -> Path:
    """The path of `[header]` or `[[header]]`; a part that is an array of tables means its last one."""
    path: Path = ()
    for depth, name in enumerate(header, 1):
        path = (*path, name)
        if array and depth == len(header):
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _note(value: Any, path: Path, number: int, found: dict[Path, int]) -> None:
    if path:
        found.setdefault(path, number)
    if isinstance(value, dict):
        for name, inner in value.items():
            _note(inner, (*path, name), number, found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _note(inner, (*path, index), number, found)
