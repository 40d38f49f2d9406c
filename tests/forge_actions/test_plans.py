"""What is decided before a job runs: files, permissions, matrices, triggers, inputs, names, checkout."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from patch_app.forge.actions import (
    WorkflowError,
    dispatch_inputs,
    load,
    nodes,
    run_name,
    skips_ci,
    triggers,
)
from patch_app.forge.actions.joblog import JobLog
from patch_app.forge.actions.matrix import expand, suffix
from patch_app.forge.actions.triggers import matches
from patch_app.forge.actions_api import Conclusion

from .conftest import Bench

JOB = "jobs: {a: {runs-on: x, steps: [{run: y}]}}"


def _permissions(top: str, job: str) -> dict[str, str]:
    text = f"on: push\n{top}\njobs: {{a: {{runs-on: x, {job} steps: [{{run: y}}]}}}}"
    return dict(load(text).jobs["a"].permissions)


def test_a_job_has_its_own_permissions_else_the_files_else_the_default() -> None:
    assert _permissions("", "") == {"contents": "read", "packages": "read"}
    assert _permissions("permissions: {}", "") == {}
    assert _permissions("permissions: {contents: write}", "permissions: {},") == {}
    assert _permissions(
        "permissions: {}", "permissions: {contents: write, issues: none, repository-projects: read},"
    ) == {"contents": "write"}
    assert _permissions("permissions: read-all", "")["checks"] == "read"
    assert _permissions("permissions: write-all", "")["id-token"] == "write"
    for bad in ("{workflows: write}", "{contents: admin}", "everything"):
        with pytest.raises(WorkflowError):
            _permissions(f"permissions: {bad}", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "mapping"),
        ("on: push", "jobs"),
        (JOB, "needs `on`"),
        (f"on: push\non: push\n{JOB}", "twice"),
        ("on: push\njobs: {a: {runs-on: x}}", "no steps"),
        ("on: push\njobs: {a: {needs: a, runs-on: x, steps: [{run: y}]}}", "needs itself"),
        ("on: push\nx: &x {y: *x}\n" + JOB, "itself"),
    ],
)
def test_a_file_that_cannot_run_says_why(text: str, reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason):
        load(text)


def test_a_copy_keeps_every_scalar_as_it_was_written() -> None:
    text = (
        'on: push\na: yes\nb: 0o17\nc: "1"\nd: 1.10\ne: |\n  x\n   y\nf: &f {g: !!str 1}\nh: *f\ni: ~\n' + JOB
    )
    root = nodes.parse(text)
    again = nodes.parse(nodes.dump(root))
    assert nodes.value(again) == nodes.value(root)
    assert nodes.value(root) | {"jobs": 0} == {
        "on": "push",
        "a": "yes",
        "b": 15,
        "c": "1",
        "d": 1.1,
        "e": "x\n y\n",
        "f": {"g": "1"},
        "h": {"g": "1"},
        "i": None,
        "jobs": 0,
    }
    assert "d: 1.10\n" in nodes.dump(root)


def test_a_matrix_is_expanded_as_in_githubs_example() -> None:
    """The example of GitHub's page on matrices (fruit and animals), with its documented result."""
    matrix = {
        "fruit": ["apple", "pear"],
        "animal": ["cat", "dog"],
        "include": [
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    }
    assert expand(matrix) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert expand({"a": [1, 2], "b": [3], "exclude": [{"a": 1}]}) == [{"a": 2, "b": 3}]
    assert expand({"include": [{"x": 1}, {"x": 2}]}) == [{"x": 1}, {"x": 2}]
    assert suffix({"a": 1, "b": {"c": "d", "e": True}}) == " (1, d, true)"
    bad: list[Any] = [
        {"a": []},
        {"a": "x"},
        [],
        {},
        {"a": [1], "exclude": [{"a": 1}]},
        {"a": list(range(257))},
    ]
    for matrix_value in bad:
        with pytest.raises(WorkflowError):
            expand(matrix_value)


def test_a_push_starts_only_what_listens_to_its_branch_or_tag() -> None:
    def on(config: str, ref: str, paths: list[str] | None = None) -> bool:
        return triggers(f"on: {config}\n{JOB}", "push", ref=ref, paths=paths)

    assert on("push", "refs/heads/x")
    assert on("[push, pull_request]", "refs/tags/v1")
    assert not on("pull_request", "refs/heads/x")
    assert not on("push", "refs/patch-app/inbox/x/1")
    branches = "{push: {branches: [main, 'releases/**', '!releases/**-alpha']}}"
    assert on(branches, "refs/heads/releases/1/x")
    assert not on(branches, "refs/heads/releases/1-alpha")
    assert not on(branches, "refs/heads/patch-app/base/v1")
    assert not on(branches, "refs/tags/main")
    assert not on("{push: {tags: [v*]}}", "refs/heads/v1")
    assert on("{push: {tags: [v*]}}", "refs/tags/v1")
    assert not on("{push: {branches-ignore: ['patch-app/**']}}", "refs/heads/patch-app/base/v1")
    assert on("{push: {paths: ['src/**']}}", "refs/heads/x", ["a", "src/b/c"])
    assert not on("{push: {paths: ['src/**', '!src/docs/**']}}", "refs/heads/x", ["src/docs/c"])
    assert not on("{push: {paths-ignore: ['**.md']}}", "refs/heads/x", ["a.md", "b/c.md"])
    assert on("{push: {paths-ignore: ['**.md']}}", "refs/heads/x", ["a.md", "b"])
    assert on("{push: {paths: [src]}}", "refs/heads/x", None)
    assert on("{push: {paths: [src]}}", "refs/tags/x", ["other"])


def test_a_pull_request_starts_what_listens_to_its_base_and_action() -> None:
    def on(config: str, action: str, base: str = "main") -> bool:
        return triggers(f"on: {config}\n{JOB}", "pull_request", ref=f"refs/heads/{base}", action=action)

    assert on("pull_request", "opened")
    assert not on("pull_request", "closed")
    assert on("{pull_request: {types: [closed]}}", "closed")
    assert not on("{pull_request: {branches: [main]}}", "opened", "patch-app/base/v1")
    assert triggers(f"on: {{release: {{types: published}}}}\n{JOB}", "release", action="published")
    assert not triggers("on: [", "push", ref="refs/heads/x")


@pytest.mark.parametrize(
    ("pattern", "name", "taken"),
    [
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("**/x", "x", True),
        ("v[12].[0-9]+", "v2.10", True),
        ("*.jsx?", "page.js", True),
        ("feature/*", "feature/a/b", False),
        ("a.c", "abc", False),
        ("x\\*", "x*", True),
    ],
)
def test_a_filter_pattern_means_what_the_cheat_sheet_says(pattern: str, name: str, taken: bool) -> None:
    assert matches([pattern], name) is taken


def test_a_commit_message_can_keep_workflows_from_running() -> None:
    assert skips_ci("Fix [CI skip] it")
    assert skips_ci("Fix\n\nskip-checks: true\n")
    assert not skips_ci("Skip the ci")


def test_dispatch_inputs_are_refused_or_filled_in_as_github_does() -> None:
    flow = load(
        """
on:
  workflow_dispatch:
    inputs:
      attempt: {required: true}
      loud: {type: boolean}
      size: {type: choice, options: [s, m], default: m}
"""
        + JOB
    )
    assert dispatch_inputs(flow, {"attempt": "x"}) == {"attempt": "x", "loud": "false", "size": "m"}
    bad: list[dict[str, str]] = [{}, {"attempt": "x", "more": "1"}, {"attempt": "x", "size": "l"}]
    for given in [*bad, {"attempt": "x", "loud": "perhaps"}]:
        with pytest.raises(WorkflowError):
            dispatch_inputs(flow, given)
    with pytest.raises(WorkflowError, match="workflow_dispatch"):
        dispatch_inputs(load(f"on: push\n{JOB}"), {})


def test_a_run_is_named_by_its_run_name() -> None:
    def name(line: str) -> str:
        text = f"on: workflow_dispatch\n{line}\n{JOB}"
        return run_name(text, github={"actor": "alice"}, inputs={"attempt": "at1"}, fallback="flow")

    assert name('run-name: "patch_app ${{ inputs.attempt }}"') == "patch_app at1"
    assert name("run-name: by ${{ github.actor }}") == "by alice"
    assert name("") == "flow"
    assert name("run-name: ${{ nowhere.x }}") == "flow"
    assert name('run-name: "${{ inputs.missing }} "') == "flow"


def _git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    ).stdout.strip()


class _GitServer(BaseHTTPRequestHandler):
    """git http-backend behind plain HTTP; notes each request's Authorization."""

    root: Path
    seen: list[str]

    def _serve(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environ, capture_output=True, check=True
        ).stdout
        head, _, content = done.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = type("Handler", (_GitServer,), {"root": tmp_path / "server", "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()


def test_checkout_gives_the_commit_of_the_run_and_local_actions_work(
    bench: Bench, tmp_path: Path, git_server: tuple[str, list[str]]
) -> None:
    repository = tmp_path / "server" / "alice" / "tool"
    (repository / "act").mkdir(parents=True)
    (repository / "file").write_text("one\n")
    (repository / "act" / "action.yml").write_text(
        "runs: {using: composite, steps: [{shell: bash, run: 'echo from the local action'}]}\n"
    )
    _git(repository, "init", "-q")
    _git(repository, "add", ".")
    _git(repository, "commit", "-qm", "first")
    sha = _git(repository, "rev-parse", "HEAD")
    _git(repository, "branch", "other")
    (repository / "file").write_text("two\n")
    _git(repository, "commit", "-qam", "second")
    _git(repository, "tag", "v2")
    text = """
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: test -z "$(ls -A)"
      - uses: actions/checkout@v4
        with: {persist-credentials: false}
      - run: |
          echo "$(git rev-parse HEAD) $(git branch --show-current) $(cat file) $(git log --oneline | wc -l)"
      - run: "! grep -ri authorization .git/config"
      - uses: ./act
      - uses: actions/checkout@8f4b7f84864484a7bf31766abe9204da3cbe65b3
        with: {ref: v2, path: sub, fetch-depth: 0}
      - run: echo "$(cat sub/file) $(git -C sub log --oneline | wc -l)"
      - uses: actions/checkout@v5
        with: {submodules: recursive}
"""
    conclusion = bench.run(
        text,
        event="push",
        payload={"ref": "refs/heads/other"},
        ref="refs/heads/other",
        head_sha=sha,
        server_url=git_server[0],
    )
    job = bench.sink.job("a")
    assert f"{sha} other one 1" in job.log, job.log
    assert "from the local action" in job.log
    assert "two 2" in job.log
    assert conclusion is Conclusion.FAILURE
    assert "submodules" in job.annotations[0].message
    assert [step.conclusion.value for step in job.steps][1:-2] == ["success"] * 7
    basic = base64.b64encode(f"x-access-token:{job.token}".encode()).decode()
    assert set(git_server[1]) == {f"basic {basic}"}
    assert basic not in job.log


def test_an_action_within_a_local_action_is_asked_of_no_one_but_the_forge(
    bench: Bench, tmp_path: Path, git_server: tuple[str, list[str]]
) -> None:
    repository = tmp_path / "server" / "alice" / "tool"
    (repository / "act").mkdir(parents=True)
    (repository / "act" / "action.yml").write_text(
        "runs: {using: composite, steps: [{uses: 'someone/else@v1'}]}\n"
    )
    _git(repository, "init", "-q")
    _git(repository, "add", ".")
    _git(repository, "commit", "-qm", "first")
    text = """
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v4}, {uses: ./act}]
"""
    sha = _git(repository, "rev-parse", "HEAD")
    conclusion = bench.run(
        text, event="push", payload={"ref": "refs/heads/main"}, head_sha=sha, server_url=git_server[0]
    )
    assert conclusion is Conclusion.FAILURE
    log = bench.sink.job("a").log
    assert f'failed to fetch "{git_server[0]}/someone/else"' in log, log
    assert (
        f"{git_server[0]}/someone/else" in bench.sink.job("a").log or "127.0.0.1" in bench.sink.job("a").log
    )


def test_what_a_step_says_comes_before_its_end_even_where_act_tells_it_later() -> None:
    log = JobLog(job_key="a", token="")
    step = {"jobID": "a", "stepID": ["0"], "stage": "Main", "step": "x", "level": "error"}
    log.feed(json.dumps({**step, "msg": "exit status 1"}))
    log.feed(json.dumps({**step, "command": "error", "arg": "why", "level": "info"}))
    assert [one.message for one in log.annotations()] == ["why", "Process completed with exit code 1."]
