"""What GitHub is like at times: limits, tokens that are too fresh, lists that lag, answers that break.

Counted in requests, the lag of lists by a clock that can be moved, so that nothing has to wait. Refuses to
change what is there: only answers are withheld.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from patch_app.forge import auth
from patch_app.forge.rest import ApiError

if TYPE_CHECKING:
    from patch_app.forge.core import Core

_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach "
    "out to GitHub Support for help, please include the request ID."
)
_UNICORN = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head><body></body></html>\n"
GRAPHQL = "/api/graphql"


class Mood(StrEnum):
    """How a request is answered instead."""

    # 403 with retry-after; by GraphQL 200 with an error of type RATE_LIMITED
    # (docs: "Rate limits and query limits for the GraphQL API")
    SECONDARY = "secondary"
    # 429, without a word on how long
    TOO_MANY = "too many"
    # 502 with a page of HTML, before anything was done
    BROKEN = "broken"
    # the same after it was done: the answer alone is lost
    LOST = "lost"


@dataclass(kw_only=True)
class _Wish:
    mood: Mood
    where: re.Pattern[str]
    times: int


class Moods:
    """`forge.moods`: what the next requests meet. `met`: those that met something, as "METHOD /path"."""

    def __init__(self, core: Core) -> None:
        self.met: list[str] = []
        # by which lists lag; a test's own, where that one is moved
        self.clock = core.options.clock
        self._core = core
        self._lock = threading.Lock()
        self._wishes: list[_Wish] = []
        self._taken: dict[str, int] = {}
        # ids from..to that were given out at a time
        self._born: list[tuple[int, int, datetime]] = []

    def next(self, mood: Mood, where: str = "", times: int = 1) -> None:
        """The next requests whose "METHOD /path" has `where` (a regular expression) are answered so."""
        with self._lock:
            self._wishes.append(_Wish(mood=mood, where=re.compile(where), times=times))

    def before(self, method: str, path: str, authorization: str | None) -> Response | None:
        """The answer to a request that isn't even looked at; None where it is dealt with as ever."""
        with self._lock:
            if self._is_too_young(authorization):
                self.met.append(f"{method} {path}")
                return JSONResponse(ApiError(401, "Bad credentials").body(), status_code=401)
            mood = self._take(method, path, {Mood.SECONDARY, Mood.TOO_MANY, Mood.BROKEN})
        return None if mood is None else _answer(mood, path)

    def after(self, method: str, path: str, answer: Response) -> Response:
        """What arrives of the answer, of the API's alone."""
        if not path.startswith("/api/"):
            return answer
        with self._lock:
            mood = self._take(method, path, {Mood.LOST})
        return answer if mood is None else _answer(mood, path)

    def made(self, before: int) -> None:
        """Ids from `before` on were given out by the request that ends now."""
        now = self._core.state.next_id
        if self._core.options.list_lag and now > before:
            with self._lock:
                self._born.append((before, now, self.clock()))

    def listed(self, body: Any) -> Any:
        """A list, or an object with one, as it is seen now: without what was made too lately."""
        if not self._core.options.list_lag:
            return body
        since = self.clock() - timedelta(seconds=self._core.options.list_lag)
        with self._lock:
            young = [(low, high) for low, high, at in self._born if at > since]
        if isinstance(body, dict) and "total_count" in body:
            return {key: self._old(value, young) for key, value in body.items()}
        return self._old(body, young)

    @staticmethod
    def _old(value: Any, young: list[tuple[int, int]]) -> Any:
        if not isinstance(value, list):
            return value
        return [
            row
            for row in value
            if not (isinstance(row, dict) and any(low < row.get("id", 0) <= high for low, high in young))
        ]

    def _is_too_young(self, authorization: str | None) -> bool:
        wanted = self._core.options.fresh_refusals
        if not wanted:
            return False
        try:
            token = auth.credentials(authorization)
        except ApiError:
            return False
        row = self._core.state.tokens.get(auth.digest(token)) if token else None
        if token is None or row is None or row.kind != "installation":
            return False
        seen = self._taken.get(token, 0)
        self._taken[token] = seen + 1
        return seen < wanted

    def _take(self, method: str, path: str, moods: set[Mood]) -> Mood | None:
        told = f"{method} {path}"
        for wish in self._wishes:
            if wish.times > 0 and wish.mood in moods and wish.where.search(told):
                wish.times -= 1
                self.met.append(told)
                return wish.mood
        return None


def _answer(mood: Mood, path: str) -> Response:
    match mood:
        case Mood.SECONDARY if path == GRAPHQL:
            return JSONResponse({"errors": [{"type": "RATE_LIMITED", "message": _SECONDARY}]})
        case Mood.SECONDARY:
            error = ApiError(403, _SECONDARY)
            return JSONResponse(error.body(), status_code=403, headers={"retry-after": "60"})
        case Mood.TOO_MANY:
            return JSONResponse(ApiError(429, _SECONDARY).body(), status_code=429)
        case Mood.BROKEN | Mood.LOST:
            return Response(_UNICORN, status_code=502, media_type="text/html")
