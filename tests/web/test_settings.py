"""Settings: what is wrong is said at once, in words, and without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from patch_app.settings import NOT_YET, LogFormat, LogLevel, Settings, SettingsError, is_loopback, load
from tests.keys import pem

REFERENCE = Path(__file__).parents[2] / "docs/reference/settings.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*(name.upper() for name in Settings.model_fields), *NOT_YET}:
        monkeypatch.delenv(name, raising=False)


def problems(monkeypatch: pytest.MonkeyPatch, **values: str) -> tuple[str, ...]:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load()
    return refused.value.problems


def test_nothing_is_set() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 3000, Path("data"))
    assert settings.github_api_url == "https://api.github.com"
    assert (settings.log_format, settings.log_level) == (LogFormat.AUTO, LogLevel.INFO)
    with pytest.raises(SettingsError) as refused:
        settings.app()
    assert [line.split(":")[0] for line in refused.value.problems] == [
        "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE",
        "GITHUB_APP_ID",
        "GITHUB_WEBHOOK_SECRET",
    ]


def test_everything_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem())
    for name, value in {
        "HOST": "0.0.0.0",  # noqa: S104
        "PORT": "0",
        "DATA_DIR": str(tmp_path),
        "PATCH_ADMIN_TOKEN": "0123456789abcdef",
        "GITHUB_APP_ID": "5",
        "GITHUB_APP_PRIVATE_KEY_FILE": str(tmp_path / "key.pem"),
        "GITHUB_WEBHOOK_SECRET": "wh-value",
        "GITHUB_URL": "http://127.0.0.1:99/",
        "POLL_SECONDS": "0.5",
        "SYNC_SECONDS": "",
        "LOG_FORMAT": "JSON",
        "LOG_LEVEL": "Debug",
        "PUBLIC_URL": "https://patch.example.org/",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.github_api_url == "http://127.0.0.1:99/api/v3"
    assert settings.public_url == "https://patch.example.org"
    assert (settings.poll_seconds, settings.sync_seconds) == (0.5, 60)
    app = settings.app()
    assert (app.id, app.webhook_secret.get_secret_value()) == (5, "wh-value")
    assert app.private_key.get_secret_value() == pem()
    for secret in (pem(), "wh-value", "0123456789abcdef"):
        assert secret not in repr(settings) + repr(app) + str(settings.secrets())


def test_key_on_one_line_with_written_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_APP_PRIVATE_KEY", pem().replace("\n", "\\n"))
    key = load().github_app_private_key
    assert key is not None
    assert key.get_secret_value() == pem()


@pytest.mark.parametrize(
    ("web", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://github.acme.example", "https://github.acme.example/api/v3"),
    ],
)
def test_api_belongs_to_the_github(monkeypatch: pytest.MonkeyPatch, web: str, api: str) -> None:
    monkeypatch.setenv("GITHUB_URL", web)
    assert load().github_api_url == api
    monkeypatch.setenv("GITHUB_API_URL", "https://elsewhere.example/v3/")
    assert load().github_api_url == "https://elsewhere.example/v3"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "65536", "PORT: .*65535"),
        ("PORT", "http", "PORT: .*integer"),
        ("GITHUB_APP_ID", "my-app", "GITHUB_APP_ID: .*integer"),
        ("GITHUB_APP_ID", "0", "GITHUB_APP_ID: .*greater than 0"),
        ("GITHUB_APP_PRIVATE_KEY", "hunter2hunter2", "GITHUB_APP_PRIVATE_KEY: isn't a private key in PEM"),
        ("PATCH_ADMIN_TOKEN", "hunter2", "PATCH_ADMIN_TOKEN: must be 16 or more .*openssl rand"),
        ("PATCH_ADMIN_TOKEN", "hunter2 hunter2 hunter2", "PATCH_ADMIN_TOKEN: .*without spaces"),
        ("GITHUB_URL", "github.com", "GITHUB_URL: must be a URL"),
        ("GITHUB_URL", "http://github.example.org", "GITHUB_URL: must begin with https://"),
        ("GITHUB_API_URL", "https://user:hunter2@x.org", "GITHUB_API_URL: .*without user name"),
        ("POLL_SECONDS", "0.01", "POLL_SECONDS: must be 0 .* or at least 0.1"),
        ("SYNC_SECONDS", "0", "SYNC_SECONDS: .*greater than or equal to 0.1"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: .*'auto', 'json' or 'console'"),
    ],
)
def test_bad_value_is_said_in_one_line_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    [line] = problems(monkeypatch, **{name: value})
    assert re.fullmatch(f"{said}.*", line), line
    assert "hunter2" not in line


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = problems(monkeypatch, PORT="x", LOG_LEVEL="y", DISCORD_WEBHOOK_URL="https://z")
    assert [line.split(":")[0] for line in lines] == ["DISCORD_WEBHOOK_URL", "PORT", "LOG_LEVEL"]


def test_key_that_is_no_rsa_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    [line] = problems(monkeypatch, GITHUB_APP_PRIVATE_KEY=text)
    assert "isn't an RSA key" in line


def test_key_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = problems(monkeypatch, GITHUB_APP_PRIVATE_KEY=pem(), GITHUB_APP_PRIVATE_KEY_FILE="/k")
    assert line.endswith("are both set: unset one of them")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"-----BEGIN RSA PRIVATE KEY-----\n", None])
def test_key_file_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings = Settings(github_app_id=1, github_app_private_key_file=path, github_webhook_secret="x")
    with pytest.raises(SettingsError, match=r"^GITHUB_APP_PRIVATE_KEY_FILE: ") as refused:
        settings.app()
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_name_of_patch_moi_that_is_not_done_yet_is_no_silence(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    [line] = problems(monkeypatch, **{name: "postgresql://u:hunter2@h/d"})
    assert line.startswith(f"{name}: patch_app doesn't do this yet (")
    assert "hunter2" not in line
    for off in ("", "0", "False"):
        monkeypatch.setenv(name, off)
        load()


def test_reference_lists_every_name_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", REFERENCE.read_text(), re.MULTILINE))
    assert listed == {name.upper() for name in Settings.model_fields} | set(NOT_YET)


@pytest.mark.parametrize("name", ["host", "port", "data_dir", "poll_seconds", "sync_seconds"])
def test_reference_has_the_defaults(name: str) -> None:
    row = re.search(rf"^\| `{name.upper()}` \| `([^`]+)` \|", REFERENCE.read_text(), re.MULTILINE)
    assert row is not None
    assert row[1] == str(Settings.model_fields[name].default)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_what_counts_as_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4000")
    assert load(os.environ).port == 4000
