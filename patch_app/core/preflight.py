"""What must be so before a run is started, each with one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable

from patch_app.core import branches, names, plan, request
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import stack_of, stacks
from patch_app.core.effects import Dispatch, EffectState, PinTarget
from patch_app.core.facts import Facts, Preflight
from patch_app.core.plan import Decision


def step(attempt: Attempt, facts: Facts) -> Decision:
    """From preflight to dispatched: records what is expected from now on."""
    known = facts.preflight
    if known is None:
        return Decision(attempt=attempt)
    if any(
        one.newer and one.stage is not Stage.PREFLIGHT and one.event == attempt.event
        for one in facts.siblings
    ):
        return plan.to(attempt, Stage.SUPERSEDED, message="a newer attempt has taken over")
    problem = next(iter(problems(attempt, known, facts)), None)
    if problem is not None:
        return plan.blocked(attempt, problem)
    if known.contained:
        return plan.to(attempt, Stage.CONTAINED, message=f"{attempt.stack} already contains {attempt.tag}")
    head = facts.ref(names.head(attempt.stack))
    attempt = attempt.model_copy(
        update={
            "configuration": known.configuration,
            "configuration_blob": known.configuration_blob,
            "target": known.target,
            "base": known.base,
            "stack_head": head,
            "ahead": known.ahead,
            "merge_base": known.merge_base,
            "patches": facts.patches or (),
            "built": known.built,
            "resolutions": _vouched(attempt, facts),
            "default_branch": known.default_branch,
            "workflow_blob": known.workflow.expected_blob,
            "message": "",
            "resume": None,
        }
    )
    pin = PinTarget(
        ref=names.target_ref(attempt.id), target=attempt.target or "", seq=plan.again(facts, "pin_target")
    )
    pinned = plan.same(facts, pin)
    if pinned is None or pinned.state not in (EffectState.DONE, EffectState.REFUSED):
        return Decision(attempt=attempt, effects=(pin,))
    bundle_from = "target" if facts.ref(names.target_ref(attempt.id)) == attempt.target else "base"
    attempt = attempt.model_copy(update={"bundle_from": bundle_from})
    return plan.to(attempt, Stage.DISPATCHED)


def _vouched(attempt: Attempt, facts: Facts) -> str | None:
    """The recorded resolutions, where an attempt of this stack wrote them: anybody may write the ref."""
    value = facts.ref(ref := names.resolutions_ref(attempt.stack))
    return value if value != names.ZERO and value in plan.ours(attempt, facts, ref) else None


def dispatch(attempt: Attempt, facts: Facts) -> Decision:
    """Wishes for the run that a dispatched attempt has not got yet."""
    try:
        text = request.request(attempt, facts.upstream_git_url)
    except request.RequestTooLargeError as error:
        return plan.blocked(attempt, str(error))
    wish = Dispatch(
        workflow=names.WORKFLOW_PATH.rsplit("/", 1)[-1],
        branch=attempt.default_branch,
        run_name=names.run_name(attempt.id),
        inputs={"attempt": attempt.id, "request": text},
        seq=plan.again(facts, "dispatch"),
    )
    return Decision(attempt=attempt, effects=(wish,))


def problems(attempt: Attempt, known: Preflight, facts: Facts) -> Iterable[str]:
    """Everything in the way, the most fundamental first."""
    if known.archived:
        yield "the fork is archived: un-archive it in its settings"
    if known.configuration is None:
        yield f"{names.CONFIGURATION_PATH} has an error: {'; '.join(known.configuration_problems)}"
    elif attempt.stack not in {one.branch for one in stacks(known.configuration, known.default_branch)}:
        yield f"{attempt.stack} is no longer a stack in {names.CONFIGURATION_PATH}: add it there again"
    if facts.ref(names.head(attempt.stack)) == names.ZERO:
        yield (
            f"the maintained branch {attempt.stack} does not exist: create it, "
            f"or name another in {names.CONFIGURATION_PATH}"
        )
    if known.configuration is not None and facts.patches is not None:
        stack = stack_of(known.configuration, attempt.stack)
        yield from branches.problems(stack, attempt.stack, facts.patches)
    yield from _workflow(known, uploads=bool(known.configuration and known.configuration.keeps_artifacts))
    if known.target is None:
        yield f"{attempt.upstream} has no tag {attempt.tag}: it was deleted, or never pushed"
    if known.collisions:
        yield (
            f"the branch {known.collisions[0]} stands where the App's branches go: rename it, "
            "or set another prefix under [branches]"
        )


def _workflow(known: Preflight, *, uploads: bool) -> Iterable[str]:
    workflow = known.workflow
    if workflow.blob is None:
        yield f"{names.WORKFLOW_PATH} is not on the default branch: merge the App's installation pull request"
    elif workflow.blob == workflow.other_blob:
        asked = (
            "a check asks for artifacts, which the workflow file on the default branch does not upload"
            if uploads
            else "the workflow file on the default branch uploads artifacts, which no check asks for any more"
        )
        yield f"{asked}: run `patch-app install` again and merge its pull request"
    elif workflow.blob != workflow.expected_blob:
        yield (
            f"{names.WORKFLOW_PATH} is not the App's own (blob {workflow.blob[:12]}, expected "
            f"{workflow.expected_blob[:12]}): run `patch-app install` again and merge its pull request"
        )
    if workflow.runner != workflow.expected_runner:
        yield f"{names.RUNNER_REF} is not this version's runner: run `patch-app install` again"
    if workflow.blob is not None and workflow.state not in (None, "active"):
        yield f"the workflow is {workflow.state}: enable it on the fork's Actions page"
