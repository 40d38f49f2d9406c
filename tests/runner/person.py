"""A person who resolves conflicts in a work tree, and what the runner learns from that."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from runner_world import DATE, Content, Repo, World

from patch_app.runner import resolution_store as store
from patch_app.runner import resolutions
from patch_app.runner.attributes import Attributes
from patch_app.runner.git import Git
from patch_app.runner.merge import NAMES, Merger
from patch_app.runner.records import Merge


class Person(Repo):
    """A clone of the fork that has upstream too, with `git rerere` at work."""

    def __init__(self, world: World) -> None:
        super().__init__(world.tmp / f"person-{Repo.clock}", world.fork.config)
        self.world = world
        world.fork.git("clone", "-q", "--no-hardlinks", ".", str(self.path))
        for name, value in (
            ("rerere.enabled", "true"),
            ("rerere.autoupdate", "true"),
            ("core.editor", "true"),
        ):
            self.git("config", name, value)
        self.fetch()

    def fetch(self) -> None:
        self.git("fetch", "-q", str(self.world.upstream.path), "+refs/heads/*:refs/up/*")

    def rebase(self, onto: str, *answers: Mapping[str, Content]) -> str:
        """Rebases the fork's stack; each time it stops, the next answer's files are written. The tree."""
        self.git("checkout", "-q", "--detach", self.world.fork.head)
        base = self.git("merge-base", "HEAD", onto)
        self.git("rebase", "-q", "--reapply-cherry-picks", "--onto", onto, base, ok=(0, 1))
        left = list(answers)
        while (self.path / ".git" / "rebase-merge").exists():
            if self.git("ls-files", "-u"):
                self.write(left.pop(0))
                self.git("add", "-A")
            self.git("rebase", "--continue", ok=(0, 1))
        assert not left
        return self.rev("HEAD^{tree}")

    def remember(self, kept: str) -> None:
        """Puts recorded resolutions where Git's own rerere looks for them."""
        cache = self.path / ".git" / "rr-cache"
        self.world.fork.git("archive", "-o", str(self.path / "kept.tar"), kept)
        with tarfile.open(self.path / "kept.tar") as archive:
            archive.extractall(cache, filter="data")
        (self.path / "kept.tar").unlink()

    def preimages(self) -> dict[str, bytes]:
        """What rerere recorded, by its id."""
        cache = self.path / ".git" / "rr-cache"
        return {one.parent.name: one.read_bytes() for one in cache.glob("*/preimage")}


@contextmanager
def scratch(world: World, *repos: Repo, object_format: str = "sha1") -> Iterator[Git]:
    """A repository of the runner's with all that these have."""
    with world.workspace() as workspace:
        repository = workspace.repository("learn", object_format)
        for number, repo in enumerate(repos or (world.fork, world.upstream)):
            refspecs = (f"+HEAD:refs/{number}/head", f"+refs/*:refs/{number}/*")
            repository.run("fetch", "-q", str(repo.path), *refspecs)
        yield repository


def merge(repository: Git, patch: str, onto: str) -> Merge:
    """The merge of a commit's change into another's tree, as the carry does it before it replays."""
    merger = Merger(repository)
    tree = merger.tree_of(onto)
    Attributes(repository, repository.directory + "/attributes").use(tree)
    return merger.apply(merger.tree_of(patch), merger.tree_of(patch + "^"), tree, NAMES)


def learn(world: World, patch: str, resolved: str, person: Repo, when: int = DATE) -> tuple[store.Entry, ...]:
    """What the commit `resolved`, made of `patch` on its parent, teaches."""
    with scratch(world, world.fork, world.upstream, person) as repository:
        merged = merge(repository, patch, resolved + "^")
        assert not merged.clean
        subject = repository.line("show", "-s", "--format=%s", patch)
        tree = Merger(repository).tree_of(resolved)
        return resolutions.learn(repository, merged, tree, store.Origin(resolved, patch, subject, when))


def keep(world: World, *entries: store.Entry) -> str:
    """The entries as a commit on the fork; its id."""
    with scratch(world) as repository:
        name = store.write(repository, entries, DATE)
        repository.run("update-ref", "refs/heads/kept", name)
        world.fork.git("fetch", "-q", repository.directory, f"+{name}:refs/patch-app/resolutions")
        return name
