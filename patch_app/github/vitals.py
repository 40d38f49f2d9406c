"""Reads what can block an attempt and nothing else of it needs: permissions, rules, upstream's visibility.

Cheap, since it is read before each attempt: the installation, the rules of two branches, and a ruleset
only where it has a rule that matters. What GitHub doesn't show is left out and blocks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from patch_app.core import names, rule_types
from patch_app.core.attempt import Attempt
from patch_app.core.vitals import Bypass, Rule, Vitals
from patch_app.github import reading
from patch_app.github.client import Client, GitHubApp
from patch_app.github.errors import Refused
from patch_app.github.perform import ACT, SPEAK
from patch_app.github.setup import manifest
from patch_app.github.transport import segments

_LEVELS: Final = {"read": 1, "write": 2, "admin": 3}
# no branch has more than a few rules
_MOST_RULES: Final = 200


async def before_attempt(
    app: GitHubApp,
    client: Client,
    attempt: Attempt,
    prefix: str,
    upstream: Mapping[str, Any] | None,
) -> Vitals:
    """The vitals of one fork for one attempt. Raises Later and Bug; a refusal leaves a part out.

    `prefix`: of the App's branches. `upstream`: GitHub's own record of it, None where it can't be seen.
    """
    branch = names.maintenance_branch(attempt.stack, attempt.tag, prefix)
    (missing, suspended), listed, theirs = await asyncio.gather(
        _lacking(app, attempt),
        _rules(client, attempt.repository, attempt.stack),
        _rules(client, attempt.repository, branch),
    )
    maintained, own = await _told(client, attempt.repository, listed, theirs)
    return Vitals(
        missing_permissions=missing,
        suspended=suspended,
        rules=maintained or (),
        weighed=rule_types.weigh(zip(listed, (one.bypass for one in maintained), strict=True))
        if listed is not None and maintained is not None
        else None,
        own_rules=own or (),
        upstream_reachable=upstream is not None,
        upstream_private=bool(upstream and upstream.get("isPrivate")),
    )


async def _lacking(app: GitHubApp, attempt: Attempt) -> tuple[dict[str, str] | None, bool]:
    """As `installation`, but asked only where GitHub gives no token for what the attempt will do.

    "The permissions requested are not granted to this installation": docs.github.com/rest/apps/apps, 422.
    """
    try:
        await app.installation(attempt.installation_id, attempt.repository_id, ACT)
        await app.installation(attempt.installation_id, attempt.repository_id, SPEAK)
    except Refused:
        return await installation(app, attempt.installation_id)
    return {}, False


async def installation(app: GitHubApp, installation_id: int) -> tuple[dict[str, str] | None, bool]:
    """The permissions that the installation lacks against the manifest, and whether it is suspended."""
    try:
        found = await app.jwt_client().get(f"/app/installations/{installation_id}")
    except Refused:
        return None, False
    granted = found.get("permissions") or {}
    wanted = manifest(app.settings.web_url)["default_permissions"]
    missing = {
        name: level
        for name, level in wanted.items()
        if _LEVELS.get(granted.get(name, ""), 0) < _LEVELS.get(level, 0)
    }
    return missing, found.get("suspended_at") is not None


async def both_rules(client: Client, repository: str, *wanted: str) -> tuple[tuple[Rule, ...] | None, ...]:
    """The rules of each branch, which need not exist; None where GitHub doesn't show them."""
    listed = await asyncio.gather(*(_rules(client, repository, one) for one in wanted))
    return await _told(client, repository, *listed)


async def _told(
    client: Client, repository: str, *listed: list[dict[str, Any]] | None
) -> tuple[tuple[Rule, ...] | None, ...]:
    """The rules with what the App may do about each, by a request a ruleset."""
    rulesets = {row["ruleset_id"] for rows in listed for row in rows or () if row.get("ruleset_id")}
    known = dict(
        zip(
            sorted(rulesets),
            await asyncio.gather(*(reading.ruleset(client, repository, one) for one in sorted(rulesets))),
            strict=True,
        )
    )
    return tuple(
        None
        if rows is None
        else tuple(_rule(row, known.get(row.get("ruleset_id"), ("", Bypass.UNKNOWN))) for row in rows)
        for rows in listed
    )


async def _rules(client: Client, repository: str, branch: str) -> list[dict[str, Any]] | None:
    try:
        path = f"/repos/{repository}/rules/branches/{segments(branch)}"
        return await client.get_all(path, limit=_MOST_RULES)
    except Refused:
        return None


def _rule(row: Mapping[str, Any], ruleset: tuple[str, Bypass]) -> Rule:
    name, bypass = ruleset
    return Rule(type=str(row["type"]), ruleset=name, bypass=bypass, doubts=rule_types.doubts(row, bypass))


def parent_is_private(repository: Mapping[str, Any], upstream: str) -> bool:
    """Whether GitHub's record of the fork says so of its parent, and that is the upstream."""
    parent = repository.get("parent") or {}
    same = str(parent.get("full_name", "")).lower() == upstream.lower()
    return same and bool(parent.get("private"))


async def seen(client: Client, upstream: str) -> tuple[bool | None, Mapping[str, Any] | None]:
    """Whether a token of the fork alone sees the upstream, None where GitHub gives another refusal; and
    GitHub's record of it.
    """
    try:
        found = await client.find(f"/repos/{segments(upstream)}")
    except Refused:
        return None, None
    return found is not None, found if isinstance(found, Mapping) else None
