"""The dashboard issue of a fork: what it shows, and which of its boxes a person has ticked.

Pure. Nothing is concluded from the issue's text but which boxes somebody ticked: what stands in it is put
there anew from what is known. Refuses to guess: a line with two marks, or with an unknown one, is no box.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from patch_app.core import names, releases
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Configuration, stacks
from patch_app.core.model import Model
from patch_app.core.upstreams import Problem

# by which the issue is known where the store has forgotten its number
MARK: Final = "<!-- patch-app:dashboard -->"
MAY_TICK: Final = ("write", "maintain", "admin")

# of the next releases, and of those that nobody told of since the App was installed
MOST_NEXT: Final = 10
MOST_OLD: Final = 3

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARK: Final = re.compile(r"<!-- patch-app:(carry|ignore|take):([0-9a-f]{16}) -->")
_BOX: Final = re.compile(r"\s{0,12}(?:[-*+]|\d{1,9}[.)])\s{1,4}\[([ xX])\]\s")


class Action(StrEnum):
    """What a box asks for."""

    CARRY = "carry"
    IGNORE = "ignore"
    TAKE = "take"


class Tick(Model):
    """A box of a release, by the release's id."""

    action: Action
    release: str


class Known(Model):
    """A release of the upstream as far as it was heard of. `told`: as news, and not with the first poll."""

    id: str
    tag: str
    prerelease: bool = False
    published: datetime | None = None
    url: str = ""
    told: bool = False


class Ignored(Model):
    """A release that somebody doesn't want to be carried."""

    tag: str
    person: str


class StackState(Model):
    """Where a stack stands: on which release (or commit), and how many that match are newer."""

    branch: str
    tag: str | None = None
    commit: str | None = None
    behind: int | None = None
    newest: str | None = None


class Next(Model):
    """A release that can be carried. `until`: when it is taken by itself, None where it isn't."""

    release: Known
    until: datetime | None = None


class Page(Model):
    """All that the issue shows."""

    upstream: str | None
    stacks: tuple[StackState, ...]
    attempts: tuple[Attempt, ...]
    next: tuple[Next, ...]
    more: int = 0
    ignored: dict[str, Ignored]
    configuration: Configuration
    problem: str | None = None
    # the upstream is another repository than before
    astray: Problem | None = None


def box(action: Action, release: str) -> str:
    """The hidden part of a box's line."""
    return f"<!-- patch-app:{action.value}:{release} -->"


def ticked(before: str, after: str) -> tuple[Tick, ...]:
    """The boxes that an edit has ticked; what was ticked before it is not this person's wish."""
    old = set(_ticks(before))
    return tuple(dict.fromkeys(one for one in _ticks(after) if one not in old))


def _ticks(body: str) -> Iterable[Tick]:
    for line in body.splitlines():
        found, marks = _BOX.match(line), _MARK.findall(line)
        if found is not None and found[1] != " " and len(marks) == 1:
            yield Tick(action=Action(marks[0][0]), release=marks[0][1])


# What is known ------------------------------------------------------------------------------------


def known(upstream: str, seen: Mapping[str, bool], told: Iterable[Known]) -> dict[str, Known]:
    """Releases by their ids, oldest first: those that a poll has seen (tag, whether a prerelease), and those
    that were told of.
    """
    news = {one.id: one for one in told}
    out: dict[str, Known] = {}
    for tag, prerelease in seen.items():
        one = news.pop(names.event_id(upstream, tag), None)
        one = one or Known(id=names.event_id(upstream, tag), tag=tag)
        # a prerelease may have become a release since it was told of
        out[one.id] = one.model_copy(update={"prerelease": prerelease})
    return out | news


def verdict(
    release: Known, configuration: Configuration, now: datetime, current: str | None
) -> releases.Accepted | releases.Rejected | releases.NotYet:
    """Whether a stack that stands on `current` would take the release."""
    heard = releases.Release(
        tag=release.tag, prerelease=release.prerelease, published=release.published or _EPOCH
    )
    return releases.accepts(heard, configuration.upstream, now, current=current)


def standing_on(attempts: Iterable[Attempt]) -> str | None:
    """The tag that a stack stands on, as its attempts (oldest first) tell."""
    tag: str | None = None
    for one in attempts:
        contained = one.stage is Stage.CONTAINED and (tag is None or releases.newer(one.tag, tag))
        if one.stage is Stage.PROMOTED or contained:
            tag = one.tag
    return tag


def of_stack(attempts: Iterable[Attempt], stack: str, upstream: str | None) -> list[Attempt]:
    """The attempts to carry one stack onto releases of this upstream."""
    return [
        one for one in attempts if one.stack == stack and one.upstream.lower() == (upstream or "").lower()
    ]


def refusal(
    action: Action,
    release: Known,
    *,
    configuration: Configuration,
    default_branch: str,
    attempts: Sequence[Attempt],
    now: datetime,
) -> str | None:
    """Why a box can't be obeyed, as the end of a sentence ("it ..."), or None. `attempts`: the upstream's."""
    mine = [one for one in attempts if one.event == release.id]
    if action is Action.IGNORE:
        if any(one.open for one in mine):
            return "is being carried already; `/patch abandon` in its pull request or issue ends that"
        return None
    branches = [one.branch or default_branch for one in stacks(configuration, default_branch)]
    free = set(branches) - {one.stack for one in mine}
    if not free:
        ended = not any(one.open for one in mine)
        return "was carried already; `/patch replay` carries it once more" if ended else None
    reasons = []
    for branch in branches:
        current = standing_on(one for one in attempts if one.stack == branch)
        match verdict(release, configuration, now, current):
            case releases.Rejected(reason=reason):
                reasons.append(reason.partition(": it ")[2])
            case _:
                return None
    return reasons[0]


# What is shown ------------------------------------------------------------------------------------


def page(
    *,
    upstream: str | None,
    default_branch: str,
    configuration: Configuration,
    problem: str | None,
    attempts: Sequence[Attempt],
    releases_known: Mapping[str, Known],
    ignored: Mapping[str, Ignored],
    now: datetime,
    astray: Problem | None = None,
) -> Page:
    """The issue's content. `attempts`: all of the fork, oldest first; `releases_known`: as `known` gives
    them.
    """
    named = [one.branch or default_branch for one in stacks(configuration, default_branch)]
    all_next: dict[str, Next] = {}
    shown = []
    for branch in named:
        mine = of_stack(attempts, branch, upstream)
        shown.append(_stack(branch, mine, releases_known.values(), configuration, now))
        for one in _next(mine, releases_known.values(), configuration, now):
            if one.release.id not in ignored:
                all_next.setdefault(one.release.id, one)
    ordered = [all_next[one] for one in reversed(tuple(releases_known)) if one in all_next]
    return Page(
        upstream=upstream,
        stacks=tuple(shown),
        attempts=tuple(one for one in attempts if one.open),
        next=tuple(ordered[:MOST_NEXT]),
        more=len(ordered[MOST_NEXT:]),
        ignored=dict(ignored),
        configuration=configuration,
        problem=problem,
        astray=astray,
    )


def _stack(
    branch: str,
    attempts: Sequence[Attempt],
    heard: Iterable[Known],
    configuration: Configuration,
    now: datetime,
) -> StackState:
    tag = standing_on(attempts)
    matching, newest = 0, None
    for one in heard:
        if not isinstance(verdict(one, configuration, now, None), releases.Rejected):
            newest = one.tag if newest is None or not releases.newer(newest, one.tag) else newest
            matching += not isinstance(verdict(one, configuration, now, tag), releases.Rejected)
    bases = [one.base for one in attempts if one.base]
    return StackState(
        branch=branch,
        tag=tag,
        commit=bases[-1] if bases and tag is None else None,
        behind=None if tag is None else matching,
        newest=newest,
    )


def _next(
    attempts: Sequence[Attempt], heard: Iterable[Known], configuration: Configuration, now: datetime
) -> list[Next]:
    """Releases that one stack could be carried onto, and isn't; oldest first."""
    reach = standing_on(attempts)
    for attempt in attempts:
        if attempt.open and (reach is None or releases.newer(attempt.tag, reach)):
            reach = attempt.tag
    tried = {one.event for one in attempts}
    out = []
    for one in heard:
        match verdict(one, configuration, now, reach):
            case releases.NotYet(until=until) if one.id not in tried:
                out.append(Next(release=one, until=until))
            case releases.Accepted() if one.id not in tried:
                out.append(Next(release=one))
            case _:
                pass
    if reach is None:
        # nobody knows yet what the stack stands on: most of what was before the App is older than that
        old = [one for one in out if not one.release.told]
        out = [one for one in out if one.release.told or one in old[-MOST_OLD:]]
    return out
