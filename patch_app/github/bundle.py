"""A Git bundle taken from a run: its header, and whether it holds exactly what the attempt expects.

The bundle is a stranger's: it refuses any other ref, any other tip, any commit that is neither in
the stack nor below the floor, and names the reason. It doesn't look into files: GitHub checks the
pack's own soundness and connectivity when it is pushed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from patch_app.github.pack import DEFAULT_LIMITS, BadPack, Commit, Limits, commits_of, read_pack

_SIGNATURE: Final = b"# v2 git bundle\n"
_HEADER_BOUND: Final = 64 * 1024
_LINE = re.compile(r"(?P<prerequisite>-?)(?P<oid>[0-9a-f]{40})(?: (?P<text>.*))?")


class BadBundle(Exception):  # noqa: N818
    """The bundle isn't what the attempt expects; the message is a sentence for a person."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle's header and its pack. Prerequisites are commits that the receiver must have."""

    prerequisites: tuple[str, ...]
    refs: Mapping[str, str]
    pack: memoryview = field(repr=False)


def read_bundle(data: bytes) -> Bundle:
    """Header and pack of a version 2 bundle. Raises BadBundle. Format: git help gitformat-bundle."""
    if not data.startswith(_SIGNATURE):
        raise BadBundle("The file is not a version 2 Git bundle.")
    end = data.find(b"\n\n", len(_SIGNATURE) - 1, _HEADER_BOUND)
    if end < 0:
        raise BadBundle("The bundle's header has no end.")
    prerequisites: list[str] = []
    refs: dict[str, str] = {}
    for raw in data[len(_SIGNATURE) : end].split(b"\n"):
        line = _LINE.fullmatch(raw.decode("utf-8", "replace"))
        if line is None:
            raise BadBundle("The bundle's header has a line that is neither a prerequisite nor a ref.")
        if line["prerequisite"]:
            prerequisites.append(line["oid"])
        elif not line["text"] or line["text"] in refs:
            raise BadBundle("The bundle's header has a ref without a name, or one twice.")
        else:
            refs[line["text"]] = line["oid"]
    return Bundle(prerequisites=tuple(prerequisites), refs=refs, pack=memoryview(data)[end + 2 :])


def check_bundle(
    data: bytes,
    *,
    expected_ref: str,
    expected_tip: str,
    allowed_prerequisites: Collection[str],
    chain: Sequence[str],
    floor: str,
    merges: Collection[str] = (),
    parents: Mapping[str, Sequence[str]] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """The bundle's pack, when it brings exactly the commits of `chain` on top of `floor`.

    `chain`: the stack's new commits, newest first, from the tip down to, not including, `floor` (the target).
    Empty where the tip is the floor itself. `merges`: those of them that may have several parents, all of
    them in the chain or the floor; without any, each stands on the next. `parents`: those of them that stand
    on exactly these instead, which are brought or built on. The floor and what it stands on may
    be in the pack: their ids are hashes, so they are what upstream has. Raises BadBundle.
    """
    bundle = read_bundle(data)
    if dict(bundle.refs) != {expected_ref: expected_tip}:
        found = ", ".join(f"{ref} {oid}" for ref, oid in sorted(bundle.refs.items())[:5]) or "none"
        raise BadBundle(f"The bundle must hold {expected_ref} {expected_tip} alone, it holds: {found}.")
    if strange := sorted(set(bundle.prerequisites) - set(allowed_prerequisites)):
        raise BadBundle(f"The bundle builds on a commit that isn't expected: {strange[0]}.")
    if expected_tip != (chain[0] if chain else floor):
        raise BadBundle(f"The report's patches don't end in the bundle's tip {expected_tip}.")
    try:
        pack = read_pack(bundle.pack, limits=limits)
        commits = commits_of(pack)
    except BadPack as error:
        raise BadBundle(str(error)) from error
    if pack.kinds.get("tag"):
        raise BadBundle("The bundle holds a tag object.")
    exact = parents or {}
    _check_chain(commits, chain, floor, merges, exact)
    there = {*commits, *bundle.prerequisites}
    if floor not in there:
        raise BadBundle(f"The bundle neither holds the target {floor} nor builds on it.")
    if absent := {one for found in exact.values() for one in found} - there:
        raise BadBundle(f"The bundle neither holds {min(absent)}, which it merges, nor builds on it.")
    if strangers := set(commits) - set(chain) - _below(commits, floor):
        raise BadBundle(
            f"The bundle holds a commit that is neither in the stack nor in the target: {min(strangers)}."
        )
    if pack.unresolved:
        # it could be a commit, or a tag, that nobody has looked at
        raise BadBundle(f"The bundle's pack leans on {pack.unresolved} object(s) that it doesn't hold.")
    return bytes(bundle.pack)


def _check_chain(
    commits: Mapping[str, Commit],
    chain: Sequence[str],
    floor: str,
    merges: Collection[str],
    parents: Mapping[str, Sequence[str]],
) -> None:
    if len(set(chain)) != len(chain) or floor in chain:
        raise BadBundle("The report names a commit of the stack twice.")
    reached = set(chain[:1])
    for number, oid in enumerate(chain):
        commit = commits.get(oid)
        if commit is None:
            raise BadBundle(f"The bundle lacks the commit {oid} that the report names.")
        if oid not in reached:
            raise BadBundle(f"The commit {oid} is not in the history of the bundle's tip.")
        reached.update(commit.parents)
        if oid in parents:
            if list(commit.parents) != list(parents[oid]):
                raise BadBundle(f"The merge {oid} doesn't stand on {' and '.join(parents[oid])}.")
            continue
        if len(commit.parents) != 1 and oid not in merges:
            raise BadBundle(f"The commit {oid} has {len(commit.parents)} parents; a carried patch has one.")
        below = [*chain[number + 1 :], floor]
        expected = below if merges else below[:1]
        if strange := [parent for parent in commit.parents if parent not in expected]:
            raise BadBundle(f"The commit {oid} stands on {strange[0]}, expected {below[0]}.")


def _below(commits: Mapping[str, Commit], floor: str) -> set[str]:
    found: set[str] = set()
    waiting = [floor]
    while waiting:
        oid = waiting.pop()
        if oid in commits and oid not in found:
            found.add(oid)
            waiting.extend(commits[oid].parents)
    return found
