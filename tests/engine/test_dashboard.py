"""The dashboard issue in trouble: issues off, cut off, deleted, GitHub away, the same tick twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patch_app.core import dashboard, names
from patch_app.core.configuration import Configuration, Dashboard, Upstream
from patch_app.core.dashboard import Action
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.hints import Edit
from patch_app.core.releases import Accepted, NotYet, Rejected
from patch_app.engine.dashboard import DashboardIssues, ignored_by
from patch_app.engine.following import Following
from patch_app.engine.forks import Told
from patch_app.engine.intake import Intake
from patch_app.github.errors import Later, NotFound, Refused
from patch_app.store.flow_events import FlowEvent
from patch_app.store.forks import Fork
from patch_app.store.store import Store

ON = Configuration(dashboard=Dashboard(issue=True))
NAME = "dashboard:7"


class GitHub:
    """Issues of one repository, as far as they are asked for."""

    def __init__(self) -> None:
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.fails: Exception | None = None
        self.hidden = False
        self.has_issues = True

    async def installation(self, *_: object) -> GitHub:
        return self

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails
        if not self.has_issues:
            raise Refused(410, "Issues has been disabled in this repository.")

    async def get(self, path: str) -> dict[str, Any]:
        if path == "/repos/ann/tool":
            return {"has_issues": self.has_issues}
        self._ask(f"GET {path}")
        found = self.issues.get(int(path.rpartition("/")[2]))
        if found is None:
            raise Refused(410, "This issue was deleted")
        return found

    async def find(self, path: str) -> dict[str, Any]:
        return {"permission": "write", "role_name": "write"}

    async def get_all(self, path: str, **_: object) -> list[dict[str, Any]]:
        if path.endswith("/comments"):
            return self.comments
        self._ask("LIST")
        return [] if self.hidden else list(self.issues.values())

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._ask("POST")
        if path.endswith("/comments"):
            self.comments.append({"body": body["body"], "user": {"login": "ours[bot]"}})
            return {}
        number = len(self.issues) + 1
        self.issues[number] = {"number": number, "state": "open", **body}
        return self.issues[number]

    async def patch(self, path: str, body: dict[str, Any]) -> None:
        self._ask("PATCH")
        self.issues[int(path.rpartition("/")[2])].update(body)


class Bench:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)
        self.github = GitHub()
        self.start()

    def start(self) -> None:
        """Another process: nothing but the store is remembered."""
        app: Any = self.github
        self.part = DashboardIssues(app=app, app_slug="ours", store=self.store, clock=lambda: self.now)

    async def configure(self, configuration: Configuration | None, error: str | None = None) -> None:
        fork = Fork(
            installation_id=5, repository_id=7, repository="ann/tool", default_branch="main", private=False,
            parent="Up/Tool", configuration=configuration, configuration_error=error, updated=self.now,
        )  # fmt: skip
        await self.store.put_fork(fork)

    async def later(self, seconds: float = 61, *, touched: bool = True) -> list[str]:
        """Time passes, what is due is tended; what was asked of GitHub."""
        self.now += timedelta(seconds=seconds)
        self.github.asked.clear()
        if touched:
            self.part.mark(7, touched=True)
        for name in await self.part.due():
            await self.part.tend(name)
        return self.github.asked

    async def hear(self, tag: str) -> None:
        await self.store.set_cursor("releases:up/tool", {"seen": {tag: False}, "newest": None})

    async def tick(
        self, *actions: Action, tag: str = "v1.0.0", key: str = "d1", at: datetime | None = None
    ) -> None:
        lines = (f"- [x] {dashboard.box(one, names.event_id('up/tool', tag))}" for one in actions)
        fork = await self.store.fork(7)
        assert fork is not None
        await self.part.edited(
            fork, Edit(number=1, person="bob", before="", after="\n".join(lines), at=at), key
        )

    async def told(self) -> list[ReleaseEvent]:
        rows = await self.store.inbox_pending(10, self.now)
        return [ReleaseEvent.model_validate_json(one.payload) for one in rows if one.kind is Kind.RELEASE]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = Store.open(tmp_path)
    bench = Bench(store)
    await bench.configure(ON)
    yield bench
    store.close()


async def test_nothing_is_asked_where_it_is_off_or_says_the_same(bench: Bench) -> None:
    await bench.configure(Configuration())
    assert await bench.later() == []
    await bench.configure(ON)
    assert await bench.later() == ["LIST", "POST"]
    bench.part.mark(7)
    assert await bench.later(touched=False) == []
    # another process looks once whether somebody has changed it
    bench.start()
    await bench.part.mark_all()
    assert await bench.later(touched=False) == ["GET /repos/ann/tool/issues/1"]


async def test_issues_are_off_and_it_is_said_once_a_day(bench: Bench) -> None:
    bench.github.has_issues = False
    assert await bench.later() == ["LIST"]
    bench.part.mark(7)
    assert await bench.later(touched=False) == []
    bench.github.has_issues = True
    bench.part.mark(7)
    assert await bench.later(86_400, touched=False) == ["LIST", "POST"]


async def test_cut_off_before_its_number_was_kept_there_is_still_one_issue(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = bench.store.set_cursor

    async def cut_off(name: str, value: dict[str, Any]) -> None:
        if value.get("number"):
            raise ConnectionError(name)
        await keep(name, value)

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "set_cursor", cut_off)
        with pytest.raises(ConnectionError):
            await bench.later()
    assert len(bench.github.issues) == 1
    bench.start()
    # GitHub's list doesn't have it yet: it isn't even asked
    bench.github.hidden = True
    assert await bench.later(5) == []
    bench.github.hidden = False
    await bench.later(10, touched=False)
    assert len(bench.github.issues) == 1


async def test_the_store_is_lost_and_a_stranger_s_issue_has_the_mark_removed(bench: Bench) -> None:
    await bench.later()
    await bench.store.set_cursor(NAME, {})
    assert await bench.later() == ["LIST", "GET /repos/ann/tool/issues/1"]
    assert len(bench.github.issues) == 1


async def test_a_deleted_issue_comes_back_only_after_it_was_turned_off_and_on(bench: Bench) -> None:
    await bench.later()
    bench.github.issues.clear()
    await bench.later()
    assert await bench.later() == []
    await bench.configure(Configuration())
    await bench.later()
    await bench.configure(ON)
    assert await bench.later() == ["LIST", "POST"]


async def test_github_is_away_and_nothing_is_forgotten(bench: Bench) -> None:
    bench.github.fails = Later("away", 30)
    assert await bench.later() == ["LIST"]
    bench.github.fails = None
    assert await bench.later(20, touched=False) == []
    assert await bench.later(20, touched=False) == ["LIST", "POST"]


async def test_a_mistake_in_the_configuration_neither_closes_nor_opens_it(bench: Bench) -> None:
    await bench.configure(None, "line 3: unknown key")
    assert await bench.later() == []
    await bench.configure(ON)
    await bench.later()
    await bench.configure(None, "line 3: unknown key")
    await bench.later()
    (issue,) = bench.github.issues.values()
    assert (issue["state"], "line 3: unknown key" in issue["body"]) == ("open", True)


async def test_the_same_tick_twice_is_one_release_for_this_fork_alone(bench: Bench) -> None:
    await bench.later()
    await bench.hear("v1.0.0")
    await bench.tick(Action.CARRY)
    await bench.tick(Action.CARRY)
    (event,) = await bench.told()
    assert (event.tag, event.only, event.at_once, event.source) == ("v1.0.0", 7, True, "dashboard")
    assert event.id == names.event_id("up/tool", "v1.0.0")


async def test_an_edit_is_sent_again_after_what_it_asked_for_was_taken_back(bench: Bench) -> None:
    await bench.later()
    await bench.hear("v1.0.0")
    made = bench.now
    await bench.tick(Action.IGNORE, key="first", at=made)
    await bench.tick(Action.TAKE, key="second", at=made)
    for days in (0, 6, 8, 40):
        bench.now = made + timedelta(days=days)
        await bench.tick(Action.IGNORE, key="first", at=made)
        assert await ignored_by(bench.store, 7) == {}
    await bench.tick(Action.TAKE, key="third", at=bench.now)
    await bench.tick(Action.IGNORE, key="first", at=made)
    assert await ignored_by(bench.store, 7) == {}
    await bench.tick(Action.IGNORE, key="fourth", at=bench.now)
    assert len(await ignored_by(bench.store, 7)) == 1


async def test_both_boxes_an_unknown_release_and_another_issue(bench: Bench) -> None:
    await bench.later()
    await bench.hear("v1.0.0")
    for _ in range(2):
        await bench.tick(Action.CARRY, Action.IGNORE)
    assert len(bench.github.comments) == 1
    await bench.tick(Action.CARRY, tag="v6.6.6", key="d2")
    assert "is no release that is known here" in bench.github.comments[1]["body"]
    fork = await bench.store.fork(7)
    assert fork is not None
    await bench.store.set_cursor(NAME, {"number": 2})
    await bench.tick(Action.CARRY, key="d3")
    assert (await bench.told(), await ignored_by(bench.store, 7)) == ([], {})


async def test_ignored_and_taken_after_all_where_the_issue_was_moved_away_meanwhile(bench: Bench) -> None:
    await bench.later()
    await bench.hear("v1.0.0")
    await bench.tick(Action.IGNORE)
    assert [one.tag for one in (await ignored_by(bench.store, 7)).values()] == ["v1.0.0"]
    bench.github.fails = NotFound(404, "moved")
    await bench.tick(Action.TAKE, key="d2")
    assert await ignored_by(bench.store, 7) == {}
    assert [one.at_once for one in await bench.told()] == [False]
    await bench.later()
    assert await bench.later() == []


async def test_a_release_of_our_own_is_none_of_the_upstream_s(bench: Bench) -> None:
    own = FlowEvent(
        id="f" * 16, type="downstream.release", upstream="Up/Tool", tag="v9.9.9",
        payload={"repository": "ann/tool", "stack": "main"}, received=bench.now, source="engine",
    )  # fmt: skip
    await bench.store.add_event(own)
    await bench.hear("v1.0.0")
    await bench.later()
    (issue,) = bench.github.issues.values()
    assert ("v1.0.0" in issue["body"], "v9.9.9" in issue["body"]) == (True, False)


class Others:
    """In place of forks and onboarding: as the store has it, and installed."""

    async def with_release(self, fork: Fork, event: ReleaseEvent) -> Told:
        return Told(fork=fork, following=Following())

    async def is_installed(self, fork: Fork) -> bool:
        return True


async def test_what_one_fork_wants_at_once_starts_nothing_on_another(bench: Bench) -> None:
    patient = Configuration(upstream=Upstream.model_validate({"minimum_age": "7d"}))
    await bench.configure(patient)
    fork = await bench.store.fork(7)
    assert fork is not None
    await bench.store.put_fork(fork.model_copy(update={"repository_id": 8, "repository": "bea/tool"}))
    others: Any = Others()
    intake = Intake(store=bench.store, app=others, forks=others, onboarder=others, clock=lambda: bench.now)
    heard = ReleaseEvent(upstream="up/tool", tag="v1.0.0", published=bench.now)
    wanted = heard.model_copy(update={"only": 7, "at_once": True})

    async def matched(event: ReleaseEvent) -> list[tuple[int, type]]:
        return [(one.fork.repository_id, type(one.verdict)) for one in await intake.match(event)]

    assert await matched(heard) == [(7, NotYet), (8, NotYet)]
    assert await matched(wanted) == [(7, Accepted)]
    kept = {heard.id: {"tag": "v1.0.0", "person": "bob"}}
    await bench.store.set_cursor("ignored:8", kept)
    assert await matched(heard) == [(7, NotYet), (8, Rejected)]
