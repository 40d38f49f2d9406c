"""What an attempt says to people and what it keeps at its end: pull request, check run, issues, last words.

Each is a wish, made where what would be said differs from what was said before. Moves no branch.
"""

from __future__ import annotations

from typing import Literal

from patch_app.core import carry_overs, guard, lines, messages, names, own_checks, plan
from patch_app.core.attempt import Attempt, Stage, Undone
from patch_app.core.effects import (
    Close,
    Comment,
    Draft,
    EditPullRequest,
    Effect,
    EffectState,
    OpenIssue,
    OpenPullRequest,
    PutCheckRun,
    Record,
)
from patch_app.core.facts import Facts, PullRequest
from patch_app.core.plan import Decision


def pull_request(attempt: Attempt, facts: Facts) -> OpenPullRequest:
    """The pull request base <- maintenance."""
    prefix = attempt.configuration.branches.prefix
    return OpenPullRequest(
        head=names.maintenance_branch(attempt.stack, attempt.tag, prefix),
        base=names.base_branch(attempt.stack, attempt.tag, prefix),
        title=messages.pull_request_title(attempt),
        body=messages.pull_request_body(attempt),
        seq=plan.again(facts, "open_pull_request") + len(attempt.undone),
    )


def draft(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """A pull request whose checks failed is a draft, for a person to push the fix to; ready once they pass.

    One that a person made a draft is left alone.
    """
    pull_request = facts.pull_request
    failed = bool(attempt.failures)
    if pull_request is None or not pull_request.open or pull_request.draft is failed:
        return ()
    if not failed and not (attempt.drafted and own_checks.passed(attempt, facts.runs)):
        return ()
    seq = len([one for one in facts.effects.values() if one.effect.kind == "draft"])
    before = plan.last(facts, "draft")
    if before is not None and isinstance(before.effect, Draft) and before.effect.draft is failed:
        return ()  # GitHub refused, or a person decided otherwise since
    return (Draft(number=pull_request.number, draft=failed, seq=seq),)


def pull_request_edit(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """Brings the pull request up to date where what it says has changed."""
    if attempt.pull_request is None:
        return ()
    title, body = messages.pull_request_title(attempt), messages.pull_request_body(attempt)
    before = [
        one
        for one in plan.told(facts, "open_pull_request", "edit_pull_request")
        if isinstance(one, OpenPullRequest | EditPullRequest)
        if not (isinstance(one, OpenPullRequest) and one.base == attempt.stack)
    ]
    if before and (before[-1].title, before[-1].body) == (title, body):
        return ()
    seq = len(before) + plan.again(facts, "edit_pull_request")
    return (EditPullRequest(number=attempt.pull_request.number, title=title, body=body, seq=seq),)


def check_run(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """The App's check run on what was carried, where it would say something new."""
    there = attempt.cleaned or facts.ref(names.candidate_ref(attempt.id)) == attempt.candidate
    if attempt.candidate is None or not there:
        return ()
    title, summary, text = messages.check_run(attempt)
    status, conclusion = messages.check_conclusion(attempt)
    before = plan.told(facts, "put_check_run")
    first = not any(isinstance(one, PutCheckRun) and one.commit == attempt.candidate for one in before)
    wish = PutCheckRun(
        name=names.check_name(attempt.stack),
        commit=attempt.candidate,
        number=plan.check_run(facts, names.check_name(attempt.stack), attempt.candidate),
        external_id=attempt.id,
        status=status,
        conclusion=conclusion,
        title=title,
        summary=summary,
        text=text,
        buttons=messages.buttons(attempt),
        annotations=messages.check_annotations(attempt) if first else (),
        seq=len(before) + plan.again(facts, "put_check_run"),
    )
    same = {"seq": wish.seq, "number": wish.number, "annotations": wish.annotations}
    if before and before[-1].model_copy(update=same) == wish:
        return ()
    return (wish,)


def gate_notice(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """What the workflow gate found, where people can answer it."""
    title, body = messages.gate_issue(attempt)
    return (*_issue(attempt, facts, "gate", title, body), *check_run(attempt, facts))


def going_back_notice(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """What would leave the branch, where people can answer it."""
    title, body = messages.going_back_issue(attempt)
    return (*_issue(attempt, facts, "go-back", title, body), *check_run(attempt, facts))


def conflict_notice(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """The conflict as an issue and a check run; where issues are off, the check run has it all."""
    title, body = messages.conflict_issue(attempt)
    return (*_issue(attempt, facts, "conflict", title, body), *check_run(attempt, facts))


def _issue(attempt: Attempt, facts: Facts, kind: str, title: str, body: str) -> tuple[Effect, ...]:
    # another inbox is another report, and so an issue of its own
    marker = f"patch-app:{kind}:{attempt.id}:{(attempt.inbox or '')[:12]}"
    known = [one.marker for one in plan.told(facts, "open_issue") if isinstance(one, OpenIssue)]
    if not facts.has_issues or marker in known:
        return ()
    return (OpenIssue(marker=marker, title=title, body=body, seq=plan.again(facts, "open_issue")),)


def waiting_line(missing: list[str]) -> str:
    """What an attempt in review waits for, in one line."""
    return "waits for: " + "; ".join(missing) if missing else ""


def _close(
    attempt: Attempt, facts: Facts, subject: Literal["issue", "pull_request"], line: str
) -> tuple[Effect, ...]:
    if subject == "pull_request":
        numbers = [attempt.pull_request.number] if attempt.pull_request else []
    else:
        # one that asked about the workflow files, say, and then one about a conflict
        numbers = [
            int(one.outcome["number"])
            for one in facts.effects.values()
            if isinstance(one.effect, OpenIssue) and one.state is EffectState.DONE
            if not names.is_notice(one.effect.marker)
        ]
    wishes = [
        Close(
            subject=subject,
            number=number,
            marker=f"patch-app:close:{attempt.id}",
            comment=line,
            seq=plan.again(facts, "close"),
        )
        for number in numbers
    ]
    return tuple(wish for wish in wishes if not plan.same(facts, wish))


def _record(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """What a promoted candidate teaches about conflicts; nothing else is kept."""
    found = attempt.report.resolutions if attempt.report else None
    ref = names.resolutions_ref(attempt.stack)
    if found is None or attempt.inbox is None or attempt.stage is not Stage.PROMOTED or ref not in facts.refs:
        return ()
    if facts.ref(ref) not in plan.ours(attempt, facts, ref):
        return ()  # somebody else's: it is neither used nor overwritten
    wish = Record(ref=ref, before=facts.ref(ref), inbox=attempt.inbox, tree=found.tree)
    return () if plan.last(facts, "record") else (wish,)


def undo_merge(attempt: Attempt, facts: Facts, merged: PullRequest, missing: list[str]) -> Decision:
    """A merged pull request can't be opened again: its branches get back their values, another is made."""
    undone = Undone(number=merged.number, commit=merged.merge_commit or names.ZERO)
    comment = Comment(
        number=merged.number,
        marker=f"patch-app:undone:{attempt.id}:{merged.number}",
        body=lines.undone_line(attempt, missing),
        seq=plan.again(facts, "comment"),
    )
    after = attempt.model_copy(update={"undone": (*attempt.undone, undone), "pull_request": None})
    said = f"pull request #{merged.number} was merged without an approval, which is undone"
    return plan.to(after, Stage.GATED, message=said).model_copy(update={"effects": (comment,)})


def overtaken(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """Asks the person whose commits are on the branch what is to become of them, now that there is more."""
    newer = guard.overtaken(attempt, facts) if attempt.open and guard.has_work(attempt, facts) else None
    link = attempt.pull_request or attempt.issue
    if newer is None or newer.event == attempt.event or link is None:
        return ()
    marker = f"patch-app:newer:{attempt.id}:{newer.id}"
    if any(getattr(one, "marker", "") == marker for one in plan.told(facts, "comment")):
        return ()
    line = lines.overtaken_line(attempt, newer.tag)
    return (Comment(number=link.number, marker=marker, body=line, seq=plan.again(facts, "comment")),)


def last_words(attempt: Attempt, facts: Facts) -> tuple[Effect, ...]:
    """One line where an ended attempt was seen; a replay of the same release goes on in its pull request."""
    newer = [one for one in facts.siblings if one.newer]
    superseded = attempt.stage is Stage.SUPERSEDED
    if superseded and (not newer or any(one.event == attempt.event for one in newer)):
        # the pull request goes on with the replay; an issue is about this attempt's conflict alone
        line = lines.last_line(attempt, "")
        return (*_close(attempt, facts, "issue", line), *check_run(attempt, facts))
    line = lines.last_line(attempt, newer[-1].tag if superseded else "")
    return (
        *_close(attempt, facts, "pull_request", line),
        *_close(attempt, facts, "issue", line),
        *check_run(attempt, facts),
        *_record(attempt, facts),
        *carry_overs.offers(attempt, facts),
    )
