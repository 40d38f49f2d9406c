"""A fork's configuration, `.github/patch-app.toml`: its form, its defaults and its errors.

Every default is good for a fork with one maintained branch, so no file is needed. What the file says
wrong is said back with the line and what is allowed; nothing unknown is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from patch_app.core import refnames, toml_problems
from patch_app.core.configuration_channels import Channels
from patch_app.core.configuration_check import Check
from patch_app.core.configuration_promotion import Approve, Move, Promotion, RequiredCheck
from patch_app.core.configuration_pull_requests import PullRequests
from patch_app.core.configuration_resolver import Resolver
from patch_app.core.configuration_values import CONTROL, bounded, quoted
from patch_app.core.durations import DAY, Duration
from patch_app.core.model import Model
from patch_app.core.names import DEFAULT_PREFIX
from patch_app.core.toml_problems import ConfigurationError, Problem

__all__ = [
    "Approve",
    "Branches",
    "Candidate",
    "Channels",
    "Check",
    "Configuration",
    "ConfigurationError",
    "Dashboard",
    "Merges",
    "Move",
    "Problem",
    "Promotion",
    "RequiredCheck",
    "Resolver",
    "Stack",
    "Upstream",
    "Workflows",
    "parse",
    "stack_of",
    "stacks",
]

MAX_MINIMUM_AGE: Final = 90 * DAY
# all inputs of a dispatch share 65,535 characters (GitHub); checks travel in one of them
MAX_CHECKS_JSON: Final = 32_000
MAX_STACKS: Final = 20
MAX_CHECKS: Final = 20
MAX_PATCH_BRANCHES: Final = 100

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,39})?")
_OID = re.compile(r"[0-9a-f]{40}")


class Workflows(StrEnum):
    """What has to be said before the App makes what starts a candidate's workflows."""

    ASK = "ask"
    TRUST = "trust"
    HOLD = "hold"


class Merges(StrEnum):
    """What becomes of merge commits in the stack."""

    FLATTEN = "flatten"
    PRESERVE = "preserve"


class Strategy(StrEnum):
    """How a release gets into the maintained branch."""

    REBASE = "rebase"
    MERGE = "merge"
    PATCHES = "patches"


class Upstream(Model):
    """Where releases come from, and which of them are taken."""

    repository: str | None = Field(
        None, description="`owner/name` of the upstream on the same GitHub. Default: the fork's parent."
    )
    repository_id: StrictInt | None = Field(
        None,
        ge=1,
        description="The upstream's id on GitHub: where its name or the fork's parent leads to another "
        "repository, no release is taken.",
    )
    tags: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description='Which tags are releases, as a pattern with `*`, `?` and `[...]`: `"rust-v*"`. '
        "Default: any tag that reads as a version.",
    )
    prereleases: StrictBool = Field(False, description="Whether prereleases are taken too.")
    minimum_age: Duration = Field(
        0, description='How long a release must be out before it is taken, at most `"90d"`.'
    )

    @field_validator("repository")
    @classmethod
    def _repository(cls, value: str | None) -> str | None:
        if value is not None and not _REPOSITORY.fullmatch(value):
            raise ValueError('a repository is written "owner/name"')
        return value

    @field_validator("tags")
    @classmethod
    def _tags(cls, value: str | None) -> str | None:
        if value is not None and CONTROL.search(value):
            raise ValueError("a tag pattern holds no control characters")
        return value

    @field_validator("minimum_age")
    @classmethod
    def _minimum_age(cls, value: int) -> int:
        return bounded(value, 0, MAX_MINIMUM_AGE)


class Stack(Model):
    """One maintained branch."""

    branch: str | None = Field(None, description="The maintained branch. Default: the default branch.")
    strategy: Strategy = Field(
        Strategy.REBASE,
        description="How a release gets into the branch: `rebase` writes the patches anew onto it; `merge` "
        "merges it into them, with one merge commit and without a force-push; `patches` builds the branch "
        "from patch branches.",
    )
    patches: str | tuple[str, ...] | None = Field(
        None,
        description="With the strategy `patches`, the patch branches: a pattern with `*`, `?` and `[...]`, "
        "taken in the natural order of the names (`patch/2` before `patch/10`), or a list of names in order. "
        'Default: `"patch/*"`.',
    )
    merges: Merges = Field(
        Merges.FLATTEN,
        description="What becomes of merge commits in the stack: `flatten` puts all commits in one row, "
        "together with what the merges settled or added; `preserve` makes merges of side branches again.",
    )
    start: str | None = Field(
        None,
        description="Full id of the commit after which the stack begins; nothing below it is carried. For a "
        "branch that keeps its own earlier versions in its history, or whose upstream was rewritten. "
        "Default: the newest upstream commit, or the merge that begins a merging-rebase.",
    )

    @field_validator("branch")
    @classmethod
    def _branch(cls, value: str | None) -> str | None:
        if value is not None and (why := refnames.problem(value)):
            raise ValueError(f"no branch can have this name: it {why}")
        return value

    @field_validator("start")
    @classmethod
    def _start(cls, value: str | None) -> str | None:
        if value is not None and not _OID.fullmatch(value):
            raise ValueError("a start is a full commit id of 40 lower case hex digits")
        return value

    @field_validator("patches", mode="before")
    @classmethod
    def _patches(cls, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, str):
            if not 0 < len(value) <= 200 or CONTROL.search(value):
                raise ValueError("a pattern has 1 to 200 characters and no control characters")
            return value
        if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
            raise ValueError("must be a pattern in quotes, or a list of names of branches")
        if len(value) > MAX_PATCH_BRANCHES:
            raise ValueError(f"has more than {MAX_PATCH_BRANCHES} entries")
        for name in value:
            if why := refnames.problem(name):
                raise ValueError(f"no branch can have the name {quoted(name)}: it {why}")
        for name in _repeated(value):
            raise ValueError(f"the branch {quoted(str(name))} is named twice")
        return tuple(value)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.strategy is not Strategy.PATCHES:
            if self.patches is not None:
                raise ValueError('patch branches need strategy = "patches"')
            return self
        if self.merges is Merges.PRESERVE:
            raise ValueError('the strategy "patches" makes one row of commits: take merges = "preserve" out')
        if isinstance(self.patches, tuple) and self.branch in self.patches:
            raise ValueError(f"{quoted(str(self.branch))} can't be a patch branch of itself")
        return self

    @property
    def patch_branches(self) -> str | tuple[str, ...]:
        """The pattern or the names of the patch branches; nothing where the strategy has none."""
        if self.strategy is not Strategy.PATCHES:
            return ()
        return "patch/*" if self.patches is None else self.patches


class Candidate(Model):
    """What a candidate may bring along."""

    workflows: Workflows = Field(
        Workflows.ASK,
        description="The App's branches, pull request and tags start workflows of the candidate. `ask` waits "
        "for `/patch trust-workflows <candidate>` by a person with admin or maintain where a job would have "
        "secrets, an environment, write permission, OIDC or a runner of the fork's own, and isn't what the "
        "maintained branch has; `trust` goes on; `hold` waits for each candidate, so that nothing of it runs "
        "before.",
    )


class Branches(Model):
    """Names of the branches that the App makes."""

    prefix: str = Field(DEFAULT_PREFIX, description="What the App's branches and tags start with.")
    keep: Duration = Field(
        14 * DAY,
        description="How long the branches of an attempt stay that ended without a promotion, at most "
        '`"90d"`. What a person pushed to them stays longer.',
    )

    @field_validator("keep")
    @classmethod
    def _keep(cls, value: int) -> int:
        return bounded(value, 0, MAX_MINIMUM_AGE)

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value) or value.split("/", maxsplit=1)[0] == "refs":
            raise ValueError("a prefix is one or two parts of letters, digits, _ and -, like patch-app")
        return value


class Dashboard(Model):
    """The fork's issue that shows how it stands."""

    issue: StrictBool = Field(
        False,
        description="Whether the App keeps one issue with the stacks, open attempts and upstream's next "
        "releases up to date, with boxes to tick by people with write permission.",
    )


class Configuration(Model):
    """`.github/patch-app.toml` on the default branch. Field names are the file's keys."""

    upstream: Upstream = Upstream()
    stack: tuple[Stack, ...] = Field((), max_length=MAX_STACKS)
    check: tuple[Check, ...] = Field((), max_length=MAX_CHECKS)
    resolver: Resolver | None = None
    promotion: Promotion = Promotion()
    candidate: Candidate = Candidate()
    channels: Channels = Channels()
    branches: Branches = Branches()
    pull_requests: PullRequests = PullRequests()
    dashboard: Dashboard = Dashboard()

    @property
    def keeps_artifacts(self) -> bool:
        """Whether a check asks for it: then the workflow file has to be the one with the step for it."""
        return any(one.artifacts for one in self.check)

    @field_validator("stack")
    @classmethod
    def _stacks(cls, value: tuple[Stack, ...]) -> tuple[Stack, ...]:
        for branch in _repeated(one.branch for one in value):
            name = "the default branch" if branch is None else quoted(branch)
            raise ValueError(f"two stacks have the branch {name}")
        return value

    @field_validator("check")
    @classmethod
    def _checks(cls, value: tuple[Check, ...]) -> tuple[Check, ...]:
        for name in _repeated(one.name.lower() for one in value):
            raise ValueError(f"two checks have the name {quoted(str(name))} (upper and lower case are one)")
        if len(json.dumps([one.model_dump() for one in value])) > MAX_CHECKS_JSON:
            raise ValueError(f"all checks together are larger than {MAX_CHECKS_JSON} characters")
        return value

    @model_validator(mode="after")
    def _auto(self) -> Self:
        if self.promotion.approve is not Approve.AUTO:
            return self
        if self.upstream.minimum_age == 0:
            raise ValueError('approve = "auto" needs minimum_age under [upstream]: others look first')
        if not (self.check or self.promotion.required_checks):
            raise ValueError('approve = "auto" needs a [[check]] or required_checks: nobody else looks')
        return self

    @model_validator(mode="after")
    def _landing(self) -> Self:
        if not self.promotion.lands:
            return self
        for one in self.stack:
            if one.strategy is Strategy.MERGE:
                name = "the default branch" if one.branch is None else quoted(one.branch)
                raise ValueError(
                    f'move = "pull-request" can\'t go with strategy = "merge" of {name}: with that strategy '
                    "the branch is moved by fast-forward alone"
                )
        return self

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for one in self.stack:
            if one.branch is not None and f"{one.branch}/".startswith(f"{self.branches.prefix}/"):
                raise ValueError(
                    f"the branch {quoted(one.branch)} lies under {self.branches.prefix}/, "
                    "where the App makes its own branches"
                )
            for name in one.patches if isinstance(one.patches, tuple) else ():
                if f"{name}/".startswith(f"{self.branches.prefix}/"):
                    raise ValueError(f"the patch branch {quoted(name)} is one of the App's own")
        return self


def parse(text: str) -> Configuration:
    """Read `.github/patch-app.toml`. Raises ConfigurationError with every problem that was found."""
    return toml_problems.read(text, Configuration)


def stacks(configuration: Configuration, default_branch: str) -> tuple[Stack, ...]:
    """The stacks with their branches named; without any in the file, the default branch's.

    A stack that names the default branch and one that leaves it out are the same stack.
    """
    named = [one.model_copy(update={"branch": one.branch or default_branch}) for one in configuration.stack]
    # the first of two counts
    return tuple({one.branch: one for one in reversed(named)}.values())[::-1] or (
        Stack(branch=default_branch),
    )


def stack_of(configuration: Configuration, branch: str) -> Stack:
    """What is configured for the stack of a maintained branch; the one without a branch is the default
    branch's.
    """
    known = {one.branch: one for one in configuration.stack}
    return known.get(branch) or known.get(None) or Stack(branch=branch)


def _repeated(values: Iterable[str | None]) -> list[str | None]:
    all_of_them = list(values)
    return [one for index, one in enumerate(all_of_them) if one in all_of_them[:index]]
