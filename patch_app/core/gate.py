"""The workflow gate: which jobs would run because of the App, with something worth having, and are new?

A job that has secrets, an environment, write permission, OIDC or a runner of the fork's own must be what
the maintained branch has: its whole definition, started by no more, with no more. Pure: gets parsed YAML,
gives findings. Refuses to guess: what it can't read or resolve, or is too much to look at, is a finding.
A job with nothing worth having is none, whatever it does; nor is what a script says that a job runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from patch_app.core import gate_text, markdown, workflow_events, workflow_files, workflow_jobs
from patch_app.core.gate_text import Finding
from patch_app.core.names import WORKFLOW_NAME, WORKFLOW_PATH
from patch_app.core.workflow_events import Deed, Reach
from patch_app.core.workflow_files import Broken, Document, What
from patch_app.core.workflow_jobs import Default, Files, Job

__all__ = ["Broken", "Default", "Document", "Files", "Finding", "What", "findings", "to_read", "written"]

MAX_DETAIL: Final = 300
# a document of more nodes (aliases counted each time), levels or characters is not looked through
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 60
MAX_TEXT: Final = 2 * 1024 * 1024
# characters of all files of one branch
MAX_TEXTS: Final = 8 * 1024 * 1024

# jobs of one definition that differ in what starts them and what they have
MAX_ALIKE: Final = 30
# an attempt's record is read often
MAX_FINDINGS: Final = 200

HELD: Final = Finding(
    path=".github/workflows", what=What.HELD, detail="every job that would start is the maintained branch's"
)
"""What there is to say where each candidate waits, and nothing of this one is new."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Workflow files and local actions of a branch that the App would make, and what it does with it."""

    files: Files
    deeds: tuple[Deed, ...]


def findings(
    maintained: Sequence[Files],
    *branches: Branch,
    default: Default = Default.UNKNOWN,
    every: bool = False,
) -> tuple[Finding, ...]:
    """What would run on `branches` (of candidate and target) and isn't what the maintained branch has.

    Each of `Files` holds, by path, every `.github/workflows/*.yml|yaml` and the local actions that they use
    (see `to_read`), parsed with all scalars as text (PyYAML's BaseLoader), or Broken. What one of several
    `maintained` has is known. `default`: what a token may do where a file says nothing. `every`: jobs with
    nothing worth having are told too.
    """
    before = [_tree(one, default) for one in maintained]
    found: dict[tuple[str, ...], _Found] = {}
    for branch in branches:
        for one in _of_branch(before, branch, default, every):
            said = one.finding
            key = (said.path, said.job, said.what, said.detail, one.now.fingerprint if one.now else "")
            there = found.get(key, one)
            starts = tuple(dict.fromkeys((*there.finding.starts, *said.starts)))
            found[key] = replace(there, finding=there.finding.model_copy(update={"starts": starts}))
    told = [found[key] for key in sorted(found)]
    if (left := len(told) - MAX_FINDINGS) > 0:
        told[MAX_FINDINGS:] = [
            _finding(".github/workflows", What.BROKEN, f"there are {left} more like these")
        ]
    return tuple(_with_differences(told))


def to_read(files: Files) -> tuple[str, ...]:
    """Paths without their end of local actions that the files use and that are not among them.

    For each, `<path>/action.yml`, `<path>/action.yaml` and `<path>/Dockerfile` are to be read, and this
    asked again, since actions use actions; a Dockerfile's document is its text.
    """
    wanted = {
        path
        for document in _sound(files).values()
        for use in workflow_files.uses(document)
        if workflow_files.is_local(use) and (path := workflow_files.local_path(use)) is not None
        if not workflow_files.is_workflow(path) and not workflow_jobs.action_files(path, files)
    }
    return tuple(sorted(wanted))


def written(found: Iterable[Finding]) -> str:
    """The findings as Markdown: a table, then the differences; empty without any."""
    return gate_text.written(tuple(found))


# One branch --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A finding, and the definitions that it is about: what the maintained branch has, and what is new."""

    finding: Finding
    old: Job | None = None
    now: Job | None = None


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """The files of a branch and the jobs of its workflows; None where those are too many."""

    files: Files
    broken: dict[str, str]
    jobs: tuple[Job, ...] | None

    def known(self, deeds: Sequence[Deed]) -> Iterator[_Known]:
        """Every job, and which of the deeds start it."""
        workflows = {path: self.files[path] for path in dict.fromkeys(one.path for one in self.jobs or ())}
        reaches = workflow_events.reaches(workflows, deeds, runs=(WORKFLOW_NAME, WORKFLOW_PATH))
        return (_Known(job=one, reach=reaches.get(one.path, {})) for one in self.jobs or ())


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A job, and what starts it."""

    job: Job
    reach: Reach


def _tree(files: Files, default: Default) -> _Tree:
    files = _sound(files)
    broken = {path: why for path, one in files.items() if (why := _broken(path, one)) is not None}
    paths = [path for path in files if workflow_files.is_workflow(path) and path not in broken]
    looked = workflow_jobs.Looked()
    try:
        jobs = tuple(job for path in paths for job in workflow_jobs.jobs(path, files, default, looked))
    except workflow_jobs.TooManyError:
        return _Tree(files=files, broken=broken, jobs=None)
    return _Tree(files=files, broken=broken, jobs=jobs)


def _of_branch(before: Sequence[_Tree], branch: Branch, default: Default, every: bool) -> Iterator[_Found]:
    after = _tree(branch.files, default)
    for path, why in after.broken.items():
        if not any(_same(after.files[path], other) for one in before for other in one.files.values()):
            yield _finding(path, What.BROKEN, why)
    own = after.files.get(WORKFLOW_PATH)
    if own is not None and any(one.files.get(WORKFLOW_PATH, own) != own for one in before):
        yield _finding(WORKFLOW_PATH, What.FILE, "this is the App's own workflow, and it differs")
    if after.jobs is None or any(one.jobs is None for one in before):
        yield _finding(".github/workflows", What.BROKEN, "there are more jobs than can be looked at")
        return
    known = [job for one in before for job in one.known(branch.deeds)]
    by_print: dict[str, list[_Known]] = {}
    by_name: dict[str, list[Job]] = {}
    for one in known:
        alike = by_print.setdefault(one.job.fingerprint, [])
        if len(alike) < MAX_ALIKE and not any(
            (one.job.has, one.reach) == (other.job.has, other.reach) for other in alike
        ):
            alike.append(one)
        by_name.setdefault(one.job.name, []).append(one.job)
    for now in after.known(branch.deeds):
        if now.reach and (now.job.has or every):
            same = by_print.get(now.job.fingerprint, [])
            yield from _of_job(now, same, by_name.get(now.job.name, []))


def _of_job(now: _Known, same: Sequence[_Known], named: Sequence[Job]) -> Iterator[_Found]:
    """What is new about a job that would be started with something worth having."""
    starts = tuple(dict.fromkeys(deed.said for deed in now.reach))
    has = _has(now.job) or "nothing worth having"
    for why in now.job.unseen:
        yield _finding(now.job.path, What.BROKEN, why, job=now.job.name, starts=starts)
    if now.job.unseen:
        return
    grown = [list(workflow_events.grown(now.reach, one.reach)) for one in same]
    more = [workflow_jobs.more(now.job.has, one.job.has) for one in same]
    if any(not deeds and not features for deeds, features in zip(grown, more, strict=True)):
        return
    if same:
        # the nearest of those that are alike tells what is new
        place = min(range(len(same)), key=lambda n: (bool(more[n]), len(grown[n]), n))
        if more[place]:
            detail = f"had before: {_has(same[place].job) or 'nothing'}; now: {has}"
            yield _finding(now.job.path, What.PERMISSION, detail, job=now.job.name, starts=starts)
        if grown[place]:
            new = tuple(dict.fromkeys(one.said for one in grown[place]))
            yield _finding(now.job.path, What.TRIGGER, has, job=now.job.name, starts=new)
        return
    # by its place; else by its name alone
    near = [one for one in named if one.path == now.job.path] or (named if len(named) == 1 else [])
    old = near[0] if near else None
    what = What.JOB if old is None else What.CHANGED
    found = _finding(now.job.path, what, has, job=now.job.name, starts=starts)
    yield replace(found, old=old, now=now.job)


def _has(job: Job) -> str:
    order = list(What)
    return "; ".join(
        detail if detail == workflow_files.ALL_SECRETS or what in _PLAIN else f"{what.value} {detail}"
        for what, detail in sorted(job.has, key=lambda one: (order.index(one[0]), one[1]))
    )


_PLAIN: Final = frozenset({What.USES, What.BROKEN})


def _finding(path: str, what: What, detail: str, *, job: str = "", starts: tuple[str, ...] = ()) -> _Found:
    detail, job = markdown.cut(detail, MAX_DETAIL), markdown.cut(job, MAX_DETAIL)
    return _Found(finding=Finding(path=path, what=what, detail=detail, job=job, starts=starts[:20]))


def _with_differences(found: Iterable[_Found]) -> Iterator[Finding]:
    """The findings, each with its difference as long as there is room for it."""
    left = gate_text.MOST_TEXT
    for one in found:
        if one.now is None or left <= 0:
            yield one.finding
            continue
        text = gate_text.difference(one.old.definition if one.old else None, one.now.definition)
        shown = markdown.cut(text, left)
        left -= len(text)
        yield one.finding.model_copy(update={"difference": shown})


# What can be looked through --------------------------------------------------------------------------------


def _broken(path: str, document: Document | Broken) -> str | None:
    """Why a workflow file, or the whole listing of them, can't be told from; None where it can."""
    if isinstance(document, Broken):
        # a note about the whole listing is no action, so no workflow leads to it
        alone = workflow_files.is_workflow(path) or not workflow_jobs.is_action_file(path)
        return document.reason if alone else None
    if not workflow_files.is_workflow(path):
        return None
    if not isinstance(document, dict):
        return "it is no mapping"
    on = workflow_files.get(document, "on")
    if not isinstance(on, str | list | dict) or not on:
        return "it has no `on`"
    if isinstance(on, list) and not all(isinstance(one, str) for one in on):
        return "a trigger is no name"
    jobs = workflow_files.get(document, "jobs")
    if not isinstance(jobs, dict) or not jobs:
        return "it has no jobs"
    return None if all(isinstance(job, dict) for job in jobs.values()) else "a job is no mapping"


def _same(one: Document | Broken, other: Document | Broken) -> bool:
    """Whether two files are the same, as far as can be told."""
    if isinstance(one, Broken) or isinstance(other, Broken):
        # one blob is one content, whatever is wrong with it
        both = isinstance(one, Broken) and isinstance(other, Broken)
        return both and bool(one.blob) and one.blob == other.blob
    return bool(one == other)


def _sound(files: Files) -> dict[str, Document | Broken]:
    out: dict[str, Document | Broken] = {}
    left = MAX_TEXTS
    for path, document in sorted(files.items()):
        size = 0 if isinstance(document, Broken) else _size(document)
        if size is None or size > left:
            why = "it is too large or deep" if size is None else "the files before it are too large"
            out[path] = Broken(reason=why)
        else:
            left -= size
            out[path] = document
    return out


def _size(document: Any) -> int | None:
    """The characters of a document, or None: too large to be looked through. Aliases may make it endless."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    nodes = text = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH or text > MAX_TEXT:
            return None
        if isinstance(value, dict):
            text += sum(map(len, map(str, value)))
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)
        else:
            text += len(str(value))
    return text if text <= MAX_TEXT else None
