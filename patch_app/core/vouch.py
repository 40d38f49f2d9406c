"""Who vouches for an inbox commit: what was read of its token and of the job's log, and what is kept of it.

Records alone; what they are worth is weighed in `vouching`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from patch_app.core.model import Model


class By(StrEnum):
    """What it was that vouched."""

    # a token that GitHub has signed for the carry job
    SIGNATURE = "signature"
    # a line of the carry job's log, where no token can be had; never enough for `auto`
    LOG = "log"


class Claims(Model):
    """What a token says whose signature is one of GitHub's: ids and numbers are text, as they come.

    docs.github.com/actions/reference/security/oidc, "OIDC token claims". `sub` is left out: its form is each
    repository's own choice.
    """

    # id of the key that it was signed with
    key: str
    audience: str
    # seconds since 1970
    issued: int
    repository: str
    repository_id: str
    run_id: str
    run_attempt: str
    event_name: str
    workflow_ref: str
    workflow_sha: str
    job_workflow_ref: str | None = None


class Token(Model):
    """The token that lies on top of an inbox commit; one of the three is there."""

    claims: Claims | None = None
    # why it is none of GitHub's
    problem: str = ""
    # why nobody knows yet: GitHub's keys can't be had now
    unread: str = ""


class CarryLog(Model):
    """Lines of our own in the whole log of one carry job."""

    job: int
    # inbox commits that its lines name, as often as they do
    commits: tuple[str, ...] = ()
    # why GitHub took nothing from it, as its lines say
    refused: tuple[str, ...] = ()
    # why there is none: deleted, or not there yet
    missing: str = ""
    # why it can't be weighed: it is too long
    problem: str = ""


class Vouch(Model):
    """What vouched for the report that an attempt goes by."""

    by: By
    commit: str
    # the commit on top of it that has the token
    tip: str | None = None
    run: int
    run_attempt: int
    # of a signature
    key: str | None = None
    issued: datetime | None = None
    # of a log
    job: int | None = None
