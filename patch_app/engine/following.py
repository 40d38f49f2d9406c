"""Which repository each fork has followed, remembered for as long as the store lasts.

Kept beside the forks, not with them: a fork that is forgotten while its installation is suspended must not
come back and believe whatever GitHub names its parent then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from patch_app.core import names
from patch_app.core.attempt import Attempt
from patch_app.core.model import Model
from patch_app.core.upstreams import Followed, Problem, Seen, aliases, look
from patch_app.store.store import Store

# of one repository, one after the other
_MOST_NAMES: Final = 10


class Following(Model):
    """What a fork has followed until now, and why it follows nothing now, where that is so."""

    followed: Followed = Followed()
    problem: Problem | None = None


async def known(store: Store, repository_id: int) -> Following:
    """Of one fork, as it was last read."""
    kept = await store.cursor(_name(repository_id))
    return Following() if kept is None else Following.model_validate(kept)


async def remember(store: Store, repository_id: int, seen: Seen) -> Following:
    """The same, held against what is seen now, and kept."""
    before = await known(store, repository_id)
    found = look(before.followed, seen)
    after = Following(followed=found.followed, problem=found.problem)
    if after != before:
        await _keep_heard(store, before.followed, after.followed)
        await store.set_cursor(_name(repository_id), after.model_dump(mode="json"))
    return after


async def _keep_heard(store: Store, before: Followed, after: Followed) -> None:
    """A renamed upstream's releases are those that were heard of under its old name."""
    for name in set(after.names) - set(before.names):
        for old in aliases(after, name) & set(before.names):
            await store.set_cursor(_renamed(old), {"name": name})
            heard = await store.cursor(heard_of(old))
            if heard is not None and await store.cursor(heard_of(name)) is None:
                await store.set_cursor(heard_of(name), heard)


async def names_since(store: Store, upstream: str) -> set[str]:
    """The name in lower case, and those that a repository of this name was given since, as far as is known.

    Where to look, no more: whether a fork follows it says the id.
    """
    found = {upstream.lower()}
    at: str | None = upstream.lower()
    while at is not None and len(found) <= _MOST_NAMES:
        kept = await store.cursor(_renamed(at))
        at = kept["name"] if kept and kept["name"] not in found else None
        found |= {at} if at is not None else set()
    return found


def heard_of(upstream: str) -> str:
    """Under which name what was read of an upstream's releases is kept."""
    return f"releases:{upstream.lower()}"


def under(attempts: Iterable[Attempt], upstream: str | None, followed: Followed) -> list[Attempt]:
    """The attempts, those for the upstream under an older name as if it had always had this one."""
    if upstream is None:
        return list(attempts)
    old = aliases(followed, upstream) - {upstream.lower()}
    return [
        one.model_copy(update={"upstream": upstream, "event": names.event_id(upstream, one.tag)})
        if one.upstream.lower() in old and one.carry_over is None
        else one
        for one in attempts
    ]


def _renamed(name: str) -> str:
    return f"renamed:{name}"


def _name(repository_id: int) -> str:
    return f"upstream:{repository_id}"
