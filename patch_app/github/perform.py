"""Carries out effects. Each runs at least once, so each first looks for its own earlier success.

Raises Later where it should be tried again; a refusal by GitHub is an answer (`done=False`) that the
attempt gets to see. Refuses to move a ref from any other value than the one in the effect.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from patch_app.core.attempt import Attempt
from patch_app.core.effects import (
    Close,
    Comment,
    Dispatch,
    Draft,
    EditPullRequest,
    Effect,
    Hide,
    Land,
    OpenIssue,
    OpenPullRequest,
    PinTarget,
    PutCheckRun,
    React,
    Record,
    RefChange,
    Relay,
    Rerun,
    StartWorkflow,
    UpdateRefs,
)
from patch_app.core.names import ZERO
from patch_app.github import dispatching, keeping, landing, reading, receive_pack, speaking
from patch_app.github.bundle import BadBundle, check_bundle
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.document import Document
from patch_app.github.errors import Later, RefMoved, Refused, TooMany
from patch_app.github.footprint import own_commit
from patch_app.github.gitobjects import object_id, write_pack
from patch_app.github.ls_refs import ls_refs

# what GitHub can't be asked to compare: a second one would be a second run, issue or comment
MARKED: Final = frozenset({"dispatch", "start_workflow", "open_issue", "close", "comment", "put_check_run"})
BUNDLE_BOUND: Final = 200 * 1024 * 1024

_UPDATE_REFS: Final = """
mutation($repository: ID!, $updates: [RefUpdate!]!) {
  updateRefs(input: {repositoryId: $repository, refUpdates: $updates}) { clientMutationId }
}
"""
# a token for each kind of work, each with what that needs and no more
ACT: Final = {"metadata": "read", "contents": "write", "workflows": "write", "actions": "write"}
SPEAK: Final = {
    "metadata": "read",
    "contents": "read",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
}


# what people see
Spoken: TypeAlias = (
    OpenPullRequest | EditPullRequest | OpenIssue | Comment | Close | Draft | Hide | React | PutCheckRun
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
            case StartWorkflow():
                client = await self._client(attempt, ACT)
                begun = await dispatching.start_once(client, attempt, effect, self.app_slug, again=again)
                return Outcome(done=True, answer=begun)
            case Rerun():
                return await self._rerun(attempt, effect)
            case Relay():
                return await self._relay(attempt, effect)
            case Land():
                client = await self._client(attempt, ACT)
                made = await landing.make(self.app, client, attempt, effect)
                return Outcome(done=True, answer={"commit": made})
            case Record():
                return await self._record(attempt, effect)
            case UpdateRefs():
                return await self._update_refs(attempt, effect)
            case _:
                return await self._speak(attempt, effect, again)

    async def _speak(self, attempt: Attempt, effect: Spoken, again: bool) -> Outcome:
        client = await self._client(attempt, SPEAK)
        path = f"/repos/{attempt.repository}"
        match effect:
            case OpenPullRequest():
                return await self._open_pull_request(attempt, effect)
            case OpenIssue():
                return await self._open_issue(attempt, effect, again)
            case Close():
                return await self._close(attempt, effect, again)
            case Draft():
                return await self._draft(attempt, effect)
            case EditPullRequest():
                body = {"title": effect.title, "body": effect.body}
                await client.patch(f"{path}/pulls/{effect.number}", body)
            case Comment():
                await self._say(client, attempt, effect, effect.body, again)
            case React():
                said = {"content": effect.content}
                await client.post(f"{path}/issues/comments/{effect.comment}/reactions", said)
            case Hide():
                await speaking.hide(client, effect)
            case PutCheckRun():
                slug = self.app_slug
                made = await speaking.put_check_run(client, attempt.repository, slug, effect, again=again)
                return Outcome(done=True, answer=made)
            case _:
                assert_never(effect)
        return Outcome(done=True)

    async def _client(self, attempt: Attempt, permissions: dict[str, str]) -> InstallationClient:
        return await self.app.installation(attempt.installation_id, attempt.repository_id, permissions)

    # Refs and runs --------------------------------------------------------------------------------

    async def _pin(self, attempt: Attempt, effect: PinTarget) -> Outcome:
        client = await self._client(attempt, ACT)
        body = {"ref": effect.ref, "sha": effect.target}
        try:
            await client.post(f"/repos/{attempt.repository}/git/refs", body)
        except Refused:
            if await reading.ref(client, attempt.repository, effect.ref) != effect.target:
                raise
        return Outcome(done=True)

    async def _dispatch(self, attempt: Attempt, effect: Dispatch, again: bool) -> Outcome:
        client = await self._client(attempt, ACT)
        if again:
            found = await self._run_of(client, attempt, effect)
            if found is not None:
                return Outcome(done=True, answer={**found, "found": True})
        try:
            answer = await dispatching.start(
                client, attempt.repository, effect.workflow, effect.branch, effect.inputs
            )
        except Refused as error:
            if error.status != 422:
                raise
            branch = (await client.get(f"/repos/{attempt.repository}"))["default_branch"]
            if branch == effect.branch:
                raise
            # it was renamed since
            answer = await dispatching.start(
                client, attempt.repository, effect.workflow, branch, effect.inputs
            )
        # older servers answer 204: the run is then found by its name
        return Outcome(done=True, answer=dispatching.details(answer))

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

    async def _rerun(self, attempt: Attempt, effect: Rerun) -> Outcome:
        client = await self._client(attempt, ACT)
        path = f"/repos/{attempt.repository}/actions/runs/{effect.run}"
        now = await client.get(path)
        if now.get("run_attempt", 1) == effect.attempt and now["status"] == "completed":
            await client.post(f"{path}/rerun")
        return Outcome(done=True)

    async def _relay(self, attempt: Attempt, effect: Relay) -> Outcome:
        client = await self._client(attempt, ACT)
        try:
            pack = await self._pack(client, attempt, effect)
        except (BadBundle, Refused) as error:
            # sent before, by a process that was stopped before it could say so
            for kept in (attempt.on_branches, True):
                changes = keeping.placed(effect.changes, on_branches=kept)
                if await self._moved(client, attempt, changes):
                    return Outcome(done=True, answer={"on_branches": True} if kept else {})
            return Outcome(done=False, answer={"message": str(error)})
        try:
            return await self._keep(client, attempt, effect.changes, pack)
        except receive_pack.PackRefused as error:
            # what the run has made, and no fault of the fork's
            return Outcome(done=False, answer={"message": error.message})

    async def _keep(
        self, client: InstallationClient, attempt: Attempt, changes: tuple[RefChange, ...], pack: bytes | None
    ) -> Outcome:
        """Moves refs of ours, or the branches that stand for them where GitHub takes no such ref."""

        async def push(commands: Sequence[receive_pack.Command], pack: bytes | None) -> None:
            url = self.app.git_url(attempt.repository)
            await client.git(
                lambda token, sleep: receive_pack.push(self.app.http, url, token, commands, pack, sleep=sleep)
            )

        kept = await keeping.keep(push, changes, pack, on_branches=attempt.on_branches)
        return Outcome(done=True, answer={"on_branches": True} if kept else {})

    async def _record(self, attempt: Attempt, effect: Record) -> Outcome:
        client = await self._client(attempt, ACT)
        if await reading.folder(client, attempt.repository, effect.inbox, "resolutions") != effect.tree:
            return Outcome(done=False, answer={"message": "the inbox commit has other resolutions"})
        at = int(attempt.created.timestamp())
        body = own_commit(tree=effect.tree, parents=(), message="Recorded resolutions\n", seconds=at)
        commit = object_id("commit", body)
        pack = write_pack([("commit", body)])
        change = RefChange(ref=effect.ref, before=effect.before, after=commit)
        if attempt.on_branches:
            there = await self._values(client, attempt, keeping.placed((change,), on_branches=True))
            # what it follows may still be where GitHub took it in earlier times
            change = change if there else change.model_copy(update={"before": ZERO})
        done = await self._keep(client, attempt, (change,), pack)
        return Outcome(done=True, answer={"commit": commit, **done.answer})

    async def _pack(self, client: InstallationClient, attempt: Attempt, effect: Relay) -> bytes | None:
        """The checked pack of the inbox's bundle, None where the fork already has all of it."""
        if not effect.parts:
            return None
        data = b""
        for path, digest in effect.parts:
            if path not in effect.blobs:
                raise BadBundle(f"the inbox commit has no {path}")
            spare = BUNDLE_BOUND - len(data)
            try:
                part = await reading.blob(client, attempt.repository, effect.blobs[path], spare)
            except TooMany:
                most = BUNDLE_BOUND // 1024 // 1024
                raise BadBundle(f"the bundle is larger than {most} MB") from None
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
        client = await self._client(attempt, ACT)
        updates = [
            {"name": one.ref, "beforeOid": one.before, "afterOid": one.after, "force": one.force}
            for one in effect.changes
        ]
        try:
            (await client.graphql(_UPDATE_REFS, {"repository": effect.node, "updates": updates})).need()
        except (Refused, Later) as error:
            # an answer that got lost, or our own earlier success: the values tell
            if await self._moved(client, attempt, effect.changes):
                return Outcome(done=True)
            if isinstance(error, Later):
                raise
            there = await self._values(client, attempt, effect.changes)
            for change in effect.changes:
                if there.get(change.ref, ZERO) != change.before:
                    raise RefMoved(change.ref, change.before, there.get(change.ref, ZERO)) from None
            raise
        return Outcome(done=True)

    async def _moved(
        self, client: InstallationClient, attempt: Attempt, changes: tuple[RefChange, ...]
    ) -> bool:
        there = await self._values(client, attempt, changes)
        return all(there.get(change.ref, ZERO) == change.after for change in changes)

    async def _values(
        self, client: InstallationClient, attempt: Attempt, changes: tuple[RefChange, ...]
    ) -> dict[str, str]:
        url = self.app.git_url(attempt.repository)
        wanted = [one.ref for one in changes]
        return await client.git(lambda token, sleep: ls_refs(self.app.http, url, token, wanted, sleep=sleep))

    # What people see ------------------------------------------------------------------------------

    async def _open_pull_request(self, attempt: Attempt, effect: OpenPullRequest) -> Outcome:
        client = await self._client(attempt, SPEAK)
        path = f"/repos/{attempt.repository}/pulls"
        wanted = {"title": effect.title, "body": effect.body, "head": effect.head, "base": effect.base}
        try:
            made = await client.post(path, {**wanted, "draft": effect.draft})
            return Outcome(done=True, answer={"number": made["number"], "url": made["html_url"], "new": True})
        except Refused as error:
            refused = error
        # there is one of this branch already: of our own earlier success, or of the attempt before us
        owner = attempt.repository.split("/")[0]
        there = await client.get_all(path, state="open", head=f"{owner}:{effect.head}", base=effect.base)
        if not there and "already exists" in refused.message:
            # lists have what was just made only seconds later
            raise Later(refused.message)
        if not there:
            raise refused
        found = there[0]
        if (found["title"], found.get("body")) != (effect.title, effect.body):
            await client.patch(f"{path}/{found['number']}", {"title": effect.title, "body": effect.body})
        return Outcome(done=True, answer={"number": found["number"], "url": found["html_url"]})

    async def _draft(self, attempt: Attempt, effect: Draft) -> Outcome:
        client = await self._client(attempt, SPEAK)
        document = Document(attempt.repository)
        document.add("pull", "pullRequest", "number", effect.number, "id isDraft")
        found = (await document.ask(client)).fork["pull"]
        if found["isDraft"] is not effect.draft:
            mutation = "convertPullRequestToDraft" if effect.draft else "markPullRequestReadyForReview"
            text = (
                f"mutation($id: ID!) {{ {mutation}(input: {{pullRequestId: $id}}) {{ clientMutationId }} }}"
            )
            (await client.graphql(text, {"id": found["id"]})).need()
        return Outcome(done=True)

    async def _open_issue(self, attempt: Attempt, effect: OpenIssue, again: bool) -> Outcome:
        client = await self._client(attempt, SPEAK)
        path = f"/repos/{attempt.repository}/issues"
        marker = _comment(effect.marker)
        if again:
            async for issue in client.each(path, state="all", creator=f"{self.app_slug}[bot]"):
                if marker in (issue.get("body") or ""):
                    return Outcome(done=True, answer={"number": issue["number"], "url": issue["html_url"]})
        made = await client.post(path, {"title": effect.title, "body": f"{marker}\n{effect.body}"})
        return Outcome(done=True, answer={"number": made["number"], "url": made["html_url"]})

    async def _close(self, attempt: Attempt, effect: Close, again: bool) -> Outcome:
        client = await self._client(attempt, SPEAK)
        await self._say(client, attempt, effect, effect.comment, again)
        kind = "pulls" if effect.subject == "pull_request" else "issues"
        path = f"/repos/{attempt.repository}/{kind}/{effect.number}"
        if (await client.get(path))["state"] != "closed":
            await client.patch(path, {"state": "closed"})
        return Outcome(done=True)

    async def _say(
        self,
        client: InstallationClient,
        attempt: Attempt,
        effect: Comment | Close,
        text: str,
        again: bool,
    ) -> None:
        path = f"/repos/{attempt.repository}/issues/{effect.number}/comments"
        hidden = _comment(effect.marker)
        for comment in await client.get_all(path) if again else ():
            if hidden in (comment.get("body") or "") and self._ours(comment):
                return
        await client.post(path, {"body": f"{hidden}\n{text}"})

    def _ours(self, item: dict[str, Any]) -> bool:
        return bool((item.get("user") or {}).get("login") == f"{self.app_slug}[bot]")


def _comment(marker: str) -> str:
    return f"<!-- {marker} -->"
