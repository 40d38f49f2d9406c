"""Logs: structured, on standard error, and without secrets, whoever writes the line.

Lines of the libraries (uvicorn, httpx, alembic) go the same way. Refuses to trust the caller: known
secret values and everything shaped like a credential are taken out of every event.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, TextIO

import structlog
from pydantic import SecretStr

from patch_app.settings import LogFormat, LogLevel

REMOVED: Final = "[removed]"

# a value under such a name is never written, whatever it looks like
_SECRET_NAMES: Final = re.compile(
    r"authorization|cookie|secret|password|passwd|private_?key|(?:^|[_-])(?:token|jwt|pem)$", re.IGNORECASE
)
_PATTERNS: Final = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        # token formats: github.blog "Behind GitHub's new authentication token formats"
        (r"\bgh[a-z]_[A-Za-z0-9_.\-]+", 0),
        (r"\bgithub_pat_[A-Za-z0-9_]+", 0),
        # any JSON Web Token
        (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*", 0),
        (r"\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=\-]+", re.IGNORECASE),
        (r"x-access-token:[^@\s\"'\\]+", re.IGNORECASE),
        # a user and password in a URL
        (r"(?<=://)[^/\s@\"'\\]+:[^/\s@\"'\\]+(?=@)", 0),
    )
)
# what structlog calls the texts of several lines that it makes itself
_TRACEBACKS: Final = frozenset({"exception", "stack"})
# shorter ones would take ordinary words out
_MIN_KNOWN: Final = 6


def visible(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor: what a terminal would obey, and what hides or reorders text, is written as its
    escape. A traceback keeps its lines, moved in: nothing else can begin one.
    """
    return {
        key: held if key.startswith("_") else _visible(held, lines=key in _TRACEBACKS)
        for key, held in dict(event).items()
    }


def _visible(value: Any, *, lines: bool = False) -> Any:
    match value:
        case str():
            if value.isprintable():
                return value
            kept = "\n" if lines else ""
            return "".join(
                char if char.isprintable() or char in kept else ascii(char)[1:-1] for char in value
            ).replace("\n", "\n    ")
        case dict():
            return {_visible(key): _visible(held) for key, held in value.items()}
        case list():
            return [_visible(held) for held in value]
        case _:
            return value


class Redactor:
    """Takes secrets out of text and of structlog events."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        values = {secret.get_secret_value() for secret in secrets}
        lines = {line for value in values if "\n" in value for line in value.splitlines()}
        known = {one for one in values | lines if len(one) >= _MIN_KNOWN}
        known |= {repr(one)[1:-1] for one in known}
        # the longest first: one secret may be the beginning of another
        self._known = tuple(sorted(known, key=len, reverse=True))

    def text(self, text: str) -> str:
        """The text without what is or looks like a secret."""
        for value in self._known:
            text = text.replace(value, REMOVED)
        for pattern in _PATTERNS:
            text = pattern.sub(REMOVED, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """The same for any value; what isn't plain data becomes text."""
        if name and _SECRET_NAMES.search(name) and value is not None:
            return REMOVED
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode("utf-8", "replace"))
            case Mapping():
                return {self.text(str(key)): self.value(held, str(key)) for key, held in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(held) for held in value]
            case _:
                return self.text(str(value) if isinstance(value, BaseException) else repr(value))

    def __call__(self, _logger: Any, _method: str, event: Any) -> Any:
        """As a structlog processor. Structlog's own entries (a leading underscore) stay."""
        return {
            key: held if key.startswith("_") else self.value(held, key) for key, held in dict(event).items()
        }


def configure(
    log_format: LogFormat = LogFormat.AUTO,
    level: LogLevel = LogLevel.INFO,
    secrets: Iterable[SecretStr] = (),
    stream: TextIO | None = None,
) -> Redactor:
    """Set up structlog and the standard library's logging; the redactor is for texts that go elsewhere."""
    stream = sys.stderr if stream is None else stream
    redactor = Redactor(secrets)
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and stream.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # `%s` arguments first: a secret may be one of them
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        # to text before the secrets are taken out of it
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redactor,
                visible,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.value.upper())
    # a line for each request or migration step is for who looks for a fault
    for chatty in ("httpx", "httpcore", "alembic", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING if level is not LogLevel.DEBUG else logging.DEBUG)
    return redactor
