"""Rules of a branch in the form of GitHub's API.

Its job: complete a rule given by its type. It refuses types that GitHub has not.
"""

from __future__ import annotations

from collections.abc import Iterator

from patch_app.forge.state import Json, Repository

_BARE = frozenset(
    {
        *("creation", "deletion", "non_fast_forward", "required_linear_history", "required_signatures"),
        "license_compliance_scanning",
    }
)
_WITH_PARAMETERS = frozenset(
    {
        *("commit_message_pattern", "commit_author_email_pattern", "committer_email_pattern"),
        *("branch_name_pattern", "tag_name_pattern", "file_path_restriction", "max_file_path_length"),
        *("file_extension_restriction", "max_file_size", "merge_queue", "required_deployments", "workflows"),
        *("code_scanning", "copilot_code_review"),
    }
)
_PULL_REQUEST: Json = {
    "dismiss_stale_reviews_on_push": False,
    "require_code_owner_review": False,
    "require_last_push_approval": False,
    "required_approving_review_count": 1,
    "required_review_thread_resolution": False,
}


def rule(given: Json | str) -> Json:
    """A whole rule from a type or a partial one. Errors: ValueError for a type that is not known here."""
    row: Json = {"type": given} if isinstance(given, str) else dict(given)
    kind, parameters = row.get("type"), dict(row.get("parameters") or {})
    if kind in _BARE:
        return {"type": kind}
    match kind:
        case "update":
            return {"type": kind, "parameters": {"update_allows_fetch_and_merge": False} | parameters}
        case "pull_request":
            return {"type": kind, "parameters": _PULL_REQUEST | parameters}
        case "required_status_checks":
            base: Json = {"required_status_checks": [], "strict_required_status_checks_policy": False}
            checks = [
                {"context": c} if isinstance(c, str) else c
                for c in parameters.get("required_status_checks", [])
            ]
            return {"type": kind, "parameters": base | parameters | {"required_status_checks": checks}}
        case str() if kind in _WITH_PARAMETERS:
            return {"type": kind, "parameters": parameters}
        case _:
            raise ValueError(f"the local GitHub has no rule {kind}")


def holding(repo: Repository, branch: str) -> Iterator[tuple[str, list[Json]]]:
    """The rulesets for a branch that need not exist: the name or `folder/**` that each is for, its rules."""
    for pattern, rows in repo.rules.items():
        folder = pattern.removesuffix("**") if pattern.endswith("/**") else ""
        if branch == pattern or (folder and branch.startswith(folder)):
            yield pattern, rows


def ruleset_id(repo: Repository, pattern: str) -> int:
    """The id of the ruleset for a name or pattern; it stays while the repository is there."""
    return repo.id * 1000 + list(repo.rules).index(pattern)
