"""What Actions starts on a fork because the App works there: its workflow files, counted by their triggers.

A fork has all of its upstream's workflow files, and on a fresh one none of them runs. Who turns Actions on
for the App turns them on too. Refuses to judge them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from patch_app.core import markdown
from patch_app.core.model import Model
from patch_app.core.patch_table import counted
from patch_app.core.workflow_files import Broken, Document
from patch_app.core.workflow_triggers import triggers

MOST_NAMED: Final = 30
# triggers that something of ours, or time, sets off; in this order
_WHEN: Final = {
    "pull_request": "for this pull request, and for each one that the App opens",
    "pull_request_target": "for this pull request, and for each one that the App opens",
    "push": "when this is merged, and for each branch that the App pushes",
    "create": "for each branch that the App makes",
    "delete": "for each branch that the App deletes",
    "schedule": "by the clock, from the day that Actions is on",
    "workflow_run": "after another of these",
    "issues": "for each issue that the App opens",
    "issue_comment": "for each comment of the App's",
    "check_run": "for the App's check runs",
    "release": "when a release of this repository is published",
}
_BY_HAND: Final = frozenset({"workflow_dispatch", "workflow_call", "repository_dispatch"})
# inputs and times are no filters
_UNFILTERED: Final = frozenset({"schedule", "workflow_dispatch", "workflow_call"})


class Workflow(Model):
    """One workflow file of the default branch."""

    path: str
    triggers: tuple[str, ...]
    # those of them that have filters, which may keep it from starting
    filtered: tuple[str, ...] = ()


def workflows(files: Mapping[str, Document]) -> tuple[Workflow, ...]:
    """The workflow files, by path; parsed YAML in, or Broken."""
    return tuple(_workflow(path, document) for path, document in sorted(files.items()))


def _workflow(path: str, document: Document) -> Workflow:
    if isinstance(document, Broken):
        return Workflow(path=path, triggers=())
    found = list(triggers(document))
    return Workflow(
        path=path,
        triggers=tuple(dict.fromkeys(event for event, _ in found)),
        filtered=tuple(
            dict.fromkeys(event for event, filters in found if filters and event not in _UNFILTERED)
        ),
    )


def text(found: tuple[Workflow, ...], *, repository: str, url: str, unread: bool = False) -> str:
    """What a person should know before merging, as Markdown."""
    if unread:
        return (
            "The workflow files of the default branch could not be read: look at [the Actions "
            f"page]({url}/actions)."
        )
    if not found:
        return (
            "This repository has no workflow files besides the App's own, which runs only when the "
            "App asks for it."
        )
    started = [one for one in found if set(one.triggers) - _BY_HAND]
    parts = [
        f"The default branch has {counted(len(found), 'workflow file')} besides the App's own, "
        "which runs only "
        "when the App asks for it. "
        + (
            f"While Actions is on (on a fork somebody has to enable it first), {len(started)} of them "
            f"{'starts' if len(started) == 1 else 'start'} without being asked:"
            if started
            else "None of them starts by itself."
        )
    ]
    if started:
        parts += [_table(started), _disable(started, repository, url)]
    return "\n\n".join(part.rstrip() for part in parts)


def _table(started: list[Workflow]) -> str:
    events = {event for one in started for event in one.triggers if event not in _BY_HAND}
    order = [*(one for one in _WHEN if one in events), *sorted(events - set(_WHEN))]
    rows = []
    for event in order:
        having = [one for one in started if event in one.triggers]
        some = " (some with filters)" if any(event in one.filtered for one in having) else ""
        rows.append(
            (markdown.code(event, 60), str(len(having)), _WHEN.get(event, "when that happens here") + some)
        )
    return markdown.table(("trigger", "files", "starts"), rows)


def _disable(started: list[Workflow], repository: str, url: str) -> str:
    names = [one.path.rpartition("/")[2] for one in started[:MOST_NAMED]]
    lines = "\n".join(
        f"gh workflow disable {shlex.quote(one)} --repo {shlex.quote(repository)}" for one in names
    )
    more = len(started) - len(names)
    rest = f"\n# and {counted(more, 'file')} more" if more > 0 else ""
    return (
        f"If you don't want them here, disable each on [the Actions page]({url}/actions) (its menu: *Disable "
        "workflow*) before you merge. The App needs none of them.\n\n"
        + markdown.details("The same as commands", markdown.fenced(lines + rest, "sh"))
    )
