"""Fetches everything between base and target, for a fork that has no object of the release yet.

Only where a bundle must start at the base: it costs far more than the carry itself.
"""

from __future__ import annotations

import os
from typing import List

from .fetch import NO_BLOBS, Fetcher
from .git import Git, GitError
from .history import Explorer, shallow_commits
from .records import Problem

EVERYTHING = "--filter=blob:limit=1024g"
"""Leaves nothing out, but makes Git accept a pack that leans on objects which only the fork has."""


def down_to_base(explorer: Explorer, fetcher: Fetcher, repository: Git, target: str, base: str) -> List[str]:
    """Makes `repository` hold all of base..target; gives the ancestors of the base where that range ends.

    Upstream's side branches may start below the base. A server that isn't told that we have those commits too
    would send the whole history below them.

    Raises:
        Problem: with stage `bundle` where it can't be fetched.
    """
    try:
        out = explorer.repository.run("rev-list", "--boundary", target, "--not", base).decode("ascii")
        edges = [line[1:] for line in out.splitlines() if line.startswith("-")]
        whole = fetcher.workspace.repository("whole", explorer.format)
        known = ["+%s:refs/edges/%s" % (edge, edge) for edge in dict.fromkeys([base, *edges])]
        # With their trees: the pack that follows leans on trees and blobs of them. Where Git asks for both
        # at once, a server leaves out the blobs that it met in one of the trees.
        fetcher.fetch(whole, "upstream", known, "--filter=" + NO_BLOBS, "--depth=1")
        fetcher.fetch(whole, "upstream", ["+%s:refs/target" % target], EVERYTHING)
    except GitError as error:
        raise Problem(
            "bundle", "what lies between base and release could not be fetched: %s" % (error.stderr or error)
        ) from error
    join(repository, whole, target)
    return [edge for edge in edges if edge != base]


def join(repository: Git, whole: Git, target: str) -> None:
    """Lets `repository` read the objects of `whole`, its target no longer cut off from its parents."""
    with open(
        os.path.join(repository.directory, "objects", "info", "alternates"), "a", encoding="utf-8"
    ) as file:
        file.write(os.path.join(whole.directory, "objects") + "\n")
    cut = (shallow_commits(repository) - {target}) | shallow_commits(whole)
    with open(os.path.join(repository.directory, "shallow"), "w", encoding="ascii") as file:
        file.write("".join(sha + "\n" for sha in sorted(cut)))
