"""REST: pull requests, reviews, merging.

Its job: HTTP around `pulls`. It refuses review comments on lines and pending reviews (501).
"""

from __future__ import annotations

from patch_app.forge import auth, changes, pulls, views_git, views_issues
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
from patch_app.forge.rest_issues import app_id_of, check_body, set_state
from patch_app.forge.state import Issue, Json, Pull, Repository, Review

READ, WRITE = ("pull_requests", "read"), ("pull_requests", "write")


def _refused(message: str) -> ApiError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


def _find(repo: Repository, number: str) -> Issue:
    row = repo.issues.get(number_of(number))
    if row is None or row.pull is None:
        raise not_found()
    return row


@route(
    "GET",
    "/repos/{owner}/{repo}/pulls",
    need=READ,
    query=("state", "head", "base", "sort", "direction"),
)
def list_pulls(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../pulls; `head` without an owner filters nothing, as on GitHub."""
    rows = [i for i in repo.issues.values() if i.pull]
    state = ctx.query.get("state", "open")
    if state != "all":
        rows = [i for i in rows if i.state == state]
    owner, colon, branch = ctx.query.get("head", "").partition(":")
    if colon:
        named = {r.id for r in ctx.core.state.repositories.values() if r.owner.lower() == owner.lower()}
        rows = [i for i in rows if i.pull and i.pull.head_repo in named and i.pull.head_ref == branch]
    if "base" in ctx.query:
        rows = [i for i in rows if i.pull and i.pull.base_ref == ctx.query["base"]]
    sort = ctx.query.get("sort", "created")
    if sort not in {"created", "updated"}:
        raise ApiError(501, f"The local GitHub does not sort pull requests by {sort}")
    newest = ctx.query.get("direction", "desc" if sort == "created" else "asc") == "desc"
    key = (lambda i: (i.number,)) if sort == "created" else (lambda i: (i.updated_at, i.number))
    rows.sort(key=key, reverse=newest)
    return ctx.paged(rows, present=lambda i: views_issues.pull_simple(ctx.core, repo, i))


def _head(ctx: Ctx, repo: Repository, text: str) -> tuple[Repository, str]:
    owner, colon, branch = text.partition(":")
    if not colon:
        return repo, text
    named = [r for r in ctx.core.state.network(repo) if r.owner.lower() == owner.lower()]
    if not named:
        raise invalid("PullRequest", "head", "invalid")
    return named[0], branch


@route(
    "POST",
    "/repos/{owner}/{repo}/pulls",
    need=WRITE,
    role="read",
    body=("title", "head", "base", "body", "maintainer_can_modify", "draft"),
)
def create(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../pulls."""
    core, body = ctx.core, ctx.json
    if ctx.caller.kind == "job":
        raise ApiError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    title, text = text_of(body, "title", resource="PullRequest"), body.get("body")
    check_body(text or "", "PullRequest")
    where, branch = _head(ctx, repo, text_of(body, "head", resource="PullRequest"))
    base_ref = text_of(body, "base", resource="PullRequest")
    head, base = core.git(where).ref(f"refs/heads/{branch}"), core.git(repo).ref(f"refs/heads/{base_ref}")
    if head is None:
        raise invalid("PullRequest", "head", "invalid")
    if base is None:
        raise invalid("PullRequest", "base", "invalid")
    if ctx.caller.kind == "person":
        auth.require(core.state, ctx.caller, where, ("contents", "write"), role="write")
    for row in repo.issues.values():
        same = row.pull and (row.pull.head_repo, row.pull.head_ref, row.pull.base_ref) == (
            where.id,
            branch,
            base_ref,
        )
        if same and row.state == "open":
            raise _refused(f"A pull request already exists for {where.owner}:{branch}.")
    ahead = core.git(repo).text("rev-list", "--count", f"{base}..{head}", network=core.network_objects(repo))
    if ahead == "0":
        raise _refused(f"No commits between {repo.owner}:{base_ref} and {where.owner}:{branch}")
    row = Issue(
        id=core.state.new_id(),
        number=repo.next_number,
        title=title,
        body=text,
        user=ctx.caller.actor(),
        created_at=core.now(),
        updated_at=core.now(),
        app_id=app_id_of(ctx),
        pull=Pull(
            head_repo=where.id,
            head_ref=branch,
            head_sha=head,
            base_ref=base_ref,
            base_sha=base,
            draft=bool(body.get("draft", False)),
            maintainer_can_modify=bool(body.get("maintainer_can_modify", False)),
        ),
    )
    pulls.refresh(core, repo, row)
    repo.next_number += 1
    repo.issues[row.number] = row
    pulls.announce(core, repo, row, ctx.caller, "opened")
    return Reply(status=201, body=views_issues.pull_request(core, repo, row))


@route("GET", "/repos/{owner}/{repo}/pulls/{number}", need=READ)
def get(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../pulls/{number}."""
    return Reply(body=views_issues.pull_request(ctx.core, repo, _find(repo, number)))


@route(
    "PATCH",
    "/repos/{owner}/{repo}/pulls/{number}",
    need=WRITE,
    role="read",
    body=("title", "body", "state", "base", "maintainer_can_modify"),
)
def update(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """PATCH .../pulls/{number}."""
    core, body, row = ctx.core, ctx.json, _find(repo, number)
    pull = pulls.pull_of(row)
    if ctx.caller.kind == "person" and ctx.caller.login != row.user:
        auth.require(core.state, ctx.caller, repo, WRITE, role="triage")
    edited: Json = {}
    for name in ("title", "body"):
        if name in body and getattr(row, name) != body[name]:
            check_body(str(body[name] or ""), "PullRequest")
            edited[name] = {"from": getattr(row, name) or ""}
            setattr(row, name, body[name])
    if "base" in body and body["base"] != pull.base_ref:
        base = core.git(repo).ref(f"refs/heads/{body['base']}")
        if base is None:
            raise invalid("PullRequest", "base", "invalid")
        edited["base"] = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
        pull.base_ref, pull.base_sha = str(body["base"]), base
        pull.base_events.append("BaseRefChangedEvent")
        pulls.refresh(core, repo, row)
    row.updated_at = core.now()
    if edited:
        pulls.announce(core, repo, row, ctx.caller, "edited", more={"changes": edited})
    if "state" in body:
        _set_state(ctx, repo, row, str(body["state"]))
    return Reply(body=views_issues.pull_request(core, repo, row))


def _set_state(ctx: Ctx, repo: Repository, row: Issue, state: str) -> None:
    core, pull = ctx.core, pulls.pull_of(row)
    if state == "open" and row.state == "closed":
        where = core.state.repositories.get(pull.head_repo)
        head = core.git(where).ref(f"refs/heads/{pull.head_ref}") if where else None
        if (
            pull.merged_at is not None
            or head is None
            or core.git(repo).ref(f"refs/heads/{pull.base_ref}") is None
        ):
            raise _refused("state cannot be changed. The pull request cannot be reopened.")
        pull.head_sha = head
        pulls.refresh(core, repo, row)
    action = set_state(core, row, state, ctx.caller.actor())
    if action:
        pulls.announce(core, repo, row, ctx.caller, action)


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/files", need=READ)
def files(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../pulls/{number}/files: against the merge base."""
    core, pull, git = ctx.core, pulls.pull_of(_find(repo, number)), ctx.core.git(repo)
    base = git.text("merge-base", pull.base_sha, pull.head_sha)
    rows = views_git.changes(git, base, pull.head_sha)
    return ctx.paged(rows, present=lambda f: views_git.diff_entry(core, repo, f, pull.head_sha))


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/commits", need=READ)
def commits(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../pulls/{number}/commits: oldest first, at most 250."""
    pull, git = pulls.pull_of(_find(repo, number)), ctx.core.git(repo)
    rows = git.commits("--reverse", "--topo-order", f"{pull.base_sha}..{pull.head_sha}")[:250]
    return ctx.paged(rows, present=lambda c: views_git.commit(ctx.core, repo, c))


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/merge", need=READ)
def is_merged(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../pulls/{number}/merge: 204 when merged."""
    del ctx
    if pulls.pull_of(_find(repo, number)).merged_at is None:
        raise not_found()
    return Reply(status=204)


@route(
    "PUT",
    "/repos/{owner}/{repo}/pulls/{number}/merge",
    need=("contents", "write"),
    body=("commit_title", "commit_message", "sha", "merge_method"),
)
def merge(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """PUT .../pulls/{number}/merge."""
    core, body, row = ctx.core, ctx.json, _find(repo, number)
    pull = pulls.pull_of(row)
    if body.get("sha") not in {None, pull.head_sha}:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    if not changes.may_carry_workflows(ctx.caller) and core.git(repo).touches_workflows(pull.head_sha):
        raise forbidden()
    usual = pulls.usual_merging(core, row, str(body.get("merge_method", "merge")))
    how = pulls.Merging(
        method=usual.method,
        title=str(body.get("commit_title", usual.title)),
        message=str(body.get("commit_message", usual.message)),
    )
    sha = pulls.merge(core, repo, row, ctx.caller, how)
    return Reply(body={"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


# -- reviews --------------------------------------------------------------------------------------------

_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def _announce(ctx: Ctx, repo: Repository, row: Issue, one: Review, action: str) -> None:
    core = ctx.core
    review = views_issues.review(core, repo, row, one)
    payload: Json = {
        "action": action,
        # webhooks have the state in lower case, the REST API in upper case
        "review": review | {"state": one.state.lower()},
        "pull_request": views_issues.pull_simple(core, repo, row),
    }
    core.webhooks.emit("pull_request_review", repo, ctx.caller.actor(), payload)


@route("GET", "/repos/{owner}/{repo}/pulls/{number}/reviews", need=READ)
def reviews(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """GET .../pulls/{number}/reviews: oldest first."""
    row = _find(repo, number)
    rows = pulls.pull_of(row).reviews
    return ctx.paged(rows, present=lambda r: views_issues.review(ctx.core, repo, row, r))


@route(
    "POST",
    "/repos/{owner}/{repo}/pulls/{number}/reviews",
    need=WRITE,
    role="read",
    body=("commit_id", "body", "event"),
)
def create_review(ctx: Ctx, repo: Repository, number: str) -> Reply:
    """POST .../pulls/{number}/reviews: submitted at once; by default on the head as it is now."""
    core, body, row = ctx.core, ctx.json, _find(repo, number)
    pull, event, user = pulls.pull_of(row), body.get("event"), ctx.caller.actor()
    if event is None:
        raise ApiError(501, "The local GitHub has no pending reviews: give an event")
    if event not in _STATES:
        raise ApiError(
            422, "Unprocessable Entity", errors=["Variable $event of type PullRequestReviewEvent was invalid"]
        )
    if ctx.caller.kind == "job" and event == "APPROVE":
        raise ApiError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    if user == row.user and event != "COMMENT":
        word = "approve" if event == "APPROVE" else "request changes on"
        raise ApiError(422, "Unprocessable Entity", errors=[f"Can not {word} your own pull request"])
    text = str(body.get("body") or "")
    if not text and event != "APPROVE":
        raise ApiError(
            422, "Unprocessable Entity", errors=["Could not add requested reviewers: body is missing"]
        )
    commit = str(body.get("commit_id") or pull.head_sha)
    if core.git(repo).kind(commit) != "commit":
        raise ApiError(422, "Unprocessable Entity", errors=["commit_id is not part of the pull request"])
    one = Review(
        id=core.state.new_id(),
        user=user,
        body=text,
        state=_STATES[event],  # type: ignore[arg-type]
        commit_id=commit,
        submitted_at=core.now(),
    )
    pull.reviews.append(one)
    row.updated_at = core.now()
    _announce(ctx, repo, row, one, "submitted")
    return Reply(body=views_issues.review(core, repo, row, one))


@route(
    "PUT",
    "/repos/{owner}/{repo}/pulls/{number}/reviews/{review_id}/dismissals",
    need=WRITE,
    body=("message", "event"),
)
def dismiss(ctx: Ctx, repo: Repository, number: str, review_id: str) -> Reply:
    """PUT .../reviews/{review_id}/dismissals."""
    row = _find(repo, number)
    text_of(ctx.json, "message", resource="PullRequestReview")
    one = next((r for r in pulls.pull_of(row).reviews if r.id == number_of(review_id)), None)
    if one is None:
        raise not_found()
    if one.state not in {"APPROVED", "CHANGES_REQUESTED"}:
        raise ApiError(422, "Can not dismiss a commented pull request review")
    one.state = "DISMISSED"
    _announce(ctx, repo, row, one, "dismissed")
    return Reply(body=views_issues.review(ctx.core, repo, row, one))
