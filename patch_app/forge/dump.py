"""A readable dump of a repository, for stories to compare.

Its job: the same text for the same state: sorted, no ids of ours, no dates; commits by subject. Runs go on
side by side, so checks stand by their suite: which run's job was faster is told nowhere. It refuses to leave
out a namespace of refs but refs/pull.
"""

from __future__ import annotations

import re

from patch_app.forge.core import Core
from patch_app.forge.git import Git
from patch_app.forge.state import Issue, Repository


def _refs(git: Git) -> list[str]:
    lines = []
    for name, (sha, _) in git.refs().items():
        if name.startswith("refs/pull/"):
            continue
        commit = git.resolve(name)
        subject = git.text("log", "-1", "--format=%s", commit) if commit else "(no commit)"
        lines.append(f"  {name} {sha[:12]} {subject}")
    return lines


def _issue(row: Issue) -> list[str]:
    if row.pull is None:
        lines = [f"  #{row.number} {row.state} {row.title!r} by {row.user}"]
    else:
        pull = row.pull
        state = "merged" if pull.merged_at else row.state
        head = f"{pull.base_ref} <- {pull.head_ref} {pull.head_sha[:12]}"
        lines = [f"  #{row.number} {state} {row.title!r} by {row.user}: {head}"]
        lines += [f"    review {r.state} by {r.user} on {r.commit_id[:12]}" for r in pull.reviews]
    lines += [f"    comment by {c.user}: {_first_line(c.body)}" for c in row.comments]
    return lines


def _first_line(body: str) -> str:
    """The first line that people see, without where its links lead."""
    seen = (line for line in body.splitlines() if line and not line.startswith("<!--"))
    line = re.sub(r"\]\([^)]*\)", "]", next(seen, ""))
    return line if len(line) <= 100 else f"{line[:100].rpartition(' ')[0]} …"


def dump(core: Core, repo: Repository) -> str:
    """The text. Call it with the lock held."""
    git = core.git(repo)
    pulls = [line for i in repo.issues.values() if i.pull for line in _issue(i)]
    issues = [line for i in repo.issues.values() if not i.pull for line in _issue(i)]
    checks = [
        f"  {c.head_sha[:12]} {c.name}: {c.conclusion or c.status}"
        + (f" {c.title!r}" if c.title else "")
        + "".join(f"\n    {a['annotation_level']} {a['title']}: {a['message']}" for a in c.annotations)
        # ids are given in the order of making: Actions makes a suite with each run, before any of its jobs
        for c in sorted(repo.checks.values(), key=lambda one: one.suite_id)
    ]
    runs = [
        f"  {r.event} {r.path} {r.name!r} attempt {r.attempt} by {r.actor}: {r.conclusion or r.status}"
        + "".join(f"\n    job {j.name}: {j.conclusion or j.status}" for j in r.jobs)
        + "".join(f"\n    artifact {a.name}" for a in repo.artifacts.values() if a.run_id == r.id)
        for r in repo.runs.values()
    ]
    statuses = [f"  {s.sha[:12]} {s.context}: {s.state}" for s in repo.statuses]
    releases = [f"  {r.tag_name}{' (draft)' if r.draft else ''}" for r in repo.releases.values()]
    sections = {
        "refs": _refs(git),
        "pull requests": pulls,
        "issues": issues,
        "checks": checks,
        "statuses": statuses,
        "runs": runs,
        "releases": releases,
    }
    lines = [f"{repo.full_name} ({repo.default_branch})"]
    for title, rows in sections.items():
        if rows:
            lines += [f"{title}:", *rows]
    return "\n".join(lines) + "\n"
