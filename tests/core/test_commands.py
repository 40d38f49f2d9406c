from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core.commands import MAX_COMMANDS, USAGE, Command, Name, Unknown, parse, usage

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/patch retry", Command(name=Name.RETRY)),
        ("  \n/patch   Retry  \r\nthanks", Command(name=Name.RETRY)),
        ("/patch hold until  Monday", Command(name=Name.HOLD, argument="until Monday")),
        ("/patch hold", Command(name=Name.HOLD)),
        (f"/patch trust-workflows {COMMIT.upper()}", Command(name=Name.TRUST_WORKFLOWS, argument=COMMIT)),
        ("/patch drop 0123456", Command(name=Name.DROP, argument="0123456")),
        ("/patch promote", Command(name=Name.PROMOTE)),
        (f"/patch promote {COMMIT}", Command(name=Name.PROMOTE, argument=COMMIT)),
        ("/patch rollback", Command(name=Name.ROLLBACK)),
    ],
)
def test_a_command_at_the_start_of_a_line_is_read(text: str, expected: Command) -> None:
    assert parse(text) == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "> /patch promote",
        "    /patch promote",
        " /patch promote",
        "please /patch promote",
        "```\n/patch promote\n```",
        "~~~~\n/patch promote\n~~~\n/patch retry\n~~~~",
        "````md\n```\n/patch promote\n```\n````",
        "```\n/patch promote",
        "`/patch promote`",
        "<!-- \n/patch promote\n-->",
        "<!-- -->/patch promote",
        "<!--\n-->/patch promote",
        "/patches promote",
        "/patch-promote",
        "//patch promote",
    ],
)
def test_what_is_quoted_hidden_or_said_in_passing_asks_for_nothing(text: str) -> None:
    assert parse(text) == ()


def test_a_command_after_a_closed_fence_counts() -> None:
    assert parse("```\nx\n```\n/patch retry") == (Command(name=Name.RETRY),)
    assert parse("``` inline ``` \n/patch retry") == (Command(name=Name.RETRY),)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("/patch rety", Name.RETRY),
        ("/patch trust-workflow " + COMMIT, Name.TRUST_WORKFLOWS),
        ("/patch promotion", Name.PROMOTE),
        ("/patch xyzzy", None),
        ("/patch", None),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest_one(text: str, nearest: Name | None) -> None:
    (found,) = parse(text)
    assert isinstance(found, Unknown)
    assert found.nearest is nearest


@pytest.mark.parametrize(
    "text",
    [
        "/patch trust-workflows",
        "/patch trust-workflows 0123456",
        f"/patch trust-workflows {COMMIT} {COMMIT}",
        "/patch promote now",
        "/patch drop the first",
        "/patch retry please",
        "/patch hold " + "x" * 201,
    ],
)
def test_a_command_with_a_wrong_argument_is_none(text: str) -> None:
    (found,) = parse(text)
    assert isinstance(found, Unknown)
    assert found.problem


def test_a_flood_of_commands_is_cut() -> None:
    assert len(parse("\n".join(f"/patch hold {n}" for n in range(1000)))) == MAX_COMMANDS
    assert len(parse("/patch retry\n" * 5)) == 1


def test_every_command_is_in_the_help() -> None:
    assert set(USAGE) == set(Name)
    assert all(f"`/patch {name}" in usage() for name in Name)


@given(st.text())
def test_any_comment_is_read_without_trouble(text: str) -> None:
    parse(text)
    for found in parse(f"/patch {text}"):
        assert isinstance(found, Command | Unknown)
