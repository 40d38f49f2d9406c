"""Any stack on any release: every patch has one verdict, and the tree is the one that `git rebase` gives."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from generated import Tasks, planned, stacks, upstreams
from histories import Stage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judging import judged

from patch_app.runner import diff, verdict
from patch_app.runner.records import Change

EXAMPLES = int(os.environ.get("PATCH_APP_EXAMPLES", "0"))
"""How many histories; by default a few, and always the same ones."""


@settings(
    max_examples=EXAMPLES or 8, deadline=None, derandomize=not EXAMPLES, database=None,
    print_blob=True, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(ours=stacks, theirs=upstreams)
def test_every_patch_is_accounted_for_and_the_tree_is_the_rebases(ours: Tasks, theirs: Tasks) -> None:
    plan = planned(ours, theirs)
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(Path(directory), plan)
        judged(plan, stage.carry(), stage.rebase())


lines = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"  a\n", b"@@ -1 +1 @@\n", b"diff --git x\n", b"-- x\n"]), max_size=6
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(one=lines, two=lines)
def test_a_verdict_is_clean_only_for_the_same_lines(one: list[bytes], two: list[bytes]) -> None:
    change = Change("100644", "100644", "1" * 40, "2" * 40, "M", b"f", b"f")
    other = change._replace(old="3" * 40, new="4" * 40)
    word, note = verdict.compare(
        [(change, diff.Lines(tuple(one), ()))], [(other, diff.Lines(tuple(two), ()))]
    )
    assert (word == "clean") == (sorted(one) == sorted(two))
    assert (note is None) == (word == "clean")


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(removed=lines, added=lines, ends=st.booleans())
def test_lines_that_look_like_headers_do_not_mislead(
    removed: list[bytes], added: list[bytes], ends: bool
) -> None:
    body = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n"
    if removed or added:
        body += b"@@ -1,%d +1,%d @@ heading\n" % (len(removed), len(added))
        body += b"".join(b"-" + line for line in removed) + b"".join(b"+" + line for line in added)
    if added and not ends:
        body += b"\\ No newline at end of file\n"
        added = [*added[:-1], added[-1][:-1]]
    sections = diff.split_sections(body + b"diff --git a/y b/y\nold mode 100644\nnew mode 100755\n")
    assert sections == [diff.Lines(tuple(removed), tuple(added)), diff.Lines((), ())]
