"""A world for stories: the local GitHub, an upstream, a fork with two patches, and the real server.

The server runs in a thread of its own: the real site under uvicorn, the real engine, webhooks that
really arrive. Only its clock can be moved. `settle()` waits until GitHub and the engine are at rest.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import SecretStr

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Approve
from patch_app.core.effects import UNFINISHED
from patch_app.core.events import Kind, ReleaseEvent
from patch_app.core.report import Status
from patch_app.engine import assemble
from patch_app.engine.engine import Engine
from patch_app.forge.actions_api import ActionsBackend
from patch_app.forge.core import ForgeOptions
from patch_app.forge.git_backend import GIT_LOG
from patch_app.forge.people import Person
from patch_app.forge.server import Forge
from patch_app.github.footprint import workflow_file
from patch_app.github.setup import manifest
from patch_app.settings import Settings
from patch_app.store.inbox import Incoming
from patch_app.store.store import Store
from patch_app.web.app import create_app
from patch_app.web.server import Server, listen, url_of
from tests.stories.robot import Robot, Scratch

T = TypeVar("T")

UPSTREAM, FORK = "tea/pot", "alice/pot"
ADMIN = "the-token-of-the-stories"
# long enough for a loaded machine, shorter than pytest's own limit
PATIENCE = 60.0
# the timer of the stories' server, in its own seconds: far away, so that nothing happens by itself
SYNC = 3600.0
GOLDEN = Path(__file__).parent / "golden"
_WRITE = "PATCH_APP_WRITE_GOLDENS"


def numbered(**changed: str) -> str:
    """Twenty lines; `l3="x"` gives the third another text."""
    return "".join(changed.get(f"l{number}", f"line {number}") + "\n" for number in range(1, 21))


class Clock:
    """Real time, moved ahead by a test."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class InProcess:
    """The server's two halves in a thread, wired as `patch-app serve` wires them."""

    def __init__(self, settings: Settings, clock: Clock, bound: Any) -> None:
        self.clock = clock
        self.url = url_of(bound)
        self._settings = settings
        self._bound = bound
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._problem: BaseException | None = None
        self._begun = 0
        self._ended = 0
        # the last turn found no look under way and began none
        self._restful = False

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(PATIENCE) or self._problem is not None:
            raise RuntimeError("the server did not start") from self._problem

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(PATIENCE)
        if self._problem is not None:
            raise self._problem

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Something in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(PATIENCE)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - raised again where it is seen
            self._problem = error
            self._ready.set()

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self.store = Store.open(self._settings.data_dir)
        try:
            async with assemble.engine(self._settings, self.store, clock=self.clock) as engine:
                self.engine = engine
                self._count_turns(engine)
                site = create_app(self._settings, self.store, engine.wake, lambda: True, clock=self.clock)
                server = Server(site)
                serving = asyncio.create_task(server.serve(sockets=[self._bound]))
                running = asyncio.create_task(engine.run())
                self._ready.set()
                await self._stopped.wait()
                server.should_exit = True
                await serving
                engine.stop()
                await running
        finally:
            self.store.close()

    def _count_turns(self, engine: Engine) -> None:
        turn: Callable[[], Awaitable[None]] = engine._turn

        async def counted() -> None:
            self._begun += 1
            busy = engine._tasks or engine._queue
            await turn()
            self._restful = not (busy or engine._tasks or engine._queue)
            self._ended = self._begun

        engine._turn = counted  # type: ignore[method-assign]

    async def quiet(self) -> None:
        """Until a whole turn, begun from now on, has had nothing to do at this time.

        One that began a look isn't enough: a look marks what only the next turn takes up.
        """
        while True:
            wanted = self._begun + 1
            self.engine.wake()
            while self._ended < wanted:
                await asyncio.sleep(0.01)
            while self.engine._tasks or self.engine._queue:
                await asyncio.gather(*self.engine._tasks.values(), return_exceptions=True)
                await asyncio.sleep(0)
            if not self._restful:
                continue
            now = self.clock()
            rows = await self.store.inbox_pending(1, now)
            if not rows and not await self.store.unfinished(now) and not await self.store.open_attempts(now):
                return


class World:
    """Everything that a story needs, arranged: `alice` owns the fork, `olga` the upstream."""

    def __init__(self, folder: Path, forge: Forge, robot: ActionsBackend) -> None:
        self.folder = folder
        self.forge = forge
        self.backend = robot
        self.clock = Clock()
        self.name = "story"
        self.logs: list[Any] = []

    @property
    def robot(self) -> Robot:
        assert isinstance(self.backend, Robot)
        return self.backend

    # Arranging -----------------------------------------------------------------------------------

    def arrange(
        self, *, issues: bool = True, stack: str = "main", configuration: str = "", footprint: bool = True
    ) -> None:
        forge = self.forge
        self.alice, self.bob, self.mia, self.rita = (
            forge.add_user(login) for login in ("alice", "bob", "mia", "rita")
        )
        self.olga = forge.add_user("olga")
        forge.add_organization("tea", owners=["olga"])
        forge.add_repository(UPSTREAM)
        self.upstream({"pot.txt": numbered()}, "First")
        forge.publish_release(UPSTREAM, "v1.0.0")
        forge.add_fork(UPSTREAM, FORK, issues=issues)
        for login, role in (("bob", "write"), ("mia", "maintain"), ("rita", "read")):
            forge.collaborator(FORK, login, role)  # type: ignore[arg-type]
        if stack != "main":
            self.alice.api(
                "POST",
                f"/repos/{FORK}/git/refs",
                {"ref": f"refs/heads/{stack}", "sha": self.ref("refs/heads/main")},
            )
            configuration = f'[[stack]]\nbranch = "{stack}"\n{configuration}'
        self.stack = stack
        self.patch({"ours.txt": "ours\n"}, "Add a file of ours")
        self.patch({"pot.txt": numbered(l3="ours")}, "Change the third line")
        if footprint:
            self.footprint(configuration)

    def footprint(self, configuration: str = "") -> None:
        """What `patch-app install` brings, pushed by a person."""
        files: dict[str, str | bytes | None] = {
            names.WORKFLOW_PATH: workflow_file(False, uploads="artifacts = " in configuration)
        }
        if configuration:
            files[names.CONFIGURATION_PATH] = configuration
        self.forge.commit(FORK, "main", files, f"Install patch_app\n\n{names.INSTALLED_TRAILER}")

    def serve(self, app: dict[str, Any] | None = None) -> None:
        """Make the App, install it, start the server."""
        bound = listen("127.0.0.1", 0)
        self.app = make_app(self.forge, url_of(bound))
        self.installation = self.forge.install(self.app, account="alice", repositories=[FORK])
        settings = Settings(
            data_dir=self.folder / "data",
            patch_admin_token=SecretStr(ADMIN),
            github_url=self.forge.url,
            github_api_url=self.forge.api_url,
            github_app_id=self.app.id,
            github_app_private_key=SecretStr(self.app.pem),
            github_webhook_secret=SecretStr(self.app.webhook_secret or ""),
            poll_seconds=0,
            sync_seconds=SYNC,
            **(app or {}),
        )
        self.server = InProcess(settings, self.clock, bound)
        self.server.start()
        self.store = self.server.store
        self.settle()
        self.poll()

    # Acting ----------------------------------------------------------------------------------------

    def upstream(self, files: Mapping[str, str | bytes | None], message: str) -> str:
        return self.forge.commit(UPSTREAM, "main", files, message, by="olga")

    def patch(self, files: Mapping[str, str | bytes | None], message: str, by: str = "alice") -> str:
        return self.forge.commit(FORK, self.stack, files, message, by=by)

    def publish(self, tag: str, files: Mapping[str, str | bytes | None] | None = None) -> None:
        """Upstream releases; nobody has told the server yet."""
        if files is not None:
            self.upstream(files, f"Work for {tag}")
        self.forge.publish_release(UPSTREAM, tag)

    def release(self, tag: str = "v1.1.0", files: Mapping[str, str | bytes | None] | None = None) -> Attempt:
        """Upstream releases, the poller hears it, all comes to rest. By default nothing conflicts."""
        self.publish(tag, {"pot.txt": numbered(l15=tag)} if files is None else files)
        self.poll()
        self.settle()
        return self.attempt(tag)

    def poll(self) -> None:
        async def polled() -> None:
            await self.server.engine.poller.poll()
            self.server.engine.wake()

        self.server.call(polled)

    def tell(self, tag: str, key: str = "cli") -> None:
        """What `patch-app run release` writes."""
        event = ReleaseEvent(upstream=UPSTREAM, tag=tag)
        self._inbox(Kind.RELEASE, f"{event.id}:{key}", event.model_dump_json())

    def wish(self, kind: Kind, attempt: Attempt) -> None:
        """`patch-app sync|retry|replay ID`."""
        self._inbox(kind, f"{attempt.id}:{time.monotonic_ns()}", attempt.id)

    def _inbox(self, kind: Kind, key: str, payload: str) -> None:
        row = Incoming(kind=kind, key=key, payload=payload.encode(), headers={}, received=self.clock())

        async def add() -> None:
            await self.store.inbox_add(row)
            self.server.engine.wake()

        self.server.call(add)

    def approve(self, attempt: Attempt, by: Person | None = None, commit: str | None = None) -> None:
        assert attempt.pull_request is not None
        self.review(attempt.pull_request.number, commit or attempt.candidate or "", by or self.bob)

    def review(self, number: int, commit: str, by: Person, event: str = "APPROVE") -> None:
        by.api(
            "POST",
            f"/repos/{FORK}/pulls/{number}/reviews",
            {"event": event, "commit_id": commit, "body": "x"},
        )

    def comment(self, number: int, body: str, by: Person) -> None:
        by.api("POST", f"/repos/{FORK}/issues/{number}/comments", {"body": body})

    def set_ref(self, ref: str, sha: str, by: Person | None = None, repository: str = FORK) -> None:
        """A person pushes, with force."""
        who = by or self.alice
        path = f"/repos/{repository}/git/refs"
        if self.ref(ref, repository) == names.ZERO:
            who.api("POST", path, {"ref": ref, "sha": sha})
        else:
            who.api("PATCH", f"{path}/{ref.removeprefix('refs/')}", {"sha": sha, "force": True})

    def delete_ref(self, ref: str, by: Person | None = None, repository: str = FORK) -> None:
        (by or self.alice).api("DELETE", f"/repos/{repository}/git/{ref}")

    # Waiting ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Until no run, no delivery and nothing that is due is left. Raises TimeoutError."""
        while True:
            self.forge.settle(PATIENCE)
            before = self.store.commits
            self.server.call(self.server.quiet)
            idle = self.forge.core.actions.wait_idle(0) and self.forge.webhooks.wait_idle(0)
            if idle and self.store.commits == before:
                return

    def later(self, seconds: float = SYNC + 60) -> None:
        """Time passes; the timer does what is due."""
        self.clock.ahead += timedelta(seconds=seconds)
        self.settle()

    # Looking ---------------------------------------------------------------------------------------

    def attempts(self) -> list[Attempt]:
        """Oldest first."""
        return sorted(self.server.call(self.store.attempts), key=lambda one: (one.created, one.number))

    def attempt(self, tag: str = "v1.1.0", number: int | None = None) -> Attempt:
        found = [one for one in self.attempts() if one.tag == tag and number in (None, one.number)]
        assert found, f"there is no attempt for {tag}; the log: {self.logs}"
        return found[-1]

    def history(self, attempt: Attempt) -> list[str]:
        return [one.line for one in self.server.call(lambda: self.store.history(attempt.id))]

    def refs(self, repository: str = FORK) -> dict[str, str]:
        with self.forge.core.lock:
            repo = self.forge.repository(repository)
            return {name: found[0] for name, found in self.forge.core.git(repo).refs().items()}

    def ref(self, name: str, repository: str = FORK) -> str:
        return self.refs(repository).get(name, names.ZERO)

    def main(self) -> str:
        return self.ref(f"refs/heads/{self.stack}")

    def maintenance(self, tag: str = "v1.1.0") -> str:
        return f"refs/heads/{names.maintenance_branch(self.stack, tag)}"

    def base(self, tag: str = "v1.1.0") -> str:
        return f"refs/heads/{names.base_branch(self.stack, tag)}"

    def issue(self, number: int) -> Any:
        return self.alice.api("GET", f"/repos/{FORK}/issues/{number}")

    def comments(self, number: int) -> list[str]:
        found = self.alice.api("GET", f"/repos/{FORK}/issues/{number}/comments")
        return [one["body"] for one in found]

    def dump(self) -> str:
        return told(
            self.forge,
            [(one.id, one.tag, one.number, one.stage.value, one.message) for one in self.attempts()],
        )

    # Ending ----------------------------------------------------------------------------------------

    def ends(self) -> None:
        """At rest; the dump is what it was when the story was written; the invariants hold."""
        self.settle()
        check_invariants(self)
        compare(self.name, self.dump())


def told(forge: Forge, attempts: list[tuple[str, str, int, str, str]]) -> str:
    """The fork's dump and a line for each attempt (id, tag, number, stage, message), oldest first."""
    lines = "".join(
        f"attempt <{place}> {tag} #{number}: {stage}{': ' if message else ''}{message}\n"
        for place, (_, tag, number, stage, message) in enumerate(attempts, 1)
    )
    return normal(forge.dump(FORK) + lines, [one[0] for one in attempts], forge.url)


def make_app(forge: Forge, url: str) -> Any:
    """The App of the manifest, its webhooks sent to the server at `url`."""
    wanted = manifest(url)
    return forge.create_app(
        owner="alice",
        name=wanted["name"],
        webhook_url=wanted["hook_attributes"]["url"],
        permissions=wanted["default_permissions"],
        events=wanted["default_events"],
    )


_HEX = re.compile(r"\b(?:[0-9a-f]{40}|[0-9a-f]{12}|[0-9a-f]{10})\b")


def normal(text: str, attempts: list[str], url: str) -> str:
    """The text with ids that differ from run to run named by the order of their appearance."""
    for number, attempt in enumerate(attempts, 1):
        text = text.replace(attempt, f"<{number}>")
    text = text.replace(url, "<github>")
    seen: dict[str, str] = {}
    return _HEX.sub(lambda found: seen.setdefault(found[0][:10], f"<c{len(seen) + 1}>"), text)


def compare(name: str, text: str) -> None:
    """Against the text kept from when the story was written (PATCH_APP_WRITE_GOLDENS=1 keeps it anew)."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get(_WRITE):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def check_invariants(world: World) -> None:
    """Every effect has an end, every patch a verdict, every promotion its evidence, every move its author."""
    assert isinstance(world.backend, Robot) is False or world.robot.problems == []
    attempts = world.attempts()
    for attempt in attempts:
        effects = world.server.call(lambda a=attempt: world.store.effects(a.id))  # type: ignore[misc]
        open_ones = [(one.effect.kind, one.state) for one in effects if one.state in UNFINISHED]
        assert open_ones == [], f"{attempt.id}: {open_ones}"
        _verdicts_whole(world, attempt)
        if attempt.stage is Stage.PROMOTED:
            _evidence(world, attempt)
    _moves_known(world, attempts)
    surprises = [line for line in world.logs if line["event"] in ("unexpected", "stopped")]
    assert surprises == []


def _verdicts_whole(world: World, attempt: Attempt) -> None:
    report = attempt.report
    if report is None or report.status is Status.ERROR or attempt.stage is Stage.CONTAINED:
        return
    git = world.forge.core.git(world.forge.repository(FORK))
    before = attempt.landed.onto if attempt.landed else None
    without = [f"^{one}" for one in (report.base, report.start, before, *report.other_bases) if one]
    stack = git.text("rev-list", str(attempt.stack_head), *without).split()
    for one in report.branches:
        stack += git.text("rev-list", one.sha, f"^{one.base}").split()
    told = [
        found
        for patch in report.patches
        for found in {patch.old, patch.source if patch.branch else None, patch.built}
        if found
    ]
    told += [*report.merges, *(report.installed.commits if report.installed else [])]
    assert sorted(set(stack)) == sorted(told), attempt.id


def _evidence(world: World, attempt: Attempt) -> None:
    repo = world.forge.repository(FORK)
    assert attempt.pull_request is not None
    pull = repo.issues[attempt.pull_request.number].pull
    assert pull is not None
    good = [
        review.user
        for review in pull.reviews
        if review.state == "APPROVED"
        and review.commit_id == attempt.candidate
        and (
            review.user == repo.owner or repo.collaborators.get(review.user) in ("write", "maintain", "admin")
        )
    ]
    assert good or _same_by_git(world, attempt), f"{attempt.id} was promoted without an approval"


def _same_by_git(world: World, attempt: Attempt) -> bool:
    """Whether it is one that goes on alone, and a cherry-pick of the patches gives the very files."""
    promotion, report = attempt.configuration.promotion, attempt.report
    if promotion.approve is not Approve.AUTO or report is None:
        return False
    scratch = Scratch(world.folder / f"picked-{attempt.id}")
    objects = world.forge.core.git(world.forge.repository(FORK)).path / "objects"
    (scratch.folder / ".git/objects/info/alternates").write_text(f"{objects}\n")
    scratch.git("checkout", "-q", "--detach", str(attempt.target))
    scratch.git("cherry-pick", *(patch.old for patch in report.patches))
    return scratch.git("rev-parse", "HEAD^{tree}") == scratch.git(
        "rev-parse", f"{report.patches[-1].new}^{{tree}}"
    )


def _moves_known(world: World, attempts: list[Attempt]) -> None:
    """GitHub's own record of pushes: the maintained branch was moved by people, or by our promotions."""
    promoted = [one for one in attempts if one.stage is Stage.PROMOTED]
    ours = {(one.stack_head, one.candidate) for one in promoted if one.landing is None}
    git = world.forge.core.git(world.forge.repository(FORK))
    landings = [one.landing.commit for one in promoted if one.landing is not None]
    heads = [world.main(), *(str(one.stack_head) for one in promoted)]
    assert all(any(git.is_ancestor(str(one), head) for head in heads) for one in landings), "nothing landed"
    moved = []
    for delivery in world.forge.webhooks.deliveries("push"):
        push = delivery.payload
        if push["ref"] != f"refs/heads/{world.stack}" or delivery.redelivery:
            continue
        if push["sender"]["type"] != "User":
            moved.append((push["before"], push["after"]))
    assert len(moved) == len(set(moved)), "a promotion happened twice"
    assert set(moved) <= ours, "the App moved the maintained branch without a promotion"
    assert set(moved) == ours, "a promotion moved nothing"


@contextmanager
def world_at(
    folder: Path, options: ForgeOptions | None = None, backend: ActionsBackend | None = None
) -> Iterator[World]:
    """A world that runs; arrange it, then `serve()`."""
    robot = backend or Robot(folder / "robot")
    with (
        structlog.testing.capture_logs() as logs,
        Forge(folder / "github", options=options, actions=robot).running() as forge,
    ):
        world = World(folder, forge, robot)
        world.logs = logs
        try:
            yield world
        finally:
            if hasattr(world, "server"):
                tell(world)
                world.server.stop()


def tell(world: World) -> None:
    """What a person needs who looks at a failure."""
    print(world.forge.dump(FORK))
    for attempt in world.attempts():
        print(attempt.id, attempt.tag, attempt.stage, attempt.message)
        for line in world.history(attempt):
            print("   ", line)
    for log in world.logs:
        if log.get("log_level") in ("error", "warning") or log["event"] in ("later", "effect later"):
            print(log)
    complaints = world.forge.core.data_dir / GIT_LOG
    if complaints.exists():
        print(complaints.read_text(errors="replace"))
    if isinstance(world.backend, Robot):
        print(*world.backend.logs, *world.backend.problems, sep="\n")
