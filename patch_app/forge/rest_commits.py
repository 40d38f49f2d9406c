"""REST: commits and comparisons.

Its job: history as the API shows it. It refuses two-dot comparisons, as the REST API does.
"""

from __future__ import annotations

from pathlib import Path

from patch_app.forge import auth, views, views_git
from patch_app.forge.git import Git, GitError
from patch_app.forge.rest import ApiError, Ctx, Reply, not_found, route
from patch_app.forge.state import Json, Repository

READ = ("contents", "read")
DIFF_LINES, DIFF_BYTES = 20_000, 1_000_000
"""Of a raw diff, at most."""
UNPAGED = 250
"""Commits of a comparison without paging (docs: "Compare two commits")."""


@route(
    "GET",
    "/repos/{owner}/{repo}/commits",
    need=READ,
    query=("sha", "path", "since", "until"),
)
def commits(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}/commits: newest first."""
    git = ctx.core.git(repo)
    start = ctx.query.get("sha", repo.default_branch)
    tip = git.resolve(start)
    if tip is None:
        if not git.refs("refs/heads/"):
            raise ApiError(409, "Git Repository is empty.")
        raise not_found()
    args = [f"--{name}={ctx.query[name]}" for name in ("since", "until") if name in ctx.query]
    paths = ["--", ctx.query["path"]] if "path" in ctx.query else []
    names = git.text("rev-list", *args, tip, *paths).split()
    page, size = ctx.page()
    shown = git.parsed(names[(page - 1) * size : page * size])
    body = [views_git.commit(ctx.core, repo, row) for row in shown]
    return Reply(body=body, headers=ctx.links(page, max(1, -(-len(names) // size))))


def _with_files(ctx: Ctx, repo: Repository, git: Git, sha: str) -> Json:
    row = git.commit(sha)
    parent = row.parents[0] if row.parents else views_git.EMPTY_TREE
    files = views_git.changes(git, parent, sha)
    added, deleted = sum(f.additions for f in files), sum(f.deletions for f in files)
    return views_git.commit(ctx.core, repo, row) | {
        "stats": {"additions": added, "deletions": deleted, "total": added + deleted},
        "files": [views_git.diff_entry(ctx.core, repo, f, sha) for f in files],
    }


def resolve(ctx: Ctx, repo: Repository, ref: str) -> str:
    """A commit id. Errors: ApiError 422 as `commits/{ref}` answers."""
    sha = ctx.core.git(repo).resolve(ref)
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {ref}")
    return sha


@route("GET", "/repos/{owner}/{repo}/commits/{ref:path}", need=READ)
def commit(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET /repos/{owner}/{repo}/commits/{ref}; `application/vnd.github.sha` gives the id alone,
    `application/vnd.github.diff` Git's own diff.
    """
    sha = resolve(ctx, repo, ref)
    if "vnd.github.sha" in ctx.headers.get("accept", ""):
        return Reply(body=sha.encode(), headers={"content-type": "application/vnd.github.sha; charset=utf-8"})
    git = ctx.core.git(repo)
    if "vnd.github.diff" in ctx.headers.get("accept", ""):
        return _diff(ctx, git, sha)
    if "patch" in ctx.headers.get("accept", ""):
        raise ApiError(501, "The local GitHub does not answer in patch media types")
    return Reply(body=_with_files(ctx, repo, git, sha))


def _diff(ctx: Ctx, git: Git, sha: str) -> Reply:
    """What a commit does to its first parent. Too large is refused, as the options say.

    docs: "Limits for viewing content and diffs in a repository": 20,000 lines, 1 MB of raw data, 300 files.
    """
    parent = (*git.commit(sha).parents, views_git.EMPTY_TREE)[0]
    text = git.run("diff", "-p", "--no-ext-diff", "--no-textconv", "-M", parent, sha)
    sections = text.count(b"\ndiff --git ") + 1
    if len(text) > DIFF_BYTES or text.count(b"\n") > DIFF_LINES or sections > views_git.MAX_FILES:
        if ctx.core.options.large_diff == 500:
            raise ApiError(500, "Server Error: Sorry, this diff is taking too long to generate.")
        said = f"Sorry, the diff exceeded the maximum number of lines ({DIFF_LINES})"
        fault = {"resource": "Commit", "field": "diff", "code": "too_large"}
        raise ApiError(406, said, errors=[fault])
    return Reply(body=text, headers={"content-type": "application/vnd.github.diff; charset=utf-8"})


# -- compare --------------------------------------------------------------------------------------------


def _side(ctx: Ctx, repo: Repository, text: str) -> tuple[Repository, str]:
    """`branch`, `owner:branch` or `owner:repo:branch` inside the network, as repository and commit id."""
    core, parts = ctx.core, text.split(":")
    where = repo
    if len(parts) > 1:
        network = core.state.network(repo)
        named = [r for r in network if r.owner.lower() == parts[0].lower()]
        if len(parts) == 3:
            named = [r for r in named if r.name.lower() == parts[1].lower()]
        if not named or not auth.visible(core.state, ctx.caller, named[0]):
            raise not_found()
        where = named[0]
    sha = core.git(where).resolve(parts[-1])
    if sha is None:
        # an id that only another repository of the network has
        sha = (
            core.git(repo).resolve(parts[-1], network=core.network_objects(repo)) if len(parts) == 1 else None
        )
    if sha is None:
        raise not_found()
    return where, sha


def _status(ahead: int, behind: int) -> str:
    match (ahead > 0, behind > 0):
        case (True, True):
            return "diverged"
        case (True, False):
            return "ahead"
        case (False, True):
            return "behind"
        case _:
            return "identical"


def _files(git: Git, merge_base: str, head: str, network: list[Path]) -> list[views_git.FileChange]:
    return views_git.changes(git, merge_base, head, network=network)


@route("GET", "/repos/{owner}/{repo}/compare/{basehead:path}", need=READ)
def compare(ctx: Ctx, repo: Repository, basehead: str) -> Reply:
    """GET /repos/{owner}/{repo}/compare/{basehead}: oldest first; files on page 1 only."""
    core, git = ctx.core, ctx.core.git(repo)
    left, dots, right = basehead.partition("...")
    if not dots or not left or not right:
        raise not_found()
    network = core.network_objects(repo)
    (_, base), (_, head) = _side(ctx, repo, left), _side(ctx, repo, right)
    try:
        merge_base = git.text("merge-base", base, head, network=network)
    except GitError as error:
        raise ApiError(404, f"No common ancestor between {left} and {right}.") from error
    names = git.text("rev-list", "--reverse", "--topo-order", f"{base}..{head}", network=network).split()
    behind = int(git.text("rev-list", "--count", f"{head}..{base}", network=network))
    paged = "page" in ctx.query or "per_page" in ctx.query
    page, size = ctx.page() if paged else (1, UNPAGED)
    shown = git.parsed(names[(page - 1) * size : page * size], network=network)
    api, html = views.api_of(core, repo), views.html_of(core, repo)
    body: Json = {
        "url": f"{api}/compare/{basehead}",
        "html_url": f"{html}/compare/{basehead}",
        "permalink_url": f"{html}/compare/{repo.owner}:{base[:7]}...{repo.owner}:{head[:7]}",
        "diff_url": f"{html}/compare/{basehead}.diff",
        "patch_url": f"{html}/compare/{basehead}.patch",
        "base_commit": views_git.commit(core, repo, git.commit(base, network=network)),
        "merge_base_commit": views_git.commit(core, repo, git.commit(merge_base, network=network)),
        "status": _status(len(names), behind),
        "ahead_by": len(names),
        "behind_by": behind,
        "total_commits": len(names),
        "commits": [views_git.commit(core, repo, row) for row in shown],
    }
    if page == 1:
        rows = _files(git, merge_base, head, network)
        body["files"] = [views_git.diff_entry(core, repo, row, head) for row in rows]
    return Reply(body=body, headers=ctx.links(page, max(1, -(-len(names) // size))) if paged else {})
