"""The patches of a report as people read them: counts in words, a table, the commands to go on.

Everything that comes out of a report is foreign text. Refuses to judge: verdicts are shown as they are.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final, assert_never

from patch_app.core import markdown
from patch_app.core.report import CARRIED, Drift, Patch, Report, Verdict

# a longer list of ids is given as a range instead
MAX_LISTED: Final = 30
_MAX_PATHS: Final = 4
_MAX_SUBJECTS: Final = 10


def word(verdict: Verdict) -> str:
    """The verdict in words."""
    match verdict:
        case Verdict.ALREADY_UPSTREAM:
            return "already upstream"
        case Verdict.NOT_TRIED:
            return "not tried"
        case (
            Verdict.CLEAN
            | Verdict.ADJUSTED
            | Verdict.EMPTY
            | Verdict.RESOLVED
            | Verdict.CONFLICTED
            | Verdict.DROPPED
        ):
            return verdict.value
        case _:
            assert_never(verdict)


def counted(number: int, noun: str) -> str:
    """`1 patch`, `2 patches`, `3 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"


def summed(patches: Iterable[Patch]) -> str:
    """`4 clean, 1 adjusted`, in the order in which verdicts are listed in the design."""
    counts = Counter(patch.verdict for patch in patches)
    return ", ".join(f"{counts[verdict]} {word(verdict)}" for verdict in Verdict if counts[verdict])


def weighed(patches: Iterable[Patch]) -> str:
    """The same as Markdown, with what a person should look at in bold."""
    counts = Counter(patch.verdict for patch in patches)
    shown = ((one, f"{counts[one]} {word(one)}") for one in Verdict if counts[one])
    return ", ".join(f"**{words}**" if one in _LOOK_AT else words for one, words in shown)


def carried(report: Report) -> int:
    """How many patches have a commit on what was carried."""
    return sum(patch.verdict in CARRIED for patch in report.patches)


def commit(sha: str, repository_url: str) -> str:
    """A commit as a link; without an address in full, which GitHub links itself."""
    return f"[`{sha[:10]}`]({repository_url}/commit/{sha})" if repository_url else sha


def headers(report: Report) -> tuple[str, ...]:
    """The table's columns; the patch branch is one where the stack is built from such."""
    branch = ("branch",) if report.branches else ()
    return ("#", *branch, "patch", "verdict", "commit", "files", "note")


def rows(report: Report, repository_url: str, approved: Collection[int] = ()) -> list[tuple[str, ...]]:
    """One row a patch, in the stack's order, as `headers` names its cells.

    `approved`: numbers of those whose lines people have approved before.
    """
    return [
        (
            str(number),
            *((markdown.code(patch.branch or "", 120) if patch.branch else "",) if report.branches else ()),
            markdown.inline(patch.subject, 200),
            (f"**{word(patch.verdict)}**" if patch.verdict in _LOOK_AT else word(patch.verdict))
            + (", as approved" if number in approved else ""),
            commit(patch.old, repository_url)
            + (f" → {commit(patch.new, repository_url)}" if patch.new is not None else ""),
            _paths(patch.paths),
            _note(patch),
        )
        for number, patch in enumerate(report.patches, 1)
    ]


# changed on the way, or no longer there
_LOOK_AT: Final = frozenset(Verdict) - {Verdict.CLEAN, Verdict.NOT_TRIED}


def _paths(paths: Sequence[str]) -> str:
    shown = ", ".join(markdown.code(path, 120) for path in paths[:_MAX_PATHS])
    return shown + (f" and {len(paths) - _MAX_PATHS} more" if len(paths) > _MAX_PATHS else "")


def _note(patch: Patch) -> str:
    note = markdown.inline(patch.note, 300) if patch.note else ""
    if patch.verdict is Verdict.ALREADY_UPSTREAM and patch.upstream_commits:
        by = ", ".join(f"{one.sha[:10]} {one.subject}" for one in patch.upstream_commits[:2])
        note = f"{note}{'; ' if note else ''}upstream: {markdown.inline(by, 200)}"
    return note


def drift(report: Report) -> list[str]:
    """Where the patch branches and the maintained branch differ, one sentence each."""
    if report.drift is None or report.stack is None:
        return []
    stack = markdown.code(report.stack.branch)
    told = drifted(report.drift, report.patches)
    return [f"{words.format(stack=stack)}: {_subjects(commits)}." for words, commits in told]


def drifted(found: Drift, patches: Sequence[Patch]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The same as words (with `{stack}` for the maintained branch) and commits with their subjects."""
    subjects = {key: one.subject for one in patches for key in (one.old, one.source) if key}
    # what upstream took is on its branch as long as its author leaves it there
    taken = {one.source for one in patches if one.verdict in (Verdict.ALREADY_UPSTREAM, Verdict.EMPTY)}
    told = (
        (
            "New from patch branches, not yet on {stack}",
            tuple(one for one in found.only_in_branches if one not in taken),
        ),
        ("On {stack} with other lines; the patch branch counts", found.changed),
        (
            "On no patch branch, only on {stack}; carried after the branches",
            found.only_in_maintained,
        ),
        (
            "Dropped, since no patch branch has it any more",
            tuple(one.old for one in patches if one.source and not one.branch),
        ),
    )
    return [(words, [(one, subjects[one]) for one in some]) for words, some in told if some]


def on_its_branch(report: Report) -> str:
    """That a conflict can be settled on the patch branch, too; nothing for a patch that has none."""
    stopped = next((one for one in report.patches if one.verdict is Verdict.CONFLICTED), None)
    if stopped is None or stopped.branch is None or report.target is None:
        return ""
    return (
        f"\nOr rebase {markdown.code(stopped.branch)} onto {markdown.code(report.target.name)} and push it: "
        "where a patch branch has moved, all are carried anew.\n"
    )


def _subjects(found: Sequence[tuple[str, str]]) -> str:
    shown = ", ".join(f"{sha[:10]} {subject}" for sha, subject in found[:_MAX_SUBJECTS])
    more = f" and {len(found) - _MAX_SUBJECTS} more" if len(found) > _MAX_SUBJECTS else ""
    return markdown.inline(shown, 1000) + more


def reproduce(fork: str, branch: str, tag: str, upstream: str, *options: str) -> str:
    """The command that carries the stack again on a person's own machine."""
    words = ["patch-app", "preview", fork, "--branch", branch, "--onto", tag, "--upstream", upstream]
    return shlex.join([*words, *options]) + "\n"


def merge_by_hand(report: Report, *, clone_url: str, maintenance: str, archive: str) -> str:
    """Git commands to merge the release into the stack and to hand that back on the maintenance branch."""
    head, release = (one.sha if one else "" for one in (report.stack, report.target))
    lines = [
        shlex.join(["git", "clone", clone_url, "work"]) + " && cd work",
        shlex.join(["git", "fetch", "origin", archive]),
        shlex.join(["git", "switch", "-c", "carry", head]),
        shlex.join(["git", "merge", release]),
        "# edit the files, `git add` them, then: git merge --continue",
        shlex.join(["git", "push", "origin", f"HEAD:refs/heads/{maintenance}"]),
    ]
    return "\n".join(lines) + "\n"


def go_on(report: Report, *, clone_url: str, maintenance: str, archive: str) -> str:
    """Git commands to settle the conflict from the maintenance branch and to hand the rest back."""
    stopped = next((n for n, patch in enumerate(report.patches) if patch.verdict is Verdict.CONFLICTED), None)
    head = report.stack.sha if report.stack else ""
    lines = [
        shlex.join(["git", "clone", clone_url, "work"]) + " && cd work",
        shlex.join(["git", "fetch", "origin", archive]),
        shlex.join(["git", "switch", "-c", "carry", "--no-track", f"origin/{maintenance}"]),
    ]
    if stopped is not None:
        first, left = report.patches[stopped], report.patches[stopped + 1 :]
        rest = [patch.old for patch in left if patch.verdict is Verdict.NOT_TRIED and not patch.merge]
        if not first.merge:
            lines += [
                f"git cherry-pick {first.old}",
                "# edit the files, `git add` them, then: git cherry-pick --continue",
            ]
        if len(rest) > MAX_LISTED and not report.branches:
            lines.append(f"git cherry-pick $(git rev-list --reverse --no-merges {first.old}..{head})")
        elif rest:
            lines.append(f"git cherry-pick {' '.join(rest)}")
        lines += [
            f"git show --remerge-diff {patch.old}  # a merge: make a commit of what it settled or added"
            for patch in (first, *left)
            if patch.merge
        ]
        if report.installed is not None and report.installed.commits and len(rest) <= MAX_LISTED:
            lines.append(
                f"git cherry-pick {' '.join(report.installed.commits[:MAX_LISTED])}  # the App's own files"
            )
    lines.append(shlex.join(["git", "push", "origin", f"HEAD:refs/heads/{maintenance}"]))
    return "\n".join(lines) + "\n"
