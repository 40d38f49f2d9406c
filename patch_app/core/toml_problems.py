"""A person's TOML file read into a record, or every problem with its line and what is allowed.

Knows TOML and pydantic's errors, not what the file is about.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from patch_app.core import toml_lines
from patch_app.core.model import Model

MAX_FILE: Final = 65_536
MAX_PROBLEMS: Final = 30

Record = TypeVar("Record", bound=BaseModel)


class Problem(Model):
    """One thing wrong in the file: the line (from 1; None where it can't be told), the key, why."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class ConfigurationError(ValueError):
    """The configuration file is wrong; `problems` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def read(text: str, model: type[Record]) -> Record:
    """Read `text` into a record of `model`. Raises ConfigurationError with what is wrong."""
    if len(text.encode("utf-8", "replace")) > MAX_FILE:
        raise _one(None, f"the file has more than {MAX_FILE} bytes")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        why = str(error)[: at.start()] if at else str(error).removesuffix(" (at end of document)")
        line = int(at[1]) if at else max(1, text.rstrip("\n").count("\n") + 1)
        raise _one(line, f"this is no TOML: {why}") from None
    except RecursionError:
        raise _one(None, "values are nested too deeply") from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        try:
            places = toml_lines.lines(text)
        except RecursionError:  # `a.a.a.a...` nests without brackets, so tomllib takes any number
            raise _one(None, "keys are nested too deeply") from None
        found = [_problem(dict(one), places, model) for one in error.errors(include_url=False)]
        found.sort(key=lambda one: one.line or 0)
        raise ConfigurationError(found[:MAX_PROBLEMS]) from None


def _one(line: int | None, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(line=line, key="", message=message)])


_SENTENCES: Final = {
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "missing": "is missing",
    "string_too_short": "must not be empty",
}


def _problem(
    error: dict[str, Any],
    places: Mapping[toml_lines.Path, int],
    model: type[BaseModel],
) -> Problem:
    """One pydantic error as a line, a key as written and a sentence."""
    path: toml_lines.Path = tuple(error["loc"])
    context = error.get("ctx", {})
    table = len(path) == 1 or (len(path) == 2 and isinstance(path[1], int))
    match error["type"]:
        case "extra_forbidden":
            allowed = ", ".join(_model_at(model, path[:-1]).model_fields)
            message = f"unknown key; allowed here: {allowed}"
        case "value_error":
            message = str(context["error"])
        case "enum" | "literal_error":
            message = "must be one of: " + ", ".join(re.findall(r"'([^']*)'", str(context["expected"])))
        case "model_type" | "model_attributes_type" if table:
            message = f"must be a table, written [{path[0]}]" if len(path) == 1 else _array(path[0])
        case "model_type" | "model_attributes_type":
            message = "must be a table"
        case "tuple_type" if table:
            message = _array(path[0])
        case "too_long":
            message = f"has more than {context['max_length']} entries"
        case "string_too_long":
            message = f"has more than {context['max_length']} characters"
        case other:
            message = _SENTENCES.get(other, str(error["msg"]))
    line = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), None)
    return Problem(line=line, key=_written(path), message=message)


def _array(name: str | int) -> str:
    return f"must be a list of tables, each written [[{name}]]"


def _model_at(model: type[BaseModel], path: toml_lines.Path) -> type[BaseModel]:
    """The model of the table at `path`, found by the annotations of the fields on the way."""
    for name in path:
        if isinstance(name, str) and (field := model.model_fields.get(name)) is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _written(path: toml_lines.Path) -> str:
    """`check.0.timeout` as a person would point at it: `check.timeout`; odd keys in quotes."""
    return ".".join(
        part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else repr(part[:60])
        for part in path
        if isinstance(part, str)
    )
