"""What lies under an attempt's inbox: reports with the tokens on top, and the log of the job that made one.

Reads what anybody may have pushed there, within bounds. Concludes nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from patch_app.core.attempt import Attempt
from patch_app.core.facts import Inbox, Job
from patch_app.core.report import Report
from patch_app.core.vouch import CarryLog, Token
from patch_app.github import reading
from patch_app.github.client import Client
from patch_app.github.document import Answer, Document
from patch_app.github.errors import Refused, TooMany
from patch_app.github.oidc import TOKEN_BOUND, Keys

# refs that are looked at in one pass, the newest; a run attempt has two places, and few runs have many
MOST: Final = 8
LOG_BOUND: Final = 32 * 1024 * 1024
_ENTRIES: Final = "tree { entries { name oid type } }"
_COMMIT: Final = f"... on Commit {{ {_ENTRIES} parents(first: 2) {{ nodes {{ oid {_ENTRIES} }} }} }}"
_BLOB: Final = "... on Blob { oid text isTruncated byteSize }"
# each line of a log begins with its time; the very first with the mark of its encoding
_LINE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?Z (patch-app-[a-z]+) "
    rb"([0-9A-Za-z]{1,64}) ([0-9]{1,9}) ([^\r\n]{1,4000})\r?"
)
_COMMIT_ID: Final = re.compile(rb"[0-9a-f]{40}")

# lines of one kind that are kept: two are too many already
_MOST_LINES: Final = 10
# ref and what it points at
Claim = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Checking:
    """What tokens are checked with: GitHub's keys, and the time in unix seconds."""

    keys: Keys
    now: float


def ask(document: Document, claims: Sequence[Claim]) -> None:
    """Adds what the refs point at, with what may be a token and the report, to a query."""
    for number, (_, tip) in enumerate(claims):
        document.add(f"inbox{number}", "object", "expression", tip, _COMMIT)
        document.add(f"token{number}", "object", "expression", f"{tip}:token", _BLOB)
        document.add(f"report{number}", "object", "expression", f"{tip}:report.json", _BLOB)
        # below a token
        document.add(f"below{number}", "object", "expression", f"{tip}^:report.json", _BLOB)


async def read(
    client: Client, repository: str, answer: Answer, claims: Sequence[Claim], checking: Checking
) -> tuple[Inbox, ...]:
    """What the refs hold, oldest run attempt first."""
    found = []
    for number, (ref, tip) in enumerate(claims):
        there = {
            one: answer.fork.get(f"{one}{number}") or {} for one in ("inbox", "token", "report", "below")
        }
        parents = ((there["inbox"].get("parents") or {}).get("nodes")) or []
        files = _files(there["inbox"])
        one = Inbox(ref=ref, commit=tip, report=None, files=files)
        report = there["report"]
        if "token" in files and len(parents) == 1:
            below, token = parents[0], await _token(there["token"], checking)
            one = Inbox(ref=ref, commit=below["oid"], tip=tip, report=None, files=_files(below), token=token)
            report = there["below"]
        found.append(await _inbox(client, repository, one, report))
    return tuple(sorted(found, key=lambda one: one.run_attempt))


def _files(commit: dict[str, Any]) -> dict[str, str]:
    entries = (commit.get("tree") or {}).get("entries") or []
    return {one["name"]: one["oid"] for one in entries if one["type"] == "blob"}


async def _token(blob: dict[str, Any], checking: Checking) -> Token:
    text = blob.get("text")
    if text is None or blob.get("isTruncated") or blob.get("byteSize", 0) > 2 * TOKEN_BOUND:
        return Token(problem="its file is none that a run of ours writes")
    try:
        token = base64.b64decode(text.strip(), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return Token(problem="its file holds no base64")
    return await checking.keys.read(token, checking.now)


async def _inbox(client: Client, repository: str, inbox: Inbox, report: dict[str, Any]) -> Inbox:
    """With the report, or why it can't be read."""
    try:
        if not report:
            return inbox.model_copy(update={"problem": "the commit has no report.json"})
        text: str | bytes | None = report["text"]
        if report["isTruncated"] or text is None:
            text = await reading.blob(client, repository, report["oid"], reading.REPORT_BOUND)
        return inbox.model_copy(update={"report": Report.model_validate_json(text)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return inbox.model_copy(update={"problem": f"{where}: {first['msg']}"})
    except Refused as error:
        return inbox.model_copy(update={"problem": error.message})


async def log(client: Client, attempt: Attempt, job: Job) -> CarryLog:
    """What the whole log of a job that carried says in lines of our own. Raises Later, Bug."""
    path = f"/repos/{attempt.repository}/actions/jobs/{job.id}/logs"
    try:
        raw = await client.get_bytes(path, bound=LOG_BOUND)
    except TooMany:
        return CarryLog(job=job.id, problem="it is too long")
    except Refused as error:
        return CarryLog(job=job.id, missing=error.message)
    return said(raw, attempt.id, job)


def said(raw: bytes, attempt: str, job: Job) -> CarryLog:
    """The lines of a log in which nothing stands but words of our own, behind their time."""
    lines: dict[bytes, list[str]] = {b"patch-app-inbox": [], b"patch-app-refused": []}
    for line in raw.split(b"\n"):
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in lines:
            continue
        if (found[2], found[3]) != (attempt.encode(), str(job.attempt).encode()):
            continue
        if found[1] == b"patch-app-refused" or _COMMIT_ID.fullmatch(found[4]):
            lines[found[1]].append(found[4].decode("utf-8", "replace"))
    commits, refused = lines.values()
    return CarryLog(job=job.id, commits=tuple(commits[:_MOST_LINES]), refused=tuple(refused[:_MOST_LINES]))
