"""What is read before each attempt: how little, and what becomes of what GitHub doesn't show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from patch_app.core.vitals import Bypass
from patch_app.github import vitals
from patch_app.github.errors import Later, NotFound, Refused
from patch_app.github.setup import manifest
from tests.engine.test_evidence import attempt

RULES = "/repos/a/b/rules/branches/"
WANTED = manifest("https://x.example")["default_permissions"]


class Client:
    """Answers by path; an error is raised, what is unknown is not there."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def get(self, path: str, **_: Any) -> Any:
        self.asked.append(path)
        answer = self.answers.get(path, NotFound(404, "Not Found"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    get_all = get

    async def find(self, path: str) -> Any:
        try:
            return await self.get(path)
        except NotFound:
            return None


def app(answer: Any, refuses: str = "") -> Any:
    client = Client({"/app/installations/7": answer, "/app/installations/1": answer})

    async def installation(_id: int, _repository: int, wanted: dict[str, str]) -> None:
        if refuses in wanted:
            raise Refused(422, "The permissions requested are not granted to this installation.")

    return SimpleNamespace(
        jwt_client=lambda: client,
        settings=SimpleNamespace(web_url="https://x.example"),
        client=client,
        installation=installation,
    )


def row(kind: str, number: int | None = 3) -> dict[str, Any]:
    return {"type": kind} | ({"ruleset_id": number} if number else {})


async def test_clean_fork_costs_two_requests_and_the_tokens_that_the_attempt_needs_anyway() -> None:
    client = Client({f"{RULES}main": [], f"{RULES}patch-app/maintenance/main/v2.0.0": []})
    asked = app({"permissions": WANTED})
    found = await vitals.before_attempt(asked, client, attempt(), "patch-app", {"isPrivate": False})  # type: ignore[arg-type]
    assert (found.missing_permissions, found.rules, found.own_rules) == ({}, (), ())
    assert (len(client.asked), asked.client.asked) == (2, [])


async def test_token_that_github_refuses_is_why_the_permissions_are_looked_at() -> None:
    asked = app({"permissions": {**WANTED, "checks": "read"}}, refuses="checks")
    found = await vitals.before_attempt(asked, Client({}), attempt(), "patch-app", None)  # type: ignore[arg-type]
    assert found.missing_permissions == {"checks": "write"}
    assert (found.upstream_reachable, found.upstream_private) == (False, False)


@pytest.mark.parametrize(
    ("shown", "bypass"),
    [
        ({"name": "house", "current_user_can_bypass": "always"}, Bypass.ALWAYS),
        ({"name": "house", "current_user_can_bypass": "never"}, Bypass.NEVER),
        ({"name": "house", "current_user_can_bypass": "on_sundays"}, Bypass.UNKNOWN),
        ({"name": "house"}, Bypass.UNKNOWN),
        (Refused(403, "Resource not accessible by integration"), Bypass.UNKNOWN),
        (None, Bypass.UNKNOWN),
        ([], Bypass.UNKNOWN),
    ],
)
async def test_whether_the_app_may_go_past_a_ruleset(shown: Any, bypass: Bypass) -> None:
    client = Client({f"{RULES}main": [row("update"), row("deletion")], "/repos/a/b/rulesets/3": shown})
    (rules,) = await vitals.both_rules(client, "a/b", "main")  # type: ignore[arg-type]
    assert rules is not None
    assert [one.bypass for one in rules] == [bypass, bypass]
    assert client.asked.count("/repos/a/b/rulesets/3") == 1


async def test_rules_that_github_does_not_show_are_none_and_not_empty() -> None:
    client = Client({f"{RULES}main": Refused(403, "no"), f"{RULES}own": [row("update", None)]})
    main, own = await vitals.both_rules(client, "a/b", "main", "own")  # type: ignore[arg-type]
    assert main is None
    assert own is not None
    assert own[0].bypass is Bypass.UNKNOWN


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (WANTED, {}),
        ({**WANTED, "checks": "read"}, {"checks": "write"}),
        ({**WANTED, "statuses": "write"}, {}),
        ({k: v for k, v in WANTED.items() if k != "issues"}, {"issues": "write"}),
        ({**WANTED, "checks": "sometimes"}, {"checks": "write"}),
    ],
)
async def test_permissions_as_granted_against_the_manifest(
    granted: dict[str, str], missing: dict[str, str]
) -> None:
    answer = {"permissions": granted, "suspended_at": None}
    assert await vitals.installation(app(answer), 7) == (missing, False)


async def test_an_installation_that_is_not_shown_is_no_finding_and_trouble_is_later() -> None:
    assert await vitals.installation(app(NotFound(404, "gone")), 7) == (None, False)
    assert (await vitals.installation(app({"permissions": WANTED, "suspended_at": "2026-01-01"}), 7))[1]
    with pytest.raises(Later):
        await vitals.installation(app(Later("503")), 7)


async def test_an_upstream_is_private_only_where_github_says_so_of_this_parent() -> None:
    record = {"parent": {"full_name": "Tea/Pot", "private": True}}
    assert vitals.parent_is_private(record, "tea/pot")
    assert not vitals.parent_is_private(record, "other/pot")
    assert not vitals.parent_is_private({}, "tea/pot")
    assert (await vitals.seen(Client({"/repos/tea/pot": {}}), "tea/pot"))[0] is True  # type: ignore[arg-type]
    assert (await vitals.seen(Client({}), "tea/pot"))[0] is False  # type: ignore[arg-type]
    hidden = Client({"/repos/tea/pot": Refused(451, "blocked")})
    assert (await vitals.seen(hidden, "tea/pot"))[0] is None  # type: ignore[arg-type]
