"""Is a report ours, and does it account for every patch? One sentence where it isn't or doesn't.

A runner is not trusted: whatever it says is held against what we asked for and what GitHub says.
"""

from __future__ import annotations

from collections.abc import Collection

from patch_app.core import branches, configuration, names
from patch_app.core.attempt import Attempt
from patch_app.core.configuration import Strategy
from patch_app.core.facts import Facts, Inbox, RunFact
from patch_app.core.report import SETTLED, Report, Status, Verdict


def run_problem(attempt: Attempt, run: RunFact, app_slug: str) -> str | None:
    """Why a run that carries the attempt's name isn't the one we asked for, or None."""
    if run.path != names.WORKFLOW_PATH:
        return f"run {run.id} is one of {run.path}, not of {names.WORKFLOW_PATH}"
    if run.event != "workflow_dispatch":
        return f"run {run.id} was started by {run.event}, not by a dispatch"
    if run.name != names.run_name(attempt.id):
        return f"run {run.id} is named for another attempt"
    if run.actor != f"{app_slug}[bot]":
        return f"run {run.id} was started by {run.actor}, not by the App"
    if run.workflow_blob != attempt.workflow_blob:
        ours = attempt.workflow_blob
        return f"run {run.id} used a changed workflow file ({run.workflow_blob}, ours is {ours})"
    return None


def report_problem(attempt: Attempt, run: RunFact, inbox: Inbox, facts: Facts) -> str | None:
    """Why the report of a run can't be believed, or None."""
    report = inbox.report
    if report is None:
        return f"the report can't be read: {inbox.problem or 'it is missing'}"
    if report.attempt != attempt.id:
        return f"the report is one for another attempt ({report.attempt})"
    # GitHub's "Re-run failed jobs" keeps the carry of an earlier run attempt
    if report.run is None or (report.run.id, report.run.attempt) != (run.id, inbox.run_attempt):
        return "the report is one of another run"
    if report.run.attempt > run.attempt:
        return "the report is one of a run attempt that never was"
    if report.status is Status.ERROR:
        return None
    if report.stack is None or (report.stack.branch, report.stack.sha) != (attempt.stack, attempt.stack_head):
        return "the report is about another stack head than the one that was asked for"
    if report.target is None or (report.target.name, report.target.sha) != (attempt.tag, attempt.target):
        return "the report is about another target than the one that was asked for"
    if report.status is Status.NOOP:
        carried = facts.nothing_to_carry is False
        return "the report says that there is nothing to carry, but there is" if carried else None
    return (
        branches.report_problem(attempt, report, facts)
        or _patches_problem(report, facts)
        or _pushed_problem(attempt, report, facts)
        or _strategy_problem(attempt, report)
        or _resolver_problem(attempt, report)
        or _result_problem(attempt, report)
    )


def _patches_problem(report: Report, facts: Facts) -> str | None:
    old = [patch.old for patch in report.patches]
    installed = set(report.installed.commits) if report.installed else set()
    if facts.stack_commits is not None:
        built = {patch.built for patch in report.patches if patch.built}
        missing = set(facts.stack_commits) - set(old) - installed - built
        if missing:
            return f"the report has no verdict for {len(missing)} patch(es), the first is {min(missing)[:12]}"
        sources = {patch.source for patch in report.patches if patch.source}
        foreign = (set(old) | installed) - set(facts.stack_commits) - set(facts.stack_merges) - sources
        if foreign:
            first = min(foreign)[:12]
            return f"the report has {len(foreign)} commit(s) that are not in the stack, the first is {first}"
        merges = set(facts.stack_merges)
        # a merge that settled or added something is a patch too
        if set(report.merges) != merges - set(old) or installed & merges:
            return "the report's merge commits are not those of the stack"
        hidden = installed - set(facts.installed)
        if hidden:
            return f"the report calls {min(hidden)[:12]} the App's own commit, and it isn't"
    if facts.base_is_upstream is False:
        return f"the report's base {report.base} is no commit of the upstream repository"
    if facts.start_holds is False:
        return (
            f"the report lets the stack begin at {report.start}, which is neither configured nor upstream's"
        )
    return None


def _pushed_problem(attempt: Attempt, report: Report, facts: Facts) -> str | None:
    """What a person pushed is the candidate, commit for commit; nobody else may drop or add any."""
    if attempt.pushed is None:
        dropped = {patch.old for patch in report.patches if patch.verdict is Verdict.DROPPED}
        if report.added or dropped - {*branches.left(attempt, facts), *attempt.drop}:
            return "the report drops or adds commits, and nobody has pushed any"
        kept = {patch.old for patch in report.patches if patch.new is not None} & set(attempt.drop)
        return f"the report has {min(kept)[:12]}, which was to be left out" if kept else None
    if facts.pushed_commits is None:
        return None  # it is read in the next pass
    if not facts.pushed_stands:
        return f"what was pushed, {attempt.pushed[:12]}, does not stand on {attempt.tag}"
    if merges_forward(attempt):
        same = {one.sha for one in report.added} == set(facts.pushed_commits)
        if same and report.bundle is None and tip(report) == attempt.pushed:
            return None
        return "the report's candidate is not what was pushed"
    own = [report.installed.new] if report.installed and report.installed.new else []
    told = [*(patch.new for patch in report.patches if patch.new), *(one.sha for one in report.added), *own]
    made = [] if report.bundle is None else own[-1:]
    left = set(facts.pushed_commits) - set(told)
    # of several commits with the App's own files only the last is named
    ours = len(report.installed.commits) if report.installed else 0
    if len(told) != len(set(told)) or set(told) - set(made) - set(facts.pushed_commits) or len(left) > ours:
        return "the report's commits are not those that were pushed"
    if tip(report) != (made[0] if made else attempt.pushed):
        return "the report's candidate is not what was pushed"
    return None


def _strategy_problem(attempt: Attempt, report: Report) -> str | None:
    """Merged, every commit of the stack stays what it is; rebased, none of them does."""
    if not merges_forward(attempt):
        kept = [patch.old for patch in report.patches if patch.new == patch.old]
        return f"the report has {kept[0][:12]} as it was, and the stack is rebased" if kept else None
    anew = [patch.old for patch in report.patches if patch.new not in (None, patch.old)]
    if anew:
        return f"the report has {anew[0][:12]} written anew, and the stack is merged"
    own = report.installed
    if own is not None and own.new is not None and own.new not in own.commits:
        return f"the report has the App's own commit {own.new[:12]} written anew, and the stack is merged"
    if report.partial is not None:
        return "the report has a part of the stack, which is merged whole"
    if report.candidate is not None and report.bundle is None and attempt.pushed is None:
        return "the report has no bundle of the merge"
    return None


def _resolver_problem(attempt: Attempt, report: Report) -> str | None:
    """Only the resolver that the attempt began with settles conflicts, and says so."""
    ours = attempt.configuration.resolver
    told = {one.by for patch in report.patches for one in patch.resolution if one.by is not None}
    told |= {report.resolver.name} if report.resolver else set()
    wrong = told - ({ours.name} if ours else set())
    if wrong:
        return f"the report has a resolver, {min(wrong)}, that the configuration doesn't"
    return "the report has answers of a resolver and doesn't say so" if told and not report.resolver else None


def _result_problem(attempt: Attempt, report: Report) -> str | None:
    carried = all(patch.verdict in SETTLED for patch in report.patches)
    if (report.candidate is not None) != carried:
        return (
            "the report has a candidate although a patch is missing from it"
            if report.candidate
            else ("the report says that every patch was carried but names no candidate")
        )
    own = report.installed
    if (
        own is not None
        and attempt.pushed is None
        and (own.new is not None) != (carried and bool(own.commits))
    ):
        return "the report leaves the App's own commits out, or adds one for none"
    expected = Status.CLEAN if carried else Status.CONFLICT
    if report.status is not expected:
        return f"the report's status is {report.status} where its verdicts say {expected}"
    if report.bundle is not None:
        if report.bundle.ref != names.candidate_ref(attempt.id):
            return f"the bundle is for another ref ({report.bundle.ref})"
        if report.bundle.tip != tip(report):
            return "the bundle's tip is not the candidate"
    elif tip(report) != attempt.floor:
        return "the report has no bundle"
    return None


def tip(report: Report) -> str | None:
    """What was carried: the candidate, else what there was before the conflict, else the target."""
    return report.tip or (report.target.sha if report.target else None)


def merged(report: Report, merges: Collection[str]) -> tuple[str, ...]:
    """The new commits that stand for merge commits of the stack, `merges`, and may have several parents."""
    return tuple(patch.new for patch in report.patches if patch.new is not None and patch.old in merges)


def merges_forward(attempt: Attempt) -> bool:
    """Whether the release is merged into the stack, so that the maintained branch only ever grows."""
    return configuration.stack_of(attempt.configuration, attempt.stack).strategy is Strategy.MERGE


def parents(attempt: Attempt, report: Report) -> dict[str, tuple[str, ...]]:
    """What the merge of the release stands on: the stack's head, then the release. Empty without one."""
    if not merges_forward(attempt) or attempt.pushed is not None or report.candidate is None:
        return {}
    return {report.candidate.sha: (attempt.stack_head or "", attempt.target or "")}


def prerequisites(attempt: Attempt, report: Report) -> tuple[str, ...]:
    """What a bundle may build on: the server decided what the fork has, so the report may not widen it."""
    known = attempt.pushed or (attempt.target if attempt.bundle_from == "target" else report.base)
    allowed = (known, attempt.stack_head if parents(attempt, report) else None)
    return tuple(one for one in allowed if one)


def chain(attempt: Attempt, report: Report) -> tuple[str, ...]:
    """The new commits from the tip down to, not including, the floor: what the bundle must hold."""
    if attempt.pushed is not None and report.bundle is None:
        return ()
    if merges_forward(attempt):
        return tuple(parents(attempt, report))
    new = [patch.new for patch in report.patches if patch.new is not None and attempt.pushed is None]
    if report.candidate is not None and report.installed is not None and report.installed.new is not None:
        new.append(report.installed.new)
    return tuple(reversed(new))
