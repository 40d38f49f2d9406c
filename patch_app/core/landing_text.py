"""What is said of a landing: its commit's message, its pull request, and why that was closed. Pure."""

from __future__ import annotations

from patch_app.core import markdown, names, patch_table
from patch_app.core.attempt import Attempt
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import archive, commit

_TITLE = 240


def title(attempt: Attempt) -> str:
    """`Land v1.1.0 on main`."""
    return markdown.line(f"Land {attempt.tag} on {attempt.stack}", _TITLE)


def message(attempt: Attempt) -> str:
    """Of the commit. The same for the same candidate, since the commit is known again by its bytes."""
    return (
        f"{title(attempt)}\n\n"
        f"The files are those of {attempt.candidate}, which carries the stack of {attempt.stack} onto "
        f"{attempt.tag}. The first parent is what the branch was before.\n"
    )


def body(attempt: Attempt) -> str:
    """What it is, how it has to be merged, and where the stack was reviewed."""
    number = patch_table.carried(attempt.report) if attempt.report else 0
    reviewed = f"in #{attempt.pull_request.number}" if attempt.pull_request else "before"
    stack, tag = code(attempt.stack), code(attempt.tag)
    return (
        f"This brings {stack} to {tag} with {patch_table.counted(number, 'patch')} of its own. The stack was "
        f"reviewed patch by patch {reviewed}; the files here are exactly those of the approved candidate, "
        f"{commit(attempt, attempt.candidate)}.\n\n"
        "**Merge it with a merge commit.** A squash or a rebase would lose the candidate's commits, from "
        "which the next release is carried.\n\n"
        f"- What differs from {stack} is the release and the patches on it. Reviews, code owners, checks and "
        "merge queue are those of the branch's own rules.\n"
        "- Don't push to this branch: a change belongs on the maintenance branch, where it is reviewed.\n"
        f"- If {stack} moves before the merge, this is closed and the new commits are carried, too.\n"
        f"- Closed without a merge means no. {code('/patch promote')} {reviewed} opens another one.\n"
        f"- The old stack, {commit(attempt, attempt.stack_head)}, stays at {archive(attempt)}.\n"
    )


def closed(attempt: Attempt) -> str:
    """The one line where it was closed without a merge."""
    if attempt.landing is not None and attempt.landing.refused is not None:
        return f"{inline(attempt.landing.refused)[:1].upper()}{inline(attempt.landing.refused)[1:]}."
    why = inline(attempt.message) or f"the attempt is {attempt.stage.value} again"
    return f"Closed, and not to be merged: {why}."


def promoted(attempt: Attempt) -> str:
    """What the maintained branch is after the merge."""
    link = attempt.landing.pull_request if attempt.landing else None
    by = f", by pull request #{link.number}" if link else ""
    return f"{attempt.stack} has {names.short(attempt.candidate)} now{by}"


def no_rollback(attempt: Attempt) -> str:
    """Why a promotion by pull request isn't taken back, and what to do."""
    link = attempt.landing.pull_request if attempt.landing else None
    which = f"#{link.number}" if link else "the pull request that brought it"
    return (
        f"{code(attempt.stack)} is never forced, so nothing was moved: revert {which} on GitHub. The next "
        f"release carries the revert like any commit; {code('/patch drop')} leaves it out then."
    )
