"""What a pull request says of checks that failed on a carried stack: what broke, and how to go on. Pure."""

from __future__ import annotations

from typing import Final

from patch_app.core import markdown, message_parts, names
from patch_app.core.attempt import Attempt
from patch_app.core.markdown import code, inline

# lines of one log, and bytes of all of them together
_LINES: Final = 60
_ROOM: Final = 12_000


def written(attempt: Attempt) -> str:
    """The failed checks with the ends of their logs; empty without any."""
    if not attempt.failures:
        return ""
    room = _ROOM // len(attempt.failures)
    parts = [_one(one.name, one.url, _end(one.tail, room)) for one in attempt.failures]
    branch = names.maintenance_branch(attempt.stack, attempt.tag, attempt.configuration.branches.prefix)
    return (
        f"### Every patch applies, and it doesn't work\n\n{''.join(parts)}\n"
        f"Push the fix on top of {code(branch)}: it becomes part of the candidate, the checks run again, and "
        "this goes on from there. If the check itself was unlucky, `/patch retry` runs it again.\n"
    )


def _one(name: str, url: str, end: str) -> str:
    title = f"[{inline(name, 100)}]({url})" if message_parts.plain_url(url) else inline(name, 100)
    folded = markdown.details(f"The end of the log of {name}", markdown.fenced(end)) if end else ""
    return f"{title} failed.\n\n{folded}"


def _end(tail: str, room: int) -> str:
    """The last lines that have room; of one that is too long by itself, its beginning."""
    kept: list[str] = []
    for line in reversed(tail.strip("\n").split("\n")[-_LINES:]):
        if markdown.size("\n".join([line, *kept])) > room:
            break
        kept.insert(0, line)
    return "\n".join(kept) or markdown.cut(tail.strip("\n").split("\n")[-1], room // 4)
