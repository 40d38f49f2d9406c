"""Shows what `patch-app doctor` found: in a terminal as calm lines, or as JSON. Foreign text stays text."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from patch_app.core.findings import Code, Finding, Severity
from patch_app.core.health import Health
from patch_app.core.names import CONFIGURATION_PATH
from patch_app.terminal import Terminal, plain

_STYLES: Final = {Severity.BLOCKS: "bold red", Severity.WARNS: "yellow", Severity.NOTES: "cyan"}
_LENGTH: Final = 4000
# topics that are named where nothing was found about them, and how what could not be read names them
_TOPICS: Final = {
    "permissions": ({Code.SUSPENDED, Code.PERMISSION_MISSING}, "permissions"),
    "configuration": ({Code.CONFIGURATION_ERROR, Code.STACK_GONE}, CONFIGURATION_PATH),
    "workflow and runner": (
        {
            Code.WORKFLOW_MISSING,
            Code.WORKFLOW_OTHER,
            Code.WORKFLOW_CHANGED,
            Code.WORKFLOW_DISABLED,
            Code.RUNNER_CHANGED,
            Code.ACTIONS_OFF,
        },
        "the App's workflow",
    ),
    "upstream": (
        {
            Code.UPSTREAM_UNKNOWN,
            Code.UPSTREAM_CHANGED,
            Code.UPSTREAM_PRIVATE,
            Code.UPSTREAM_UNREACHABLE,
            Code.TAG_MISSING,
        },
        "upstream",
    ),
    "maintained branches": ({Code.BRANCH_MISSING, Code.PATCH_BRANCHES, Code.NAME_COLLISION}, "branch"),
    "rules": (
        {
            Code.PROMOTION_REFUSED,
            Code.LANDING_REFUSED,
            Code.BRANCHES_REFUSED,
            Code.RULE_IN_DOUBT,
            Code.RULE_UNWEIGHED,
            Code.PROTECTION_UNREADABLE,
        },
        "rules",
    ),
    "secrets": ({Code.WORKFLOW_EXPOSED}, "workflow files"),
    "required checks": ({Code.CHECK_NEVER_STARTS}, "workflow files"),
}


def good(health: Health, found: tuple[Finding, ...]) -> list[str]:
    """Topics that were read and have no finding that blocks or warns."""
    if health.suspended:
        return []
    unread = [one.what for one in health.unread]
    unread += ["permissions"] if health.missing_permissions is None else []
    unread += ["upstream"] if health.upstream is None or health.upstream.reachable is None else []
    unread += ["the App's workflow"] if health.workflow is None else []
    codes = {one.code for one in found}
    return [
        topic
        for topic, (about, word) in _TOPICS.items()
        if not about & codes and not any(word in what for what in unread)
    ]


def show(console: Terminal, health: Health, found: tuple[Finding, ...], release: str) -> None:
    """What is good in one line, each finding with its remedy, and the next release."""
    blocks = sum(one.severity is Severity.BLOCKS for one in found)
    said = f"{blocks} in the way of any attempt" if blocks else "nothing is in the way of an attempt"
    console.print(plain(f"{health.repository}: {said}"), style="bold")
    if topics := good(health, found):
        console.print(plain(f"as it should be: {', '.join(topics)}"), style="green")
    for one in found:
        line = Text(f"{one.severity.value:<7}", style=_STYLES[one.severity])
        line.append(f"{one.code.value}: ", style="bold")
        line.append_text(plain(f"{one.sentence}.", _LENGTH))
        console.print(line)
        console.print(Text("       ").append_text(plain(f"-> {one.remedy}", _LENGTH)))
    console.print(plain(release))


def as_data(health: Health, found: tuple[Finding, ...], release: str) -> dict[str, Any]:
    """The same for programs."""
    return {
        "repository": health.repository,
        "blocks": any(one.severity is Severity.BLOCKS for one in found),
        "release": release,
        "findings": [one.model_dump(mode="json") for one in found],
    }
