"""Which releases of an upstream a fork takes, and which tag names nobody takes.

Pure: the time is passed in. A release's title is never looked at, only its tag.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from patch_app.core import refnames
from patch_app.core.configuration import Upstream
from patch_app.core.model import Model
from patch_app.core.versions import newer, version, version_key

__all__ = ["Accepted", "NotYet", "Rejected", "Release", "accepts", "newer", "tag_problem", "version_key"]


class Release(Model):
    """A release as it was heard of."""

    tag: str
    draft: bool = False
    prerelease: bool = False
    # with its time zone; where the upstream doesn't say, when it was first heard of
    published: datetime


class Accepted(Model):
    """The release is one for this fork."""


class Rejected(Model):
    """The release is none for this fork, whatever the time."""

    reason: str


class NotYet(Model):
    """The release is too young; it will be one for this fork at `until`."""

    until: datetime


def tag_problem(tag: str) -> str | None:
    """Why a tag is refused outright, as the end of a sentence ("it ..."), or None.

    What Git refuses, what hides or reorders text, what a shell obeys, and what reads as another kind of name.
    """
    if why := refnames.tag_problem(tag):
        return why
    if tag.startswith("refs/"):
        return "reads as the full name of a ref"
    if re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", tag):
        return "reads as a commit id"
    return None


def accepts(
    release: Release, policy: Upstream, now: datetime, *, current: str | None = None
) -> Accepted | Rejected | NotYet:
    """Whether a fork with this policy takes the release, now.

    `current` is the tag that the fork's stack was last carried to: what isn't newer is rejected,
    unless the two tags have no order between them.
    """
    if why := tag_problem(release.tag) or _unwanted(release, policy, current):
        return Rejected(reason=f"{release.tag!r}: it {why}")
    until = release.published + timedelta(seconds=policy.minimum_age)
    if policy.minimum_age and now < until:
        return NotYet(until=until)
    return Accepted()


def _unwanted(release: Release, policy: Upstream, current: str | None) -> str | None:
    found = version(release.tag)
    if release.draft:
        return "is a draft"
    if policy.tags is not None and not fnmatchcase(release.tag, policy.tags):
        return f"doesn't match the pattern {policy.tags}"
    if policy.tags is None and found is None:
        return "is no version tag; a pattern under [upstream] tags takes others"
    if not policy.prereleases:
        if release.prerelease or (found is not None and found.prerelease):
            return "is a prerelease"
        if policy.tags is None and found is not None and found.odd is not None:
            return (
                f"reads as a prerelease or a variant ({found.odd}); a pattern under [upstream] tags takes it"
            )
    held = version(current) if current is not None else None
    older = found is not None and held is not None and found.series == held.series and found.key <= held.key
    if release.tag == current or older:
        return f"is not newer than {current}"
    return None
