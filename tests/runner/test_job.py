"""Both jobs as Actions starts them: a process, its environment, a fork over smart HTTP that asks for a
token."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from git_http import GitServer, serving
from person import Person, keep, learn
from runner_world import DATE, TRAILER, WORKFLOW, World, check, numbered
from test_id_token import JWT, actions

import patch_app.runner
from patch_app.core.report import Check, Report, Status
from patch_app.runner import __main__ as entry
from patch_app.runner import checks, id_token

TOKEN = "ghs_123_secret.token-value"
ATTEMPT = "attempt01"
START = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    'runpy.run_module("patch_app_runner", run_name="__main__", alter_sys=True)'
)


class Fork:
    """The fork and its upstream as a server has them."""

    def __init__(self, world: World, server: GitServer, program: Path) -> None:
        self.world = world
        self.server = server
        self.program = program
        self.bare = server.root / "me" / "fork"

    def publish(self) -> None:
        for repo, name in ((self.world.upstream, "them/up.git"), (self.world.fork, "me/fork")):
            bare = self.server.root / name
            shutil.rmtree(bare, ignore_errors=True)
            repo.git("clone", "-q", "--bare", "--no-hardlinks", ".", str(bare))

    def request(self, **changes: Any) -> str:
        data: dict[str, Any] = {
            "schema": 1,
            "attempt": ATTEMPT,
            "stack": {"branch": "main", "sha": self.world.fork.head},
            "base": None,
            "target": {"name": "v2", "sha": self.world.upstream.head},
            "upstream": f"{self.server.url}/them/up.git",
            "bundle_from": "base",
            "date": DATE,
            "installed_paths": [WORKFLOW],
            "app": 7,
            "installed_trailer": TRAILER,
            "resolutions": None,
            "checks": [],
            "merges": "flatten",
            "strategy": "rebase",
            "start": None,
            "pushed": None,
        }
        return json.dumps({**data, **changes})

    def environment(self, request: str, **more: str) -> dict[str, str]:
        temp = self.world.tmp / "runner-temp"
        temp.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(temp),
            "RUNNER_TEMP": str(temp),
            "PATCH_APP_ATTEMPT": ATTEMPT,
            "PATCH_APP_REQUEST": request,
            "PATCH_APP_TOKEN": TOKEN,
            "GITHUB_RUN_ID": "77",
            "GITHUB_RUN_ATTEMPT": "2",
            "GITHUB_SERVER_URL": self.server.url,
            "GITHUB_REPOSITORY": "me/fork",
            "GITHUB_STEP_SUMMARY": str(self.world.tmp / "summary.md"),
            "GITHUB_OUTPUT": str(self.world.tmp / "output"),
            **more,
        }

    def start(self, mode: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-B", "-c", START, str(self.program), mode]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.world.tmp,
        )

    def run(self, mode: str, request: str, **more: str) -> tuple[int, str]:
        with self.start(mode, self.environment(request, **more)) as process:
            out, _ = process.communicate(timeout=60)
        assert TOKEN not in out
        assert "Traceback" not in out
        return process.returncode, out

    def inbox(self, attempt: int = 2) -> Report:
        text = self.world.fork.git(
            "-C", str(self.bare), "cat-file", "blob", f"{self.ref(attempt)}:report.json"
        )
        assert TOKEN not in text
        return Report.model_validate_json(text)

    def ref(self, attempt: int = 2) -> str:
        return f"refs/patch-app/inbox/{ATTEMPT}/{attempt}"

    def rev(self, name: str) -> str:
        return self.world.fork.git("-C", str(self.bare), "rev-parse", "--verify", name)

    def output(self, name: str) -> str:
        lines = (self.world.tmp / "output").read_text().splitlines()
        return next(line.split("=", 1)[1] for line in lines if line.startswith(name + "="))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("program")
    package = directory / "patch_app_runner"
    package.mkdir()
    for file in Path(patch_app.runner.__file__).parent.glob("*.py"):
        shutil.copy(file, package)
    return directory


@pytest.fixture
def fork(world: World, program: Path) -> Iterator[Fork]:
    root = world.tmp / "server"
    root.mkdir()
    world.upstream.commit("first", {"a.txt": numbered(), "run.sh": "echo hello\n"})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    header = "basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    with serving(root) as server:
        fork = Fork(world, server, program)
        fork.publish()
        server.private = {"/me/fork": header}
        yield fork


def test_report_and_bundle_are_in_the_inbox(fork: Fork) -> None:
    code, out = fork.run("carry", fork.request())
    assert code == 0, out
    report = fork.inbox()
    assert report.status is Status.CLEAN
    assert report.run is not None
    assert (report.run.id, report.run.attempt) == (77, 2)
    assert f"patch-app-inbox {ATTEMPT} 2 {fork.rev(fork.ref())}" in out.splitlines()
    assert fork.output("inbox") == fork.rev(fork.ref())
    assert fork.output("checks") == "[]"
    assert report.network.received_bytes > 1000
    assert report.network.requests > 4
    summary = (fork.world.tmp / "summary.md").read_text()
    assert "| clean | ours |" in summary
    assert TOKEN not in summary
    names = fork.world.fork.git("-C", str(fork.bare), "ls-tree", "--name-only", fork.ref()).split()
    assert names == ["candidate.bundle", "report.json"]
    assert list((fork.world.tmp / "runner-temp").iterdir()) == []


def test_the_token_goes_to_the_fork_alone(fork: Fork) -> None:
    fork.run("carry", fork.request())
    assert fork.server.sent_to_others == 0


def test_a_second_run_attempt_has_an_inbox_of_its_own(fork: Fork) -> None:
    fork.run("carry", fork.request())
    code, _ = fork.run("carry", fork.request(), GITHUB_RUN_ATTEMPT="3")
    assert code == 0
    assert fork.inbox(2).candidate == fork.inbox(3).candidate


def test_somebody_wrote_our_inbox_first(fork: Fork) -> None:
    fork.world.fork.git("-C", str(fork.bare), "update-ref", fork.ref(), "main")
    code, out = fork.run("carry", fork.request())
    assert code == 1
    assert "exists already" in out
    assert fork.rev(fork.ref()) == fork.rev("main")


def test_a_fork_that_takes_no_refs_but_branches_and_tags(fork: Fork) -> None:
    git = fork.world.fork.git
    git("-C", str(fork.bare), "config", "receive.hideRefs", "refs/patch-app")
    code, out = fork.run("carry", fork.request())
    assert code == 0, out
    branch = "refs/heads" + fork.ref().removeprefix("refs")
    assert f"patch-app-inbox {ATTEMPT} 2 {fork.rev(branch)}" in out.splitlines()
    assert git("-C", str(fork.bare), "for-each-ref", "refs/patch-app/inbox") == ""
    files = git("-C", str(fork.bare), "ls-tree", "--name-only", branch).split()
    assert files == ["candidate.bundle", "report.json"]
    # neither: the server hears of it by this line of the log
    git("-C", str(fork.bare), "config", "--add", "receive.hideRefs", "refs/heads/patch-app")
    code, out = fork.run("carry", fork.request(), GITHUB_RUN_ATTEMPT="3")
    assert code == 1
    said = f"patch-app-refused {ATTEMPT} 3 the report could not be pushed to the fork:"
    (refused,) = [line for line in out.splitlines() if line.startswith(said)]
    assert "\n::error title=patch_app::the fork takes nothing from this run: " in out
    assert refused.count("deny updating a hidden ref") == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema 1"),
        ({"extra": 1}, "unknown keys"),
        ({"resolutions": "refs/patch-app/resolutions"}, "resolutions must be a full commit id"),
        ({"resolutions": "1" * 64}, "different lengths"),
        ({"base": "abc"}, "full commit id"),
        ({"stack": {"branch": "-x", "sha": "0" * 40}}, "stack.branch"),
        ({"stack": {"branch": "a\nb", "sha": "0" * 40}}, "control character"),
        ({"upstream": "ext::sh -c touch% /tmp/x"}, "http or https"),
        ({"upstream": "https://user:pass@host/x"}, "user name"),
        ({"installed_paths": ["../x"]}, "inside the repository"),
        ({"installed_paths": [".git/config"]}, "inside the repository"),
        ({"checks": [{"name": "x::y", "run": "true", "timeout": 1}]}, "checks[0].name"),
        ({"checks": [{"name": "x", "run": "true", "timeout": 0}]}, "timeout"),
        ({"checks": [{"name": "x", "run": "true", "timeout": 1, "sparse": [".git"]}]}, "checks[0].sparse"),
        ({"checks": [{"name": "x", "run": "true", "timeout": 1, "sparse": "src"}]}, "must be a list"),
        ({"checks": [{"name": "x", "run": "true", "timeout": 1, "artifacts": ["../x"]}]}, ".artifacts must"),
        ({"strategy": "squash"}, "strategy must be rebase, merge or patches"),
        ({"strategy": "patches"}, "needs patch branches"),
        ({"strategy": "patches", "patches": [{"branch": "--exec=x", "sha": "0" * 40}]}, "patches[0].branch"),
        ({"ahead": -1}, "ahead must be a number of commits or null"),
        ({"attempt": "attempt02"}, "another attempt"),
    ],
)
def test_a_request_that_is_wrong_is_reported_with_what_is_wrong(
    fork: Fork, changes: dict[str, Any], words: str
) -> None:
    code, _ = fork.run("carry", fork.request(**changes))
    assert code == 1
    report = fork.inbox()
    assert report.error is not None
    assert report.error.stage == "request"
    assert words in report.error.message


def test_the_request_is_no_json(fork: Fork) -> None:
    assert fork.run("carry", "{")[0] == 1
    assert fork.inbox().status is Status.ERROR


def test_upstream_is_gone(fork: Fork) -> None:
    code, _ = fork.run("carry", fork.request(upstream=f"{fork.server.url}/nobody/nothing.git"))
    report = fork.inbox()
    assert (code, report.status) == (1, Status.ERROR)
    assert report.error is not None
    assert "target could not be fetched" in report.error.message


def test_the_target_is_not_in_upstream(fork: Fork) -> None:
    fork.run("carry", fork.request(target={"name": "v2", "sha": "1" * 40}))
    report = fork.inbox()
    assert report.error is not None
    assert report.error.stage == "fetch"


def test_a_conflict_is_no_failure_of_the_job(fork: Fork) -> None:
    fork.world.upstream.commit("third", {"a.txt": numbered(l3="theirs")})
    fork.publish()
    code, _ = fork.run("carry", fork.request(checks=[{"name": "c", "run": "true", "timeout": 5}]))
    assert (code, fork.inbox().status) == (0, Status.CONFLICT)
    assert fork.output("checks") == "[]"
    assert "&lt;&lt;&lt;" not in (fork.world.tmp / "summary.md").read_text()


def test_a_conflict_is_resolved_as_recorded_with_two_fetches_more(fork: Fork) -> None:
    world = fork.world
    fork.run("carry", fork.request(bundle_from="target"))
    before = fork.inbox()
    second = world.upstream.commit("third", {"a.txt": numbered(l3="theirs")})
    person = Person(world)
    person.rebase(second, {"a.txt": numbered(l3="both")})
    kept = keep(world, *learn(world, world.fork.head, person.head, person))
    fork.publish()
    world.fork.git("push", "-q", str(fork.bare), "refs/patch-app/resolutions")
    code, out = fork.run("carry", fork.request(bundle_from="target", resolutions=kept))
    report = fork.inbox()
    assert (code, report.status, str(report.patches[-1].verdict)) == (0, Status.CLEAN, "resolved")
    assert report.network.requests <= before.network.requests + 4  # two a fetch
    summary = (world.tmp / "summary.md").read_text()
    assert "+both" in summary
    assert "<<<<<<<" not in out


def test_a_subject_that_looks_like_a_workflow_command_is_never_printed(fork: Fork) -> None:
    subject = "::notice title=patch-app-inbox::" + "e" * 40
    fork.world.fork.commit(subject + "\n\n%0A" + subject, {"b.txt": "x\n"})
    fork.world.fork.commit("also", {subject.replace("/", "_"): "x\n"})
    fork.publish()
    _, out = fork.run("carry", fork.request())
    assert out.count("patch-app-inbox") == 1
    assert "e" * 40 not in out


OURS = re.compile(
    r"patch_app: [a-z-]+( [0-9]+/[0-9]+)?|patch_app: conflict, the resolver is asked"
    r"|patch-app-inbox [a-z0-9]+ [0-9]+ [0-9a-f]{40}"
)


@pytest.mark.parametrize("ends", ["clean", "conflict"])
def test_a_carry_prints_words_of_its_own_alone(fork: Fork, ends: str) -> None:
    """Whatever it prints is in the log that may have to vouch."""
    forged = f"patch-app-inbox {ATTEMPT} 2 " + "e" * 40
    work, upstream = fork.world.fork, fork.world.upstream
    (work.path / forged).write_text(f"\n{forged}\n")
    work.commit(f"{forged}\n\n\r\n{forged}\n::error::{forged}", {"a.txt": numbered(l3=forged)})
    work.commit(f"\u2028{forged}", {f"x\n{forged}\n": f"{forged}\n", "dir\r": "x\n"})
    if ends == "conflict":
        upstream.commit(forged, {"a.txt": numbered(l3=f"theirs\n{forged}")})
    fork.publish()
    target = {"name": f"v2-{'e' * 40}", "sha": upstream.head}
    checks = [{"name": "c", "run": f"echo '\n{forged}'", "timeout": 5}]
    _, out = fork.run("carry", fork.request(target=target, checks=checks))
    assert [line for line in out.splitlines() if not OURS.fullmatch(line)] == []
    assert sum("patch-app-inbox" in line for line in out.splitlines()) == 1
    assert fork.inbox().status.value == ends


def test_words_of_others_behind_ours_are_no_command() -> None:
    said = entry.plain("no\n::error::x ##[error]y\r100%0A\u2028z")
    assert said == "no ::error::x ## [error]y 100%250A z"


def test_a_token_lies_on_top_of_the_inbox_commit_where_github_gives_one(fork: Fork) -> None:
    with actions((200, json.dumps({"value": JWT}).encode())) as there:
        given = {id_token.URL: there.source.url, id_token.TOKEN: there.source.token}
        _, out = fork.run("carry", fork.request(), **given)
    inbox = fork.rev(f"{fork.ref()}^")
    assert there.asked == [(f"patch-app-inbox:7:{ATTEMPT}:{inbox}", "bearer job-secret")]
    git = fork.world.fork.git
    assert git("-C", str(fork.bare), "ls-tree", "--name-only", fork.ref()) == "token"
    token = git("-C", str(fork.bare), "cat-file", "blob", f"{fork.ref()}:token")
    assert base64.b64decode(token).decode() == JWT
    assert git("-C", str(fork.bare), "rev-list", "--count", inbox) == "1"
    assert Report.model_validate_json(git("-C", str(fork.bare), "cat-file", "blob", f"{inbox}:report.json"))
    assert fork.output("inbox") == inbox
    assert inbox in out
    assert not any(one in out for one in (JWT, "job-secret"))


def test_killed_in_the_middle_leaves_nothing_half_done(fork: Fork) -> None:
    fork.server.hold.set()
    with fork.start("carry", fork.environment(fork.request())) as process:
        assert fork.server.held.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        fork.server.hold.clear()
        fork.server.go_on.set()
    refs = fork.world.fork.git("-C", str(fork.bare), "for-each-ref", "refs/patch-app")
    assert refs == ""
    assert fork.run("carry", fork.request())[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_run_still_leaves_a_report(fork: Fork, number: signal.Signals) -> None:
    fork.server.hold.set()
    with fork.start("carry", fork.environment(fork.request())) as process:
        assert fork.server.held.wait(30)
        process.send_signal(number)
        fork.server.hold.clear()
        fork.server.go_on.set()
        out, _ = process.communicate(timeout=30)
    assert "Traceback" not in out
    assert process.returncode == 1
    report = fork.inbox()
    assert report.error is not None
    assert report.error.stage == "stopped"


CHECK = {"name": "hello", "run": "sh run.sh; git log -1 --format=%s; env | sort", "timeout": 30}


def checked(fork: Fork, check: dict[str, Any], **changes: Any) -> tuple[int, str]:
    request = fork.request(checks=[check], **changes)
    assert fork.run("carry", request)[0] == 0
    assert json.loads(fork.output("checks")) == [{"name": check["name"]}]
    return fork.run("check", request, PATCH_APP_INBOX=fork.output("inbox"), PATCH_APP_CHECK=check["name"])


@pytest.mark.parametrize("bundle_from", ["base", "target"])
def test_a_check_sees_the_candidate_and_no_credential(fork: Fork, bundle_from: str) -> None:
    code, out = checked(fork, CHECK, bundle_from=bundle_from)
    assert code == 0, out
    assert "hello\nours\n" in out
    shown = {line.split("=", 1)[0] for line in out.splitlines() if "=" in line}
    assert not {name for name in shown if name.startswith(("PATCH_APP", "GIT_")) or "TOKEN" in name}


@pytest.mark.parametrize("sparse", [None, ["below", "dir"]], ids=["whole", "sparse"])
@pytest.mark.parametrize("bundle_from", ["base", "target"])
def test_a_check_sees_the_release_merged_into_the_stack(
    fork: Fork, bundle_from: str, sparse: list[str] | None
) -> None:
    fork.world.fork.commit("below", {"below/ours.txt": "ours\n"})
    fork.world.upstream.commit("theirs", {"dir/theirs.txt": "theirs\n"})
    fork.publish()
    run = "git log -1 --format=%s; cat below/ours.txt dir/theirs.txt"
    check: dict[str, Any] = {"name": "look", "run": run, "timeout": 30}
    if sparse:
        check["sparse"] = sparse
    code, out = checked(fork, check, bundle_from=bundle_from, strategy="merge")
    assert code == 0, out
    assert "Merge v2 into main\nours\ntheirs\n" in out


def test_a_check_fails(fork: Fork) -> None:
    code, out = checked(fork, {"name": "c", "run": "false\necho not reached", "timeout": 5})
    assert code == 1
    assert "not reached" not in out


@pytest.mark.parametrize(("then", "code"), [("true", 0), ("exit 3", 1), ("sleep 600", 1)])
def test_what_a_check_made_is_kept_however_it_ended(fork: Fork, then: str, code: int) -> None:
    odd = "out/$'\\n'::error::forged:"
    run = f"mkdir out; echo made > out/made.txt; ln -s /etc/passwd out/link; echo x > {odd}\n{then}"
    check = {"name": "c", "run": run, "timeout": 1 if "sleep" in then else 30}
    ended, out = checked(fork, {**check, "artifacts": ["out/**", "a.txt"]})
    assert ended == code, out
    directory = Path(fork.output("artifacts"))
    found = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    assert found == ["a.txt", "out/made.txt"]
    assert (directory / "out/made.txt").read_text() == "made\n"
    assert "candidate" not in directory.parts
    assert not [line for line in out.splitlines() if line.startswith("::error::")]
    assert "1 ('out/\\n::error::forged:')" in out
    assert "::warning title=patch_app::check c: some of its artifacts were left out" in out


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("true", "check c: 0 files of it kept, 0 bytes"),
        (
            'touch x; mv "$RUNNER_TEMP" "$RUNNER_TEMP-away"',
            "::warning title=patch_app::check c: nothing could",
        ),
    ],
)
def test_a_check_is_judged_alike_where_nothing_can_be_kept(fork: Fork, run: str, words: str) -> None:
    code, out = checked(fork, {"name": "c", "run": run, "timeout": 30, "artifacts": ["x"]})
    assert (code, words in out) == (0, True), out
    assert "artifacts=" not in (fork.world.tmp / "output").read_text()


STRAYS = {
    "in its own group": "(trap '' TERM; echo $BASHPID >> {0}; exec sleep 600) & echo $! >> {0}",
    "in a session of its own": "setsid sh -c 'echo $$ >> {0}; exec sleep 600' &",
    "whose parent has ended": "(setsid sh -c 'trap \"\" TERM; echo $$ >> {0}; sleep 600; true' &) ; true",
    "that made a session of its own twice": (
        "setsid sh -c 'setsid sh -c \"echo \\$\\$ >> {0}; exec sleep 600\" &' &"
    ),
}


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("hangs", [True, False])
def test_a_check_leaves_a_process(fork: Fork, stray: str, hangs: bool) -> None:
    marker = fork.world.tmp / "pids"
    wait = f"while ! [ -s {marker} ]; do :; done"
    command = f"{STRAYS[stray].format(marker)}\n{wait}\n{'sleep 600' if hangs else 'true'}"
    began = time.monotonic()
    code, out = checked(fork, {"name": "c", "run": command, "timeout": 3 if hangs else 60})
    assert code == int(hangs), out
    assert ("took longer than 3 s" in out) == hangs
    assert time.monotonic() - began < 40
    for pid in set(marker.read_text().split()):
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().split(") ")[1].startswith("Z")


def test_a_check_that_prints_without_end_keeps_head_and_tail(tmp_path: Path) -> None:
    loud = check(run="echo first; head -c 3000000 /dev/zero; echo; echo last")
    outcome = checks.run(loud, str(tmp_path), dict(os.environ))
    entry = checks.as_entry(loud, outcome)
    assert outcome.log.startswith("first\n")
    assert outcome.log.endswith("\nlast\n")
    assert "bytes left out]" in outcome.log
    Check.model_validate(entry)


def test_what_a_check_prints_is_no_workflow_command(fork: Fork) -> None:
    notice = "::notice title=patch-app-inbox::" + "e" * 40
    _, out = checked(fork, {"name": "c", "run": f"echo '{notice}'", "timeout": 5})
    lines = out.splitlines()
    stop = next(number for number, line in enumerate(lines) if line.startswith("::stop-commands::"))
    word = lines[stop].rsplit("::", 1)[1]
    assert stop < lines.index(notice) < lines.index(f"::{word}::")


def test_a_working_directory_that_leads_out_of_the_tree(fork: Fork) -> None:
    (fork.world.fork.path / "out").symlink_to("/")
    fork.world.fork.commit("link")
    fork.publish()
    code, out = checked(fork, {"name": "c", "run": "pwd", "timeout": 5, "working_directory": "out"})
    assert code == 1
    assert "no directory out" in out


LISTED = "git ls-files -t | sort; git status --short; find . -type f -not -path './.git/*' | sort"


@pytest.mark.parametrize("bundle_from", ["base", "target"])
def test_a_sparse_check_gets_its_directories_and_the_files_above_them_alone(
    fork: Fork, bundle_from: str
) -> None:
    upstream = fork.world.upstream
    big = random.Random(7).randbytes(300_000)
    files = {"src/top.txt": "t\n", "src/core/x/y.txt": "y\n", "src/corex/z.txt": "z\n", "big/b.bin": big}
    upstream.commit("more", {**files, 'odd "\\*/a.txt': "a\n", ".github/w.yml": "w\n"})
    ours = fork.world.fork
    ours.commit("in it", {"src/core/ours.txt": "ours\n"})
    ours.commit("beside it", {"elsewhere/ours.txt": "ours\n"})
    fork.publish()
    sparse = {"name": "c", "run": LISTED, "timeout": 30, "sparse": ["src/core", 'odd "\\*', "not/there"]}
    before = fork.server.sent
    code, out = checked(fork, sparse, bundle_from=bundle_from)
    assert code == 0, out
    found = [line for line in out.splitlines() if line.startswith("./")]
    assert found == sorted(
        [
            "./a.txt",
            "./run.sh",
            "./src/top.txt",
            "./src/core/x/y.txt",
            "./src/core/ours.txt",
            './odd "\\*/a.txt',
        ]
    )
    assert "S big/b.bin" in out
    assert "S elsewhere/ours.txt" in out
    assert "S src/corex/z.txt" in out
    assert not [line for line in out.splitlines() if line.startswith((" D", " M", "??"))]
    if bundle_from == "target":
        assert fork.server.sent - before < 300_000


def test_a_sparse_check_works_where_nothing_was_written(fork: Fork) -> None:
    fork.world.upstream.commit("more", {"src/a.txt": "a\n"})
    fork.publish()
    check = {"name": "c", "run": "pwd", "timeout": 5, "working_directory": "src", "sparse": ["docs"]}
    code, out = checked(fork, check)
    assert code == 1
    assert "the part of the candidate that `sparse` asks for has no directory src" in out


@pytest.mark.parametrize("installed", [False, True], ids=["as it was pushed", "with the App's files on top"])
@pytest.mark.parametrize("sparse", [None, ["dir"]], ids=["whole", "sparse"])
def test_a_check_sees_what_a_person_pushed(fork: Fork, installed: bool, sparse: list[str] | None) -> None:
    work = fork.world.fork
    if installed:
        work.commit(f"Install\n\n{TRAILER}\n", {WORKFLOW: "ours\n"})
    stack = work.head
    work.git("fetch", "-q", str(fork.world.upstream.path), "main")
    work.git("checkout", "-q", "-b", "carry", "FETCH_HEAD")
    pushed = work.commit("settled by hand", {"dir/settled.txt": "settled\n"})
    work.git("checkout", "-q", "main")
    fork.publish()
    check: dict[str, Any] = {
        "name": "look",
        "run": "cat dir/settled.txt; find .github -type f",
        "timeout": 30,
    }
    if not installed:
        check["run"] = "cat dir/settled.txt; test ! -e .github"
    if sparse:
        check["sparse"] = [*sparse, ".github"]
    code, out = checked(fork, check, pushed=pushed, stack={"branch": "main", "sha": stack})
    report = fork.inbox()
    assert report.candidate is not None
    assert (report.candidate.sha == pushed, report.bundle is None) == (not installed, not installed)
    assert "settled\n" in out
    assert ("patch-maintenance.yml" in out) == installed
    assert code == 0, out
