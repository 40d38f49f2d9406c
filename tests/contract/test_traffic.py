"""What the App asks and is told in a whole story is held to GitHub's own descriptions: REST and GraphQL."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from patch_app.core.attempt import Attempt, Link, Stage
from patch_app.core.effects import EffectState, OpenIssue, Performed
from patch_app.core.facts import RunFact
from patch_app.core.needs import Need
from patch_app.forge.core import ForgeOptions
from patch_app.github import carry_overs, document, evidence, inbox, onboarding, reviewing
from patch_app.upstream import releases
from tests import keys
from tests.contract.traffic import GRAPHQL, Traffic, document_faults
from tests.stories.world import FORK, World, numbered, world_at
from tests.web import samples

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def _onboarded(world: World) -> None:
    world.alice.api("PATCH", f"/repos/{FORK}/pulls/1", {"state": "closed"})
    world.settle()
    world.comment(1, "/patch onboard", world.rita)
    world.comment(1, "/patch onboard", world.bob)
    world.settle()
    world.alice.api("PUT", f"/repos/{FORK}/pulls/2/merge", {"merge_method": "merge"})
    world.settle()


def _promoted(world: World, tag: str) -> None:
    attempt = world.attempt(tag)
    world.approve(attempt)
    world.settle()
    assert world.attempt(tag).stage is Stage.PROMOTED


def _talked_about_and_settled(world: World) -> None:
    conflict = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l15="v1.2.0")})
    assert conflict.stage is Stage.CONFLICT
    assert conflict.issue is not None
    world.comment(conflict.issue.number, "/patch help\n/patch nonsense", world.bob)
    checks = world.forge.repository(FORK).checks.values()
    [check] = [one for one in checks if one.external_id == conflict.id]
    world.forge.press(FORK, check.id, "retry", by="bob")
    world.settle()
    branch = world.maintenance("v1.2.0").removeprefix("refs/heads/")
    both = {"pot.txt": numbered(l3="both", l15="v1.2.0")}
    world.forge.commit(FORK, branch, both, "Change the third line", by="bob")
    world.settle()
    _promoted(world, "v1.2.0")


def test_a_request_or_an_answer_that_github_does_not_know(tmp_path: Path) -> None:
    traffic = Traffic()
    with world_at(tmp_path, ForgeOptions(new_key=keys.key)) as world:
        world.arrange(footprint=False)
        world.serve()
        traffic.listen(world.server.engine.intake.app.http)
        _onboarded(world)
        assert world.release().stage is Stage.REVIEWING
        _promoted(world, "v1.1.0")
        _talked_about_and_settled(world)
    assert traffic.faults() == []
    # that it was the whole of it
    asked = {f"{one.method} {one.path.split('/')[-1]}" for one in traffic.said}
    assert {"POST dispatches", "POST pulls", "POST issues", "POST check-runs", "POST reactions"} <= asked
    mutations = [one for one in traffic.said if one.path == GRAPHQL and "updateRefs" in one.sent["query"]]
    assert len(mutations) >= 4
    assert {one.rsplit("/", 1)[1] for one in traffic.git} == {"refs", "git-upload-pack", "git-receive-pack"}


CI = """\
on: [push, pull_request]
jobs: {ci: {runs-on: ubuntu-latest, steps: [{run: make test}]}}
"""
REQUIRED = """\
[promotion]
required_checks = ["ci", { name = "qa", creator = "mia" }]
"""


def test_what_rules_and_required_checks_ask_for_is_asked_as_github_knows_it(tmp_path: Path) -> None:
    traffic = Traffic()
    with world_at(tmp_path, ForgeOptions(new_key=keys.key)) as world:
        world.arrange(configuration=REQUIRED)
        world.serve()
        world.robot.verdicts = {}
        world.patch({".github/workflows/ci.yml": CI}, "Check with Actions")
        pulls = {"require_last_push_approval": True, "required_review_thread_resolution": True}
        checks = {"required_status_checks": [{"context": "bot", "integration_id": world.app.id}]}
        world.forge.set_rules(
            FORK,
            "main",
            [
                {"type": "pull_request", "parameters": pulls},
                {"type": "required_status_checks", "parameters": checks},
                {"type": "max_file_size", "parameters": {"max_file_size": 1}},
                "required_linear_history",
            ],
        )
        world.settle()
        traffic.listen(world.server.engine.intake.app.http)
        attempt = world.release()
        assert attempt.stage is Stage.BLOCKED, attempt.message  # GitHub holds the App to all of it
        world.forge.repository(FORK).rules["main"].pop(2)
        world.forge.repository(FORK).bypass["main"] = [world.app.slug]
        world.later()
        branch = world.maintenance().removeprefix("refs/heads/")
        world.forge.commit(FORK, branch, {"ours.txt": "mended\n"}, "Mend it", by="bob")
        world.settle()
        attempt = world.attempt()
        for context, person in (("qa", world.mia), ("qa", world.bob), ("bot", world.bob)):
            status = {"state": "success", "context": context}
            person.api("POST", f"/repos/{FORK}/statuses/{attempt.candidate}", status)
        world.approve(attempt, by=world.mia)
        world.settle()
        # a stranger's status isn't the App's
        assert "required check `bot` has not passed" in world.attempt().message
        assert "`ci`" not in world.attempt().message
        assert "`qa`" not in world.attempt().message
    assert traffic.faults() == []
    asked = {one.path.split("/")[-1] for one in traffic.said}
    assert {"activity", "jobs", "statuses"} <= asked


def _reading(**more: Any) -> evidence._Reading:
    """Of an attempt that has everything that may be asked about."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    attempt = Attempt(
        id="attempt00001",
        event="event0000001",
        installation_id=1,
        repository_id=2,
        repository="alice/tool",
        upstream="up/tool",
        tag="v2",
        stack="main",
        target="a" * 40,
        stack_head="b" * 40,
        candidate="c" * 40,
        pull_request=Link(number=3, url="https://example.invalid/3"),
        created=now,
        updated=now,
        **more,
    )
    issue = Performed(
        key="k",
        effect=OpenIssue(title="t", body="b", marker="m"),
        state=EffectState.DONE,
        outcome={"number": 4},
    )
    nobody: Any = None
    return evidence._Reading(
        app=nobody,
        app_slug="x",
        app_id=1,
        client=nobody,
        attempt=attempt,
        effects={"k": issue},
        siblings=(),
        now=now,
    )


@pytest.mark.parametrize("more", [{}, {"carry_over": samples.CARRY_OVER, "base": "d" * 40}])
def test_a_query_put_together_for_any_needs_is_one_that_github_understands(more: dict[str, Any]) -> None:
    reading = _reading(**more)
    run = RunFact(
        id=1, attempt=1, name="n", path="p", event="e", head_sha="d" * 40, actor="a", status="s", url="u"
    )
    subsets = chain.from_iterable(combinations(Need, count) for count in range(len(Need) + 1))
    for wanted in subsets:
        gated = reading._gated() if Need.GATE in wanted else ()
        made = reading._document(frozenset(wanted), (run,), gated)
        if Need.REPORT in wanted:
            inbox.ask(made, [(f"refs/patch-app/inbox/a/{n}", f"{n}" * 40) for n in (1, 2)])
        assert document_faults(*made._text()) == [], wanted


async def test_the_next_page_of_anything_is_asked_for_in_words_that_github_understands() -> None:
    class Asked:
        """Keeps what was asked, and has no more pages."""

        def __init__(self) -> None:
            self.documents: list[tuple[str, Any]] = []

        async def graphql(self, query: str, variables: Any = None) -> Any:
            self.documents.append((query, variables))
            return document.GraphQL(data={"fork": {"id": "x", "at": None}})

    client: Any = Asked()
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "c"}}
    for path, selection in (
        ((("pullRequest", "number", 3), "reviews"), reviewing._REVIEWS),
        ((("object", "expression", "a" * 40), "statusCheckRollup.contexts"), reviewing._CONTEXTS),
    ):
        assert [one async for one in document.nodes(client, "alice/tool", path, page, selection)] == []
    await document.peeled_tag(client, "alice/tool", "v1")
    assert await carry_overs.pull(client, "alice/tool", 3, "x") is None
    documents = [
        *client.documents,
        (onboarding.UPSTREAM, {"owner": "up", "name": "tool"}),
        releases.build_query(["up/tool", "up/other"], 5),
    ]
    for query, variables in documents:
        assert document_faults(query, variables) == [], query
