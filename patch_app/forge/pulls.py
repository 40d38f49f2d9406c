"""What pull requests do when branches move, and how they are merged.

Its job: heads under refs/pull/N, mergeability with real merges, synchronize, closing, merge commits. It
refuses to answer HTTP (rest_pulls does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patch_app.forge import changes, triggers, views_issues
from patch_app.forge.auth import Caller, role_of
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, CommitObject, Git, GitError, RefUpdate, Signature
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_repos import commit_bytes
from patch_app.forge.state import Issue, Json, Pull, Repository
from patch_app.forge.views_git import email_of


def pull_of(row: Issue) -> Pull:
    """The pull request's part. Errors: AssertionError for an issue."""
    assert row.pull is not None  # noqa: S101
    return row.pull


def merge_tree(git: Git, ours: str, theirs: str) -> str | None:
    """The tree of a merge, None when it conflicts."""
    out = git.run("merge-tree", "--write-tree", "--no-messages", ours, theirs, ok=(0, 1)).decode()
    lines = out.splitlines()
    return lines[0] if len(lines) == 1 else None


def refresh(core: Core, repo: Repository, row: Issue) -> None:
    """Bring the head's objects and refs/pull/N/* up to date and compute mergeability."""
    pull, git = pull_of(row), core.git(repo)
    head = core.state.repositories[pull.head_repo]
    if git.kind(pull.head_sha) is None:
        git.run("fetch", "-q", "--no-tags", "--no-write-fetch-head", str(core.path_of(head)), pull.head_sha)
    updates = [RefUpdate(name=f"refs/pull/{row.number}/head", old=None, new=pull.head_sha)]
    base = git.ref(f"refs/heads/{pull.base_ref}")
    try:
        tree = merge_tree(git, base, pull.head_sha) if base else None
    except GitError:
        tree = None  # no common history
    pull.mergeable = tree is not None
    name = f"refs/pull/{row.number}/merge"
    if tree is not None and base is not None:
        who = Signature(name="GitHub", email="noreply@localhost", when=int(core.now().timestamp()))
        text = f"Merge {pull.head_sha} into {base}"
        sha = git.write("commit", commit_bytes(tree, [base, pull.head_sha], who, who, text))
        pull.merge_commit_sha = sha
        updates.append(RefUpdate(name=name, old=None, new=sha))
    elif git.ref(name) is not None:
        updates.append(RefUpdate(name=name, old=None, new=ZERO))
    git.update(updates)


def announce(
    core: Core, repo: Repository, row: Issue, caller: Caller, action: str, *, more: Json | None = None
) -> None:
    """A `pull_request` event, and the workflows that listen to it."""
    payload: Json = {
        "action": action,
        "number": row.number,
        "pull_request": views_issues.pull_request(core, repo, row),
        **(more or {}),
    }
    core.webhooks.emit("pull_request", repo, caller.actor(), payload)
    triggers.pull_request(core, repo, row, caller, payload)


def close(core: Core, repo: Repository, row: Issue, caller: Caller) -> None:
    """Close without merging."""
    row.state, row.closed_at, row.closed_by = "closed", core.now(), caller.actor()
    row.updated_at = core.now()
    announce(core, repo, row, caller, "closed")


def _mark_merged(core: Core, repo: Repository, row: Issue, caller: Caller, sha: str) -> None:
    pull = pull_of(row)
    pull.merged_at, pull.merged_by, pull.merge_commit_sha = core.now(), caller.actor(), sha
    close(core, repo, row, caller)


def on_moved(core: Core, repo: Repository, caller: Caller, updates: Sequence[RefUpdate]) -> None:
    """Heads that moved or went away, and bases that moved."""
    for update in updates:
        if not update.name.startswith("refs/heads/"):
            continue
        branch = update.name.removeprefix("refs/heads/")
        for where in core.state.network(repo):
            for row in [i for i in where.issues.values() if i.pull and i.state == "open"]:
                pull = pull_of(row)
                if pull.head_repo == repo.id and pull.head_ref == branch:
                    _head_moved(core, where, row, caller, update)
                elif where.id == repo.id and pull.base_ref == branch:
                    _base_moved(core, where, row, caller, update)


def _head_moved(core: Core, repo: Repository, row: Issue, caller: Caller, update: RefUpdate) -> None:
    pull = pull_of(row)
    if update.new == ZERO:
        close(core, repo, row, caller)
        return
    before, pull.head_sha = pull.head_sha, update.new
    pull.base_sha = core.git(repo).ref(f"refs/heads/{pull.base_ref}") or pull.base_sha
    row.updated_at = core.now()
    refresh(core, repo, row)
    more = {"before": before, "after": update.new}
    announce(core, repo, row, caller, "synchronize", more=more)


def _base_moved(core: Core, repo: Repository, row: Issue, caller: Caller, update: RefUpdate) -> None:
    pull = pull_of(row)
    if changes.forced(core.git(repo), update):
        pull.base_events.append("BaseRefForcePushedEvent")
    if update.new == ZERO:
        pull.base_events.append("BaseRefDeletedEvent")
        close(core, repo, row, caller)
    elif core.git(repo).is_ancestor(pull.head_sha, update.new):
        # docs, "About pull request merges": commits that reach the base by other ways merge it indirectly
        _mark_merged(core, repo, row, caller, update.new)
    else:
        refresh(core, repo, row)


changes.LISTENERS.append(on_moved)


# -- merging --------------------------------------------------------------------------------------------


def approvals(core: Core, repo: Repository, row: Issue) -> int:
    """How many people with write approve, by their newest review that isn't a mere comment."""
    newest: dict[str, str] = {}
    for review in pull_of(row).reviews:
        if review.state != "COMMENTED":
            newest[review.user] = review.state
    writers = {"write", "maintain", "admin"}
    return sum(
        1
        for login, state in newest.items()
        if state == "APPROVED" and role_of(core.state, login, repo) in writers
    )


def _replay(git: Git, tip: str, row: CommitObject, committer: Signature) -> str:
    """One commit on top of `tip`, through commits made up so that git finds the wanted merge base."""
    who = Signature(name="x", email="x", when=0)
    base = git.write("commit", commit_bytes(git.commit(row.parents[0]).tree, [], who, who, "base"))
    ours = git.write("commit", commit_bytes(git.commit(tip).tree, [base], who, who, "ours"))
    theirs = git.write("commit", commit_bytes(row.tree, [base], who, who, "theirs"))
    tree = merge_tree(git, ours, theirs)
    if tree is None:
        raise ApiError(405, "This branch can't be rebased")
    return git.write("commit", commit_bytes(tree, [tip], row.author, committer, row.message))


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How to merge: merge, squash or rebase, and the commit's message."""

    method: str
    title: str
    message: str


def usual_merging(core: Core, row: Issue, method: str) -> Merging:
    """As GitHub's button words it."""
    if method == "squash":
        return Merging(method=method, title=f"{row.title} (#{row.number})", message="")
    pull = pull_of(row)
    head = core.state.repositories[pull.head_repo]
    title = f"Merge pull request #{row.number} from {head.owner}/{pull.head_ref}"
    return Merging(method=method, title=title, message=row.title)


def _merged(core: Core, repo: Repository, row: Issue, login: str, how: Merging) -> str:
    pull, git = pull_of(row), core.git(repo)
    base = git.ref(f"refs/heads/{pull.base_ref}") or ""
    at = int(core.now().timestamp())
    person = Signature(name=login, email=email_of(core, login), when=at)
    if how.method == "rebase":
        tip = base
        for one in git.commits("--reverse", "--no-merges", f"{base}..{pull.head_sha}"):
            tip = _replay(git, tip, one, person)
        return tip
    tree = merge_tree(git, base, pull.head_sha)
    if tree is None:
        raise ApiError(405, "Pull Request is not mergeable")
    parents = [base, pull.head_sha] if how.method == "merge" else [base]
    text = f"{how.title}\n\n{how.message}" if how.message else how.title
    github = Signature(name="GitHub", email="noreply@localhost", when=at)
    return git.write("commit", commit_bytes(tree, parents, person, github, text + "\n"))


def merge(core: Core, repo: Repository, row: Issue, caller: Caller, how: Merging) -> str:
    """Merge for real; the new commit. Errors: ApiError 405 where it can't or may not be."""
    pull, git = pull_of(row), core.git(repo)
    allowed = {
        "merge": (repo.allow_merge_commit, "Merge commits"),
        "squash": (repo.allow_squash_merge, "Squash merges"),
        "rebase": (repo.allow_rebase_merge, "Rebase merges"),
    }
    if how.method not in allowed:
        raise ApiError(422, "Invalid request.\n\nmerge_method is none of merge, squash, rebase.")
    if not allowed[how.method][0]:
        raise ApiError(405, f"{allowed[how.method][1]} are not allowed on this repository.")
    if row.state != "open" or pull.draft:
        raise ApiError(405, "Pull Request is not mergeable")
    for rule in changes.held(core, caller, repo, pull.base_ref):
        needed = rule.get("parameters", {}).get("required_approving_review_count", 0)
        if rule["type"] == "pull_request" and approvals(core, repo, row) < needed:
            raise ApiError(
                405,
                f"Repository rule violations found\n\nAt least {needed} approving review is required by "
                "reviewers with write access.\n\n",
            )
    try:
        sha = _merged(core, repo, row, caller.actor(), how)
    except GitError as error:
        raise ApiError(405, "Pull Request is not mergeable") from error
    old = git.ref(f"refs/heads/{pull.base_ref}")
    row.state = "closed"  # so that the moved base is no indirect merge
    try:
        update = RefUpdate(name=f"refs/heads/{pull.base_ref}", old=old, new=sha)
        changes.move(core, repo, caller, [update], through=pull.head_sha)
    except ApiError as error:
        row.state = "open"
        raise ApiError(405, error.message) from error
    _mark_merged(core, repo, row, caller, sha)
    if repo.delete_branch_on_merge and pull.head_repo == repo.id:
        name = f"refs/heads/{pull.head_ref}"
        changes.move(core, repo, caller, [RefUpdate(name=name, old=git.ref(name), new=ZERO)])
    return sha
