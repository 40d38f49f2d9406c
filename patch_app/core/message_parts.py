"""What messages share: fitting a body into GitHub's limits, and addresses of the fork's pages.

Addresses come from the run's own, so that no setting has to say where GitHub is; without a run there
are none, and commits stand in full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from patch_app.core import markdown, names, patch_table
from patch_app.core.attempt import Attempt
from patch_app.core.report import Report, Resolution

# a range-diff in less than this says nothing
_LEAST_DIFF: Final = 1000
# room for the line that says how many patches' own are not shown: a run's address is a part of it
_NOTE: Final = 400


def fitted(attempt: Attempt, first: str, rest: str, limit: int, *, diff: bool = True) -> str:
    """First lines, table of patches, range-diffs and the rest, within `limit` bytes.

    The range-diffs are cut first, then rows of the table from its end; what is left out is linked.
    """
    report = attempt.report
    approved = {number for one in attempt.earlier if one.approved_by for number in one.same}
    rows = patch_table.rows(report, _repository_url(attempt), approved) if report else []

    def render(kept: int, folded: str) -> str:
        table = markdown.table(patch_table.headers(report), rows[:kept]) if report and rows else ""
        if kept < len(rows):
            table += f"\n… and {patch_table.counted(len(rows) - kept, 'patch')} more{_elsewhere(attempt)}\n"
        return "\n".join(part for part in (f"{first}\n" if first else "", table, folded, rest) if part)

    space = limit - markdown.size(render(len(rows), ""))
    folded = _folded(attempt, report, space) if report and diff and space >= _LEAST_DIFF else ""
    whole = render(len(rows), folded)
    if markdown.size(whole) <= limit:
        return whole
    return markdown.bounded(
        render(_most(lambda n: render(n, ""), len(rows), limit), ""), limit, run_url(attempt)
    )


def _folded(attempt: Attempt, report: Report, space: int) -> str:
    """What resolutions did and range-diffs of single patches in at most half of the space, then the whole
    stack's range-diff in what is left.
    """
    parts = _of_patches(attempt, report, space // 2 if report.range_diff else space - 1)
    left = space - markdown.size(parts) - 1
    if report.range_diff and left >= _LEAST_DIFF:
        summary = "Range-diff: the old stack and the new one, patch by patch"
        whole = markdown.details(summary, markdown.fenced(report.range_diff, "diff"))
        parts += ("\n" if parts else "") + markdown.bounded(whole, left, run_url(attempt))
    return parts


def _of_patches(attempt: Attempt, report: Report, space: int) -> str:
    shown, left_out = "", 0
    for summary, diff in _diffs(report):
        part = markdown.details(summary, markdown.fenced(diff, "diff"))
        if markdown.size(shown) + markdown.size(part) + _NOTE <= space:
            shown += part
        else:
            left_out += 1
    if left_out:
        shown += f"\nNot shown: {patch_table.counted(left_out, 'more diff')}{_elsewhere(attempt)}\n"
    return shown


def _diffs(report: Report) -> list[tuple[str, str]]:
    """What was made of conflicts first: that is what nobody has reviewed for this release."""
    found = [
        (
            f"Resolution used in patch {number}, {_whose(one)}: {markdown.line(one.path, 120)}",
            one.diff,
        )
        for number, patch in enumerate(report.patches, 1)
        for one in patch.resolution
    ]
    return found + [
        (f"Range-diff of patch {number}, which was {patch_table.word(patch.verdict)}", patch.range_diff)
        for number, patch in enumerate(report.patches, 1)
        if patch.range_diff
    ]


def _whose(resolution: Resolution) -> str:
    if resolution.by is not None:
        return f"by the resolver {markdown.line(resolution.by, 60)}"
    return f"of {(resolution.source or '')[:10]}"


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


def archive(attempt: Attempt) -> str:
    """Where the old stack is."""
    return kept(attempt, names.archive_ref(attempt.id))


def kept(attempt: Attempt, ref: str) -> str:
    """Where a commit is that a ref of ours keeps; a branch that stands for the ref has it as the parent."""
    return markdown.code(attempt.place(ref) + ("^" if attempt.on_branches else ""))


def _elsewhere(attempt: Attempt) -> str:
    url = run_url(attempt)
    return f": all of them in [the run's summary]({url})" if url else ""
