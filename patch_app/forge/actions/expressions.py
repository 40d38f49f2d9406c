"""Evaluate GitHub's `${{ }}` expressions where a workflow's orchestration needs them.

That is `run-name`, `concurrency`, and a job's `if`, `name`, `strategy`, `runs-on` and `timeout-minutes`.

It refuses to evaluate what belongs to a step: those expressions stay in the file and are act's. It refuses
what it doesn't know (`ExpressionError`) instead of giving an empty value.

Rules: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from patch_app.forge.actions import values

# null, bool, float, str, list or dict, as in JSON
Value = Any
Function = Callable[[list[Value]], Value]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.]))
    | (?P<string>'(?:[^']|'')*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<op>&&|\|\||==|!=|<=|>=|[<>!()\[\].,*])
    )""",
    re.VERBOSE,
)
_STATUS_FUNCTIONS = frozenset({"success", "failure", "always", "cancelled"})
_MAX_DEPTH = 50


class ExpressionError(Exception):
    """The expression is not one that GitHub would take, or it asks for something that isn't known here."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an expression can see."""

    # context name (github, inputs, needs, matrix, ...) -> its value
    names: Mapping[str, Value]
    # status functions; in a place without them (run-name) the mapping is empty
    status: Mapping[str, bool]

    def with_names(self, **more: Value) -> Context:
        """The same context with further names."""
        return Context(names={**self.names, **more}, status=self.status)


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str
    text: str


class _Filtered(list[Value]):
    """The result of `.*`: a further `.name` applies to each element."""


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"unexpected {stripped[position : position + 20]!r} in an expression")
        found.append(_Token(kind=match.lastgroup, text=match.group(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    """Recursive descent which evaluates as it reads; `live` is false on the side of && or || not taken."""

    def __init__(self, text: str, context: Context) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._context = context
        self._live = True

    def whole(self) -> Value:
        value = self._either()
        if self._next != len(self._tokens):
            raise ExpressionError(f"unexpected {self._tokens[self._next].text!r} in an expression")
        return value

    def _peek(self) -> str:
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        return token.text if token is not None and token.kind == "op" else ""

    def _accept(self, *ops: str) -> str:
        op = self._peek()
        if op and op in ops:
            self._next += 1
            return op
        return ""

    def _expect(self, op: str) -> None:
        if not self._accept(op):
            raise ExpressionError(f"expected {op!r} in an expression")

    def _short(self, operand: Callable[[], Value], op: str, keep_left: Callable[[Value], bool]) -> Value:
        value = operand()
        while self._accept(op):
            kept = keep_left(value)
            before, self._live = self._live, self._live and not kept
            right = operand()
            self._live = before
            value = value if kept else right
        return value

    def _either(self) -> Value:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ExpressionError("an expression is nested too deeply")
        value = self._short(self._both, "||", values.truthy)
        self._depth -= 1
        return value

    def _both(self) -> Value:
        return self._short(self._equality, "&&", lambda left: not values.truthy(left))

    def _equality(self) -> Value:
        value = self._order()
        while op := self._accept("==", "!="):
            value = values.equal(value, self._order()) is (op == "==")
        return value

    def _order(self) -> Value:
        value = self._unary()
        while op := self._accept("<=", ">=", "<", ">"):
            value = values.ordered(op, value, self._unary())
        return value

    def _unary(self) -> Value:
        negations = 0
        while self._accept("!"):
            negations += 1
        value = self._postfix(self._primary())
        if not negations:
            return value
        return values.truthy(value) is (negations % 2 == 0)

    def _primary(self) -> Value:
        if self._accept("("):
            value = self._either()
            self._expect(")")
            return value
        if self._next >= len(self._tokens):
            raise ExpressionError("an expression ends too early")
        token = self._tokens[self._next]
        self._next += 1
        match token.kind:
            case "number":
                return values.number(token.text)
            case "string":
                return token.text[1:-1].replace("''", "'")
            case "name":
                return self._named(token.text)
        raise ExpressionError(f"unexpected {token.text!r} in an expression")

    def _named(self, name: str) -> Value:
        if self._accept("("):
            arguments: list[Value] = []
            while not self._accept(")"):
                if arguments:
                    self._expect(",")
                arguments.append(self._either())
            return self._call(name, arguments) if self._live else None
        literals = {"true": True, "false": False, "null": None}
        if name in literals:
            return literals[name]
        if name in {"NaN", "Infinity"}:
            return float(name)
        found = values.lookup(self._context.names, name, missing=self)
        if found is self:
            raise ExpressionError(f"the context {name!r} is not available here")
        return found

    def _call(self, name: str, arguments: list[Value]) -> Value:
        lowered = name.lower()
        if lowered in _STATUS_FUNCTIONS:
            if lowered not in self._context.status:
                raise ExpressionError(f"{name}() is not available here")
            return self._context.status[lowered]
        try:
            return values.call(lowered, arguments)
        except values.ValueConversionError as problem:
            raise ExpressionError(str(problem)) from None

    def _postfix(self, value: Value) -> Value:
        while True:
            if self._accept("."):
                if self._accept("*"):
                    value = _Filtered(_children(value))
                    continue
                if self._next >= len(self._tokens) or self._tokens[self._next].kind != "name":
                    raise ExpressionError("expected a name after '.' in an expression")
                key: Value = self._tokens[self._next].text
                self._next += 1
            elif self._accept("["):
                if self._accept("*"):
                    self._expect("]")
                    value = _Filtered(_children(value))
                    continue
                key = self._either()
                self._expect("]")
            else:
                return value
            value = _index(value, key)


def _children(value: Value) -> list[Value]:
    match value:
        case list():
            return list(value)
        case Mapping():
            return list(value.values())
    return []


def _index(value: Value, key: Value) -> Value:
    if isinstance(value, _Filtered):
        found = [_index(item, key) for item in value]
        return _Filtered([item for item in found if item is not None])
    match value:
        case Mapping():
            return values.lookup(value, values.text(key), missing=None)
        case list():
            position = values.to_number(key)
            if position == position and 0 <= position < len(value):  # noqa: PLR0124 - NaN differs from itself
                return value[int(position)]
    return None


def evaluate(expression: str, context: Context) -> Value:
    """Evaluate one bare expression (no `${{ }}` around it). Errors: ExpressionError."""
    return _Parser(expression, context).whole()


def _parts(template: str) -> list[tuple[bool, str]]:
    """Split a text into (is an expression, text). A `}}` within a quoted string doesn't end an expression."""
    found: list[tuple[bool, str]] = []
    position = 0
    while (start := template.find("${{", position)) >= 0:
        if start > position:
            found.append((False, template[position:start]))
        end, quoted = start + 3, False
        while quoted or not template.startswith("}}", end):
            if end >= len(template):
                raise ExpressionError("an expression is not closed with '}}'")
            quoted ^= template[end] == "'"
            end += 1
        found.append((True, template[start + 3 : end]))
        position = end + 2
    if position < len(template):
        found.append((False, template[position:]))
    return found


def interpolate(template: str, context: Context) -> Value:
    """Evaluate a text with `${{ }}` in it.

    A text that is one expression and nothing else keeps the value's type, everything else becomes a string.
    Errors: ExpressionError.
    """
    parts = _parts(template)
    if len(parts) == 1 and parts[0][0]:
        return evaluate(parts[0][1], context)
    return "".join(values.text(evaluate(text, context)) if live else text for live, text in parts)


def interpolate_tree(value: Value, context: Context) -> Value:
    """`interpolate` for every string within lists and mappings. Errors: ExpressionError."""
    match value:
        case str():
            return interpolate(value, context)
        case list():
            return [interpolate_tree(item, context) for item in value]
        case dict():
            return {key: interpolate_tree(item, context) for key, item in value.items()}
    return value


def condition(text: str, context: Context) -> bool:
    """Evaluate an `if:`: `${{ }}` may be left out, and without a status function `success()` is implied.

    Errors: ExpressionError.
    """
    parts = _parts(text)
    bare = parts[0][1] if len(parts) == 1 else text
    if len(parts) > 1:
        # mixed text is a non-empty string to GitHub, so true; only the implied success() decides
        result = values.truthy(interpolate(text, context))
        named = any(_names_status(part) for live, part in parts if live)
    else:
        result = values.truthy(evaluate(bare, context)) if bare.strip() else True
        named = _names_status(bare)
    return result if named else result and context.status.get("success", True)


def _names_status(expression: str) -> bool:
    tokens = _tokens(expression)
    return any(
        token.kind == "name" and token.text.lower() in _STATUS_FUNCTIONS and following.text == "("
        for token, following in itertools.pairwise(tokens)
    )
