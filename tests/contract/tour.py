"""A tour through the local GitHub's REST side: every route once, in an order that makes sense."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from patch_app.forge import Forge
from patch_app.forge.actions_api import Conclusion
from tests.forge.scripted import Script

PERMISSIONS = {
    "actions": "write",
    "administration": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "statuses": "write",
    "workflows": "write",
}
WEBHOOK_URL: str | None = None
EVENTS = ["push", "release", "pull_request", "check_run", "issues", "workflow_run"]
WORKFLOW = """name: carry
run-name: "patch_app ${{ inputs.attempt }}"
on:
  workflow_dispatch:
    inputs:
      attempt: {required: true}
jobs:
  carry:
    runs-on: ubuntu-latest
    steps:
      - run: 'true'
"""


@dataclass(frozen=True)
class Exchange:
    method: str
    path: str
    query: dict[str, str]
    sent: Any
    status: int
    body: Any


class Guide:
    """Sends requests under one version and keeps what was said."""

    def __init__(self, forge: Forge, version: str) -> None:
        self.forge = forge
        self.version = version
        self.log: list[Exchange] = []
        self.client = httpx.Client(base_url=forge.api_url, timeout=30, trust_env=False)

    def __call__(self, token: str, method: str, path: str, sent: Any = None, **query: Any) -> Any:
        params = {k: str(v) for k, v in query.items()}
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": self.version}
        answer = self.client.request(method, path, json=sent, params=params, headers=headers)
        body = answer.json() if answer.content else None
        self.log.append(Exchange(method, path, params, sent, answer.status_code, body))
        if answer.status_code == 501:
            raise AssertionError(f"{method} {path}: {answer.text}")
        return body


def app_jwt(app_id: int, pem: str) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now - 30, "exp": now + 300, "iss": str(app_id)}, pem, algorithm="RS256")


def tour(forge: Forge, script: Script, version: str) -> list[Exchange]:
    go = Guide(forge, version)
    with go.client:
        alice, bob = forge.add_user("alice").token, forge.add_user("bob").token
        forge.add_organization("acme", owners=["alice"])
        forge.add_repository("acme/tool")
        forge.commit("acme/tool", "main", {"a.txt": "1\n", "src/b.txt": "b\n"}, "First")
        forge.add_fork("acme/tool", "alice/tool")
        forge.collaborator("alice/tool", "bob", "write")
        forge.commit("alice/tool", "main", {".github/workflows/carry.yml": WORKFLOW}, "Workflow")
        app = forge.create_app(
            owner="alice", name="Carrier", webhook_url=WEBHOOK_URL, permissions=PERMISSIONS, events=EVENTS
        )
        number = forge.install(app, account="alice", repositories=["alice/tool"])
        key = app_jwt(app.id, app.pem)
        token = _apps(go, key, number)
        _repository(go, alice, token)
        _git_data(go, token)
        _pulls(go, alice, bob, token)
        _issues(go, bob, token)
        _checks(go, token)
        _actions(go, script, alice, token)
        _releases(go, alice)
        _rules(go, forge, alice)
        _setup(go, alice)
        go(token, "DELETE", "/installation/token")
    return go.log


def _apps(go: Guide, key: str, number: int) -> str:
    go(key, "GET", "/app")
    go(key, "GET", "/app/installations")
    go(key, "GET", f"/app/installations/{number}")
    go(key, "GET", "/repos/alice/tool/installation")
    go(key, "GET", "/app/hook/deliveries")
    wanted = {"repositories": ["tool"], "permissions": {"contents": "read"}}
    go(key, "POST", f"/app/installations/{number}/access_tokens", wanted)
    token: str = go(key, "POST", f"/app/installations/{number}/access_tokens", {})["token"]
    go(token, "GET", "/installation/repositories")
    go(token, "GET", "/rate_limit")
    go(token, "GET", "/users/alice")
    go(token, "GET", "/users/carrier%5Bbot%5D")
    go(token, "GET", "/meta")
    return token


R = "/repos/alice/tool"


def _repository(go: Guide, alice: str, token: str) -> None:
    go(alice, "GET", "/user")
    go(token, "GET", R)
    go(alice, "GET", "/repos/acme/tool")
    go(alice, "PATCH", R, {"has_issues": True, "description": "carried"})
    go(token, "GET", f"{R}/contents/src")
    go(token, "GET", f"{R}/contents/a.txt")
    go(token, "GET", f"{R}/contents/missing")
    made = go(token, "PUT", f"{R}/contents/new.txt", {"message": "New", "content": _b64("x\n")})
    sha = made["content"]["sha"]
    go(token, "PUT", f"{R}/contents/new.txt", {"message": "More", "content": _b64("y\n"), "sha": sha})
    gone = go(token, "PUT", f"{R}/contents/gone.txt", {"message": "Gone soon", "content": _b64("g")})
    sha = gone["content"]["sha"]
    go(token, "DELETE", f"{R}/contents/gone.txt", {"message": "Gone", "sha": sha})
    go(token, "GET", f"{R}/contents/")
    go(token, "GET", f"{R}/branches")
    go(token, "GET", f"{R}/branches/main")
    go(token, "GET", f"{R}/commits")
    go(token, "GET", f"{R}/commits/main")
    go(token, "GET", f"{R}/compare/acme:main...main")
    go(token, "GET", f"{R}/compare/main...main", page=2, per_page=1)
    go(token, "GET", f"{R}/collaborators/bob/permission")


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _git_data(go: Guide, token: str) -> None:
    head = go(token, "GET", f"{R}/git/ref/heads/main")["object"]["sha"]
    commit = go(token, "GET", f"{R}/git/commits/{head}")
    go(token, "GET", f"{R}/git/trees/{commit['tree']['sha']}", recursive=1)
    blob = go(token, "POST", f"{R}/git/blobs", {"content": "hello", "encoding": "utf-8"})["sha"]
    go(token, "GET", f"{R}/git/blobs/{blob}")
    entry = {"path": "hello.txt", "mode": "100644", "type": "blob", "sha": blob}
    tree = go(token, "POST", f"{R}/git/trees", {"base_tree": commit["tree"]["sha"], "tree": [entry]})["sha"]
    wanted = {"message": "Hello", "tree": tree, "parents": [head]}
    new = go(token, "POST", f"{R}/git/commits", wanted)["sha"]
    go(token, "POST", f"{R}/git/refs", {"ref": "refs/heads/topic", "sha": head})
    go(token, "PATCH", f"{R}/git/refs/heads/topic", {"sha": new})
    tag = go(token, "POST", f"{R}/git/tags", {"tag": "t1", "message": "T", "object": new, "type": "commit"})
    go(token, "GET", f"{R}/git/tags/{tag['sha']}")
    go(token, "POST", f"{R}/git/refs", {"ref": "refs/tags/t1", "sha": tag["sha"]})
    go(token, "GET", f"{R}/git/matching-refs/tags/t")
    go(token, "GET", f"{R}/tags")
    go(token, "GET", f"{R}/git/matching-refs/")
    go(token, "DELETE", f"{R}/git/refs/tags/t1")
    go(token, "POST", f"{R}/git/refs", {"ref": "refs/heads/gone", "sha": "0" * 39 + "1"})


def _pulls(go: Guide, alice: str, bob: str, token: str) -> None:
    wanted = {"title": "Topic", "head": "topic", "base": "main", "body": "See"}
    number = go(token, "POST", f"{R}/pulls", wanted)["number"]
    pull = f"{R}/pulls/{number}"
    for path in ("", "/files", "/commits", "/reviews", "/merge"):
        go(token, "GET", pull + path)
    go(token, "GET", f"{R}/pulls", head="alice:topic", state="all")
    go(token, "PATCH", pull, {"title": "Topic, again"})
    go(bob, "POST", f"{pull}/reviews", {"event": "APPROVE"})
    review = go(bob, "POST", f"{pull}/reviews", {"event": "REQUEST_CHANGES", "body": "no"})["id"]
    go(alice, "PUT", f"{pull}/reviews/{review}/dismissals", {"message": "yes"})
    go(token, "GET", f"{pull}/reviews")
    go(token, "GET", f"{R}/issues/{number}")
    go(alice, "PUT", f"{pull}/merge", {"merge_method": "squash"})
    go(token, "GET", pull)
    go(token, "GET", f"{pull}/merge")


def _issues(go: Guide, bob: str, token: str) -> None:
    wanted = {"title": "Conflict", "body": "b", "labels": ["patch-app"]}
    number = go(token, "POST", f"{R}/issues", wanted)["number"]
    issue = f"{R}/issues/{number}"
    go(token, "GET", issue)
    go(token, "GET", f"{R}/issues", state="all")
    comment = go(bob, "POST", f"{issue}/comments", {"body": "/patch retry"})["id"]
    go(token, "GET", f"{issue}/comments")
    go(token, "GET", f"{R}/issues/comments/{comment}")
    go(bob, "PATCH", f"{R}/issues/comments/{comment}", {"body": "/patch hold"})
    go(token, "POST", f"{R}/issues/comments/{comment}/reactions", {"content": "eyes"})
    go(token, "GET", f"{R}/issues/comments/{comment}/reactions")
    go(token, "POST", f"{issue}/reactions", {"content": "+1"})
    go(token, "POST", f"{R}/labels", {"name": "carry", "color": "00ff00"})
    go(token, "GET", f"{R}/labels")
    go(token, "POST", f"{issue}/labels", {"labels": ["carry"]})
    go(token, "GET", f"{issue}/labels")
    go(token, "DELETE", f"{R}/issues/comments/{comment}")
    go(token, "PATCH", issue, {"state": "closed", "state_reason": "not_planned"})


def _checks(go: Guide, token: str) -> None:
    head = go(token, "GET", f"{R}/git/ref/heads/main")["object"]["sha"]
    note = {"path": "a.txt", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
    output = {"title": "T", "summary": "S", "annotations": [note]}
    check = go(token, "POST", f"{R}/check-runs", {"name": "patch-app", "head_sha": head, "output": output})
    at = f"{R}/check-runs/{check['id']}"
    go(token, "PATCH", at, {"status": "completed", "conclusion": "success"})
    go(token, "GET", at)
    go(token, "GET", f"{at}/annotations")
    go(token, "GET", f"{R}/commits/{head}/check-runs", check_name="patch-app", app_id=check["app"]["id"])
    go(token, "GET", f"{R}/commits/main/check-suites")
    go(token, "GET", f"{R}/check-suites/{check['check_suite']['id']}")
    go(token, "POST", f"{R}/statuses/{head}", {"state": "success", "context": "ci"})
    go(token, "GET", f"{R}/commits/{head}/status")
    go(token, "GET", f"{R}/commits/{head}/statuses")


def _actions(go: Guide, script: Script, alice: str, token: str) -> None:
    go(token, "GET", f"{R}/actions/permissions")
    go(alice, "PUT", f"{R}/actions/permissions/workflow", {"default_workflow_permissions": "write"})
    go(token, "GET", f"{R}/actions/permissions/workflow")
    row = go(token, "GET", f"{R}/actions/workflows")["workflows"][0]
    at = f"{R}/actions/workflows/{row['id']}"
    go(token, "GET", f"{R}/actions/workflows/carry.yml")
    go(token, "PUT", f"{at}/disable")
    go(token, "PUT", f"{at}/enable")
    go(token, "POST", f"{at}/dispatches", {"ref": "main", "inputs": {"attempt": "a1"}})
    if go.version < "2026":
        wanted = {"ref": "main", "inputs": {"attempt": "a2"}, "return_run_details": True}
        go(token, "POST", f"{at}/dispatches", wanted)
    runs = go(token, "GET", f"{R}/actions/runs", event="workflow_dispatch", created=">=2020-01-01")
    run = runs["workflow_runs"][0]["id"]
    job = script.finish(run, stores="made")
    go(token, "GET", f"{R}/actions/workflows/carry.yml/runs", status="success")
    for path in ("", "/jobs", "/attempts/1/jobs"):
        go(token, "GET", f"{R}/actions/runs/{run}{path}")
    stored = go(token, "GET", f"{R}/actions/runs/{run}/artifacts", name="made")["artifacts"][0]["id"]
    go(token, "GET", f"{R}/actions/artifacts/{stored}")
    go(token, "GET", f"{R}/actions/artifacts/{stored}/zip")
    go(token, "GET", f"{R}/actions/jobs/{job}")
    go(token, "GET", f"{R}/actions/jobs/{job}/logs")
    go(token, "GET", f"{R}/check-runs/{job}")
    go(token, "GET", f"{R}/check-runs/{job}/annotations")
    go(token, "POST", f"{R}/actions/runs/{run}/rerun")
    go(token, "POST", f"{R}/actions/runs/{run}/cancel")
    script.finish(run, ended=Conclusion.FAILURE)
    go(token, "POST", f"{R}/actions/runs/{run}/rerun-failed-jobs")
    script.finish(run)
    go(token, "GET", f"{R}/actions/runs/{run}/jobs", filter="all")
    go(token, "DELETE", f"{R}/actions/runs/{run}/logs")
    go(token, "POST", f"{R}/actions/runs/{run}/cancel")
    go(alice, "PUT", f"{R}/actions/permissions", {"enabled": False})
    go(token, "GET", f"{R}/actions/permissions")


def _releases(go: Guide, alice: str) -> None:
    made = go(alice, "POST", f"{R}/releases", {"tag_name": "v1", "name": "One", "body": "b"})
    go(alice, "GET", f"{R}/releases")
    go(alice, "GET", f"{R}/releases/latest")
    go(alice, "GET", f"{R}/releases/tags/v1")
    go(alice, "GET", f"{R}/releases/{made['id']}")
    go(alice, "PATCH", f"{R}/releases/{made['id']}", {"name": "Uno"})


def _rules(go: Guide, forge: Forge, alice: str) -> None:
    kinds = ("creation", "deletion", "update", "non_fast_forward", "pull_request", "required_signatures")
    checks = {"type": "required_status_checks", "parameters": {"required_status_checks": ["ci"]}}
    forge.set_rules("alice/tool", "main", [*kinds, checks])
    held = go(alice, "GET", f"{R}/rules/branches/main")
    go(alice, "GET", f"{R}/rulesets/{held[0]['ruleset_id']}")
    go(alice, "PUT", f"{R}/contents/z.txt", {"message": "Z", "content": _b64("z")})
    go(alice, "GET", f"{R}/activity", ref="refs/heads/main")
    go(alice, "GET", "/apps/github-actions")


def _setup(go: Guide, alice: str) -> None:
    go(alice, "POST", "/user/repos", {"name": "own"})
    go(alice, "POST", "/orgs/acme/repos", {"name": "theirs"})
    go(alice, "POST", "/repos/acme/theirs/forks", {})
    go(alice, "DELETE", "/repos/acme/theirs")


def convert_manifest(go: Guide, forge: Forge, token: str) -> Any:
    manifest = {
        "name": "From manifest",
        "url": "https://example.invalid",
        "redirect_url": "http://127.0.0.1:9/callback",
        "hook_attributes": {"url": "http://127.0.0.1:9/hook"},
        "default_permissions": {"contents": "write"},
        "default_events": ["push"],
    }
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{forge.url}/settings/apps/new?state=abc"
    answer = httpx.post(url, data={"manifest": json.dumps(manifest)}, headers=headers, trust_env=False)
    code = httpx.URL(answer.headers["location"]).params["code"]
    return go(token, "POST", f"/app-manifests/{code}/conversions")
