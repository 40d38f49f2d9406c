"""Bench: what a carry costs, beside a full clone with a rebase and a shallow clone with a rebase.

    uv run python tests/bench/carry.py           # some minutes; writes the page and the plot
    uv run python tests/bench/carry.py --quick   # fewer commits and rows, writes nothing
    uv run python tests/bench/carry.py --history DIRECTORY   # keeps the history there for the next run

Makes a history on the scale of a real project, serves it over smart HTTP on loopback with 30 ms added to
each request and twice that to each connection, and runs the ways side by side. Trees are compared, figures
are printed beside their bars. No test: it ends with 1 where a tree differs, and with 0 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import history as made
from history import BEHIND, FAR_BEHIND, FILES, Fork, History, git, needed
from plot import Panel, svg
from ways import ROOT, Bench, Way, behind

sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))
from git_http import GitServer, serving

from patch_app.runner.attribution import Attribution
from patch_app.runner.git import Git
from patch_app.runner.job import Runner
from patch_app.runner.records import Request
from patch_app.runner.workspace import Workspace

LATENCY = 0.03
PAGE = ROOT / "docs" / "reference" / "performance.md"
PLOT = ROOT / "docs" / "images" / "carry.svg"
HEADER = (
    "| | MB down | MB up | requests | seconds | of it applying | disk MB | memory MB | times needed |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Bar(NamedTuple):
    """A figure that the issue sets a limit to."""

    what: str
    limit: str
    found: str
    met: bool


class Page:
    """Collects the page's lines, and prints each as soon as it is known."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bars: list[Bar] = []
        self.same = True

    def say(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)

    def title(self, name: str, words: str) -> None:
        self.say(f"\n## {name}\n\n{words}\n")

    def row(self, way: Way, size: int, name: str = "") -> None:
        applying = f"{way.part:.2f}"
        self.say(
            f"| {name or way.name} | {way.received / 1e6:.2f} | {way.sent / 1e6:.2f} | {way.requests} "
            f"| {way.seconds:.2f} | {applying} | {way.disk / 1e6:.1f} | {way.memory / 1e6:.0f} "
            f"| {way.received / size:.1f} |"
        )

    def bar(self, what: str, limit: float, found: float, unit: str = "", *, least: bool = False) -> None:
        met = found >= limit if least else found <= limit
        words = f"at {'least' if least else 'most'} {limit:g}{unit}"
        self.bars.append(Bar(what, words, f"{found:.2f}".rstrip("0").rstrip(".") + unit, met))

    def judged(self) -> str:
        """The bars as a table."""
        rows = [
            f"| {bar.what} | {bar.limit} | {bar.found} | {'met' if bar.met else 'missed'} |"
            for bar in self.bars
        ]
        head = "\n## Bars\n\nWhat was asked for, and what this run found.\n"
        return "\n".join([head, "| what | bar | found | |", "| --- | --- | ---: | --- |", *rows])

    def compare(self, *ways: Way) -> None:
        if len({way.tree for way in ways}) != 1 or ways[0].tree is None:
            self.same = False
            self.say("\nTREES DIFFER: " + ", ".join(f"{way.name} {way.tree}" for way in ways))


def six(bench: Bench, page: Page) -> list[Way]:
    """Six patches: three ways, then ours in other situations."""
    history = bench.history
    fork, target = history.six, history.target
    size = needed(history, fork, target).size
    page.title(
        f"{fork.patches} patches, {BEHIND} upstream commits",
        f"Needed at least: {size / 1e6:.3f} MB (commits of stack, base and target, trees on the way to "
        "touched paths, blobs that merges read). All ways end with a push; ours pushes the report "
        "and the bundle.",
    )
    page.say(HEADER)
    full = bench.rebase(fork, target, shallow=False)
    page.row(full, size)
    shallow = bench.rebase(fork, target, shallow=True)
    page.row(shallow, size)
    ours = bench.ours(fork, target)
    page.row(ours, size, "patch_app, base known")
    page.bar("bytes of those needed, base known", 2, ours.received / size, " times")
    page.bar("requests, base known", 6, ours.requests)
    page.bar("times faster than the full clone", 8, full.seconds / ours.seconds, least=True)
    moved = bench.ours(fork, history.moved)
    page.row(moved, needed(history, fork, history.moved).size, "patch_app, four patched files moved")
    page.bar("requests, upstream moved patched files", 8, moved.requests)
    page.compare(moved, bench.rebase(fork, history.moved, shallow=True))
    more = needed(history, fork, target, behind(history, fork)).size
    preview = bench.preview(fork)
    page.row(preview, more, "preview by URLs, base unknown")
    page.bar("bytes of those needed, preview", 3, preview.received / more, " times")
    apart = bench.ours(history.apart, target, bundle_from="base")
    page.row(apart, size, "patch_app, fork lacks the release")
    page.bar(
        "full clone's bytes over ours, fork lacks the release", 5, full.received / apart.received, least=True
    )
    page.compare(full, shallow, ours, preview, apart)
    page.say(
        "\nFor the preview upstream's commits count as needed, since it says how far the fork is behind. "
        "Where the fork lacks the release, the bundle holds all that upstream did since the base."
    )
    return [full, shallow, ours]


def long_stacks(bench: Bench, page: Page) -> None:
    """Fifty, a hundred and two hundred patches, beside a rebase of the same in a work tree."""
    history = bench.history
    page.title("Long stacks", "The same base and target; each patch changes four large files and adds one.")
    page.say(HEADER)
    pace: dict[int, float] = {}
    for fork in (history.fifty, history.hundred, history.two_hundred):
        size = needed(history, fork, history.target).size
        rebase = bench.rebase(fork, history.target, shallow=True)
        ours = bench.ours(fork, history.target)
        page.row(rebase, size, f"{fork.patches} patches: {rebase.name}")
        page.row(ours, size, f"{fork.patches} patches: patch_app")
        page.compare(rebase, ours)
        pace[fork.patches] = ours.part / fork.patches
    page.bar(
        "seconds of 200 patches, of a shallow clone's with rebase", 1, ours.seconds / rebase.seconds, " times"
    )
    page.bar("applying 200 patches, of the rebase alone", 1, ours.part / rebase.part, " times")
    page.bar("seconds a patch among 200, of those among 50", 1.5, pace[200] / pace[50], " times")


class Count:
    """What attribution did: merges a patch, fetches and bytes of all."""

    def __init__(self) -> None:
        self.merges: list[int] = []
        self.fetches: list[int] = []
        self.received = 0
        self.seconds = 0.0
        self._inside = False

    @contextmanager
    def counting(self, server: GitServer) -> Iterator[None]:
        first, result = Attribution.first, Git.result

        def counted(this: Attribution, *arguments: Any) -> Any:
            self.merges.append(0)
            self.fetches.append(0)
            before, began, self._inside = server.sent, time.monotonic(), True
            try:
                return first(this, *arguments)
            finally:
                self._inside = False
                self.received += server.sent - before
                self.seconds += time.monotonic() - began

        def watched(this: Git, *arguments: str, **options: Any) -> Any:
            if self._inside:
                self.merges[-1] += "merge-tree" in arguments
                self.fetches[-1] += "fetch" in arguments
            return result(this, *arguments, **options)

        with mock.patch.object(Attribution, "first", counted), mock.patch.object(Git, "result", watched):
            yield


def attribution(bench: Bench, page: Page) -> None:
    """Four patches that conflict, each with another one of a thousand upstream commits."""
    history, fork = bench.history, bench.history.conflicting
    count = Count()
    upstream = bench.url(history.upstream)
    with Workspace(bench.url(fork.path), upstream) as workspace, count.counting(bench.server):
        report = Runner(workspace, request(fork, history.target, upstream)).run().report
    notes = [patch["note"] or "" for patch in report["patches"]]
    right = [commit[:10] in note for commit, note in zip(history.broken, notes, strict=True)]
    page.same = page.same and all(right)
    page.title(
        "Attribution",
        f"{fork.patches} patches that conflict, each since another one of {FAR_BEHIND:,} upstream commits; "
        f"{sum(right)} were traced to the commit that the history was made with.",
    )
    page.say("| patch | merges | fetches |\n| --- | ---: | ---: |")
    for number, pair in enumerate(zip(count.merges, count.fetches, strict=True), 1):
        page.say(f"| {number} | {pair[0]} | {pair[1]} |")
    page.say(
        f"\n{count.received / 1e6:.2f} MB and {count.seconds:.2f} s for all. The first fetches upstream's "
        "commits, then their trees; each fetches the versions of its own files."
    )
    page.bar("merges a patch, attribution", 12, max(count.merges))
    page.bar("fetches a patch, attribution", 3, max(count.fetches))


def request(fork: Fork, target: str, upstream: str) -> Request:
    """What the carry job is asked for, base known."""
    return Request(
        attempt="attribution", branch="main", stack=fork.head, base=fork.base, target_name="v2",
        target=target, upstream=upstream, bundle_from="target", date=1_760_000_000, installed_paths=(),
        installed_trailer="Patch-App-Installed: true", checks=(), resolutions=None,
    )  # fmt: skip


def opening(history: History) -> str:
    """The page's first lines."""
    version = git(history.root, "version").decode().strip()
    return f"""\
# What a carry costs

    uv run python tests/bench/carry.py        # this page, and the plot in the README

A made-up project of {FILES:,} files and {history.commits:,} commits, served over smart HTTP on loopback with
{LATENCY * 1000:.0f} ms added to each request and twice that to each connection. It has as many files and
commits as the fork of Codex on which the bars were set, and a full clone is about as large as the 98.3 MB of
that one. Text and messages compress as source code does, and few of the files change often. It is no real
history: a single line without merges and renames, its files changed in random places.

All ways run side by side in one run, each once, with {version}, Python {platform.python_version()},
{os.cpu_count()} cores that the server shares. A full clone is what `actions/checkout` with `fetch-depth: 0`
makes; both clones are followed by a fetch of upstream's tag, `git rebase` in the work tree and a push. The
runner compiles itself each time, as on a fresh machine. Bytes are bodies as the server counts them; memory is
that of the largest process; "needed" is the packed size of the objects that can't be done without. All ways
end with the same tree, or the bench fails. Machines differ and other work slows them down: compare
within a table."""


def drawn(ways: list[Way], history: History) -> str:
    """The plot of the three ways."""
    names = ["full clone, rebase", "shallow clone, rebase", "patch_app"]
    mine = [False, False, True]
    return svg(
        f"{history.six.patches} patches onto a release {BEHIND} commits later",
        f"{FILES:,} files, {history.commits:,} commits, 30 ms a request, logarithmic scales. "
        "Figures and their command: docs/reference/performance.md",
        [
            Panel(
                "Received",
                list(zip(names, [way.received / 1e6 for way in ways], mine, strict=True)),
                lambda value: f"{value:.3g} MB",
            ),
            Panel(
                "Time",
                list(zip(names, [way.seconds for way in ways], mine, strict=True)),
                lambda value: f"{value:.3g} s",
            ),
        ],
    )


def written(page: Page, ways: list[Way], history: History) -> None:
    """Writes the page and the plot, unless trees differ."""
    if page.same:
        PAGE.write_text("\n".join([*page.lines, page.judged()]) + "\n", encoding="utf-8")
        PLOT.write_text(drawn(ways, history), encoding="utf-8")


def prepared(root: Path, older: int) -> History:
    """The history, as it was kept or made now."""
    if not (root / made.NOTES).exists():
        subprocess.run([sys.executable, made.__file__, str(root), str(older)], check=True)
    return made.load(root)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a carry costs, beside a clone with a rebase.")
    parser.add_argument("--quick", action="store_true", help="fewer commits and rows; writes nothing")
    parser.add_argument("--history", help="a directory to keep the history in")
    given = parser.parse_args()
    page = Page()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(given.history or directory).resolve()
        history = prepared(root, 300 if given.quick else made.OLDER)
        with serving(history.root, LATENCY) as server:
            bench = Bench(history, server)
            page.say(opening(history))
            ways = six(bench, page)
            attribution(bench, page)
            if not given.quick:
                written(page, ways, history)  # what is known already, should the rest be stopped
                long_stacks(bench, page)
                written(page, ways, history)
        print(page.judged())
    return 0 if page.same else 1


if __name__ == "__main__":
    sys.exit(main())
