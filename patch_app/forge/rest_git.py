"""REST: Git data (blobs, trees, commits, tags, refs).

Its job: objects in and out, refs through `changes`. It refuses refs that GitHub refuses: not fully
qualified, to objects that the repository hasn't, workflow changes without permission.
"""

from __future__ import annotations

import base64
import binascii
import re

from patch_app.forge import changes, views, views_git
from patch_app.forge.git import ZERO, GitError, RefUpdate, parse_signature
from patch_app.forge.rest import ApiError, Ctx, Reply, forbidden, invalid, not_found, route, text_of
from patch_app.forge.rest_repos import commit_bytes, signature_of, write_tree
from patch_app.forge.state import Json, Repository

_HEX = re.compile(r"[0-9a-f]{40}")
READ, WRITE = ("contents", "read"), ("contents", "write")


def _sha(text: str) -> str:
    if not _HEX.fullmatch(text):
        raise ApiError(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
    return text


@route("GET", "/repos/{owner}/{repo}/git/blobs/{file_sha}", need=READ)
def get_blob(ctx: Ctx, repo: Repository, file_sha: str) -> Reply:
    """GET .../git/blobs/{file_sha}."""
    git = ctx.core.git(repo)
    if git.kind(_sha(file_sha)) != "blob":
        raise not_found()
    data = git.body(file_sha, "blob")
    if "raw" in ctx.headers.get("accept", ""):
        return Reply(body=data, headers={"content-type": "application/vnd.github.raw; charset=utf-8"})
    body = {
        "sha": file_sha,
        "node_id": views.node("Blob", f"{repo.id}.{file_sha}"),
        "size": len(data),
        "url": f"{views.api_of(ctx.core, repo)}/git/blobs/{file_sha}",
        "content": base64.encodebytes(data).decode(),
        "encoding": "base64",
    }
    return Reply(body=body)


@route("POST", "/repos/{owner}/{repo}/git/blobs", need=WRITE, body=("content", "encoding"))
def create_blob(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../git/blobs."""
    content = text_of(ctx.json, "content", resource="Blob")
    match ctx.json.get("encoding", "utf-8"):
        case "utf-8":
            data = content.encode()
        case "base64":
            try:
                data = base64.b64decode(content)
            except binascii.Error as error:
                raise ApiError(422, "content is not valid Base64") from error
        case _:
            raise invalid("Blob", "encoding", "invalid")
    sha = ctx.core.git(repo).write("blob", data)
    return Reply(status=201, body={"sha": sha, "url": f"{views.api_of(ctx.core, repo)}/git/blobs/{sha}"})


def _tree(ctx: Ctx, repo: Repository, sha: str, *, recursive: bool) -> Json:
    api, git = views.api_of(ctx.core, repo), ctx.core.git(repo)
    args = ("-r", "-t") if recursive else ()
    entries: list[Json] = []
    for line in git.run("ls-tree", "-z", "-l", *args, sha).decode("utf-8", "replace").split("\0"):
        if not line:
            continue
        meta, path = line.split("\t", 1)
        mode, kind, oid, size = meta.split()
        entry: Json = {"path": path, "mode": mode, "type": kind, "sha": oid}
        if kind != "commit":
            entry["url"] = f"{api}/git/{kind}s/{oid}"
        if size != "-":
            entry["size"] = int(size)
        entries.append(entry)
    # docs, "Get a tree": at most 100,000 entries
    return {
        "sha": sha,
        "url": f"{api}/git/trees/{sha}",
        "tree": entries[:100_000],
        "truncated": len(entries) > 100_000,
    }


@route("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha:path}", need=READ, query=("recursive",))
def get_tree(ctx: Ctx, repo: Repository, tree_sha: str) -> Reply:
    """GET .../git/trees/{tree_sha}: also a commit's id or a ref's name."""
    git = ctx.core.git(repo)
    sha = tree_sha if _HEX.fullmatch(tree_sha) and git.kind(tree_sha) == "tree" else None
    if sha is None:
        commit = git.resolve(tree_sha)
        if commit is None:
            raise not_found()
        sha = git.commit(commit).tree
    return Reply(body=_tree(ctx, repo, sha, recursive="recursive" in ctx.query))


@route("POST", "/repos/{owner}/{repo}/git/trees", need=WRITE, body=("tree", "base_tree"))
def create_tree(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../git/trees."""
    git, rows = ctx.core.git(repo), ctx.json.get("tree")
    if not isinstance(rows, list) or not rows:
        raise ApiError(422, "Invalid tree info")
    entries: list[tuple[str, str | None, str]] = []
    for row in rows:
        path, mode = str(row.get("path", "")), str(row.get("mode", "100644"))
        if path.startswith(".github/workflows/") and not changes.may_carry_workflows(ctx.caller):
            raise forbidden()
        sha = row.get("sha")
        if "content" in row:
            sha = git.write("blob", str(row["content"]).encode())
        elif sha is not None and mode != "160000" and git.kind(str(sha)) is None:
            raise ApiError(422, f"tree.sha {sha} is not a valid {row.get('type', 'blob')}")
        if mode == "040000" and sha is not None:
            listing = git.run("ls-tree", "-r", "-z", str(sha)).decode().split("\0")
            parts = (line.split("\t", 1) for line in listing if line)
            entries += [(meta.split()[0], meta.split()[2], f"{path}/{name}") for meta, name in parts]
        else:
            entries.append((mode, sha, path))
    base = ctx.json.get("base_tree")
    if base is not None and git.kind(str(base)) not in {"tree", "commit"}:
        raise ApiError(422, "base_tree is not a valid tree oid")
    try:
        sha = write_tree(git, f"{base}^{{tree}}" if base else None, entries)
    except GitError as error:
        raise ApiError(422, "GitRPC::BadObjectState") from error
    return Reply(status=201, body=_tree(ctx, repo, sha, recursive=False))


@route("GET", "/repos/{owner}/{repo}/git/commits/{commit_sha}", need=READ)
def get_commit(ctx: Ctx, repo: Repository, commit_sha: str) -> Reply:
    """GET .../git/commits/{commit_sha}."""
    git = ctx.core.git(repo)
    if git.kind(_sha(commit_sha)) != "commit":
        raise not_found()
    return Reply(body=views_git.git_commit(ctx.core, repo, git.commit(commit_sha)))


@route(
    "POST",
    "/repos/{owner}/{repo}/git/commits",
    need=WRITE,
    body=("message", "tree", "parents", "author", "committer"),
)
def create_commit(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../git/commits: bytes as given; who is missing is the caller, now."""
    git, body = ctx.core.git(repo), ctx.json
    message, tree = text_of(body, "message", resource="Commit"), text_of(body, "tree", resource="Commit")
    if git.kind(tree) != "tree":
        raise ApiError(422, "Tree SHA does not exist")
    parents = [str(p) for p in body.get("parents", [])]
    for parent in parents:
        if git.kind(parent) != "commit":
            raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    author = signature_of(ctx, body.get("author"))
    committer = signature_of(ctx, body["committer"]) if "committer" in body else author
    sha = git.write("commit", commit_bytes(tree, parents, author, committer, message))
    return Reply(status=201, body=views_git.git_commit(ctx.core, repo, git.commit(sha)))


# -- annotated tags -------------------------------------------------------------------------------------


def _tag(ctx: Ctx, repo: Repository, sha: str) -> Json:
    api = views.api_of(ctx.core, repo)
    head, _, message = ctx.core.git(repo).body(sha, "tag").decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.split(" ", 1) for line in head.split("\n") if " " in line)
    tagger = views_git.git_user(parse_signature(fields.get("tagger", "")))
    return {
        "node_id": views.node("Tag", f"{repo.id}.{sha}"),
        "tag": fields["tag"],
        "sha": sha,
        "url": f"{api}/git/tags/{sha}",
        "message": message,
        "tagger": tagger,
        "object": {
            "sha": fields["object"],
            "type": fields["type"],
            "url": f"{api}/git/{fields['type']}s/{fields['object']}",
        },
        "verification": views_git.VERIFICATION,
    }


@route("GET", "/repos/{owner}/{repo}/git/tags/{tag_sha}", need=READ)
def get_tag(ctx: Ctx, repo: Repository, tag_sha: str) -> Reply:
    """GET .../git/tags/{tag_sha}: annotated tags only."""
    if ctx.core.git(repo).kind(_sha(tag_sha)) != "tag":
        raise not_found()
    return Reply(body=_tag(ctx, repo, tag_sha))


@route(
    "POST",
    "/repos/{owner}/{repo}/git/tags",
    need=WRITE,
    body=("tag", "message", "object", "type", "tagger"),
)
def create_tag(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../git/tags: the object alone, no ref."""
    git, body = ctx.core.git(repo), ctx.json
    name, message = text_of(body, "tag", resource="Tag"), text_of(body, "message", resource="Tag")
    target, kind = text_of(body, "object", resource="Tag"), text_of(body, "type", resource="Tag")
    if git.kind(target) != kind:
        raise invalid("Tag", "object", "invalid")
    who = signature_of(ctx, body.get("tagger"))
    text = f"object {target}\ntype {kind}\ntag {name}\ntagger {who.text()}\n\n{message}\n"
    return Reply(status=201, body=_tag(ctx, repo, git.write("tag", text.encode())))


@route("GET", "/repos/{owner}/{repo}/tags", need=READ)
def list_tags(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../tags: each with the commit that it leads to."""
    git, api = ctx.core.git(repo), views.api_of(ctx.core, repo)
    rows = []
    for ref in git.refs("refs/tags/"):
        sha = git.resolve(ref)
        if sha is None:
            continue
        name = ref.removeprefix("refs/tags/")
        row = {"name": name, "commit": {"sha": sha, "url": f"{api}/commits/{sha}"}}
        links = {f"{kind}_url": f"{api}/{kind}/{ref}" for kind in ("zipball", "tarball")}
        rows.append({**row, **links, "node_id": views.node("Ref", f"{repo.id}.{ref}")})
    return ctx.paged(rows[::-1])


# -- refs -----------------------------------------------------------------------------------------------


def _ref(ctx: Ctx, repo: Repository, name: str) -> Json:
    git = ctx.core.git(repo)
    sha = git.ref(name)
    kind = git.kind(sha) if sha else None
    if sha is None or kind is None:
        raise not_found()
    return views_git.ref(ctx.core, repo, name, sha, kind)


@route("GET", "/repos/{owner}/{repo}/git/ref/{ref:path}", need=READ)
def get_ref(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../git/ref/{ref}: exactly this one."""
    return Reply(body=_ref(ctx, repo, f"refs/{ref}"))


@route("GET", "/repos/{owner}/{repo}/git/matching-refs", need=READ)
def all_refs(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../git/matching-refs/ : all there are."""
    return matching_refs(ctx, repo, ref="")


@route("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref:path}", need=READ)
def matching_refs(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """GET .../git/matching-refs/{ref}: every namespace, by prefix of the name."""
    rows = [
        views_git.ref(ctx.core, repo, name, sha, kind)
        for name, (sha, kind) in ctx.core.git(repo).refs().items()
        if name.startswith(f"refs/{ref}")
    ]
    return Reply(body=rows)


@route("POST", "/repos/{owner}/{repo}/git/refs", need=WRITE, body=("ref", "sha"))
def create_ref(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../git/refs."""
    git = ctx.core.git(repo)
    name, sha = text_of(ctx.json, "ref", resource="Reference"), text_of(ctx.json, "sha", resource="Reference")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name is malformed")
    try:
        git.run("check-ref-format", name)
    except GitError as error:
        raise ApiError(422, f"{name} is not a valid ref name.") from error
    if git.kind(_sha(sha)) is None:
        raise ApiError(422, "Object does not exist")
    if git.ref(name) is not None:
        raise ApiError(422, "Reference already exists")
    ours = name.startswith(("refs/heads/", "refs/tags/"))
    if name.startswith("refs/pull/") or not (ours or ctx.core.options.custom_refs):
        raise ApiError(422, "Reference cannot be created")
    changes.move(ctx.core, repo, ctx.caller, [RefUpdate(name=name, old=ZERO, new=sha)])
    return Reply(status=201, body=_ref(ctx, repo, name))


@route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref:path}", need=WRITE, body=("sha", "force"))
def update_ref(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """PATCH .../git/refs/{ref}: has no expected old value, as on GitHub."""
    git, name = ctx.core.git(repo), f"refs/{ref}"
    sha = _sha(text_of(ctx.json, "sha", resource="Reference"))
    old = git.ref(name)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if git.kind(sha) is None:
        raise ApiError(422, "Object does not exist")
    if not ctx.json.get("force", False) and not git.is_ancestor(old, sha):
        raise ApiError(422, "Update is not a fast forward")
    changes.move(ctx.core, repo, ctx.caller, [RefUpdate(name=name, old=old, new=sha)])
    return Reply(body=_ref(ctx, repo, name))


@route("DELETE", "/repos/{owner}/{repo}/git/refs/{ref:path}", need=WRITE)
def delete_ref(ctx: Ctx, repo: Repository, ref: str) -> Reply:
    """DELETE .../git/refs/{ref}."""
    name = f"refs/{ref}"
    old = ctx.core.git(repo).ref(name)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if name == f"refs/heads/{repo.default_branch}":
        raise ApiError(422, "Cannot delete the default branch")
    changes.move(ctx.core, repo, ctx.caller, [RefUpdate(name=name, old=old, new=ZERO)])
    return Reply(status=204)
