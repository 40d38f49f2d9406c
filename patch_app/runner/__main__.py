"""Entry of all jobs: `carry`, `resolve`, `carry-resolved`, `check` and `preview`.

Reads the environment, ends with a report, prints no foreign text.

Standard output is where Actions looks for workflow commands, so in the carry job nothing out of a repository
is ever written to it: a commit's subject could else forge the notice that names our inbox commit. A carry
that ends in a conflict hands nothing over where the fork has a resolver: `carry-resolved` will, in any case.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from . import deliver, id_token, report, request, resolver, summary
from .git import Scrubber
from .job import Job, Runner, as_problem
from .records import Problem, Request
from .workspace import Workspace

# a token for an inbox commit, None where there is none
Vouch = Callable[[str], Optional[str]]

INBOX = "patch-app-inbox"
TURNED_AWAY = "patch-app-refused"


def main(arguments: List[str], environment: Mapping[str, str]) -> int:
    """Runs one job. 0: handed over (or the check passed); 1: not; 2: called in a wrong way."""
    if arguments in (["carry"], ["carry-resolved"]):
        return carry(environment, is_last=arguments == ["carry-resolved"])
    if arguments == ["resolve"]:
        return resolve(environment)
    if arguments == ["check"]:
        return check(environment)
    if arguments == ["preview"]:
        return preview(environment)
    sys.stderr.write("usage: python3 -m patch_app_runner carry|resolve|carry-resolved|check|preview\n")
    return 2


def take_token(environment: Mapping[str, str]) -> Optional[str]:
    """The job's token, taken out of our own environment so that no child gets it by inheritance."""
    token = environment.get("PATCH_APP_TOKEN") or None
    os.environ.pop("PATCH_APP_TOKEN", None)
    return token


def fork_url(environment: Mapping[str, str]) -> str:
    """The fork's address, as Actions gives it. Raises Problem where it doesn't."""
    server, name = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    if not server or not name:
        raise Problem("request", "GITHUB_SERVER_URL and GITHUB_REPOSITORY are not set: this runs on Actions")
    return request.http_url("%s/%s" % (server.rstrip("/"), name), "the fork's address")


def run_of(environment: Mapping[str, str]) -> Optional[Dict[str, int]]:
    """Which run this is; None outside of Actions."""
    number = environment.get("GITHUB_RUN_ID", "")
    return {"id": int(number), "attempt": run_attempt(environment)} if number.isdigit() else None


def run_attempt(environment: Mapping[str, str]) -> int:
    """The run's attempt, which becomes a part of a ref's name."""
    value = environment.get("GITHUB_RUN_ATTEMPT", "1")
    return int(value) if value.isdigit() and len(value) < 10 else 1


def carry(environment: Mapping[str, str], *, is_last: bool) -> int:
    """A carry job: report and bundle end up in the inbox, whatever happened before.

    The last one has what the resolver handed on; the one before it leaves a conflict to the resolver.
    """
    token, source = take_token(environment), id_token.take_source(environment)
    try:
        url = fork_url(environment)
        attempt = request.attempt_id(environment.get("PATCH_APP_ATTEMPT"))
    except Problem as problem:
        say("::error title=patch_app::the run's own inputs can't be used: " + plain(problem.message))
        return 1
    parsed, wrong = parse(environment, attempt)
    upstream = parsed.upstream if parsed else url
    try:
        with Workspace(
            url, upstream, token=token, parent=environment.get("RUNNER_TEMP") or None
        ) as workspace:
            vouch = _voucher(source, parsed)
            return _carry(workspace, parsed, wrong, attempt, environment, is_last=is_last, vouch=vouch)
    except Exception as error:  # noqa: BLE001 - a full disk ends here: there is still the log
        found = as_problem(error, "deliver", lambda value: value.replace(token, "***") if token else value)
        if found.stage == deliver.REFUSED:
            # the server hears of it by the log, and people by the run's page
            say("::error title=patch_app::the fork takes nothing from this run: " + plain(found.message))
            say("%s %s %d %s" % (TURNED_AWAY, attempt, run_attempt(environment), plain(found.message)))
            return 1
        say(
            "::error title=patch_app::nothing could be handed over (%s): %s"
            % (found.stage, plain(found.message))
        )
        return 1


def parse(environment: Mapping[str, str], attempt: str) -> Tuple[Optional[Request], Optional[Problem]]:
    """The request, or what is wrong with it."""
    try:
        return request.parse(environment.get("PATCH_APP_REQUEST", ""), attempt), None
    except Problem as problem:
        return None, problem


def _carry(
    workspace: Workspace,
    parsed: Optional[Request],
    problem: Optional[Problem],
    attempt: str,
    environment: Mapping[str, str],
    *,
    is_last: bool,
    vouch: Optional[Vouch],
) -> int:
    run = run_of(environment)
    if parsed is None:
        facts = report.Facts(attempt=attempt, run=run)
        job = Job(report.build(facts, problem), None, None)
    else:
        settler = resolver.handed(parsed, environment.get("PATCH_APP_ANSWERS", "")) if is_last else None
        job = Runner(workspace, parsed, run=run, progress=progress, resolver=settler).run()
        if not is_last and is_asked(parsed, job.report):
            append(environment.get("GITHUB_OUTPUT"), "resolver=asked\n")
            say("patch_app: conflict, the resolver is asked")
            return 0
    if job.bundle is None and not job.report["resolutions"]:
        workspace.free()
    ref = deliver.inbox_ref(attempt, run_attempt(environment))
    date = parsed.date if parsed else int(time.time())
    object_format = "sha256" if parsed and len(parsed.stack) == 64 else "sha1"
    job, inbox = hand_over(workspace, job, ref, date, object_format=object_format, vouch=vouch)
    say("%s %s %d %s" % (INBOX, attempt, run_attempt(environment), inbox))
    checks = [found.name for found in parsed.checks] if parsed else []
    append(
        environment.get("GITHUB_OUTPUT"),
        "".join("%s=%s\n" % pair for pair in deliver.outputs(inbox, job.report, checks)),
    )
    append(environment.get("GITHUB_STEP_SUMMARY"), summary.markdown(job.report))
    say("patch_app: %s" % job.report["status"])
    return 1 if job.report["status"] == "error" else 0


def is_asked(request: Request, found: Dict[str, Any]) -> bool:
    """Whether a resolver gets to see the conflict: there is one of each."""
    return request.resolver is not None and found["status"] == "conflict"


def _voucher(source: Optional[id_token.Source], parsed: Optional[Request]) -> Optional[Vouch]:
    """What asks for a token for an inbox commit; None where nobody can be asked, or for whom isn't known."""
    if source is None or parsed is None or parsed.attempt is None:
        return None
    asked, app, attempt = source, parsed.app, parsed.attempt
    return lambda commit: id_token.ask(asked, id_token.audience(app, attempt, commit))


def hand_over(
    workspace: Workspace, job: Job, ref: str, date: int, *, object_format: str, vouch: Optional[Vouch]
) -> Tuple[Job, str]:
    """Pushes what there is; where the bundle is refused, the report alone, as an error. Raises on a second
    refusal."""
    try:
        inbox = deliver.deliver(
            workspace, job.report, job.bundle,
            ref=ref, date=date, object_format=object_format, source=job.repository, said=job.said,
            vouch=vouch,
        )  # fmt: skip
    except Exception as error:
        if job.bundle is None:
            raise
        found = as_problem(error, "deliver", workspace.scrub)
        failed = {
            **job.report,
            "status": "error",
            "candidate": None,
            "partial": None,
            "conflict": None,
            "bundle": None,
            "resolutions": None,
            "resolver": None,
            # refused: nothing at all, and this goes through
            "error": {
                "stage": "deliver" if found.stage == deliver.REFUSED else found.stage,
                "message": found.message,
            },
        }
        say("::warning title=patch_app::the bundle could not be pushed; the report goes alone")
        inbox = deliver.deliver(
            workspace, failed, None,
            ref=ref, date=date, object_format=object_format, name="inbox-alone", vouch=vouch,
        )  # fmt: skip
        return Job(failed, None, job.repository), inbox
    return job, inbox


def resolve(environment: Mapping[str, str]) -> int:
    """The resolver's job: its answers become the job's output."""
    from . import resolve_job

    def work(workspace: Workspace, parsed: Request) -> int:
        line = resolve_job.run(workspace, parsed, environment.get(resolve_job.KEY) or None)
        append(environment.get("GITHUB_OUTPUT"), "answers=%s\n" % line)
        return 0

    return run_foreign(environment, "resolver", "the resolver could not be asked", work)


def check(environment: Mapping[str, str]) -> int:
    """The check job: its exit status is the check's result."""
    from . import check_job

    def work(workspace: Workspace, parsed: Request) -> int:
        inbox = request.oid(environment.get("PATCH_APP_INBOX"), "PATCH_APP_INBOX")
        name = environment.get("PATCH_APP_CHECK", "")
        directory, parent = workspace.path("tree"), environment.get("RUNNER_TEMP") or None
        ended = check_job.run(workspace, parsed, inbox, name, directory=directory, parent=parent)
        if ended.artifacts:
            append(environment.get("GITHUB_OUTPUT"), "artifacts=%s\n" % ended.artifacts)
        return ended.status

    return run_foreign(environment, "checks", "the check could not be run", work)


def preview(environment: Mapping[str, str]) -> int:
    """The preview job: 0 also where a patch conflicts, since the pull request that it is for is not to
    blame.
    """
    from . import preview_job

    token = take_token(environment) or ""
    try:
        preview_job.run(
            environment,
            fork_url(environment),
            token,
            say,
            lambda text: append(environment.get("GITHUB_STEP_SUMMARY"), text),
        )
    except Exception as error:  # noqa: BLE001 - a sentence instead of a traceback
        found = as_problem(error, "preview", Scrubber([token]))
        say("::error title=patch_app::there is no preview: " + plain(found.message))
        return 1
    return 0


def run_foreign(
    environment: Mapping[str, str], stage: str, sorry: str, work: Callable[[Workspace, Request], int]
) -> int:
    """A job that executes foreign code: what goes wrong is a sentence instead of a traceback."""
    from .resolve_job import KEY

    token, key = take_token(environment), environment.get(KEY)
    os.environ.pop(KEY, None)
    scrub = Scrubber([token or "", key or ""])
    try:
        url = fork_url(environment)
        parsed = request.parse(environment.get("PATCH_APP_REQUEST", ""), environment.get("PATCH_APP_ATTEMPT"))
        parent = environment.get("RUNNER_TEMP") or None
        with Workspace(url, parsed.upstream, token=token, parent=parent) as workspace:
            return work(workspace, parsed)
    except Exception as error:  # noqa: BLE001 - a sentence instead of a traceback
        found = as_problem(error, stage, scrub)
        say("::error title=patch_app::%s: %s" % (sorry, plain(found.message)))
        return 1


def progress(stage: str, done: int, total: int) -> None:
    """A line a stage, and one every fifty patches; only words and numbers of ours."""
    if total == 0:
        say("patch_app: " + stage)
    elif done == total or done % 50 == 0:
        say("patch_app: %s %d/%d" % (stage, done, total))


def plain(message: str) -> str:
    """A message that may hold foreign words, safe on a line that begins with words of ours.

    The older form of workflow commands, `##[...]`, is obeyed in the middle of a line too (actions/runner).
    """
    flat = " ".join("".join(char if char.isprintable() else " " for char in message).split())
    return flat.replace("%", "%25").replace("##[", "## [")[:2000]


def say(line: str) -> None:
    """One line of our own on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def append(path: Optional[str], content: str) -> None:
    """Adds to one of the files that Actions gives a step; where it gives none there is nothing to do."""
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        say(
            "::warning title=patch_app::a file of the job could not be written: " + plain(str(error.strerror))
        )


def stopped(number: int, frame: Optional[FrameType]) -> None:
    """Turns the first signal of a cancelled run into a failure like any other, so that it is reported."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise Problem("stopped", "The run was stopped from outside before it was done.")


def start() -> int:
    """What `python3 -m` calls."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stopped)
    return main(sys.argv[1:], dict(os.environ))


if __name__ == "__main__":
    sys.exit(start())
