"""Which workflows the App's deeds start, and how far: by GitHub's rules for `on` and its filters. Pure.

A deed is one thing that the App does on GitHub, or that others do to what it made. What a filter on paths
would say depends on what changed, so it counts as let through and is only compared. What only the clock, a
person or somebody else's doing starts is not because of us; an event that isn't known counts as one that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from patch_app.core import workflow_files
from patch_app.core.model import Model
from patch_app.core.workflow_files import Document
from patch_app.core.workflow_triggers import passes, pushed, triggers

# GitHub: "Events that trigger workflows". These need a person, the clock, or run the default branch's file
NOT_OURS: Final = frozenset(
    {
        "schedule",
        "repository_dispatch",
        "workflow_call",
        "issues",
        "issue_comment",
        "label",
        "milestone",
        "discussion",
        "discussion_comment",
        "check_run",
        "check_suite",
        "status",
        "branch_protection_rule",
        "fork",
        "gollum",
        "page_build",
        "public",
        "watch",
        "release",
        "registry_package",
        "merge_group",
        "project",
        "project_card",
        "project_column",
        "image_version",
    }
)
# what happens to a pull request by a person's doing alone; the App does the rest, or its opening does
_BY_PEOPLE: Final = frozenset(
    {
        "labeled",
        "unlabeled",
        "assigned",
        "unassigned",
        "milestoned",
        "demilestoned",
        "locked",
        "unlocked",
        "auto_merge_enabled",
        "auto_merge_disabled",
        "enqueued",
        "dequeued",
    }
)
_OF_PULL_REQUESTS: Final = frozenset(
    {"pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"}
)
# what happens to one where a file names nothing (GitHub: "Events that trigger workflows")
_DEFAULT_TYPES: Final = dict.fromkeys(
    ("pull_request", "pull_request_target"), frozenset({"opened", "synchronize", "reopened"})
)
_EVERY: Final = frozenset({"submitted", "edited", "dismissed", "created", "deleted"})
# what GitHub runs for pushes and pull requests without a file of the repository, by its name
_OF_GITHUB: Final = ("codeql", "pages-build-deployment", "pages build and deployment", "dependency graph")
# keys of what is compared beside the filters on paths
_TYPES: Final = "types"
_BEHIND: Final = "workflow_run "
# the events that a deed may have; any other name in a file counts as started
_KNOWN: Final = (
    NOT_OURS
    | _OF_PULL_REQUESTS
    | {"push", "create", "delete", "deployment", "deployment_status", "workflow_dispatch", "workflow_run"}
)


class Deed(Model):
    """One thing that happens because of the App. `branch`: pushed to, or a pull request's base."""

    event: str
    branch: str = ""
    tag: str = ""
    # of the only workflow file that it starts
    path: str = ""

    @property
    def said(self) -> str:
        """The deed in a few words."""
        if self.event == "*":
            return "an event that isn't known"
        into = "into " if self.event in _OF_PULL_REQUESTS else ""
        what = f"{into}{self.branch}" if self.branch else f"the tag {self.tag}" if self.tag else self.path
        return f"{self.event} ({what})" if what else self.event


ANY: Final = Deed(event="*")
"""That something of the App's is there at all, as a deployment of it by others, or an unknown event."""
CHAIN: Final = Deed(event="workflow_run")
"""That a workflow ran because of the App: what the default branch has behind it."""

# how far a deed starts a workflow: the filters on paths, and what has to happen; nothing where there are none
Reach = Mapping[Deed, Mapping[str, Any]]


def reaches(
    files: Mapping[str, Document], deeds: Sequence[Deed], runs: Iterable[str] = ()
) -> dict[str, dict[Deed, Mapping[str, Any]]]:
    """By workflow file: the deeds that start it, each with its filters on paths.

    `runs`: names of other workflows that run because of the App, for what runs behind them.
    """
    direct = [one for one in deeds if one != CHAIN]
    found = {
        path: {deed: paths for deed in direct if (paths := _starts(document, path, deed)) is not None}
        for path, document in files.items()
    }
    if CHAIN in deeds:
        _chain(files, found, runs)
    return {path: reach for path, reach in found.items() if reach}


def grown(now: Reach, before: Reach) -> Iterator[Deed]:
    """The deeds by which a workflow starts now and didn't before, or not for all the paths."""
    for deed, paths in now.items():
        if deed not in before or not _narrower(paths, before[deed]):
            yield deed


def _starts(document: Document, path: str, deed: Deed) -> Mapping[str, Any] | None:
    """The filters on paths with which a deed starts a workflow; None: it doesn't."""
    for event, filters in triggers(document):
        if _meets(event, filters, path, deed):
            counts = (event == "push" and not deed.tag) or event in _OF_PULL_REQUESTS
            kept = {key: value for key, value in filters.items() if counts and key.startswith("paths")}
            if event in _OF_PULL_REQUESTS:
                kept[_TYPES] = sorted(_types(filters) or _DEFAULT_TYPES.get(event, _EVERY))
            return kept
    return None


def _meets(event: str, filters: Mapping[str, Any], path: str, deed: Deed) -> bool:
    if deed == ANY:
        return event not in _KNOWN
    if event != deed.event:
        return False
    if event == "push":
        return pushed(filters, [deed.branch] if deed.branch else [], deed.tag)
    if event in _OF_PULL_REQUESTS:
        types = _types(filters)
        return not (types and types <= _BY_PEOPLE) and passes(filters, "branches", deed.branch)
    return deed.path in ("", path)


def _types(filters: Mapping[str, Any]) -> frozenset[str]:
    """What happens to a pull request that a filter names; empty where it names nothing."""
    return frozenset(one.strip().lower() for one in workflow_files.texts(filters.get("types")))


def _chain(
    files: Mapping[str, Document], found: dict[str, dict[Deed, Mapping[str, Any]]], runs: Iterable[str]
) -> None:
    """Adds the workflows that run behind others which are started, and behind those."""
    ran = {*_OF_GITHUB, *(one.lower() for one in runs)}
    behind = {path: dict(triggers(one)).get("workflow_run") for path, one in files.items()}
    waiting = {path: filters for path, filters in behind.items() if filters is not None}
    while True:
        for path, reach in found.items():
            if reach:
                name = workflow_files.get(files[path], "name")
                ran |= {path.lower(), name.lower() if isinstance(name, str) else path.lower()}
        met = [
            path
            for path, filters in waiting.items()
            if not (named := workflow_files.texts(filters.get("workflows")))
            or any(one.lower() in ran or "*" in one for one in named)
        ]
        if not met:
            return
        for path in met:
            # behind which, on which branches and when is compared, as paths are
            found[path][CHAIN] = {_BEHIND + key: value for key, value in waiting.pop(path).items()}


def _narrower(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether filters on paths, and on what happens, let through no more than others."""
    if not set(now.get(_TYPES, ())) - _BY_PEOPLE <= set(before.get(_TYPES, ())):
        return False
    now = {key: value for key, value in now.items() if key != _TYPES}
    before = {key: value for key, value in before.items() if key != _TYPES}
    if not before or now == before:
        return True
    if set(now) != set(before):
        return False
    for key, value in now.items():
        new, old = workflow_files.texts(value), workflow_files.texts(before[key])
        # with exclusions the order matters
        if not new or any(one.startswith("!") for one in (*new, *old)):
            return False
        if not (set(new) >= set(old) if key.endswith("-ignore") else set(new) <= set(old)):
            return False
    return True
