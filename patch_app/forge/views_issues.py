"""Issues, comments, pull requests and reviews as GitHub's JSON.

Its job: one function for each schema. It refuses to change anything.
"""

from __future__ import annotations

from patch_app.forge import views
from patch_app.forge.auth import role_of
from patch_app.forge.core import Core
from patch_app.forge.git import GitError
from patch_app.forge.state import Comment, Issue, Json, Label, Pull, Reaction, Repository, Review
from patch_app.forge.views import api_of, html_of, node, stamp, stamp_or_none, user
from patch_app.forge.views_git import changes

CONTENTS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def label(core: Core, repo: Repository, row: Label) -> Json:
    """Label."""
    return {
        "id": row.id,
        "node_id": node("Label", row.id),
        "url": f"{api_of(core, repo)}/labels/{row.name}",
        "name": row.name,
        "color": row.color,
        "description": row.description,
        "default": False,
    }


def association(core: Core, repo: Repository, login: str) -> str:
    """author-association."""
    if login.lower() == repo.owner.lower():
        return "OWNER"
    owner = core.account(repo.owner)
    if login in owner.members:
        return "MEMBER"
    if (
        role_of(core.state, login, repo) in {"triage", "write", "maintain", "admin"}
        or login in repo.collaborators
    ):
        return "COLLABORATOR"
    return "NONE"


def reaction(core: Core, row: Reaction) -> Json:
    """Reaction."""
    return {
        "id": row.id,
        "node_id": node("Reaction", row.id),
        "user": user(core, row.user),
        "content": row.content,
        "created_at": stamp(row.created_at),
    }


def _rollup(url: str, rows: list[Reaction]) -> Json:
    counts = {c: sum(1 for r in rows if r.content == c) for c in CONTENTS}
    return {"url": f"{url}/reactions", "total_count": len(rows), **counts}


def issue(core: Core, repo: Repository, row: Issue) -> Json:
    """Issue, for pull requests too."""
    api, html = api_of(core, repo), html_of(core, repo)
    url = f"{api}/issues/{row.number}"
    kind = "pull" if row.pull else "issues"
    page = f"{html}/{kind}/{row.number}"
    body: Json = {
        "id": row.id,
        "node_id": node("Issue", f"{repo.id}.{row.number}"),
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": page,
        "number": row.number,
        "state": row.state,
        "state_reason": row.state_reason,
        "title": row.title,
        "body": row.body,
        "user": user(core, row.user),
        "labels": [label(core, repo, repo.labels[n]) for n in row.labels],
        "assignee": user(core, row.assignees[0]) if row.assignees else None,
        "assignees": [user(core, a) for a in row.assignees],
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": len(row.comments),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "closed_at": stamp_or_none(row.closed_at),
        "closed_by": user(core, row.closed_by) if row.closed_by else None,
        "author_association": association(core, repo, row.user),
        "performed_via_github_app": views.app_of_id(core, row.app_id) if row.app_id else None,
        "reactions": _rollup(url, row.reactions),
        "timeline_url": f"{url}/timeline",
    }
    if row.pull:
        body["draft"] = row.pull.draft
        body["pull_request"] = {
            "url": f"{api}/pulls/{row.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": stamp_or_none(row.pull.merged_at),
        }
    return body


def hook_issue(core: Core, repo: Repository, row: Issue) -> Json:
    """An issue as webhooks have it."""
    return {k: v for k, v in issue(core, repo, row).items() if k not in {"closed_by", "state_reason"}}


def comment(core: Core, repo: Repository, parent: Issue, row: Comment) -> Json:
    """issue-comment."""
    api = api_of(core, repo)
    kind = "pull" if parent.pull else "issues"
    url = f"{api}/issues/comments/{row.id}"
    return {
        "id": row.id,
        "node_id": node("IssueComment", row.id),
        "url": url,
        "html_url": f"{html_of(core, repo)}/{kind}/{parent.number}#issuecomment-{row.id}",
        "issue_url": f"{api}/issues/{parent.number}",
        "user": user(core, row.user),
        "body": row.body,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "author_association": association(core, repo, row.user),
        "performed_via_github_app": views.app_of_id(core, row.app_id) if row.app_id else None,
        "reactions": _rollup(url, row.reactions),
    }


def head_repository(core: Core, pull: Pull) -> Repository | None:
    """The repository that the head is in, None when it was removed."""
    return core.state.repositories.get(pull.head_repo)


def pull_minimal(core: Core, repo: Repository, row: Issue) -> Json:
    """pull-request-minimal: inside checks and runs."""
    pull = row.pull
    assert pull is not None  # noqa: S101

    def side(where: Repository, ref: str, sha: str) -> Json:
        return {
            "ref": ref,
            "sha": sha,
            "repo": {"id": where.id, "url": api_of(core, where), "name": where.name},
        }

    return {
        "id": row.id,
        "number": row.number,
        "url": f"{api_of(core, repo)}/pulls/{row.number}",
        "head": side(head_repository(core, pull) or repo, pull.head_ref, pull.head_sha),
        "base": side(repo, pull.base_ref, pull.base_sha),
    }


def pulls_of(core: Core, repo: Repository, sha: str) -> list[Json]:
    """Open pull requests inside the repository whose head is this commit."""
    return [
        pull_minimal(core, repo, i)
        for i in repo.issues.values()
        if i.pull and i.state == "open" and i.pull.head_sha == sha and i.pull.head_repo == repo.id
    ]


def pull_simple(core: Core, repo: Repository, row: Issue) -> Json:
    """pull-request-simple."""
    pull = row.pull
    assert pull is not None  # noqa: S101
    api, html = api_of(core, repo), html_of(core, repo)
    url, page, issue_url = (
        f"{api}/pulls/{row.number}",
        f"{html}/pull/{row.number}",
        f"{api}/issues/{row.number}",
    )
    head = head_repository(core, pull)

    def side(where: Repository | None, ref: str, sha: str) -> Json:
        owner = where.owner if where else "unknown"
        return {
            "label": f"{owner}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": user(core, where.owner) if where else None,
            "repo": views.repository(core, where) if where else None,
        }

    links = {
        "self": url,
        "html": page,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    return {
        "id": row.id,
        "node_id": node("PullRequest", f"{repo.id}.{row.number}"),
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        "number": row.number,
        "state": row.state,
        "locked": False,
        "active_lock_reason": None,
        "title": row.title,
        "body": row.body,
        "user": user(core, row.user),
        "labels": [
            label(core, repo, repo.labels[n]) | {"description": repo.labels[n].description or ""}
            for n in row.labels
        ],
        "milestone": None,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "closed_at": stamp_or_none(row.closed_at),
        "merged_at": stamp_or_none(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": user(core, row.assignees[0]) if row.assignees else None,
        "assignees": [user(core, a) for a in row.assignees],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": side(head, pull.head_ref, pull.head_sha),
        "base": side(repo, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": href} for name, href in links.items()},
        "author_association": association(core, repo, row.user),
        "auto_merge": None,
        "draft": pull.draft,
    }


def _mergeable_state(row: Issue) -> str:
    pull = row.pull
    assert pull is not None  # noqa: S101
    if row.state == "closed" or pull.mergeable is None:
        return "unknown"
    if pull.draft:
        return "draft"
    return "clean" if pull.mergeable else "dirty"


def pull_request(core: Core, repo: Repository, row: Issue) -> Json:
    """pull-request, with counts and mergeability."""
    pull = row.pull
    assert pull is not None  # noqa: S101
    git = core.git(repo)
    try:
        base = git.text("merge-base", pull.base_sha, pull.head_sha)
        count = int(git.text("rev-list", "--count", f"{pull.base_sha}..{pull.head_sha}"))
        files = changes(git, base, pull.head_sha)
    except GitError:
        count, files = 0, []
    return pull_simple(core, repo, row) | {
        "merged": pull.merged_at is not None,
        "mergeable": pull.mergeable if row.state == "open" else None,
        "rebaseable": pull.mergeable if row.state == "open" else None,
        "mergeable_state": _mergeable_state(row),
        "merged_by": user(core, pull.merged_by) if pull.merged_by else None,
        "comments": len(row.comments),
        "review_comments": 0,
        "maintainer_can_modify": pull.maintainer_can_modify,
        "commits": count,
        "additions": sum(f.additions for f in files),
        "deletions": sum(f.deletions for f in files),
        "changed_files": len(files),
    }


def review(core: Core, repo: Repository, row: Issue, one: Review) -> Json:
    """pull-request-review."""
    page = f"{html_of(core, repo)}/pull/{row.number}#pullrequestreview-{one.id}"
    url = f"{api_of(core, repo)}/pulls/{row.number}"
    return {
        "id": one.id,
        "node_id": node("PullRequestReview", one.id),
        "user": user(core, one.user),
        "body": one.body,
        "state": one.state,
        "html_url": page,
        "pull_request_url": url,
        "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        "submitted_at": stamp(one.submitted_at),
        "commit_id": one.commit_id,
        "author_association": association(core, repo, one.user),
    }
