"""Any stack and any release: merged as `git merge` does it, or a conflict where that has one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from generated import Tasks, planned, stacks, upstreams
from histories import Stage
from hypothesis import HealthCheck, given, settings
from runner_world import Repo

from patch_app.core.report import Report, Status, Verdict
from patch_app.runner.job import Runner

EXAMPLES = int(os.environ.get("PATCH_APP_EXAMPLES", "0"))


def merged(stage: Stage) -> Report:
    """The merge, by the runner."""
    with stage.world.workspace() as workspace:
        request = stage.request()._replace(strategy="merge")
        report = Report.model_validate(Runner(workspace, request, with_bundle=False).run().report)
    assert report.error is None, report.error
    return report


def oracle(stage: Stage) -> str | None:
    """Tree of `git merge`, None where it conflicts."""
    clone = Repo(stage.world.tmp / "oracle", stage.world.fork.config)
    clone.init(stage.world.upstream, stage.world.fork)
    clone.git("checkout", "-q", "--detach", stage.stack[-1])
    clone.git("merge", "-q", "--no-ff", "-m", "by hand", stage.target, ok=(0, 1))
    return None if (clone.path / ".git/MERGE_HEAD").exists() else clone.rev("HEAD^{tree}")


@settings(
    max_examples=EXAMPLES or 8, deadline=None, derandomize=not EXAMPLES, database=None,
    print_blob=True, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(ours=stacks, theirs=upstreams)
def test_the_merge_is_gits_and_every_patch_has_a_verdict(ours: Tasks, theirs: Tasks) -> None:
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(Path(directory), planned(ours, theirs))
        report, wanted = merged(stage), oracle(stage)
        assert [patch.old for patch in report.patches] == stage.stack
        verdicts = [patch.verdict for patch in report.patches]
        if wanted is None:
            assert report.status is Status.CONFLICT
            assert report.conflict is not None
            assert report.conflict.files
            assert report.conflict.diff
            assert sorted(set(verdicts) | {Verdict.NOT_TRIED}) == [Verdict.CONFLICTED, Verdict.NOT_TRIED]
            assert verdicts.count(Verdict.CONFLICTED) == 1
            return
        assert report.candidate is not None
        assert report.candidate.tree == wanted
        assert not {Verdict.CONFLICTED, Verdict.NOT_TRIED} & {*verdicts}
