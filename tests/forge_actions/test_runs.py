"""Workflow files run for real by act."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from patch_app.forge.actions_api import AnnotationLevel, Conclusion

from .conftest import Bench

TWO_JOBS = """
name: flow
run-name: "patch_app ${{ inputs.attempt }}"
on:
  workflow_dispatch:
    inputs:
      attempt: {type: string}
      loud: {type: boolean}
permissions: {}
jobs:
  carry:
    runs-on: ubuntu-latest
    permissions: {contents: write}
    outputs:
      checks: ${{ steps.a.outputs.checks }}
      odd: ${{ steps.a.outputs.odd }}
    steps:
      - id: a
        env:
          ATTEMPT: ${{ inputs.attempt }}
          TOKEN: ${{ github.token }}
          SAME: ${{ secrets.GITHUB_TOKEN == github.token }}
        run: |
          echo "attempt=$ATTEMPT same=$SAME loud=${{ inputs.loud == true }}"
          printf '%s' "$TOKEN" | wc -c
          echo "token $TOKEN and $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
          cat >> "$GITHUB_OUTPUT" <<'END'
          checks=[{"name":"lint it","n":1},{"name":"it's ${{ '${{' }} 1 }}"}]
          odd<<X
          two
          lines ' \\
          X
          END
          echo "::notice title=patch-app-inbox::abc123"
          echo "## Summary of the carry" >> "$GITHUB_STEP_SUMMARY"
  check:
    needs: carry
    if: needs.carry.outputs.checks != '[]'
    runs-on: ubuntu-latest
    strategy: {fail-fast: false, matrix: {check: "${{ fromJSON(needs.carry.outputs.checks) }}"}}
    name: "check ${{ matrix.check.name }}"
    steps:
      - name: Say ${{ matrix.check.n }}
        env:
          NAME: ${{ matrix.check.name }}
          ODD: ${{ needs.carry.outputs.odd }}
          TOKEN: ${{ github.token }}
        run: |
          printf 'name=<%s> odd=<%s>\\n' "$NAME" "$ODD"
          printf '%s' "$TOKEN" > "$RUNNER_TEMP/t"; sha256sum < "$RUNNER_TEMP/t"
"""


def test_a_job_gets_the_outputs_matrix_and_names_of_the_job_before_it(bench: Bench) -> None:
    assert bench.run(TWO_JOBS, inputs={"attempt": "at1", "loud": "true"}) is Conclusion.SUCCESS
    carry = bench.sink.job("carry")
    assert "attempt=at1 same=true loud=true" in carry.log
    assert carry.steps[0].name == "Set up job"
    assert all(step.conclusion is Conclusion.SUCCESS for step in carry.steps)
    assert bench.sink.job("check lint it").conclusion is Conclusion.SUCCESS
    odd = bench.sink.job("check it's ${{ 1 }}")
    assert "name=<it's ${{ 1 }}> odd=<two\nlines ' \\>" in odd.log
    assert odd.steps[1].name == "Say"
    assert "## Summary of the carry" in carry.log


def test_each_leg_has_a_token_of_its_own_and_no_log_shows_one(bench: Bench) -> None:
    bench.run(TWO_JOBS, inputs={"attempt": "at1"})
    by_key = {job.name: job for job in bench.sink.jobs}
    assert by_key["carry"].permissions == {"contents": "write"}
    checks = [job for job in bench.sink.jobs if job.key == "check"]
    assert [job.permissions for job in checks] == [{}, {}]
    digests = {line for job in checks for line in job.log.splitlines() if line.endswith("  -")}
    assert len(digests) == 2
    everything = json.dumps([[job.log, repr(job.annotations), repr(job.steps)] for job in bench.sink.jobs])
    for job in bench.sink.jobs:
        assert job.token not in everything
    assert "token *** and ***\n" in by_key["carry"].log


def test_a_job_gets_the_secrets_of_its_environment_and_of_no_other(bench: Bench) -> None:
    conclusion = bench.run(
        """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    environment: {name: "pro${{ 'duction' }}"}
    env: {PLACE: "${{ secrets.PLACE }}"}
    steps:
      - run: echo "length ${#PLACE}, it is $PLACE"
  b:
    runs-on: ubuntu-latest
    env: {PLACE: "${{ secrets.PLACE }}"}
    steps:
      - run: test -z "$PLACE"
"""
    )
    assert conclusion is Conclusion.SUCCESS
    assert f"length {len('secret-of-production')}, it is ***\n" in bench.sink.job("a").log


def test_an_annotation_carries_its_title_file_and_lines(bench: Bench) -> None:
    conclusion = bench.run(
        """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "::notice title=patch-app-inbox::abc"
          echo "::error title=T%2C x,file=a%3Ab.py,line=3,endLine=5::two%0Alines"
          echo "::stop-commands::tok"
          echo "::notice title=forged::no"
          echo "::tok::"
          echo "::add-mask::hunter2"
          echo "a hunter2 b"
          echo "::warning::about hunter2"
      - run: exit 3
      - name: never reached
        run: echo no
      - name: tidy up
        if: always()
        run: echo tidied
"""
    )
    assert conclusion is Conclusion.FAILURE
    job = bench.sink.job("a")
    seen = [
        (item.level, item.title, item.message, item.path, item.start_line, item.end_line)
        for item in job.annotations
    ]
    assert seen == [
        (AnnotationLevel.NOTICE, "patch-app-inbox", "abc", ".github", 1, 1),
        (AnnotationLevel.FAILURE, "T, x", "two\nlines", "a:b.py", 3, 5),
        (AnnotationLevel.WARNING, "", "about ***", ".github", 1, 1),
        (AnnotationLevel.FAILURE, "", "Process completed with exit code 3.", ".github", 1, 1),
    ]
    assert [(step.name, step.conclusion.value) for step in job.steps] == [
        ("Set up job", "success"),
        ('Run echo "::notice title=patch-app-inbox::abc"', "success"),
        ("Run exit 3", "failure"),
        ("never reached", "skipped"),
        ("tidy up", "success"),
        ("Complete job", "success"),
    ]
    assert "hunter2" not in job.log
    assert "a *** b" in job.log
    assert "tidied" in job.log


def test_a_variable_of_the_parent_process_does_not_reach_a_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCH_APP_CANARY", "tweet-tweet")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_of_the_developer")
    bench.run(
        """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          env | sort
          echo "canary: [${PATCH_APP_CANARY-}] [${{ env.PATCH_APP_CANARY }}] [${GITHUB_TOKEN-}]"
          python3 -c 'import sys; print("packages:", [p for p in sys.path if ".venv" in p])'
"""
    )
    log = bench.sink.job("a").log
    assert "tweet-tweet" not in log
    assert "canary: [] [] []" in log
    assert "packages: []" in log
    assert str(Path.home()) not in [
        line.partition("=")[2] for line in log.splitlines() if line[:5] == "HOME="
    ]


def test_the_github_context_says_which_run_this_is(bench: Bench) -> None:
    bench.run(
        """
on: [push, workflow_dispatch]
jobs:
  a:
    runs-on: [self-hosted, big]
    steps:
      - run: |
          echo "${{ github.run_id }} ${{ github.run_attempt }} ${{ github.run_number }}" $GITHUB_REPOSITORY
          echo "$GITHUB_RUN_ID $GITHUB_RUN_ATTEMPT $GITHUB_REPOSITORY_ID $GITHUB_WORKFLOW_REF"
          echo "${{ github.server_url }} $GITHUB_API_URL ${{ github.graphql_url }} ${{ github.actor }}"
          echo "${{ github.ref }} ${{ github.sha }} ${{ github.ref_type }} $GITHUB_SHA $GITHUB_EVENT_NAME"
          echo "${{ github.event.head_commit.message }} $(wc -c < "$GITHUB_EVENT_PATH")"
""",
        run_id=4711,
        event="push",
        payload={"ref": "refs/tags/v1", "after": "9" * 40, "head_commit": {"message": "it is mine"}},
        ref="refs/tags/v1",
        head_branch="v1",
    )
    log = bench.sink.job("a").log
    sha = "0123456789abcdef0123456789abcdef01234567"
    assert "4711 2 12 alice/tool" in log
    assert "4711 2 77 alice/tool/.github/workflows/flow.yml@refs/tags/v1" in log
    assert "http://127.0.0.1:1 http://127.0.0.1:1/api/v3 http://127.0.0.1:1/api/graphql alice" in log
    assert f"refs/tags/v1 {sha} tag {sha} push" in log
    assert "it is mine" in log


def test_jobs_after_a_failure_are_skipped_but_for_those_that_ask_for_it(bench: Bench) -> None:
    conclusion = bench.run(
        """
on: workflow_dispatch
jobs:
  bad:
    runs-on: ubuntu-latest
    outputs: {x: "${{ steps.s.outputs.x }}"}
    steps:
      - id: s
        run: |
          echo x=1 >> "$GITHUB_OUTPUT"
          exit 1
  soft:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps: [{run: exit 1}]
  off:
    runs-on: ubuntu-latest
    if: github.ref == 'refs/heads/other'
    steps: [{run: "true"}]
  after:
    needs: bad
    runs-on: ubuntu-latest
    steps: [{run: "true"}]
  mourner:
    needs: [bad, soft, off, after]
    if: ${{ failure() }}
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "bad=${{ needs.bad.result }}/${{ needs.bad.outputs.x }}"
          echo "soft=${{ needs.soft.result }} off=${{ needs.off.result }}"
      - run: echo "the job is fine so far"
        if: success()
"""
    )
    assert conclusion is Conclusion.FAILURE
    conclusions = {job.name: job.conclusion for job in bench.sink.jobs}
    assert conclusions == {
        "bad": Conclusion.FAILURE,
        "soft": Conclusion.FAILURE,
        "off": Conclusion.SKIPPED,
        "after": Conclusion.SKIPPED,
        "mourner": Conclusion.SUCCESS,
    }
    mourner = bench.sink.job("mourner")
    assert "bad=failure/1\nsoft=success off=skipped\n" in mourner.log
    assert "the job is fine so far" in mourner.log


def test_a_foreign_action_ends_its_job_without_touching_the_network(bench: Bench) -> None:
    conclusion = bench.run(
        """
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo never
      - uses: actions/setup-python@v5
        if: false
  b:
    runs-on: windows-latest
    steps: [{run: echo never}]
  c:
    uses: alice/tool/.github/workflows/other.yml@main
  d:
    runs-on: ubuntu-latest
    container: alpine
    steps: [{run: echo never}]
  e:
    runs-on: ubuntu-latest
    strategy: {matrix: {x: []}}
    steps: [{run: echo never}]
"""
    )
    assert conclusion is Conclusion.FAILURE
    assert {job.conclusion for job in bench.sink.jobs} == {Conclusion.FAILURE}
    assert "Unable to resolve action actions/setup-python@v5" in bench.sink.job("a").log
    assert "no runner for windows-latest" in bench.sink.job("b").log
    assert "reusable workflow" in bench.sink.job("c").log
    assert "container" in bench.sink.job("d").log
    assert "does not contain any values" in bench.sink.job("e").log
    assert all(job.annotations for job in bench.sink.jobs)


def test_a_file_that_github_would_refuse_is_a_startup_failure(bench: Bench) -> None:
    for number, text in enumerate(
        [
            "on: push\njobs: {a: {needs: b, runs-on: x, steps: [{run: y}]}}",
            "on: push\npermissions: {workflows: write}\njobs: {a: {runs-on: x, steps: [{run: y}]}}",
            "on: push\n: [",
            "on: push\nconcurrency: ${{ nonsense( }}\njobs: {a: {runs-on: x, steps: [{run: y}]}}",
        ],
        start=1,
    ):
        assert bench.run(text, run_id=number) is Conclusion.STARTUP_FAILURE
    assert bench.sink.jobs == []


def test_text_that_yaml_1_1_would_change_reaches_the_steps_as_written(bench: Bench) -> None:
    bench.run(
        """
on: workflow_dispatch
env: &shared
  ANSWER: yes
  MODE: 0755
  VERSION: 1.10
defaults: {run: {shell: "bash -eu {0}"}}
jobs:
  first:
    runs-on: ubuntu-latest
    steps: [{run: "true"}]
  a:
    needs: first
    runs-on: ubuntu-latest
    env: *shared
    steps:
      - run: |
          printf '%s\\n' "$ANSWER $MODE $VERSION"   # trailing "quotes" and tabs\tstay
          cat <<'EOF'
            indented ${{ github.actor }}
          EOF
"""
    )
    log = bench.sink.job("a").log
    assert "  indented alice\n" in log
    assert "yes " in log
    assert "1.10" in log


def test_a_pull_request_from_elsewhere_runs_on_the_merge_commit_and_cannot_write(bench: Bench) -> None:
    text = """
on: pull_request
permissions: {contents: write, id-token: write, issues: read}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "${{ github.sha }} $GITHUB_SHA $GITHUB_REF ${{ github.head_ref }} ${{ github.base_ref }}"
"""
    merge = "f" * 40

    def pull(source: str, run_id: int) -> str:
        payload = {
            "number": 3,
            "pull_request": {
                "number": 3,
                "head": {"ref": "feat", "sha": "8" * 40, "repo": {"full_name": source}},
                "base": {"ref": "main", "sha": "1" * 40},
            },
        }
        bench.run(
            text,
            run_id,
            event="pull_request",
            payload=payload,
            ref="refs/pull/3/merge",
            merge_sha=merge,
        )
        return bench.sink.jobs[-1].log

    assert f"{merge} {merge} refs/pull/3/merge feat main" in pull("mallory/tool", 1)
    pull("alice/tool", 2)
    assert [job.permissions for job in bench.sink.jobs] == [
        {"contents": "read", "issues": "read"},
        {"contents": "write", "id-token": "write", "issues": "read"},
    ]


SIGNED = """
on: workflow_dispatch
permissions: {}
jobs:
  may:
    runs-on: ubuntu-latest
    permissions: {id-token: write}
    steps:
      - run: |
          echo "may <${ACTIONS_ID_TOKEN_REQUEST_URL-}> $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
          test "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" = "a.b=c'd"
          ! tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -F "a.b=c"
  all:
    runs-on: ubuntu-latest
    permissions: write-all
    steps:
      - run: test -n "$ACTIONS_ID_TOKEN_REQUEST_URL"
  not:
    runs-on: ubuntu-latest
    permissions: {contents: write}
    steps:
      - run: test -z "${ACTIONS_ID_TOKEN_REQUEST_URL-}${ACTIONS_ID_TOKEN_REQUEST_TOKEN-}"
"""


def test_only_a_job_with_the_permission_can_ask_for_a_token_and_its_log_shows_none(bench: Bench) -> None:
    bench.sink.id_token = ("http://127.0.0.1:9/idtoken?api-version=2.0", "a.b=c'd")
    assert bench.run(SIGNED) is Conclusion.SUCCESS, [job.log for job in bench.sink.jobs]
    assert "may <http://127.0.0.1:9/idtoken?api-version=2.0> ***" in bench.sink.job("may").log
