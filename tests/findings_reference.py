"""docs/reference/findings.md from the texts of the findings; written with the other goldens."""

from __future__ import annotations

import re

from patch_app.core.findings import TEXTS, Code, Severity

_HEAD = """\
# Findings

What `patch-app doctor` can find, what the preflight of an attempt asks for, and what shows only when it is
tried (`refs-refused`). Written from the code by `python -m tests.core.goldens`. An attempt is `blocked` by
the first finding that blocks, and says it
once, see [When an attempt is blocked](../guides/when-an-attempt-is-blocked.md). Words
in angle brackets are filled in.
"""
_MEANS = {
    Severity.BLOCKS: (
        "Blocks",
        "No attempt is started before it is mended; then it goes on by itself. The preflight looks for these "
        "alone. `doctor` ends with status 1.",
    ),
    Severity.WARNS: (
        "Warns",
        "Attempts are started, but something that people expect won't happen, or something else can.",
    ),
    Severity.NOTES: ("Notes", "Good to know."),
}


def page() -> str:
    """The reference page."""
    parts = [_HEAD]
    for severity, (title, meaning) in _MEANS.items():
        rows = [code for code in Code if TEXTS[code].severity is severity]
        parts.append(
            f"\n## {title}\n\n{meaning}\n\n| code | what is so | what to do |\n| --- | --- | --- |\n"
        )
        parts += [
            f"| `{code}` | {_shown(TEXTS[code].sentence)} | {_shown(TEXTS[code].remedy)} |\n" for code in rows
        ]
    return "".join(parts)


def _shown(text: str) -> str:
    flat = text.replace("|", "&#124;")
    flat = re.sub(r"\{(\w+)\}", lambda blank: f"&lt;{blank[1].replace('_', ' ')}&gt;", flat)
    flat = flat.replace("**", r"\*\*").replace("[[", r"\[\[")
    return flat[:1].upper() + flat[1:] + "."
