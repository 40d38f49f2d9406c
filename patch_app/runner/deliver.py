"""Hands the report and the bundle over: blobs of one commit, pushed to the attempt's inbox ref.

On top of it lies a commit with a token by which GitHub says which run made it, where one can be had.
The one place that writes to a remote, and only to that ref of the fork, or the branch of the same name where
the fork's GitHub takes branches and tags alone. It must not exist before. No workflow starts by it: what a
run's own token pushes starts none, and the commit has none.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import commit, index, loose, treewalk
from .bundle import Bundle
from .git import Git, GitError
from .records import Problem
from .workspace import Workspace

TRIES = 3
PAUSE = 5.0
REPORT = "report.json"
RESOLUTIONS = "resolutions"
SAID = "resolver.log"
TOKEN = "token"  # noqa: S105 - a file's name
REFUSED = "refused"
# what Git's server says of a name that it doesn't take or hides, and GitHub of what its rules forbid: to ask
# again is no use
FINAL = (
    "(funny refname)",
    "(deny updating a hidden ref)",
    "hook declined)",
    "(push declined due to repository rule violations)",
)


def inbox_ref(attempt: str, run_attempt: int) -> str:
    """Where the server looks for what this run hands over."""
    return "refs/patch-app/inbox/%s/%d" % (attempt, run_attempt)


def branch_of(ref: str) -> str:
    """The branch that stands for a ref of ours where a GitHub takes no other."""
    return "refs/heads/" + ref[len("refs/") :]


def encode(report: Dict[str, Any]) -> bytes:
    """The report's bytes: the same for the same report."""
    return (json.dumps(report, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


def inbox_commit(
    repository: Git,
    report: Dict[str, Any],
    bundle: Optional[Bundle],
    date: int,
    *,
    digits: int,
    said: str = "",
) -> str:
    """A root commit with the report, the bundle's parts, recorded resolutions and what the resolver said.

    Ids have `digits` hex digits. Raises OSError.
    """
    files = [(REPORT, encode(report)), *([(SAID, said.encode("utf-8", "backslashreplace"))] if said else [])]
    entries = [
        ("100644", loose.write(repository, "blob", content, digits), name.encode()) for name, content in files
    ]
    for part in bundle.parts if bundle else ():
        with open(os.path.join(bundle.directory if bundle else "", part.path), "rb") as file:
            content = file.read()
        entries.append(("100644", loose.write(repository, "blob", content, digits), part.path.encode()))
    if report.get("resolutions"):
        entries.append((treewalk.FOLDER, report["resolutions"]["tree"], RESOLUTIONS.encode()))
    tree = index.tree_of(repository, entries, digits)
    attempt = report.get("attempt") or "?"
    return commit.write(repository, commit.plain(tree, (), "patch_app inbox: attempt %s" % attempt, date))


def with_token(repository: Git, inbox: str, token: str, date: int, *, digits: int) -> str:
    """A commit on top of the inbox commit with the token alone. Raises OSError.

    In base64 once more: what it proves is meant to be read, yet a scanner of pushes may take it for a secret.
    """
    content = base64.b64encode(token.encode("ascii")) + b"\n"
    entries = [("100644", loose.write(repository, "blob", content, digits), TOKEN.encode())]
    tree = index.tree_of(repository, entries, digits)
    return commit.write(repository, commit.plain(tree, (inbox,), "patch_app inbox: who made it", date))


def push(
    repository: Git, sha: str, ref: str, pause: Callable[[float], None] = time.sleep, tries: int = TRIES
) -> None:
    """Creates `ref` at `sha` on the fork, or its branch where the fork refuses that name.

    One that is there already with this very commit is fine.

    Raises:
        Problem: with stage `deliver`, where the ref holds something else or could not be pushed each time;
            with stage `refused`, where the fork has refused ref and branch.
    """
    why = _push(repository, sha, ref, pause, tries)
    if why is not None:
        again = _push(repository, sha, branch_of(ref), pause, tries)
        if again is not None:
            raise Problem(REFUSED, "the report could not be pushed to the fork: %s; %s" % (why, again))


def _push(repository: Git, sha: str, ref: str, pause: Callable[[float], None], tries: int) -> Optional[str]:
    """None once it is there; what the fork said where it has refused exactly this ref. Raises Problem."""
    reason = ""
    for number in range(tries):
        if number:
            pause(PAUSE * number)
        try:
            repository.run(
                "push", "--quiet", "--no-verify", "--force-with-lease=%s:" % ref, "fork", "%s:%s" % (sha, ref)
            )
        except GitError as error:
            reason = error.stderr or str(error)
            if any(one in reason for one in FINAL):
                return refusal(ref, reason)
            there = remote_value(repository, ref)
            if there == sha:
                return None
            if there:
                raise Problem("deliver", "%s exists already with another report" % ref) from error
        else:
            return None
    if "[remote rejected]" in reason:
        return refusal(ref, reason)
    raise Problem("deliver", "the report could not be pushed to the fork: %s" % reason)


def refusal(ref: str, said: str) -> str:
    """The ref, and why the fork doesn't take it, out of all that a push said."""
    found = re.search(r"\[remote rejected\][^;]*\(([^;()]+)\)", said)
    return "%s: %s" % (ref, found.group(1) if found else said)


def remote_value(repository: Git, ref: str) -> Optional[str]:
    """What the fork has at `ref`; None where it has nothing or can't be asked."""
    try:
        out = repository.run("ls-remote", "--quiet", "fork", ref).decode("ascii", "replace")
    except GitError:
        return None
    return next((line.split("\t")[0] for line in out.splitlines() if line.endswith("\t" + ref)), None)


def deliver(
    workspace: Workspace,
    report: Dict[str, Any],
    bundle: Optional[Bundle],
    *,
    ref: str,
    date: int,
    object_format: str = "sha1",
    name: str = "inbox",
    source: Optional[Git] = None,
    said: str = "",
    vouch: Optional[Callable[[str], Optional[str]]] = None,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Pushes report and bundle, and gives the inbox commit's id. Raises Problem or GitError.

    A repository of its own: a push out of a shallow one may be refused for its missing parents. `source` has
    the objects of recorded resolutions. `vouch` gives the token for an inbox commit, or None.
    """
    repository = workspace.repository(name, object_format)
    if source is not None and report.get("resolutions"):
        alternates = os.path.join(repository.directory, "objects", "info", "alternates")
        with open(alternates, "w", encoding="utf-8") as file:
            file.write(os.path.join(source.directory, "objects") + "\n")
    digits = 64 if object_format == "sha256" else 40
    sha = inbox_commit(repository, report, bundle, date, digits=digits, said=said)
    token = vouch(sha) if vouch else None
    tip = with_token(repository, sha, token, date, digits=digits) if token else sha
    push(repository, tip, ref, pause)
    return sha


def outputs(inbox: str, report: Dict[str, Any], checks: Sequence[str]) -> List[Tuple[str, str]]:
    """The carry job's outputs: the inbox commit, and the checks to run, none without a candidate."""
    names = [{"name": name} for name in checks] if report.get("candidate") else []
    return [("inbox", inbox), ("checks", json.dumps(names))]
