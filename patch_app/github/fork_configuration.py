"""A fork's configuration file, read and parsed, with what is wrong with it. Guesses at nothing."""

from __future__ import annotations

from typing import Any

from patch_app.core import configuration, names
from patch_app.github import reading
from patch_app.github.client import Client


def parsed_configuration(
    node: Any,
) -> tuple[configuration.Configuration | None, str | None, tuple[str, ...]]:
    """A fork's configuration from a blob as GraphQL tells it, the blob's id, and what is wrong with it."""
    if not node or not node.get("oid"):
        return configuration.Configuration(), None, ()
    # no text, or too long to be shown whole: whoever parses it says so
    return _parsed(node["oid"], "\0" if node["text"] is None or node["isTruncated"] else node["text"])


async def read_configuration(
    client: Client, repository: str, at: str
) -> tuple[configuration.Configuration | None, str | None, tuple[str, ...]]:
    """A fork's configuration, the blob it came from, and what is wrong with it."""
    found = await reading.file_text(client, repository, names.CONFIGURATION_PATH, at)
    if found is None:
        return configuration.Configuration(), None, ()
    return _parsed(*found)


def _parsed(blob: str, text: str) -> tuple[configuration.Configuration | None, str | None, tuple[str, ...]]:
    try:
        return configuration.parse(text), blob, ()
    except configuration.ConfigurationError as error:
        return None, blob, tuple(str(problem) for problem in error.problems)
