"""What is said of an attempt that something outside keeps from going on: issue, comment, last line. Pure."""

from __future__ import annotations

from typing import Final

from patch_app.core import markdown
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.markdown import code, inline

_TITLE: Final = 240
_SENTENCE: Final = 4000


def title(attempt: Attempt) -> str:
    """What waits, for a title."""
    return markdown.line(f"{attempt.tag} waits: something has to be mended first", _TITLE)


def issue(attempt: Attempt) -> tuple[str, str]:
    """Title and body of an issue; a check run has the same body."""
    body = (
        f"{code(attempt.stack)} is not carried onto {code(attempt.tag)} yet.\n\n"
        f"{_sentence(attempt)}\n\n"
        "Nothing was changed. Once this is mended, the attempt goes on by itself and takes this notice back; "
        f"after a refusal by GitHub, {code(f'patch-app retry {attempt.id}')} asks again. "
        f"{code(f'patch-app doctor --repo {attempt.repository}')} lists what else is in the way.\n"
    )
    return title(attempt), body


def comment(attempt: Attempt) -> str:
    """The same in a place that people look at anyway."""
    return f"{code(attempt.tag)} waits. {_sentence(attempt)}\n"


def mended(attempt: Attempt) -> str:
    """The line with which a notice is withdrawn."""
    if not attempt.open and attempt.stage is not Stage.PROMOTED:
        return f"Nothing more happens with {code(attempt.tag)} here, so this is in nobody's way any more."
    return f"This is no longer in the way of {code(attempt.tag)}."


def _sentence(attempt: Attempt) -> str:
    said = markdown.line(attempt.message, _SENTENCE)
    stop = "" if said.endswith((".", "!", "?")) else "."
    return f"**{inline(said[:1].upper() + said[1:], _SENTENCE)}{stop}**"
