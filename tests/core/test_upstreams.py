"""Which repository a fork follows, and when it is another one."""

from __future__ import annotations

import pytest

from patch_app.core import doctor
from patch_app.core.findings import Code
from patch_app.core.health import Health, Upstream
from patch_app.core.upstreams import Followed, Repository, Seen, aliases, follows, look

POT, KETTLE = Repository(id=1, name="tea/pot"), Repository(id=1, name="Tea/Kettle")
HEIR, ANEW = Repository(id=2, name="mallory/pot"), Repository(id=9, name="tea/pot")
FIRST = look(Followed(), Seen(parent=POT)).followed


def named(one: Repository, **more: object) -> Seen:
    return Seen.model_validate({"configured": one.name, "named": one, "parent": POT, **more})


@pytest.mark.parametrize(
    ("before", "seen", "said"),
    [
        (Followed(), Seen(parent=HEIR), None),
        (FIRST, Seen(parent=POT), None),
        (FIRST, Seen(parent=KETTLE), None),
        (FIRST, Seen(parent=HEIR), "GitHub names mallory/pot the parent"),
        (FIRST, Seen(parent=ANEW), "GitHub names tea/pot the parent"),
        (FIRST, Seen(), "GitHub names no parent"),
        (Followed(), Seen(), None),
        # a person names it
        (FIRST, named(HEIR, parent=HEIR), None),
        (FIRST, Seen(parent=HEIR, pinned=2), None),
        (FIRST, Seen(parent=HEIR, pinned=1), "the configuration names 1"),
        (FIRST, Seen(parent=POT, pinned=2), "the configuration names 2"),
        # the name is another's, whether it was the parent's or the configured one
        (FIRST, named(ANEW, parent=HEIR), "tea/pot is another repository now (9)"),
        (look(Followed(), named(POT)).followed, named(ANEW), "tea/pot is another repository now (9)"),
        (FIRST, named(ANEW, pinned=9), None),
        (FIRST, named(ANEW, pinned=1), "tea/pot is repository 9"),
        # renamed, and written as it was or in other letters
        (FIRST, Seen(configured="TEA/pot", named=KETTLE, parent=KETTLE), None),
        # it can't be seen: that is another finding
        (FIRST, Seen(configured="tea/pot", parent=HEIR), None),
    ],
)
def test_what_was_followed_is_held_against_what_is_seen(
    before: Followed, seen: Seen, said: str | None
) -> None:
    found = look(before, seen)
    assert (found.problem is None) is (said is None)
    assert said is None or (found.problem is not None and said in found.problem.line)
    # what is in the way is not learned, however often it is seen
    again = look(found.followed, seen)
    assert again == found


def test_id_that_a_person_names_is_what_the_name_means_from_then_on() -> None:
    after = look(FIRST, named(ANEW, pinned=9, parent=HEIR)).followed
    assert look(after, named(ANEW, parent=HEIR)).problem is None
    assert look(after, named(POT, parent=HEIR)).problem is not None


def test_renamed_upstream_is_the_same_under_all_its_names() -> None:
    after = look(FIRST, Seen(parent=KETTLE)).followed
    assert aliases(after, "tea/POT") == aliases(after, "tea/kettle") == {"tea/pot", "tea/kettle"}
    assert aliases(after, "mallory/pot") == {"mallory/pot"}
    assert follows(after, Seen(parent=KETTLE), KETTLE, "tea/pot")
    assert not follows(after, Seen(parent=KETTLE), ANEW, "tea/pot")


def test_doctor_says_it_before_anything_else_of_the_upstream() -> None:
    problem = look(FIRST, Seen(parent=HEIR)).problem
    health = Health(repository="a/b", upstream=Upstream(name="mallory/pot", changed=problem))
    (found,) = doctor.blocking(health)
    assert found.code is Code.UPSTREAM_CHANGED
    assert found.line == (problem.line if problem else "")
