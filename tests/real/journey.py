"""Carries a real stack through all releases, as a person with `preview` would, beside `git rebase`.

Two ways. Step by step: each release from the candidate of the last. And in one leap: the whole first stack
straight onto the last release. Where a patch conflicts it is dropped and written down, with those that can't
stand without it, and the release is tried again. Every difference from the rebase is written down too.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patch_app.core.report import CARRIED, SETTLED, Report, Status, Verdict
from patch_app.preview import INSTALLED_PATHS, INSTALLED_TRAILER, run_preview
from patch_app.runner.job import Runner
from patch_app.runner.records import Request
from patch_app.runner.workspace import Workspace
from patch_app.terminal import Terminal
from tests.real.git import Failed, Repository
from tests.real.material import Material

STEPS, LEAP = "steps", "leap"
EXITS = {Status.CLEAN: 0, Status.NOOP: 0, Status.CONFLICT: 1}


@dataclass(frozen=True, kw_only=True)
class Rebased:
    """What `git rebase` in a work tree came to: the tip, and the patch that it stopped at, if any."""

    tree: str
    stopped: str | None
    log: str
    """Author and message of every carried commit."""


@dataclass(kw_only=True)
class Stop:
    """One release: what became of each patch that the stack had when it was reached."""

    tag: str
    stack: int
    """Patches that the stack had."""
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    dropped: list[str] = field(default_factory=list)
    """Patches that conflicted and were dropped."""
    fell: list[str] = field(default_factory=list)
    """Patches that could not stand without a dropped one."""


@dataclass(kw_only=True)
class Journey:
    """All releases, both ways."""

    steps: list[Stop] = field(default_factory=list)
    leap: list[Stop] = field(default_factory=list)
    compared: int = 0
    """Previews whose outcome was held against a rebase."""
    candidates: int = 0
    differences: list[str] = field(default_factory=list)
    left: int = 0
    """Patches that the stack still has after the last release."""


class Traveller:
    """Goes through the releases of one material, in the fork's branches `steps` and `leap`."""

    def __init__(self, material: Material, directory: Path) -> None:
        self.material = material
        self.fork = Repository(material.fork)
        self.work = Repository(directory / "rebase")
        self.fork.git("clone", "-q", "--no-checkout", ".", str(self.work.path))
        self.work.git("fetch", "-q", "--no-tags", str(material.upstream), "+refs/tags/*:refs/tags/*")
        self.fork.git("fetch", "-q", "--no-tags", str(material.upstream), "main:refs/upstream/main")
        self.journey = Journey()

    def go(self) -> Journey:
        """The whole journey."""
        self._move(STEPS, self.material.branch)
        self._move(LEAP, self.material.branch)
        base = self.material.base
        for tag in self.material.tags[1:]:
            base = self._onto(tag, STEPS, base, self.journey.steps)
        self._onto(self.material.tags[-1], LEAP, self.material.base, self.journey.leap)
        self.journey.left = len(self._stack(STEPS, base))
        return self.journey

    def _onto(self, tag: str, branch: str, base: str, stops: list[Stop]) -> str:
        """One release, until it is clean. Returns its commit, on which the branch's stack sits then."""
        stop = Stop(tag=tag, stack=len(self._stack(branch, base)))
        stops.append(stop)
        target = self.work.rev(tag + "^{commit}")
        while self._stack(branch, base):
            report, carried = self._compared(branch, base, tag)
            if report.status is not Status.CONFLICT:
                stop.verdicts.update(patch.verdict for patch in report.patches)
                if carried is not None:
                    self._move(branch, carried)
                return target
            assert report.conflict is not None
            fell = self._drop(branch, base, report.conflict.patch)
            names = {patch.old: patch.subject for patch in report.patches}
            stop.dropped.append(names[report.conflict.patch])
            stop.fell += [names[old] for old in fell]
            stop.verdicts[Verdict.CONFLICTED] += 1
        self._move(branch, target)
        return target

    def _compared(self, branch: str, base: str, tag: str) -> tuple[Report, str | None]:
        """Report of a preview, held against the rebase, and what was carried, fetched into the fork."""
        report, code = self.preview(branch, tag)
        rebased = self.rebase(base, self.fork.rev("refs/heads/" + branch), tag)
        carried = self.carry(report, branch)
        self.journey.compared += 1
        self.journey.candidates += report.candidate is not None
        found = [*self._wrong(report, code, base, branch), *self._unlike(report, carried, rebased, tag)]
        self.journey.differences += [f"{branch} to {tag}: {difference}" for difference in found]
        return report, carried

    def preview(self, branch: str, tag: str) -> tuple[Report, int]:
        """The command, by paths."""
        out = Terminal(file=io.StringIO())
        code = run_preview(
            str(self.material.fork), branch, tag, str(self.material.upstream), [], True, out,
            progress=Terminal(file=io.StringIO()), environment=self.fork.environment(),
        )  # fmt: skip
        assert isinstance(out.file, io.StringIO)
        return Report.model_validate_json(out.file.getvalue()), code

    def carry(self, report: Report, branch: str) -> str | None:
        """The same carry once more, with its bundle, fetched into the fork. The ids must be the preview's."""
        if report.stack is None or report.target is None or report.tip is None:
            return None
        request = Request(
            attempt=None, branch=branch, stack=report.stack.sha, base=None, target_name=report.target.name,
            target=report.target.sha, upstream=self.material.upstream.as_uri(), bundle_from="target",
            date=int(self.work.git("show", "-s", "--format=%ct", report.target.sha)),
            installed_paths=INSTALLED_PATHS, installed_trailer=INSTALLED_TRAILER,
            resolutions=None, checks=(),
        )  # fmt: skip
        uris = self.material.fork.as_uri(), self.material.upstream.as_uri()
        with Workspace(*uris, protocols=("file",), parent=str(self.work.path.parent)) as workspace:
            bundle = Runner(workspace, request).run().bundle
            if bundle is None:  # every patch is upstream's: the target itself
                return report.tip
            (part,) = bundle.parts
            self.fork.git("fetch", "-q", "--no-tags", str(Path(bundle.directory) / part.path), bundle.ref)
            return bundle.tip

    def rebase(self, base: str, head: str, tag: str) -> Rebased:
        """What Git makes of the stack in a work tree, up to where it needs a person."""
        self.work.git("fetch", "-q", str(self.material.fork), head)
        self.work.git("checkout", "-q", "-f", "--detach", head)
        options = (
            "--reapply-cherry-picks",
            "--empty=drop",
            "--keep-empty",
            "--onto",
            tag + "^{commit}",
            base,
        )
        code, _, said = self.work.status("rebase", "-q", *options)
        stopped = None
        if code:
            known, stopped, _ = self.work.status("rev-parse", "--verify", "--quiet", "REBASE_HEAD")
            if known:
                raise Failed(f"rebase onto {tag}: {said}")
        rebased = Rebased(tree=self.work.tree("HEAD"), stopped=stopped, log=self._log(tag, "HEAD"))
        if stopped:
            self.work.git("rebase", "--abort")
        return rebased

    def _wrong(self, report: Report, code: int, base: str, branch: str) -> list[str]:
        """What the report itself has wrong."""
        found: list[str] = []
        if EXITS.get(report.status) != code:
            found.append(f"status {report.status} with exit status {code}: {report.error}")
        if report.base != base:
            found.append(f"base {report.base}, not {base}")
        if [patch.old for patch in report.patches] != self._stack(branch, base):
            found.append("the patches are not the stack's commits in their order")
        if report.candidate is not None and any(patch.verdict not in SETTLED for patch in report.patches):
            found.append("a candidate with an open verdict")
        return found

    def _unlike(self, report: Report, carried: str | None, rebased: Rebased, tag: str) -> list[str]:
        """What differs from the rebase: where it stopped, the tree, the authors and messages."""
        found: list[str] = []
        stopped = report.conflict.patch if report.conflict else None
        if stopped != rebased.stopped:
            found.append(f"stopped at {stopped}, the rebase at {rebased.stopped}")
        if carried != report.tip:
            found.append(f"preview says {report.tip}, the same carry with a bundle {carried}")
        if carried:
            self.work.git("fetch", "-q", str(self.material.fork), carried)
        tip = carried or tag
        if self.work.tree(tip) != rebased.tree:
            changed = self.work.git("diff", "--stat", rebased.tree, self.work.tree(tip))
            found.append(f"tree {self.work.tree(tip)}, the rebase's {rebased.tree}:\n{changed}")
        if report.candidate is not None and report.candidate.tree != rebased.tree:
            found.append(f"the report's tree {report.candidate.tree} is not the rebase's")
        if self._log(tag, tip) != rebased.log:
            found.append("authors or messages are not the rebase's")
        new = [patch.new for patch in report.patches if patch.verdict in CARRIED]
        if new != self.work.git("rev-list", "--reverse", f"{tag}..{tip}").split():
            found.append("the new commits that the report names are not what was carried")
        return found

    def _drop(self, branch: str, base: str, patch: str) -> list[str]:
        """Takes one patch out of the stack on its old base. Returns those that don't apply without it."""
        fell: list[str] = []
        stack = self._stack(branch, base)
        at = stack.index(patch)
        self.work.git("checkout", "-q", "-f", "--detach", stack[at - 1] if at else base)
        for old in stack[at + 1 :]:
            code, _, _ = self.work.status("cherry-pick", "--allow-empty", "--keep-redundant-commits", old)
            if code:
                self.work.git("cherry-pick", "--skip")
                fell.append(old)
        self.work.git("push", "-q", "-f", str(self.material.fork), "HEAD:refs/heads/" + branch)
        return fell

    def _stack(self, branch: str, base: str) -> list[str]:
        return self.fork.git("rev-list", "--reverse", f"{base}..refs/heads/{branch}").split()

    def _log(self, since: str, tip: str) -> str:
        return self.work.git(
            "log", "--reverse", "--format=%an <%ae> %ad%n%B", "--date=raw", f"{since}..{tip}"
        )

    def _move(self, branch: str, to: str) -> None:
        self.fork.git("update-ref", "refs/heads/" + branch, self.fork.rev(to + "^{commit}"))


def total(stops: Sequence[Stop]) -> Counter[Verdict]:
    """Verdicts over all releases."""
    return sum((stop.verdicts for stop in stops), Counter())
