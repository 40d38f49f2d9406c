"""The reference page and the JSON Schema of `.github/patch-app.toml`, made from its models.

`docs/reference` holds both; a test holds them to this.
"""

from __future__ import annotations

import json
from typing import Any, Final

from patch_app.core import configuration as c
from patch_app.core.configuration_channels import Internal, Public
from patch_app.core.configuration_pull_requests import PullRequests
from patch_app.core.durations import in_words
from patch_app.core.model import Model

_DURATIONS: Final = frozenset({"minimum_age", "timeout"})
_TABLES: Final[tuple[tuple[str, type[Model]], ...]] = (
    ("[upstream]", c.Upstream),
    ("[[stack]]", c.Stack),
    ("[[check]]", c.Check),
    ("[resolver]", c.Resolver),
    ("[promotion]", c.Promotion),
    ("[candidate]", c.Candidate),
    ("[channels.internal]", Internal),
    ("[channels.public]", Public),
    ("[branches]", c.Branches),
    ("[pull_requests]", PullRequests),
    ("[dashboard]", c.Dashboard),
)

_HEAD: Final = """\
# Configuration of a fork

The file is `.github/patch-app.toml` on the default branch. No key is needed: a fork with one maintained
branch, whose upstream is its parent, works without the file. It is pinned when an attempt begins.

A key that isn't listed here is an error, and so is a wrong value: no attempt is started, and its message
gives the line and what is allowed. A JSON Schema is in `patch-app.schema.json`; a commented example in
`workflow-templates/patch-app.toml`.

A duration is written like `"45s"`, `"30m"`, `"2h"` or `"1d12h"`; a whole number means seconds. `[[stack]]`
and `[[check]]` may be given several times, with a `branch` and a `name` of their own each.
"""


def page() -> str:
    """The Markdown page, one section a table of the file."""
    sections = [(heading, (model.__doc__ or "").strip(), model) for heading, model in _TABLES]
    sections.append(
        ("required_checks", "The keys of a table in `required_checks` of `[promotion]`.", c.RequiredCheck)
    )
    parts = [f"## `{heading}`\n\n{about}\n\n{_table(model)}" for heading, about, model in sections]
    return "\n".join([_HEAD, *parts])


def table(key: str) -> type[Model]:
    """The model of a top-level table of the file."""
    return next(model for heading, model in _TABLES if heading.strip("[]") == key)


def _table(model: type[Model]) -> str:
    return f"| key | default | |\n| --- | --- | --- |\n{_rows(model)}"


def _rows(model: type[Model]) -> str:
    out = ""
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _value(name, field.default)
        out += f"| `{name}` | {default} | {(field.description or '').replace('|', '&#124;')} |\n"
    return out


def _value(name: str, value: Any) -> str:
    if value in (None, ""):
        return ""
    if name in _DURATIONS:
        value = in_words(value)
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the file, as text."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **c.Configuration.model_json_schema(),
    }
    return json.dumps(document, indent=2) + "\n"
