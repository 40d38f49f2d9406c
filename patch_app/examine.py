"""`patch-app doctor`: reads a fork, its upstream's releases and a local checkout, and says what it found.

Changes nothing, but for one remote of the checkout where `--apply` asks for it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from patch_app import checkout, doctor_view
from patch_app.core import doctor, releases
from patch_app.core.findings import Severity
from patch_app.core.health import Health, Unread
from patch_app.core.upstreams import Followed
from patch_app.engine import following
from patch_app.engine.assemble import github_settings, utc_now
from patch_app.github import health
from patch_app.github.client import GitHubApp
from patch_app.github.errors import Later, Refused
from patch_app.github.health import Examination
from patch_app.operator import UsageError, check_repository, installation_of
from patch_app.settings import Settings
from patch_app.store.database import FILE_NAME
from patch_app.store.store import Store
from patch_app.terminal import Terminal
from patch_app.upstream.releases import read_releases


async def examine(
    settings: Settings,
    console: Terminal,
    *,
    repository: str,
    folder: Path | None = None,
    apply: bool = False,
    as_json: bool = False,
) -> int:
    """0: nothing blocks. 1: something does. Raises UsageError, SettingsError, Later, Refused and Bug."""
    check_repository(repository)
    if apply and folder is None:
        raise UsageError("--apply is about a checkout: name it with --checkout")
    async with GitHubApp(github_settings(settings)) as app:
        installation = await installation_of(app, repository)
        begun = await health.begin(app, installation, repository)
        if begun is None:
            whole, release = Health(repository=repository, suspended=True), "releases were not looked at"
        else:
            tag, release = await _next_release(begun)
            whole = await health.read(begun, tag, await _followed(settings, begun.repository["id"]))
            if folder is not None:
                whole = await _with_checkout(settings, begun, whole, folder, apply=apply)
    found = doctor.findings(whole)
    if as_json:
        console.print_data(doctor_view.as_data(whole, found, release))
    else:
        doctor_view.show(console, whole, found, release)
    return int(any(one.severity is Severity.BLOCKS for one in found))


async def _followed(settings: Settings, repository_id: int) -> Followed:
    """What the server on this machine remembers that the fork has followed; nothing where there is none."""
    if not (settings.data_dir / FILE_NAME).exists():
        return Followed()
    store = Store.open(settings.data_dir)
    try:
        return (await following.known(store, repository_id)).followed
    finally:
        store.close()


async def _next_release(found: Examination) -> tuple[str | None, str]:
    """The newest release that the fork takes, and a line about it."""
    if found.upstream is None:
        return None, "there is no upstream to take releases from"
    try:
        listed = (await read_releases(found.client, [found.upstream]))[0]
    except (Refused, Later) as error:
        found.unread.append(Unread(what="releases of the upstream", why=error.message))
        return None, f"the releases of {found.upstream} could not be read"
    now = utc_now()
    taken, reasons = [], []
    for one in listed.releases:
        release = releases.Release(
            tag=one.tag,
            draft=one.draft,
            prerelease=one.prerelease,
            published=one.published_at or datetime.min.replace(tzinfo=UTC),
        )
        match releases.accepts(release, found.config.upstream, now):
            case releases.Accepted():
                taken.append((one.tag, ""))
            case releases.NotYet(until=until):
                taken.append((one.tag, f", from {until:%Y-%m-%d %H:%M} UTC"))
            case releases.Rejected(reason=reason):
                reasons.append(reason)
    if not taken:
        why = listed.problem or (reasons[0] if reasons else "it has none")
        return None, f"no release of {found.upstream} would be taken: {why}"
    newest, when = taken[0]
    for tag, later in taken[1:]:
        if releases.newer(tag, newest):
            newest, when = tag, later
    return newest, f"the newest release of {found.upstream} that is taken: {newest}{when}"


async def _with_checkout(
    settings: Settings, found: Examination, whole: Health, folder: Path, *, apply: bool
) -> Health:
    heads = {one.name: await found.head(one.name) for one in whole.branches if one.exists}
    upstream = found.upstream
    url = f"{settings.github_url.rstrip('/')}/{upstream}.git"
    seen = await asyncio.to_thread(
        checkout.look, folder, heads=heads, upstream=upstream, url=url, apply=apply
    )
    return whole.model_copy(update={"checkout": seen})
