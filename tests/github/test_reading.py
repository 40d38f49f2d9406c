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
    assert found.unclear
    assert rule["type"] in found.unweighed[0]


async def test_protection_that_no_ruleset_explains_is_classic() -> None:
    found = await reading.rules(ruled(), "a/b", "main")
    assert "classic protection" in (found.problem or "")
    assert (await reading.rules(ruled(protected=False), "a/b", "main")).problem is None


async def test_classic_protection_beside_a_ruleset_is_not_passed_over() -> None:
    both = ruled({"type": "deletion"})
    both.answers["/repos/a/b/branches/main"]["protection"] = {"enabled": True}
    assert "classic protection" in ((await reading.rules(both, "a/b", "main")).problem or "")
    both.answers["/repos/a/b/branches/main"]["protection"] = {"enabled": False}
    assert (await reading.rules(both, "a/b", "main")).problem is None


@pytest.mark.parametrize(
    ("said", "clear"),
    [("never", True), ("pull_requests_only", True), ("always", False), ("exempt", False), (None, False)],
)
async def test_a_rule_that_github_holds_the_app_to_needs_no_weighing(said: str | None, clear: bool) -> None:
    size = {"type": "max_file_size", "parameters": {"max_file_size": 10}, "ruleset_id": 3}
    client = ruled(size, {"type": "deletion", "ruleset_id": 4})
    client.answers["/repos/a/b/rulesets/3"] = {"name": "house", "current_user_can_bypass": said}
    found = await reading.rules(client, "a/b", "main")
    assert found.unclear is not clear
    assert clear or "max_file_size" in found.unweighed[0]


async def test_who_pushed_is_known_only_where_github_says_it_of_each_push() -> None:
    path = "/repos/a/b/activity"
    other = {"after": "d" * 40, "actor": {"login": "eve"}}
    by = [{"after": COMMIT, "actor": {"login": one}} for one in ("ann", "bob", "ann")]
    for listed, expected in (
        ([*by, other], ("ann", "bob")),
        ([*by, {"after": COMMIT, "actor": None}], ()),
        ([other], ()),
    ):
        client: Any = Client({path: listed})
        assert await reading.pushers(client, "a/b", "x", COMMIT) == expected


async def test_commits_that_would_come_onto_the_branch_are_counted_by_signature_and_parents() -> None:
    def commit(verified: bool | None, parents: int = 1) -> dict[str, Any]:
        shown = {} if verified is None else {"verification": {"verified": verified}}
        return {"commit": shown, "parents": [{}] * parents}

    path = f"/repos/a/b/compare/{'d' * 40}...{COMMIT}"
    client: Any = Client({path: [commit(True), commit(False), commit(None), commit(True, 2)]})
    found = await reading.incoming(client, "a/b", "d" * 40, COMMIT)
    assert (found.commits, found.unsigned, found.merges) == (4, 2, 1)


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


async def test_two_jobs_of_one_run_attempt_that_look_alike_stay_two() -> None:
    """Names can be changed, and two checks may end in the same second; what is listed again is one still."""
    times = {"started_at": "2026-01-01T00:00:00Z", "completed_at": "2026-01-01T00:01:00Z"}
    ended = {"name": "x", "status": "completed", "conclusion": "failure", **times}
    jobs = [
        ended | {"id": id_, "run_attempt": number, "steps": [{"name": f"Check {name}"}]}
        for id_, number, name in ((3, 1, "a"), (4, 1, "b"), (5, 2, "a"), (6, 2, "b"))
    ]
    run = {
        "id": 7,
        "name": "ours",
        "path": ".github/workflows/x.yml",
        "event": "workflow_dispatch",
        "head_sha": COMMIT,
        "status": "completed",
        "html_url": "https://x",
        "run_attempt": 2,
    }
    client: Any = Client({"/repos/a/b/actions/runs/7": run, "/repos/a/b/actions/runs/7/jobs": jobs})
    (found,) = await reading.runs(client, "a/b", "ours", [7], jobs=True)
    assert [(one.id, one.steps) for one in found.jobs] == [(3, ("Check a",)), (4, ("Check b",))]
