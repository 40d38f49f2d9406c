"""Reads what the channels of a promoted candidate need: its workflow files, tags, runs. Concludes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from patch_app.core import names, release_tag
from patch_app.core.attempt import Attempt
from patch_app.core.channel import Channel, ChannelFacts, ChannelRun
from patch_app.core.configuration_channels import ChannelName
from patch_app.core.effects import EffectState, Performed, StartWorkflow
from patch_app.github import dispatching, reading, workflows
from patch_app.github.client import Client, GitHubApp, InstallationClient
from patch_app.github.document import Document
from patch_app.github.ls_refs import ls_refs

# of one commit and event
_MOST_RUNS = 200


async def read(
    app: GitHubApp,
    app_slug: str,
    client: InstallationClient,
    attempt: Attempt,
    effects: Iterable[Performed],
) -> ChannelFacts:
    """The facts, as of now. Raises Later, Refused, Bug."""
    name, candidate = attempt.repository, attempt.candidate or ""
    plain = release_tag.plain_tag(attempt)
    stack = names.head(attempt.stack)
    prefixes = [stack, *([f"refs/tags/{plain}", f"refs/heads/{plain}"] if plain else [])]
    refs = await ls_refs(app.http, app.git_url(name), await client.token(), prefixes)
    tags = _short(refs, "refs/tags/")
    wanted = release_tag.possible_tags(attempt, tags)
    document = Document(name, attempt.upstream)
    workflows.ask(document, [candidate])
    for number, tag in enumerate(wanted):
        document.add(f"tag{number}", "ref", "qualifiedName", f"refs/tags/{tag}", "name", of="upstream")
    answer = await document.ask(client)
    upstream = answer.upstream
    known = {one.name: one for one in attempt.channels}
    return ChannelFacts(
        files=await workflows.parsed_files(client, name, answer),
        reachable=await _reachable(client, name, candidate, refs.get(stack, names.ZERO)),
        tags=tags,
        branches=frozenset(_short(refs, "refs/heads/")),
        upstream_tags=None
        if upstream is None
        else frozenset(tag for number, tag in enumerate(wanted) if upstream.get(f"tag{number}")),
        internal_run=await _internal_run(client, app_slug, attempt, known.get(ChannelName.INTERNAL), effects),
        release_runs=await _release_runs(client, name, candidate, release_tag.own(attempt, tags)),
    )


def _short(refs: dict[str, str], folder: str) -> dict[str, str]:
    return {ref.removeprefix(folder): oid for ref, oid in refs.items() if ref.startswith(folder)}


async def _reachable(client: Client, repository: str, candidate: str, head: str) -> bool:
    if head in (candidate, names.ZERO):
        return head == candidate
    compared = await reading.compare(client, repository, candidate, head)
    return compared is not None and compared["behind_by"] == 0


async def _internal_run(
    client: Client,
    app_slug: str,
    attempt: Attempt,
    channel: Channel | None,
    effects: Iterable[Performed],
) -> ChannelRun | None:
    if channel is None or not channel.under_way:
        return None
    started = [
        (one.effect, one.outcome)
        for one in effects
        if isinstance(one.effect, StartWorkflow)
        and one.effect.ask == channel.ask
        and one.state is EffectState.DONE
    ]
    if not started:
        return None
    effect, outcome = started[-1]
    number = outcome.get("run_id") or next((run.id for run in channel.runs), None)
    if number is None:
        return await dispatching.find(client, attempt, effect, app_slug)
    run = await client.find(f"/repos/{attempt.repository}/actions/runs/{int(number)}")
    return dispatching.as_run(run) if isinstance(run, dict) else None


async def _release_runs(
    client: Client, repository: str, candidate: str, tag: str | None
) -> tuple[ChannelRun, ...]:
    """Runs that a push of the tag has started: GitHub has its name where a branch's would be."""
    if tag is None:
        return ()
    found: list[ChannelRun] = []
    path = f"/repos/{repository}/actions/runs"
    async for run in client.each(path, key="workflow_runs", event="push", head_sha=candidate):
        if run["head_branch"] == tag:
            found.append(dispatching.as_run(run))
        if len(found) >= _MOST_RUNS:
            break
    return tuple(found)
