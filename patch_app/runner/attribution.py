"""Names the upstream commit since which a patch no longer applies: merged onto upstream's history, halved.

Walks the first parents from before the base to the target, and of these the commits that touch the paths in
conflict; reads those paths alone. Where upstream moved a path away the patch stops applying there, though
Git may follow the move. Whether a patch applies need not be monotonic along a history, so what is named is a
commit onto which it doesn't apply, while it does onto the one before.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Set, Tuple

from . import commit, diff, index
from .fetch import Fetcher, commit_objects
from .git import GitError
from .merge import Merger
from .near import Upstream
from .records import GITLINK, Patch, UpstreamCommit
from .treewalk import FOLDER, Found, TreeWalk

MAX_RANGE = 3000  # commits between base and target that we are ready to look into
MAX_PATHS = 100
AT_ONCE = 400
"""So many blobs are fetched together, about half a megabyte: versions of a file are packed as differences."""
WIDTH = 7
"""Where there are more: versions that are fetched at a time, so that it is three or four fetches."""

Paths = Tuple[bytes, ...]


class Point(NamedTuple):
    """What the paths are from a commit on. `commit` is None before the first of them."""

    commit: Optional[UpstreamCommit]
    there: Found


class Attribution:
    """Over one history. `repository` is where patches are carried."""

    def __init__(self, fetcher: Fetcher, upstream: Upstream, target: str, merger: Merger) -> None:
        self.fetcher = fetcher
        self.upstream = upstream
        self.target = target
        self.merger = merger
        self.repository = merger.repository
        self.unclear: Set[bytes] = set()
        """Paths in which a recorded resolution was used: without it the patches there apply nowhere."""
        self.walk = TreeWalk(fetcher, upstream.commits, "upstream")

    def first(self, patch: Patch, paths: Paths, before: Sequence[Patch]) -> Optional[UpstreamCommit]:
        """The first commit since which `patch`, on top of the patches `before` it, conflicts in `paths`.

        None where there is no such commit on the way or it can't be told: the conflict stands without it.
        """
        if not paths or self.unclear.intersection(paths):
            return None
        try:
            return self._search(patch, paths[:MAX_PATHS], before)
        except GitError:
            return None

    def _search(self, patch: Patch, paths: Paths, before: Sequence[Patch]) -> Optional[UpstreamCommit]:
        points = self._points(paths)
        if len(points) < 2:
            return None
        if not _touches(patch, paths):
            return None  # Git shows the conflict under a name that upstream gave the file
        row = [self._pair(one, paths) for one in (*before, patch) if _touches(one, paths)]
        good, bad = 0, len(points) - 1
        few = len({entry for point in points for entry in point.there.values()}) <= AT_ONCE
        self._fetch(points if few else [points[good], points[bad]])
        if not self._applies(row, points[good]) or self._applies(row, points[bad]):
            return None
        while bad - good > 1:
            tried = range(good + 1, bad, 1 if few else max(1, (bad - good) // (WIDTH + 1)))
            if not few:
                self._fetch([points[number] for number in tried])
            low, high = 0, len(tried)
            while low < high:
                middle = (low + high) // 2
                if self._applies(row, points[tried[middle]]):
                    good, low = tried[middle], middle + 1
                else:
                    bad, high = tried[middle], middle
        return points[bad].commit

    def _points(self, paths: Paths) -> List[Point]:
        """Where the paths change along the first parents, oldest first, after what they were before."""
        listed, commits = self.upstream.if_reachable().upstream, self.upstream.commits
        if not 0 < len(listed) <= MAX_RANGE:
            return []
        known = {one.sha: one for one in listed}
        raw = commit_objects(commits, list(known))
        chain: List[UpstreamCommit] = []
        at = self.target
        while at in known:
            chain.append(known[at])
            at = (commit.parse(raw[at]).all(b"parent") or [""])[0]
        if at not in commits.objects():
            return []
        ids = self.walk.look_up([at, *(one.sha for one in chain)], paths)
        points = [Point(None, ids[at])]
        for one in reversed(chain):
            if ids[one.sha] != points[-1].there:
                points.append(Point(one, ids[one.sha]))
        return points

    def _pair(self, patch: Patch, paths: Paths) -> Tuple[str, str]:
        """Trees of a patch's parent and of the patch, with nothing but the paths."""
        return self._part(patch.before, paths), self._part(patch.after, paths)

    def _part(self, tree: str, paths: Paths) -> str:
        return index.tree_of(self.repository, diff.list_tree(self.repository, tree, paths), len(self.target))

    def _fetch(self, points: Sequence[Point]) -> None:
        wanted = {
            oid: "upstream"
            for point in points
            for mode, oid in filter(None, point.there.values())
            if mode not in (FOLDER, GITLINK)
        }
        self.fetcher.blobs(self.repository, wanted)

    def _applies(self, row: Sequence[Tuple[str, str]], point: Point) -> bool:
        there = [(*found, path) for path, found in point.there.items() if found and found[0] != FOLDER]
        tree = index.tree_of(self.repository, there, len(self.target))
        for old, new in row:
            merged = self.merger.apply(new, old, tree)
            if not merged.clean:
                return False
            tree = merged.tree
        return True


def words(since: UpstreamCommit) -> str:
    """The commit in a note: `since 0123456789 Subject (#17)`."""
    return "since %s %s" % (since.sha[:10], since.subject)


def _touches(patch: Patch, paths: Paths) -> bool:
    return any(change.path in paths or change.source in paths for change in patch.changes)
