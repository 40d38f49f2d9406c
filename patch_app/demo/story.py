"""The demo's story: two releases, told and checked step by step.

Everything that is claimed is looked at where a person would: on the (local) GitHub and in the App's
query API. A step that does not happen ends the story with status 1.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from patch_app.core import names
from patch_app.demo import project
from patch_app.demo.narrator import Narrator
from patch_app.demo.process import ServerProcess, free_port
from patch_app.forge.server import Forge
from patch_app.github.setup import manifest
from patch_app.terminal import Terminal

# longest wait for one step, in seconds, on a slow machine
PATIENCE: Final = 90.0


class StepMissingError(Exception):
    """Something that the story tells did not happen."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The demo's two sides, running."""

    forge: Forge
    server: ServerProcess
    app: Any
    installation: int


def tell(*, stay: bool, as_json: bool) -> int:
    """Tell the story; the exit status. With `stay` everything stays up until Ctrl-C."""
    console = Terminal(stderr=as_json)
    narrator = Narrator(console)
    with tempfile.TemporaryDirectory(prefix="patch-app-demo-", ignore_cleanup_errors=True) as folder:
        try:
            with _staged(Path(folder), narrator) as stage:
                status = _told(stage, narrator)
                if as_json:
                    sys.stdout.write(json.dumps(_attempts(stage), indent=2) + "\n")
                if stay:
                    _stay(stage, narrator)
                return status
        except KeyboardInterrupt:
            return 130


@contextmanager
def _staged(folder: Path, narrator: Narrator) -> Iterator[Stage]:
    narrator.chapter("A local GitHub, an upstream, a fork, and the App beside them")
    with Forge(folder / "github").running() as forge:
        project.build(forge)
        narrator.say("github", f"{forge.url} (local, over real Git repositories)")
        narrator.say(project.OWNER, f"forks {project.UPSTREAM} and keeps five patches on {project.FORK} main")
        port = free_port()
        wanted = manifest(f"http://127.0.0.1:{port}")
        app = forge.create_app(
            owner=project.OWNER,
            name=wanted["name"],
            webhook_url=wanted["hook_attributes"]["url"],
            permissions=wanted["default_permissions"],
            events=wanted["default_events"],
        )
        settings = {
            "DATA_DIR": str(folder / "data"),
            "GITHUB_URL": forge.url,
            "GITHUB_API_URL": forge.api_url,
            "GITHUB_APP_ID": str(app.id),
            "GITHUB_APP_PRIVATE_KEY": app.pem,
            "GITHUB_WEBHOOK_SECRET": app.webhook_secret,
            "POLL_SECONDS": "1",
            "SYNC_SECONDS": "5",
        }
        program = (sys.executable, "-m", "patch_app.demo.server")
        with ServerProcess(port, settings, folder / "server.log", program) as server:
            narrator.say("app", f"{server.url} is the dashboard; webhooks arrive signed")
            installation = forge.install(app, account=project.OWNER, repositories=[project.FORK])
            yield Stage(forge=forge, server=server, app=app, installation=installation)


def _told(stage: Stage, narrator: Narrator) -> int:
    try:
        _install(stage, narrator)
        _first_release(stage, narrator)
        _second_release(stage, narrator)
    except StepMissingError as error:
        narrator.failed(str(error))
        narrator.console.print(stage.server.tail())
        return 1
    narrator.chapter("That was the story.")
    return 0


def _install(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter("Install")
    narrator.say(project.OWNER, f"installs the App on {project.FORK}")
    forge = stage.forge
    _until(lambda: _offered(stage) is not None, "the App has opened no installation pull request")
    number = _offered(stage)
    narrator.say(
        "app", f"opens pull request #{number}: one workflow file, and what it found out about the fork"
    )
    forge.commit(
        project.FORK,
        names.INSTALL_BRANCH,
        {names.CONFIGURATION_PATH: project.configuration()},
        f"Configure patch_app\n\n{names.INSTALLED_TRAILER}",
        by=project.OWNER,
    )
    narrator.say(project.OWNER, "pushes a configuration of their own to it")
    path = f"/repos/{project.FORK}/pulls/{number}/merge"
    forge.person(project.OWNER).api("PUT", path, {"merge_method": "rebase"})
    narrator.say(project.OWNER, "merges it; that commit of the App's is in the stack now")
    _until(lambda: _primed(stage), "the App has not read the upstream's releases")


def _offered(stage: Stage) -> int | None:
    path = f"/repos/{project.FORK}/pulls?state=open"
    found = stage.forge.person(project.OWNER).api("GET", path)
    return next((int(one["number"]) for one in found if one["head"]["ref"] == names.INSTALL_BRANCH), None)


def _primed(stage: Stage) -> bool:
    """The first poll has recorded v1.0.0 without starting anything."""
    return '"event": "polled"' in stage.server.log.read_text(errors="replace")


def _first_release(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter(f"{project.UPSTREAM} releases {project.FIRST}")
    forge = stage.forge
    before = _head(stage)
    project.release_first(forge)
    narrator.say(project.MAINTAINER, "mends the fork's typo too, takes half of a patch, adds a feature, tags")
    attempt = _follow(stage, narrator, project.FIRST, "reviewing")
    _verdicts(narrator, attempt)
    wanted = ["clean", "adjusted", "already-upstream", "clean", "clean"]
    if [one["verdict"] for one in attempt["patches"]] != wanted:
        raise StepMissingError(f"the verdicts are not {', '.join(wanted)}")
    number, candidate = attempt["pull_request"]["number"], attempt["candidate"]
    narrator.seen(
        f"pull request #{number} shows the stack on {project.FIRST}: {attempt['pull_request']['url']}"
    )
    if _head(stage) != before:
        raise StepMissingError("main moved before anybody approved")
    narrator.seen("main has not moved: nobody has approved yet")
    forge.person(project.REVIEWER).api(
        "POST", f"/repos/{project.FORK}/pulls/{number}/reviews", {"event": "APPROVE", "commit_id": candidate}
    )
    narrator.say(project.REVIEWER, f"approves exactly {candidate[:12]}")
    attempt = _follow(stage, narrator, project.FIRST, "promoted")
    if _head(stage) != candidate:
        raise StepMissingError("main is not the candidate")
    narrator.seen(f"main is {candidate[:12]}, moved in one atomic step from {before[:12]}")
    if _ref(stage, f"patch-app/archive/{attempt['id']}") != before:
        raise StepMissingError("the old stack is not archived")
    narrator.seen(f"the old stack is at refs/patch-app/archive/{attempt['id']}")
    _until(lambda: _pull(stage, number)["state"] == "closed", "the pull request stays open")
    narrator.seen(f"pull request #{number} is closed, our branches are gone")


def _second_release(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter(f"{project.UPSTREAM} releases {project.SECOND}")
    before = _head(stage)
    project.release_second(stage.forge)
    narrator.say(project.MAINTAINER, "changes the very line that a patch changes, tags")
    attempt = _follow(stage, narrator, project.SECOND, "conflict")
    _verdicts(narrator, attempt)
    _until(lambda: bool(_attempt(stage, project.SECOND)["issue"]), "no issue was opened")
    issue = _attempt(stage, project.SECOND)["issue"]
    found = stage.forge.person(project.OWNER).api("GET", f"/repos/{project.FORK}/issues/{issue['number']}")
    if "kettle.sh" not in found["body"]:
        raise StepMissingError("the issue does not name the file")
    narrator.seen(f"issue #{issue['number']}: {found['title']}")
    narrator.seen(f"it has the hunk and the commands to go on: {issue['url']}")
    if _head(stage) != before:
        raise StepMissingError("main moved although a patch conflicts")
    narrator.seen("main has not moved; what was carried before waits on the maintenance branch")


def _follow(stage: Stage, narrator: Narrator, tag: str, wanted: str) -> dict[str, Any]:
    """Tells each new line of the attempt's history until it is at the wanted stage."""
    told = len(_attempt(stage, tag)["history"]) if _known(stage, tag) else 0
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        attempt = _attempt(stage, tag) if _known(stage, tag) else None
        if attempt is not None:
            lines = [line["line"] for line in attempt["history"]]
            for line in lines[told:]:
                narrator.say("attempt", line)
            told = len(lines)
            if attempt["stage"] == wanted:
                return attempt
            if attempt["stage"] in ("failed", "blocked", "held", "abandoned", "superseded"):
                raise StepMissingError(f"{tag}: {attempt['stage']}: {attempt['message']}")
        time.sleep(0.1)
    raise StepMissingError(f"{tag} did not come to {wanted} within {PATIENCE:.0f} s")


def _verdicts(narrator: Narrator, attempt: dict[str, Any]) -> None:
    rows = [(one["verdict"], one["subject"], ", ".join(one["paths"])) for one in attempt["patches"]]
    narrator.table(("verdict", "patch", "files"), rows)


def _stay(stage: Stage, narrator: Narrator) -> None:
    narrator.say("app", f"the dashboard is at {stage.server.url} until Ctrl-C")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()


# Looking ------------------------------------------------------------------------------------------


def _until(so: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if so():
            return
        time.sleep(0.1)
    raise StepMissingError(otherwise)


def _known(stage: Stage, tag: str) -> str | None:
    listed = stage.server.get("/maintenance-attempts")["maintenance_attempts"]
    return next((one["id"] for one in listed if one["upstream"]["tag"] == tag), None)


def _attempt(stage: Stage, tag: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.server.get(f"/maintenance-attempts/{_known(stage, tag)}")
    return found


def _attempts(stage: Stage) -> list[dict[str, Any]]:
    return [_attempt(stage, tag) for tag in (project.FIRST, project.SECOND) if _known(stage, tag)]


def _ref(stage: Stage, name: str) -> str:
    found = stage.forge.person(project.OWNER).api("GET", f"/repos/{project.FORK}/git/ref/{name}")
    return str(found["object"]["sha"])


def _head(stage: Stage) -> str:
    return _ref(stage, "heads/main")


def _pull(stage: Stage, number: int) -> dict[str, Any]:
    found: dict[str, Any] = stage.forge.person(project.OWNER).api(
        "GET", f"/repos/{project.FORK}/pulls/{number}"
    )
    return found
