"""Answers of GitHub's GraphQL API: data and errors side by side, since a part may be good.

It refuses to drop errors: either the caller looks at them or `need` raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx

from patch_app.github.errors import (
    Bug,
    GitHubError,
    Later,
    NotFound,
    Refused,
    Unknown,
    WorkflowsRefused,
    clean,
    is_workflow_refusal,
    rate_limit_wait,
)

_REFUSALS: Final = {"FORBIDDEN": 403, "INSUFFICIENT_SCOPES": 403, "UNPROCESSABLE": 422, "STALE_DATA": 409}
_PASSING: Final = frozenset({"INTERNAL", "SERVICE_UNAVAILABLE", "TIMEOUT", "LOADING"})
_LIMITS: Final = frozenset({"RATE_LIMITED", "RATE_LIMIT"})


@dataclass(frozen=True, kw_only=True)
class GraphQLError:
    """One entry of `errors`. `path` leads to the part of the data that is null because of it."""

    type: str
    message: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GraphQL:
    """What came: `data` may have nulls where `errors` say why."""

    data: dict[str, Any]
    errors: tuple[GraphQLError, ...] = ()

    def need(self) -> dict[str, Any]:
        """The data, where nothing went wrong; else raises what the first error stands for."""
        if self.errors:
            raise as_exception(self.errors[0], write=False)
        return self.data


def read_answer(response: httpx.Response, answer: Any, *, write: bool, now: float) -> GraphQL:
    """Data and errors of a 200. Raises Later for rate limits and passing faults, Unknown for a mutation's.

    An answer without any data and only errors raises what the first one stands for.
    """
    if not isinstance(answer, dict):
        raise Bug("GraphQL: the answer is no JSON object")
    errors = tuple(_error(entry) for entry in answer.get("errors") or [])
    for error in errors:
        if error.type in _LIMITS:
            wait = rate_limit_wait(response, "rate limit", now)
            raise Later(f"GraphQL: {error.message}", wait)
    data = answer.get("data")
    if isinstance(data, dict) and any(value is not None for value in data.values()):
        return GraphQL(data=data, errors=errors)
    if not errors:
        if isinstance(data, dict):
            return GraphQL(data=data)
        raise Bug("GraphQL: the answer has neither data nor errors")
    # Only passing faults and our own mistakes are raised here: a query for things that are all
    # missing is answered with nulls and the reasons, which the caller may want to tell apart.
    exception = as_exception(errors[0], write=write)
    if isinstance(exception, Refused) and isinstance(data, dict) and not write:
        return GraphQL(data=data, errors=errors)
    raise exception


def as_exception(error: GraphQLError, *, write: bool) -> GitHubError:
    """The kind of trouble that one GraphQL error is."""
    message = f"GraphQL: {error.message}"
    if is_workflow_refusal(error.message):
        return WorkflowsRefused(403, message)
    if error.type == "NOT_FOUND":
        return NotFound(404, message)
    if error.type in _REFUSALS:
        return Refused(_REFUSALS[error.type], message)
    # "Something went wrong while executing your query" comes with a 200 and without a type.
    if error.type in _PASSING or error.message.startswith("Something went wrong"):
        return (Unknown if write else Later)(message)
    return Bug(message)


def _error(entry: Any) -> GraphQLError:
    if not isinstance(entry, dict):
        return GraphQLError(type="", message=clean(str(entry)))
    path = tuple(part for part in entry.get("path") or () if isinstance(part, (str, int)))
    code = (entry.get("extensions") or {}).get("code") if isinstance(entry.get("extensions"), dict) else None
    return GraphQLError(
        type=str(entry.get("type") or code or "").upper(), message=clean(str(entry.get("message"))), path=path
    )
