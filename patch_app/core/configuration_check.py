"""`[[check]]` of a configuration: a command that is run on the carried tree. Refuses to run anything."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator

from patch_app.core.configuration_values import CONTROL, bounded, is_below, is_within, quoted
from patch_app.core.durations import Duration
from patch_app.core.model import Model

# a job on GitHub's runners ends after 6 hours; ours must end before that to say what it saw
MAX_TIMEOUT: Final = 5 * 3600

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.+-]{0,58}[A-Za-z0-9_.+-])?")


class Check(Model):
    """One command that is run on the carried tree, in a job of its own without permissions."""

    name: str = Field(description="Name of the check, and of its job: `check <name>`.")
    run: str = Field(min_length=1, max_length=4000, description="What is run, by `bash`.")
    working_directory: str = Field(".", max_length=400, description="Directory within the repository.")
    timeout: Duration = Field(1800, description='After that the check has failed; at most `"5h"`.')
    sparse: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Directories within the repository that the check needs: these, and the files directly "
        "in the directories above them, are fetched and written. Default: all.",
    )
    artifacts: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Paths and patterns within the repository (`*`, `?`, `[a-z]`, `**` for any directories): "
        "what is there when the check has ended, passed or not, is kept as an artifact of the run. "
        "Default: nothing.",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                "a check's name is 1 to 60 letters, digits, spaces and _ . + -, "
                "starting with a letter or digit, not ending with a space"
            )
        return value

    @field_validator("run")
    @classmethod
    def _run(cls, value: str) -> str:
        if CONTROL.search(value):
            raise ValueError("a command holds no control characters")
        return value

    @field_validator("working_directory")
    @classmethod
    def _working_directory(cls, value: str) -> str:
        if not is_within(value):
            raise ValueError("a working directory is a path within the repository, with no `..` in it")
        return value

    @field_validator("sparse")
    @classmethod
    def _sparse(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not is_below(one):
                raise ValueError(
                    f"{quoted(one[:100])} is no directory within the repository, written like codex-rs/core"
                )
        return value

    @field_validator("artifacts")
    @classmethod
    def _artifacts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not is_below(one) or one.startswith("!"):
                raise ValueError(
                    f"{quoted(one[:100])} is no path or pattern within the repository, "
                    "written like target/report/** or dist/*.whl"
                )
        return value

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, value: int) -> int:
        return bounded(value, 1, MAX_TIMEOUT)
