"""Accounts, repositories, Apps and installations as GitHub's JSON.

Its job: one function for each schema of GitHub's OpenAPI description. It refuses to decide who may see what.
"""

from __future__ import annotations

import base64
from datetime import datetime

from patch_app.forge.auth import Caller, role_of
from patch_app.forge.core import ACTIONS_APP, Core
from patch_app.forge.state import ROLES, Account, App, Installation, Json, Repository


def stamp(when: datetime) -> str:
    """A date as GitHub writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_or_none(when: datetime | None) -> str | None:
    """A date that may be missing."""
    return None if when is None else stamp(when)


def node(kind: str, number: int | str) -> str:
    """An opaque node id that `unnode` reads back."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def unnode(text: str) -> tuple[str, str]:
    """Kind and number of a node id; empty strings when it is none of ours."""
    try:
        kind, _, number = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return kind, number


def user(core: Core, login: str) -> Json:
    """simple-user."""
    row: Account = core.account(login)
    api = f"{core.api_url}/users/{row.login}"
    return {
        "login": row.login,
        "id": row.id,
        "node_id": node("User", row.id),
        "avatar_url": f"{core.url}/avatars/u/{row.id}",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{core.url}/{row.login}".replace("[bot]", ""),
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": row.type,
        "site_admin": False,
    }


def organization(core: Core, login: str) -> Json:
    """organization-simple."""
    account = core.account(login)
    api = f"{core.api_url}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node("Organization", account.id),
        "url": api,
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events",
        "hooks_url": f"{api}/hooks",
        "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{core.url}/avatars/u/{account.id}",
        "description": "",
    }


def public_user(core: Core, login: str) -> Json:
    """public-user."""
    row = core.account(login)
    owned = [r for r in core.state.repositories.values() if r.owner == row.login and not r.private]
    return user(core, login) | {
        **dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"), None),
        "public_repos": len(owned),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.created_at),
    }


# Name in the JSON -> the end of the address below /repos/{owner}/{repo}.
_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def api_of(core: Core, repo: Repository) -> str:
    """The repository's REST address."""
    return f"{core.api_url}/repos/{repo.full_name}"


def html_of(core: Core, repo: Repository) -> str:
    """The repository's page, and with .git its Git address."""
    return f"{core.url}/{repo.full_name}"


def minimal(core: Core, repo: Repository) -> Json:
    """minimal-repository."""
    api = api_of(core, repo)
    return {
        "id": repo.id,
        "node_id": node("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": user(core, repo.owner),
        "private": repo.private,
        "html_url": html_of(core, repo),
        "description": repo.description,
        "fork": repo.parent is not None,
        "url": api,
        **{name: api + end for name, end in _URLS.items()},
    }


def repository(core: Core, repo: Repository) -> Json:
    """Repository, the form inside lists, pull requests and webhooks."""
    html = html_of(core, repo)
    open_issues = sum(1 for i in repo.issues.values() if i.state == "open")
    forks = sum(1 for r in core.state.repositories.values() if r.parent == repo.id)
    return minimal(core, repo) | {
        "git_url": html.replace("http://", "git://") + ".git",
        "ssh_url": f"git@{core.url.removeprefix('http://')}:{repo.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "forks_count": forks,
        "forks": forks,
        "stargazers_count": 0,
        "watchers_count": 0,
        "watchers": 0,
        "size": 0,
        "default_branch": repo.default_branch,
        "open_issues_count": open_issues,
        "open_issues": open_issues,
        "has_issues": repo.has_issues,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": False,
        "has_discussions": False,
        "archived": repo.archived,
        "disabled": False,
        "visibility": "private" if repo.private else "public",
        "pushed_at": stamp(repo.pushed_at),
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.updated_at),
        "topics": [],
        "is_template": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
    }


def role_permissions(role: str) -> Json:
    """The `permissions` object of a repository."""
    at = ROLES.index(role)
    return {
        "admin": at >= ROLES.index("admin"),
        "maintain": at >= ROLES.index("maintain"),
        "push": at >= ROLES.index("write"),
        "triage": at >= ROLES.index("triage"),
        "pull": at >= ROLES.index("read"),
    }


def permissions(core: Core, caller: Caller, repo: Repository) -> Json:
    """What the caller may do, as persons see it.

    Apps see all false but what their contents permission gives.
    """
    if caller.kind == "person":
        return role_permissions(role_of(core.state, caller.login, repo))
    level = caller.permissions.get("contents", "")
    return role_permissions("none") | {"pull": True, "push": level == "write"}


def full_repository(core: Core, caller: Caller, repo: Repository) -> Json:
    """full-repository, with parent and source for forks."""
    state = core.state
    whole = repository(core, repo) | {
        "subscribers_count": 0,
        "network_count": len(state.network(repo)) - 1,
        "allow_merge_commit": repo.allow_merge_commit,
        "allow_squash_merge": repo.allow_squash_merge,
        "allow_rebase_merge": repo.allow_rebase_merge,
        "allow_auto_merge": False,
        "delete_branch_on_merge": repo.delete_branch_on_merge,
    }
    if caller.kind != "anonymous":
        whole["permissions"] = permissions(core, caller, repo)
    if core.account(repo.owner).type == "Organization":
        whole["organization"] = user(core, repo.owner)
    if repo.parent is not None and repo.parent in state.repositories:
        whole["parent"] = repository(core, state.repositories[repo.parent])
        whole["source"] = repository(core, state.source(repo))
    return whole


def integration(core: Core, row: App) -> Json:
    """Integration: what checks, comments and `GET /app` show of an App."""
    return {
        "id": row.id,
        "slug": row.slug,
        "client_id": row.client_id,
        "node_id": node("App", row.id),
        "owner": user(core, row.owner),
        "name": row.name,
        "description": row.description,
        "external_url": row.external_url,
        "html_url": f"{core.url}/apps/{row.slug}",
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "permissions": dict(row.permissions),
        "events": list(row.events),
    }


def app_of_id(core: Core, app_id: int) -> Json:
    """An App by id; github-actions is built in."""
    if app_id in core.state.apps:
        return integration(core, core.state.apps[app_id])
    assert app_id == ACTIONS_APP, app_id  # noqa: S101
    github = core.account("github")
    return {
        "id": ACTIONS_APP,
        "slug": "github-actions",
        "client_id": "Iv1.05c79e9ad1f6bdfa",
        "node_id": node("App", ACTIONS_APP),
        "owner": user(core, "github"),
        "name": "GitHub Actions",
        "description": "Automate your workflow from idea to production",
        "external_url": f"{core.url}/features/actions",
        "html_url": f"{core.url}/apps/github-actions",
        "created_at": stamp(github.created_at),
        "updated_at": stamp(github.created_at),
        "permissions": {"actions": "write", "checks": "write", "contents": "write", "metadata": "read"},
        "events": ["check_run", "check_suite", "push", "workflow_dispatch"],
    }


def installation(core: Core, row: Installation) -> Json:
    """Installation."""
    app = core.state.apps[row.app_id]
    account = core.account(row.account)
    return {
        "id": row.id,
        "account": user(core, row.account),
        "repository_selection": "all" if row.repositories is None else "selected",
        "access_tokens_url": f"{core.api_url}/app/installations/{row.id}/access_tokens",
        "repositories_url": f"{core.api_url}/installation/repositories",
        "html_url": f"{core.url}/settings/installations/{row.id}",
        "app_id": app.id,
        "client_id": app.client_id,
        "app_slug": app.slug,
        "target_id": account.id,
        "target_type": account.type,
        "permissions": dict(row.permissions),
        "events": list(row.events),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(core, row.suspended_by) if row.suspended_by else None,
        "suspended_at": stamp_or_none(row.suspended_at),
    }
