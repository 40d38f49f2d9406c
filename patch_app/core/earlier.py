"""What of a candidate's patches people have seen before, as far as two reports prove it. Pure.

A patch has the same lines as in an earlier candidate where it is the same commit, or where both carries
were line for line from the same commit, or this one was from the earlier candidate's own. Anything else
is not claimed, however alike it looks.
"""

from __future__ import annotations

from typing import Final

from patch_app.core.model import Model
from patch_app.core.report import CARRIED, Patch, Report, Verdict

_MOST_GONE: Final = 20


class Earlier(Model):
    """An earlier candidate of the stack, and what became of its patches in this one."""

    tag: str
    candidate: str
    # who approved exactly that candidate; nobody: it was only the last one for the same release
    approved_by: tuple[str, ...] = ()
    # numbers of this candidate's patches, from 1: those with the same lines, and those that it hadn't
    same: tuple[int, ...] = ()
    new: tuple[int, ...] = ()
    # subjects of its patches of which no commit is in the stack any more
    gone: tuple[str, ...] = ()


def compared(ours: Report, theirs: Report, *, tag: str, approved_by: tuple[str, ...]) -> Earlier | None:
    """What two candidates' reports prove; None where one of them has no candidate."""
    if ours.candidate is None or theirs.candidate is None:
        return None
    by_old = {one.old: one for one in theirs.patches}
    by_new = {one.new: one for one in theirs.patches if one.new}
    release = ours.target is not None and theirs.target is not None and ours.target.sha == theirs.target.sha
    same, new = [], []
    for number, patch in enumerate(ours.patches, 1):
        if patch.old not in by_old and patch.old not in by_new:
            new.append(number)
        elif _same(patch, by_old.get(patch.old), by_new.get(patch.old), release):
            same.append(number)
    there = {one.old for one in ours.patches} | {one.sha for one in ours.added}
    gone = [
        one.subject for one in theirs.patches if one.verdict in CARRIED and not {one.old, one.new} & there
    ]
    return Earlier(
        tag=tag,
        candidate=theirs.candidate.sha,
        approved_by=approved_by,
        same=tuple(same),
        new=tuple(new),
        gone=tuple(gone[:_MOST_GONE]),
    )


def _same(patch: Patch, was: Patch | None, became: Patch | None, release: bool) -> bool:
    """`was`: carried from the same commit. `became`: what this patch is carried from was made of that."""
    if was is not None and patch.new is not None and patch.new == was.new:
        return True
    if patch.merge:
        return False  # what a merge settles is no list of lines
    if patch.verdict is Verdict.CLEAN:
        return became is not None or (was is not None and was.verdict is Verdict.CLEAN)
    gone = patch.verdict not in CARRIED and was is not None and was.verdict is patch.verdict
    return gone and release
