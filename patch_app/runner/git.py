"""Starts Git. Every call is an argument list with a time-out, under a configuration of our own.

It never reads the machine's, the user's or a repository's configuration (but what a preview hands over),
runs no hook, filter or helper of a repository, asks nobody anything, and lets no token into an error text.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .records import Problem

DEFAULT_TIMEOUT = 600.0

# Foreign repositories are data: nothing in them may start a program, and no other transport is needed.
CONFIG = """\
[core]
	hooksPath = /dev/null
	fsmonitor = false
	untrackedCache = false
	attributesFile = /dev/null
	excludesFile = /dev/null
	quotePath = true
	pager = cat
	askPass = false
	fsync = none
[protocol]
	allow = never
{protocols}[gc]
	auto = 0
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
	showForcedUpdates = false
	unpackLimit = 1
[pack]
	writeReverseIndex = false
[submodule]
	recurse = false
[http]
	lowSpeedLimit = 1
	lowSpeedTime = 180
	maxRequests = 4
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[init]
	defaultBranch = main
[diff]
	renames = true
	renameLimit = 7000
	algorithm = myers
	external =
	suppressBlankEmpty = false
	noprefix = false
[merge]
	conflictStyle = merge
[advice]
	detachedHead = false
"""
# core.fsync: what a power failure would cost is thrown away anyway. fetch.unpackLimit: all that was fetched
# is in packs, whose sizes are counted. uploadpack.*: a local path is served by our own upload-pack, which
# knows this file by GIT_CONFIG_GLOBAL.

PASSED_ON = (
    "PATH", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
)  # fmt: skip

USERINFO = re.compile(r"(://)[^/@\s]+@")
AUTHORIZATION = re.compile(r"(?i)(authorization\s*:\s*|extraheader\s*=\s*)\S.*")
TOKENS = re.compile(r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_.\-]+")


class Scrubber:
    """Takes secrets out of any text that leaves the runner."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: List[str] = []
        for secret in secrets:
            if secret:
                self._secrets += [secret, _basic(secret)]

    def __call__(self, value: str) -> str:
        """The text without our secrets, without user names in URLs and without anything token-like."""
        for secret in self._secrets:
            value = value.replace(secret, "***")
        value = USERINFO.sub(r"\1***@", value)
        value = AUTHORIZATION.sub(r"\1***", value)
        return TOKENS.sub("***", value)


def _basic(token: str) -> str:
    return base64.b64encode(b"x-access-token:" + token.encode()).decode()


def token_environment(url: str, token: str) -> Dict[str, str]:
    """Configuration that sends `token` to `url` alone, by environment: neither a command line nor a file."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.%s.extraheader" % url,
        "GIT_CONFIG_VALUE_0": "AUTHORIZATION: basic " + _basic(token),
    }


def git_config(protocols: Sequence[str]) -> str:
    """The text of the one configuration file that Git may read."""
    allowed = "".join('[protocol "%s"]\n\tallow = always\n' % name for name in protocols)
    return CONFIG.format(protocols=allowed)


class GitError(Exception):
    """A git command failed. `stderr` is scrubbed and short; `timed_out` tells a time-out from a refusal."""

    def __init__(self, command: str, code: int, stderr: str, timed_out: bool = False) -> None:
        super().__init__("git %s: %s" % (command, stderr or "exit status %d" % code))
        self.command = command
        self.code = code
        self.stderr = stderr
        self.timed_out = timed_out


def last_lines(raw: bytes, limit: int = 1500) -> str:
    """The end of an error output on a few lines, control characters taken out."""
    value = raw.decode("utf-8", "backslashreplace").replace("\r", "\n")
    lines = ["".join(char for char in line if char.isprintable()) for line in value.splitlines()]
    kept = [line for line in lines if line and not line.startswith("hint:")]
    return "; ".join(kept[-6:])[-limit:]


class Result:
    """Exit status and output of one command."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


def run_process(
    command: Sequence[str], environment: Mapping[str, str], stdin: bytes, timeout: float, cwd: Optional[str]
) -> Tuple[Result, bool]:
    """Runs a command in a process group of its own, and ends the whole group when time is up."""
    with subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
    ) as process:
        timed_out = False
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            kill_group(process.pid)
            stdout, stderr = process.communicate()
        except BaseException:
            kill_group(process.pid)
            raise
        return Result(process.returncode, stdout, stderr), timed_out


def kill_group(group: int) -> None:
    """SIGKILL for a whole process group; one that is gone already is what we wanted."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class Git:
    """Runs git in one repository (`directory` is its git dir)."""

    def __init__(
        self,
        directory: str,
        environment: Mapping[str, str],
        scrub: Scrubber,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.directory = directory
        self.environment = dict(environment)
        self.scrub = scrub
        self.timeout = timeout
        self.work_tree: Optional[str] = None

    def result(
        self,
        *arguments: str,
        stdin: bytes = b"",
        ok: Sequence[int] = (0,),
        extra: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Result:
        """Exit status and output.

        Raises:
            GitError: for an exit status not in `ok`, and for a time-out.
            Problem: where git itself can't be started.
        """
        command = ["git", "--git-dir=" + self.directory]
        if self.work_tree is not None:
            command.append("--work-tree=" + self.work_tree)
        command += arguments
        environment = dict(self.environment)
        if extra:
            environment.update(extra)
        cwd = self.work_tree or (self.directory if os.path.isdir(self.directory) else None)
        try:
            result, timed_out = run_process(command, environment, stdin, timeout or self.timeout, cwd)
        except FileNotFoundError:
            raise Problem("git", "git was not found; version 2.38 or newer is needed") from None
        name = next((word for word in arguments if not word.startswith("-")), "")
        if timed_out:
            raise GitError(
                name, result.code, "took longer than %d s and was ended" % (timeout or self.timeout), True
            )
        if result.code not in ok:
            raise GitError(name, result.code, self.scrub(last_lines(result.stderr)))
        return result

    def run(self, *arguments: str, stdin: bytes = b"", extra: Optional[Mapping[str, str]] = None) -> bytes:
        """Output of a command that must succeed. Raises GitError."""
        return self.result(*arguments, stdin=stdin, extra=extra).stdout

    def line(self, *arguments: str, stdin: bytes = b"") -> str:
        """Output of a command that answers with one line, without its end."""
        return self.run(*arguments, stdin=stdin).decode("utf-8", "backslashreplace").rstrip("\n")

    def objects(self) -> Dict[str, str]:
        """Type by id of all objects at hand. Asking for a list never fetches, asking for one would."""
        out = self.run(
            "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objecttype)"
        )
        found: Dict[str, str] = {}
        for line in out.decode("ascii").splitlines():
            name, _, kind = line.partition(" ")
            found[name] = kind
        return found
