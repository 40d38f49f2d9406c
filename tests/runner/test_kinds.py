"""Entries of a tree that are no plain text, and texts with odd line ends: carried as they are."""

from __future__ import annotations

from pathlib import Path

from histories import link, module, program
from judging import Case, cases, expect
from runner_world import numbered

A = numbered()
OURS, THEIRS = numbered(l3="ours"), numbered(l20="theirs")
BINARY = bytes(range(256)) * 8
CRLF, OUR_CRLF, THEIR_CRLF = (text.replace("\n", "\r\n") for text in (A, OURS, THEIRS))


def pointer(digit: str) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digit * 64}\nsize 1\n"


@cases(
    Case("the bit alone", {"a": A}, {"a": program(A)}, {"a": THEIRS}, "clean"),
    Case("the bit with lines", {"a": A}, {"a": program(OURS)}, {"a": THEIRS}, "clean"),
    Case("both set the bit", {"a": A}, {"a": program(A)}, {"a": program(A)}, "already-upstream"),
    Case(
        "upstream set the bit of what we edit",
        {"a": A},
        {"a": OURS},
        {"a": program(A)},
        "adjusted",
        "mode: a goes 100755 to 100755 instead of 100644 to 100644",
    ),
    Case("we take the bit away", {"a": program(A)}, {"a": A}, {"a": program(THEIRS)}, "clean"),
    Case(
        "we set the bit of what upstream moved",
        {"a": A},
        {"a": program(A)},
        {"b": THEIRS},
        "clean",
        "a is now b",
    ),
    Case("both added it with other bits", {}, {"n": program(A)}, {"n": A}, conflict=("n", "add/add")),
)
def test_an_executable_bit(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case(
        "both point it elsewhere",
        {"l": link("a")},
        {"l": link("b")},
        {"l": link("c")},
        conflict=("l", "contents"),
    ),
    Case(
        "both point it to one place", {"l": link("a")}, {"l": link("b")}, {"l": link("b")}, "already-upstream"
    ),
    Case("upstream deleted it", {"l": link("a")}, {"l": link("b")}, {}, conflict=("l", "modify/delete")),
    Case("we moved it", {"l": link("a-target")}, {"k": link("a-target")}, {"l": link("other")}, "clean"),
    Case("we made the file a link", {"a": A}, {"a": link("z")}, {"a": A, "z": "z"}, "clean"),
    Case(
        "we made a link of what upstream edits",
        {"a": A},
        {"a": link("z")},
        {"a": THEIRS},
        conflict=("a", "distinct modes"),
    ),
    Case(
        "upstream made a link of what we edit",
        {"a": A},
        {"a": OURS},
        {"a": link("z")},
        conflict=("a", "distinct modes"),
    ),
    Case("it leads out of the repository", {}, {"l": link("../../../etc/passwd")}, {"a": A}, "clean"),
)
def test_a_symbolic_link(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case("we move its commit on", {"m": module(1)}, {"m": module(2)}, {"m": module(1), "a": A}, "clean"),
    Case(
        "both move it on", {"m": module(1)}, {"m": module(2)}, {"m": module(3)}, conflict=("m", "submodule")
    ),
    Case(
        "both move it to one commit", {"m": module(1)}, {"m": module(2)}, {"m": module(2)}, "already-upstream"
    ),
    Case("both added it", {}, {"m": module(2)}, {"m": module(3)}, conflict=("m", "submodule")),
    Case(
        "its url is a command",
        {"a": A},
        {"a": A, "m": module(2), ".gitmodules": '[submodule "m"]\n\tpath = m\n\turl = ext::sh -c x\n'},
        {"a": THEIRS},
        "clean",
    ),
    Case(
        "both added one",
        {".gitmodules": "# modules\n"},
        {".gitmodules": '# modules\n[submodule "b"]\n\tpath = b\n', "b": module(4)},
        {".gitmodules": '# modules\n[submodule "c"]\n\tpath = c\n', "c": module(5)},
        conflict=(".gitmodules", "contents"),
    ),
    Case(
        "upstream made it a file",
        {"m": module(1)},
        {"m": module(2)},
        {"m": A},
        conflict=("m", "distinct modes"),
    ),
    Case("upstream deleted it", {"m": module(1)}, {"m": module(2)}, {}, conflict=("m", "modify/delete")),
    Case("we made it a folder", {"m": module(1)}, {"m/x": A}, {"m": module(1), "a": A}, "clean"),
)
def test_a_submodule(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case("we changed it", {"b": BINARY}, {"b": BINARY + b"x"}, {"b": BINARY, "a": A}, "clean"),
    Case(
        "both changed it", {"b": BINARY}, {"b": BINARY + b"x"}, {"b": BINARY + b"y"}, conflict=("b", "binary")
    ),
    Case(
        "both made the same change",
        {"b": BINARY},
        {"b": BINARY + b"x"},
        {"b": BINARY + b"x"},
        "already-upstream",
    ),
    Case("upstream moved it", {"b": BINARY}, {"b": BINARY + b"x"}, {"c": BINARY}, "clean", "b is now c"),
    Case("it became a text", {"b": BINARY}, {"b": A}, {"b": BINARY, "a": A}, "clean"),
    Case("both added one", {}, {"b": BINARY}, {"b": BINARY + b"x"}, conflict=("b", "binary")),
    Case(
        "a pointer to large content",
        {"p": pointer("1")},
        {"p": pointer("2")},
        {"p": pointer("1"), "a": A},
        "clean",
    ),
    Case(
        "both moved the pointer",
        {"p": pointer("1")},
        {"p": pointer("2")},
        {"p": pointer("3")},
        conflict=("p", "contents"),
    ),
)
def test_a_binary(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)


@cases(
    Case("carriage returns", {"a": CRLF}, {"a": OUR_CRLF}, {"a": THEIR_CRLF}, "clean"),
    Case("we change every line end", {"a": A}, {"a": CRLF}, {"a": THEIRS}, conflict=("a", "contents")),
    Case("no end of the last line", {"a": A + "end"}, {"a": A + "our end"}, {"a": THEIRS + "end"}, "clean"),
    Case("we end the last line", {"a": A + "end"}, {"a": A + "end\n"}, {"a": THEIRS + "end"}, "clean"),
    Case(
        "both change the last line",
        {"a": "end"},
        {"a": "end\n"},
        {"a": "our end"},
        conflict=("a", "contents"),
    ),
    Case("an empty file gets a line", {"a": ""}, {"a": "x\n"}, {"a": "", "b": A}, "clean"),
)
def test_line_ends(case: Case, tmp_path: Path) -> None:
    expect(case, tmp_path)
