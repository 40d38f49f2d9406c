"""Onboarding: what the App offers a repository that it was installed on, and keeps in step afterwards.

Everything is read from GitHub at each look, so that a lost database, an event twice or a look that was cut
off changes nothing. Refuses to begin anything before a person has merged, and to ask again a person who
said no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from patch_app.core import names, onboarding, onboarding_text, previewed
from patch_app.core.configuration import Configuration, parse
from patch_app.core.installed import difference, recognise
from patch_app.core.onboarding import Pull, Standing, standing
from patch_app.engine.proposal import Proposal, propose
from patch_app.github import install, reading
from patch_app.github import onboarding as readings
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.footprint import runner_commit, workflow_blob_id, workflow_file
from patch_app.github.fork_configuration import read_configuration
from patch_app.github.transport import segment

PERMISSIONS: Final = {
    "contents": "write",
    "workflows": "write",
    "pull_requests": "write",
    "issues": "write",
    "actions": "read",
    "checks": "read",
}
# how long a preview that doesn't come is waited for
PATIENCE: Final = timedelta(days=1)

log = structlog.get_logger("onboarding")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look found and did. `pending`: the preview isn't written yet, look again."""

    standing: Standing
    repository: str = ""
    pull: Pull | None = None
    url: str | None = None
    pending: bool = False
    # a person's own commits are on the branch, which was left as it is
    theirs: bool = False
    # the workflow file is on the default branch, or was in its history
    installed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One repository as it is now."""

    client: InstallationClient
    repository: str
    about: dict[str, Any]
    head: str
    known: onboarding.Known
    settings: Configuration | None
    problems: tuple[str, ...]
    workflow: bytes
    there: bytes | None
    # somebody asks in a comment, so that the preview is to run again too
    commented: bool

    @property
    def default(self) -> str:
        return str(self.about["default_branch"])

    @property
    def url(self) -> str:
        return str(self.about["html_url"])


@dataclass(frozen=True, kw_only=True)
class Onboarding:
    """Looks at repositories through one App. `app_slug`: the App's own name on GitHub."""

    app: GitHubApp
    app_slug: str
    clock: Callable[[], datetime]

    @property
    def _bot(self) -> str:
        return f"{self.app_slug}[bot]"

    async def look(
        self,
        installation_id: int,
        repository_id: int,
        *,
        asked: bool = False,
        configuration: bytes | None = None,
    ) -> Look:
        """Read one repository and do what is due. Safe to repeat and to cut off.

        `asked`: a person wants the pull request, whatever was before; `configuration`: with this file. Raises
        Later, Unknown, Refused, RefMoved, Bug, and ConfigurationError where `configuration` has a mistake.
        """
        client = await self.app.installation(installation_id, repository_id, PERMISSIONS)
        about = await client.get(f"/repositories/{repository_id}")
        read = await self._read(client, about, asked=asked, configuration=configuration)
        if read is None:
            archived = bool(about.get("archived"))
            return Look(
                standing=Standing.ARCHIVED if archived else Standing.EMPTY, repository=about["full_name"]
            )
        found = standing(read.known)
        if configuration is not None and found is Standing.INSTALLED:
            found = await self._configured(read, configuration)
        known = read.known
        installed = known.workflow_blob is not None or known.was_there
        done = Look(standing=found, repository=read.repository, pull=known.pull, installed=installed)
        match found:
            case Standing.OFFER | Standing.UPDATE:
                return replace(await self._offer(read, found, configuration), installed=installed)
            case Standing.OFFERED:
                return await self._show_preview(read, done)
            case Standing.CHANGED:
                await self._say_changed(read)
            case Standing.INSTALLED:
                # whoever can push can delete the ref, and without it no run begins
                await install.store_runner(self.app, read.client, read.repository)
            case _:
                pass
        return done

    # Reading --------------------------------------------------------------------------------------

    async def _read(
        self, client: InstallationClient, about: dict[str, Any], *, asked: bool, configuration: bytes | None
    ) -> _Read | None:
        repository, branch = about["full_name"], about["default_branch"]
        head = None if about.get("archived") else await readings.head_of(client, repository, branch)
        if head is None:
            return None
        settings, blob, problems = await read_configuration(client, repository, head)
        if configuration is not None:
            settings, problems = parse(configuration.decode()), ()
        uploads = settings is not None and settings.keeps_artifacts
        workflow = workflow_file(bool(about["private"]), uploads=uploads)
        file = await reading.file_text(client, repository, names.WORKFLOW_PATH, head)
        there = None if file is None else file[1].encode()
        expected = workflow_blob_id(workflow)
        pull = offered = None
        commented = False
        if file is None or file[0] != expected or configuration is not None:
            pull = await readings.newest_pull(client, repository, self._bot)
        if pull is not None and not asked:
            commented = await self._is_asked(client, repository, pull)
        if pull is not None and pull.open:
            offered = await reading.blob_id(client, repository, names.WORKFLOW_PATH, pull.head)
        was_there = file is None and await readings.ever_installed(client, repository, branch)
        known = onboarding.Known(
            head=head,
            is_fork=bool(about.get("fork")),
            has_configuration=blob is not None,
            workflow_blob=file[0] if file else None,
            footprint=recognise(there) if there is not None else None,
            expected_blob=expected,
            was_there=was_there,
            pull=pull,
            offered_blob=offered,
            asked=asked or commented,
        )
        return _Read(
            client=client,
            repository=repository,
            about=about,
            head=head,
            known=known,
            settings=settings,
            problems=problems,
            workflow=workflow,
            there=there,
            commented=commented,
        )

    async def _is_asked(self, client: InstallationClient, repository: str, pull: Pull) -> bool:
        asked, refused = await readings.commands(client, repository, pull, self._bot)
        for comment, permission in refused:
            body = {"body": onboarding.refusal(comment, permission)}
            await client.post(f"/repos/{repository}/issues/{pull.number}/comments", body)
        return asked

    async def _configured(self, read: _Read, configuration: bytes) -> Standing:
        """The workflow is right; the given configuration may still be another one."""
        there = await reading.blob_id(read.client, read.repository, names.CONFIGURATION_PATH, read.head)
        return Standing.INSTALLED if there == workflow_blob_id(configuration) else Standing.OFFER

    # Doing ----------------------------------------------------------------------------------------

    async def _offer(self, read: _Read, found: Standing, configuration: bytes | None) -> Look:
        new = found is Standing.OFFER and configuration is None and not read.known.has_configuration
        proposal = await propose(self.app, read.client, read.about, read.head, read.settings, new=new)
        files = {names.WORKFLOW_PATH: read.workflow}
        if configuration is not None:
            files[names.CONFIGURATION_PATH] = configuration
        elif proposal.configuration is not None:
            files[names.CONFIGURATION_PATH] = proposal.configuration
        pull = read.known.pull
        is_open = pull is not None and pull.open
        offer = install.Offer(
            base=read.default,
            head=read.head,
            files=files,
            title=onboarding_text.TITLE if found is Standing.OFFER else onboarding_text.UPDATE_TITLE,
            body=self._body(read, found, proposal, tuple(sorted(files))),
            requests=proposal.requests,
            anew=is_open and read.commented,
            merged=pull.head if pull is not None and pull.merged else None,
        )
        made = await install.put_offer(self.app, read.client, read.repository, offer)
        log.info("offered", repository=read.repository, pull_request=made.pull_request, what=found.value)
        return Look(
            standing=found,
            repository=read.repository,
            pull=await readings.newest_pull(read.client, read.repository, self._bot),
            url=made.url,
            pending=proposal.has_preview,
            theirs=made.theirs,
        )

    def _body(self, read: _Read, found: Standing, proposal: Proposal, paths: tuple[str, ...]) -> str:
        known, uploads = read.known, bool(read.settings and read.settings.keeps_artifacts)
        if found is Standing.UPDATE:
            there, runner = read.there or b"", runner_commit()[0]
            old = known.footprint
            changes = difference(read.workflow, there)
            return onboarding_text.update_body(
                onboarding_text.Update(
                    default_branch=read.default,
                    before=old.runner if old else None,
                    after=runner,
                    only_runner=not changes,
                    takes_back="" if old is not None and old.intact else changes,
                    expected_blob=known.expected_blob,
                    uploads=uploads,
                    preview=proposal.preview,
                )
            )
        closed = known.pull is not None and not known.pull.open
        return onboarding_text.body(
            onboarding_text.Offer(
                repository=read.repository,
                url=read.url,
                default_branch=read.default,
                paths=paths,
                runner=runner_commit()[0],
                expected_blob=known.expected_blob,
                uploads=uploads,
                workflows=proposal.workflows,
                inventory=proposal.inventory,
                no_inventory=proposal.no_inventory,
                others=proposal.others,
                problems=read.problems,
                preview=proposal.preview,
                asked_in=known.pull.number if known.pull is not None and closed else None,
            )
        )

    async def _show_preview(self, read: _Read, done: Look) -> Look:
        """Write what the preview said into the body, where its place is still there."""
        pull = read.known.pull
        targets = previewed.targets_in(pull.body) if pull is not None else None
        if pull is None or not targets:
            return done
        state, url, said = await readings.preview_run(read.client, read.repository, pull.head)
        section = previewed.section(
            targets, state, previewed.claims(said, targets), repository_url=read.url, run_url=url
        )
        body = previewed.replaced(pull.body, section)
        if body != pull.body:
            await read.client.patch(
                f"/repos/{read.repository}/pulls/{segment(str(pull.number))}", {"body": body}
            )
        waiting = state in (previewed.State.WAITING, previewed.State.RUNNING)
        pending = waiting and self.clock() - pull.created < PATIENCE
        return replace(done, url=pull.url, pending=pending)

    async def _say_changed(self, read: _Read) -> None:
        """Once for each content of the file, where the App and the fork's people have talked before."""
        pull, blob = read.known.pull, read.known.workflow_blob
        if pull is None or blob is None or read.there is None:
            log.info("workflow file changed", repository=read.repository, blob=blob)
            return
        path = f"/repos/{read.repository}/issues/{pull.number}/comments"
        said = await read.client.get_all(path)
        mark = onboarding_text.changed_mark(blob)
        if any(
            mark in (one["body"] or "") and (one.get("user") or {}).get("login") == self._bot for one in said
        ):
            return
        text = onboarding_text.changed_comment(blob, read.workflow, read.there)
        await read.client.post(path, {"body": text})
