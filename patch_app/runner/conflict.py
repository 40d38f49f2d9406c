"""Describes a conflict so that a person can see what happened: files, kinds, stages, hunks. Resolves
nothing."""

from __future__ import annotations

from typing import Dict, List, Optional

from . import diff
from .git import Git
from .records import Conflict, ConflictFile, Merge, Patch, Stage, cut, text

MAX_DIFF = 60_000  # characters; an issue's body holds 65,536
MAX_FILES = 200


def describe(
    repository: Git, patch: Patch, *, parent: str, patch_tree: str, carried: str, merged: Merge
) -> Conflict:
    """The conflict of `parent`..`patch_tree` on `carried`. `merged` is the unclean merge. Raises GitError."""
    by_path: Dict[bytes, List[Stage]] = {}
    for path, stage in merged.stages:
        by_path.setdefault(path, []).append(stage)
    files = [
        ConflictFile(text(path), kind_of(stages, merged.kinds.get(path)), tuple(stages))
        for path, stages in by_path.items()
    ]
    both = tuple(path for path, stages in by_path.items() if {stage.stage for stage in stages} >= {2, 3})
    # A binary, a link or a submodule gets no markers: the merge leaves what was there.
    changes = diff.raw(repository, carried, merged.tree, renames=False, paths=both) if both else ()
    marked = [change.path for change in changes]
    unmarked = [path for path in by_path if path not in marked]
    parts = []
    if marked:
        # What is there now against the merge with its markers: exactly the hunks a person has to look at.
        parts.append(changed(repository, carried, merged.tree, marked))
    if unmarked:
        shown = changed(repository, parent, patch_tree, unmarked)
        parts.append("What the patch does to files that one side lacks or Git can't merge:\n" + shown)
    return Conflict(patch.old, tuple(files[:MAX_FILES]), cut("\n".join(parts), MAX_DIFF))


def changed(repository: Git, old: str, new: str, paths: List[bytes]) -> str:
    """The diff of two trees in these paths, of which the first 200 are shown. Raises GitError."""
    limits = [path.decode("utf-8", "surrogateescape") for path in paths[:MAX_FILES]]
    out = repository.run(
        "--literal-pathspecs", "diff-tree", "-r", "-p", "--no-renames", *diff.PLAIN, old, new, "--", *limits
    )
    return text(out)


def kind_of(stages: List[Stage], told: Optional[str]) -> str:
    """A word for the conflict: Git's own, but where that says less than the stages or has many for one."""
    if told is not None and told.startswith("submodule"):
        return "submodule"  # Git's words tell why it didn't look into a repository that we never have
    if told is not None and told != "contents":
        return told
    numbers = frozenset(stage.stage for stage in stages)
    words = {
        frozenset({1, 2, 3}): "contents",
        frozenset({2, 3}): "add/add",
        frozenset({1, 2}): "modify/delete",
        frozenset({1, 3}): "modify/delete",
    }
    return words.get(numbers, told or "file location")
