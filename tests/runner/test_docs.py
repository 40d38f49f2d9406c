"""The reference says what there is: a key, verdict or status without a line in the docs is a failure."""

from __future__ import annotations

from pathlib import Path

from patch_app.core.report import Report, Status, Verdict
from patch_app.preview import Exit
from patch_app.runner import attribution, explain, outlook

DOCS = Path(__file__).parents[2] / "docs"


def rows(name: str) -> set[str]:
    text = (DOCS / name).read_text()
    return {line.split("|")[1].strip().strip("`") for line in text.splitlines() if line.startswith("| ")}


def test_every_key_of_the_report_is_described() -> None:
    keys = {field.alias or name for name, field in Report.model_fields.items()}
    assert keys <= rows("reference/report.md")
    text = (DOCS / "reference/report.md").read_text()
    assert all(f"`{status}`" in text for status in Status)


def test_every_verdict_is_explained() -> None:
    assert {str(verdict) for verdict in Verdict} == rows("concepts/verdicts.md") - {"verdict", "---"}


def test_every_forecast_is_explained() -> None:
    text = (DOCS / "concepts/verdicts.md").read_text()
    for words in (outlook.APPLIES, outlook.CONFLICTS, outlook.BUILDS_ON, outlook.NOTHING_LEFT):
        assert f"*{words}*" in text
    assert f"first {outlook.MOST} patches" in text


def test_every_exit_status_is_in_the_reference() -> None:
    assert {str(int(status)) for status in Exit} <= rows("reference/preview.md")


def test_the_bounds_of_the_search_for_who_took_a_patch_are_told() -> None:
    text = (DOCS / "concepts/verdicts.md").read_text()
    assert f"among {attribution.MAX_RANGE:,} commits and the {explain.ROUNDS[-1][1]} newest" in text
