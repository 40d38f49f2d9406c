"""A real package's history and a real patch series, carried release after release, against `git rebase`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from patch_app.core.report import Verdict
from tests.real import archives, dep3, figures
from tests.real.journey import Journey, Traveller, total
from tests.real.material import URLLIB3, WERKZEUG, Material, Origin, material

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "real-input.md"
IN_CI = os.environ.get("CI") == "true"


def travelled(made: Material, directory: Path, capfd: pytest.CaptureFixture[str]) -> Journey:
    journey = Traveller(made, directory).go()
    told = figures.section(made, journey)
    if made.why:
        told += f"\nNot Debian's series, because: {made.why}\n"
    with capfd.disabled():  # the figures are wanted from a run that passes, too
        print("\n" + told, file=sys.stderr, flush=True)
    assert not journey.differences, "\n".join(journey.differences)
    for stop in (*journey.steps, *journey.leap):
        assert stop.verdicts.total() + len(stop.fell) == stop.stack, stop
        assert not stop.verdicts[Verdict.NOT_TRIED], stop
    return journey


def in_the_docs(made: Material, journey: Journey) -> None:
    """The page tells the truth about the version that it speaks of."""
    told = figures.section(made, journey)
    page = PAGE.read_text(encoding="utf-8")
    heading = told.split("\n", 1)[0]
    if heading in page:
        documented = page.split(heading, 1)[1].split("\n## ", 1)[0]
        assert (heading + documented).strip() == told.strip(), f"make {PAGE.name} again, as it says there"


@pytest.mark.network
@pytest.mark.timeout(300)
def test_debians_patches_meet_fourteen_releases_and_each_comes_out_as_a_rebase_has_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = material(WERKZEUG, tmp_path)
    assert made.origin is Origin.DEBIAN or not IN_CI
    assert len(made.subjects) >= 4
    journey = travelled(made, tmp_path, capfd)
    assert len([stop for stop in journey.steps if stop.stack]) >= 10
    assert journey.left
    counts = total(journey.steps)
    assert all(counts[verdict] for verdict in (Verdict.CLEAN, Verdict.ALREADY_UPSTREAM, Verdict.CONFLICTED))
    in_the_docs(made, journey)


@pytest.mark.network
@pytest.mark.timeout(300)
def test_security_fixes_that_upstream_releases_too_leave_the_stack_until_a_rewrite_breaks_the_rest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = material(URLLIB3, tmp_path)
    assert made.origin is Origin.DEBIAN or not IN_CI
    assert len(made.subjects) >= 4
    in_the_docs(made, travelled(made, tmp_path, capfd))


@pytest.mark.network
@pytest.mark.timeout(300)
def test_without_apt_edits_over_the_same_archives_take_the_place_of_debians_patches(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(source: str) -> archives.Series:
        raise archives.NotToBeHad(f"no apt-get for {source}")

    monkeypatch.setattr(archives, "series", missing)
    monkeypatch.setenv("CI", "true")
    few = replace(WERKZEUG, versions=WERKZEUG.versions[:4])
    with pytest.raises(archives.NotToBeHad, match="no apt-get"):
        material(few, tmp_path / "ci")
    monkeypatch.delenv("CI")
    made = material(few, tmp_path)
    assert (made.origin, made.why) == (Origin.EDITS, "no apt-get for python-werkzeug")
    assert total(travelled(made, tmp_path, capfd).steps)[Verdict.ALREADY_UPSTREAM]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (
            b"From abc Mon Sep 17 00:00:00 2001\nFrom: =?utf-8?q?Pawe=C5=82?= <p@example.org>\n"
            b"Date: Thu, 12 Oct 2023 18:50:04 +0200\nSubject: [PATCH 2/3] Fix it,\n in two lines\n\n"
            b"Why.\n---\n a | 1 +\n",
            ("Paweł", "p@example.org", "1697129404 +0200", "Fix it, in two lines\n\nWhy.\n"),
        ),
        (
            b"Description: Remove a test\n It fails\n here.\nAuthor: A B <a@example.org>\nForwarded: no\n\n"
            b"--- x.orig/a\n+++ x/a\n",
            ("A B", "a@example.org", None, "Remove a test\n\nIt fails\nhere.\n\nForwarded: no\n"),
        ),
        (b"--- a/a\n+++ b/a\n", (*dep3.NOBODY, None, "some.patch\n")),
        (
            b"Just words\n\nand more\n--- a/a\n+++ b/a\n",
            (*dep3.NOBODY, None, "some.patch\n\nJust words\n\nand more\n"),
        ),
        (
            b"From: A Team\nDate: some day\n\ndiff --git a/a b/a\n",
            ("A Team", dep3.NOBODY[1], None, "some.patch\n"),
        ),
        (b"From: \xff <x@example.org>\nSubject: y\n\nIndex: a\n", ("\ufffd", "x@example.org", None, "y\n")),
    ],
)
def test_a_patch_header_in_any_form_becomes_an_author_and_a_message(
    content: bytes, header: tuple[str, str, str | None, str]
) -> None:
    found = dep3.read(content, "some.patch")
    assert tuple(found) == header
