"""What a report claims of where the stack begins, held against what GitHub says."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Attempt, Landed
from patch_app.core.configuration import parse
from patch_app.core.report import Report
from patch_app.github import claims
from patch_app.github.errors import NotFound
from tests.core.world import BASE, HEAD, TARGET, World, oid, report

FORK = "/repos/ann/tool"
START, OTHER = oid("start"), oid("other")


class Client:
    """Answers by path; a comparison's commits as `get_all` gives them."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def get(self, path: str, **_: Any) -> Any:
        if path not in self.answers:
            raise NotFound(404, f"nothing at {path}")
        return self.answers[path]

    async def get_all(self, path: str, **_: Any) -> Any:
        return await self.get(path)


def commits(*ids: str) -> list[dict[str, Any]]:
    return [{"sha": one, "parents": [{"sha": BASE}] * (2 if one == oid("merge") else 1)} for one in ids]


def upstreams(*ids: str) -> dict[str, Any]:
    """GitHub's word that these are upstream's commits."""
    return {
        "/repos/up/tool": {"default_branch": "main"},
        **{f"/repos/up/tool/compare/{one}...{TARGET}": {"merge_base_commit": {"sha": one}} for one in ids},
    }


def attempt(configured: str = "") -> Attempt:
    one = World().attempt
    return one.model_copy(
        update={
            "repository": "ann/tool", "upstream": "up/tool", "target": TARGET, "stack_head": HEAD,
            "configuration": parse(configured),
        }
    )  # fmt: skip


def claimed(**changes: Any) -> Report:
    return report("attempt00001").model_copy(update=changes)


async def test_stack_that_came_by_a_pull_request_has_no_commit_of_the_one_before() -> None:
    before = oid("before")
    client: Any = Client(
        {
            **upstreams(BASE),
            f"{FORK}/compare/{BASE}...{HEAD}": commits(oid("old"), oid("p1"), oid("merge"), oid("p2")),
            f"{FORK}/compare/{BASE}...{before}": commits(oid("old")),
        }
    )
    landed = attempt().model_copy(update={"landed": Landed(commit=oid("landing"), onto=before)})
    found = await claims.evidence(client, landed, claimed(), "main")
    assert (found["stack_commits"], found["stack_merges"]) == ((oid("p1"), oid("p2")), (oid("merge"),))


async def test_stack_that_stands_on_two_release_branches_has_the_commits_of_neither() -> None:
    client: Any = Client(
        {
            **upstreams(BASE, OTHER),
            f"{FORK}/compare/{BASE}...{HEAD}": commits(oid("p1"), oid("theirs"), oid("merge"), oid("p2")),
            f"{FORK}/compare/{BASE}...{OTHER}": commits(oid("theirs")),
        }
    )
    found = await claims.evidence(client, attempt(), claimed(other_bases=(OTHER,)), "main")
    assert found["stack_commits"] == (oid("p1"), oid("p2"))
    assert found["stack_merges"] == (oid("merge"),)
    assert found["base_is_upstream"]


async def test_second_base_that_is_no_commit_of_upstreams_is_not_believed() -> None:
    client: Any = Client(
        {
            **upstreams(BASE),
            "/repos/up/tool/tags": [],
            f"{FORK}/compare/{BASE}...{HEAD}": commits(oid("p1")),
            f"{FORK}/compare/{BASE}...{OTHER}": commits(oid("p2")),
        }
    )

    async def each(path: str, **_: Any) -> Any:
        for one in await client.get(path):
            yield one

    client.each = each
    found = await claims.evidence(client, attempt(), claimed(other_bases=(OTHER,)), "main")
    assert found["base_is_upstream"] is False


@pytest.mark.parametrize(
    ("parents", "tree", "holds"),
    [
        ((BASE, "old"), "same", True),
        (("old", BASE), "same", False),
        ((BASE,), "same", False),
        ((BASE, "old"), "x", False),
    ],
)
async def test_start_that_is_not_configured_has_upstreams_files_and_the_old_stack_behind(
    parents: tuple[str, ...], tree: str, holds: bool
) -> None:
    client: Any = Client(
        {
            **upstreams(BASE),
            f"{FORK}/compare/{START}...{HEAD}": commits(oid("p1"), oid("p2")),
            f"{FORK}/compare/{START}...{BASE}": [],
            f"{FORK}/git/commits/{START}": {
                "parents": [{"sha": one} for one in parents],
                "tree": {"sha": tree},
            },
            f"{FORK}/git/commits/{BASE}": {"parents": [], "tree": {"sha": "same"}},
        }
    )
    found = await claims.evidence(client, attempt(), claimed(start=START), "main")
    assert (found["start_holds"], found["stack_commits"]) == (holds, (oid("p1"), oid("p2")))


async def test_configured_start_needs_no_base() -> None:
    client: Any = Client({f"{FORK}/compare/{START}...{HEAD}": commits(oid("p1"), oid("p2"))})
    configured = attempt(f'[[stack]]\nstart = "{START}"\n')
    found = await claims.evidence(client, configured, claimed(start=START, base=None), "main")
    assert (found["start_holds"], found["base_is_upstream"]) == (True, True)
    with_neither = await claims.evidence(client, attempt(), claimed(start=None, base=None), "main")
    assert with_neither == {"stack_commits": (), "base_is_upstream": False, "pushed_commits": ()}


async def test_what_a_person_pushed_is_read_with_its_merges_and_whether_it_stands_on_the_release() -> None:
    pushed = oid("pushed")
    client: Any = Client(
        {
            **upstreams(BASE),
            f"{FORK}/compare/{BASE}...{HEAD}": commits(oid("p1"), oid("p2")),
            f"{FORK}/compare/{TARGET}...{pushed}": commits(oid("n1"), oid("merge"), pushed),
        }
    )

    async def get(path: str, per_page: int | None = None, **_: Any) -> Any:
        apart = {"merge_base_commit": {"sha": OTHER}}
        return apart if per_page and path.startswith(FORK) else client.answers[path]

    gone_on = attempt().model_copy(update={"pushed": pushed})
    client.get, told = get, claimed()
    client.get_all = lambda path, **_: get(path)
    found = await claims.evidence(client, gone_on, told, "main")
    assert found["pushed_commits"] == (oid("n1"), pushed, oid("merge"))
    assert found["pushed_stands"] is False
