"""Reads all of a fork's health for `patch-app doctor`: thorough, bounded, with tokens that can only read.

What GitHub refuses to show becomes a line of `unread`, never a guess. It starts and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from patch_app.core import configuration, names, upstreams
from patch_app.core.branches import problems
from patch_app.core.configuration import Configuration, Stack
from patch_app.core.facts import Workflow
from patch_app.core.health import Branch, Exposed, Health, RequiredRun, Unread, Upstream
from patch_app.core.upstreams import Followed, Repository, Seen
from patch_app.core.workflow_triggers import Ours, exposed, required
from patch_app.github import reading, vitals, workflows
from patch_app.github.client import Client, GitHubApp, InstallationClient
from patch_app.github.document import peeled_tag
from patch_app.github.errors import NotFound, Refused
from patch_app.github.evidence import READ
from patch_app.github.footprint import runner_commit, workflow_blob_id, workflow_file
from patch_app.github.fork_configuration import read_configuration
from patch_app.github.refs_of import Refs
from patch_app.github.transport import segment, segments

T = TypeVar("T")
# stacks that are looked at one by one; each costs about fifteen requests
_MOST_STACKS: Final = 10
# what stands in for the next release where there is none to be taken
NO_TAG: Final = "v0"
_LFS = re.compile(rb"^[^#\n]*\sfilter=lfs\b", re.MULTILINE)


@dataclass(kw_only=True)
class Examination:
    """One fork, as far as it has been read. `unread` grows with what GitHub refuses."""

    repository: dict[str, Any]
    client: InstallationClient
    configuration: Configuration | None
    problems: tuple[str, ...]
    missing: dict[str, str] | None
    unread: list[Unread] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The fork's "owner/name" as GitHub has it today."""
        return str(self.repository["full_name"])

    @property
    def config(self) -> Configuration:
        """The configuration; where it has errors, the defaults."""
        return self.configuration or Configuration()

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The fork's stacks, as many as are looked at."""
        return configuration.stacks(self.config, self.repository["default_branch"])[:_MOST_STACKS]

    @property
    def upstream(self) -> str | None:
        """The upstream's "owner/name": the configured one, else the parent."""
        parent = self.repository.get("parent") or {}
        return self.config.upstream.repository or parent.get("full_name")

    async def head(self, branch: str) -> str:
        """What a branch points at; zeros where it doesn't exist or isn't shown."""
        ref = reading.ref(self.client, self.name, names.head(branch))
        return await self.part(f"the branch {branch}", ref, names.ZERO)

    async def part(self, what: str, reading: Awaitable[T], otherwise: T) -> T:
        """A reading, or `otherwise` with a line of `unread` where GitHub refuses it."""
        try:
            return await reading
        except Refused as error:
            self.unread.append(Unread(what=what, why=error.message))
            return otherwise


async def begin(app: GitHubApp, installation: Mapping[str, Any], repository: str) -> Examination | None:
    """The fork's record and configuration; None where the installation is suspended.

    `installation`: GitHub's own record of it. Raises Later, Refused and Bug.
    """
    missing, suspended = await vitals.installation(app, installation["id"])
    if suspended:
        return None
    granted = installation.get("permissions") or {}
    permissions = {name: "read" for name in READ if name == "metadata" or granted.get(name)}
    reader = await app.installation(installation["id"], None, {"metadata": "read"})
    about = await reader.get(f"/repos/{segments(repository)}")
    client = await app.installation(installation["id"], about["id"], permissions)
    found = Examination(repository=about, client=client, configuration=None, problems=(), missing=missing)
    read = read_configuration(client, found.name, about["default_branch"])
    config, _, problems = await found.part(names.CONFIGURATION_PATH, read, (Configuration(), None, ()))
    found.configuration, found.problems = config, problems
    return found


async def read(found: Examination, tag: str | None, followed: Followed | None = None) -> Health:
    """All the rest. `tag`: the release that would be taken next, None where there is none. `followed`: what
    the fork has followed until now, as the server remembers it.
    """
    about, config = found.repository, found.config
    upstream = await _upstream(found, tag, followed or Followed())
    ours = [
        one
        for stack in found.stacks
        for one in (
            names.base_branch(str(stack.branch), tag or NO_TAG, config.branches.prefix),
            names.maintenance_branch(str(stack.branch), tag or NO_TAG, config.branches.prefix),
        )
    ]
    workflow = await found.part("the App's workflow", _workflow(found), None)
    tops = {config.branches.prefix.split("/")[0]}
    if workflow is not None and workflow.on_branches:
        ours += [one for stack in found.stacks for one in names.branches_of_ours("ID", str(stack.branch))]
        tops.add(names.DEFAULT_PREFIX)
    there: dict[str, str] = {}
    for top in sorted(tops):
        under = reading.refs_under(found.client, found.name, f"refs/heads/{top}")
        there |= await found.part("branches", under, {})
    branches = []
    loose: dict[str, Exposed] = {}
    for stack in found.stacks:
        branch, open_files = await _branch(found, stack, tag, upstream)
        branches.append(branch)
        loose |= {one.path: one for one in open_files}
    return Health(
        repository=found.name,
        default_branch=about["default_branch"],
        prefix=config.branches.prefix,
        archived=bool(about.get("archived")),
        has_issues=bool(about.get("has_issues")),
        missing_permissions=found.missing,
        configuration=found.configuration,
        configuration_problems=found.problems,
        workflow=workflow,
        upstream=upstream,
        branches=tuple(branches),
        collisions=names.in_the_way((ref.removeprefix("refs/heads/") for ref in there), ours),
        mirrors_upstream=await found.part("upstream's branch", _mirrors(found, upstream), None),
        exposed=tuple(loose.values()),
        unread=tuple(found.unread),
    )


async def _workflow(found: Examination) -> Workflow | None:
    client, name, branch = found.client, found.name, found.repository["default_branch"]
    private, uploads = bool(found.repository["private"]), found.config.keeps_artifacts
    files = [workflow_blob_id(workflow_file(private, uploads=one)) for one in (uploads, not uploads)]
    file = names.WORKFLOW_PATH.rsplit("/", 1)[-1]
    listed = await client.find(f"/repos/{name}/actions/workflows/{segment(file)}")
    as_branch = await reading.ref(client, name, names.as_branch(names.RUNNER_REF))
    on_branches = as_branch != names.ZERO
    return Workflow(
        blob=await reading.blob_id(client, name, names.WORKFLOW_PATH, branch),
        state=listed["state"] if listed else None,
        runner=as_branch if on_branches else await reading.ref(client, name, names.RUNNER_REF),
        on_branches=on_branches,
        expected_blob=files[0],
        other_blob=files[1],
        expected_runner=runner_commit()[0],
    )


async def _upstream(found: Examination, tag: str | None, followed: Followed) -> Upstream:
    name, policy = found.upstream, found.config.upstream
    parent = _as_repository(found.repository.get("parent"))
    look = Seen(configured=policy.repository, pinned=policy.repository_id, parent=parent)
    if name is None:
        return Upstream(name=None, changed=upstreams.look(followed, look).problem)
    reachable, about = await vitals.seen(found.client, name)
    look = look.model_copy(update={"named": _as_repository(about) if policy.repository else None})
    private = vitals.parent_is_private(found.repository, name)
    target = None
    differing: tuple[str, ...] = ()
    if reachable and tag is not None:
        target = await found.part("upstream's tag", peeled_tag(found.client, name, tag), None)
        own = await found.part("tags", peeled_tag(found.client, found.name, tag), None)
        differing = (tag,) if own is not None and own != target else ()
    return Upstream(
        name=name,
        id=about["id"] if about else None,
        changed=upstreams.look(followed, look).problem,
        reachable=reachable,
        private=private,
        tag=tag,
        has_tag=target is not None if reachable and tag is not None else None,
        differing_tags=differing,
    )


def _as_repository(about: Mapping[str, Any] | None) -> Repository | None:
    return Repository(id=about["id"], name=about["full_name"]) if about else None


async def _mirrors(found: Examination, upstream: Upstream) -> bool | None:
    """Whether all of the default branch is upstream's; None where GitHub can't compare the two."""
    if not upstream.reachable or upstream.name is None:
        return None
    about = await found.client.get(f"/repos/{segments(upstream.name)}")
    head = await reading.ref(found.client, upstream.name, names.head(about["default_branch"]))
    compared = await reading.compare(found.client, found.name, head, found.repository["default_branch"])
    return compared["ahead_by"] == 0 if compared else None


async def _branch(
    found: Examination, stack: Stack, tag: str | None, upstream: Upstream
) -> tuple[Branch, tuple[Exposed, ...]]:
    client, prefix = found.client, found.config.branches.prefix
    name, release = str(stack.branch), tag or NO_TAG
    maintenance = names.maintenance_branch(name, release, prefix)
    ours = Ours(
        base=names.base_branch(name, release, prefix),
        maintenance=maintenance,
        tag=names.candidate_tag(name, release, prefix),
    )
    head = await found.head(name)
    maintained, own = await vitals.both_rules(client, found.name, name, maintenance)
    if maintained is None or own is None:
        found.unread.append(Unread(what=f"the rules of {name}", why="GitHub doesn't show them"))
    heads = await found.part("branches", reading.refs_under(client, found.name, "refs/heads/"), None)
    patches = Refs(heads).patches(name, found.config) if heads is not None else None
    branch = Branch(
        name=name,
        exists=head != names.ZERO,
        strategy=stack.strategy,
        merges=stack.merges,
        lands=found.config.promotion.lands,
        patch_problems=tuple(problems(stack, name, patches)) if patches is not None else (),
        rules=maintained or (),
        own_rules=own or (),
    )
    if head == names.ZERO:
        return branch, ()
    asked = await reading.rules(client, found.name, name)
    files = await found.part(f"workflow files of {name}", workflows.read_files(client, found.name, head), {})
    wanted = [(one.name, one.workflow) for one in found.config.promotion.required_checks if not one.creator]
    wanted += [(one.name, None) for one in asked.required_checks]
    runs: tuple[RequiredRun, ...] = tuple(
        required(check, workflow, files, ours) for check, workflow in dict.fromkeys(wanted)
    )
    tag_ref = reading.ref(client, found.name, f"refs/tags/{ours.tag}")
    taken = await found.part(f"the tag {ours.tag}", tag_ref, names.ZERO)
    # rulesets protect too: classic protection is what is left where none of them has a rule
    protected = await found.part(f"the protection of {name}", _protected(found, name), False)
    sides = [(found.name, head)]
    if upstream.name and upstream.has_tag and tag:
        sides.append((upstream.name, tag))
    lfs = [await _file(found, side, ".gitattributes", at) for side, at in sides]
    modules = [await _file(found, side, ".gitmodules", at) for side, at in sides]
    return branch.model_copy(
        update={
            "classic_protection": protected and maintained == (),
            "required": runs,
            "taken_tag": ours.tag if tag and taken not in (names.ZERO, head) else None,
            "lfs": any(one is not None and _LFS.search(one) for one in lfs),
            "submodules": any(one is not None for one in modules),
        }
    ), exposed(files, ours)


async def _protected(found: Examination, branch: str) -> bool:
    shown = await found.client.get(f"/repos/{found.name}/branches/{segments(branch)}")
    return bool(shown.get("protected"))


async def _file(found: Examination, repository: str, path: str, at: str) -> bytes | None:
    """A small file's bytes; None where there is none, or it can't be read (which is said)."""
    return await found.part(f"{path} of {repository}", _raw(found.client, repository, path, at), None)


async def _raw(client: Client, repository: str, path: str, at: str) -> bytes | None:
    try:
        got = await reading.file_text(client, repository, path, at)
    except NotFound:
        return None
    return got[1].encode() if got else None
