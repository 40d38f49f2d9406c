from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import httpx
import pytest

import patch_app.runner
from patch_app.core import names
from patch_app.core.names import INSTALL_BRANCH
from patch_app.github import footprint, install
from patch_app.github.client import GitHubApp, GitHubSettings
from patch_app.github.errors import RefMoved
from patch_app.github.pack import read_commits

RUNNER = Path(patch_app.runner.__file__).parent


def test_the_runners_commit_has_the_id_that_git_gives(repository, tmp_path):
    shutil.copytree(
        RUNNER,
        repository.path / "patch_app_runner",
        ignore=lambda d, found: [n for n in found if not n.endswith(".py")],
    )
    repository.git("add", "-A")
    tree = repository.git("write-tree")
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "patch_app"), ("EMAIL", "patch-app@users.noreply"), ("DATE", "@0 +0000"))
    }
    commit = repository.git("commit-tree", tree, data=footprint.MESSAGE.encode(), env=who)
    oid, pack = footprint.runner_commit()
    assert oid == commit
    assert set(read_commits(pack)) == {oid}
    other = tmp_path / "other.git"
    repository.git("init", "-q", "--bare", str(other))
    repository.git("-C", str(other), "unpack-objects", "-q", data=pack)
    repository.git("-C", str(other), "fsck", "--full", "--strict")
    listed = repository.git("-C", str(other), "ls-tree", "-r", "--name-only", oid).splitlines()
    assert listed == sorted(f"patch_app_runner/{path.name}" for path in RUNNER.glob("*.py"))


def test_another_program_is_another_commit(tmp_path):
    (tmp_path / "__main__.py").write_text("1")
    (tmp_path / "notes.txt").write_text("not of the program")
    first = footprint.pack_runner(tmp_path)
    (tmp_path / "notes.txt").write_text("changed")
    assert footprint.pack_runner(tmp_path) == first
    (tmp_path / "__main__.py").write_text("2")
    assert footprint.pack_runner(tmp_path).oid != first.oid
    (tmp_path / "__main__.py").unlink()
    with pytest.raises(FileNotFoundError):
        footprint.pack_runner(tmp_path)


@pytest.mark.parametrize(("private", "permissions"), [(True, "{contents: read}"), (False, "{}")])
@pytest.mark.parametrize("uploads", [False, True])
def test_the_workflow_names_the_runner_and_has_no_placeholder_left(private, permissions, uploads):
    text = footprint.workflow_file(private, uploads=uploads).decode()
    assert ("uses:" in text) is uploads
    assert footprint.runner_commit()[0] in text
    assert f"permissions: {permissions}\n" in text
    assert "@RUNNER" not in text
    assert "@CHECK" not in text


@pytest.mark.parametrize(
    ("template", "missing"),
    [
        ("@RUNNER_COMMIT@", "@CHECK_PERMISSIONS@"),
        ("@CHECK_PERMISSIONS@ @ACTIONS@", "@UPLOAD@"),
        ("@CHECK_PERMISSIONS@ @ACTIONS@\n# @UPLOAD@\n# @END@\n", "@RUNNER_COMMIT@"),
    ],
)
def test_a_template_without_a_placeholder_is_refused(template, missing):
    with pytest.raises(ValueError, match=missing):
        footprint.render_workflow(template, runner="a" * 40, private=False, uploads=True)


def test_the_files_id_is_gits(repository):
    (repository.path / "x").write_bytes(b"content\n")
    assert footprint.workflow_blob_id(b"content\n") == repository.git("hash-object", "x")


class Rest:
    """The little of REST that an installation needs, over the served fork."""

    def __init__(self, fork, git_server) -> None:
        self.fork, self.git_server = fork, git_server
        self.pulls: list[dict] = []
        self.writes: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v3")
        if path.startswith("/fork.git") or request.url.path.startswith("/alice"):
            return await self._git(request)
        body = json.loads(request.content or b"null")
        if path.endswith("/access_tokens"):
            return httpx.Response(201, json={"token": "ghs_token", "expires_at": "2099-01-01T00:00:00Z"})
        if request.method != "GET":
            self.writes.append(f"{request.method} {path}")
        answer = self._rest(request.method, path.removeprefix("/repos/alice/tool"), request.url.params, body)
        return httpx.Response(
            200 if answer is not None else 404, json=answer or ({} if answer is None else answer)
        )

    async def _git(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(path=request.url.path.replace("/alice/tool.git", "/fork.git"))
        async with httpx.AsyncClient() as http:
            headers = {k: v for k, v in request.headers.items() if k in ("authorization", "content-type")}
            return await http.request(request.method, url, content=await request.aread(), headers=headers)

    def _rest(self, method, path, params, body):
        git = self.fork.git
        if path == "":
            return {"id": 7, "default_branch": "main", "private": False}
        if path.startswith("/git/ref/"):
            found = git("for-each-ref", "--format=%(objectname)", "refs/" + path[9:])
            return {"object": {"sha": found}} if found else None
        if path.startswith("/git/commits/"):
            raw = git("log", "-1", "--format=%T%n%P%n%B", path[13:]).splitlines()
            parents = [{"sha": parent} for parent in raw[1].split()]
            return {"tree": {"sha": raw[0]}, "parents": parents, "message": "\n".join(raw[2:])}
        if path.startswith("/contents/"):
            found = git("ls-tree", params["ref"], path[10:]).split()
            if not found:
                return None
            content = base64.b64encode(git("cat-file", "blob", found[2]).encode()).decode()
            return {"sha": found[2], "type": "file", "content": content}
        if path == "/pulls":
            if method == "POST":
                self.pulls.append({**body, "number": 1, "html_url": "http://pull/1"})
                return self.pulls[0]
            return [p for p in self.pulls if f"alice:{p['head']}" == params["head"]]
        if path == "/pulls/1":
            self.pulls[0].update(body)
            return self.pulls[0]
        return self._write(method, path, body)

    def _write(self, method, path, body):
        git = self.fork.git
        if path == "/git/blobs":
            return {"sha": git("hash-object", "-w", "--stdin", data=base64.b64decode(body["content"]))}
        if path == "/git/trees":
            index = {"GIT_INDEX_FILE": str(self.fork.path / "index.tmp")}
            git("read-tree", body["base_tree"], env=index)
            for entry in body["tree"]:
                info = f"{entry['mode']},{entry['sha']},{entry['path']}"
                git("update-index", "--add", "--cacheinfo", info, env=index)
            return {"sha": git("write-tree", env=index)}
        if path == "/git/commits":
            parents = [word for parent in body["parents"] for word in ("-p", parent)]
            return {"sha": git("commit-tree", body["tree"], *parents, data=body["message"].encode())}
        if path == "/git/refs":
            git("update-ref", body["ref"], body["sha"], "")
            return body
        if path.startswith("/git/refs/") and method == "PATCH":
            git("update-ref", path[5:], body["sha"])
            return body
        return None


@pytest.fixture
def rest(fork, git_server) -> Rest:
    return Rest(fork, git_server)


@pytest.fixture
async def github(rest, pem, git_server, clock):
    settings = GitHubSettings(
        issuer="42", private_key=pem, web_url=git_server.url, api_url=f"{git_server.url}/api/v3"
    )
    async with GitHubApp(settings, transport=httpx.MockTransport(rest), sleep=clock.sleep) as app:
        yield app


async def put(github, head, **changed):
    """The pull request with the App's workflow, and whatever is changed."""
    client = await github.installation(5, 7, {"contents": "write"})
    wanted = {
        "base": "main",
        "head": head,
        "files": {names.WORKFLOW_PATH: footprint.workflow_file(False)},
        "title": "Install",
        "body": "What it does",
        **changed,
    }
    return await install.put_offer(github, client, "alice/tool", install.Offer(**wanted))


@pytest.fixture
def main(repository, fork) -> str:
    commit = repository.commit("theirs", file="1\n")
    repository.git("push", "-q", str(fork.path), "HEAD:refs/heads/main")
    return commit


BRANCH = f"refs/heads/{INSTALL_BRANCH}"


async def test_an_installation_is_a_pull_request_and_refs_of_ours(github, fork, rest, main):
    files = {names.WORKFLOW_PATH: footprint.workflow_file(False), names.CONFIGURATION_PATH: b"# mine\n"}
    done = await put(github, main, files=files, requests=b"[1]")
    assert (done.pull_request, done.url, done.theirs) == (1, "http://pull/1", False)
    assert fork.git("rev-parse", names.RUNNER_REF) == footprint.runner_commit()[0]
    assert fork.git("show", f"{names.ONBOARDING_REF}:{install.REQUESTS}") == "[1]"
    assert fork.git("rev-parse", f"{BRANCH}^") == main
    assert fork.git("diff", "--name-only", main, BRANCH).splitlines() == sorted(names.INSTALLED_PATHS)
    assert names.INSTALLED_TRAILER in fork.git("log", "-1", "--format=%(trailers)", BRANCH)
    assert fork.git_bytes("show", f"{BRANCH}:{names.WORKFLOW_PATH}") == footprint.workflow_file(False)
    assert fork.git("rev-parse", "main") == main
    assert rest.pulls[0]["body"] == "What it does"


async def test_an_installation_tried_again_changes_nothing(github, fork, rest, main):
    first = await put(github, main, requests=b"[1]")
    before = fork.git("for-each-ref")
    assert await put(github, main, requests=b"[1]") == first
    assert fork.git("for-each-ref") == before
    assert len(rest.pulls) == 1


async def test_an_older_runner_and_older_requests_are_replaced(github, fork, main):
    fork.git("update-ref", names.RUNNER_REF, main)
    fork.git("update-ref", names.ONBOARDING_REF, main)
    await put(github, main, requests=b"[2]")
    assert fork.git("rev-parse", names.RUNNER_REF) == footprint.runner_commit()[0]
    assert fork.git("rev-parse", names.ONBOARDING_REF) == install.requests_commit(b"[2]")[0]


async def test_the_branch_follows_when_the_default_branch_moved(github, fork, repository, main):
    await put(github, main)
    later = repository.commit("later", file="2\n")
    repository.git("push", "-q", str(fork.path), "HEAD:refs/heads/main")
    await put(github, later)
    assert fork.git("rev-parse", f"{BRANCH}^") == later


async def test_a_branch_with_a_persons_commits_is_not_overwritten(github, fork, repository, main):
    repository.commit("mine", file="3\n")
    repository.git("push", "-q", str(fork.path), f"HEAD:{BRANCH}")
    mine = fork.git("rev-parse", BRANCH)
    assert (await put(github, main)).theirs
    assert fork.git("rev-parse", BRANCH) == mine
    # once it was merged nothing of it can be lost
    assert not (await put(github, main, merged=mine)).theirs
    assert fork.git("rev-parse", BRANCH) != mine


async def test_a_branch_that_moves_between_the_look_and_the_push_is_left_alone(
    github, fork, repository, main, monkeypatch
):
    await put(github, main)
    later = repository.commit("later", file="2\n")
    repository.git("push", "-q", str(fork.path), "HEAD:refs/heads/main")
    real = install._commit

    async def meanwhile(*arguments):
        made = await real(*arguments)
        fork.git("update-ref", BRANCH, main)
        return made

    monkeypatch.setattr(install, "_commit", meanwhile)
    with pytest.raises(RefMoved):
        await put(github, later)
    assert fork.git("rev-parse", BRANCH) == main
