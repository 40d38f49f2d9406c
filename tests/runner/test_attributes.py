"""`.gitattributes` take part as in a work tree: the release's, then those that the carried patches leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import Entry, link, plan
from judging import Case, cases, expect, held, state
from runner_world import numbered

A = numbered()
OURS, THEIRS, CLASH = numbered(l3="ours"), numbered(l20="theirs"), numbered(l3="theirs")
UNION = "a merge=union\n"
LFS = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
CRLF, OUR_CRLF, THEIR_CRLF = (text.replace("\n", "\r\n") for text in (A, OURS, THEIRS))

Files = dict[str, str | Entry]


def having(attributes: str | Entry, content: str) -> Files:
    return {".gitattributes": attributes, "a": content}


def all_with(attributes: str | Entry, *contents: str) -> tuple[Files, ...]:
    return tuple(having(attributes, content) for content in contents)


@cases(
    Case(
        "automatic text over carriage returns",
        *all_with("* text=auto\n", CRLF, OUR_CRLF, THEIR_CRLF),
        "clean",
    ),
    Case("line ends of the work tree", *all_with("* text eol=crlf\n", A, OURS, THEIRS), "clean"),
    Case(
        "an encoding of the work tree",
        *all_with("a working-tree-encoding=UTF-16\n", A, OURS, THEIRS),
        "clean",
    ),
    Case(
        "an id that is filled in",
        *all_with("a ident\n", "$Id$\n" + A, "$Id$\n" + OURS, "$Id$\n" + THEIRS),
        "clean",
    ),
    Case("a union", *all_with(UNION, "1\n", "1\nours\n", "1\ntheirs\n"), "clean"),
    Case("a text merged as binary", *all_with("a merge=binary\n", A, OURS, THEIRS), conflict=("a", "binary")),
    Case("a text that is never merged", *all_with("a -merge\n", A, OURS, THEIRS), conflict=("a", "binary")),
    Case("a text called binary", *all_with("a binary\n", A, OURS, THEIRS), conflict=("a", "binary")),
    Case("a driver that nobody configured", *all_with("a merge=ours\n", A, OURS, THEIRS), "clean"),
    Case(
        "such a driver and one line", *all_with("a merge=ours\n", A, OURS, CLASH), conflict=("a", "contents")
    ),
    Case("a filter that nobody configured", *all_with("a filter=lfs merge=lfs\n", A, OURS, THEIRS), "clean"),
    Case(
        "pointers to large content",
        *all_with("a filter=lfs merge=lfs -text\n", "1\n", "2\n", "3\n"),
        conflict=("a", "contents"),
    ),
    Case(
        "a link instead of attributes",
        *all_with(link("x"), "1\n", "1\nours\n", "1\ntheirs\n"),
        conflict=("a", "contents"),
    ),
    Case(
        "longer markers", *all_with("a conflict-marker-size=12\n", A, OURS, CLASH), conflict=("a", "contents")
    ),
    Case(
        "attributes in a folder",
        {"d/.gitattributes": UNION, "d/a": "1\n"},
        {"d/.gitattributes": UNION, "d/a": "1\nours\n"},
        {"d/.gitattributes": UNION, "d/a": "1\ntheirs\n"},
        "clean",
    ),
    Case(
        "upstream brings the union", {"a": "1\n"}, {"a": "1\nours\n"}, having(UNION, "1\ntheirs\n"), "clean"
    ),
    Case(
        "upstream takes the union away",
        having(UNION, "1\n"),
        having(UNION, "1\nours\n"),
        {"a": "1\ntheirs\n"},
        conflict=("a", "contents"),
    ),
    Case(
        "the patch itself brings the union",
        {"a": "1\n"},
        having(UNION, "1\nours\n"),
        {"a": "1\ntheirs\n"},
        conflict=("a", "contents"),
    ),
)
def test_attributes(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path, attributes=True)


@pytest.mark.parametrize(
    ("before", "stack", "upstream", "verdicts"),
    [
        (
            {"a": "1\n"},
            [having(UNION, "1\n"), having(UNION, "1\nours\n")],
            {"a": "1\ntheirs\n"},
            ["clean", "clean"],
        ),
        (
            having(UNION, "1\n"),
            [{"a": "1\n"}, {"a": "1\nours\n"}],
            having(UNION, "1\ntheirs\n"),
            ["clean", "conflicted"],
        ),
    ],
    ids=["brings", "takes-away"],
)
def test_a_patch_changes_the_attributes_for_those_after_it(
    tmp_path: Path, before: Files, stack: list[Files], upstream: Files, verdicts: list[str]
) -> None:
    made = plan(state(before), [state(one) for one in stack], [state(upstream)])
    carried = held(tmp_path, made, attributes=True)
    assert [str(patch.verdict) for patch in carried.report.patches] == verdicts
