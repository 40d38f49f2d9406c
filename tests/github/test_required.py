"""What is read to prove a required check: little, bounded, and nothing that can't be read proves anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from patch_app.core.attempt import Attempt, Check, Link
from patch_app.core.configuration import Configuration
from patch_app.core.rules import RuleCheck, Rules
from patch_app.github import required
from patch_app.github.errors import NotFound, Refused
from patch_app.github.graphql import GraphQL
from patch_app.github.reviewing import Seen

COMMIT, HEAD = "c" * 40, "b" * 40
CI, BRANCH = ".github/workflows/ci.yml", "patch-app/maintenance/main/v2"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILE = {
    "oid": "d" * 40,
    "text": "jobs: {ci: {steps: [{run: make}]}}",
    "isBinary": False,
    "isTruncated": False,
}


class Client:
    """Answers by path, with one answer to each query; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"runs": [run()], "jobs": [job()], "statuses": [], **answers}
        self.asked: list[str] = []

    async def graphql(self, query: str, variables: Any = None) -> GraphQL:
        del query, variables
        self.asked.append("graphql")
        entry = {"name": "ci.yml", "type": "blob", "mode": 0o100644, "object": FILE}
        fork = {
            "id": "R",
            "workflows0": {"entries": [entry]},
            "maintained": {"entries": [entry]},
            "pulls": {"nodes": [], "pageInfo": {"hasNextPage": False}},
            "own": {"timelineItems": {"nodes": []}},
        }
        return GraphQL(data={"fork": fork})

    async def get_all(self, path: str, **more: Any) -> Any:
        name = path.rsplit("/", 1)[-1]
        self.asked.append(name)
        assert more.get("head_sha", COMMIT) == COMMIT
        found = self.answers[name]
        if isinstance(found, Exception):
            raise found
        return found

    async def find(self, path: str) -> Any:
        self.asked.append(path)
        return self.answers.get(path)


def run(number: int = 7, **more: Any) -> dict[str, Any]:
    given = {"id": number, "path": f"{CI}@main", "event": "push", "head_branch": BRANCH, "head_sha": COMMIT}
    given |= {"status": "completed", "conclusion": "success", "created_at": "2026-11-21T12:00:00Z"}
    return given | {"repository": {"id": 1}, "head_repository": {"id": 1}} | more


def job(**more: Any) -> dict[str, Any]:
    given = {"id": 9, "name": "ci", "status": "completed", "conclusion": "success"}
    return given | {"steps": [{"name": "Run make"}]} | more


def attempt(*checks: Any) -> Attempt:
    return Attempt(
        id="attempt00001",
        event="event0000001",
        installation_id=1,
        repository_id=2,
        repository="a/b",
        upstream="up/tool",
        tag="v2",
        stack="main",
        stack_head=HEAD,
        candidate=COMMIT,
        pull_request=Link(number=3, url="https://example.invalid/3"),
        configuration=Configuration.model_validate({"promotion": {"required_checks": list(checks)}}),
        created=NOW,
        updated=NOW,
    )


def seen(name: str = "ci", status: str = "completed", **more: Any) -> Seen:
    one = Check(name=name, app="github-actions", app_id=15368, status=status, conclusion="success", **more)
    return Seen(checks=(one,), actions={9: name}, ended=frozenset({name} if status == "completed" else ()))


async def proved(client: Client, found: Seen, *checks: Any, rules: Rules | None = None) -> list[Check]:
    given: Any = client
    return [one for one in await required.prove(given, attempt(*checks), found, rules) if one.run is not None]


async def test_nothing_is_asked_where_nothing_is_required_or_has_a_result() -> None:
    client = Client()
    assert await proved(client, seen()) == []
    assert await proved(client, seen(status="in_progress"), "ci") == []
    assert await proved(client, seen("other"), "ci") == []
    assert await proved(client, Seen(), "ci", {"name": "qa", "creator": "bob"}) == []
    assert client.asked == []


async def test_a_required_check_costs_a_query_a_listing_and_one_of_jobs_a_run() -> None:
    client = Client()
    (one,) = await proved(client, seen(), "ci")
    assert (one.run, one.workflow, one.conclusion, one.doubt, one.untrusted) == (7, CI, "success", "", "")
    assert client.asked == ["graphql", "runs", "jobs"]


@pytest.mark.parametrize(
    "other",
    [{"head_sha": HEAD}, {"path": ".github/workflows/other.yml"}, {"path": "dynamic/x/y"}],
    ids=str,
)
async def test_a_run_of_another_commit_or_file_is_none(other: dict[str, Any]) -> None:
    client = Client(runs=[run(**other)])
    assert await proved(client, seen(), "ci") == []
    assert "jobs" not in client.asked


async def test_a_run_of_another_repositorys_branch_of_that_name_is_not_trusted() -> None:
    for other in ({"head_repository": {"id": 2}}, {"head_repository": None}, {"head_branch": None}):
        (one,) = await proved(Client(runs=[run(**other)]), seen(), "ci")
        assert one.untrusted == "it didn't run for the maintenance branch"


@pytest.mark.parametrize(
    "broken",
    [
        {"runs": Refused(403, "Resource not accessible by integration")},
        {"jobs": NotFound(404, "Not Found")},
        {"runs": [run(number) for number in range(1, 30)]},
    ],
    ids=str,
)
async def test_what_cannot_be_read_proves_nothing(broken: dict[str, Any]) -> None:
    (one,) = await proved(Client(**broken), seen(), "ci")
    assert one.conclusion is None
    assert one.doubt


@pytest.mark.parametrize(("shown", "doubt"), [({"name": "ci"}, False), ({"name": "x"}, True), (None, True)])
async def test_a_check_run_that_github_did_not_list_is_asked_for(shown: Any, doubt: bool) -> None:
    hidden = seen().__class__(checks=seen().checks, actions={}, ended=frozenset({"ci"}))
    (one,) = await proved(Client(**{"/repos/a/b/check-runs/9": shown}), hidden, "ci")
    assert bool(one.doubt) is doubt


def status(login: str, state: str = "success", context: str = "qa") -> dict[str, Any]:
    return {"context": context, "state": state, "target_url": None, "creator": {"login": login}}


async def test_the_newest_status_of_an_app_that_a_ruleset_asks_for_is_found_behind_a_strangers() -> None:
    listed = [status("eve"), status("qa[bot]", "failure"), status("qa[bot]"), status("github-actions[bot]")]
    client: Any = Client(statuses=listed, **{"/apps/qa": {"id": 5}})
    hides = Seen(checks=(Check(name="qa", app="status", status="completed", creator="eve"),))
    for number, expected in ((5, ["failure"]), (6, [])):
        rules = Rules(any=True, required_checks=(RuleCheck(name="qa", app_id=number),))
        found = await required.prove(client, attempt(), hides, rules)
        assert [one.conclusion for one in found if one.app_id == number] == expected
    assert "/apps/github-actions" not in client.asked
