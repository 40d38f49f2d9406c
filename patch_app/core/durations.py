"""Durations as a person writes them ("30m", "1d12h"), held as whole seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

DAY: Final = 86_400

_FORM = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")


def duration(value: Any) -> int:
    """Seconds of "1d", "30m", "1d12h", or of a whole number of seconds. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError('a duration is written like "45s", "30m", "2h" or "1d12h"')
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * DAY + hours * 3600 + minutes * 60 + seconds


def in_words(seconds: int) -> str:
    """The shortest way to write a duration (not negative) that `duration` reads back."""
    out = ""
    for unit, size in (("d", DAY), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        out += f"{count}{unit}" if count else ""
    return out or "0s"


Duration = Annotated[
    int,
    BeforeValidator(duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"},
                {"type": "integer", "minimum": 0},
            ]
        }
    ),
]
