"""Looks up paths in many commits at once: one fetch for all their trees.

Trees are packed as differences to each other: those of 245 commits are a third of what the commits are.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from . import commit
from .fetch import Fetcher, commit_objects
from .git import Git

FOLDER = "40000"
Entries = Dict[bytes, Tuple[str, str]]
Found = Dict[bytes, Optional[Tuple[str, str]]]
"""By path, the mode (octal, as in a tree object) and the id."""


def parse_tree(raw: bytes, width: int) -> Entries:
    """Name to mode and id, out of a tree object; `width` is an id's length in bytes."""
    found: Entries = {}
    position = 0
    while position < len(raw):
        end = raw.index(b"\0", position)
        mode, _, name = raw[position:end].partition(b" ")
        found[name] = (mode.decode("ascii", "backslashreplace"), raw[end + 1 : end + 1 + width].hex())
        position = end + 1 + width
    return found


class TreeWalk:
    """Reads trees of one remote into a repository that has the commits alone."""

    def __init__(self, fetcher: Fetcher, repository: Git, remote: str) -> None:
        self.fetcher = fetcher
        self.repository = repository
        self.remote = remote
        self._trees: Dict[str, Entries] = {}
        self._fetched: Set[str] = set()
        """Root trees whose folders are at hand."""

    def look_up(self, commits: Sequence[str], paths: Iterable[bytes]) -> Dict[str, Found]:
        """For each commit what is at each path, None where there is nothing. Raises GitError."""
        objects = commit_objects(self.repository, commits)
        wanted = list(paths)
        roots = {sha: commit.parse(objects[sha]).all(b"tree")[0] for sha in commits}
        at: Dict[Tuple[str, bytes], Tuple[str, str]] = {
            (tree, b""): (FOLDER, tree) for tree in roots.values()
        }
        self._fetch(set(roots.values()))
        folders: List[bytes] = [b""]
        while folders:
            self._load({at[tree, f][1] for tree in set(roots.values()) for f in folders if (tree, f) in at})
            following: Set[bytes] = set()
            for tree in set(roots.values()):
                for folder in folders:
                    following |= self._step(at, tree, folder, wanted)
            folders = sorted(following)
        return {sha: {path: at.get((tree, path)) for path in wanted} for sha, tree in roots.items()}

    def _step(
        self, at: Dict[Tuple[str, bytes], Tuple[str, str]], tree: str, folder: bytes, paths: Sequence[bytes]
    ) -> Set[bytes]:
        """Takes one folder of one commit a level down; gives the folders that have to be read next."""
        here = at.get((tree, folder))
        entries = self._trees.get(here[1], {}) if here else {}
        prefix = folder + b"/" if folder else b""
        following: Set[bytes] = set()
        for path in paths:
            if not path.startswith(prefix):
                continue
            name, more, _ = path[len(prefix) :].partition(b"/")
            mode, oid = entries.get(name, ("", ""))
            if more and mode == FOLDER:
                at[tree, prefix + name] = (mode, oid)
                following.add(prefix + name)
            elif not more and oid:
                at[tree, path] = (mode, oid)
        return following

    def _fetch(self, roots: Set[str]) -> None:
        absent = sorted(roots - self._fetched)
        if absent:
            self.fetcher.objects(self.repository, self.remote, absent)
            self._fetched.update(absent)

    def _load(self, names: Set[str]) -> None:
        missing = names - set(self._trees)
        if missing:
            for name, raw in commit_objects(self.repository, sorted(missing)).items():
                self._trees[name] = parse_tree(raw, len(name) // 2)
