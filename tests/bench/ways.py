"""The ways to carry a stack that the benches put side by side, each as processes of its own.

What a way receives and sends is counted by the server that it talks to, and so are its requests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from history import Fork, History, environment, git

sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))
from git_http import GitServer

ROOT = Path(__file__).parents[2]
REBASE = ("rebase", "-q", "--reapply-cherry-picks", "--empty=drop", "--keep-empty")


class Way(NamedTuple):
    """One way's figures: bytes of bodies, seconds, bytes on disk and in the largest process's memory.

    `part` are the seconds of applying patches alone. `tree` is what came out, None for a conflict.
    """

    name: str
    received: int
    sent: int
    requests: int
    seconds: float
    part: float
    disk: int
    memory: int
    tree: str | None
    report: dict[str, Any]


MEASURED = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command and notes the memory of its largest process: one that the bench itself started would
count the bench's own memory, which it has until it becomes the command (getrusage(2))."""


class Meter:
    """Runs commands below a directory of their own and measures them together."""

    def __init__(self, server: GitServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.memory = 0
        self.disk = 0
        self.part = 0.0
        self._done = threading.Event()

    def run(
        self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> float:  # fmt: skip
        """Seconds that a command took. Raises RuntimeError where its status isn't in `ok`."""
        began = time.monotonic()
        figures = self.directory.parent / "figures"
        with (self.directory.parent / "output").open("wb") as out:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", MEASURED, str(figures), *command],
                cwd=cwd or self.directory, env=env or environment(), stdin=subprocess.DEVNULL, stdout=out,
                check=False,
            )  # fmt: skip
        if done.returncode not in ok:
            raise RuntimeError(f"{command} ended with {done.returncode}: {self._said()}")
        self.memory = max(self.memory, int(figures.read_text()) * 1024)
        return time.monotonic() - began

    def _said(self) -> str:
        return (self.directory.parent / "output").read_text(errors="replace")[-2000:]

    @contextmanager
    def measuring(self) -> Iterator[list[tuple[int, int, int, float]]]:
        """While it is open, disk use is looked at now and then. Gives the sums at its end."""
        server, sums = self.server, list[tuple[int, int, int, float]]()
        before, began = (server.sent, server.received, server.requests), time.monotonic()
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield sums
            after = (server.sent, server.received, server.requests)
            sent, received, requests = (new - old for new, old in zip(after, before, strict=True))
            sums.append((sent, received, requests, time.monotonic() - began))
        finally:
            self._done.set()
            thread.join()

    def _look(self) -> None:
        last, took = False, 0.0
        while not last:
            # ten times a second, but never a twentieth of a core: that would slow down who has many files
            last = self._done.wait(max(0.1, 20 * took))
            began = time.monotonic()
            self.disk = max(self.disk, size(self.directory))
            took = time.monotonic() - began


def size(directory: Path) -> int:
    """Bytes of all files below a directory, while others may write and remove there."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - thousands of files
            except FileNotFoundError:
                continue
    return total


class Bench:
    """Runs ways over one history and server; each leaves nothing behind but its figures."""

    def __init__(self, history: History, server: GitServer) -> None:
        self.history = history
        self.server = server
        self._number = 0

    def url(self, repository: Path) -> str:
        """Where the server has a repository."""
        return f"{self.server.url}/{repository.relative_to(self.history.root)}"

    @contextmanager
    def _meter(self) -> Iterator[Meter]:
        self._number += 1
        place = Path(tempfile.mkdtemp(prefix="way-", dir=self.history.root))
        (place / "temp").mkdir()
        try:
            yield Meter(self.server, place / "temp")
        finally:
            shutil.rmtree(place)

    def rebase(self, fork: Fork, target: str, *, shallow: bool) -> Way:
        """Clone, upstream's tag, rebase in the work tree, push: what people put into a workflow."""
        tag = "v2" if target == self.history.target else "v2-moved"
        depth = [f"--depth={fork.patches + 1}"] if shallow else []
        with self._meter() as meter:
            work = meter.directory / "work"
            with meter.measuring() as sums:
                meter.run("git", "clone", "-q", *depth, self.url(fork.path), str(work))
                one = ["--depth=1"] if shallow else []
                spec = f"refs/tags/{tag}:refs/upstream/{tag}"
                meter.run("git", "fetch", "-q", *one, self.url(self.history.upstream), spec, cwd=work)
                onto = ["--onto", f"refs/upstream/{tag}", fork.base]
                meter.part = meter.run("git", *REBASE, *onto, cwd=work, ok=(0, 1))
                done = not (work / ".git" / "rebase-merge").exists()
                if done:
                    self._push(meter, work, shallow)
            self._forget(fork, f"refs/heads/carried-{self._number}")
            tree = git(work, "rev-parse", "HEAD^{tree}").decode().strip() if done else None
        name = "shallow clone, rebase" if shallow else "full clone, rebase"
        return Way(name, *sums[0], meter.part, meter.disk, meter.memory, tree, {})

    def _push(self, meter: Meter, work: Path, shallow: bool) -> None:
        # a shallow clone's push is refused where the server doesn't know that it has the target
        meter.run(
            "git", "push", "-q", "origin", f"HEAD:refs/heads/carried-{self._number}", cwd=work,
            ok=(0, 1) if shallow else (0,),
        )  # fmt: skip

    def _forget(self, fork: Fork, ref: str) -> None:
        """Takes away what a way pushed, so that the next one meets the same fork."""
        git(fork.path, "update-ref", "-d", ref)
        git(fork.path, "prune")

    def ours(self, fork: Fork, target: str, *, base: bool = True, bundle_from: str = "target") -> Way:
        """The workflow's carry job, from its request to the push of report and bundle."""
        with self._meter() as meter:
            attempt = f"bench{self._number:05d}"
            request = {
                "schema": 1,
                "attempt": attempt,
                "stack": {"branch": "main", "sha": fork.head},
                "base": fork.base if base else None,
                "target": {"name": "v2", "sha": target},
                "upstream": self.url(self.history.upstream),
                "bundle_from": bundle_from,
                "date": 1_760_000_000,
                "installed_paths": [".github/workflows/patch-maintenance.yml", ".github/patch-app.toml"],
                "app": 7,
                "installed_trailer": "Patch-App-Installed: true",
                "checks": [],
                "merges": "flatten",
                "strategy": "rebase",
                "start": None,
                "pushed": None,
                "ahead": fork.patches if base else None,
                "resolutions": None,
            }
            job = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PYTHONPYCACHEPREFIX": str(meter.directory / "compiled"),  # a runner has nothing compiled
                "RUNNER_TEMP": str(meter.directory),
                "PATCH_APP_ATTEMPT": attempt,
                "PATCH_APP_REQUEST": json.dumps(request),
                "GITHUB_SERVER_URL": self.server.url,
                "GITHUB_REPOSITORY": str(fork.path.relative_to(self.history.root)),
            }
            with meter.measuring() as sums:
                meter.run(sys.executable, "-B", "-m", "patch_app.runner", "carry", env=job)
            inbox = f"refs/patch-app/inbox/{attempt}/1"
            report = json.loads(git(fork.path, "cat-file", "blob", inbox + ":report.json"))
            self._forget(fork, inbox)
        return self._way("patch_app", sums[0], meter, report)

    def preview(self, fork: Fork) -> Way:
        """`patch-app preview` by URLs: base and tag unknown, nothing pushed."""
        with self._meter() as meter:
            urls = [self.url(fork.path), "--upstream", self.url(self.history.upstream)]
            command = ["preview", *urls, "--branch", "main", "--onto", "v2", "--json"]
            known = {"PATH": os.environ["PATH"], "TMPDIR": str(meter.directory), "HOME": "/nonexistent"}
            with meter.measuring() as sums:
                meter.run(
                    sys.executable, "-B", "-m", "patch_app", *command,
                    env={**known, "PYTHONPATH": str(ROOT)}, ok=(0, 1),
                )  # fmt: skip
            report = json.loads((meter.directory.parent / "output").read_bytes())
        return self._way("preview", sums[0], meter, report)

    def _way(self, name: str, sums: tuple[int, int, int, float], meter: Meter, report: dict[str, Any]) -> Way:
        if report["error"]:
            raise RuntimeError(f"{name}: {report['error']}")
        candidate = report["candidate"]
        part = report["seconds"]["carry"]
        tree = candidate["tree"] if candidate else None
        return Way(name, *sums, part, meter.disk, meter.memory, tree, report)


def behind(history: History, fork: Fork) -> list[str]:
    """Upstream's commits between a fork's base and the target."""
    return git(history.everything, "rev-list", f"{fork.base}..{history.target}").decode().split()
