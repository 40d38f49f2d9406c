"""The dashboard issue on GitHub: found, read, written, answered in. Concludes nothing."""

from __future__ import annotations

from typing import Any

from patch_app.github.client import Client
from patch_app.github.errors import Refused


async def find(client: Client, repository: str, bot: str, mark: str) -> int | None:
    """The oldest issue of the App's that has the mark: open ones first. Raises Later, Refused, Bug."""
    listed = await client.get_all(f"/repos/{repository}/issues", creator=bot, state="all", limit=5000)
    ours = [one for one in listed if "pull_request" not in one and mark in (one.get("body") or "")]
    found = min(ours, key=lambda one: (one["state"] != "open", one["number"]), default=None)
    return None if found is None else int(found["number"])


async def read(client: Client, repository: str, number: int) -> dict[str, Any] | None:
    """The issue; None where it was deleted or moved elsewhere.

    Raises Later, Refused (410: issues are off), Bug.
    """
    try:
        found: dict[str, Any] = await client.get(f"/repos/{repository}/issues/{number}")
    except Refused as error:
        if error.status == 404:
            return None
        # of a deleted issue GitHub says the same as of all where issues are off
        if error.status == 410 and (await client.get(f"/repos/{repository}")).get("has_issues"):
            return None
        raise
    return found if found.get("number") == number else None


async def create(client: Client, repository: str, title: str, body: str) -> int:
    """The number of a new issue. Raises Later, Refused (410: issues are off), Bug."""
    made = await client.post(f"/repos/{repository}/issues", {"title": title, "body": body})
    return int(made["number"])


async def write(client: Client, repository: str, number: int, changes: dict[str, str]) -> None:
    """Change its body or state. Raises Later, Refused, Bug."""
    await client.patch(f"/repos/{repository}/issues/{number}", changes)


async def has_answer(client: Client, repository: str, number: int, bot: str, mark: str) -> bool:
    """Whether a comment of the App's has the mark. Raises Later, Refused, Bug."""
    said = await client.get_all(f"/repos/{repository}/issues/{number}/comments", limit=5000)
    return any(mark in (one["body"] or "") and (one.get("user") or {}).get("login") == bot for one in said)


async def answer(client: Client, repository: str, number: int, text: str) -> None:
    """One comment. Raises Later, Refused, Bug."""
    await client.post(f"/repos/{repository}/issues/{number}/comments", {"body": text})
