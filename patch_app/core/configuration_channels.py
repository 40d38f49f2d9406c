"""`[channels.internal]` and `[channels.public]` of a configuration: what becomes of a promoted candidate.

Refuses texts whose placeholders nobody fills in, and a public channel that nobody is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import Field, field_validator, model_validator

from patch_app.core import refnames
from patch_app.core.configuration_values import CONTROL, quoted
from patch_app.core.model import Model

# GitHub takes 25 inputs of a dispatch
MAX_INPUTS: Final = 25
MAX_TEXT: Final = 1000
FOLDER: Final = ".github/workflows/"

_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. +-]{0,98}\.ya?ml")
_INPUT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}|[{}]")


class ChannelName(StrEnum):
    """Where a promoted candidate can go."""

    INTERNAL = "internal"
    PUBLIC = "public"


class ApproveInternal(StrEnum):
    """What starts the internal channel."""

    AUTO = "auto"
    COMMAND = "command"


class ApprovePublic(StrEnum):
    """What starts the public channel: what was published can't be taken back, so a person is asked."""

    COMMAND = "command"


class Internal(Model):
    """A workflow of the fork's that is started with a promoted candidate, to build and stage it, say."""

    workflow: str = Field(
        description='The workflow\'s file in `.github/workflows`: `"build-and-stage.yml"`. It has to start '
        "for `workflow_dispatch`, and to be on the default branch as well: GitHub starts no other."
    )
    inputs: dict[str, str] = Field(
        default={"candidate": "{candidate}"},
        max_length=MAX_INPUTS,
        description="Inputs of the workflow, texts in which `{candidate}` (the commit), `{tag}` (the "
        "release's), `{version}` (that without what stands before its number) and `{stack}` are filled in.",
    )
    approve: ApproveInternal = Field(
        ApproveInternal.COMMAND,
        description="`command` waits for `/patch promote internal`; `auto` starts it with the promotion.",
    )

    @field_validator("workflow")
    @classmethod
    def _workflow(cls, value: str) -> str:
        return _file(value)

    @field_validator("inputs")
    @classmethod
    def _inputs(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _INPUT.fullmatch(name):
                raise ValueError(f"{quoted(name[:100])} is no name of an input: letters, digits, _ and -")
            if len(text) > MAX_TEXT or CONTROL.search(text):
                raise ValueError(
                    f"the input {name} has more than {MAX_TEXT} characters, or control characters"
                )
            _placeholders(text, ("candidate", "tag", "version", "stack"))
        return value


class Public(Model):
    """The fork's own release: a tag on the promoted candidate, which starts the fork's release workflow."""

    tag: str = Field(
        "{tag}",
        min_length=1,
        max_length=200,
        description="Name of the tag. `{tag}` is the release's, `{version}` that without what stands before "
        "its number, `{stack}` the maintained branch. A tag that upstream or the fork has is never used.",
    )
    suffix: str | None = Field(
        None,
        min_length=1,
        max_length=60,
        description="What is put behind a name that upstream or the fork has already, with the next free "
        'number for `{n}`: `"-fork.{n}"`. Default: such a name is refused.',
    )
    workflow: str | None = Field(
        None,
        description="The release workflow's file in `.github/workflows`, whose success is waited for. "
        "Default: each workflow that the tag starts.",
    )
    approve: ApprovePublic = Field(
        ApprovePublic.COMMAND,
        description="`/patch promote public`, by a person with maintain or admin where the branch has rules, "
        "else with write. Nothing is published without.",
    )

    @field_validator("tag")
    @classmethod
    def _tag(cls, value: str) -> str:
        _placeholders(value, ("tag", "version", "stack"))
        if "{tag}" not in value and "{version}" not in value:
            raise ValueError("a tag has {tag} or {version} in it, else every release had the same name")
        if why := refnames.problem(filled(value, {"tag": "v1", "version": "1", "stack": "main"})):
            raise ValueError(f"no tag can have such a name: it {why}")
        return value

    @field_validator("suffix")
    @classmethod
    def _suffix(cls, value: str | None) -> str | None:
        if value is not None:
            _placeholders(value, ("n",))
            if value.count("{n}") != 1:
                raise ValueError('a suffix has {n} in it once: "-fork.{n}"')
            if why := refnames.problem(f"v1{filled(value, {'n': '1'})}"):
                raise ValueError(f"no tag can have such a name: it {why}")
        return value

    @field_validator("workflow")
    @classmethod
    def _workflow(cls, value: str | None) -> str | None:
        return None if value is None else _file(value)


class Channels(Model):
    """What becomes of a promoted candidate, each channel approved by itself."""

    internal: Internal | None = None
    public: Public | None = None

    @property
    def names(self) -> tuple[ChannelName, ...]:
        """Those that are configured."""
        found = {ChannelName.INTERNAL: self.internal, ChannelName.PUBLIC: self.public}
        return tuple(name for name, one in found.items() if one is not None)

    @model_validator(mode="after")
    def _apart(self) -> Channels:
        if self.internal and self.public and self.internal.workflow == self.public.workflow:
            raise ValueError("both channels name the same workflow: the internal one would publish")
        return self


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in, in one go: what a value holds is no placeholder."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[0][1:-1], found[0]), text)


def _file(value: str) -> str:
    name = value.removeprefix(FOLDER)
    if not _FILE.fullmatch(name):
        raise ValueError('a workflow is the name of its file in .github/workflows, like "release.yml"')
    return name


def _placeholders(text: str, known: tuple[str, ...]) -> None:
    for found in _PLACEHOLDER.findall(text):
        if found[1:-1] not in known or len(found) < 3:
            allowed = ", ".join(f"{{{one}}}" for one in known)
            raise ValueError(f"{quoted(found)} is no placeholder; there is {allowed}")
