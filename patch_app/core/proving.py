"""Which candidates the server proves for `auto`, and whether their commits are those that they must have.

The server looks at parents, authors and messages itself; of a report it takes the list of the patches, and
that only where the branch has exactly these commits in this order. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from patch_app.core import configuration
from patch_app.core.attempt import Attempt
from patch_app.core.configuration import Approve, Strategy
from patch_app.core.proof import Proof
from patch_app.core.report import Report, Verdict

MOST_PATCHES: Final = 30
MOST_INSTALLED: Final = 50
# seconds until GitHub is asked again for what it couldn't give
PAUSE: Final = 300
# a path may be long
_MOST_SAID: Final = 300
# who the runner names as the committer of what it carries
COMMITTER: Final = "patch_app <patch-app@users.noreply>"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit as GitHub shows it. `files`, `added`, `removed`: how much it changes; None: not told."""

    tree: str
    parents: tuple[str, ...]
    message: str
    # name, address and time
    author: str
    committer: str
    files: int | None
    added: int
    removed: int


def current(attempt: Attempt) -> Proof | None:
    """What the server found out about exactly this candidate."""
    proof = attempt.proof
    return proof if proof is not None and proof.candidate == attempt.candidate else None


def wanted(attempt: Attempt) -> bool:
    """Whether the candidate could go on by itself, and nobody knows yet if it may."""
    report, known = attempt.report, current(attempt)
    return (
        attempt.configuration.promotion.approve is Approve.AUTO
        and attempt.carry_over is None
        and attempt.pushed is None
        and report is not None
        and report.candidate is not None
        and all(patch.verdict is Verdict.CLEAN for patch in report.patches)
        and (known is None or known.again)
    )


def due(attempt: Attempt, now: datetime) -> bool:
    """Whether GitHub is to be read for it at this time."""
    known = current(attempt)
    return wanted(attempt) and (known is None or (now - known.at).total_seconds() >= PAUSE)


def unprovable(attempt: Attempt, report: Report) -> str | None:
    """Why a person has to decide whatever the diffs say."""
    stack = configuration.stack_of(attempt.configuration, attempt.stack)
    if stack.strategy is Strategy.MERGE:
        return "the release is merged into the stack, and no diff of GitHub's shows what the merge settled"
    if stack.strategy is Strategy.PATCHES or report.branches:
        return "the stack is built from patch branches, whose order no history has"
    if len(report.patches) > MOST_PATCHES:
        return f"the stack has {len(report.patches)} patches, and at most {MOST_PATCHES} are compared"
    if report.installed is not None and len(report.installed.commits) > MOST_INSTALLED:
        return f"the App's own files were changed more than {MOST_INSTALLED} times"
    if report.merges or report.other_bases or any(patch.merge for patch in report.patches):
        return "the stack has merge commits"
    if report.start not in (None, stack.start):
        return "the stack begins at a merge of upstream"
    return None


def named(attempt: Attempt, report: Report) -> tuple[str, ...]:
    """Every commit that has to be looked at."""
    own = report.installed
    found = [
        attempt.target,
        report.start or report.base,
        *(sha for patch in report.patches for sha in (patch.old, patch.new)),
        *((*own.commits, own.new) if own else ()),
    ]
    return tuple(dict.fromkeys(one for one in found if one))


def row_problem(
    attempt: Attempt, report: Report, commits: Mapping[str, Commit], merge_base: str | None
) -> str | None:
    """Why the branch isn't the patches in a row, or the candidate not one commit for each of them.

    `merge_base`: the newest commit that stack and release both have, as GitHub says.
    """
    begin = report.start or merge_base
    if begin is None or (report.start is None and report.base != begin):
        return "the stack stands on commits of upstream that the release lacks"
    own = report.installed
    ours = own.commits if own else ()
    there, at = [], attempt.stack_head or ""
    while at != begin:
        if at not in commits or len(commits[at].parents) != 1 or at in there:
            return f"the commits of {attempt.stack} are not the patches in a row"
        there.append(at)
        at = commits[at].parents[0]
    row = [one for one in reversed(there) if one not in ours]
    if row != [patch.old for patch in report.patches] or not set(ours) <= set(there):
        return f"the commits of {attempt.stack} are not the patches in a row"
    at = attempt.target or ""
    carried = [patch.new or "" for patch in report.patches] + ([own.new] if own and own.new else [])
    for one in carried:
        if one not in commits or commits[one].parents != (at,):
            return f"{one[:12]} doesn't stand on {at[:12]}"
        at = one
    if at != attempt.candidate:
        return "the candidate isn't the last of the carried commits"
    return _people_problem(report, commits)


def _people_problem(report: Report, commits: Mapping[str, Commit]) -> str | None:
    pairs: list[tuple[tuple[str, ...], str]] = [((one.old,), one.new or "") for one in report.patches]
    own = report.installed
    if own is not None and own.new:
        pairs.append((own.commits, own.new))
    for number, (olds, new) in enumerate(pairs, 1):
        made = commits[new]
        known = {(commits[old].author, commits[old].message) for old in olds}
        if (made.author, made.message) not in known:
            return f"{_patch(number, report, new)} has another author or message"
        if made.committer != COMMITTER:
            return f"{_patch(number, report, new)} has a committer that isn't the App's runner"
    return None


def differs(number: int, report: Report, what: str) -> str:
    """The sentence for a patch, numbered from 1, whose carried commit isn't the same."""
    told = what if len(what) <= _MOST_SAID else f"{what[:_MOST_SAID]}…"
    return f"patch {number} of {len(report.patches)} isn't the same on the candidate: {told}"


def _patch(number: int, report: Report, new: str) -> str:
    return f"patch {number}" if number <= len(report.patches) else f"the App's own commit {new[:12]}"


def diff_problem(commits: Mapping[str, Commit], sha: str, shown: tuple[int, int, int]) -> str | None:
    """Why a diff of the commit isn't a whole one. `shown`: the files, lines added and lines removed in it."""
    commit = commits[sha]
    if commit.files is None:
        return "GitHub doesn't say how much it changes"
    told = (commit.files, commit.added, commit.removed)
    if any(seen < there for seen, there in zip(shown, told, strict=True)):
        return "GitHub's diff of it is cut"
    before = commits[commit.parents[0]].tree if commit.parents[0] in commits else None
    if before != commit.tree and shown[0] == 0:
        return "GitHub's diff of it is empty"
    return None
