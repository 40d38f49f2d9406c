"""What several tables of a fork's configuration ask of their values. Knows none of the tables."""

from __future__ import annotations

import json
import re
from typing import Final

from patch_app.core.durations import in_words

CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Control characters but for tab and line feed."""


def quoted(text: str) -> str:
    """A value as a message shows it."""
    return json.dumps(text, ensure_ascii=False)


def is_within(path: str) -> bool:
    """Whether a path stays within the repository, outside of any `.git`."""
    parts = path.split("/")
    bad = not path or path.startswith("/") or ".." in parts or ".git" in (part.lower() for part in parts)
    return not (bad or set("\\\t\n") & set(path) or CONTROL.search(path))


def is_below(path: str) -> bool:
    """Whether a path names something below the root, written like `codex-rs/core`."""
    return is_within(path) and not {"", "."} & set(path.split("/")) and len(path) <= 400


def bounded(value: int, low: int, high: int) -> int:
    """A duration in seconds. Raises ValueError with the bounds in words."""
    if not low <= value <= high:
        raise ValueError(f"must be from {in_words(low)} to {in_words(high)}")
    return value
