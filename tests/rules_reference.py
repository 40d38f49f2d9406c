"""docs/reference/rules.md from the list of rules; written with the other goldens."""

from __future__ import annotations

from typing import Final

from patch_app.core.rule_types import TYPES, Kept

_HEAD = """\
# Rules of the maintained branch

How a promotion keeps each rule that GitHub has for branches, where the App itself moves the branch. Written
from the code by `python -m tests.core.goldens`. With [`move = "pull-request"`](configuration.md) none of this
applies: GitHub weighs the rules, of the pull request.

A rule or a parameter that isn't here can't be weighed either, and promotes nothing, unless the parameter has
a value that turns nothing on (`false`, `0`, empty). What can't be weighed is named where the attempt waits,
and by `patch-app doctor`. Rules for tags are not read: GitHub holds the App to them, unless it may bypass
them.
"""
_KEPT: Final = {
    Kept.FREE: ("Ask nothing of a promotion", ""),
    Kept.WEIGHED: (
        "Asked for by the App",
        "Whether or not the App is on the bypass list of the ruleset. What counts as a check that has passed "
        "is in [Trust](../concepts/trust.md#required-checks).",
    ),
    Kept.MOVE: (
        "What the bypass list is for",
        "They say how the branch may be moved. Off the list GitHub refuses the move; on it the App moves the "
        "branch otherwise, and this is what is kept.",
    ),
    Kept.GITHUB: (
        "Asked for by GitHub alone",
        "Where GitHub says that the App can't bypass the ruleset (`current_user_can_bypass`), it looks at "
        "the push. Where it says otherwise, or nothing, they can't be weighed: take the App off that "
        "ruleset's bypass list.",
    ),
    Kept.NEVER: (
        "Can't be weighed",
        'Nothing is promoted on such a branch but by `move = "pull-request"`.',
    ),
}
_NOT: Final = "**can't be weighed** where it is set: "


def page() -> str:
    """The reference page."""
    parts = [_HEAD]
    for kept, (title, meaning) in _KEPT.items():
        parts.append(f"\n## {title}\n\n{meaning}\n\n".replace("\n\n\n\n", "\n\n"))
        parts.append("| rule | parameter | |\n| --- | --- | --- |\n")
        for name, rule in TYPES.items():
            if rule.kept is kept:
                parts.append(f"| `{name}` | | {rule.how} |\n")
                parts += _parameters(rule.parameters if kept in (Kept.WEIGHED, Kept.MOVE) else {})
    return "".join(parts)


def _parameters(listed: object) -> list[str]:
    rows = listed.items() if isinstance(listed, dict) else ()
    return [f"| | `{name}` | {_NOT if one.kept is Kept.NEVER else ''}{one.how} |\n" for name, one in rows]
