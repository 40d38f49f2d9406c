"""GitHub's own descriptions, from npm, in a cache folder outside the repository. Never committed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

VERSIONS = {
    "@octokit/openapi": "23.0.2",
    "@octokit/graphql-schema": "15.26.1",
    "@octokit/webhooks-examples": "7.6.1",
}


def _cache_dir() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "patch-app" / "npm"


@cache
def package(name: str) -> Path:
    """The package's folder, installed when needed. Skips where npm is missing, but fails in CI."""
    version = VERSIONS[name]
    prefix = _cache_dir() / f"{name.replace('/', '-').lstrip('@')}-{version}"
    folder = prefix / "node_modules" / name
    if (folder / "package.json").exists():
        return folder
    if shutil.which("npm") is None:
        reason = f"npm is not installed, so {name} can't be fetched"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    # tests run side by side: each installs apart, and whoever is first puts the whole package in its place
    with tempfile.TemporaryDirectory(dir=prefix.parent) as apart:
        command = ["npm", "install", "--prefix", apart, "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run([*command, f"{name}@{version}"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = f"npm could not install {name}: {done.stderr[-500:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        if not folder.exists():
            prefix.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # another was first
                (Path(apart) / "node_modules").rename(prefix / "node_modules")
    return folder


@cache
def openapi() -> dict[str, Any]:
    file = package("@octokit/openapi") / "generated" / "api.github.com.json"
    data: dict[str, Any] = json.loads(file.read_text())
    return data


def graphql_schema() -> str:
    return (package("@octokit/graphql-schema") / "schema.graphql").read_text()


def webhook_examples() -> list[tuple[str, dict[str, Any]]]:
    """Event and payload of every example that GitHub's documentation has."""
    file = package("@octokit/webhooks-examples") / "api.github.com" / "index.json"
    return [(one["name"], payload) for one in json.loads(file.read_text()) for payload in one["examples"]]
