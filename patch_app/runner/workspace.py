"""The directory that one carry works in: Git's configuration, the trace pipe and the scratch repositories.

It is made fresh and removed at the end. No source work tree is ever in it.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from types import TracebackType
from typing import Dict, Mapping, Optional, Sequence, Type

from . import git as git_module
from .git import Git, Scrubber
from .network import TraceReader, Traffic
from .records import Problem

SHA1_CONFIG = "[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n"
SHA256_CONFIG = (
    "[core]\n\trepositoryFormatVersion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
)
REMOTES = '[remote "fork"]\n\turl = %s\n[remote "upstream"]\n\turl = %s\n'


class Workspace:
    """A context: `repository(name)` makes an empty repository in it with the two remotes set up.

    `timeout` is what each call of Git may take, in seconds.
    """

    def __init__(
        self,
        fork_url: str,
        upstream_url: str,
        *,
        protocols: Sequence[str] = ("https", "http"),
        token: Optional[str] = None,
        extra_config: str = "",
        passed_on: Optional[Mapping[str, str]] = None,
        parent: Optional[str] = None,
        timeout: float = git_module.DEFAULT_TIMEOUT,
    ) -> None:
        self.fork_url = fork_url
        self.upstream_url = upstream_url
        self.scrub = Scrubber([token] if token else [])
        self._timeout = timeout
        self._token = token
        self._config = git_module.git_config(protocols) + extra_config
        self._passed_on = dict(passed_on or {})
        self.root = tempfile.mkdtemp(prefix="patch-app-", dir=parent)
        try:
            self.home = self._directory("home")
            self.environment = self._make_environment()
            self.trace = TraceReader(os.path.join(self.root, "trace"))
        except BaseException:
            shutil.rmtree(self.root, ignore_errors=True)
            raise
        self.environment.update(GIT_TRACE_CURL=self.trace.path, GIT_TRACE_CURL_NO_DATA="1")

    def __enter__(self) -> Workspace:
        self.trace.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.trace.__exit__(kind, error, trace)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def same_repository(self) -> bool:
        """Whether the fork serves the target too."""
        return self.fork_url == self.upstream_url

    def _directory(self, name: str) -> str:
        path = os.path.join(self.root, name)
        os.mkdir(path, 0o700)
        return path

    def _make_environment(self) -> Dict[str, str]:
        config = os.path.join(self.root, "gitconfig")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self._config)
        kept = {name: os.environ[name] for name in git_module.PASSED_ON if name in os.environ}
        environment = {
            **kept,
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.home,
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": config,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ADVICE": "0",
            "GIT_TRACE_REDACT": "1",
        }
        environment.update(self._passed_on)
        if self._token:
            environment.update(git_module.token_environment(self.fork_url, self._token))
        return environment

    def path(self, name: str) -> str:
        """Where something of that name lies in the workspace."""
        return os.path.join(self.root, name)

    def repository(self, name: str, object_format: str) -> Git:
        """A new, empty repository with the remotes `fork` and `upstream`, as `git init` makes one."""
        repository = Git(self.path(name + ".git"), self.environment, self.scrub, self._timeout)
        for folder in ("objects/info", "refs"):
            os.makedirs(os.path.join(repository.directory, folder))
        remotes = (quoted(self.fork_url), quoted(self.upstream_url))
        for file_name, content in (
            ("config", (SHA256_CONFIG if object_format == "sha256" else SHA1_CONFIG) + REMOTES % remotes),
            ("HEAD", "ref: refs/heads/main\n"),
        ):
            with open(os.path.join(repository.directory, file_name), "w", encoding="utf-8") as file:
                file.write(content)
        return repository

    def traffic(self) -> Traffic:
        """What has gone over the network up to now. Packs come from there alone: what we write is loose."""
        headers = self.trace.headers()
        packs = glob.glob(os.path.join(glob.escape(self.root), "*.git", "objects", "pack", "*.pack"))
        return headers._replace(received_bytes=headers.received_bytes + sum(map(os.path.getsize, packs)))

    def free(self) -> None:
        """Removes the scratch repositories: after a full disk there must be room for the report."""
        for name in os.listdir(self.root):
            if name.endswith(".git"):
                shutil.rmtree(self.path(name), ignore_errors=True)

    def git_version(self) -> str:
        """Version of the git that is used, as `git version` says it. Raises Problem below 2.38."""
        whole = (
            Git(self.root, self.environment, self.scrub, self._timeout)
            .line("version")
            .replace("git version ", "", 1)
        )
        numbers = whole.split(".")
        try:
            known = (int(numbers[0]), int(numbers[1]))
        except (IndexError, ValueError):
            return whole
        if known < (2, 38):
            raise Problem("git", "git %s is too old: version 2.38 or newer is needed" % whole)
        return whole


def quoted(value: str) -> str:
    """A value for a Git configuration file."""
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
