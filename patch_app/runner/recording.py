"""Records how a person settled conflicts, out of the commits that they pushed, for the releases to come.

Believes nobody: the resolutions become data of the report, and it is the server that keeps them or doesn't.
"""

from __future__ import annotations

import os
from typing import List, Optional, Sequence

from . import resolution_store as stored
from .attributes import Attributes
from .merge import NAMES, Merger
from .records import Recorded, Settled
from .resolution_store import Entry, Origin
from .resolutions import Resolutions, learn


def record(known: Resolutions, merger: Merger, settled: Sequence[Settled], date: int) -> Optional[Recorded]:
    """The resolutions with what `settled` teaches; None where that is nothing. Raises GitError."""
    repository = merger.repository
    attributes = Attributes(repository, os.path.join(repository.directory, "attributes"))
    learned: List[Entry] = []
    for patch, made in settled:
        attributes.use(made.before)
        merged = merger.apply(patch.after, patch.before, made.before, NAMES)
        if not merged.clean:
            origin = Origin(made.sha, patch.old, patch.subject, date)
            learned += learn(repository, merged, made.after, origin)
    if not learned:
        return None
    commit = stored.write(repository, [*learned, *known.everything()], date)
    return Recorded(merger.tree_of(commit), len(learned))
