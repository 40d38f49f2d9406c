from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import messages, release_notes
from patch_app.core.release_notes import LONGEST_LINE, MOST_LINES, ReleaseNotes, breaking
from tests.core import samples
from tests.core.test_markdown import TEXT, assert_harmless, rendered


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        ("- [BREAKING] count() begins at 1\n- faster", ["[BREAKING] count() begins at 1"]),
        ("* faster\n* BREAKING CHANGE: no more py38", ["BREAKING CHANGE: no more py38"]),
        ("feat(api)!: drop v1 (#3)\nfix: a typo", ["feat(api)!: drop v1 (#3)"]),
        ("1. refactor!: begin at 1", ["refactor!: begin at 1"]),
        ("## ⚠ Breaking changes\n\n- one\n- two\n\n### Of the CLI\n- three\n\n## Fixes\n- four",
         ["one", "two", "Of the CLI", "three"]),
        ("**Breaking changes**\n- one\n\n**Fixes**\n- two", ["one"]),
        ("Breaking changes:\n\n- one\n- two\n## Fixes\n- three", ["one", "two"]),
        ("### Backward-incompatible changes\r\n* one\r\n# v1\r\n* two", ["one"]),
        ("## Breaking changes\n\nNone.\n\n## Fixes\n- x", []),
        ("No breaking changes in this release.", []),
        ("## Fixes\n- heartbreaking typo\n- line breaking in tables\n- breaking: news", ["breaking: news"]),
        ("```\nBREAKING CHANGE: an example\n```\n<!-- BREAKING CHANGE: template -->", []),
        ("<!-- never closed BREAKING CHANGE", []),
        ("- [BREAKING] twice\n- [BREAKING] twice", ["[BREAKING] twice"]),
        ("", []),
    ],
)  # fmt: skip
def test_lines_that_are_marked_are_taken_and_no_others(notes: str, found: list[str]) -> None:
    assert breaking(notes) == found


def test_a_release_without_a_page_says_nothing_and_one_without_notes_promises_nothing() -> None:
    assert release_notes.read(None) is None
    empty = release_notes.read({"description": None, "url": "https://github.test/r"})
    assert empty == ReleaseNotes(url="https://github.test/r")
    attempt = samples.carried()
    assert "release notes" not in messages.pull_request_body(attempt)
    body = messages.pull_request_body(attempt.model_copy(update={"release": empty}))
    assert "The [release notes](https://github.test/r) of `v2.0.0` mark nothing as breaking." in body


def test_notes_without_end_are_bounded_and_the_rest_is_counted() -> None:
    text = "# Breaking\n" + "".join(f"- {n} {'x' * 900}\n" for n in range(150))
    found = release_notes.read({"description": text, "url": "u" * 9000})
    assert found is not None
    assert (len(found.breaking), found.more) == (MOST_LINES, 150 - MOST_LINES)
    assert max(map(len, found.breaking)) <= LONGEST_LINE
    assert release_notes.read({"description": "# Breaking\n" * 100_000, "url": ""}) == ReleaseNotes()


@given(
    st.lists(TEXT | st.sampled_from(["# Breaking", "**Breaking**", "```", "[BREAKING] @bob"])).map("\n".join)
)
def test_whatever_a_release_says_stays_a_list_of_text(text: str) -> None:
    found = release_notes.read({"description": text, "url": "https://github.test/r"})
    attempt = samples.carried().model_copy(update={"release": found})
    seen = rendered(messages.review_text.breaking(attempt))
    assert_harmless(seen)
    assert set(seen.tags) <= {"p", "h3", "ul", "li", "a", "code"}
    assert seen.tags.count("a") == 1
    assert found is not None
    assert seen.tags.count("li") == len(found.breaking) + bool(found.more)
