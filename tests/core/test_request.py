"""The request as the server writes it is the one that the runner reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patch_app.core import request
from patch_app.core.attempt import Landed
from patch_app.core.configuration import Configuration
from patch_app.runner import records
from patch_app.runner import request as runner_request
from tests.core import samples

BUILD: dict[str, Any] = {"name": "build", "run": "make\n", "working_directory": "src", "timeout": "5m"}


def written(**check: Any) -> str:
    configuration = Configuration.model_validate({"check": [{**BUILD, **check}]})
    attempt = samples.carried().model_copy(update={"configuration": configuration})
    return request.request(attempt, "https://github.com/upstream-org/tool", 7)


@pytest.mark.parametrize(("sparse", "artifacts"), [((), ("dist/*.whl",)), (("src", "docs/api"), ())])
def test_a_check_arrives_at_the_runner_as_it_was_configured(
    sparse: tuple[str, ...], artifacts: tuple[str, ...]
) -> None:
    parsed = runner_request.parse(written(sparse=sparse, artifacts=artifacts), samples.ID)
    assert parsed.checks == (records.Check("build", "make\n", "src", 300, sparse, artifacts),)


def test_a_resolver_arrives_as_it_was_configured() -> None:
    settled = {
        "run": "settle\n",
        "name": "codex 1.2",
        "timeout": "45m",
        "paths": ["Cargo.lock"],
        "hidden": ["X"],
    }
    configuration = Configuration.model_validate({"resolver": {**settled, "instructions": "Go\nslow."}})
    attempt = samples.carried().model_copy(update={"configuration": configuration})
    text = request.request(attempt, "https://github.com/upstream-org/tool", 7)
    assert runner_request.parse(text, samples.ID).resolver == records.Resolver(
        "codex 1.2", "settle\n", 2700, "Go\nslow.", ("Cargo.lock",), ("X",)
    )
    assert '"resolver"' not in written()


@pytest.mark.parametrize(("base", "ahead", "told"), [("b" * 40, 12, 12), ("b" * 40, None, 0), (None, 12, 0)])
def test_the_length_of_the_stack_is_told_where_its_base_is_known(
    base: str | None, ahead: int | None, told: int
) -> None:
    attempt = samples.carried().model_copy(update={"base": base, "ahead": ahead})
    assert (
        runner_request.parse(request.request(attempt, "https://example.org/up", 7), samples.ID).ahead == told
    )


def test_a_landing_arrives_as_it_was_recorded_and_is_not_told_of_without_one() -> None:
    landed = Landed(commit="c" * 40, onto="d" * 40)
    attempt = samples.carried().model_copy(update={"landed": landed})
    parsed = runner_request.parse(request.request(attempt, "https://example.org/up", 7), samples.ID)
    assert parsed.landing == (landed.commit, landed.onto)
    assert '"landing"' not in written()


@pytest.mark.parametrize(
    ("landing", "strategy"),
    [({"commit": "c" * 40}, "rebase"), ({"commit": "c", "onto": "d" * 40}, "rebase"),
     ({"commit": "c" * 40, "onto": "d" * 40}, "merge"), ("c" * 40, "rebase")],
)  # fmt: skip
def test_a_landing_that_is_none_is_refused(landing: object, strategy: str) -> None:
    told = json.loads(written()) | {"landing": landing, "strategy": strategy}
    with pytest.raises(records.Problem):
        runner_request.parse(json.dumps(told), samples.ID)


def test_a_runner_of_before_takes_a_check_that_uses_nothing_new() -> None:
    assert not {"sparse", "artifacts"} & set(json.loads(written())["checks"][0])
