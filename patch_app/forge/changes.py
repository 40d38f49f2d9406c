"""Moving refs: what is checked before, and what a move sets off.

Its job: workflow permission, branch rules and fast-forwards for every way that a ref can move over the
API; and webhooks, pull requests and workflow triggers after any move, pushes included. It refuses to
decide who may write contents at all (auth does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from patch_app.forge import rules, views, views_git
from patch_app.forge.auth import Caller, has
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, CommitObject, Git, GitError, RefUpdate
from patch_app.forge.rest import ApiError, forbidden
from patch_app.forge.state import Activity, Json, Repository

# Called after every move with (core, repo, caller, moved refs); pulls and triggers register here.
Listener = Callable[[Core, Repository, Caller, Sequence[RefUpdate]], None]
LISTENERS: list[Listener] = []


def bypasses(core: Core, caller: Caller, repo: Repository, branch: str) -> bool:
    """Whether the rules for a branch or pattern don't hold this caller."""
    listed = repo.bypass.get(branch, [])
    slug = core.state.apps[caller.app_id].slug if caller.app_id in core.state.apps else None
    return caller.login in listed or (slug is not None and slug in listed)


def held(core: Core, caller: Caller, repo: Repository, branch: str) -> list[Json]:
    """The rules that this caller is held to on a branch."""
    found = rules.holding(repo, branch)
    return [rule for pattern, rows in found if not bypasses(core, caller, repo, pattern) for rule in rows]


def violation(
    core: Core, repo: Repository, caller: Caller, update: RefUpdate, *, through: str | None = None
) -> str | None:
    """The rule that forbids the move, in words, or None (docs: "Available rules for rulesets").

    `through`: head of the pull request that is being merged; checks are asked of it.
    """
    git, branch = core.git(repo), update.name.removeprefix("refs/heads/")
    if branch == update.name:
        return None
    old = git.ref(update.name)
    for rule in held(core, caller, repo, branch):
        match rule["type"]:
            case "creation" if old is None:
                return "Cannot create ref due to creations being restricted."
            case "deletion" if update.new == ZERO:
                return "Cannot delete this branch"
            case "update" if old is not None and update.new != ZERO:
                return "Cannot update this protected ref."
            case "non_fast_forward" if old and update.new != ZERO and not git.is_ancestor(old, update.new):
                return "Cannot force-push to this branch"
            case "pull_request" if through is None and old is not None and update.new != ZERO:
                return "Changes must be made through a pull request."
            case "required_signatures" if update.new != ZERO and through is None:
                return "Commits must have verified signatures."
            case "required_status_checks" if update.new != ZERO:
                missing = _missing(repo, rule, through or update.new)
                if missing:
                    return f'Required status check "{missing[0]}" is expected.'
            case _:
                pass
    return None


def _missing(repo: Repository, rule: Json, sha: str) -> list[str]:
    contexts = [c["context"] for c in rule.get("parameters", {}).get("required_status_checks", [])]
    passing = {"success", "neutral", "skipped"}
    good = {c.name for c in repo.checks.values() if c.head_sha == sha and c.conclusion in passing}
    newest = {s.context: s.state for s in repo.statuses if s.sha == sha}
    good |= {context for context, state in newest.items() if state == "success"}
    return [c for c in contexts if c not in good]


def may_carry_workflows(caller: Caller) -> bool:
    """Persons may; Apps with `workflows: write` may; a job's GITHUB_TOKEN never may."""
    match caller.kind:
        case "person":
            return True
        case "installation":
            return has(caller, "workflows", "write")
        case _:
            return False


def move(
    core: Core,
    repo: Repository,
    caller: Caller,
    updates: Sequence[RefUpdate],
    *,
    through: str | None = None,
) -> None:
    """Check and move refs, all or nothing, then set off what follows.

    Errors: ApiError 403 for workflow changes without permission, 422 for rules and unexpected old values.
    """
    git = core.git(repo)
    before = {u.name: git.ref(u.name) or ZERO for u in updates}
    for update in updates:
        if update.new != ZERO and not may_carry_workflows(caller) and git.touches_workflows(update.new):
            raise forbidden()
        broken = violation(core, repo, caller, update, through=through)
        if broken:
            raise ApiError(422, f"Repository rule violations found\n\n{broken}\n\n")
    try:
        git.update(updates)
    except GitError as error:
        raise ApiError(422, "Reference update failed") from error
    moved(core, repo, caller, [RefUpdate(name=u.name, old=before[u.name], new=u.new) for u in updates])


def moved(core: Core, repo: Repository, caller: Caller, updates: Sequence[RefUpdate]) -> None:
    """What follows from refs that have moved: `old` and `new` are the real values, ZERO for none."""
    real = [u for u in updates if u.old != u.new]
    if not real:
        return
    repo.pushed_at = core.now()
    tags = [u for u in real if u.name.startswith("refs/tags/")]
    for update in real:
        # docs, push event: none for tags when more than three change at once
        if update.name.startswith("refs/heads/"):
            _remember(core, repo, caller, update)
        if update.name.startswith("refs/heads/") or (update in tags and len(tags) <= 3):
            _announce(core, repo, caller, update)
    for listener in LISTENERS:
        listener(core, repo, caller, real)


def moved_default(core: Core, repo: Repository) -> None:
    """The default branch is another one now: listeners look at the repository again."""
    for listener in LISTENERS:
        listener(core, repo, Caller(kind="anonymous"), [])


def forced(git: Git, update: RefUpdate) -> bool:
    """Whether a branch that was there and is there went elsewhere than ahead."""
    old = update.old or ZERO
    return ZERO not in (old, update.new) and not git.is_ancestor(old, update.new)


def _remember(core: Core, repo: Repository, caller: Caller, update: RefUpdate) -> None:
    old = update.old or ZERO
    kind = "force_push" if forced(core.git(repo), update) else "push"
    kind = "branch_creation" if old == ZERO else "branch_deletion" if update.new == ZERO else kind
    repo.activities.append(
        Activity(
            id=len(repo.activities) + 1,
            ref=update.name,
            before=old,
            after=update.new,
            kind=kind,
            actor=caller.actor(),
            at=core.now(),
        )
    )


def _announce(core: Core, repo: Repository, caller: Caller, update: RefUpdate) -> None:
    sender = caller.actor()
    emit = core.webhooks.emit
    kind = "branch" if update.name.startswith("refs/heads/") else "tag"
    short = update.name.split("/", 2)[2]
    base: Json = {"ref": short, "ref_type": kind, "pusher_type": "user"}
    if update.old == ZERO:
        more = {"master_branch": repo.default_branch, "description": repo.description}
        emit("create", repo, sender, base | more)
    if update.new == ZERO:
        emit("delete", repo, sender, base)
    emit("push", repo, sender, push_payload(core, repo, caller, update))


def _push_commit(core: Core, repo: Repository, git: Git, row: CommitObject) -> Json:
    files: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    parent = row.parents[0] if row.parents else views_git.EMPTY_TREE
    names = git.run("diff-tree", "-r", "-z", "--name-status", "--no-renames", parent, row.sha).decode(
        "utf-8", "replace"
    )
    fields = names.split("\0")
    for letter, path in zip(fields[::2], fields[1::2], strict=False):
        files[{"A": "added", "D": "removed"}.get(letter, "modified")].append(path)
    return views_git.simple_commit(row) | {
        "distinct": True,
        "url": f"{views.html_of(core, repo)}/commit/{row.sha}",
        **files,
    }


def push_payload(core: Core, repo: Repository, caller: Caller, update: RefUpdate) -> Json:
    """The push event, at most 2048 commits, oldest first."""
    git = core.git(repo)
    old, new = update.old or ZERO, update.new
    created, deleted = old == ZERO, new == ZERO
    rows: list[CommitObject] = []
    head: Json | None = None
    if not deleted and git.kind(f"{new}^{{commit}}") == "commit":
        tip = git.text("rev-parse", f"{new}^{{commit}}")
        head = _push_commit(core, repo, git, git.commit(tip))
        if not created and update.name.startswith("refs/heads/"):
            rows = git.commits("--reverse", "--max-count=2048", tip, f"^{old}")
    sender = caller.actor()
    return {
        "ref": update.name,
        "before": old,
        "after": new,
        "created": created,
        "deleted": deleted,
        "forced": forced(git, update),
        "base_ref": None,
        "compare": f"{views.html_of(core, repo)}/compare/{old[:12]}...{new[:12]}",
        "commits": [_push_commit(core, repo, git, row) for row in rows],
        "head_commit": head,
        "pusher": {"name": sender, "email": views_git.email_of(core, sender)},
    }
