"""The engine's own parts, with a GitHub that answers as it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patch_app.core import plan
from patch_app.core.attempt import Asked, Attempt, Press, Stage
from patch_app.core.effects import Comment, EffectState
from patch_app.core.events import Kind
from patch_app.core.facts import Facts
from patch_app.engine import poll
from patch_app.engine.advance import Advancer
from patch_app.engine.forks import Forks
from patch_app.engine.intake import Intake
from patch_app.github.errors import Bug, GitHubError, Later, Refused, Unknown
from patch_app.github.perform import Outcome
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.forks import Fork
from patch_app.store.inbox import Incoming
from patch_app.store.store import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


class GitHub:
    """Raises what it is given, else shows nothing new."""

    def __init__(self, error: GitHubError | None = None) -> None:
        self.error = error
        self.performed = 0

    async def read(self, attempt: Attempt, effects: Any, siblings: Any, now: datetime) -> Facts:
        if self.error:
            raise self.error
        head = {f"refs/heads/{attempt.stack}": attempt.stack_head or ""}
        return Facts(now=now, app_slug="patch-app", refs=head, target=attempt.target)

    async def perform(self, attempt: Attempt, effect: Any, *, again: bool) -> Outcome:
        self.performed += 1
        if self.error:
            raise self.error
        return Outcome(done=True)


def advancer(store: Store, reads: GitHub, performs: GitHub | None = None) -> Advancer:
    return Advancer(
        store=store,
        evidence=reads,
        performer=performs or reads,
        clock=lambda: NOW,
        sync=60.0,
        settle=0.0,
    )


async def put(store: Store, stage: Stage, *effects: Any) -> Attempt:
    attempt = Attempt(
        id="attempt00001",
        event="event0000001",
        installation_id=1,
        repository_id=2,
        repository="alice/tool",
        upstream="up/tool",
        tag="v2",
        stack="main",
        stage=stage,
        target="a" * 40,
        stack_head="b" * 40,
        created=NOW,
        updated=NOW,
    )
    assert await store.advance(
        AdvanceCommit(expected_version=None, attempt=attempt, effects=effects, due=NOW)
    )
    return attempt


async def stored(store: Store) -> Attempt:
    found = await store.attempt("attempt00001")
    assert found is not None
    return found


async def test_reading_that_github_refuses_is_told_and_the_attempt_goes_on_once_it_is_shown(
    store: Store,
) -> None:
    await put(store, Stage.REVIEWING)
    refuses = advancer(store, GitHub(Refused(0, "more than 1000 items")))
    for _ in range(3):
        await refuses.advance("attempt00001")
    blocked = await stored(store)
    assert (blocked.stage, blocked.resume) == (Stage.BLOCKED, Stage.REVIEWING)
    assert "more than 1000 items" in blocked.message
    assert await store.open_attempts(NOW) == []
    assert len(await store.open_attempts(NOW + timedelta(seconds=60))) == 1
    await advancer(store, GitHub()).advance("attempt00001")
    assert (await stored(store)).stage is Stage.REVIEWING


async def test_effect_that_ends_in_a_bug_is_not_begun_again_for_ever(store: Store) -> None:
    await put(store, Stage.REVIEWING, Comment(number=1, marker="m", body="b"))
    bug = GitHub(Bug("400"))
    for _ in range(5):
        await advancer(store, GitHub(), bug).advance("attempt00001")
    assert bug.performed == 1
    assert [one.state for one in await store.effects("attempt00001")] == [EffectState.REFUSED]
    assert await store.unfinished(NOW) == []
    assert (await stored(store)).stage is Stage.FAILED


async def test_second_try_whose_answer_is_lost_is_looked_for_only_when_lists_have_it(store: Store) -> None:
    await put(store, Stage.REVIEWING, Comment(number=1, marker="m", body="b"))
    lost = GitHub(Unknown("502"))
    now = [NOW]
    slow = replace(advancer(store, GitHub(), lost), settle=10.0, clock=lambda: now[0])
    for seconds, performed in ((0, 1), (5, 1), (10, 2), (15, 2), (20, 3)):
        now[0] = NOW + timedelta(seconds=seconds)
        await slow.advance("attempt00001")
        assert lost.performed == performed, seconds


@pytest.mark.parametrize(("seconds", "reads"), [(1, 1), (60, 2)], ids=["just read", "grown old"])
async def test_what_was_read_is_used_again_within_seconds_and_never_longer(
    store: Store, seconds: int, reads: int
) -> None:
    asked = Asked(person="mia", permission="admin", commit="a" * 40)
    attempt = await put(store, Stage.PROMOTED)
    done = attempt.model_copy(
        update={"version": 1, "rollback": asked, "stack_head": "a" * 40, "candidate": "b" * 40}
    )
    await store.advance(AdvanceCommit(expected_version=0, attempt=done, due=NOW))
    now = [NOW]

    class Slow(GitHub):
        """The move takes its time."""

        there, read_times = "b" * 40, 0

        async def read(self, attempt: Attempt, effects: Any, siblings: Any, now: datetime) -> Facts:
            self.read_times += 1
            return Facts(now=now, app_slug="patch-app", refs={"refs/heads/main": self.there})

        async def perform(self, attempt: Attempt, effect: Any, *, again: bool) -> Outcome:
            now[0] += timedelta(seconds=seconds)
            self.there = "a" * 40
            return Outcome(done=True)

    github = Slow()
    await replace(advancer(store, github), clock=lambda: now[0]).advance("attempt00001")
    assert (await stored(store)).stage is Stage.ROLLED_BACK
    assert github.read_times == reads


async def test_look_at_an_ended_attempt_that_could_not_be_done_now_is_done_later(store: Store) -> None:
    await put(store, Stage.FAILED)
    await advancer(store, GitHub(Later("rate limit", 30.0))).advance("attempt00001")
    later = NOW + timedelta(seconds=30)
    assert [one.id for one in await store.open_attempts(later)] == ["attempt00001"]
    await advancer(store, GitHub()).advance("attempt00001")
    assert await store.open_attempts(NOW + timedelta(days=1)) == []


async def test_branches_of_a_repository_that_is_gone_are_not_asked_for_at_each_turn(store: Store) -> None:
    class Gone(GitHub):
        async def read(self, attempt: Attempt, effects: Any, siblings: Any, now: datetime) -> Facts:
            return Facts(now=now, app_slug="patch-app", gone="alice/tool is gone")

    attempt = await put(store, Stage.REVIEWING)
    ended = attempt.model_copy(
        update={
            "version": 1,
            "stage": Stage.SUPERSEDED,
            "completed": NOW - timedelta(days=20),
            "written": {plan.branch_refs(attempt)[0]: "a" * 40},
        }
    )
    assert await store.advance(AdvanceCommit(expected_version=0, attempt=ended, due=NOW))
    await advancer(store, Gone()).advance("attempt00001")
    assert await store.open_attempts(NOW) == []
    assert len(await store.open_attempts(NOW + timedelta(seconds=60))) == 1


async def test_row_that_nobody_understands_does_not_hold_up_those_behind_it(store: Store) -> None:
    await put(store, Stage.FAILED)
    for key, kind, payload in (("a", Kind.DELIVERY, b"no JSON"), ("b", Kind.SYNC, b"attempt00001")):
        row = Incoming(kind=kind, key=key, payload=payload, headers={}, received=NOW)
        await store.inbox_add(row)
    nothing: Any = None
    intake = Intake(store=store, app=nothing, forks=nothing, onboarder=nothing, clock=lambda: NOW)
    assert await intake.take() == {"attempt00001"}
    assert await intake.take() is None
    assert [row.tries for row in await store.inbox_pending(10, NOW + timedelta(days=1))] == [1]


def a_fork(number: int, upstream: str) -> Fork:
    return Fork(
        installation_id=number,
        repository_id=number,
        repository=f"alice/tool{number}",
        default_branch="main",
        private=False,
        parent=upstream,
        configuration=None,
        configuration_error=None,
        updated=NOW,
    )


class App:
    """An App with two installations, the first of which refuses."""

    def __init__(self, suspended: bool = False) -> None:
        self.suspended = suspended

    def jwt_client(self) -> App:
        return self

    async def get_all(self, path: str, **_: Any) -> list[dict[str, Any]]:
        assert path == "/app/installations"
        first = {"id": 1, "suspended_at": "2026-01-01T00:00:00Z" if self.suspended else None}
        return [first, {"id": 2, "suspended_at": None}]

    async def installation(self, installation_id: int, *_: Any) -> int:
        if installation_id == 1:
            raise Later("rate limit", 3600.0)
        return installation_id


async def test_upstream_of_one_installation_is_polled_while_another_can_not_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[str] = []

    async def read(client: Any, upstreams: list[str]) -> list[Any]:
        polled.extend(upstreams)
        return []

    monkeypatch.setattr(poll, "read_releases_anyhow", read)
    for number in (1, 2):
        await store.put_fork(a_fork(number, f"up/tool{number}"))
    app: Any = App()
    await poll.Poller(app=app, store=store, clock=lambda: NOW).poll()
    assert polled == ["up/tool2"]


async def test_fork_of_a_suspended_installation_is_forgotten_at_the_start_and_one_failure_stops_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed: list[int] = []

    async def refresh(self: Forks, installation_id: int) -> None:
        if installation_id == 1:
            raise Later("rate limit")
        refreshed.append(installation_id)

    monkeypatch.setattr(Forks, "refresh", refresh)
    for number in (1, 2):
        await store.put_fork(a_fork(number, "up/tool"))
    failing: Any = App()
    assert await Forks(app=failing, store=store, clock=lambda: NOW).refresh_all() == 1
    assert refreshed == [2]
    suspended: Any = App(suspended=True)
    assert await Forks(app=suspended, store=store, clock=lambda: NOW).refresh_all() == 0
    assert [fork.repository_id for fork in await store.forks()] == [2]


async def test_press_comes_in_the_moment_when_a_look_stores_its_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, Stage.REVIEWING)
    real = store.attempt

    async def overtaken(attempt_id: str) -> Attempt | None:
        found = await real(attempt_id)
        assert found is not None
        if found.version < 2:
            step = found.model_copy(update={"version": found.version + 1})
            assert await store.advance(AdvanceCommit(expected_version=found.version, attempt=step, due=NOW))
        return found

    nothing: Any = None
    intake = Intake(store=store, app=nothing, forks=nothing, onboarder=nothing, clock=lambda: NOW)
    monkeypatch.setattr(store, "attempt", overtaken)
    press = Press(id="press:1", command="hold", person="ann")
    assert await intake._press("attempt00001", press) == {"attempt00001"}
    assert (await stored(store)).presses == (press,)
