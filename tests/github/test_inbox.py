"""What lies under the inbox and what a log says: whoever may push or print has written it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from patch_app.core.facts import Job
from patch_app.core.vouch import Token
from patch_app.github import inbox, reading
from patch_app.github.client import Client
from patch_app.github.document import Answer
from patch_app.github.errors import NotFound, Refused, TooMany
from tests.core.world import report
from tests.engine.test_evidence import attempt

ATTEMPT = "0123456789abcdef"
COMMIT, OTHER, TIP = "c" * 40, "d" * 40, "e" * 40
JOB = Job(id=70, name="carry", status="completed", attempt=2)
STAMP = "2026-12-01T01:02:03.1234567Z"


def line(text: str) -> bytes:
    return f"{STAMP} {text}\n".encode()


GOOD = line(f"patch-app-inbox {ATTEMPT} 2 {COMMIT}")


def commits(raw: bytes) -> tuple[str, ...]:
    return inbox.said(raw, ATTEMPT, JOB).commits


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", line("##[group]Run Carry") * 3, b"\n\n"])
def test_exactly_this_line_counts(before: bytes) -> None:
    assert commits(before + GOOD) == (COMMIT,)
    assert commits(before + GOOD.replace(b"\n", b"\r\n")) == (COMMIT,)
    assert commits(before + GOOD.rstrip()) == (COMMIT,)


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace(b"Z ", b"Z  "),
        GOOD.replace(b" 2 ", b" 1 "),
        GOOD.replace(b" 2 ", b" 02 "),
        GOOD.replace(ATTEMPT.encode(), b"fedcba9876543210"),
        GOOD.replace(COMMIT.encode(), b"c" * 39),
        GOOD.replace(COMMIT.encode(), b"c" * 41),
        GOOD.replace(COMMIT.encode(), b"C" * 40),
        GOOD.replace(b"\n", b" \n"),
        GOOD.replace(b"\n", b" and more\n"),
        GOOD.removeprefix(STAMP.encode()),
        GOOD.removeprefix(f"{STAMP} ".encode()),
        STAMP.encode() + b" " + GOOD,
        line(f"::notice title=patch-app-inbox::{COMMIT}"),
        line(f"say: patch-app-inbox {ATTEMPT} 2 {COMMIT}"),
        line("a\r" + GOOD.decode().rstrip()),
        line("a\x0b" + GOOD.decode().rstrip()),
        line("a\u2028" + GOOD.decode().rstrip()),
        line("\x1b[0mpatch-app-inbox {ATTEMPT} 2 {COMMIT}"),
        b"",
        b"\xff\xfe\x00" * 100,
    ],
)
def test_line_that_is_not_all_of_it_doesnt_count(raw: bytes) -> None:
    assert commits(raw) == ()


def test_every_match_is_told_even_an_equal_one() -> None:
    assert commits(GOOD + line("x") + GOOD) == (COMMIT, COMMIT)
    assert len(commits(GOOD * 5000)) == 10


def test_refusal_of_the_refs_is_told_by_the_log() -> None:
    raw = line(f"patch-app-refused {ATTEMPT} 2 refs/patch-app/inbox/x/2: deny updating a hidden ref")
    assert inbox.said(raw, ATTEMPT, JOB).refused == ("refs/patch-app/inbox/x/2: deny updating a hidden ref",)


class Github(Client):
    """Answers a request for bytes with what a test puts there."""

    def __init__(self, answer: bytes | Refused = b"") -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def get_bytes(self, path: str, *, accept: str = "", bound: int = 0) -> bytes:
        self.asked.append(path)
        if isinstance(self.answer, Refused):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("error", [NotFound(404, "Not Found"), Refused(410, "Gone")])
async def test_log_that_was_deleted_is_missing_and_one_that_is_too_long_is_none(error: Refused) -> None:
    log = await inbox.log(Github(error), attempt(), JOB)
    assert (log.commits, log.problem, bool(log.missing)) == ((), "", True)
    log = await inbox.log(Github(TooMany("much")), attempt(), JOB)
    assert (log.missing, log.problem) == ("", "it is too long")


class Known:
    """Keys that know one token."""

    async def read(self, text: str, now: float) -> Token:
        assert now == 1.0
        return Token(problem=f"read {text}")


def blob(text: str | None, **more: Any) -> dict[str, Any]:
    return {"oid": "b" * 40, "text": text, "isTruncated": False, "byteSize": len(text or "")} | more


def entries(*names: str) -> dict[str, Any]:
    return {"entries": [{"name": name, "oid": "b" * 40, "type": "blob"} for name in names]}


async def read(**parts: Any) -> Any:
    keys: Any = Known()
    answer = Answer(fork={f"{name}0": value for name, value in parts.items()}, upstream=None)
    checking = inbox.Checking(keys=keys, now=1.0)
    (one,) = await inbox.read(Github(), "alice/tool", answer, [("refs/patch-app/inbox/a/1", TIP)], checking)
    return one


REPORT = report("attempt00001").model_dump_json(by_alias=True)
BELOW = {"nodes": [{"oid": COMMIT, "tree": entries("report.json", "candidate.bundle")}]}
TOKEN = base64.b64encode(b"a.b.c").decode() + "\n"


async def test_report_is_that_of_the_commit_below_the_token() -> None:
    one = await read(
        inbox={"tree": entries("token", "report.json"), "parents": BELOW},
        token=blob(TOKEN),
        report=blob("{}"),
        below=blob(REPORT),
    )
    assert (one.commit, one.token.problem, sorted(one.files)) == (
        COMMIT,
        "read a.b.c",
        ["candidate.bundle", "report.json"],
    )
    assert one.report is not None


async def test_commit_without_a_token_is_the_report_itself() -> None:
    for parents in ({"nodes": []}, BELOW):
        one = await read(inbox={"tree": entries("report.json"), "parents": parents}, report=blob(REPORT))
        assert (one.commit, one.token, one.report is not None) == (TIP, None, True)
    # nor with two parents: such a commit is nobody's of ours
    two = {"nodes": [*BELOW["nodes"], {"oid": OTHER, "tree": entries()}]}
    one = await read(inbox={"tree": entries("token"), "parents": two}, token=blob(TOKEN))
    assert (one.commit, one.token, one.report) == (TIP, None, None)


@pytest.mark.parametrize(
    "token",
    [
        blob("not base64!"),
        blob("\u2603"),
        blob(None),
        blob(TOKEN, isTruncated=True),
        blob(TOKEN, byteSize=10**6),
        blob(base64.b64encode(b"\xff\xfe").decode()),
        None,
    ],
)
async def test_file_that_holds_no_token_is_a_token_that_proves_nothing(token: Any) -> None:
    one = await read(inbox={"tree": entries("token"), "parents": BELOW}, token=token, below=blob(REPORT))
    assert one.token is not None
    assert (one.token.claims, bool(one.token.problem)) == (None, True)
    assert "read" not in one.token.problem


async def test_ref_that_leads_to_no_commit_has_no_report() -> None:
    one = await read(inbox=None, token=None, report=None, below=None)
    assert (one.commit, one.token, one.problem) == (TIP, None, "the commit has no report.json")


def listed(number: int, name: str, attempt: int, **more: Any) -> dict[str, Any]:
    times = {"started_at": "2026-12-01T01:00:00Z", "completed_at": "2026-12-01T01:01:00Z"}
    ended = {"status": "completed", "conclusion": "success", "steps": [{"name": "Carry"}]}
    return {"id": number, "name": name, "html_url": "", "run_attempt": attempt} | ended | times | more


def test_job_that_wasnt_run_again_may_be_listed_for_the_newer_attempt_too() -> None:
    copied = [listed(1, "carry", 1), listed(2, "carry", 2), listed(3, "check build", 2)]
    assert [(one.id, one.attempt) for one in reading._jobs(copied)] == [(1, 1), (3, 2)]


def test_job_that_is_listed_twice_has_the_steps_that_either_shows() -> None:
    copied = [listed(1, "carry", 1, steps=[]), listed(2, "carry", 2)]
    assert [(one.id, one.steps) for one in reading._jobs(copied)] == [(1, ("Carry",))]


def test_jobs_that_differ_in_anything_are_two() -> None:
    for changed in (
        {"conclusion": "failure"},
        {"started_at": "2026-12-01T01:00:01Z"},
        {"status": "in_progress", "completed_at": None},
    ):
        assert len(reading._jobs([listed(1, "carry", 1), listed(2, "carry", 2, **changed)])) == 2
