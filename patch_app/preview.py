"""`patch-app preview`: what would become of my patches on that release? The runner against any fork.

Needs no App, server or configuration. It reads both repositories and writes to neither; what it makes lies
in a temporary directory that is gone at the end.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, assert_never

from rich.status import Status as Spinner

from patch_app import preview_source
from patch_app import preview_view as view
from patch_app.core.report import Status
from patch_app.preview_shape import AS_IT_IS, Shape, patch_branches
from patch_app.runner import artifacts, commit
from patch_app.runner import checks as check_runner
from patch_app.runner import report as reports
from patch_app.runner import request as rules
from patch_app.runner.diff import list_tree
from patch_app.runner.fetch import COMMITS_ONLY, Fetcher, commit_objects
from patch_app.runner.git import Git, GitError
from patch_app.runner.job import Runner, as_problem
from patch_app.runner.records import MERGE, Check, Problem, Request
from patch_app.runner.workspace import Workspace
from patch_app.terminal import Terminal, plain

INSTALLED_PATHS = (b".github/workflows/patch-maintenance.yml", b".github/patch-app.toml")
INSTALLED_TRAILER = "Patch-App-Installed: true"
CHECK_SECONDS = 1800
PROTOCOLS = ("https", "http", "ssh", "git", "file")

_SEEN = (
    "A password on a command line may have been seen by others on this machine. Git's credential helper "
    "needs none there."
)
MISSING = ("couldn't find remote ref", "not our ref", "unadvertised object")

# What of the user's own configuration a fetch may need: how to reach a server, and as whom.
USERS_KEYS = re.compile(r"(?:credential|http|url|ssh)\.|safe\.directory$|core\.sshcommand$")
USERS_ENVIRONMENT = (
    "HOME",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "DBUS_SESSION_BUS_ADDRESS",
)


class Exit(IntEnum):
    """Exit statuses of the command."""

    DONE = 0
    PERSON_NEEDED = 1
    BAD_INPUT = 2
    NOT_POSSIBLE = 3
    INTERRUPTED = 130


class Keeping(NamedTuple):
    """Which of the files that checks made are kept, as `artifacts` of a configuration, and below which
    directory.
    """

    patterns: tuple[str, ...] = ()
    directory: Path = Path("patch-app-artifacts")


NOTHING = Keeping()


class Resolved(NamedTuple):
    """Commits that the names stand for, and the target's committer date in unix seconds."""

    stack: str
    target: str
    date: int
    patches: tuple[tuple[str, str], ...] = ()


def users_configuration(environment: Mapping[str, str]) -> str:
    """The few settings of the user that decide how a server is reached, as text of a configuration file."""
    lines: list[str] = []
    for scope in ("--system", "--global"):
        try:
            listed = subprocess.run(
                ["git", "config", scope, "--includes", "-z", "--list"],
                env=dict(environment), cwd="/", capture_output=True, check=False, timeout=20,
            ).stdout.decode("utf-8", "replace")  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""  # the carry itself says what is wrong with git
        for entry in listed.split("\0"):
            key, separator, value = entry.partition("\n")
            if separator and USERS_KEYS.match(key):
                lines.append(setting(key, value))
    return "".join(lines)


def setting(key: str, value: str) -> str:
    """One setting in the form of a configuration file; every value quoted."""
    section, _, rest = key.partition(".")
    subsection, _, name = rest.rpartition(".")
    quoted = [
        part.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        for part in (subsection, value)
    ]
    head = f'[{section} "{quoted[0]}"]' if subsection else f"[{section}]"
    return f'{head}\n\t{name} = "{quoted[1]}"\n'


def resolve(
    workspace: Workspace, branch: str, onto: str, upstream_given: bool, shape: Shape = AS_IT_IS
) -> Resolved:
    """The commits that the names stand for. A tag of upstream is looked up in upstream alone.

    Raises:
        Problem: with stage `request` for a name that isn't there, `fetch` where a repository can't be
        reached.
    """
    fetcher = Fetcher(workspace)
    for object_format in ("sha1", "sha256"):
        names = workspace.repository("names-" + object_format, object_format)

        def get(remote: str, source: str, name: str) -> str:
            try:
                spec = f"+{source}:refs/resolved/{name}"
                fetcher.fetch(names, remote, [spec], "--depth=1", "--filter=" + COMMITS_ONLY)  # noqa: B023
                return names.line("rev-parse", "--verify", "--quiet", f"refs/resolved/{name}^{{commit}}")  # noqa: B023
            except GitError as error:
                raise _unresolved(error, source, name) from error

        try:
            stack = get("fork", "refs/heads/" + branch, "stack")
            if upstream_given:
                target = get("upstream", "refs/tags/" + onto.removeprefix("refs/tags/"), "target")
            else:
                target = get("fork", onto, "target")
        except Problem as problem:
            if object_format == "sha1" and "mismatched algorithms" in problem.message:
                continue
            raise
        return Resolved(stack, target, _date(names, target), patch_branches(names, branch, shape))
    raise Problem("fetch", "the repositories' object format is unknown")


def _date(repository: Git, sha: str) -> int:
    """Committer date of a commit at hand. `git show` would fetch the whole tree for it."""
    return commit.committed(commit_objects(repository, [sha])[sha])


def _unresolved(error: GitError, source: str, name: str) -> Problem:
    what = "the branch" if name == "stack" else "the target"
    if error.command == "rev-parse":
        return Problem("request", f"{what} {source} names no commit")
    if any(words in error.stderr for words in MISSING):
        return Problem("request", f"{what} {source} is not in that repository")
    return Problem("fetch", f"{what} {source} could not be fetched: {error.stderr or error}")


def exit_status(report: Mapping[str, Any]) -> Exit:
    """Exit status that a report stands for."""
    status = Status(report["status"])
    match status:
        case Status.CLEAN | Status.NOOP:
            return Exit.PERSON_NEEDED if report["leaving"] else Exit.DONE
        case Status.CONFLICT | Status.CHECKS_FAILED:
            return Exit.PERSON_NEEDED
        case Status.ERROR:
            stage = report["error"]["stage"]
            if stage in ("request", "base"):
                return Exit.BAD_INPUT
            return Exit.PERSON_NEEDED if stage in ("stack", "blocked") else Exit.NOT_POSSIBLE
        case _:
            assert_never(status)


def run_preview(  # noqa: PLR0917 - the first seven are the command's own
    fork: str,
    branch: str,
    onto: str,
    upstream: str | None,
    checks: Sequence[str],
    json_output: bool,
    console: Terminal,
    *,
    shape: Shape = AS_IT_IS,
    keeping: Keeping = NOTHING,
    progress: Terminal | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Carries `branch` of `fork` onto `onto`, shows what became of each patch, and gives the exit status.

    `console` gets the outcome: a table, or with `json_output` the report alone. `progress` (standard error)
    gets what happens meanwhile. Never raises but for a mistake in the console.
    """
    progress = progress or Terminal(stderr=True)
    given = dict(os.environ if environment is None else environment)
    try:
        with progress.status("Looking at the repositories") as spinner:
            report = _report(
                fork, branch, onto, upstream,
                commands=checks, shape=shape, keeping=keeping, spinner=spinner, environment=given,
            )  # fmt: skip
    except KeyboardInterrupt:
        progress.print("Stopped.")
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a sentence and an exit status, never a traceback
        report = reports.build(reports.Facts(), as_problem(error, "preview", str))
    if json_output:
        console.print_data(report)
    else:
        view.show(report, console, forward=shape.strategy == MERGE)
    if report["error"]:
        progress.print(plain("patch-app preview: " + report["error"]["message"]))
    return exit_status(report)


def _report(
    fork: str,
    branch: str,
    onto: str,
    upstream: str | None,
    *,
    commands: Sequence[str],
    shape: Shape,
    keeping: Keeping,
    spinner: Spinner,
    environment: Mapping[str, str],
) -> reports.Report:
    of_fork = preview_source.source(fork, "FORK")
    of_upstream = preview_source.source(upstream, "UPSTREAM") if upstream else of_fork
    sources = dict.fromkeys((of_fork, of_upstream))
    if preview_source.hide_command_line(sources):
        spinner.console.print(plain(_SEEN), style="yellow")
    rules.ref_name(branch, "--branch")
    rules.ref_name(onto, "--onto")
    if shape.start is not None:
        rules.oid(shape.start, "--start")
    found = _wanted(commands, keeping)
    passed_on = {name: environment[name] for name in USERS_ENVIRONMENT if name in environment}
    passed_on.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    passed_on |= preview_source.environment(sources)
    with Workspace(
        of_fork.url, of_upstream.url,
        protocols=PROTOCOLS, extra_config=users_configuration(environment), passed_on=passed_on,
    ) as workspace:  # fmt: skip
        workspace.git_version()
        resolved = resolve(workspace, branch.removeprefix("refs/heads/"), onto, bool(upstream), shape)
        request = Request(
            attempt=None,
            branch=branch,
            stack=resolved.stack,
            base=None,
            target_name=onto,
            target=resolved.target,
            upstream=of_upstream.url,
            bundle_from="target",
            date=resolved.date,
            installed_paths=INSTALLED_PATHS,
            installed_trailer=INSTALLED_TRAILER,
            resolutions=None,
            checks=found,
            merges=shape.merges,
            strategy=shape.strategy,
            start=shape.start,
            patches=resolved.patches,
        )
        runner = Runner(workspace, request, progress=_shown_by(spinner), with_bundle=False)
        report = runner.run().report
        if report["candidate"] and found:
            report = _checked(
                runner, found, report["candidate"]["sha"],
                into=keeping.directory.absolute(), spinner=spinner, environment=environment,
            )  # fmt: skip
        return report


def _wanted(commands: Sequence[str], keeping: Keeping) -> tuple[Check, ...]:
    """The checks. Raises Problem for what they can't be."""
    # as a shell completes a directory, and as it names all
    patterns = ["**" if one == "." else one.removesuffix("/") for one in keeping.patterns]
    rules.relative_paths(patterns, "--artifact")
    if patterns and not commands:
        raise Problem("request", "--artifact: there is no --check that could make something")
    if patterns and keeping.directory.exists() and not _is_empty(keeping.directory):
        raise Problem(
            "request", f"--artifacts-in: {keeping.directory} is there and not empty: name another directory"
        )
    listed = [
        {"name": f"check {number}", "run": command, "timeout": CHECK_SECONDS, "artifacts": patterns}
        for number, command in enumerate(commands, 1)
    ]
    return rules.checks(listed)


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and next(directory.iterdir(), None) is None


def _checked(
    runner: Runner,
    found: Sequence[Check],
    candidate: str,
    *,
    into: Path,
    spinner: Spinner,
    environment: Mapping[str, str],
) -> reports.Report:
    """Runs the checks on a tree of the candidate, by the same code as the job of the workflow."""
    repository = runner.repository
    if repository is None:
        raise Problem("checks", "there is no candidate to check")
    try:
        spinner.update("Getting the candidate's files")
        target = {oid for _, oid, _ in list_tree(repository, runner.request.target)}
        missing = check_runner.missing_blobs(repository, candidate)
        runner.fetcher.blobs(repository, {oid: "upstream" if oid in target else "fork" for oid in missing})
        entries = []
        for number, check in enumerate(found):
            spinner.update(f"Check {number + 1} of {len(found)}")
            tree = runner.workspace.path(f"tree-{number}")
            check_runner.materialise(repository, candidate, tree)
            entries.append(_run_one(check, tree, str(into / check.name), spinner, environment))
    except (Problem, GitError, OSError) as error:
        return reports.build(runner.facts, as_problem(error, "checks", runner.workspace.scrub))
    return runner.add_checks(entries)


def _run_one(
    check: Check, tree: str, into: str, spinner: Spinner, environment: Mapping[str, str]
) -> dict[str, Any]:
    with artifacts.opened(tree) as held:
        outcome = check_runner.run(check, tree, environment)
        if not check.artifacts:
            return check_runner.as_entry(check, outcome)
        kept = artifacts.keep(held, check.artifacts, into)
    for line in kept.lines():
        spinner.console.print(plain(f"{check.name}: {line}"))
    return check_runner.as_entry(check, outcome, kept.as_entry(into))


def _shown_by(spinner: Spinner) -> Any:
    words = {
        "history": "Finding where the stack starts",
        "fetch": "Fetching what the patches touch",
        "carry": "Carrying",
        "range-diff": "Comparing the old stack with the new one",
        "end": "Done",
    }

    def show(stage: str, done: int, total: int) -> None:
        counted = f": {done} of {total} patches" if total else ""
        spinner.update(words.get(stage, stage) + counted)

    return show
