from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from patch_app.core.attempt import ENDED, Attempt, Stage, Status, combined, status
from tests.core import samples


@pytest.mark.parametrize("make", [samples.carried, samples.conflicted, samples.gated, samples.hostile])
def test_record_comes_back_from_its_json_as_it_was(make: type[Attempt]) -> None:
    attempt = make()
    assert Attempt.model_validate_json(attempt.model_dump_json()) == attempt


def test_record_is_frozen_and_closed() -> None:
    attempt = samples.carried()
    with pytest.raises(ValidationError):
        attempt.tag = "v3"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Attempt.model_validate({**attempt.model_dump(exclude={"report"}), "extra": 1})


def test_every_stage_has_a_status() -> None:
    for stage in Stage:
        attempt = samples.attempt(None, stage=stage)
        assert status(attempt) in Status
        assert attempt.open == (stage not in ENDED)


def test_candidate_that_waits_at_the_gate_needs_a_person() -> None:
    assert status(samples.gated()) is Status.NEEDS_INTERVENTION
    assert status(samples.gated().model_copy(update={"gate": ()})) is Status.STARTED


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Status.STARTED),
        ([Status.SKIPPED, Status.SKIPPED], Status.SKIPPED),
        ([Status.COMPLETED], Status.COMPLETED),
        ([Status.COMPLETED, Status.SKIPPED], Status.COMPLETED),
        ([Status.STARTED, Status.COMPLETED], Status.STARTED),
        ([Status.CHANGED, Status.FAILED], Status.FAILED),
        ([Status.FAILED, Status.BLOCKED], Status.BLOCKED),
    ],
)
def test_of_several_attempts_the_worst_status_wins(statuses: list[Status], expected: Status) -> None:
    for order in itertools.permutations(statuses):
        assert combined(list(order)) is expected


def test_need_of_a_person_wins_over_all() -> None:
    assert combined(list(Status)) is Status.NEEDS_INTERVENTION
