"""What people read on GitHub: titles and bodies made from an attempt and its report. Pure.

Everything that strangers wrote goes through `markdown`. Bodies stay within GitHub's limits: the
range-diffs are cut first, then the table's last rows, and the run's page is linked for the rest.
"""

from __future__ import annotations

import json
from typing import Final, Literal, TypeAlias, assert_never

from patch_app.core import (
    configuration,
    conflict_lines,
    failure_text,
    leaving_text,
    markdown,
    message_parts,
    names,
    patch_table,
    review_text,
    verify,
)
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Strategy
from patch_app.core.effects import Annotation, Button
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import commit
from patch_app.core.report import Patch, Report, Resolver, Verdict
from patch_app.core.vouch import By

CheckStatus: TypeAlias = Literal["queued", "in_progress", "completed"]
Conclusion: TypeAlias = Literal[
    "success", "failure", "neutral", "cancelled", "action_required", "timed_out", "skipped"
]

# room for the marker by which an issue is found again
_BODY: Final = markdown.BODY_LIMIT - 500
_TITLE: Final = 240
# what a conflict's hunks leave to the table of patches
_ROOM_FOR_PATCHES: Final = 8000


# of a pull request, below the patches
_PARTS: Final = (
    leaving_text.written,
    failure_text.written,
    review_text.breaking,
    review_text.upstream_changes,
    review_text.workflows,
    review_text.checks,
    review_text.artifacts,
    review_text.on_approval,
    review_text.usage,
)


# Pull request ----------------------------------------------------------------------------------


def pull_request_title(attempt: Attempt) -> str:
    """`Carry 6 patches onto rust-v0.132.0`, or `Merge rust-v0.132.0 into main`."""
    report = attempt.report
    if verify.merges_forward(attempt):
        return markdown.line(f"Merge {attempt.tag} into {attempt.stack}", _TITLE)
    number = patch_table.carried(report) if report else 0
    if number == 0:
        return markdown.line(f"Move {attempt.stack} to {attempt.tag}: no patch of ours is left", _TITLE)
    return markdown.line(f"Carry {patch_table.counted(number, 'patch')} onto {attempt.tag}", _TITLE)


def pull_request_body(attempt: Attempt) -> str:
    """The verdict of the whole and what it waits for; the patches; what helps to decide; what that does."""
    first = "\n\n".join(
        part.rstrip()
        for part in (
            _verdict(attempt),
            review_text.proof(attempt),
            _state(attempt),
            review_text.since(attempt),
        )
        if part
    )
    parts = (part(attempt) for part in _PARTS)
    return message_parts.fitted(attempt, first, "\n".join(part for part in parts if part), _BODY)


def _verdict(attempt: Attempt) -> str:
    report = attempt.report
    if report is None:
        return f"{code(attempt.stack)} has not been carried onto {code(attempt.tag)} yet."
    patches = report.patches
    if report.candidate is not None:
        whole = (
            f"**All {patch_table.counted(len(patches), 'patch')} of"
            if len(patches) != 1
            else "**The patch of"
        )
        are = "are" if len(patches) != 1 else "is"
        sum_of_all = patch_table.weighed(patches) or "nothing to carry"
        return (
            f"{whole} {code(attempt.stack)} {are} accounted for on {code(attempt.tag)}**: "
            f"{sum_of_all}.{_merges(attempt, report)}{_notes(attempt, report)}"
        )
    stopped = conflicted(report)
    if stopped is None:
        return (
            f"{code(attempt.stack)} could not be carried onto {code(attempt.tag)}: {inline(attempt.message)}"
        )
    number, patch = stopped
    return (
        f"**Patch {number} of {len(patches)} of {code(attempt.stack)} conflicts with {code(attempt.tag)}**: "
        f"{inline(patch.subject, 200)} ({patch_table.summed(patches)}).{_notes(attempt, report)}"
    )


def _merges(attempt: Attempt, report: Report) -> str:
    if verify.merges_forward(attempt):
        return " Its commits stay as they are: one commit merges the release into them."
    if not report.merges:
        return ""
    own = "which adds nothing of its own" if len(report.merges) == 1 else "which add nothing of their own"
    return f" Left out: {patch_table.counted(len(report.merges), 'merge commit')}, {own}."


def _notes(attempt: Attempt, report: Report) -> str:
    added = ", ".join(f"{one.sha[:10]} {one.subject}" for one in report.added[:10])
    more = f" and {len(report.added) - 10} more" if len(report.added) > 10 else ""
    said = [f"About the stack: {inline(note, 2000)}." for note in report.notes]
    said += [f"Added by a person: {inline(added, 1000)}{more}."] if added else []
    said += patch_table.drift(report)
    if report.resolver:
        said.append(_resolver(attempt, report.resolver))
    if report.resolutions:
        kept = patch_table.counted(report.resolutions.learned, "resolution")
        said.append(f"Kept for the next release, once this is promoted: {kept} of this stack.")
    return "".join(f"\n\n{one}" for one in said)


def _resolver(attempt: Attempt, told: Resolver) -> str:
    """Nobody has seen yet what it made: a person must, and what it said is there to be read."""
    answers = [
        f"settled {patch_table.counted(told.settled, 'conflict')}" if told.settled else "",
        f"had no answer that could be taken for {told.refused}" if told.refused else "",
    ]
    what = " and ".join(one for one in answers if one) or "was asked about no conflict"
    where = f". What it said is in `resolver.log` of {commit(attempt, attempt.inbox)}" if told.log else ""
    look = ": look at each line of that" if told.settled else ""
    return f"The resolver {inline(told.name, 60)} {what}{look}{where}."


def conflicted(report: Report) -> tuple[int, Patch] | None:
    """The patch that the carry stopped at, with its number in the stack from 1."""
    return next(((n, p) for n, p in enumerate(report.patches, 1) if p.verdict is Verdict.CONFLICTED), None)


def _state(attempt: Attempt) -> str:
    return f"**Now:** {inline(attempt.message)}\n" if attempt.message else ""


# Check run ---------------------------------------------------------------------------------------


def check_run(attempt: Attempt) -> tuple[str, str, str]:
    """Title, summary (with the ids as a block of JSON) and text of the App's check run."""
    report = attempt.report
    stopped = conflicted(report) if report else None
    if report is None:
        title = f"{attempt.tag}: {attempt.stage.value}"
    elif stopped is not None:
        title = f"Patch {stopped[0]} of {len(report.patches)} conflicts with {attempt.tag}"
    elif attempt.goes_back:
        title = leaving_text.title(attempt)
    elif attempt.gate:
        title = review_text.gate_title(attempt)
    else:
        title = f"{attempt.tag}: {patch_table.summed(report.patches) or 'nothing to carry'}"
    ids = json.dumps(check_run_ids(attempt), indent=1, sort_keys=True)
    proof = review_text.proof(attempt)
    whole = f"{_verdict(attempt)}\n\n{proof}" if proof else _verdict(attempt)
    summary = f"{whole}\n\n{_state(attempt)}\n{_vouched(attempt)}{markdown.fenced(ids, 'json')}"
    if stopped is not None:
        leaving, waits = leaving_text.written(attempt), review_text.at_the_gate(attempt)
        room = markdown.CHECK_LIMIT - markdown.size(leaving) - markdown.size(waits) - 2
        text = "\n".join(part for part in (leaving, _conflict(attempt, room), waits) if part)
    else:
        parts = (
            leaving_text.written,
            review_text.at_the_gate,
            review_text.workflows,
            review_text.artifacts,
        )
        rest = "\n".join(text for text in (part(attempt) for part in parts) if text)
        text = message_parts.fitted(attempt, "", rest, markdown.CHECK_LIMIT)
    return (
        markdown.line(title, _TITLE),
        markdown.bounded(summary, markdown.CHECK_LIMIT, message_parts.run_url(attempt)),
        text,
    )


def _vouched(attempt: Attempt) -> str:
    """What was checked of the report's origin, which nobody else's text can say here."""
    vouch = attempt.vouch
    if vouch is None:
        return ""
    of = f"attempt {vouch.run_attempt} of run {vouch.run}"
    commit_id = code(names.short(vouch.commit))
    match vouch.by:
        case By.SIGNATURE:
            at = f" at {vouch.issued:%Y-%m-%d %H:%M:%S} UTC" if vouch.issued else ""
            by = f"GitHub's signature (key {code(vouch.key or '', 100)}, issued{at} to the job that carried)"
        case By.LOG:
            by = "the log of the job that carried, which has no token; `auto` doesn't count that"
        case _:
            assert_never(vouch.by)
    return f"The report {commit_id} is the one of {of}, by {by}.\n\n"


def check_annotations(attempt: Attempt) -> tuple[Annotation, ...]:
    """What the check run says at the conflict's lines."""
    stopped = conflicted(attempt.report) if attempt.report else None
    if attempt.report is None or attempt.report.conflict is None or stopped is None:
        return ()
    subject = f"Patch {stopped[0]} of {len(attempt.report.patches)}, {stopped[1].subject}"
    return conflict_lines.annotated(attempt.report.conflict, subject)


def check_run_ids(attempt: Attempt) -> dict[str, str | None]:
    """The ids that the App vouches for in its check run, which only the App can write."""
    return {
        "attempt": attempt.id,
        "event": attempt.event,
        "tag": attempt.tag,
        "stack": attempt.stack,
        "stack_head": attempt.stack_head,
        "target": attempt.target,
        "base": attempt.base,
        "inbox": attempt.inbox,
        "vouched_by": attempt.vouch.by.value if attempt.vouch else None,
        "candidate": attempt.candidate,
        "candidate_ref": attempt.place(names.candidate_ref(attempt.id)),
        "archive_ref": attempt.place(names.archive_ref(attempt.id)),
        "resolutions": attempt.written.get(names.resolutions_ref(attempt.stack)),
        **({"landing": attempt.landing.commit} if attempt.landing else {}),
        # so that a button pressed again is no repetition of the delivery that told of it before
        **({"pressed": str(len(attempt.presses))} if attempt.presses else {}),
    }


def buttons(attempt: Attempt) -> tuple[Button, ...]:
    """What can be asked for on the check run's page, at the attempt's stage."""
    retry = Button(label="Retry", description="Run this attempt again", identifier="retry")
    if attempt.stage is Stage.FAILED:
        return (retry,)
    if not attempt.open:
        return ()
    if attempt.hold is not None:
        return (Button(label="Resume", description="Go on after the hold", identifier="resume"),)
    hold = Button(label="Hold", description="Do nothing more for now", identifier="hold")
    ask = Button(label="Promote", description="Ask for the promotion", identifier="promote")
    if attempt.gate:
        trust = Button(
            label="Let workflows run", description="For maintain and admin", identifier="trust-workflows"
        )
        return (trust, retry, hold)
    asked = (Stage.GATED, Stage.REVIEWING)
    return (ask, retry, hold) if attempt.stage in asked else (retry, hold)


def check_conclusion(attempt: Attempt) -> tuple[CheckStatus, Conclusion | None]:
    """Status and conclusion of the App's check run at the attempt's stage."""
    match attempt.stage:
        case Stage.PREFLIGHT | Stage.DISPATCHED | Stage.RUNNING:
            return "in_progress", None
        case Stage.CARRIED:
            return ("completed", "action_required") if attempt.gate else ("in_progress", None)
        case Stage.GATED | Stage.REVIEWING | Stage.APPROVED | Stage.PROMOTING | Stage.PROMOTED:
            return "completed", "success"
        case Stage.CONFLICT | Stage.HELD | Stage.BLOCKED:
            return "completed", "action_required"
        case Stage.FAILED:
            return "completed", "failure"
        case Stage.SUPERSEDED | Stage.ABANDONED | Stage.CONTAINED | Stage.ROLLED_BACK | Stage.CARRIED_OVER:
            return "completed", "neutral"
        case _:
            assert_never(attempt.stage)


# Issues --------------------------------------------------------------------------------------------


def conflict_issue(attempt: Attempt) -> tuple[str, str]:
    """Title and body: the patch, the files, the hunks, who touched them, how to reproduce and go on."""
    report = attempt.report
    stopped = conflicted(report) if report else None
    if report is None or stopped is None:
        raise ValueError("an attempt without a conflicted patch has no conflict to tell of")
    number, patch = stopped
    title = f"Patch {number} of {len(report.patches)} conflicts with {attempt.tag}: {patch.subject}"
    return markdown.line(title, _TITLE), _conflict(attempt, _BODY)


def _conflict(attempt: Attempt, limit: int) -> str:
    report = attempt.report
    stopped = conflicted(report) if report else None
    if report is None or stopped is None:
        return ""
    patch = stopped[1]
    conflict = report.conflict
    files = [(code(one.path, 200), inline(one.kind, 100)) for one in conflict.files[:100]] if conflict else []
    hunks = "### The conflicting hunks\n\n" + markdown.fenced(conflict.diff, "diff") if conflict else ""
    before = (
        f"{_verdict(attempt)}\n\n"
        f"The patch is {commit(attempt, patch.old)} by {inline(patch.author, 100)}. "
        f"{_carried_before(attempt, stopped[0])}\n\n"
    )
    table = markdown.table(("file", "conflict"), files) + "\n" if files else ""
    after = (
        f"{_touched_by(patch)}{_of_upstream(attempt)}"
        f"### To reproduce it\n\n{markdown.fenced(_reproduce(attempt), 'sh')}\n"
        f"{_go_on(attempt, report)}\n### All patches"
    )
    spare = limit - markdown.size(before + table + after) - _ROOM_FOR_PATCHES
    hunks = markdown.bounded(hunks, spare, message_parts.run_url(attempt)) if spare > 1000 else ""
    return message_parts.fitted(attempt, f"{before}{table}{hunks}\n{after}", "", limit, diff=False)


def _carried_before(attempt: Attempt, number: int) -> str:
    branch = names.maintenance_branch(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    if verify.merges_forward(attempt):
        return f"Nothing was merged; {code(attempt.stack)} is as it was."
    before = (
        "Nothing was"
        if number == 1
        else "The one before it was"
        if number == 2
        else f"The {number - 1} before it were"
    )
    return f"{before} carried; {code(branch)} holds what there is, to go on from."


def _touched_by(patch: Patch) -> str:
    if not patch.upstream_commits:
        return ""
    rows = "".join(f"- {one.sha} {inline(one.subject, 200)}\n" for one in patch.upstream_commits[:20])
    return f"### Upstream commits that touched these files\n\n{rows}\n"


def _of_upstream(attempt: Attempt) -> str:
    parts = (review_text.breaking(attempt), review_text.upstream_changes(attempt))
    return "".join(f"{part}\n" for part in parts if part)


def _reproduce(attempt: Attempt) -> str:
    root = message_parts.web(attempt)
    upstream = f"{root}/{attempt.upstream}" if root and "://" not in attempt.upstream else attempt.upstream
    fork = f"{root}/{attempt.repository}" if root else attempt.repository
    stack = configuration.stack_of(attempt.configuration, attempt.stack)
    options = [] if stack.strategy is Strategy.REBASE else ["--strategy", stack.strategy.value]
    for one in attempt.patches:
        options += ["--patches", one.branch]
    return patch_table.reproduce(fork, attempt.stack, attempt.tag, upstream, *options)


def _go_on(attempt: Attempt, report: Report) -> str:
    root = message_parts.web(attempt) or "https://github.com"
    merge = verify.merges_forward(attempt)
    commands = (patch_table.merge_by_hand if merge else patch_table.go_on)(
        report,
        clone_url=f"{root}/{attempt.repository}.git",
        maintenance=names.maintenance_branch(
            attempt.stack, attempt.tag, attempt.configuration.branches.prefix
        ),
        archive=attempt.place(names.archive_ref(attempt.id)),
    )
    return (
        "### To go on by hand\n\n"
        f"{markdown.fenced(commands, 'sh')}\n"
        "What you push to the maintenance branch is the new candidate, commit for commit: the App says which "
        "patch is which, runs the checks and opens a pull request for it. Nothing is promoted before a "
        f"review of exactly that. The old stack stays at {message_parts.archive(attempt)}.\n"
        f"{patch_table.on_its_branch(report)}"
    )


def gate_issue(attempt: Attempt) -> tuple[str, str]:
    """Title and body: what would run with something to lose that is new, and how to let it."""
    body = (
        f"{_verdict(attempt)}\n\n"
        f"No branch was made yet: on a branch of {code(attempt.repository)}, the workflow files of "
        f"{code(attempt.tag)} run with what this repository gives them, and their scripts are "
        "upstream's code. A person with admin or maintain lets this candidate go on with a comment of this "
        "line:\n\n"
        f"{markdown.fenced('/patch trust-workflows ' + (attempt.candidate or ''))}\n"
        f"{review_text.at_the_gate(attempt)}"
    )
    title = markdown.line(review_text.gate_title(attempt), _TITLE)
    return title, markdown.bounded(body, _BODY, message_parts.run_url(attempt))


def going_back_issue(attempt: Attempt) -> tuple[str, str]:
    """Title and body: which commits of upstream would leave the branch, and how to let them."""
    body = f"{_verdict(attempt)}\n\n{leaving_text.written(attempt)}"
    bounded = markdown.bounded(body, _BODY, message_parts.run_url(attempt))
    return markdown.line(leaving_text.title(attempt), _TITLE), bounded


# One line --------------------------------------------------------------------------------------------


def conflict_line(attempt: Attempt) -> str:
    """The conflict in one line."""
    report = attempt.report
    stopped = conflicted(report) if report else None
    if report is None or stopped is None:
        return f"the stack conflicts with {attempt.tag}"
    number, patch = stopped
    return f"patch {number} of {len(report.patches)} conflicts with {attempt.tag}: {patch.subject}"
