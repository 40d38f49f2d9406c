"""Release archives and Debian's patch series, downloaded by their ordinary clients and kept between runs.

Nothing of an archive is ever executed or committed. They lie in `~/.cache/patch-app-tests` (or below
`XDG_CACHE_HOME`).
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

BACKENDS = ("setuptools/build_meta.py", "hatchling/build.py", "flit_core/buildapi.py")
SECONDS = 90


class NotToBeHad(Exception):  # noqa: N818 - reads as what it says
    """An archive can't be downloaded here; the message says which and why."""


class PatchFile(NamedTuple):
    """One patch of a series: its file name and its bytes, header and all."""

    name: str
    content: bytes


class Series(NamedTuple):
    """A Debian source package's patches, in order; `upstream` is the upstream part of its `version`."""

    version: str
    upstream: str
    patches: tuple[PatchFile, ...]


def cache() -> Path:
    """Where archives are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "patch-app-tests"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time works in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def releases(package: str, versions: Sequence[str]) -> dict[str, Path]:
    """The source archive of each version. Raises NotToBeHad."""
    folder = cache() / "releases" / package
    with locked(folder), tempfile.TemporaryDirectory() as directory:
        backends = Path(directory)
        for name in BACKENDS:
            (backends / name).parent.mkdir()
            (backends / name).with_name("__init__.py").touch()
            shutil.copy(Path(__file__).with_name("no_backend.py"), backends / name)
        return {version: _release(package, version, folder / version, backends) for version in versions}


def _release(package: str, version: str, kept: Path, backends: Path) -> Path:
    if not kept.is_dir():
        uv = os.environ.get("UV") or shutil.which("uv")
        if uv is None:
            raise NotToBeHad("uv is not there to start pip with")
        with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
            fresh = Path(directory) / version
            _call(
                [uv, "tool", "run", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python",
                 "--no-binary", package, "--no-build-isolation", "--dest", str(fresh),
                 f"{package}=={version}"],
                f"{package} {version}", PYTHONPATH=str(backends),
            )  # fmt: skip
            fresh.rename(kept)
    (archive,) = kept.iterdir()
    return archive


def series(source: str) -> Series:
    """Patch series of a Debian source package, as the machine's own apt finds it. Raises NotToBeHad."""
    folder = cache() / "debian" / source
    with locked(folder):
        if not any(folder.glob("*.debian.tar.*")):
            if shutil.which("apt-get") is None:
                raise NotToBeHad("apt-get is missing")
            with tempfile.TemporaryDirectory(dir=folder.parent) as directory:
                _call(
                    ["apt-get", "-qq", "-o", "APT::Sandbox::User=", "source", "--diff-only",
                     "--download-only", source],
                    f"Debian's source package {source}", cwd=directory,
                )  # fmt: skip
                for path in Path(directory).glob("*.debian.tar.*"):
                    shutil.copy(path, folder / path.name)
        found = sorted(folder.glob("*.debian.tar.*"))
    if len(found) != 1:
        raise NotToBeHad(f"{folder} should hold one archive of Debian's changes, not {len(found)}")
    version = re.sub(r"\.debian\.tar\.\w+\Z", "", found[0].name).partition("_")[2]
    with tarfile.open(found[0]) as archive:
        names = _read(archive, "debian/patches/series").decode().split("\n")
        wanted = [name.split(" ")[0] for name in names if name.strip() and not name.startswith("#")]
        patches = tuple(PatchFile(name, _read(archive, "debian/patches/" + name)) for name in wanted)
    return Series(version, re.sub(r"[+~].*", "", version.rpartition("-")[0]), patches)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise NotToBeHad(f"Debian's archive has no file {name}")
    with file:
        return file.read()


def _call(command: list[str], what: str, cwd: str | None = None, **environment: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotToBeHad(f"{what} did not arrive in {SECONDS} seconds") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-1500:]
        raise NotToBeHad(f"{what} could not be downloaded: {said}")
