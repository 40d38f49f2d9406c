"""The refs that an attempt looks at, and what they say. Asks nobody: gets what was listed.

Refs under the App's own namespace are claims; nothing is concluded from them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from patch_app.core import branches, names
from patch_app.core.attempt import Attempt, PatchBranch
from patch_app.core.configuration import Configuration, stack_of


def prefixes(attempt: Attempt, *, preflight: bool) -> list[str]:
    """What to list. Before the configuration is known, every branch: its patch branches may be any."""
    if preflight:
        return ["refs/heads/", *_exact(attempt), names.RUNNER_REF]
    wanted = stack_of(attempt.configuration, attempt.stack).patch_branches
    patches = [branches.prefix(wanted)] if isinstance(wanted, str) else wanted
    return [*_exact(attempt), *(names.head(one) for one in patches)]


def _exact(attempt: Attempt) -> list[str]:
    prefix = attempt.configuration.branches.prefix
    return [
        names.head(attempt.stack),
        names.candidate_ref(attempt.id),
        names.archive_ref(attempt.id),
        names.target_ref(attempt.id),
        names.resolutions_ref(attempt.stack),
        names.inbox_prefix(attempt.id),
        names.head(names.base_branch(attempt.stack, attempt.tag, prefix)),
        names.head(names.maintenance_branch(attempt.stack, attempt.tag, prefix)),
        f"refs/tags/{names.candidate_tag(attempt.stack, attempt.tag, prefix)}",
    ]


@dataclass(frozen=True)
class Refs:
    """Listed refs by full name."""

    there: dict[str, str]

    def value(self, name: str) -> str:
        """The object that a ref points at; zeros where it doesn't exist."""
        return self.there.get(name, names.ZERO)

    def of(self, attempt: Attempt) -> dict[str, str]:
        """The attempt's own refs, those that don't exist with zeros."""
        wanted = [one for one in _exact(attempt) if not one.endswith("/")]
        return {name: self.value(name) for name in wanted}

    def patches(self, branch: str, configuration: Configuration) -> tuple[PatchBranch, ...] | None:
        """The patch branches of a stack in order with their heads; None for a stack that has none."""
        stack = stack_of(configuration, branch)
        if not stack.patch_branches:
            return None
        heads = {
            ref.removeprefix("refs/heads/"): sha
            for ref, sha in self.there.items()
            if ref.startswith("refs/heads/")
        }
        return branches.selected(stack, branch, configuration.branches.prefix, heads)

    def collisions(self, attempt: Attempt, configuration: Configuration) -> tuple[str, ...]:
        """Branches that are a directory of one of ours, or the other way round (files in Git)."""
        prefix = configuration.branches.prefix
        ours = (
            names.base_branch(attempt.stack, attempt.tag, prefix),
            names.maintenance_branch(attempt.stack, attempt.tag, prefix),
        )
        there = [ref.removeprefix("refs/heads/") for ref in self.there if ref.startswith("refs/heads/")]
        return names.in_the_way(there, ours)
