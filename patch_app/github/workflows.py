"""Reads the workflow files of some commits, and the local actions they use, for the workflow gate.

Parses with YAML's scalars left as text and nothing constructed; what can't be read or parsed is said
as such, never passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import yaml

from patch_app.core import gate
from patch_app.core.gate import Finding
from patch_app.core.workflow_files import Broken
from patch_app.github import reading
from patch_app.github.client import Client
from patch_app.github.transport import segment

DIRECTORY: Final = ".github/workflows"
FILE_BOUND: Final = 1024 * 1024
FILES_BOUND: Final = 300
_ACTION_FILES: Final = ("action.yml", "action.yaml", "Dockerfile")

Files = dict[str, Any]


async def findings(
    client: Client, repository: str, *, maintained: str, others: Sequence[str]
) -> tuple[Finding, ...]:
    """What the workflow files of `others` (commits) may do that those of `maintained` may not."""
    reader = _Reader(client, repository)
    wanted = [maintained, *(commit for commit in dict.fromkeys(others) if commit)]
    before, *after = await asyncio.gather(*(reader.files(commit) for commit in wanted))
    return gate.findings(before, *after)


class _Reader:
    """One gate's readings: each blob is fetched and parsed once, however many commits have it."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._repository = repository
        self._documents: dict[tuple[str, bool], Any] = {}

    async def files(self, commit: str) -> Files:
        tree = await self._tree(commit)
        paths = [p for p in tree if p.startswith(f"{DIRECTORY}/") and p.lower().endswith((".yml", ".yaml"))]
        files = {path: await self._document(path, tree[path]) for path in paths}
        while wanted := [path for path in gate.to_read(files) if not self._tried(path, files)]:
            for path in wanted:
                for name in _ACTION_FILES:
                    found = f"{path}/{name}"
                    if found in tree:
                        files[found] = await self._document(found, tree[found])
                        break
                else:
                    files[f"{path}/action.yml"] = Broken(reason="the local action isn't there")
            if len(files) > FILES_BOUND:
                files[DIRECTORY] = Broken(reason=f"more than {FILES_BOUND} workflow and action files")
                break
        return files

    def _tried(self, path: str, files: Files) -> bool:
        return any(f"{path}/{name}" in files for name in _ACTION_FILES)

    async def _tree(self, commit: str) -> dict[str, str]:
        """Paths under .github, and of local actions anywhere, with their blob ids.

        GitHub cuts a recursive listing at 100,000 entries or 7 MB and says `truncated`: then only
        .github is listed, and a local action elsewhere counts as not there, which is a finding.
        """
        path = f"/repos/{self._repository}/git/trees/{segment(commit)}"
        answer = await self._client.get(path, recursive=1)
        prefix = ""
        if answer.get("truncated"):
            root = await self._client.get(path)
            inner = next((entry for entry in root["tree"] if entry["path"] == ".github"), None)
            if inner is None:
                return {}
            sub = f"/repos/{self._repository}/git/trees/{segment(inner['sha'])}"
            answer, prefix = await self._client.get(sub, recursive=1), ".github/"
        return {
            f"{prefix}{entry['path']}": entry["sha"] for entry in answer["tree"] if entry["type"] == "blob"
        }

    async def _document(self, path: str, oid: str) -> Any:
        plain = path.endswith("Dockerfile")
        key = (oid, plain)
        if key not in self._documents:
            raw = await reading.blob(self._client, self._repository, oid, FILE_BOUND)
            self._documents[key] = parse(raw, oid, plain=plain)
        return self._documents[key]


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
