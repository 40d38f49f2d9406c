"""When a repository is looked at for onboarding, and what follows for releases. Rows of the inbox carry the
looks.

A row is tried again until it went well, so what is cut off is not lost. The store's note of a repository
saves requests alone: without it GitHub is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from patch_app.core import releases
from patch_app.core.configuration import Configuration
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.engine.forks import upstream_of
from patch_app.engine.onboarding import Look, Onboarding
from patch_app.github import onboarding as readings
from patch_app.github.client import GitHubApp
from patch_app.github.errors import Later, RefMoved, Refused
from patch_app.github.footprint import footprint_version
from patch_app.store.flow_events import EventFilter
from patch_app.store.forks import Fork
from patch_app.store.inbox import InboxRow, Incoming
from patch_app.store.store import Store

# seconds until a preview that isn't there yet is looked for again, where no webhook says that it is
PREVIEW_PAUSE: Final = 900.0
# releases heard of while a pull request was open that are looked through, newest first
MOST_MISSED: Final = 500

log = structlog.get_logger("onboarding")


@dataclass(frozen=True, kw_only=True)
class Onboarder:
    """What onboarding needs beside a look."""

    app: GitHubApp
    store: Store
    onboarding: Onboarding
    clock: Callable[[], datetime]

    async def ask(self, repository_id: int, why: str) -> None:
        """Have a repository looked at; `why` is the same when the same thing is heard twice."""
        row = Incoming(
            kind=Kind.ONBOARD,
            key=f"{repository_id}:{why}",
            payload=str(repository_id).encode(),
            headers={},
            received=self.clock(),
        )
        await self.store.inbox_add(row)

    async def ask_installation(self, installation_id: int, why: str) -> None:
        """Repositories that the App has there, and that this version hasn't looked at."""
        for fork in await self.store.forks():
            if fork.installation_id == installation_id and await self._is_new(fork):
                await self.ask(fork.repository_id, why)

    async def ask_new(self) -> None:
        """After a start: repositories that were never looked at, or by another version than this one."""
        now = self.clock().isoformat()
        for fork in await self.store.forks():
            if await self._is_new(fork):
                await self.ask(fork.repository_id, f"start:{now}")

    async def _is_new(self, fork: Fork) -> bool:
        note = await self.store.cursor(_name(fork.repository_id))
        return note is None or note["version"] != footprint_version()

    async def take(self, row: InboxRow) -> None:
        """Look at the repository of a row. Raises Later (also while its preview isn't there yet), Bug."""
        fork = await self.store.fork(int(row.payload))
        if fork is None:
            return  # the App was removed from it meanwhile
        try:
            look = await self.onboarding.look(fork.installation_id, fork.repository_id)
        except RefMoved as error:
            raise Later(error.message) from None
        except Refused as error:
            # the installation ended in the midst, or the repository's rules forbid it: asked again at a start
            log.warning("not onboarded", repository=fork.repository, reason=error.message)
            return
        log.info("onboarding", repository=look.repository, standing=look.standing.value)
        await self._note(fork, look)
        if look.pending:
            raise Later("the preview is not there yet", PREVIEW_PAUSE)

    async def is_installed(self, fork: Fork) -> bool:
        """Whether a person has ever merged the workflow into the fork's default branch. Raises Later, Bug."""
        note = await self.store.cursor(_name(fork.repository_id))
        if note is not None and note["installed"]:
            return True
        client = await self.app.installation(fork.installation_id, fork.repository_id, {"contents": "read"})
        return await readings.ever_installed(client, fork.repository, fork.default_branch)

    async def _note(self, fork: Fork, look: Look) -> None:
        known = await self.store.cursor(_name(fork.repository_id))
        note: dict[str, Any] = {
            "version": footprint_version(),
            "standing": look.standing.value,
            "installed": look.installed,
            # what is heard of from here on, until it is installed, isn't lost
            "since": known["since"] if known else self.clock().isoformat(),
        }
        if look.installed and known is not None and not known["installed"]:
            # first what follows, then the note: cut off between the two, it follows twice, which is once
            await self._catch_up(fork, datetime.fromisoformat(known["since"]))
        if note != known:
            await self.store.set_cursor(_name(fork.repository_id), note)

    async def _catch_up(self, fork: Fork, since: datetime) -> None:
        """Tell the newest release again that was heard of while nothing could be started."""
        policy = (fork.configuration or Configuration()).upstream
        newest: ReleaseEvent | None = None
        heard_of = EventFilter(type=Kind.RELEASE.value)  # what a channel has released is none of upstream's
        for event in await self.store.events(heard_of, limit=MOST_MISSED):
            if event.record_only or event.received < since:
                continue
            if event.upstream.lower() != (upstream_of(fork) or "").lower():
                continue
            heard = ReleaseEvent.model_validate(event.payload)
            release = releases.Release(
                tag=heard.tag, prerelease=heard.prerelease, published=heard.published or event.received
            )
            taken = not isinstance(releases.accepts(release, policy, self.clock()), releases.Rejected)
            # events come newest first: one without an order by version stays behind those heard later
            if taken and (newest is None or releases.newer(heard.tag, newest.tag)):
                newest = heard
        if newest is None:
            return
        log.info("release taken after the installation", repository=fork.repository, tag=newest.tag)
        row = Incoming(
            kind=Kind.RELEASE,
            key=f"{newest.id}:onboarded:{fork.repository_id}",
            payload=newest.model_dump_json().encode(),
            headers={},
            received=self.clock(),
        )
        await self.store.inbox_add(row)


def _name(repository_id: int) -> str:
    return f"onboarding:{repository_id}"
