"""What is made of GitHub's answers about rules, tags, checks and runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from patch_app.core.rules import RuleCheck
from patch_app.github import reading

COMMIT = "c" * 40


class Client:
    """Answers by path."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked = 0

    async def get(self, path: str, **_: Any) -> Any:
        return self.answers[path]

    get_all = get

    async def each(self, path: str, **_: Any) -> AsyncIterator[Any]:
        for one in self.answers[path]:
            self.asked += 1
            yield one


def ruled(*rules: dict[str, Any], protected: bool = True) -> Any:
    return Client(
        {"/repos/a/b/rules/branches/main": list(rules), "/repos/a/b/branches/main": {"protected": protected}}
    )


async def test_rulesets_checks_keep_the_app_that_must_have_made_them() -> None:
    wanted = [{"context": "ci", "integration_id": 15368}, {"context": "lint"}]
    found = await reading.rules(
        ruled(
            {"type": "required_status_checks", "parameters": {"required_status_checks": wanted}},
            {"type": "pull_request", "parameters": {"required_approving_review_count": 2}},
            {"type": "deletion"},
        ),
        "a/b",
        "main",
    )
    assert found.required_checks == (RuleCheck(name="ci", app_id=15368), RuleCheck(name="lint"))
    assert (found.approvals, found.problem) == (2, None)


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "merge_queue"},
        {"type": "required_deployments", "parameters": {"required_deployment_environments": ["x"]}},
        {"type": "code_scanning", "parameters": {}},
        {"type": "pull_request", "parameters": {"require_code_owner_review": True}},
    ],
    ids=lambda rule: rule["type"],
)
async def test_rule_that_cannot_be_weighed_is_said_and_never_passed_over(rule: dict[str, Any]) -> None:
    found = await reading.rules(ruled(rule), "a/b", "main")
    assert found.problem is not None
    assert rule["type"] in found.problem


async def test_protection_that_no_ruleset_explains_is_classic() -> None:
    found = await reading.rules(ruled(), "a/b", "main")
    assert "classic protection" in (found.problem or "")
    assert (await reading.rules(ruled(protected=False), "a/b", "main")).problem is None


async def test_commit_that_only_a_tag_leads_to_is_found_within_a_thousand_tags() -> None:
    others = [{"commit": {"sha": f"{number:040x}"}} for number in range(1500)]
    path = "/repos/a/b/tags"
    near: Any = Client({path: [*others[:5], {"commit": {"sha": COMMIT}}, *others]})
    far: Any = Client({path: [*others, {"commit": {"sha": COMMIT}}]})
    assert await reading.is_tagged(near, "a/b", COMMIT)
    assert not await reading.is_tagged(far, "a/b", COMMIT)
    assert far.asked == 1000


async def test_a_run_that_stores_artifacts_without_end_is_read_to_a_bound() -> None:
    run = {
        "id": 7,
        "path": "x.yml@main",
        "event": "e",
        "head_sha": COMMIT,
        "status": "completed",
    }
    run |= {"html_url": "https://git.test/a/b/actions/runs/7", "display_title": "ours"}
    path = "/repos/a/b/actions/runs/7"
    made = [{"id": number, "name": f"{number}" + "n" * 500} for number in range(5000)]
    client: Any = Client({path: run, f"{path}/jobs": [], f"{path}/artifacts": made})
    client.find = lambda *_, **__: client.get(path)
    (found,) = await reading.runs(client, "a/b", "ours", [7], artifacts=True)
    assert len(found.artifacts) == client.asked == 100
    assert found.artifacts[1].url == "https://git.test/a/b/actions/runs/7/artifacts/1"
    assert {len(one.name) for one in found.artifacts} == {200}
