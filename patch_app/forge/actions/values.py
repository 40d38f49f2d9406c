"""Values of GitHub's expressions: conversions, comparison and the built-in functions.

Pure. It refuses functions that need a work tree (`hashFiles`): nothing is checked out when a job is planned.

Rules: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions (operators, functions)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any


class ValueConversionError(Exception):
    """A function was called in a way GitHub refuses."""


def truthy(value: Any) -> bool:
    """GitHub's falsy values: false, 0, -0, "", null, NaN."""
    match value:
        case None | False | "":
            return False
        case int() | float():
            return not (value == 0 or math.isnan(value))
    return True


def number(text: str) -> float:
    """A number as an expression or a string writes it. Errors: ValueError."""
    lowered = text.lower().lstrip("+")
    if lowered.startswith(("0x", "0o")):
        return float(int(lowered, 0))
    return float(lowered)


def to_number(value: Any) -> float:
    """GitHub's coercion to a number; NaN where there is none."""
    match value:
        case None:
            return 0.0
        case bool() | int() | float():
            return float(value)
        case str():
            try:
                return number(value.strip()) if value.strip() else 0.0
            except ValueError:
                return math.nan
    return math.nan


def text(value: Any) -> str:
    """A value as GitHub puts it into a string."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number_text(value)
        case str():
            return value
        case list():
            return "Array"
    return "Object"


def _number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.15g}"


def lookup(mapping: Mapping[str, Any], key: str, *, missing: Any) -> Any:
    """A property, whatever the case it is written in."""
    if key in mapping:
        return mapping[key]
    lowered = key.lower()
    return next((value for name, value in mapping.items() if str(name).lower() == lowered), missing)


def _comparable(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both sides as the same type, or None where they can only be compared by identity."""
    if isinstance(left, str) and isinstance(right, str):
        return left.upper(), right.upper()
    if isinstance(left, (list, Mapping)) or isinstance(right, (list, Mapping)):
        return None
    return to_number(left), to_number(right)


def equal(left: Any, right: Any) -> bool:
    """`==`: loose, strings without regard to case, objects and arrays by identity."""
    if left is None and right is None:
        return True
    sides = _comparable(left, right)
    return left is right if sides is None else bool(sides[0] == sides[1])


def ordered(op: str, left: Any, right: Any) -> bool:
    """`<`, `<=`, `>`, `>=`; false where the sides can't be compared."""
    sides = _comparable(left, right)
    if sides is None:
        return False
    first, second = sides
    match op:
        case "<":
            return bool(first < second)
        case "<=":
            return bool(first <= second)
        case ">":
            return bool(first > second)
    return bool(first >= second)


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(equal(item, what) for item in where)
    if isinstance(where, Mapping):
        return False
    return text(what).upper() in text(where).upper()


def _format(template: Any, *arguments: Any) -> str:
    def one(match: re.Match[str]) -> str:
        found = match.group(0)
        if found in {"{{", "}}"}:
            return found[0]
        if not match.group(1) or int(match.group(1)) >= len(arguments):
            raise ValueConversionError("format() names an argument that it was not given")
        return text(arguments[int(match.group(1))])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}|[{}]", one, text(template))


def _join(items: Any, separator: Any = ",") -> str:
    if isinstance(items, list):
        return text(separator).join(text(item) for item in items)
    return text(items)


def plain(value: Any) -> Any:
    """A value with whole floats as integers, ready for JSON. NaN and infinities become null."""
    match value:
        case bool():
            return value
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value == int(value) else value
        case list():
            return [plain(item) for item in value]
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
    return value


def _from_json(value: Any) -> Any:
    try:
        return json.loads(text(value))
    except ValueError as problem:
        raise ValueConversionError(f"fromJSON() was given something that is not JSON: {problem}") from None


_ARITY = {
    "contains": (2, 2),
    "startswith": (2, 2),
    "endswith": (2, 2),
    "format": (1, 255),
    "join": (1, 2),
    "tojson": (1, 1),
    "fromjson": (1, 1),
}


def call(name: str, arguments: list[Any]) -> Any:
    """Call the built-in function `name` (lower case). Errors: ValueConversionError."""
    if name not in _ARITY:
        raise ValueConversionError(f"the function {name}() is not available here")
    least, most = _ARITY[name]
    if not least <= len(arguments) <= most:
        raise ValueConversionError(f"{name}() takes {least} to {most} arguments, not {len(arguments)}")
    match name:
        case "contains":
            return _contains(*arguments)
        case "startswith":
            return text(arguments[0]).upper().startswith(text(arguments[1]).upper())
        case "endswith":
            return text(arguments[0]).upper().endswith(text(arguments[1]).upper())
        case "format":
            return _format(*arguments)
        case "join":
            return _join(*arguments)
        case "tojson":
            return json.dumps(plain(arguments[0]), indent=2, ensure_ascii=False)
    return _from_json(arguments[0])
