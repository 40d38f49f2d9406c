"""DATA_DIR and the admin token in it: what others could read or plant, and starts that come at once."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patch_app import admin_token, data_dir, serve
from patch_app.admin_token import FILE_NAME, TokenError, kept
from patch_app.settings import SettingsError

OTHER = 12345


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose() -> object:
    """What is made gets all that it asks for."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose")
def test_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    assert data_dir.prepare(folder) == ()
    assert mode(folder) == 0o700
    assert data_dir.prepare(folder) == ()


def test_directory_and_files_that_others_may_read_are_closed_and_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "lost+found").mkdir()
    names = ("admin-token", "github-app.json", "patch-app.db", "patch-app.db-wal")
    for name in (*names, "notes"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    closed = data_dir.prepare(folder)
    assert [(one.path.name, one.mode) for one in closed] == [
        ("data", "755"),
        *((one, "644") for one in names),
    ]
    assert mode(folder) == 0o700
    assert {mode(folder / name) for name in names} == {0o600}
    assert mode(folder / "notes") == 0o644
    assert data_dir.prepare(folder) == ()


@pytest.mark.parametrize("given", [0o1777, 0o755])
def test_directory_that_is_there_for_more_is_refused_and_left_alone(tmp_path: Path, given: int) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    if given == 0o755:
        (folder / "pictures").mkdir()
    folder.chmod(given)
    with pytest.raises(SettingsError, match="chmod 700"):
        data_dir.prepare(folder)
    assert mode(folder) == given
    folder.chmod(0o700)
    assert data_dir.prepare(folder) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_what_belongs_to_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    planted = folder / FILE_NAME
    planted.write_text("known-to-somebody-else\n")
    planted.chmod(0o600)
    os.chown(planted, OTHER, OTHER)
    with pytest.raises(SettingsError, match=r"admin-token belongs to another user \(id 12345\)"):
        data_dir.prepare(folder)
    planted.unlink()
    folder.chmod(0o750)
    os.chown(folder, OTHER, OTHER)
    with pytest.raises(SettingsError, match="let that one run chmod 700"):
        data_dir.prepare(folder)
    assert mode(folder) == 0o750
    # a volume that somebody else owns, for this server alone
    folder.chmod(0o700)
    assert data_dir.prepare(folder) == ()


def test_data_dir_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(SettingsError, match="DATA_DIR: "):
            data_dir.prepare(path)


@pytest.mark.usefixtures("loose")
def test_token_is_made_once_and_was_never_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    real = os.open

    def watched(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        handle = real(path, flags, mode, **more)
        if flags & os.O_CREAT:
            made.append((flags & os.O_EXCL, stat.S_IMODE(os.fstat(handle).st_mode)))
        return handle

    monkeypatch.setattr(os, "open", watched)
    first = kept(tmp_path)
    monkeypatch.undo()
    assert made == [(os.O_EXCL, 0o600)]
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert mode(tmp_path / FILE_NAME) == 0o600
    assert len(first.get_secret_value()) >= 40
    assert kept(tmp_path) == first, "a restart"
    assert first.get_secret_value() not in repr(first)


def test_many_starts_at_once_have_one_token(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def start(_: int) -> str:
        together.wait()
        return kept(tmp_path).get_secret_value()

    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(start, range(8)))
    assert len(tokens) == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    "content", [b"", b"short\n", b"x" * 15, b"a b" * 10, "é".encode() * 20, b"\x1b[31m" + b"x" * 20]
)
def test_token_file_that_holds_no_token_is_said_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TokenError, match="remove it"):
        kept(tmp_path)
    assert path.read_bytes() == content


def test_token_file_that_others_can_read_or_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("0123456789abcdef\n")
    path.chmod(0o640)
    with pytest.raises(TokenError, match="its owner alone"):
        kept(tmp_path)
    path.chmod(0o600)
    assert kept(tmp_path).get_secret_value() == "0123456789abcdef"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokenError):
        kept(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(TokenError, match="its owner alone"):
        kept(tmp_path)


def test_token_that_can_not_be_kept_is_no_open_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", no_room)
    with pytest.raises(TokenError, match="No space left on device; set PATCH_ADMIN_TOKEN"):
        kept(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert admin_token.FORM.fullmatch("x" * 16)


def test_a_folder_named_like_our_files_is_closed_and_can_still_be_entered(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    copies = tmp_path / "patch-app.db-copies"
    copies.mkdir()
    copies.chmod(0o755)
    assert [one.path for one in data_dir.prepare(tmp_path)] == [copies]
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    first = admin_token.kept(tmp_path).get_secret_value()
    (tmp_path / admin_token.FILE_NAME).chmod(0o644)
    assert serve._forget_seen_token(data_dir.prepare(tmp_path))
    assert admin_token.kept(tmp_path).get_secret_value() != first
    second = admin_token.kept(tmp_path).get_secret_value()
    assert not serve._forget_seen_token(data_dir.prepare(tmp_path))
    assert admin_token.kept(tmp_path).get_secret_value() == second
