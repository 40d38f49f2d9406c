"""Our list of rules against GitHub's own: a new type or a new parameter shows here."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.rule_types import TYPES
from tests.contract.npm import openapi

pytestmark = pytest.mark.network
# GitHub's documentation has them, its description doesn't yet
DOCUMENTED = {"code_quality"}


def described() -> dict[str, set[str]]:
    """Each rule type that GitHub lists for a branch, with its parameters."""
    schemas: dict[str, Any] = openapi()["components"]["schemas"]
    found: dict[str, set[str]] = {}
    for one in schemas["repository-rule-detailed"]["oneOf"]:
        rule = schemas[one["allOf"][0]["$ref"].rsplit("/", 1)[1]]["properties"]
        (name,) = rule["type"]["enum"]
        found[name] = set(rule.get("parameters", {}).get("properties", {}))
    return found


def test_a_rule_or_a_parameter_that_github_has_and_we_have_not() -> None:
    ours = {name: set(one.parameters) for name, one in TYPES.items() if name not in DOCUMENTED}
    assert ours == described()


def test_a_key_of_a_required_check_that_github_has_and_we_have_not() -> None:
    check = openapi()["components"]["schemas"]["repository-rule-params-status-check-configuration"]
    assert set(check["properties"]) == {"context", "integration_id"}
