"""What Git takes as a branch or tag name, and what we take of it. Refuses to mend a bad name."""

from __future__ import annotations

import re
from typing import Final

from patch_app.core import names

MAX_LENGTH: Final = 200
# escaped, a name is one component of a ref, hence of a file name: those end at 255 bytes, `.lock` included
MAX_ESCAPED: Final = 240

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
# text that looks like something else than it is: bidirectional controls, zero-width and other format
# characters, line separators, surrogates that no UTF-8 holds, spaces that Git takes, letters without a shape
_DECEIVING = re.compile(
    r"[\u0080-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u08e2\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    r"\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]"
)
# of what Git takes, what a shell obeys: workflows paste names of tags into their commands. To PowerShell the
# curly quotes are quotes (about_Quoting_Rules), and it is what jobs on Windows have by default
_OBEYED = re.compile(r"[$`\"';&|<>(){}!#\u2018-\u201f]")


def tag_problem(name: str) -> str | None:
    """As `problem`, for a tag that the App hands on: into tags of the fork, inputs of runs and commands."""
    if why := problem(name):
        return why
    if _OBEYED.search(name):
        return "holds a character that a shell obeys (one of $ ` \" ' ; & | < > ( ) { } ! # or a curly quote)"
    return None


def problem(name: str) -> str | None:
    """Why `name` can't be a branch or tag name, as the end of a sentence ("it ..."), or None.

    The rules of git-check-ref-format(1) for `refs/heads/<name>` with `--branch`'s leading dash, and
    ours: at most 200 characters, no character that hides or reorders text.
    """
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if _FORBIDDEN.search(name):
        return "holds a space, a control character or one of ~ ^ : ? * [ \\"
    if _DECEIVING.search(name):
        return "holds an invisible or text-reordering character"
    if ".." in name or "@{" in name or name == "@":
        return "holds `..` or `@{`, or is `@`"
    if name.startswith("-"):
        return "starts with a dash"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "has an empty part between slashes"
    if name.endswith("."):
        return "ends with a dot"
    if any(part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return "has a part that starts with a dot or ends with `.lock`"
    if len(names.escape(name)) > MAX_ESCAPED:
        return "is too long to be a part of the App's branch names"
    return None
