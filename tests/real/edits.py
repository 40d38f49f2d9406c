"""Patches made up over real files, for machines without apt: the kinds that people keep in forks.

Some are backports of what a later release has, some are own changes, one adds a file, one removes one.
"""

from __future__ import annotations

import re

from tests.real.git import Repository

BACKPORTS, OWN = 3, 4
STATEMENT = re.compile(r"    +(?:return|self\.\w+ = )")


def make(work: Repository, base: str, later: str) -> list[str]:
    """Commits the patches on what is checked out (`base`). Returns their subjects, in order."""
    changed = work.git("diff", "--diff-filter=M", "--numstat", base, later, "--", "*.py").split("\n")
    rows = sorted((int(row.split("\t")[0]) + int(row.split("\t")[1]), row.split("\t")[2]) for row in changed)
    paths = [path for lines, path in rows if lines > 2]
    subjects: list[str] = []

    def commit(subject: str) -> None:
        work.git("add", "-fA")
        work.git(
            "commit",
            "-q",
            "-m",
            subject,
            GIT_AUTHOR_NAME="Fork Keeper",
            GIT_AUTHOR_EMAIL="keeper@example.org",
        )
        subjects.append(subject)

    for path in paths[:BACKPORTS]:
        work.git("checkout", "-q", later, "--", path)
        commit(f"Backport of {path}")
    for path in paths[-OWN:]:
        _note_values(work, path)
        commit(f"Say where {path} returns")
    (work.path / "FORK.md").write_text("This is a fork.\n")
    commit("Say that this is a fork")
    gone = work.git("ls-files", "--", "docs/*.rst", "docs/*.md").split("\n")[0]
    work.git("rm", "-q", "--", gone)
    commit(f"Remove {gone}")
    return subjects


def _note_values(work: Repository, path: str) -> None:
    """A line before every third statement of the file."""
    lines = (work.path / path).read_text(encoding="utf-8").split("\n")
    hits = [number for number, line in enumerate(lines) if STATEMENT.match(line)][1::3] or [0]
    for number in reversed(hits):
        indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
        lines.insert(number, f"{indent}# fork: looked at here")
    (work.path / path).write_text("\n".join(lines), encoding="utf-8")
