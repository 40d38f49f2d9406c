"""Two releases of a real package, carried, reviewed and promoted by the whole server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.report import Verdict
from patch_app.forge.people import Person
from patch_app.forge.server import Forge
from tests.real.git import Repository
from tests.real.journey import Traveller
from tests.real.material import URLLIB3, Material, material
from tests.stories.world import FORK, UPSTREAM, World, check_invariants

RELEASES = 2


def push(person: Person, repository: str, source: Path, *refspecs: str) -> None:
    """By a person, over smart HTTP."""
    subprocess.run(
        ["git", "-C", str(source), "push", "--quiet", person.git_url(repository), *refspecs],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "HOME": str(source)},
        timeout=60,
    )


class RealWorld(World):
    """The world of the stories with a real package in its repositories."""

    def bring(self, made: Material) -> None:
        self.stack = made.branch
        self.alice, self.bob, self.olga = (self.forge.add_user(one) for one in ("alice", "bob", "olga"))
        self.forge.add_organization("tea", owners=["olga"])
        self.forge.add_repository(UPSTREAM)
        self.bring_release(made, made.tags[0])
        self.forge.add_fork(UPSTREAM, FORK, issues=True)
        self.forge.collaborator(FORK, "bob", "write")
        push(self.alice, FORK, made.fork, f"refs/heads/{made.branch}:refs/heads/main")
        self.footprint()

    def bring_release(self, made: Material, tag: str) -> None:
        push(self.olga, UPSTREAM, made.upstream, f"refs/tags/{tag}^{{commit}}:refs/heads/main")
        push(self.olga, UPSTREAM, made.upstream, f"refs/tags/{tag}:refs/tags/{tag}")
        self.forge.publish_release(UPSTREAM, tag)

    def tree_below_the_apps_commit(self, attempt: Attempt) -> str:
        """The carried stack alone: without the commit that brings the App's own files along."""
        assert attempt.report is not None
        installed = attempt.report.installed is not None and attempt.report.installed.new is not None
        with self.forge.core.lock:
            git = self.forge.core.git(self.forge.repository(FORK))
            spec = f"{attempt.candidate}{'~1' if installed else ''}^{{tree}}"
            return git.run("rev-parse", spec).decode().strip()


@pytest.mark.network
@pytest.mark.timeout(300)
def test_two_releases_of_a_real_package_end_as_a_rebase_would_have_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = material(URLLIB3, tmp_path / "material")
    traveller = Traveller(made, tmp_path / "material")
    head, base = Repository(made.fork).rev(f"refs/heads/{made.branch}"), made.base
    with Forge(tmp_path / "github").running() as forge:
        world = RealWorld(tmp_path, forge, forge.core.actions)
        world.bring(made)
        world.serve()
        try:
            for tag in made.tags[1 : RELEASES + 1]:
                before = world.main()
                world.bring_release(made, tag)
                world.poll()
                world.settle()
                attempt = world.attempt(tag)
                assert attempt.stage is Stage.REVIEWING, attempt.message
                rebased = traveller.rebase(base, head, tag)
                assert rebased.stopped is None
                assert world.tree_below_the_apps_commit(attempt) == rebased.tree
                assert world.main() == before
                world.approve(attempt)
                world.settle()
                attempt = world.attempt(tag)
                assert attempt.stage is Stage.PROMOTED, attempt.message
                assert world.main() == attempt.candidate
                assert world.ref(names.archive_ref(attempt.id)) == before
                tell(capfd, attempt)
                head, base = traveller.work.rev("HEAD"), traveller.work.rev(f"{tag}^{{commit}}")
                traveller.fork.git("fetch", "-q", str(traveller.work.path), head)
            check_invariants(world)
        finally:
            world.server.stop()


def tell(capfd: pytest.CaptureFixture[str], attempt: Attempt) -> None:
    """The figures of a release, wanted from a run that passes too."""
    assert attempt.report is not None
    verdicts = [patch.verdict for patch in attempt.report.patches]
    counts = ", ".join(f"{verdicts.count(one)} {one}" for one in Verdict if one in verdicts)
    with capfd.disabled():
        print(f"\n{attempt.tag} through the server: {counts}; promoted", flush=True)
