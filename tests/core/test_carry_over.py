"""What is decided about a pull request that is carried over a promotion, and about offering it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from patch_app.core import carry_overs, names
from patch_app.core.attempt import Attempt, Landing, Run, Stage
from patch_app.core.carry_over import CarryOver, OpenPull
from patch_app.core.configuration import Configuration, Stack, Strategy
from patch_app.core.decide import decide
from patch_app.core.effects import Comment, Dispatch, EffectState, Performed, React, UpdateRefs, key
from patch_app.core.facts import Facts, PullFacts, Sibling, Workflow
from patch_app.core.gate import Finding
from patch_app.core.rules import Rules
from patch_app.core.workflow_files import What
from tests.core.world import APP, BASE, BLOB, CARRIED, HEAD, OTHER_BLOB, RUNNER, STACK, START, TARGET, oid
from tests.core.world import report as a_report

ID = "carryover001"
CANDIDATE = CARRIED[-1]
WORKFLOW = Workflow(
    blob=OTHER_BLOB,
    state="active",
    runner=RUNNER,
    expected_blob=BLOB,
    other_blob=OTHER_BLOB,
    expected_runner=RUNNER,
)


def over(**changed: Any) -> CarryOver:
    return CarryOver(
        **{
            "number": 7,
            "into": "main",
            "old": oid("old"),
            "promoted": "promoted0001",
            "branch": "topic",
            "repository": "alice/tool",
            "here": True,
            "person": "bob",
            "ask": "comment:1",
            "comment": 1,
            **changed,
        }
    )


def carrying(stage: Stage, **changed: Any) -> Attempt:
    return Attempt(
        **{
            "id": ID,
            "event": "event0000009",
            "installation_id": 1,
            "repository_id": 2,
            "repository": "alice/tool",
            "upstream": "up/tool",
            "tag": "v2.0.0",
            "stack": names.pull_ref(7),
            "carry_over": over(),
            "stage": stage,
            "target": TARGET,
            "base": BASE,
            "stack_head": HEAD,
            "candidate": CANDIDATE if stage is Stage.CARRIED else None,
            "report": a_report(ID) if stage is Stage.CARRIED else None,
            "runs": (Run(id=7, status="completed", url="https://github.com/alice/tool/actions/runs/7"),)
            if stage is Stage.CARRIED
            else (),
            "created": START,
            "updated": START,
            **changed,
        }
    )


def seen(*, head: str = HEAD, pull: dict[str, Any] | None = None, **changed: Any) -> Facts:
    known: dict[str, Any] = {"open": True, "head": head, "into": "main", "stands": True, "rules": Rules()}
    return Facts(
        **{
            "now": START + timedelta(seconds=5),
            "app_slug": APP,
            "refs": {"refs/heads/topic": head, "refs/heads/main": TARGET},
            "gate": (),
            "pull": PullFacts(**{**known, "default_branch": "main", "workflow": WORKFLOW, **(pull or {})}),
            **changed,
        }
    )


def said(effects: Any) -> str:
    [found] = [one.body for one in effects if isinstance(one, Comment)]
    return str(found)


def test_it_begins_with_a_thumb_and_the_run() -> None:
    decision = decide(carrying(Stage.PREFLIGHT), seen())
    assert decision.attempt.stage is Stage.DISPATCHED
    # either file of the App's will do
    assert decision.attempt.workflow_blob == OTHER_BLOB
    react, dispatch = decision.effects
    assert isinstance(react, React)
    assert isinstance(dispatch, Dispatch)
    assert f'"stack":{{"branch":"refs/pull/7/head","sha":"{HEAD}"}}' in dispatch.inputs["request"]
    assert '"installed_paths":[]' in dispatch.inputs["request"]
    assert f'"base":"{BASE}"' in dispatch.inputs["request"]


@pytest.mark.parametrize("other", [{"blob": oid("theirs")}, {"state": "disabled_manually"}, {"runner": HEAD}])
def test_the_workflow_cannot_run_and_who_asked_is_told(other: dict[str, Any]) -> None:
    workflow = WORKFLOW.model_copy(update=other)
    decision = decide(carrying(Stage.PREFLIGHT), seen(pull={"workflow": workflow}))
    assert decision.attempt.stage is Stage.FAILED
    assert "patch-app doctor says why" in said(decision.effects)


def test_the_run_is_refused_and_nothing_stays_blocked() -> None:
    begun = decide(carrying(Stage.PREFLIGHT), seen())
    wish = begun.effects[-1]
    refused = Performed(
        key=key(wish), effect=wish, state=EffectState.REFUSED, outcome={"message": "Actions is off"}
    )
    ended = decide(begun.attempt, seen(effects={refused.key: refused}))
    assert ended.attempt.stage is Stage.FAILED
    assert "Actions is off" in said(ended.effects)


def test_the_branch_is_moved_from_exactly_the_head_that_was_asked_about() -> None:
    [wish] = decide(carrying(Stage.CARRIED), seen()).effects
    assert isinstance(wish, UpdateRefs)
    [change] = wish.changes
    assert (change.ref, change.before, change.after) == ("refs/heads/topic", HEAD, CANDIDATE)


def test_it_was_moved_by_a_process_that_was_killed_and_the_pull_request_merged_at_once() -> None:
    decision = decide(carrying(Stage.CARRIED), seen(head=CANDIDATE, pull={"open": False}))
    assert decision.attempt.stage is Stage.CARRIED_OVER
    assert "**2 commits of this pull request on `main`**" in said(decision.effects)


@pytest.mark.parametrize(
    ("changed", "stage", "line"),
    [
        ({"pull": {"open": False}}, Stage.ABANDONED, "is closed"),
        ({"pull": {"into": "other"}}, Stage.ABANDONED, "no longer goes into main"),
        ({"pull": {"stands": False}}, Stage.SUPERSEDED, "main was moved again"),
        ({"head": oid("theirs")}, Stage.SUPERSEDED, "nothing of it was overwritten"),
        ({"head": names.ZERO}, Stage.SUPERSEDED, "nothing of it was overwritten"),
    ],
)
@pytest.mark.parametrize("at", [Stage.PREFLIGHT, Stage.RUNNING, Stage.CARRIED])
def test_something_moves_meanwhile(at: Stage, changed: Any, stage: Stage, line: str) -> None:
    decision = decide(carrying(at), seen(**changed))
    assert decision.attempt.stage is stage
    assert line in said(decision.effects)
    assert not [one for one in decision.effects if isinstance(one, UpdateRefs)]


def test_a_head_elsewhere_is_known_from_the_pull_request_alone() -> None:
    # a branch of that name on the fork is another branch
    elsewhere = over(here=False, repository="rita/tool", barred="its branch is in another repository")
    attempt = carrying(Stage.CARRIED, carry_over=elsewhere)
    facts = seen(refs={"refs/heads/topic": oid("other"), "refs/heads/main": TARGET})
    decision = decide(attempt, facts)
    assert decision.attempt.stage is Stage.CARRIED_OVER
    assert not [one for one in decision.effects if isinstance(one, UpdateRefs)]
    assert decide(attempt, seen(pull={"head": oid("new")})).attempt.stage is Stage.SUPERSEDED


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"pull": {"rules": Rules(any=True)}}, "has rules of its own"),
        ({"pull": {"rules": Rules(problem="can't be read")}}, "has rules of its own"),
        ({"pull": {"rules": None}}, "has rules of its own"),
        (
            {"gate": (Finding(path=".github/workflows/x.yml", what=What.SECRET, detail="KEY"),)},
            ".github/workflows/x.yml",
        ),
    ],
)
def test_what_the_app_stays_out_of_is_left_to_a_person(changed: Any, line: str) -> None:
    decision = decide(carrying(Stage.CARRIED), seen(**changed))
    assert decision.attempt.stage is Stage.CARRIED_OVER
    assert not [one for one in decision.effects if isinstance(one, UpdateRefs)]
    text = said(decision.effects)
    assert line in text
    fetch = f"git fetch https://github.com/alice/tool.git {names.candidate_ref(ID)}"
    assert f"{fetch}\ngit push --force-with-lease=topic:{HEAD} " in text


def test_github_refuses_the_move_and_it_is_not_tried_again() -> None:
    attempt = carrying(Stage.CARRIED)
    [wish] = decide(attempt, seen()).effects
    refused = Performed(
        key=key(wish), effect=wish, state=EffectState.REFUSED, outcome={"message": "a rule forbids it"}
    )
    decision = decide(attempt, seen(effects={refused.key: refused}))
    assert decision.attempt.stage is Stage.CARRIED_OVER
    assert "a rule forbids it" in said(decision.effects)


def test_a_branch_whose_name_is_a_command() -> None:
    nasty = "x;curl$IFS-evil|sh`id`'"
    attempt = carrying(Stage.CARRIED, carry_over=over(branch=nasty, barred="it is so"))
    facts = seen(refs={f"refs/heads/{nasty}": HEAD, "refs/heads/main": TARGET})
    text = said(decide(attempt, facts).effects)
    quoted = """'FETCH_HEAD:refs/heads/x;curl$IFS-evil|sh`id`'"'"''"""
    assert quoted in text


def test_the_gate_was_not_read_yet() -> None:
    decision = decide(carrying(Stage.CARRIED), seen(gate=None))
    assert (decision.attempt.stage, decision.effects) == (Stage.CARRIED, ())


def test_it_was_asked_for_again_after_a_conflict() -> None:
    attempt = carrying(
        Stage.CONFLICT, candidate=CARRIED[0], report=a_report(ID, conflict=True), message="commit 2 conflicts"
    )
    first = decide(attempt, seen())
    assert first.attempt.stage is Stage.CONFLICT
    text = said(first.effects)
    assert "**Commit 2 conflicts**" in text
    assert f"git cherry-pick {STACK[1]}" in text
    [wish] = first.effects
    done = Performed(key=key(wish), effect=wish, state=EffectState.DONE)
    newer = Sibling(
        id="carryover002", event=attempt.event, tag="v2.0.0", number=2, stage=Stage.PREFLIGHT, newer=True
    )
    last = decide(first.attempt, seen(effects={done.key: done}, siblings=(newer,)))
    assert (last.attempt.stage, last.effects) == (Stage.SUPERSEDED, ())


def test_an_ended_carry_over_stays_as_it_is() -> None:
    ended = decide(carrying(Stage.CARRIED), seen(head=CANDIDATE))
    [wish] = ended.effects
    done = Performed(key=key(wish), effect=wish, state=EffectState.DONE)
    again = decide(ended.attempt, seen(head=oid("later"), effects={done.key: done}))
    assert (again.attempt, again.effects) == (ended.attempt, ())


# The offer --------------------------------------------------------------------------------------


def promoted(**configuration: Any) -> Attempt:
    return carrying(
        Stage.PROMOTED,
        carry_over=None,
        stack="main",
        candidate=CANDIDATE,
        report=a_report(ID),
        configuration=Configuration(**configuration),
    )


def offered(attempt: Attempt, *pulls: OpenPull) -> list[int]:
    found = carry_overs.offers(attempt, seen(open_pulls=pulls))
    return [one.number for one in found if isinstance(one, Comment)]


OWN = oid("own")


def test_only_pull_requests_that_stand_on_the_old_stack_are_told() -> None:
    pulls = (
        # before the promotion is seen on it, and after
        OpenPull(number=1, commits=(OWN,), parents=(STACK[1],)),
        OpenPull(number=2, commits=(*STACK, OWN), parents=(BASE, *STACK)),
        # on the release alone, and with nothing of its own
        OpenPull(number=3, commits=(OWN,), parents=(TARGET,)),
        OpenPull(number=4, commits=STACK, parents=(BASE, STACK[0])),
        OpenPull(number=5),
    )
    assert offered(promoted(), *pulls) == [1, 2]
    assert offered(promoted(pull_requests={"carry_over": "off"}), *pulls) == []
    merged = promoted(stack=(Stack(branch="main", strategy=Strategy.MERGE),))
    assert offered(merged, *pulls) == []
    # a branch that was never forced still has the old stack
    landed = promoted().model_copy(update={"landing": Landing(commit=oid("landing"))})
    assert offered(landed, *pulls) == []


def test_a_fork_with_hundreds_of_pull_requests() -> None:
    pulls = [OpenPull(number=n, commits=(OWN,), parents=(STACK[0],)) for n in range(1, 300)]
    assert offered(promoted(), *pulls) == list(range(1, 21))


def test_pull_requests_were_not_read() -> None:
    assert carry_overs.offers(promoted(), seen()) == ()


# Where a result may go --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "barred"),
    [
        ({}, False),
        ({"here": False}, True),
        ({"branch": "main"}, True),
        ({"branch": "stable"}, True),
        ({"branch": "patch-app/maintenance/main/v1"}, True),
        ({"branch": "patch-apple"}, False),
    ],
)
def test_branches_that_no_command_lets_the_app_move(changed: dict[str, Any], barred: bool) -> None:
    given = {"here": True, "branch": "topic", "default_branch": "main", "prefix": "patch-app"}
    why = carry_overs.barred(**{**given, "maintained": {"stable"}, **changed})
    assert (why is not None) is barred


@pytest.mark.parametrize(
    ("patches", "branch", "kept"),
    [
        (None, "patch/3-new", True),
        (None, "topic", False),
        (("first", "second"), "second", True),
        (("first", "second"), "patch/3-new", False),
    ],
)
def test_a_patch_branch_is_what_the_next_release_is_carried_from_and_is_not_moved(
    patches: tuple[str, ...] | None, branch: str, kept: bool
) -> None:
    stack = Stack(branch="stable", strategy=Strategy.PATCHES, patches=patches)
    found = carry_overs.maintained(Configuration(stack=(stack,)), "main", branch)
    assert "stable" in found
    assert (branch in found) is kept
    assert not carry_overs.maintained(Configuration(), "main", branch) - {"main"}
