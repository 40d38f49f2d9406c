"""What asks at the workflow gate, and what doesn't: jobs that would run because of the App, and with what."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import gate, names
from patch_app.core.gate import Branch, Broken, Default, Finding, What, findings, to_read
from patch_app.core.workflow_events import Deed
from tests.core.gates import (
    BROKEN,
    CANDIDATE,
    CI,
    FILES,
    FOLDER,
    TARGET,
    alone,
    asks,
    edited,
    parsed,
    tree,
    with_file,
)

Files = dict[str, Any]
MINE = ".github/actions/setup/action.yml"
DEEP = ".github/actions/deep/Dockerfile"


def test_unchanged_files_ask_nothing() -> None:
    assert asks(tree()) == ()


def job(body: str, on: str = "pull_request", top: str = "permissions: {}") -> Files:
    """The fork's files and one that has one job."""
    return with_file(f"on: {on}\n{top}\njobs: {{x: {{runs-on: ubuntu-latest, steps: [{{run: x}}], {body}}}}}")


def bare(body: str, on: str = "pull_request", top: str = "permissions: {}") -> Files:
    return with_file(f"on: {on}\n{top}\njobs: {{x: {{{body}}}}}")


# the issue's own, then what else could run with something to lose
ASKS: dict[str, Callable[[], Files]] = {
    "a job with a secret lost its `if` and runs something else": lambda: with_file(
        "on: pull_request\npermissions: {}\njobs: {publish: {runs-on: ubuntu-latest, "
        'env: {KEY: "${{ secrets.KEY }}"}, steps: [{run: steal}]}}',
        "publish.yml",
    ),
    "a job's `if` was dropped": lambda: edited(
        "publish.yml", "            if: github.ref == 'refs/heads/main'", ""
    ),
    "a job's `run` was changed": lambda: edited("publish.yml", "make publish", "make steal"),
    "an environment hangs on a matrix": lambda: edited("place.yml", "[dev]", "[production]"),
    "a matrix of its own names the fork's runner": lambda: edited(
        "place.yml", "{os: ubuntu-latest}", "{os: box}"
    ),
    "a job runs on rows that can't be resolved": lambda: edited("place.yml", "{run: rows}", "{run: steal}"),
    "an environment hangs on an input's default": lambda: job("environment: '${{ inputs.e }}'"),
    "a runner hangs on an input's default": lambda: edited(
        "called.yml", "type: string, default: ubuntu-latest", "type: string, default: gpu-box"
    ),
    "a runner hangs on an expression": lambda: bare("runs-on: '${{ fromJSON(env.X) }}', steps: []"),
    "a runner hangs on a row that can't be resolved": lambda: bare(
        "runs-on: '${{ matrix.os }}', steps: [], strategy: {matrix: {os: [ubuntu-latest], "
        "include: '${{ fromJSON(vars.ROWS) }}'}}"
    ),
    "a row names the fork's own runner": lambda: bare(
        "runs-on: '${{ matrix.c.os }}', steps: [], strategy: {matrix: {c: [{os: ubuntu-latest}, {os: box}]}}"
    ),
    "a caller was switched to another local workflow": lambda: edited(
        "deploy.yml", "workflows/called.yml", "workflows/other.yml"
    ),
    "permissions were moved to a job that a pull request starts": lambda: with_file(
        FILES["place.yml"]
        .replace("permissions: {packages: write}", "permissions: {}")
        .replace(
            "steps: [{run: pulled}]", "steps: [{run: pulled}]\n            permissions: {packages: write}"
        ),
        "place.yml",
    ),
    "permissions were given to a job": lambda: edited(
        "ci.yml",
        "runs-on: ${{ matrix.os }}",
        "runs-on: ${{ matrix.os }}\n            permissions: {pull-requests: write}",
    ),
    "permissions were moved to the whole workflow": lambda: edited(
        "ci.yml", "permissions: {contents: read}", "permissions: {contents: write}"
    ),
    # twenty more, and then some
    "a workflow that is called does something else": lambda: edited(
        "called.yml", '"deploy ${{ inputs.place }}"', '"steal ${{ inputs.place }}"'
    ),
    "a local action does something else": lambda: edited(MINE, "run: echo", "run: steal"),
    "a local action behind a local action does": lambda: edited(DEEP, "FROM scratch", "FROM evil"),
    "the container is another": lambda: edited("publish.yml", '"node:20"', '"evil:20"'),
    "a service is another": lambda: edited("publish.yml", '"postgres:16"', '"evil:16"'),
    "the workflow's `env` was changed": lambda: edited(
        "deploy.yml", "permissions: {}", "env: {BASH_ENV: ./evil}\n        permissions: {}"
    ),
    "the workflow's shell was changed": lambda: edited(
        "deploy.yml",
        "permissions: {}",
        "defaults: {run: {shell: 'evil {0}'}}\n        permissions: {}",
    ),
    "a matrix was added": lambda: edited(
        "deploy.yml",
        "steps: [{run: comment}]",
        "steps: [{run: comment}]\n            strategy: {matrix: {a: [b]}}",
    ),
    "an action was moved to another version": lambda: edited(
        "publish.yml", "actions/checkout@v4", "actions/checkout@v5"
    ),
    "the job whose output it uses was changed": lambda: edited("publish.yml", "run: echo n=1", "run: evil"),
    "what a job is called with was changed": lambda: edited(
        "deploy.yml", "runner: ubuntu-latest", "runner: ubuntu-latest, place: production"
    ),
    "a filter on branches was dropped": lambda: edited("publish.yml", "{branches: [main], paths:", "{paths:"),
    "a filter on paths was dropped": lambda: edited("publish.yml", ', paths: ["src/**"]', ""),
    "a filter on paths was widened": lambda: edited("publish.yml", '["src/**"]', '["**"]'),
    "a job by the clock now runs for a pull request": lambda: edited(
        "nightly.yml", 'on: {schedule: [{cron: "0 0 * * *"}]}', "on: [schedule, pull_request]"
    ),
    "a job by hand alone now runs for a pull request": lambda: edited(
        "nightly.yml", 'on: {schedule: [{cron: "0 0 * * *"}]}', "on: [workflow_dispatch, pull_request]"
    ),
    "a workflow now runs behind one that a push starts": lambda: edited("after.yml", "[Nobody]", "[CI]"),
    "a workflow runs behind the App's own": lambda: edited("after.yml", "[Nobody]", "[patch maintenance]"),
    "a workflow runs behind one that runs behind one": lambda: with_file(
        "name: Nobody\non: {workflow_run: {workflows: [Deploy]}}\njobs: {x: {runs-on: ubuntu-latest}}"
    ),
    "a secret": lambda: job("env: {K: '${{ secrets.K }}'}"),
    "a secret in odd letters": lambda: job("env: {K: \"${{ SECRETS [ 'k' ] }}\"}"),
    "a secret in an `if` without braces": lambda: job("if: secrets.K != ''"),
    "a secret of the whole workflow": lambda: job("", top="env: {K: '${{ secrets.K }}'}\npermissions: {}"),
    "all secrets": lambda: job("env: {K: '${{ toJSON(secrets) }}'}"),
    "a secret whose name is put together": lambda: job("env: {K: \"${{ secrets[format('A{0}', 'B')] }}\"}"),
    "a secret behind braces in quotes": lambda: job("env: {K: \"${{ format('}}', secrets.HIDDEN) }}\"}"),
    "a secret in an expression without its end": lambda: job("env: {K: '${{ secrets.K'}"),
    "a secret in a key": lambda: job("env: {'${{ secrets.K }}': x}"),
    "a secret for a container": lambda: job(
        "container: {image: x, credentials: {password: '${{ secrets.P }}'}}"
    ),
    "a secret after a merge key": lambda: with_file(
        "x: &x {env: {K: '${{ secrets.K }}'}}\non: push\npermissions: {}\n"
        "jobs: {a: {<<: *x, runs-on: ubuntu-latest}}"
    ),
    "permissions after a merge key": lambda: with_file(
        "x: &x {permissions: write-all}\non: push\n"
        "jobs: {a: {<<: *x, permissions: {}, runs-on: ubuntu-latest}}"
    ),
    "an environment": lambda: job("environment: production"),
    "an environment with a name that can't be read": lambda: job("environment: {url: x}"),
    "OIDC": lambda: job("permissions: {id-token: write}"),
    "write permission of the job": lambda: job("permissions: {packages: write}"),
    "write permission of the workflow": lambda: job("", top="permissions: write-all"),
    "permissions in capitals": lambda: job("", top="PERMISSIONS: {Contents: Write}"),
    "a level of permission that nobody knows": lambda: job("permissions: {contents: admin}"),
    "no permissions, and the default can't be read": lambda: job("", top=""),
    "permissions with nothing behind it": lambda: job("", top="permissions:"),
    "the fork's own runner": lambda: bare("runs-on: [self-hosted, linux], steps: []"),
    "a group of runners": lambda: bare("runs-on: {group: big, labels: ubuntu-latest}, steps: []"),
    "a label that is nobody's": lambda: bare("runs-on: ubuntu-99.04, steps: []"),
    "no runner": lambda: bare("runs-on: [], steps: []"),
    "a workflow of another repository": lambda: bare("uses: o/r/.github/workflows/x.yml@v1"),
    "a local workflow that isn't there": lambda: bare("uses: ./.github/workflows/gone.yml"),
    "a workflow outside of the repository": lambda: bare("uses: ./../../x.yml"),
    "workflows that call each other": lambda: bare("uses: ./.github/workflows/new.yml"),
    "a local action that isn't there": lambda: bare(
        "runs-on: ubuntu-latest, environment: x, steps: [{uses: ./.github/actions/gone}]"
    ),
    "a job by creation of a branch": lambda: job("environment: x", on="create"),
    "a job by a push to any branch": lambda: job("environment: x", on="push"),
    "a job by a push to the maintained branch": lambda: job(
        "environment: x", on="{push: {branches: [main]}}"
    ),
    "a job by the candidate's tag": lambda: job("environment: x", on="{push: {tags: ['**']}}"),
    "a job by upstream's commit on the base branch": lambda: job(
        "environment: x", on="{push: {branches: ['patch-app/base/**']}}"
    ),
    "a job by a pull request's target": lambda: job("environment: x", on="pull_request_target"),
    "a job by a review": lambda: job("environment: x", on="pull_request_review"),
    "a job by a comment in the diff": lambda: job("environment: x", on="pull_request_review_comment"),
    "a job by the pull request's end": lambda: job("environment: x", on="{pull_request: {types: [closed]}}"),
    "a job by a deployment of somebody's": lambda: job("environment: x", on="deployment_status"),
    "a job by the end of the App's branches": lambda: job("environment: x", on="delete"),
    "a job by an event that isn't known": lambda: job("environment: x", on="some_new_event"),
    "a job by a filter that is empty": lambda: job("environment: x", on="{push: {branches: }}"),
    "an `if` that only looks as if it were never": lambda: job('environment: x, if: "${{ false }}}}"'),
    "an `if` that is a text by its line's end": lambda: job('environment: x, if: "${{ false }}\\n"'),
    "a file that can't be parsed": lambda: {**tree(), f"{FOLDER}x.yml": BROKEN},
    "a file without `on`": lambda: with_file("jobs: {x: {runs-on: ubuntu-latest}}"),
    "a file with a trigger of no form": lambda: with_file(
        "on: [[push]]\njobs: {x: {runs-on: ubuntu-latest}}"
    ),
    "two keys that differ in case": lambda: with_file(
        "on: push\nOn: push\npermissions: {}\njobs: {x: {runs-on: ubuntu-latest}}"
    ),
    "a file by the name of the old kind": lambda: with_file(
        "on: push\njobs: {x: {runs-on: ubuntu-latest, environment: x}}", "X.YAML"
    ),
    "more files than can be looked at": lambda: {
        **tree(),
        ".github/workflows": Broken(reason="more than 300 workflow and action files"),
    },
}


@pytest.mark.parametrize("way", ASKS)
def test_what_would_run_with_something_to_lose_and_is_not_known_asks(way: str) -> None:
    assert asks(ASKS[way]())


HARMLESS: dict[str, Callable[[], Files]] = {
    "a new job with nothing worth having": lambda: job("name: lint"),
    "a new file with nothing worth having": lambda: job("permissions: {contents: read}", on="push"),
    "a test does something else": lambda: edited("ci.yml", "make test", "make test lint"),
    "a test uses a newer action": lambda: edited("ci.yml", "actions/checkout@v4", "actions/checkout@v5"),
    "a test uses an action of somebody new": lambda: edited(
        "ci.yml", "actions/checkout@v4", "some/action@main"
    ),
    "a test runs on another machine of GitHub's": lambda: edited(
        "ci.yml", "windows-2025", "ubuntu-24.04-arm"
    ),
    "a test runs in another container": lambda: job("container: evil"),
    "a test reads the token that reads": lambda: job(
        "env: {T: '${{ secrets.GITHUB_TOKEN }} ${{ github.token }}'}"
    ),
    "the word secrets, and no secret": lambda: job(
        "env: {A: 'secrets.A', B: \"${{ 'secrets.B' }} ${{ needs.secrets.x }}\"}"
    ),
    "a test with `contents: read` alone": lambda: edited("ci.yml", "{contents: read}", "read-all"),
    "a filter more": lambda: edited("publish.yml", '["src/**"]', '["src/**"], branches-ignore: [x]'),
    "a narrower filter on branches": lambda: edited(
        "ci.yml", '{branches: [main, "release/**"]}', "{branches: [main]}"
    ),
    "a trigger less": lambda: edited("deploy.yml", "[push, pull_request]", "push"),
    "a filter on paths more": lambda: edited("publish.yml", '"patch-app/**"]', '"patch-app/**"], paths: [x]'),
    "permissions less": lambda: edited("deploy.yml", "{pull-requests: write}", "{pull-requests: read}"),
    "a job less": lambda: edited(
        "deploy.yml",
        """
          comment:
            runs-on: ubuntu-latest
            permissions: {pull-requests: write}
            steps: [{run: comment}]
""",
        "\n",
    ),
    "a file less": lambda: tree(**{f"{FOLDER}publish.yml": None}),
    "other comments and spaces": lambda: edited(
        "publish.yml",
        "- run: make publish",
        "# publish it\n\n              -   run:   'make publish'   # now",
    ),
    "keys in another order": lambda: edited(
        "deploy.yml",
        """
            runs-on: ubuntu-latest
            permissions: {pull-requests: write}
            steps: [{run: comment}]
""",
        """
            steps: [{run: comment}]
            permissions:
              pull-requests: write
            runs-on: ubuntu-latest
""",
    ),
    "an alias in place of what it stands for": lambda: with_file(
        FILES["publish.yml"]
        .replace("name: Publish", "x: &c {uses: actions/checkout@v4}")
        .replace("- uses: actions/checkout@v4", "- *c"),
        "publish.yml",
    ),
    "a job by the clock does something else": lambda: edited("nightly.yml", "{run: nightly}", "{run: other}"),
    "a job by hand with secrets": lambda: job("environment: x", on="workflow_dispatch"),
    "a job by a release, an issue or a comment": lambda: job(
        "environment: x", on="[release, issues, issue_comment, repository_dispatch, schedule]"
    ),
    "a job for branches that the App doesn't make": lambda: job(
        "environment: x", on="{push: {branches: ['release/**']}, pull_request: {branches: [main]}}"
    ),
    "a job for tags that the App doesn't make": lambda: job("environment: x", on="{push: {tags: ['v*']}}"),
    "a job for a label": lambda: job("environment: x", on="{pull_request: {types: [labeled]}}"),
    "a job behind a workflow that nothing of ours starts": lambda: edited(
        "after.yml", "[Nobody]", "[Neither]"
    ),
    "a job that never runs": lambda: job("environment: x, if: false"),
    "a workflow that nobody calls": lambda: edited("other.yml", "send everything", "send more"),
    "a job that calls what has nothing": lambda: bare("uses: ./.github/workflows/other.yml"),
    "the name of a workflow and of its runs": lambda: edited("publish.yml", "name: Publish", "run-name: x"),
    "an input of a workflow that nothing of ours gives": lambda: edited(
        "publish.yml", "default: staging", "default: production"
    ),
    "a test whose action isn't there": lambda: job("name: x, env: {}, timeout-minutes: 1"),
    "a file that GitHub takes for no workflow": lambda: {
        **tree(),
        f"{FOLDER}sub/x.yml": parsed("on: push\njobs: {x: {runs-on: box}}"),
        "x.yml": parsed("on: push\njobs: {x: {runs-on: box}}"),
    },
    "a file with another name": lambda: {
        (f"{FOLDER}renamed.yaml" if path.endswith("publish.yml") else path): one
        for path, one in tree().items()
    },
    "a called file with another ending that nobody calls": lambda: {
        (f"{FOLDER}other.yaml" if path.endswith("other.yml") else path): one for path, one in tree().items()
    },
}


@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_by_which_nothing_is_to_lose_does_not_ask(change: str) -> None:
    assert asks(HARMLESS[change]()) == ()


def test_what_is_found_says_the_job_what_it_has_what_starts_it_and_how_it_differs() -> None:
    (found,) = asks(edited("deploy.yml", "{run: comment}", "{run: '# @alice ```'}"))
    assert (found.path, found.job, found.what) == (f"{FOLDER}deploy.yml", "comment", What.CHANGED)
    assert found.detail == "permission pull-requests: write"
    assert f"push ({'patch-app/maintenance/main/v1.1.0'})" in found.starts
    assert "-      - run: comment" in found.difference.split("\n")
    assert "+      - run: # @alice ```" in found.difference.split("\n")
    text = gate.written([found])
    assert "`````" not in text
    assert text.count("````diff") == 1


def test_a_new_job_is_shown_whole() -> None:
    (found,) = asks(job("env: {K: '${{ secrets.K }}'}"))
    assert (found.what, found.job, found.detail) == (What.JOB, "x", "secret K")
    assert "+    runs-on: ubuntu-latest" in found.difference.split("\n")


def test_an_unchanged_job_that_gets_more_or_is_started_by_more_says_so() -> None:
    (found,) = asks(edited("ci.yml", "{contents: read}", "{contents: write}"))
    assert (found.what, found.detail) == (
        What.PERMISSION,
        "had before: nothing; now: permission contents: write",
    )
    (found,) = asks(edited("nightly.yml", 'on: {schedule: [{cron: "0 0 * * *"}]}', "on: pull_request"))
    assert (found.what, found.detail) == (What.TRIGGER, "environment nightly")
    assert found.starts == ("pull_request (into patch-app/base/main/v1.1.0)",)


def test_a_job_that_is_called_is_told_with_its_caller() -> None:
    (found,) = asks(edited("called.yml", '"deploy ', '"steal '))
    assert (found.path, found.job) == (f"{FOLDER}deploy.yml", "call / inner")


def test_the_default_permissions_count_where_they_can_be_read() -> None:
    silent = alone("on: push\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: a}]}}")
    other = alone("on: push\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: b}]}}")
    assert asks(silent, silent) == ()
    assert asks(other, silent)
    assert asks(other, silent, Default.WRITE)
    assert asks(other, silent, Default.READ) == ()
    said = alone(
        "on: push\npermissions: {issues: write}\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: a}]}}"
    )
    assert asks(said, silent)
    assert asks(said, silent, Default.WRITE) == ()
    assert asks(said, silent, Default.READ)
    oidc = alone(
        "on: push\npermissions: {id-token: write}\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: a}]}}"
    )
    assert asks(oidc, silent, Default.WRITE)


def test_everything_covers_each() -> None:
    every = alone("on: push\npermissions: write-all\njobs: {x: {runs-on: ubuntu-latest}}")
    some = alone("on: push\npermissions: {id-token: write}\njobs: {x: {runs-on: ubuntu-latest}}")
    assert asks(some, every) == ()
    assert asks(every, some)


def test_what_a_caller_may_not_do_a_called_workflow_may_not() -> None:
    called = f"{FOLDER}called.yml"
    inner = {
        called: parsed(
            "on: workflow_call\npermissions: {contents: write}\njobs: {i: {runs-on: ubuntu-latest}}"
        )
    }
    calls = "on: push\npermissions: {PERMISSIONS}\njobs: {x: {uses: ./.github/workflows/called.yml}}"
    assert asks({**alone(calls.replace("{PERMISSIONS}", "{contents: read}")), **inner}, {}) == ()
    assert asks({**alone(calls.replace("{PERMISSIONS}", "{contents: write}")), **inner}, {})
    assert asks({**alone(calls.replace("{PERMISSIONS}", "write-all")), **inner}, {})


def test_a_called_workflow_gets_no_secret_that_its_caller_does_not_give() -> None:
    called = f"{FOLDER}called.yml"
    inner = {
        called: parsed(
            "on: workflow_call\npermissions: {}\n"
            "jobs: {i: {runs-on: ubuntu-latest, env: {K: '${{ secrets.K }}'}}}"
        )
    }
    calls = "on: push\npermissions: {}\njobs: {x: {uses: ./.github/workflows/called.yml, with: {a: b}MORE}}"
    assert asks({**alone(calls.replace("MORE", "")), **inner}, {}) == ()
    assert asks({**alone(calls.replace("MORE", ", secrets: {K: x}")), **inner}, {})
    assert asks({**alone(calls.replace("MORE", ", secrets: inherit")), **inner}, {})


def test_only_what_is_done_with_a_branch_counts_for_its_files() -> None:
    only = alone("on: pull_request_target\njobs: {x: {runs-on: ubuntu-latest, environment: e}}")
    assert findings([{}], Branch(files=only, deeds=CANDIDATE)) == ()
    assert findings([{}], Branch(files=only, deeds=TARGET))
    merged = alone("on: {push: {branches: [main]}}\njobs: {x: {runs-on: ubuntu-latest, environment: e}}")
    assert findings([{}], Branch(files=merged, deeds=CANDIDATE))
    assert findings([{}], Branch(files=merged, deeds=TARGET)) == ()


def test_the_internal_channel_starts_its_workflow_alone() -> None:
    deeds = (Deed(event="workflow_dispatch", path=CI),)
    text = "on: workflow_dispatch\njobs: {x: {runs-on: ubuntu-latest, environment: e}}"
    assert findings([{}], Branch(files=alone(text), deeds=deeds))
    assert findings([{}], Branch(files=alone(text, f"{FOLDER}other.yml"), deeds=deeds)) == ()


def test_what_one_of_several_branches_has_is_known() -> None:
    new = job("environment: x")
    assert findings([tree(), new], Branch(files=new, deeds=CANDIDATE)) == ()


def test_everything_that_would_start_is_told_where_it_is_asked_for() -> None:
    new = edited("ci.yml", "make test", "make lint")
    (found,) = findings([tree()], Branch(files=new, deeds=CANDIDATE), every=True)
    assert (found.what, found.job, found.detail) == (What.CHANGED, "test", "nothing worth having")
    assert findings([tree()], Branch(files=tree(), deeds=CANDIDATE), every=True) == ()


def test_the_app_s_own_workflow_must_not_differ() -> None:
    own = ".github/workflows/patch-maintenance.yml"
    text = "on: workflow_dispatch\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: a}]}}"
    before = alone(text, own)
    (found,) = asks(alone(text.replace("run: a", "run: b"), own), before)
    assert (found.what, found.detail) == (What.FILE, "this is the App's own workflow, and it differs")
    assert asks({}, before) == ()


def test_a_broken_file_asks_but_for_the_very_same_one() -> None:
    assert asks({CI: BROKEN}, {CI: BROKEN}) == ()
    assert asks({f"{FOLDER}renamed.yml": BROKEN}, {CI: BROKEN}) == ()
    assert asks({CI: Broken(reason="too large")}, {CI: Broken(reason="too large")})


def test_a_broken_action_asks_where_a_job_has_something() -> None:
    broken = {**tree(), ".github/actions/setup/action.yml": Broken(reason="no YAML", blob="0" * 40)}
    assert asks(broken, broken)
    text = "on: push\npermissions: {}\njobs: {x: {runs-on: ubuntu-latest, steps: [{uses: ./gone}]}}"
    assert asks(alone(text), {}) == ()


@pytest.mark.parametrize(
    "text",
    ["[]", "x", "{}", "on: push", "on: push\njobs: []", "on: 1\njobs: {a: 1}", "", "on: \njobs: {a: {}}"],
)
def test_a_file_of_another_form_asks(text: str) -> None:
    assert asks(alone(text), {})
    assert asks(alone(text), alone(text)) == ()


def test_a_document_that_never_ends_asks() -> None:
    endless: dict[str, Any] = {"on": "push", "jobs": {}}
    endless["jobs"]["x"] = endless
    assert [one.detail for one in asks({CI: endless})] == ["it is too large or deep"]
    laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
    )
    assert [one.detail for one in asks(alone(laughs))] == ["it is too large or deep"]
    long = "x" * 100_000
    words = f"a: &a '{long}'\non: push\njobs: {{x: {{env: [{','.join(['*a'] * 1000)}]}}}}"
    assert [one.detail for one in asks(alone(words))] == ["it is too large or deep"]


def test_workflows_that_call_many_times_ask() -> None:
    calls = ", ".join(f"j{n}: {{uses: ./.github/workflows/NEXT}}" for n in range(9))
    files = {
        f"{FOLDER}l{level}.yml": parsed(
            f"on: [push, workflow_call]\njobs: {{{calls.replace('NEXT', f'l{level + 1}.yml')}}}"
        )
        for level in range(8)
    }
    began = time.perf_counter()
    assert any("more jobs than can be looked at" in one.detail for one in asks(files))
    assert time.perf_counter() - began < 20


def test_two_hundred_files_are_looked_at_quickly() -> None:
    text = "on: [push, pull_request]\njobs:\n" + "".join(
        f"  j{n}:\n    runs-on: ubuntu-latest\n    env: {{K: '${{{{ secrets.K{n} }}}}'}}\n    steps:\n"
        + "".join(f"      - run: make {n} {step}\n" for step in range(10))
        for n in range(5)
    )
    before = {f"{FOLDER}w{n}.yml": parsed(text) for n in range(200)}
    after = {path: parsed(text.replace("make ", f"make {n} ")) for n, path in enumerate(before)}
    began = time.perf_counter()
    found = asks(after, before)
    assert len(found) == gate.MAX_FINDINGS + 1
    assert "more like these" in found[-1].detail
    assert time.perf_counter() - began < 20
    assert sum(len(one.difference) for one in found) < 20_000


def test_what_is_to_be_read_next_is_said() -> None:
    files = {path: one for path, one in tree().items() if path.startswith(FOLDER)}
    assert to_read(files) == (".github/actions/setup",)
    assert to_read(tree()) == ()
    assert to_read({**files, ".github/actions/setup/Dockerfile": "FROM x"}) == ()


def test_findings_are_shown_as_text_that_they_cannot_leave() -> None:
    assert gate.written([]) == ""
    found = Finding(
        path="a|b`",
        what=What.SECRET,
        detail="x\n\n# @bob | `",
        job="</summary>@bob",
        difference="+</details>\n+```\n+@bob",
    )
    text = gate.written([found])
    table, _, rest = text.partition("<details>")
    assert table.count("\n") == 4
    assert "`</summary>@bob`" in table
    assert "@bob" not in table.replace("`</summary>@bob`", "")
    assert "</summary>@" not in rest
    assert "````diff\n+</details>\n+```\n+@bob\n````" in rest


def test_records_of_an_older_gate_can_still_be_read() -> None:
    assert Finding.model_validate({"path": CI, "what": "secret", "detail": "K"}).job == ""


# Whatever else may come ------------------------------------------------------------------------------

JSON = st.recursive(
    st.text(max_size=12)
    | st.sampled_from(["${{ secrets.X }}", "push", "write-all", "self-hosted", "./x", "a/b@c", "inherit"]),
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
WORKFLOW = st.fixed_dictionaries(
    {
        "on": st.sampled_from(["push", ["pull_request"], {"push": {"branches": ["**"]}}]),
        "jobs": st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.dictionaries(
                st.sampled_from(
                    ["runs-on", "permissions", "env", "uses", "needs", "if", "steps", "secrets", "strategy"]
                ),
                JSON,
            ),
            min_size=1,
        ),
    }
)


@given(JSON | WORKFLOW, JSON | WORKFLOW)
def test_any_document_gives_findings_and_against_itself_only_what_can_not_be_seen(
    one: Any, other: Any
) -> None:
    asks({CI: one}, {CI: other})
    to_read({CI: one})
    assert all(found.what is What.BROKEN for found in asks({CI: one}, {CI: one}))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [found for key in keys for found in [(value, key), *_places(value[key])]]


@given(st.integers(0, 10_000), st.sampled_from(["another", "gone"]))
def test_any_change_of_a_job_with_a_secret_asks(number: int, how: str) -> None:
    before, after = tree(), tree()
    job = after[f"{FOLDER}publish.yml"]["jobs"]["publish"]
    kept = (job["env"], "KEY")
    places = [one for one in _places(job) if not (one[0] is kept[0] and one[1] == "KEY" and how == "gone")]
    # without `env` it has nothing to lose
    places = [one for one in places if not (one[0] is job and one[1] == "env")]
    container, key = places[number % len(places)]
    if how == "gone":
        del container[key]
    else:
        container[key] = "${{ secrets.KEY }} another"
    assert asks(after, before)


def test_the_name_of_the_app_s_workflow_is_the_template_s() -> None:
    template = Path("workflow-templates") / names.WORKFLOW_PATH.rpartition("/")[2]
    assert f"name: {names.WORKFLOW_NAME}" in template.read_text().split("\n")
