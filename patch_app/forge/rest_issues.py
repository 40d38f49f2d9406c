"""REST: issues, comments, reactions, labels.

Its job: conversations, of pull requests too. It refuses issues with 410 where they are off, and bodies
that are too long.
"""

from __future__ import annotations

from typing import Any

from patch_app.forge import auth, views_issues
from patch_app.forge.core import Core
from patch_app.forge.rest import (
    ApiError,
    Ctx,
    Reply,
    forbidden,
    invalid,
    not_found,
    number_of,
    route,
    text_of,
)
from patch_app.forge.state import Comment, Issue, Json, Label, Reaction, Repository

READ, WRITE = ("issues", "read"), ("issues", "write")
LONGEST = 65536


def check_body(body: str, resource: str) -> None:
    """Errors: ApiError 422 for more than 65,536 characters."""
    if len(body) > LONGEST:
        raise invalid(resource, "body", "custom", f"body is too long (maximum is {LONGEST} characters)")


def find_issue(repo: Repository, number: str) -> Issue:
    """An issue or pull request. Errors: ApiError 404; 410 for an issue where issues are off."""
    row = repo.issues.get(number_of(number))
    if row is None:
        raise not_found()
    if row.pull is None and not repo.has_issues:
        raise gone()
    return row


def gone() -> ApiError:
    """What GitHub says where issues are off."""
    return ApiError(410, "Issues has been disabled in this repository.")


def may(ctx: Ctx, repo: Repository, row: Issue, level: str) -> None:
    """A conversation needs issues, or pull_requests where it is one. Errors: ApiError 403."""
    caller, state = ctx.caller, ctx.core.state
    if caller.kind == "person":
        return
    if level == "read" and not repo.private:
        return
    wanted = "pull_requests" if row.pull else "issues"
    if not auth.reaches(state, caller, repo) or not auth.has(caller, wanted, level):
        raise forbidden()


def _author(ctx: Ctx, repo: Repository, login: str) -> None:
    """Only the author, or who has triage (an App: its permission). Errors: ApiError 403."""
    if ctx.caller.kind == "person" and ctx.caller.login != login:
        auth.require(ctx.core.state, ctx.caller, repo, WRITE, role="triage")


def app_id_of(ctx: Ctx) -> int | None:
    """The App that acts, for performed_via_github_app."""
    return ctx.caller.app_id if ctx.caller.kind == "installation" else None


def _labels(ctx: Ctx, repo: Repository, given: object) -> list[str]:
    names = (
        [str(r["name"]) if isinstance(r, dict) else str(r) for r in given] if isinstance(given, list) else []
    )
    for name in names:
        if name not in repo.labels:
            repo.labels[name] = Label(id=ctx.core.state.new_id(), name=name)
    return list(dict.fromkeys(names))


def announce(
    core: Core, repo: Repository, row: Issue, action: str, *, sender: str, more: Json | None = None
) -> None:
    """An `issues` event; pull requests have their own."""
    if row.pull is None:
        payload: Json = {"action": action, "issue": views_issues.hook_issue(core, repo, row), **(more or {})}
        core.webhooks.emit("issues", repo, sender, payload)


@route(
    "GET",
    "/repos/{owner}/{repo}/issues",
    need=READ,
    query=("state", "labels", "creator", "sort", "direction", "since"),
)
def issues(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../issues: pull requests too, as on GitHub."""
    rows = [i for i in repo.issues.values() if i.pull or repo.has_issues]
    state = ctx.query.get("state", "open")
    if state != "all":
        rows = [i for i in rows if i.state == state]
    if ctx.query.get("labels"):
        wanted = set(ctx.query["labels"].split(","))
        rows = [i for i in rows if wanted <= set(i.labels)]
    if "creator" in ctx.query:
        rows = [i for i in rows if i.user == ctx.query["creator"]]
    if "since" in ctx.query:
        rows = [i for i in rows if i.updated_at.isoformat() >= ctx.query["since"].replace("Z", "+00:00")]
    newest = ctx.query.get("direction", "desc") == "desc"
    match ctx.query.get("sort", "created"):
        case "created":
            rows.sort(key=lambda i: i.number, reverse=newest)
        case "updated":
            rows.sort(key=lambda i: (i.updated_at, i.number), reverse=newest)
        case other:
            raise ApiError(501, f"The local GitHub does not sort issues by {other}")
    return ctx.paged(rows, present=lambda i: views_issues.issue(ctx.core, repo, i))


@route(
    "POST",
    "/repos/{owner}/{repo}/issues",
    need=WRITE,
    role="read",
    body=("title", "body", "labels", "assignees"),
)
def create(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../issues."""
    if not repo.has_issues:
        raise gone()
    core, body = ctx.core, ctx.json
    title, text = body.get("title"), body.get("body")
    if not isinstance(title, str | int) or str(title) == "":
        raise invalid("Issue", "title", "missing_field")
    check_body(text or "", "Issue")
    row = Issue(
        id=core.state.new_id(),
        number=repo.next_number,
        title=str(title),
        body=text,
        user=ctx.caller.actor(),
        created_at=core.now(),
        updated_at=core.now(),
        app_id=app_id_of(ctx),
        labels=_labels(ctx, repo, body.get("labels")),
        assignees=[str(a) for a in body.get("assignees", [])],
    )
    repo.next_number += 1
    repo.issues[row.number] = row
    announce(core, repo, row, "opened", sender=ctx.caller.actor())
    return Reply(status=201, body=views_issues.issue(core, repo, row))


@route("GET", "/repos/{owner}/{repo}/issues/{number}", need=("metadata", "read"))
def get(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../issues/{number}."""
    row = find_issue(repo, number)
    may(ctx, repo, row, "read")
    return Reply(body=views_issues.issue(ctx.core, repo, row))


def set_state(core: Core, row: Issue, state: str, by: str, reason: str | None = None) -> str | None:
    """Open or close; the action of the event, None when nothing changed. Errors: ApiError 422."""
    if state not in {"open", "closed"}:
        raise invalid("Issue", "state", "invalid")
    if state == row.state:
        return None
    row.updated_at = core.now()
    if state == "closed":
        row.state, row.closed_at, row.closed_by = "closed", core.now(), by
        row.state_reason = None if row.pull else (reason or "completed")
        return "closed"
    row.state, row.closed_at, row.closed_by = "open", None, None
    row.state_reason = None if row.pull else "reopened"
    return "reopened"


@route(
    "PATCH",
    "/repos/{owner}/{repo}/issues/{number}",
    need=("metadata", "read"),
    body=("title", "body", "state", "state_reason", "labels", "assignees"),
)
def update(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """PATCH .../issues/{number}."""
    core, body = ctx.core, ctx.json
    row = find_issue(repo, number)
    may(ctx, repo, row, "write")
    _author(ctx, repo, row.user)
    by = ctx.caller.actor()
    if row.pull is not None and "state" in body:
        raise ApiError(501, "The local GitHub closes pull requests at /pulls only")
    edited: Json = {}
    for name in ("title", "body"):
        if name in body and getattr(row, name) != body[name]:
            edited[name] = {"from": getattr(row, name) or ""}
            check_body(str(body[name] or ""), "Issue")
            setattr(row, name, body[name])
    if "labels" in body:
        row.labels = _labels(ctx, repo, body["labels"])
    if "assignees" in body:
        row.assignees = [str(a) for a in body["assignees"]]
    row.updated_at = core.now()
    if edited:
        announce(core, repo, row, "edited", sender=by, more={"changes": edited})
    if "state" in body:
        action = set_state(core, row, body["state"], by, body.get("state_reason"))
        if action:
            announce(core, repo, row, action, sender=by)
    return Reply(body=views_issues.issue(core, repo, row))


# -- comments -------------------------------------------------------------------------------------------


@route("GET", "/repos/{owner}/{repo}/issues/{number}/comments", need=("metadata", "read"), query=("since",))
def comments(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../issues/{number}/comments: oldest first."""
    row = find_issue(repo, number)
    may(ctx, repo, row, "read")
    rows = row.comments
    if "since" in ctx.query:
        rows = [c for c in rows if c.updated_at.isoformat() >= ctx.query["since"].replace("Z", "+00:00")]
    return ctx.paged(rows, present=lambda c: views_issues.comment(ctx.core, repo, row, c))


def _announce_comment(ctx: Ctx, repo: Repository, row: Issue, one: Comment, action: str, **more: Any) -> None:
    core = ctx.core
    payload: Json = {
        "action": action,
        "issue": views_issues.hook_issue(core, repo, row),
        "comment": views_issues.comment(core, repo, row, one),
        **more,
    }
    core.webhooks.emit("issue_comment", repo, ctx.caller.actor(), payload)


@route("POST", "/repos/{owner}/{repo}/issues/{number}/comments", need=("metadata", "read"), body=("body",))
def create_comment(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """POST .../issues/{number}/comments."""
    core, row = ctx.core, find_issue(repo, number)
    user = ctx.caller.actor()
    may(ctx, repo, row, "write")
    text = text_of(ctx.json, "body", resource="IssueComment")
    check_body(text, "IssueComment")
    now = core.now()  # GitHub's comment that nobody edited has one time twice
    one = Comment(
        id=core.state.new_id(),
        user=user,
        body=text,
        created_at=now,
        updated_at=now,
        app_id=app_id_of(ctx),
    )
    row.comments.append(one)
    row.updated_at = core.now()
    _announce_comment(ctx, repo, row, one, "created")
    return Reply(status=201, body=views_issues.comment(core, repo, row, one))


def _comment(repo: Repository, text: str) -> tuple[Issue, Comment]:
    number = number_of(text)
    for row in repo.issues.values():
        for one in row.comments:
            if one.id == number:
                return row, one
    raise not_found()


@route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", need=("metadata", "read"))
def get_comment(ctx: Ctx, repo: Repository, comment_id: str) -> Reply:
    """GET .../issues/comments/{comment_id}."""
    row, one = _comment(repo, comment_id)
    may(ctx, repo, row, "read")
    return Reply(body=views_issues.comment(ctx.core, repo, row, one))


@route(
    "PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", need=("metadata", "read"), body=("body",)
)
def update_comment(ctx: Ctx, repo: Repository, comment_id: str) -> Reply:
    """PATCH .../issues/comments/{comment_id}."""
    row, one = _comment(repo, comment_id)
    may(ctx, repo, row, "write")
    _author(ctx, repo, one.user)
    text = text_of(ctx.json, "body", resource="IssueComment")
    check_body(text, "IssueComment")
    changed = {"body": {"from": one.body}}
    one.body, one.updated_at = text, ctx.core.now()
    _announce_comment(ctx, repo, row, one, "edited", changes=changed)
    return Reply(body=views_issues.comment(ctx.core, repo, row, one))


@route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", need=("metadata", "read"))
def delete_comment(ctx: Ctx, repo: Repository, comment_id: str) -> Reply:
    """DELETE .../issues/comments/{comment_id}."""
    row, one = _comment(repo, comment_id)
    may(ctx, repo, row, "write")
    _author(ctx, repo, one.user)
    _announce_comment(ctx, repo, row, one, "deleted")
    row.comments.remove(one)
    return Reply(status=204)


# -- reactions and labels -------------------------------------------------------------------------------


def _react(ctx: Ctx, rows: list[Reaction]) -> Reply:
    content, user = ctx.json.get("content"), ctx.caller.actor()
    if content not in views_issues.CONTENTS:
        raise invalid("Reaction", "content", "invalid")
    for one in rows:
        if (one.user, one.content) == (user, content):
            return Reply(status=200, body=views_issues.reaction(ctx.core, one))
    one = Reaction(id=ctx.core.state.new_id(), user=user, content=str(content), created_at=ctx.core.now())
    rows.append(one)
    return Reply(status=201, body=views_issues.reaction(ctx.core, one))


_COMMENT_REACTIONS = "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"
_ISSUE_REACTIONS = "/repos/{owner}/{repo}/issues/{number}/reactions"


@route("POST", _COMMENT_REACTIONS, need=("metadata", "read"), body=("content",))
def react_comment(ctx: Ctx, repo: Repository, comment_id: str) -> Reply:
    """POST .../issues/comments/{comment_id}/reactions: 200 when it was there."""
    row, one = _comment(repo, comment_id)
    may(ctx, repo, row, "write")
    return _react(ctx, one.reactions)


@route("GET", _COMMENT_REACTIONS, need=("metadata", "read"), query=("content",))
def comment_reactions(ctx: Ctx, repo: Repository, comment_id: str) -> Reply:
    """GET .../issues/comments/{comment_id}/reactions."""
    row, one = _comment(repo, comment_id)
    may(ctx, repo, row, "read")
    rows = [r for r in one.reactions if ctx.query.get("content") in {None, r.content}]
    return ctx.paged(rows, present=lambda r: views_issues.reaction(ctx.core, r))


@route("POST", _ISSUE_REACTIONS, need=("metadata", "read"), body=("content",))
def react_issue(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """POST .../issues/{number}/reactions."""
    row = find_issue(repo, number)
    may(ctx, repo, row, "write")
    return _react(ctx, row.reactions)


def _shown(ctx: Ctx, repo: Repository, names: list[str]) -> list[Any]:
    return [views_issues.label(ctx.core, repo, repo.labels[n]) for n in names]


@route("GET", "/repos/{owner}/{repo}/issues/{number}/labels", need=("metadata", "read"))
def issue_labels(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../issues/{number}/labels."""
    return ctx.paged(_shown(ctx, repo, find_issue(repo, number).labels))


@route("POST", "/repos/{owner}/{repo}/issues/{number}/labels", need=("metadata", "read"), body=("labels",))
def add_labels(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """POST .../issues/{number}/labels: unknown labels are made."""
    row = find_issue(repo, number)
    may(ctx, repo, row, "write")
    if ctx.caller.kind == "person":
        auth.require(ctx.core.state, ctx.caller, repo, WRITE, role="triage")
    row.labels = list(dict.fromkeys(row.labels + _labels(ctx, repo, ctx.json.get("labels"))))
    return Reply(body=_shown(ctx, repo, row.labels))


@route("GET", "/repos/{owner}/{repo}/labels", need=READ)
def labels(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../labels."""
    return ctx.paged(_shown(ctx, repo, list(repo.labels)))


@route("POST", "/repos/{owner}/{repo}/labels", need=WRITE, body=("name", "color", "description"))
def create_label(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../labels."""
    name = text_of(ctx.json, "name", resource="Label")
    if name in repo.labels:
        raise invalid("Label", "name", "already_exists")
    color = str(ctx.json.get("color", "ededed")).lstrip("#")
    repo.labels[name] = Label(
        id=ctx.core.state.new_id(), name=name, color=color, description=ctx.json.get("description")
    )
    return Reply(status=201, body=_shown(ctx, repo, [name])[0])
