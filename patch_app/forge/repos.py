"""Making repositories and forks, and commits without a clone.

Its job: what a person does with buttons on the web. It refuses to check permissions: whoever calls is
the owner.
"""

from __future__ import annotations

from collections.abc import Mapping

from patch_app.forge import changes
from patch_app.forge.auth import Caller
from patch_app.forge.core import Core
from patch_app.forge.git import ZERO, RefUpdate, Signature
from patch_app.forge.git_backend import create_repository, share_objects
from patch_app.forge.rest import ApiError
from patch_app.forge.rest_repos import commit_bytes, write_tree
from patch_app.forge.state import Repository
from patch_app.forge.views_git import email_of


def split_name(full_name: str) -> tuple[str, str]:
    """owner/name. Errors: ValueError."""
    owner, _, name = full_name.partition("/")
    if not owner or not name or "/" in name:
        raise ValueError(f"{full_name} is not owner/name")
    return owner, name


def add(
    core: Core, full_name: str, *, private: bool, default_branch: str, description: str | None
) -> Repository:
    """An empty repository. Errors: KeyError for an unknown owner, ApiError 422 when the name is taken."""
    owner, name = split_name(full_name)
    login, state, now = core.account(owner).login, core.state, core.now()
    if state.repository(owner, name) is not None:
        raise ApiError(422, f"{full_name} exists already")
    repo = Repository(
        id=state.new_id(),
        owner=login,
        name=name,
        private=private,
        default_branch=default_branch,
        description=description,
        created_at=now,
        updated_at=now,
        pushed_at=now,
    )
    state.repositories[repo.id] = repo
    # a new repository under an old name ends the redirection (docs.github.com, "Renaming a repository")
    state.renamed.pop(repo.full_name.lower(), None)
    create_repository(core, repo)
    return repo


def fork(core: Core, parent: Repository, full_name: str, *, actions: bool, issues: bool) -> Repository:
    """A fork with the parent's branches and tags."""
    repo = add(
        core,
        full_name,
        private=parent.private,
        default_branch=parent.default_branch,
        description=parent.description,
    )
    repo.parent, repo.has_issues, repo.actions_enabled = parent.id, issues, actions
    git = core.git(repo)
    if core.options.shares_fork_objects:
        share_objects(core, repo)
    git.run(
        "fetch",
        "-q",
        "--no-tags",
        str(core.path_of(parent)),
        "refs/heads/*:refs/heads/*",
        "refs/tags/*:refs/tags/*",
    )
    changes.moved_default(core, repo)
    return repo


def commit(
    core: Core,
    repo: Repository,
    caller: Caller,
    *,
    branch: str,
    files: Mapping[str, str | bytes | None],
    message: str,
) -> str:
    """One commit on top of a branch (made when it isn't there).

    None removes a path, `path!x` is executable.
    """
    git, login = core.git(repo), caller.actor()
    old = git.ref(f"refs/heads/{branch}")
    entries: list[tuple[str, str | None, str]] = []
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        mode = "100755" if path.endswith("!x") else "100644"
        entries.append((mode, None if data is None else git.write("blob", data), path.removesuffix("!x")))
    tree = write_tree(git, f"{old}^{{tree}}" if old else None, entries)
    who = Signature(name=login, email=email_of(core, login), when=int(core.now().timestamp()))
    text = message if message.endswith("\n") else message + "\n"
    sha = git.write("commit", commit_bytes(tree, [old] if old else [], who, who, text))
    changes.move(core, repo, caller, [RefUpdate(name=f"refs/heads/{branch}", old=old or ZERO, new=sha)])
    return sha
