"""What a webhook delivery gives reason to look at. Pure, and content with any payload.

A delivery is a hint: nothing but names and ids is taken from it, and all of it may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from patch_app.core.events import ReleaseEvent
from patch_app.core.model import Model

# a release is announced once, whichever of its actions arrives first
_RELEASED: Final = frozenset({"published", "released", "prereleased"})
_INSTALLATION: Final = frozenset({"installation", "installation_repositories"})
_RUN_NAME = re.compile(r"patch_app ([0-9a-z]{8,40})")


class Hints(Model):
    """Where to look. All empty: the delivery concerns nothing of ours."""

    # attempts on this repository may have news
    repository_id: int | None = None
    # an attempt that a run's name carries, ended ones too
    attempt: str | None = None
    # the installation's repositories may have changed
    installation_id: int | None = None
    # this repository's configuration may have changed
    fork_changed: bool = False
    release: ReleaseEvent | None = None


def hints(event: str, payload: Mapping[str, Any]) -> Hints:
    """Hints of one delivery; `event` is its X-GitHub-Event."""
    repository = _mapping(payload.get("repository"))
    repository_id = repository.get("id")
    installation_id = _mapping(payload.get("installation")).get("id")
    run = _mapping(payload.get("workflow_run"))
    named = _RUN_NAME.fullmatch(str(run.get("display_title") or run.get("name") or ""))
    return Hints(
        repository_id=repository_id if isinstance(repository_id, int) else None,
        attempt=named[1] if named else None,
        installation_id=installation_id
        if event in _INSTALLATION and isinstance(installation_id, int)
        else None,
        fork_changed=event == "repository" or (event == "push" and _to_default_branch(payload, repository)),
        release=_release(payload, repository) if event == "release" else None,
    )


def _to_default_branch(payload: Mapping[str, Any], repository: Mapping[str, Any]) -> bool:
    return payload.get("ref") == f"refs/heads/{repository.get('default_branch')}"


def _release(payload: Mapping[str, Any], repository: Mapping[str, Any]) -> ReleaseEvent | None:
    release = _mapping(payload.get("release"))
    tag, name = release.get("tag_name"), repository.get("full_name")
    if payload.get("action") not in _RELEASED or release.get("draft") or not isinstance(tag, str):
        return None
    if not isinstance(name, str) or not tag:
        return None
    return ReleaseEvent(
        upstream=name,
        tag=tag,
        prerelease=bool(release.get("prerelease")),
        published=_time(release.get("published_at")),
        url=str(release.get("html_url") or ""),
        source="webhook",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
