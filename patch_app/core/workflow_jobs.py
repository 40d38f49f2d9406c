"""The jobs that a workflow file runs: what each has that is worth having, and all that says what it does.

A job is told with the local actions that it uses and the local workflows that it calls, through each other.
Its definition leaves `permissions` out, since what they come to is told beside it. What a script or a
program says that a job runs is none of it: that comes with every release.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from patch_app.core import workflow_files
from patch_app.core.workflow_files import ALL_SECRETS, Broken, Document, What, get

Files: TypeAlias = Mapping[str, Document | Broken]
Feature: TypeAlias = tuple[What, str]

DEFAULT_PERMISSIONS: Final = "no permissions block: the repository's default, which may be write"
WRITES: Final = "the repository's default: write"
# workflows that call each other (GitHub: ten levels), and jobs of one branch that are looked at
MAX_CALLS: Final = 10
MAX_JOBS: Final = 2_000
# characters of all definitions of one branch; what is behind that isn't looked at
MAX_TEXT: Final = 16 * 1024 * 1024
ACTION_FILES: Final = ("action.yml", "action.yaml", "Dockerfile")


class Default(StrEnum):
    """What `GITHUB_TOKEN` may do where a file says nothing: the repository's setting."""

    READ = "read"
    WRITE = "write"
    UNKNOWN = "unknown"


class TooManyError(Exception):
    """There is more than is looked at."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, by the workflow file that starts it; the name of one that is called has its callers before."""

    path: str
    name: str
    definition: Document
    # the same for the same definition, in whatever order and form a file has it
    fingerprint: str
    # what it has beyond its own read-only token
    has: frozenset[Feature]
    # parts of its definition that can't be seen
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """What a job that calls a workflow gives it."""

    path: str
    name: str
    definition: tuple[Document, ...] = ()
    permissions: frozenset[Feature] | None = None
    features: frozenset[Feature] = frozenset()
    secrets: bool = True
    above: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Looked:
    """How much of one branch was looked at."""

    jobs: int = 0
    text: int = 0

    def job(self, path: str, name: str, definition: Document) -> Job:
        """A job that has nothing yet. Raises TooManyError."""
        text = json.dumps(definition, sort_keys=True, ensure_ascii=False)
        self.jobs += 1
        self.text += len(text)
        if self.jobs > MAX_JOBS or self.text > MAX_TEXT:
            raise TooManyError
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return Job(path=path, name=name, definition=definition, fingerprint=fingerprint, has=frozenset())


def jobs(path: str, files: Files, default: Default, looked: Looked) -> Iterator[Job]:
    """The jobs that a workflow file runs once it is started. Raises TooManyError."""
    yield from _jobs(path, files, default, looked, _Caller(path=path, name=""))


def more(now: frozenset[Feature], before: frozenset[Feature]) -> frozenset[Feature]:
    """What a job has now and hadn't before."""
    return frozenset(one for one in now if one not in before and not _covered(one, before))


def _covered(one: Feature, before: frozenset[Feature]) -> bool:
    match one:
        case (What.SECRET, _):
            return (What.SECRET, ALL_SECRETS) in before
        case (What.PERMISSION, detail):
            if (What.PERMISSION, "write-all") in before:
                return True
            known = detail.endswith(": write") and not detail.startswith("id-token")
            return known and (What.PERMISSION, WRITES) in before
        case _:
            return False


def action_files(folder: str, files: Files) -> list[str]:
    """The files among these that define a local action; its scripts don't."""
    possible = (f"{folder}/{name}" if folder else name for name in ACTION_FILES)
    return [path for path in possible if path in files]


def is_action_file(path: str) -> bool:
    """Whether a file defines a local action, by its name."""
    return path.rpartition("/")[2] in ACTION_FILES


# One workflow --------------------------------------------------------------------------------------


def _jobs(path: str, files: Files, default: Default, looked: Looked, caller: _Caller) -> Iterator[Job]:
    document = files[path]
    odd = workflow_files.ambiguous(document)
    for key, job in workflow_files.jobs(document).items():
        if not isinstance(job, dict) or _never(job):
            continue  # what is no mapping makes the file broken
        name = f"{caller.name} / {key}" if caller.name else key
        unseen: set[str] = set(caller.unseen)
        definition = _definition(document, key, files, unseen)
        whole = looked.job(caller.path, name, {**definition, "called by": list(caller.definition)})
        permissions = _permissions(document, job, default, caller)
        features = caller.features | _own(document, job, caller)
        if odd is not None:
            features |= {(What.BROKEN, odd)}
            unseen.add(odd)
        called = get(job, "uses")
        if called is None:
            yield replace(whole, has=features | permissions, unseen=tuple(sorted(unseen)))
            continue
        inner = _Caller(
            path=caller.path,
            name=name,
            definition=(*caller.definition, definition),
            permissions=permissions,
            features=features,
            secrets=bool(get(job, "secrets")),
            above=(*caller.above, path),
            unseen=tuple(sorted(unseen)),
        )
        yield from _called(workflow_files.written(called), files, default, looked, inner)


def _called(use: str, files: Files, default: Default, looked: Looked, caller: _Caller) -> Iterator[Job]:
    """The jobs of a workflow that a job calls; one of its own where they can't be seen."""
    local = workflow_files.local_path(use) if workflow_files.is_local(use) else None
    permissions = caller.permissions or frozenset()
    why, unseen = "", caller.unseen
    if not workflow_files.is_local(use):
        # the caller's definition names it, as far as its owner doesn't move the name
        why = f"{use}: what a workflow elsewhere may do can't be seen"
    elif local is None or not workflow_files.is_workflow(local) or not isinstance(files.get(local), dict):
        there = files.get(local) if local else None
        why = f"{use}: {there.reason if isinstance(there, Broken) else 'there is no such workflow'}"
        unseen = (*unseen, why)
    elif local in caller.above or len(caller.above) >= MAX_CALLS:
        why = f"{use}: workflows call each other too deeply"
        unseen = (*unseen, why)
    else:
        yield from _jobs(local, files, default, looked, caller)
        return
    whole = looked.job(caller.path, caller.name, {"called by": list(caller.definition)})
    has = frozenset({*caller.features, *permissions, (What.USES, why)})
    yield replace(whole, has=has, unseen=unseen)


def _never(job: Mapping[str, Any]) -> bool:
    # anything around the braces, a line's end too, makes it a text, and a text is true
    said = get(job, "if")
    return isinstance(said, str) and re.fullmatch(r"false|\$\{\{ *false *\}\}", said) is not None


# What it has -------------------------------------------------------------------------------------------


def _own(document: Document, job: Mapping[str, Any], caller: _Caller) -> frozenset[Feature]:
    found: set[Feature] = set()
    environment = get(job, "environment")
    if isinstance(environment, dict):
        environment = get(environment, "name") or environment
    if environment:
        found.add((What.ENVIRONMENT, workflow_files.written(environment)))
    if caller.secrets or environment:
        # an environment has secrets of its own, which reach a workflow that is called too
        parts = (job, get(document, "env"), get(document, "defaults"))
        found.update((What.SECRET, one) for part in parts for one in workflow_files.secrets(part))
        if isinstance(get(job, "secrets"), str):
            found.add((What.SECRET, ALL_SECRETS))
    if get(job, "uses") is None:
        found.update((What.RUNNER, one) for one in workflow_files.own_runners(job))
    return frozenset(found)


def _permissions(
    document: Document, job: Mapping[str, Any], default: Default, caller: _Caller
) -> frozenset[Feature]:
    """Everything that its token may write."""
    block = get(job, "permissions")
    block = get(document, "permissions") if block is None else block
    found = _levels(block, default)
    above = caller.permissions
    if above is None:
        return found
    if block is None:
        return above
    # a workflow that is called gets no more than its caller has (GitHub: "Reusing workflows")
    words = {"write-all", DEFAULT_PERMISSIONS, WRITES}
    free = any(detail in words for _, detail in above)
    bounded = above if any(detail in words for _, detail in found) else found & above
    return found if free else bounded


def _levels(block: Any, default: Default) -> frozenset[Feature]:
    match block:
        case dict():
            levels = workflow_files.permissions(block).items()
            said = [f"{scope}: {level}" for scope, level in levels if level not in ("read", "none")]
        case str() if block.strip():
            word = block.strip().lower()
            said = [] if word == "read-all" else [word]
        case None | "":
            # what `permissions:` with nothing after it means is not written down anywhere
            said = {Default.READ: [], Default.WRITE: [WRITES]}.get(default, [DEFAULT_PERMISSIONS])
        case _:
            said = [workflow_files.written(block)]
    return frozenset((What.PERMISSION, one) for one in said)


# What it does ------------------------------------------------------------------------------------------


def _definition(document: Document, key: str, files: Files, unseen: set[str]) -> Document:
    """All that says what a job does, but for what a workflow does that it calls."""
    job = workflow_files.jobs(document)[key]
    out: dict[str, Document] = {"job": {key: _without(job, "permissions")}}
    for name in ("env", "defaults"):
        if (part := get(document, name)) is not None:
            out[name] = part
    events = get(document, "on")
    if get(events, "workflow_call") is not None:
        out["workflow_call"] = get(events, "workflow_call")
    if workflow_files.reads_inputs([job, out.get("env")]):
        out["inputs"] = get(get(events, "workflow_dispatch"), "inputs")
    if actions := _actions(job, files, unseen):
        out["actions"] = actions
    if workflow_files.reads_outputs(job) and (needed := _needed(document, key, files, unseen)):
        out["needs"] = needed
    return out


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if str(key).lower() != name}


def _needed(document: Document, key: str, files: Files, unseen: set[str]) -> dict[str, Document]:
    """The jobs whose outputs a job reads, and those behind them, with all that they use and call."""
    every, out = workflow_files.jobs(document), dict[str, Document]()
    # GitHub finds a job by its id whatever the case of its letters
    ids = {one.lower(): one for one in every}
    waiting = [key]
    while waiting:
        for said in workflow_files.texts(get(every[waiting.pop()], "needs")):
            one = ids.get(said.lower(), key)
            if one in out or one == key:
                continue
            waiting.append(one)
            job = every[one]
            called = get(job, "uses")
            out[one] = {
                "job": _without(job, "permissions") if isinstance(job, dict) else job,
                "actions": _actions(job, files, unseen),
                "calls": _whole(called, files, unseen) if isinstance(called, str) else {},
            }
    return out


def _whole(use: str, files: Files, unseen: set[str]) -> dict[str, Document]:
    """The local workflows that are called, each whole, with the actions that they use."""
    out: dict[str, Document] = {}
    waiting = [use]
    while waiting:
        use = waiting.pop()
        local = workflow_files.local_path(use) if workflow_files.is_local(use) else None
        if local is None or local in out:
            continue
        document = files.get(local)
        if not isinstance(document, dict):
            unseen.add(f"{use}: there is no such workflow")
            continue
        out[local] = document
        for job in workflow_files.jobs(document).values():
            out |= _actions(job, files, unseen)
            waiting += [one for one in [get(job, "uses")] if isinstance(one, str)]
    return out


def _actions(part: Any, files: Files, unseen: set[str]) -> dict[str, Document]:
    """By path, the definitions of the local actions that a part uses, and of those that they use."""
    out: dict[str, Document] = {}
    waiting = list(workflow_files.step_uses(part))
    while waiting:
        use = waiting.pop()
        if not workflow_files.is_local(use):
            continue
        local = workflow_files.local_path(use)
        found = [] if local is None else action_files(local, files)
        if not found:
            unseen.add(f"{use}: no action that could be read")
        for path in found:
            document = files[path]
            if path in out:
                continue
            if isinstance(document, Broken):
                if not (document.blob and path.endswith("Dockerfile")):
                    unseen.add(f"{use}: {document.reason}")
                out[path] = f"{document.reason} {document.blob}"
                continue
            if not path.endswith("Dockerfile") and not isinstance(document, dict):
                # as Git tells a symbolic link: the path that it leads to
                unseen.add(f"{use}: the action is no mapping")
            if (image := _built(document)) is not None:
                unseen.add(f"{use}: it is built from {image}, which isn't read")
            out[path] = document
            waiting += workflow_files.step_uses(get(document, "runs"))
    return out


def _built(action: Document) -> str | None:
    """The file that an action's container is built from where that is none of ACTION_FILES."""
    image = get(get(action, "runs"), "image")
    if image is None or (isinstance(image, str) and image.startswith("docker://")):
        return None
    said = workflow_files.written(image)
    return None if workflow_files.local_path(said) == "Dockerfile" else said
