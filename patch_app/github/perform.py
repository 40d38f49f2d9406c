"""Carries out effects. Each runs at least once, so each first looks for its own earlier success.

Raises Later where it should be tried again; a refusal by GitHub is an answer (`done=False`) that the
attempt gets to see. Refuses to move a ref from any other value than the one in the effect.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from patch_app.core.attempt import Attempt
from patch_app.core.effects import (
    Close,
    Comment,
    Dispatch,
    EditPullRequest,
    Effect,
    OpenIssue,
    OpenPullRequest,
    PinTarget,
    PutCheckRun,
    Record,
    Relay,
    UpdateRefs,
)
from patch_app.github import reading, receive_pack
from patch_app.github.bundle import BadBundle, check_bundle
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.errors import Later, RefMoved, Refused
from patch_app.github.gitobjects import commit_body, object_id, write_pack
from patch_app.github.transport import segment

# what GitHub can't be asked to compare: a second one would be a second run, issue or comment
MARKED: Final = frozenset({"dispatch", "open_issue", "close", "comment", "put_check_run"})
BUNDLE_BOUND: Final = 200 * 1024 * 1024
# "create a workflow dispatch event": answers 200 with the run's id instead of 204
RUN_DETAILS: Final = "return_run_details"

_UPDATE_REFS: Final = """
mutation($repository: ID!, $updates: [RefUpdate!]!) {
  updateRefs(input: {repositoryId: $repository, refUpdates: $updates}) { clientMutationId }
}
"""
_REPOSITORY_ID: Final = (
    "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }"
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`done`: it is so now. Not done: GitHub said no, and `answer["message"]` says why."""

    done: bool
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Performer:
    """Carries out effects through one App. `app_slug`: the App's own name, by which it knows its work."""

    app: GitHubApp
    app_slug: str

    async def perform(self, attempt: Attempt, effect: Effect, *, again: bool) -> Outcome:
        """What became of it. `again`: it was begun before, so its success may already be there.

        Raises Later (Unknown too) and Bug.
        """
        try:
            return await self._perform(attempt, effect, again)
        except RefMoved as error:
            return Outcome(done=False, answer={"message": error.message, "moved": True})
        except Refused as error:
            return Outcome(done=False, answer={"message": error.message, "status": error.status})

    async def _perform(self, attempt: Attempt, effect: Effect, again: bool) -> Outcome:
        match effect:
            case PinTarget():
                return await self._pin(attempt, effect)
            case Dispatch():
                return await self._dispatch(attempt, effect, again)
            case Relay():
                return await self._relay(attempt, effect)
            case Record():
                return await self._record(attempt, effect)
            case UpdateRefs():
                return await self._update_refs(attempt, effect)
            case OpenPullRequest():
                return await self._open_pull_request(attempt, effect)
            case EditPullRequest():
                client = await self._client(attempt, pull_requests="write")
                body = {"title": effect.title, "body": effect.body}
                await client.patch(f"/repos/{attempt.repository}/pulls/{effect.number}", body)
                return Outcome(done=True)
            case OpenIssue():
                return await self._open_issue(attempt, effect, again)
            case Comment():
                client = await self._client(attempt, issues="write", pull_requests="write")
                await self._say(client, attempt, effect.number, effect.marker, effect.body)
                return Outcome(done=True)
            case Close():
                return await self._close(attempt, effect)
            case PutCheckRun():
                return await self._put_check_run(attempt, effect)
            case _:
                assert_never(effect)

    async def _client(self, attempt: Attempt, **permissions: str) -> InstallationClient:
        return await self.app.installation(
            attempt.installation_id, attempt.repository_id, {"metadata": "read", **permissions}
        )

    # Refs and runs --------------------------------------------------------------------------------

    async def _pin(self, attempt: Attempt, effect: PinTarget) -> Outcome:
        client = await self._client(attempt, contents="write", workflows="write")
        if await reading.ref(client, attempt.repository, effect.ref) == effect.target:
            return Outcome(done=True)
        body = {"ref": effect.ref, "sha": effect.target}
        await client.post(f"/repos/{attempt.repository}/git/refs", body)
        return Outcome(done=True)

    async def _dispatch(self, attempt: Attempt, effect: Dispatch, again: bool) -> Outcome:
        client = await self._client(attempt, actions="write")
        if again:
            found = await self._run_of(client, attempt, effect)
            if found is not None:
                return Outcome(done=True, answer=found)
        repository = await client.get(f"/repos/{attempt.repository}")
        path = f"/repos/{attempt.repository}/actions/workflows/{segment(effect.workflow)}/dispatches"
        body = {"ref": repository["default_branch"], "inputs": effect.inputs}
        try:
            answer = await client.post(path, {**body, RUN_DETAILS: True})
        except Refused as error:
            # GitHub Enterprise Server 3.19 knows no such key, and version 2026-03-10 needs none: a
            # refused request has started nothing
            if error.status != 422 or RUN_DETAILS not in error.message:
                raise
            answer = await client.post(path, body)
        if isinstance(answer, dict) and answer.get("workflow_run_id"):
            return Outcome(done=True, answer={"run_id": answer["workflow_run_id"], "url": answer["html_url"]})
        # older servers answer 204: the run is then found by its name
        return Outcome(done=True)

    async def _run_of(
        self, client: InstallationClient, attempt: Attempt, effect: Dispatch
    ) -> dict[str, Any] | None:
        path = f"/repos/{attempt.repository}/actions/runs"
        known = {run.id for run in attempt.runs}
        seen = 0
        async for run in client.each(path, key="workflow_runs", event="workflow_dispatch"):
            if effect.run_name in (run.get("display_title"), run.get("name")) and run["id"] not in known:
                return {"run_id": run["id"], "url": run["html_url"]}
            seen += 1
            if seen >= 300:
                break
        return None

    async def _relay(self, attempt: Attempt, effect: Relay) -> Outcome:
        client = await self._client(attempt, contents="write", workflows="write")
        values = [await reading.ref(client, attempt.repository, change.ref) for change in effect.changes]
        if values == [change.after for change in effect.changes]:
            return Outcome(done=True)
        try:
            pack = await self._pack(client, attempt, effect)
        except BadBundle as error:
            return Outcome(done=False, answer={"message": str(error)})
        await receive_pack.push(
            self.app.http,
            self.app.git_url(attempt.repository),
            await client.token(),
            [(change.before, change.after, change.ref) for change in effect.changes],
            pack,
        )
        return Outcome(done=True)

    async def _record(self, attempt: Attempt, effect: Record) -> Outcome:
        client = await self._client(attempt, contents="write")
        if await reading.folder(client, attempt.repository, effect.inbox, "resolutions") != effect.tree:
            return Outcome(done=False, answer={"message": "the inbox commit has other resolutions"})
        # of fixed bytes, so that a second try makes the same commit
        who = f"patch_app <patch-app@users.noreply> {int(attempt.created.timestamp())} +0000"
        body = commit_body(
            tree=effect.tree, parents=(), author=who, committer=who, message="Recorded resolutions\n"
        )
        commit = object_id("commit", body)
        await receive_pack.push(
            self.app.http,
            self.app.git_url(attempt.repository),
            await client.token(),
            [(effect.before, commit, effect.ref)],
            write_pack([("commit", body)]),
        )
        return Outcome(done=True, answer={"commit": commit})

    async def _pack(self, client: InstallationClient, attempt: Attempt, effect: Relay) -> bytes | None:
        """The checked pack of the inbox's bundle, None where the fork already has all of it."""
        if not effect.parts:
            return None
        files = await reading.commit_files(client, attempt.repository, effect.inbox)
        data = b""
        for path, digest in effect.parts:
            if path not in files:
                raise BadBundle(f"the inbox commit has no {path}")
            oid, size = files[path]
            if len(data) + size > BUNDLE_BOUND:
                raise BadBundle(f"the bundle is larger than {BUNDLE_BOUND // 1024 // 1024} MB")
            part = await reading.blob(client, attempt.repository, oid, BUNDLE_BOUND)
            if hashlib.sha256(part).hexdigest() != digest:
                raise BadBundle(f"{path} is not what the report says it is")
            data += part
        # a large pack takes seconds of computing: webhooks are answered meanwhile
        return await asyncio.to_thread(
            check_bundle,
            data,
            expected_ref=effect.bundle_ref,
            expected_tip=effect.tip,
            allowed_prerequisites=effect.prerequisites,
            chain=effect.chain,
            merges=effect.merges,
            parents=effect.parents,
            floor=effect.floor,
        )

    async def _update_refs(self, attempt: Attempt, effect: UpdateRefs) -> Outcome:
        client = await self._client(attempt, contents="write", workflows="write")
        if await self._moved(client, attempt, effect):
            return Outcome(done=True)
        owner, name = attempt.repository.split("/")
        found = (await client.graphql(_REPOSITORY_ID, {"owner": owner, "name": name})).need()
        updates = [
            {"name": one.ref, "beforeOid": one.before, "afterOid": one.after, "force": one.force}
            for one in effect.changes
        ]
        try:
            (
                await client.graphql(
                    _UPDATE_REFS, {"repository": found["repository"]["id"], "updates": updates}
                )
            ).need()
        except (Refused, Later) as error:
            # an answer that got lost, or a race with ourselves: the values tell
            if await self._moved(client, attempt, effect):
                return Outcome(done=True)
            if isinstance(error, Later):
                raise
            await self._raise_if_moved(client, attempt, effect)
            raise
        return Outcome(done=True)

    async def _moved(self, client: InstallationClient, attempt: Attempt, effect: UpdateRefs) -> bool:
        for change in effect.changes:
            if await reading.ref(client, attempt.repository, change.ref) != change.after:
                return False
        return True

    async def _raise_if_moved(self, client: InstallationClient, attempt: Attempt, effect: UpdateRefs) -> None:
        for change in effect.changes:
            now = await reading.ref(client, attempt.repository, change.ref)
            if now != change.before:
                raise RefMoved(change.ref, change.before, now)

    # What people see ------------------------------------------------------------------------------

    async def _open_pull_request(self, attempt: Attempt, effect: OpenPullRequest) -> Outcome:
        client = await self._client(attempt, pull_requests="write", contents="read")
        path = f"/repos/{attempt.repository}/pulls"
        owner = attempt.repository.split("/")[0]
        there = await client.get_all(path, state="open", head=f"{owner}:{effect.head}", base=effect.base)
        if there:
            found = there[0]
            if (found["title"], found.get("body")) != (effect.title, effect.body):
                await client.patch(f"{path}/{found['number']}", {"title": effect.title, "body": effect.body})
        else:
            found = await client.post(
                path,
                {
                    "title": effect.title,
                    "body": effect.body,
                    "head": effect.head,
                    "base": effect.base,
                    "draft": effect.draft,
                },
            )
        return Outcome(done=True, answer={"number": found["number"], "url": found["html_url"]})

    async def _open_issue(self, attempt: Attempt, effect: OpenIssue, again: bool) -> Outcome:
        client = await self._client(attempt, issues="write")
        path = f"/repos/{attempt.repository}/issues"
        marker = _comment(effect.marker)
        if again:
            async for issue in client.each(path, state="all", creator=f"{self.app_slug}[bot]"):
                if marker in (issue.get("body") or ""):
                    return Outcome(done=True, answer={"number": issue["number"], "url": issue["html_url"]})
        made = await client.post(path, {"title": effect.title, "body": f"{marker}\n{effect.body}"})
        return Outcome(done=True, answer={"number": made["number"], "url": made["html_url"]})

    async def _close(self, attempt: Attempt, effect: Close) -> Outcome:
        client = await self._client(attempt, issues="write", pull_requests="write")
        await self._say(client, attempt, effect.number, effect.marker, effect.comment)
        kind = "pulls" if effect.subject == "pull_request" else "issues"
        path = f"/repos/{attempt.repository}/{kind}/{effect.number}"
        if (await client.get(path))["state"] != "closed":
            await client.patch(path, {"state": "closed"})
        return Outcome(done=True)

    async def _say(
        self, client: InstallationClient, attempt: Attempt, number: int, marker: str, text: str
    ) -> None:
        path = f"/repos/{attempt.repository}/issues/{number}/comments"
        hidden = _comment(marker)
        for comment in await client.get_all(path):
            if hidden in (comment.get("body") or "") and self._ours(comment):
                return
        await client.post(path, {"body": f"{hidden}\n{text}"})

    def _ours(self, item: dict[str, Any]) -> bool:
        return bool((item.get("user") or {}).get("login") == f"{self.app_slug}[bot]")

    async def _put_check_run(self, attempt: Attempt, effect: PutCheckRun) -> Outcome:
        client = await self._client(attempt, checks="write")
        body: dict[str, Any] = {
            "name": effect.name,
            "status": effect.status,
            "external_id": effect.external_id,
            "output": {"title": effect.title, "summary": effect.summary, "text": effect.text},
        }
        if effect.conclusion is not None:
            body["conclusion"] = effect.conclusion
        if effect.details_url:
            body["details_url"] = effect.details_url
        listed = await client.get_all(
            f"/repos/{attempt.repository}/commits/{segment(effect.commit)}/check-runs",
            key="check_runs",
            check_name=effect.name,
        )
        for run in listed:
            ours = (run.get("app") or {}).get("slug") == self.app_slug
            if ours and run.get("external_id") == effect.external_id:
                made = await client.patch(f"/repos/{attempt.repository}/check-runs/{run['id']}", body)
                return Outcome(done=True, answer={"id": made["id"], "url": made["html_url"]})
        made = await client.post(
            f"/repos/{attempt.repository}/check-runs", {**body, "head_sha": effect.commit}
        )
        return Outcome(done=True, answer={"id": made["id"], "url": made["html_url"]})


def _comment(marker: str) -> str:
    return f"<!-- {marker} -->"
