"""Brings the App's footprint to a fork: the runner's ref, and a pull request with the workflow file.

It refuses to write to the default branch, to move a ref of anybody else's, and to overwrite an
installation branch that a person has worked on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from patch_app.core import names
from patch_app.core.configuration import parse
from patch_app.github import receive_pack
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.errors import Refused
from patch_app.github.evidence import read_configuration
from patch_app.github.footprint import footprint_version, runner_commit, workflow_blob_id, workflow_file
from patch_app.github.transport import segment, segments

BRANCH: Final = f"{names.DEFAULT_PREFIX}/install"
PERMISSIONS: Final = {"contents": "write", "workflows": "write", "pull_requests": "write"}
TITLE: Final = "Let patch_app carry this fork's patches onto upstream's releases"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """`up_to_date`: the default branch has the right files already, so there is no pull request."""

    runner: str
    up_to_date: bool
    pull_request: int | None = None
    url: str | None = None


async def install_footprint(
    app: GitHubApp,
    *,
    installation_id: int,
    repository_id: int,
    repository: str,
    configuration: bytes | None = None,
) -> Installed:
    """Store the runner on the fork "owner/name" and open, or bring up to date, the pull request.

    `configuration`: the wanted `.github/patch-app.toml`; None leaves that file as it is. The workflow file
    has the step that stores artifacts only where a check asks for them. Safe to repeat: what is there
    already is recognised. Raises Later, Unknown, Refused (with what a person can do), RefMoved, Bug, and
    ConfigurationError where `configuration` has a mistake.
    """
    client = await app.installation(installation_id, repository_id, PERMISSIONS)
    about = await client.get(f"/repos/{repository}")
    runner = await _store_runner(app, client, repository)
    default = str(about["default_branch"])
    head = (await client.get(f"/repos/{repository}/git/ref/{segments(names.head(default)[5:])}"))["object"][
        "sha"
    ]
    # one with a mistake in it asks for nothing: the preflight names the mistake, and then what is missing
    wanted = (
        parse(configuration.decode())
        if configuration is not None
        else (await read_configuration(client, repository, head))[0]
    )
    uploads = wanted is not None and wanted.keeps_artifacts
    files = {names.WORKFLOW_PATH: workflow_file(bool(about["private"]), uploads=uploads)}
    if configuration is not None:
        files[names.CONFIGURATION_PATH] = configuration
    changed = {
        path: content
        for path, content in files.items()
        if await _blob_at(client, repository, path, head) != workflow_blob_id(content)
    }
    if not changed:
        return Installed(runner=runner, up_to_date=True)
    await _put_branch(client, repository, head, changed)
    text = body(default, sorted(changed), uploads=uploads)
    pull = await _put_pull_request(client, repository, default, text)
    return Installed(
        runner=runner, up_to_date=False, pull_request=int(pull["number"]), url=str(pull["html_url"])
    )


async def _store_runner(app: GitHubApp, client: InstallationClient, repository: str) -> str:
    oid, pack = runner_commit()
    url, token = app.git_url(repository), await client.token()
    current = (await receive_pack.read_refs(app.http, url, token)).get(names.RUNNER_REF, names.ZERO)
    if current != oid:
        await receive_pack.push(app.http, url, token, [(current, oid, names.RUNNER_REF)], pack)
    return oid


async def _blob_at(client: InstallationClient, repository: str, path: str, commit: str) -> str | None:
    found = await client.find(f"/repos/{repository}/contents/{segments(path)}", ref=commit)
    return str(found["sha"]) if isinstance(found, dict) else None


async def _put_branch(
    client: InstallationClient, repository: str, head: str, files: Mapping[str, bytes]
) -> None:
    """Make the branch one commit on top of `head`; leave it where it is that already."""
    git = f"/repos/{repository}/git"
    base_tree = (await client.get(f"{git}/commits/{head}"))["tree"]["sha"]
    entries = [await _entry(client, git, path, content) for path, content in files.items()]
    tree = (await client.post(f"{git}/trees", {"base_tree": base_tree, "tree": entries}))["sha"]
    ref = await client.find(f"{git}/ref/heads/{segments(BRANCH)}")
    if ref is not None:
        there = await client.get(f"{git}/commits/{ref['object']['sha']}")
        if there["tree"]["sha"] == tree and [parent["sha"] for parent in there["parents"]] == [head]:
            return
        if names.INSTALLED_TRAILER not in there["message"].splitlines():
            raise Refused(
                409, f"the branch {BRANCH} holds somebody's own commits: merge or delete it, then try again"
            )
    message = f"Install patch_app {footprint_version()}\n\n{names.INSTALLED_TRAILER}\n"
    commit = await client.post(f"{git}/commits", {"message": message, "tree": tree, "parents": [head]})
    if ref is None:
        await client.post(f"{git}/refs", {"ref": names.head(BRANCH), "sha": commit["sha"]})
    else:
        await client.patch(f"{git}/refs/heads/{segments(BRANCH)}", {"sha": commit["sha"], "force": True})


async def _entry(client: InstallationClient, git: str, path: str, content: bytes) -> dict[str, str]:
    body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    blob = await client.post(f"{git}/blobs", body)
    return {"path": path, "mode": "100644", "type": "blob", "sha": str(blob["sha"])}


async def _put_pull_request(client: InstallationClient, repository: str, base: str, text: str) -> Any:
    owner = repository.split("/", maxsplit=1)[0]
    pulls = f"/repos/{repository}/pulls"
    found = await client.get(pulls, state="open", head=f"{owner}:{BRANCH}", base=base)
    if not found:
        wanted = {"title": TITLE, "body": text, "head": BRANCH, "base": base}
        return await client.post(pulls, wanted)
    if found[0].get("body") != text:
        return await client.patch(f"{pulls}/{segment(str(found[0]['number']))}", {"body": text})
    return found[0]


def body(base: str, paths: list[str], *, uploads: bool) -> str:
    """The pull request's text."""
    listed = "\n".join(f"- `{path}`" for path in paths)
    kept = (
        "\n   What they ask to keep is stored by GitHub's own `actions/upload-artifact`, pinned by its id."
        if uploads
        else ""
    )
    return f"""This adds what patch_app needs in this repository:

{listed}

**Merging it starts nothing.** From then on, when upstream publishes a release:

1. The App starts this workflow on `{base}`. Its first job applies your patches to the release, one by
   one, and stores the result and a report below `refs/patch-app/`. It executes nothing of the source.
2. Checks that you configured run in a second job, without permission to write.{kept}
3. The App opens a pull request that shows each patch and what became of it, or an issue where one of
   them needs you.
4. Your branch moves only after an approving review of exactly that result. The old head stays at
   `refs/patch-app/archive/`.

The runner's program is the commit `{runner_commit()[0]}` at `{names.RUNNER_REF}`; the workflow
names it by that id, so it can't change unseen. To leave, close this pull request, or delete these
files and uninstall the App.
"""
