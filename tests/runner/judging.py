"""Holds what the runner did against two oracles: `git rebase` in a work tree, and an accounting."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import accounting
import pytest
from histories import Carried, Entry, Plan, Rebased, Stage, State, file, plan

from patch_app.core.report import SETTLED, Status, Verdict

Files = Mapping[str | bytes, str | bytes | Entry]


def held(directory: Path, plan: Plan, attributes: bool = False) -> Carried:
    """Carries a plan's stack and holds the outcome against both oracles."""
    stage = Stage(directory, plan)
    carried = stage.carry()
    judged(plan, carried, stage.rebase(), attributes)
    return carried


def judged(plan: Plan, carried: Carried, rebased: Rebased, attributes: bool = False) -> None:
    """Holds a carry against the rebase, and every patch against the trees before and after it.

    With `attributes` that change how files are merged it is the rebase alone that counts.
    """
    report = carried.report
    assert rebased.tree == carried.trees[-1]
    if report.status is Status.CLEAN:
        assert rebased.stopped is None
        assert report.candidate is not None
        assert report.candidate.tree == rebased.tree
    else:
        assert report.status is Status.CONFLICT
        assert report.conflict is not None
        assert rebased.stopped == report.conflict.patch
    if not attributes:
        accounted(plan, carried)


def accounted(plan: Plan, carried: Carried) -> None:
    """Every patch has one verdict, and all that it does is where the verdict says."""
    report, patches = carried.report, carried.report.patches
    settled = [patch.verdict in SETTLED for patch in patches]
    stop = settled.index(False) if report.status is Status.CONFLICT else len(plan.stack)
    assert len(patches) == len(plan.stack)
    assert all(settled[:stop])
    for patch in patches[stop : stop + 1]:
        assert report.conflict is not None
        assert (patch.verdict, patch.old) == (Verdict.CONFLICTED, report.conflict.patch)
    assert all(patch.verdict is Verdict.NOT_TRIED for patch in patches[stop + 1 :])
    states = [plan.shared[-1].state, *(commit.state for commit in plan.stack)]
    steps = zip(patches, pairwise(states), pairwise(carried.states), strict=True)
    for patch, change, step in list(steps)[:stop]:
        assert not accounting.account(*change, *step)
        assert (patch.new is None) == (step[0] == step[1])
        match patch.verdict:
            case Verdict.ALREADY_UPSTREAM:
                assert not accounting.account(*change, carried.states[0], carried.states[0])
            case Verdict.CLEAN:
                assert accounting.net(*change) == accounting.net(*step)
            case Verdict.ADJUSTED:
                assert not accounting.untouched(*change, step[0])
            case Verdict.EMPTY:
                assert patch.note


class Case(NamedTuple):
    """What the base, the patch and upstream have at some paths; text stands for a plain file.

    `verdict` is a clean carry's, `conflict` a path and a kind where it stops.
    """

    trouble: str
    before: Files
    ours: Files
    theirs: Files
    verdict: str | None = None
    note: str | None = None
    conflict: tuple[str, str] | None = None


def state(files: Files) -> State:
    """A tree, with a file that nobody touches."""
    found = {b"untouched": file("untouched\n")}
    for name, content in files.items():
        path = name.encode() if isinstance(name, str) else name
        found[path] = content if isinstance(content, Entry) else file(content)
    return found


def expect(case: Case, directory: Path, attributes: bool = False) -> Carried:
    """Carries a case's one patch, and holds it against the oracles and what the case says."""
    made = plan(state(case.before), [state(case.ours)], [state(case.theirs)])
    carried = held(directory, made, attributes)
    report = carried.report
    (patch,) = report.patches
    if case.conflict is None:
        # who has the rest is told by tests of its own
        note = patch.note and patch.note.split("; upstream has ")[0]
        assert (report.status, patch.verdict, note) == (Status.CLEAN, case.verdict, case.note)
    else:
        assert report.conflict is not None, patch
        assert case.conflict in [(one.path, one.kind) for one in report.conflict.files]
        assert all(one.stages for one in report.conflict.files)
        assert report.conflict.diff
        assert (case.verdict, case.note) == (None, None)
    return carried


def cases(*rows: Case) -> pytest.MarkDecorator:
    """Each case as a test of its own, named after its trouble."""
    return pytest.mark.parametrize("case", rows, ids=[row.trouble.replace(" ", "-") for row in rows])
