"""The workflow gate: what would a branch's workflow files do that the maintained branch's don't?

A branch or pull request with new workflow files runs them with the fork's secrets, so before the App
makes one, the files are compared. Pure: gets parsed YAML, gives findings. Refuses to guess: what it
can't read or resolve is a finding. It compares what a workflow *may* do (triggers, permissions,
secrets, environments, runners, foreign code by moving names), not what its scripts say: those come
with every release, as the program itself does. Two jobs of one file are not told apart, since whoever
edits one job of a file can edit the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from patch_app.core import markdown, workflow_files
from patch_app.core.model import Model
from patch_app.core.names import WORKFLOW_PATH
from patch_app.core.workflow_files import Broken, Document, What

__all__ = ["Broken", "Document", "Files", "Finding", "What", "findings", "to_read", "written"]

MAX_DETAIL: Final = 300
# a document of more nodes (aliases counted each time) or levels is not looked through
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 60

_ACTION_FILES: Final = ("action.yml", "action.yaml", "Dockerfile")

Files: TypeAlias = Mapping[str, Document | Broken]
_Feature: TypeAlias = tuple[What, str]

_LEVELS: Final = {"none": 0, "read": 1, "write": 2}
# what even the restricted default of GITHUB_TOKEN allows (GitHub: "Permissions for the GITHUB_TOKEN")
_LEAST_DEFAULT: Final = frozenset({"contents", "packages", "metadata"})


class Finding(Model):
    """One thing that a workflow file may do and couldn't on the maintained branch."""

    path: str
    what: What
    detail: str


def findings(maintained: Files, *branches: Files) -> tuple[Finding, ...]:
    """What is new in `branches` (the candidate, the target) compared with the maintained branch.

    Each mapping holds, by path, every `.github/workflows/*.yml|yaml` of the branch and the local
    actions that they use (see `to_read`), parsed with all scalars as text (PyYAML's BaseLoader), or
    Broken. A file under a new name is nothing new where a maintained file has exactly its content.
    """
    before = _sound(maintained)
    found: set[Finding] = set()
    for branch in branches:
        after = _sound(branch)
        for path, document in after.items():
            # a note about the whole listing is no action, so no workflow leads to it
            about_all = isinstance(document, Broken) and not path.endswith(_ACTION_FILES)
            if workflow_files.is_workflow(path) or about_all:
                found.update(_of_file(path, document, before, after))
    return tuple(sorted(found, key=lambda one: (one.path, one.what, one.detail)))


def to_read(files: Files) -> tuple[str, ...]:
    """Paths without their end of local actions that the files use and that are not among them.

    For each, `<path>/action.yml`, `<path>/action.yaml` or `<path>/Dockerfile` is to be read, and this
    asked again, since actions use actions; a Dockerfile's document is its text.
    """
    wanted = {
        path
        for document in _sound(files).values()
        for use in workflow_files.uses(document)
        if use.startswith("./") and (path := workflow_files.local_path(use)) is not None
        if not workflow_files.is_workflow(path) and _action(path, files) is None
    }
    return tuple(sorted(wanted))


def written(found: Iterable[Finding]) -> str:
    """The findings as a Markdown table; empty without any."""
    rows = [(markdown.code(one.path), one.what.value, markdown.code(one.detail)) for one in found]
    return markdown.table(("file", "what is new", "detail"), rows) if rows else ""


def _of_file(path: str, document: Document | Broken, before: Files, after: Files) -> Iterator[Finding]:
    old = before.get(path)
    if path == WORKFLOW_PATH and old is not None and document != old:
        yield _finding(path, What.FILE, "this is the App's own workflow, and it differs")
    if isinstance(document, Broken):
        # one blob is one content, whatever is wrong with it
        if not (isinstance(old, Broken) and old.blob and old.blob == document.blob):
            yield _finding(path, What.BROKEN, document.reason)
        return
    if old is not None and not isinstance(old, Broken):
        source: str | None = path
    else:
        source = next(
            (p for p, other in before.items() if workflow_files.is_workflow(p) and other == document), None
        )
    if source is None:
        yield _finding(path, What.FILE, "a workflow that the maintained branch doesn't have")
    known = _features(source, before) if source is not None else set()
    for what, detail in _features(path, after):
        if not _covered(what, detail, known):
            yield _finding(path, what, detail)


def _finding(path: str, what: What, detail: str) -> Finding:
    return Finding(
        path=path, what=what, detail=detail if len(detail) <= MAX_DETAIL else detail[:MAX_DETAIL] + "…"
    )


def _features(path: str, files: Files) -> set[_Feature]:
    """What a workflow may do, with the local actions that it uses."""
    out: set[_Feature] = set()
    waiting, seen = [path], {path}
    while waiting:
        here = waiting.pop()
        document = files[here]
        if isinstance(document, Broken):
            # another blob is another content, however alike it fails
            out.add(
                (What.BROKEN, f"{here}: {document.reason}" + (f" ({document.blob})" if document.blob else ""))
            )
            continue
        if isinstance(document, str) and here == path:
            out.add((What.BROKEN, "it is no mapping"))
        out.update(workflow_files.features(document))
        for use in workflow_files.uses(document):
            if not use.startswith("./"):
                continue
            local = workflow_files.local_path(use)
            found = _action(local, files) if local is not None else None
            if local is not None and workflow_files.is_workflow(local):
                # judged as a file of its own
                if local not in files:
                    out.add((What.USES, f"{use} doesn't exist"))
            elif found is None:
                out.add((What.USES, f"{use} has no action that could be read"))
            elif found not in seen:
                seen.add(found)
                waiting.append(found)
    return out


def _action(folder: str, files: Files) -> str | None:
    """The path of the file that defines a local action."""
    for name in _ACTION_FILES:
        path = f"{folder}/{name}" if folder else name
        if path in files:
            return path
    return None


def _covered(what: What, detail: str, known: set[_Feature]) -> bool:
    if (what, detail) in known:
        return True
    match what:
        case What.PERMISSION:
            return _permission_covered(detail, {d for w, d in known if w is What.PERMISSION})
        case What.SECRET:
            return (What.SECRET, workflow_files.ALL_SECRETS) in known
        case What.TRIGGER:
            event = detail.partition(":")[0]
            return any(
                w is What.TRIGGER and d.partition(":")[0] == event and workflow_files.narrower(detail, d)
                for w, d in known
            )
        case _:
            return False


def _permission_covered(wanted: str, known: set[str]) -> bool:
    if "write-all" in known:
        return True
    scope, _, level = wanted.partition(": ")
    have = {old.partition(": ")[2] for old in known if old.partition(": ")[0] == scope}
    if "read-all" in known:
        have.add("read")
    if workflow_files.DEFAULT_PERMISSIONS in known and scope in _LEAST_DEFAULT:
        have.add("read")
    # a level that nobody knows is covered by itself alone
    return level in _LEVELS and any(_LEVELS.get(old, -1) >= _LEVELS[level] for old in have)


def _sound(files: Files) -> dict[str, Document | Broken]:
    return {
        path: document if _bounded(document) else Broken(reason="it is too large or deep")
        for path, document in files.items()
    }


def _bounded(document: Any) -> bool:
    """Small enough to be looked through. Aliases may make a short file endless."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            return False
        if isinstance(value, dict):
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)
    return True
