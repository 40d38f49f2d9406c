"""Runs one configured check on the carried tree, in a job without write permission.

The tree and the command are foreign: what they print is data, and nothing here trusts their result beyond it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from typing import IO, Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence

from . import diff, processes
from .git import Git, kill_group
from .records import GITLINK, Check, Problem

HEAD = 8_000  # bytes of a log that are kept from its start
TAIL = 32_000  # and from its end, where errors usually are
GRACE = 5.0  # seconds between SIGTERM and SIGKILL

HIDDEN_PREFIXES = ("PATCH_APP_", "GIT_", "ACTIONS_", "INPUT_")
HIDDEN = frozenset(
    [
        "GITHUB_TOKEN",
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_EVENT_PATH",
    ]
)


class Outcome(NamedTuple):
    """How a check ended: exit status (negative for a signal), seconds, whether time was up, bounded log."""

    exit: int
    seconds: float
    timed_out: bool
    log: str


class Log:
    """Keeps the head and the tail of an output, in bytes."""

    def __init__(self, head: int = HEAD, tail: int = TAIL) -> None:
        self._head_limit = head
        self._tail_limit = tail
        self._head = b""
        self._tail = b""
        self._total = 0

    def add(self, chunk: bytes) -> None:
        """Takes the next part of the output."""
        self._total += len(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail = (self._tail + chunk)[-self._tail_limit :]

    def text(self) -> str:
        """Head and tail with a line in between that says how much was left out."""
        left_out = self._total - len(self._head) - len(self._tail)
        between = b"\n[%d bytes left out]\n" % left_out if left_out else b""
        return (self._head + between + self._tail).decode("utf-8", "replace").replace("\0", "\ufffd")


def environment(given: Mapping[str, str]) -> Dict[str, str]:
    """The job's environment without what is ours or a credential's."""
    return {
        name: value
        for name, value in given.items()
        if not name.startswith(HIDDEN_PREFIXES) and name not in HIDDEN
    }


def run(
    check: Check,
    directory: str,
    given: Mapping[str, str],
    echo: Optional[Callable[[bytes], None]] = None,
    clock: Callable[[], float] = time.monotonic,
    *,
    extra: Optional[Mapping[str, str]] = None,
) -> Outcome:
    """Runs the check's command in a shell that stops at the first failure. It gets `extra` as well.

    When time is up, or the command has ended, everything that it started is ended, see processes.py.

    Raises:
        Problem: with stage `checks` where its working directory isn't in the tree.
    """
    where = os.path.join(directory, check.working_directory)
    inside = os.path.realpath(where)
    if not os.path.isdir(inside) or not (inside + os.sep).startswith(os.path.realpath(directory) + os.sep):
        part = "the part of the candidate that `sparse` asks for" if check.sparse else "the candidate"
        raise Problem(
            "checks", "check %s: %s has no directory %s" % (check.name, part, check.working_directory)
        )
    shell = shutil.which("bash")
    command = [shell, "--noprofile", "--norc", "-eo", "pipefail", "-c"] if shell else ["/bin/sh", "-e", "-c"]
    began = clock()
    log = Log()
    with (
        processes.adopting() as before,
        subprocess.Popen(
            [*command, check.run],
            cwd=inside,
            env={**environment(given), **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - asked for above
        reader = threading.Thread(target=_read, args=(process.stdout, log, echo), daemon=True)
        reader.start()
        try:
            timed_out = _wait(process, check.timeout, before)
        finally:
            # What the command left in the background holds the pipe open and has no business going on.
            kill_group(process.pid)
            if not processes.end_all(before, process.pid):
                log.add(b"\n[processes that it started go on, new ones come faster than they can be ended]\n")
        reader.join(GRACE)
    return Outcome(process.returncode, clock() - began, timed_out, log.text())


def _wait(process: subprocess.Popen[bytes], timeout: float, before: FrozenSet[int]) -> bool:
    """Whether time was up. Then all that it started is asked to end, and the command itself is ended."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        try:
            if not processes.signal_all(before, signal.SIGTERM):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(GRACE)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            kill_group(process.pid)
            process.wait()
        return True
    return False


def _read(stream: IO[bytes], log: Log, echo: Optional[Callable[[bytes], None]]) -> None:
    while True:
        try:
            chunk = os.read(stream.fileno(), 1 << 16)
        except (OSError, ValueError):
            return  # closed while we were reading
        if not chunk:
            return
        log.add(chunk)
        if echo is not None:
            echo(chunk)


def as_entry(check: Check, outcome: Outcome, artifacts: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """The check's entry of a report. A check that ran out of time never counts as passed."""
    return {
        "name": check.name,
        "exit": outcome.exit if outcome.exit or not outcome.timed_out else 124,
        "seconds": round(outcome.seconds, 3),
        "timed_out": outcome.timed_out,
        "log_tail": outcome.log,
        "artifacts": artifacts,
    }


def materialise(repository: Git, sha: str, directory: str, sparse: Sequence[str] = ()) -> None:
    """Writes the tree of `sha` as a work tree with a repository of its own, detached at `sha`.

    With `sparse` only these directories and the files directly in those above them, as Git's sparse checkout
    has it: for Git the others are left out on purpose, not deleted.
    No filter and no hook of the repository can run: they'd need configuration, and there is none.
    Raises GitError.
    """
    os.makedirs(directory)
    git_dir = os.path.join(directory, ".git")
    inner = Git(git_dir, repository.environment, repository.scrub, repository.timeout)
    object_format = "sha256" if len(sha) == 64 else "sha1"
    inner.run("init", "-q", "--template=", "--object-format=" + object_format, directory)
    with open(os.path.join(inner.directory, "objects", "info", "alternates"), "w", encoding="utf-8") as file:
        file.write(os.path.join(repository.directory, "objects") + "\n")
    shallow = os.path.join(repository.directory, "shallow")
    if os.path.exists(shallow):
        shutil.copyfile(shallow, os.path.join(inner.directory, "shallow"))
    inner.work_tree = directory
    inner.run("update-ref", "--no-deref", "HEAD", sha)
    if sparse:
        # one a line, quoted as C does it where it begins with a quote
        folders = "".join('"%s"\n' % path.replace("\\", "\\\\").replace('"', '\\"') for path in sparse)
        inner.run("sparse-checkout", "set", "--cone", "--stdin", stdin=folders.encode())
        inner.run("read-tree", "-m", "-u", sha)
        return
    inner.run("read-tree", sha)
    inner.run("checkout-index", "-a", "-f", "-q")


def missing_blobs(repository: Git, sha: str, sparse: Sequence[str] = ()) -> List[str]:
    """Blobs that `materialise` needs and that are not at hand. Raises GitError."""
    listed = diff.list_tree(repository, sha)
    wanted = {oid for mode, oid, path in listed if mode != GITLINK and is_wanted(path, sparse)}
    return sorted(wanted - set(repository.objects()))


def is_wanted(path: bytes, sparse: Sequence[str]) -> bool:
    """Whether a file is in one of the directories, or directly in one above them; all are without any."""
    above = path.rpartition(b"/")[0] + b"/"
    return not sparse or any(
        above == b"/" or path.startswith(folder) or folder.startswith(above)
        for folder in (one.encode() + b"/" for one in sparse)
    )
