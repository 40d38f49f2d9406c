"""Which repository a fork follows: known by its id, since a name or a parent can become another repository's.

Where an upstream is deleted, GitHub names the oldest public fork of it the parent of all others, and its name
is free for anybody ("Deleting a repository", docs.github.com). A rename or a transfer keeps the id. Pure.
"""

from __future__ import annotations

from pydantic import Field

from patch_app.core.model import Model
from patch_app.core.names import CONFIGURATION_PATH


class Repository(Model):
    """A repository as GitHub has it: its id, and its owner/name of today."""

    id: int
    name: str


class Followed(Model):
    """What a fork has followed until now: its first parent, and which repository each name has led to."""

    parent: Repository | None = None
    # owner/name in lower case -> id
    names: dict[str, int] = Field(default_factory=dict)


class Seen(Model):
    """What GitHub and the configuration say now. `named`: what the configured name leads to, None: unseen."""

    configured: str | None = None
    pinned: int | None = None
    parent: Repository | None = None
    named: Repository | None = None


class Problem(Model):
    """Why no release is taken, and what to do; neither ends with a stop."""

    sentence: str
    remedy: str

    @property
    def line(self) -> str:
        """Both, as an attempt's message has them."""
        return f"{self.sentence}: {self.remedy}"


class Look(Model):
    """What is followed from now on, and what is in the way; nothing is remembered of what is in the way."""

    followed: Followed
    problem: Problem | None = None


def look(before: Followed, seen: Seen) -> Look:
    """Hold what is seen against what was followed. What was never seen before is believed."""
    parent = before.parent or seen.parent
    if parent is not None and seen.parent is not None and parent.id == seen.parent.id:
        parent = seen.parent
        before = _with_names(before, parent.id, parent.name)
    before = before.model_copy(update={"parent": parent})
    if seen.configured is None:
        return Look(followed=before, problem=_of_parent(parent, seen))
    if seen.named is None:
        return Look(followed=before)  # that it can't be seen is another finding
    known = before.names.get(seen.configured.lower())
    if seen.pinned is not None and seen.pinned != seen.named.id:
        why = f"{seen.configured} is repository {seen.named.id}, and the configuration names {seen.pinned}"
        return Look(followed=before, problem=_pinned(why))
    if seen.pinned is None and known not in (None, seen.named.id):
        return Look(followed=before, problem=_taken(seen.configured, known, seen.named.id))
    return Look(followed=_with_names(before, seen.named.id, seen.configured, seen.named.name))


def other_now(name: str, was: int, now: int) -> Problem:
    """A name that led to one repository when an attempt began, and leads to another one now."""
    return _taken(name, was, now)


def follows(followed: Followed, seen: Seen, repository: Repository, name: str) -> bool:
    """Whether a release of this repository, heard of by `name`, is one of what the fork follows."""
    if seen.configured is not None:
        known = followed.names.get(seen.configured.lower())
        return seen.configured.lower() in (name.lower(), repository.name.lower()) or known == repository.id
    return seen.parent is not None and seen.parent.id == repository.id


def aliases(followed: Followed, name: str) -> frozenset[str]:
    """The names, in lower case, under which this upstream was followed: a rename gives it another."""
    known = followed.names.get(name.lower())
    same = (one for one, number in followed.names.items() if known is not None and number == known)
    return frozenset({name.lower(), *same})


def _with_names(followed: Followed, number: int, *names: str) -> Followed:
    return followed.model_copy(update={"names": {**followed.names, **{one.lower(): number for one in names}}})


def _of_parent(first: Repository | None, seen: Seen) -> Problem | None:
    now = seen.parent
    if now is None and first is not None:
        return Problem(
            sentence=f"GitHub names no parent of this fork any more, and it was {first.name}",
            remedy=f"name the upstream as [upstream] repository in {CONFIGURATION_PATH}",
        )
    if now is None or first is None:
        return None
    if seen.pinned is not None and seen.pinned != now.id:
        return _pinned(
            f"the parent {now.name} is repository {now.id}, and the configuration names {seen.pinned}"
        )
    if seen.pinned is None and first.id != now.id:
        return Problem(
            sentence=(
                f"GitHub names {now.name} the parent of this fork, and it was {first.name}, another "
                "repository, as where that was deleted"
            ),
            remedy=(
                f"name the upstream, whichever it is, as [upstream] repository in {CONFIGURATION_PATH}; "
                f"nothing of {now.name} is taken before"
            ),
        )
    return None


def _taken(name: str, was: int | None, now: int) -> Problem:
    return Problem(
        sentence=(
            f"{name} is another repository now ({now}) than the one that was followed by this name ({was}), "
            "as where somebody made it anew"
        ),
        remedy=(
            f"where it is meant, set repository_id = {now} under [upstream] in {CONFIGURATION_PATH}; else "
            "name another repository there"
        ),
    )


def _pinned(why: str) -> Problem:
    return Problem(
        sentence=why, remedy=f"mend repository or repository_id under [upstream] in {CONFIGURATION_PATH}"
    )
