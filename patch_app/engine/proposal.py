"""What the onboarding pull request proposes: reads fork and upstream, detects, and asks for a preview.

What can't be read is said in the pull request, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patch_app.core import detect, markdown, onboarding_text, preview_requests, previewed
from patch_app.core.configuration import Configuration, Strategy, parse, stacks
from patch_app.core.detect import Readings
from patch_app.core.inherited import Workflow
from patch_app.core.onboarding_text import Inventory
from patch_app.github import onboarding as readings
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.onboarding import Compared, ForkReading, UpstreamReading


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Parts of the pull request. `configuration`: None where the fork has one already."""

    configuration: bytes | None
    workflows: tuple[Workflow, ...]
    inventory: Inventory | None
    no_inventory: str
    others: tuple[str, ...]
    requests: bytes
    # whether the preview has anything to carry
    has_preview: bool
    preview: str


async def propose(
    app: GitHubApp,
    client: InstallationClient,
    about: dict[str, Any],
    head: str,
    settings: Configuration | None,
    *,
    new: bool,
) -> Proposal:
    """`settings`: the fork's configuration as it is (None: it has a mistake); `new`: it has no file yet.

    Raises Later, Refused, Bug.
    """
    repository, default = str(about["full_name"]), str(about["default_branch"])
    parent = (about.get("parent") or {}).get("full_name")
    upstream_name = (settings.upstream.repository if settings else None) or parent
    fork = await readings.read_fork(client, repository, head)
    upstream = await _upstream(client, upstream_name)
    compared = (
        []
        if upstream.problem
        else await readings.compare_branches(
            client, repository, default=(default, head), fork=fork, upstream=upstream
        )
    )
    found = detect.detect(_readings(parent, default, fork, upstream, compared))
    text = detect.text(found) if new else None
    wanted = parse(text) if text is not None else settings
    branch = stacks(wanted, default)[0].branch or default if wanted else default
    stack = next((one for one in compared if one.branch.name == branch), None)
    if stack is not None:
        stack = await readings.nearest(client, repository, stack, upstream)
    heads = {**fork.branches, default: head}
    if branch not in heads and (there := await readings.head_of(client, repository, branch)) is not None:
        heads[branch] = there
    requests, preview = _preview(app, wanted, branch, heads, upstream, url=str(about["html_url"]))
    return Proposal(
        configuration=None if text is None else text.encode(),
        workflows=fork.workflows,
        inventory=readings.inventory(stack, upstream.name) if stack else None,
        no_inventory=_why_none(branch, upstream),
        others=found.others if new else (),
        requests=requests or b"[]",
        has_preview=requests is not None,
        preview=preview,
    )


async def _upstream(client: InstallationClient, name: str | None) -> UpstreamReading:
    if name is None:
        return UpstreamReading(name="", problem="no upstream is known: set `[upstream] repository`")
    return await readings.read_upstream(client, name)


def _readings(
    parent: str | None, default: str, fork: ForkReading, upstream: UpstreamReading, compared: list[Compared]
) -> Readings:
    return Readings(
        upstream=parent,
        default_branch=default,
        branches=tuple(one.branch for one in compared),
        unread_branches=fork.unread,
        releases=upstream.releases,
        root=fork.root,
    )


def _why_none(branch: str, upstream: UpstreamReading) -> str:
    if upstream.problem:
        name = markdown.code(upstream.name) if upstream.name else "The upstream"
        return f"{name} could not be read: {markdown.inline(upstream.problem, 300)}."
    return (
        f"{markdown.code(branch, 200)} could not be compared with {markdown.code(upstream.name)}: "
        "no commit in common is known here."
    )


def _preview(
    app: GitHubApp,
    settings: Configuration | None,
    branch: str,
    heads: Mapping[str, str],
    upstream: UpstreamReading,
    *,
    url: str,
) -> tuple[bytes | None, str]:
    head = heads.get(branch)
    why = ""
    targets: tuple[previewed.Target, ...] = ()
    if settings is None or upstream.problem or head is None:
        why = "There is none, since what it needs could not be read."
    elif stacks(settings, branch)[0].strategy is Strategy.PATCHES:
        why = "There is none for a stack of patch branches; `patch-app preview --strategy patches` has it."
    else:
        targets = preview_requests.targets(upstream.releases, settings.upstream)
        why = "" if targets else "Upstream has no release yet that this configuration takes."
    if why or settings is None or head is None:
        return None, onboarding_text.no_preview(why, url)
    requests = preview_requests.requests(
        targets,
        settings,
        branch=branch,
        head=head,
        upstream=upstream.name,
        git_url=app.git_url(upstream.name),
    )
    return requests, previewed.section(targets, previewed.State.WAITING, {}, repository_url=url)
