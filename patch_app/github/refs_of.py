"""The refs that an attempt looks at, and what they say. Asks nobody: gets what was listed.

Refs under the App's own namespace are claims; nothing is concluded from them here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from patch_app.core import branches, names
from patch_app.core.attempt import Attempt, PatchBranch
from patch_app.core.configuration import Configuration, stack_of
from patch_app.github import keeping


def prefixes(attempt: Attempt, *, preflight: bool) -> list[str]:
    """What to list. Before the configuration is known, every branch: its patch branches may be any."""
    if preflight:
        there = [one for one in _exact(attempt) if not one.startswith("refs/heads/")]
        return ["refs/heads/", *there, names.RUNNER_REF]
    wanted = stack_of(attempt.configuration, attempt.stack).patch_branches
    patches = [branches.prefix(wanted)] if isinstance(wanted, str) else wanted
    places = names.kept_refs(attempt.id, attempt.stack) if attempt.on_branches else ()
    kept = (names.as_branch(one) for one in places)
    return [*_exact(attempt), *kept, *(names.head(one) for one in patches)]


def _exact(attempt: Attempt) -> list[str]:
    prefix = attempt.configuration.branches.prefix
    return [
        names.head(attempt.stack),
        names.candidate_ref(attempt.id),
        names.archive_ref(attempt.id),
        names.target_ref(attempt.id),
        names.resolutions_ref(attempt.stack),
        # whatever the attempt keeps where: the run finds out by itself what it may push
        names.inbox_prefix(attempt.id),
        names.as_branch(names.inbox_prefix(attempt.id)),
        names.head(names.base_branch(attempt.stack, attempt.tag, prefix)),
        names.head(names.maintenance_branch(attempt.stack, attempt.tag, prefix)),
        names.head(names.landing_branch(attempt.stack, attempt.tag, prefix)),
        f"refs/tags/{names.candidate_tag(attempt.stack, attempt.tag, prefix)}",
    ]


@dataclass(frozen=True)
class Refs:
    """Listed refs by full name."""

    there: dict[str, str]

    def value(self, name: str) -> str:
        """The object that a ref points at; zeros where it doesn't exist."""
        return self.there.get(name, names.ZERO)

    @property
    def on_branches(self) -> bool:
        """Whether the fork has the App's own refs as branches. Known where every branch was listed."""
        return self.value(names.as_branch(names.RUNNER_REF)) != names.ZERO

    @property
    def runner(self) -> str:
        """The runner's commit that the fork has."""
        return self.value(names.as_branch(names.RUNNER_REF) if self.on_branches else names.RUNNER_REF)

    def of(self, attempt: Attempt, written: Iterable[str], *, on_branches: bool) -> dict[str, str]:
        """The attempt's own refs, those that don't exist with zeros, by the names that they have where any
        is taken; beside them the branches that stand for them. `written`: what attempts before it wrote.
        """
        wanted = [one for one in _exact(attempt) if not one.endswith("/")]
        values = {name: self.value(name) for name in wanted}
        if on_branches:
            known = {attempt.candidate, attempt.stack_head, *attempt.written.values(), *written}
            kept = [one for one in known if one not in (None, names.ZERO)]
            earlier = values[resolutions := names.resolutions_ref(attempt.stack)]
            for ref in names.kept_refs(attempt.id, attempt.stack):
                values[ref] = keeping.held(self.value(names.as_branch(ref)), kept)
                values[names.as_branch(ref)] = self.value(names.as_branch(ref))
            values |= self.inbox(attempt)
            if values[resolutions] == names.ZERO:
                values[resolutions] = earlier  # what people settled before GitHub refused that name
        return values

    def inbox(self, attempt: Attempt) -> list[tuple[str, str]]:
        """Refs under which runs have handed something over, with their commits."""
        prefix = names.inbox_prefix(attempt.id)
        under = (prefix, names.as_branch(prefix))
        return [(ref, commit) for ref, commit in self.there.items() if ref.startswith(under)]

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
        ours: tuple[str, ...] = (
            names.base_branch(attempt.stack, attempt.tag, prefix),
            names.maintenance_branch(attempt.stack, attempt.tag, prefix),
        )
        if self.on_branches:
            ours = (*ours, *names.branches_of_ours(attempt.id, attempt.stack))
        if configuration.promotion.lands:
            ours = (*ours, names.landing_branch(attempt.stack, attempt.tag, prefix))
        there = [ref.removeprefix("refs/heads/") for ref in self.there if ref.startswith("refs/heads/")]
        return names.in_the_way(there, ours)
