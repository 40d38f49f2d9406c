"""What upstream changed, from the stack's base to the release, in the files that the patches touch. Pure.

Read from one page of GitHub's comparison, which has at most 300 files. Refuses to call a file unchanged
that such a page left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from patch_app.core.model import Model

# docs.github.com/rest/commits/commits, "Compare two commits": files are on its first page alone
PAGE: Final = 300
# of the files that the patches touch too
MOST_FILES: Final = 100
_LONGEST_PATH: Final = 1000


class ChangedFile(Model):
    """One file that upstream and the stack both change."""

    path: str
    # the name that it had at the base, where upstream moved it
    before: str | None = None
    # GitHub's word: added, modified, removed, renamed
    status: str
    added: int
    removed: int


class UpstreamChanges(Model):
    """What the comparison showed of these files, the most changed first; of many, those."""

    files: tuple[ChangedFile, ...] = ()
    # how many there are, also beyond `files`
    number: int = 0
    # the comparison has as many files as a page holds, so there may be more
    cut: bool = False
    url: str = ""
    # why GitHub had no comparison
    problem: str | None = None


def read(comparison: Mapping[str, Any] | None, paths: Iterable[str]) -> UpstreamChanges:
    """The files of GitHub's comparison that are among `paths`; None: GitHub knows one of the commits not."""
    if comparison is None:
        return UpstreamChanges(problem="GitHub can't compare the two")
    listed = comparison.get("files") or []
    wanted = frozenset(paths)
    found = [_file(one) for one in listed if {one["filename"], one.get("previous_filename")} & wanted]
    found.sort(key=lambda one: (-one.added - one.removed, one.path))
    return UpstreamChanges(
        files=tuple(found[:MOST_FILES]),
        number=len(found),
        cut=len(listed) >= PAGE,
        url=str(comparison.get("html_url") or "")[:2000],
    )


def _file(one: Mapping[str, Any]) -> ChangedFile:
    before = one.get("previous_filename")
    return ChangedFile(
        path=str(one["filename"])[:_LONGEST_PATH],
        before=str(before)[:_LONGEST_PATH] if before else None,
        status=str(one.get("status") or "")[:40],
        added=int(one.get("additions") or 0),
        removed=int(one.get("deletions") or 0),
    )
