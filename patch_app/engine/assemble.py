"""The one place that wires the server's parts together. Decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import structlog

from patch_app import identity
from patch_app.engine.advance import Advancer
from patch_app.engine.carry_overs import CarryOvers
from patch_app.engine.dashboard import DashboardIssues
from patch_app.engine.deliveries import Deliveries
from patch_app.engine.engine import Engine
from patch_app.engine.forks import Forks
from patch_app.engine.intake import Intake
from patch_app.engine.onboarder import Onboarder
from patch_app.engine.onboarding import Onboarding
from patch_app.engine.poll import Poller
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.evidence import Evidence
from patch_app.github.perform import Performer
from patch_app.settings import Settings
from patch_app.store.store import Store

# GitHub shows some created things in lists only seconds later
SETTLE: Final = 10.0

log = structlog.get_logger("server")


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def github_settings(settings: Settings) -> GitHubSettings:
    """Where GitHub is and who we are. Raises SettingsError."""
    app = identity.need(settings)
    return GitHubSettings(
        issuer=str(app.id),
        private_key=app.private_key,
        web_url=settings.github_url,
        api_url=settings.github_api_url,
    )


@asynccontextmanager
async def engine(
    settings: Settings,
    store: Store,
    *,
    clock: Callable[[], datetime] = utc_now,
    settle: float = SETTLE,
) -> AsyncIterator[Engine]:
    """An engine that is ready to run.

    Asks GitHub for the App's own name. Raises SettingsError, Later, Refused, Bug.
    """
    known = identity.known(settings)
    async with GitHubApp(github_settings(settings)) as app:
        own = await app.jwt_client().get("/app")
        slug = own["slug"]
        log.info("app", slug=slug)
        forks = Forks(app=app, store=store, clock=clock)
        onboarding = Onboarding(app=app, app_slug=slug, clock=clock)
        onboarder = Onboarder(app=app, store=store, onboarding=onboarding, clock=clock)
        dashboards = DashboardIssues(app=app, app_slug=slug, store=store, clock=clock)
        advancer = Advancer(
            store=store,
            evidence=Evidence(app=app, app_slug=slug, app_id=own["id"]),
            performer=Performer(app=app, app_slug=slug),
            clock=clock,
            sync=settings.sync_seconds,
            settle=settle,
            changed=dashboards.mark,
        )

        async def astray(upstream: str) -> None:
            for repository_id in await forks.refresh_followers(upstream):
                dashboards.mark(repository_id)

        yield Engine(
            store=store,
            intake=Intake(
                store=store,
                app=app,
                forks=forks,
                onboarder=onboarder,
                clock=clock,
                app_slug=slug,
                dashboards=dashboards,
                carry_overs=CarryOvers(app=app, app_slug=slug, store=store, clock=clock),
            ),
            onboarder=onboarder,
            forks=forks,
            advancer=advancer,
            poller=Poller(
                app=app,
                store=store,
                clock=clock,
                heard=dashboards.mark_upstream,
                astray=astray,
            ),
            dashboards=dashboards,
            deliveries=Deliveries(app=app, store=store, clock=clock),
            clock=clock,
            poll=settings.poll_seconds,
            hear=settings.poll_deliveries_seconds if known is not None and known.polled else 0,
        )
