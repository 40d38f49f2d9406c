"""A resolution is used again where the same conflict comes back, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from person import Person, keep, learn, merge, scratch
from runner_world import DATE, Content, World, numbered

from patch_app.core.report import Report, Status
from patch_app.runner import resolution_store as store
from patch_app.runner import resolutions
from patch_app.runner.resolution_store import Origin, Result, Text, Whole

OLD = "1" * 40
Files = Mapping[str, Content]


def verdicts(report: Report) -> list[str]:
    return [str(patch.verdict) for patch in report.patches]


def resolve(world: World, answer: Files) -> tuple[Person, str]:
    """A person rebases the fork onto upstream's head, stops once, and answers. Gives the resolving commit."""
    person = Person(world)
    person.rebase(world.upstream.head, answer)
    return person, person.rev("HEAD")


def two_releases(world: World, first: Files, ours: Files, second: Files, answer: Files, third: Files) -> str:
    """A conflict with the second release, resolved; then the third. Id of the recorded resolutions."""
    world.upstream.commit("first", first)
    patch = world.fork_now().commit("ours", ours)
    world.upstream.commit("second", second)
    person, resolved = resolve(world, answer)
    kept = keep(world, *learn(world, patch, resolved, person))
    world.upstream.commit("third", third)
    person.fetch()
    return kept


def shifted(**lines: str) -> str:
    """The numbered file with five lines more at its top."""
    return "".join(f"more {n}\n" for n in range(5)) + numbered(**lines)


def test_a_resolution_of_one_release_is_used_on_the_next_as_rebase_with_rerere_would(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": numbered()})
    fork = world.fork_now()
    fork.commit("before", {"b.txt": numbered(l3="ours")})
    patch = fork.commit("Speak louder", {"a.txt": numbered(l3="ours")})
    fork.commit("after", {"a.txt": numbered(l3="ours", l25="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    person = Person(world)
    person.rebase(world.upstream.head, {"a.txt": numbered(l3="both")})
    resolved = person.rev("HEAD~1")
    kept = keep(world, *learn(world, patch, resolved, person))
    world.upstream.commit("third", {"a.txt": shifted(l3="theirs", l15="third"), "c.txt": "c\n"})
    assert world.carry().status is Status.CONFLICT
    report = world.carry(resolutions=kept)
    assert (report.status, verdicts(report)) == (Status.CLEAN, ["clean", "resolved", "clean"])
    person.fetch()
    assert report.candidate is not None
    assert report.candidate.tree == person.rebase(world.upstream.head)
    assert (
        world.fork.git("show", f"{report.candidate.sha}:a.txt")
        == shifted(l3="both", l15="third", l25="ours").strip()
    )
    (one,) = report.patches[1].resolution
    assert (one.path, one.source) == ("a.txt", resolved)
    assert all(line in one.diff for line in ("-<<<<<<< carried", "->>>>>>> patch", "+both"))
    by = f"resolution {one.id[:10]} by {resolved[:10]} of patch {patch[:10]} Speak louder"
    assert (report.patches[1].note or "").startswith(f"a.txt: {by}; lines: a.txt: ")
    assert [patch.resolution for patch in report.patches[::2]] == [(), ()]


def test_gits_own_rerere_uses_what_was_recorded_here(world: World) -> None:
    kept = two_releases(
        world,
        {"a.txt": numbered(), "b.txt": numbered()},
        {"a.txt": numbered(l3="ours"), "b.txt": numbered(l3="ours b")},
        {"a.txt": numbered(l3="theirs"), "b.txt": numbered(l3="theirs b")},
        {"a.txt": numbered(l3="both"), "b.txt": numbered(l3="both b")},
        {"a.txt": shifted(l3="theirs")},
    )
    report = world.carry(resolutions=kept)
    other = Person(world)
    other.remember(kept)
    assert report.candidate is not None
    assert report.candidate.tree == other.rebase(world.upstream.head)


def test_a_resolution_is_used_with_both_sides_swapped(world: World, tmp_path: Path) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    patch = world.fork_now().commit("ours", {"a.txt": numbered(l3="one")})
    world.upstream.commit("second", {"a.txt": numbered(l3="two")})
    person, resolved = resolve(world, {"a.txt": numbered(l3="both")})
    entries = learn(world, patch, resolved, person)
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    other.upstream.commit("first", {"a.txt": numbered()})
    other.fork_now().commit("ours", {"a.txt": numbered(l3="two")})
    other.upstream.commit("second", {"a.txt": shifted(l3="one")})
    report = other.carry(resolutions=keep(other, *entries))
    assert verdicts(report) == ["resolved"]
    assert other.fork.git("show", "refs/carried:a.txt") == shifted(l3="both").strip()


def test_a_stale_resolution_is_left_out_with_a_note(world: World) -> None:
    kept = two_releases(
        world,
        {"a.txt": numbered()},
        {"a.txt": numbered(l10="ours")},
        {"a.txt": numbered(l10="theirs")},
        {"a.txt": numbered(l6="near", l10="both")},
        {"a.txt": numbered(l6="third", l10="theirs")},
    )
    report = world.carry(resolutions=kept)
    assert verdicts(report) == ["conflicted"]
    assert "was not used: in a.txt it does not fit" in (report.patches[0].note or "")
    assert report.patches[0].resolution == ()


def test_one_of_two_conflicting_files_has_a_resolution(world: World) -> None:
    kept = two_releases(
        world,
        {"a.txt": numbered(), "b.txt": numbered()},
        {"a.txt": numbered(l3="ours"), "b.txt": numbered(l3="ours b")},
        {"a.txt": numbered(l3="theirs")},
        {"a.txt": numbered(l3="both")},
        {"b.txt": numbered(l3="theirs b")},
    )
    report = world.carry(resolutions=kept)
    assert verdicts(report) == ["conflicted"]
    assert "fits a.txt, but not every path has one" in (report.patches[0].note or "")
    assert report.conflict is not None
    assert [file.path for file in report.conflict.files] == ["a.txt", "b.txt"]
    assert "<<<<<<< carried" in report.conflict.diff


def test_a_resolution_that_leaves_nothing_is_a_commit_to_be_reviewed(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    patch = world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    with scratch(world) as repository:
        merged = merge(repository, patch, world.upstream.head)
        tree = repository.line("rev-parse", world.upstream.head + "^{tree}")
        entries = resolutions.learn(repository, merged, tree, Origin(patch, patch, "ours", DATE))
    report = world.carry(resolutions=keep(world, *entries))
    assert (report.status, verdicts(report)) == (Status.CLEAN, ["resolved"])
    assert "; nothing is left of the patch; " in (report.patches[0].note or "")
    assert report.candidate is not None
    assert report.candidate.tree == tree
    assert world.fork.rev("refs/carried^") == world.upstream.head


def test_what_a_person_changed_beside_the_conflict_is_said_to_be_missing(world: World) -> None:
    kept = two_releases(
        world,
        {"a.txt": numbered(), "b.txt": "b\n"},
        {"a.txt": numbered(l3="ours")},
        {"a.txt": numbered(l3="theirs")},
        {"a.txt": numbered(l3="both"), "b.txt": "too\n"},
        {"a.txt": shifted(l3="theirs")},
    )
    report = world.carry(resolutions=kept)
    assert verdicts(report) == ["resolved"]
    assert "which also changed b.txt; that is not replayed" in (report.patches[0].note or "")
    assert world.fork.git("show", "refs/carried:b.txt") == "b"


@pytest.mark.parametrize("answer", [None, "kept\n"])
def test_upstream_deleted_a_file_and_the_same_answer_serves_the_next_release(
    world: World, answer: str | None
) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    fork = world.fork_now()
    patch = fork.commit("ours", {"a.txt": numbered(l3="ours"), "c.txt": "c\n"})
    world.upstream.commit("second", {"a.txt": None})
    person, resolved = resolve(world, {"a.txt": answer})
    entries = learn(world, patch, resolved, person)
    assert [type(one) for one in entries] == [Whole]
    world.upstream.commit("third", {"b.txt": "more\n"})
    report = world.carry(resolutions=keep(world, *entries))
    assert verdicts(report) == ["resolved"]
    assert report.patches[0].resolution[0].source == resolved
    there = world.fork.git("ls-tree", "-r", "--name-only", "refs/carried").split()
    assert there == (["b.txt", "c.txt"] if answer is None else ["a.txt", "b.txt", "c.txt"])


def test_a_deleted_file_whose_change_went_elsewhere_teaches_nothing(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered(), "b.txt": "b\n"})
    patch = world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": None})
    person, resolved = resolve(world, {"a.txt": None, "b.txt": "b\nours\n"})
    assert learn(world, patch, resolved, person) == ()


def test_another_conflict_without_hunks_is_not_resolved(world: World) -> None:
    kept = two_releases(
        world,
        {"a.bin": b"\0a"},
        {"a.bin": b"\0ours"},
        {"a.bin": b"\0theirs"},
        {"a.bin": b"\0both"},
        {"b.txt": "b\n"},
    )
    assert verdicts(world.carry(resolutions=kept)) == ["resolved"]
    assert world.fork.git("show", "refs/carried:a.bin") == "\0both"
    world.upstream.commit("fourth", {"a.bin": b"\0again"})
    report = world.carry(resolutions=kept)
    assert verdicts(report) == ["conflicted"]


def test_modes_that_differ_are_resolved_only_for_the_very_same_files(world: World) -> None:
    world.upstream.commit("first", {"b.txt": "b\n"})
    fork = world.fork_now()
    fork.write({"new.sh": "same\n"})
    (fork.path / "new.sh").chmod(0o755)
    patch = fork.commit("ours")
    world.upstream.commit("second", {"new.sh": "same\n"})
    with scratch(world) as repository:
        merged = merge(repository, patch, world.upstream.head)
        assert not merged.clean
        tree = repository.line("rev-parse", patch + "^{tree}")
        entries = resolutions.learn(repository, merged, tree, Origin(patch, patch, "ours", DATE))
    assert [type(one) for one in entries] == [Whole]
    assert verdicts(world.carry(resolutions=keep(world, *entries))) == ["resolved"]
    assert world.fork.git("ls-tree", "refs/carried", "new.sh").startswith("100755")


@pytest.mark.parametrize(
    "left",
    [
        numbered(l3="<<<<<<< HEAD"),
        numbered(l3=">>>>>>> ours"),
        numbered(l3="=======", l4="both"),
        numbered(l3="||||||| base"),
        "<<<<<<< HEAD\n" + numbered(l3="both") + "=======\nx\n>>>>>>> ours\n",
    ],
)
def test_a_marker_that_a_person_forgot_is_not_learned(world: World, left: str) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    patch = world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    person, resolved = resolve(world, {"a.txt": left})
    assert learn(world, patch, resolved, person) == ()


def test_the_same_conflict_resolved_in_two_ways_teaches_nothing(world: World) -> None:
    world.upstream.commit("first", dict.fromkeys(("a.txt", "b.txt"), numbered()))
    patch = world.fork_now().commit("ours", dict.fromkeys(("a.txt", "b.txt"), numbered(l3="ours")))
    world.upstream.commit("second", dict.fromkeys(("a.txt", "b.txt"), numbered(l3="theirs")))
    person, resolved = resolve(world, {"a.txt": numbered(l3="one"), "b.txt": numbered(l3="two")})
    assert learn(world, patch, resolved, person) == ()


def test_of_two_resolutions_of_one_conflict_the_one_that_fits_is_used(world: World) -> None:
    kept = two_releases(
        world,
        {"a.txt": numbered()},
        {"a.txt": numbered(l10="ours")},
        {"a.txt": numbered(l10="theirs")},
        {"a.txt": numbered(l10="both")},
        {"a.txt": shifted(l10="theirs")},
    )
    with scratch(world) as repository:
        repository.run("fetch", "-q", str(world.fork.path), kept)
        (entry,) = store.read(repository, kept).entries
    assert isinstance(entry, Text)
    newer = entry._replace(
        preimage=entry.preimage.replace(b"line 9\n", b"other\n"),
        postimage=entry.postimage.replace(b"line 9\n", b"another\n"),
        origin=entry.origin._replace(commit="2" * 40, when=DATE + 1),
    )
    report = world.carry(resolutions=keep(world, entry, newer))
    assert verdicts(report) == ["resolved"]
    assert report.patches[0].resolution[0].source == entry.origin.commit


def test_a_later_patch_in_a_resolved_file_is_not_blamed_on_a_commit(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    fork = world.fork_now()
    patch = fork.commit("ours", {"a.txt": numbered(l3="ours")})
    fork.commit("later", {"a.txt": numbered(l3="ours", l20="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    person = Person(world)
    person.rebase(world.upstream.head, {"a.txt": numbered(l3="both")})
    kept = keep(world, *learn(world, patch, person.rev("HEAD~1"), person))
    world.upstream.commit("third", {"a.txt": numbered(l3="theirs", l20="theirs")})
    report = world.carry(resolutions=kept)
    assert verdicts(report) == ["resolved", "conflicted"]
    assert "since" not in (report.patches[1].note or "")
    assert report.partial is not None


def test_resolutions_that_can_not_be_fetched_are_as_if_there_were_none(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": numbered(l3="theirs")})
    report = world.carry(resolutions="0123456789" * 4)
    assert (report.status, verdicts(report)) == (Status.CONFLICT, ["conflicted"])
    assert "the recorded resolutions could not be used" in (report.patches[0].note or "")


def test_without_a_conflict_the_resolutions_are_not_even_fetched(world: World) -> None:
    world.upstream.commit("first", {"a.txt": numbered()})
    world.fork_now().commit("ours", {"a.txt": numbered(l3="ours")})
    world.upstream.commit("second", {"a.txt": shifted()})
    assert verdicts(world.carry(resolutions="0123456789" * 4)) == ["clean"]


def entry(number: int, size: int = 10, when: int = DATE) -> Text:
    origin = Origin("c" * 40, OLD, "Subject", when)
    return Text(f"{number:040x}", b"a" * size, b"b%d" % number, origin, ())


def test_the_oldest_resolutions_go_first(world: World) -> None:
    many = [entry(number, when=DATE + number) for number in range(store.MAX_ENTRIES + 7)]
    assert {one.origin.when for one in store.bounded(many)} == set(
        range(DATE + 7, DATE + store.MAX_ENTRIES + 7)
    )
    assert store.bounded(many) == store.bounded(many[::-1])
    heavy = [entry(number, store.MAX_FILE, DATE + number) for number in range(20)]
    kept = store.bounded(heavy)
    assert 0 < len(kept) < 20
    assert kept == tuple(heavy[: -len(kept) - 1 : -1])
    assert store.bounded([entry(1, store.MAX_FILE + 1), entry(2)]) == (entry(2),)
    variants = [entry(1, size) for size in range(1, 15)]
    assert len(store.bounded(variants)) == store.MAX_VARIANTS


def test_what_is_written_is_read_again_and_twice_gives_the_same_commit(world: World) -> None:
    world.upstream.commit("first", {"a.txt": "a\n"})
    world.fork_now()
    results = (
        Result(b"gone", "0", b""), Result(b"odd \xff\n", "120000", b"../../target"),
        Result(b"sub", "160000", b"d" * 40), Result(b"x", "100755", b"\0\r\n"),
    )  # fmt: skip
    origin = Origin("c" * 40, OLD, "Café ☕", DATE + 1)
    entries = [entry(1), entry(1, 11), entry(2)._replace(beside=(b"\xff",)), Whole("e" * 64, results, origin)]
    with scratch(world) as repository:
        name = store.write(repository, entries, DATE)
        assert store.read(repository, name) == store.Store(store.bounded(entries), 0)
        assert store.write(repository, entries[::-1], DATE) == name
        assert repository.line("show", "-s", "--format=%P", name) == ""
        modes = {line.split()[0] for line in repository.line("ls-tree", "-r", name).splitlines()}
    assert modes == {"100644"}
