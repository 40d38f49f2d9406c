"""Merges trees with `git merge-tree`, without a work tree of the sources.

The merge base is given by synthetic commits: the carried state gets the patch's own parent as its parent, so
that the only merge base is that parent. This works from git 2.38 on (`--merge-base` came with 2.40) and
where the real parents were never fetched.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from . import commit
from .git import Git
from .records import Merge, Stage

NAMES = ("carried", "patch")
"""The words in conflict markers for what is there and for the patch: the same words give the same markers."""


class Merger:
    """Applies patches to trees; stores its synthetic commits in the scratch repository only."""

    def __init__(self, repository: Git) -> None:
        self.repository = repository
        self._trees: Dict[str, str] = {}
        self._synthetic: Dict[Tuple[str, Tuple[str, ...]], str] = {}

    def commit_of(self, tree: str, *parents: str) -> str:
        """A synthetic commit of a tree."""
        key = (tree, parents)
        if key not in self._synthetic:
            raw = commit.plain(tree, parents, "synthetic", 0)
            self._synthetic[key] = commit.write(self.repository, raw)
        return self._synthetic[key]

    def tree_of(self, name: str) -> str:
        """Tree id of a commit at hand. Raises GitError."""
        if name not in self._trees:
            whole = name + "^{tree}"
            self._trees[name] = self.repository.line(
                "rev-parse", "--verify", "--quiet", "--end-of-options", whole
            )
        return self._trees[name]

    def know(self, name: str, raw: bytes) -> None:
        """Takes a commit's tree from its own bytes, so that Git needn't be asked for it."""
        self._trees[name] = commit.tree(raw)

    def empty_tree(self) -> str:
        """Id of the empty tree, stored so that it can be read."""
        return self.repository.line("hash-object", "-t", "tree", "-w", "--stdin")

    def apply(
        self, patch_tree: str, parent_tree: str, onto_tree: str, names: Optional[Tuple[str, str]] = None
    ) -> Merge:
        """Three-way merge of `parent_tree`..`patch_tree` into `onto_tree`. Raises GitError.

        `names` are the words for the conflict markers of what is there and of the patch.
        """
        base = self.commit_of(parent_tree)
        ours, theirs = self.commit_of(onto_tree, base), self.commit_of(patch_tree, base)
        if ours == theirs:
            return Merge(True, onto_tree, (), {})
        if names:
            self.repository.run("update-ref", "refs/heads/" + names[0], ours)
            self.repository.run("update-ref", "refs/heads/" + names[1], theirs)
            ours, theirs = names
        result = self.repository.result(
            "merge-tree", "--write-tree", "-z", "--messages", ours, theirs, ok=(0, 1)
        )
        return parse(result.stdout, result.code == 0)


def parse(out: bytes, clean: bool) -> Merge:
    """Output of `merge-tree --write-tree -z --messages`: tree, stages, and the conflicts' kinds by path."""
    fields = out.split(b"\0")
    tree = fields[0].decode("ascii")
    stages: List[Tuple[bytes, Stage]] = []
    position = 1
    while position < len(fields) and fields[position]:
        meta, _, path = fields[position].partition(b"\t")
        mode, oid, number = meta.decode("ascii").split(" ")
        stages.append((path, Stage(int(number), mode, oid)))
        position += 1
    return Merge(clean, tree, tuple(stages), _kinds(fields, position + 1))


def _kinds(fields: List[bytes], position: int) -> Dict[bytes, str]:
    kinds: Dict[bytes, str] = {}
    while position < len(fields) and fields[position].isdigit():
        count = int(fields[position])
        paths = fields[position + 1 : position + 1 + count]
        kind = fields[position + 1 + count].decode("ascii", "replace")
        if kind.startswith("CONFLICT"):
            for path in paths:
                kinds.setdefault(path, kind.replace("CONFLICT (", "").rstrip(")"))
        position += count + 3
    return kinds
