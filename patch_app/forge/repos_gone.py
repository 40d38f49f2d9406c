"""What becomes of a fork network when a repository of it is deleted.

docs.github.com, "What happens to forks when a repository is deleted or changes visibility?": of a private one
all forks go too; of a public one the oldest active public fork is the new upstream, all other repositories
are forked off of it. Objects stay, as they do in GitHub's shared networks. It refuses to bring one back.
"""

from __future__ import annotations

from patch_app.forge.core import Core
from patch_app.forge.state import Repository


def delete(core: Core, repo: Repository) -> None:
    """Take a repository out of the state, and settle who is forked off of whom."""
    state = core.state
    forks = [one for one in state.repositories.values() if one.parent == repo.id]
    _forget(core, repo)
    if repo.private:
        for one in forks:
            delete(core, one)
        return
    if repo.parent is not None:
        # a fork in the middle: its forks hang on what it was forked from
        for one in forks:
            one.parent = repo.parent
        return
    public = sorted((one for one in forks if not one.private), key=lambda one: (one.created_at, one.id))
    active = [one for one in public if not one.archived] or public
    if active:
        heir = active[0]
        for one in forks:
            one.parent = None if one is heir else heir.id


def _forget(core: Core, repo: Repository) -> None:
    state = core.state
    del state.repositories[repo.id]
    state.renamed = {name: number for name, number in state.renamed.items() if number != repo.id}
    for installation in state.installations.values():
        if installation.repositories is not None and repo.id in installation.repositories:
            installation.repositories.remove(repo.id)
