"""GitHub's own diffs of each patch and of its carried commit, read and held against each other.

Takes nothing from the run but which commits to look at. One pair is in memory at a time; a diff over the
bound is refused, not cut. What GitHub can't give just now is said to be read again, and keeps nothing else
from being read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from patch_app.core import diffs, names, proof, proving
from patch_app.core.attempt import Attempt
from patch_app.core.diffs import FileDiff
from patch_app.core.proof import Proof
from patch_app.core.proving import Commit
from patch_app.core.report import Report
from patch_app.github import reading
from patch_app.github.client import Client
from patch_app.github.document import Document
from patch_app.github.errors import Later, Refused, TooMany
from patch_app.github.transport import segment

# GitHub makes no raw diff of more than 1 MB (docs: "Limits for viewing content and diffs in a repository")
DIFF_BOUND: Final = 4 * 1024 * 1024
DIFF: Final = "application/vnd.github.diff"
# GitHub counts the lines of each commit for the answer
_COMMITS_AT_A_TIME: Final = 20
_BLOBS_AT_A_TIME: Final = 50
# files that upstream changed too, or that are binaries
_MOST_LOOKED_UP: Final = 200
_ACTOR: Final = "{ name email date }"
_COMMIT: Final = (
    "... on Commit { oid message additions deletions changedFilesIfAvailable tree { oid } "
    f"parents(first: 10) {{ nodes {{ oid }} }} author {_ACTOR} committer {_ACTOR} }}"
)
_OWN: Final = "the App's own commit on the candidate isn't that of the maintained branch"
_BLOB: Final = "oid ... on Blob { text isTruncated }"


class _NotYetError(Exception):
    """GitHub doesn't show something that has to be there."""


class _UnprovedError(Exception):
    """The message is why a person has to decide."""


async def read(client: Client, attempt: Attempt, now: datetime) -> Proof:
    """What GitHub's diffs say about the attempt's candidate. Raises Bug, and Later with a time."""
    report = attempt.report
    if report is None or attempt.candidate is None:
        raise ValueError("only a candidate can be proved")
    told = {"candidate": attempt.candidate, "patches": len(report.patches), "at": now}
    unread = "GitHub's own diffs can't be read just now, and are asked for again"
    try:
        if problem := proving.unprovable(attempt, report):
            return Proof(problem=problem, **told)
        await _Look(client=client, attempt=attempt, report=report).prove()
    except _UnprovedError as error:
        return Proof(problem=str(error), **told)
    except (_NotYetError, Refused):
        return Proof(problem=unread, again=True, **told)
    except Later as error:
        if error.retry_after is not None:
            raise
        return Proof(problem=unread, again=True, **told)
    return Proof(**told)


@dataclass(kw_only=True)
class _Look:
    """One look at a candidate's commits. What is left to be looked up is gathered, and asked for together.

    A patch is known by its number from 1; the App's own commit has the next one.
    """

    client: Client
    attempt: Attempt
    report: Report
    commits: dict[str, Commit] = field(default_factory=dict)
    # number of the patch, its file in both diffs, and whether its whole content counts
    left: list[tuple[int, FileDiff, FileDiff, bool]] = field(default_factory=list)

    async def prove(self) -> None:
        """Raises _UnprovedError with the first difference, _NotYetError, and what the requests raise."""
        await self._read_commits()
        merge_base = self.attempt.merge_base or await self._merge_base()
        if problem := proving.row_problem(self.attempt, self.report, self.commits, merge_base):
            raise _UnprovedError(problem)
        for number, patch in enumerate(self.report.patches, 1):
            old, new = await asyncio.gather(self._diff(number, patch.old), self._diff(number, str(patch.new)))
            found = proof.compare(old, new)
            self._refuse(number, found.problem)
            self.left += [(number, one, one, True) for one in found.blobs]
            self.left += [(number, one, other, False) for one, other in found.places]
            if len(self.left) > _MOST_LOOKED_UP:
                raise _UnprovedError("the patches change too many files that the release changes too")
        await self._look_up()
        await self._installed()

    def _refuse(self, number: int, problem: str | None) -> None:
        if problem is not None:
            raise self._no(number, problem)

    def _no(self, number: int, problem: str) -> _UnprovedError:
        if number > len(self.report.patches):
            return _UnprovedError(f"{_OWN}: {problem}")
        return _UnprovedError(proving.differs(number, self.report, problem))

    async def _read_commits(self) -> None:
        wanted = proving.named(self.attempt, self.report)
        for sha, found in zip(wanted, await self._objects(wanted, _COMMIT, _COMMITS_AT_A_TIME), strict=True):
            if not found or found.get("oid") != sha or "parents" not in found:
                raise _NotYetError(sha)
            self.commits[sha] = _commit(found)

    async def _merge_base(self) -> str | None:
        attempt = self.attempt
        found = await reading.compare(
            self.client, attempt.repository, attempt.target or "", attempt.stack_head or ""
        )
        return found["merge_base_commit"]["sha"] if found else None

    async def _diff(self, number: int, sha: str) -> tuple[FileDiff, ...]:
        """What a commit does, whole."""
        path = f"/repos/{self.attempt.repository}/commits/{segment(sha)}"
        try:
            files = diffs.parse(await self.client.get_bytes(path, accept=DIFF, bound=DIFF_BOUND))
        except Refused as error:
            if error.status != 406 and not isinstance(error, TooMany):
                raise
            raise self._no(number, "its diff is too large for GitHub") from error
        except diffs.Unreadable as error:
            raise self._no(number, f"its diff can't be read: {error}") from error
        signs = [row[:1] for one in files for hunk in one.hunks for row in hunk.rows]
        shown = (len(files), signs.count(b"+"), signs.count(b"-"))
        self._refuse(number, proving.diff_problem(self.commits, sha, shown))
        return files

    async def _look_up(self) -> None:
        """The contents that the diffs don't show whole."""
        asked = [_where(self.report, self.commits, one) for one in self.left]
        found = iter(await self._objects([at for places in asked for at in places], _BLOB, _BLOBS_AT_A_TIME))
        for (number, mine, theirs, whole), places in zip(self.left, asked, strict=True):
            there = [next(found) for _ in places]
            if whole:
                ids = [one["oid"] if one else None for one in there]
                self._refuse(number, proof.blob_problem(mine, ids))
                continue
            texts = [one.get("text") if one and not one["isTruncated"] else None for one in there]
            before, now = (None if text is None else text.encode() for text in texts)
            if before is None or now is None:
                self._refuse(number, f"{theirs.name} is too large to be looked at")
                continue
            self._refuse(number, proof.place_problem(mine, theirs, now))
            # lining two long files up takes its time
            self._refuse(number, await asyncio.to_thread(proof.moved_problem, mine, theirs, before, now))

    async def _installed(self) -> None:
        """The App's own commit on top of the patches has the files of the maintained branch, and no other."""
        own = self.report.installed
        if own is None or own.new is None:
            return
        number = len(self.report.patches) + 1
        self._refuse(number, proof.installed_problem(await self._diff(number, own.new)))
        heads = (self.attempt.stack_head, self.attempt.candidate)
        asked = [f"{head}:{path}" for path in names.INSTALLED_PATHS for head in heads]
        there = [one["oid"] if one else None for one in await self._objects(asked, _BLOB, _BLOBS_AT_A_TIME)]
        self._refuse(number, None if there[::2] == there[1::2] else "its files are others")

    async def _objects(self, wanted: Sequence[str], selection: str, most: int) -> list[Any]:
        """What each expression names, in order; None for nothing."""
        found: list[Any] = []
        for start in range(0, len(wanted), most):
            part = wanted[start : start + most]
            document = Document(self.attempt.repository)
            for number, expression in enumerate(part):
                document.add(f"o{number}", "object", "expression", expression, selection)
            fork = (await document.ask(self.client)).fork
            found += [fork.get(f"o{number}") for number in range(len(part))]
        return found


def _where(
    report: Report, commits: dict[str, Commit], one: tuple[int, FileDiff, FileDiff, bool]
) -> Iterable[str]:
    """Where a file's contents are: before and after the patch, then its commit; or before each of the two."""
    number, mine, _, whole = one
    patch = report.patches[number - 1]
    before, after = mine.paths or ("", "")
    old, new = str(patch.old), str(patch.new)
    if not whole:
        return [f"{commits[old].parents[0]}:{before}", f"{commits[new].parents[0]}:{before}"]
    return [
        f"{commits[old].parents[0]}:{before}",
        f"{old}:{after}",
        f"{commits[new].parents[0]}:{before}",
        f"{new}:{after}",
    ]


def _commit(found: dict[str, Any]) -> Commit:
    return Commit(
        tree=found["tree"]["oid"],
        parents=tuple(one["oid"] for one in found["parents"]["nodes"]),
        message=found["message"],
        author=f"{_who(found['author'])} {(found['author'] or {}).get('date')}",
        committer=_who(found["committer"]),
        files=found["changedFilesIfAvailable"],
        added=found["additions"],
        removed=found["deletions"],
    )


def _who(actor: dict[str, Any] | None) -> str:
    return f"{(actor or {}).get('name')} <{(actor or {}).get('email')}>"
