from __future__ import annotations

import pytest

from patch_app.core import names, news
from patch_app.core.attempt import Check
from patch_app.core.configuration import Configuration
from patch_app.core.effects import Comment, EffectState, Hide, Performed, key
from patch_app.core.facts import Facts, Review, Said
from patch_app.core.rules import Rules
from tests.core import samples
from tests.core.test_markdown import assert_harmless, rendered
from tests.core.world import World, oid

OLD = oid("approved before")


def world() -> World:
    one = World(configuration=Configuration.model_validate({"promotion": {"required_checks": ["ci"]}}))
    one.settle()
    one.run = "completed"
    one.settle()
    assert one.attempt.pull_request is not None
    return one


def comments(one: World) -> list[Comment]:
    return [done.effect for done in one.effects.values() if isinstance(done.effect, Comment)]


def ci(conclusion: str | None) -> tuple[Check, ...]:
    return (Check(name="ci", app="github-actions", run=1, status="completed", conclusion=conclusion),)


def test_an_approval_of_another_candidate_is_told_once_and_not_again() -> None:
    one = world()
    assert comments(one) == []
    one.approve(OLD)
    one.settle()
    (told,) = comments(one)
    assert "bob's approval was for" in told.body
    assert told.marker == names.news_marker(one.attempt.id, 1)
    one.wait(3600)
    one.settle()
    assert comments(one) == [told]


def test_an_approval_that_is_given_again_is_answered_with_silence() -> None:
    one = world()
    one.approve(OLD)
    one.settle()
    one.approve()
    one.settle()
    assert len(comments(one)) == 1


@pytest.mark.parametrize(
    "review",
    [
        Review(person="eve", bot=False, permission="read", state="APPROVED", commit=OLD),
        Review(person="robot", bot=True, permission="write", state="APPROVED", commit=OLD),
        Review(person="bob", bot=False, permission="write", state="DISMISSED", commit=OLD),
    ],
)
def test_a_review_that_never_counted_can_t_go_stale(review: Review) -> None:
    one = world()
    one.reviews = (review,)
    one.settle()
    assert comments(one) == []


def test_a_required_check_that_fails_after_an_approval_is_told_and_another_one_isn_t() -> None:
    one = world()
    one.checks = (*ci(None), Check(name="cla", app="x", status="completed", conclusion="failure"))
    one.approve()
    one.settle()
    assert comments(one) == []
    one.checks = ci("failure")
    one.settle()
    (told,) = comments(one)
    assert told.body == "bob approved this candidate, and `ci` failed: it is not promoted while that is so.\n"
    one.checks = ci(None)
    one.settle()
    one.checks = ci("failure")
    one.settle()
    assert comments(one) == [told]


def test_a_check_that_fails_before_anybody_approves_is_in_the_table_alone() -> None:
    one = world()
    one.checks = ci("failure")
    one.settle()
    assert comments(one) == []


def said(facts: Facts, *markers: str) -> Facts:
    there = tuple(Said(node=f"node {marker}", marker=marker) for marker in markers)
    return facts.model_copy(update={"said": there})


def test_the_older_comment_is_folded_once_a_newer_one_is_made_or_nothing_is_left_to_say() -> None:
    one = world()
    before = names.news_marker("attempt00000", 3)
    assert news.due(one.attempt, said(one.facts(), before)) == (Hide(comment=f"node {before}"),)
    one.approve(OLD)
    comment, hidden = news.due(one.attempt, said(one.facts(), before))
    assert isinstance(comment, Comment)
    assert hidden == Hide(comment=f"node {before}")
    one.settle()
    current = comments(one)[0].marker
    assert news.due(one.attempt, said(one.facts(), current)) == ()
    one.checks = ci("failure")
    one.reviews = (*one.reviews, replace_person(one.reviews[0], "carol", one.attempt.candidate or ""))
    attempt = one.attempt.model_copy(update={"checks": ci("failure")})
    newer, old = news.due(attempt, said(one.facts(), current))
    assert isinstance(newer, Comment)
    assert "carol approved this candidate, and `ci` failed" in newer.body
    assert "bob's approval was for" in newer.body
    assert newer.marker != current
    assert old == Hide(comment=f"node {current}")


def replace_person(review: Review, person: str, commit: str) -> Review:
    return review.model_copy(update={"person": person, "commit": commit})


@pytest.mark.parametrize("state", [EffectState.PENDING, EffectState.DONE, EffectState.REFUSED])
def test_a_comment_is_folded_once_whatever_github_says(state: EffectState) -> None:
    one = world()
    wish = Hide(comment="node x")
    known = {key(wish): Performed(key=key(wish), effect=wish, state=state)}
    facts = said(one.facts(), "x").model_copy(update={"effects": known})
    assert news.due(one.attempt, facts) == ()


def test_a_comment_that_github_refuses_is_not_tried_for_ever() -> None:
    one = world()
    one.refuse["comment"] = "the conversation is locked"
    one.approve(OLD)
    one.settle()
    assert len(comments(one)) == 1


def test_people_and_checks_with_hostile_names_stay_text() -> None:
    one = world()
    nasty = samples.NASTY
    check = Check(name=nasty, app="x", status="completed", conclusion="failure")
    config = Configuration.model_validate({"promotion": {"required_checks": ["ci"]}})
    attempt = one.attempt.model_copy(update={"checks": (check,), "configuration": config})
    one.rules = Rules.model_validate({"required_checks": [{"name": nasty}]})
    stale = Review(person=nasty, bot=False, permission="write", state="APPROVED", commit=nasty)
    one.approve()
    one.reviews = (*one.reviews, *(stale.model_copy(update={"person": f"{nasty}{n}"}) for n in range(30)))
    (comment,) = news.due(attempt, one.facts())
    assert isinstance(comment, Comment)
    seen = rendered(comment.body)
    assert_harmless(seen)
    assert not {"img", "script", "h1"} & set(seen.tags)
    assert len(comment.body) < 30_000
