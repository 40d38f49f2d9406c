"""The second job: unpacks the candidate from the inbox commit, runs one check and keeps what it asks for.

Writes to no remote: what is kept lies in a directory, for another step of the job.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
import tempfile
from contextlib import contextmanager
from typing import Any, BinaryIO, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

from . import artifacts, bundle, checks
from .deliver import REPORT
from .diff import list_tree
from .fetch import NO_BLOBS, Fetcher
from .git import Git
from .records import MERGE, Check, Problem, Request
from .workspace import Workspace

PARTS = re.compile(r"candidate\.bundle(?:\.\d{3})?\Z")


class Ended(NamedTuple):
    """Exit status for the job, and the directory with what was kept, None for nothing."""

    status: int
    artifacts: Optional[str]


def run(
    workspace: Workspace, request: Request, inbox: str, name: str, *, directory: str, parent: Optional[str]
) -> Ended:
    """The status is 0 only where the check's command ended with 0 in its time.

    The tree is written below `directory`, what is kept to a new directory in `parent`, where it stays.

    Raises:
        Problem: where the candidate can't be had or there is no such check.
        GitError: where git fails.
    """
    check = next((found for found in request.checks if found.name == name), None)
    if check is None:
        raise Problem("checks", "the request has no check of that name")
    repository = workspace.repository("candidate", "sha256" if len(inbox) == 64 else "sha1")
    fetcher = Fetcher(workspace)
    report, content = read_inbox(fetcher, repository, inbox)
    tip = unpack(fetcher, repository, request, report, content, sparse=bool(check.sparse))
    if check.sparse:
        missing = checks.missing_blobs(repository, tip, check.sparse)
        ours = (
            {oid for _, oid, _ in list_tree(repository, request.stack)}
            if request.strategy == MERGE
            else set()
        )
        in_fork = request.pushed is not None
        wanted = {oid: "fork" if in_fork or oid in ours else "upstream" for oid in missing}
        fetcher.blobs(repository, wanted)
    tree = os.path.join(directory, "candidate")
    checks.materialise(repository, tip, tree, check.sparse)
    with artifacts.opened(tree) as held:
        outcome = run_loud(check, tree)
        print_line("check %s: exit %d after %.1f s" % (check.name, outcome.exit, outcome.seconds))
        if outcome.timed_out:
            print_line(
                "::error title=patch_app::check %s took longer than %d s and was ended"
                % (name, check.timeout)
            )
        kept = keep(check, held, parent) if check.artifacts else None
    return Ended(1 if outcome.timed_out or outcome.exit else 0, kept)


def keep(check: Check, tree: int, parent: Optional[str]) -> Optional[str]:
    """The directory with what was kept. What was not is said, and changes nothing of the check's result."""
    try:
        into = tempfile.mkdtemp(prefix="patch-app-artifacts-", dir=parent)
        kept = artifacts.keep(tree, check.artifacts, into)
        if not kept.files:
            shutil.rmtree(into, ignore_errors=True)
    except OSError as error:
        print_line(
            "::warning title=patch_app::check %s: nothing could be kept: %s" % (check.name, error.strerror)
        )
        return None
    print_line("check %s: %d files of it kept, %d bytes" % (check.name, kept.files, kept.size))
    if kept.left_out:
        with commands_off():
            print_line("\n".join(kept.lines()))
        print_line(
            "::warning title=patch_app::check %s: some of its artifacts were left out, see the log"
            % check.name
        )
    return into if kept.files else None


def read_inbox(fetcher: Fetcher, repository: Git, inbox: str) -> Tuple[Dict[str, Any], bytes]:
    """The report and the joined bundle of an inbox commit."""
    fetcher.fetch(repository, "fork", ["+%s:refs/inbox" % inbox], "--depth=1")
    names = repository.run("ls-tree", "--name-only", "-z", inbox).decode("utf-8", "replace").split("\0")
    parts = sorted(name for name in names if PARTS.match(name))
    try:
        report = json.loads(repository.run("cat-file", "blob", "%s:%s" % (inbox, REPORT)))
    except ValueError:
        raise Problem("checks", "the report can't be read") from None
    content = b"".join(repository.run("cat-file", "blob", "%s:%s" % (inbox, part)) for part in parts)
    return report, content


def unpack(
    fetcher: Fetcher,
    repository: Git,
    request: Request,
    report: Dict[str, Any],
    content: bytes,
    *,
    sparse: bool = False,
) -> str:
    """Makes the candidate complete in `repository`, where `sparse` but for blobs below it; gives its id.

    It stands on the release, which upstream has, and where that was merged on the stack as well; or it is
    what a person pushed to the fork.
    """
    options = ["--depth=1", *(["--filter=" + NO_BLOBS] if sparse else [])]
    candidate = report.get("candidate") or {}
    tip = candidate.get("sha")
    if not isinstance(tip, str) or len(tip) != len(request.target):
        raise Problem("checks", "the report names no candidate")
    remote, floor = ("fork", request.pushed) if request.pushed else ("upstream", request.target)
    fetcher.fetch(repository, remote, ["+%s:refs/floor" % floor], *options)
    if tip == floor:
        return tip
    listed, _, prerequisites, start = bundle.read_header(content)
    if listed != tip:
        raise Problem("checks", "the bundle holds another commit than the report names")
    others = [one for one in prerequisites if one != request.stack]
    if request.strategy == MERGE:
        fetcher.fetch(repository, "fork", ["+%s:refs/stack" % request.stack], *options)
    if floor not in others:
        # Its pack holds base..target as well, and leans on the base.
        bases = ["+%s:refs/base/%s" % (one, one) for one in others]
        fetcher.fetch(repository, remote, bases, *options)
    repository.run("index-pack", "--stdin", "--fix-thin", stdin=content[start:])
    repository.run("update-ref", "refs/candidate", tip)
    return tip


def run_loud(check: Check, tree: str, extra: Optional[Mapping[str, str]] = None) -> checks.Outcome:
    """Runs the check and shows its output."""
    out: BinaryIO = sys.stdout.buffer

    def echo(chunk: bytes) -> None:
        out.write(chunk)
        out.flush()

    given: Mapping[str, str] = os.environ
    with commands_off():
        return checks.run(check, tree, given, echo, extra=extra)


@contextmanager
def commands_off() -> Iterator[None]:
    """Workflow commands in what is printed within are switched off by a word that can't be guessed."""
    word = secrets.token_hex(16)
    print_line("::stop-commands::" + word)
    try:
        yield
    finally:
        print_line("\n::%s::" % word)


def print_line(line: str) -> None:
    """One line of our own on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
