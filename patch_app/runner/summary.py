"""The job summary: what became of each patch, for a person. Text out of a repository is escaped and
bounded."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .records import cut

MAX_SUMMARY = 300_000  # characters; a step may write 1 MiB
MAX_ROWS = 300
MAX_OF_PATCHES = 80_000  # characters of patches' own range-diffs

MARKUP = "\\`*_{}[]()<>#+-!|~@&$:"

SENTENCES = {
    "clean": "Every patch is accounted for, and the candidate is ready.",
    "conflict": "A patch does not apply to the release: a person has to look at it.",
    "checks_failed": "The patches were carried, but a check failed.",
    "noop": "There is nothing to carry.",
    "error": "It could not be done.",
}


def escape(value: Optional[str], limit: int = 200) -> str:
    """Foreign text as plain Markdown text on one line: no link, mention, tag or cell border comes out of
    it."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in value or "").split())
    flat = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    return "".join(
        "\\" + char if char in MARKUP and char not in "@&<:" else ENTITIES.get(char, char) for char in flat
    )


ENTITIES = {"@": "&#64;", "&": "&amp;", "<": "&lt;", ":": "&#58;"}


def fenced(value: str, language: str = "") -> str:
    """Foreign text as a code block that it can't end by itself."""
    longest = run = 0
    for char in value:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    fence = "`" * max(3, longest + 1)
    return "%s%s\n%s\n%s\n" % (fence, language, value.rstrip("\n"), fence)


def markdown(report: Dict[str, Any]) -> str:
    """The whole summary."""
    target = report.get("target") or {}
    stack = report.get("stack") or {}
    title = "## patch\\_app: %s onto %s\n" % (escape(stack.get("branch")), escape(target.get("name")))
    parts = [title, "**%s** %s\n" % (escape(report["status"]), SENTENCES[report["status"]])]
    error = report.get("error")
    if error:
        parts.append("In stage %s: %s\n" % (escape(error["stage"]), escape(error["message"], 2000)))
    parts += ["%s\n" % escape(note, 2000) for note in report.get("notes", [])]
    parts += _leaving(report)
    parts += _table(report["patches"])
    conflict = report.get("conflict")
    if conflict:
        parts.append("### Conflict\n")
        parts += [
            "- %s: %s" % (escape(file["path"]), escape(file["kind"])) for file in conflict["files"][:50]
        ]
        parts += ["", fenced(cut(conflict["diff"], 60_000), "diff")]
    parts += _resolutions(report["patches"])
    parts += _adjusted(report["patches"])
    if report.get("range_diff"):
        parts += ["### Range-diff\n", fenced(report["range_diff"])]
    return cut("\n".join(parts), MAX_SUMMARY) + "\n"


def _leaving(report: Dict[str, Any]) -> List[str]:
    leaving = report.get("leaving")
    if not leaving:
        return []
    rows = ["- %s %s" % (one["sha"][:12], escape(one["subject"])) for one in leaving["commits"]]
    more = leaving["number"] - len(rows)
    rows += ["- and %d more" % more] if more > 0 else []
    said = "The branch stands on commits of upstream that this release lacks; they would leave it (%d):\n"
    return [said % leaving["number"], *rows, ""]


def _resolutions(patches: List[Dict[str, Any]]) -> List[str]:
    """Each use of a resolution, from the conflict with its markers to what was made of it."""
    parts = []
    for patch in patches:
        for used in patch.get("resolution", []):
            whose = (
                "by the resolver %s" % escape(used["by"])
                if used["by"]
                else "resolution %s by %s" % (used["id"][:10], used["source"][:10])
            )
            words = (patch["old"][:12], escape(used["path"]), whose)
            parts += ["- %s, %s: %s" % words, "", fenced(used["diff"], "diff")]
    return ["### Resolutions that were used\n", *parts] if parts else []


def _table(patches: List[Dict[str, Any]]) -> List[str]:
    if not patches:
        return []
    rows = ["| patch | verdict | subject | note |", "| --- | --- | --- | --- |"]
    for patch in patches[:MAX_ROWS]:
        cells = (
            patch["old"][:12],
            escape(patch["verdict"]),
            escape(patch["subject"]),
            escape("; ".join(part for part in (patch.get("branch"), patch["note"]) if part), 300),
        )
        rows.append("| %s |" % " | ".join(cells))
    if len(patches) > MAX_ROWS:
        rows.append("| and %d more | | | |" % (len(patches) - MAX_ROWS))
    return [*rows, ""]


def _adjusted(patches: List[Dict[str, Any]]) -> List[str]:
    """The adjusted and resolved patches' own range-diffs, each folded, while there is room."""
    parts: List[str] = []
    room = MAX_OF_PATCHES
    for patch in patches:
        range_diff = patch["range_diff"]
        if range_diff and len(range_diff) <= room:
            room -= len(range_diff)
            title = "<details><summary>Range-diff of %s</summary>\n" % patch["old"][:12]
            parts += [title, fenced(range_diff, "diff"), "</details>\n"]
    return ["### Adjusted patches\n", *parts] if parts else []
