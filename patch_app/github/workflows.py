"""Reads the workflow files of some commits, and the local actions they use, for the workflow gate.

Parses with YAML's scalars left as text and nothing constructed; what can't be read or parsed is said
as such, never passed over.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from patch_app.core import gate, workflow_jobs
from patch_app.core.attempt import Attempt
from patch_app.core.gate import Default, Finding
from patch_app.core.workflow_events import Deed
from patch_app.core.workflow_files import Broken
from patch_app.github import reading, yaml_text
from patch_app.github.client import Client, GitHubApp
from patch_app.github.document import Answer, Document
from patch_app.github.errors import Refused

DIRECTORY: Final = ".github/workflows"
FILE_BOUND: Final = 1024 * 1024
FILES_BOUND: Final = 300
_BLOB: Final = "... on Blob { oid text isBinary isTruncated }"
# GitHub runs the files of this folder alone, none in folders below it
_FOLDER: Final = f"... on Tree {{ entries {{ name type mode object {{ {_BLOB} }} }} }}"

ADMINISTRATION: Final = {"metadata": "read", "administration": "read"}
# what Git writes as the mode of a symbolic link
_LINK: Final = 0o120000
# characters of all files that are parsed for one gate
_TEXT_BOUND: Final = 24 * 1024 * 1024

Files = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the gate is asked. `commits`: those whose workflow files were asked for, each once."""

    commits: Sequence[str]
    # of them, those whose files are known, and those that would run by deeds of the App's
    known: tuple[str, ...]
    branches: tuple[tuple[str, tuple[Deed, ...]], ...]
    # reads what a token may do where a file says nothing
    default: Callable[[], Awaitable[Default]]
    # whether jobs are told that have nothing worth having
    every: bool = False


def ask(document: Document, commits: Sequence[str]) -> None:
    """Adds the workflow files of the commits to a query."""
    for number, commit in enumerate(commits):
        document.add(f"workflows{number}", "object", "expression", f"{commit}:{DIRECTORY}", _FOLDER)


async def findings(client: Client, repository: str, answer: Answer, asked: Asked) -> tuple[Finding, ...]:
    """Which jobs of the commits asked about would run because of the App and aren't known. Raises Later, Bug.

    The default permissions are read only where something was found: most Apps may not read them.
    """
    files = await _every(client, repository, answer, asked.commits)
    every = dict(zip(asked.commits, files, strict=True))
    known = [every[one] for one in asked.known]
    branches = [gate.Branch(files=every[commit], deeds=deeds) for commit, deeds in asked.branches]
    find = functools.partial(gate.findings, known, *branches, every=asked.every)
    # many files take their time, in which others are to be served
    found = await asyncio.to_thread(find)
    if found and (level := await asked.default()) is not Default.UNKNOWN:
        found = await asyncio.to_thread(find, default=level)
    return found


def reads_default(app: GitHubApp, attempt: Attempt) -> Callable[[], Awaitable[Default]]:
    """Reads what `GITHUB_TOKEN` may do on an attempt's fork where a workflow says nothing. Raises Later, Bug.

    That needs `administration: read`, which the App doesn't ask for (GitHub: "Get default workflow
    permissions for a repository"). Where it may not be read it is unknown.
    """

    async def read() -> Default:
        try:
            client = await app.installation(attempt.installation_id, attempt.repository_id, ADMINISTRATION)
            answer = await client.get(f"/repos/{attempt.repository}/actions/permissions/workflow")
            return Default(str(answer.get("default_workflow_permissions")))
        except (Refused, ValueError):
            return Default.UNKNOWN

    return read


def changed(answer: Answer, commits: Sequence[str]) -> tuple[str, ...]:
    """Workflow files that the second of `commits` has otherwise than the first, or has alone."""
    if len(commits) < 2:
        return ()
    before, after = _blobs(answer, 0), _blobs(answer, 1)
    return tuple(sorted(path for path, blob in after.items() if before.get(path) != blob))


def _blobs(answer: Answer, number: int) -> dict[str, str]:
    entries = (answer.fork.get(f"workflows{number}") or {}).get("entries") or []
    return {f"{DIRECTORY}/{one['name']}": (one["object"] or {}).get("oid", "") for one in entries}


async def read_files(client: Client, repository: str, commit: str) -> Files:
    """The workflow files of a commit and the local actions they use, parsed, by path."""
    document = Document(repository)
    ask(document, [commit])
    return (await _every(client, repository, await document.ask(client), [commit]))[0]


async def parsed_files(client: Client, repository: str, answer: Answer) -> Files:
    """The workflow files of the first commit that was asked for, without the actions they use, by path."""
    return await _Reader(client, repository).files(answer, 0)


async def _every(client: Client, repository: str, answer: Answer, commits: Sequence[str]) -> list[Files]:
    reader = _Reader(client, repository)
    every = [await reader.files(answer, number) for number, _ in enumerate(commits)]
    await reader.add_actions(every, commits)
    return every


class _Reader:
    """One gate's readings: each file is parsed once, however many commits have it."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._repository = repository
        self._documents: dict[tuple[str, bool], Any] = {}
        self._left = _TEXT_BOUND

    async def files(self, answer: Answer, number: int) -> Files:
        """The workflow files of one of the commits, by path."""
        folder = answer.fork.get(f"workflows{number}")
        if folder is not None and "entries" not in folder:
            return {DIRECTORY: Broken(reason="it is no folder")}
        found: Files = {}
        for one in (folder or {}).get("entries") or []:
            if one["type"] != "blob" or not one["name"].lower().endswith((".yml", ".yaml")):
                continue
            path, there = f"{DIRECTORY}/{one['name']}", one["object"] or {}
            if one["mode"] == _LINK:
                found[path] = Broken(reason="it is a symbolic link", blob=there.get("oid", ""))
            elif len(found) > FILES_BOUND:
                # each would be parsed, and told as too many all the same
                found[path] = Broken(reason="there are too many files before it")
            else:
                found[path] = await self.parsed(there)
        return found

    async def add_actions(self, every: list[Files], commits: Sequence[str]) -> None:
        """The local actions that the files use, and those that these use, a query for each round."""
        while wanted := [
            (number, path)
            for number, files in enumerate(every)
            for path in gate.to_read(files)
            if not _tried(path, files) and len(files) <= FILES_BOUND
        ]:
            document = Document(self._repository)
            for place, (number, path) in enumerate(wanted):
                for index, name in enumerate(workflow_jobs.ACTION_FILES):
                    at = f"{commits[number]}:{path}/{name}" if path else f"{commits[number]}:{name}"
                    document.add(f"action{place}_{index}", "object", "expression", at, _BLOB)
            found = (await document.ask(self._client)).fork
            for place, (number, path) in enumerate(wanted):
                for index, name in enumerate(workflow_jobs.ACTION_FILES):
                    # something that is no file has no id
                    if (node := found.get(f"action{place}_{index}")) and "oid" in node:
                        plain = name == "Dockerfile"
                        at = f"{path}/{name}" if path else name
                        every[number][at] = await self.parsed(node, plain=plain)
                if not _tried(path, every[number]):
                    missing = f"{path}/action.yml" if path else "action.yml"
                    every[number][missing] = Broken(reason="the local action isn't there")
        for files in every:
            if len(files) > FILES_BOUND:
                files[DIRECTORY] = Broken(reason=f"more than {FILES_BOUND} workflow and action files")

    async def parsed(self, node: Any, *, plain: bool = False) -> Any:
        """The document of a blob as GraphQL tells it; one that it cuts is read in full."""
        oid = (node or {}).get("oid")
        if not oid:
            return Broken(reason="it is no file")
        if (oid, plain) not in self._documents:
            self._documents[oid, plain] = await self._document(node, oid, plain)
        return self._documents[oid, plain]

    async def _document(self, node: Any, oid: str, plain: bool) -> Any:
        if node["isTruncated"]:
            raw = await reading.blob(self._client, self._repository, oid, FILE_BOUND)
        elif node["isBinary"] or node["text"] is None or "\ufffd" in node["text"]:
            return Broken(reason="it is no UTF-8 text", blob=oid)
        else:
            raw = node["text"].encode()
        self._left -= len(raw)
        if self._left < 0:
            return Broken(reason="the files before it are too large", blob=oid)
        return parse(raw, oid, plain=plain)


def _tried(path: str, files: Files) -> bool:
    return bool(workflow_jobs.action_files(path, files))


def parse(raw: bytes, oid: str, *, plain: bool = False) -> Any:
    """The file's YAML with all scalars as text, or Broken. `plain`: its text as it is."""
    try:
        text = raw.decode()
        return text if plain else yaml_text.document(text)
    except UnicodeDecodeError:
        return Broken(reason="it is no UTF-8 text", blob=oid)
    except (yaml.YAMLError, RecursionError) as error:
        return Broken(reason=f"its YAML can't be parsed: {str(error).splitlines()[0][:200]}", blob=oid)
