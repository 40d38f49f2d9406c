"""The dashboard issue: what it shows, and whose ticks in a body that people edit as they like count."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core import dashboard, dashboard_text
from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration, parse
from patch_app.core.dashboard import Action, StackState, Tick, ticked
from patch_app.core.hints import hints
from patch_app.core.markdown import BODY_LIMIT, size
from tests.core import dashboard_samples as samples
from tests.core.dashboard_samples import attempt, identity, page, told
from tests.core.samples import NOW
from tests.core.test_markdown import assert_harmless, rendered

CARRY = Tick(action=Action.CARRY, release=identity("v2.1.0"))
IGNORE = Tick(action=Action.IGNORE, release=identity("v2.1.0"))
BODY = dashboard_text.body(samples.busy())


def click(body: str, *ticks: Tick) -> str:
    for one in ticks:
        box = dashboard.box(one.action, one.release)
        lines = [line.replace("[ ]", "[x]") if box in line else line for line in body.split("\n")]
        body = "\n".join(lines)
    return body


# Ticks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body,
        lambda body: body.replace("\n", "\r\n"),
        lambda body: "\n".join(reversed(body.split("\n"))),
        lambda body: "\n".join(line for line in body.split("\n") if "- [x]" in line),
        lambda body: f"Hello\n\n{body}\n- [x] buy milk\n",
        lambda body: body.replace("[x]", "[X]").replace("- [", "  * ["),
        lambda body: body.replace("carry it now", "carry it\u202e now @everyone"),
        lambda body: body + body,
    ],
)
def test_a_body_was_changed_in_other_ways_too_when_a_box_was_ticked(change: Any) -> None:
    assert ticked(BODY, change(click(BODY, CARRY))) == (CARRY,)


@pytest.mark.parametrize(
    "line",
    [
        "- [x] carry it now",
        "- [x] carry it now <!-- patch-app:carry:zzzz -->",
        "- [x] carry it now <!-- patch-app:promote:0123456789abcdef -->",
        "text - [x] <!-- patch-app:carry:0123456789abcdef -->",
        "- [y] carry <!-- patch-app:carry:0123456789abcdef -->",
        "- [x] <!-- patch-app:carry:0123456789abcdef --> <!-- patch-app:ignore:0123456789abcdef -->",
        "",
    ],
)
def test_a_line_that_is_no_box_of_ours(line: str) -> None:
    assert ticked(BODY, f"{BODY}\n{line}\n") == ()


def test_what_somebody_else_has_ticked_before_is_not_this_person_s_wish() -> None:
    before = click(BODY, CARRY)
    assert ticked(before, f"{before}\nmore") == ()
    assert ticked(before, click(before, IGNORE)) == (IGNORE,)
    # unticked: nothing; thrown away: nothing
    assert ticked(before, BODY) == ticked(before, "") == ()


def test_a_message_that_looks_like_a_box() -> None:
    text = dashboard_text.body(samples.hostile())
    assert ticked("", text) == ()
    assert ticked("", click(text, Tick(action=Action.IGNORE, release=identity("v2.0.0")))) == (
        Tick(action=Action.IGNORE, release=identity("v2.0.0")),
    )


# Deliveries -----------------------------------------------------------------------------------------


def payload(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "action": "edited",
        "issue": {"number": 3, "body": "new", "user": {"login": "ours[bot]"}},
        "changes": {"body": {"from": "old"}},
        "sender": {"login": "bob", "type": "User"},
        "repository": {"id": 7},
    }
    return {**told, **more}


def test_the_sender_of_an_edit_counts_and_not_the_author() -> None:
    edit = hints("issues", payload(), "ours").edit
    assert edit is not None
    assert (edit.number, edit.person, edit.before, edit.after) == (3, "bob", "old", "new")


@pytest.mark.parametrize(
    "more",
    [
        {"sender": {"login": "other[bot]", "type": "Bot"}},
        {"sender": {"login": "ours[bot]", "type": "Bot"}},
        {"sender": None},
        {"action": "opened"},
        {"changes": {"title": {"from": "x"}}},
        {"changes": None},
        {"issue": {"number": 3, "body": "new", "user": {"login": "bob"}}},
        {"issue": None},
    ],
)
def test_an_edit_that_no_person_made_or_of_an_issue_that_is_not_ours(more: dict[str, Any]) -> None:
    assert hints("issues", payload(**more), "ours").edit is None
    assert hints("issues", payload(), "").edit is None


# What is shown --------------------------------------------------------------------------------------


def test_everything_foreign_is_shown_as_text() -> None:
    seen = rendered(dashboard_text.body(samples.hostile()))
    assert_harmless(seen)
    assert not {"b", "img", "script"} & set(seen.tags)


def test_the_lag_counts_what_matches_and_is_newer_than_what_was_promoted() -> None:
    seen = {"v1.0.0": False, "v1.1.0": False, "v1.2.0-rc1": True, "nightly": False, "v1.3.0": False}
    shown = page(attempts=[attempt("v1.0.0", Stage.PROMOTED)], seen=seen)
    (stack,) = shown.stacks
    assert stack == StackState(branch="main", tag="v1.0.0", behind=2, newest="v1.3.0")
    assert [one.release.tag for one in shown.next] == ["v1.3.0", "v1.1.0"]


def test_a_release_that_the_stack_has_already_is_what_it_stands_on() -> None:
    done = [attempt("v1.1.0", Stage.CONTAINED), attempt("v1.0.0", Stage.CONTAINED)]
    assert page(attempts=done).stacks[0].tag == "v1.1.0"
    undone = [attempt("v1.0.0", Stage.PROMOTED), attempt("v1.1.0", Stage.ROLLED_BACK)]
    assert page(attempts=undone).stacks[0].tag == "v1.0.0"


def test_what_was_released_long_before_the_app_is_not_listed_whole() -> None:
    seen = {f"v1.{minor}.0": False for minor in range(40)}
    shown = page(told("v2.0.0"), seen=seen)
    assert [one.release.tag for one in shown.next] == ["v2.0.0", "v1.39.0", "v1.38.0", "v1.37.0"]
    assert page(seen=seen, attempts=[attempt("v1.0.0", Stage.PROMOTED)]).more == 29


def test_a_release_older_than_the_one_that_is_being_carried_is_not_offered() -> None:
    shown = page(told("v1.1.0"), told("v1.2.0"), attempts=[attempt("v1.2.0", Stage.REVIEWING)])
    assert shown.next == ()


def test_a_prerelease_that_became_a_release_is_offered() -> None:
    assert page(told("v2.0.0", prerelease=True), seen={"v2.0.0": True}).next == ()
    assert len(page(told("v2.0.0", prerelease=True), seen={"v2.0.0": False}).next) == 1


def test_two_stacks_one_of_which_has_the_release() -> None:
    two = parse('[[stack]]\nbranch = "a"\n[[stack]]\nbranch = "b"\n')
    done = attempt("v1.1.0", Stage.PROMOTED, stack="a")
    shown = page(told("v1.1.0"), attempts=[done], configuration=two)
    assert [(one.tag, one.behind) for one in shown.stacks] == [("v1.1.0", 0), (None, None)]
    assert [one.release.tag for one in shown.next] == ["v1.1.0"]


def test_more_than_github_takes() -> None:
    many = [attempt(f"v1.{n}.0", Stage.BLOCKED, message="x" * 9000, stack="s" * 200) for n in range(300)]
    news = [told(f"v2.{n}.0-{'x' * 150}", prerelease=False) for n in range(300)]
    ignored = {identity(f"v3.{n}"): dashboard.Ignored(tag="é" * 300, person="bob") for n in range(300)}
    text = dashboard_text.body(page(*news, attempts=many, ignored=ignored, configuration=Configuration()))
    assert size(text) <= BODY_LIMIT
    assert dashboard.MARK in text


# What a box can't do --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "tag", "attempts", "why"),
    [
        (Action.CARRY, "v2.1.0", [], None),
        (Action.CARRY, "v2.1.0-rc1", [], "is a prerelease"),
        (Action.CARRY, "nightly", [], "is no version tag"),
        (Action.CARRY, "v1.0.0", [attempt("v1.9.0", Stage.PROMOTED)], "is not newer than v1.9.0"),
        (Action.CARRY, "v2.1.0", [attempt("v2.1.0", Stage.REVIEWING)], None),
        (Action.CARRY, "v2.1.0", [attempt("v2.1.0", Stage.ABANDONED)], "was carried already"),
        (Action.IGNORE, "v2.1.0", [], None),
        (Action.IGNORE, "v2.1.0", [attempt("v2.1.0", Stage.REVIEWING)], "is being carried already"),
        (Action.IGNORE, "v2.1.0", [attempt("v2.1.0", Stage.ABANDONED)], None),
    ],
)
def test_a_box_that_came_too_late_or_that_somebody_wrote_themselves(
    action: Action, tag: str, attempts: list[Any], why: str | None
) -> None:
    said = dashboard.refusal(
        action,
        told(tag, days=0),
        configuration=samples.POLICY,
        default_branch="main",
        attempts=attempts,
        now=NOW,
    )
    assert said is None if why is None else str(said).startswith(why)


def test_an_answer_pings_nobody() -> None:
    for text in (
        dashboard_text.refused("@bob", "read"),
        dashboard_text.unobeyed("@bob", [("v1`@all", "is not newer than @all <b>")]),
    ):
        assert_harmless(rendered(text))
