"""REST: repositories, contents, branches, collaborators, rules.

Its job: the repository itself and its files. It refuses to rename what it doesn't know (501).
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from patch_app.forge import changes, repos_gone, rules, views, views_git
from patch_app.forge.auth import role_of
from patch_app.forge.git import ZERO, Git, GitError, RefUpdate, Signature
from patch_app.forge.rest import ApiError, Ctx, Reply, forbidden, invalid, not_found, route, text_of
from patch_app.forge.state import Json, Repository

_SWITCHES = (
    *("has_issues", "archived", "allow_merge_commit", "allow_squash_merge", "allow_rebase_merge"),
    *("delete_branch_on_merge", "private"),
)


@route("GET", "/repos/{owner}/{repo}", need=("metadata", "read"))
def get(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}."""
    return Reply(body=views.full_repository(ctx.core, ctx.caller, repo))


@route(
    "PATCH",
    "/repos/{owner}/{repo}",
    need=("administration", "write"),
    role="admin",
    body=("name", "description", "default_branch", *_SWITCHES),
)
def update(ctx: Ctx, repo: Repository) -> Reply:
    """PATCH /repos/{owner}/{repo}."""
    core, body = ctx.core, ctx.json
    for name in _SWITCHES:
        if name in body:
            setattr(repo, name, bool(body[name]))
    if "description" in body:
        repo.description = body["description"]
    if "default_branch" in body:
        if core.git(repo).ref(f"refs/heads/{body['default_branch']}") is None:
            raise invalid("Repository", "default_branch", "invalid")
        repo.default_branch = body["default_branch"]
        core.git(repo).run("symbolic-ref", "HEAD", f"refs/heads/{repo.default_branch}")
        changes.moved_default(core, repo)
    if "name" in body and body["name"] != repo.name:
        if core.state.repository(repo.owner, body["name"]) is not None:
            raise invalid("Repository", "name", "already_exists")
        core.state.renamed[repo.full_name.lower()] = repo.id
        repo.name = body["name"]
        core.state.renamed.pop(repo.full_name.lower(), None)
    repo.updated_at = core.now()
    return get(ctx, repo)


@route("DELETE", "/repos/{owner}/{repo}", need=("administration", "write"), role="admin")
def delete(ctx: Ctx, repo: Repository) -> Reply:
    """DELETE /repos/{owner}/{repo}: its name is free from then on, and its forks get another parent."""
    repos_gone.delete(ctx.core, repo)
    return Reply(status=204)


# -- contents -------------------------------------------------------------------------------------------


def _links(ctx: Ctx, repo: Repository, path: str, ref: str, *, sha: str, kind: str) -> Json:
    api, html = views.api_of(ctx.core, repo), views.html_of(ctx.core, repo)
    at = f"{api}/contents/{path}?ref={ref}"
    git = f"{api}/git/{'trees' if kind == 'dir' else 'blobs'}/{sha}"
    page = f"{html}/{'tree' if kind == 'dir' else 'blob'}/{ref}/{path}"
    raw = None if kind == "dir" else f"{html}/raw/{ref}/{path}"
    links = {"self": at, "git": git, "html": page}
    return {"url": at, "git_url": git, "html_url": page, "download_url": raw, "_links": links}


_KINDS = {"040000": "dir", "120000": "symlink", "160000": "submodule"}


def _entries(git: Git, sha: str, *args: str) -> list[tuple[str, str, str, int]]:
    """(mode, sha, path, size) of a tree."""
    rows = []
    for line in git.run("ls-tree", "-z", "-l", *args, sha).decode("utf-8", "replace").split("\0"):
        if line:
            meta, path = line.split("\t", 1)
            mode, _, oid, size = meta.split()
            rows.append((mode, oid, path, 0 if size == "-" else int(size)))
    return rows


def _entry(ctx: Ctx, repo: Repository, ref: str, path: str, row: tuple[str, str, str, int]) -> Json:
    mode, sha, name, size = row
    kind = _KINDS.get(mode, "file")
    base: Json = {"type": kind, "size": size, "name": name.rsplit("/", 1)[-1], "path": path, "sha": sha}
    return base | _links(ctx, repo, path, ref, sha=sha, kind=kind)


@route("GET", "/repos/{owner}/{repo}/contents", need=("contents", "read"), query=("ref",))
def contents_root(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}/contents/ : the root folder."""
    return contents(ctx, repo, path="")


@route("GET", "/repos/{owner}/{repo}/contents/{path:path}", need=("contents", "read"), query=("ref",))
def contents(ctx: Ctx, repo: Repository, path: str) -> Reply:
    """GET /repos/{owner}/{repo}/contents/{path}."""
    git = ctx.core.git(repo)
    ref = ctx.query.get("ref", repo.default_branch)
    commit = git.resolve(ref)
    if commit is None:
        if "ref" not in ctx.query:
            raise ApiError(404, "This repository is empty.")
        raise ApiError(404, f"No commit found for the ref {ref}")
    path = path.strip("/")
    if path:
        found = _lookup(git, commit, path)
        if found is None:
            raise not_found()
        if found[0] != "040000":
            body = _entry(ctx, repo, ref, path, found)
            if body["type"] == "submodule":
                raise ApiError(501, "The local GitHub does not show submodules")
            return _file(git, body, ctx.headers.get("accept", ""))
        tree, prefix = found[1], path + "/"
    else:
        tree, prefix = git.commit(commit).tree, ""
    rows = _entries(git, tree)
    return Reply(body=[_entry(ctx, repo, ref, prefix + row[2], row) for row in rows])


def _lookup(git: Git, commit: str, path: str) -> tuple[str, str, str, int] | None:
    for row in _entries(git, commit, "--full-tree", "-t", "-r"):
        if row[2] == path:
            return row
    return None


def _file(git: Git, body: Json, accept: str) -> Reply:
    data = git.body(body["sha"], "blob")
    if "raw" in accept:
        return Reply(body=data, headers={"content-type": "application/vnd.github.raw; charset=utf-8"})
    if body["type"] == "symlink":
        return Reply(body=body | {"target": data.decode("utf-8", "replace")})
    if len(data) > 1024 * 1024:
        # docs, "Get repository content": between 1 and 100 MB only the raw media type has the content
        return Reply(body=body | {"encoding": "none", "content": ""})
    text = base64.encodebytes(data).decode()
    return Reply(body=body | {"encoding": "base64", "content": text})


def signature_of(ctx: Ctx, given: object) -> Signature:
    """Author or committer of the body, or the caller, now. Errors: ApiError 422."""
    at = int(ctx.core.now().timestamp())
    if given is None:
        login = ctx.caller.actor()
        return Signature(name=login, email=views_git.email_of(ctx.core, login), when=at)
    if not isinstance(given, dict):
        raise invalid("Commit", "author", "invalid")
    name, email = text_of(given, "name", resource="Commit"), text_of(given, "email", resource="Commit")
    date = given.get("date")
    if date is not None:
        at = parse_date(str(date))
    return Signature(name=name, email=email, when=at)


def parse_date(text: str) -> int:
    """ISO 8601 to seconds. Errors: ApiError 422."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid("Commit", "date", "invalid") from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def commit_bytes(
    tree: str, parents: list[str], author: Signature, committer: Signature, message: str
) -> bytes:
    """A commit object."""
    lines = [f"tree {tree}", *(f"parent {p}" for p in parents), f"author {author.text()}"]
    return "\n".join([*lines, f"committer {committer.text()}", "", message]).encode()


def write_tree(git: Git, base: str | None, entries: list[tuple[str, str | None, str]]) -> str:
    """A tree from `base` with (mode, sha or None to remove, path) put in. Errors: GitError."""
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.path) as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if base is not None:
            git.run("read-tree", base, env=env)
        lines = []
        for mode, sha, path in entries:
            lines.append(f"0 {ZERO}\t{path}" if sha is None else f"{mode} {sha}\t{path}")
        if lines:
            git.run("update-index", "-z", "--index-info", stdin="\0".join([*lines, ""]).encode(), env=env)
        return git.run("write-tree", env=env).decode().strip()


@route(
    "PUT",
    "/repos/{owner}/{repo}/contents/{path:path}",
    need=("contents", "write"),
    body=("message", "content", "sha", "branch", "committer", "author"),
)
def put_contents(ctx: Ctx, repo: Repository, path: str) -> Reply:
    """PUT /repos/{owner}/{repo}/contents/{path}."""
    body = ctx.json
    try:
        data = base64.b64decode(text_of(body, "content", resource="Contents"))
    except binascii.Error as error:
        raise ApiError(422, "content is not valid Base64") from error
    return _change_file(ctx, repo, path, data)


@route(
    "DELETE",
    "/repos/{owner}/{repo}/contents/{path:path}",
    need=("contents", "write"),
    body=("message", "sha", "branch", "committer", "author"),
)
def delete_contents(ctx: Ctx, repo: Repository, path: str) -> Reply:
    """DELETE /repos/{owner}/{repo}/contents/{path}."""
    text_of(ctx.json, "sha", resource="Contents")
    return _change_file(ctx, repo, path, None)


def _change_file(ctx: Ctx, repo: Repository, path: str, data: bytes | None) -> Reply:
    core, body, git = ctx.core, ctx.json, ctx.core.git(repo)
    message = text_of(body, "message", resource="Contents")
    branch = body.get("branch") or repo.default_branch
    old = git.ref(f"refs/heads/{branch}")
    if old is None and git.refs("refs/heads/"):
        raise ApiError(404, f"Branch {branch} not found")
    if path.startswith(".github/workflows/") and not changes.may_carry_workflows(ctx.caller):
        raise forbidden()
    now_there = _lookup(git, old, path) if old else None
    given = body.get("sha")
    if now_there is not None and given is None:
        raise ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given is not None and (now_there is None or now_there[1] != given):
        raise ApiError(409, f"{path} does not match {given}")
    blob = None if data is None else git.write("blob", data)
    mode = now_there[0] if now_there else "100644"
    try:
        tree = write_tree(git, f"{old}^{{tree}}" if old else None, [(mode, blob, path)])
    except GitError as error:
        raise ApiError(422, "path contains a malformed path component") from error
    committer = signature_of(ctx, body.get("committer"))
    author = signature_of(ctx, body["author"]) if "author" in body else committer
    sha = git.write("commit", commit_bytes(tree, [old] if old else [], author, committer, message))
    changes.move(core, repo, ctx.caller, [RefUpdate(name=f"refs/heads/{branch}", old=old or ZERO, new=sha)])
    content: Json | None = None
    if blob is not None and data is not None:
        content = _entry(ctx, repo, branch, path, (mode, blob, path, len(data)))
    commit = views_git.git_commit(core, repo, git.commit(sha))
    created = now_there is None and data is not None
    return Reply(status=201 if created else 200, body={"content": content, "commit": commit})


# -- branches, people, rules ----------------------------------------------------------------------------


def _branch(ctx: Ctx, repo: Repository, name: str, sha: str) -> Json:
    api = views.api_of(ctx.core, repo)
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
        "protected": any(rows for _, rows in rules.holding(repo, name)),
    }


@route("GET", "/repos/{owner}/{repo}/branches", need=("contents", "read"), query=("protected",))
def branches(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}/branches."""
    rows = ctx.core.git(repo).refs("refs/heads/")
    found = [_branch(ctx, repo, name.removeprefix("refs/heads/"), sha) for name, (sha, _) in rows.items()]
    match ctx.query.get("protected"):
        case "true":
            found = [b for b in found if b["protected"]]
        case "false":
            found = [b for b in found if not b["protected"]]
        case _:
            pass
    return ctx.paged(found)


@route("GET", "/repos/{owner}/{repo}/branches/{branch:path}", need=("contents", "read"))
def branch(ctx: Ctx, repo: Repository, branch: str) -> Reply:
    """GET /repos/{owner}/{repo}/branches/{branch}."""
    core, git = ctx.core, ctx.core.git(repo)
    if branch.endswith("/protection"):
        raise ApiError(501, "The local GitHub does not support branch protection: use rules")
    sha = git.ref(f"refs/heads/{branch}")
    if sha is None:
        raise ApiError(404, "Branch not found")
    api, html = views.api_of(core, repo), views.html_of(core, repo)
    body = _branch(ctx, repo, branch, sha) | {
        "commit": views_git.commit(core, repo, git.commit(sha)),
        "_links": {"self": f"{api}/branches/{branch}", "html": f"{html}/tree/{branch}"},
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{api}/branches/{branch}/protection",
    }
    return Reply(body=body)


@route("GET", "/repos/{owner}/{repo}/rules/branches/{branch:path}", need=("metadata", "read"))
def branch_rules(ctx: Ctx, repo: Repository, branch: str) -> Reply:
    """GET /repos/{owner}/{repo}/rules/branches/{branch}."""
    info = {"ruleset_source_type": "Repository", "ruleset_source": repo.full_name}
    return ctx.paged(
        [
            rule | info | {"ruleset_id": rules.ruleset_id(repo, pattern)}
            for pattern, rows in rules.holding(repo, branch)
            for rule in rows
        ]
    )


@route("GET", "/repos/{owner}/{repo}/rulesets/{ruleset_id}", need=("metadata", "read"))
def ruleset(ctx: Ctx, repo: Repository, ruleset_id: str) -> Reply:
    """GET /repos/{owner}/{repo}/rulesets/{ruleset_id}: who may not edit it sees no bypass list."""
    there = {str(rules.ruleset_id(repo, one)): one for one in repo.rules}
    if ruleset_id not in there:
        raise not_found()
    pattern = there[ruleset_id]
    free = changes.bypasses(ctx.core, ctx.caller, repo, pattern)
    return Reply(
        body={
            "id": int(ruleset_id),
            "node_id": views.node("RepositoryRuleset", int(ruleset_id)),
            "name": f"rules of {pattern}",
            "target": "branch",
            "source_type": "Repository",
            "source": repo.full_name,
            "enforcement": "active",
            "conditions": {"ref_name": {"include": [f"refs/heads/{pattern}"], "exclude": []}},
            "rules": repo.rules[pattern],
            "current_user_can_bypass": "always" if free else "never",
            "created_at": views.stamp(repo.created_at),
            "updated_at": views.stamp(repo.updated_at),
        }
    )


@route("GET", "/repos/{owner}/{repo}/activity", need=("contents", "read"), query=("ref",))
def activity(ctx: Ctx, repo: Repository) -> Reply:
    """GET /repos/{owner}/{repo}/activity: newest first."""
    ref = ctx.query.get("ref")
    full = ref if ref is None or ref.startswith("refs/") else f"refs/heads/{ref}"
    rows = [one for one in reversed(repo.activities) if full in (None, one.ref)]
    return ctx.paged(
        rows,
        present=lambda one: {
            "id": one.id,
            "node_id": views.node("Activity", one.id),
            "before": one.before,
            "after": one.after,
            "ref": one.ref,
            "timestamp": views.stamp(one.at),
            "activity_type": one.kind,
            "actor": views.user(ctx.core, one.actor),
        },
    )


@route(
    "GET",
    "/repos/{owner}/{repo}/collaborators/{username}/permission",
    need=("metadata", "read"),
    public=False,
)
def permission(ctx: Ctx, repo: Repository, username: str) -> Reply:
    """GET /repos/{owner}/{repo}/collaborators/{username}/permission.

    `permission` has no triage and maintain.
    """
    core, state = ctx.core, ctx.core.state
    account = state.accounts.get(username.lower())
    if account is None:
        raise not_found()
    role = "none" if account.type == "Bot" else role_of(state, account.login, repo)
    coarse = {"triage": "read", "maintain": "write"}.get(role, role)
    person = views.user(core, account.login) | {
        "permissions": views.role_permissions(role),
        "role_name": role,
    }
    return Reply(body={"permission": coarse, "role_name": role, "user": person})
