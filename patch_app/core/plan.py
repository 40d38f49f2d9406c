"""The parts that decisions are made of: moves between stages, and the effects that each needs.

An effect is only wished for where the facts don't already show its result, and never twice.
"""

from __future__ import annotations

from typing import Literal

from patch_app.core import approval, configuration, names, own_checks, verify
from patch_app.core.attempt import MOST_ARTIFACTS, Attempt, Check, Landing, Link, Run, Stage
from patch_app.core.configuration import Merges
from patch_app.core.effects import (
    Dispatch,
    Draft,
    Effect,
    EffectState,
    Land,
    OpenIssue,
    OpenPullRequest,
    Performed,
    PutCheckRun,
    Record,
    RefChange,
    Relay,
    UpdateRefs,
    key,
)
from patch_app.core.facts import Facts
from patch_app.core.findings import Code, finding
from patch_app.core.model import Model

Purpose = Literal["branches", "promote", "rollback", "clean", "landing", "release", "carry-over"]


class Decision(Model):
    """The attempt as it should be, what to do for it, and whether it begins anew as a replay.

    `pushed`: what a person pushed, from which the replay goes on.
    """

    attempt: Attempt
    effects: tuple[Effect, ...] = ()
    replay: bool = False
    pushed: str | None = None
    # what GitHub refused is tried once more
    forgive: bool = False


# Moves ------------------------------------------------------------------------------------------


def to(attempt: Attempt, stage: Stage, *, message: str = "") -> Decision:
    """On to another stage; what held it up before is forgotten."""
    return Decision(
        attempt=attempt.model_copy(update={"stage": stage, "resume": None, "message": message, "error": None})
    )


def blocked(attempt: Attempt, message: str) -> Decision:
    """Something outside has to be mended; goes on from the same stage once it is."""
    return _aside(attempt, Stage.BLOCKED, message)


def held(attempt: Attempt, message: str) -> Decision:
    """A person has to decide; goes on from the same stage if the reason goes away."""
    return _aside(attempt, Stage.HELD, message)


def _aside(attempt: Attempt, stage: Stage, message: str) -> Decision:
    return Decision(
        attempt=attempt.model_copy(update={"stage": stage, "resume": attempt.stage, "message": message})
    )


def failed(attempt: Attempt, error: str) -> Decision:
    """Ends with a reason. A re-run of its own workflow run takes it up again."""
    return Decision(
        attempt=attempt.model_copy(
            update={"stage": Stage.FAILED, "resume": None, "message": error, "error": error}
        )
    )


def replaced(attempt: Attempt, message: str, pushed: str | None = None) -> Decision:
    """Ends, and the same release is carried again by an attempt of the next number."""
    again = {"replay": True, "pushed": pushed}
    return to(attempt, Stage.SUPERSEDED, message=message).model_copy(update=again)


def rerun(attempt: Attempt, runs: tuple[Run, ...]) -> Decision:
    """A newer run attempt of ours: what the older one said no longer counts."""
    forgotten = dict.fromkeys(("inbox", "vouch", "report", "upstream_changes", "leaving", "proof"))
    return to(attempt.model_copy(update={"runs": runs, **forgotten}), Stage.RUNNING)


# What was wished before ---------------------------------------------------------------------------


def same(facts: Facts, effect: Effect) -> Performed | None:
    """The same wish as it was made before."""
    return facts.effects.get(key(effect))


def last(facts: Facts, kind: str, purpose: str | None = None) -> Performed | None:
    """The latest effect of a kind."""
    for one in reversed(facts.effects.values()):
        if one.effect.kind == kind and purpose in (None, getattr(one.effect, "purpose", None)):
            return one
    return None


def count(facts: Facts, kind: str, *states: EffectState) -> int:
    """How many effects of a kind are in one of the states."""
    return sum(one.effect.kind == kind and one.state in states for one in facts.effects.values())


def again(facts: Facts, kind: str) -> int:
    """`seq` of a wish: another one where the earlier was dropped, as a person's retry does."""
    return count(facts, kind, EffectState.DROPPED)


def told(facts: Facts, *kinds: str) -> list[Effect]:
    """Effects of these kinds that were carried out, or are to be."""
    return [
        one.effect
        for one in facts.effects.values()
        if one.effect.kind in kinds and one.state is not EffectState.DROPPED
    ]


def check_run(facts: Facts, name: str, commit: str) -> int | None:
    """The check run of this name that we have made on a commit."""
    for one in reversed(facts.effects.values()):
        made = one.effect
        if (
            isinstance(made, PutCheckRun)
            and (made.name, made.commit) == (name, commit)
            and "id" in one.outcome
        ):
            return int(one.outcome["id"])
    return None


def with_outcomes(attempt: Attempt, facts: Facts) -> Attempt:
    """The attempt with what finished effects have brought: links, ids, the refs we wrote."""
    written = dict(attempt.written)
    update: dict[str, object] = {}
    landing = attempt.landing or Landing()
    for one in facts.effects.values():
        if one.state is not EffectState.DONE:
            continue
        if one.outcome.get("on_branches"):
            update["on_branches"] = True
        match one.effect:
            case Relay(changes=changes) | UpdateRefs(changes=changes):
                written.update({change.ref: change.after for change in changes})
            case Record(ref=ref):
                written[ref] = one.outcome["commit"]
            case Dispatch() if "run_id" in one.outcome and not attempt.runs:
                begun = Run(id=one.outcome["run_id"], status="queued", url=one.outcome.get("url", ""))
                update["runs"] = (begun,)
            case Land(ref=ref):
                written[ref] = one.outcome["commit"]
                landing = landing.model_copy(update={"commit": one.outcome["commit"]})
            case OpenPullRequest(base=base) if base == attempt.stack:
                link = Link(number=one.outcome["number"], url=one.outcome["url"])
                landing = landing.model_copy(update={"pull_request": link})
            case OpenPullRequest() if one.outcome["number"] not in {old.number for old in attempt.undone}:
                update["pull_request"] = Link(number=one.outcome["number"], url=one.outcome["url"])
            case OpenIssue(marker=marker) if not names.is_notice(marker):
                update["issue"] = Link(number=one.outcome["number"], url=one.outcome["url"])
            case Draft(draft=draft):
                update["drafted"] = draft
            case PutCheckRun(name=name) if name == names.check_name(attempt.stack):
                update["check_run"] = one.outcome["id"]
            case _:
                pass
    if landing != Landing():
        update["landing"] = landing
    kept = {"rules": facts.rules, "upstream_changes": facts.upstream_changes, "proof": facts.proof}
    update |= {name: value for name, value in kept.items() if value is not None}
    return attempt.model_copy(update={**update, "written": written})


def told_runs(facts: Facts) -> tuple[Run, ...]:
    """The attempt's runs as they are now."""
    return tuple(
        Run(id=run.id, attempt=run.attempt, status=run.status, conclusion=run.conclusion, url=run.url)
        for run in facts.runs
    )


def gathered(attempt: Attempt, facts: Facts) -> Attempt:
    """The attempt with its checks, approvals and artifacts as they are now."""
    configured = tuple(
        Check(
            name=f"check {name}",
            app="github-actions",
            status=job.status,
            conclusion=job.conclusion,
            url=job.url,
            workflow=names.WORKFLOW_PATH,
        )
        for name, job in sorted(own_checks.jobs(attempt, facts.runs).items())
    )
    runs = {run.id: run for run in told_runs(facts)}
    artifacts = {*attempt.artifacts, *(one for run in facts.runs for one in run.artifacts)}
    return attempt.model_copy(
        update={
            "checks": (*configured, *approval.gathered_checks(facts, facts.app_slug)),
            "runs": tuple(runs.get(run.id, run) for run in attempt.runs),
            "approvals": approval.approvals(attempt, facts),
            "failures": facts.failures,
            "equals": approval.equals(attempt, facts),
            "artifacts": tuple(sorted(artifacts, key=lambda one: (one.name, one.url))[:MOST_ARTIFACTS]),
        }
    )


# Refs ---------------------------------------------------------------------------------------------


def relay_changes(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    """The candidate's ref and the archive's, as far as they don't have their values yet."""
    wanted = {
        names.candidate_ref(attempt.id): attempt.candidate or names.ZERO,
        names.archive_ref(attempt.id): attempt.stack_head or names.ZERO,
    }
    return tuple(
        RefChange(ref=ref, before=facts.ref(ref), after=value, force=True)
        for ref, value in wanted.items()
        if facts.ref(ref) != value
    )


def relay(attempt: Attempt, facts: Facts, changes: tuple[RefChange, ...]) -> Relay:
    """The wish to check the bundle of a verified report and to send its pack."""
    report = attempt.report
    if report is None or attempt.inbox is None or attempt.candidate is None or attempt.target is None:
        raise ValueError("only a verified report can be relayed")
    there = next((one.files for one in facts.inbox if one.commit == attempt.inbox), {})
    bundle, stack = report.bundle, configuration.stack_of(attempt.configuration, attempt.stack)
    return Relay(
        inbox=attempt.inbox,
        parts=tuple((part.path, part.sha256) for part in bundle.parts) if bundle else (),
        blobs={part.path: there[part.path] for part in bundle.parts if part.path in there} if bundle else {},
        bundle_ref=names.candidate_ref(attempt.id),
        tip=attempt.candidate,
        prerequisites=verify.prerequisites(attempt, report),
        chain=verify.chain(attempt, report),
        merges=verify.merged(report, facts.stack_merges) if stack.merges is Merges.PRESERVE else (),
        parents=verify.parents(attempt, report),
        floor=attempt.floor,
        changes=changes,
        seq=again(facts, "relay"),
    )


def not_relayed(attempt: Attempt, done: Performed) -> Decision:
    """A bad bundle is the run's fault; refs that GitHub won't have are something to be mended."""
    why = str(done.outcome.get("message", ""))
    if "status" in done.outcome or "moved" in done.outcome:
        return refs_refused(attempt, why)
    return failed(attempt, f"the bundle was not accepted: {why}")


def refs_refused(attempt: Attempt, why: str) -> Decision:
    """GitHub takes neither the App's own refs nor the branches that stand for them."""
    return blocked(attempt, finding(Code.REFS_REFUSED, why=why.rstrip(". ")).line)


def _branches(attempt: Attempt) -> dict[str, str]:
    prefix = attempt.configuration.branches.prefix
    maintenance = names.maintenance_branch(attempt.stack, attempt.tag, prefix)
    return {
        names.head(names.base_branch(attempt.stack, attempt.tag, prefix)): attempt.target or names.ZERO,
        names.head(maintenance): attempt.candidate or names.ZERO,
    }


def branch_refs(attempt: Attempt) -> tuple[str, ...]:
    """Full names of the base and maintenance branches."""
    return tuple(_branches(attempt))


def tag_ref(attempt: Attempt) -> str:
    """Full name of the tag that a promotion leaves on the candidate."""
    name = names.candidate_tag(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    return f"refs/tags/{name}"


def ours(attempt: Attempt, facts: Facts, ref: str) -> set[str]:
    """Values that a ref may have for us to move it: what we or an attempt before us wrote there."""
    before = {one.written[ref] for one in facts.siblings if ref in one.written}
    pushed = {attempt.pushed} if attempt.pushed else set()
    merges = {one.commit for one in attempt.undone}
    written = {attempt.written[ref]} if ref in attempt.written else set()
    return {names.ZERO, *before, *pushed, *merges, *written}


def foreign_branch(attempt: Attempt, facts: Facts) -> str | None:
    """A branch of our name that somebody else made or moved."""
    for ref, value in _branches(attempt).items():
        if facts.ref(ref) not in ours(attempt, facts, ref) | {value}:
            return ref.removeprefix("refs/heads/")
    return None


def foreign_tag(attempt: Attempt, facts: Facts) -> str | None:
    """The candidate's tag where somebody else made it."""
    ref = tag_ref(attempt)
    known = {attempt.candidate, *ours(attempt, facts, ref)}
    return None if facts.ref(ref) in known else ref.removeprefix("refs/tags/")


def branch_changes(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    """The base and maintenance branches, from the values that were read to the ones they need."""
    return tuple(
        RefChange(ref=ref, before=facts.ref(ref), after=value, force=facts.ref(ref) != names.ZERO)
        for ref, value in _branches(attempt).items()
        if facts.ref(ref) != value
    )


def persons_push(attempt: Attempt, facts: Facts) -> str | None:
    """What somebody pushed to the maintenance branch after we wrote it or took it up, or None."""
    prefix = attempt.configuration.branches.prefix
    ref = names.head(names.maintenance_branch(attempt.stack, attempt.tag, prefix))
    now = facts.ref(ref)
    known = attempt.written.get(ref, attempt.pushed)
    return now if known not in (None, names.ZERO) and now not in (known, names.ZERO) else None


def promotion(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    """One atomic move: the maintained branch, the candidate's tag, and our branches away."""
    moved = RefChange(
        ref=names.head(attempt.stack),
        before=attempt.stack_head or names.ZERO,
        after=attempt.candidate or names.ZERO,
        force=not verify.merges_forward(attempt),
    )
    return (moved, *promoted(attempt, facts))


def promoted(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    """What a promotion leaves beside the maintained branch: the candidate's tag, and none of our branches."""
    candidate, tag = attempt.candidate or names.ZERO, tag_ref(attempt)
    there = facts.ref(tag)
    changes = [RefChange(ref=tag, before=there, after=candidate, force=there != names.ZERO)]
    changes = [one for one in changes if one.before != candidate]
    changes += [
        RefChange(ref=ref, before=facts.ref(ref), after=names.ZERO)
        for ref in _branches(attempt)
        if facts.ref(ref) != names.ZERO
    ]
    return tuple(changes)


def update(facts: Facts, purpose: Purpose, changes: tuple[RefChange, ...]) -> UpdateRefs:
    """The wish to move refs; a new one each time an earlier one was dropped or overtaken."""
    past = count(facts, "update_refs", EffectState.DONE, EffectState.DROPPED, EffectState.REFUSED)
    return UpdateRefs(purpose=purpose, node=facts.node, changes=changes, seq=past)
