"""Histories as values: trees in memory, written to real repositories by `git fast-import`, and strategies for
them.

A history is a list of commits with the numbers of their parents, so that merges need nothing new here.
Nothing below knows how the runner works.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runner_world import Repo, World

from patch_app.core.report import Report
from patch_app.runner.git import Git
from patch_app.runner.job import Runner
from patch_app.runner.records import Request
from patch_app.runner.workspace import Workspace

FILE, PROGRAM, LINK, MODULE = "100644", "100755", "120000", "160000"
FIRST_DAY = 1_700_000_000
AUTHOR = b"A U Thor <author@example.org>"
UPSTREAM, FORK = b"Upstream Person <up@example.org>", b"Fork Person <fork@example.org>"


class Entry(NamedTuple):
    """What a tree has at a path; a module's content is the id in hex."""

    mode: str
    content: bytes


State = Mapping[bytes, Entry]


def file(content: str | bytes) -> Entry:
    return Entry(FILE, content if isinstance(content, bytes) else content.encode())


def program(content: str | bytes) -> Entry:
    return Entry(PROGRAM, file(content).content)


def link(target: str) -> Entry:
    return Entry(LINK, target.encode())


def module(number: int) -> Entry:
    return Entry(MODULE, b"%040x" % number)


class Made(NamedTuple):
    """A commit to be written. `parents` are places in its history; None stands for the one before."""

    state: State
    message: bytes = b"a change\n"
    author: bytes = AUTHOR
    committer: bytes = UPSTREAM
    encoding: bytes | None = None
    parents: tuple[int, ...] | None = None


def quoted(path: bytes) -> bytes:
    """A path as fast-import reads any bytes."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'


def stream(history: Sequence[Made], ref: str, first_day: int) -> bytes:
    """The whole history for fast-import; every commit is a minute later than the last."""
    rows: list[bytes] = []
    for number, commit in enumerate(history):
        when = b" %d +0000\n" % (first_day + 60 * number)
        parents = commit.parents if commit.parents is not None else ((number - 1,) if number else ())
        rows += [b"commit %s\nmark :%d\nauthor " % (ref.encode(), number + 1), commit.author, when]
        rows += [b"committer ", commit.committer, when]
        rows += [b"encoding %s\n" % commit.encoding] if commit.encoding else []
        rows += [b"data %d\n" % len(commit.message), commit.message, b"\n"]
        rows += [b"from :%d\n" % (parent + 1) for parent in parents[:1]]
        rows += [b"merge :%d\n" % (parent + 1) for parent in parents[1:]]
        rows.append(b"deleteall\n")
        for path, (mode, content) in commit.state.items():
            if mode == MODULE:
                rows.append(b"M %s %s %s\n" % (mode.encode(), content, quoted(path)))
            else:
                rows += [b"M %s inline %s\ndata %d\n" % (mode.encode(), quoted(path), len(content)), content]
                rows.append(b"\n")
    return b"".join(rows)


class Plan(NamedTuple):
    """Upstream's history and the fork's. Both begin with the same `shared` commits."""

    shared: tuple[Made, ...]
    upstream: tuple[Made, ...]
    stack: tuple[Made, ...]


def plan(before: State, stack: Sequence[State], upstream: Sequence[State]) -> Plan:
    """A plan of one shared commit, where the messages don't matter."""

    def named(states: Sequence[State], word: str) -> tuple[Made, ...]:
        return tuple(Made(state, b"%s %d\n" % (word.encode(), n)) for n, state in enumerate(states))

    return Plan(named([before], "first"), named(upstream, "upstream"), named(stack, "ours"))


class Rebased(NamedTuple):
    """What `git rebase` made of the stack: the tree it got to, and the commit it stopped at, if it did."""

    tree: str
    stopped: str | None


class Carried(NamedTuple):
    """A report, and the trees that were carried: the release's first, then one for each patch.

    `commits` are the new commits' own bytes.
    """

    report: Report
    trees: tuple[str, ...]
    states: tuple[State, ...]
    commits: tuple[bytes, ...]


class Stage:
    """Two repositories with a plan's histories, and two ways to bring the stack onto the release."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.world = World(directory)
        self.world.fork.init()
        # the fork's committer is another, or a patch that upstream took as it was could have the same id
        stack = [commit._replace(committer=FORK) for commit in plan.stack]
        shared = len(plan.shared)
        history = record(self.world.upstream, [*plan.shared, *plan.upstream])
        self.base, self.target = history[shared - 1], history[-1]
        self.stack = record(self.world.fork, [*plan.shared, *stack])[shared:]

    def request(self) -> Request:
        return self.world.request(stack=self.stack[-1], target=self.target)

    def carry(self, extra_config: str = "") -> Carried:
        """Carries, and reads the trees while the workspace is there."""
        urls = (self.world.fork.path.as_uri(), self.world.upstream.path.as_uri())
        parent = str(self.world.tmp)
        with Workspace(*urls, protocols=("file",), parent=parent, extra_config=extra_config) as workspace:
            runner = Runner(workspace, self.request(), with_bundle=False)
            report = Report.model_validate(runner.run().report)
            assert report.error is None, report.error
            repository = runner.repository
            assert repository is not None
            commits = [self.target, *(patch.new or "" for patch in report.patches)]
            asked = "".join(f"{sha}^{{tree}}\n" for sha in commits if sha).encode()
            told = iter(repository.line("cat-file", "--batch-check=%(objectname)", stdin=asked).split())
            trees = [next(told)]
            for sha in commits[1:]:
                trees.append(next(told) if sha else trees[-1])
            by_tree = {tree: read(repository, tree) for tree in dict.fromkeys(trees)}
            raw = objects(repository, [sha for sha in commits[1:] if sha])
            return Carried(report, tuple(trees), tuple(by_tree[tree] for tree in trees), tuple(raw.values()))

    def rebase(self) -> Rebased:
        """The oracle, in a work tree."""
        clone = Repo(self.world.tmp / "oracle", self.world.fork.config)
        clone.init(self.world.upstream, self.world.fork)
        clone.git("checkout", "-q", "--detach", self.stack[-1])
        clone.git(
            "rebase", "-q", "--reapply-cherry-picks", "--empty=drop", "--keep-empty",
            "--onto", self.target, self.base, ok=(0, 1),
        )  # fmt: skip
        begun, tree = clone.path / ".git/rebase-merge", clone.rev("HEAD^{tree}")
        if not begun.exists():
            return Rebased(tree, None)
        told = (begun / "stopped-sha").read_text().strip()
        return Rebased(tree, next(sha for sha in self.stack if sha.startswith(told)))


def record(repo: Repo, history: Sequence[Made]) -> list[str]:
    """Writes a history to the branch `main`; gives its commits' ids."""
    marks = repo.path / ".git/marks"
    done = subprocess.run(
        ["git", "fast-import", "--quiet", "--date-format=raw-permissive", f"--export-marks={marks}"],
        cwd=repo.path, env=repo.environment(), input=stream(history, "refs/heads/main", FIRST_DAY),
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found = dict(line.split() for line in marks.read_text().splitlines())
    return [found[f":{number + 1}"] for number in range(len(history))]


def read(repository: Git, tree: str) -> State:
    """A tree as a value."""
    listing = repository.run("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")[:-1]
    entries = [(row.partition(b"\t")[2], *row.partition(b"\t")[0].decode().split()) for row in listing]
    contents = objects(repository, [oid for _, _, kind, oid in entries if kind == "blob"])
    return {path: Entry(mode, contents.get(oid, oid.encode())) for path, mode, _, oid in entries}


def objects(repository: Git, names: Sequence[str]) -> dict[str, bytes]:
    """Contents by id."""
    out = repository.run("cat-file", "--batch", stdin="".join(name + "\n" for name in names).encode())
    found: dict[str, bytes] = {}
    for name in names:
        heading, _, out = out.partition(b"\n")
        size = int(heading.split()[2])
        found[name], out = out[:size], out[size + 1 :]
    return found
