"""Looks at a person's own checkout of the fork: uncommitted work, unpushed commits, the upstream remote.

Writes nothing, but for one remote where that was asked for. Git is run so that the checkout's own
configuration starts no program that it needn't: no file system monitor, no hook, no pager, no transport.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from patch_app.core.health import Checkout

_TIMEOUT: Final = 60.0
_SAFE: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.sshCommand=false"),
    *("-c", "credential.helper="),
)
# no transport is a protocol that Git knows: nothing is fetched, however objects are promised
_ENVIRONMENT: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class _GitError(Exception):
    """Git said no; the message is its last line."""


def look(folder: Path, *, heads: Mapping[str, str], upstream: str | None, url: str, apply: bool) -> Checkout:
    """The checkout at `folder`. `heads`: maintained branches of the fork with their commits there.

    `upstream`: its "owner/name"; `url`: what its remote is given, added only with `apply`.
    """
    path = str(folder)
    try:
        _git(folder, "rev-parse", "--show-toplevel")
        status = _git(folder, "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all")
        remotes = _remotes(folder)
        remote = next((name for name, to in remotes.items() if upstream and _leads_to(to, upstream)), None)
        added = None
        if remote is None and upstream and apply:
            remote = "upstream" if "upstream" not in remotes else "patch-app-upstream"
            _git(folder, "remote", "add", remote, url)
            added = f"{remote} ({url})"
        return Checkout(
            path=path,
            dirty=len([one for one in status.split("\0") if one]),
            unpushed={one: number for one, head in heads.items() if (number := _unpushed(folder, one, head))},
            upstream_remote=remote,
            added=added,
        )
    except (_GitError, OSError) as error:
        return Checkout(path=path, problem=str(error) or type(error).__name__)
    except subprocess.TimeoutExpired:
        return Checkout(path=path, problem=f"Git took more than {_TIMEOUT:.0f} seconds")


def _unpushed(folder: Path, branch: str, head: str) -> int:
    """Commits that the fork lacks; where the fork's own head isn't here, those that no remote has."""
    local = f"refs/heads/{branch}"
    if not _holds(folder, local):
        return 0
    without = (f"^{head}",) if _holds(folder, head) else ("--not", "--remotes")
    return int(_git(folder, "rev-list", "--count", local, *without))


def _holds(folder: Path, name: str) -> bool:
    try:
        _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except _GitError:
        return False
    return True


def _remotes(folder: Path) -> dict[str, str]:
    try:
        listed = _git(folder, "config", "-z", "--get-regexp", r"^remote\..*\.url$")
    except _GitError:
        return {}  # Git's way of saying that there is none
    pairs = (one.partition("\n") for one in listed.split("\0") if one)
    return {key.removeprefix("remote.").removesuffix(".url"): url for key, _, url in pairs}


def _leads_to(url: str, repository: str) -> bool:
    return re.search(rf"[/:]{re.escape(repository)}(?:\.git)?/?$", url, re.IGNORECASE) is not None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--no-pager", *_SAFE, *arguments],
        cwd=folder,
        # a GIT_DIR of the caller's would be another repository
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            **_ENVIRONMENT,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _GitError(said[-1] if said else f"git {arguments[0]} failed")
    return done.stdout.decode("utf-8", "surrogateescape").strip("\n")
