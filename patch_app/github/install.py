"""Brings the App's footprint to a fork: the runner's ref, and a pull request with the files.

It refuses to write to the default branch, to move a ref from another value than the one it read, and to
overwrite a branch that a person has worked on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from patch_app.core import names
from patch_app.core.names import INSTALL_BRANCH
from patch_app.github import receive_pack
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.errors import Refused
from patch_app.github.footprint import MESSAGE, footprint_version, own_commit, runner_commit
from patch_app.github.gitobjects import TreeEntry, object_id, tree_body, write_pack
from patch_app.github.transport import segment

REQUESTS: Final = "requests.json"
_REQUESTS_MESSAGE: Final = "What the preview carries\n"
_OUR_MESSAGES: Final = frozenset({MESSAGE.strip(), _REQUESTS_MESSAGE.strip()})


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The pull request that is wanted: these files on top of `head` of the branch `base`.

    `requests`: what the preview job is to carry, as JSON; `anew`: make the commit anew though nothing
    changed, so that its workflow runs once more.
    """

    base: str
    head: str
    files: Mapping[str, bytes]
    title: str
    body: str
    requests: bytes | None = None
    anew: bool = False
    # a merged pull request's last commit: nothing on the branch would be lost
    merged: str | None = None


@dataclass(frozen=True, kw_only=True)
class Offered:
    """The pull request. `theirs`: a person's own commits are on its branch, which was left as it is."""

    pull_request: int
    url: str
    theirs: bool


async def put_offer(app: GitHubApp, client: InstallationClient, repository: str, offer: Offer) -> Offered:
    """Store runner and requests on the fork "owner/name"; open the pull request, or bring it up to date.

    Safe to repeat: what is there already is recognised. Raises Later, Unknown, Refused, RefMoved, Bug.
    """
    url, token = app.git_url(repository), await client.token()
    refs = await receive_pack.read_refs(app.http, url, token)
    runner, pack = runner_commit()
    branch = names.head(INSTALL_BRANCH)
    made = await _commit(client, repository, offer, refs.get(branch))
    there = _There(app=app, client=client, repository=repository, refs=refs)
    if offer.requests is not None:
        commit, requests = requests_commit(offer.requests)
        await there.move({names.ONBOARDING_REF: commit}, requests)
    await there.move({names.RUNNER_REF: runner} | ({} if made is None else {branch: made}), pack)
    pull = await _put_pull_request(client, repository, offer)
    return Offered(pull_request=int(pull["number"]), url=str(pull["html_url"]), theirs=made is None)


async def store_runner(app: GitHubApp, client: InstallationClient, repository: str) -> None:
    """Put the runner's ref where it belongs, if it isn't there. Raises as `put_offer`."""
    runner, pack = runner_commit()
    refs = await receive_pack.read_refs(app.http, app.git_url(repository), await client.token())
    there = _There(app=app, client=client, repository=repository, refs=refs)
    await there.move({names.RUNNER_REF: runner}, pack)


@dataclass(frozen=True, kw_only=True)
class _There:
    """A fork's refs as they were read. Ours are branches where they are so, or GitHub takes no other."""

    app: GitHubApp
    client: InstallationClient
    repository: str
    refs: Mapping[str, str]

    async def move(self, wanted: Mapping[str, str], pack: bytes) -> None:
        """Each ref from the value that was read, all or none. Raises as `put_offer`."""
        on_branches = names.as_branch(names.RUNNER_REF) in self.refs
        try:
            await self._push(wanted, pack, on_branches=on_branches)
        except receive_pack.NameRefused:
            if on_branches:
                raise
            await self._push(wanted, pack, on_branches=True)

    async def _push(self, wanted: Mapping[str, str], pack: bytes, *, on_branches: bool) -> None:
        changes = []
        for ref, new in wanted.items():
            place = ref
            if on_branches and ref.startswith(f"{names.NAMESPACE}/"):
                place = names.as_branch(ref)
                await self._be_ours(place, new)
            changes.append((self.refs.get(place, names.ZERO), new, place))
        url, token = self.app.git_url(self.repository), await self.client.token()
        await receive_pack.push(self.app.http, url, token, changes, pack)

    async def _be_ours(self, place: str, new: str) -> None:
        """A branch of that name may be a person's work, which nobody expects below refs/patch-app."""
        there = self.refs.get(place, new)
        if there == new:
            return
        found = await self.client.get(f"/repos/{self.repository}/git/commits/{segment(there)}")
        if found["parents"] or found["message"].strip() not in _OUR_MESSAGES:
            branch = place.removeprefix("refs/heads/")
            raise Refused(409, f"the branch {branch} exists and isn't the App's: rename or delete it")


def requests_commit(requests: bytes) -> tuple[str, bytes]:
    """Id and pack of a commit without parents that holds the preview's requests."""
    blob = TreeEntry(mode="100644", name=REQUESTS, oid=object_id("blob", requests))
    tree = tree_body([blob])
    commit = own_commit(tree=object_id("tree", tree), parents=(), message=_REQUESTS_MESSAGE)
    return object_id("commit", commit), write_pack([("commit", commit), ("tree", tree), ("blob", requests)])


async def _commit(client: InstallationClient, repository: str, offer: Offer, there: str | None) -> str | None:
    """One commit with the files on top of `head`, or the one that is there already; None for somebody's
    own.
    """
    git = f"/repos/{repository}/git"
    base_tree = (await client.get(f"{git}/commits/{segment(offer.head)}"))["tree"]["sha"]
    entries = [await _entry(client, git, path, content) for path, content in offer.files.items()]
    tree = (await client.post(f"{git}/trees", {"base_tree": base_tree, "tree": entries}))["sha"]
    if there is not None:
        found = await client.get(f"{git}/commits/{segment(there)}")
        same = found["tree"]["sha"] == tree and [one["sha"] for one in found["parents"]] == [offer.head]
        if same and not offer.anew:
            return there
        ours = names.INSTALLED_TRAILER in found["message"].splitlines()
        if not ours and there not in (offer.head, offer.merged):
            return None
    message = f"Install patch_app {footprint_version()}\n\n{names.INSTALLED_TRAILER}\n"
    made = await client.post(f"{git}/commits", {"message": message, "tree": tree, "parents": [offer.head]})
    return str(made["sha"])


async def _entry(client: InstallationClient, git: str, path: str, content: bytes) -> dict[str, str]:
    body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    blob = await client.post(f"{git}/blobs", body)
    return {"path": path, "mode": "100644", "type": "blob", "sha": str(blob["sha"])}


async def _put_pull_request(client: InstallationClient, repository: str, offer: Offer) -> Any:
    owner = repository.split("/", maxsplit=1)[0]
    pulls = f"/repos/{repository}/pulls"
    found = await client.get(pulls, state="open", head=f"{owner}:{INSTALL_BRANCH}", base=offer.base)
    wanted = {"title": offer.title, "body": offer.body}
    if not found:
        try:
            return await client.post(pulls, {**wanted, "head": INSTALL_BRANCH, "base": offer.base})
        except Refused as error:
            # opened meanwhile, by the server while a person asks for it, say
            found = await client.get(pulls, state="open", head=f"{owner}:{INSTALL_BRANCH}", base=offer.base)
            if error.status != 422 or not found:
                raise
    if any(found[0].get(key) != value for key, value in wanted.items()):
        return await client.patch(f"{pulls}/{segment(str(found[0]['number']))}", wanted)
    return found[0]
