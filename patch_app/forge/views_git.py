"""Commits, refs, trees and diffs as GitHub's JSON.

Its job: one function for each schema, from parsed Git objects. It refuses to resolve names and to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from patch_app.forge.core import Core
from patch_app.forge.git import CommitObject, Git, Signature
from patch_app.forge.state import Json, Repository
from patch_app.forge.views import api_of, html_of, node, stamp, user

MAX_FILES = 300
"""Files of a comparison or commit (docs: "Compare two commits")."""
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def email_of(core: Core, login: str) -> str:
    """The address that commits made for an account carry."""
    row = core.account(login)
    return f"{row.id}+{row.login}@users.noreply.localhost"


def _account_of(core: Core, email: str) -> Json | None:
    number, _, rest = email.partition("+")
    login = rest.removesuffix("@users.noreply.localhost")
    row = core.state.accounts.get(login.lower())
    return user(core, row.login) if row is not None and str(row.id) == number else None


def when(signature: Signature) -> str:
    """A signature's date, in UTC."""
    return stamp(datetime.fromtimestamp(signature.when, tz=UTC))


def git_user(signature: Signature) -> Json:
    """git-user."""
    return {"name": signature.name, "email": signature.email, "date": when(signature)}


VERIFICATION: Json = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def _parents(core: Core, repo: Repository, row: CommitObject, kind: str) -> list[Json]:
    api, html = api_of(core, repo), html_of(core, repo)
    return [{"sha": p, "url": f"{api}/{kind}/{p}", "html_url": f"{html}/commit/{p}"} for p in row.parents]


def git_commit(core: Core, repo: Repository, row: CommitObject) -> Json:
    """git-commit: what the Git data API answers."""
    api = api_of(core, repo)
    return {
        "sha": row.sha,
        "node_id": node("Commit", f"{repo.id}.{row.sha}"),
        "url": f"{api}/git/commits/{row.sha}",
        "html_url": f"{html_of(core, repo)}/commit/{row.sha}",
        "author": git_user(row.author),
        "committer": git_user(row.committer),
        "message": row.message,
        "tree": {"sha": row.tree, "url": f"{api}/git/trees/{row.tree}"},
        "parents": _parents(core, repo, row, "git/commits"),
        "verification": VERIFICATION,
    }


def commit(core: Core, repo: Repository, row: CommitObject) -> Json:
    """Commit: what the commits API answers."""
    api = api_of(core, repo)
    return {
        "sha": row.sha,
        "node_id": node("Commit", f"{repo.id}.{row.sha}"),
        "url": f"{api}/commits/{row.sha}",
        "html_url": f"{html_of(core, repo)}/commit/{row.sha}",
        "comments_url": f"{api}/commits/{row.sha}/comments",
        "commit": {
            "url": f"{api}/git/commits/{row.sha}",
            "author": git_user(row.author),
            "committer": git_user(row.committer),
            "message": row.message,
            "comment_count": 0,
            "tree": {"sha": row.tree, "url": f"{api}/git/trees/{row.tree}"},
            "verification": VERIFICATION,
        },
        "author": _account_of(core, row.author.email),
        "committer": _account_of(core, row.committer.email),
        "parents": _parents(core, repo, row, "commits"),
    }


def simple_commit(row: CommitObject) -> Json:
    """simple-commit: inside runs and check suites."""
    return {
        "id": row.sha,
        "tree_id": row.tree,
        "message": row.message,
        "timestamp": when(row.committer),
        "author": {"name": row.author.name, "email": row.author.email},
        "committer": {"name": row.committer.name, "email": row.committer.email},
    }


def ref(core: Core, repo: Repository, name: str, sha: str, kind: str) -> Json:
    """git-ref."""
    api = api_of(core, repo)
    return {
        "ref": name,
        "node_id": node("Ref", f"{repo.id}.{name}"),
        "url": f"{api}/git/{name}",
        "object": {"sha": sha, "type": kind, "url": f"{api}/git/{kind}s/{sha}"},
    }


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One changed path between two trees."""

    sha: str | None
    path: str
    old_path: str | None
    status: str
    additions: int
    deletions: int
    patch: str | None


_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


def changes(git: Git, old: str, new: str, *, network: Sequence[Path] = ()) -> list[FileChange]:
    """What `new` changes against `old`, renames found, at most 300 paths."""
    options = ("--no-ext-diff", "--no-textconv", "--no-abbrev", "-M", old, new)
    fields = git.run("diff", "--raw", "--numstat", "-z", *options, network=network).decode("utf-8", "replace")
    parts = fields.split("\0")
    rows: list[tuple[str, str, str | None, str]] = []
    at = 0
    while at < len(parts) and parts[at].startswith(":"):
        meta = parts[at].split(" ")
        letter = meta[4][0]
        renamed = letter in "RC"
        sha = meta[2] if letter == "D" else meta[3]
        rows.append(
            (sha, parts[at + 2] if renamed else parts[at + 1], parts[at + 1] if renamed else None, letter)
        )
        at += 3 if renamed else 2
    counts: list[tuple[int, int]] = []
    while at < len(parts) and parts[at]:
        added, deleted, path = parts[at].split("\t")
        counts.append((0 if added == "-" else int(added), 0 if deleted == "-" else int(deleted)))
        at += 1 if path else 3
    patches = _patches(git.run("diff", "-p", *options, network=network).decode("utf-8", "replace"))
    found = [
        FileChange(
            sha=sha,
            path=path,
            old_path=old_path,
            status=_STATUS[letter],
            additions=count[0],
            deletions=count[1],
            patch=patch,
        )
        for (sha, path, old_path, letter), count, patch in zip(rows, counts, patches, strict=True)
    ]
    return found[:MAX_FILES]


def _patches(text: str) -> list[str | None]:
    """The hunks of each file of a `git diff -p`, None where there are none (binary, mode, pure rename)."""
    found: list[str | None] = []
    lines: list[str] | None = None
    for line in text.split("\n"):
        if line.startswith("diff --git "):
            if lines is not None:
                found.append("\n".join(lines).rstrip("\n") or None)
            lines = []
        elif lines is not None and (lines or line.startswith("@@ ")):
            lines.append(line)
    if lines is not None:
        found.append("\n".join(lines).rstrip("\n") or None)
    return found


def diff_entry(core: Core, repo: Repository, row: FileChange, at: str) -> Json:
    """diff-entry; `at` is the commit that the addresses show the file at."""
    html = html_of(core, repo)
    entry: Json = {
        "sha": row.sha,
        "filename": row.path,
        "status": row.status,
        "additions": row.additions,
        "deletions": row.deletions,
        "changes": row.additions + row.deletions,
        "blob_url": f"{html}/blob/{at}/{row.path}",
        "raw_url": f"{html}/raw/{at}/{row.path}",
        "contents_url": f"{api_of(core, repo)}/contents/{row.path}?ref={at}",
    }
    if row.patch is not None:
        entry["patch"] = row.patch
    if row.old_path is not None:
        entry["previous_filename"] = row.old_path
    return entry
