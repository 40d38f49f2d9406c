"""REST: releases.

Its job: create, list and find releases; a published one makes its tag. It refuses assets and generated notes.
"""

from __future__ import annotations

from patch_app.forge import changes
from patch_app.forge.auth import allowed
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, RefUpdate
from patch_app.forge.rest import Ctx, Reply, invalid, not_found, number_of, route, text_of
from patch_app.forge.state import Json, Release, Repository
from patch_app.forge.views import api_of, html_of, node, stamp, stamp_or_none, user

READ, WRITE = ("contents", "read"), ("contents", "write")


def release(core: Core, repo: Repository, row: Release) -> Json:
    """Release."""
    api, html = api_of(core, repo), html_of(core, repo)
    url = f"{api}/releases/{row.id}"
    return {
        "id": row.id,
        "node_id": node("Release", row.id),
        "url": url,
        "html_url": f"{html}/releases/tag/{row.tag_name}",
        "assets_url": f"{url}/assets",
        "upload_url": f"{core.url}/uploads/repos/{repo.full_name}/releases/{row.id}/assets{{?name,label}}",
        "tarball_url": f"{api}/tarball/{row.tag_name}",
        "zipball_url": f"{api}/zipball/{row.tag_name}",
        "tag_name": row.tag_name,
        "target_commitish": row.target_commitish,
        "name": row.name,
        "body": row.body,
        "draft": row.draft,
        "prerelease": row.prerelease,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.published_at or row.created_at),
        "published_at": stamp_or_none(row.published_at),
        "immutable": False,
        "author": user(core, row.author),
        "assets": [],
    }


def published(repo: Repository) -> list[Release]:
    """Releases that everybody sees, newest first."""
    rows = [r for r in repo.releases.values() if not r.draft]
    return sorted(rows, key=lambda r: (r.created_at, r.id), reverse=True)


def _visible(ctx: Ctx, repo: Repository) -> list[Release]:
    """Drafts are for people with push access."""
    if allowed(ctx.core.state, ctx.caller, repo, WRITE):
        return sorted(repo.releases.values(), key=lambda r: (r.created_at, r.id), reverse=True)
    return published(repo)


@route("GET", "/repos/{owner}/{repo}/releases", need=READ)
def releases(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../releases."""
    return ctx.paged(_visible(ctx, repo), present=lambda r: release(ctx.core, repo, r))


@route("GET", "/repos/{owner}/{repo}/releases/latest", need=READ)
def latest(ctx: Ctx, repo: Repository) -> Reply:
    """GET .../releases/latest: no draft, no prerelease; by the commit's date."""
    rows = [r for r in published(repo) if not r.prerelease]
    if not rows:
        raise not_found()
    return Reply(body=release(ctx.core, repo, rows[0]))


@route("GET", "/repos/{owner}/{repo}/releases/tags/{tag:path}", need=READ)
def by_tag(ctx: Ctx, repo: Repository, tag: str) -> Reply:
    """GET .../releases/tags/{tag}: published ones only."""
    for row in published(repo):
        if row.tag_name == tag:
            return Reply(body=release(ctx.core, repo, row))
    raise not_found()


@route("GET", "/repos/{owner}/{repo}/releases/{release_id}", need=READ)
def by_id(ctx: Ctx, repo: Repository, release_id: str) -> Reply:
    """GET .../releases/{release_id}."""
    for row in _visible(ctx, repo):
        if row.id == number_of(release_id):
            return Reply(body=release(ctx.core, repo, row))
    raise not_found()


@route(
    "POST",
    "/repos/{owner}/{repo}/releases",
    need=WRITE,
    body=("tag_name", "target_commitish", "name", "body", "draft", "prerelease", "make_latest"),
)
def create(ctx: Ctx, repo: Repository) -> Reply:
    """POST .../releases: a published one makes a missing tag at `target_commitish`."""
    core, body, git = ctx.core, ctx.json, ctx.core.git(repo)
    tag = text_of(body, "tag_name", resource="Release")
    target = body.get("target_commitish") or repo.default_branch
    draft = bool(body.get("draft", False))
    if any(r.tag_name == tag and not r.draft for r in repo.releases.values()):
        raise invalid("Release", "tag_name", "already_exists")
    sha = git.resolve(f"refs/tags/{tag}") or git.resolve(str(target))
    if sha is None:
        raise invalid("Release", "target_commitish", "invalid")
    if not draft and git.ref(f"refs/tags/{tag}") is None:
        changes.move(core, repo, ctx.caller, [RefUpdate(name=f"refs/tags/{tag}", old=ZERO, new=sha)])
    row = Release(
        id=core.state.new_id(),
        tag_name=tag,
        target_commitish=str(target),
        name=body.get("name"),
        body=body.get("body"),
        draft=draft,
        prerelease=bool(body.get("prerelease", False)),
        author=ctx.caller.actor(),
        created_at=core.now(),
        published_at=None if draft else core.now(),
    )
    repo.releases[row.id] = row
    if not draft:
        _announce(ctx, repo, row)
    return Reply(status=201, body=release(core, repo, row))


def _announce(ctx: Ctx, repo: Repository, row: Release) -> None:
    sender = ctx.caller.actor()
    for action in ("created", "published", "prereleased" if row.prerelease else "released"):
        payload: Json = {"action": action, "release": release(ctx.core, repo, row)}
        ctx.core.webhooks.emit("release", repo, sender, payload)


@route(
    "PATCH",
    "/repos/{owner}/{repo}/releases/{release_id}",
    need=WRITE,
    body=("name", "body", "draft", "prerelease"),
)
def update(ctx: Ctx, repo: Repository, release_id: str) -> Reply:
    """PATCH .../releases/{release_id}: publishing a draft makes its tag."""
    core, row = ctx.core, repo.releases.get(number_of(release_id))
    if row is None:
        raise not_found()
    for name in ("name", "body", "prerelease"):
        if name in ctx.json:
            setattr(row, name, ctx.json[name])
    if row.draft and ctx.json.get("draft") is False:
        git = core.git(repo)
        if git.ref(f"refs/tags/{row.tag_name}") is None:
            sha = git.resolve(row.target_commitish)
            if sha is None:
                raise invalid("Release", "target_commitish", "invalid")
            changes.move(
                core, repo, ctx.caller, [RefUpdate(name=f"refs/tags/{row.tag_name}", old=ZERO, new=sha)]
            )
        row.draft, row.published_at = False, core.now()
        _announce(ctx, repo, row)
    else:
        payload: Json = {"action": "edited", "release": release(core, repo, row), "changes": {}}
        core.webhooks.emit("release", repo, ctx.caller.actor(), payload)
    return Reply(body=release(core, repo, row))
