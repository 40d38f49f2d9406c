"""`/patch carry-over` in a comment on a person's pull request: begins an attempt, or says why not.

A delivery only says where to look: the comments, who wrote them and what they may do are read from GitHub.
What was answered is known by the answer's hidden marker, what was begun by the attempt. Refuses to obey bots,
edited comments, and anybody without write permission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from patch_app.core import carry_over_texts, carry_overs, commands, names
from patch_app.core.approval import MAY_WRITE
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.carry_over import CarryOver
from patch_app.core.carry_overs import ANSWER
from patch_app.core.commands import Command, Name, Unknown
from patch_app.core.configuration import Branches, Configuration
from patch_app.core.markdown import code, inline
from patch_app.github import carry_overs as readings
from patch_app.github import reading
from patch_app.github.asking import Comment
from patch_app.github.carry_overs import Pull
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.store.attempts import AdvanceCommit
from patch_app.store.forks import Fork
from patch_app.store.store import Store

TALK: Final = {
    "metadata": "read",
    "contents": "read",
    "pull_requests": "write",
    "issues": "write",
}
# earlier promotions of the branch that a pull request may have been made before
MOST_PROMOTIONS: Final = 5

log = structlog.get_logger("carry-over")


@dataclass(frozen=True, kw_only=True)
class CarryOvers:
    """What dealing with the command needs. `app_slug`: the App's own name, by which it knows its words."""

    app: GitHubApp
    app_slug: str
    store: Store
    clock: Callable[[], datetime]

    async def asked(self, fork: Fork, number: int) -> set[str]:
        """Deal with what was asked for on a pull request; the attempts to look at. Safe to repeat.

        Raises Later, Refused, Bug.
        """
        theirs = await self.store.attempts_of(fork.repository_id)
        if number in {link.number for one in theirs for link in (one.pull_request, one.issue) if link}:
            return set()  # the attempt's own: it answers there
        client = await self.app.installation(fork.installation_id, fork.repository_id, TALK)
        pull = await readings.pull(client, fork.repository, number, self.app_slug)
        wake: set[str] = set()
        for comment in self._waiting(pull, theirs) if pull is not None and not pull.ours else ():
            wake |= await self._one(fork, client, pull, comment) if pull is not None else set()
        return wake

    def _waiting(self, pull: Pull, attempts: list[Attempt]) -> list[Comment]:
        """Comments that ask for a carry-over and have neither an answer nor an attempt."""
        told = "".join(one.body for one in pull.comments if one.bot and one.person == self.app_slug)
        begun = {one.carry_over.ask for one in attempts if one.carry_over is not None}
        return [
            one
            for one in pull.comments
            if not (one.bot or one.edited)
            and _ask(one) not in begun
            and f"<!-- {ANSWER}{_ask(one)} -->" not in told
            and any(_is_wanted(found) for found in commands.parse(one.body))
        ]

    async def _one(self, fork: Fork, client: InstallationClient, pull: Pull, comment: Comment) -> set[str]:
        found = await self._judged(fork, client, pull, comment)
        if isinstance(found, Attempt):
            log.info("carry-over", repository=fork.repository, pull_request=pull.number, attempt=found.id)
            heard = f"{comment.person} asked to carry pull request #{pull.number} over"
            await self.store.advance(
                AdvanceCommit(expected_version=None, attempt=found, due=self.clock(), history=[heard])
            )
            return {found.id}
        log.info("no carry-over", repository=fork.repository, pull_request=pull.number, reason=found)
        path = f"/repos/{fork.repository}/issues"
        await client.post(f"{path}/comments/{comment.id}/reactions", {"content": "confused"})
        said = carry_over_texts.refusal(comment.person, [found])
        body = {"body": f"<!-- {ANSWER}{_ask(comment)} -->\n{said}"}
        await client.post(f"{path}/{pull.number}/comments", body)
        return set()

    async def _judged(
        self, fork: Fork, client: InstallationClient, pull: Pull, comment: Comment
    ) -> Attempt | str:
        """The attempt to begin, or a sentence why there is none."""
        asked = next(one for one in commands.parse(comment.body) if _is_wanted(one))
        if isinstance(asked, Unknown):
            return f"{code(f'/patch {asked.text}', 120)}: {asked.problem}; did you mean `/patch carry-over`?"
        permission = await reading.permission(client, fork.repository, comment.person)
        if permission not in MAY_WRITE:
            return f"`/patch carry-over` needs write permission here, and you have {inline(permission)}."
        if not pull.open:
            return "this pull request is closed, so there is nothing to carry over."
        promoted = await self._promoted(fork, pull.into)
        if not promoted:
            return f"no promotion has moved {code(pull.into)}, so there is nothing to carry over."
        return await self._begun(fork, client, pull, comment, promoted)

    async def _promoted(self, fork: Fork, branch: str) -> list[Attempt]:
        """The last promotions of a maintained branch, newest first."""
        known = await self.store.siblings(fork.repository_id, branch)
        promoted = [one for one in known if one.stage is Stage.PROMOTED and one.candidate and one.stack_head]
        promoted.sort(key=lambda one: one.completed or one.updated, reverse=True)
        return promoted[:MOST_PROMOTIONS]

    async def _begun(
        self, fork: Fork, client: InstallationClient, pull: Pull, comment: Comment, promoted: list[Attempt]
    ) -> Attempt | str:
        latest, name = promoted[0], fork.repository
        candidate, into = str(latest.candidate), code(pull.into)
        head = await reading.ref(client, name, names.head(pull.into))
        if head != candidate and not await reading.is_ancestor(client, name, candidate, (head,)):
            return f"{into} is no longer what was promoted, so there is nothing to carry this onto."
        above = await reading.compare(client, name, candidate, pull.head)
        if above is None:
            return "GitHub can't compare this pull request with the branch now; ask again in a while."
        if above["behind_by"] == 0:
            return f"this pull request stands on {into} as it was promoted already: nothing to carry over."
        ground = await readings.ground(client, name, pull.head, [str(one.stack_head) for one in promoted])
        if ground is None or await reading.is_ancestor(client, name, ground.base, (head,)):
            return (
                f"{into} still has all that this pull request stands on, so there is nothing to carry over."
            )
        if ground.own == 0:
            return (
                f"all commits of this pull request were {into}'s before: there are none of its own to carry."
            )
        stack = names.pull_ref(pull.number)
        event = names.carry_over_id(fork.repository_id, pull.number, latest.id)
        earlier = [one for one in await self.store.siblings(fork.repository_id, stack) if one.event == event]
        under_way = (one for one in earlier if one.open and one.stage is not Stage.CONFLICT)
        if any(one.stack_head == pull.head for one in under_way):
            return "this is being carried over already; the answer comes when that has ended."
        before = next(one for one in promoted if one.stack_head == ground.old)
        now, number = self.clock(), len(earlier) + 1
        prefix = latest.configuration.branches.prefix
        return Attempt(
            id=names.attempt_id(event, fork.repository_id, stack, number),
            event=event,
            number=number,
            replay_of=earlier[-1].id if earlier else None,
            installation_id=fork.installation_id,
            repository_id=fork.repository_id,
            repository=fork.repository,
            upstream=latest.upstream,
            tag=latest.tag,
            stack=stack,
            carry_over=self._carry_over(fork, pull, comment, before, latest),
            configuration=Configuration(branches=Branches(prefix=prefix)),
            target=candidate,
            base=ground.base,
            merge_base=ground.base,
            stack_head=pull.head,
            ahead=above["ahead_by"],
            created=now,
            updated=now,
        )

    def _carry_over(
        self, fork: Fork, pull: Pull, comment: Comment, before: Attempt, latest: Attempt
    ) -> CarryOver:
        configuration = fork.configuration or latest.configuration
        maintained = carry_overs.maintained(configuration, fork.default_branch, pull.branch)
        barred = carry_overs.barred(
            here=pull.here,
            branch=pull.branch,
            default_branch=fork.default_branch,
            maintained={*maintained, pull.into},
            prefix=latest.configuration.branches.prefix,
        )
        return CarryOver(
            number=pull.number,
            url=pull.url,
            into=pull.into,
            old=str(before.stack_head),
            promoted=latest.id,
            branch=pull.branch,
            repository=pull.repository,
            here=pull.here,
            person=comment.person,
            ask=_ask(comment),
            comment=comment.id,
            barred=barred,
        )


def _ask(comment: Comment) -> str:
    return f"comment:{comment.id}"


def _is_wanted(found: Command | Unknown) -> bool:
    """Or misspelled: whoever wrote it is told."""
    return (found.nearest if isinstance(found, Unknown) else found.name) is Name.CARRY_OVER
