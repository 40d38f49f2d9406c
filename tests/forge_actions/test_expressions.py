"""GitHub's expressions, and that act agrees with us about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patch_app.forge.actions.expressions import (
    Context,
    ExpressionError,
    condition,
    evaluate,
    interpolate,
    interpolate_tree,
)

from .conftest import Bench

NAMES: dict[str, Any] = {
    "github": {"ref": "refs/heads/main", "event": {"labels": [{"name": "a"}, {"name": "B"}], "n": 3}},
    "needs": {"carry": {"outputs": {"checks": '[{"name":"x"}]', "none": ""}, "result": "success"}},
    "inputs": {"attempt": "at1", "loud": True},
}
STATUS = {"success": True, "failure": False, "always": True, "cancelled": False}
CONTEXT = Context(names=NAMES, status=STATUS)

CASES: list[tuple[str, Any]] = [
    ("1 == 1.0", True),
    ("'a' == 'A'", True),
    ("'1' == 1", True),
    ("null == 0", True),
    ("'' == 0", True),
    ("true == 'true'", False),
    ("'abc' < 'abd'", True),
    ("0x10", 16),
    ("-1.5e1", -15),
    ("'it''s'", "it's"),
    ("!true || !!'x'", True),
    ("false || 'fallback'", "fallback"),
    ("'' && 'never'", ""),
    ("'a' && 'b' || 'c'", "b"),
    ("true || false && false", True),
    ("(true || false) && false", False),
    ("contains('Hello', 'hELL')", True),
    ("contains(fromJSON('[1, \"b\"]'), 'B')", True),
    ("startsWith(github.ref, 'refs/heads/')", True),
    ("endsWith('abc', 'BC')", True),
    ("format('{{{0}}} {1}', 'a', 2)", "{a} 2"),
    ("join(fromJSON('[1,2]'), '-')", "1-2"),
    ("github.event.labels.*.name", ["a", "B"]),
    ("join(github.event.labels.*.name)", "a,B"),
    ("github.event.labels[1].name", "B"),
    ("github['EVENT']['n'] > 2", True),
    ("github.event.missing.deeper", None),
    ("fromJSON(needs.carry.outputs.checks)[0].name", "x"),
    ("needs.carry.outputs.checks != '[]'", True),
    ("toJSON(fromJSON('{\"a\":[1,true,null]}'))", '{\n  "a": [\n    1,\n    true,\n    null\n  ]\n}'),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_an_expression_gives_what_github_documents(text: str, expected: Any) -> None:
    assert evaluate(text, CONTEXT) == expected


def test_act_agrees_on_every_expression(bench: Bench) -> None:
    """An independent evaluator (act's, in Go) over the same cases, through a real run."""
    lines = [f"${{{{ toJSON({text}) }}}}\n---" for text, _ in CASES if "needs." not in text]
    body = "\n".join(f"          {part}" for line in lines for part in line.splitlines())
    head = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n"
    text = f"{head}          cat <<'X'\n{body}\n          X\n"
    payload = {"ref": "refs/heads/main", **NAMES["github"]["event"]}
    bench.run(text, event="push", payload=payload)
    output = bench.sink.job("a").log.split("##[endgroup]\n", 1)[1]
    theirs = [json.loads(part) for part in output.split("---\n") if part.strip()]
    assert theirs == [expected for text, expected in CASES if "needs." not in text]


@pytest.mark.parametrize(
    "text",
    [
        "1 +",
        "'open",
        "nowhere.x",
        "hashFiles('x')",
        "format('{1}', 1)",
        "fromJSON('{')",
        "a b",
        "contains('x')",
        ")",
        "",
    ],
)
def test_what_github_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXT)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ExpressionError, match="deeply"):
        evaluate("(" * 400 + "1" + ")" * 400, CONTEXT)


def test_a_template_keeps_the_type_only_where_it_is_one_expression() -> None:
    assert interpolate("${{ inputs.loud }}", CONTEXT) is True
    assert interpolate("patch_app ${{ inputs.attempt }}!", CONTEXT) == "patch_app at1!"
    assert interpolate("${{ '}}' }}${{ '${{ x }}' }}", CONTEXT) == "}}${{ x }}"
    assert interpolate_tree({"a": ["${{ github.event.n }}", 1]}, CONTEXT) == {"a": [3, 1]}
    with pytest.raises(ExpressionError, match="closed"):
        interpolate("${{ inputs.loud", CONTEXT)


def test_an_if_without_a_status_function_means_success() -> None:
    failed = Context(names=NAMES, status={**STATUS, "success": False, "failure": True})
    for text in ("", "true", "${{ inputs.loud }}", "inputs.attempt == 'at1'", "contains('always()', 'a')"):
        assert condition(text, CONTEXT)
        assert not condition(text, failed)
    for text in ("always()", "${{ failure() }}", "!cancelled() && inputs.loud", "success() || failure()"):
        assert condition(text, failed)
    assert not condition("needs.carry.result == 'failure'", CONTEXT)
