"""The patch branches of `strategy = "patches"`: which they are, and whether a report accounts for them.

Reads no branch and moves none. What a patch branch has is what GitHub says, never what a run says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from patch_app.core import names, refnames
from patch_app.core.attempt import Attempt, PatchBranch
from patch_app.core.configuration import MAX_PATCH_BRANCHES, Stack
from patch_app.core.facts import Facts
from patch_app.core.report import Report

# which names of branches are listed in a sentence
_SHOWN = 3


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """What names are sorted by, numbers as numbers: `patch/2-x` comes before `patch/10-y`."""
    parts = re.split(r"([0-9]+)", name)
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts), (1, 0, name))


def prefix(pattern: str) -> str:
    """What all names that match a pattern start with."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def selected(stack: Stack, branch: str, own: str, heads: Mapping[str, str]) -> tuple[PatchBranch, ...]:
    """The patch branches of a stack in order: those of the pattern among `heads` by name, or the list.

    The maintained branch `branch` and what lies under the App's prefix `own`, or the default one, are never
    among a pattern's.
    """
    wanted = stack.patch_branches
    if isinstance(wanted, str):
        ours = (f"{own}/", f"{names.DEFAULT_PREFIX}/")
        found = (one for one in heads if one != branch and not one.startswith(ours))
        wanted = tuple(sorted((one for one in found if fnmatchcase(one, wanted)), key=natural))
    return tuple(PatchBranch(branch=one, sha=heads.get(one, names.ZERO)) for one in wanted)


def problems(stack: Stack, branch: str, found: tuple[PatchBranch, ...]) -> Iterable[str]:
    """What is wrong with the patch branches as they are, one sentence each."""
    if not stack.patch_branches:
        return
    if not found:
        yield (
            f"no branch of the fork matches {stack.patch_branches}: push a branch for each patch, or name "
            f"another pattern as `patches` of the stack in {names.CONFIGURATION_PATH}"
        )
    if len(found) > MAX_PATCH_BRANCHES:
        yield (
            f"{len(found)} branches match {stack.patch_branches}, and {MAX_PATCH_BRANCHES} are the most: put "
            "patches that belong together on one branch"
        )
    for one in found:
        if one.branch == branch:
            yield f"{branch} can't be a patch branch of itself: take it out of `patches`"
        elif why := refnames.problem(one.branch):
            yield f"the patch branch {json.dumps(one.branch)} needs another name: it {why}"
        elif one.sha == names.ZERO:
            yield f"the patch branch {one.branch} does not exist: push it, or take it out of `patches`"


def moved(attempt: Attempt, facts: Facts) -> str | None:
    """What became of the patch branches since the stack was read, as a sentence; None where nothing did."""
    if facts.patches is None or facts.patches == attempt.patches:
        return None
    before = {one.branch: one.sha for one in attempt.patches}
    now = {one.branch: one.sha for one in facts.patches if one.sha != names.ZERO}
    said = (
        ("moved", [one for one in before if now.get(one, before[one]) != before[one]]),
        ("appeared", [one for one in now if one not in before]),
        ("disappeared", [one for one in before if one not in now]),
    )
    told = [f"{_listed(found)} {word}" for word, found in said if found]
    return f"of the patch branches {' and '.join(told)} since the stack was read" if told else None


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def left(attempt: Attempt, facts: Facts) -> tuple[str, ...]:
    """Commits of the maintained branch that the App made of what no patch branch has any more."""
    if facts.patch_commits is None:
        return ()
    there = {one for commits in facts.patch_commits.values() for one in commits}
    return tuple(new for new, source in attempt.built.items() if source not in there)


def report_problem(attempt: Attempt, report: Report, facts: Facts) -> str | None:
    """Why a report doesn't account for every commit of every patch branch, or None."""
    pinned = [(one.branch, one.sha) for one in attempt.patches]
    if [(one.branch, one.sha) for one in report.branches] != pinned:
        return "the report is about other patch branches than those that were asked for"
    sources = [patch for patch in report.patches if patch.branch is not None]
    gone = {patch.old for patch in report.patches if patch.source is not None and patch.branch is None}
    if not pinned:
        told_of = sources or gone or report.drift
        return "the report has commits of patch branches, and the stack has none" if told_of else None
    if facts.patch_commits is None or facts.stack_commits is None:
        return None  # it is read in the next pass
    first: dict[str, str] = {}
    for branch, commits in facts.patch_commits.items():
        for one in commits:
            first.setdefault(one, branch)
    built = [patch.built for patch in sources if patch.built is not None]
    own = report.installed.commits if report.installed else ()
    missing = set(first) - {patch.source for patch in sources} - set(built) - set(own)
    if missing:
        one = min(missing)
        return (
            f"the report has no verdict for {len(missing)} commit(s) of patch branches, the first is "
            f"{one[:12]} of {first[one]}"
        )
    for patch in sources:
        if first.get(str(patch.source)) != patch.branch:
            return f"the report says that {str(patch.source)[:12]} is on {patch.branch}, and it isn't"
    if gone - set(left(attempt, facts)):
        return f"the report drops {min(gone)[:12]}, and it is not one of a patch branch that is gone"
    told = [one for patch in sources for one in {patch.source, patch.built} if one]
    if len(set(told)) != len(told):
        return "the report has a commit of a patch branch twice"
    return _order_problem(attempt, report) or _alike_problem(report, facts, built)


def _order_problem(attempt: Attempt, report: Report) -> str | None:
    place = {one.branch: number for number, one in enumerate(attempt.patches)}
    last = len(place)
    places = [place.get(patch.branch or "", last) for patch in report.patches]
    return "the report's patches are not in the order of their branches" if places != sorted(places) else None


def _alike_problem(report: Report, facts: Facts, built: list[str]) -> str | None:
    foreign = set(built) - set(facts.stack_commits or ())
    if foreign:
        branch = report.stack.branch if report.stack else ""
        return f"the report says that {min(foreign)[:12]} is on {branch}, and it isn't"
    if facts.unlike:
        return (
            f"the report takes {facts.unlike[0][:12]} for a commit of a patch branch, and they are not alike"
        )
    return None if report.drift else "the report doesn't say where patch branches and stack differ"
