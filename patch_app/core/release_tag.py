"""The name of the fork's own release tag, and what a push of it would start. Pure.

Refuses any name that upstream or the fork has at another commit: a published tag never moves, and one
of upstream's is never shadowed. Refuses one that the fork's release workflow doesn't start for.
"""

from __future__ import annotations

import re
from typing import Final

from patch_app.core import refnames, versions, workflow_triggers
from patch_app.core.attempt import Attempt
from patch_app.core.channel import ChannelFacts
from patch_app.core.configuration_channels import FOLDER, filled
from patch_app.core.facts import Facts
from patch_app.core.markdown import code, inline
from patch_app.core.model import Model
from patch_app.core.workflow_files import Broken

# free numbers behind a name, looked for upstream at once
_NUMBERS: Final = 3


class Release(Model):
    """The tag that a release would have: there already or not, what it starts, what is waited for."""

    tag: str
    there: bool = False
    starts: tuple[str, ...]
    waits: tuple[str, ...]


def possible_tags(attempt: Attempt, tags: dict[str, str]) -> tuple[str, ...]:
    """Names that a release could have in their order, with those numbers that nobody has used yet."""
    public = attempt.configuration.channels.public
    if public is None:
        return ()
    plain = plain_tag(attempt)
    if public.suffix is None:
        return (plain,)
    used = [number for name in tags if (number := _number(attempt, name)) is not None]
    first = max(used, default=0) + 1
    return (plain, *(_numbered(attempt, n) for n in range(first, first + _NUMBERS)))


def plain_tag(attempt: Attempt) -> str:
    """The release tag's name without a suffix."""
    public = attempt.configuration.channels.public
    return filled(public.tag, values(attempt)) if public else ""


def _numbered(attempt: Attempt, number: int) -> str:
    public = attempt.configuration.channels.public
    return plain_tag(attempt) + filled(public.suffix or "", {"n": str(number)}) if public else ""


def _number(attempt: Attempt, name: str) -> int | None:
    public = attempt.configuration.channels.public
    if public is None or public.suffix is None:
        return None
    before, _, behind = public.suffix.partition("{n}")
    match = re.fullmatch(f"{re.escape(plain_tag(attempt) + before)}([0-9]{{1,9}}){re.escape(behind)}", name)
    return int(match[1]) if match else None


def own(attempt: Attempt, tags: dict[str, str]) -> str | None:
    """The release tag that the candidate has already."""
    named = (
        name
        for name, commit in sorted(tags.items())
        if commit == attempt.candidate
        if name == plain_tag(attempt) or _number(attempt, name) is not None
    )
    return next(named, None)


def release(attempt: Attempt, facts: Facts, known: ChannelFacts) -> Release | str:
    """The tag that the candidate's release has or would have; or why there is none, as a sentence."""
    if (there := own(attempt, known.tags)) is not None:
        return _with_workflows(attempt, known, there, there=True)
    if not known.reachable:
        return left(attempt)
    if busy := next((one.releasing for one in facts.siblings if one.releasing), None):
        return f"the tag {code(busy)} is being released: ask again when that has ended"
    if known.upstream_tags is None:
        return f"the tags of {code(attempt.upstream)} can't be read, so no name is known to be free"
    names_there = {*known.tags, *known.upstream_tags}
    free = next((one for one in possible_tags(attempt, known.tags) if one not in names_there), None)
    if free is None:
        return _taken(attempt, known)
    if (problem := _unfit(attempt, known, free)) is not None:
        return problem
    return _with_workflows(attempt, known, free, there=False)


def _unfit(attempt: Attempt, known: ChannelFacts, name: str) -> str | None:
    if problem := refnames.tag_problem(name):
        return f"no tag may have the name {code(name, 200)}: it {problem}"
    if name.startswith(f"{attempt.configuration.branches.prefix}/"):
        return f"the tag {code(name)} would be one of the App's own"
    if name in known.branches:
        return f"there is a branch {code(name)}: its runs couldn't be told from those of a tag of that name"
    return None


def _taken(attempt: Attempt, known: ChannelFacts) -> str:
    plain = plain_tag(attempt)
    owner = attempt.upstream if plain in (known.upstream_tags or ()) else attempt.repository
    public = attempt.configuration.channels.public
    said = f"{code(plain)} is a tag of {code(owner)} at another commit, and a published tag never moves"
    if public is not None and public.suffix is None:
        own = '`suffix = "-fork.{n}"` in `[channels.public]`'
        return f"{said}: give the release a name of its own, with {own}"
    return f"{said}; the next numbers behind it are taken too"


def _with_workflows(attempt: Attempt, known: ChannelFacts, tag: str, *, there: bool) -> Release | str:
    """Refuses a tag that starts nothing, or not the workflow that is waited for."""
    public = attempt.configuration.channels.public
    starts = workflow_triggers.started_by_tag(known.files, tag)
    wanted = f"{FOLDER}{public.workflow}" if public and public.workflow else None
    if wanted is None:
        if starts:
            return Release(tag=tag, there=there, starts=starts, waits=starts)
        return f"no workflow of the candidate starts for the tag {code(tag)}{_patterns(known, None)}"
    if wanted in starts:
        return Release(tag=tag, there=there, starts=starts, waits=(wanted,))
    document = known.files.get(wanted)
    file = code(wanted.removeprefix(FOLDER))
    if document is None:
        return f"the candidate has no workflow {file}"
    if isinstance(document, Broken):
        return f"{file} of the candidate can't be read: {inline(document.reason)}"
    return f"{file} of the candidate doesn't start for the tag {code(tag)}{_patterns(known, wanted)}"


def _patterns(known: ChannelFacts, path: str | None) -> str:
    told = [
        f"{code(one.removeprefix(FOLDER))} takes {', '.join(code(pattern, 100) for pattern in patterns[:5])}"
        for one, document in sorted(known.files.items())
        if path in (None, one)
        if (patterns := workflow_triggers.tag_patterns(document))
    ]
    return f" ({'; '.join(told[:3])})" if told else ""


def left(attempt: Attempt) -> str:
    """Why nothing is done for a candidate that was promoted once."""
    return f"the candidate is no longer on {code(attempt.stack)}"


def values(attempt: Attempt) -> dict[str, str]:
    """What the configuration's placeholders stand for."""
    return {"tag": attempt.tag, "version": versions.bare(attempt.tag), "stack": attempt.stack}
