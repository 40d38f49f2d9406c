"""The commit and the pull request that bring a candidate onto a branch that is never forced.

Makes one commit of fixed bytes and one branch for it, and reads what became of the pull request. Moves no
branch but its own, and that from exactly the value that was expected.
"""

from __future__ import annotations

from collections.abc import Sequence

from patch_app.core import landing, names
from patch_app.core.attempt import Attempt, Landed, Stage
from patch_app.core.effects import Land
from patch_app.core.facts import PullRequest
from patch_app.github import reading, receive_pack, reviewing
from patch_app.github.client import GitHubApp, InstallationClient
from patch_app.github.document import Answer, Document
from patch_app.github.footprint import own_commit
from patch_app.github.gitobjects import object_id, write_pack
from patch_app.github.transport import segment

# attempts of a stack that may have brought it onto its branch last, and that nobody saw do so
_LOOKED_AT = 5


def ask(document: Document, attempt: Attempt) -> None:
    """Adds the pull request to a query, where there is one that isn't over."""
    link = landing.live(attempt)
    if link is not None:
        document.add("landing", "pullRequest", "number", link.number, reviewing.FIELDS)


def pull_request(answer: Answer) -> PullRequest | None:
    """The pull request, None where it wasn't asked for or isn't there."""
    return reviewing.shown(answer.fork.get("landing"))


async def make(app: GitHubApp, client: InstallationClient, attempt: Attempt, effect: Land) -> str:
    """The commit's id, once its branch is there. Raises RefMoved, Refused, Later, Bug.

    Of fixed bytes, so that a second try makes the same commit and knows the branch for its own.
    """
    found = await client.get(f"/repos/{attempt.repository}/git/commits/{segment(effect.candidate)}")
    body = own_commit(
        tree=found["tree"]["sha"],
        parents=(effect.onto, effect.candidate),
        message=effect.message,
        seconds=int(attempt.created.timestamp()),
    )
    commit = object_id("commit", body)
    if await reading.ref(client, attempt.repository, effect.ref) != commit:
        url, pack = app.git_url(attempt.repository), write_pack([("commit", body)])
        command = (effect.before, commit, effect.ref)
        await client.git(
            lambda token, sleep: receive_pack.push(app.http, url, token, [command], pack, sleep=sleep)
        )
    return commit


async def landed(
    client: InstallationClient, attempt: Attempt, siblings: Sequence[Attempt], head: str
) -> tuple[Landed | None, str | None]:
    """How the stack came onto its branch, where that was by a pull request of ours; and what it stands on,
    where nothing else has come onto the branch since.

    Whoever merged it and whatever has become of the attempt: that the branch has the commit is what counts.
    """
    made = [one for one in siblings if one.landing is not None and one.landing.commit and one.stack_head]
    made.sort(key=lambda one: one.created, reverse=True)
    # however many were closed since, as each is whose branch moves
    older = [one for one in made[_LOOKED_AT:] if one.stage is Stage.PROMOTED]
    for one in (*made[:_LOOKED_AT], *older[:_LOOKED_AT]):
        commit, onto = (one.landing.commit if one.landing else None) or "", one.stack_head or ""
        compared = (
            await reading.compare(client, attempt.repository, commit, head) if head != names.ZERO else None
        )
        if compared is None or compared["behind_by"] != 0:
            continue
        parents = [parent["sha"] for first in compared["commits"][:1] for parent in first["parents"]]
        alone = compared["ahead_by"] == 1 and parents == [onto, commit]
        stands = alone and one.upstream == attempt.upstream and one.stage is Stage.PROMOTED
        return Landed(commit=commit, onto=onto), one.target if stands else None
    return None, None
