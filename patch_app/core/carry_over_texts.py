"""What people read about carry-overs: the offer, the answers, the commands to go on by hand. Pure.

Names of branches and repositories are strangers' text: shown as `markdown` shows it, quoted for a shell.
"""

from __future__ import annotations

import shlex
from typing import Final

from patch_app.core import markdown, message_parts, messages, names, patch_table
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.carry_over import CarryOver
from patch_app.core.markdown import code, inline
from patch_app.core.message_parts import commit
from patch_app.core.report import Verdict

_BODY: Final = markdown.BODY_LIMIT - 500
# what a conflict's hunks leave to the table of patches
_ROOM_FOR_PATCHES: Final = 8000


def offer(attempt: Attempt) -> str:
    """On a pull request whose maintained branch was promoted: what happened, and the command."""
    archive = attempt.place(names.archive_ref(attempt.id))
    by_hand = (
        f"git fetch origin {archive} {shlex.quote(names.head(attempt.stack))}\n"
        f"git rebase --onto {attempt.candidate} {attempt.stack_head}\n"
    )
    return (
        f"{code(attempt.stack)} was moved to {commit(attempt, attempt.candidate)}, which carries it onto "
        f"{code(attempt.tag)}. This pull request still stands on what the branch was before, "
        f"{commit(attempt, attempt.stack_head)}: GitHub counts the old patches among its commits, and may "
        "show conflicts.\n\n"
        "`/patch carry-over` in a comment, by somebody with write permission, puts this pull request's own "
        f"commits onto the new {code(attempt.stack)}, and says what became of each. Its head as it is now is "
        "kept. Without it nothing happens here.\n\n"
        f"{markdown.details('By hand', markdown.fenced(by_hand, 'sh'))}\n"
        '`carry_over = "off"` under `[pull_requests]` in `.github/patch-app.toml` turns these comments off.'
    )


def refusal(person: str, lines: list[str]) -> str:
    """To a command that begins nothing."""
    listed = "".join(f"\n\n- {line}" for line in lines) if len(lines) > 1 else f" {lines[0]}"
    return f"{inline(person)}:{listed}"


def answer(attempt: Attempt) -> str:
    """At the end of a carry-over, or at its conflict."""
    over = attempt.carry_over
    if over is None:
        raise ValueError("only a carry-over has such an answer")
    match attempt.stage:
        case Stage.CARRIED_OVER:
            first = _left(attempt, over) if over.left else _put(attempt, over)
            return message_parts.fitted(attempt, first, "", _BODY)
        case Stage.CONFLICT:
            return _conflict(attempt, over)
        case Stage.CONTAINED:
            first = f"{inline(over.person)}: nothing was moved, since {inline(attempt.message)}."
            return message_parts.fitted(attempt, first, "", _BODY)
        case _:
            return (
                f"{inline(over.person)}: this was not carried over: {inline(attempt.message)}. "
                f"{_kept(attempt)}`/patch carry-over` asks again."
            )


def conflict_line(attempt: Attempt) -> str:
    """The conflict in one line."""
    report, over = attempt.report, attempt.carry_over
    stopped = messages.conflicted(report) if report else None
    if report is None or over is None or stopped is None:
        return "the pull request conflicts with what it is carried onto"
    return f"commit {stopped[0]} of {len(report.patches)} conflicts with {over.into}: {stopped[1].subject}"


def _head(attempt: Attempt, over: CarryOver) -> str:
    report = attempt.report
    number = len(report.patches) if report else 0
    sums = patch_table.weighed(report.patches) if report else ""
    return (
        f"{inline(over.person)}: **{patch_table.counted(number, 'commit')} of this pull request on "
        f"{code(over.into)}** ({commit(attempt, attempt.target)}): {sums}."
    )


def _put(attempt: Attempt, over: CarryOver) -> str:
    take_up = (
        f"git fetch origin {shlex.quote(names.head(over.branch))}\ngit reset --keep {attempt.candidate}\n"
    )
    return (
        f"{_head(attempt, over)}\n\n{code(over.branch)} is {commit(attempt, attempt.candidate)} now and was "
        f"{commit(attempt, attempt.stack_head)}, which stays at {message_parts.archive(attempt)}. "
        f"In a clone that has the branch checked out:\n\n{markdown.fenced(take_up, 'sh').rstrip()}"
    )


def _left(attempt: Attempt, over: CarryOver) -> str:
    return (
        f"{_head(attempt, over)}\n\nThe pull request was left as it is: {inline(over.left or '')}. Its "
        f"author can take this up; nothing is overwritten that was pushed meanwhile:\n\n"
        f"{markdown.fenced(_fetch(attempt) + _push(attempt, over, _fetched(attempt)), 'sh').rstrip()}"
    )


def _conflict(attempt: Attempt, over: CarryOver) -> str:
    report = attempt.report
    stopped = messages.conflicted(report) if report else None
    if report is None or stopped is None:
        return f"{inline(over.person)}: {inline(conflict_line(attempt))}."
    number, patch = stopped
    found = report.conflict
    files = [(code(one.path, 200), inline(one.kind, 100)) for one in found.files[:100]] if found else []
    table = markdown.table(("file", "conflict"), files) + "\n" if files else ""
    before = (
        f"{_head(attempt, over)}\n\n**Commit {number} conflicts**: {commit(attempt, patch.old)} "
        f"{inline(patch.subject, 200)}. The pull request was left as it is.\n\n"
    )
    after = f"### To go on by hand\n\n{markdown.fenced(_go_on(attempt, over), 'sh')}\n### All commits"
    spare = _BODY - markdown.size(before + table + after) - _ROOM_FOR_PATCHES
    shown = "### The conflicting hunks\n\n" + markdown.fenced(found.diff, "diff") if found else ""
    hunks = markdown.bounded(shown, spare, message_parts.run_url(attempt)) if spare > 1000 else ""
    return message_parts.fitted(attempt, f"{before}{table}{hunks}\n{after}", "", _BODY, diff=False)


# Commands ---------------------------------------------------------------------------------------


def _kept(attempt: Attempt) -> str:
    """Where the result of one is that came too late."""
    ref = names.candidate_ref(attempt.id)
    clean = attempt.report is not None and attempt.report.candidate is not None
    found = clean and ref in attempt.written
    return f"What was carried is at {message_parts.kept(attempt, ref)}. " if found else ""


def _url(attempt: Attempt, repository: str | None) -> str:
    root = message_parts.web(attempt) or "https://github.com"
    return f"{root}/{repository or 'OWNER/REPOSITORY'}.git"


def _fetch(attempt: Attempt) -> str:
    ref = attempt.place(names.candidate_ref(attempt.id))
    return shlex.join(["git", "fetch", _url(attempt, attempt.repository), ref]) + "\n"


def _fetched(attempt: Attempt) -> str:
    # a branch that stands for a ref has what is kept as its parent
    return "FETCH_HEAD^" if attempt.on_branches else "FETCH_HEAD"


def _push(attempt: Attempt, over: CarryOver, what: str) -> str:
    lease = f"--force-with-lease={over.branch}:{attempt.stack_head}"
    url = _url(attempt, over.repository)
    return shlex.join(["git", "push", lease, url, f"{what}:{names.head(over.branch)}"]) + "\n"


def _go_on(attempt: Attempt, over: CarryOver) -> str:
    patches = attempt.report.patches if attempt.report else ()
    left = [one for one in patches if one.verdict in (Verdict.CONFLICTED, Verdict.NOT_TRIED)]
    picks = [one.old for one in left if not one.merge]
    lines = [
        f"{_fetch(attempt)}git switch --detach {_fetched(attempt)}",
        shlex.join(["git", "fetch", _url(attempt, attempt.repository), names.pull_ref(over.number)]),
    ]
    if picks and not left[0].merge:
        lines.append(
            f"git cherry-pick {picks[0]}\n# edit the files, `git add` them, then: git cherry-pick --continue"
        )
        picks = picks[1:]
    lines += [f"git cherry-pick {' '.join(picks)}"] if picks else []
    lines += [
        f"git show --remerge-diff {one.old}  # a merge: make a commit of what it settled or added"
        for one in left
        if one.merge
    ]
    return "\n".join(lines) + "\n" + _push(attempt, over, "HEAD")
