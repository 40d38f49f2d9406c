"""Keeps the App's own refs: below refs/patch-app or, where GitHub takes branches and tags alone, as branches.

A workflow that listens to pushes runs as it is in the pushed commit. So a branch never points at what it
keeps, which may be foreign: it points at a commit of the App's that has a README and no other file, and whose
parent is what is kept. That commit follows from what it keeps, so ids can be compared without reading it.
See docs/decisions/branches-where-custom-refs-are-refused.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from patch_app.core import names
from patch_app.core.effects import RefChange
from patch_app.github.footprint import own_commit
from patch_app.github.gitobjects import TreeEntry, extended_pack, object_id, tree_body
from patch_app.github.receive_pack import Command, NameRefused

Push: TypeAlias = Callable[[Sequence[Command], bytes | None], Awaitable[None]]

_README: Final = b"""\
This branch belongs to patch_app. It keeps one commit, the parent of this one, and has no files of it, so that
nothing is built or run for it. Don't merge, move or delete it.
"""
# for what builds branches beside Actions
_MESSAGE: Final = "Keeps the parent of this commit [skip ci]\n"
_BLOB: Final = object_id("blob", _README)
_TREE: Final = tree_body([TreeEntry(mode="100644", name="README.md", oid=_BLOB)])


def _holder(kept: str) -> bytes:
    return own_commit(tree=object_id("tree", _TREE), parents=(kept,), message=_MESSAGE)


def holder(kept: str) -> str:
    """What a branch points at that keeps this commit; zeros for zeros."""
    return kept if kept == names.ZERO else object_id("commit", _holder(kept))


def held(there: str, known: Iterable[str]) -> str:
    """Which of the known commits a branch keeps that points at `there`; where it keeps none of them, an id
    that is none of them; zeros for zeros.
    """
    return next((one for one in known if holder(one) == there), holder(there))


def placed(changes: Iterable[RefChange], *, on_branches: bool) -> tuple[RefChange, ...]:
    """The moves as the fork gets to see them."""
    if not on_branches:
        return tuple(changes)
    return tuple(
        RefChange(
            ref=names.as_branch(one.ref),
            before=holder(one.before),
            after=holder(one.after),
            force=one.force,
        )
        for one in changes
    )


async def keep(push: Push, changes: Sequence[RefChange], pack: bytes | None, *, on_branches: bool) -> bool:
    """Move refs of ours from exactly their values, all or none; whether as branches.

    Where their names are refused, the branches that stand for them are made, from nothing. Raises as `push`.
    """
    if not on_branches:
        try:
            await push(_commands(changes), pack)
            return False
        except NameRefused:
            changes = [one.model_copy(update={"before": names.ZERO}) for one in changes]
    holders = [("commit", _holder(one.after)) for one in changes if one.after != names.ZERO]
    objects = [("blob", _README), ("tree", _TREE), *dict.fromkeys(holders)]
    await push(_commands(placed(changes, on_branches=True)), extended_pack(pack, objects))
    return True


def _commands(changes: Iterable[RefChange]) -> list[Command]:
    return [(one.before, one.after, one.ref) for one in changes]
