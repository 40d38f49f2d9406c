from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import gate
from patch_app.core.gate import Broken, Finding, What, findings, to_read

PATH = ".github/workflows/ci.yml"
SHA = "0123456789abcdef0123456789abcdef01234567"
CI = """\
on:
  push: {branches: [main, "release/**"]}
  pull_request:
permissions: {contents: read}
jobs:
  test:
    runs-on: ${{ matrix.os }}
    strategy: {matrix: {os: [ubuntu-latest, windows-2025], include: [{os: macos-15}]}}
    environment: staging
    steps:
      - uses: actions/checkout@v4
      - uses: ./.github/actions/setup
      - run: make test
        env: {KEY: "${{ secrets.KEY }}"}
"""
SETUP = "runs: {using: composite, steps: [{run: echo, shell: bash}]}"


def parsed(text: str) -> Any:
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506 - makes text, lists and mappings alone


def tree(text: str = CI, path: str = PATH, **more: str) -> dict[str, Any]:
    files = {path: text, ".github/actions/setup/action.yml": SETUP, **more}
    return {path: parsed(dedent(body)) for path, body in files.items()}


def new(after: dict[str, Any], before: dict[str, Any] | None = None) -> set[tuple[str, str]]:
    return {(one.what.value, one.detail) for one in findings(tree() if before is None else before, after)}


def changed(old: str, text: str) -> dict[str, Any]:
    assert old in CI
    return tree(CI.replace(old, text))


def steps(use: str) -> str:
    return f"runs: {{using: composite, steps: [{{uses: {use}}}]}}"


def job(body: str) -> str:
    return "on: push\npermissions: {}\njobs:\n  x:\n" + "\n".join(
        "    " + one for one in dedent(body).split("\n")
    )


def test_unchanged_workflows_are_nothing_new() -> None:
    assert findings(tree(), tree(), tree()) == ()


@pytest.mark.parametrize(
    ("old", "text"),
    [
        ("make test", "make test lint"),
        ("[ubuntu-latest, windows-2025]", "[ubuntu-24.04, ubuntu-24.04-arm]"),
        ("    environment: staging\n", ""),
        ("{contents: read}", "{}"),
        ("  pull_request:\n", ""),
        ('[main, "release/**"]', "[main]"),
        ("  pull_request:\n", "  pull_request: {paths: [src/**]}\n"),
        ("actions/checkout@v4", f"actions/checkout@{SHA}"),
        ("${{ secrets.KEY }}", "${{secrets['key'] || secrets.GITHUB_TOKEN}}"),
        ("- run: make test", "- run: echo 'no secrets here' '${{ github.sha }}' secrets.OTHER"),
    ],
)
def test_a_change_that_lets_nothing_new_happen_is_no_finding(old: str, text: str) -> None:
    assert findings(tree(), changed(old, text)) == ()


@pytest.mark.parametrize(
    ("old", "text", "what", "detail"),
    [
        ("  pull_request:\n", "  pull_request_target:\n", What.TRIGGER, "pull_request_target"),
        (
            "  pull_request:\n",
            "  pull_request: {types: [closed]}\n",
            What.TRIGGER,
            'pull_request: {"types": ["closed"]}',
        ),
        ('{branches: [main, "release/**"]}', "", What.TRIGGER, "push"),
        ('[main, "release/**"]', '["**"]', What.TRIGGER, 'push: {"branches": ["**"]}'),
        ('[main, "release/**"]', '[main, "!x"]', What.TRIGGER, 'push: {"branches": ["main", "!x"]}'),
        ("{contents: read}", "{contents: write}", What.PERMISSION, "contents: write"),
        ("{contents: read}", "{contents: read, id-token: write}", What.PERMISSION, "id-token: write"),
        ("{contents: read}", "write-all", What.PERMISSION, "write-all"),
        ("{contents: read}", "read-all", What.PERMISSION, "read-all"),
        (
            "permissions: {contents: read}\n",
            "",
            What.PERMISSION,
            "no permissions block: the repository's default",
        ),
        ("{contents: read}", "", What.PERMISSION, "no permissions block: the repository's default"),
        ("{contents: read}", "{contents: admin}", What.PERMISSION, "contents: admin"),
        ("environment: staging", "environment: {name: production, url: x}", What.ENVIRONMENT, "production"),
        ("secrets.KEY", "secrets.OTHER", What.SECRET, "OTHER"),
        ("secrets.KEY", "SECRETS [ 'other' ]", What.SECRET, "OTHER"),
        ("secrets.KEY", "toJSON(secrets)", What.SECRET, "all secrets"),
        ("secrets.KEY", "secrets[format('A{0}', 'B')]", What.SECRET, "all secrets"),
        ("secrets.KEY", "secrets[matrix.os]", What.SECRET, "all secrets"),
        ("secrets.KEY", "secrets.*", What.SECRET, "all secrets"),
        ("${{ secrets.KEY }}", "${{ format('}}', secrets.HIDDEN) }}", What.SECRET, "HIDDEN"),
        ("${{ secrets.KEY }}", "${{ secrets.UNCLOSED", What.SECRET, "UNCLOSED"),
        ("- run: make test", "- if: secrets.BARE\n        run: x", What.SECRET, "BARE"),
        ("{os: [ubuntu-latest", "{os: [gpu-box", What.RUNNER, "gpu-box"),
        ("include: [{os: macos-15}]", "include: [{os: self-hosted}]", What.RUNNER, "self-hosted"),
        ("runs-on: ${{ matrix.os }}", "runs-on: [self-hosted, linux]", What.RUNNER, "self-hosted"),
        (
            "runs-on: ${{ matrix.os }}",
            "runs-on: {group: big, labels: ubuntu-latest}",
            What.RUNNER,
            "group big",
        ),
        ("runs-on: ${{ matrix.os }}", "runs-on: ${{ vars.WHERE }}", What.RUNNER, "${{ vars.WHERE }}"),
        ("[ubuntu-latest, windows-2025]", "['${{ vars.X }}']", What.RUNNER, "${{ matrix.os }}"),
        (
            "actions/checkout@v4",
            "actions/checkout@v5",
            What.USES,
            "actions/checkout@v5 is not pinned by a full commit id",
        ),
        (
            "actions/checkout@v4",
            f"a/b@{SHA[:12]}",
            What.USES,
            f"a/b@{SHA[:12]} is not pinned by a full commit id",
        ),
        (
            "actions/checkout@v4",
            "docker://alpine:3",
            What.USES,
            "docker://alpine:3 is not pinned by its digest",
        ),
        (
            "./.github/actions/setup",
            "./build/action",
            What.USES,
            "./build/action has no action that could be read",
        ),
        ("./.github/actions/setup", "./../x", What.USES, "./../x has no action that could be read"),
        (
            "environment: staging",
            "container: {image: node}",
            What.USES,
            "docker://node is not pinned by its digest",
        ),
        (
            "environment: staging",
            "services: {db: {image: pg}}",
            What.USES,
            "docker://pg is not pinned by its digest",
        ),
        (
            "on:\n  push",
            "On: push\non:\n  push",
            What.BROKEN,
            "a key is there twice, in upper and lower case",
        ),
    ],
)
def test_what_a_workflow_may_newly_do_is_a_finding(old: str, text: str, what: What, detail: str) -> None:
    assert (what.value, detail) in new(changed(old, text))


def test_keys_in_another_case_do_not_hide_anything() -> None:
    assert ("permission", "contents: write") in new(
        changed("permissions: {contents: read}", "PERMISSIONS: {Contents: Write}")
    )


def test_a_permission_of_one_job_is_found() -> None:
    after = changed(
        "    environment: staging\n", "    environment: staging\n    permissions: {packages: write}\n"
    )
    assert new(after) == {("permission", "packages: write")}


def test_the_default_permissions_cover_only_what_the_restricted_default_has() -> None:
    before = tree(CI.replace("permissions: {contents: read}\n", ""))
    assert new(tree(), before) == set()
    assert new(changed("{contents: read}", "{issues: read}"), before) == {("permission", "issues: read")}
    assert new(changed("{contents: read}", "{contents: write}"), before) == {
        ("permission", "contents: write")
    }


def test_write_all_covers_every_permission() -> None:
    before = changed("{contents: read}", "write-all")
    assert new(changed("permissions: {contents: read}\n", ""), before) == set()
    assert new(changed("{contents: read}", "{id-token: write}"), before) == set()


def test_inherited_secrets_and_workflows_elsewhere_are_findings_even_when_pinned() -> None:
    after = tree(
        job(f"uses: o/r/.github/workflows/x.yml@{SHA}\nsecrets: inherit"), ".github/workflows/new.yml"
    )
    found = new({**tree(), **after})
    assert ("secret", "all secrets") in found
    assert any(what == "uses" and "can't be seen" in detail for what, detail in found)


def test_all_secrets_on_the_maintained_branch_cover_each() -> None:
    before = changed("secrets.KEY", "toJSON(secrets)")
    assert new(changed("secrets.KEY", "secrets.OTHER"), before) == set()


def test_a_new_file_is_a_finding_and_all_that_it_may_do() -> None:
    after = {**tree(), **tree(job("runs-on: ubuntu-latest\nsteps: []"), ".github/workflows/new.yaml")}
    assert new(after) == {("file", "a workflow that the maintained branch doesn't have"), ("trigger", "push")}


def test_a_renamed_file_is_judged_by_its_content() -> None:
    assert new(tree(path=".github/workflows/renamed.yml")) == set()
    other = tree(CI.replace("KEY", "OTHER"), ".github/workflows/renamed.yml")
    assert {"file", "secret", "trigger"} <= {what for what, _ in new(other)}


def test_a_file_that_is_no_workflow_for_github_does_not_count() -> None:
    after = {
        **tree(),
        **tree(job("runs-on: x"), ".github/workflows/sub/x.yml"),
        **tree(job("runs-on: x"), "x.yml"),
    }
    assert new(after) == set()


def test_a_local_action_is_looked_into_through_other_actions() -> None:
    nested = {
        ".github/actions/setup/action.yml": steps("./.github/actions/deep/"),
        ".github/actions/deep/action.yaml": steps("evil/action@main"),
    }
    assert new(tree(**nested)) == {("uses", "evil/action@main is not pinned by a full commit id")}
    back = {".github/actions/setup/action.yml": steps("./.github/actions/setup")}
    assert new(tree(**back)) == set()


def test_an_action_in_a_container_by_tag_is_a_finding() -> None:
    image = {".github/actions/setup/action.yml": "runs: {using: docker, image: 'docker://x:latest'}"}
    assert new(tree(**image)) == {("uses", "docker://x:latest is not pinned by its digest")}
    own = {".github/actions/setup/action.yml": "runs: {using: docker, image: Dockerfile}"}
    assert new(tree(**own)) == set()


def test_what_is_to_be_read_next_is_said() -> None:
    files = {PATH: tree()[PATH]}
    assert to_read(files) == (".github/actions/setup",)
    assert to_read(tree()) == ()
    assert to_read({**files, ".github/actions/setup/Dockerfile": "FROM x"}) == ()


def test_the_app_s_own_workflow_must_not_differ() -> None:
    own = ".github/workflows/patch-maintenance.yml"
    text = job("runs-on: ubuntu-latest\nsteps: [{run: a}]")
    before = tree(text, own)
    assert new(tree(text.replace("run: a", "run: b"), own), before) == {
        ("file", "this is the App's own workflow, and it differs")
    }
    assert findings(before, {}) == ()


def test_a_broken_file_is_a_finding_but_for_the_very_same_one() -> None:
    broken = Broken(reason="line 3: no YAML", blob=SHA)
    assert new({PATH: broken}) == {("broken", "line 3: no YAML")}
    assert new({PATH: broken}, {PATH: broken}) == set()
    assert new({PATH: Broken(reason="too large")}, {PATH: Broken(reason="too large")}) == {
        ("broken", "too large")
    }
    assert {"file", "trigger"} <= {what for what, _ in new(tree(), {PATH: broken})}


@pytest.mark.parametrize(
    "text", ["[]", "x", "{}", "on: push", "on: push\njobs: []", "on: 1\njobs: {a: 1}", ""]
)
def test_a_file_of_another_form_is_a_finding(text: str) -> None:
    assert findings(tree(), tree(text))


def test_a_document_that_never_ends_is_a_finding() -> None:
    endless: dict[str, Any] = {"on": "push", "jobs": {}}
    endless["jobs"]["x"] = endless
    assert new({PATH: endless}) == {("broken", "it is too large or deep")}
    laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
    )
    assert new({PATH: parsed(laughs)}) == {("broken", "it is too large or deep")}


def test_findings_of_candidate_and_target_are_gathered_once() -> None:
    after = changed("secrets.KEY", "secrets.OTHER")
    assert findings(tree(), after, after, tree()) == (Finding(path=PATH, what=What.SECRET, detail="OTHER"),)


def test_findings_are_shown_as_a_table_that_they_cannot_leave() -> None:
    assert gate.written([]) == ""
    text = gate.written([Finding(path="a|b`", what=What.SECRET, detail="x\n\n# @bob | `")])
    assert text.count("\n") == 3
    assert "@bob" not in text


JSON = st.recursive(
    st.text(max_size=12)
    | st.sampled_from(["${{ secrets.X }}", "push", "write-all", "self-hosted", "./x", "a/b@c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["on", "jobs", "steps", "uses", "runs-on", "permissions", "env", "if", "strategy", "matrix"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JSON, JSON)
def test_any_document_gives_findings_and_none_against_itself(one: Any, other: Any) -> None:
    findings({PATH: one}, {PATH: other})
    to_read({PATH: one})
    assert all(found.what is What.BROKEN for found in findings({PATH: one}, {PATH: one}))
