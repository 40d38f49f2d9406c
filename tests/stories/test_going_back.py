"""Releases that lack commits of upstream which the branch stands on: nothing goes back in silence."""

from __future__ import annotations

import httpx
import pytest

from patch_app.core import names
from patch_app.core.attempt import Attempt, Stage
from tests.stories.world import FORK, UPSTREAM, World, numbered

AUTO = """
[upstream]
minimum_age = "1s"

[[check]]
name = "smoke"
run = "true"

[promotion]
approve = "auto"
"""


def stand_on(world: World, branch: str = "main", configuration: str = "") -> str:
    """Two patches on top of a branch of upstream, as a person rebases them."""
    forge, commit = world.forge, world.ref(f"refs/heads/{branch}", UPSTREAM)
    with forge.core.lock:
        git = forge.core.git(forge.repository(FORK))
        git.run("fetch", "-q", str(forge.core.path_of(forge.repository(UPSTREAM))), commit)
    world.set_ref("refs/heads/main", commit)
    world.patch({"ours.txt": "ours\n"}, "Add a file of ours")
    world.patch({"more.txt": "more\n"}, "Add another")
    world.footprint(configuration)
    return commit


def arrange(world: World, configuration: str = "", *, ahead: int = 5) -> str:
    """The stack stands on upstream's v2.0.0, and upstream has a line 1.0; the commit that it stands on."""
    world.arrange(footprint=False)
    old = world.ref("refs/heads/main", UPSTREAM)
    for number in range(1, ahead + 1):
        world.upstream({f"new{number}.txt": "new\n"}, f"Upstream's step {number}")
    world.forge.publish_release(UPSTREAM, "v2.0.0")
    world.olga.api("POST", f"/repos/{UPSTREAM}/git/refs", {"ref": "refs/heads/1.0", "sha": old})
    return stand_on(world, configuration=configuration)


def backport(world: World, tag: str = "v1.0.1", line: str = "1.0") -> Attempt:
    """Upstream releases a fix on its old line."""
    world.forge.commit(UPSTREAM, line, {"pot.txt": numbered(l15=tag)}, f"Fix for {tag}", by="olga")
    world.forge.publish_release(UPSTREAM, tag, target=line)
    world.poll()
    # a configuration may want some age
    world.later(60)
    return world.attempt(tag)


def test_release_of_an_old_line_is_held_until_a_person_lets_five_commits_go(bare: World) -> None:
    world = bare
    arrange(world)
    world.serve()
    before = world.main()
    held = backport(world)
    assert (held.stage, world.main()) == (Stage.HELD, before)
    assert held.leaving is not None
    assert held.leaving.number == 5
    assert [one.subject for one in held.leaving.commits] == [f"Upstream's step {n}" for n in range(1, 6)]
    assert f"/patch go-back {held.target}" in held.message
    assert world.ref(world.maintenance("v1.0.1")) == names.ZERO
    assert held.issue is not None
    told = world.issue(held.issue.number)
    assert "take 5 commits of upstream out of main" in told["title"]
    assert "Upstream's step 3" in told["body"].replace("\\", "").replace("&#39;", "'")
    # neither a word that says nothing of what leaves nor one about another commit is enough
    for asked in ("/patch resume", f"/patch go-back {held.stack_head}", "/patch go-back"):
        world.comment(held.issue.number, asked, world.bob)
    word = f"/patch go-back {held.target}"
    world.comment(held.issue.number, word, world.rita)
    world.settle()
    assert world.attempt("v1.0.1").stage is Stage.HELD
    world.comment(held.issue.number, word, world.bob)
    world.settle()
    going = world.attempt("v1.0.1")
    assert going.stage is Stage.REVIEWING
    assert going.pull_request is not None
    assert "What would leave" in world.issue(going.pull_request.number)["body"]
    assert world.main() == before
    world.approve(going)
    world.settle()
    assert world.attempt("v1.0.1").stage is Stage.PROMOTED
    assert world.issue(held.issue.number)["state"] == "closed"
    world.ends()


def test_word_on_what_leaves_is_none_once_the_branch_has_moved(bare: World) -> None:
    world = bare
    arrange(world)
    world.serve()
    held = backport(world)
    assert held.issue is not None
    world.comment(held.issue.number, f"/patch go-back {held.target}", world.bob)
    world.settle()
    assert world.attempt("v1.0.1").stage is Stage.REVIEWING
    # the same patches for the same release and head: the word holds
    world.comment(held.issue.number, "/patch replay", world.bob)
    world.settle()
    again = world.attempt("v1.0.1")
    assert (again.number, again.stage) == (2, Stage.REVIEWING)
    world.patch({"third.txt": "third\n"}, "Add a third")
    world.settle()
    moved = world.attempt("v1.0.1")
    assert (moved.number, moved.stage) == (3, Stage.HELD)
    # and nothing of it is promoted by what was approved before
    world.approve(again)
    world.settle()
    assert world.attempt("v1.0.1").stage is Stage.HELD
    world.comment(held.issue.number, "/patch abandon stay on 2.0", world.bob)
    world.settle()


def test_release_goes_back_and_conflicts_and_both_issues_end_with_the_attempt(bare: World) -> None:
    world = bare
    arrange(world)
    world.patch({"new5.txt": "ours too\n"}, "Change what only 2.0 has")
    world.serve()
    held = backport(world)
    assert (held.stage, held.candidate is not None) == (Stage.HELD, True)
    assert held.issue is not None
    world.comment(held.issue.number, f"/patch go-back {held.target}", world.bob)
    world.settle()
    stopped = world.attempt("v1.0.1")
    assert stopped.stage is Stage.CONFLICT
    assert stopped.issue not in (None, held.issue)
    world.comment(held.issue.number, "/patch abandon", world.bob)
    world.settle()
    states = [world.issue(one.number)["state"] for one in (held.issue, stopped.issue) if one]
    assert states == ["closed", "closed"]


@pytest.mark.parametrize("let", [False, True])
def test_automatic_promotion_never_goes_back(bare: World, let: bool) -> None:
    world = bare
    arrange(world, AUTO)
    world.serve()
    before = world.main()
    held = backport(world)
    assert (held.stage, world.main()) == (Stage.HELD, before)
    if let:
        assert held.issue is not None
        world.comment(held.issue.number, f"/patch go-back {held.target}", world.bob)
        world.settle()
        assert world.attempt("v1.0.1").stage is Stage.REVIEWING
    world.later()
    assert world.main() == before


def test_release_branch_was_cut_before_what_the_stack_stands_on(bare: World) -> None:
    """The stack is on upstream's main; the release comes from a branch with one picked fix."""
    world = bare
    world.arrange(footprint=False)
    old = world.ref("refs/heads/main", UPSTREAM)
    world.olga.api("POST", f"/repos/{UPSTREAM}/git/refs", {"ref": "refs/heads/1.1", "sha": old})
    world.upstream({"pot.txt": numbered(l15="v1.1.0")}, "The fix, on main")
    world.upstream({"new.txt": "new\n"}, "Not for 1.1")
    stand_on(world)
    world.upstream({"newer.txt": "new\n"}, "After the stack")
    world.serve()
    held = backport(world, "v1.1.0", "1.1")
    assert held.stage is Stage.HELD
    assert held.leaving is not None
    assert [one.subject for one in held.leaving.commits] == ["The fix, on main", "Not for 1.1"]


def test_release_of_another_branch_lacks_the_fix_of_the_one_before(bare: World) -> None:
    """The stack was promoted onto v1.0.1, whose fix is on no other branch; v1.1.0 comes from main."""
    world = bare
    world.arrange()
    old = world.ref("refs/heads/main", UPSTREAM)
    world.olga.api("POST", f"/repos/{UPSTREAM}/git/refs", {"ref": "refs/heads/1.0", "sha": old})
    world.serve()
    first = backport(world)
    world.approve(first)
    world.settle()
    assert world.attempt("v1.0.1").stage is Stage.PROMOTED
    held = world.release("v1.1.0", {"new.txt": "new\n"})
    assert held.stage is Stage.HELD
    assert held.leaving is not None
    assert [one.subject for one in held.leaving.commits] == ["Fix for v1.0.1"]


@pytest.mark.parametrize("shape", ['strategy = "merge"', 'merges = "preserve"'])
def test_other_strategies(bare: World, shape: str) -> None:
    world = bare
    arrange(world, f'[[stack]]\nbranch = "main"\n{shape}\n')
    world.serve()
    attempt = backport(world)
    merged = "merge" in shape.partition("= ")[2]
    assert attempt.stage is (Stage.REVIEWING if merged else Stage.HELD)
    assert (attempt.leaving is None) is merged


def test_runner_hides_what_the_stack_stands_on(bare: World) -> None:
    """It calls upstream's commits patches that the release has already."""
    world = bare
    arrange(world)

    def lie(job: object) -> None:
        def change(scratch: object, report: dict[str, object], files: object) -> None:
            assert isinstance(report["patches"], list)
            git = world.forge.core.git(world.forge.repository(FORK))
            below = str(world.attempts()[-1].merge_base)
            hidden = git.text("rev-list", "--reverse", str(report["base"]), f"^{below}").split()
            like = report["patches"][0]
            gone = {"new": None, "verdict": "already-upstream", "range_diff": None}
            report["patches"] = [*({**like, "old": one, **gone} for one in hidden), *report["patches"]]
            report["base"], report["leaving"] = below, None

        job.rewrite(change)  # type: ignore[attr-defined]

    world.robot.carry = lie
    world.serve()
    held = backport(world)
    assert held.report is not None
    assert len(held.report.patches) == 7
    assert held.stage is Stage.HELD, held.message
    assert held.leaving is not None
    assert held.leaving.number == 5


def test_nothing_leaves_with_the_next_release_and_nothing_more_is_asked_of_github(bare: World) -> None:
    world = bare
    arrange(world)
    world.serve()
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        seen.append(request.url.path)

    world.server.engine.intake.app.http.event_hooks = {"request": [note], "response": []}
    attempt = world.release("v2.1.0")
    assert (attempt.stage, attempt.leaving) == (Stage.REVIEWING, None)
    assert sum("/compare/" in one for one in seen) <= 4, seen
