"""Takes the inbox row by row: releases become attempts, deliveries become looks at attempts.

A row is done once what it asks for is stored; one that can't be dealt with now is tried again, and
what it says is never lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

import structlog
from pydantic import ValidationError

from patch_app.core import names, releases
from patch_app.core.attempt import Attempt, Press, Stage
from patch_app.core.configuration import Configuration, stacks
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.hints import Hints, concerns, hints, is_news
from patch_app.core.upstreams import Followed, aliases
from patch_app.engine.advance import stamped, successor
from patch_app.engine.carry_overs import CarryOvers
from patch_app.engine.dashboard import DashboardIssues, ignored_by
from patch_app.engine.following import Following, names_since
from patch_app.engine.forks import Forks, upstream_of
from patch_app.engine.onboarder import Onboarder
from patch_app.github.client import GitHubApp
from patch_app.github.errors import Bug, GitHubError, Later, Refused
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.errors import StoreError
from patch_app.store.flow_events import FlowEvent
from patch_app.store.forks import Fork
from patch_app.store.inbox import InboxRow
from patch_app.store.store import Store

BATCH: Final = 200
# times that a press is stored anew where a look has stored its step in the same moment
PRESSES: Final = 5
# seconds until a row that failed is tried again, doubled each time up to the last
PAUSES: Final = (5, 10, 30, 60, 300, 900)

log = structlog.get_logger("intake")


@dataclass(frozen=True, kw_only=True)
class Match:
    """One stack that a release concerns, or the reason why it doesn't."""

    fork: Fork
    stack: str
    verdict: releases.Accepted | releases.Rejected | releases.NotYet
    # which repositories the fork has followed until now
    followed: Followed


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What dealing with the inbox needs."""

    store: Store
    app: GitHubApp
    forks: Forks
    onboarder: Onboarder
    clock: Callable[[], datetime]
    # the App's own name on GitHub, by which it knows what it did itself
    app_slug: str = ""
    # None: who takes the inbox keeps no issues, as one who only matches
    dashboards: DashboardIssues | None = None
    carry_overs: CarryOvers | None = None

    async def take(self) -> set[str] | None:
        """Deals with the rows that wait; the attempts to look at, None where no row was there."""
        rows = await self.store.inbox_pending(BATCH, self.clock())
        if not rows:
            return None
        wake: set[str] = set()
        for row in rows:
            try:
                wanted = await self._row(row)
            except GitHubError as error:
                await self._failed(row, error)
            except StoreError:
                raise
            except Exception as error:
                # whatever one row holds, those behind it go on; it waits, and is not lost
                log.exception("inbox row failed", row=row.id, kind=row.kind.value)
                await self._failed(row, Bug(f"unexpected: {type(error).__name__}"))
            else:
                # due first, done second: a crash between the two only looks once more
                for attempt_id in wanted:
                    await self.store.reschedule(attempt_id, self.clock())
                await self.store.inbox_done([row.id], self.clock())
                wake |= wanted
        return wake

    async def _failed(self, row: InboxRow, error: GitHubError) -> None:
        pause = float(PAUSES[min(row.tries, len(PAUSES) - 1)])
        if isinstance(error, Later) and error.retry_after is not None:
            pause = error.retry_after
        log.warning(
            "inbox row postponed", row=row.id, kind=row.kind.value, reason=error.message, seconds=pause
        )
        await self.store.inbox_failed(row.id, error.message, self.clock() + timedelta(seconds=pause))

    async def _row(self, row: InboxRow) -> set[str]:
        match row.kind:
            case Kind.DELIVERY:
                return await self._delivery(row)
            case Kind.RELEASE:
                try:
                    event = ReleaseEvent.model_validate_json(row.payload)
                except ValidationError as error:
                    log.error("release event unreadable", row=row.id, reason=str(error))
                    return set()
                return await self._release(row, event)
            case Kind.SYNC:
                return {_attempt_id(row)}
            case Kind.RETRY:
                return await self._retry(_attempt_id(row))
            case Kind.ASK:
                asked = json.loads(row.payload)
                press = Press(id=f"ask:{row.key}", command=asked["command"])
                return await self._press(asked["attempt"], press)
            case Kind.REPLAY:
                return await self._replay(_attempt_id(row))
            case Kind.ONBOARD:
                await self.onboarder.take(row)
                return set()
            case _:
                assert_never(row.kind)

    # Deliveries -----------------------------------------------------------------------------------

    async def _delivery(self, row: InboxRow) -> set[str]:
        event = next((v for k, v in row.headers.items() if k.lower() == "x-github-event"), "")
        payload = json.loads(row.payload)
        found = hints(event, payload if isinstance(payload, dict) else {}, self.app_slug)
        if found.installation_id is not None:
            await self.forks.refresh(found.installation_id)
            await self.onboarder.ask_installation(found.installation_id, row.content)
            if self.dashboards is not None:
                await self.dashboards.mark_all()
        if found.fork_changed and found.repository_id is not None:
            fork = await self.store.fork(found.repository_id)
            if fork is not None:
                await self.forks.refresh_one(fork)
        if found.onboarding and found.repository_id is not None:
            await self.onboarder.ask(found.repository_id, row.content)
        if found.repository_id is not None:
            await self._dashboard(found.repository_id, found, row.content)
        wake: set[str] = set()
        if found.press is not None:
            press = found.press.press(row.content)
            wake |= await self._press(found.press.attempt, press, found.repository_id)
        if found.talk is not None and found.repository_id is not None:
            wake |= await self._ended(found.repository_id, found.talk)
        if found.carry_over is not None and found.repository_id is not None:
            wake |= await self._carry_over(found.repository_id, found.carry_over)
        if found.release is not None:
            wake |= await self._release(row, found.release)
        if found.repository_id is not None:
            wake |= {one.id for one in await self.store.watched_attempts() if concerns(found, one)}
        if found.attempt is not None:
            named = await self.store.attempt(found.attempt)
            wake |= {named.id} if named is not None and is_news(found, named) else set()
        return wake

    async def _carry_over(self, repository_id: int, number: int) -> set[str]:
        fork = await self.store.fork(repository_id)
        if self.carry_overs is None or fork is None:
            return set()
        try:
            return await self.carry_overs.asked(fork, number)
        except Refused as error:
            # the conversation is locked, say: there is nobody to tell, and asking again changes nothing
            log.warning("carry-over not answered", repository=fork.repository, reason=error.message)
            return set()

    async def _dashboard(self, repository_id: int, found: Hints, key: str) -> None:
        """A fork's own issue, or the configuration that it shows, may have changed."""
        if self.dashboards is None or not (found.fork_changed or found.own_issue):
            return
        fork = await self.store.fork(repository_id)
        if fork is not None and found.edit is not None:
            try:
                await self.dashboards.edited(fork, found.edit, key)
            except Refused as error:
                log.warning("boxes not obeyed", repository=fork.repository, reason=error.message)
        self.dashboards.mark(repository_id, touched=found.own_issue)

    # Releases -------------------------------------------------------------------------------------

    async def _release(self, row: InboxRow, event: ReleaseEvent) -> set[str]:
        now = self.clock()
        flow = FlowEvent(
            id=event.id,
            type="upstream.release",
            upstream=event.upstream,
            tag=event.tag,
            payload=event.model_dump(mode="json"),
            received=now,
            source=event.source,
            record_only=event.record_only,
        )
        await self.store.add_event(flow)
        if self.dashboards is not None:
            self.dashboards.mark_upstream(event.upstream)
        if event.record_only:
            return set()
        wake: set[str] = set()
        later: list[datetime] = []
        for match in await self.match(event):
            match match.verdict:
                case releases.Accepted():
                    wake.add(await self._begin(event, match, now))
                case releases.NotYet(until=until):
                    later.append(until)
                case releases.Rejected(reason=reason):
                    log.info("release not taken", repository=match.fork.repository, reason=reason)
                case _:
                    assert_never(match.verdict)
        if later:
            # the row stays, and is matched again when the first fork may take it
            seconds = max(1.0, (min(later) - now).total_seconds())
            raise Later(f"{event.tag} is too young for {len(later)} stack(s)", seconds)
        return wake

    async def match(self, event: ReleaseEvent) -> list[Match]:
        """The stacks whose upstream has released, each with whether it takes the release. Writes nothing
        but what was read of forks. Raises Later, Bug.
        """
        out: list[Match] = []
        called = await names_since(self.store, event.upstream)
        for known in await self.store.forks():
            if (upstream_of(known) or "").lower() not in called:
                continue
            if event.only not in (None, known.repository_id):
                continue
            told = await self.forks.with_release(known, event)
            if told is None:
                continue
            fork, following = told.fork, told.following
            # a bare tag without a release is one as it was heard of
            heard = releases.Release(
                tag=event.tag, prerelease=event.prerelease, published=event.published or self.clock()
            )
            release = told.release or heard
            # an invalid configuration is told by the attempt's preflight
            configuration = fork.configuration or Configuration()
            policy = configuration.upstream
            if event.at_once:
                policy = policy.model_copy(update={"minimum_age": 0})
            unwanted = (await ignored_by(self.store, fork.repository_id)).get(event.id)
            for stack in stacks(configuration, fork.default_branch):
                branch = stack.branch or fork.default_branch
                current, twice = await self._current(fork, branch, event, following)
                verdict = releases.accepts(release, policy, self.clock(), current=current)
                if twice is not None:
                    verdict = releases.Rejected(reason=f"{event.tag!r}: {twice.upstream} had it before")
                if unwanted is not None:
                    reason = f"{event.tag!r}: {unwanted.person} ignores it in the dashboard issue"
                    verdict = releases.Rejected(reason=reason)
                if isinstance(verdict, releases.Accepted) and not await self.onboarder.is_installed(fork):
                    verdict = releases.Rejected(reason="the installation pull request isn't merged yet")
                out.append(Match(fork=fork, stack=branch, verdict=verdict, followed=following.followed))
        return out

    async def _current(
        self, fork: Fork, stack: str, event: ReleaseEvent, following: Following
    ) -> tuple[str | None, Attempt | None]:
        """The tag that the stack was carried to last, None where this very release has an attempt; and an
        attempt for the same release of the same upstream under an older name.
        """
        siblings = await self.store.siblings(fork.repository_id, stack)
        if any(one.event == event.id for one in siblings):
            return None, None
        names = aliases(following.followed, event.upstream)
        same = [one for one in siblings if one.upstream.lower() in names and one.carry_over is None]
        promoted = [one for one in same if one.stage is Stage.PROMOTED]
        twice = next((one for one in same if one.tag == event.tag), None)
        return promoted[-1].tag if promoted else None, twice

    async def _begin(self, event: ReleaseEvent, match: Match, now: datetime) -> str:
        fork = match.fork
        attempt = Attempt(
            id=names.attempt_id(event.id, fork.repository_id, match.stack, 1),
            event=event.id,
            installation_id=fork.installation_id,
            repository_id=fork.repository_id,
            repository=fork.repository,
            upstream=event.upstream,
            followed=match.followed,
            tag=event.tag,
            stack=match.stack,
            created=now,
            updated=now,
        )
        heard = f"{event.upstream} released {event.tag} (heard by {event.source})"
        # False where there is one already: the same release heard twice is one attempt
        await self.store.advance(
            AdvanceCommit(expected_version=None, attempt=attempt, due=now, history=[heard])
        )
        return attempt.id

    async def _ended(self, repository_id: int, number: int) -> set[str]:
        """The ended attempt that an issue or pull request is of, where no open one is."""
        about = [
            one
            for one in await self.store.attempts_of(repository_id)
            if number in {link.number for link in (one.pull_request, one.issue) if link}
        ]
        if not about or any(one.open for one in about):
            return set()
        return {max(about, key=lambda one: (one.created, one.number)).id}

    async def _press(self, attempt_id: str, press: Press, repository_id: int | None = None) -> set[str]:
        """Keeps what was asked for: nothing but this delivery tells of it."""
        for _ in range(PRESSES):
            attempt = await self.store.attempt(attempt_id)
            if attempt is not None and repository_id not in (None, attempt.repository_id):
                return set()  # the button of another repository's check run
            if attempt is None or press.id in {one.id for one in attempt.presses}:
                return set() if attempt is None else {attempt_id}
            now = self.clock()
            after = attempt.model_copy(update={"presses": (*attempt.presses, press)})
            stored = await self.store.advance(
                AdvanceCommit(
                    expected_version=attempt.version,
                    attempt=stamped(attempt, after, now),
                    due=now,
                    history=[f"{press.person or 'the operator'} asked for: {press.command}"],
                )
            )
            if stored:
                return {attempt_id}
        raise Later("the attempt changed meanwhile", 1.0)

    # A person's wishes ----------------------------------------------------------------------------

    async def _retry(self, attempt_id: str) -> set[str]:
        """What GitHub refused is tried once more; a failed attempt is looked at again."""
        await self.store.forgive(attempt_id)
        return {attempt_id}

    async def _replay(self, attempt_id: str) -> set[str]:
        attempt = await self.store.attempt(attempt_id)
        if attempt is None:
            return set()
        others: Sequence[Attempt] = await self.store.siblings(attempt.repository_id, attempt.stack)
        latest = max((one for one in others if one.event == attempt.event), key=lambda one: one.number)
        if latest.open and latest.stage is Stage.PREFLIGHT:
            return {latest.id}
        new = successor(latest, self.clock())
        await self.store.advance(
            AdvanceCommit(
                expected_version=None, attempt=new, due=self.clock(), history=[f"replays {latest.id}"]
            )
        )
        return {new.id, latest.id}


def _attempt_id(row: InboxRow) -> str:
    return row.payload.decode("utf-8", "replace").strip()
