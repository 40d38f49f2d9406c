"""What was read of a fork's health, before an attempt or for `patch-app doctor`. Plain readings.

Concludes nothing: `doctor` does. `None` always means "not read"; what could not be read although it was
asked for stands in `unread`, with the reason.
"""

from __future__ import annotations

from pydantic import Field

from patch_app.core import names
from patch_app.core.configuration import Configuration, Merges, Strategy
from patch_app.core.facts import Workflow
from patch_app.core.model import Model
from patch_app.core.upstreams import Problem
from patch_app.core.vitals import Rule


class RequiredRun(Model):
    """A required check, and whether a workflow of the fork could make it on a candidate."""

    name: str
    # workflow files with a job of that name
    workflows: tuple[str, ...] = ()
    # why none of them would be started by the App's branches or pull request; empty: one would
    never: str = ""


class Branch(Model):
    """A maintained branch and what its carries will meet. `exists` None: not read."""

    name: str
    exists: bool | None = None
    strategy: Strategy = Strategy.REBASE
    merges: Merges = Merges.FLATTEN
    # it gets to a candidate by a pull request
    lands: bool = False
    # one sentence each about patch branches, as `branches.problems` has them
    patch_problems: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    # rules for the base and maintenance branches that the App makes for this one
    own_rules: tuple[Rule, ...] = ()
    # it is protected, yet no ruleset applies to it
    classic_protection: bool = False
    required: tuple[RequiredRun, ...] = ()
    # the candidate's tag of the next release where it exists and is not at the branch's head
    taken_tag: str | None = None
    # what the carry has to do with: root `.gitattributes` with filter=lfs, `.gitmodules`
    lfs: bool = False
    submodules: bool = False


class Upstream(Model):
    """The upstream as the runner will see it, without any credential."""

    name: str | None
    # its repository's id; None: not read
    id: int | None = None
    # it is another repository than the one that was followed until now
    changed: Problem | None = None
    # None: not read
    reachable: bool | None = None
    private: bool = False
    # the release that is looked for, and whether its tag is there; None: not read
    tag: str | None = None
    has_tag: bool | None = None
    # tags of the fork that have upstream's name and another commit
    differing_tags: tuple[str, ...] = ()


class Exposed(Model):
    """A workflow file of the maintained branch that a branch of ours would start with something to lose."""

    path: str
    # how it starts: `push`, `pull_request`, ...
    event: str
    # names of secrets and of permissions to publish that no environment guards
    what: tuple[str, ...]


class Checkout(Model):
    """A local checkout of the fork."""

    path: str
    # why nothing could be read of it
    problem: str | None = None
    # uncommitted changes and untracked files
    dirty: int = 0
    # maintained branches with commits that the fork doesn't have, and how many
    unpushed: dict[str, int] = Field(default_factory=dict)
    # name of the remote that leads to the upstream; None: there is none
    upstream_remote: str | None = None
    # what was added because it was asked for: name and URL
    added: str | None = None


class Unread(Model):
    """Something that was asked for and GitHub didn't show."""

    what: str
    why: str


class Health(Model):
    """All readings about one fork. A preflight has the few that can block; the command has all."""

    repository: str
    default_branch: str = "main"
    prefix: str = names.DEFAULT_PREFIX
    archived: bool = False
    has_issues: bool | None = None
    # permission -> level that the manifest asks for and the installation lacks; None: not read
    missing_permissions: dict[str, str] | None = None
    suspended: bool = False
    configuration: Configuration | None = None
    configuration_problems: tuple[str, ...] = ()
    # a maintained branch that the attempt is for and the configuration no longer names
    stack_gone: str | None = None
    workflow: Workflow | None = None
    upstream: Upstream | None = None
    branches: tuple[Branch, ...] = ()
    # branches whose names stand in the way of ours
    collisions: tuple[str, ...] = ()
    # the default branch has no commit that upstream's lacks; None: not read
    mirrors_upstream: bool | None = None
    exposed: tuple[Exposed, ...] = ()
    checkout: Checkout | None = None
    unread: tuple[Unread, ...] = ()
