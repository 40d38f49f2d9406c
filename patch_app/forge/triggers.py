"""Which workflows an event starts.

Its job: keep the list of workflows in step with the default branch, and start runs for pushes and pull
requests. It refuses to start anything for what a job's GITHUB_TOKEN did (docs: "Triggering a workflow
from a workflow").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patch_app.forge import changes, runs
from patch_app.forge.actions import WorkflowError, load
from patch_app.forge.actions.triggers import skips_ci
from patch_app.forge.actions.triggers import triggers as starts
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, Git, RefUpdate
from patch_app.forge.state import Issue, Json, Repository
from patch_app.forge.state_runs import Workflow
from patch_app.forge.views_git import EMPTY_TREE

FOLDER = ".github/workflows/"


def files_at(git: Git, commit: str) -> dict[str, str]:
    """Workflow files of a commit: path -> text."""
    found = {}
    for line in git.run("ls-tree", "-z", commit, FOLDER).decode("utf-8", "replace").split("\0"):
        if not line:
            continue
        meta, path = line.split("\t", 1)
        if path.endswith((".yml", ".yaml")) and meta.split()[1] == "blob":
            found[path] = git.body(meta.split()[2], "blob").decode("utf-8", "replace")
    return found


def _name(path: str, text: str) -> str:
    try:
        return load(text).name or path
    except WorkflowError:
        return path


def workflow_of(core: Core, repo: Repository, path: str, text: str) -> Workflow:
    """The workflow of a path, registered when it is new."""
    for row in repo.workflows.values():
        if row.path == path:
            return row
    row = Workflow(
        id=core.state.new_id(),
        path=path,
        name=_name(path, text),
        # a fresh fork's workflows wait until a person enables them
        state="active" if repo.actions_enabled else "disabled_fork",
        created_at=core.now(),
        updated_at=core.now(),
    )
    repo.workflows[row.id] = row
    return row


def sync(core: Core, repo: Repository) -> None:
    """Register what the default branch has; what it no longer has is deleted."""
    git = core.git(repo)
    tip = git.ref(f"refs/heads/{repo.default_branch}")
    listed = repo.actions_enabled or core.options.lists_workflows_when_off
    files = files_at(git, tip) if tip and listed else {}
    for path, text in files.items():
        row = workflow_of(core, repo, path, text)
        row.name = _name(path, text)
        if row.state == "deleted":
            row.state = "active"
    for row in repo.workflows.values():
        if row.path not in files:
            row.state = "deleted"


def _runnable(core: Core, repo: Repository, path: str, text: str) -> Workflow | None:
    row = workflow_of(core, repo, path, text)
    return row if repo.actions_enabled and row.state in {"active", "deleted"} else None


def on_moved(core: Core, repo: Repository, caller: Caller, updates: Sequence[RefUpdate]) -> None:
    """After every move: the list of workflows, and runs for `on: push`."""
    default = f"refs/heads/{repo.default_branch}"
    if not updates or any(u.name == default for u in updates):
        sync(core, repo)
    if caller.kind in {"job", "anonymous"}:
        return
    tags = [u for u in updates if u.name.startswith("refs/tags/")]
    for update in updates:
        if update.new == ZERO or not update.name.startswith(("refs/heads/", "refs/tags/")):
            continue
        if update in tags and len(tags) > 3:
            continue
        _pushed(core, repo, caller, update)


def _pushed(core: Core, repo: Repository, caller: Caller, update: RefUpdate) -> None:
    git = core.git(repo)
    commit = git.resolve(update.name)
    if commit is None:
        return
    row = git.commit(commit)
    if skips_ci(row.message):
        return
    old = EMPTY_TREE if update.old in {None, ZERO} else str(update.old)
    paths = git.text("diff", "--name-only", "--no-renames", old, commit).splitlines()
    payload: Json | None = None
    for path, text in files_at(git, commit).items():
        if not starts(text, "push", ref=update.name, paths=paths):
            continue
        workflow = _runnable(core, repo, path, text)
        if workflow is None:
            continue
        payload = payload or changes.push_payload(core, repo, caller, update)
        runs.start(
            core,
            repo,
            runs.Wanted(
                workflow=workflow,
                text=text,
                event="push",
                ref=update.name,
                sha=commit,
                actor=caller.actor(),
                title=row.message.split("\n", 1)[0],
                payload=payload,
            ),
        )


def pull_request(core: Core, repo: Repository, issue: Issue, caller: Caller, payload: Json) -> None:
    """Runs for `on: pull_request`, with the merge commit; conflicts start nothing, as on GitHub."""
    pull = issue.pull
    if pull is None or caller.kind == "job" or not pull.mergeable or payload["action"] == "closed":
        return
    git, ref = core.git(repo), f"refs/pull/{issue.number}/merge"
    merge = git.ref(ref)
    if merge is None:
        return
    base = git.text("merge-base", pull.base_sha, pull.head_sha)
    paths = git.text("diff", "--name-only", "--no-renames", base, pull.head_sha).splitlines()
    for path, text in files_at(git, merge).items():
        base_ref = f"refs/heads/{pull.base_ref}"
        if not starts(text, "pull_request", ref=base_ref, action=str(payload["action"]), paths=paths):
            continue
        workflow = _runnable(core, repo, path, text)
        if workflow is None:
            continue
        wanted: dict[str, Any] = {
            "workflow": workflow,
            "text": text,
            "event": "pull_request",
            "ref": ref,
            "sha": pull.head_sha,
            "actor": caller.actor(),
            "title": issue.title,
            "payload": payload,
            "branch": pull.head_ref,
        }
        runs.start(core, repo, runs.Wanted(**wanted))


changes.LISTENERS.append(on_moved)
