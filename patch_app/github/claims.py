"""A run's report, and what GitHub itself says about what it claims.

Believes nothing of a report: what a claim is held against is read from GitHub. Concludes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patch_app.core import configuration, names, verify
from patch_app.core.attempt import Attempt
from patch_app.core.report import Report, Status
from patch_app.github import patch_branches, reading
from patch_app.github.client import InstallationClient
from patch_app.github.errors import NotFound
from patch_app.github.leaving import leaving
from patch_app.github.transport import segment


async def evidence(
    client: InstallationClient, attempt: Attempt, report: Report | None, upstream_default: str | None
) -> dict[str, Any]:
    """Facts about a report's base: whether it is upstream's, and what the stack has above it.

    `upstream_default`: the upstream's default branch.
    """
    if report is None or report.stack is None:
        return {}
    if attempt.target is None or attempt.stack_head is None or report.stack.sha != attempt.stack_head:
        return {}
    if report.status is Status.NOOP:
        return {"nothing_to_carry": await _nothing_to_carry(client, attempt, upstream_default)}
    if report.status not in (Status.CLEAN, Status.CONFLICT):
        return {}
    fork = attempt.repository
    bases = {one: None for one in (report.base, *report.other_bases) if one is not None}
    bases |= dict.fromkeys(one.base for one in report.branches)
    try:
        commits, merges = await _stack(client, attempt, report, attempt.stack_head)
        of_branches = await patch_branches.evidence(client, attempt, report)
    except NotFound:
        none: dict[str, Any] = {"stack_commits": (), "base_is_upstream": False, "pushed_commits": ()}
        return none | ({"patch_commits": {}} if attempt.patches else {})
    claimed = report.installed.commits if report.installed else ()
    own = await installed(client, fork, [one for one in claimed if one in commits])
    contained = {base: await _contained(client, attempt, base, upstream_default) for base in bases}
    theirs_alone = {one: has for one, has in contained.items() if has is not None}
    pushed: dict[str, Any] = {}
    if attempt.pushed is not None:
        pushed["pushed_stands"] = await reading.is_ancestor(client, fork, attempt.target, (attempt.pushed,))
        theirs = await reading.commits_between(client, fork, attempt.target, attempt.pushed)
        pushed["pushed_commits"] = tuple(one for kind in theirs for one in kind)
        if verify.merges_forward(attempt):
            before = await reading.commits_between(client, fork, attempt.target, attempt.stack_head)
            stands = await reading.is_ancestor(client, fork, attempt.stack_head, (attempt.pushed,))
            pushed["pushed_stands"] = pushed["pushed_stands"] and stands
            old = {one for kind in before for one in kind}
            pushed["pushed_commits"] = tuple(one for one in pushed["pushed_commits"] if one not in old)
    return (of_branches | pushed) | {
        "stack_commits": commits,
        "stack_merges": merges,
        "base_is_upstream": len(theirs_alone) == len(bases) and (bool(bases) or report.start is not None),
        "leaving": await leaving(client, attempt, report, theirs_alone),
        "start_holds": await _start_holds(client, attempt, report),
        "installed": tuple(own),
    }


async def _stack(
    client: InstallationClient, attempt: Attempt, report: Report, head: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Commits and merges of the maintained branch above where the report lets the stack begin, without those
    of the stack before that a pull request of ours has replaced.
    """
    fork = attempt.repository
    begin = report.start or report.base
    if begin is None:
        raise NotFound(404, "the report names no commit that the stack begins at")
    commits, merges = await reading.commits_between(client, fork, begin, head)
    theirs: set[str] = set()
    before = (attempt.landed.onto,) if attempt.landed else ()
    for other in {*report.other_bases, *((report.base,) if report.base else ()), *before} - {begin}:
        theirs.update(*await reading.commits_between(client, fork, begin, other))
    return tuple(one for one in commits if one not in theirs), tuple(m for m in merges if m not in theirs)


async def _start_holds(client: InstallationClient, attempt: Attempt, report: Report) -> bool:
    """Whether nothing of the fork's goes missing below the start: it is configured, or has upstream's very
    files.
    """
    if report.start in (None, configuration.stack_of(attempt.configuration, attempt.stack).start):
        return True
    start, base = [
        await client.get(f"/repos/{attempt.repository}/git/commits/{segment(one)}")
        for one in (str(report.start), str(report.base))
    ]
    parents = [one["sha"] for one in start["parents"]]
    return len(parents) > 1 and parents[0] == report.base and start["tree"]["sha"] == base["tree"]["sha"]


async def installed(client: InstallationClient, repository: str, claimed: Sequence[str]) -> list[str]:
    """Those of the commits that touch the App's paths alone, as GitHub shows them; none where none of them
    has
    the App's trailer: then a person has made the files, and they are patches.
    """
    own: list[str] = []
    is_ours = False
    for commit in claimed:
        found = await client.get(f"/repos/{repository}/commits/{segment(commit)}")
        paths = {
            file[key] for file in found["files"] for key in ("filename", "previous_filename") if key in file
        }
        if paths and paths <= set(names.INSTALLED_PATHS):
            own.append(commit)
            lines = [line.rstrip() for line in found["commit"]["message"].splitlines()]
            is_ours = is_ours or names.INSTALLED_TRAILER in lines
    return own if is_ours else []


async def _contained(
    client: InstallationClient, attempt: Attempt, commit: str, default: str | None
) -> bool | None:
    """Whether the target has a commit of upstream's; None: it is none."""
    if commit == attempt.merge_base:
        return True  # an ancestor of the target, which was read from the upstream itself
    if attempt.carry_over is not None:
        # what the candidate and the old stack have is not the pull request's own
        known = tuple(one for one in (attempt.target, attempt.carry_over.old) if one)
        return True if await reading.is_ancestor(client, attempt.repository, commit, known) else None
    if attempt.target and await reading.is_ancestor(client, attempt.upstream, commit, (attempt.target,)):
        return True
    if default and await reading.is_ancestor(client, attempt.upstream, commit, (default,)):
        return False
    # many upstreams tag a release on a commit that no branch has
    return False if await reading.is_tagged(client, attempt.upstream, commit) else None


async def _nothing_to_carry(client: InstallationClient, attempt: Attempt, default: str | None) -> bool:
    head = attempt.stack_head or ""
    compared = await reading.compare(client, attempt.repository, attempt.target or "", head)
    if compared is not None and compared["behind_by"] == 0:
        return True
    tips = (head, *(one.sha for one in attempt.patches))
    return all([await _contained(client, attempt, one, default) is not None for one in tips])
