"""Ways past the workflow gate that testers found: each asks."""

from __future__ import annotations

from typing import Any

from patch_app.core import configuration, deeds
from patch_app.core.gate import Branch, findings, to_read
from tests.core import samples
from tests.core.gates import CANDIDATE, FOLDER, TARGET, parsed

Files = dict[str, Any]


def files(**texts: str) -> Files:
    """Workflow files by their names without ending."""
    return {f"{FOLDER}{name}.yml": parsed(text) for name, text in texts.items()}


def asks(before: Files, after: Files) -> bool:
    branches = (Branch(files=after, deeds=CANDIDATE), Branch(files=after, deeds=TARGET))
    return bool(findings([before], *branches))


def started(on: str) -> Files:
    return files(
        x=f"on: {on}\npermissions: {{}}\n"
        "jobs: {x: {runs-on: ubuntu-latest, environment: p, steps: [{run: deploy}]}}"
    )


def test_a_job_at_the_end_of_a_pull_request_now_starts_at_its_opening() -> None:
    closed = started("{pull_request: {types: [closed]}}")
    assert asks(closed, started("{pull_request: {types: [opened, closed]}}"))
    assert asks(closed, started("pull_request"))
    assert not asks(started("pull_request"), started("{pull_request: {types: [opened]}}"))
    assert not asks(started("pull_request"), started("{pull_request: {types: [reopened, labeled, opened]}}"))
    assert not asks(closed, started("{pull_request: {types: closed}}"))


def test_a_job_behind_one_workflow_now_runs_behind_others() -> None:
    idle = "permissions: {}\njobs: {t: {runs-on: ubuntu-latest, steps: []}}"
    others = files(
        ci=f"name: CI\non: [push, pull_request]\n{idle}",
        rel=f"name: Release\non: {{push: {{branches: [main]}}}}\n{idle}",
    )
    narrow = "{workflow_run: {workflows: [Release], types: [completed], branches: [main]}}"
    before = others | started(narrow)
    assert asks(before, others | started(narrow.replace("[Release]", "[CI]")))
    assert asks(before, others | started(narrow.replace(", branches: [main]", "")))
    assert not asks(before, before)
    both = others | started(narrow.replace("[Release]", "[Release, CI]"))
    assert not asks(both, before)


def test_a_job_whose_output_is_used_is_needed_in_other_letters() -> None:
    text = (
        "on: push\npermissions: {}\njobs:\n"
        "  version: {runs-on: ubuntu-latest, outputs: {n: x}, steps: [{run: count}]}\n"
        "  publish: {needs: Version, runs-on: ubuntu-latest, environment: p, "
        "steps: [{run: 'publish ${{ needs.version.outputs.n }}'}]}\n"
    )
    assert asks(files(x=text), files(x=text.replace("count", "evil")))


ACTION = ".github/actions/a/action.yml"
COMPOSITE = "runs: {using: composite, steps: [{run: echo, shell: bash}]}"


def test_a_local_action_that_is_named_with_backslashes_does_something_else() -> None:
    step = "uses: '.\\.github\\actions\\a'"
    text = (
        "on: push\npermissions: {}\n"
        f"jobs: {{x: {{runs-on: windows-latest, environment: p, steps: [{{{step}}}]}}}}"
    )
    before = files(x=text) | {ACTION: parsed(COMPOSITE)}
    assert not asks(before, before)
    assert asks(before, files(x=text) | {ACTION: parsed(COMPOSITE.replace("echo", "steal"))})
    assert to_read(files(x=text)) == (".github/actions/a",)


def test_a_local_action_is_a_symbolic_link() -> None:
    text = (
        "on: push\npermissions: {}\n"
        "jobs: {x: {runs-on: ubuntu-latest, environment: p, steps: [{uses: ./.github/actions/a}]}}"
    )
    linked = files(x=text) | {ACTION: parsed("../../../shared.yml")}
    assert asks(linked, linked)


def test_the_end_of_a_landing_starts_the_candidates_own_files() -> None:
    at = samples.carried()
    after = started("{pull_request_target: {types: [closed], branches: [main]}}")
    for text, expected in (("", False), ('[promotion]\nmove = "pull-request"\n', True)):
        done = deeds.of_candidate(at.model_copy(update={"configuration": configuration.parse(text)}))
        assert bool(findings([{}], Branch(files=after, deeds=done))) is expected


def test_a_filter_by_a_class_that_may_mean_all_others_keeps_no_job_from_starting() -> None:
    for pattern in ("[!z]ain", "[^z]ain", "mai[!x]"):
        assert asks({}, started(f"{{push: {{branches: ['{pattern}']}}}}")), pattern
    assert not asks({}, started("{push: {branches: ['v[0-9]+']}}"))


def test_a_matrix_names_a_runner_twice_in_other_letters() -> None:
    for matrix in ("os: [ubuntu-latest], OS: [box]", "include: [{os: ubuntu-latest, OS: box}]"):
        text = (
            "on: push\npermissions: {}\njobs: {x: {runs-on: '${{ matrix.os }}', "
            f"strategy: {{matrix: {{{matrix}}}}}, steps: []}}}}"
        )
        assert asks({}, files(x=text)), matrix


def test_a_job_runs_behind_what_github_itself_runs_for_a_push() -> None:
    for name in ("CodeQL", "pages-build-deployment"):
        assert asks({}, started(f"{{workflow_run: {{workflows: [{name}], types: [completed]}}}}")), name


def test_a_local_action_is_built_from_a_file_of_another_name() -> None:
    text = (
        "on: push\npermissions: {}\n"
        "jobs: {x: {runs-on: ubuntu-latest, environment: p, steps: [{uses: ./.github/actions/a}]}}"
    )
    for image, expected in (
        ("Dockerfile.prod", True),
        ("../Dockerfile", True),
        ("./Dockerfile", False),
        ("docker://alpine:3", False),
    ):
        both = files(x=text) | {ACTION: parsed(f"runs: {{using: docker, image: '{image}'}}")}
        assert asks(both, both) is expected, image
