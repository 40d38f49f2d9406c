"""Which App the server is: environment and stored credentials, together and against each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from patch_app import identity, serve
from patch_app.credentials import AppIdentity, Place, StoredApp
from patch_app.settings import Settings, SettingsError, load
from tests.keys import pem

KEY = SecretStr(pem())


def keep(folder: Path, **changed: Any) -> StoredApp:
    app = AppIdentity(id=5, private_key=KEY, webhook_secret=SecretStr("stored-value"))
    values: dict[str, Any] = {
        "identity": app,
        "slug": "mine",
        "html_url": "https://github.com/apps/mine",
        "github_url": "https://github.com",
        "reachable": True,
    }
    stored = StoredApp(**(values | changed))
    place = Place(folder)
    place.reserve()
    place.keep(stored)
    return stored


def test_nothing_names_an_app(tmp_path: Path) -> None:
    assert identity.known(Settings(data_dir=tmp_path)) is None
    with pytest.raises(SettingsError, match="/setup"):
        identity.need(Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    "half", [{"github_app_id": 5}, {"github_webhook_secret": "x"}, {"github_app_private_key": pem()}]
)
def test_environment_names_half_an_app_and_that_is_no_wish_for_another(
    tmp_path: Path, half: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="missing") as refused:
        identity.known(Settings(data_dir=tmp_path, **half))
    assert refused.value.problems[-1] == identity.HOW


def test_stored_app_is_used_and_what_the_environment_says_otherwise_wins_and_is_said(tmp_path: Path) -> None:
    stored = keep(tmp_path)
    known = identity.known(Settings(data_dir=tmp_path))
    assert known is not None
    assert (known.app, known.polled, known.overridden) == (stored.identity, False, ())
    same = identity.known(Settings(data_dir=tmp_path, github_app_id=5, github_webhook_secret="stored-value"))
    assert same is not None
    assert same.overridden == ()
    known = identity.known(Settings(data_dir=tmp_path, github_webhook_secret="other-value"))
    assert known is not None
    assert known.app.id == 5
    assert known.app.webhook_secret == SecretStr("other-value")
    [said] = known.overridden
    assert said.startswith("GITHUB_WEBHOOK_SECRET")
    assert "value" not in said


def test_environment_names_another_app_than_the_stored_one(tmp_path: Path) -> None:
    keep(tmp_path)
    with pytest.raises(SettingsError, match="GITHUB_APP_PRIVATE_KEY"):
        identity.known(Settings(data_dir=tmp_path, github_app_id=6))  # the stored key isn't its key
    known = identity.known(
        Settings(data_dir=tmp_path, github_app_id=6, github_app_private_key=pem(), github_webhook_secret="x")
    )
    assert known is not None
    assert known.app.id == 6
    [said] = known.overridden
    assert "mine" in said


def test_stored_app_is_one_of_another_github(tmp_path: Path) -> None:
    keep(tmp_path)
    with pytest.raises(SettingsError, match=r"registered on https://github\.com"):
        identity.known(Settings(data_dir=tmp_path, github_url="https://ghe.example"))


@pytest.mark.parametrize(("reachable", "wanted", "polled"), [
    (False, None, True), (True, None, False), (False, False, False), (True, True, True),
])  # fmt: skip
def test_app_that_github_cannot_deliver_to_is_polled_for(
    tmp_path: Path, reachable: bool, wanted: bool | None, polled: bool
) -> None:
    keep(tmp_path, reachable=reachable)
    known = identity.known(Settings(data_dir=tmp_path, poll_deliveries=wanted))
    assert known is not None
    assert known.polled is polled


def test_stored_file_is_damaged_and_the_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "github-app.json").write_text("{")
    with pytest.raises(SettingsError, match="isn't what /setup wrote"):
        identity.known(Settings(data_dir=tmp_path))


def test_webhook_secret_is_not_needed_where_deliveries_are_polled(tmp_path: Path) -> None:
    known = identity.known(
        Settings(data_dir=tmp_path, github_app_id=5, github_app_private_key=pem(), poll_deliveries=True)
    )
    assert known is not None
    assert known.app.webhook_secret is None


def test_what_is_shown_on_the_terminal_is_what_the_next_start_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = keep(tmp_path / "other", reachable=False)
    serve._show(shown)
    for line in capsys.readouterr().out.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            monkeypatch.setenv(name, value.strip('"'))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "empty"))
    known = identity.known(load(os.environ))
    assert known is not None
    assert (known.app, known.polled) == (shown.identity, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"app_credentials": "print"}, "APP_CREDENTIALS"), ({"poll_deliveries": False}, "POLL_DELIVERIES")],
)
def test_registration_would_end_in_an_app_that_is_of_no_use(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        serve.serve(Settings(data_dir=tmp_path, port=0, **given))
