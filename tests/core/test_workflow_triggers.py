"""Whether the App's branches start a workflow, by GitHub's rules for `on` and its filters."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from patch_app.core.workflow_triggers import Ours, events, exposed, required

OURS = Ours(
    base="patch-app/base/main/v1.1.0",
    maintenance="patch-app/maintenance/main/v1.1.0",
    tag="patch-app/main/v1.1.0",
)
PATH = ".github/workflows/ci.yml"


def document(on: str, jobs: str = "{ci: {runs-on: ubuntu-latest}}", more: str = "") -> Any:
    return yaml.load(f"on: {on}\n{more}\njobs: {jobs}\n", Loader=yaml.BaseLoader)  # noqa: S506


@pytest.mark.parametrize(
    ("on", "started"),
    [
        ("push", ["push"]),
        ("[push, pull_request]", ["push", "pull_request"]),
        ("{push: , pull_request: }", ["push", "pull_request"]),
        ("{pull_request: {branches: [main]}}", []),
        ("{pull_request: {branches: main}}", []),
        ("{pull_request: {branches: ['**']}}", ["pull_request"]),
        ("{pull_request: {branches: ['*']}}", []),
        ("{pull_request: {branches: ['patch-app/**']}}", ["pull_request"]),
        ("{pull_request: {branches: ['patch-app/base/*/v1.?1.[0-9]']}}", ["pull_request"]),
        ("{pull_request: {branches: ['**', '!patch-app/**']}}", []),
        ("{pull_request: {branches: ['!patch-app/**', '**']}}", ["pull_request"]),
        ("{pull_request: {branches-ignore: [main]}}", ["pull_request"]),
        ("{pull_request: {branches-ignore: ['patch-app/**']}}", []),
        ("{pull_request: {types: [labeled]}}", []),
        ("{pull_request: {types: [labeled, opened]}}", ["pull_request"]),
        ("{pull_request: {paths: [docs/**]}}", ["pull_request"]),
        ("{push: {branches: [main]}}", []),
        ("{push: {branches: ['**/v1.1.0']}}", ["push"]),
        ("{push: {tags: ['v*']}}", []),
        ("{push: {tags: ['**']}}", ["push"]),
        ("{push: {branches: [main], tags: ['patch-app/**']}}", ["push"]),
        ("{push: {branches-ignore: ['patch-app/**']}}", []),
        ("{push: {branches: }}", ["push"]),
        ("{push: {branches-ignore: ['patch-app/[a-z]+/**']}}", ["push"]),
        ("{push: {branches-ignore: ['a?b?c?d?e?f?g?h?i?**']}}", ["push"]),
        ("{push: {branches: ['**', '!patch-app/[a-z]+/**']}}", ["push"]),
        ("{push: {branches: ['[z-a]x']}}", ["push"]),
        ("{pull_request: {branches: ['x?', '!x']}}", []),
        ("{PULL_REQUEST: {Branches: [main]}}", []),
        ("[workflow_dispatch, schedule, release, merge_group]", []),
        ("create", ["create"]),
        ("3", []),
        ("{pull_request: [x]}", ["pull_request"]),
    ],
)
def test_which_events_of_ours_start_a_workflow(on: str, started: list[str]) -> None:
    assert list(events(document(on), OURS)) == started


@pytest.mark.parametrize("broken", [None, "text", [], {"jobs": {}}, {"on": None}])
def test_a_file_of_no_known_form_is_started_by_nothing(broken: Any) -> None:
    assert list(events(broken, OURS)) == []
    assert exposed({PATH: broken}, OURS) == ()


def test_a_pattern_that_would_take_for_ever_is_taken_to_fit() -> None:
    began = time.perf_counter()
    for pattern in ("a" + "+" * 100, "**a" * 60, "[a-z]?" * 50, "*" * 500, "[z-a]x", "[", "\\"):
        list(events({"on": {"push": {"branches": [pattern]}}, "jobs": {}}, OURS))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("jobs", "more", "what"),
    [
        ("{a: {env: {K: '${{ secrets.KEY }}'}}}", "", ["the secret KEY"]),
        ("{a: {environment: x, env: {K: '${{ secrets.KEY }}'}}}", "", []),
        ("{a: {environment: {name: x}, permissions: {id-token: write}}}", "", []),
        ("{a: {runs-on: x}}", "env: {K: '${{ secrets.KEY }}'}", ["the secret KEY"]),
        ("{a: {environment: x}}", "env: {K: '${{ secrets.KEY }}'}", []),
        ("{a: {environment: x}, b: {runs-on: y}}", "permissions: {packages: write}", ["packages: write"]),
        ("{a: {permissions: {}}}", "permissions: {packages: write}", []),
        ("{a: {permissions: {id-token: write}}}", "", ["id-token: write"]),
        ("{a: {permissions: write-all}}", "", ["permission to publish (write-all)"]),
        ("{a: {uses: ./x.yml, secrets: inherit}}", "", ["all secrets"]),
        ("{a: {env: {K: '${{ secrets.GITHUB_TOKEN }}'}}}", "", []),
        ("{a: {permissions: {contents: write}}}", "", []),
    ],
)
def test_what_a_job_without_an_environment_has(jobs: str, more: str, what: list[str]) -> None:
    found = exposed({PATH: document("push", jobs, more)}, OURS)
    assert [list(one.what) for one in found] == ([what] if what else [])
    assert exposed({PATH: document("{push: {branches: [main]}}", jobs, more)}, OURS) == ()


@pytest.mark.parametrize(
    ("on", "jobs", "check", "made", "never"),
    [
        ("pull_request", "{ci: {}}", "ci", True, ""),
        ("{pull_request: {branches: [main]}}", "{ci: {}}", "ci", True, "branches that leave out"),
        ("{pull_request: {branches: [main]}, push: }", "{ci: {}}", "ci", True, ""),
        ("{push: {tags: ['**']}}", "{ci: {}}", "ci", True, "tags that leave out"),
        ("{push: {branches: ['patch-app/base/**']}}", "{ci: {}}", "ci", True, "leave out"),
        ("pull_request_target", "{ci: {}}", "ci", True, "pull_request_target alone"),
        ("workflow_dispatch", "{ci: {}}", "ci", True, "workflow_dispatch alone"),
        ("pull_request", "{x: {name: ci}}", "ci", True, ""),
        ("pull_request", "{x: {name: ci}}", "x", False, ""),
        ("pull_request", "{ci: {}}", "ci (3.12, linux)", True, ""),
        ("pull_request", "{ci: {}}", "ci / inner", True, ""),
        ("pull_request", "{ci: {name: 'test ${{ matrix.os }} now'}}", "test linux now", True, ""),
        ("pull_request", "{ci: {}}", "cid", False, ""),
        ("pull_request", "[]", "ci", False, ""),
    ],
)
def test_whether_a_required_check_would_start(on: str, jobs: str, check: str, made: bool, never: str) -> None:
    found = required(check, None, {PATH: document(on, jobs)}, OURS)
    assert (found.workflows == (PATH,)) is made
    assert bool(found.never) is bool(never)
    assert never in found.never


def test_a_required_check_of_another_workflow_file_is_not_made_by_this_one() -> None:
    files = {PATH: document("pull_request")}
    assert required("ci", ".github/workflows/other.yml", files, OURS).workflows == ()
    assert required("anything", PATH, files, OURS).workflows == (PATH,)
