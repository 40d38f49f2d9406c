"""The facts of one attempt, read again from GitHub: what its stage needs and no more.

Reads with a token that can only read. Concludes nothing; what can't be read is left out or said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patch_app.core import (
    configuration,
    deeds,
    doctor,
    gate,
    names,
    own_checks,
    proving,
    upstream_changes,
    verify,
    vouching,
)
from patch_app.core.attempt import Attempt, Failure
from patch_app.core.channels import asked_for
from patch_app.core.configuration_pull_requests import CarryOvers
from patch_app.core.effects import Dispatch, EffectState, OpenIssue, Performed
from patch_app.core.facts import Facts, RunFact
from patch_app.core.needs import Need, needs
from patch_app.core.rules import Rules
from patch_app.core.same import same_work
from patch_app.core.siblings import siblings_of
from patch_app.github import (
    asking,
    carry_overs,
    channels,
    claims,
    inbox,
    landing,
    preflight,
    proofs,
    reading,
    refs_of,
    required,
    reviewing,
    workflows,
)
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.document import PEELED, Answer, Document, peeled
from patch_app.github.errors import Refused
from patch_app.github.ls_refs import ls_refs
from patch_app.github.refs_of import Refs

READ: Final = {
    "metadata": "read",
    "contents": "read",
    "actions": "read",
    "checks": "read",
    "statuses": "read",
    "pull_requests": "read",
    "issues": "read",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Reads the facts of attempts through one App. `app_slug`, `app_id`: its own name and id on GitHub."""

    app: GitHubApp
    app_slug: str
    app_id: int

    async def read(
        self, attempt: Attempt, effects: Sequence[Performed], siblings: Sequence[Attempt], now: datetime
    ) -> Facts:
        """Raises Later and Bug; a repository that can't be reached is a fact (`gone`)."""
        known = {one.key: one for one in effects}
        frame = {
            "now": now,
            "app_slug": self.app_slug,
            "app_id": self.app_id,
            "effects": known,
            "siblings": siblings_of(attempt, siblings),
            # a carry-over's target is on the fork itself
            "upstream_git_url": self.app.git_url(
                attempt.repository if attempt.carry_over else attempt.upstream
            ),
        }
        try:
            client = await self.app.installation(attempt.installation_id, attempt.repository_id, READ)
            read = _Reading(
                app=self.app,
                app_slug=self.app_slug,
                app_id=self.app_id,
                client=client,
                attempt=attempt,
                effects=known,
                siblings=siblings,
                now=now,
            )
            return Facts(**frame, **await read.facts())
        except Refused as error:
            if (gone := await self._gone(attempt)) is None:
                raise error
            return Facts(gone=doctor.gone(attempt.repository, gone.status, gone.message), **frame)

    async def _gone(self, attempt: Attempt) -> Refused | None:
        """What GitHub says where it no longer shows the repository at all."""
        try:
            client = await self.app.installation(attempt.installation_id, attempt.repository_id, READ)
            await client.get(f"/repos/{attempt.repository}")
        except Refused as error:
            return error
        return None


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One pass over GitHub for one attempt: its runs, then all refs at once and one query beside them."""

    app: GitHubApp
    app_slug: str
    app_id: int
    client: InstallationClient
    attempt: Attempt
    effects: dict[str, Performed]
    siblings: Sequence[Attempt]
    now: datetime

    @property
    def name(self) -> str:
        return self.attempt.repository

    async def facts(self) -> dict[str, Any]:
        attempt, wanted = self.attempt, needs(self.attempt)
        # runs before branches: a branch read later is never older than what a run says
        runs = await self._runs(wanted)
        gated = self._gated() if Need.GATE in wanted else ()
        refs, answer, claimed = await self._refs_and_answer(wanted, runs, gated)
        fork = answer.fork
        order = _commits(runs)
        runs = tuple(_with_workflow(run, fork, order) for run in runs)
        out: dict[str, Any] = {
            "read": wanted,
            "node": fork["id"],
            "has_issues": bool(fork["hasIssuesEnabled"]),
            "refs": refs.of(
                attempt,
                (sha for one in self.siblings for sha in one.written.values()),
                on_branches=refs.on_branches if Need.PREFLIGHT in wanted else attempt.on_branches,
            )
            | {one: refs.value(one) for one in carry_overs.refs(attempt)},
            "upstream_id": (answer.upstream or {}).get("databaseId"),
            "runs": runs,
            # zeros: read, and gone
            "target": peeled((answer.upstream or {}).get("tag")) or names.ZERO,
        }
        if Need.REPORT in wanted:
            out |= await self._reports(answer, claimed, runs)
        if attempt.carry_over is not None:
            return out | await carry_overs.read(self.app, self.client, attempt, wanted, (answer, refs))
        if Need.PREFLIGHT in wanted:
            known = await preflight.read(self.app, self.client, attempt, self.siblings, (answer, refs))
            config = known.configuration or attempt.configuration
            out["rules"] = known.vitals.weighed if known.vitals else None
            return out | {"preflight": known, "patches": refs.patches(attempt.stack, config)}
        out["patches"] = refs.patches(attempt.stack, attempt.configuration) if attempt.open else None
        asks = await asking.asks(self.client, attempt, self._comments(answer), self.app_slug)
        out["asks"] = asks
        if Need.CHANNELS in wanted or asked_for(asks):
            out["channels"] = await channels.read(
                self.app, self.app_slug, self.client, attempt, self.effects.values()
            )
        if gated:
            out["rules"] = await self._rules() if attempt.rules is None else None
            out["workflow_changes"] = workflows.changed(answer, gated)
            if attempt.upstream_changes is None and attempt.base and attempt.target:
                out["upstream_changes"] = await self._upstream_changes(attempt.base, attempt.target)
            out["gate"] = await self._gate(answer, gated)
        if Need.PROOF in wanted and proving.due(attempt, self.now):
            out["proof"] = await proofs.read(self.client, attempt, self.now)
        if Need.REVIEW in wanted:
            out |= await self._review(answer, runs)
        head = refs.value(names.head(attempt.stack))
        if attempt.open and head not in (attempt.stack_head, names.ZERO) and attempt.stack_head:
            out |= await self._stack_moved(head)
        return out

    # The query and the refs -----------------------------------------------------------------------

    async def _refs_and_answer(
        self, wanted: frozenset[Need], runs: tuple[RunFact, ...], gated: tuple[str, ...]
    ) -> tuple[Refs, Answer, list[inbox.Claim]]:
        """All refs, the one query, and what of the inbox was asked for by it."""
        document = self._document(wanted, runs, gated)
        if Need.REPORT not in wanted:
            there, answer = await asyncio.gather(self._refs(wanted), document.ask(self.client))
            return Refs(there), answer, []
        refs = Refs(await self._refs(wanted))
        there = dict(refs.inbox(self.attempt))
        newest = sorted(vouching.claimed(there, runs), key=names.inbox_number)[-inbox.MOST :]
        claimed = [(ref, there[ref]) for ref in newest]
        inbox.ask(document, claimed)
        return refs, await document.ask(self.client), claimed

    def _document(
        self, wanted: frozenset[Need], runs: tuple[RunFact, ...], gated: tuple[str, ...]
    ) -> Document:
        attempt = self.attempt
        document = Document(self.name, attempt.upstream)
        document.select("hasIssuesEnabled isArchived isPrivate defaultBranchRef { name }")
        document.select("databaseId nameWithOwner isPrivate", of="upstream")
        document.select("defaultBranchRef { name target { oid } }", of="upstream")
        document.add("tag", "ref", "qualifiedName", f"refs/tags/{attempt.tag}", PEELED, of="upstream")
        for number, commit in enumerate(_commits(runs)):
            at = f"{commit}:{names.WORKFLOW_PATH}"
            document.add(f"ran{number}", "object", "expression", at, "oid")
        if Need.PREFLIGHT in wanted:
            preflight.ask(document, attempt.tag)
        workflows.ask(document, gated)
        if attempt.carry_over is not None:
            carry_overs.ask(document, attempt.carry_over.number)
        if Need.REVIEW in wanted and attempt.pull_request and attempt.candidate:
            reviewing.ask(document, attempt.pull_request.number, attempt.candidate)
            reviewing.ask_trees(document, attempt.candidate, self._older())
            if attempt.configuration.pull_requests.carry_over is CarryOvers.OFFER:
                carry_overs.ask_open(document, attempt.stack)
            landing.ask(document, attempt)
        elif attempt.pull_request is not None:
            reviewing.ask_comments(document, attempt.pull_request.number)
        for number in self._issues():
            reviewing.ask_issue(document, number)
        return document

    async def _refs(self, wanted: frozenset[Need]) -> dict[str, str]:
        before_release = Need.PREFLIGHT in wanted and self.attempt.carry_over is None
        prefixes = [
            *refs_of.prefixes(self.attempt, preflight=before_release),
            *carry_overs.refs(self.attempt),
        ]
        if self.attempt.carry_over is not None:
            prefixes += [names.RUNNER_REF, names.as_branch(names.RUNNER_REF)]
        url = self.app.git_url(self.name)
        return await self.client.git(
            lambda token, sleep: ls_refs(self.app.http, url, token, prefixes, sleep=sleep)
        )

    # Runs and reports ---------------------------------------------------------------------------

    async def _runs(self, wanted: frozenset[Need]) -> tuple[RunFact, ...]:
        checked = Need.REVIEW in wanted and bool(self.attempt.configuration.check)
        if Need.RUNS not in wanted and not checked and not self._unfinished():
            return ()
        return await reading.runs(
            self.client,
            self.name,
            names.run_name(self.attempt.id),
            self._known_runs(),
            jobs=Need.RUNS in wanted or checked,
            artifacts=self.attempt.configuration.keeps_artifacts,
        )

    def _unfinished(self) -> bool:
        """Whether the record doesn't know yet how one of the runs ended."""
        return self.attempt.open and any(run.conclusion is None for run in self.attempt.runs)

    async def _reports(
        self, answer: Answer, claimed: list[inbox.Claim], runs: tuple[RunFact, ...]
    ) -> dict[str, Any]:
        """What the inbox holds, what vouches for it, and GitHub's own word on the newest report."""
        attempt = self.attempt
        checked = inbox.Checking(keys=self.app.keys, now=self.now.timestamp())
        found = await inbox.read(self.client, self.name, answer, claimed, checked)
        logged = []
        for run in runs:
            job = vouching.log_wanted(run, found)
            log = None if job is None else await inbox.log(self.client, attempt, job)
            logged.append(run.model_copy(update={"log": log}))
        ours = [run for run in logged if verify.run_problem(attempt, run, self.app_slug) is None]
        asked = vouching.Asked(app_id=self.app_id, now=self.now)
        # of what nothing vouches for nothing more is asked
        vouched = vouching.weigh(attempt, ours, found, asked).inbox
        report = vouched.report if vouched is not None else None
        upstream = ((answer.upstream or {}).get("defaultBranchRef") or {}).get("name")
        return {"inbox": found, "runs": tuple(logged)} | await claims.evidence(
            self.client, attempt, report, upstream
        )

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
        if attempt.landing is not None and attempt.landing.commit:
            compared = await reading.compare(self.client, self.name, attempt.landing.commit, head)
            out["has_landing"] = compared is not None and compared["behind_by"] == 0
        elif attempt.candidate:
            compared = await reading.compare(self.client, self.name, attempt.candidate, head)
            out["has_candidate"] = compared is not None and compared["behind_by"] == 0
        return out

    async def _upstream_changes(self, base: str, target: str) -> upstream_changes.UpstreamChanges:
        patches = self.attempt.report.patches if self.attempt.report else ()
        compared = await reading.compare(self.client, self.name, base, target)
        return upstream_changes.read(compared, (path for one in patches for path in one.paths))

    def _gated(self) -> tuple[str, ...]:
        """Commits whose workflow files are compared: the maintained branch's, then what would run."""
        attempt = self.attempt
        if attempt.carry_over is not None:
            return carry_overs.gated(attempt)
        if not attempt.candidate:
            return ()
        commits = (attempt.stack_head, attempt.candidate, attempt.target)
        return tuple(dict.fromkeys(one for one in commits if one))

    async def _gate(self, answer: Answer, gated: tuple[str, ...]) -> tuple[gate.Finding, ...]:
        """What would run because of the App that the maintained branch doesn't have like that."""
        attempt = self.attempt
        made = [(attempt.candidate, deeds.of_candidate(attempt)), (attempt.target, deeds.of_target(attempt))]
        asked = workflows.Asked(
            commits=gated,
            default=workflows.reads_default(self.app, attempt),
            known=tuple(one for one in [attempt.stack_head] if one),
            branches=tuple((commit, done) for commit, done in made if commit),
            every=attempt.configuration.candidate.workflows is configuration.Workflows.HOLD,
        )
        return await workflows.findings(self.client, self.name, answer, asked)

    def _older(self) -> list[str]:
        """Candidates of the attempts for the same release that this one could equal."""
        others = siblings_of(self.attempt, self.siblings)
        return [str(one.candidate) for one in others if same_work(self.attempt, one)][-5:]

    def _issues(self) -> list[int]:
        """The gate's issue and, where the carry ended in a conflict, that one's."""
        return sorted(
            {
                int(one.outcome["number"])
                for one in self.effects.values()
                if isinstance(one.effect, OpenIssue) and one.state is EffectState.DONE
                if not names.is_notice(one.effect.marker)
            }
        )

    def _comments(self, answer: Answer) -> tuple[asking.Comment, ...]:
        nodes = [answer.fork.get("pullRequest"), *(answer.fork.get(f"issue{n}") for n in self._issues())]
        return tuple(comment for node in nodes for comment in reviewing.comments(node))

    async def _failures(self, runs: tuple[RunFact, ...]) -> tuple[Failure, ...]:
        """The configured checks that failed; each log is read once."""
        known = {one.job: one for one in self.attempt.failures}
        found = []
        for name, job in sorted(own_checks.jobs(self.attempt, runs).items()):
            if job.conclusion in ("failure", "timed_out"):
                tail = known[job.id].tail if job.id in known else None
                if tail is None:
                    tail = await reading.log_tail(self.client, self.name, job.id)
                found.append(Failure(job=job.id, name=f"check {name}", url=job.url, tail=tail))
        return tuple(found)

    async def _review(self, answer: Answer, runs: tuple[RunFact, ...]) -> dict[str, Any]:
        attempt = self.attempt
        if attempt.pull_request is None or attempt.candidate is None:
            return {}
        pull_request = reviewing.pull_request(answer)
        reviews, seen, unresolved = await asyncio.gather(
            reviewing.reviews(self.client, self.name, answer),
            reviewing.checks(self.client, self.name, answer, attempt.candidate),
            reviewing.unresolved(self.client, self.name, answer),
        )
        asked = (
            any(one.state == "APPROVED" for one in reviews)
            or (pull_request is not None and pull_request.merged)
            or attempt.asked is not None
            or attempt.configuration.promotion.approve is configuration.Approve.AUTO
        )
        rules = await self._rules() if asked else None
        if pull_request is not None:
            pull_request = pull_request.model_copy(update={"unresolved": unresolved})
        return {
            "pull_request": pull_request,
            "landing": landing.pull_request(answer),
            "failures": await self._failures(runs),
            "said": reviewing.said(answer, self.app_slug),
            "open_pulls": carry_overs.open_pulls(
                answer, self.app_slug, attempt.configuration.branches.prefix
            ),
            "reviews": reviews,
            "same_tree": reviewing.same_tree(answer, self._older()),
            "checks": await required.prove(self.client, attempt, seen, rules or attempt.rules),
            "rules": rules,
            **await self._ruled(rules or attempt.rules, attempt.candidate),
        }

    async def _ruled(self, rules: Rules | None, candidate: str) -> dict[str, Any]:
        """What the maintained branch's rules ask about and nothing else does."""
        attempt = self.attempt
        out: dict[str, Any] = {}
        if rules is None:
            return {}
        if not attempt.configuration.promotion.lands and (rules.signatures or rules.linear):
            out["incoming"] = await reading.incoming(
                self.client, self.name, attempt.expected or names.ZERO, candidate
            )
        if rules.somebody_else and attempt.pushed is not None:
            branch = names.maintenance_branch(
                attempt.stack, attempt.tag, attempt.configuration.branches.prefix
            )
            out["pushers"] = await reading.pushers(self.client, self.name, branch, attempt.pushed)
        return out

    async def _rules(self) -> Rules:
        return await reading.rules(self.client, self.name, self.attempt.stack)


def _commits(runs: tuple[RunFact, ...]) -> list[str]:
    """The commits that runs ran at, each once."""
    return list(dict.fromkeys(run.head_sha for run in runs))


def _with_workflow(run: RunFact, fork: dict[str, Any], order: Sequence[str]) -> RunFact:
    """The run with the blob of the workflow file that it used."""
    found = fork.get(f"ran{order.index(run.head_sha)}") or {}
    return run.model_copy(update={"workflow_blob": found.get("oid")})
