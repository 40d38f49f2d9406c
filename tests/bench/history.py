"""A made-up upstream and its forks for the benches: the same bytes each time, on the scale of a real project.

    python tests/bench/history.py DIRECTORY [COMMITS]     # some minutes, and 2 GB of memory while it is made

Commits, files and bytes are about as many as those of the fork of Codex on which the bars were set: 6,600
commits, 4,549 files, 98 MB. Text, messages and sizes are like those of source code, so that packs compress as
real ones do. It is unlike a real one in that its history is a single line, and that its files are changed in
random places. Everything is written by `git fast-import`; no work tree takes part.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, NamedTuple

FILES = 4549
OLDER = 5600
"""Upstream's commits before all stacks."""
BEHIND = 245
FAR_BEHIND = 1000
STACK = 6
HOT = 24
"""Files that the stack of six touches: what people patch is seldom a small file."""

NOTES = "history.json"

Content = list[str]
Files = dict[str, Content]


class Fork(NamedTuple):
    """A bare repository whose `main` is a stack on an upstream commit that has no tag."""

    path: Path
    base: str
    head: str
    patches: int


class History(NamedTuple):
    """`upstream` with tag v2, and with tag v2-moved, where four of the patched files were moved."""

    root: Path
    everything: Path
    upstream: Path
    commits: int
    target: str
    moved: str
    six: Fork
    fifty: Fork
    hundred: Fork
    two_hundred: Fork
    conflicting: Fork
    apart: Fork
    """The stack of six in a fork whose server doesn't have upstream's release."""
    broken: tuple[str, ...]
    """For each patch of `conflicting` the upstream commit since which it can't apply."""


def git(where: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Output of a git command that reads no configuration of this machine. Raises CalledProcessError."""
    return subprocess.run(
        ["git", *arguments], cwd=where, env=environment(), input=stdin, stdout=subprocess.PIPE, check=True
    ).stdout


def environment() -> dict[str, str]:
    """What git runs with: nobody's configuration, always the same person and date."""
    who = {"NAME": "Somebody", "EMAIL": "s@example.org", "DATE": "1760000000 +0000"}
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "LC_ALL": "C",
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
    }


class Writer:
    """Writes source-like text. Identifiers are a file's own, as in real code."""

    SYLLABLES = "ar be con de ex fa get in lo mod no op par re set ta un val wri ex port read er or buf"
    FORMS = (
        "let {0} = {1}.{2}({3});",
        "if {0}.is_{1}() {{",
        "}}",
        "",
        "return Err({0}::{1}({2}));",
        "fn {0}(&self, {1}: {2}) -> Result<{3}> {{",
        "self.{0}.{1}({2}, {3})?;",
        "// {0} has to be {1} before {2}",
        "pub struct {0} {{",
        "{0}: Option<{1}>,",
        "match {0} {{",
        'assert_eq!({0}.{1}(), "{2} {3}");',
        "use crate::{0}::{1};",
    )

    INDENTS = tuple(" " * 4 * depth for depth in (0, 1, 1, 2, 2, 3))

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words = [self._word() for _ in range(4000)]

    def _word(self) -> str:
        own = self.SYLLABLES.split()
        parts = ["".join(self.rng.choices(own, k=self.rng.randint(1, 3))) for _ in range(2)]
        return "_".join(parts)

    def lines(self, count: int) -> Content:
        """So many lines about some sixty things."""
        own = self.rng.choices(self.words, k=max(8, min(60, count)))
        forms, indents = (self.rng.choices(of, k=count) for of in (self.FORMS, self.INDENTS))
        words = self.rng.choices(own, k=4 * count)
        return [
            indents[at] + form.format(*words[4 * at : 4 * at + 4]) if form else ""
            for at, form in enumerate(forms)
        ]

    def message(self, subject: str) -> str:
        """A subject and some sentences, about 500 bytes."""
        rows = [" ".join(self.rng.choices(self.words, k=8)) for _ in range(self.rng.randint(1, 12))]
        return subject + "\n\n" + "\n".join(rows) + "\n"


class Stream:
    """Writes a history for `git fast-import`, an hour between two commits."""

    def __init__(self, rng: random.Random, writer: Writer) -> None:
        self.rng = rng
        self.writer = writer
        self.commits = io.BytesIO()
        self.blobs: dict[str, list[bytes]] = {}
        """Versions of each file, in their order: fast-import packs a blob as a difference to the last."""
        self.mark = 0
        self.clock = 1_600_000_000

    def commit(self, branch: str, message: str, changed: dict[str, Content | None]) -> None:
        """One commit on a branch; None takes a file away."""
        self.clock += 3600
        number = self.rng.randrange(40)
        who = f"Person {number} <person{number}@example.org> {self.clock} +0000"
        self.commits.write(f"commit refs/heads/{branch}\nauthor {who}\ncommitter {who}\n".encode())
        self.commits.write(f"data {len(message.encode())}\n{message}\n".encode())
        for path, lines in changed.items():
            row = f"D {path}\n" if lines is None else f"M 100644 :{self._blob(path, lines)} {path}\n"
            self.commits.write(row.encode())

    def _blob(self, path: str, lines: Content) -> int:
        mark = self.mark = self.mark + 1
        data = ("\n".join(lines) + "\n").encode()
        self.blobs.setdefault(path, []).append(b"blob\nmark :%d\ndata %d\n%b\n" % (mark, len(data), data))
        return mark

    def branch(self, name: str, start: str) -> None:
        """A new branch at another one's tip."""
        self.commits.write(f"reset refs/heads/{name}\nfrom refs/heads/{start}\n\n".encode())

    def write(self, into: IO[bytes]) -> None:
        """All of it, as `git fast-import` reads it."""
        for versions in self.blobs.values():
            into.writelines(versions)
        into.write(self.commits.getvalue())

    def edited(self, lines: Content) -> Content:
        """The file with some lines changed in one place, in its upper part: patches are further down."""
        at = self.rng.randrange(max(1, len(lines) // 2))
        added, removed = (1 + int(self.rng.expovariate(1 / mean)) for mean in (24, 22))
        return lines[:at] + self.writer.lines(added) + lines[min(at + removed, len(lines) * 3 // 5) :]


class Builder:
    """Makes the whole history in one repository, then hands each repository its part."""

    def __init__(self, root: Path, older: int) -> None:
        self.root = root
        self.older = older
        self.rng = random.Random(7)
        self.writer = Writer(self.rng)
        self.stream = Stream(self.rng, self.writer)
        self.files: Files = {}
        self.at: dict[str, Files] = {}
        """Files at the bases of stacks, by branch."""
        self.broken: list[int] = []
        self.hot: list[str] = []

    def upstream(self) -> None:
        """Upstream's main. Of the hot files one is edited by each fourth commit."""
        write, rng = self.writer.lines, self.rng
        for number in range(FILES):
            path = f"crates/part{number % 60}/src/unit{number % 7}/file{number}.rs"
            self.files[path] = write(int(min(3000, 12 + rng.expovariate(1 / 300))))
        self.hot = rng.sample(sorted(self.files), HOT)
        for path in self.hot:
            self.files[path] = write(rng.randint(400, 1200))
        cold = sorted(set(self.files) - set(self.hot))
        self.stream.commit("main", "first", dict(self.files))
        total = self.older + FAR_BEHIND
        for number in range(total):
            if number == total - FAR_BEHIND:
                self._mark("far")
            if number == total - BEHIND:
                self._mark("base")
            # as in real ones a few files, near each other, change often
            places = [len(cold) * rng.random() ** 3 for _ in range(1 + int(rng.expovariate(1 / 13)))]
            touched = list(dict.fromkeys(cold[int(place)] for place in places))
            if number % 4 == 0:
                touched.append(rng.choice(self.hot))
            changed = {path: self.stream.edited(self.files[path]) for path in touched}
            place = self._breaks(number - (total - FAR_BEHIND))
            if place is not None:
                changed[place] = self._broken(changed.get(place, self.files[place]))
                self.broken.append(FAR_BEHIND - 1 - (number - (total - FAR_BEHIND)))
            self.files.update(changed)
            self.stream.commit("main", self.writer.message(f"Change {number} (#{number + 9})"), dict(changed))

    def _mark(self, name: str) -> None:
        self.stream.branch(name, "main")
        self.at[name] = dict(self.files)

    def _breaks(self, number: int) -> str | None:
        """The hot file whose last line the commit rewrites, if it is one of four."""
        return {170: self.hot[0], 420: self.hot[1], 660: self.hot[2], 910: self.hot[3]}.get(number)

    def _broken(self, lines: Content) -> Content:
        return [*lines[:-1], "// rewritten by upstream"]

    def moved(self) -> None:
        """A release that moved and edited four of the patched files."""
        self.stream.branch("moved", "main")
        changed: dict[str, Content | None] = {}
        for path in self.hot[:4]:
            changed[path] = None
            changed["crates/moved/" + path.rsplit("/", 1)[-1].replace("file", "was")] = self.stream.edited(
                self.files[path]
            )
        for number in range(40):
            changed[f"crates/new/src/file{number}.rs"] = self.writer.lines(100)
        self.stream.commit("moved", "Move things", changed)

    def stack(self, name: str, base: str, patches: int, change: Callable[[int, Files], Files]) -> None:
        """A branch of so many commits on a base; `change` gives what number n writes."""
        self.stream.branch(name, base)
        files = dict(self.at[base])
        for number in range(patches):
            changed = change(number, files)
            files.update(changed)
            self.stream.commit(name, self.writer.message(f"Patch {number} of ours"), dict(changed))

    def patch(self, number: int, files: Files) -> Files:
        """Lines of our own in the last third of four hot files, and a new file."""
        changed: Files = {}
        for place in range(4):
            path = self.hot[(number * 4 + place) % HOT]
            lines = files[path]
            at = len(lines) * 2 // 3 + 20 + (number // STACK) * 3 % (len(lines) // 3 - 30)
            changed[path] = lines[:at] + self.writer.lines(3) + lines[at:]
        changed[f"ours/file{number}.rs"] = self.writer.lines(40)
        return changed

    def clash(self, number: int, files: Files) -> Files:
        """What upstream's rewriting of a last line breaks."""
        lines = files[self.hot[number]]
        return {self.hot[number]: [*lines[:-1], f"// patch {number} of ours"]}

    def write(self) -> Path:
        """The repository with everything in it."""
        path = self.root / "everything.git"
        git(self.root, "init", "-q", "--bare", "-b", "main", str(path))
        with subprocess.Popen(
            ["git", "fast-import", "--quiet"], cwd=path, env=environment(), stdin=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            self.stream.write(process.stdin)
        if process.returncode:
            raise RuntimeError(f"git fast-import ended with {process.returncode}")
        git(path, "repack", "-q", "-a", "-d", "-f", "--write-bitmap-index")
        return path


def build(root: Path, older: int) -> History:
    """The history, below `root`: `older` upstream commits before all stacks, and 1,000 more."""
    builder = Builder(root, older)
    builder.upstream()
    builder.moved()
    for name, count in (("six", STACK), ("fifty", 50), ("hundred", 100), ("two_hundred", 200)):
        builder.stack(name, "base", count, builder.patch)
    builder.stack("conflicting", "far", 4, builder.clash)
    everything = builder.write()
    upstream = root / "upstream.git"
    forks = root / "forks"
    forks.mkdir()

    def rev(name: str) -> str:
        return git(everything, "rev-parse", "--verify", name).decode().strip()

    def fork(name: str, base: str) -> Fork:
        pinned = {f"refs/patch-app/targets/{tag}": rev(tag) for tag in ("main", "moved")}
        hand_over(everything, forks / f"{name}.git", {"refs/heads/main": rev(name), **pinned})
        return Fork(forks / f"{name}.git", rev(base), rev(name), len(revs(everything, f"{base}..{name}")))

    def apart(fork: Fork) -> Fork:
        path = forks / "apart.git"
        git(forks, "init", "-q", "--bare", "-b", "main", str(path))
        git(everything, "push", "-q", str(path), f"{fork.head}:refs/heads/main")
        git(path, "repack", "-q", "-a", "-d", "--write-bitmap-index")
        return fork._replace(path=path)

    tags = {"refs/tags/v2": rev("main"), "refs/tags/v2-moved": rev("moved")}
    hand_over(everything, upstream, {"refs/heads/main": rev("main"), **tags})
    six = fork("six", "base")
    return History(
        root=root,
        everything=everything,
        upstream=upstream,
        commits=older + FAR_BEHIND + 1,
        target=rev("main"),
        moved=rev("moved"),
        six=six,
        fifty=fork("fifty", "base"),
        hundred=fork("hundred", "base"),
        two_hundred=fork("two_hundred", "base"),
        conflicting=fork("conflicting", "far"),
        apart=apart(six),
        broken=tuple(rev(f"main~{number}") for number in builder.broken),
    )


def load(root: Path) -> History:
    """A history that `save` wrote down. Raises FileNotFoundError."""
    data = json.loads((root / NOTES).read_text())
    for name, value in data.items():
        if isinstance(value, dict):
            data[name] = Fork(**{**value, "path": root / value["path"]})
    places = {name: root / data[name] for name in ("everything", "upstream")}
    return History(**{**data, **places, "root": root, "broken": tuple(data["broken"])})


def save(history: History) -> None:
    """Writes down what lies below the history's root, so that another run can use it."""
    data = {
        name: value._asdict() if isinstance(value, Fork) else value
        for name, value in history._asdict().items()
    }
    (history.root / NOTES).write_text(
        json.dumps(data, default=lambda path: str(path.relative_to(history.root)))
    )


def hand_over(everything: Path, path: Path, refs: dict[str, str]) -> None:
    """A repository of a network that shares its objects: all of them, and these refs."""
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    shutil.rmtree(path / "objects")
    shutil.copytree(everything / "objects", path / "objects", copy_function=os.link)
    lines = "".join(f"create {name} {commit}\n" for name, commit in refs.items())
    git(path, "update-ref", "--stdin", stdin=lines.encode())


def revs(repository: Path, *revisions: str) -> list[str]:
    """Ids that `git rev-list` gives."""
    return git(repository, "rev-list", *revisions).decode().split()


class Needed(NamedTuple):
    """Objects that a carry can't do without, and the size of a pack of them, in bytes."""

    objects: int
    size: int


def needed(history: History, fork: Fork, target: str, more: Iterable[str] = ()) -> Needed:
    """Commits of the stack, of its base and of the target; their trees on the way to a touched path; the
    blobs that merges read: the patches' own, and the target's at the same paths. And `more`.
    """
    both = history.everything
    stack = revs(both, f"{fork.base}..{fork.head}")
    paths = set(git(both, "diff", "--name-only", fork.base, fork.head).decode().split())
    folders = {str(parent) for path in paths for parent in Path(path).parents} - {"."}
    names = {fork.base, target, *stack, *more}
    wanted = [f"{commit}:{item}" for commit in (fork.base, target, *stack) for item in ("", *folders, *paths)]
    found = git(both, "cat-file", "--batch-check=%(objectname)", stdin="\n".join(wanted).encode())
    names |= {row for row in found.decode().splitlines() if not row.endswith("missing")}
    return Needed(len(names), packed(both, names))


def packed(repository: Path, names: Iterable[str]) -> int:
    """Size of a pack of these objects, in bytes."""
    listed = "\n".join(sorted(names)).encode()
    return len(
        git(repository, "pack-objects", "--threads=1", "-q", "--stdout", "--delta-base-offset", stdin=listed)
    )


def main() -> None:
    """Makes a history in a directory: a process that held it all would seem to pass its size on to others."""
    root = Path(sys.argv[1]).resolve()
    root.mkdir(parents=True, exist_ok=True)
    save(build(root, int(sys.argv[2]) if len(sys.argv) > 2 else OLDER))


if __name__ == "__main__":
    main()
