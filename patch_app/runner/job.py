"""One carry from request to report. Fetches, carries and packs; pushes nothing and prints nothing."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from . import branches, bundle, near, rangediff, report, stack
from .attribution import Attribution
from .carry import Carrier, Progress, account
from .explain import Explainer
from .fetch import Fetcher, ensure_commits, fetch_trees
from .git import Git, GitError
from .ground import Ground
from .history import Explorer
from .merge import Merger
from .recording import record
from .records import MERGE, Carried, History, Patch, Problem, Request
from .resolutions import Resolutions
from .resolver import Settler
from .workspace import Workspace

# What most carries don't need is imported where they need it: a runner compiles each module that it imports.

Clock = Callable[[], float]


def silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""


class Job(NamedTuple):
    """What the carry left behind: the report, the repository and bundle that it speaks of, if any, and what a
    resolver said."""

    report: Dict[str, Any]
    bundle: Optional[bundle.Bundle]
    repository: Optional[Git]
    said: str = ""


class Runner:
    """Runs one request in a workspace. `run()` always gives a report."""

    def __init__(
        self,
        workspace: Workspace,
        request: Request,
        *,
        run: Optional[Dict[str, int]] = None,
        progress: Progress = silent,
        clock: Clock = time.monotonic,
        with_bundle: bool = True,
        resolver: Optional[Settler] = None,
    ) -> None:
        self.workspace = workspace
        self.request = request
        self.progress = progress
        self.clock = clock
        self.with_bundle = with_bundle
        self.resolver = resolver or Settler()
        self.fetcher = Fetcher(workspace)
        self.seconds: Dict[str, float] = {}
        self.facts = report.Facts(attempt=request.attempt, run=run, request=request)
        self.repository: Optional[Git] = None
        self._stage = "start"
        self._began = clock()

    def run(self) -> Job:
        """Carries, whatever happens. A failure's report says the stage and what was wrong."""
        problem: Optional[Problem] = None
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the report is the outcome, for a mistake of ours too
            problem = as_problem(error, self._stage, self.workspace.scrub)
        self._enter("end")
        self.facts = self.facts._replace(traffic=self.workspace.traffic(), seconds=dict(self.seconds))
        made, said = None if problem else self.facts.bundle, "" if problem else self.resolver.said
        return Job(report.build(self.facts, problem), made, self.repository, said)

    def add_checks(self, checks: List[Dict[str, Any]]) -> Dict[str, Any]:
        """The report with the results of checks, as a preview has them."""
        self.facts = self.facts._replace(checks=checks, traffic=self.workspace.traffic())
        return report.build(self.facts)

    def _enter(self, stage: str) -> None:
        now = self.clock()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._began
        self._stage, self._began = stage, now
        if stage != "end":
            self.progress(stage, 0, 0)

    def _work(self) -> None:
        request = self.request
        self.facts = self.facts._replace(git_version=self.workspace.git_version())
        self._enter("history")
        explorer = Explorer(
            self.workspace,
            request.stack,
            request.target,
            request.base,
            start=request.start,
            branches=request.patches,
            landing=request.landing,
        )
        repository = self.repository = self.workspace.repository("carry", explorer.format)
        near_by = near.look(self.fetcher, repository, request)
        history = near_by or explorer.explore()
        self.facts = self.facts._replace(history=history)
        if report.is_empty(history):
            return
        self._enter("fetch")
        if near_by is None:
            fetch_trees(self.fetcher, repository, request, history)
        if history.branches:
            ensure_commits(self.fetcher, repository, branches.commits(history))
        upstream = near.Upstream(explorer, history, repository)
        merger = Merger(repository)
        commits = stack.read(repository, merger, history, request)
        self.facts = self.facts._replace(patches=commits.of_people, merges=commits.merges)
        if report.is_noop(history):
            return
        stack.check_installed_paths(merger, request, history.base, request.target)
        attribution = Attribution(self.fetcher, upstream, request.target, merger)
        explainer = Explainer(upstream, attribution)
        ground = self._ground(explorer, merger)
        if request.strategy == MERGE:
            from .forward import Forward

            self._enter("carry")
            forward = Forward(
                explorer, merger, request, history,
                ground=ground, commits=commits, explainer=explainer, resolver=self.resolver,
            )  # fmt: skip
            carried = self._done(merger, history, forward.merge(self.progress))
        else:
            carried = self._written_anew(
                explorer, merger, upstream, explainer, ground=ground, commits=commits
            )
        if self.with_bundle:
            self._enter("bundle")
            self.facts = self.facts._replace(bundle=self._bundle(explorer, repository, history, carried))

    def _carry(self, merger: Merger, parts: stack.Stack, explainer: Explainer) -> Carried:
        request = self.request
        known = Resolutions(self.fetcher, merger.repository, request.resolutions)
        carrier = Carrier(merger, request, parts, explainer, resolutions=known, resolver=self.resolver)
        carried = carrier.carry(self.progress)
        recorded = record(known, merger, carrier.settled, request.date) if carried.conflict is None else None
        self.facts = self.facts._replace(recorded=recorded)
        return carried

    def _written_anew(
        self,
        explorer: Explorer,
        merger: Merger,
        upstream: near.Upstream,
        explainer: Explainer,
        *,
        ground: Ground,
        commits: stack.Commits,
    ) -> Carried:
        """Every patch onto the one before: those of the stack, or of the branches that it is built from."""
        request, repository, history = self.request, merger.repository, upstream.known
        parts = self._arrange(ground, merger, history, commits)
        theirs = branches.read(repository, merger, history, request) if request.patches else {}
        self._fetch_blobs(merger, history, parts, theirs)
        self._enter("carry")
        due = history
        if request.patches:
            sources = branches.arrange(repository, history, parts, theirs, request)
            due = branches.to_account_for(history, parts, sources)
            parts = sources.stack
            upstream.reach_back(branches.bases(history, sources))
            self.facts = self.facts._replace(sources=sources)
        if request.pushed is not None:
            carried = self._continue(explorer, merger, due, parts, request.pushed)
            carried = carried._replace(outcomes=tuple(explainer.named(carried.outcomes)))
        else:
            carried = self._carry(merger, parts, explainer)
            self.facts = self.facts._replace(history=upstream.known)
        carried = self._done(merger, due, carried)
        self._compare(repository, history, parts, carried)
        return carried

    def _done(self, merger: Merger, history: History, carried: Carried) -> Carried:
        if self.facts.sources is not None:
            carried = branches.told(carried, self.facts.sources, self.request)
        account(history, carried)
        tree = merger.tree_of(carried.tip)
        self.facts = self.facts._replace(
            carried=carried, candidate_tree=tree, merges=carried.merges, resolver=self.resolver.told()
        )
        return carried

    def _compare(self, repository: Git, history: History, parts: stack.Stack, carried: Carried) -> None:
        self._enter("range-diff")
        carried = carried._replace(outcomes=rangediff.of_patches(repository, carried.outcomes))
        self.facts = self.facts._replace(
            carried=carried,
            range_diff=rangediff.range_diff(repository, self.request, history, parts, carried),
        )

    def _continue(
        self, explorer: Explorer, merger: Merger, history: History, parts: stack.Stack, pushed: str
    ) -> Carried:
        from .mapping import Mapper

        mapper = Mapper(explorer, merger, self.request, history, parts)
        made = mapper.read(pushed)
        wanted = [oid for one in made for oid in stack.blobs(one.changes)]
        self.fetcher.blobs(merger.repository, dict.fromkeys(wanted, "fork"))
        carried = mapper.carry(made)
        known = Resolutions(self.fetcher, merger.repository, self.request.resolutions)
        recorded = record(known, merger, mapper.settled, self.request.date)
        self.facts = self.facts._replace(recorded=recorded)
        return carried

    def _ground(self, explorer: Explorer, merger: Merger) -> Ground:
        def fetch(names: Sequence[str]) -> None:
            ensure_commits(self.fetcher, merger.repository, names)

        return Ground(explorer.repository, merger, fetch)

    def _arrange(
        self, ground: Ground, merger: Merger, history: History, commits: stack.Commits
    ) -> stack.Stack:
        repository = merger.repository
        self.fetcher.blobs(repository, stack.blobs_of_merges(repository, merger, history, commits))
        return stack.arrange(merger, ground, history, commits, self.request)

    def _fetch_blobs(
        self, merger: Merger, history: History, parts: stack.Stack, theirs: Dict[str, Patch]
    ) -> None:
        repository = merger.repository
        wanted = stack.wanted_blobs(repository, parts.patches, history.base, self.request.target)
        for branch in history.branches:
            own = [theirs[sha] for sha in branch.commits if sha in theirs]
            wanted.update(stack.wanted_blobs(repository, own, branch.base, self.request.target))
        for oid in stack.attribute_blobs(repository, merger.tree_of(self.request.target)):
            wanted.setdefault(oid, "upstream")
        self.fetcher.blobs(repository, wanted, self.with_bundle and self.request.bundle_from == "target")

    def _bundle(
        self, explorer: Explorer, repository: Git, history: History, carried: Carried
    ) -> Optional[bundle.Bundle]:
        request = self.request
        prerequisites = [request.pushed or request.target]
        edges: List[str] = []
        if request.pushed is None and request.bundle_from == "base" and history.base is not None:
            from . import deepen

            prerequisites = [history.base]
            edges = deepen.down_to_base(explorer, self.fetcher, repository, request.target, history.base)
        if carried.tip in prerequisites:
            return None
        if request.strategy == MERGE:
            prerequisites.append(request.stack)
        ref = report.candidate_ref(request.attempt)
        return bundle.create(
            repository,
            self.workspace.path("bundle"),
            ref,
            carried.tip,
            prerequisites=prerequisites,
            edges=edges,
        )


def as_problem(error: Exception, stage: str, scrub: Callable[[str], str]) -> Problem:
    """Any failure as a stage and a scrubbed sentence."""
    if isinstance(error, Problem):
        return Problem(error.stage, scrub(error.message))
    if isinstance(error, GitError):
        return Problem(stage, scrub(str(error)))
    if isinstance(error, OSError):
        return Problem(stage, scrub("the machine refused: %s" % (error.strerror or error)))
    return Problem(stage, scrub("a mistake in the runner: %s: %s" % (type(error).__name__, error)))
