"""What is made of GitHub's answers about a pull request: the latest word of each person and of each check."""

from __future__ import annotations

from typing import Any

from patch_app.github import reviewing
from patch_app.github.document import Answer
from patch_app.github.graphql import GraphQL

COMMIT, OLDER = "c" * 40, "b" * 40


class Client:
    """Answers queries in their order; permissions by person."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def graphql(self, query: str, variables: dict[str, Any]) -> GraphQL:
        self.asked.append(variables)
        return GraphQL(data={"fork": {"id": "R", **self.answers.pop(0)}})

    async def find(self, path: str) -> Any:
        return {"permission": "write", "role_name": "write"} if "/collaborators/" in path else None


def page(nodes: list[Any], cursor: str | None = None) -> dict[str, Any]:
    return {"nodes": nodes, "pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor}}


def review(person: str, state: str, commit: str = COMMIT, kind: str = "User") -> dict[str, Any]:
    author = {"__typename": kind, "login": person}
    return {"author": author, "state": state, "commit": {"oid": commit}, "submittedAt": None}


def check(
    name: str, number: int, conclusion: str, event: str = "push", path: str = "ci.yml"
) -> dict[str, Any]:
    run = {"event": event, "file": {"path": path}}
    suite = {"app": {"slug": "github-actions", "databaseId": 15368}, "workflowRun": run}
    return {
        "__typename": "CheckRun",
        "databaseId": number,
        "name": name,
        "status": "COMPLETED",
        "conclusion": conclusion,
        "url": "",
        "checkSuite": suite,
    }


def answer(**parts: Any) -> Answer:
    return Answer(fork=parts, upstream=None)


async def test_last_word_of_each_person_counts_and_a_comment_takes_nothing_back() -> None:
    listed = [
        review("ann", "APPROVED", OLDER),
        review("ann", "APPROVED"),
        review("ann", "COMMENTED"),
        review("bob", "APPROVED"),
        review("bob", "CHANGES_REQUESTED"),
        review("robot", "APPROVED", kind="Bot"),
        {**review("", "APPROVED"), "author": None},
    ]
    client: Any = Client()
    told = answer(pullRequest={"number": 1, "reviews": page(listed)})
    found = await reviewing.reviews(client, "a/b", told)
    assert [(one.person, one.state, one.commit, one.permission, one.bot) for one in found] == [
        ("ann", "APPROVED", COMMIT, "write", False),
        ("bob", "CHANGES_REQUESTED", COMMIT, "write", False),
        ("robot", "APPROVED", COMMIT, "none", True),
    ]


async def test_request_for_changes_on_the_second_page_is_not_missed() -> None:
    later = {"at": {"reviews": page([review("zoe", "CHANGES_REQUESTED")])}}
    client: Any = Client(later)
    told = answer(pullRequest={"number": 7, "reviews": page([review("ann", "APPROVED")], "cursor-1")})
    found = await reviewing.reviews(client, "a/b", told)
    assert [(one.person, one.state) for one in found] == [("ann", "APPROVED"), ("zoe", "CHANGES_REQUESTED")]
    assert {"cursor-1", 7} <= set(client.asked[0].values())


async def test_check_that_was_run_again_has_its_latest_result_and_others_of_its_name_their_own() -> None:
    contexts = [
        check("ci", 9, "FAILURE"),
        check("ci", 4, "SUCCESS"),
        check("ci", 5, "SUCCESS", path="other.yml"),
        {
            "__typename": "StatusContext",
            "context": "ci",
            "state": "EXPECTED",
            "targetUrl": None,
            "creator": None,
        },
    ]
    rollup = {"statusCheckRollup": {"contexts": page(contexts, "more")}}
    later = {"at": {"statusCheckRollup": {"contexts": page([check("lint", 6, "SKIPPED", "pull_request")])}}}
    client: Any = Client(later)
    seen = await reviewing.checks(client, "a/b", answer(candidate=rollup), COMMIT)
    found = seen.checks
    assert seen.actions == {9: "ci", 4: "ci", 5: "ci", 6: "lint"}
    assert seen.ended == {"ci", "lint"}
    assert [(one.name, one.app, one.workflow, one.conclusion) for one in found] == [
        ("ci", "github-actions", "ci.yml", "failure"),
        ("ci", "github-actions", "other.yml", "success"),
        ("ci", "status", None, None),
        ("lint", "github-actions", "ci.yml", "skipped"),
    ]


async def test_candidate_on_which_nothing_was_ever_reported() -> None:
    client: Any = Client()
    nothing = answer(candidate={"statusCheckRollup": None})
    assert (await reviewing.checks(client, "a/b", nothing, COMMIT)).checks == ()
    assert reviewing.pull_request(answer(pullRequest=None)) is None
