"""All fetching: shallow and without blobs, then the wanted blobs in one batch. Refuses to write to a remote.

Git fetches an object that is still missing by itself (the remotes are promisors), one round trip each time:
that is the safety net, not the way. Measured on a real fork, 80 blobs took 15.9 s one by one, 0.54 s in a
batch.
"""

from __future__ import annotations

from typing import Dict, Iterable, Sequence

from .git import Git, GitError
from .records import History, Problem, Request
from .workspace import Workspace

COMMITS_ONLY = "tree:0"
NO_BLOBS = "blob:none"
QUIET = ("--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--no-auto-maintenance")


class Fetcher:
    """Fetches into scratch repositories from the remotes `fork` and `upstream` of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def fetch(
        self,
        repository: Git,
        remote: str,
        refspecs: Sequence[str],
        *options: str,
        stdin: bytes = b"",
        config: Sequence[str] = (),
    ) -> None:
        """One `git fetch`. Raises GitError."""
        settings = [word for item in config for word in ("-c", item)]
        repository.run(*settings, "fetch", *QUIET, *options, remote, *refspecs, stdin=stdin)

    def blobs(self, repository: Git, wanted: Dict[str, str], all_from_fork: bool = False) -> None:
        """Fetches the blobs that are not at hand; `wanted` maps each id to the remote that has it.

        One request a remote. Where the fork is thought to have the release too, it is asked for all: one
        server packs versions of a file as differences. What is refused here, Git's lazy fetch will ask for
        again.
        """
        missing = sorted(set(wanted) - set(repository.objects())) if wanted else []
        if all_from_fork and missing and self._try(repository, "fork", missing):
            return
        for remote in ("fork", "upstream"):
            batch = [name for name in missing if wanted[name] == remote]
            if batch:
                self._try(repository, remote, batch)

    def _try(self, repository: Git, remote: str, batch: Sequence[str]) -> bool:
        try:
            self.objects(repository, remote, batch)
        except GitError as error:
            if error.timed_out:
                raise
            return False
        return True

    def objects(self, repository: Git, remote: str, names: Iterable[str], leave_out: str = NO_BLOBS) -> None:
        """These objects in one request; what else would come with them is left out by the filter.

        `noop`: telling what we have would only make it larger.
        """
        self.fetch(
            repository,
            remote,
            (),
            "--filter=" + leave_out,
            "--stdin",
            stdin="".join(name + "\n" for name in names).encode(),
            config=("fetch.negotiationAlgorithm=noop",),
        )


def unreachable(error: GitError, what: str, url: str) -> Problem:
    """A fetch's failure as a sentence for a person."""
    return Problem("fetch", "%s could not be fetched from %s: %s" % (what, url, error.stderr or str(error)))


def commit_objects(repository: Git, names: Iterable[str]) -> Dict[str, bytes]:
    """Raw bytes of objects that are at hand. Raises GitError for one that isn't there."""
    wanted = list(names)
    out = repository.run("cat-file", "--batch", stdin="".join(name + "\n" for name in wanted).encode())
    found: Dict[str, bytes] = {}
    position = 0
    for name in wanted:
        end = out.index(b"\n", position)
        words = out[position:end].split(b" ")
        if len(words) != 3:
            raise GitError("cat-file", 0, "object %s is missing" % name)
        size = int(words[2])
        found[name] = out[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return found


def fetch_trees(fetcher: Fetcher, repository: Git, request: Request, history: History) -> None:
    """Commits and trees of the stack (its own depth) and of the target (depth 1), no blobs.

    Two fetches, since a common depth for both costs seven times as much on a real fork.

    Raises:
        Problem: with stage `fetch` where a remote can't be reached or lacks the commit.
    """
    options = ("--filter=" + NO_BLOBS,)
    depth, base = "--depth=%d" % history.depth, history.base
    workspace = fetcher.workspace
    spec, lines = ["+%s:refs/carry/stack" % request.stack], b""
    if any(len(parents) > 1 for parents in history.parents.values()):
        # below a merge of upstream a common depth would bring upstream's own history
        spec, depth = [], "--depth=1"
        below = history.landing.below if history.landing else ()
        lines = "".join(sha + "\n" for sha in (*history.stack, *history.edges, *below)).encode()
    try:
        fetcher.fetch(repository, "fork", spec, depth, *options, *(["--stdin"] if lines else []), stdin=lines)
    except GitError as error:
        raise unreachable(error, "the stack", workspace.fork_url) from error
    try:
        fetcher.fetch(
            repository, "upstream", ["+%s:refs/carry/target" % request.target], "--depth=1", *options
        )
    except GitError as error:
        raise unreachable(error, "the target", workspace.upstream_url) from error
    if base is not None and base not in repository.objects():
        fetcher.fetch(repository, "fork", [base], "--depth=1", *options)


def ensure_commits(fetcher: Fetcher, repository: Git, names: Sequence[str]) -> None:
    """Commits with their trees, each without its parents, from whichever remote has them. Raises GitError."""
    missing = sorted(set(names) - set(repository.objects()))
    if not missing:
        return
    options = ("--depth=1", "--filter=" + NO_BLOBS, "--stdin")
    lines = "".join(name + "\n" for name in missing).encode()
    try:
        fetcher.fetch(repository, "fork", (), *options, stdin=lines)
    except GitError:
        fetcher.fetch(repository, "upstream", (), *options, stdin=lines)
