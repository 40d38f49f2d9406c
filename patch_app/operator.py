"""What the person who runs the server asks for on the command line. Each gives an exit status.

Works on the same database as a running server, which takes notice within a second. Refuses to start
anything by itself: a wish is a row of the inbox.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from patch_app import data_dir
from patch_app.core import configuration, releases
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.onboarding import Standing
from patch_app.engine.assemble import github_settings, utc_now
from patch_app.engine.forks import Forks
from patch_app.engine.intake import Intake, Match
from patch_app.engine.onboarder import Onboarder
from patch_app.engine.onboarding import Look, Onboarding
from patch_app.github.client import GitHubApp
from patch_app.github.errors import GitHubError
from patch_app.github.transport import segments
from patch_app.settings import Settings, SettingsError
from patch_app.store.errors import StoreError
from patch_app.store.inbox import Incoming
from patch_app.store.store import Store
from patch_app.terminal import Terminal, table
from patch_app.web import tickets
from patch_app.web.records import record, summary

T = TypeVar("T")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


class UsageError(Exception):
    """What was asked for can't be asked for like this; the message says how."""


def run(console: Terminal, work: Callable[[], Awaitable[int]]) -> int:
    """Runs `work`; every expected trouble becomes one line and a status: 2 usage and settings, 1 failure."""
    try:
        return asyncio.run(_awaited(work))
    except (UsageError, SettingsError) as error:
        console.print(str(error), style="red")
        return 2
    except (GitHubError, StoreError) as error:
        console.print(str(error), style="red")
        return 1


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


async def run_release(
    settings: Settings, console: Terminal, *, upstream: str, tag: str, dry_run: bool, record_only: bool
) -> int:
    """`patch-app run release`: tell the server of a release. 1 where no fork is one of this upstream."""
    check_repository(upstream)
    if why := releases.tag_problem(tag):
        raise UsageError(f"{tag!r} is no tag to carry a stack onto: it {why}")
    event = ReleaseEvent(upstream=upstream, tag=tag, source="cli", record_only=record_only)
    if not record_only:
        matches = await _matches(settings, event)
        _show(console, event, matches)
        if not any(isinstance(one.verdict, releases.Accepted | releases.NotYet) for one in matches):
            return 1
    if dry_run:
        return 0
    store = _store(settings)
    try:
        now = utc_now()
        row = Incoming(
            kind=Kind.RELEASE,
            key=f"{event.id}:cli{':record' if record_only else ''}",
            payload=event.model_dump_json().encode(),
            headers={},
            received=now,
        )
        new = await store.inbox_add(row)
    finally:
        store.close()
    console.print(f"event {event.id}: {'recorded' if new else 'known already'}")
    return 0


async def _matches(settings: Settings, event: ReleaseEvent) -> list[Match]:
    """What would be started, found without touching the server's own database."""
    with tempfile.TemporaryDirectory(prefix="patch-app-") as folder:
        store = Store.open(Path(folder))
        try:
            async with GitHubApp(github_settings(settings)) as app:
                forks = Forks(app=app, store=store, clock=utc_now)
                await forks.refresh_all()
                onboarding = Onboarding(app=app, app_slug="", clock=utc_now)
                onboarder = Onboarder(app=app, store=store, onboarding=onboarding, clock=utc_now)
                intake = Intake(store=store, app=app, forks=forks, onboarder=onboarder, clock=utc_now)
                return await intake.match(event)
        finally:
            store.close()


def _show(console: Terminal, event: ReleaseEvent, matches: list[Match]) -> None:
    if not matches:
        console.print(
            f"no fork that the App is installed on has {event.upstream} as its upstream: install the App on "
            "the fork, or set [upstream] repository in its configuration",
            style="red",
        )
    for one in matches:
        match one.verdict:
            case releases.Accepted():
                said = "takes it"
            case releases.NotYet(until=until):
                said = f"takes it at {until:%Y-%m-%d %H:%M} UTC"
            case releases.Rejected(reason=reason):
                said = f"doesn't: {reason}"
        console.print(f"{one.fork.repository} {one.stack}: {said}")


async def install(settings: Settings, console: Terminal, *, repository: str, file: Path | None) -> int:
    """`patch-app install`: what the server does when the App is installed, whatever was said to it before."""
    check_repository(repository)
    content = None
    if file is not None:
        try:
            content = await asyncio.to_thread(file.read_bytes)
            configuration.parse(content.decode())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: {error}") from None
        except configuration.ConfigurationError as error:
            raise UsageError("\n".join(f"{file}: {problem}" for problem in error.problems)) from None
    async with GitHubApp(github_settings(settings)) as app:
        found = await installation_of(app, repository)
        reader = await app.installation(found["id"], None, {"metadata": "read"})
        about = await reader.get(f"/repos/{segments(repository)}")
        slug = (await app.jwt_client().get("/app"))["slug"]
        onboarding = Onboarding(app=app, app_slug=slug, clock=utc_now)
        done = await onboarding.look(found["id"], about["id"], asked=True, configuration=content)
    return _told(console, about["full_name"], done)


async def installation_of(app: GitHubApp, repository: str) -> Any:
    """GitHub's record of the installation on "owner/name". Raises UsageError where there is none."""
    found = await app.jwt_client().find(f"/repos/{segments(repository)}/installation")
    if found is None:
        raise UsageError(f"the App is not installed on {repository}: install it there first")
    return found


def _told(console: Terminal, repository: str, done: Look) -> int:
    match done.standing:
        case Standing.ARCHIVED:
            raise UsageError(f"{repository} is archived: un-archive it in its settings first")
        case Standing.EMPTY:
            raise UsageError(f"{repository} is empty: push something first")
        case Standing.INSTALLED:
            console.print(f"{repository} has this version's workflow already")
        case _:
            console.print(f"merge this pull request: {done.url}")
    if done.theirs:
        console.print("its branch holds somebody's own commits, and was left as it is")
    return 0


async def attempts(settings: Settings, console: Terminal, *, attempt: str | None, as_json: bool) -> int:
    """`patch-app attempts [ID]`: what is recorded."""
    store = _store(settings)
    try:
        if attempt is not None:
            found = await store.attempt(attempt)
            if found is None:
                raise UsageError(f"there is no attempt {attempt}")
            whole = record(found, await store.history(attempt), await store.effects(attempt))
            console.print_data(whole.model_dump(mode="json"))
            return 0
        listed = [summary(one) for one in await store.attempts()]
    finally:
        store.close()
    if as_json:
        console.print_data([one.model_dump(mode="json") for one in listed])
        return 0
    names = ("attempt", "fork", "stack", "release", "status", "stage", "message")
    rows = (
        (one.id, one.repository, one.stack, one.upstream.tag, one.status, one.stage, one.message)
        for one in listed
    )
    console.print(table(*names, rows=rows))
    return 0


async def wish(
    settings: Settings, console: Terminal, kind: Kind, attempt: str, payload: str | None = None
) -> int:
    """`patch-app sync|retry|replay ID`: one row in the server's inbox."""
    store = _store(settings)
    try:
        if await store.attempt(attempt) is None:
            raise UsageError(f"there is no attempt {attempt}; `patch-app attempts` lists them")
        now = utc_now()
        row = Incoming(
            kind=kind,
            key=f"{attempt}:{now.isoformat()}",
            payload=(payload or attempt).encode(),
            headers={},
            received=now,
        )
        await store.inbox_add(row)
    finally:
        store.close()
    console.print(f"{kind.value} of {attempt}: asked for")
    return 0


async def ask(settings: Settings, console: Terminal, attempt: str, command: str) -> int:
    """`patch-app rollback` and `go-back`: a command as in a comment, one row in the server's inbox."""
    payload = json.dumps({"attempt": attempt, "command": command})
    return await wish(settings, console, Kind.ASK, attempt, payload)


async def open_pages(settings: Settings, console: Terminal) -> int:
    """`patch-app open`: an address that signs one browser in."""
    store = _store(settings)
    try:
        url = await tickets.address(store, utc_now())
    finally:
        store.close()
    if url is None:
        raise UsageError("no server has started with this DATA_DIR yet: run `patch-app serve`")
    # as it is, to be copied: no width of a terminal breaks it
    console.print(url, soft_wrap=True)
    return 0


def _store(settings: Settings) -> Store:
    """The server's database. Raises SettingsError, StoreError."""
    data_dir.prepare(settings.data_dir)
    return Store.open(settings.data_dir)


def check_repository(text: str) -> None:
    """Raises UsageError for what is no owner/name."""
    if not _REPOSITORY.fullmatch(text):
        raise UsageError(f"{text!r} is no owner/name of a repository")
