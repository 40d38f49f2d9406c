"""Which workflow file the App put on a fork, told from the file alone: by runner and by a hash of its lines.

One line names the runner's commit and the SHA-256 of all other lines. So a file is known as ours, of
whichever version, while nobody changed it, and an update that only brings a newer runner changes that one
line. Refuses to vouch for anything: whoever can write the file can write the hash too. What may run is
decided by the whole file's id alone (`core/preflight`).
"""

from __future__ import annotations

import difflib
import hashlib
import re
from typing import Final

from patch_app.core.model import Model

_RUNNER: Final = "@RUNNER_COMMIT@"
_REST: Final = "@OTHER_LINES@"
_STAMP = re.compile(
    rb'^  PATCH_APP_RUNNER: "([0-9a-f]{40})" # sha256 of the other lines: ([0-9a-f]{64})\n', re.M
)
# a difference longer than this is not read by anybody
MOST_LINES: Final = 60


class Footprint(Model):
    """A workflow file with our line in it."""

    runner: str
    # nobody changed the other lines since we wrote them
    intact: bool


def stamped(template: str, runner: str) -> bytes:
    """The file with the runner's id and the hash filled in. Raises ValueError where there is no place for
    them.
    """
    for name in (_RUNNER, _REST):
        if template.count(name) != 1:
            raise ValueError(f"the workflow template lacks {name}, or has it twice")
    lines = template.splitlines(keepends=True)
    rest = "".join(line for line in lines if _RUNNER not in line)
    out = template.replace(_RUNNER, runner).replace(_REST, hashlib.sha256(rest.encode()).hexdigest()).encode()
    if recognise(out) != Footprint(runner=runner, intact=True):
        raise ValueError("the workflow template's line with the runner has another form")
    return out


def recognise(content: bytes) -> Footprint | None:
    """What a file says of itself; None where our line is not there once."""
    found = _STAMP.findall(content)
    if len(found) != 1:
        return None
    runner, told = found[0]
    rest = hashlib.sha256(_STAMP.sub(b"", content)).hexdigest()
    return Footprint(runner=runner.decode(), intact=rest == told.decode())


def difference(wanted: bytes, there: bytes) -> str:
    """What somebody changed, as a unified diff; the line with the runner aside, cut where it is long."""
    old, new = (_STAMP.sub(b"", one).decode("utf-8", "replace").split("\n") for one in (wanted, there))
    lines = list(difflib.unified_diff(old, new, "as installed", "as it is", lineterm="", n=1))
    more = len(lines) - MOST_LINES
    return "\n".join(lines[:MOST_LINES] + ([f"... and {more} more lines"] if more > 0 else []))
