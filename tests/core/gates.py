"""A fork's workflow files before and after a release, for the tests of the workflow gate."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from patch_app.core.gate import Branch, Default, Finding, findings
from patch_app.core.workflow_events import ANY, CHAIN, Deed
from patch_app.core.workflow_files import Broken
from patch_app.github import yaml_text

BASE = "patch-app/base/main/v1.1.0"
MAINTENANCE = "patch-app/maintenance/main/v1.1.0"
TAG = "patch-app/main/v1.1.0"
REVIEWED = ("pull_request", "pull_request_review", "pull_request_review_comment")
WHEREVER = (Deed(event="deployment"), Deed(event="deployment_status"), ANY)
CANDIDATE = (
    Deed(event="push", branch=MAINTENANCE),
    Deed(event="create", branch=MAINTENANCE),
    *(Deed(event=event, branch=BASE) for event in REVIEWED),
    Deed(event="push", branch="main"),
    Deed(event="push", tag=TAG),
    Deed(event="create", tag=TAG),
    *WHEREVER,
    CHAIN,
    Deed(event="delete"),
)
TARGET = (
    Deed(event="push", branch=BASE),
    Deed(event="create", branch=BASE),
    Deed(event="pull_request_target", branch=BASE),
    *WHEREVER,
)
FOLDER = ".github/workflows/"
CI = f"{FOLDER}ci.yml"

# an ordinary fork: tests with nothing to lose, a release with secrets, things that are called
FILES = {
    "ci.yml": """
        name: CI
        on:
          push: {branches: [main, "release/**"]}
          pull_request:
        permissions: {contents: read}
        env: {LEVEL: high}
        jobs:
          test:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: {os: [ubuntu-latest, windows-2025], include: [{os: macos-15}]}}
            steps:
              - uses: actions/checkout@v4
              - run: make test
    """,
    "publish.yml": """
        name: Publish
        on:
          push: {branches: [main], paths: ["src/**"]}
          pull_request: {branches: ["patch-app/**"]}
          workflow_dispatch: {inputs: {where: {default: staging}}}
        permissions: {contents: read}
        jobs:
          version:
            runs-on: ubuntu-latest
            outputs: {number: "${{ steps.n.outputs.n }}"}
            steps: [{id: n, run: echo n=1}]
          publish:
            needs: version
            if: github.ref == 'refs/heads/main'
            runs-on: ubuntu-latest
            container: {image: "node:20"}
            services: {db: {image: "postgres:16"}}
            env: {KEY: "${{ secrets.KEY }}", NUMBER: "${{ needs.version.outputs.number }}"}
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/setup
              - run: make publish
    """,
    "deploy.yml": """
        name: Deploy
        on: [push, pull_request]
        permissions: {}
        jobs:
          call:
            uses: ./.github/workflows/called.yml
            with: {runner: ubuntu-latest}
            secrets: inherit
          comment:
            runs-on: ubuntu-latest
            permissions: {pull-requests: write}
            steps: [{run: comment}]
    """,
    "called.yml": """
        on:
          workflow_call:
            inputs: {runner: {type: string, default: ubuntu-latest}, place: {type: string, default: dev}}
        permissions: {}
        jobs:
          inner:
            runs-on: ${{ inputs.runner }}
            steps: [{run: "deploy ${{ inputs.place }}"}]
    """,
    "other.yml": """
        on: workflow_call
        permissions: {}
        jobs:
          inner:
            runs-on: ubuntu-latest
            steps: [{run: "send everything"}]
    """,
    "place.yml": """
        on: pull_request
        permissions: {}
        jobs:
          place:
            runs-on: ubuntu-latest
            environment: ${{ matrix.place }}
            strategy: {matrix: {place: [dev]}}
            steps: [{run: place}]
          where:
            runs-on: ${{ matrix.c.os }}
            strategy: {matrix: {c: [{os: ubuntu-latest}]}}
            steps: [{run: where}]
          rows:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: {include: "${{ fromJSON(vars.ROWS) }}"}}
            steps: [{run: rows}]
          pushed:
            if: github.event_name == 'push'
            runs-on: ubuntu-latest
            permissions: {packages: write}
            steps: [{run: pushed}]
          pulled:
            runs-on: ubuntu-latest
            steps: [{run: pulled}]
    """,
    "nightly.yml": """
        on: {schedule: [{cron: "0 0 * * *"}]}
        permissions: {}
        jobs:
          nightly:
            runs-on: ubuntu-latest
            environment: nightly
            steps: [{run: nightly}]
    """,
    "after.yml": """
        on: {workflow_run: {workflows: [Nobody], types: [completed]}}
        permissions: {}
        jobs:
          after:
            runs-on: ubuntu-latest
            env: {KEY: "${{ secrets.AFTER }}"}
            steps: [{run: after}]
    """,
}
ACTIONS = {
    ".github/actions/setup/action.yml": """
        runs:
          using: composite
          steps: [{uses: ./.github/actions/deep}, {run: echo, shell: bash}]
    """,
    ".github/actions/deep/action.yaml": "runs: {using: docker, image: Dockerfile}",
    ".github/actions/deep/Dockerfile": "FROM scratch",
}


def parsed(text: str) -> Any:
    return yaml_text.document(dedent(text))


def tree(**changed: str | None) -> dict[str, Any]:
    """The fork's files, some of them with another text, or none."""
    texts = {f"{FOLDER}{name}": text for name, text in FILES.items()} | ACTIONS
    for name, text in changed.items():
        if text is None:
            del texts[name]
        else:
            texts[name] = text
    return {path: text if path.endswith("Dockerfile") else parsed(text) for path, text in texts.items()}


def edited(name: str, old: str, new: str) -> dict[str, Any]:
    """The fork's files with one place of one of them changed."""
    path = name if name in ACTIONS else f"{FOLDER}{name}"
    text = ACTIONS.get(name) or FILES[name]
    assert text.count(old) == 1, (name, old)
    return tree(
        **{path: dedent(text).replace(dedent(old), dedent(new)) if "\n" in old else text.replace(old, new)}
    )


def with_file(text: str, name: str = "new.yml") -> dict[str, Any]:
    """The fork's files and one more."""
    return tree(**{f"{FOLDER}{name}": text})


def asks(
    after: dict[str, Any], before: dict[str, Any] | None = None, default: Default = Default.UNKNOWN
) -> tuple[Finding, ...]:
    """What the gate finds where the candidate, and upstream's release, have the files `after`."""
    known = tree() if before is None else before
    return findings(
        [known],
        Branch(files=after, deeds=CANDIDATE),
        Branch(files=after, deeds=TARGET),
        default=default,
    )


def alone(text: str, path: str = CI) -> dict[str, Any]:
    """Files with just one workflow."""
    return {path: parsed(text)}


BROKEN = Broken(reason="line 3: no YAML", blob="0" * 40)
