"""Shows a report in a terminal. Text out of a repository is shown as text: no control character, no
markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from patch_app.terminal import Terminal, block, plain

STYLES = {
    "clean": "green",
    "adjusted": "yellow",
    "already-upstream": "cyan",
    "empty": "dim",
    "resolved": "yellow",
    "conflicted": "bold red",
    "not-tried": "dim",
    "dropped": "bold red",
}

MAX_LEAVING = 10
"""Commits that would leave, as a terminal shows them."""

MAX_ADJUSTED = 5
"""Patches whose own range-diff is shown in a terminal."""

ENDINGS = {
    "clean": "Every patch is accounted for.",
    "conflict": "A patch does not apply to that release. Nothing after it was carried.",
    "checks_failed": "The patches were carried, but a check failed.",
    "noop": "There is nothing to carry.",
    "error": "It could not be done.",
}


LEAVING = " The App would ask a person before it goes back."


def show(report: Mapping[str, Any], console: Terminal, *, forward: bool = False) -> None:
    """The table of patches, the conflict or the checks if any, and one closing sentence.

    `forward`: the release was merged into the stack.
    """
    stack, target = report["stack"], report["target"]
    if stack and target:
        behind = "" if stack["behind"] is None else f", {stack['behind']} behind"
        ahead = "" if stack["ahead"] is None else f" ({stack['ahead']} ahead{behind})"
        console.print(plain(f"{stack['branch']}{ahead} onto {target['name']}"), style="bold")
    if report["patches"]:
        console.print(_table(report["patches"]))
    if report["leaving"]:
        _leaving(report["leaving"], stack, target, console)
    for note in report["notes"]:
        console.print(plain(note), style="yellow")
    if report["merges"]:
        number = len(report["merges"])
        became = "kept" if forward else "with nothing of their own left out"
        console.print(Text(f"{number} merge commit{'s' * (number > 1)} {became}"))
    _adjusted(report["patches"], console)
    if report["conflict"]:
        _conflict(report["conflict"], console)
    for check in report["checks"]:
        passed = check["exit"] == 0 and not check["timed_out"]
        word = (
            "passed" if passed else ("ran out of time" if check["timed_out"] else f"failed ({check['exit']})")
        )
        console.print(
            plain(f"{check['name']} {word} in {check['seconds']} s"), style="green" if passed else "red"
        )
        if not passed:
            console.print(block("\n".join(check["log_tail"].split("\n")[-30:])))
        if check["artifacts"]:
            _kept(check["artifacts"], console)
    network, seconds = report["network"], sum(report["seconds"].values())
    if report["status"] != "error":
        received = network["received_bytes"] / 1000
        console.print(
            Text(f"{received:,.1f} kB received, {network['requests']} requests, {seconds:.1f} s", "dim")
        )
    good = report["status"] in ("clean", "noop") and not report["leaving"]
    ending = ENDINGS[report["status"]] + (LEAVING if report["status"] == "clean" and not good else "")
    console.print(Text(ending, "bold" if good else "bold red"))


def _leaving(
    leaving: Mapping[str, Any], stack: Mapping[str, Any], target: Mapping[str, Any], console: Terminal
) -> None:
    number = leaving["number"]
    what = f"{number} commit{'' if number == 1 else 's'} of upstream"
    console.print(
        plain(f"{what} that {stack['branch']} stands on would leave it: {target['name']} lacks them."),
        style="bold red",
    )
    for one in leaving["commits"][:MAX_LEAVING]:
        console.print(plain(f"{one['sha'][:9]} {one['subject']}", 120))
    if number > MAX_LEAVING:
        console.print(Text(f"and {number - MAX_LEAVING} more; --json has the newest of them", "dim"))


def _kept(kept: Mapping[str, Any], console: Terminal) -> None:
    left_out = f", {kept['left_out']} left out" if kept["left_out"] else ""
    where = f" in {kept['directory']}" if kept["files"] else ""
    console.print(plain(f"kept {kept['files']} files, {kept['bytes'] / 1000:,.1f} kB{where}{left_out}"))


def _table(patches: list[dict[str, Any]]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for name in ("patch", "verdict", "subject", "note"):
        table.add_column(name, overflow="fold", no_wrap=name in ("patch", "verdict"))
    for patch in patches:
        # the note may name one of them already
        others = [one for one in patch["upstream_commits"] if one["sha"][:10] not in (patch["note"] or "")]
        commits = ", ".join(f"{found['sha'][:9]} {found['subject']}" for found in others[:3])
        said = (patch["branch"], patch["note"], commits and f"upstream: {commits}")
        note = "; ".join(part for part in said if part)
        table.add_row(
            Text(patch["old"][:9]),
            Text(patch["verdict"], STYLES.get(patch["verdict"], "")),
            plain(patch["subject"], 120),
            plain(note, 400),
        )
    return table


def _adjusted(patches: list[dict[str, Any]], console: Terminal) -> None:
    """The range-diff of each patch that was adjusted or resolved."""
    there = [patch for patch in patches if patch["range_diff"]]
    for patch in there[:MAX_ADJUSTED]:
        console.print(Text(f"Range-diff of {patch['old'][:9]}:", "bold"))
        _lines(patch["range_diff"], 40, console)
    if len(there) > MAX_ADJUSTED:
        console.print(Text(f"and of {len(there) - MAX_ADJUSTED} more patches; --json has them", "dim"))


def _lines(value: str, most: int, console: Terminal) -> None:
    lines = value.rstrip("\n").split("\n")
    console.print(block("\n".join(lines[:most])))
    if len(lines) > most:
        console.print(Text(f"and {len(lines) - most} more lines; --json has them", "dim"))


def _conflict(conflict: Mapping[str, Any], console: Terminal) -> None:
    console.print(Text(f"Conflict in {conflict['patch'][:9]}:", "bold"))
    for file in conflict["files"]:
        console.print(plain(f"  {file['path']}: {file['kind']}"))
    _lines(conflict["diff"], 60, console)
