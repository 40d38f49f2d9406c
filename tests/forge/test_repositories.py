from __future__ import annotations

from typing import Any

import httpx
import pytest

from patch_app.forge import ForgeOptions
from patch_app.forge.people import RefusedError
from patch_app.forge.rest import ApiError
from tests.forge.conftest import WORKFLOW, R, Receiver, World, clone

UPDATE = "mutation($i: UpdateRefsInput!) { updateRefs(input: $i) { clientMutationId } }"
ZERO = "0" * 40


def _update(world: World, token: str, *rows: dict[str, Any]) -> dict[str, Any]:
    node = world.alice.api("GET", R)["node_id"]
    answer: dict[str, Any] = world.graphql(token, UPDATE, i={"repositoryId": node, "refUpdates": rows}).json()
    return answer


def test_update_refs_moves_all_or_nothing(world: World) -> None:
    main = world.head()
    new = world.forge.commit("alice/tool", "topic", {"x": "x"}, "X")
    rows = [
        {"name": "refs/heads/main", "beforeOid": main, "afterOid": new, "force": True},
        {"name": "refs/tags/v1", "beforeOid": ZERO, "afterOid": new},
        {"name": "refs/heads/topic", "beforeOid": new, "afterOid": ZERO},
    ]
    stale = [*rows[:2], {"name": "refs/heads/topic", "beforeOid": main, "afterOid": ZERO}]
    assert _update(world, world.token(), *stale)["errors"][0]["type"] == "STALE_DATA"
    assert world.head() == main
    assert "errors" not in _update(world, world.token(), *rows)
    assert world.head() == new
    assert [r["ref"] for r in world.alice.api("GET", f"{R}/git/matching-refs/")] == [
        "refs/heads/main",
        "refs/tags/v1",
    ]


def test_update_refs_to_what_the_token_may_not(world: World) -> None:
    row = {"name": "refs/heads/x", "beforeOid": ZERO, "afterOid": world.head()}
    answer = _update(world, world.token(permissions={"contents": "read"}), row)
    assert answer["errors"][0]["type"] == "FORBIDDEN"
    upstream = world.forge.commit(
        "acme/tool", "main", {".github/workflows/ci.yml": "on: push\njobs: {}\n"}, "CI"
    )
    row = {"name": "refs/heads/x", "beforeOid": ZERO, "afterOid": upstream}
    assert (
        _update(world, world.token(permissions={"contents": "write"}), row)["errors"][0]["type"]
        == "FORBIDDEN"
    )
    assert "errors" not in _update(world, world.token(), row)
    row = {"name": "refs/patch-app/x", "afterOid": world.head()}
    assert _update(world, world.token(), row)["errors"][0]["type"] == "UNPROCESSABLE"


def test_rules_refuse_the_update_that_is_not_fast_forward(world: World) -> None:
    world.forge.set_rules("alice/tool", "main", ["non_fast_forward"])
    main = world.head()
    other = world.head("main", "acme/tool")
    row = {"name": "refs/heads/main", "beforeOid": main, "afterOid": other, "force": True}
    assert "rule violations" in _update(world, world.token(), row)["errors"][0]["message"]
    rules = world.alice.api("GET", f"{R}/rules/branches/main")
    assert [r["type"] for r in rules] == ["non_fast_forward"]


def test_a_batch_with_a_missing_repository_gives_the_rest(world: World) -> None:
    world.forge.publish_release("acme/tool", "v1")
    query = """{ a: repository(owner: "acme", name: "tool") { releases(first: 5) { nodes {
        tagName isPrerelease tagCommit { oid } } } } b: repository(owner: "no", name: "no") { id } }"""
    answer = world.graphql(world.token(), query).json()
    assert answer["data"]["a"]["releases"]["nodes"][0]["tagName"] == "v1"
    assert answer["data"]["b"] is None
    assert (answer["errors"][0]["type"], answer["errors"][0]["path"]) == ("NOT_FOUND", ["b"])


@pytest.mark.parametrize(
    ("options", "status"),
    [(ForgeOptions(shares_fork_objects=True), 201), (ForgeOptions(shares_fork_objects=False), 422)],
)
def test_a_ref_on_a_fork_at_a_commit_that_only_upstream_has(world: World, status: int) -> None:
    sha = world.forge.commit("acme/tool", "main", {"n": "n"}, "New upstream")
    sent = {"ref": "refs/heads/base", "sha": sha}
    assert world.request(world.token(), "POST", f"{R}/git/refs", sent).status_code == status
    row = world.alice.api("GET", f"{R}/compare/main...acme:main")
    assert (row["status"], row["ahead_by"], row["behind_by"]) == ("diverged", 1, 1)


def test_a_comparison_that_needs_pages(world: World) -> None:
    for i in range(5):
        world.forge.commit("alice/tool", "main", {f"f{i}": "x"}, f"Commit {i}")
    pages = [
        world.alice.api("GET", f"{R}/compare/acme:main...main", params={"per_page": 4, "page": p})
        for p in (1, 2)
    ]
    assert [len(p["commits"]) for p in pages] == [4, 2]
    assert [p["total_commits"] for p in pages] == [6, 6]
    assert ["files" in p for p in pages] == [True, False]
    assert pages[1]["commits"][-1]["sha"] == world.head()


def test_issues_that_are_off_on_a_fork(world: World) -> None:
    answer = world.request(world.token(), "POST", f"{R}/issues", {"title": "x"})
    assert answer.status_code == 410
    world.alice.api("PATCH", R, {"has_issues": True})
    assert world.request(world.token(), "POST", f"{R}/issues", {"title": "x"}).status_code == 201
    assert (
        world.request(world.token(), "POST", f"{R}/issues", {"title": "x", "body": "y" * 65537}).status_code
        == 422
    )


def _pull(world: World, head: str = "topic", base: str = "base") -> int:
    token = world.token()
    number: int = world.request(
        token, "POST", f"{R}/pulls", {"title": "T", "head": head, "base": base}
    ).json()["number"]
    return number


@pytest.fixture
def pull(world: World) -> int:
    world.alice.api("POST", f"{R}/git/refs", {"ref": "refs/heads/base", "sha": world.head()})
    world.alice.api("POST", f"{R}/git/refs", {"ref": "refs/heads/topic", "sha": world.head()})
    world.forge.commit("alice/tool", "topic", {"t": "1\n"}, "Topic")
    return _pull(world)


def test_a_review_keeps_the_commit_it_was_given_on(world: World, pull: int, receiver: Receiver) -> None:
    world.bob.api("POST", f"{R}/pulls/{pull}/reviews", {"event": "APPROVE"})
    old = world.head("topic")
    new = world.forge.commit("alice/tool", "topic", {"t": "2\n"}, "More")
    row = world.alice.api("GET", f"{R}/pulls/{pull}")
    assert row["head"]["sha"] == new
    assert world.alice.api("GET", f"{R}/pulls/{pull}/reviews")[0]["commit_id"] == old
    world.forge.settle()
    told = [e for e in receiver.events() if e.startswith("pull_request")]
    assert told == ["pull_request.opened", "pull_request_review.submitted", "pull_request.synchronize"]
    own = world.request(world.token(), "POST", f"{R}/pulls/{pull}/reviews", {"event": "APPROVE"})
    assert own.status_code == 422


def test_a_head_branch_that_goes_away_closes_its_pull_request(world: World, pull: int) -> None:
    world.alice.api("DELETE", f"{R}/git/refs/heads/topic")
    row = world.alice.api("GET", f"{R}/pulls/{pull}")
    assert (row["state"], row["merged"]) == ("closed", False)


def test_a_head_that_reaches_the_base_by_another_way_is_merged(world: World, pull: int) -> None:
    world.alice.api("PATCH", f"{R}/git/refs/heads/base", {"sha": world.head("topic")})
    row = world.alice.api("GET", f"{R}/pulls/{pull}")
    assert (row["state"], row["merged"], row["merged_by"]["login"]) == ("closed", True, "alice")


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_merging_makes_a_real_commit(world: World, pull: int, method: str, parents: int) -> None:
    world.forge.commit("alice/tool", "base", {"other": "o"}, "Base moved")
    answer = world.bob.api(
        "PUT", f"{R}/pulls/{pull}/merge", {"merge_method": method, "sha": world.head("topic")}
    )
    commit = world.alice.api("GET", f"{R}/git/commits/{answer['sha']}")
    assert world.head("base") == answer["sha"]
    assert len(commit["parents"]) == parents
    paths = {e["path"] for e in world.alice.api("GET", f"{R}/git/trees/base")["tree"]}
    assert {"t", "other"} <= paths
    row = world.alice.api("GET", f"{R}/pulls/{pull}")
    assert (row["merged"], row["merged_by"]["login"]) == (True, "bob")


def test_a_conflict_can_not_be_merged(world: World, pull: int) -> None:
    world.forge.commit("alice/tool", "base", {"t": "other\n"}, "Conflict")
    assert world.alice.api("GET", f"{R}/pulls/{pull}")["mergeable_state"] == "dirty"
    assert world.bob.request("PUT", f"{R}/pulls/{pull}/merge", {}).status_code == 405
    assert world.bob.request("PUT", f"{R}/pulls/{pull}/merge", {"sha": ZERO}).status_code == 409


def test_a_stranger_may_comment_but_not_merge(world: World, pull: int) -> None:
    eve = world.forge.add_user("eve")
    eve.api("POST", f"{R}/issues/{pull}/comments", {"body": "hello"})
    assert eve.request("PUT", f"{R}/pulls/{pull}/merge", {}).status_code == 403
    assert world.alice.api("GET", f"{R}/collaborators/eve/permission")["permission"] == "read"
    assert world.alice.api("GET", f"{R}/collaborators/bob/permission")["permission"] == "write"


def test_a_check_belongs_to_the_app_that_made_it(world: World) -> None:
    other = world.forge.create_app(
        owner="alice", name="Other", webhook_url=None, permissions={"checks": "write"}, events=[]
    )
    number = world.forge.install(other, account="alice")
    check = world.request(
        world.token(), "POST", f"{R}/check-runs", {"name": "c", "head_sha": world.head()}
    ).json()
    theirs = World(world.forge, world.script, world.alice, world.bob, other, number)
    sent = {"conclusion": "success"}
    assert theirs.request(theirs.token(), "PATCH", f"{R}/check-runs/{check['id']}", sent).status_code == 403
    assert (
        world.request(world.token(), "PATCH", f"{R}/check-runs/{check['id']}", sent).json()["status"]
        == "completed"
    )
    assert (
        world.alice.request("POST", f"{R}/check-runs", {"name": "c", "head_sha": world.head()}).status_code
        == 403
    )


# -- runs ----------------------------------------------------------------------------------------------------

DISPATCH = f"{R}/actions/workflows/carry.yml/dispatches"
SENT = {"ref": "main", "inputs": {"attempt": "a1"}}


def test_dispatch_with_and_without_details(world: World) -> None:
    assert world.request(world.token(), "POST", DISPATCH, SENT).status_code == 204
    assert (
        world.request(world.token(), "POST", DISPATCH, SENT | {"return_run_details": True}).status_code == 200
    )
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    run = world.script.runs[answer.json()["workflow_run_id"]]
    assert (run.name, run.event, run.actor) == ("patch_app a1", "workflow_dispatch", "carrier[bot]")
    assert world.script.inputs[run.id] == {"attempt": "a1"}


@pytest.mark.parametrize("options", [ForgeOptions(dispatch_details=False)])
def test_a_github_that_knows_no_run_details(world: World) -> None:
    assert (
        world.request(world.token(), "POST", DISPATCH, SENT | {"return_run_details": True}).status_code == 422
    )
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    assert answer.status_code == 204


@pytest.mark.parametrize(
    "sent",
    [
        {"ref": "nowhere", "inputs": {"attempt": "a"}},
        {"ref": "main", "inputs": {}},
        {"ref": "main", "inputs": {"attempt": "a", "more": "b"}},
        {"ref": "main", "inputs": {f"i{n}": "x" for n in range(26)}},
        {"ref": "main", "inputs": {"attempt": "a" * 65_536}},
    ],
)
def test_a_dispatch_that_github_refuses(world: World, sent: dict[str, Any]) -> None:
    assert world.request(world.token(), "POST", DISPATCH, sent).status_code == 422


def test_a_workflow_that_nobody_enabled_on_a_fresh_fork(world: World) -> None:
    world.forge.commit("acme/tool", "main", {".github/workflows/carry.yml": WORKFLOW}, "Workflow")
    world.forge.add_fork("acme/tool", "bob/tool", actions=False)
    row = world.bob.api("GET", "/repos/bob/tool/actions/workflows")["workflows"][0]
    assert row["state"] == "disabled_fork"
    path = f"/repos/bob/tool/actions/workflows/{row['id']}"
    assert world.bob.request("POST", f"{path}/dispatches", SENT).status_code == 422
    world.bob.api("PUT", "/repos/bob/tool/actions/permissions", {"enabled": True})
    world.bob.api("PUT", f"{path}/enable")
    assert world.bob.request("POST", f"{path}/dispatches", SENT).status_code == 200


def test_a_job_token_dies_with_its_job_and_starts_nothing(world: World, tmp_path: Any) -> None:
    listening = "on: {push: {branches: ['**']}, workflow_dispatch: {}}\njobs: {}\n"
    listening = listening.replace("jobs: {}", "jobs:\n  a:\n    runs-on: x\n    steps: [{run: 'true'}]")
    world.forge.commit("alice/tool", "main", {".github/workflows/ci.yml": listening}, "CI")
    assert [r.event for r in world.script.runs.values()] == ["push"]
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    run = answer.json()["workflow_run_id"]
    job = world.script.start_job(run, {"contents": "write"})
    work = clone(world, tmp_path / "w", job.token)
    work.commit("b.txt", "b")
    work.git("push", "-q", "origin", "HEAD:refs/heads/by-job")
    assert len(world.script.runs) == 2
    assert world.request(job.token, "POST", f"{R}/issues", {"title": "x"}).status_code == 403
    world.alice.api("POST", f"{R}/git/refs", {"ref": "refs/heads/by-alice", "sha": world.head("by-job")})
    assert len(world.script.runs) == 3
    world.script.finish(run)
    assert world.request(job.token, "GET", R).status_code == 401


def test_a_run_is_read_back_with_jobs_checks_and_annotations(world: World, receiver: Receiver) -> None:
    answer = world.request(world.token(), "POST", DISPATCH, SENT, X_GitHub_Api_Version="2026-03-10")
    run = answer.json()["workflow_run_id"]
    job = world.script.finish(run)
    row = world.alice.api("GET", f"{R}/actions/runs/{run}")
    assert (row["status"], row["conclusion"], row["display_title"]) == (
        "completed",
        "success",
        "patch_app a1",
    )
    jobs = world.alice.api("GET", f"{R}/actions/runs/{run}/jobs")["jobs"]
    assert [(j["name"], j["conclusion"]) for j in jobs] == [("carry", "success"), ("check", "skipped")]
    notes = world.alice.api("GET", f"{R}/check-runs/{job}/annotations")
    assert notes[0]["title"] == "patch-app-inbox"
    assert world.alice.api("GET", f"{R}/check-runs/{job}")["app"]["slug"] == "github-actions"
    world.alice.api("POST", f"{R}/actions/runs/{run}/rerun")
    assert world.script.runs[run].run_attempt == 2
    world.forge.settle()
    told = [e for e in receiver.events() if e.startswith("workflow_run")]
    stages = ("requested", "in_progress", "completed", "requested")
    assert told == [f"workflow_run.{stage}" for stage in stages]


def test_a_button_of_a_check_reaches_its_app_alone(world: World, receiver: Receiver) -> None:
    button = {"label": "Retry", "description": "Try again", "identifier": "retry"}
    sent = {"name": "c", "head_sha": world.head(), "actions": [button]}
    check = world.request(world.token(), "POST", f"{R}/check-runs", sent).json()["id"]
    world.forge.press("alice/tool", check, "retry", by="bob")
    world.forge.settle()
    assert receiver.events() == ["check_run.created", "check_run.requested_action"]
    world.forge.add_user("eve")
    with pytest.raises(ApiError, match="push access"):
        world.forge.press("alice/tool", check, "retry", by="eve")


def test_a_pull_request_whose_text_is_html_is_shown_as_text(world: World) -> None:
    body = (
        "<script>alert(1)</script>\n<!-- hidden -->\n"
        "<details><summary>More</summary>\n\n[x](javascript:1)\n\n</details>"
    )
    world.alice.api("POST", f"{R}/git/refs", {"ref": "refs/heads/side", "sha": world.head()})
    world.forge.commit("alice/tool", "side", {"new.txt": "1\n"}, "New")
    made = world.alice.api(
        "POST", f"{R}/pulls", {"title": "<b>Side</b>", "head": "side", "base": "main", "body": body}
    )
    answer = httpx.get(made["html_url"])
    assert "&lt;b&gt;Side&lt;/b&gt; #1" in answer.text
    assert "<script" not in answer.text
    assert "hidden" not in answer.text
    assert "javascript:" not in answer.text.replace("[x](javascript:1)", "")
    assert "<details><summary>More</summary>" in answer.text
    assert "<code>new.txt</code>" in answer.text


def test_a_page_of_a_repository_that_is_not_there(world: World) -> None:
    statuses = {"alice/none/pull/1": 404, "alice/tool/pull/99": 404, "alice/tool/pull/99/files": 501}
    for path, status in statuses.items():
        assert httpx.get(f"{world.forge.url}/{path}").status_code == status
    assert httpx.post(f"{world.forge.url}/alice/tool/pull/99/merge").status_code == 404


def test_deleted_repository_leaves_its_forks_to_the_oldest_public_one(world: World) -> None:
    forge = world.forge
    for login in ("bea", "carl", "dora"):
        forge.add_user(login)
        forge.add_fork("acme/tool", f"{login}/tool")
    forge.repository("alice/tool").archived = True
    forge.add_user("eve")
    forge.add_fork("bea/tool", "eve/tool")
    deleted = forge.repository("acme/tool").id
    with pytest.raises(RefusedError, match="403"):
        forge.person("eve").api("DELETE", "/repos/acme/tool")
    forge.person(forge.repository("acme/tool").owner).api("DELETE", "/repos/acme/tool")
    parents = {
        one: (world.alice.api("GET", f"/repos/{one}").get("parent") or {}).get("full_name")
        for one in ("alice/tool", "bea/tool", "carl/tool", "dora/tool", "eve/tool")
    }
    assert parents == {
        "alice/tool": "bea/tool",
        "bea/tool": None,
        "carl/tool": "bea/tool",
        "dora/tool": "bea/tool",
        "eve/tool": "bea/tool",
    }
    with pytest.raises(RefusedError, match="404"):
        world.alice.api("GET", "/repos/acme/tool")
    # its name is free, and is another repository then
    assert forge.add_repository("acme/tool").id != deleted
