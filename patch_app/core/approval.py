"""May this candidate be promoted? Says what is missing, one sentence each; nothing missing is yes.

A trigger is not an approval: whatever asked, these conditions are read at that moment, for exactly
this commit. What can't be read is a no. Bots and the App itself never count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from patch_app.core import branches, names, own_checks, proving
from patch_app.core.attempt import Approval, Attempt, Check
from patch_app.core.configuration import Approve, RequiredCheck, Workflows
from patch_app.core.configuration_promotion import Conclusion, same_login
from patch_app.core.facts import Facts, PullRequest
from patch_app.core.report import Verdict
from patch_app.core.required_jobs import ACTIONS
from patch_app.core.rules import RuleCheck, Rules
from patch_app.core.same import same_work
from patch_app.core.vouch import By

# what a check is by that is a commit status
STATUS = "status"
# Apps of GitHub's that name a check after the tool in what any workflow may upload: only where asked for
FED = frozenset({"github-advanced-security", "github-code-scanning"})
MAY_WRITE = frozenset({"write", "maintain", "admin"})
MAY_TRUST = frozenset({"maintain", "admin"})
# rules that are named in one sentence
_MOST_NAMED = 5


def approvals(attempt: Attempt, facts: Facts) -> tuple[Approval, ...]:
    """Approving reviews on exactly the candidate, or what equals it, by people who may write."""
    good = {attempt.candidate, *equals(attempt, facts)}
    return tuple(
        Approval(person=review.person, commit=review.commit, permission=review.permission, at=review.at)
        for review in facts.reviews
        if review.state == "APPROVED"
        and review.commit in good
        and review.permission in MAY_WRITE
        and not review.bot
    )


def equals(attempt: Attempt, facts: Facts) -> tuple[str, ...]:
    """Candidates before this one that have its very tree, of the same patches with the same verdicts on the
    same target: an approval of them is carried over, unless the branch's rules have stale ones dismissed.
    """
    rules = facts.rules or attempt.rules
    if attempt.pushed is not None or rules is None or rules.unclear or rules.dismisses_stale:
        return ()
    same = (one.candidate for one in facts.siblings if same_work(attempt, one))
    return tuple(one for one in same if one is not None and one in facts.same_tree)


def carried_over(attempt: Attempt) -> str | None:
    """The older candidate that was approved in place of this one; None where it was this one."""
    exact = any(one.commit == attempt.candidate for one in attempt.approvals)
    return next((one.commit for one in attempt.approvals if not exact), None)


def asked(attempt: Attempt, facts: Facts) -> bool:
    """Somebody asked for the promotion: an approval, or a merge where the fork promotes on merge."""
    pull_request = facts.pull_request
    if (pull_request is not None and pull_request.merged) or asked_for(attempt):
        return True
    match attempt.configuration.promotion.approve:
        case Approve.REVIEW:
            return bool(approvals(attempt, facts))
        case Approve.AUTO:
            return not unfit_for_auto(attempt)
        case Approve.MERGE | Approve.COMMAND:
            return False
        case _:
            assert_never(attempt.configuration.promotion.approve)


def asked_for(attempt: Attempt) -> bool:
    """Somebody asked, by command or button, for exactly this candidate."""
    return attempt.asked is not None and attempt.asked.commit == attempt.candidate


def unfit_for_auto(attempt: Attempt) -> str | None:
    """Why the candidate isn't one that is promoted without anybody asking; None where it is.

    Only what nobody had a hand in: every patch came over line for line, as the server itself has found by
    GitHub's diffs, and checks say that it works.
    """
    report, config = attempt.report, attempt.configuration
    if attempt.pushed is not None:
        return "a person has pushed to it"
    if attempt.leaving is not None:
        return "commits of upstream leave with it"
    if attempt.vouch is None or attempt.vouch.by is not By.SIGNATURE:
        return "no token that GitHub has signed vouches for its report"
    if report is None or any(patch.verdict is not Verdict.CLEAN for patch in report.patches):
        return "not every patch is clean"
    if not (config.check or config.promotion.required_checks):
        return "no check is configured or required"
    proof = proving.current(attempt)
    return "GitHub's own diffs were not compared yet" if proof is None else proof.problem


def unapproved_merge(attempt: Attempt, facts: Facts) -> list[str]:
    """What a merge lacks that somebody made without the approvals; nothing where they are there, or where it
    isn't known what is asked for.
    """
    merged = facts.pull_request is not None and facts.pull_request.merged
    if not merged or facts.rules is None:
        return []
    if facts.rules.unclear and not attempt.configuration.promotion.lands:
        return []
    return list(_missing_approvals(attempt, facts))


def missing(attempt: Attempt, facts: Facts) -> list[str]:
    """What stands between the candidate and the maintained branch.

    Where nobody asks yet, the rules as they were last read are good enough to tell of.
    """
    return [
        *([f"a person's word on what leaves {attempt.stack}"] if attempt.goes_back else []),
        *_missing_vouch(attempt),
        *_missing_approvals(attempt, facts),
        *_missing_of_rules(attempt, facts),
        *_missing_checks(attempt, facts),
        *_moved(attempt, facts, facts.pull_request),
    ]


def _missing_vouch(attempt: Attempt) -> Iterable[str]:
    """A candidate of before a server's update, when an annotation was enough."""
    if attempt.vouch is None:
        yield "nothing that counts vouches for the run's report: `/patch retry` carries the stack again"


def _missing_approvals(attempt: Attempt, facts: Facts) -> Iterable[str]:
    rules = _rules(attempt, facts)
    if rules is None or rules.unclear:
        yield _unclear(attempt, rules)
        return
    needed = rules.approvals if _alone(attempt) else max(1, rules.approvals)
    given = approvals(attempt, facts)
    candidate = (attempt.candidate or "")[:12]
    if len(given) < needed:
        yield f"{needed - len(given)} approving review(s) on {candidate} by people with write permission"
    elif attempt.pushed is not None and needed and _somebody_else(attempt, facts):
        yield from _missing_last_push(attempt, facts, given)
    for review in facts.reviews:
        if review.state == "CHANGES_REQUESTED" and review.permission in MAY_WRITE and not review.bot:
            yield f"@{review.person} asked for changes"


def _unclear(attempt: Attempt, rules: Rules | None) -> str:
    instead = 'with move = "pull-request" under [promotion] GitHub weighs them itself'
    if rules is not None and rules.unweighed:
        named = "; ".join(rules.unweighed[:_MOST_NAMED])
        return (
            f"{attempt.stack} has rules that the App can't weigh ({named}), so nothing is promoted; {instead}"
        )
    why = rules.problem if rules else "they were not read"
    return f"the rules of {attempt.stack} can't be read ({why}), so nothing is promoted; {instead}"


def _somebody_else(attempt: Attempt, facts: Facts) -> bool:
    """Whether who pushed can't approve alone. Of a pull request of the App's own GitHub can't ask this: there
    the App is who pushed last.
    """
    rules = facts.rules or attempt.rules
    return rules is None or rules.somebody_else


def _missing_last_push(attempt: Attempt, facts: Facts, given: tuple[Approval, ...]) -> Iterable[str]:
    """The rule `require_last_push_approval`, of what a person pushed to the maintenance branch.

    Where GitHub doesn't say who that was, of two people one is somebody else.
    """
    pushed = {one.lower() for one in facts.pushers}
    others = [one for one in given if one.person.lower() not in pushed]
    commit = (attempt.pushed or "")[:12]
    if not others:
        yield f"an approving review by somebody else than who pushed {commit} (require_last_push_approval)"
    elif not pushed and len(given) < 2:
        yield (
            f"a second approving review, since GitHub doesn't say who pushed {commit} "
            "(require_last_push_approval)"
        )


def _missing_of_rules(attempt: Attempt, facts: Facts) -> Iterable[str]:
    """What the branch's rules ask for besides approvals and checks."""
    rules = _rules(attempt, facts)
    if rules is None or rules.unclear:
        return
    open_threads = facts.pull_request.unresolved if facts.pull_request else None
    if rules.threads and open_threads != 0:
        many = (
            "whether conversations are resolved, which can't be read"
            if open_threads is None
            else (f"{open_threads} conversation(s) on the pull request to be resolved")
        )
        yield f"{many} (required_review_thread_resolution)"
    if not (rules.signatures or rules.linear):
        return
    known = facts.incoming
    if known is None or known.problem:
        why = known.problem if known else "they were not read"
        yield f"commits that its rules ask about and that can't be read for {attempt.stack} ({why})"
        return
    if rules.signatures and known.unsigned:
        yield (
            f"{known.unsigned} of the {known.commits} commits that would come onto {attempt.stack} have no "
            "verified signature (required_signatures)"
        )
    if rules.linear and known.merges:
        yield (
            f"{known.merges} of the {known.commits} commits that would come onto {attempt.stack} are merges "
            "(required_linear_history)"
        )


def _rules(attempt: Attempt, facts: Facts) -> Rules | None:
    """What the maintained branch asks for before it is moved; of a pull request GitHub asks it itself."""
    return Rules() if attempt.configuration.promotion.lands else facts.rules or attempt.rules


def _alone(attempt: Attempt) -> bool:
    """Whether the fork wants such a candidate promoted without a person, as far as its rules allow it."""
    return attempt.configuration.promotion.approve is Approve.AUTO and unfit_for_auto(attempt) is None


def _missing_checks(attempt: Attempt, facts: Facts) -> Iterable[str]:
    rules = _rules(attempt, facts)
    named = [
        (one.name, one.conclusions, [check for check in attempt.checks if _is(check, one)])
        for one in attempt.configuration.promotion.required_checks
    ]
    ruled = [
        (
            rule.name,
            (Conclusion.SUCCESS,),
            [check for check in attempt.checks if _ruled(attempt, check, rule)],
        )
        for rule in (rules.required_checks if rules else ())
    ]
    missing: dict[str, str] = {}
    for name, good, found in (*named, *ruled):
        if lacks := _lacks(attempt, name, good, found):
            missing[name] = lacks
    yield from missing.values()
    jobs = own_checks.jobs(attempt, facts.runs)
    for check in attempt.configuration.check:
        job = jobs.get(check.name)
        if job is None or job.conclusion is None:
            yield f"the configured check `{check.name}` has not finished"
        elif job.conclusion != "success":
            yield f"the configured check `{check.name}` has failed"


def _lacks(attempt: Attempt, name: str, good: tuple[Conclusion, ...], found: list[Check]) -> str | None:
    """Why a required check isn't met by those that count for it, of which the worst decides."""
    failed = [one for one in found if one.doubt or one.conclusion not in good]
    trusted = attempt.trusted is not None and attempt.trusted.commit == attempt.candidate
    passed = [one for one in found if one not in failed]
    counted = [one for one in passed if trusted or not one.untrusted]
    trust = f"`/patch trust-workflows {attempt.candidate}` lets it count"
    if failed or not passed:
        doubt = next((one.doubt for one in failed if one.doubt), "") or _not_counted(attempt, name, found)
        return f"the required check `{name}` has not passed on the candidate" + (
            f": {doubt}" if doubt else ""
        )
    if not counted:
        return f"the required check `{name}` counts for nothing yet, since {passed[0].untrusted}: {trust}"
    if (changed := next((one for one in counted if _made_by_a_change(attempt, one)), None)) is not None:
        return (
            f"the required check `{name}` is one of {changed.workflow or 'a workflow file'}, which the "
            f"candidate changes: {trust}"
        )
    return None


def counts(check: Check) -> bool:
    """Whether a check can count as a required one at all: of Actions only a job that was found, of statuses
    only one whose creator is known.
    """
    return (check.run is not None) if check.app == ACTIONS else (check.app != STATUS or bool(check.creator))


def _not_counted(attempt: Attempt, name: str, found: list[Check]) -> str:
    """What is there under the name and counts for nothing, where somebody could take it for the check."""
    others = [one for one in attempt.checks if one.name == name and one not in found]
    if any(one.app == ACTIONS and one.status == "completed" for one in others):
        return (
            "what GitHub shows of that name is no job of a workflow file that counts, run for the candidate"
        )
    if any(one.app == STATUS and one.conclusion is not None for one in others):
        return "a commit status of that name counts only from the `creator` that the configuration names"
    return ""


def _made_by_a_change(attempt: Attempt, check: Check) -> bool:
    """Whether a workflow file that the release brings along says that the release is good.

    What a candidate changes could as well be a check that always passes.
    """
    trusted = attempt.configuration.candidate.workflows is Workflows.TRUST or (
        attempt.trusted is not None and attempt.trusted.commit == attempt.candidate
    )
    if trusted or not attempt.workflow_changes or check.app != ACTIONS:
        return False
    return check.workflow is None or check.workflow in attempt.workflow_changes


def _is(check: Check, required: RequiredCheck) -> bool:
    if check.name != required.name or not counts(check):
        return False
    if required.creator is not None:
        return check.app == STATUS and same_login(check.creator, required.creator)
    if check.app == STATUS or (required.app is None and check.app in FED):
        return False
    return required.app in (None, check.app) and required.workflow in (None, check.workflow)


def _ruled(attempt: Attempt, check: Check, rule: RuleCheck) -> bool:
    """Whether a check counts as one that a ruleset asks for. GitHub takes a status from whoever may write."""
    if check.name != rule.name or not counts(check):
        return False
    if check.app == STATUS and rule.app_id is None:
        return any(_is(check, one) for one in attempt.configuration.promotion.required_checks)
    if check.app == STATUS or rule.app_id is not None:
        return check.app_id == rule.app_id
    return check.app not in FED


def gathered_checks(facts: Facts, app: str) -> tuple[Check, ...]:
    """The candidate's checks and statuses without the App's own."""
    return tuple(sorted((c for c in facts.checks if c.app != app), key=lambda c: (c.name, c.app, c.run or 0)))


def _moved(attempt: Attempt, facts: Facts, pull_request: PullRequest | None) -> Iterable[str]:
    prefix = attempt.configuration.branches.prefix
    if facts.ref(names.head(attempt.stack)) != attempt.expected:
        yield f"{attempt.stack} moved since the stack was read"
    if patches := branches.moved(attempt, facts):
        yield patches
    if facts.target != attempt.target:
        yield f"the tag {attempt.tag} no longer points at {(attempt.target or '')[:12]} in {attempt.upstream}"
    if facts.ref(names.candidate_ref(attempt.id)) != attempt.candidate:
        yield "the candidate's ref was changed by somebody"
    if facts.ref(names.archive_ref(attempt.id)) != attempt.stack_head:
        yield "the archive of the old stack is missing"
    merged = pull_request is not None and pull_request.merged
    into = names.base_branch(attempt.stack, attempt.tag, prefix)
    if pull_request is not None and pull_request.into != into:
        # a reviewer would see another stack than the one that is promoted
        yield f"the pull request goes into {pull_request.into} and no longer into {into}"
    base = facts.ref(names.head(into))
    if base != attempt.target and not (merged and pull_request and base == pull_request.merge_commit):
        yield "the base branch was changed by somebody"
    maintenance = facts.ref(names.head(names.maintenance_branch(attempt.stack, attempt.tag, prefix)))
    if maintenance != attempt.candidate and not (merged and maintenance == names.ZERO):
        yield "the maintenance branch is not the candidate"
