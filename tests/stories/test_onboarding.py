"""From the installation to the first attempt, and no for an answer."""

from __future__ import annotations

from patch_app.core import configuration, names, onboarding_text
from patch_app.core.attempt import Stage
from patch_app.github.footprint import runner_commit, workflow_file
from tests.stories.world import FORK, World, numbered

CI = """\
on: {push: {}, pull_request: {branches: [main]}, schedule: [{cron: "0 0 * * *"}]}
jobs: {ci: {runs-on: ubuntu-latest, permissions: {}, steps: [{run: "true"}]}}
"""


def pull(world: World, number: int) -> dict[str, object]:
    found = world.alice.api("GET", f"/repos/{FORK}/pulls/{number}")
    assert isinstance(found, dict)
    return found


def pulls(world: World, state: str = "all") -> list[tuple[int, str]]:
    found = world.alice.api("GET", f"/repos/{FORK}/pulls?state={state}")
    return sorted((one["number"], one["state"]) for one in found)


def merge(world: World, number: int) -> None:
    world.alice.api("PUT", f"/repos/{FORK}/pulls/{number}/merge", {"merge_method": "merge"})
    world.settle()


def close(world: World, number: int) -> None:
    world.alice.api("PATCH", f"/repos/{FORK}/pulls/{number}", {"state": "closed"})
    world.settle()


def look_again(world: World) -> None:
    """As after a start with an empty database."""

    async def asked() -> None:
        for fork in await world.store.forks():
            await world.server.engine.onboarder.ask(fork.repository_id, f"again:{world.clock()}")
        world.server.engine.wake()

    world.server.call(asked)
    world.settle()


def test_installed_previewed_merged_and_the_release_of_meanwhile_is_carried(bare: World) -> None:
    world = bare
    world.arrange(footprint=False)
    world.patch({".github/workflows/ci.yml": CI}, "Test it")
    world.upstream({"pot.txt": numbered(l3="theirs")}, "Change the third line too")
    world.forge.publish_release("tea/pot", "v1.0.1")
    world.serve()
    assert pulls(world) == [(1, "open")]
    # one poll of upstream has been, before anything was merged; then a release
    attempts_before = world.attempts()
    world.publish("v1.1.0", {"pot.txt": numbered(l15="v1.1.0")})
    world.poll()
    world.settle()
    assert (attempts_before, world.attempts()) == ([], [])
    offered = pull(world, 1)
    assert offered["title"] == onboarding_text.TITLE
    shown = str(offered["body"])
    for said in (
        "| `push` | 1 | when this is merged, and for each branch that the App pushes |",
        "gh workflow disable ci.yml --repo alice/pot",
        "`main` has 3 commits that `tea/pot` at `main` lacks, in 3 files",
        "Change the third line",
        "| `v1.0.1` | 1 clean, 1 conflicted, 1 not tried | a person would be asked about",
        "| `v1.0.0` | 3 clean |",
    ):
        assert said in shown, shown
    text = world.forge.core.git(world.forge.repository(FORK)).text(
        "show", f"{names.INSTALL_BRANCH}:{names.CONFIGURATION_PATH}"
    )
    assert configuration.parse(text).upstream.repository == "tea/pot"
    previews = [one for one in world.forge.repository(FORK).runs.values() if one.path == names.WORKFLOW_PATH]
    granted = [(job.name, job.permissions) for one in previews for job in one.jobs]
    assert granted == [("preview", {"contents": "read"})]
    merge(world, 1)
    attempt = world.attempt("v1.1.0")
    assert attempt.stage is Stage.REVIEWING
    assert [one.tag for one in world.attempts()] == ["v1.1.0"]
    look_again(world)
    assert len(world.attempts()) == 1
    world.approve(attempt)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED


def test_a_closed_offer_is_no_until_somebody_who_may_asks_again(bare: World) -> None:
    world = bare
    world.arrange(footprint=False)
    world.serve()
    close(world, 1)
    look_again(world)
    world.publish("v1.1.0", {"pot.txt": numbered(l15="x")})
    world.poll()
    world.settle()
    world.comment(1, "/patch onboard", world.rita)
    world.settle()
    look_again(world)
    assert pulls(world) == [(1, "closed")]
    said = world.comments(1)
    assert len(said) == 2
    assert "yours is read" in said[1]
    assert world.attempts() == []
    world.comment(1, "/patch onboard", world.bob)
    world.settle()
    look_again(world)
    assert pulls(world) == [(1, "closed"), (2, "open")]
    assert "Asked for again in #1" in str(pull(world, 2)["body"])
    # a person's own commit on the branch stays
    mine = world.forge.commit(
        FORK, names.INSTALL_BRANCH, {names.CONFIGURATION_PATH: "# mine\n"}, "Mine", by="alice"
    )
    world.comment(2, "/patch onboard", world.bob)
    world.settle()
    assert world.ref(names.head(names.INSTALL_BRANCH)) == mine
    merge(world, 2)
    assert world.attempt("v1.1.0").stage is Stage.REVIEWING


def older(current: bytes) -> bytes:
    """The file as a version before has installed it: another runner."""
    return current.replace(runner_commit()[0].encode(), b"1" * 40)


def test_an_older_file_gets_one_line_changed_and_a_changed_one_is_left_alone(bare: World) -> None:
    world = bare
    world.arrange(footprint=False)
    current = workflow_file(False)
    put = {names.WORKFLOW_PATH: older(current)}
    world.forge.commit(FORK, "main", put, f"Install patch_app\n\n{names.INSTALLED_TRAILER}", by="alice")
    world.serve()
    git = world.forge.core.git(world.forge.repository(FORK))
    assert pull(world, 1)["title"] == onboarding_text.UPDATE_TITLE
    assert git.text("diff", "--numstat", "main", names.INSTALL_BRANCH).split() == [
        "1",
        "1",
        names.WORKFLOW_PATH,
    ]
    assert "**One line of" in str(pull(world, 1)["body"])
    merge(world, 1)
    assert git.text("show", f"main:{names.WORKFLOW_PATH}").encode() == current.rstrip()
    changed = current.replace(b"timeout-minutes: 60", b"timeout-minutes: 5")
    blob_before = world.forge.commit(FORK, "main", {names.WORKFLOW_PATH: changed}, "Faster", by="alice")
    world.settle()
    look_again(world)
    assert world.main() == blob_before
    assert pulls(world) == [(1, "closed")]
    (said,) = world.comments(1)
    assert "-    timeout-minutes: 60" in said
    assert "+    timeout-minutes: 5" in said
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "is not the App's own" in attempt.message
    # a closed update is no to this version alone; the comment is for files that somebody changed
    world.comment(1, "/patch onboard", world.bob)
    world.settle()
    # the attempt's issue has the number before
    assert pulls(world, "open") == [(3, "open")]
    assert "+    timeout-minutes: 5" in str(pull(world, 3)["body"])
    merge(world, 3)
    assert world.attempt().stage is Stage.REVIEWING
