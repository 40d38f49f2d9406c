"""The documentation says what there is, and only that: names have their place, links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage, Status, status
from patch_app.core.commands import Name
from patch_app.core.configuration import Configuration
from patch_app.core.effects import EFFECT, EffectState
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.findings import Code
from patch_app.core.hints import HEARD, INSTALLATION
from patch_app.settings import NOT_YET, Settings
from tests import cli_reference

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
MANIFEST = json.loads((ROOT / "app-manifest.json").read_text(encoding="utf-8"))


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(name: str, after: str = "", before: str | None = None) -> dict[str, list[str]]:
    """Rows of a page's tables, by the name in their first cell; a name has one row."""
    found: dict[str, list[str]] = {}
    text = read(name).partition(after)[2] if after else read(name)
    for line in (text.partition(before)[0] if before else text).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `"):
            key = cells[0].strip("`")
            assert key not in found, f"{name} has two rows for {key}"
            found[key] = [cell.strip("`") for cell in cells[1:]]
    return found


# What there is has its place ----------------------------------------------------------------------


def test_the_command_line_has_changed_since_its_reference_was_written() -> None:
    written = cli_reference.FILE.read_text(encoding="utf-8")
    assert written == cli_reference.reference(), "run: python -m tests.cli_reference"


def test_a_setting_that_nobody_can_read_about() -> None:
    there = rows("reference/settings.md")
    assert {name.upper() for name in Settings.model_fields} | set(NOT_YET) == set(there)


def test_a_key_of_the_configuration_that_nobody_can_read_about() -> None:
    text = read("reference/configuration.md")
    schema = Configuration.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = {"": schema, **schema["$defs"]}
    keys = {key for one in definitions.values() for key in one.get("properties", {})}
    # a key of its own, or a part of a table's heading
    said = {key for key in keys if re.search(rf"`\[*(?:\w+\.)?{re.escape(key)}(?:\.\w+)?\]*`", text)}
    assert keys - said == set()


def test_a_stage_whose_status_the_page_tells_wrong() -> None:
    there = rows("reference/stages-and-statuses.md")
    told = {stage.value: there[stage.value][0] for stage in Stage}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    blank = Attempt(
        id="a",
        event="e",
        installation_id=1,
        repository_id=1,
        repository="o/r",
        upstream="u/r",
        tag="v1",
        stack="main",
        created=now,
        updated=now,
    )
    assert told == {stage.value: status(blank.model_copy(update={"stage": stage})).value for stage in Stage}


def test_a_status_or_effect_that_nobody_can_read_about() -> None:
    text = read("reference/stages-and-statuses.md")
    kinds = EFFECT.json_schema()["discriminator"]["mapping"]
    wanted = {*(one.value for one in Status), *(one.value for one in EffectState), *kinds}
    assert {name for name in wanted if f"`{name}`" not in text} == set()
    assert set(kinds) | {one.value for one in EffectState} | {one.value for one in Stage} == set(
        rows("reference/stages-and-statuses.md")
    )


def test_a_finding_that_nobody_can_read_about() -> None:
    assert {code.value for code in Code} == set(rows("reference/findings.md"))


def test_a_command_that_nobody_can_read_about() -> None:
    told = re.findall(r"^\| `/patch ([a-z-]+)", read("reference/commands.md"), re.MULTILINE)
    assert sorted(told) == sorted(name.value for name in Name)


def test_an_event_that_nobody_can_read_about() -> None:
    there = rows("reference/events.md")
    assert {kind.value for kind in Kind} | set(ReleaseEvent.model_fields) == set(there)


def test_a_ref_that_nobody_can_read_about() -> None:
    attempt = "<attempt>"
    wanted = {
        names.RUNNER_REF,
        names.ONBOARDING_REF,
        names.target_ref(attempt),
        names.inbox_prefix(attempt) + "<run attempt>",
        names.candidate_ref(attempt),
        names.archive_ref(attempt),
        names.base_branch("STACK", "TAG"),
        names.maintenance_branch("STACK", "TAG"),
        names.candidate_tag("STACK", "TAG"),
        names.WORKFLOW_PATH,
        names.CONFIGURATION_PATH,
        names.run_name(attempt),
        names.check_name("<stack>"),
    }
    there = rows("reference/refs.md")
    text = read("reference/refs.md")
    ours = (*names.branches_of_ours(attempt, "<stack>"), "patch-app/runner", "patch-app/onboarding")
    told = (one.removesuffix("/1").replace("=3Cstack=3E", "<stack>") for one in ours)
    assert all(f"`{one}" in text for one in told)
    assert {one.replace("TAG", "<tag>").replace("STACK", "<stack>") for one in wanted} <= set(there)
    assert f"`{names.INSTALLED_TRAILER}`" in read("reference/refs.md")


# Permissions: the manifest, the code and the page ---------------------------------------------------


def requested() -> Iterator[tuple[str, str, str]]:
    """Every permission that the code asks a token for, its level, and the module: read from the syntax."""
    known = {*MANIFEST["default_permissions"], "administration"}
    for module, tree in asking():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                pairs = [(k, v) for k, v in zip(node.keys, node.values, strict=True) if k is not None]
            elif isinstance(node, ast.Call):
                pairs = [(ast.Constant(word.arg), word.value) for word in node.keywords if word.arg]
            else:
                continue
            for key, value in pairs:
                said = isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
                if said and key.value in known and value.value in ("read", "write"):
                    yield str(key.value), str(value.value), module


def asking() -> Iterator[tuple[str, ast.Module]]:
    """The modules that may ask GitHub for a token."""
    for path in sorted((ROOT / "patch_app").rglob("*.py")):
        if "forge" not in path.parts and "runner" not in path.parts:
            yield (
                path.relative_to(ROOT / "patch_app").as_posix(),
                ast.parse(path.read_text(encoding="utf-8")),
            )


def test_a_token_whose_permissions_are_not_to_be_read_from_the_code() -> None:
    unread = []
    for module, tree in asking():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr != "installation" or len(node.args) < 3:
                continue
            # a literal, a constant of such a literal, or what `_client(..., issues="write")` collects
            named = isinstance(node.args[2], ast.Name) and re.fullmatch("[A-Z]+|permissions", node.args[2].id)
            if not (named or isinstance(node.args[2], ast.Dict)):
                unread.append(f"{module}:{node.lineno}")
    assert unread == []


def test_a_permission_that_is_asked_for_and_not_used_or_used_and_not_asked_for() -> None:
    used: dict[str, str] = {}
    for name, level, _ in requested():
        used[name] = max(level, used.get(name, ""))  # "write" sorts after "read"
    # used where an owner has given it, and never asked for
    assert used.pop("administration") == "read"
    assert "`administration` is not asked for" in read("reference/permissions.md")
    assert used == MANIFEST["default_permissions"]


def test_a_permission_or_event_without_a_reason() -> None:
    permissions = rows("reference/permissions.md", before="## Which operation")
    assert {name: row[0] for name, row in permissions.items()} == MANIFEST["default_permissions"]
    events = rows("reference/permissions.md", after="## Events")
    assert set(events) == set(MANIFEST["default_events"])
    assert all(all(row) for row in [*permissions.values(), *events.values()])


def test_an_event_that_is_subscribed_to_and_not_heard_or_heard_and_not_subscribed_to() -> None:
    assert sorted(HEARD) == sorted(MANIFEST["default_events"])
    assert not INSTALLATION & set(MANIFEST["default_events"]), "GitHub refuses to subscribe to these"
    told = read("reference/permissions.md").partition("## Events")[2]
    assert all(f"`{name}`" in told for name in INSTALLATION)


# What is written is so -----------------------------------------------------------------------------


def slug(heading: str) -> str:
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    lines = prose(page.read_text(encoding="utf-8")).splitlines()
    return {slug(line.lstrip("#")) for line in lines if line.startswith("#")}


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_link_that_leads_nowhere(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def mentions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Commands of ours within code, each with the options that follow on its line."""
    code = [
        *re.findall(r"^```[a-z]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL),
        *re.findall(r"^ {4}(patch-app .*)$", text, flags=re.MULTILINE),
        *re.findall(r"`([^`\n]+)`", prose(text)),
    ]
    for block in code:
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"\bpatch-app((?: [a-z][a-z-]*)+)?((?: .*)?)$", line)
            if found and found[1]:
                yield found[1].strip(), re.findall(r"(?<![\w-])--[a-z-]+", found[2].split("#")[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_command_or_option_that_does_not_exist(page: Path) -> None:
    known = {name.removeprefix("patch-app").strip(): command for name, command in cli_reference.commands()}
    wrong = []
    for words, options in mentions(page.read_text(encoding="utf-8")):
        name = next(
            (n for n in sorted(known, key=len, reverse=True) if n and f"{words} ".startswith(f"{n} ")), None
        )
        if name is None:
            wrong.append(words)
            continue
        there = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
        wrong += [f"{name} {option}" for option in options if option not in there]
    assert wrong == []
