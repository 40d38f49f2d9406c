"""What the server proves by GitHub's diffs is what the runner calls `clean`, on made-up histories."""

from __future__ import annotations

import os
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

from generated import Tasks, planned, stacks, upstreams
from histories import Stage, State
from hypothesis import HealthCheck, given, settings

from patch_app.core import diffs, proof
from patch_app.core.report import Verdict

ELSEWHERE = "has another place where the same lines would fit as well"
EXAMPLES = int(os.environ.get("PATCH_APP_EXAMPLES", "0"))
"""How many histories; by default a few, and always the same ones."""


class Repository:
    """Trees by value, and Git's own diffs of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "--bare")

    def git(self, *args: str, stdin: bytes = b"") -> bytes:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *args], cwd=self.folder, input=stdin, env=env, capture_output=True, check=True
        )
        return done.stdout

    def tree(self, state: State) -> str:
        rows = []
        for path, entry in state.items():
            oid = entry.content if entry.mode == "160000" else self.blob(entry.content)
            rows.append(b"%s %s\t%s\0" % (entry.mode.encode(), oid, path))
        self.git("read-tree", "--empty")
        self.git("update-index", "-z", "--index-info", stdin=b"".join(rows))
        return self.git("write-tree", "--missing-ok").decode().strip()

    def blob(self, content: bytes) -> bytes:
        return self.git("hash-object", "-w", "--stdin", stdin=content).strip()

    def diff(self, old: State, new: State) -> tuple[diffs.FileDiff, ...]:
        return diffs.parse(self.git("diff", "-p", "-M", self.tree(old), self.tree(new)))


def problem(repository: Repository, patch: tuple[State, State], made: tuple[State, State]) -> str | None:
    """As the server goes about it."""
    found = proof.compare(repository.diff(*patch), repository.diff(*made))
    if found.problem is not None:
        return found.problem
    for one in found.blobs:
        before, after = (path.encode() for path in one.paths or ("", ""))
        there = (patch[0].get(before), patch[1].get(after), made[0].get(before), made[1].get(after))
        if why := proof.blob_problem(one, [str(entry.content) if entry else None for entry in there]):
            return why
    for one, other in found.places:
        before = (one.paths or ("", ""))[0].encode()
        was, now = patch[0][before].content, made[0][before].content
        if why := proof.place_problem(one, other, now) or proof.moved_problem(one, other, was, now):
            return why
    return None


@settings(
    max_examples=EXAMPLES or 8, deadline=None, derandomize=not EXAMPLES, database=None,
    print_blob=True, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(ours=stacks, theirs=upstreams)
def test_nothing_is_proved_that_the_runner_does_not_call_clean(ours: Tasks, theirs: Tasks) -> None:
    plan = planned(ours, theirs)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        carried = Stage(folder, plan).carry()
        repository = Repository(folder)
        states = [plan.shared[-1].state, *(commit.state for commit in plan.stack)]
        steps = zip(carried.report.patches, pairwise(states), pairwise(carried.states), strict=True)
        for patch, change, made in steps:
            if patch.new is None:
                continue
            found = problem(repository, change, made)
            assert found is not None or patch.verdict is Verdict.CLEAN, (patch, found)
            # the server takes nobody's word for a file that upstream moved
            moved = patch.note is not None and " is now " in patch.note
            assert found is None or patch.verdict is not Verdict.CLEAN or moved or ELSEWHERE in found, found
