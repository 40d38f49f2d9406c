"""Requests, answers and routes of the local GitHub's REST side.

Its job: match a request to a handler, refuse loudly (501) what nobody wrote, and give handlers one small
context. It refuses to know what any route means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

from patch_app.forge.state import Json, Repository, Role

if TYPE_CHECKING:
    from patch_app.forge.auth import Caller
    from patch_app.forge.core import Core

DOCS = "https://docs.github.com/rest"
# Versions of the REST API that this server answers for.
VERSIONS = ("2022-11-28", "2026-03-10")


class ApiError(Exception):
    """An answer that is an error, in GitHub's shape: status, message and more keys."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.more = more

    def body(self) -> Json:
        """The JSON of the answer."""
        return {
            "message": self.message,
            **self.more,
            "documentation_url": DOCS,
            "status": str(self.status),
        }


def not_found() -> ApiError:
    """What GitHub says for what isn't there and for what is hidden alike."""
    return ApiError(404, "Not Found")


def forbidden() -> ApiError:
    """What GitHub tells an App or a job whose permissions don't reach."""
    return ApiError(403, "Resource not accessible by integration")


def invalid(resource: str, name: str, code: str, message: str | None = None) -> ApiError:
    """422 in the form of validation errors: resource, field, code."""
    error: Json = {"resource": resource, "field": name, "code": code}
    if message is not None:
        error["message"] = message
    return ApiError(422, "Validation Failed", errors=[error])


def unsupported(what: str) -> ApiError:
    """501: GitHub may know it, this server does not."""
    return ApiError(501, f"The local GitHub does not support {what}")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: `body` None is an empty one, bytes are sent as they are."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ctx:
    """What a handler gets besides the path's parts."""

    core: Core
    caller: Caller
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    json: Json
    version: str

    def page(self) -> tuple[int, int]:
        """(page, per_page); at most 100 a page, 30 by default, as GitHub."""

        def number(name: str, default: int) -> int:
            text = self.query.get(name, "")
            return max(1, int(text)) if text.isdigit() else default

        return number("page", 1), min(100, number("per_page", 30))

    def paged(
        self, rows: Sequence[Any], key: str | None = None, present: Callable[[Any], Any] | None = None
    ) -> Reply:
        """One page of `rows` with a Link header; under `key` with total_count where the API has that form."""
        page, size = self.page()
        part = rows[(page - 1) * size : page * size]
        shown = [present(row) for row in part] if present else list(part)
        body: Any = shown if key is None else {"total_count": len(rows), key: shown}
        return Reply(body=body, headers=self.links(page, max(1, -(-len(rows) // size))))

    def links(self, page: int, last: int) -> dict[str, str]:
        """The Link header of a page."""
        wanted: dict[str, int] = {}
        if page > 1:
            wanted |= {"prev": page - 1, "first": 1}
        if page < last:
            wanted |= {"next": page + 1, "last": last}
        if not wanted:
            return {}
        base = self.core.api_url + self.path

        def url(number: int) -> str:
            return f"<{base}?{urlencode({**self.query, 'page': str(number)})}>"

        return {"Link": ", ".join(f'{url(n)}; rel="{rel}"' for rel, n in wanted.items())}


Handler = Callable[..., Reply]


@dataclass(frozen=True, kw_only=True)
class Route:
    """A handler with what is checked before it runs."""

    method: str
    pattern: str
    regex: re.Pattern[str]
    handler: Handler
    # permission and level, e.g. ("contents", "write"); None: the handler decides
    need: tuple[str, str] | None
    # readable on a public repository without that permission
    public: bool
    # what a person needs on the repository; Apps and jobs need `need`
    role: Role
    query: frozenset[str]
    body: frozenset[str]


ROUTES: list[Route] = []


def _regex(pattern: str) -> re.Pattern[str]:
    text = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", pattern)
    return re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text) + "$")


def route(
    method: str,
    pattern: str,
    *,
    need: tuple[str, str] | None = None,
    public: bool = True,
    role: Role | None = None,
    query: Sequence[str] = (),
    body: Sequence[str] = (),
) -> Callable[[Handler], Handler]:
    """Register a handler. `{owner}/{repo}` in the pattern becomes one `repo: Repository` argument."""

    def register(handler: Handler) -> Handler:
        ROUTES.append(
            Route(
                method=method,
                pattern=pattern,
                regex=_regex(pattern),
                handler=handler,
                need=need,
                public=public and method == "GET",
                role=role or ("write" if need is not None and need[1] == "write" else "read"),
                query=frozenset(query) | {"page", "per_page"},
                body=frozenset(body),
            )
        )
        return handler

    return register


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request; fixed text wins over parameters. Errors: ApiError 501 naming the request."""
    fits = [(r, found) for r in ROUTES if r.method == method and (found := r.regex.match(path))]
    if not fits and path.endswith("/"):
        return find(method, path.rstrip("/"))
    if not fits:
        raise unsupported(f"{method} {path}")
    rule, found = max(fits, key=lambda row: len(re.sub(r"\{[^}]*\}", "", row[0].pattern)))
    return rule, {k: unquote(v) for k, v in found.groupdict().items()}


def check_shape(rule: Route, query: Mapping[str, str], body: Json) -> None:
    """Errors: ApiError 501 for parameters that the handler would silently ignore."""
    unknown = sorted(set(query) - rule.query)
    if unknown:
        raise unsupported(f"the query parameter {', '.join(unknown)} of {rule.method} {rule.pattern}")
    unread = sorted(set(body) - rule.body)
    if unread:
        raise unsupported(f"the body parameter {', '.join(unread)} of {rule.method} {rule.pattern}")


def text_of(body: Json, name: str, *, resource: str, required: bool = True) -> str:
    """A string of the body. Errors: ApiError 422 when it is missing or no string."""
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise invalid(resource, name, "missing_field" if value is None else "invalid")
    return value


def number_of(text: str) -> int:
    """A number of the path. Errors: ApiError 404."""
    if not text.isdigit():
        raise not_found()
    return int(text)


__all__ = [
    "DOCS",
    "ROUTES",
    "VERSIONS",
    "ApiError",
    "Ctx",
    "Reply",
    "Repository",
    "check_shape",
    "find",
    "forbidden",
    "invalid",
    "not_found",
    "number_of",
    "route",
    "text_of",
    "unsupported",
]
