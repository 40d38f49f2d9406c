"""What the App does that may start workflows, for an attempt's configuration."""

from __future__ import annotations

from patch_app.core import configuration, deeds
from patch_app.core.workflow_events import CHAIN, Deed
from tests.core import samples

CHANNELS = """
[channels.public]
tag = "fork-{tag}"
suffix = "-r{n}"
[channels.internal]
workflow = "stage.yml"
"""


def told(text: str = "", **more: str) -> set[tuple[str, str, str, str]]:
    attempt = samples.carried().model_copy(update={"configuration": configuration.parse(text), **more})
    return {(one.event, one.branch, one.tag, one.path) for one in deeds.of_candidate(attempt)}


def test_the_branches_the_pull_request_and_the_promotion_are_deeds() -> None:
    attempt = samples.carried()
    base, maintenance = f"base/main/{attempt.tag}", f"maintenance/main/{attempt.tag}"
    found = told()
    assert {
        ("push", f"patch-app/{maintenance}", "", ""),
        ("create", f"patch-app/{maintenance}", "", ""),
        ("pull_request", f"patch-app/{base}", "", ""),
        ("pull_request_review", f"patch-app/{base}", "", ""),
        ("push", "main", "", ""),
        ("push", "", f"patch-app/main/{attempt.tag}", ""),
        ("create", "", f"patch-app/main/{attempt.tag}", ""),
        ("deployment_status", "", "", ""),
    } <= found
    assert not any(
        event == "workflow_dispatch" or branch.startswith("patch-app/landing") for event, branch, *_ in found
    )
    target = deeds.of_target(attempt)
    assert Deed(event="push", branch=f"patch-app/{base}") in target
    assert Deed(event="pull_request_target", branch=f"patch-app/{base}") in target
    assert not any(one.branch == "main" for one in target)


def test_a_landing_is_a_deed_where_the_fork_has_one() -> None:
    found = told('[promotion]\nmove = "pull-request"\n')
    assert ("pull_request", "main", "", "") in found
    assert any(event == "push" and branch.startswith("patch-app/landing/") for event, branch, *_ in found)


def test_channels_are_deeds() -> None:
    tag = samples.carried().tag
    found = told(CHANNELS)
    assert ("push", "", f"fork-{tag}", "") in found
    assert ("push", "", f"fork-{tag}-r1", "") in found
    assert ("workflow_dispatch", "", "", ".github/workflows/stage.yml") in found


def test_what_the_default_branch_alone_starts_counts_where_the_stack_is_on_it() -> None:
    chain = (CHAIN.event, "", "", "")
    assert chain in told(default_branch="main")
    assert chain in told(default_branch="")
    assert chain not in told(default_branch="develop")
