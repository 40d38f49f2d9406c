"""A backend for runs that executes the real runner without act, or what a test wants instead.

Jobs, tokens, annotations and outputs are those that Actions would give; only the workflow file's shell
steps are left out. A test may put anything in place of the carry: what a hostile runner would do.
"""

from __future__ import annotations

import base64
import compileall
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx

import patch_app.runner
from patch_app.core import names
from patch_app.forge.actions import upload_step, workflow
from patch_app.forge.actions_api import (
    Annotation,
    AnnotationLevel,
    Conclusion,
    RunSink,
    StepResult,
    WorkflowRun,
)
from patch_app.runner import id_token

START = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    'runpy.run_module("patch_app_runner", run_name="__main__", alter_sys=True)'
)
INBOX = "patch-app-inbox"
PREVIEW = "::notice title=patch-app-preview::"
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Mallory",
    "GIT_AUTHOR_EMAIL": "mallory@example.invalid",
    "GIT_COMMITTER_NAME": "Mallory",
    "GIT_COMMITTER_EMAIL": "mallory@example.invalid",
}


class Scratch:
    """A Git repository of somebody's own, to make commits in and to push from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q")

    def git(self, *args: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env={**os.environ, **GIT_ENV},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"git {args[0]}: {done.stderr.decode()}"
        return done.stdout.decode(errors="replace").strip()

    def commit(self, files: Mapping[str, bytes], message: str = "report", parent: str = "") -> str:
        """A commit, by default without parents."""
        lines = [
            f"100644 blob {self.git('hash-object', '-w', '--stdin', stdin=content)}\t{path}\n"
            for path, content in sorted(files.items())
        ]
        tree = self.git("mktree", stdin="".join(lines).encode())
        return self.git("commit-tree", tree, *(["-p", parent] if parent else []), "-m", message)

    def files(self, commit: str) -> dict[str, bytes]:
        """The files at the root of a commit."""
        found = self.git("ls-tree", "--name-only", commit).splitlines()
        return {name: self.blob(commit, name) for name in found}

    def blob(self, commit: str, path: str) -> bytes:
        return subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:{path}"], cwd=self.folder, capture_output=True, check=True
        ).stdout


@dataclass
class CarryJob:
    """The carry job of one run, as somebody inside of it sees it."""

    robot: Robot
    run: WorkflowRun
    inputs: dict[str, str]
    token: str
    # where and with what it may ask for a token of its own
    source: id_token.Source | None
    folder: Path
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    exit: int = 0
    mode: str = "carry"
    answers: str = ""

    @property
    def attempt(self) -> str:
        return self.inputs["attempt"]

    @property
    def request(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.inputs["request"])
        return found

    @property
    def ref(self) -> str:
        return f"{names.inbox_prefix(self.attempt)}{self.run.run_attempt}"

    @property
    def url(self) -> str:
        host = self.run.server_url.removeprefix("http://")
        return f"http://x-access-token:{self.token}@{host}/{self.run.repository}.git"

    def carry(self) -> str | None:
        """The real runner; the inbox commit that it pushed."""
        output = self.folder / f"{self.mode}.output"
        self.exit, self.log = self.robot.start(
            self.mode,
            self.run,
            self.inputs,
            self.folder,
            PATCH_APP_TOKEN=self.token,
            PATCH_APP_ANSWERS=self.answers,
            GITHUB_OUTPUT=str(output),
            **({id_token.URL: self.source.url, id_token.TOKEN: self.source.token} if self.source else {}),
        )
        said = [line.split(" ")[-1] for line in self.log.splitlines() if line.startswith(f"{INBOX} ")]
        if output.exists():
            self.outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return said[-1] if said else None

    def vouched(self, scratch: Scratch, commit: str) -> str:
        """What a runner would push that has made this commit: with a token on top, where it gets one."""
        audience = id_token.audience(self.request["app"], self.attempt, commit)
        token = id_token.ask(self.source, audience) if self.source else None
        if token is None:
            return commit
        return scratch.commit({"token": base64.b64encode(token.encode()) + b"\n"}, parent=commit)

    def scratch(self) -> Scratch:
        """A repository with what this run has pushed so far, where it has."""
        return Scratch(self.folder / f"scratch-{len(list(self.folder.glob('scratch-*')))}")

    def rewrite(self, change: Callable[[Scratch, dict[str, Any], dict[str, bytes]], None]) -> None:
        """Carry, then replace what was handed over by what `change` makes of report and files."""
        real = self.carry()
        assert real is not None, self.log
        scratch = self.scratch()
        scratch.git("fetch", "-q", self.url, self.ref)
        files = scratch.files(real)
        report = json.loads(files["report.json"])
        change(scratch, report, files)
        files["report.json"] = json.dumps(report).encode()
        forged = scratch.commit(files)
        scratch.git("push", "-q", "--force", self.url, f"{self.vouched(scratch, forged)}:{self.ref}")
        self.log = self.log.replace(real, forged)
        self.outputs |= {"checks": "[]", "inbox": forged}


Carry = Callable[[CarryJob], None]


@cache
def _compiled() -> Path:
    """The runner's sources, with bytecode beside them: hundreds of runs would compile them each time."""
    folder = Path(patch_app.runner.__file__).parent
    compileall.compile_dir(folder, quiet=2)
    return folder


class Robot:
    """Each run in a thread of its own. `carry`: what the carry job does; set it before the run starts."""

    reruns_failed = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "program"
        self.program.mkdir(parents=True)
        (self.program / "patch_app_runner").symlink_to(_compiled())
        self.carry: Carry = lambda job: void(job.carry())
        # how runs of the fork's other workflows end
        self.others: Callable[[WorkflowRun], Conclusion] = lambda _: Conclusion.SUCCESS
        # by key: how jobs of those end, which are then played with the file's steps; None: no job is
        self.verdicts: dict[str, Conclusion] | None = None
        # what such a job does while it runs: run, key, its token
        self.within: Callable[[WorkflowRun, str, str], None] = lambda *_: None
        # clear: runs wait before their first job, and count as at rest
        self.go = threading.Event()
        self.go.set()
        # what a check does: its exit status and log; by default the real runner
        self.check: Callable[[CarryJob, str], tuple[int, str]] = self._real_check
        # by run: what was carried last, and how its checks ended
        self.carried: dict[int, CarryJob] = {}
        self.ends: dict[int, dict[str, Conclusion]] = {}
        self.problems: list[BaseException] = []
        self.logs: list[str] = []
        self._changed = threading.Condition()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._closing = False

    # the protocol of an ActionsBackend

    def attach(self, sink: RunSink) -> None:
        self.sink = sink

    def dispatch(
        self,
        run: WorkflowRun,
        workflow_text: str,
        inputs: dict[str, str],
        event: str,
        payload: dict[str, Any],
    ) -> None:
        del event, payload
        thread = threading.Thread(target=self._work, args=(run, workflow_text, inputs), daemon=True)
        with self._changed:
            self._busy += 1
            self._threads.append(thread)
        thread.start()

    def cancel(self, run_id: int) -> None:
        """A run that is told to stop goes on to its end."""

    def wait_idle(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0 or not self.go.is_set(), timeout)

    def hold(self) -> None:
        """Runs that start from now on wait for `resume`."""
        self.go.clear()

    def resume(self) -> None:
        with self._changed:
            self.go.set()
            self._changed.notify_all()

    def close(self) -> None:
        self._closing = True
        self.resume()
        for thread in self._threads:
            thread.join(60)

    # what happens in a run

    def _work(self, run: WorkflowRun, text: str, inputs: dict[str, str]) -> None:
        try:
            self.go.wait()
            if not self._closing:
                self._run(run, text, inputs)
        except BaseException as error:  # noqa: BLE001 - shown by the world at the test's end
            self.problems.append(error)
            self.sink.run_completed(run.id, Conclusion.FAILURE)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _run(self, run: WorkflowRun, text: str, inputs: dict[str, str]) -> None:
        self.sink.run_started(run.id)
        if run.path != names.WORKFLOW_PATH:
            self.sink.run_completed(run.id, self._jobs(run, text) or self.others(run))
            return
        if run.event == "pull_request":
            self._preview(run)
            return
        before = self.ends.get(run.id, {})
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            if run.failed_only and self.carried[run.id].exit == 0:
                job, ended = replace(self.carried[run.id], run=run, folder=Path(folder)), Conclusion.SUCCESS
            else:
                before = {}
                job, ended = self._carry(run, inputs, Path(folder), "carry")
                if job.outputs.get("resolver") == "asked":
                    job, ended = self._carry(run, inputs, Path(folder), "carry-resolved", self._resolve(job))
            self.carried[run.id], self.ends[run.id] = job, dict(before)
            checks = json.loads(job.outputs.get("checks", "[]")) if job.exit == 0 else []
            for check in checks:
                if before.get(check["name"]) is not Conclusion.SUCCESS:
                    ended = self._check(job, check["name"], ended)
        if not checks:
            self.sink.job_skipped(run.id, job_key="check", name="check")
        self.sink.run_completed(run.id, ended)

    def _jobs(self, run: WorkflowRun, text: str) -> Conclusion | None:
        """The jobs of a workflow of the fork's own, one after the other; None where they aren't played."""
        if self.verdicts is None:
            return None
        ended = Conclusion.SUCCESS
        for key, job in workflow.load(text).jobs.items():
            name, conclusion = job.name or key, self.verdicts.get(key, Conclusion.SUCCESS)
            if conclusion is Conclusion.SKIPPED:
                self.sink.job_skipped(run.id, job_key=key, name=name)
                continue
            started = self.sink.job_started(run.id, job_key=key, name=name, permissions=job.permissions)
            self.within(run, key, started.token)
            titles = ["Set up job", *(step.title for step in job.steps), "Complete job"]
            steps = [StepResult(number=n, name=one, conclusion=conclusion) for n, one in enumerate(titles, 1)]
            self.sink.job_completed(run.id, job_id=started.id, conclusion=conclusion, steps=steps)
            ended = ended if conclusion is Conclusion.SUCCESS else conclusion
        return ended

    def _preview(self, run: WorkflowRun) -> None:
        """The job of that name, where the file's condition holds; the others are left out."""
        if run.head_branch != names.INSTALL_BRANCH:
            self.sink.job_skipped(run.id, job_key="preview", name="preview")
            self.sink.run_completed(run.id, Conclusion.SKIPPED)
            return
        started = self.sink.job_started(
            run.id, job_key="preview", name="preview", permissions={"contents": "read"}
        )
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            status, log = self.start(
                "preview",
                run,
                {"attempt": "", "request": ""},
                Path(folder),
                PATCH_APP_TOKEN=started.token,
                PATCH_APP_REQUESTS=names.ONBOARDING_REF,
            )
        self.logs.append(log)
        said = [line.removeprefix(PREVIEW) for line in log.splitlines() if line.startswith(PREVIEW)]
        notes = [
            Annotation(level=AnnotationLevel.NOTICE, title="patch-app-preview", message=one) for one in said
        ]
        ended = _conclusion(status)
        self.sink.job_completed(run.id, job_id=started.id, conclusion=ended, annotations=notes, log=log)
        self.sink.run_completed(run.id, ended)

    def _carry(
        self, run: WorkflowRun, inputs: dict[str, str], folder: Path, mode: str, answers: str = ""
    ) -> tuple[CarryJob, Conclusion]:
        started = self.sink.job_started(
            run.id,
            job_key=mode,
            name=mode.replace("-", " "),
            permissions={"contents": "write", "id-token": "write"},
        )
        asked = id_token.Source(started.id_token_url, started.id_token_request_token)
        job = CarryJob(
            robot=self,
            run=run,
            inputs=inputs,
            token=started.token,
            source=asked if asked.url else None,
            folder=folder,
            mode=mode,
            answers=answers,
        )
        self.carry(job)
        ended = _conclusion(job.exit)
        self.logs.append(job.log)
        self.sink.job_completed(
            run.id,
            job_id=started.id,
            conclusion=ended,
            steps=_steps(ended, *CARRIES[mode]),
            log=job.log,
        )
        return job, ended

    def _resolve(self, job: CarryJob) -> str:
        started = self.sink.job_started(
            job.run.id, job_key="resolve", name="resolve", permissions={}, environment="patch-app-resolver"
        )
        output = job.folder / "resolve.output"
        key = started.secrets.get("PATCH_APP_RESOLVER_KEY", "")
        status, log = self.start(
            "resolve",
            job.run,
            job.inputs,
            job.folder,
            PATCH_APP_RESOLVER_KEY=key,
            PATCH_APP_TOKEN="",
            GITHUB_OUTPUT=str(output),
        )
        self.logs.append(log)
        self.sink.job_completed(job.run.id, job_id=started.id, conclusion=_conclusion(status), log=log)
        return output.read_text().partition("=")[2].strip() if output.exists() else ""

    def _check(self, job: CarryJob, name: str, so_far: Conclusion) -> Conclusion:
        started = self.sink.job_started(job.run.id, job_key="check", name=f"check {name}", permissions={})
        status, log = self.check(job, name)
        self.logs.append(log)
        self._upload(job, name, started.upload_url)
        ended = self.ends[job.run.id][name] = _conclusion(status)
        steps = _steps(ended, names.check_step(name))
        self.sink.job_completed(job.run.id, job_id=started.id, conclusion=ended, steps=steps, log=log)
        return ended if so_far is Conclusion.SUCCESS else so_far

    def _real_check(self, job: CarryJob, name: str) -> tuple[int, str]:
        return self.start(
            "check",
            job.run,
            job.inputs,
            job.folder,
            PATCH_APP_INBOX=job.outputs["inbox"],
            PATCH_APP_CHECK=name,
            PATCH_APP_TOKEN="",
            GITHUB_OUTPUT=str(job.folder / f"output-{name}"),
        )

    def _upload(self, job: CarryJob, check: str, url: str) -> None:
        """The step behind the check's."""
        output = job.folder / f"output-{check}"
        if output.exists():
            folder = Path(output.read_text().strip().removeprefix("artifacts="))
            found = upload_step.chosen(folder, hidden=True)
            with httpx.Client(trust_env=False) as client:
                name = f"check-{check}-{job.run.run_attempt}"
                answer = client.post(url, params={"name": name}, content=upload_step.zipped(found, 1))
            assert answer.status_code == 201, answer.text

    def start(
        self, mode: str, run: WorkflowRun, inputs: dict[str, str], folder: Path, **more: str
    ) -> tuple[int, str]:
        """The runner as the workflow file starts it: exit status and output."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RUNNER_TEMP": str(folder),
            "PATCH_APP_ATTEMPT": inputs["attempt"],
            "PATCH_APP_REQUEST": inputs["request"],
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_ATTEMPT": str(run.run_attempt),
            "GITHUB_SERVER_URL": run.server_url,
            "GITHUB_REPOSITORY": run.repository,
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-c", START, str(self.program), mode],
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def void(_: object) -> None:
    """For lambdas that give nothing."""


def _conclusion(status: int) -> Conclusion:
    return Conclusion.FAILURE if status else Conclusion.SUCCESS


# what a job that carries does after it has got the runner
CARRIES = {"carry": (names.CARRY_STEP,), "carry-resolved": (names.CARRY_STEP, names.ANSWERS_STEP)}


def _steps(ended: Conclusion, *own: str) -> list[StepResult]:
    """GitHub's list of a job's steps; the job ends as its own steps do."""
    good = Conclusion.SUCCESS
    rows = [
        ("Set up job", good),
        (names.RUNNER_STEP, good),
        *((one, ended) for one in own),
        ("Complete job", good),
    ]
    return [
        StepResult(number=number, name=name, conclusion=end)
        for number, (name, end) in enumerate(rows, start=1)
    ]
