from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from patch_app.core import markdown
from patch_app.core.markdown import bounded, code, details, fenced, inline, line, size, table, visible

NASTY = [
    "@bob and @org/team",
    "closes #1, GH-2, o/r#3",
    "https://github.com/o/r/issues/4 www.example.com me@example.com",
    "<script>x</script> </details> <!-- x",
    "[x](http://e) ![y](http://e/p.png) <http://e>",
    "`code` ``` ~~~",
    "a | b \\| c \\",
    "*x* _y_ **z** ~~q~~ $m$",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "> quote",
    "=====",
    "| a |\n| --- |",
    "first\n\n# second",
    "\u202egnp.exe\u2069 \u200b\x00\x1b[31m",
    "&amp; &#64;bob &#x40;bob",
    "    indented",
    "\ttab",
    "+ plus",
    "---",
]
TEXT = (
    st.text(max_size=60) | st.sampled_from(NASTY) | st.lists(st.sampled_from(NASTY), max_size=4).map(" ".join)
)


class _Seen(HTMLParser):
    """Rendered text, and what of it GitHub would look for mentions and links in: all but code."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[str] = []
        self.linkable: list[str] = []
        self.text = ""
        self._code = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self._code += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._code:
            self.linkable.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data({"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[name])

    def handle_charref(self, name: str) -> None:
        self.handle_data(chr(int(name[1:], 16) if name[0] in "xX" else int(name)))


def rendered(text: str) -> _Seen:
    seen = _Seen()
    seen.feed(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text))
    seen.close()
    return seen


def assert_harmless(seen: _Seen) -> None:
    plain = "".join(seen.linkable)
    assert not re.search(r"(?<![A-Za-z0-9])@[A-Za-z0-9]", plain), plain
    assert not re.search(r"#[0-9]", plain), plain
    assert not re.search(r"\bGH-[0-9]", plain, re.IGNORECASE), plain
    assert not re.search(r"(?:https?|ftp)://|\bwww\.\w", plain, re.IGNORECASE), plain
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", seen.text)


@given(TEXT)
@example("a|b")
def test_a_foreign_line_stays_a_line_of_text(text: str) -> None:
    seen = rendered(inline(text))
    assert set(seen.tags) <= {"p"}
    assert_harmless(seen)
    assert " ".join(seen.text.replace("\u200b", "").split()) == " ".join(line(text).split())


@given(TEXT)
def test_foreign_text_in_fixed_width_stays_one_piece_of_code(text: str) -> None:
    seen = rendered(f"x {code(text)} y")
    assert seen.tags == ["p", "code"]
    assert_harmless(seen)
    shown = visible(text).replace("\n", " ").replace("\t", " ")
    assert " ".join(seen.text.split()) == " ".join(f"x {shown} y".split())


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_a_table_keeps_its_rows_and_cells_whatever_is_in_them(rows: list[tuple[str, str]]) -> None:
    seen = rendered(table(("a", "b"), [(inline(one), code(other)) for one, other in rows]))
    assert seen.tags.count("table") == 1
    assert seen.tags.count("tr") == len(rows) + 1
    assert seen.tags.count("td") == 2 * len(rows)
    assert seen.tags.count("code") == len(rows)
    assert set(seen.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert_harmless(seen)


@given(TEXT | st.lists(st.sampled_from(["```", "````x", "~~~", "</details>", "x", ""])).map("\n".join))
def test_a_fenced_block_holds_whatever_is_in_it(text: str) -> None:
    seen = rendered(f"before\n\n{fenced(text, 'diff')}\nafter\n")
    assert seen.tags == ["p", "pre", "code", "p"]
    assert seen.linkable[0] == "before"
    assert seen.linkable[-2:] == ["after", "\n"]


def test_a_language_cannot_leave_its_line() -> None:
    assert fenced("x", "sh\n```\n@bob").startswith("```shbob\n")


@given(TEXT)
def test_a_folded_part_is_closed_whatever_its_summary_says(text: str) -> None:
    seen = rendered(details(text, fenced(text)))
    assert [tag for tag in seen.tags if tag not in ("p",)] == ["details", "summary", "pre", "code"]


def test_what_reorders_text_is_shown() -> None:
    assert visible("a\u202eb\x1b\r\nc\td") == "a\\u202eb\\u001b\nc\td"
    assert visible("\U000e0041") == "\\U000e0041"
    assert line("a\n\n b\u2028c") == "a b\\u2028c"


def test_readable_text_stays_readable() -> None:
    assert inline("Fix snake_case in README (v1.2, see docs)") == "Fix snake_case in README (v1.2, see docs)"
    assert code("src/a_b.py") == "`src/a_b.py`"
    assert line("x" * 300, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("limit", [400, 1000, 5000])
def test_a_text_is_cut_at_a_line_and_what_was_open_is_closed(limit: int) -> None:
    text = details("all", "text\n\n" + fenced("ü@bob\n" * 5000, "diff")) + "\nafter\n"
    kept = bounded(text, limit, "https://example.com/run")
    assert size(kept) <= limit
    seen = rendered(kept)
    assert [tag for tag in seen.tags if tag not in ("p", "em", "a")] == ["details", "summary", "pre", "code"]
    assert "all of it" in kept
    assert bounded(text, 10**6) == text


@given(st.text(max_size=3000), st.integers(500, 2000))
def test_no_text_is_longer_than_its_bound(text: str, limit: int) -> None:
    assert size(bounded(text, limit)) <= limit


def test_bounds_are_github_s() -> None:
    assert (markdown.BODY_LIMIT, markdown.CHECK_LIMIT) == (65_536, 65_535)
