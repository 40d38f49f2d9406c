from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from patch_app.forge import Forge, ForgeOptions
from tests.forge.conftest import R, Receiver, World
from tests.forge.scripted import Script


def test_a_token_with_less_than_the_route_needs(world: World) -> None:
    token = world.token(permissions={"contents": "read"})
    answer = world.request(token, "POST", f"{R}/issues", {"title": "x"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert world.request(token, "GET", f"{R}/contents/a.txt").status_code == 200


def test_a_token_for_one_repository_that_writes_to_another(world: World) -> None:
    token = world.token(repositories=["tool"])
    sent = {"ref": "refs/heads/x", "sha": world.head("main", "acme/tool")}
    assert world.request(token, "POST", "/repos/acme/tool/git/refs", sent).status_code == 403
    path = f"/app/installations/{world.installation}/access_tokens"
    assert world.request(world.jwt(), "POST", path, {"repositories": ["nothing"]}).status_code == 422
    assert (
        world.request(world.jwt(), "POST", path, {"permissions": {"administration": "write"}}).status_code
        == 422
    )


def test_a_revoked_and_an_expired_token(tmp_path: Path) -> None:
    at = [datetime(2026, 1, 1, tzinfo=UTC)]
    options = ForgeOptions(clock=lambda: at[0])
    with Forge(tmp_path, options=options, actions=Script()).running() as forge:
        alice = forge.add_user("alice")
        forge.add_repository("alice/tool")
        app = forge.create_app(owner="alice", name="C", webhook_url=None, permissions={}, events=[])
        number = forge.install(app, account="alice")
        world = World(forge, Script(), alice, alice, app, number)
        now = int(at[0].timestamp())
        key = world.jwt(iat=now, exp=now + 600)
        path = f"/app/installations/{number}/access_tokens"
        tokens = [world.request(key, "POST", path, {}).json()["token"] for _ in range(2)]
        assert world.request(tokens[0], "DELETE", "/installation/token").status_code == 204
        assert world.request(tokens[0], "GET", "/installation/repositories").status_code == 401
        assert world.request(tokens[1], "GET", "/installation/repositories").status_code == 200
        at[0] += timedelta(hours=1)
        assert world.request(tokens[1], "GET", "/installation/repositories").status_code == 401


@pytest.mark.parametrize(
    "claims",
    [{"exp": int(time.time()) - 10}, {"exp": int(time.time()) + 4000}, {"iat": int(time.time()) + 900}],
)
def test_a_jwt_that_is_too_old_too_long_or_from_the_future(world: World, claims: dict[str, int]) -> None:
    assert world.request(world.jwt(**claims), "GET", "/app").status_code == 401


def test_a_webhook_is_signed_over_its_bytes(world: World, receiver: Receiver) -> None:
    world.forge.commit("alice/tool", "main", {"b": "b"}, "B")
    world.forge.settle()
    headers, body = receiver.got[0]
    digest = hmac.new(world.app.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={digest}"
    assert headers["x-github-hook-installation-target-id"] == str(world.app.id)
    assert json.loads(body)["installation"]["id"] == world.installation


def test_a_lost_webhook_is_found_in_the_deliveries_and_sent_again(world: World, receiver: Receiver) -> None:
    world.forge.webhooks.drop("push")
    world.forge.commit("alice/tool", "main", {"b": "b"}, "B")
    world.forge.settle()
    assert receiver.events() == []
    rows = world.request(world.jwt(), "GET", "/app/hook/deliveries?status=failure").json()
    assert [r["event"] for r in rows] == ["push"]
    path = f"/app/hook/deliveries/{rows[0]['id']}"
    assert world.request(world.jwt(), "POST", f"{path}/attempts").status_code == 202
    world.forge.settle()
    assert receiver.got[0][0]["x-github-delivery"] == rows[0]["guid"]
    assert world.request(world.jwt(), "GET", path).json()["request"]["payload"]["ref"] == "refs/heads/main"


def test_webhooks_that_come_late_in_another_order_and_twice(world: World, receiver: Receiver) -> None:
    world.forge.webhooks.hold("push")
    for name in ("one", "two"):
        world.forge.commit("alice/tool", "main", {name: name}, name)
    world.forge.settle()
    assert receiver.got == []
    world.forge.webhooks.repeat("push")
    assert world.forge.webhooks.release(order=lambda rows: list(reversed(rows))) == 2
    world.forge.settle()
    messages = [json.loads(body)["head_commit"]["message"].strip() for _, body in receiver.got]
    assert messages == ["two", "two", "one"]
    assert receiver.got[0][0]["x-github-delivery"] == receiver.got[1][0]["x-github-delivery"]


def test_a_suspended_installation_hears_and_may_nothing(world: World, receiver: Receiver) -> None:
    token = world.token()
    world.forge.suspend(world.installation, by="alice")
    world.forge.commit("alice/tool", "main", {"b": "b"}, "B")
    world.forge.settle()
    assert receiver.events() == ["installation.suspend"]
    assert world.request(token, "GET", R).status_code == 403


def test_an_installation_that_loses_a_repository(world: World, receiver: Receiver) -> None:
    token = world.token()
    world.forge.add_repository("alice/other")
    world.forge.choose_repositories(world.installation, ["alice/other"], by="alice")
    world.forge.settle()
    assert receiver.events() == ["installation_repositories.added", "installation_repositories.removed"]
    answer = world.request(token, "POST", f"{R}/issues", {"title": "x"})
    assert answer.status_code == 403


def test_the_code_of_a_manifest_is_good_once(world: World) -> None:
    manifest = {
        "url": "https://example.invalid",
        "redirect_url": "http://127.0.0.1:1/cb",
        "name": "Second",
        "default_permissions": {"issues": "write"},
    }
    headers = {"Authorization": f"Bearer {world.alice.token}"}
    url = f"{world.forge.url}/organizations/acme/settings/apps/new?state=s1"
    answer = httpx.post(url, data={"manifest": json.dumps(manifest)}, headers=headers, trust_env=False)
    target = httpx.URL(answer.headers["location"])
    assert target.params["state"] == "s1"
    path = f"/app-manifests/{target.params['code']}/conversions"
    made = world.request(None, "POST", path)
    assert made.status_code == 201
    assert made.json()["owner"]["login"] == "acme"
    assert made.json()["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert world.request(None, "POST", path).status_code == 404


def test_what_nobody_wrote_is_a_loud_501(world: World) -> None:
    for method, path in (("GET", f"{R}/traffic/views"), ("GET", f"{R}/pulls?unknown=1"), ("POST", "/gists")):
        answer = world.alice.request(method, path)
        assert answer.status_code == 501
        assert "does not support" in answer.json()["message"]
    sent = {"title": "x", "milestone": 3}
    assert "milestone" in world.alice.request("POST", "/repos/acme/tool/issues", sent).json()["message"]
    with httpx.Client(trust_env=False) as client:
        assert client.get(world.forge.url + "/alice/tool/settings").status_code == 501
    answer = world.graphql(world.alice.token, "{ viewer { login } }")
    assert answer.status_code == 501
    assert "viewer" in answer.json()["message"]


def test_an_unchanged_answer_is_a_304_and_costs_nothing(world: World) -> None:
    first = world.alice.request("GET", R)
    again = world.request(
        world.alice.token, "GET", R, If_None_Match=first.headers["etag"], X_GitHub_Api_Version="2026-03-10"
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]


def test_a_renamed_repository_answers_with_its_new_address(world: World) -> None:
    world.alice.api("PATCH", R, {"name": "tool2"})
    answer = world.alice.request("GET", f"{R}/branches")
    assert answer.status_code == 301
    with httpx.Client(trust_env=False) as client:
        assert client.get(answer.headers["location"]).json()[0]["name"] == "main"


def test_a_restart_keeps_everything_but_the_port(tmp_path: Path) -> None:
    with Forge(tmp_path, actions=Script()).running() as forge:
        token = forge.add_user("alice").token
        forge.add_repository("alice/tool")
        forge.commit("alice/tool", "main", {"a": "a"}, "A")
        forge.person("alice").api("POST", "/repos/alice/tool/issues", {"title": "Kept"})
        before = forge.dump("alice/tool")
    assert token not in (tmp_path / "state.json").read_text()
    with Forge(tmp_path, actions=Script()).running() as forge:
        assert forge.dump("alice/tool") == before
        assert forge.person("alice").api("GET", "/repos/alice/tool/issues/1")["title"] == "Kept"


def test_a_restart_in_the_middle_of_a_run_cancels_it(tmp_path: Path) -> None:
    script = Script()
    workflow = "on: workflow_dispatch\njobs:\n  a:\n    runs-on: x\n    steps: [{run: 'true'}]\n"
    with Forge(tmp_path, actions=script).running() as forge:
        alice = forge.add_user("alice")
        forge.add_repository("alice/tool")
        forge.commit("alice/tool", "main", {".github/workflows/w.yml": workflow}, "W")
        sent = {"ref": "main"}
        run = alice.api("POST", f"{R}/actions/workflows/w.yml/dispatches", sent)["workflow_run_id"]
        token = script.start_job(run).token
    with Forge(tmp_path, actions=Script()).running() as forge:
        row = forge.person("alice").api("GET", f"{R}/actions/runs/{run}")
        assert (row["status"], row["conclusion"]) == ("completed", "cancelled")
        world = World(forge, script, alice, alice, None, 0)  # type: ignore[arg-type]
        assert world.request(token, "GET", R).status_code == 401


def test_a_person_installs_the_app_on_its_page_but_not_for_others(world: World, receiver: Receiver) -> None:
    page = f"{world.forge.url}/apps/carrier/installations/new"
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {world.bob.token}"}) as client:
        assert client.get(page).status_code == 200
        assert client.post(page, data={"account": "acme"}).status_code == 403
        world.forge.add_repository("bob/own")
        assert client.post(page, data={"account": "bob", "repository": "own"}).status_code == 302
        assert client.post(page, data={"account": "bob"}).status_code == 422
    world.forge.settle()
    assert receiver.events() == ["installation.created"]


def test_a_browser_confirms_before_an_app_is_made_and_chooses_before_it_is_installed(world: World) -> None:
    manifest = {
        "url": "https://example.invalid",
        "redirect_url": "http://127.0.0.1:1/cb?a=b",
        "setup_url": "http://127.0.0.1:1/after",
        "name": '"><i>',
    }
    url = f"{world.forge.url}/settings/apps/new?state=s1"
    with httpx.Client(trust_env=False, headers={"Accept": "text/html"}) as client:
        page = client.post(url, data={"manifest": json.dumps(manifest)})
        assert page.status_code == 200
        assert "Create GitHub App for alice" in page.text
        assert "<i>" not in page.text
        fields = {"manifest": json.dumps(manifest), "confirmed": "1"}
        taken = client.post(url, data=fields | {"name": "carrier"})
        assert (taken.status_code, "already taken" in taken.text) == (422, True)
        made = client.post(url, data=fields | {"name": "Third App"})
        target = httpx.URL(made.headers["location"])
        assert (target.params["a"], target.params["state"], len(target.params["code"])) == ("b", "s1", 40)
        page = client.get(f"{world.forge.url}/apps/third-app/installations/new")
        assert "?account=acme" in page.text
        page = client.get(f"{world.forge.url}/apps/third-app/installations/new?account=acme")
        assert "acme/tool" in page.text
        sent = {"account": "acme", "repository_selection": "selected"}
        assert client.post(str(page.url), data=sent).status_code == 422
        done = client.post(str(page.url), data=sent | {"repository": "tool"})
        after = httpx.URL(done.headers["location"])
        assert (after.path, after.params["setup_action"]) == ("/after", "install")
        shown = client.get(f"{world.forge.url}/settings/installations/{after.params['installation_id']}")
        assert "acme/tool" in shown.text


def test_a_webhook_to_a_name_that_nobody_can_own_is_recorded_and_sent_to_nobody(world: World) -> None:
    world.forge.set_webhook_url(world.app, "https://patch-app.invalid/webhooks/github")
    world.forge.commit("alice/tool", "main", {"b": "b"}, "B")
    world.forge.settle()
    [newest, *_] = world.request(world.jwt(), "GET", "/app/hook/deliveries").json()
    assert (newest["event"], newest["status"], newest["status_code"]) == (
        "push",
        "failed to connect to host",
        0,
    )
