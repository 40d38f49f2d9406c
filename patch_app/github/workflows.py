"""Reads the workflow files of some commits, and the local actions they use, for the workflow gate.

Parses with YAML's scalars left as text and nothing constructed; what can't be read or parsed is said
as such, never passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml

from patch_app.core import gate
from patch_app.core.gate import Finding
from patch_app.core.workflow_files import Broken
from patch_app.github import reading
from patch_app.github.client import Client
from patch_app.github.document import Answer, Document

DIRECTORY: Final = ".github/workflows"
FILE_BOUND: Final = 1024 * 1024
FILES_BOUND: Final = 300
_ACTION_FILES: Final = ("action.yml", "action.yaml", "Dockerfile")
_BLOB: Final = "... on Blob { oid text isBinary isTruncated }"
# GitHub runs the files of this folder alone, none in folders below it
_FOLDER: Final = f"... on Tree {{ entries {{ name type object {{ {_BLOB} }} }} }}"

Files = dict[str, Any]


def ask(document: Document, commits: Sequence[str]) -> None:
    """Adds the workflow files of the commits to a query."""
    for number, commit in enumerate(commits):
        document.add(f"workflows{number}", "object", "expression", f"{commit}:{DIRECTORY}", _FOLDER)


async def findings(
    client: Client, repository: str, answer: Answer, commits: Sequence[str]
) -> tuple[Finding, ...]:
    """What the workflow files of `commits` may do that those of the first of them may not."""
    before, *after = await _every(client, repository, answer, commits)
    return gate.findings(before, *after)


async def findings_beyond(
    client: Client, repository: str, answer: Answer, commits: Sequence[str]
) -> tuple[Finding, ...]:
    """What the last of four commits may do that the third may not, but for what the second could that the
    first couldn't.
    """
    first, second, third, last = await _every(client, repository, answer, commits)
    known = gate.findings(first, second)
    return tuple(one for one in gate.findings(third, last) if one not in known)


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

    async def files(self, answer: Answer, number: int) -> Files:
        """The workflow files of one of the commits, by path."""
        entries = (answer.fork.get(f"workflows{number}") or {}).get("entries") or []
        return {
            f"{DIRECTORY}/{one['name']}": await self.parsed(one["object"])
            for one in entries
            if one["type"] == "blob" and one["name"].lower().endswith((".yml", ".yaml"))
        }

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
                for index, name in enumerate(_ACTION_FILES):
                    at = f"{commits[number]}:{path}/{name}"
                    document.add(f"action{place}_{index}", "object", "expression", at, _BLOB)
            found = (await document.ask(self._client)).fork
            for place, (number, path) in enumerate(wanted):
                for index, name in enumerate(_ACTION_FILES):
                    node = found.get(f"action{place}_{index}")
                    if node:
                        plain = name == "Dockerfile"
                        every[number][f"{path}/{name}"] = await self.parsed(node, plain=plain)
                        break
                else:
                    every[number][f"{path}/action.yml"] = Broken(reason="the local action isn't there")
        for files in every:
            if len(files) > FILES_BOUND:
                files[DIRECTORY] = Broken(reason=f"more than {FILES_BOUND} workflow and action files")

    async def parsed(self, node: Any, *, plain: bool = False) -> Any:
        """The document of a blob as GraphQL tells it; one that it cuts is read in full."""
        oid = (node or {}).get("oid")
        if not oid:
            return Broken(reason="it is no file")
        if (oid, plain) not in self._documents:
            if node["isTruncated"]:
                raw = await reading.blob(self._client, self._repository, oid, FILE_BOUND)
                self._documents[oid, plain] = parse(raw, oid, plain=plain)
            elif node["isBinary"] or node["text"] is None or "\ufffd" in node["text"]:
                self._documents[oid, plain] = Broken(reason="it is no UTF-8 text", blob=oid)
            else:
                self._documents[oid, plain] = parse(node["text"].encode(), oid, plain=plain)
        return self._documents[oid, plain]


def _tried(path: str, files: Files) -> bool:
    return any(f"{path}/{name}" in files for name in _ACTION_FILES)


def parse(raw: bytes, oid: str, *, plain: bool = False) -> Any:
    """The file's YAML with all scalars as text, or Broken. `plain`: its text as it is."""
    try:
        text = raw.decode()
        # BaseLoader constructs text, lists and mappings alone, so no tag runs anything
        return text if plain else yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except UnicodeDecodeError:
        return Broken(reason="it is no UTF-8 text", blob=oid)
    except (yaml.YAMLError, RecursionError) as error:
        return Broken(reason=f"its YAML can't be parsed: {str(error).splitlines()[0][:200]}", blob=oid)
