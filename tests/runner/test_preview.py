"""`patch-app preview` as a person uses it: exit statuses, the table, the JSON, and nothing written."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from git_http import serving
from runner_world import World, numbered
from typer.testing import CliRunner

from patch_app.cli import app
from patch_app.core.report import Report, Status
from patch_app.preview import run_preview, setting
from patch_app.preview_source import Source, environment, source
from patch_app.runner.git import CONFIG
from patch_app.runner.records import Problem
from patch_app.terminal import Terminal


class Shown:
    """One preview: its exit status, standard output and what was said meanwhile."""

    def __init__(
        self,
        fork: str | Path,
        onto: str,
        upstream: str | Path | None,
        *checks: str,
        branch: str = "main",
        json_output: bool = True,
    ) -> None:
        out, said = io.StringIO(), io.StringIO()
        self.status = run_preview(
            str(fork), branch, onto, None if upstream is None else str(upstream), checks, json_output,
            Terminal(file=out, width=200), progress=Terminal(file=said, width=200),
        )  # fmt: skip
        self.out, self.said = out.getvalue(), said.getvalue()

    @property
    def report(self) -> Report:
        return Report.model_validate_json(self.out)


@pytest.fixture
def ready(world: World) -> World:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.upstream.git("tag", "v1")
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    world.upstream.git("tag", "-a", "-m", "release", "v2")
    return world


def state(world: World) -> list[str]:
    return [
        repo.git("for-each-ref")
        + repo.git("status", "--porcelain")
        + (repo.path / ".git" / "config").read_text()
        for repo in (world.fork, world.upstream)
    ]


def test_a_carried_stack_exits_0_and_neither_repository_changed(ready: World) -> None:
    before = state(ready)
    shown = Shown(ready.fork.path, "v2", ready.upstream.path)
    assert (shown.status, shown.report.status) == (0, Status.CLEAN)
    assert shown.report.candidate is not None
    assert shown.report.candidate.tree == ready.oracle()
    assert shown.report.candidate.ref == "refs/patch-app/candidates/preview"
    assert shown.report.target is not None
    assert shown.report.target.sha == ready.upstream.rev("v2^{commit}")
    assert state(ready) == before


def test_a_tag_of_the_fork_with_upstreams_name_is_not_taken_for_it(ready: World) -> None:
    ready.fork.git("tag", "v2")
    report = Shown(ready.fork.path, "v2", ready.upstream.path).report
    assert report.target is not None
    assert report.target.sha == ready.upstream.rev("v2^{commit}")


def test_a_tag_that_only_the_fork_has_is_no_release(ready: World) -> None:
    ready.fork.git("tag", "mine")
    shown = Shown(ready.fork.path, "mine", ready.upstream.path)
    assert shown.status == 2
    assert "refs/tags/mine is not in that repository" in shown.said


def test_without_upstream_any_ref_or_commit_of_the_fork_will_do(ready: World) -> None:
    ready.fork.git("fetch", "-q", str(ready.upstream.path), "main:refs/heads/their-main")
    for onto in ("their-main", "refs/heads/their-main", ready.upstream.head):
        assert Shown(ready.fork.path, onto, None).status == 0


@pytest.mark.parametrize("ahead", [5, 60])
def test_a_release_that_would_go_back_exits_1_and_says_what_leaves(world: World, ahead: int) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.upstream.git("branch", "old")
    for number in range(1, ahead + 1):
        world.upstream.commit(f"step {number} \x1b[31m", {f"{number}.txt": "new\n"})
    world.upstream.git("tag", "v2.0.0")
    world.fork_now().commit("ours", {"ours.txt": "ours\n"})
    world.upstream.git("checkout", "-q", "old")
    world.upstream.commit("fix", {"a.txt": numbered(l20="fixed")})
    world.upstream.git("tag", "v1.0.1")
    shown = Shown(world.fork.path, "v1.0.1", world.upstream.path)
    assert (shown.status, shown.report.status) == (1, Status.CLEAN)
    assert [one.subject for one in shown.report.patches] == ["ours"]
    assert shown.report.leaving is not None
    assert shown.report.leaving.number == ahead
    assert shown.report.leaving.commits[0].subject.startswith(f"step {ahead}")
    assert len(shown.report.leaving.commits) == min(ahead, 20)
    told = Shown(world.fork.path, "v1.0.1", world.upstream.path, json_output=False)
    assert f"{ahead} commits of upstream that main stands on would leave it: v1.0.1 lacks them." in told.out
    assert "The App would ask a person" in told.out
    assert "\x1b" not in told.out


def test_a_conflict_exits_1(ready: World) -> None:
    ready.upstream.commit("third", {"a.txt": numbered(l3="theirs")})
    ready.upstream.git("tag", "v3")
    shown = Shown(ready.fork.path, "v3", ready.upstream.path, json_output=False)
    assert shown.status == 1
    assert "conflicted" in shown.out
    assert "<<<<<<< carried" in shown.out


def test_there_is_nothing_to_do(ready: World) -> None:
    assert Shown(ready.fork.path, "v1", ready.upstream.path).report.status is Status.NOOP
    assert Shown(ready.upstream.path, "v1", ready.upstream.path).status == 0


@pytest.mark.parametrize(
    ("fork", "branch", "onto"),
    [
        ("", "main", "v2"),
        ("--upload-pack=x", "main", "v2"),
        ("nowhere", "main", "v2"),
        ("ext::sh -c id", "main", "v2"),
        ("FORK", "nothing", "v2"),
        ("FORK", "-x", "v2"),
        ("FORK", "main", "v9"),
        ("FORK", "main", "-v2"),
        ("FORK", "main", "a b\x1b"),
        ("FORK", "main", "$(touch sprung)"),
        ("FORK", "main", "v2;touch sprung"),
        ("FORK", "main", "v2\n"),
        ("FORK", "`touch sprung`", "v2"),
        ("FORK", "main:refs/heads/x", "v2"),
        ("FORK", "*", "v2"),
    ],
)
def test_bad_input_exits_2_with_a_sentence(ready: World, fork: str, branch: str, onto: str) -> None:
    shown = Shown(fork.replace("FORK", str(ready.fork.path)), onto, ready.upstream.path, branch=branch)
    assert shown.status == 2
    assert "patch-app preview: " in shown.said
    assert shown.report.status is Status.ERROR
    assert "\x1b" not in shown.said
    assert not Path("sprung").exists()


def test_an_empty_repository_exits_2(ready: World) -> None:
    empty = ready.tmp / "empty.git"
    ready.upstream.git("init", "-q", "--bare", str(empty))
    assert Shown(empty, "v2", ready.upstream.path).status == 2
    assert Shown(ready.fork.path, "v2", empty).status == 2


def test_a_folder_that_is_no_repository_exits_3(ready: World) -> None:
    (ready.tmp / "plain").mkdir()
    assert Shown(ready.tmp / "plain", "v2", ready.upstream.path).status == 3


def test_a_server_that_is_not_there_exits_3(ready: World) -> None:
    shown = Shown("http://127.0.0.1:9/x", "v2", ready.upstream.path)
    assert shown.status == 3
    assert "could not be fetched" in shown.said


def test_a_branch_that_shares_nothing_with_upstream_exits_2(ready: World) -> None:
    ready.fork.git("checkout", "-q", "--orphan", "other")
    ready.fork.commit("alone", {"z.txt": "z\n"})
    assert Shown(ready.fork.path, "v2", ready.upstream.path, branch="other").status == 2


def test_checks_run_on_the_carried_tree(ready: World) -> None:
    shown = Shown(
        ready.fork.path, "v2", ready.upstream.path, "grep ours a.txt && grep theirs a.txt", "exit 3"
    )
    assert (shown.status, shown.report.status) == (1, Status.CHECKS_FAILED)
    assert [(found.name, found.exit) for found in shown.report.checks] == [("check 1", 0), ("check 2", 3)]
    assert shown.report.checks[0].log_tail == "ours\ntheirs\n"
    assert Shown(ready.fork.path, "v2", ready.upstream.path, "true").status == 0


def test_a_subject_full_of_escapes_shows_as_text(ready: World) -> None:
    ready.fork.commit("\x1b[2J[red]boo[/red]\x07", {"b.txt": "b\n"})
    shown = Shown(ready.fork.path, "v2", ready.upstream.path, json_output=False)
    assert "[red]boo[/red]" in shown.out
    assert "\x1b" not in shown.out
    assert "\x07" not in shown.out


def test_over_http_the_bytes_are_counted(ready: World) -> None:
    root = ready.tmp / "served"
    for repo, name in ((ready.upstream, "up"), (ready.fork, "fork")):
        repo.git("clone", "-q", "--bare", "--no-hardlinks", ".", str(root / name))
    with serving(root) as server:
        shown = Shown(f"{server.url}/fork", "v2", f"{server.url}/up")
        network = shown.report.network
        assert abs(network.received_bytes - server.sent) <= 400 * server.requests
        assert network.requests == server.requests


def test_a_server_that_knows_no_filters_still_works(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patch_app.runner.git.CONFIG", _config_without_upload_pack())
    shown = Shown(ready.fork.path, "v2", ready.upstream.path)
    assert (shown.status, shown.report.status) == (0, Status.CLEAN)


def _config_without_upload_pack() -> str:
    return CONFIG.replace("allowFilter = true", "allowFilter = false").replace(
        "InWant = true", "InWant = false"
    )


def test_a_sha256_repository(tmp_path: Path) -> None:
    world = World(tmp_path)
    shutil.rmtree(world.upstream.path)
    world.upstream.path.mkdir()
    world.upstream.git("init", "-q", "--object-format=sha256")
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l20="theirs")})
    world.upstream.git("tag", "v2")
    shown = Shown(world.fork.path, "v2", world.upstream.path)
    assert (shown.status, shown.report.status) == (0, Status.CLEAN), shown.said


def test_merge_commits_are_said(ready: World) -> None:
    git = ready.fork.git
    git("switch", "-q", "-c", "side", "HEAD~1")
    ready.fork.commit("beside", {"b.txt": "b\n"})
    git("switch", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "both", "side")
    shown = Shown(ready.fork.path, "v2", ready.upstream.path, json_output=False)
    assert shown.status == 0, shown.said
    assert "1 merge commit with nothing of their own left out" in shown.out


def test_a_release_that_is_merged_is_shown_with_checks_on_the_merge(ready: World) -> None:
    git = ready.fork.git
    git("switch", "-q", "-c", "side", "HEAD~1")
    ready.fork.commit("beside", {"b.txt": "b\n"})
    git("switch", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "both", "side")
    done = CliRunner().invoke(
        app,
        ["preview", str(ready.fork.path), "--branch", "main", "--onto", "v2", "--upstream",
         str(ready.upstream.path), "--strategy", "merge", "--check", "grep theirs a.txt && cat b.txt"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 merge commit kept" in done.stdout
    assert "check 1 passed" in done.stdout


def test_what_checks_made_is_kept_where_it_is_asked_for(ready: World) -> None:
    kept = ready.tmp / "kept"
    made = "mkdir -p out/in; echo 1 > out/one; echo 2 > out/in/two; ln -s /etc/passwd out/link; exit 3"
    arguments = [
        *("preview", str(ready.fork.path), "--branch", "main", "--onto", "v2"),
        *("--upstream", str(ready.upstream.path), "--artifact", "out/", "--artifacts-in", str(kept)),
    ]
    done = CliRunner().invoke(app, [*arguments, "--check", made, "--check", "true", "--json"])
    assert done.exit_code == 1, done.output
    entries = [one.artifacts for one in Report.model_validate_json(done.stdout).checks]
    where = str(kept / "check 1")
    assert [one.model_dump() for one in entries if one] == [
        {"directory": where, "files": 2, "bytes": 4, "left_out": 1},
        {"directory": str(kept / "check 2"), "files": 0, "bytes": 0, "left_out": 0},
    ]
    assert "check 1: left out, links" in done.stderr
    assert (kept / "check 1/out/in/two").read_text() == "2\n"
    assert sorted(path.name for path in kept.rglob("*") if path.is_file()) == ["one", "two"]
    for more, words in (
        (["--check", "true"], "not empty: name another directory"),
        ([], "no --check"),
        (["--check", "true", "--artifact", "../x"], "--artifact must be a path inside the repository"),
    ):
        refused = CliRunner().invoke(app, [*arguments, *more])
        assert (refused.exit_code, words in refused.stderr) == (2, True), refused.output


def test_a_branch_that_is_built_from_patch_branches_is_shown_with_their_names(ready: World) -> None:
    git = ready.fork.git
    for name in ("patch/10-b", "patch/2-a"):
        git("switch", "-q", "-c", name, "main~1")
        ready.fork.commit(f"on {name}", {f"new-{name[-1]}.txt": "x\n"})
    git("switch", "-q", "main")
    words = ["preview", str(ready.fork.path), "--branch", "main", "--onto", "v2"]
    words += ["--upstream", str(ready.upstream.path)]
    done = CliRunner().invoke(app, [*words, "--strategy", "patches", "--json"])
    assert done.exit_code == 0, done.output
    found = [(one["branch"], one["subject"]) for one in json.loads(done.stdout)["patches"]]
    assert found == [("patch/2-a", "on patch/2-a"), ("patch/10-b", "on patch/10-b"), (None, "ours")]
    for options, why in (
        (["--patches", "patch/*"], "--patches needs --strategy patches"),
        (["--strategy", "patches", "--patches", "x/*"], "no branch of the fork matches x/*"),
        (["--strategy", "patches", "--patches", "patch/2-a", "--patches", "gone"], "gone does not exist"),
        (["--strategy", "patches", "--merges", "preserve"], "makes one row of commits"),
    ):
        done = CliRunner().invoke(app, [*words, *options])
        assert (done.exit_code, why in done.output.replace("\n", " ")) == (2, True), done.output


def test_the_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"patch-app {metadata.version('patch-app')}\n")


def test_the_command_passes_everything_on(ready: World) -> None:
    done = CliRunner().invoke(
        app,
        ["preview", str(ready.fork.path), "--branch", "main", "--onto", "v2", "--upstream",
         str(ready.upstream.path), "--check", "true", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0
    assert json.loads(done.stdout)["checks"][0]["name"] == "check 1"
    assert CliRunner().invoke(app, ["preview"]).exit_code == 2


def test_a_repository_is_a_url_a_path_or_a_github_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    assert source("openai/codex", "FORK") == Source("https://github.com/openai/codex")
    assert source("git@host:o/r.git", "FORK") == Source("git@host:o/r.git")
    assert source("a b", "FORK") == Source((tmp_path / "a b").as_uri())
    for bad in ("a/b/c", "x\ny", "-x", "git@host:-x", "ext::x"):
        with pytest.raises(Problem):
            source(bad, "FORK")


def test_a_users_setting_is_quoted() -> None:
    assert setting('url.git@"x:.insteadof', "a\nb\\") == '[url "git@\\"x:"]\n\tinsteadof = "a\\nb\\\\"\n'
    assert setting("safe.directory", "*") == '[safe]\n\tdirectory = "*"\n'


@pytest.mark.parametrize(
    ("given", "url", "credentials"),
    [
        ("https://ann:hu%3Ash@host/o/r", "https://host/o/r", "ann:hu:sh"),
        ("https://:hush@host:8443/o/r.git", "https://host:8443/o/r.git", ":hush"),
        ("https://ghp_0123456789abcdef@host/o/r", "https://host/o/r", "ghp_0123456789abcdef:"),
        ("https://a@b:c@host/o/r", "https://host/o/r", "a@b:c"),
        ("ssh://git@host/o/r", "ssh://git@host/o/r", None),
    ],
)
def test_a_password_in_a_url_is_taken_out_of_it(given: str, url: str, credentials: str | None) -> None:
    assert source(given, "FORK") == Source(url, credentials)
    assert (environment([Source(url, credentials)]) == {}) is (credentials is None)


@pytest.mark.parametrize(
    "name", ["ann", "glpat-0123456789abcdef", "0123456789abcdef0123456789abcdef01234567"]
)
def test_a_name_alone_may_be_a_token_and_is_taken_off_the_address(name: str) -> None:
    found = source(f"https://{name}@host/o/r", "FORK")
    assert found == Source("https://host/o/r", user=name)
    assert environment([found]) == {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.https://host/o/r.username",
        "GIT_CONFIG_VALUE_0": name,
    }
    assert source("https://@host/o/r", "FORK") == Source("https://host/o/r")


@pytest.mark.parametrize(
    "given", ["https://host/o/r?private_token=hush", "https://host/o/r#hush", "ssh://h/r?x"]
)
def test_a_url_with_more_than_a_repository_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(Problem, match="ends before its") as refused:
        source(given, "FORK")
    assert "hush" not in refused.value.message


def test_a_password_that_git_would_not_send_is_refused() -> None:
    with pytest.raises(Problem, match="of no use to ssh"):
        source("ssh://git:hush@host/o/r", "FORK")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's list of processes")
@pytest.mark.parametrize("given", ["ann:hush", "hush"])
def test_a_password_in_a_url_is_in_no_process_s_command_line(
    ready: World, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a name alone is what the person's own helper is asked for: whatever it says, for that one
    config = tmp_path / "gitconfig"
    config.write_text(
        '[credential]\n\thelper = "!f() { if grep -q ^username=hush; then echo password=rest; fi; }; f"\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    basic = base64.b64encode((given if ":" in given else f"{given}:rest").encode()).decode()
    with serving(ready.fork.path.parent) as server:
        # Git's own is written in capitals
        server.private = {"/fork": f"{'basic' if ':' in given else 'Basic'} {basic}"}
        address = f"{server.url.replace('://', f'://{given}@')}/fork"
        server.hold.set()
        command = [sys.executable, "-m", "patch_app", "preview", address, "--branch", "main", "--onto", "v2"]
        command += ["--upstream", str(ready.upstream.path), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert server.held.wait(60)
            seen = [line for line in command_lines(process.pid) if b"hush" in line]
            server.hold.clear()
            server.go_on.set()
            out, said = process.communicate(timeout=100)
        assert server.sent_to_others == 0
    assert seen == []
    assert process.returncode == 0, said
    assert b"hush" not in out + said
    assert basic.encode() not in out + said


def command_lines(pid: int) -> list[bytes]:
    """Of a process and all that it started, as everybody on the machine can read them."""
    found = [Path(f"/proc/{pid}/cmdline").read_bytes()]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += command_lines(int(child))
    return found
