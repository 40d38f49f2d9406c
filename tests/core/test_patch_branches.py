"""`strategy = "patches"`: which branches count, what a report has to account for, what moves in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patch_app.core import approval, branches, markdown, names, patch_table
from patch_app.core.attempt import PatchBranch, Stage
from patch_app.core.configuration import Configuration, Stack, Strategy
from patch_app.core.report import Report
from patch_app.core.request import request
from tests.core.world import BASE, STACK, World, oid, report

BUILT = Configuration.model_validate({"stack": [{"strategy": "patches"}]})
FIRST, SECOND = oid("s1"), oid("s2")
PINNED = (PatchBranch(branch="patch/1", sha=FIRST), PatchBranch(branch="patch/2", sha=SECOND))
SOURCES = {"patch/1": (FIRST,), "patch/2": (SECOND,)}


def claimed(*changes: dict[str, Any], **whole: Any) -> Report:
    """Two patches of the maintained branch, each made of a patch branch's commit; `changes` to each."""
    data = report("attempt00001").model_dump(mode="json", by_alias=True)
    for number, patch in enumerate(data["patches"]):
        patch |= {
            "branch": PINNED[number].branch, "source": PINNED[number].sha, "built": patch["old"],
            **(changes[number] if number < len(changes) else {}),
        }  # fmt: skip
    data["branches"] = [{**one.model_dump(), "base": BASE} for one in PINNED]
    data["drift"] = {
        "only_in_branches": [one["source"] for one in data["patches"] if one["source"] and not one["built"]],
        "only_in_maintained": [one["old"] for one in data["patches"] if not one["source"]],
        "changed": [one["old"] for one in data["patches"] if one["built"] not in (None, one["old"])],
    }
    return Report.model_validate({**data, **whole})


def ended(claim: Report, **facts: Any) -> World:
    given = {"patches": PINNED, "patch_commits": SOURCES, "built": dict(zip(STACK, SOURCES, strict=True))}
    given["built"] = {STACK[0]: FIRST, STACK[1]: SECOND}
    world = World(**{"configuration": BUILT, "claim": claim, **given, **facts})
    world.settle()
    world.run_ends()
    world.settle()
    return world


def test_branches_come_in_the_natural_order_of_their_names_and_the_apps_own_are_none() -> None:
    heads = dict.fromkeys(
        ("patch/10-y", "patch/2-x", "patch/2", "main", "patch-app/base/x", "patch/a", "other"), FIRST
    )
    stack = Stack(strategy=Strategy.PATCHES, patches="*")
    found = branches.selected(stack, "main", "patch-app", heads)
    assert [one.branch for one in found] == ["other", "patch/2", "patch/2-x", "patch/10-y", "patch/a"]
    listed = Stack(strategy=Strategy.PATCHES, patches=("patch/a", "gone"))
    found = branches.selected(listed, "main", "patch-app", heads)
    assert found == (PatchBranch(branch="patch/a", sha=FIRST), PatchBranch(branch="gone", sha=names.ZERO))
    assert branches.prefix("patch/[0-9]*") == "patch/"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((), "no branch of the fork matches patch/*: push a branch for each patch"),
        (
            tuple(PatchBranch(branch=f"patch/{n}", sha=FIRST) for n in range(101)),
            "101 branches match patch/*",
        ),
        ((PatchBranch(branch="x", sha=names.ZERO),), "the patch branch x does not exist: push it"),
        ((PatchBranch(branch="main", sha=FIRST),), "main can't be a patch branch of itself"),
        (
            (PatchBranch(branch="patch/\u202ex", sha=FIRST),),
            'the patch branch "patch/\\u202ex" needs another name: it holds an invisible',
        ),
    ],
    ids=["none", "too many", "missing", "itself", "deceiving"],
)
def test_branches_that_cannot_be_carried_start_no_run(found: tuple[PatchBranch, ...], why: str) -> None:
    world = World(configuration=BUILT, patches=found)
    assert world.settle() is Stage.BLOCKED
    assert why in world.attempt.message
    assert world.run is None


def test_branches_are_pinned_and_named_in_the_request_with_what_was_built_of_them() -> None:
    world = ended(claimed())
    assert world.attempt.stage is Stage.REVIEWING, world.attempt.message
    sent = json.loads(request(world.attempt, "https://example.org/x.git", 1))
    assert sent["patches"] == [one.model_dump() for one in PINNED]
    assert sent["built"] == {STACK[0]: FIRST, STACK[1]: SECOND}
    many = world.attempt.model_copy(update={"built": {oid(f"n{n}"): FIRST for n in range(900)}})
    assert "built" not in json.loads(request(many, "https://example.org/x.git", 1))


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ((PINNED[0], PINNED[1].model_copy(update={"sha": oid("later")})), "patch/2 moved since"),
        (PINNED[:1], "patch/2 disappeared since"),
        ((*PINNED, PatchBranch(branch="patch/3", sha=FIRST)), "patch/3 appeared since"),
    ],
    ids=["moved", "gone", "new"],
)
def test_branch_that_moves_after_the_approval_promotes_nothing_and_is_carried_anew(
    now: tuple[PatchBranch, ...], why: str
) -> None:
    world = ended(claimed())
    world.approve()
    world.patches = now
    assert world.settle() is Stage.SUPERSEDED
    assert why in world.attempt.message
    assert (world.replays, world.maintained_moves) == (1, [])
    assert any(why in one for one in approval.missing(world.attempt, world.facts()))


def test_drift_is_told_and_no_name_of_a_branch_comes_out_of_its_cell() -> None:
    odd = "patch/`x`|@bob<b>"
    whole = claimed({"built": None, "old": FIRST, "branch": odd}, ALONE).model_dump(
        mode="json", by_alias=True
    )
    whole["branches"] = [{"branch": odd, "sha": FIRST, "base": BASE}]
    claim = Report.model_validate(whole)
    told = patch_table.drift(claim)
    assert [one.partition(":")[0] for one in told] == [
        "New from patch branches, not yet on `main`",
        "On no patch branch, only on `main`; carried after the branches",
    ]
    assert FIRST[:10] in told[0]
    assert STACK[1][:10] in told[1]
    row = patch_table.rows(claim, "")[0]
    assert (row[1], len(row)) == (markdown.code(odd), len(patch_table.headers(claim)))
    assert not set("|@`") & set(row[1])
    whole["patches"][0] |= {"verdict": "already-upstream", "new": None}
    assert len(patch_table.drift(Report.model_validate(whole))) == 1


def test_branches_that_stayed_are_promoted() -> None:
    world = ended(claimed())
    world.approve()
    assert world.settle() is Stage.PROMOTED


ALONE = {"branch": None, "source": None, "built": None}


@pytest.mark.parametrize(
    ("claim", "facts", "why"),
    [
        (claimed({}, ALONE), {}, f"no verdict for 1 commit(s) of patch branches, the first is {SECOND[:12]}"),
        (claimed({"branch": "patch/2"}), {}, f"says that {FIRST[:12]} is on patch/2, and it isn't"),
        (claimed(branches=[]), {}, "about other patch branches than those that were asked for"),
        (claimed({"built": SECOND, "old": SECOND}), {}, "a commit of a patch branch twice"),
        (claimed({"built": oid("made up"), "old": FIRST}),
         {}, f"says that {oid('made up')[:12]} is on main, and it isn't"),
        (claimed(), {"unlike": (STACK[0],)}, f"takes {STACK[0][:12]} for a commit of a patch branch"),
        (claimed({}, {"built": None, "old": SECOND}), {}, "the report has no verdict for 1 patch(es)"),
    ],
    ids=["left out", "elsewhere", "other branches", "twice", "made up", "unlike", "of main left out"],
)  # fmt: skip
def test_report_that_hides_or_makes_up_a_commit_fails_with_the_reason(
    claim: Report, facts: dict[str, Any], why: str
) -> None:
    world = ended(claim, **facts)
    assert world.attempt.stage is Stage.FAILED
    assert why in world.attempt.message
    assert not world.moves


@pytest.mark.parametrize("part", ["only_in_branches", "only_in_maintained", "changed"])
def test_drift_that_is_not_that_of_the_patches_is_no_report(part: str) -> None:
    whole = claimed().model_dump(mode="json", by_alias=True)
    whole["drift"][part] = [oid("made up")]
    with pytest.raises(ValueError, match="a drift that is not that of the patches"):
        Report.model_validate(whole)


def test_branches_in_another_order_than_asked_for_are_refused() -> None:
    whole = claimed().model_dump(mode="json", by_alias=True)
    world = ended(Report.model_validate({**whole, "patches": whole["patches"][::-1]}))
    assert "not in the order of their branches" in world.attempt.message


def test_patch_is_dropped_only_where_its_branch_is_gone_and_the_app_had_made_it_of_that() -> None:
    dropped = claimed({}, {"branch": None, "verdict": "dropped", "new": None})
    whole = dropped.model_dump(mode="json", by_alias=True)
    whole["candidate"]["sha"] = whole["bundle"]["tip"] = whole["patches"][0]["new"]
    dropped = Report.model_validate(whole)
    gone = {"patch/1": (FIRST,), "patch/2": ()}
    assert ended(dropped, patch_commits=gone).attempt.stage is Stage.REVIEWING
    by_a_person = ended(dropped, patch_commits=gone, built={STACK[0]: FIRST})
    assert f"drops {STACK[1][:12]}, and it is not one of a patch branch" in by_a_person.attempt.message
    assert f"the first is {SECOND[:12]} of patch/2" in ended(dropped).attempt.message


def test_evidence_that_is_not_there_yet_is_waited_for() -> None:
    world = ended(claimed(), patch_commits=None)
    assert world.attempt.stage is Stage.RUNNING
    world.patch_commits = SOURCES
    assert world.settle() is Stage.REVIEWING


def test_commits_of_patch_branches_are_refused_for_a_stack_without_any() -> None:
    world = ended(claimed(branches=[]), configuration=Configuration(), patches=None, patch_commits=None)
    assert "has commits of patch branches, and the stack has none" in world.attempt.message
