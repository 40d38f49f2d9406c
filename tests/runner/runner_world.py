"""A made-up upstream and fork in real repositories, and the oracle that candidates are compared with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patch_app.core.report import Report
from patch_app.runner.job import Job, Runner
from patch_app.runner.records import Check, Request
from patch_app.runner.workspace import Workspace

TRAILER = "Patch-App-Installed: true"
WORKFLOW = ".github/workflows/patch-maintenance.yml"
DATE = 1_760_000_000

Content = str | bytes | None


class Repo:
    """A repository with a work tree. Every commit is a minute later than the last."""

    clock = 1_700_000_000

    def __init__(self, path: Path, config: Path) -> None:
        self.path = path
        self.config = config

    def init(self, *alternates: Repo) -> None:
        """An empty repository, as `git init` makes it but without a process."""
        inner = self.path / ".git"
        for folder in ("objects/info", "refs/heads"):
            (inner / folder).mkdir(parents=True)
        (inner / "HEAD").write_text("ref: refs/heads/main\n")
        (inner / "config").write_text("[core]\n\trepositoryFormatVersion = 0\n\tbare = false\n")
        if alternates:
            lines = [f"{other.path}/.git/objects\n" for other in alternates]
            (inner / "objects/info/alternates").write_text("".join(lines))

    def environment(self) -> dict[str, str]:
        Repo.clock += 60
        date = f"{Repo.clock} +0000"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.config.parent),
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
            "LC_ALL": "C.UTF-8",
        }

    def git(self, *arguments: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode in ok, done.stderr.decode(errors="replace") + done.stdout.decode(
            errors="replace"
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, files: Mapping[str, Content]) -> None:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message: str, files: Mapping[str, Content] | None = None, *options: str) -> str:
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message, *options)
        return self.head

    @property
    def head(self) -> str:
        return self.rev("HEAD")

    def rev(self, name: str) -> str:
        return self.git("rev-parse", "--verify", name)


class World:
    """`upstream` and its `fork`, on branch `main`."""

    def __init__(self, tmp_path: Path, bare: bool = False) -> None:
        self.tmp = tmp_path
        config = tmp_path / "gitconfig"
        config.write_text(
            "[user]\n\tname = Upstream Person\n\temail = upstream@example.org\n"
            "[init]\n\tdefaultBranch = main\n"
            "[core]\n\thooksPath = /dev/null\n[commit]\n\tgpgSign = false\n[gc]\n\tauto = 0\n"
            "[advice]\n\tdetachedHead = false\n[merge]\n\tconflictStyle = merge\n"
        )
        self.upstream = Repo(tmp_path / "upstream", config)
        self.fork = Repo(tmp_path / "fork", config)
        if not bare:
            self.upstream.init()

    def fork_now(self) -> Repo:
        """The fork begins at what upstream has now."""
        self.upstream.git("clone", "-q", "--no-hardlinks", ".", str(self.fork.path))
        self.fork.git("remote", "remove", "origin")
        self.fork.git("config", "user.name", "Fork Person")
        return self.fork

    def request(self, **changes: Any) -> Request:
        values: dict[str, Any] = {
            "attempt": "attempt01",
            "branch": "main",
            "stack": self.fork.head,
            "base": None,
            "target_name": "v2",
            "target": self.upstream.head,
            "upstream": "http://upstream.invalid/x",
            "bundle_from": "target",
            "date": DATE,
            "installed_paths": (WORKFLOW.encode(), b".github/patch-app.toml"),
            "app": 7,
            "installed_trailer": TRAILER,
            "resolutions": None,
            "checks": (),
        }
        return Request(**{**values, **changes})

    def workspace(self) -> Workspace:
        return Workspace(
            self.fork.path.as_uri(), self.upstream.path.as_uri(), protocols=("file",), parent=str(self.tmp)
        )

    def carry(self, into: Path | None = None, **changes: Any) -> Report:
        """Carries, holds the report against core's schema and the candidate against the oracle."""
        with self.workspace() as workspace:
            job = Runner(workspace, self.request(**changes)).run()
            report = Report.model_validate(job.report)
            if job.bundle is not None:
                self.receive(job, report)
            if into is not None and job.bundle is not None:
                for part in job.bundle.parts:
                    (into / part.path).write_bytes((Path(job.bundle.directory) / part.path).read_bytes())
        return report

    def receive(self, job: Job, report: Report) -> None:
        """Fetches the bundle into the fork as `refs/carried`, as the server's relay would."""
        assert job.bundle is not None
        whole = self.tmp / "received.bundle"
        whole.write_bytes(
            b"".join((Path(job.bundle.directory) / part.path).read_bytes() for part in job.bundle.parts)
        )
        self.fork.git("fetch", "-q", str(self.upstream.path), self.upstream.head)
        self.fork.git("fetch", "-q", "--no-tags", str(whole), f"+{job.bundle.ref}:refs/carried")
        assert self.fork.rev("refs/carried") == job.bundle.tip

    def oracle(self, target: str | None = None, base: str | None = None) -> str | None:
        """Tree of `git rebase` in a work tree, None where it doesn't succeed by itself."""
        clone = Repo(self.tmp / f"oracle-{Repo.clock}", self.fork.config)
        self.fork.git("clone", "-q", "--no-hardlinks", ".", str(clone.path))
        clone.git(
            "fetch", "-q", str(self.upstream.path), "+refs/heads/*:refs/up/*", "+refs/tags/*:refs/uptags/*"
        )
        onto = target or self.upstream.head
        since = base or clone.git("merge-base", "HEAD", onto)
        done = clone.git(
            "rebase", "-q", "--reapply-cherry-picks", "--empty=drop", "--keep-empty", "--onto", onto, since,
            ok=(0, 1, 128),
        )  # fmt: skip
        del done
        if (clone.path / ".git" / "rebase-merge").exists() or (clone.path / ".git" / "rebase-apply").exists():
            return None
        return clone.rev("HEAD^{tree}")


def check(name: str = "build", run: str = "true", directory: str = ".", timeout: int = 30) -> Check:
    return Check(name, run, directory, timeout)


def numbered(count: int = 30, **lines: str) -> str:
    """A file of numbered lines; `l7="x"` sets the seventh."""
    return "".join(lines.get(f"l{n}", f"line {n}") + "\n" for n in range(1, count + 1))
