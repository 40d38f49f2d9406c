"""Git for these tests: its own configuration, fixed dates, nothing of the user's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WHO = "Release Archive"
CONFIG = (
    f"[user]\n\tname = {WHO}\n\temail = releases@example.org\n[init]\n\tdefaultBranch = main\n"
    "[core]\n\thooksPath = /dev/null\n[commit]\n\tgpgSign = false\n[gc]\n\tauto = 0\n"
    "[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n[safe]\n\tdirectory = *\n"
)
FIRST_DAY = 1_600_000_000


class Failed(Exception):  # noqa: N818 - reads as what it says
    """Git ended with another status than expected; the message is what it said."""


class Repository:
    """A repository at a path, bare or with a work tree."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def made(cls, path: Path, *, bare: bool) -> Repository:
        """A new, empty one."""
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "-q", *(["--bare"] if bare else []))
        return repository

    def environment(self, **more: str) -> dict[str, str]:
        config = self.path.parent / "gitconfig"
        if not config.exists():
            config.write_text(CONFIG)
        date = f"{FIRST_DAY} +0000"
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.path.parent), "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1",
            "GIT_EDITOR": "true", "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, **more,
        }  # fmt: skip

    def status(self, *arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=self.environment(**environment), input=stdin,
            capture_output=True, check=False,
        )  # fmt: skip
        return (
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape").strip(),
            done.stderr.decode("utf-8", "replace").strip(),
        )

    def git(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        """Standard output, stripped. Raises Failed."""
        code, out, said = self.status(*arguments, stdin=stdin, **environment)
        if code:
            raise Failed(f"git {' '.join(arguments)}: {code}: {said or out}")
        return out

    def rev(self, name: str) -> str:
        """Object id of a name. Raises Failed."""
        return self.git("rev-parse", "--verify", "--quiet", name)

    def tree(self, name: str) -> str:
        """Tree id of a commit."""
        return self.rev(name + "^{tree}")
