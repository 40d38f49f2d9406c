"""Rows of the inbox that ask for a look: twice, cut off, refused, and what follows a merge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.onboarding import Standing
from patch_app.engine.onboarder import Onboarder
from patch_app.engine.onboarding import Look
from patch_app.github.errors import Later, NotFound, RefMoved
from patch_app.github.footprint import footprint_version
from patch_app.store.flow_events import FlowEvent
from patch_app.store.forks import Fork
from patch_app.store.inbox import InboxRow
from patch_app.store.store import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Looks:
    """In place of a look: what it found, or how it ended."""

    def __init__(self) -> None:
        self.ends: list[Look | Exception] = []

    async def look(self, installation_id: int, repository_id: int) -> Look:
        assert (installation_id, repository_id) == (5, 7)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path)
    await store.put_fork(fork())
    yield store
    store.close()


def fork() -> Fork:
    return Fork(
        installation_id=5, repository_id=7, repository="ann/tool", default_branch="main", private=False,
        parent="Up/Tool", updated=NOW,
    )  # fmt: skip


def onboarder(store: Store, *ends: Look | Exception) -> Onboarder:
    looks: Any = Looks()
    looks.ends = list(ends)
    app: Any = None
    return Onboarder(app=app, store=store, onboarding=looks, clock=lambda: NOW)


OFFERED = Look(standing=Standing.OFFER, repository="ann/tool")
MERGED = Look(standing=Standing.INSTALLED, repository="ann/tool", installed=True)


async def row(store: Store, part: Onboarder, why: str = "delivery") -> InboxRow:
    await part.ask(7, why)
    return (await store.inbox_pending(10, NOW))[-1]


async def heard(store: Store, tag: str, at: datetime, **changed: Any) -> None:
    event = ReleaseEvent(upstream="up/tool", tag=tag, published=at)
    await store.add_event(
        FlowEvent(
            id=event.id,
            type="upstream.release",
            upstream=changed.get("upstream", event.upstream),
            tag=tag,
            payload=event.model_dump(mode="json"),
            received=at,
            source="poll",
            record_only=changed.get("record_only", False),
        )
    )


async def told(store: Store) -> list[str]:
    rows = await store.inbox_pending(10, NOW)
    return [ReleaseEvent.model_validate_json(one.payload).tag for one in rows if one.kind is Kind.RELEASE]


async def test_the_same_delivery_twice_is_one_look(store: Store) -> None:
    part = onboarder(store)
    await part.ask_installation(5, "d1")
    await part.ask_installation(5, "d1")
    await part.ask_installation(6, "d1")
    assert len(await store.inbox_pending(10, NOW)) == 1


async def test_a_start_asks_for_what_was_never_looked_at_and_for_another_version(store: Store) -> None:
    part = onboarder(store, OFFERED)
    await part.ask_new()
    (asked,) = await store.inbox_pending(10, NOW)
    await part.take(asked)
    await store.inbox_done([asked.id], NOW)
    await part.ask_new()
    assert await store.inbox_pending(10, NOW) == []
    note = await store.cursor("onboarding:7")
    assert note is not None
    assert (note["version"], note["installed"]) == (footprint_version(), False)
    await store.set_cursor("onboarding:7", {**note, "version": "an older one"})
    await onboarder(store).ask_new()
    assert await store.inbox_pending(10, NOW) == []  # the same moment: asked for already
    later = onboarder(store)
    object.__setattr__(later, "clock", lambda: NOW + timedelta(hours=1))
    await later.ask_new()
    assert len(await store.inbox_pending(10, NOW)) == 1


async def test_the_installation_ends_in_the_middle_of_a_look(store: Store) -> None:
    part = onboarder(store, NotFound(404, "no such installation"))
    asked = await row(store, part)
    await part.take(asked)
    assert await store.cursor("onboarding:7") is None
    await store.remove_fork(7)
    await part.take(asked)  # forgotten meanwhile: nobody is asked


async def test_a_ref_moved_under_a_look_which_is_taken_again(store: Store) -> None:
    part = onboarder(store, RefMoved("refs/heads/x", "1", "2"), OFFERED)
    asked = await row(store, part)
    with pytest.raises(Later):
        await part.take(asked)
    await part.take(asked)


async def test_a_preview_that_isn_t_there_yet_is_looked_for_again(store: Store) -> None:
    pending = Look(standing=Standing.OFFER, repository="ann/tool", pending=True)
    part = onboarder(store, pending)
    with pytest.raises(Later, match="preview"):
        await part.take(await row(store, part))
    assert await store.cursor("onboarding:7") is not None


async def test_the_newest_release_of_meanwhile_follows_the_merge_once(store: Store) -> None:
    await heard(store, "v1.0.0", NOW - timedelta(days=1))
    part = onboarder(store, OFFERED, MERGED, MERGED)
    await part.take(await row(store, part))
    for minute, tag in enumerate(("v1.1.0", "v1.3.0", "v1.2.1", "v2.0.0-rc1", "nightly"), 1):
        await heard(store, tag, NOW + timedelta(minutes=minute))
    await heard(store, "v9.0.0", NOW + timedelta(minutes=9), record_only=True)
    await heard(store, "v8.0.0", NOW + timedelta(minutes=9), upstream="other/tool")
    assert await told(store) == []
    await part.take(await row(store, part, "merged"))
    await part.take(await row(store, part, "again"))
    assert await told(store) == ["v1.3.0"]
    assert await part.is_installed(fork())


async def test_cut_off_between_the_release_and_the_note_it_follows_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = onboarder(store, OFFERED, MERGED, MERGED)
    asked = await row(store, part)
    await part.take(asked)
    await heard(store, "v1.1.0", NOW)

    async def cut_off(name: str, value: dict[str, Any]) -> None:
        raise ConnectionError(name, value)

    with monkeypatch.context() as patched:
        patched.setattr(store, "set_cursor", cut_off)
        with pytest.raises(ConnectionError):
            await part.take(asked)
    await part.take(asked)
    assert await told(store) == ["v1.1.0"]


async def test_a_fork_that_has_the_files_already_takes_no_release_of_before(store: Store) -> None:
    await heard(store, "v1.1.0", NOW)
    part = onboarder(store, MERGED)
    await part.take(await row(store, part))
    assert await told(store) == []
