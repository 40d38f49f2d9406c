"""What would become of the patches after a conflict, so that a person sees the whole bill at once.

Speaks in notes alone: no verdict, no commit and no ref depends on it. Takes no side: a patch that would
conflict too is left out like the first, and so is what builds on it.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from .attribution import Attribution, words
from .git import GitError
from .merge import NAMES, Merger
from .records import Patch, text

MOST = 100
"""Patches after the conflict that are looked at; each costs two merges, about 30 ms."""
MAX_PATHS = 3
MAX_ATTRIBUTED = 10

APPLIES = "it would apply"
NOTHING_LEFT = "nothing would be left of it"
CHANGES_NOTHING = "it changes nothing"
CONFLICTS = "it would conflict too"
BUILDS_ON = "it builds on a patch that conflicts"


def notes(
    merger: Merger, attribution: Attribution, patches: Sequence[Patch], stopped: int, tree: str
) -> List[Optional[str]]:
    """One for each patch after number `stopped`; None where it wasn't looked at or git failed.

    `tree` is what was carried before that patch.
    """
    standing, rest = list(patches[:stopped]), patches[stopped + 1 :]
    attributed = 0
    out: List[Optional[str]] = [None] * len(rest)
    # the old stack without `stopped`, and the carried one: each gets the patches that apply to both
    old, new = patches[stopped].before, tree
    for number, patch in enumerate(rest[:MOST]):
        try:
            base, whole = patch.before, patch.after
            without = merger.apply(whole, base, old)
            carried = merger.apply(whole, base, new)
        except GitError:
            break  # the verdicts stand without it
        if base == whole:
            out[number] = CHANGES_NOTHING
        elif not without.clean:
            out[number] = BUILDS_ON
        elif not carried.clean:
            # once more with words: beside a directory Git names a file for the commit it came from
            named = merger.apply(whole, base, new, NAMES)
            paths = tuple(dict.fromkeys(path for path, _ in named.stages))
            attributed += 1
            since = attribution.first(patch, paths, standing) if attributed <= MAX_ATTRIBUTED else None
            out[number] = "%s, in %s%s" % (CONFLICTS, _shown(paths), ", " + words(since) if since else "")
        else:
            out[number] = APPLIES if carried.tree != new else NOTHING_LEFT
            old, new = without.tree, carried.tree
            standing.append(patch)
    return out


def _shown(paths: Sequence[bytes]) -> str:
    more = len(paths) - MAX_PATHS
    return ", ".join(map(text, paths[:MAX_PATHS])) + (" and %d more" % more if more > 0 else "")
