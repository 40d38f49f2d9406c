"""Which checks of Actions are what they are taken for: jobs of a workflow file, run for the candidate. Pure.

Every workflow's token acts as the one App of Actions, so whoever may push a workflow can post a check run of
any name on any commit, and rename those of real jobs. What counts is a job of a run that GitHub lists for the
candidate, of a file that the candidate has, whose name and steps are those that the file gives. Whether the
names of jobs follow those of their check runs is not documented: both are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from patch_app.core.attempt import Check
from patch_app.core.model import Model

# slug of the App whose checks workflow files make
ACTIONS: Final = "github-actions"
# steps that the runner adds to a file's own
_RUNNERS: Final = ("Set up ", "Complete ", "Pre ", "Post ", "Initialize ", "Stop ", "Pull ", "Build ")
_ENDED: Final = frozenset({"success", "failure"})
# of a title: what stands behind it tells nothing apart
_TITLE: Final = 80
_SHOWN: Final = 60
# of one file; GitHub runs no such thing
_MOST_STEPS: Final = 20_000
# comparisons of titles for one run, about a second's; a file of thirty jobs needs a tenth of it
_MOST_WORK: Final = 1_000_000


class Job(Model):
    """A job as the jobs API lists it; its id is its check run's."""

    id: int
    attempt: int = 1
    name: str
    status: str
    conclusion: str | None = None
    url: str = ""
    steps: tuple[str, ...] = ()


class Run(Model):
    """A run that GitHub lists for the candidate, with the jobs of all its attempts."""

    id: int
    path: str
    event: str
    # the branch that it ran for, empty where that is another repository's
    branch: str
    attempt: int = 1
    status: str
    conclusion: str | None = None
    created: datetime | None = None
    jobs: tuple[Job, ...] = ()


class Evidence(Model):
    """What was read to tell real jobs from what looks like them."""

    # the maintenance branch's name
    branch: str
    app_id: int | None = None
    runs: tuple[Run, ...] = ()
    # the candidate's workflow files, parsed, by path; the paths that the maintained branch has too
    files: dict[str, Any] = Field(default_factory=dict)
    maintained: frozenset[str] = frozenset()
    # names of the check runs of Actions, by id
    check_runs: dict[int, str] = Field(default_factory=dict)
    # other pull requests from the maintenance branch, and when each was opened
    pulls: dict[int, datetime] = Field(default_factory=dict)
    # the base of the maintenance pull request was another one for a time
    rebased: bool = False
    # why not all of it could be read
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class _Definition:
    """A job of a file: the parts of its name and of its steps' titles that stand between expressions."""

    key: str
    name: tuple[str, ...]
    # a matrix, or a workflow that it calls, puts something behind the name
    open: bool
    # None: those of the workflow that it calls
    titles: tuple[tuple[str, ...], ...] | None

    def makes(self, name: str) -> bool:
        """Whether a job of this definition may have the name."""
        if _fits(self.name, name):
            return True
        behind = (" (", " / ") if self.open else ()
        return any(_fits((*self.name[:-1], self.name[-1] + one, ""), name) for one in behind)

    def distance(self, steps: tuple[str, ...]) -> int | None:
        """How many steps are missing or too many; None where the file doesn't say which there are."""
        if self.titles is None:
            return None
        taken, missing, position = 0, 0, 0
        for title in self.titles:
            found = next((n for n in range(position, len(steps)) if _fits(title, steps[n][:_TITLE])), None)
            if found is None:
                missing += 1
            else:
                taken, position = taken + 1, found + 1
        own = sum(not one.startswith(_RUNNERS) for one in steps)
        return missing + max(0, own - taken)


class _File:
    """The jobs of one file, held against those of its runs. Legs of a matrix have the same steps."""

    def __init__(self, document: Any) -> None:
        self.definitions = _definitions(document)
        self._known: dict[tuple[str, ...], dict[str, int | None]] = {}
        self._work = 0

    def distances(self, steps: tuple[str, ...]) -> dict[str, int | None] | None:
        """How far each definition, by its key, is from a job's steps; None where that is too much to tell."""
        if steps not in self._known:
            self._work += sum(len(one.titles or ()) for one in self.definitions) * len(steps)
            if self._work > _MOST_WORK:
                return None
            self._known[steps] = {one.key: one.distance(steps) for one in self.definitions}
        return self._known[steps]


def proved(wanted: Iterable[tuple[str, str | None]], evidence: Evidence) -> tuple[Check, ...]:
    """The jobs that count as required checks, each as a check that names its run.

    `wanted`: names, each with the path of the only file that counts; without one, the files that the
    maintained branch has under the same path.
    """
    found: dict[tuple[int, int, str], Check] = {}
    for name, path in wanted:
        if evidence.problem:
            found[0, 0, name] = _check(evidence, name, doubt=evidence.problem)
        for run in evidence.runs:
            if run.path == path or (path is None and run.path in evidence.maintained):
                for place, check in enumerate(_of_run(name, run, evidence)):
                    found[run.id, place, name] = check
    return tuple(found.values())


def _of_run(name: str, run: Run, evidence: Evidence) -> Iterator[Check]:
    file = _File(evidence.files.get(run.path))
    makers = [one for one in file.definitions if one.makes(name)]
    if not makers:
        return
    current = tuple(_current(run))
    doubt = next(filter(None, (_renamed(job, file, evidence) for job in current)), "")
    named = [job for job in current if job.name == name]
    # a job that needs others, and each leg of a matrix, is listed once these have ended
    if not named and (doubt or run.status != "completed"):
        yield _check(evidence, name, run=run, doubt=doubt)
    for job in named:
        passed = job.conclusion == "success"
        known = (
            _like(job, makers, file, current),
            _hidden(job, file, current),
            _skipped(job, makers, current),
        )
        like = doubt or (next(filter(None, known), "") if passed else "")
        over = run.attempt > job.attempt and not (run.status == "completed" and run.conclusion in _ENDED)
        yield _check(evidence, name, run=run, job=None if over else job, doubt=like)


def _check(
    evidence: Evidence, name: str, *, run: Run | None = None, job: Job | None = None, doubt: str = ""
) -> Check:
    return Check(
        name=name,
        app=ACTIONS,
        app_id=evidence.app_id,
        status=job.status if job else "in_progress",
        conclusion=job.conclusion if job else None,
        url=job.url if job else "",
        workflow=run.path if run else None,
        run=run.id if run else 0,
        doubt=doubt,
        untrusted=_untrusted(run, evidence) if run else "",
    )


def _untrusted(run: Run, evidence: Evidence) -> str:
    """Why it isn't sure that the run did with the candidate what its file says; empty where it is.

    A pull request's run has the files of its merge, so those of the branch that it goes into; a run that
    somebody started has the inputs that they gave.
    """
    if run.branch != evidence.branch:
        return "it didn't run for the maintenance branch"
    if run.event == "push":
        return ""
    if run.event != "pull_request":
        return f"it was started by {run.event[:_SHOWN]}"
    others = [n for n, opened in evidence.pulls.items() if run.created is None or opened <= run.created]
    if others:
        return f"the pull request #{min(others)} from the same branch may have started it with other files"
    return (
        "the pull request's base was changed, so it may have run with other files" if evidence.rebased else ""
    )


# Jobs against their file ------------------------------------------------------------------------------


def _current(run: Run) -> Iterator[Job]:
    """Of each name the jobs of the newest attempt that has any: "Re-run failed jobs" makes those alone."""
    newest: dict[str, int] = {}
    for job in run.jobs:
        newest[job.name] = max(newest.get(job.name, 0), job.attempt)
    yield from (job for job in run.jobs if job.attempt == newest[job.name])


def _renamed(job: Job, file: _File, evidence: Evidence) -> str:
    """Why a job can't be the one that it is called; empty where nothing speaks against it."""
    named = job.name[:_SHOWN]
    shown = evidence.check_runs.get(job.id, job.name)
    if shown != job.name:
        return f"the check run of its job {named} was renamed {shown[:_SHOWN]}"
    makers = {one.key for one in file.definitions if one.makes(job.name)}
    if not makers:
        return f"its file has no job {named}"
    # of one that failed or was stopped not every step need be listed
    if job.conclusion != "success" or len(file.definitions) == 1:
        return ""
    if not job.steps:
        return f"GitHub lists no steps of its job {named}"
    distances = file.distances(job.steps)
    if distances is None:
        return "its file has too many jobs and steps to tell them apart"
    own = [distances[key] for key in makers]
    known = [one for one in own if one is not None]
    # of a workflow that it calls, nothing but a perfect likeness tells
    bound = min(known) if len(known) == len(own) else 1
    for key, distance in distances.items():
        if key not in makers and distance is not None and distance < bound:
            return f"the steps of its job {named} are those of {key[:_SHOWN]}"
    return ""


def _like(job: Job, makers: list[_Definition], file: _File, current: tuple[Job, ...]) -> str:
    """Another job that has not passed and couldn't be told from this one if their names were exchanged."""
    distances = file.distances(job.steps) or {}
    own = {one.key for one in makers}
    known = [one for key in own if (one := distances.get(key)) is not None]
    like = [one for one in file.definitions if known and one.key not in own]
    like = [one for one in like if distances.get(one.key) == min(known)]
    for other in current:
        if other.conclusion != "success" and any(one.makes(other.name) for one in like):
            return f"it can't be told from {other.name[:_SHOWN]}, which has not passed"
    return ""


def _hidden(job: Job, file: _File, current: tuple[Job, ...]) -> str:
    """A job of a newer run attempt that has not passed, and that could be this one under another's name: then
    what passed before it isn't the newest. Of a skipped one no step ever ran.
    """
    for other in current:
        if other.attempt <= job.attempt or other.conclusion in (None, "success", "skipped"):
            continue
        distances = file.distances(other.steps) or {}
        if not any(one.makes(other.name) and distances.get(one.key) == 0 for one in file.definitions):
            return f"it may have run again as {other.name[:_SHOWN]}, which has not passed"
    return ""


def _skipped(job: Job, makers: list[_Definition], current: tuple[Job, ...]) -> str:
    """A newer run attempt that never came to the job: of a matrix, or of a workflow that is called, GitHub
    then lists the name without what stands behind it.
    """
    for other in current:
        newer = other.attempt > job.attempt and other.conclusion == "skipped"
        if newer and any(one.makes(other.name) for one in makers):
            return f"{other.name[:_SHOWN]} was skipped when its run ran again"
    return ""


def _definitions(document: Any) -> list[_Definition]:
    """The jobs of a parsed workflow file; none where it is broken or endless (aliases make it so)."""
    jobs = _get(document, "jobs")
    if not isinstance(jobs, dict):
        return []
    lengths = [len(steps) if isinstance(steps := _get(job, "steps"), list) else 0 for job in jobs.values()]
    if len(jobs) + sum(lengths) > _MOST_STEPS:
        return []
    return [_definition(str(key), job) for key, job in jobs.items()]


def _definition(key: str, job: Any) -> _Definition:
    name, steps = _get(job, "name"), _get(job, "steps")
    calls = _get(job, "uses") is not None
    listed = steps if isinstance(steps, list) else []
    return _Definition(
        key=key,
        name=_parts(name.strip() if isinstance(name, str) and name.strip() else key),
        open=calls or _get(job, "strategy") is not None,
        titles=None if calls else tuple(_title(one) for one in listed),
    )


def _title(step: Any) -> tuple[str, ...]:
    """What GitHub calls a step: its name, else the action or the first line that it runs."""
    name, use, script = _get(step, "name"), _get(step, "uses"), _get(step, "run")
    if isinstance(name, str) and name.strip():
        return _parts(name.strip())
    if isinstance(use, str):
        return ("Run ", "") if use.startswith("docker://") else _parts(f"Run {use.strip()}")
    lines = script.strip().splitlines() if isinstance(script, str) else []
    return _parts(f"Run {lines[0].strip()}") if lines else ("",)


def _parts(text: str) -> tuple[str, ...]:
    """The text between its expressions; one part where there is none. An end that is cut is open."""
    parts, rest = [], text
    while (start := rest.find("${{")) >= 0:
        end = rest.find("}}", start)
        parts.append(rest[:start])
        rest = rest[end + 2 :] if end >= 0 else ""
    return (*parts, rest)


def _fits(parts: tuple[str, ...], text: str) -> bool:
    """Whether the text is the parts with anything between them."""
    first, *inner = parts
    if not inner:
        return text == first or (len(first) > _TITLE == len(text) and first.startswith(text))
    if not text.startswith(first):
        return False
    position = len(first)
    *middle, last = inner
    for part in middle:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(text) - position >= len(last) and text.endswith(last)


def _get(mapping: Any, name: str) -> Any:
    if not isinstance(mapping, Mapping):
        return None
    return next((value for key, value in mapping.items() if str(key).lower() == name), None)
