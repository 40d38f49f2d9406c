"""What can go wrong at the edge to GitHub, in three kinds: later, no, bug.

`Later` is tried again by whoever called, `Refused` is told to a person, `Bug` stops the attempt. It
refuses to hold anything secret: messages come from GitHub's answers alone, cut to a bound, with
tokens struck out.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import httpx

# Long enough for any message of GitHub's, short enough for a page and a log line.
MESSAGE_BOUND: Final = 500
# "wait for at least one minute before retrying" where a secondary limit names no time:
# docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
SECONDARY_WAIT: Final = 60.0
# A clock that is wrong at either end must not park an attempt for a day; limits reset hourly.
LONGEST_WAIT: Final = 3900.0

_TOKENS = re.compile(r"(gh[pousr]_|github_pat_|v1\.)[A-Za-z0-9_.\-]{10,}|eyJ[\w\-]+\.[\w\-]+\.[\w\-]+")
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def clean(text: str, bound: int = MESSAGE_BOUND) -> str:
    """The text with tokens and URL credentials struck out, on one line, at most `bound` characters."""
    text = _CREDENTIALS_IN_URL.sub("", _TOKENS.sub("***", " ".join(text.split())))
    return text if len(text) <= bound else text[: bound - 1] + "…"


class GitHubError(Exception):
    """Something at the edge to GitHub went wrong; see the three kinds below."""

    def __init__(self, message: str) -> None:
        self.message = clean(message)
        super().__init__(self.message)


class Later(GitHubError):  # noqa: N818  (named by what to do, as the design does)
    """Try again, not before `retry_after` seconds where it is given."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unknown(Later):
    """A write was sent and its answer was lost: look for its success before trying again."""


class Refused(GitHubError):  # noqa: N818
    """GitHub says no (status 401, 403, 404, 409, 410, 422 ...): tell a person, don't repeat."""

    def __init__(self, status: int, message: str, documentation_url: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.documentation_url = documentation_url

    def __str__(self) -> str:
        return f"{self.message} ({self.status})" if self.status else self.message


class NotFound(Refused):
    """Status 404 (or GraphQL's NOT_FOUND): not there, or not to be seen by this token."""


class TooMany(Refused):
    """A listing is longer than the bound that was asked for; nothing is returned rather than a part."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class WorkflowsRefused(Refused):
    """The push or ref change touches workflow files and the token lacks `workflows: write`."""


class RefMoved(Refused):
    """A ref no longer has the value that we expected; nothing was moved."""

    def __init__(self, ref: str, expected: str, actual: str) -> None:
        super().__init__(409, f"{ref} is at {actual}, expected {expected}")
        self.ref = ref
        self.expected = expected
        self.actual = actual


class Bug(GitHubError):  # noqa: N818
    """We asked wrongly or don't understand the answer: stop, don't repeat."""


# Statuses that are GitHub's decision about this very request, not our mistake in asking.
# 406: a diff that is too large to be made.
_NO: Final = frozenset({401, 403, 404, 406, 409, 410, 422, 423, 451})


def from_response(response: httpx.Response, *, write: bool, now: float) -> GitHubError:
    """The error that an answer with status >= 400 stands for.

    `write`: a 5xx leaves open whether it was done. `now`: unix seconds, for `x-ratelimit-reset`.
    """
    status = response.status_code
    message, documentation = _message(response)
    where = f"{response.request.method} {response.request.url.path}: {message}"
    if (wait := rate_limit_wait(response, message, now)) is not None:
        return Later(where, wait)
    if status == 501:  # not a thing that GitHub does: whoever answers can't, and won't later
        return Bug(f"{where} ({status})")
    if status >= 500 or status == 408:
        kind = Unknown if write else Later
        return kind(f"{where} ({status})", _seconds(response.headers.get("retry-after")))
    if status == 404:
        return NotFound(status, where, documentation)
    if status in (403, 404, 422) and is_workflow_refusal(message):
        return WorkflowsRefused(status, where, documentation)
    if status in _NO:
        return Refused(status, where, documentation)
    return Bug(f"{where} ({status})")


def rate_limit_wait(response: httpx.Response, message: str, now: float) -> float | None:
    """Seconds to wait where the answer is a primary or secondary rate limit, else None.

    docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api: 403 or 429; `retry-after`
    counts first, then `x-ratelimit-reset` when none remain, else a minute.
    """
    if response.status_code not in (200, 403, 429):
        return None
    retry_after = _seconds(response.headers.get("retry-after"))
    exhausted = response.headers.get("x-ratelimit-remaining") == "0" and response.status_code != 200
    said = "rate limit" in message.lower() or "abuse detection" in message.lower()
    if not (
        exhausted or said or response.status_code == 429 or (retry_after and response.status_code == 403)
    ):
        return None
    if retry_after is not None:
        return retry_after
    reset = _seconds(response.headers.get("x-ratelimit-reset"), longest=None)
    if reset is not None and response.headers.get("x-ratelimit-remaining") == "0":
        return min(max(reset - now, 1.0), LONGEST_WAIT)
    return SECONDARY_WAIT


def from_transport(error: httpx.TransportError, request: str, *, write: bool) -> Later:
    """`Later`, or `Unknown` where the request may have arrived. `request`: method and path, to be told."""
    never_sent = isinstance(
        error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    )
    kind = Unknown if write and not never_sent else Later
    return kind(f"{request}: {type(error).__name__} {error}".rstrip())


def is_workflow_refusal(message: str) -> bool:
    """Whether GitHub's sentence says that `workflows` permission is missing.

    "refusing to allow a GitHub App to create or update workflow `...` without `workflows` permission"
    """
    text = message.lower()
    return "workflow" in text and "permission" in text and ("without" in text or "refusing" in text)


def _message(response: httpx.Response) -> tuple[str, str | None]:
    try:
        body: Any = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return f"{response.reason_phrase or 'no JSON answer'}", None
    if not isinstance(body, dict):
        return "an answer that is no JSON object", None
    parts = [str(body.get("message") or response.reason_phrase)]
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, str):
            parts.append(error)
        elif isinstance(error, dict):
            said = error.get("message") or " ".join(
                str(error[k]) for k in ("resource", "field", "code") if error.get(k)
            )
            parts.append(str(said))
    documentation = body.get("documentation_url")
    return "; ".join(part for part in parts if part), documentation if isinstance(
        documentation, str
    ) else None


def _seconds(value: str | None, longest: float | None = LONGEST_WAIT) -> float | None:
    try:
        seconds = max(float(value), 0.0) if value is not None else None
    except ValueError:
        return None  # an HTTP date, which GitHub doesn't send; the general rule applies
    if seconds is None or longest is None:
        return seconds
    return min(seconds, longest)
