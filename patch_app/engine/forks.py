"""Which forks there are: read from the App's installations, remembered for matching.

Refuses to take a name from a webhook for the truth: repositories are listed by GitHub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.errors import GitHubError, Refused
from patch_app.github.evidence import READ, read_configuration
from patch_app.store.forks import Fork
from patch_app.store.store import Store

log = structlog.get_logger("forks")


@dataclass(frozen=True, kw_only=True)
class Forks:
    """Keeps the store's forks as GitHub has them."""

    app: GitHubApp
    store: Store
    clock: Callable[[], datetime]

    async def refresh_all(self) -> int:
        """Every installation, after a start; how many could not be read. Forks of installations that are
        gone or suspended are forgotten. Raises Later, Refused, Bug where the list can't be had.
        """
        listed = await self.app.jwt_client().get_all("/app/installations", limit=10_000)
        active = {one["id"] for one in listed if one.get("suspended_at") is None}
        for fork in await self.store.forks():
            if fork.installation_id not in active:
                await self.store.remove_fork(fork.repository_id)
        failed = 0
        for installation_id in sorted(active):
            try:
                await self.refresh(installation_id)
            except GitHubError as error:
                failed += 1
                log.warning("installation unreadable", installation=installation_id, reason=error.message)
        return failed

    async def refresh(self, installation_id: int) -> None:
        """One installation's repositories; those it no longer has are forgotten. Raises Later, Bug."""
        try:
            client = await self.app.installation(installation_id, None, READ)
            listed = await client.get_all("/installation/repositories", key="repositories", limit=10_000)
        except Refused as error:
            log.info("installation gone", installation=installation_id, reason=error.message)
            listed = []
        there = {repository["id"] for repository in listed}
        for repository in listed:
            await self._put(client, installation_id, repository["full_name"])
        for fork in await self.store.forks():
            if fork.installation_id == installation_id and fork.repository_id not in there:
                await self.store.remove_fork(fork.repository_id)

    async def refresh_one(self, fork: Fork) -> Fork | None:
        """One fork as it is now; None where it can't be read any more. Raises Later, Bug."""
        try:
            client = await self.app.installation(fork.installation_id, fork.repository_id, READ)
            # by id: a renamed repository keeps its id
            repository = await client.get(f"/repositories/{fork.repository_id}")
            return await self._put(client, fork.installation_id, repository["full_name"])
        except Refused as error:
            log.info("fork unreadable", repository=fork.repository, reason=error.message)
            return None

    async def _put(self, client: InstallationClient, installation_id: int, name: str) -> Fork:
        # the listing leaves out the parent
        repository: dict[str, Any] = await client.get(f"/repos/{name}")
        branch = repository["default_branch"]
        configuration, _, problems = await read_configuration(client, repository["full_name"], branch)
        fork = Fork(
            installation_id=installation_id,
            repository_id=repository["id"],
            repository=repository["full_name"],
            default_branch=branch,
            private=repository["private"],
            parent=(repository.get("parent") or {}).get("full_name"),
            configuration=configuration,
            configuration_error="; ".join(problems) or None,
            updated=self.clock(),
        )
        await self.store.put_fork(fork)
        return fork


def upstream_of(fork: Fork) -> str | None:
    """The upstream's owner/name: the configured one, else the parent; None where there is neither."""
    configured = fork.configuration.upstream.repository if fork.configuration else None
    return configured or fork.parent
