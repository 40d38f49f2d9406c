"""Single lines: what is said where a pull request ends, or where a person has to choose. Pure."""

from __future__ import annotations

from patch_app.core import approval, patch_table
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import archive, commit


def last_line(attempt: Attempt, newer_tag: str) -> str:
    """What is said where an ended attempt was seen; `newer_tag`: the release that took over, if one did."""
    if attempt.stage is Stage.PROMOTED:
        number = patch_table.carried(attempt.report) if attempt.report else 0
        link = attempt.landing.pull_request if attempt.landing else None
        now = f"has {commit(attempt, attempt.candidate)} by #{link.number}" if link else ""
        return (
            f"Promoted: {code(attempt.stack)} {now or f'is {commit(attempt, attempt.candidate)} now'}, "
            f"{code(attempt.tag)} with {patch_table.counted(number, 'patch')}. "
            f"The old stack, {commit(attempt, attempt.stack_head)}, "
            f"stays at {archive(attempt)}.{_carried_over(attempt)}"
        )
    if newer_tag:
        return (
            f"{code(newer_tag)} is out: the stack is carried onto it instead, and nothing more happens with "
            f"{code(attempt.tag)} here."
        )
    return f"{inline(attempt.message)}: nothing more happens with {code(attempt.tag)} here."


def _carried_over(attempt: Attempt) -> str:
    older = approval.carried_over(attempt)
    if older is None:
        return ""
    return f" The approval was of {commit(attempt, older)}: every patch and the target are the same."


def overtaken_line(attempt: Attempt, newer_tag: str) -> str:
    """What is asked of who has pushed, when the next release is out."""
    return (
        f"{code(newer_tag)} is out and is carried too. This attempt stays, since somebody's own commits are "
        "on its branch: promote it first, so that they are carried on with the stack, or end it with "
        "`/patch abandon`."
    )


def undone_line(attempt: Attempt, missing: list[str]) -> str:
    """What is said where a pull request was merged that nobody had approved."""
    return (
        f"This was merged without an approval, so {code(attempt.stack)} did not move: the merge went into a "
        f"branch of the App's own, and is undone. Missing: {'; '.join(inline(one) for one in missing)}. "
        "Another pull request follows."
    )
