"""Whether two attempts for one release are the same work, patch by patch. Pure; looks at no files."""

from __future__ import annotations

from patch_app.core.attempt import Attempt
from patch_app.core.facts import Sibling
from patch_app.core.report import Report


def verdicts(report: Report | None) -> tuple[tuple[str, str], ...]:
    """Each patch of the stack with what became of it."""
    return tuple((one.old, one.verdict.value) for one in (report.patches if report else ()))


def same_work(attempt: Attempt, other: Sibling) -> bool:
    """Whether an attempt for the same release had the same patches, each with the same end, on the same
    target.
    """
    known = verdicts(attempt.report)
    return (
        (other.event, other.target) == (attempt.event, attempt.target)
        and other.candidate not in (None, attempt.candidate)
        and bool(known)
        and known == verdicts(other.report)
    )
