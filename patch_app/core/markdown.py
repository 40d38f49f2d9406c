"""Text from elsewhere put into GitHub's Markdown, so that it stays text where it was put.

Commit subjects, paths, diffs and tag names are written by strangers: here they can't ping people,
close or link issues, draw HTML, break out of their cell or hide what they say. Refuses to interpret:
everything foreign is shown as it is, or cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

# GitHub's limits for issue, comment and pull request bodies, and for a check run's summary and text
BODY_LIMIT: Final = 65_536
CHECK_LIMIT: Final = 65_535

# control characters, and those that hide or reorder text: bidirectional controls, zero-width and other
# format characters, line and paragraph separators, tags, lone surrogates
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# an underscore within a word is no markup; a pipe can't be escaped alike in text and in tables
_MARKUP = re.compile(r"[\\`*\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\u200b": "&#8203;"}
_AT_START = re.compile(r"^(?:([#+=-])|(\d+)(?=[.)]))")
# GitHub links these in rendered text, so no escape helps: a zero-width space in the midst does
_LINKED = re.compile(
    r"[@#](?=\S)|\bGH-(?=\d)|\b(?:https?|ftp):(?=//)|\bwww\.(?=\S)",
    re.IGNORECASE,
)


def visible(text: str) -> str:
    """The text with what hides or reorders it shown as `\\u202e`; tabs and newlines stay."""
    return _HIDDEN.sub(_shown, text.replace("\r\n", "\n"))


def line(text: str, limit: int = 1000) -> str:
    """One plain line, for titles: no newline, nothing hidden, at most `limit` characters."""
    return cut(" ".join(visible(text).split()), limit)


def inline(text: str, limit: int = 1000) -> str:
    """Text within a line, cell or list item, shown as it is; newlines become spaces."""
    # a zero-width space stands for a break until the end: of the text's own, `line` has left none
    out = _LINKED.sub("\\g<0>\u200b", line(text, limit))
    out = _MARKUP.sub(r"\\\g<0>", out)
    out = _AT_START.sub(lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}\u200b", out)
    return re.sub(r"[&<>|\u200b]", lambda match: _ENTITIES[match[0]], out)


def code(text: str, limit: int = 1000) -> str:
    """Text in fixed width, within a line or cell; nothing in it is linked or read as markup."""
    shown = cut(visible(text).replace("\n", " ").replace("\t", " "), limit)
    if shown and not re.search(r"[`|]", shown) and shown == shown.strip():
        return f"`{shown}`"
    # backticks can't be escaped within backticks, nor pipes within a table's
    return (
        "<code>"
        + re.sub(r"[^\w ]|(?<![^\W_])_|_(?![^\W_])", lambda match: f"&#{ord(match[0])};", shown)
        + "</code>"
    )


def fenced(text: str, language: str = "") -> str:
    """A block of text, as it is, between fences longer than any within; ends with a newline."""
    shown = visible(text).rstrip("\n")
    runs: Iterable[str] = re.findall(r"`{3,}", shown)
    fence = "`" * max(3, 1 + max(map(len, runs), default=0))
    return f"{fence}{re.sub(r'[^A-Za-z0-9+-]', '', language)}\n{shown}\n{fence}\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, foreign ones made by `inline` and `code`. Ends with a newline."""
    out = [_row(headers), _row(["---"] * len(headers))]
    out += [_row([*row, *[""] * (len(headers) - len(row))][: len(headers)]) for row in rows]
    return "\n".join(out) + "\n"


def _row(cells: Sequence[str]) -> str:
    flat = (" ".join(cell.split()).replace("|", "&#124;") for cell in cells)
    return "| " + " | ".join(flat) + " |"


def details(summary: str, body: str) -> str:
    """A part that is folded; `summary` is foreign or plain text, `body` Markdown. Ends with a newline."""
    return f"<details><summary>{inline(summary)}</summary>\n\n{body.rstrip()}\n\n</details>\n"


def size(text: str) -> int:
    """What a text counts towards GitHub's limits: its UTF-8 bytes, never less than its characters."""
    return len(text.encode("utf-8", "replace"))


def bounded(text: str, limit: int, more_url: str = "") -> str:
    """The text cut at a line so that it has at most `limit` bytes, with a note where the rest is.

    Fences and folded parts that the cut leaves open are closed.
    """
    if size(text) <= limit:
        return text
    note = (
        "\n\n_This was cut, since GitHub takes no more"
        + (f": [all of it]({more_url})" if more_url else "")
        + "._\n"
    )
    kept = text.encode("utf-8", "replace")[: max(0, limit - size(note) - 200)].decode("utf-8", "ignore")
    kept = kept[: kept.rfind("\n") + 1]
    return kept + _closing(kept) + note.lstrip("\n" if kept.endswith("\n\n") else "")


def _closing(text: str) -> str:
    fence, folded = "", 0
    for one in text.split("\n"):
        mark = re.match(r"`{3,}", one)
        if fence:
            if one.strip() == fence:
                fence = ""
        elif mark:
            fence = mark[0]
        else:
            folded += one.startswith("<details>") - one.startswith("</details>")
    return (f"{fence}\n" if fence else "") + "\n</details>\n" * folded


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis for what is missing."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def _shown(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
