"""`patch-app serve` under a supervisor that starts it anew whenever it is killed, and killed it is.

The child ends itself by SIGKILL once at each effect boundary: just before the effect is carried out, or
after it was carried out and before its outcome is stored. Which were hit is kept in a file, since
nothing else survives. The supervisor forks after the imports, so that a start costs little.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from patch_app import serve, settings
from patch_app.core.effects import key
from patch_app.engine import assemble
from patch_app.github.perform import Performer

# seconds that a begun effect is left alone; production waits longer for GitHub's lists
SETTLE = 0.2
# far more deaths than there are boundaries mean that the story goes in circles
MOST = 150


def main() -> int:
    """Serve until a signal other than our own SIGKILL ends the child."""
    for _ in range(MOST):
        child = os.fork()
        if child == 0:
            _serve()
        signal.signal(signal.SIGTERM, lambda *_, child=child: os.kill(child, signal.SIGTERM))
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return os.waitstatus_to_exitcode(status)
    sys.stderr.write("killed too often\n")
    return 1


def _serve() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    real = Performer.perform
    boundaries = Boundaries(Path(os.environ["KILLED"]), os.environ["KILL"])

    async def perform(self: Performer, attempt: Any, effect: Any, *, again: bool) -> Any:
        name = f"{attempt.tag} {effect.kind} {getattr(effect, 'purpose', '')} {key(effect)}"
        boundaries.reached("before", name)
        outcome = await real(self, attempt, effect, again=again)
        boundaries.reached("after", name)
        return outcome

    Performer.perform = perform  # type: ignore[method-assign]
    assemble.engine = functools.partial(assemble.engine, settle=SETTLE)  # type: ignore[assignment]
    os._exit(serve.serve(settings.load()))


class Boundaries:
    """Ends this process where a boundary is reached for the first time. `when`: which side counts."""

    def __init__(self, file: Path, when: str) -> None:
        self._file = file
        self._when = when

    def reached(self, when: str, name: str) -> None:
        line = f"{when} {name}\n"
        known = self._file.read_text() if self._file.exists() else ""
        if when != self._when or line in known:
            return
        with self._file.open("a") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
