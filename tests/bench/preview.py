"""Bench: what a preview of six patches receives, beside what it needs at least and the naive way.

    python tests/bench/preview.py

Builds an upstream of some thousands of files and a fork that is six patches ahead and 245 commits behind,
serves both over smart HTTP with added latency, and prints in one run: bytes received by `preview` (base
unknown), the packed size of the objects that it needs, their ratio (bar: at most 3), and a full clone with a
rebase.
Not a test: nothing here is asserted but the trees.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))
from git_http import serving

from patch_app.preview import run_preview

FILES, HISTORY, BEHIND, LATENCY = 4500, 600, 245, 0.03
NOUNS = "alpha beta gamma delta epsilon value index buffer stream handle error result state"
WORDS = NOUNS.split()


def line(rng: random.Random) -> str:
    return " " * 4 * rng.randint(0, 3) + " ".join(
        rng.choice(WORDS) + str(rng.randint(0, 9999)) for _ in range(rng.randint(2, 8))
    )


def environment(number: int) -> dict[str, str]:
    date = f"{1_600_000_000 + number * 3600} +0000"
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Somebody",
        "GIT_AUTHOR_EMAIL": "s@example.org",
        "GIT_COMMITTER_NAME": "Somebody",
        "GIT_COMMITTER_EMAIL": "s@example.org",
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "LC_ALL": "C",
    }


def git(where: Path, *arguments: str, stdin: bytes = b"", number: int = 0) -> bytes:
    return subprocess.run(
        ["git", *arguments],
        cwd=where,
        env=environment(number),
        input=stdin,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


class Stream:
    """Writes a history for `git fast-import`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.out = io.BytesIO()
        self.files: dict[str, list[str]] = {}
        self.clock = 1_600_000_000

    def commit(
        self, branch: str, message: str, changed: dict[str, list[str] | None], start: str = ""
    ) -> None:
        self.clock += 3600
        who = f"Somebody <s@example.org> {self.clock} +0000"
        self.out.write(f"commit refs/heads/{branch}\nauthor {who}\ncommitter {who}\n".encode())
        self.out.write(f"data {len(message.encode())}\n{message}\n".encode())
        if start:
            self.out.write(f"from {start}\n".encode())
        for path, lines in changed.items():
            if lines is None:
                self.out.write(f"D {path}\n".encode())
                continue
            data = ("\n".join(lines) + "\n").encode()
            self.out.write(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")

    def edit(self, path: str) -> list[str]:
        lines = list(self.files[path])
        at = self.rng.randrange(len(lines))
        lines[at : at + self.rng.randint(0, 3)] = [line(self.rng) for _ in range(self.rng.randint(1, 6))]
        return lines


def build(root: Path) -> tuple[Path, Path]:
    """`upstream.git` with tag v2, and `fork.git` whose main is six patches on an untagged commit of
    upstream."""
    rng = random.Random(7)
    stream = Stream(rng)
    for number in range(FILES):
        path = f"src/part{number % 60}/unit{number % 7}/file{number}.txt"
        stream.files[path] = [line(rng) for _ in range(rng.randint(20, 220))]
    paths = list(stream.files)
    hot = rng.sample(paths, 24)
    for path in hot:  # what people patch is seldom a small file
        stream.files[path] = [line(rng) for _ in range(rng.randint(300, 1000))]
    stream.commit("main", "first", dict(stream.files))
    for number in range(HISTORY + BEHIND):
        if number == HISTORY:
            stream.out.write(b"reset refs/heads/base\nfrom refs/heads/main\n\n")
        touched = rng.sample(paths, rng.randint(1, 9)) + ([rng.choice(hot)] if number % 4 == 0 else [])
        changed = {path: stream.edit(path) for path in touched if path not in hot or number % 4 == 0}
        stream.files.update(changed)
        stream.commit("main", f"Change {number}\n\nWhy {line(rng)}\n", dict(changed))
    upstream, fork = root / "upstream.git", root / "fork.git"
    for bare in (upstream, fork):
        git(root, "init", "-q", "--bare", "-b", "main", str(bare))
    git(upstream, "fast-import", "--quiet", stdin=stream.out.getvalue())
    git(upstream, "tag", "v2", "main")
    work = root / "work"
    git(root, "clone", "-q", "-b", "base", str(upstream), str(work))
    for number in range(6):
        for path in rng.sample(hot, 4):
            lines = (work / path).read_text().split("\n")
            at = len(lines) * (number + 1) // 8
            lines.insert(at, f"patch {number} of ours")
            (work / path).write_text("\n".join(lines))
        (work / f"ours-{number}.txt").write_text("\n".join(line(rng) for _ in range(40)))
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", f"Our patch {number}", number=100_000 + number)
    git(work, "push", "-q", str(fork), "HEAD:refs/heads/main")
    git(upstream, "branch", "-q", "-D", "base")
    for bare in (upstream, fork):
        git(bare, "repack", "-q", "-a", "-d")
    shutil.rmtree(work)
    return upstream, fork


def needed(root: Path, upstream: Path, fork: Path) -> tuple[int, int]:
    """Count and packed size of what a carry can't do without.

    Commits of the stack, its base and the target; their trees on the way to a touched path; the blobs that
    the merges read: the patches' own and the target's at the same paths.
    """
    both = root / "both.git"
    git(root, "clone", "-q", "--bare", str(upstream), str(both))
    git(both, "fetch", "-q", str(fork), "main:refs/heads/fork")
    base = git(both, "merge-base", "fork", "v2").decode().strip()
    stack = git(both, "rev-list", f"{base}..fork").decode().split()
    target = git(both, "rev-parse", "v2^{commit}").decode().strip()
    paths = set(git(both, "diff", "--name-only", base, "fork").decode().split())
    names = {base, target, *stack}
    for commit in [base, target, *stack]:
        folders = {
            "",
            *(str(parent) for path in paths for parent in Path(path).parents if str(parent) != "."),
        }
        wanted = [f"{commit}:{item}" for item in [*sorted(folders), *sorted(paths)]]
        out = git(
            both, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin="\n".join(wanted).encode()
        )
        names |= {row.split()[0] for row in out.decode().splitlines() if not row.endswith("missing")}
    pack = git(both, "pack-objects", "-q", "--stdout", stdin="\n".join(sorted(names)).encode())
    return len(names), len(pack)


def naive(root: Path, fork_url: str, upstream_url: str, server: object) -> tuple[int, float, str]:
    """Full clone, upstream fetched, rebase in the work tree."""
    before, began = server.sent, time.monotonic()  # type: ignore[attr-defined]
    work = root / "naive"
    git(root, "clone", "-q", fork_url, str(work))
    git(work, "fetch", "-q", upstream_url, "refs/tags/v2:refs/upstream/v2")
    git(work, "rebase", "-q", "--reapply-cherry-picks", "--empty=drop", "--keep-empty", "refs/upstream/v2")
    tree = git(work, "rev-parse", "HEAD^{tree}").decode().strip()
    return server.sent - before, time.monotonic() - began, tree  # type: ignore[attr-defined]


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        upstream, fork = build(root)
        count, size = needed(root, upstream, fork)
        with serving(root, LATENCY) as server:
            fork_url, upstream_url = f"{server.url}/fork.git", f"{server.url}/upstream.git"
            out = io.StringIO()
            began = time.monotonic()
            status = run_preview(
                fork_url,
                "main",
                "v2",
                upstream_url,
                [],
                True,
                Console(file=out),
                progress=Console(file=io.StringIO()),
            )
            seconds = time.monotonic() - began
            report = json.loads(out.getvalue())
            sent_bodies, requests = server.sent, server.requests
            naive_bytes, naive_seconds, tree = naive(root, fork_url, upstream_url, server)
    network = report["network"]
    behind, times = report["stack"]["behind"], naive_bytes / size
    print(f"history: {FILES} files, {HISTORY + BEHIND + 1} commits; stack 6 ahead, {behind} behind")
    print(f"preview: exit {status}, {report['status']}, {[patch['verdict'] for patch in report['patches']]}")
    print(f"  received {network['received_bytes']:>12,} bytes by the runner's own count (headers too)")
    print(
        f"           {sent_bodies:>12,} bytes of bodies by the server's, {requests} requests; {seconds:.2f} s"
    )
    print(f"  stages   {report['seconds']}")
    print(f"needed:    {size:>12,} bytes pack of {count} objects")
    print(f"ratio:     {network['received_bytes'] / size:12.2f}   (bar: 3)")
    print(f"naive:     {naive_bytes:>12,} bytes, {naive_seconds:.2f} s, {times:.0f} times what is needed")
    same = report["candidate"] is not None and report["candidate"]["tree"] == tree
    print(f"trees:     {'the same' if same else 'DIFFERENT'} as the rebase's")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
