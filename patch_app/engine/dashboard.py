"""Each fork's dashboard issue: when it is written, and what its boxes do.

Written from the store alone, when something may have changed: at most once a minute, and not at all where it
would say the same. Marks of what may have changed are kept in memory: a start marks every fork. Refuses to
open an issue again that a person has closed or deleted, and to obey anybody but the sender of a delivery,
with the permission that GitHub tells at that moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from patch_app.core import dashboard, dashboard_text
from patch_app.core.configuration import Configuration
from patch_app.core.dashboard import Action, Ignored, Known, Tick
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.hints import Edit
from patch_app.core.model import Model
from patch_app.engine import following as followings
from patch_app.engine.forks import upstream_of
from patch_app.github import dashboard as issues
from patch_app.github import reading
from patch_app.github.client import Client, GitHubApp
from patch_app.github.errors import GitHubError, Later, Refused
from patch_app.store.flow_events import EventFilter
from patch_app.store.forks import Fork
from patch_app.store.inbox import Incoming
from patch_app.store.store import Store

# between two writes to one fork's issue
PAUSE: Final = timedelta(minutes=1)
# what GitHub refuses (issues are off, say) is tried again after this
REST: Final = timedelta(days=1)
# an edit is obeyed once. How long before the last one edits are known; one from before that is not obeyed
OBEYED: Final = timedelta(days=7)
# an issue that was made may not be in a list yet
SETTLE: Final = timedelta(seconds=10)
MOST_EVENTS: Final = 200
_NAME: Final = "dashboard:"

log = structlog.get_logger("dashboard")


class Note(Model):
    """What is remembered of a fork's issue; only `tend` writes it."""

    number: int | None = None
    # it was going to be made, and may be there
    begun: datetime | None = None
    written: datetime | None = None
    # hash of the body as we wrote it
    body: str | None = None
    # we closed it, since it was turned off
    closed: bool = False
    # a person deleted it: no, until it is turned off and on again
    gone: bool = False
    refused: datetime | None = None


async def ignored_by(store: Store, repository_id: int) -> dict[str, Ignored]:
    """The releases that a fork's people don't want, by their ids."""
    kept = await store.cursor(f"ignored:{repository_id}")
    return {release: Ignored.model_validate(one) for release, one in (kept or {}).items()}


@dataclass(frozen=True, kw_only=True)
class DashboardIssues:
    """Of all forks."""

    app: GitHubApp
    app_slug: str
    store: Store
    clock: Callable[[], datetime]
    # forks whose issue may have to be written, and from when on
    _marks: dict[int, datetime] = field(default_factory=dict)
    _upstreams: set[str] = field(default_factory=set)
    # those that may say something else than what we wrote
    _touched: set[int] = field(default_factory=set)

    @property
    def _bot(self) -> str:
        return f"{self.app_slug}[bot]"

    # When ------------------------------------------------------------------------------------------

    def mark(self, repository_id: int, *, touched: bool = False) -> None:
        """Something that the issue shows may have changed; `touched`: or the issue itself."""
        self._marks[repository_id] = self.clock()
        if touched:
            self._touched.add(repository_id)

    def mark_upstream(self, upstream: str) -> None:
        """Something was heard of an upstream."""
        self._upstreams.add(upstream.lower())

    async def mark_all(self) -> None:
        """After a start, or where it can't be said which."""
        for fork in await self.store.forks():
            self.mark(fork.repository_id, touched=True)

    async def due(self) -> list[str]:
        """Names of the forks to tend now; they are no longer marked."""
        if self._upstreams:
            heard, now = set(self._upstreams), self.clock()
            self._upstreams.difference_update(heard)
            for fork in await self.store.forks():
                if (upstream_of(fork) or "").lower() in heard:
                    self._marks.setdefault(fork.repository_id, now)
        now = self.clock()
        found = [repository_id for repository_id, at in self._marks.items() if at <= now]
        for repository_id in found:
            del self._marks[repository_id]
        return [f"{_NAME}{one}" for one in found]

    @staticmethod
    def is_name(name: str) -> bool:
        """Whether `due` gives such names."""
        return name.startswith(_NAME)

    # Writing ---------------------------------------------------------------------------------------

    async def tend(self, name: str) -> None:
        """Write one fork's issue where it isn't what it should be. Safe to repeat and to cut off."""
        repository_id = int(name.removeprefix(_NAME))
        fork = await self.store.fork(repository_id)
        if fork is None:
            return
        # whatever surprise ends this, it isn't forgotten
        again: datetime | None = self.clock() + PAUSE
        touched = repository_id in self._touched
        self._touched.discard(repository_id)
        try:
            again = await self._tend(fork, touched=touched)
        except GitHubError as error:
            seconds = error.retry_after if isinstance(error, Later) else None
            again = self.clock() + (timedelta(seconds=seconds) if seconds else PAUSE)
            log.warning("dashboard issue postponed", repository=fork.repository, reason=error.message)
        finally:
            if again is not None:
                self._marks.setdefault(repository_id, again)
                if touched:
                    self._touched.add(repository_id)

    async def _tend(self, fork: Fork, *, touched: bool) -> datetime | None:
        """None: it is as it should be; else when to look again."""
        note = await self._note(fork)
        if fork.configuration is None:
            # one that can't be used (any more) turns nothing off, and nothing on
            wanted = fork.configuration_error is not None and note.number is not None and not note.closed
        else:
            wanted = fork.configuration.dashboard.issue
        if not wanted:
            await self._turn_off(fork, note)
            return None
        now = self.clock()
        if note.gone or (not touched and note.refused is not None and now < note.refused + REST):
            return None
        if note.written is not None and now < note.written + PAUSE:
            return note.written + PAUSE
        body = await self._body(fork)
        digest = hashlib.sha256(body.encode()).hexdigest()
        if digest == note.body and not touched:
            return None
        if note.number is None and note.begun is not None and now < note.begun + SETTLE:
            return note.begun + SETTLE
        try:
            note = await self._write(fork, note, body)
        except Refused as error:
            log.warning("no dashboard issue", repository=fork.repository, reason=error.message)
            note = note.model_copy(update={"refused": now})
        else:
            note = note.model_copy(update={"body": digest, "refused": None, "closed": False})
        await self._keep(fork, note)
        return None

    async def _write(self, fork: Fork, note: Note, body: str) -> Note:
        client = await self._client(fork)
        number = note.number
        if number is None:
            number = await issues.find(client, fork.repository, self._bot, dashboard.MARK)
        if number is None:
            await self._keep(fork, note.model_copy(update={"begun": self.clock()}))
            number = await issues.create(client, fork.repository, dashboard_text.TITLE, body)
            log.info("dashboard issue", repository=fork.repository, issue=number)
            return note.model_copy(update={"number": number, "written": self.clock()})
        found = await issues.read(client, fork.repository, number)
        note = note.model_copy(update={"number": number})
        if found is None:
            log.info("dashboard issue deleted", repository=fork.repository, issue=number)
            return note.model_copy(update={"gone": True})
        if found["state"] != "open" and not note.closed:
            return note  # a person's no
        changes = {"body": body} if found.get("body") != body else {}
        if found["state"] != "open":
            changes["state"] = "open"
        if not changes:
            return note
        await issues.write(client, fork.repository, number, changes)
        return note.model_copy(update={"written": self.clock()})

    async def _turn_off(self, fork: Fork, note: Note) -> None:
        if note.number is None or note.closed:
            return
        if not note.gone:
            client = await self._client(fork)
            try:
                found = await issues.read(client, fork.repository, note.number)
                if found is not None and found["state"] == "open":
                    off = {"body": dashboard_text.OFF, "state": "closed"}
                    await issues.write(client, fork.repository, note.number, off)
            except Refused as error:
                log.info("dashboard issue left", repository=fork.repository, reason=error.message)
        await self._keep(fork, Note() if note.gone else Note(number=note.number, closed=True))

    async def _body(self, fork: Fork) -> str:
        upstream, following = upstream_of(fork), await followings.known(self.store, fork.repository_id)
        attempts = await self.store.attempts_of(fork.repository_id)
        page = dashboard.page(
            upstream=upstream,
            astray=following.problem,
            default_branch=fork.default_branch,
            configuration=fork.configuration or Configuration(),
            problem=fork.configuration_error,
            attempts=followings.under(attempts, upstream, following.followed),
            releases_known=await self._known(fork),
            ignored=await ignored_by(self.store, fork.repository_id),
            now=self.clock(),
        )
        return dashboard_text.body(page)

    async def _known(self, fork: Fork) -> dict[str, Known]:
        upstream = upstream_of(fork)
        if upstream is None:
            return {}
        polled = await self.store.cursor(followings.heard_of(upstream)) or {"seen": {}}
        told = []
        wanted = EventFilter(type=Kind.RELEASE.value, upstream=upstream)
        for event in await self.store.events(wanted, MOST_EVENTS):
            heard = ReleaseEvent.model_validate(event.payload)
            told.append(
                Known(
                    id=event.id,
                    tag=event.tag,
                    prerelease=heard.prerelease,
                    published=heard.published or event.received,
                    url=heard.url,
                    told=not event.record_only,
                )
            )
        return dashboard.known(upstream, polled["seen"], reversed(told))

    # Boxes -----------------------------------------------------------------------------------------

    async def edited(self, fork: Fork, edit: Edit, key: str) -> None:
        """Do what a person has ticked. Safe to repeat.

        `key`: the same for the same delivery under another id.

        Raises Later, Refused, Bug.
        """
        note = await self._note(fork)
        configuration = fork.configuration
        if note.number != edit.number or configuration is None or not configuration.dashboard.issue:
            return
        ticks = dashboard.ticked(edit.before, edit.after)
        # by GitHub's clock alone
        at = edit.at or self.clock()
        known = await self._edits(fork)
        last = max((at, *known.values()))
        if not ticks or key in known or at < last - OBEYED:
            return
        client = await self._client(fork)
        permission = await reading.permission(client, fork.repository, edit.person)
        if permission not in dashboard.MAY_TICK:
            said = dashboard_text.refused(edit.person, permission)
        else:
            reasons = await self._obey(fork, configuration, ticks, edit.person, key)
            said = dashboard_text.unobeyed(edit.person, reasons) if reasons else ""
        log.info("boxes ticked", repository=fork.repository, person=edit.person, permission=permission)
        if said:
            mark = dashboard_text.answer_mark(key)
            if not await issues.has_answer(client, fork.repository, edit.number, self._bot, mark):
                await issues.answer(client, fork.repository, edit.number, f"{said}\n\n{mark}")
        kept = {one: when for one, when in known.items() if when >= last - OBEYED}
        dated = {one: when.isoformat() for one, when in (kept | {key: at}).items()}
        await self.store.set_cursor(f"edits:{fork.repository_id}", dated)

    async def _edits(self, fork: Fork) -> dict[str, datetime]:
        """Edits that were obeyed, and when they were made."""
        kept = await self.store.cursor(f"edits:{fork.repository_id}")
        return {key: datetime.fromisoformat(at) for key, at in (kept or {}).items()}

    async def _obey(
        self, fork: Fork, configuration: Configuration, ticks: tuple[Tick, ...], person: str, key: str
    ) -> list[tuple[str, str]]:
        """Tags with the reason why not."""
        known = await self._known(fork)
        upstream, following = upstream_of(fork), await followings.known(self.store, fork.repository_id)
        every = await self.store.attempts_of(fork.repository_id)
        attempts = [
            one
            for one in followings.under(every, upstream, following.followed)
            if one.upstream.lower() == (upstream or "").lower()
        ]
        ignored = await ignored_by(self.store, fork.repository_id)
        reasons: list[tuple[str, str]] = []
        for tick in ticks:
            release = known.get(tick.release)
            if release is None:
                reasons.append((tick.release, "is no release that is known here"))
                continue
            if sum(one.release == tick.release for one in ticks) > 1:
                reasons.append((release.tag, f"can't be asked to {tick.action.value} along with another box"))
                continue
            why = dashboard.refusal(
                tick.action,
                release,
                configuration=configuration,
                default_branch=fork.default_branch,
                attempts=attempts,
                now=self.clock(),
            )
            # what is taken back from the ignored ones is matched as if it was heard now
            if why is not None and tick.action is not Action.TAKE:
                reasons.append((release.tag, why))
                continue
            if tick.action is Action.IGNORE:
                ignored[release.id] = Ignored(tag=release.tag, person=person)
                await self._keep_ignored(fork, ignored)
                continue
            if ignored.pop(release.id, None) is not None:
                await self._keep_ignored(fork, ignored)
            await self._tell(fork, release, key, at_once=tick.action is Action.CARRY)
        return reasons

    async def _tell(self, fork: Fork, release: Known, key: str, *, at_once: bool) -> None:
        event = ReleaseEvent(
            upstream=upstream_of(fork) or "",
            tag=release.tag,
            prerelease=release.prerelease,
            published=release.published,
            url=release.url,
            source="dashboard",
            only=fork.repository_id,
            at_once=at_once,
        )
        row = Incoming(
            kind=Kind.RELEASE,
            key=f"{event.id}:dashboard:{key}",
            payload=event.model_dump_json().encode(),
            headers={},
            received=self.clock(),
        )
        await self.store.inbox_add(row)

    # What is kept ----------------------------------------------------------------------------------

    async def _client(self, fork: Fork) -> Client:
        return await self.app.installation(
            fork.installation_id, fork.repository_id, {"issues": "write", "metadata": "read"}
        )

    async def _note(self, fork: Fork) -> Note:
        kept = await self.store.cursor(f"{_NAME}{fork.repository_id}")
        return Note() if kept is None else Note.model_validate(kept)

    async def _keep(self, fork: Fork, note: Note) -> None:
        await self.store.set_cursor(f"{_NAME}{fork.repository_id}", note.model_dump(mode="json"))

    async def _keep_ignored(self, fork: Fork, ignored: dict[str, Ignored]) -> None:
        kept = {release: one.model_dump() for release, one in ignored.items()}
        await self.store.set_cursor(f"ignored:{fork.repository_id}", kept)
