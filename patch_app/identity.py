"""Which App this server is: by the environment, or by what /setup stored in DATA_DIR.

The environment wins, value by value, and where both differ that is said. Refuses to guess: an App that
is named by half is an error with a line for what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from patch_app import credentials
from patch_app.credentials import AppIdentity, CredentialsError, StoredApp
from patch_app.settings import Settings, SettingsError

HOW: str = "or unset them all, start patch-app serve and register an App on its page /setup"


@dataclass(frozen=True, kw_only=True)
class Known:
    """The App, and what a person should hear about where it is known from."""

    app: AppIdentity
    # webhooks are taken from the App's delivery list
    polled: bool
    # what the environment says otherwise than DATA_DIR, a line each
    overridden: tuple[str, ...] = ()


def known(settings: Settings) -> Known | None:
    """The App; None where neither environment nor DATA_DIR names one. Raises SettingsError."""
    stored = _stored(settings)
    named = (
        settings.github_app_id,
        settings.github_app_private_key,
        settings.github_app_private_key_file,
        settings.github_webhook_secret,
    )
    if stored is None:
        return None if all(one is None for one in named) else _from_environment(settings)
    if settings.github_app_id not in (None, stored.identity.id):
        return _from_environment(settings, stored)
    if stored.github_url != settings.github_url:
        said = f"GITHUB_URL: the App in DATA_DIR ({stored.slug}) was registered on {stored.github_url}"
        raise SettingsError((f"{said}: set GITHUB_URL to that, or DATA_DIR to another directory",))
    return _merged(settings, stored)


def need(settings: Settings) -> AppIdentity:
    """The App. Raises SettingsError where there is none."""
    found = known(settings)
    return found.app if found is not None else _from_environment(settings).app


def _from_environment(settings: Settings, other: StoredApp | None = None) -> Known:
    try:
        app = settings.app()
    except SettingsError as error:
        raise SettingsError((*error.problems, HOW)) from None
    lines = () if other is None else (
        f"GITHUB_APP_ID: App {app.id} of the environment is used, not {other.slug} ({other.identity.id}), "
        "which DATA_DIR has",
    )  # fmt: skip
    return Known(app=app, polled=bool(settings.poll_deliveries), overridden=lines)


def _merged(settings: Settings, stored: StoredApp) -> Known:
    problems: list[str] = []
    key = settings.private_key(problems)
    if problems:
        raise SettingsError(tuple(problems))
    held, lines = stored.identity, []
    if key is not None and key.get_secret_value().strip() != held.private_key.get_secret_value().strip():
        lines.append("GITHUB_APP_PRIVATE_KEY: the environment's key is used, not the one in DATA_DIR")
    secret = settings.github_webhook_secret
    if secret not in (None, held.webhook_secret):
        lines.append("GITHUB_WEBHOOK_SECRET: the environment's is used, not the one in DATA_DIR")
    polled = settings.poll_deliveries
    return Known(
        app=AppIdentity(
            id=held.id, private_key=key or held.private_key, webhook_secret=secret or held.webhook_secret
        ),
        polled=not stored.reachable if polled is None else polled,
        overridden=tuple(lines),
    )


def _stored(settings: Settings) -> StoredApp | None:
    try:
        return credentials.read(settings.data_dir)
    except CredentialsError as error:
        raise SettingsError((str(error),)) from None
