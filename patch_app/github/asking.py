"""What people ask an attempt for: commands in comments, and buttons pressed. Reads who may ask.

Takes no comment of a bot, and none that was edited: whoever may write can edit another's comment, and
only the author is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from patch_app.core import commands
from patch_app.core.asks import ANSWER
from patch_app.core.attempt import Attempt, Press
from patch_app.core.facts import Ask
from patch_app.core.model import Model
from patch_app.github import reading
from patch_app.github.client import Client

# the person who runs the server has its administrator's token
OPERATOR = "admin"


class Comment(Model):
    """A comment on an issue or pull request of the attempt."""

    id: int
    # of the issue or pull request
    number: int
    person: str
    bot: bool
    body: str
    edited: bool = False


async def asks(
    client: Client, attempt: Attempt, comments: Sequence[Comment], app_slug: str
) -> tuple[Ask, ...]:
    """What was asked for and has no answer yet, oldest first, with each person's permission as it is now."""
    told = "".join(one.body for one in comments if one.bot and one.person == app_slug)
    found = [_pressed(one) for one in attempt.presses if one.id not in attempt.answered]
    for comment in comments:
        name = f"comment:{comment.id}"
        # the record, or after its loss our own answer
        known = name in attempt.answered or f"<!-- {ANSWER}{name} -->" in told
        if known or comment.bot or comment.edited or "/patch" not in comment.body:
            continue
        wanted = commands.parse(comment.body)
        if wanted:
            found.append(
                Ask(
                    id=name,
                    person=comment.person,
                    permission="",
                    commands=wanted,
                    number=comment.number,
                    comment=comment.id,
                )
            )
    may = {
        one.person: await reading.permission(client, attempt.repository, one.person)
        for one in found
        if one.person
    }
    return tuple(
        one.model_copy(update={"permission": may[one.person]} if one.person else {"permission": OPERATOR})
        for one in found
    )


def _pressed(press: Press) -> Ask:
    # a button has no place for an argument: it is about the commit of its check run
    of_commit = press.commit is not None and press.command == commands.Name.TRUST_WORKFLOWS
    written = f"{press.command} {press.commit}" if of_commit else press.command
    return Ask(
        id=press.id,
        person=press.person,
        permission="",
        commands=commands.parse(f"/patch {written}"),
        commit=press.commit,
    )
