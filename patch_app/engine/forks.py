"""Which forks there are: read from the App's installations, remembered for matching.

Refuses to take a name from a webhook for the truth: repositories are listed by GitHub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from patch_app.core import names, releases
from patch_app.core.configuration import Configuration
from patch_app.core.events import ReleaseEvent
from patch_app.core.upstreams import Repository, Seen, follows
from patch_app.engine import following
from patch_app.engine.following import Following
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.document import Document
from patch_app.github.errors import GitHubError, Refused
from patch_app.github.evidence import READ
from patch_app.github.fork_configuration import parsed_configuration, read_configuration
from patch_app.github.preflight import repository as as_repository
from patch_app.store.forks import Fork
from patch_app.store.store import Store

log = structlog.get_logger("forks")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A fork that a release concerns, what it has followed, and the release as its upstream has it."""

    fork: Fork
    following: Following
    release: releases.Release | None = None


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

    async def refresh_followers(self, upstream: str) -> list[int]:
        """The forks of an upstream that can't be read, or has another name now, read again; their ids.

        Raises Later, Bug.
        """
        followers = [one for one in await self.store.forks() if _is(upstream_of(one), upstream)]
        for fork in followers:
            await self.refresh_one(fork)
        return [one.repository_id for one in followers]

    async def with_release(self, fork: Fork, event: ReleaseEvent) -> Told | None:
        """One fork as it is now, and the release as its upstream has it, by one query. None: it can't be read
        any more, or doesn't follow this upstream. Raises Later, Bug.
        """
        document = Document(fork.repository, event.upstream)
        document.select(
            "databaseId nameWithOwner isPrivate defaultBranchRef { name } parent { databaseId nameWithOwner }"
        )
        document.select("databaseId nameWithOwner", of="upstream")
        at = f"HEAD:{names.CONFIGURATION_PATH}"
        document.add("configuration", "object", "expression", at, "... on Blob { oid text isTruncated }")
        told = "isDraft isPrerelease publishedAt"
        document.add("release", "release", "tagName", event.tag, told, of="upstream")
        try:
            client = await self.app.installation(fork.installation_id, fork.repository_id, READ)
            answer = await document.ask(client)
        except Refused as error:
            log.info("fork unreadable", repository=fork.repository, reason=error.message)
            return None
        found, upstream = answer.fork, as_repository(answer.upstream)
        if found["databaseId"] != fork.repository_id:
            # another repository has its name now
            moved = await self.refresh_one(fork)
            if moved is None or not _is(upstream_of(moved), event.upstream):
                return None
            return Told(fork=moved, following=await following.known(self.store, fork.repository_id))
        configuration, _, problems = parsed_configuration(found["configuration"])
        now = fork.model_copy(
            update={
                "repository": found["nameWithOwner"],
                "default_branch": (found["defaultBranchRef"] or {}).get("name") or fork.default_branch,
                "private": found["isPrivate"],
                "parent": (found["parent"] or {}).get("nameWithOwner"),
                "configuration": configuration,
                "configuration_error": "; ".join(problems) or None,
                "updated": self.clock(),
            }
        )
        await self.store.put_fork(now)
        policy = (configuration or Configuration()).upstream
        is_named = policy.repository and policy.repository.lower() in _names(event.upstream, upstream)
        seen = Seen(
            configured=policy.repository,
            pinned=policy.repository_id,
            parent=as_repository(found["parent"]),
            named=upstream if is_named else None,
        )
        known = await following.remember(self.store, fork.repository_id, seen)
        if upstream is not None and not follows(known.followed, seen, upstream, event.upstream):
            return None
        if upstream is None and not _is(upstream_of(now), event.upstream):
            return None
        release = _release((answer.upstream or {}).get("release"), event)
        return Told(fork=now, following=known, release=release)

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
        await self._follow(client, fork, repository.get("parent"))
        return fork

    async def _follow(self, client: InstallationClient, fork: Fork, parent: dict[str, Any] | None) -> None:
        """Hold what the fork follows now against what it has followed."""
        policy = (fork.configuration or Configuration()).upstream
        of_fork = Repository(id=parent["id"], name=parent["full_name"]) if parent else None
        named = of_fork if of_fork and of_fork.name.lower() == (policy.repository or "").lower() else None
        if policy.repository is not None and named is None:
            document = Document(fork.repository, policy.repository)
            document.select("databaseId nameWithOwner", of="upstream")
            named = as_repository((await document.ask(client)).upstream)
        seen = Seen(configured=policy.repository, pinned=policy.repository_id, parent=of_fork, named=named)
        found = await following.remember(self.store, fork.repository_id, seen)
        if found.problem is not None:
            log.warning("another upstream", repository=fork.repository, reason=found.problem.sentence)


def _is(name: str | None, other: str) -> bool:
    return (name or "").lower() == other.lower()


def _names(heard: str, upstream: Repository | None) -> set[str]:
    return {heard.lower(), *({upstream.name.lower()} if upstream else ())}


def _release(found: Any, event: ReleaseEvent) -> releases.Release | None:
    if not found or not found["publishedAt"]:
        return None
    return releases.Release(
        tag=event.tag,
        draft=found["isDraft"],
        prerelease=found["isPrerelease"],
        published=datetime.fromisoformat(found["publishedAt"]),
    )


def upstream_of(fork: Fork) -> str | None:
    """The upstream's owner/name: the configured one, else the parent; None where there is neither."""
    configured = fork.configuration.upstream.repository if fork.configuration else None
    return configured or fork.parent
