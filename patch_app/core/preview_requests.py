"""What the onboarding pull request's preview is to carry: the last releases that the fork would take.

Refuses to ask for more than three, and for anything that would execute.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from patch_app.core import configuration, releases, request
from patch_app.core.attempt import Attempt
from patch_app.core.configuration import Configuration
from patch_app.core.detect import ReleaseReading
from patch_app.core.previewed import MOST, Target

# no attempt has letters beyond f in its id
ATTEMPT: Final = "onboarding"
# the committer's date of what is carried and thrown away: the same request is the same bytes
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


def targets(found: Iterable[ReleaseReading], policy: configuration.Upstream) -> tuple[Target, ...]:
    """The newest releases that the policy takes, in the listing's order; their age aside."""
    ageless = policy.model_copy(update={"minimum_age": 0})
    out = []
    for one in found:
        release = releases.Release(tag=one.tag, prerelease=one.prerelease, published=_EPOCH)
        if one.commit and isinstance(releases.accepts(release, ageless, _EPOCH), releases.Accepted):
            out.append(Target(tag=one.tag, commit=one.commit))
    return tuple(out[:MOST])


def requests(
    wanted: Iterable[Target], settings: Configuration, *, branch: str, head: str, upstream: str, git_url: str
) -> bytes:
    """The requests as the runner reads them, a JSON list. Without checks and resolver: nothing is
    executed.
    """
    bare = settings.model_copy(update={"check": (), "resolver": None})
    texts = [
        request.request(
            Attempt(
                id=ATTEMPT,
                event="",
                installation_id=0,
                repository_id=0,
                repository="",
                upstream=upstream,
                tag=one.tag,
                target=one.commit,
                stack=branch,
                stack_head=head,
                configuration=bare,
                bundle_from="target",
                created=_EPOCH,
                updated=_EPOCH,
            ),
            git_url,
            # nothing is handed over, so nothing has to be vouched for
            app=0,
        )
        for one in wanted
    ]
    return f"[{','.join(texts)}]".encode()
