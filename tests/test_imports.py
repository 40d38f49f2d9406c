"""Imports point inward: `cli, web, engine -> github, upstream, store -> core`. Read from the syntax."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "patch_app"

INNER = {"core"}
ADAPTERS = {"github", "upstream", "store"}
LEAVES = {"settings", "logs", "credentials", "identity", "admin_token", "data_dir", "terminal"}
OUTER = INNER | ADAPTERS | LEAVES | {"engine", "web"}
# what each part of the package may import of the package, besides itself
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "runner": set(),
    "credentials": set(),
    "admin_token": set(),
    "settings": {"credentials", "admin_token"},
    "data_dir": {"settings"},
    "identity": {"credentials", "settings"},
    "logs": {"settings"},
    "github": INNER,
    # GitHub releases are read with the App's one client to GitHub
    "upstream": INNER | {"github"},
    "store": INNER,
    "engine": INNER | ADAPTERS | LEAVES,
    "web": INNER | ADAPTERS | LEAVES,
    "terminal": set(),
    "preview_view": INNER | {"terminal"},
    "preview_shape": INNER | {"runner"},
    "preview_source": {"runner"},
    "preview": INNER | {"runner", "preview_shape", "preview_source", "preview_view", "terminal"},
    "forge": {"terminal"},
    # what the commands do: the server's parts put together, an operator's commands
    "serve": OUTER,
    "operator": OUTER | {"serve"},
    "checkout": INNER,
    "doctor_view": INNER | {"terminal"},
    "examine": OUTER | {"operator", "checkout", "doctor_view"},
    "cli": OUTER | {"examine"} | {"serve", "operator", "preview", "preview_shape", "demo"},
    "__main__": {"cli"},
    "demo": OUTER | {"serve", "operator", "forge"},
}
# single edges beside these, each with its reason
EXCEPTIONS = {
    # `patch-app forge` serves the local GitHub alone
    ("patch_app.cli", "patch_app.forge.cli"),
}
# the runner runs on a fork with Python alone, core is rules without I/O
THIRD_PARTY: dict[str, set[str]] = {"core": {"pydantic"}, "runner": set()}
# standard library that does I/O or asks for time and chance has no place in rules
NOT_IN_CORE = {
    "asyncio",
    "http",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}


def imported(source: str, module: str, *, package: bool = False) -> Iterator[str]:
    """Full names of the modules that a module imports, wherever in it, relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                above = parts[: len(parts) - node.level + (1 if package else 0)]
                base = ".".join([*above, *([node.module] if node.module else [])])
            # `from patch_app import x` imports patch_app.x
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "patch_app" else [base]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def wrong(source: str, module: str, *, package: bool = False) -> list[str]:
    """What a module imports against the direction, one line each."""
    part = module.split(".")[1] if "." in module else ""
    out = []
    for name in imported(source, module, package=package):
        root, *rest = name.split(".")
        if root == "patch_app":
            other = rest[0] if rest else ""
            fine = other == part or other in ALLOWED.get(part, set()) or (module, name) in EXCEPTIONS
        elif part in THIRD_PARTY:
            fine = root in sys.stdlib_module_names or root in THIRD_PARTY[part]
            fine = fine and not (part == "core" and root in NOT_IN_CORE)
        else:
            fine = True
        if not fine:
            out.append(f"{module} imports {name}")
    return out


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def test_no_module_imports_against_the_direction() -> None:
    found = [
        line
        for module, path in modules()
        for line in wrong(path.read_text(encoding="utf-8"), module, package=path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_every_part_has_its_place() -> None:
    parts = {module.split(".")[1] for module, _ in modules() if "." in module}
    assert parts <= set(ALLOWED), "a new part: say in ALLOWED what it may import"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("patch_app.core.x", "import httpx"),
        ("patch_app.core.x", "from patch_app.store import tables"),
        ("patch_app.core.x", "from ..github import client"),
        ("patch_app.core.x", "from patch_app import settings"),
        ("patch_app.core.x", "import subprocess"),
        ("patch_app.core.x", "def f():\n    import yaml"),
        ("patch_app.core.x", "if TYPE_CHECKING:\n    from patch_app.engine import loop"),
        ("patch_app.core.x", "import importlib\nimportlib.import_module('patch_app.web.app')"),
        ("patch_app.runner.x", "from patch_app.core import report"),
        ("patch_app.runner.x", "import pydantic"),
        ("patch_app.runner.x", "from ..core import names"),
        ("patch_app.store.x", "from patch_app.github import client"),
        ("patch_app.github.x", "import patch_app.engine.loop"),
        ("patch_app.web.x", "from patch_app.forge import server"),
        ("patch_app.engine.x", "from patch_app.web import app"),
        ("patch_app.cli", "from patch_app.forge.server import Forge"),
        ("patch_app.forge.x", "from patch_app.core import names"),
    ],
)
def test_an_import_against_the_direction_is_found(module: str, source: str) -> None:
    assert len(wrong(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source", "package"),
    [
        (
            "patch_app.core.x",
            "import json\nfrom pydantic import Field\nfrom . import names\nfrom .model import Model",
            False,
        ),
        ("patch_app.core", "from . import names\nfrom .model import Model", True),
        ("patch_app.runner.x", "from . import git\nimport subprocess", False),
        (
            "patch_app.engine.x",
            "from ..core import names\nfrom patch_app.store.store import Store\nimport httpx",
            False,
        ),
        ("patch_app.demo.x", "from patch_app.forge.server import Forge", False),
        ("patch_app.cli", "def f():\n    from patch_app.forge.cli import serve", False),
    ],
)
def test_an_import_in_the_direction_is_fine(module: str, source: str, package: bool) -> None:
    assert wrong(source, module, package=package) == []
