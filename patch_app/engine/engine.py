"""The embedded engine: one process, SQLite, a turn whenever something may have happened.

A turn takes the inbox, then looks at every attempt that is due, woken, or has an unfinished effect.
Refuses to run two steps of one attempt at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from patch_app.engine.advance import Advancer
from patch_app.engine.dashboard import DashboardIssues
from patch_app.engine.deliveries import Deliveries
from patch_app.engine.forks import Forks
from patch_app.engine.intake import Intake
from patch_app.engine.onboarder import Onboarder
from patch_app.engine.poll import Poller
from patch_app.github.errors import GitHubError, Later
from patch_app.store.errors import StoreError
from patch_app.store.store import Store

# attempts looked at side by side
AT_ONCE: Final = 8
# seconds between looks at the inbox where nothing woke us: other processes write to it too
HEARTBEAT: Final = 1.0
# seconds until an attempt whose look ended in a surprise is looked at again
REST: Final = 30.0
# seconds between two times that old inbox rows are forgotten, and how long they are kept: GitHub can
# redeliver for 3 days, and a redelivery must still be known as one
PRUNE_EVERY: Final = 86_400.0
KEPT: Final = timedelta(days=30)
# seconds that looks under way get at a stop
GRACE: Final = 5.0

log = structlog.get_logger("engine")


@dataclass(kw_only=True)
class Engine:
    """Start with `run()`, end with `stop()`.

    `poll`: seconds between polls of upstreams, 0 for none. `hear`: seconds between looks at the App's
    deliveries, 0 where GitHub sends them and only lost ones are looked for, once.
    """

    store: Store
    intake: Intake
    onboarder: Onboarder
    forks: Forks
    advancer: Advancer
    poller: Poller
    dashboards: DashboardIssues
    deliveries: Deliveries
    clock: Callable[[], datetime]
    poll: float
    hear: float
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    # attempts (and dashboards) to look at, in the order in which they were asked for
    _queue: dict[str, None] = field(default_factory=dict)
    # attempts whose look ended in a surprise, and when they may be looked at again
    _resting: dict[str, datetime] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    # the App's forks were read since the start
    _known: bool = False

    def wake(self) -> None:
        """Something may have happened. From the event loop's own thread."""
        self._woken.set()

    def stop(self) -> None:
        """No new look is begun; those under way get some seconds."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Until stopped. What goes wrong in one part is logged and tried again; nothing is dropped."""
        jobs = (self._know_forks(), self._prune_forever(), self._hear())
        others = [asyncio.create_task(job) for job in jobs]
        if self.poll > 0:
            others.append(asyncio.create_task(self._poll_forever()))
        try:
            while not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), HEARTBEAT)
                self._woken.clear()
                if not self._stopping:
                    await self._guarded(self._turn)
        finally:
            for task in others:
                task.cancel()
            under_way = list(self._tasks.values())
            if under_way:
                # what is cut off is begun again at the next start, as after a crash
                _, late = await asyncio.wait(under_way, timeout=GRACE)
                for task in late:
                    task.cancel()
            await asyncio.gather(*others, *under_way, return_exceptions=True)

    async def _turn(self) -> None:
        # a release that is matched before the forks are known would match none of them, and be lost
        wanted = (await self.intake.take() or set()) if self._known else set()
        now = self.clock()
        due = {attempt.id for attempt in await self.store.open_attempts(now)}
        due |= set(await self.store.unfinished(now))
        # what is looked at now is due until that look has ended
        wanted |= due - self._tasks.keys()
        wanted |= set(await self.dashboards.due()) if self._known else set()
        self._queue.update(dict.fromkeys(sorted(wanted)))
        self._start()

    def _start(self) -> None:
        now = self.clock()
        for attempt_id in list(self._queue):
            if self._stopping or len(self._tasks) >= AT_ONCE:
                return
            if attempt_id in self._tasks:
                continue  # asked for while it is looked at: once more afterwards
            del self._queue[attempt_id]
            if self._resting.get(attempt_id, now) <= now:
                task = asyncio.create_task(self._look(attempt_id))
                self._tasks[attempt_id] = task
                task.add_done_callback(partial(self._looked, attempt_id))

    async def _look(self, attempt_id: str) -> None:
        work = self.dashboards.tend if self.dashboards.is_name(attempt_id) else self.advancer.advance
        if await self._guarded(lambda: work(attempt_id)):
            self._resting.pop(attempt_id, None)
        else:
            self._resting[attempt_id] = self.clock() + timedelta(seconds=REST)

    def _looked(self, attempt_id: str, _task: asyncio.Task[None]) -> None:
        del self._tasks[attempt_id]
        self._start()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether it went well. What went wrong is loud, and due again by the timer."""
        try:
            await work()
        except (GitHubError, StoreError) as error:
            log.error("will be tried again", reason=str(error), kind=type(error).__name__)
        except Exception:
            log.exception("unexpected")
        else:
            return True
        return False

    async def _know_forks(self) -> None:
        while not self._stopping:
            if await self._guarded(self._refresh_forks):
                return
            await asyncio.sleep(REST)

    async def _refresh_forks(self) -> None:
        failed = await self.forks.refresh_all()
        await self.onboarder.ask_new()
        await self.dashboards.mark_all()
        self._known = True
        self._woken.set()
        if failed:
            raise Later(f"{failed} installation(s) could not be read")

    async def _hear(self) -> None:
        while not self._stopping:
            well = await self._guarded(self.deliveries.poll if self.hear else self.deliveries.catch_up)
            self._woken.set()
            if well and not self.hear:
                return
            await asyncio.sleep(self.hear if well else REST)

    async def _prune_forever(self) -> None:
        while not self._stopping:
            await self._guarded(self._prune)
            await asyncio.sleep(PRUNE_EVERY)

    async def _prune(self) -> None:
        await self.store.inbox_prune(self.clock() - KEPT)

    async def _poll_forever(self) -> None:
        while not self._stopping:
            await self._guarded(self.poller.poll)
            self._woken.set()
            await asyncio.sleep(self.poll)
