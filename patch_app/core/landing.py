"""Promotion by pull request (`move = "pull-request"`): for a maintained branch that nobody may force. Pure.

Its head, the landing, has the candidate's files and two parents: the maintained branch's head, and the
candidate. Once people have merged it the branch has the candidate's commits, and that is the promotion; by
squash or rebase it has not. Refuses to merge anything itself, and leaves nothing open that is no longer to be
promoted.
"""

from __future__ import annotations

from patch_app.core import landing_text, names, plan
from patch_app.core.attempt import Attempt, Landing, Link, Stage
from patch_app.core.effects import Close, Effect, EffectState, Land, OpenPullRequest, RefChange, UpdateRefs
from patch_app.core.facts import Facts
from patch_app.core.plan import Decision

# while one of these lasts, the pull request may be open
_OPEN: frozenset[Stage] = frozenset({Stage.APPROVED, Stage.PROMOTING})


def branch(attempt: Attempt) -> str:
    """The pull request's own branch."""
    return names.landing_branch(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)


def live(attempt: Attempt) -> Link | None:
    """The pull request that is to be merged, where there is one."""
    landing = attempt.landing
    link = landing.pull_request if landing else None
    return link if landing is not None and link is not None and link.number > landing.closed else None


def landed(attempt: Attempt, facts: Facts) -> bool:
    """Whether the maintained branch has the landing, and with it the candidate."""
    return attempt.landing is not None and attempt.landing.commit is not None and bool(facts.has_landing)


def asked_again(attempt: Attempt) -> Attempt:
    """A person wants another pull request after one that came to nothing."""
    landing = attempt.landing
    if landing is None or landing.refused is None:
        return attempt
    return attempt.model_copy(update={"landing": landing.model_copy(update={"refused": None})})


# From an approved candidate to its pull request ----------------------------------------------------------


def step(attempt: Attempt, facts: Facts) -> Decision:
    """The landing and its pull request, which people then merge; waits for them."""
    landing = attempt.landing or Landing()
    if landing.refused is not None:
        return plan.held(attempt, landing.refused)
    if (link := live(attempt)) is not None:
        return _waiting(attempt, facts, link)
    there = facts.ref(names.head(branch(attempt)))
    if landing.commit is None or there != landing.commit:
        return _made(attempt, facts, there)
    wish = OpenPullRequest(
        head=branch(attempt),
        base=attempt.stack,
        title=landing_text.title(attempt),
        body=landing_text.body(attempt),
        seq=_past(facts, "open_pull_request"),
    )
    done = plan.same(facts, wish)
    if done is not None and done.state is EffectState.REFUSED:
        why = done.outcome.get("message", "")
        return plan.blocked(attempt, f"GitHub refused the pull request onto {attempt.stack}: {why}")
    return Decision(attempt=attempt, effects=(wish,))


def _made(attempt: Attempt, facts: Facts, there: str) -> Decision:
    ref = names.head(branch(attempt))
    wish = Land(
        ref=ref,
        # what nobody of us wrote may be our own commit all the same, where its telling got lost
        before=there if there in plan.ours(attempt, facts, ref) else names.ZERO,
        onto=attempt.stack_head or "",
        candidate=attempt.candidate or "",
        message=landing_text.message(attempt),
        seq=_past(facts, "land"),
    )
    done = plan.same(facts, wish)
    if done is None or done.state is not EffectState.REFUSED:
        return Decision(attempt=attempt, effects=(wish,))
    if done.outcome.get("moved"):
        why = f"the branch {branch(attempt)} exists and isn't ours: rename or delete it, then `/patch retry`"
        return plan.blocked(attempt, why)
    return plan.blocked(attempt, f"GitHub refused {branch(attempt)}: {done.outcome.get('message', '')}")


def _past(facts: Facts, kind: str) -> int:
    """`seq` of a wish that follows others; what GitHub refused stays refused until a person's retry."""
    return plan.count(facts, kind, EffectState.DONE, EffectState.DROPPED)


def _waiting(attempt: Attempt, facts: Facts, link: Link) -> Decision:
    there, shown = facts.ref(names.head(branch(attempt))), facts.landing
    if shown is None or shown.number != link.number:
        return Decision(attempt=attempt)
    if shown.merged:
        return Decision(attempt=attempt)  # the branch says in the next pass what came of it
    if not shown.open:
        return _refused(attempt, f"pull request #{link.number} was closed without a merge")
    if there != (attempt.landing.commit if attempt.landing else None):
        pushed = f"somebody pushed {names.short(there)} to {branch(attempt)}, which nobody has reviewed"
        return _refused(attempt, f"{pushed}: push it to the maintenance branch instead")
    if shown.into != attempt.stack:
        return _refused(attempt, f"pull request #{link.number} goes into {shown.into} now")
    message = f"approved: pull request #{link.number} brings it onto {attempt.stack}, by a merge commit"
    return Decision(attempt=attempt.model_copy(update={"message": message}))


def _refused(attempt: Attempt, why: str, squashed: str | None = None) -> Decision:
    update = {"refused": f"{why}; `/patch promote` opens another one"}
    if squashed is not None:
        update["squashed"] = squashed
    landing = (attempt.landing or Landing()).model_copy(update=update)
    held = attempt.model_copy(update={"landing": landing, "stage": Stage.PROMOTING})
    return plan.held(held, landing.refused or "")


def moved(attempt: Attempt, facts: Facts) -> Decision | None:
    """The maintained branch has moved: was it by our pull request, yet without the landing?

    None where it was by something else.
    """
    landing, there = attempt.landing, facts.ref(names.head(attempt.stack))
    if landing is None or landing.commit is None or not facts.descends or facts.has_landing is not False:
        return None
    if landing.squashed is not None:
        # what was put on top is merged with the landing, as anybody's work is
        later = landing.model_copy(update={"squashed": there})
        return Decision(attempt=attempt.model_copy(update={"landing": later}))
    link, shown = live(attempt), facts.landing
    if link is None or shown is None or shown.number != link.number or not shown.merged:
        return None
    return _refused(
        attempt,
        f"pull request #{link.number} was merged by squash or rebase, so {attempt.stack} has the files and "
        f"not the commits of the candidate: it is not promoted, and the next release could not tell what is "
        f"yours. Nothing has to be undone: a second pull request of the same commit, merged with a merge "
        f"commit, adds what is missing",
        there,
    )


# What stays, what goes -----------------------------------------------------------------------------------


def tidy(decision: Decision, facts: Facts) -> Decision:
    """With what is to go: after the promotion our branches; else a pull request that nobody should merge."""
    attempt = decision.attempt
    if attempt.landing is None or facts.gone is not None or attempt.stage in _OPEN:
        return decision
    if attempt.stage is Stage.PROMOTED:
        left = _left_by_promotion(attempt, facts)
        return decision.model_copy(update={"effects": (*decision.effects, *_moves(facts, left))})
    if attempt.stage is Stage.ROLLED_BACK:
        return decision
    closed: tuple[Effect, ...] = ()
    link = live(attempt)
    if link is None and attempt.stage is Stage.BLOCKED:
        return decision  # what GitHub refused is tried again with the same branch
    if link is not None:
        closed = (
            Close(
                subject="pull_request",
                number=link.number,
                marker=f"patch-app:landing:{attempt.id}:{link.number}",
                comment=landing_text.closed(attempt),
                seq=plan.again(facts, "close"),
            ),
        )
        landing = attempt.landing.model_copy(update={"closed": link.number})
        attempt = attempt.model_copy(update={"landing": landing})
    gone = (*closed, *_moves(facts, _removed(attempt, facts)))
    return decision.model_copy(update={"attempt": attempt, "effects": (*decision.effects, *gone)})


def _left_by_promotion(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    """The candidate's tag, and our branches away; nothing once that was done, and nothing of a person's."""
    tag = plan.tag_ref(attempt)
    before = [one for one in facts.effects.values() if one.state is EffectState.DONE]
    done = any(
        isinstance(one.effect, UpdateRefs) and tag in {change.ref for change in one.effect.changes}
        for one in before
    )
    if done:
        return ()
    merge = facts.pull_request.merge_commit if facts.pull_request else None
    known = {attempt.candidate, attempt.target, merge}
    changes = [
        one
        for one in plan.promoted(attempt, facts)
        if one.before in known | plan.ours(attempt, facts, one.ref)
    ]
    return (*changes, *_removed(attempt, facts))


def _removed(attempt: Attempt, facts: Facts) -> tuple[RefChange, ...]:
    ref, value = names.head(branch(attempt)), attempt.landing.commit if attempt.landing else None
    there = facts.ref(ref)
    return (RefChange(ref=ref, before=there, after=names.ZERO),) if there == value else ()


def _moves(facts: Facts, changes: tuple[RefChange, ...]) -> tuple[Effect, ...]:
    """One wish for all of it, unless GitHub has refused the very same."""
    wishes = [one for one in facts.effects.values() if isinstance(one.effect, UpdateRefs)]
    refused = any(
        one.state is EffectState.REFUSED and getattr(one.effect, "changes", ()) == changes for one in wishes
    )
    return (plan.update(facts, "landing", changes),) if changes and not refused else ()
