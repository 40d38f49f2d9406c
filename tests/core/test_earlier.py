from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Approval, Attempt, Stage
from patch_app.core.configuration import Configuration
from patch_app.core.earlier import compared
from patch_app.core.facts import Review
from patch_app.core.report import Report
from patch_app.core.siblings import earlier, siblings_of
from tests.core import samples
from tests.core.samples import oid, patch


def report(*patches: dict[str, Any], target: int = 0xD1) -> Report:
    return samples.report(list(patches), target={"name": "v2.0.0", "sha": oid(target)})


def same(ours: Report, theirs: Report) -> tuple[tuple[int, ...], tuple[int, ...], tuple[str, ...]]:
    found = compared(ours, theirs, tag="v1", approved_by=("bob",))
    assert found is not None
    return found.same, found.new, found.gone


CLEAN = patch(1, "clean", "one")
ADJUSTED = patch(1, "adjusted", "one")
ELSEWHERE = {"new": oid(0x99)}


@pytest.mark.parametrize(
    ("ours", "theirs", "proven"),
    [
        (CLEAN, CLEAN, True),
        (CLEAN, {**CLEAN, **ELSEWHERE}, True),
        (ADJUSTED, ADJUSTED, True),
        (ADJUSTED, {**ADJUSTED, **ELSEWHERE}, False),
        (CLEAN, {**ADJUSTED, **ELSEWHERE}, False),
        ({**ADJUSTED, **ELSEWHERE}, CLEAN, False),
        (patch(1, "clean", "m", merge=True), patch(1, "clean", "m", merge=True, **ELSEWHERE), False),
        (patch(1, "empty", "one"), patch(1, "empty", "one"), True),
        (patch(1, "empty", "one"), patch(1, "already-upstream", "one"), False),
        (patch(1, "empty", "one"), CLEAN, False),
    ],
)
def test_a_patch_is_the_same_only_where_the_two_reports_prove_it(
    ours: dict[str, Any], theirs: dict[str, Any], proven: bool
) -> None:
    assert same(report(ours), report(theirs)) == ((1,) if proven else (), (), ())


def test_a_patch_that_was_promoted_and_came_over_line_for_line_is_as_it_was_approved() -> None:
    before = report(
        patch(1, "adjusted", "one"), patch(2, "clean", "two"), patch(3, "clean", "three"), target=0xD0
    )
    ours = report(
        {**patch(4, "clean", "one"), "old": oid(0xB1)},
        {**patch(5, "adjusted", "two"), "old": oid(0xB2)},
        patch(6, "clean", "four"),
    )
    assert same(ours, before) == ((1,), (3,), ("three",))


def test_a_patch_that_upstream_took_is_no_news_for_the_same_release_alone() -> None:
    took = patch(1, "already-upstream", "one")
    assert same(report(took), report(took))[0] == (1,)
    assert same(report(took), report(took, target=0xD0))[0] == ()


def test_without_a_candidate_there_is_nothing_to_compare() -> None:
    stopped = samples.conflicted().report
    assert stopped is not None
    assert compared(stopped, report(CLEAN), tag="v1", approved_by=()) is None
    assert compared(report(CLEAN), stopped, tag="v1", approved_by=()) is None


def attempt(name: str, the_report: Report, *people: str, **more: Any) -> Attempt:
    made = samples.attempt(the_report, id=name, **more)
    given = tuple(Approval(person=one, commit=made.candidate or "", permission="write") for one in people)
    return made.model_copy(update={"approvals": given})


REPLAYED = {"event": "00ff00ff00ff00ff", "stage": Stage.SUPERSEDED}


def found(others: list[Attempt], **more: Any) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    ours = attempt("ours", report(CLEAN, patch(2, "clean", "two")), number=3, **more)
    told = earlier(ours, siblings_of(ours, others))
    return [(one.tag, one.approved_by, one.same) for one in told]


def test_the_last_approved_candidate_of_the_release_and_the_last_one_are_told() -> None:
    first = attempt("first", report(CLEAN), "bob", number=1, **REPLAYED)
    second = attempt("second", report(CLEAN, patch(2, "clean", "two")), number=2, **REPLAYED)
    told = [("v2.0.0", ("bob",), (1,)), ("v2.0.0", (), (1, 2))]
    assert found([first, second]) == told
    assert found([second, first]) == told
    approved = attempt("second", report(CLEAN), "ann", number=2, **REPLAYED)
    assert found([first, approved]) == [("v2.0.0", ("ann",), (1,))]


def test_an_approval_that_was_read_too_late_counts_and_stays_when_its_giver_approves_anew() -> None:
    first = attempt("first", report(CLEAN), number=1, **REPLAYED)
    ours = attempt("ours", report(CLEAN, patch(2, "clean", "two")), number=2, event=first.event)
    late = Review(person="bob", bot=False, permission="write", state="APPROVED", commit=first.candidate or "")
    eve = late.model_copy(update={"person": "eve", "permission": "read"})
    seen = earlier(ours, siblings_of(ours, [first]), [late, eve])
    assert [one.approved_by for one in seen] == [("bob",)]
    anew = late.model_copy(update={"commit": ours.candidate})
    ours = ours.model_copy(update={"earlier": seen})
    assert earlier(ours, siblings_of(ours, [first]), [anew]) == seen


def test_the_promoted_stack_counts_where_somebody_has_approved_it() -> None:
    before = report({**patch(9, "adjusted", "one"), "new": oid(0xA1)}, target=0xD0)
    promoted = {"event": "other", "tag": "v1.9.0", "stage": Stage.PROMOTED}
    assert found([attempt("old", before, "bob", **promoted)]) == [("v1.9.0", ("bob",), (1,))]
    assert found([attempt("old", before, **promoted)]) == []
    unrelated = report({**patch(9, "clean", "x"), "new": oid(0x77)}, target=0xD0)
    assert found([attempt("old", unrelated, "bob", **promoted)]) == []


def test_nothing_is_told_of_a_stack_whose_commits_never_change() -> None:
    first = attempt("first", report(CLEAN), "bob", number=1, **REPLAYED)
    merge = Configuration.model_validate({"stack": [{"branch": "main", "strategy": "merge"}]})
    assert found([first], configuration=merge) == []


def test_an_attempt_of_a_later_number_or_without_a_report_is_no_earlier_candidate() -> None:
    later = attempt("later", report(CLEAN), "bob", number=4, **REPLAYED)
    without = samples.attempt(None, id="none", number=1, **REPLAYED)
    assert found([later, without]) == []
