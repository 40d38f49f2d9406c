"""What messages share: fitting a body into GitHub's limits, and addresses of the fork's pages.

Addresses come from the run's own, so that no setting has to say where GitHub is; without a run there
are none, and commits stand in full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from patch_app.core import markdown, patch_table
from patch_app.core.attempt import Attempt

# a range-diff in less than this says nothing
_LEAST_DIFF: Final = 1000


def fitted(attempt: Attempt, first: str, rest: str, limit: int, *, diff: bool = True) -> str:
    """First lines, table of patches, range-diff and the rest, within `limit` bytes.

    The range-diff is cut first, then rows of the table from its end; what is left out is linked.
    """
    report = attempt.report
    rows = patch_table.rows(report, _repository_url(attempt)) if report else []
    range_diff = (report.range_diff or "") if report and diff else ""

    def render(kept: int, folded: str) -> str:
        table = markdown.table(patch_table.HEADERS, rows[:kept]) if rows else ""
        if kept < len(rows):
            table += f"\n… and {patch_table.counted(len(rows) - kept, 'patch')} more{_elsewhere(attempt)}\n"
        return "\n".join(part for part in (f"{first}\n" if first else "", table, folded, rest) if part)

    space = limit - markdown.size(render(len(rows), ""))
    if space >= _LEAST_DIFF or not range_diff:
        folded = _folded(attempt, range_diff, space) if range_diff else ""
        whole = render(len(rows), folded)
        if markdown.size(whole) <= limit:
            return whole
    return markdown.bounded(
        render(_most(lambda n: render(n, ""), len(rows), limit), ""), limit, run_url(attempt)
    )


def _folded(attempt: Attempt, range_diff: str, space: int) -> str:
    summary = "Range-diff: the old stack and the new one, patch by patch"
    return markdown.bounded(
        markdown.details(summary, markdown.fenced(range_diff, "diff")), space, run_url(attempt)
    )


def _most(render: Callable[[int], str], high: int, limit: int) -> int:
    """The most rows with which it fits, by halving; 0 where nothing does."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if markdown.size(render(middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


# Addresses -------------------------------------------------------------------------------------------


def plain_url(url: str) -> bool:
    """Whether an address can stand in a Markdown link as it is."""
    return url.startswith(("http://", "https://")) and not set(url) & set(" ()<>\"'`|\n\\[]")


def run_url(attempt: Attempt) -> str:
    """The page of the latest run; empty without one."""
    url = attempt.runs[-1].url if attempt.runs else ""
    return url if plain_url(url) else ""


def _repository_url(attempt: Attempt) -> str:
    """The fork's page, as the run's own address has it; empty where there is no run."""
    return run_url(attempt).partition("/actions/runs/")[0] if "/actions/runs/" in run_url(attempt) else ""


def web(attempt: Attempt) -> str:
    """Where GitHub is (`https://github.com`); empty where the run does not say."""
    url = _repository_url(attempt)
    return url.removesuffix(f"/{attempt.repository}") if url.endswith(f"/{attempt.repository}") else ""


def commit(attempt: Attempt, sha: str | None) -> str:
    """A commit of the fork, linked where its page is known."""
    return patch_table.commit(sha, _repository_url(attempt)) if sha else "nothing"


def _elsewhere(attempt: Attempt) -> str:
    url = run_url(attempt)
    return f": all of them in [the run's summary]({url})" if url else ""
