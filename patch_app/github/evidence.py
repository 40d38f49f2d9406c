"""The facts of one attempt, read again from GitHub: what its stage needs and no more.

Reads with a token that can only read. Concludes nothing; what can't be read is left out or said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patch_app.core import commands, configuration, names, releases
from patch_app.core.attempt import Attempt, PatchBranch, Stage
from patch_app.core.effects import Dispatch, EffectState, OpenIssue, Performed
from patch_app.core.facts import Facts, Inbox, Preflight, RunFact, Sibling, Trust, Workflow
from patch_app.github import claims, patch_branches, reading, workflows
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.errors import Refused
from patch_app.github.footprint import runner_commit, workflow_blob_id, workflow_file
from patch_app.github.transport import segment

READ: Final = {
    "metadata": "read",
    "contents": "read",
    "actions": "read",
    "checks": "read",
    "statuses": "read",
    "pull_requests": "read",
    "issues": "read",
}

_WATCHES_RUNS = frozenset({Stage.DISPATCHED, Stage.RUNNING, Stage.CONFLICT, Stage.FAILED})
_WATCHES_BRANCHES = frozenset(
    {Stage.CARRIED, Stage.CONFLICT, Stage.GATED, Stage.REVIEWING, Stage.APPROVED, Stage.PROMOTING}
)
_IN_REVIEW = frozenset({Stage.REVIEWING, Stage.APPROVED, Stage.PROMOTING})


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Reads the facts of attempts through one App. `app_slug`: the App's own name on GitHub."""

    app: GitHubApp
    app_slug: str

    async def read(
        self, attempt: Attempt, effects: Sequence[Performed], siblings: Sequence[Attempt], now: datetime
    ) -> Facts:
        """Raises Later and Bug; a repository that can't be reached is a fact (`gone`)."""
        known = {one.key: one for one in effects}
        frame = {
            "now": now,
            "app_slug": self.app_slug,
            "effects": known,
            "siblings": tuple(_sibling(attempt, one) for one in siblings if one.id != attempt.id),
            "upstream_git_url": self.app.git_url(attempt.upstream),
        }
        try:
            client = await self.app.installation(attempt.installation_id, attempt.repository_id, READ)
            repository = await client.get(f"/repos/{attempt.repository}")
        except Refused as error:
            return Facts(gone=f"the App can no longer read {attempt.repository}: {error.message}", **frame)
        frame["has_issues"] = bool(repository.get("has_issues"))
        read = _Reading(
            client=client,
            attempt=attempt,
            repository=repository,
            effects=known,
            frame=frame,
            siblings=siblings,
        )
        return Facts(**await read.facts())


def _sibling(attempt: Attempt, other: Attempt) -> Sibling:
    newer = (
        other.number > attempt.number
        if other.event == attempt.event
        # versions of two upstreams have no order
        else other.upstream.lower() == attempt.upstream.lower() and releases.newer(other.tag, attempt.tag)
    )
    return Sibling(
        id=other.id,
        event=other.event,
        tag=other.tag,
        number=other.number,
        stage=other.stage,
        newer=newer,
        pull_request=other.pull_request,
        candidate=other.candidate,
        written=other.written,
    )


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One pass over GitHub for one attempt."""

    client: InstallationClient
    attempt: Attempt
    repository: dict[str, Any]
    effects: dict[str, Performed]
    frame: dict[str, Any]
    siblings: Sequence[Attempt]

    @property
    def name(self) -> str:
        return self.attempt.repository

    async def facts(self) -> dict[str, Any]:
        attempt = self.attempt
        aside = attempt.stage in (Stage.BLOCKED, Stage.HELD)
        stage = attempt.resume or attempt.stage if aside else attempt.stage
        out = dict(self.frame)
        # reports before branches: a branch read later is never older than the report
        if stage in _WATCHES_RUNS:
            out |= await self._runs(stage)
        if stage is Stage.PREFLIGHT:
            refs = await self._refs(stage)
            known = await self._preflight(refs)
            patches = await self._patches(known.configuration or attempt.configuration)
            return out | {"refs": refs, "preflight": known, "patches": patches}
        refs, patches, *others = await asyncio.gather(
            self._refs(stage),
            self._patches(attempt.configuration),
            self._target() if stage in _WATCHES_BRANCHES else _nothing(),
            self._gate() if stage in (Stage.CARRIED, Stage.CONFLICT) and attempt.candidate else _nothing(),
            self._review() if stage in _IN_REVIEW else _nothing(),
        )
        for other in others:
            out |= other
        head = refs.get(names.head(attempt.stack), names.ZERO)
        if attempt.open and head not in (attempt.stack_head, names.ZERO) and attempt.stack_head:
            out |= await self._stack_moved(head)
        return out | {"refs": refs, "patches": patches}

    async def _patches(self, config: configuration.Configuration) -> tuple[PatchBranch, ...] | None:
        if not self.attempt.open:
            return None
        return await patch_branches.read(self.client, self.name, self.attempt.stack, config)

    async def _target(self) -> dict[str, Any]:
        target = await reading.peeled_tag(self.client, self.attempt.upstream, self.attempt.tag)
        return {"target": target or names.ZERO}  # zeros: read, and gone

    async def _refs(self, stage: Stage) -> dict[str, str]:
        attempt = self.attempt
        prefix = attempt.configuration.branches.prefix
        wanted = [names.head(attempt.stack), names.candidate_ref(attempt.id), names.archive_ref(attempt.id)]
        if stage is Stage.PREFLIGHT:
            wanted.append(names.target_ref(attempt.id))
        if stage in (Stage.PREFLIGHT, Stage.PROMOTING, Stage.PROMOTED):
            wanted.append(names.resolutions_ref(attempt.stack))
        if stage in _WATCHES_BRANCHES or attempt.pushed:
            wanted += [
                names.head(names.base_branch(attempt.stack, attempt.tag, prefix)),
                names.head(names.maintenance_branch(attempt.stack, attempt.tag, prefix)),
                f"refs/tags/{names.candidate_tag(attempt.stack, attempt.tag, prefix)}",
            ]
        values = await asyncio.gather(*(reading.ref(self.client, self.name, ref) for ref in wanted))
        return dict(zip(wanted, values, strict=True))

    # Preflight ----------------------------------------------------------------------------------

    async def _preflight(self, refs: dict[str, str]) -> Preflight:
        attempt, branch = self.attempt, self.repository["default_branch"]
        (config, blob, problems), target = await asyncio.gather(
            read_configuration(self.client, self.name, branch),
            reading.peeled_tag(self.client, attempt.upstream, attempt.tag),
        )
        head = refs[names.head(attempt.stack)]
        compared = None
        if target and head != names.ZERO:
            compared = await reading.compare(self.client, self.name, target, head)
        return Preflight(
            default_branch=branch,
            archived=bool(self.repository.get("archived")),
            workflow=await self._workflow(branch, uploads=config is not None and config.keeps_artifacts),
            configuration=config,
            configuration_blob=blob,
            configuration_problems=problems,
            target=target,
            base=self._promoted_target(head),
            built=self._built(),
            contained=compared["behind_by"] == 0 if compared else None,
            ahead=compared["ahead_by"] if compared else None,
            collisions=await self._collisions(config or attempt.configuration),
        )

    def _promoted_target(self, head: str) -> str | None:
        """What the stack stands on, where it is just as an attempt of ours left it; else the runner looks."""
        upstream = self.attempt.upstream
        for one in self.siblings:
            if one.stage is Stage.PROMOTED and (one.candidate, one.upstream) == (head, upstream):
                return one.target
        return None

    def _built(self) -> dict[str, str]:
        """What the last promoted attempt made of commits of patch branches, by the new commits."""
        promoted = [one for one in self.siblings if one.stage is Stage.PROMOTED and one.report is not None]
        last = max(promoted, key=lambda one: one.completed or one.updated, default=None)
        patches = last.report.patches if last and last.report else ()
        return {one.new: one.source for one in patches if one.new and one.source}

    async def _workflow(self, branch: str, *, uploads: bool) -> Workflow:
        private = bool(self.repository["private"])
        expected, other = (
            workflow_blob_id(workflow_file(private, uploads=one)) for one in (uploads, not uploads)
        )
        file = names.WORKFLOW_PATH.rsplit("/", 1)[-1]
        found = await self.client.find(f"/repos/{self.name}/actions/workflows/{segment(file)}")
        return Workflow(
            blob=await reading.blob_id(self.client, self.name, names.WORKFLOW_PATH, branch),
            state=found["state"] if found else None,
            runner=await reading.ref(self.client, self.name, names.RUNNER_REF),
            expected_blob=expected,
            other_blob=other,
            expected_runner=runner_commit()[0],
        )

    async def _collisions(self, config: configuration.Configuration) -> tuple[str, ...]:
        """Branches that are a directory of one of ours, or the other way round (files in Git)."""
        prefix = config.branches.prefix
        ours = (
            names.base_branch(self.attempt.stack, self.attempt.tag, prefix),
            names.maintenance_branch(self.attempt.stack, self.attempt.tag, prefix),
        )
        there = await reading.refs_under(self.client, self.name, f"refs/heads/{prefix.split('/')[0]}")
        branches = [ref.removeprefix("refs/heads/") for ref in there]
        return tuple(
            branch
            for branch in branches
            if any(one.startswith(f"{branch}/") or branch.startswith(f"{one}/") for one in ours)
        )

    # Runs and reports ---------------------------------------------------------------------------

    async def _runs(self, stage: Stage) -> dict[str, Any]:
        attempt = self.attempt
        runs = await reading.runs(self.client, self.name, names.run_name(attempt.id), self._known_runs())
        out: dict[str, Any] = {"runs": runs}
        if stage not in (Stage.DISPATCHED, Stage.RUNNING):
            return out
        there = await reading.refs_under(self.client, self.name, names.inbox_prefix(attempt.id))
        vouched = {commit for run in runs for commit in run.vouches}
        inbox = [
            await claims.inbox(self.client, self.name, ref, commit)
            if commit in vouched
            else Inbox(ref=ref, commit=commit, report=None, problem="no run vouches for it")
            for ref, commit in there.items()
        ]
        inbox.sort(key=lambda one: one.run_attempt)
        out["inbox"] = tuple(inbox)
        report = next((one.report for one in reversed(inbox) if one.report), None)
        return out | await claims.evidence(self.client, attempt, report)

    def _known_runs(self) -> list[int]:
        started = [
            int(one.outcome["run_id"])
            for one in self.effects.values()
            if isinstance(one.effect, Dispatch)
            and one.state is EffectState.DONE
            and one.outcome.get("run_id")
        ]
        return sorted({*started, *(run.id for run in self.attempt.runs)})

    # Branches and reviews -----------------------------------------------------------------------

    async def _stack_moved(self, head: str) -> dict[str, Any]:
        attempt = self.attempt
        moved = await reading.compare(self.client, self.name, attempt.stack_head or "", head)
        out: dict[str, Any] = {"descends": moved is not None and moved["behind_by"] == 0}
        if attempt.target:
            compared = await reading.compare(self.client, self.name, attempt.target, head)
            out["contained"] = compared is not None and compared["behind_by"] == 0
        if attempt.candidate:
            compared = await reading.compare(self.client, self.name, attempt.candidate, head)
            out["has_candidate"] = compared is not None and compared["behind_by"] == 0
        return out

    async def _gate(self) -> dict[str, Any]:
        attempt = self.attempt
        findings = await workflows.findings(
            self.client,
            self.name,
            maintained=attempt.stack_head or "",
            others=(attempt.candidate or "", attempt.target or ""),
        )
        return {"gate": findings, "trusts": await self._trusts()}

    async def _trusts(self) -> tuple[Trust, ...]:
        # the gate's issue and, where the carry ended in a conflict, that one's
        numbers = {
            one.outcome["number"]
            for one in self.effects.values()
            if isinstance(one.effect, OpenIssue) and one.state is EffectState.DONE
        }
        out = []
        for number in sorted(numbers):
            comments = await self.client.get_all(f"/repos/{self.name}/issues/{number}/comments")
            for comment in comments:
                out += await self._trust(comment)
        return tuple(out)

    async def _trust(self, comment: dict[str, Any]) -> list[Trust]:
        author = comment.get("user") or {}
        # whoever may write can edit another's comment, and only the author is named
        if author.get("type") != "User" or comment.get("updated_at") != comment.get("created_at"):
            return []
        asked = [
            one
            for one in commands.parse(comment.get("body") or "")
            if isinstance(one, commands.Command) and one.name is commands.Name.TRUST_WORKFLOWS
        ]
        may = await reading.permission(self.client, self.name, author["login"]) if asked else ""
        return [Trust(person=author["login"], permission=may, commit=one.argument or "") for one in asked]

    def _workflows_matter(self) -> bool:
        return any(one.workflow for one in self.attempt.configuration.promotion.required_checks)

    async def _review(self) -> dict[str, Any]:
        attempt = self.attempt
        if attempt.pull_request is None or attempt.candidate is None:
            return {}
        number = attempt.pull_request.number
        runs: tuple[RunFact, ...] = ()
        if attempt.configuration.check:
            runs = await reading.runs(self.client, self.name, names.run_name(attempt.id), self._known_runs())
        pull_request, reviews, checks, rules = await asyncio.gather(
            reading.pull_request(self.client, self.name, number),
            reading.reviews(self.client, self.name, number),
            reading.checks(self.client, self.name, attempt.candidate, workflows=self._workflows_matter()),
            reading.rules(self.client, self.name, attempt.stack),
        )
        return {
            "runs": runs,
            "pull_request": pull_request,
            "reviews": reviews,
            "checks": checks,
            "rules": rules,
        }


async def read_configuration(
    client: InstallationClient, repository: str, at: str
) -> tuple[configuration.Configuration | None, str | None, tuple[str, ...]]:
    """A fork's configuration, the blob it came from, and what is wrong with it."""
    found = await reading.file_text(client, repository, names.CONFIGURATION_PATH, at)
    if found is None:
        return configuration.Configuration(), None, ()
    blob, text = found
    try:
        return configuration.parse(text), blob, ()
    except configuration.ConfigurationError as error:
        return None, blob, tuple(str(problem) for problem in error.problems)


async def _nothing() -> dict[str, Any]:
    return {}
