"""`[resolver]` of a configuration: a command that is asked to settle a conflict. Refuses to run anything."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from patch_app.core.configuration_check import NAME
from patch_app.core.configuration_values import CONTROL, bounded, is_below, quoted
from patch_app.core.durations import Duration
from patch_app.core.model import Model

# several conflicts share a job of 6 hours
MAX_TIMEOUT: Final = 2 * 3600

HIDDEN: Final = (
    "AGENTS.md",
    "AGENTS.override.md",
    "CLAUDE.md",
    "CLAUDE.local.md",
    "GEMINI.md",
    ".agents",
    ".aider.conf.yml",
    ".claude",
    ".clinerules",
    ".codex",
    ".cursor",
    ".cursorrules",
    ".gemini",
    ".mcp.json",
    ".windsurfrules",
    ".github/copilot-instructions.md",
    ".github/instructions",
)
"""Names that coding agents are known to take instructions from; there are always newer ones."""


class Resolver(Model):
    """A command that is asked to settle a conflict, in a job of its own without permissions. It may be asked
    about each patch that conflicts; what it made is shown to the reviewer in full.
    """

    run: str = Field(
        min_length=1,
        max_length=4000,
        description="What is run, by `bash`, in a work tree stopped at the conflict: a script, or a coding "
        "agent at a pinned version.",
    )
    name: str = Field("resolver", description="What reviewers see it called.")
    timeout: Duration = Field(1800, description='After that the conflict stays; at most `"2h"`.')
    instructions: str = Field(
        "",
        max_length=10_000,
        description="A text for it, in the file that `$PATCH_APP_INSTRUCTIONS` names.",
    )
    paths: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Files and directories that it may change although they have no conflict: a lock file.",
    )
    hidden: tuple[str, ...] = Field(
        HIDDEN,
        max_length=50,
        description="What is kept from it, since agents would take instructions from it: names of files and "
        "directories anywhere, or paths from the root. A conflict in one of them stays.",
    )

    @field_validator("run", "instructions")
    @classmethod
    def _text(cls, value: str) -> str:
        if CONTROL.search(value):
            raise ValueError("a command and a text hold no control characters")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("a resolver's name is 1 to 60 letters, digits, spaces and _ . + -")
        return value

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, value: int) -> int:
        return bounded(value, 1, MAX_TIMEOUT)

    @field_validator("paths", "hidden")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not is_below(one):
                raise ValueError(f"{quoted(one[:100])} is no path within the repository, like src/Cargo.lock")
        return value
