"""What is read of GitHub, and what is not believed of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Press, Stage
from patch_app.core.siblings import sibling
from patch_app.github import claims, preflight
from patch_app.github.asking import Comment, asks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
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


def comment(number: int = 5, **changes: Any) -> Comment:
    body = f"/patch trust-workflows {CANDIDATE}"
    return Comment(**{"id": number, "number": 1, "person": "ann", "bot": False, "body": body} | changes)


PERMISSION = {"/repos/alice/tool/collaborators/ann/permission": {"permission": "admin", "role_name": "admin"}}


async def asked(*comments: Comment, **changes: Any) -> list[tuple[str, str, str]]:
    client: Any = Client(PERMISSION)
    found = await asks(client, attempt(**changes), comments, "patch-app")
    return [(one.id, one.person, one.permission) for one in found]


async def test_comment_that_somebody_edited_or_a_bot_wrote_asks_for_nothing() -> None:
    assert await asked(comment(edited=True), comment(bot=True), comment(body="no command")) == []


async def test_comment_is_asked_once_whether_the_record_or_our_own_answer_says_so() -> None:
    answer = comment(9, person="patch-app", bot=True, body="<!-- patch-app:answer:comment:6 -->\nann: held")
    forged = comment(10, person="eve", body="<!-- patch-app:answer:comment:7 -->")
    there = [comment(5), comment(6), comment(7), answer, forged]
    assert await asked(*there, answered=("comment:5",)) == [("comment:7", "ann", "admin")]


async def test_button_is_kept_until_it_is_answered_and_its_persons_permission_read_then() -> None:
    pressed = Press(id="press:1", person="ann", command="retry", commit=CANDIDATE)
    own = Press(id="ask:1", command="rollback")
    assert await asked(presses=(pressed, own)) == [("press:1", "ann", "admin"), ("ask:1", "", "admin")]
    assert await asked(presses=(pressed,), answered=("press:1",)) == []


OTHER = "0" * 39 + "9"
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
    assert await claims.installed(client, "alice/tool", [CANDIDATE]) == ([CANDIDATE] if own else [])


async def test_what_a_person_changes_of_our_files_goes_with_our_own_commit() -> None:
    told = {OTHER: "Configure it", CANDIDATE: TRAILED}
    answers = {
        f"/repos/alice/tool/commits/{one}": {
            "commit": {"message": message},
            "files": [{"filename": names.CONFIGURATION_PATH}],
        }
        for one, message in told.items()
    }
    client: Any = Client(answers)
    assert await claims.installed(client, "alice/tool", [OTHER, CANDIDATE]) == [OTHER, CANDIDATE]
    assert await claims.installed(client, "alice/tool", [OTHER]) == []


@pytest.mark.parametrize(("upstream", "newer"), [("UP/Tool", True), ("other/tool", False)])
def test_release_of_another_upstream_is_never_newer(upstream: str, newer: bool) -> None:
    other = attempt(id="b" * 16, event="other", upstream=upstream, tag="v9.0.0", stage=Stage.PROMOTED)
    assert sibling(attempt(), other).newer is newer


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
    others = [other.model_copy(update=changes)]
    assert preflight.promoted_target(attempt(), others, CANDIDATE) == base
