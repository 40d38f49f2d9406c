"""What is read of GitHub, and what is not believed of it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.effects import EffectState, OpenIssue, Performed
from patch_app.github import claims, evidence

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = "2026-11-21T12:00:00Z"
CANDIDATE = "c" * 40


class Client:
    """Answers by path."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def get(self, path: str, **_: Any) -> Any:
        return self.answers[path]

    find = get_all = get


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "id": "attempt00001",
        "event": "event0000001",
        "installation_id": 1,
        "repository_id": 2,
        "repository": "alice/tool",
        "upstream": "up/tool",
        "tag": "v2.0.0",
        "stack": "main",
        "created": NOW,
        "updated": NOW,
    }
    return Attempt(**(values | changes))


def reading(answers: dict[str, Any], *issues: int) -> Any:
    effects = {
        str(number): Performed(
            key=str(number),
            effect=OpenIssue(marker=str(number), title="t", body="b"),
            state=EffectState.DONE,
            outcome={"number": number, "url": ""},
        )
        for number in issues
    }
    client: Any = Client(answers)
    return evidence._Reading(
        client=client, attempt=attempt(), repository={}, effects=effects, frame={}, siblings=()
    )


def comment(updated: str = AT, kind: str = "User") -> dict[str, Any]:
    user = {"login": "ann", "type": kind}
    body = f"/patch trust-workflows {CANDIDATE}"
    return {"user": user, "body": body, "created_at": AT, "updated_at": updated}


PERMISSION = {"/repos/alice/tool/collaborators/ann/permission": {"permission": "admin", "role_name": "admin"}}


async def test_trust_in_a_comment_that_somebody_edited_is_none() -> None:
    edited = comment(updated="2026-11-21T12:05:00Z")
    answers = {"/repos/alice/tool/issues/5/comments": [edited, comment(kind="Bot")], **PERMISSION}
    assert await reading(answers, 5)._trusts() == ()


async def test_trust_given_on_the_gates_issue_still_counts_beside_a_conflicts_issue() -> None:
    answers: dict[str, Any] = {
        "/repos/alice/tool/issues/5/comments": [comment()],
        "/repos/alice/tool/issues/6/comments": [],
        **PERMISSION,
    }
    found = await reading(answers, 5, 6)._trusts()
    assert [(one.person, one.permission, one.commit) for one in found] == [("ann", "admin", CANDIDATE)]


TRAILED = f"Install patch_app\n\n{names.INSTALLED_TRAILER}\n"


@pytest.mark.parametrize(
    ("message", "files", "own"),
    [
        (TRAILED, [{"filename": names.WORKFLOW_PATH}], True),
        ("Install patch_app", [{"filename": names.WORKFLOW_PATH}], False),
        (TRAILED, [{"filename": names.WORKFLOW_PATH}, {"filename": "src/lock.c"}], False),
        (TRAILED, [{"filename": names.WORKFLOW_PATH, "previous_filename": "src/lock.c"}], False),
        (TRAILED, [], False),
    ],
    ids=["ours", "no trailer", "another file too", "another file moved away", "nothing"],
)
async def test_only_a_commit_with_the_trailer_and_our_paths_alone_is_our_own(
    message: str, files: list[dict[str, str]], own: bool
) -> None:
    answers = {f"/repos/alice/tool/commits/{CANDIDATE}": {"commit": {"message": message}, "files": files}}
    client: Any = Client(answers)
    assert await claims.is_our_own(client, "alice/tool", CANDIDATE) is own


@pytest.mark.parametrize(("upstream", "newer"), [("UP/Tool", True), ("other/tool", False)])
def test_release_of_another_upstream_is_never_newer(upstream: str, newer: bool) -> None:
    other = attempt(id="b" * 16, event="other", upstream=upstream, tag="v9.0.0", stage=Stage.PROMOTED)
    assert evidence._sibling(attempt(), other).newer is newer


@pytest.mark.parametrize(
    ("changes", "base"),
    [
        ({}, "f" * 40),
        ({"candidate": "d" * 40}, None),
        ({"upstream": "another/tool"}, None),
        ({"stage": Stage.REVIEWING}, None),
    ],
    ids=["ours", "moved since", "another upstream", "never promoted"],
)
def test_base_is_told_to_the_runner_only_where_the_stack_is_as_a_promotion_left_it(
    changes: dict[str, Any], base: str | None
) -> None:
    other = attempt(id="other", stage=Stage.PROMOTED, candidate=CANDIDATE, target="f" * 40)
    read = dataclasses.replace(reading({}), siblings=(other.model_copy(update=changes),))
    assert read._promoted_target(CANDIDATE) == base
