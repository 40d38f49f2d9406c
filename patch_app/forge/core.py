"""The heart of the local GitHub: state under one lock, with everything that a change sets off.

Its job: transactions (one lock, a snapshot afterwards, calls to other parties only when the lock is
free), the clock, the addresses. It refuses to know HTTP.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric import rsa

from patch_app.forge.git import Git
from patch_app.forge.moods import Moods
from patch_app.forge.oidc import Oidc
from patch_app.forge.state import Account, Repository, State

if TYPE_CHECKING:
    from patch_app.forge.actions_api import ActionsBackend
    from patch_app.forge.webhooks import Webhooks

ACTIONS_APP = 15368
"""The id of the App github-actions on github.com."""


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, kw_only=True)
class ForgeOptions:
    """Where GitHub itself differs from place to place, or where nobody has confirmed how it behaves."""

    # forks see all objects of their network, so that a ref can be made at an upstream-only commit; else 422
    shares_fork_objects: bool = True
    # dispatches answer 200 with run details under 2026-03-10 or when asked; else always 204, as GHES 3.19
    dispatch_details: bool = True
    # pushes to refs outside heads and tags are taken
    custom_refs: bool = True
    # where Actions is off, the workflows of pushed files are listed all the same, as disabled; else unknown
    lists_workflows_when_off: bool = True
    # jobs can have tokens by OpenID Connect; else as an Enterprise Server where it is off
    oidc: bool = True
    # what "Re-run failed jobs" keeps is listed for the newer run attempt too, with its old times
    lists_kept_jobs: bool = False
    # the list of all jobs has the steps of older run attempts too
    older_steps: bool = True
    # how the log of a job is answered for that somebody has deleted
    deleted_logs: int = 410
    # so many requests with a new installation token are answered 401
    fresh_refusals: int = 0
    # REST's lists lack what was made in the last so many seconds, by `forge.moods.clock`
    list_lag: float = 0
    # how a diff that is too large is refused: pull requests answer 406; of commits GitHub's description says
    # that they "may time out and return a 5xx status code"
    large_diff: Literal[406, 500] = 406
    # a check run that a job posts is put into the suite of a run on that commit, where there is one
    joins_suites: bool = False
    # a job's name is what its check run was renamed to
    names_follow_checks: bool = False
    # aware datetimes; JWTs, expiry, all dates
    clock: Callable[[], datetime] = field(default=_now)
    # the key of each App that is made
    new_key: Callable[[], rsa.RSAPrivateKey] = field(default=_new_key)


class Core:
    """State, lock and neighbours. Handlers run inside `transaction()`."""

    def __init__(self, data_dir: Path, options: ForgeOptions, state: State) -> None:
        self.data_dir = data_dir
        self.options = options
        self.state = state
        self.url = ""
        self.lock = threading.RLock()
        self.dirty = threading.Event()
        self.used: dict[str, int] = {}
        self.log_salt = secrets.token_hex(16)
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self.webhooks: Webhooks
        self.actions: ActionsBackend
        self.moods = Moods(self)
        self.oidc = Oidc(self)

    @property
    def api_url(self) -> str:
        """Root of the REST side, without a slash at the end."""
        return f"{self.url}/api/v3"

    def now(self) -> datetime:
        """The injected clock, whole seconds, as GitHub's dates are."""
        return self.options.clock().astimezone(UTC).replace(microsecond=0)

    @contextmanager
    def transaction(self) -> Iterator[State]:
        """Hold the lock; afterwards mark the snapshot as stale and make the calls that were put off."""
        calls: list[Callable[[], None]] = []
        with self.lock:
            self._depth += 1
            try:
                yield self.state
            finally:
                self._depth -= 1
                if self._depth == 0:
                    calls, self._after = self._after, []
                self.dirty.set()
        for call in calls:
            call()

    def after(self, call: Callable[[], None]) -> None:
        """Put off a call to another party until the lock is free."""
        self._after.append(call)

    def path_of(self, repo: Repository) -> Path:
        """Where the bare repository is."""
        return self.data_dir / "repositories" / f"{repo.id}.git"

    def git(self, repo: Repository) -> Git:
        """The repository's Git side."""
        return Git(self.path_of(repo))

    def network_objects(self, repo: Repository) -> list[Path]:
        """Object directories of the rest of the fork network: GitHub compares across it always."""
        return [self.path_of(r) / "objects" for r in self.state.network(repo) if r.id != repo.id]

    def account(self, login: str) -> Account:
        """Errors: KeyError for an unknown login."""
        return self.state.accounts[login.lower()]
