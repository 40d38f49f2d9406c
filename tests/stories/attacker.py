"""Somebody with write, whose workflow has `contents`, `checks`, `statuses` and `actions: write`.

What such a token may do it does over HTTP and Git, as a step of that workflow would.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import httpx

from patch_app.core import names
from tests.stories.robot import CarryJob, Scratch
from tests.stories.world import FORK, UPSTREAM, World

BRANCH, PATH = "evil", ".github/workflows/evil.yml"
WORKFLOW = """on: push
permissions: {contents: write, checks: write, statuses: write, actions: write, id-token: write}
jobs: {evil: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
"""
PERMISSIONS = dict.fromkeys(("contents", "checks", "statuses", "actions", "id-token"), "write")
EVIL = "evil.txt"


def evil(scratch: Scratch, report: dict[str, Any], files: dict[str, bytes]) -> None:
    """The candidate anew, with a file that nobody has approved in each of its commits; all else as it was."""
    bundle = "candidate.bundle"
    (scratch.folder / "real.bundle").write_bytes(files[bundle])
    target, ref = report["target"]["sha"], report["bundle"]["ref"]
    scratch.git("fetch", "-q", report.pop("x-upstream"), target)
    scratch.git("fetch", "-q", "real.bundle", f"{ref}:refs/real")
    blob = scratch.git("hash-object", "-w", "--stdin", stdin=b"mine\n")
    parent = target
    for one in [*(patch for patch in report["patches"] if patch["new"]), report["installed"]]:
        listed = scratch.git("ls-tree", f"{one['new']}^{{tree}}")
        tree = scratch.git("mktree", stdin=f"{listed}\n100644 blob {blob}\t{EVIL}\n".encode())
        parent = one["new"] = scratch.git("commit-tree", tree, "-p", parent, "-m", "Carried")
    scratch.git("update-ref", ref, parent)
    # whole objects, as the server wants them
    whole = ("-c", "pack.window=0", "-c", "pack.depth=0")
    scratch.git(*whole, "bundle", "create", "-q", "--version=2", "forged.bundle", ref, f"^{target}")
    data = (scratch.folder / "forged.bundle").read_bytes()
    report["candidate"] |= {"sha": parent, "tree": scratch.git("rev-parse", f"{parent}^{{tree}}")}
    sha256 = hashlib.sha256(data).hexdigest()
    report["bundle"] |= {"tip": parent, "parts": [{"path": bundle, "size": len(data), "sha256": sha256}]}
    files[bundle] = data


class Attacker:
    """A job of such a workflow, that goes on for as long as the story does."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.bob.api("POST", f"/repos/{FORK}/git/refs", {"ref": f"refs/heads/{BRANCH}", "sha": world.main()})
        world.forge.commit(FORK, BRANCH, {PATH: WORKFLOW}, "Do what I want", by="bob")
        world.settle()
        runs = world.forge.repository(FORK).runs.values()
        run = next(one for one in runs if one.path == PATH)
        self.job = world.robot.sink.job_started(run.id, job_key="evil", name="evil", permissions=PERMISSIONS)
        host = world.forge.url.removeprefix("http://")
        self.git_url = f"http://x-access-token:{self.job.token}@{host}/{FORK}.git"

    def api(self, method: str, path: str, sent: Any = None) -> httpx.Response:
        """An answer of the API, below the fork."""
        headers = {"Authorization": f"Bearer {self.job.token}"}
        with httpx.Client(trust_env=False, timeout=30, headers=headers) as client:
            return client.request(method, f"{self.world.forge.api_url}/repos/{FORK}{path}", json=sent)

    def jobs(self, run: int) -> dict[str, int]:
        """Ids of a run's jobs by name."""
        found = self.api("GET", f"/actions/runs/{run}/jobs?filter=all").json()["jobs"]
        return {one["name"]: one["id"] for one in found}

    def patch(self, check: int, commit: str, name: str | None = None) -> None:
        """Writes into another's check run what used to vouch, and a new name where one is given."""
        note = {
            "path": ".github",
            "start_line": 1,
            "end_line": 1,
            "annotation_level": "notice",
            "title": "patch-app-inbox",
            "message": commit,
        }
        text = f"patch-app-inbox {commit}"
        sent: dict[str, Any] = {"output": {"title": text, "summary": text, "annotations": [note]}}
        answer = self.api("PATCH", f"/check-runs/{check}", sent | ({"name": name} if name else {}))
        assert answer.status_code == 200, answer.text
        assert self.api("PATCH", f"/check-runs/{check}", {"conclusion": "success"}).status_code == 403

    def push(self, scratch: Scratch, commit: str, ref: str) -> None:
        scratch.git("push", "-q", "--force", self.git_url, f"{commit}:{ref}")

    def scratch(self) -> Scratch:
        """A repository of the attacker's own."""
        parent = self.world.folder / "evil"
        parent.mkdir(exist_ok=True)
        return Scratch(parent / str(len(list(parent.iterdir()))))

    def candidate(self, commit: str) -> str:
        """On the fork: the candidate of a forged inbox commit, pushed by the person, who may push more."""
        scratch = self.made
        tip = json.loads(scratch.blob(commit, "report.json"))["candidate"]["sha"]
        scratch.git("push", "-q", "--force", self.world.bob.git_url(FORK), f"{tip}:refs/heads/{BRANCH}")
        return str(tip)

    def forged(self, job: CarryJob) -> tuple[Scratch, str]:
        """An inbox commit with a candidate of the attacker's own: the runner's work, which anybody can do."""
        self.made = scratch = self.scratch()
        own = replace(job, token=self.job.token, source=None, folder=scratch.folder, outputs={})
        real = job.outputs.get("inbox")
        if real is None:
            real = own.carry()
            assert real is not None, own.log
        scratch.git("fetch", "-q", self.git_url, job.ref)
        files = scratch.files(real)
        report = json.loads(files["report.json"]) | {"x-upstream": f"{job.run.server_url}/{UPSTREAM}.git"}
        evil(scratch, report, files)
        files["report.json"] = json.dumps(report).encode()
        return scratch, scratch.commit(files)

    def attack(self, job: CarryJob) -> str:
        """The inbox has the forged commit, and all that a check run can say says so."""
        scratch, commit = self.forged(job)
        self.push(scratch, commit, job.ref)
        for check in self.jobs(job.run.id).values():
            self.patch(check, commit)
        return commit


def no_evil(world: World) -> None:
    """No branch or tag, and none of the App's own refs of what it carried, has a thing of the attacker's."""
    git = world.forge.core.git(world.forge.repository(FORK))
    claims = (f"{names.NAMESPACE}/inbox/", f"refs/heads/{BRANCH}")
    for ref, sha in world.refs().items():
        if not ref.startswith(claims) and git.kind(sha) == "commit":
            assert EVIL not in git.text("ls-tree", "-r", "--name-only", sha).split(), ref
