"""`strategy = "patches"`: a stack that is built from patch branches, in their order, each commit once."""

from __future__ import annotations

from typing import Any

import pytest
from runner_world import TRAILER, WORKFLOW, World, numbered

from patch_app.core.report import Report, Status, Verdict
from patch_app.runner.records import PATCHES


class Built:
    """Upstream at `v1` and the fork, whose patch branches are made and carried here."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.upstream, self.fork = world.upstream, world.fork
        self.base = self.upstream.commit("one", {"a.txt": numbered(), "b.txt": numbered()})
        world.fork_now()
        self.order: list[str] = []

    def branch(self, name: str, *commits: tuple[str, dict[str, Any]], at: str | None = None) -> str:
        """A new patch branch, or one made anew."""
        self.fork.git("switch", "-q", "-C", name, at or self.base)
        for message, files in commits:
            self.fork.commit(message, files)
        head = self.fork.head
        self.fork.git("switch", "-q", "main")
        if name not in self.order:
            self.order.append(name)
        return head

    def release(self, **lines: str) -> str:
        return self.upstream.commit("release", {"a.txt": numbered(**lines)})

    def carry(self, **changes: Any) -> Report:
        patches = tuple((name, self.fork.rev(f"refs/heads/{name}")) for name in self.order)
        report = self.world.carry(strategy=PATCHES, patches=patches, **changes)
        assert report.error is None, report.error
        assert [(one.branch, one.sha) for one in report.branches] == list(patches)
        return report

    def promote(self, report: Report) -> tuple[tuple[str, str], ...]:
        """The maintained branch is what was carried; what the server knows of it from then on."""
        assert report.candidate is not None
        self.fork.git("reset", "-q", "--hard", "refs/carried")
        return tuple((one.new, one.source) for one in report.patches if one.new and one.source)

    def show(self, path: str, commit: str = "refs/carried") -> str:
        return self.fork.git("show", f"{commit}:{path}")


@pytest.fixture
def built(world: World) -> Built:
    return Built(world)


def told(report: Report) -> list[tuple[str | None, str, str]]:
    return [(one.branch, one.subject, one.verdict.value) for one in report.patches]


def test_branches_on_different_bases_are_carried_one_after_the_other(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}), ("more", {"new.txt": "new\n"}))
    middle = built.release(l10="theirs")
    built.fork.git("fetch", "-q", str(built.upstream.path), middle)
    second = built.branch("patch/2", ("second", {"a.txt": numbered(l10="theirs", l28="ours")}), at=middle)
    built.release(l10="theirs", l15="release")
    report = built.carry()
    assert told(report) == [
        ("patch/1", "first", "clean"),
        ("patch/1", "more", "clean"),
        ("patch/2", "second", "clean"),
    ]
    assert [one.base for one in report.branches] == [built.base, middle]
    assert (report.patches[2].old, report.patches[2].source, report.patches[2].built) == (
        second,
        second,
        None,
    )
    assert report.drift is not None
    assert len(report.drift.only_in_branches) == 3
    assert built.show("a.txt") + "\n" == numbered(l3="ours", l10="theirs", l15="release", l28="ours")
    chain = built.fork.git("log", "--format=%s", f"{built.upstream.head}..refs/carried").split("\n")
    assert chain == ["second", "more", "first"]


def test_branch_on_top_of_another_has_its_own_commit_alone_carried(built: Built) -> None:
    first = built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"a.txt": numbered(l3="ours twice")}), at=first)
    built.release(l15="release")
    assert told(built.carry()) == [("patch/1", "first", "clean"), ("patch/2", "second", "clean")]
    built.order.reverse()
    # in the other order the same commits come, named for the branch that has them first
    assert told(built.carry()) == [("patch/2", "first", "clean"), ("patch/2", "second", "clean")]


def test_what_was_settled_in_one_release_stays_settled_in_the_next(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"b.txt": numbered(l5="second")}))
    built.release(l3="theirs")
    stopped = built.carry()
    assert stopped.status is Status.CONFLICT
    assert (stopped.conflict and stopped.conflict.patch) == stopped.patches[0].source
    built.fork.git("fetch", "-q", str(built.upstream.path), built.upstream.head)
    built.fork.git("switch", "-q", "--detach", built.upstream.head)
    built.fork.commit("first", {"a.txt": numbered(l3="both")})
    built.fork.git("cherry-pick", "patch/2")
    pushed = built.fork.head
    built.fork.git("switch", "-q", "main")
    taken = built.carry(pushed=pushed)
    assert [one.verdict for one in taken.patches] == [Verdict.RESOLVED, Verdict.CLEAN]
    assert taken.candidate is not None
    built.fork.git("reset", "-q", "--hard", pushed)
    known = tuple((one.new or "", one.source or "") for one in taken.patches)
    built.upstream.commit("next", {"a.txt": numbered(l3="theirs", l20="next")})
    after = built.carry(built=known)
    assert [(one.verdict, one.old == one.built) for one in after.patches] == [(Verdict.CLEAN, True)] * 2
    assert built.show("a.txt") + "\n" == numbered(l3="both", l20="next")


def test_amended_branch_comes_in_place_of_what_the_maintained_branch_has(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"b.txt": numbered(l3="ours")}))
    built.release(l15="release")
    known = built.promote(built.carry())
    built.fork.git("switch", "-q", "patch/1")
    built.fork.commit("first", {"a.txt": numbered(l3="better")}, "--amend")
    built.fork.git("switch", "-q", "main")
    built.release(l15="release", l20="next")
    report = built.carry(built=known)
    assert told(report) == [("patch/1", "first", "clean"), ("patch/2", "second", "clean")]
    changed, unchanged = report.patches
    assert (changed.old == changed.source, unchanged.old == unchanged.built) == (True, True)
    assert changed.note is not None
    assert changed.note.startswith(f"main has it with other lines, as {known[0][0][:12]}")
    assert report.drift is not None
    assert report.drift.model_dump() == {
        "only_in_branches": (), "only_in_maintained": (), "changed": (changed.source,)
    }  # fmt: skip
    assert "better" in built.show("a.txt")


def test_patch_of_a_deleted_branch_is_dropped_and_a_persons_own_commit_is_not(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"b.txt": numbered(l3="ours")}))
    built.release(l15="release")
    known = built.promote(built.carry())
    own = built.fork.commit("by a person", {"own.txt": "own\n"})
    built.order.remove("patch/2")
    built.release(l15="release", l20="next")
    report = built.carry(built=known)
    assert told(report) == [
        ("patch/1", "first", "clean"), (None, "by a person", "clean"), (None, "second", "dropped")
    ]  # fmt: skip
    assert report.patches[1].note == "on no patch branch, only on main"
    assert report.patches[2].note == f"made of {known[1][1][:12]}, which no patch branch has any more"
    assert report.drift is not None
    assert report.drift.only_in_maintained == (own,)
    assert built.show("b.txt") + "\n" == numbered()
    # a person gives up their own commit, too
    pushed = built.carry(built=known, pushed=built.fork.rev("refs/carried~1"))
    assert [one[2] for one in told(pushed)] == ["clean", "dropped", "dropped"]
    assert pushed.patches[1].source is None
    # without what the server knows nobody can tell: then it is carried
    assert told(built.carry())[1:] == [(None, "second", "clean"), (None, "by a person", "clean")]


def test_branch_that_somebody_built_the_maintained_branch_from_is_known_by_its_lines(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"a.txt": numbered(l3="ours", l4="ours")}), at="patch/1")
    built.release(l15="release")
    built.fork.git("fetch", "-q", str(built.upstream.path), built.upstream.head)
    built.fork.git("reset", "-q", "--hard", built.upstream.head)
    built.fork.git("cherry-pick", "patch/1", "patch/2")
    built.fork.git("commit", "-q", "--amend", "-m", "reworded", "--author", "Somebody Else <x@example.org>")
    built.release(l15="release", l25="next")
    report = built.carry()
    assert told(report) == [("patch/1", "first", "clean"), ("patch/2", "reworded", "clean")]
    assert all(one.old == one.built for one in report.patches)
    assert report.drift is not None
    assert not report.drift.only_in_maintained


def test_maintained_branch_that_merged_the_branches_gives_what_its_merges_settled(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    built.branch("patch/2", ("second", {"a.txt": numbered(l3="other")}))
    built.fork.git("merge", "-q", "--no-ff", "-m", "Merge patch/1", "patch/1")
    built.fork.git("merge", "-q", "--no-ff", "-m", "Merge patch/2", "patch/2", ok=(1,))
    built.fork.commit("Merge patch/2", {"a.txt": numbered(l3="both")})
    built.release(l15="release")
    report = built.carry()
    assert [(one.branch, one.verdict) for one in report.patches] == [
        ("patch/1", Verdict.CLEAN), ("patch/2", Verdict.RESOLVED)
    ]  # fmt: skip
    assert len(report.merges) == 2
    assert built.show("a.txt") + "\n" == numbered(l3="both", l15="release")


def test_patch_that_upstream_took_is_named_though_it_was_before_the_maintained_branchs_base(
    built: Built,
) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    took = built.upstream.commit("Take it (#7)", {"a.txt": numbered(l3="ours")})
    built.fork.git("fetch", "-q", str(built.upstream.path), took)
    built.fork.git("reset", "-q", "--hard", took)
    built.release(l3="ours", l15="release")
    report = built.carry()
    assert told(report) == [("patch/1", "first", "already-upstream")]
    assert [one.sha for one in report.patches[0].upstream_commits] == [took]
    assert report.candidate is not None
    assert report.candidate.sha == built.upstream.head


def test_apps_own_commit_stays_on_top_and_a_branch_made_above_it_has_its_own_alone(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    installed = built.fork.commit(f"Install\n\n{TRAILER}", {WORKFLOW: "on: push\n"})
    built.branch("patch/2", ("second", {"b.txt": numbered(l3="ours")}), at=installed)
    built.release(l15="release")
    report = built.carry()
    assert told(report) == [("patch/1", "first", "clean"), ("patch/2", "second", "clean")]
    assert report.installed is not None
    assert report.installed.commits == (installed,)
    assert report.candidate is not None
    assert report.installed.new == report.candidate.sha


def refused(built: Built, **changes: Any) -> str:
    patches = tuple((name, built.fork.rev(f"refs/heads/{name}")) for name in built.order)
    report = built.world.carry(strategy=PATCHES, patches=patches, **changes)
    assert report.error is not None
    assert report.error.stage == "stack"
    return report.error.message


def test_merge_commit_in_a_patch_branch_is_refused_by_name(built: Built) -> None:
    built.branch("patch/1", ("first", {"a.txt": numbered(l3="ours")}))
    side = built.branch("patch/2", ("second", {"b.txt": numbered(l3="ours")}))
    built.fork.git("switch", "-q", "patch/1")
    built.fork.git("merge", "-q", "--no-ff", "-m", "Merge", side)
    built.fork.git("switch", "-q", "main")
    built.release(l15="release")
    assert refused(built).startswith("The patch branch patch/1 has the merge commit")


def test_branch_that_shares_nothing_with_upstream_is_refused_by_name(built: Built) -> None:
    built.fork.git("switch", "-q", "--orphan", "patch/alien")
    built.fork.commit("alien", {"c.txt": "c\n"})
    built.fork.git("switch", "-q", "main")
    built.order.append("patch/alien")
    built.release(l15="release")
    assert refused(built).startswith("The patch branch patch/alien does not stand on upstream")


def test_branch_from_an_earlier_maintained_branch_with_the_apps_files_is_refused(built: Built) -> None:
    old = built.fork.commit(f"Install\n\n{TRAILER}", {WORKFLOW: "on: push\n"})
    built.branch("patch/1", ("first", {"b.txt": numbered(l3="ours")}), at=old)
    built.fork.git("reset", "-q", "--hard", built.base)
    built.release(l15="release")
    assert "it was made from an earlier main" in refused(built)


def test_branches_without_a_commit_of_their_own_are_nothing_to_carry(built: Built) -> None:
    built.branch("patch/1")
    built.release(l15="release")
    assert built.carry().status is Status.NOOP
