"""Settings by environment, checked before anything starts. Names are patch.moi's where it had them.

Refuses a value it can't use, and a name that patch.moi knows and this program doesn't do yet: each
with one line that says what to do. No error shows a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from patch_app import admin_token
from patch_app.credentials import AppIdentity

# names of patch.moi (or of the design) that nothing here acts on yet, and what to use meanwhile
NOT_YET: Final[Mapping[str, str]] = {
    "DATABASE_URL": "the state is kept in SQLite under DATA_DIR",
    "DISCORD_OUTPUT_ENABLED": "nothing is sent to Discord",
    "DISCORD_WEBHOOK_URL": "nothing is sent to Discord",
    "DISCORD_NOTIFY_EVENTS": "nothing is sent to Discord",
    "FEED_SOURCES_PATH": "releases are read from GitHub",
    "PATCH_WORKSPACE_BACKEND_URL": "runs are GitHub Actions runs of the fork",
    "PATCH_WORKSPACE_BACKEND_SECRET": "runs are GitHub Actions runs of the fork",
    "PATCH_FLOW_BACKEND_URL": "runs are GitHub Actions runs of the fork",
    "PATCH_FLOW_DISPATCH_URL": "runs are GitHub Actions runs of the fork",
    "PATCH_FLOW_DISPATCH_SECRET": "runs are GitHub Actions runs of the fork",
    "CODEX_WORKSPACE_MODE": "runs are GitHub Actions runs of the fork",
}
# set like this, a name asks for nothing
_OFF: Final = frozenset({"", "0", "false", "no", "off"})

MIN_SECONDS: Final = 0.1


class LogFormat(StrEnum):
    """How log lines are written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AppCredentials(StrEnum):
    """Where the credentials of an App that /setup registers go."""

    FILE = "file"
    PRINT = "print"


class SettingsError(Exception):
    """The settings can't be used; one line for each reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings(BaseSettings):
    """All settings. A field's name in upper case is its name in the environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True, validate_default=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on. `0.0.0.0` listens on all.")
    port: int = Field(3000, ge=0, le=65535, description="Port to listen on; `0` takes a free one.")
    data_dir: Path = Field(
        Path("data"), description="Directory of the database. Made where it is missing, with mode 0700."
    )
    patch_admin_token: SecretStr | None = Field(
        None,
        description="Opens the query API and the pages. Default: made at the first start and kept in "
        "`DATA_DIR/admin-token`.",
    )
    public_url: str | None = Field(
        None, description="Where people reach the pages, for links on GitHub: `https://patch.example.org`."
    )

    github_app_id: int | None = Field(None, gt=0, description="The App's id.")
    github_app_private_key: SecretStr | None = Field(
        None, description="The App's private key, PEM. Line ends may be written `\\n`."
    )
    github_app_private_key_file: Path | None = Field(
        None, description="File that holds the App's private key; instead of `GITHUB_APP_PRIVATE_KEY`."
    )
    github_webhook_secret: SecretStr | None = Field(None, description="The App's webhook secret.")
    github_url: str = Field("https://github.com", description="Where GitHub's pages and Git are.")
    github_api_url: str = Field(
        "",
        description="Where GitHub's REST API is. Default: the one that belongs to `GITHUB_URL` "
        "(`https://api.github.com`; `/api/v3` on GitHub Enterprise Server).",
    )

    app_credentials: AppCredentials = Field(
        AppCredentials.FILE,
        description="Where /setup puts a new App's credentials: `file` in `DATA_DIR`, or `print`, once, "
        "on the terminal.",
    )

    poll_deliveries: bool | None = Field(
        None,
        description="Take webhooks by polling the App's delivery list. Default: only for an App that "
        "/setup registered without `PUBLIC_URL`.",
    )
    poll_deliveries_seconds: float = Field(
        10, ge=1, le=3600, description="Seconds between two looks at the App's delivery list."
    )
    poll_seconds: float = Field(
        300, ge=0, le=86_400, description="Seconds between two looks at upstream releases; `0`: never."
    )
    sync_seconds: float = Field(
        60,
        ge=MIN_SECONDS,
        le=86_400,
        description="Seconds between two looks at an open attempt that nothing woke.",
    )
    log_format: LogFormat = Field(
        LogFormat.AUTO, description="`json`, `console`, or `auto`: console on a terminal, else JSON."
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="`debug`, `info`, `warning` or `error`.")

    @field_validator("patch_admin_token")
    @classmethod
    def _admin_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not admin_token.FORM.fullmatch(value.get_secret_value()):
            raise ValueError(
                f"must be {admin_token.MIN} or more characters of printable ASCII without spaces; "
                "make one with: openssl rand -hex 32"
            )
        return value

    @field_validator("poll_seconds")
    @classmethod
    def _not_all_the_time(cls, value: float) -> float:
        if 0 < value < MIN_SECONDS:
            raise ValueError(f"must be 0 (never) or at least {MIN_SECONDS}")
        return value

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("github_app_private_key")
    @classmethod
    def _private_key(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(_pem(value.get_secret_value()))

    @field_validator("github_url", "github_api_url", "public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return _checked_url(value) if value else value

    @field_validator("github_api_url")
    @classmethod
    def _api_url(cls, value: str, info: ValidationInfo) -> str:
        # missing: GITHUB_URL is wrong itself, and that is said
        return value or _api_of(info.data.get("github_url", ""))

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.github_app_private_key is not None and self.github_app_private_key_file is not None:
            raise ValueError(
                "GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_FILE are both set: unset one of them"
            )
        return self

    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret value, for the logs to leave out."""
        held = (self.patch_admin_token, self.github_app_private_key, self.github_webhook_secret)
        return tuple(secret for secret in held if secret is not None)

    def app(self) -> AppIdentity:
        """The App's identity as the environment has it, its key read from the file where one is named.
        Raises SettingsError. What /setup stored: see patch_app.identity.
        """
        problems: list[str] = []
        key = self.private_key(problems)
        if key is None and not problems:
            problems.append(
                "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE: missing; "
                "make a private key on the App's settings page and set it"
            )
        if self.github_app_id is None:
            problems.append("GITHUB_APP_ID: missing; it stands on the App's settings page")
        if self.github_webhook_secret is None and not self.poll_deliveries:
            problems.append(
                "GITHUB_WEBHOOK_SECRET: missing; make one with openssl rand -hex 32 and "
                "set it here and on the App's settings page"
            )
        if problems or key is None or self.github_app_id is None:
            raise SettingsError(tuple(problems))
        return AppIdentity(id=self.github_app_id, private_key=key, webhook_secret=self.github_webhook_secret)

    def private_key(self, problems: list[str]) -> SecretStr | None:
        """The environment's key, None where none is set, or where a line was added to `problems`."""
        if self.github_app_private_key is not None or self.github_app_private_key_file is None:
            return self.github_app_private_key
        try:
            return SecretStr(_pem(self.github_app_private_key_file.read_text("utf-8")))
        except OSError as error:
            problems.append(f"GITHUB_APP_PRIVATE_KEY_FILE: can't be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"GITHUB_APP_PRIVATE_KEY_FILE: {_said(error)}")
        return None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the process's environment. Raises SettingsError with all that is wrong at once.

    `environ` is looked through for names that aren't done yet; values are read by pydantic-settings.
    """
    environ = os.environ if environ is None else environ
    problems = [
        f"{name}: patch_app doesn't do this yet ({meanwhile}); unset it"
        for name, meanwhile in NOT_YET.items()
        if environ.get(name, "").strip().lower() not in _OFF
    ]
    try:
        settings = Settings()
    except ValidationError as error:
        problems += [_line(one) for one in error.errors(include_url=False, include_input=False)]
        raise SettingsError(tuple(problems)) from None
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def _line(error: Any) -> str:
    said = error["msg"].removeprefix("Value error, ")
    said = said.replace("Input should", "should").replace("unable to parse string as a", "it isn't a")
    return f"{str(error['loc'][0]).upper()}: {said}" if error["loc"] else said


def _said(error: ValueError) -> str:
    return "isn't text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _pem(text: str) -> str:
    """The key with real line ends. Raises ValueError for anything but an RSA key in PEM form."""
    pem = text.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError(
            "isn't a private key in PEM form; download one from the App's settings page"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("isn't an RSA key; download one from the App's settings page")
    return pem


def _checked_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL like https://github.example.org")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be a URL without user name, query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            "must begin with https:// (tokens travel over it); http:// is for this machine alone"
        )
    return value.rstrip("/")


def _api_of(web: str) -> str:
    """The API that belongs to a GitHub (docs.github.com: REST quickstart of each product)."""
    host = urlsplit(web).hostname or ""
    if host == "github.com":
        return "https://api.github.com"
    if host.endswith(".ghe.com"):
        return web.replace(host, f"api.{host}", 1)
    return f"{web}/api/v3"


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
