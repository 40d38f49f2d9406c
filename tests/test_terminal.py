"""Text of strangers in a terminal: shown, never obeyed, whoever prints it."""

from __future__ import annotations

import ast
import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from patch_app import operator
from patch_app.core.attempt import Stage
from patch_app.settings import Settings
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.store import Store
from patch_app.terminal import Terminal, plain, shown, table
from tests.core.samples import NOW, attempt

PACKAGE = Path(__file__).parents[1] / "patch_app"
HOSTILE = "\x1b[2J\x1b]0;gone\x07\x9b31m\x7f\u202eevil\u2066\u200b\u2028\r [red]\\[/ [/] :smile: [link=x]"


def printed(*what: Any, **options: Any) -> str:
    out = io.StringIO()
    console = Terminal(file=out, width=200, force_terminal=True, color_system=None)
    for one in what:
        console.print(one, **options)
    return out.getvalue()


def safe(text: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in text)


def test_every_way_to_print_shows_and_never_obeys() -> None:
    plain_table = Table(HOSTILE)
    plain_table.add_row(HOSTILE)
    for one in (HOSTILE, Text(HOSTILE), Panel(HOSTILE), plain(HOSTILE), table("a", rows=[[HOSTILE]])):
        said = printed(one)
        assert safe(said), one
        assert "[red]\\[/ [/] :smile: [link=x]" in said
    assert safe(printed(plain_table))
    assert safe(printed(Text("x"), style="bold"))


def test_lines_and_tabs_of_a_file_stay() -> None:
    assert shown("a\tb\nc\x1bd") == "a\tb\nc d"


def test_json_is_ascii_and_whole_at_any_width() -> None:
    out = io.StringIO()
    Terminal(file=out, width=20).print_data({"message": HOSTILE * 10})
    assert out.getvalue().isascii()
    assert safe(out.getvalue())
    assert json.loads(out.getvalue()) == {"message": HOSTILE * 10}


@pytest.mark.parametrize("as_json", [False, True])
def test_an_attempt_whose_release_and_message_are_hostile_is_listed(tmp_path: Path, as_json: bool) -> None:
    store = Store.open(tmp_path)
    hostile = attempt(None, stage=Stage.BLOCKED, message=HOSTILE, stack="a[/b", version=0)

    async def keep() -> None:
        await store.advance(AdvanceCommit(expected_version=None, attempt=hostile, due=NOW, history=[HOSTILE]))

    asyncio.run(keep())
    store.close()
    for wanted in (None, hostile.id):
        out = io.StringIO()
        console = Terminal(file=out, width=300)
        settings = Settings(data_dir=tmp_path)
        done = operator.attempts(settings, console, attempt=wanted, as_json=as_json)
        assert asyncio.run(done) == 0
        assert safe(out.getvalue())
        assert "a[/b" in out.getvalue()
    console = Terminal(file=(out := io.StringIO()), width=300)
    refused = operator.run(console, lambda: operator.wish(settings, console, operator.Kind.SYNC, HOSTILE))
    assert (refused, safe(out.getvalue())) == (2, True)


def test_no_other_module_makes_a_console_or_prints() -> None:
    """A console of Rich's own would take a stranger's `[` for markup, `print` an escape for a command."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "terminal.py" and "runner" not in path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.ImportFrom) and node.module in ("rich.console", "rich"))
        or (isinstance(node, ast.Import) and any(one.name.startswith("rich") for one in node.names))
    ]
    assert found == []
