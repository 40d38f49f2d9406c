"""A fork's own resolver settles conflicts, and a person looks at every line of it."""

from __future__ import annotations

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from tests.stories.world import FORK, World, numbered

ENVIRONMENT = "patch-app-resolver"
TAKE_BOTH = r"sed -i -e '/^<<<<<<< /d' -e '/^=======$/d' -e '/^>>>>>>> /d' pot.txt"
RESOLVER = f"""
[resolver]
name = "robot"
run = '''echo "thinking with $PATCH_APP_RESOLVER_KEY"; test -n "$PATCH_APP_RESOLVER_KEY"; {TAKE_BOTH}'''

[[check]]
name = "both"
run = "grep -q theirs pot.txt && grep -q ours pot.txt"
"""


def jobs(world: World) -> list[str]:
    """Names of the jobs of the last run that ran."""
    run = list(world.forge.repository(FORK).runs.values())[-1]
    return [job.name for job in run.jobs if job.conclusion == "success"]


@pytest.mark.fork(configuration=RESOLVER)
def test_what_a_resolver_made_is_reviewed_and_used_again(
    world: World,
) -> None:
    world.forge.set_secret(FORK, ENVIRONMENT, "PATCH_APP_RESOLVER_KEY", "hunter2-hunter2")
    attempt = world.release("v1.1.0", {"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.REVIEWING, attempt.message
    assert jobs(world) == ["carry", "resolve", "carry resolved", "check both"]
    assert attempt.pull_request is not None
    body = world.alice.api("GET", f"/repos/{FORK}/pulls/{attempt.pull_request.number}")["body"]
    assert "The resolver robot settled 1 conflict: look at each line of that" in body
    assert "by the resolver robot: pot.txt" in body
    assert "-<<<<<<< carried" in body
    git = world.forge.core.git(world.forge.repository(FORK))
    said = git.text("show", f"{attempt.inbox}:resolver.log")
    assert "thinking with ***" in said
    resolutions = names.resolutions_ref("main")
    assert world.ref(resolutions) == names.ZERO
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.ref(resolutions) != names.ZERO
    # somebody takes the branch back, so that the same conflict comes again
    world.set_ref("refs/heads/main", attempt.stack_head or "")
    again = world.release("v1.2.0", {"pot.txt": numbered(l3="theirs", l25="new")})
    assert (again.stage, jobs(world)) == (Stage.REVIEWING, ["carry", "check both"]), again.message
    assert again.report is not None
    assert [one.by for patch in again.report.patches for one in patch.resolution] == [None]
    world.ends()


@pytest.mark.fork(configuration=RESOLVER)
def test_a_resolver_that_fails_leaves_the_conflict_to_a_person(world: World) -> None:
    attempt = world.release("v1.1.0", {"pot.txt": numbered(l3="theirs")})
    assert attempt.stage is Stage.CONFLICT
    assert attempt.issue is not None
    body = world.issue(attempt.issue.number)["body"]
    assert "The resolver robot had no answer that could be taken for 1" in body
    assert "the resolver robot did not settle it: it ended with 1" in body
    assert jobs(world) == ["carry", "resolve", "carry resolved"]
    assert world.ref(world.maintenance()) == attempt.candidate
    world.ends()
