"""From the preflight to a run that was asked for. What stands in the way is `doctor`'s to say."""

from __future__ import annotations

from patch_app.core import branches, doctor, names, plan, request, upstreams
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Upstream as UpstreamPolicy
from patch_app.core.configuration import stack_of, stacks
from patch_app.core.effects import Dispatch, EffectState, PinTarget
from patch_app.core.facts import Facts, Preflight
from patch_app.core.health import Branch, Health, Upstream
from patch_app.core.plan import Decision
from patch_app.core.vitals import Vitals


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
    if other := _other_upstream(attempt, known):
        why = f"{attempt.repository} follows {other} now, and this release is one of {attempt.upstream}"
        return plan.to(attempt, Stage.ABANDONED, message=why)
    in_the_way = doctor.blocking(health(attempt, known, facts))
    if in_the_way:
        return plan.blocked(attempt, in_the_way[0].line)
    if known.contained:
        return plan.to(attempt, Stage.CONTAINED, message=f"{attempt.stack} already contains {attempt.tag}")
    head = facts.ref(names.head(attempt.stack))
    attempt = attempt.model_copy(
        update={
            "configuration": known.configuration,
            "configuration_blob": known.configuration_blob,
            "upstream_id": known.upstream.id if known.upstream else None,
            "target": known.target,
            "base": known.base,
            "stack_head": head,
            "ahead": known.ahead,
            "merge_base": known.merge_base,
            "shared": known.shared,
            "patches": facts.patches or (),
            "built": known.built,
            "landed": known.landed,
            "resolutions": _vouched(attempt, facts),
            "default_branch": known.default_branch,
            "release": known.release,
            "workflow_blob": known.workflow.expected_blob,
            "on_branches": known.workflow.on_branches,
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


def _other_upstream(attempt: Attempt, known: Preflight) -> str | None:
    """What the fork follows now, where that isn't the attempt's upstream any more."""
    seen = _seen(known)
    if known.configuration is None or known.upstream is None:
        return None
    if upstreams.follows(attempt.followed, seen, known.upstream, attempt.upstream):
        return None
    return seen.configured or (seen.parent.name if seen.parent else "no repository")


def _seen(known: Preflight) -> upstreams.Seen:
    """What GitHub and the configuration say of the upstream now."""
    policy = known.configuration.upstream if known.configuration else UpstreamPolicy()
    return upstreams.Seen(
        configured=policy.repository,
        pinned=policy.repository_id,
        parent=known.parent,
        named=known.upstream,
    )


def _vouched(attempt: Attempt, facts: Facts) -> str | None:
    """The recorded resolutions, where an attempt of this stack wrote them: anybody may write the ref."""
    value = facts.ref(ref := names.resolutions_ref(attempt.stack))
    return value if value != names.ZERO and value in plan.ours(attempt, facts, ref) else None


def dispatch(attempt: Attempt, facts: Facts) -> Decision:
    """Wishes for the run that a dispatched attempt has not got yet."""
    try:
        text = request.request(attempt, facts.upstream_git_url, facts.app_id)
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


def health(attempt: Attempt, known: Preflight, facts: Facts) -> Health:
    """What the preflight read, as `doctor` takes it."""
    config, vitals = known.configuration, known.vitals or Vitals()
    stack = stack_of(config or attempt.configuration, attempt.stack)
    branch = Branch(
        name=attempt.stack,
        exists=facts.ref(names.head(attempt.stack)) != names.ZERO,
        strategy=stack.strategy,
        merges=stack.merges,
        lands=(config or attempt.configuration).promotion.lands,
        patch_problems=tuple(branches.problems(stack, attempt.stack, facts.patches))
        if config is not None and facts.patches is not None
        else (),
        rules=vitals.rules,
        own_rules=vitals.own_rules,
    )
    upstream = Upstream(
        name=attempt.upstream,
        id=known.upstream.id if known.upstream else None,
        changed=upstreams.look(attempt.followed, _seen(known)).problem if known.upstream else None,
        reachable=vitals.upstream_reachable,
        private=vitals.upstream_private,
        tag=attempt.tag,
        has_tag=known.target is not None,
    )
    there = config is None or attempt.stack in {one.branch for one in stacks(config, known.default_branch)}
    return Health(
        repository=attempt.repository,
        default_branch=known.default_branch,
        prefix=(config or attempt.configuration).branches.prefix,
        archived=known.archived,
        missing_permissions=vitals.missing_permissions,
        suspended=vitals.suspended,
        configuration=config,
        configuration_problems=known.configuration_problems,
        stack_gone=None if there else attempt.stack,
        workflow=known.workflow,
        upstream=upstream,
        branches=(branch,),
        collisions=known.collisions,
    )
