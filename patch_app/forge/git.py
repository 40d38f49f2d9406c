"""Git plumbing of the local GitHub: reads and writes bare repositories through the `git` program.

Its job: one small class per repository, subprocesses only. It refuses to know accounts, permissions or
webhooks, and it never makes a work tree.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ZERO = "0" * 40
# Set for every git process, so that a person's own configuration changes nothing.
ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "TZ": "UTC",
}

_IDS = re.compile(r"[0-9a-f]{40}(\^\{commit\}|\.\.\.?[0-9a-f]{40})?")
_READS = frozenset({"cat-file", "diff", "diff-tree", "ls-tree", "merge-base", "rev-list", "rev-parse"})
_KINDS = frozenset({"commit", "tree", "tag", "blob"})


class GitError(Exception):
    """Git ended with a failure; the message is what it printed."""


@dataclass(frozen=True, kw_only=True)
class RefUpdate:
    """One ref to change. `old` None: whatever it is now; ZERO: it must not exist. `new` ZERO: delete."""

    name: str
    old: str | None
    new: str


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who and when: `when` is seconds since 1970, `zone` like +0100."""

    name: str
    email: str
    when: int
    zone: str = "+0000"

    def text(self) -> str:
        """The form that commit objects have."""
        return f"{self.name} <{self.email}> {self.when} {self.zone}"


@dataclass(frozen=True, kw_only=True)
class CommitObject:
    """A parsed commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


def parse_signature(line: str) -> Signature:
    """`Name <mail> 123 +0100` as a record. Broken ones (old history has them) get empty parts."""
    before, _, rest = line.partition("<")
    email, _, when = rest.partition(">")
    parts = when.split()
    seconds = int(parts[0]) if parts and parts[0].lstrip("-").isdigit() else 0
    zone = parts[1] if len(parts) > 1 else "+0000"
    return Signature(name=before.strip(), email=email, when=seconds, zone=zone)


def parse_commit(sha: str, raw: bytes) -> CommitObject:
    """A commit object's bytes as a record; folded headers (signatures) are skipped."""
    head, _, message = raw.partition(b"\n\n")
    tree = ""
    parents: list[str] = []
    people: dict[str, Signature] = {}
    for line in head.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        match key:
            case "tree":
                tree = value
            case "parent":
                parents.append(value)
            case "author" | "committer":
                people[key] = parse_signature(value)
            case _:
                pass
    return CommitObject(
        sha=sha,
        tree=tree,
        parents=tuple(parents),
        author=people["author"],
        committer=people["committer"],
        message=message.decode("utf-8", "replace"),
    )


def _never_changes(args: Sequence[str]) -> bool:
    """Whether a command only reads, and names what it reads by full object ids alone.

    Whole blobs are left out: they may be large, and few are asked for twice.
    """
    if args[0] not in _READS or args[:2] == ("cat-file", "blob"):
        return False
    named = [arg for arg in args[1:] if not arg.startswith("-") and arg not in _KINDS]
    if args[0] == "ls-tree":
        del named[1:]  # paths
    return bool(named) and all(_IDS.fullmatch(arg) for arg in named) and "--not" not in args


@lru_cache(maxsize=2048)
def _kept(path: Path, args: tuple[str, ...], env: tuple[tuple[str, str], ...]) -> bytes:
    """`_run` for what never changes. A failure is not kept, since an object may still come."""
    return _run(path, args, dict(env), (0,), b"")


def _run(path: Path, args: Sequence[str], env: Mapping[str, str], ok: Sequence[int], stdin: bytes) -> bytes:
    done = subprocess.run(
        ["git", "--git-dir", str(path), *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **ENV, **env},
        check=False,
    )
    if done.returncode not in ok:
        raise GitError(done.stderr.decode("utf-8", "replace").strip() or f"git {args[0]} failed")
    return done.stdout


class Git:
    """One bare repository. `network`: object directories of the same fork network, used by reads that ask."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        network: Sequence[Path] = (),
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """Standard output of `git ARGS`. Errors: GitError when the exit status is not one of `ok`."""
        full = dict(env or {})
        if network:
            full["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = ":".join(str(p) for p in network)
        if stdin is None and tuple(ok) == (0,) and _never_changes(args):
            return _kept(self.path, args, tuple(full.items()))
        return _run(self.path, args, full, ok, stdin or b"")

    def text(self, *args: str, network: Sequence[Path] = ()) -> str:
        """Like `run`, as stripped text."""
        return self.run(*args, network=network).decode("utf-8", "replace").strip()

    def refs(self, *prefixes: str) -> dict[str, tuple[str, str]]:
        """Refs below the prefixes (all without): name -> (object id, object type), sorted by name."""
        out = self.text("for-each-ref", "--format=%(refname) %(objectname) %(objecttype)", *prefixes)
        rows = (line.split(" ") for line in out.splitlines())
        return {name: (sha, kind) for name, sha, kind in rows}

    def ref(self, name: str) -> str | None:
        """Object id of a fully qualified ref, or None. Read as files: asked for at every turn."""
        if ".." in name or not name.startswith("refs/"):
            return None
        try:
            return (self.path / name).read_text().strip()
        except (OSError, ValueError):
            pass  # no loose one: a directory, or not there
        try:
            packed = (self.path / "packed-refs").read_text()
        except FileNotFoundError:
            return None
        return next(
            (line[: -len(name) - 1] for line in packed.splitlines() if line.endswith(f" {name}")), None
        )

    def resolve(self, name: str, *, network: Sequence[Path] = ()) -> str | None:
        """Commit id of a branch, a tag, a qualified ref or an id; branches win, as GitHub's API does."""
        if not name or name.startswith("-") or ".." in name:
            return None
        tries = [name] if name.startswith("refs/") else [f"refs/heads/{name}", f"refs/tags/{name}"]
        if name == "HEAD":
            tries = ["HEAD"]
        elif len(name) >= 4 and all(c in "0123456789abcdef" for c in name):
            tries.append(name)
        elif name.startswith(("heads/", "tags/")):
            tries.append("refs/" + name)
        for candidate in tries:
            known = self.ref(candidate) if candidate.startswith("refs/") else candidate
            if known is None:
                continue
            try:
                return self.text("rev-parse", "--verify", "--quiet", f"{known}^{{commit}}", network=network)
            except GitError:
                continue
        return None

    def kind(self, sha: str, *, network: Sequence[Path] = ()) -> str | None:
        """Type of an object, or None when the repository hasn't it."""
        if not _IDS.fullmatch(sha):
            return None
        try:
            return self.text("cat-file", "-t", sha, network=network)
        except GitError:
            return None

    def body(self, sha: str, kind: str, *, network: Sequence[Path] = ()) -> bytes:
        """Raw bytes of an object. Errors: GitError when it isn't there or has another type."""
        return self.run("cat-file", kind, sha, network=network)

    def commit(self, sha: str, *, network: Sequence[Path] = ()) -> CommitObject:
        """One parsed commit. Errors: GitError."""
        return parse_commit(sha, self.body(sha, "commit", network=network))

    def commits(self, *rev_list: str, network: Sequence[Path] = ()) -> list[CommitObject]:
        """Parsed commits of a `git rev-list`, in its order."""
        names = self.text("rev-list", *rev_list, network=network).split()
        return self.parsed(names, network=network)

    def parsed(self, names: Sequence[str], *, network: Sequence[Path] = ()) -> list[CommitObject]:
        """Many commits with one process. Errors: GitError for a missing one."""
        if not names:
            return []
        out = self.run("cat-file", "--batch", stdin="\n".join(names).encode() + b"\n", network=network)
        found: list[CommitObject] = []
        at = 0
        for name in names:
            end = out.index(b"\n", at)
            header = out[at:end].decode().split()
            if len(header) != 3:
                raise GitError(f"bad object {name}")
            size = int(header[2])
            found.append(parse_commit(name, out[end + 1 : end + 1 + size]))
            at = end + 1 + size + 1
        return found

    def write(self, kind: str, data: bytes) -> str:
        """Store an object; its id. Errors: GitError for malformed trees, commits and tags."""
        return self.run("hash-object", "-w", "-t", kind, "--stdin", stdin=data).decode().strip()

    def update(self, updates: Sequence[RefUpdate]) -> None:
        """All or nothing, each from its expected value. Errors: GitError, and nothing moved."""
        lines = ["start"]
        for u in updates:
            if u.new == ZERO:
                lines.append(f"delete {u.name}" + (f" {u.old}" if u.old and u.old != ZERO else ""))
            else:
                lines.append(f"update {u.name} {u.new}" + (f" {u.old}" if u.old else ""))
        lines += ["prepare", "commit", ""]
        self.run("update-ref", "--stdin", stdin="\n".join(lines).encode())

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        try:
            self.run("merge-base", "--is-ancestor", older, newer)
        except GitError:
            return False
        return True

    def touches_workflows(self, new: str) -> str | None:
        """The first path below .github/workflows that commits new to all branches and tags change, or None.

        GitHub: docs "Refusing to allow a GitHub App to create or update workflow", and the REST reference of
        git/refs. Merges count where they differ from every parent.
        """
        if self.kind(new) not in {"commit", "tag"}:
            return None
        out = self.text(
            *("log", "--format=", "--name-only", "-c", "--no-renames", new),
            *("--not", "--branches", "--tags", "--", ".github/workflows"),
        )
        return out.splitlines()[0] if out else None
