"""Starting the workflow: what we learn of the run, by GitHub's version and GitHub Enterprise Server's."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from patch_app.core.attempt import Attempt
from patch_app.core.effects import Dispatch
from patch_app.forge import Forge
from patch_app.forge.core import ForgeOptions
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.errors import Unknown
from patch_app.github.perform import Performer
from patch_app.github.setup import manifest
from tests.forge.scripted import Script

DISPATCH = "POST /repos/alice/tool/actions/workflows/carry.yml/dispatches"
WORKFLOW = """\
name: carry
run-name: "patch_app ${{ inputs.attempt }}"
on:
  workflow_dispatch:
    inputs:
      attempt: {type: string}
jobs: {carry: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = {"ref": "main", "inputs": {"attempt": "a1"}}
STARTED = {
    "workflow_run_id": 9,
    "run_url": "http://127.0.0.1:1/api/v3/repos/alice/tool/actions/runs/9",
    "html_url": "http://127.0.0.1:1/alice/tool/actions/runs/9",
}
NOT_A_KEY = httpx.Response(
    422, json={"message": 'Invalid request.\n\n"return_run_details" is not a permitted key.'}
)


def attempt(repository_id: int = 7, installation_id: int = 5) -> Attempt:
    return Attempt(
        id="a" * 16,
        event="e" * 16,
        installation_id=installation_id,
        repository_id=repository_id,
        repository="alice/tool",
        upstream="maker/tool",
        tag="v2.0.0",
        stack="main",
        created=NOW,
        updated=NOW,
    )


def effect() -> Dispatch:
    return Dispatch(workflow="carry.yml", branch="main", run_name="patch_app a1", inputs={"attempt": "a1"})


@pytest.fixture
def performer(app: GitHubApp, fake) -> Performer:
    fake.on("GET /repos/alice/tool", {"id": 7, "default_branch": "main"})
    return Performer(app=app, app_slug="patch-app")


async def test_the_run_is_known_by_id_as_soon_as_it_is_started(performer, fake):
    fake.on(DISPATCH, STARTED)
    outcome = await performer.perform(attempt(), effect(), again=False)
    assert (outcome.done, outcome.answer) == (True, {"run_id": 9, "url": STARTED["html_url"]})
    assert fake.bodies(DISPATCH) == [{**PLAIN, "return_run_details": True}]


async def test_an_older_server_that_knows_no_such_key_is_asked_once_more_without_it(performer, fake):
    fake.on(DISPATCH, NOT_A_KEY, httpx.Response(204))
    outcome = await performer.perform(attempt(), effect(), again=False)
    assert (outcome.done, outcome.answer) == (True, {})
    assert fake.bodies(DISPATCH) == [{**PLAIN, "return_run_details": True}, PLAIN]


async def test_a_server_that_always_refuses_the_key_is_not_asked_for_ever(performer, fake):
    fake.on(DISPATCH, NOT_A_KEY)
    outcome = await performer.perform(attempt(), effect(), again=False)
    assert (outcome.done, outcome.answer["status"]) == (False, 422)
    assert fake.count(DISPATCH) == 2


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_any_other_refusal_is_told_and_not_repeated(performer, fake, status):
    fake.on(DISPATCH, httpx.Response(status, json={"message": "Actions is disabled"}))
    outcome = await performer.perform(attempt(), effect(), again=False)
    assert (outcome.done, outcome.answer["status"]) == (False, status)
    assert "disabled" in outcome.answer["message"]
    # a fresh token may be what was refused, so that is tried once more when it is known to be good
    assert fake.count(DISPATCH) == (1 if status == 422 else 2)


async def test_a_lost_answer_after_the_second_try_is_looked_up_before_another(performer, fake):
    fake.on(DISPATCH, NOT_A_KEY, httpx.ReadTimeout("late"))
    with pytest.raises(Unknown):
        await performer.perform(attempt(), effect(), again=False)
    run = {"id": 9, "display_title": "patch_app a1", "html_url": STARTED["html_url"]}
    fake.on("GET /repos/alice/tool/actions/runs", {"workflow_runs": [run]})
    outcome = await performer.perform(attempt(), effect(), again=True)
    assert outcome.answer["run_id"] == 9
    assert fake.count(DISPATCH) == 2


@pytest.mark.parametrize(
    ("details", "version", "told"),
    [
        (True, "2022-11-28", True),
        (True, "2026-03-10", True),
        (False, "2022-11-28", False),
    ],
)
async def test_one_run_is_started_whatever_the_version_of_the_server(tmp_path, details, version, told):
    wanted = manifest("http://127.0.0.1:9")
    options = ForgeOptions(dispatch_details=details)
    with Forge(tmp_path / "forge", options=options, actions=Script()).running() as forge:
        forge.add_user("alice")
        tool = forge.add_repository("alice/tool")
        forge.commit("alice/tool", "main", {".github/workflows/carry.yml": WORKFLOW}, "Workflow")
        app = forge.create_app(
            owner="alice",
            name="patch app",
            webhook_url=None,
            permissions=wanted["default_permissions"],
            events=wanted["default_events"],
        )
        installation = forge.install(app, account="alice", repositories=["alice/tool"])
        where = GitHubSettings(
            issuer=str(app.id),
            private_key=SecretStr(app.pem),
            web_url=forge.url,
            api_url=forge.api_url,
            api_version=version,
        )
        async with GitHubApp(where) as github:
            performer = Performer(app=github, app_slug=app.slug)
            one = attempt(tool.id, installation)
            outcome = await performer.perform(one, effect(), again=False)
            assert outcome.done
            assert ("run_id" in outcome.answer) is told
            again = await performer.perform(one, effect(), again=True)
            assert again.answer["run_id"] == outcome.answer.get("run_id", again.answer["run_id"])
            client = await github.installation(installation, tool.id, {"actions": "read"})
            runs = await client.get_all("/repos/alice/tool/actions/runs", key="workflow_runs")
            assert len([run for run in runs if run["event"] == "workflow_dispatch"]) == 1
