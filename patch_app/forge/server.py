"""The local GitHub as one object: start it, arrange it, act in it as a person, read it.

Its job: the Python surface for the demo and for tests. It refuses to do over a back door what people do over
HTTP: `person(...)` acts with a token.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from patch_app.forge import apps, git_backend, repos, rules, runs, snapshot
from patch_app.forge.actions import ActionsRunner
from patch_app.forge.actions_api import ActionsBackend, Conclusion
from patch_app.forge.app import build
from patch_app.forge.apps import AppRequest, CreatedApp
from patch_app.forge.auth import Caller, digest, new_personal_token
from patch_app.forge.core import Core, ForgeOptions
from patch_app.forge.dump import dump
from patch_app.forge.moods import Moods
from patch_app.forge.people import Person
from patch_app.forge.state import ROLES, Account, Json, Repository, Role, Thread, Token
from patch_app.forge.webhooks import Webhooks


class _Server(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Forge:
    """A local GitHub over a data directory. Arrange it before or while it runs; names are `owner/name`."""

    def __init__(
        self,
        data_dir: Path | str,
        *,
        options: ForgeOptions | None = None,
        actions: ActionsBackend | None = None,
    ) -> None:
        folder = Path(data_dir).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self._snapshot = folder / "state.json"
        self.core = Core(folder, options or ForgeOptions(), snapshot.load(self._snapshot))
        self.webhooks = Webhooks(self.core)
        self.core.webhooks = self.webhooks
        self.core.actions = actions or ActionsRunner(folder / "actions")
        self._sink = runs.Sink(self.core)
        self.core.actions.attach(self._sink)
        git_backend.install_hooks(folder)
        self._people: dict[str, Person] = {}
        for login, kind, number in (
            ("github", "Organization", 9919),
            ("github-actions[bot]", "Bot", 41898282),
        ):
            if login not in self.core.state.accounts:
                row = Account(id=number, login=login, type=kind, created_at=self.core.now())  # type: ignore[arg-type]
                self.core.state.accounts[login] = row

    # -- running -------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT, known while it runs."""
        return self.core.url

    @property
    def api_url(self) -> str:
        """Root of REST, without a slash at the end; GraphQL is at `<url>/api/graphql`."""
        return self.core.api_url

    @contextmanager
    def running(self, port: int = 0) -> Iterator[Forge]:
        """Serve on loopback until the block ends. Errors: OSError when the port is taken."""
        listener = socket.create_server(("127.0.0.1", port))
        # asyncio sets it only on sockets that name their protocol; without it an answer takes 40 ms more
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.core.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build(self.core),
            log_config=None,
            lifespan="off",
            access_log=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="forge-http", daemon=True)
        keeper = snapshot.Keeper(self.core, self._snapshot)
        thread.start()
        server.ready.wait(30)
        self._resume()
        self.webhooks.start()
        keeper.start()
        try:
            yield self
        finally:
            self.core.actions.close()
            self.webhooks.stop()
            server.should_exit = True
            thread.join()
            listener.close()
            keeper.stop()

    def _resume(self) -> None:
        """What the last stop cut off: runs lost their runner, waiting webhooks were never sent."""
        with self.core.transaction() as state:
            for delivery in state.deliveries.values():
                if delivery.status in {"pending", "released"}:
                    delivery.status = "failed to connect to host"
            for repo in state.repositories.values():
                for run in [r for r in repo.runs.values() if r.status != "completed"]:
                    self._sink.run_completed(run.id, Conclusion.CANCELLED)

    @property
    def moods(self) -> Moods:
        """What the next requests meet."""
        return self.core.moods

    def settle(self, timeout: float = 120) -> None:
        """Wait until no run and no delivery is under way (held ones don't count). Errors: TimeoutError."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if (
                left <= 0
                or not self.core.actions.wait_idle(left)
                or not self.webhooks.wait_idle(max(0.0, left))
            ):
                raise TimeoutError(f"the local GitHub did not come to rest within {timeout} s")
            # a delivery's receiver may have started a run meanwhile
            if self.core.actions.wait_idle(0) and self.webhooks.wait_idle(0):
                return

    # -- arranging -----------------------------------------------------------------------------------------

    def add_user(self, login: str) -> Person:
        """A person, with a token."""
        self._add_account(login, "User")
        return self.person(login)

    def add_organization(
        self, login: str, *, owners: Sequence[str] = (), members: Sequence[str] = ()
    ) -> None:
        """An organisation; owners are admins of all its repositories."""
        self._add_account(login, "Organization")
        row = self.core.account(login)
        row.members = dict.fromkeys(members, "member") | dict.fromkeys(owners, "owner")

    def _add_account(self, login: str, kind: str) -> None:
        with self.core.transaction() as state:
            if login.lower() in state.accounts:
                raise ValueError(f"{login} exists already")
            row = Account(id=state.new_id(), login=login, type=kind, created_at=self.core.now())  # type: ignore[arg-type]
            state.accounts[login.lower()] = row

    def person(self, login: str) -> Person:
        """A person (or an organisation, for arranging) with a personal token of their own."""
        if login not in self._people:
            token = new_personal_token()
            with self.core.transaction() as state:
                account = self.core.account(login)
                state.tokens[digest(token)] = Token(
                    kind="personal", login=account.login, created_at=self.core.now()
                )
            self._people[login] = Person(self.core, account.login, token)
        return self._people[login]

    def repository(self, full_name: str) -> Repository:
        """The record of a repository, to look at. Errors: KeyError."""
        repo = self.core.state.repository(*repos.split_name(full_name))
        if repo is None:
            raise KeyError(full_name)
        return repo

    def path(self, full_name: str) -> Path:
        """The bare repository on disk, to look at."""
        return self.core.path_of(self.repository(full_name))

    def add_repository(
        self,
        full_name: str,
        *,
        private: bool = False,
        default_branch: str = "main",
        description: str | None = None,
    ) -> Repository:
        """An empty repository."""
        with self.core.transaction():
            return repos.add(
                self.core, full_name, private=private, default_branch=default_branch, description=description
            )

    def add_fork(
        self, parent: str, full_name: str, *, actions: bool = True, issues: bool = False
    ) -> Repository:
        """A fork.

        Issues are off on forks, as on GitHub; `actions` False: nobody pressed the enable button yet.
        """
        with self.core.transaction():
            return repos.fork(self.core, self.repository(parent), full_name, actions=actions, issues=issues)

    def collaborator(self, full_name: str, login: str, role: Role) -> None:
        """Give a person a role: none, read, triage, write, maintain, admin."""
        if role not in ROLES:
            raise ValueError(f"{role} is none of {', '.join(ROLES)}")
        with self.core.transaction():
            self.repository(full_name).collaborators[self.core.account(login).login] = role

    def commit(
        self,
        full_name: str,
        branch: str,
        files: Mapping[str, str | bytes | None],
        message: str,
        *,
        by: str | None = None,
    ) -> str:
        """A commit on top of a branch, pushed by `by` (default: the owner); the commit id.

        None removes a path; a path that ends in `!x` is made executable. It sends webhooks as a push does.
        """
        with self.core.transaction():
            repo = self.repository(full_name)
            caller = Caller(kind="person", login=by or repo.owner)
            return repos.commit(self.core, repo, caller, branch=branch, files=files, message=message)

    def set_rules(
        self, full_name: str, branch: str, rules_list: Sequence[Json | str], *, bypass: Sequence[str] = ()
    ) -> None:
        """Rules of a branch or of `folder/**`, by type or in the API's form.

        `bypass`: logins and App slugs that they don't hold.
        """
        with self.core.transaction():
            repo = self.repository(full_name)
            repo.rules[branch] = [rules.rule(r) for r in rules_list]
            repo.bypass[branch] = list(bypass)

    def discuss(self, full_name: str, number: int, by: str, *, path: str = "README", line: int = 1) -> int:
        """A person begins a conversation on a line of a pull request; its id."""
        with self.core.transaction() as state:
            row = self.repository(full_name).issues[number]
            assert row.pull is not None  # noqa: S101
            thread = Thread(id=state.new_id(), user=by, path=path, line=line)
            row.pull.threads.append(thread)
            return thread.id

    def resolve(self, full_name: str, number: int, thread: int) -> None:
        """The conversation is resolved."""
        with self.core.transaction():
            row = self.repository(full_name).issues[number]
            assert row.pull is not None  # noqa: S101
            next(one for one in row.pull.threads if one.id == thread).resolved = True

    def publish_release(
        self, full_name: str, tag: str, *, target: str | None = None, prerelease: bool = False, body: str = ""
    ) -> Json:
        """A release published by the owner (or an organisation's first owner) over REST.

        The tag is made if needed.
        """
        repo = self.repository(full_name)
        wanted = {"tag_name": tag, "name": tag, "prerelease": prerelease, "body": body}
        if target is not None:
            wanted["target_commitish"] = target
        answer = self.person(repo.owner).api("POST", f"/repos/{full_name}/releases", wanted)
        assert isinstance(answer, dict)  # noqa: S101
        return answer

    # -- Apps ----------------------------------------------------------------------------------------------

    def create_app(
        self,
        *,
        owner: str,
        name: str,
        webhook_url: str | None,
        permissions: Mapping[str, str],
        events: Sequence[str],
        webhook_secret: str | None = None,
    ) -> CreatedApp:
        """Register an App; its key and secret are in the answer alone."""
        wanted = AppRequest(
            owner=owner,
            name=name,
            webhook_url=webhook_url,
            permissions=permissions,
            events=events,
            webhook_secret=webhook_secret,
        )
        with self.core.transaction():
            return apps.make_app(self.core, wanted)

    def install(
        self,
        app: CreatedApp | int,
        *,
        account: str,
        repositories: Sequence[str] | None = None,
        by: str | None = None,
    ) -> int:
        """Install an App on an account (None: all its repositories); the installation's id."""
        with self.core.transaction():
            chosen = None if repositories is None else [self.repository(n) for n in repositories]
            number = app if isinstance(app, int) else app.id
            return apps.install(self.core, number, account, chosen, by or account).id

    def choose_repositories(self, installation: int, repositories: Sequence[str] | None, *, by: str) -> None:
        """Change which repositories an installation reaches."""
        with self.core.transaction() as state:
            chosen = None if repositories is None else [self.repository(n) for n in repositories]
            apps.choose(self.core, state.installations[installation], chosen, by)

    def ask_for_permissions(self, app: CreatedApp | int, permissions: Mapping[str, str]) -> None:
        """The App's registration asks for these from now on; installations keep what they have granted."""
        with self.core.transaction() as state:
            state.apps[app if isinstance(app, int) else app.id].permissions = dict(permissions)

    def accept_permissions(self, installation: int, *, by: str) -> None:
        """The owner accepts what the App's registration asks for."""
        with self.core.transaction() as state:
            apps.accept(self.core, state.installations[installation], by)

    def suspend(self, installation: int, *, by: str, on: bool = True) -> None:
        """Suspend an installation, or end that."""
        with self.core.transaction() as state:
            apps.suspend(self.core, state.installations[installation], by, on=on)

    def uninstall(self, installation: int, *, by: str) -> None:
        """Remove an installation."""
        with self.core.transaction() as state:
            apps.uninstall(self.core, state.installations[installation], by)

    def set_webhook_url(self, app: CreatedApp | int, url: str | None) -> None:
        """Point an App's webhook elsewhere."""
        with self.core.transaction() as state:
            state.apps[app if isinstance(app, int) else app.id].webhook_url = url

    def press(self, full_name: str, check_id: int, identifier: str, *, by: str) -> None:
        """Press a button of a check run: `requested_action`, to the App that made it.

        Errors: KeyError for a check or button that isn't there, ApiError 403 without write.
        """
        with self.core.transaction():
            repo = self.repository(full_name)
            runs.press(self.core, repo, repo.checks[check_id], identifier, by)

    def set_workflow_state(self, full_name: str, file: str, state: str) -> None:
        """What GitHub does to a workflow by itself: `disabled_inactivity`, `disabled_fork`, `active`."""
        with self.core.transaction():
            rows = self.repository(full_name).workflows.values()
            next(one for one in rows if one.path.endswith(f"/{file}")).state = state

    def set_secret(self, full_name: str, environment: str, name: str, value: str) -> None:
        """Give an environment of a repository a secret, as its settings page does."""
        with self.core.transaction():
            self.repository(full_name).secrets.setdefault(environment.lower(), {})[name.upper()] = value

    # -- reading -------------------------------------------------------------------------------------------

    def dump(self, full_name: str) -> str:
        """Branches, tags, the App's refs, pull requests, issues, checks and runs, as readable lines."""
        with self.core.lock:
            return dump(self.core, self.repository(full_name))
