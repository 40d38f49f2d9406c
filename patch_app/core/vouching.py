"""Did our own run hand this inbox commit over? Weighs its token, or where none can be had a log. Pure.

A ref of the inbox is a claim of whoever may push. Annotations, names and outputs of check runs decide
nothing, since any workflow with `checks: write` can change them. A token that is there and wrong is refused,
and never made up for by the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from patch_app.core import names
from patch_app.core.attempt import Attempt
from patch_app.core.facts import Inbox, Job, RunFact
from patch_app.core.vouch import By, CarryLog, Claims, Vouch

# what GitHub's clocks, and those of a run's record, may differ by
LEEWAY: Final = timedelta(minutes=5)
_SHOWN: Final = 120


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What vouches for which report of which run; or why none does, or why that isn't known yet."""

    run: RunFact | None = None
    inbox: Inbox | None = None
    vouch: Vouch | None = None
    problem: str = ""
    waits: str = ""


# Which job carried ---------------------------------------------------------------------------------


def has_carried(job: Job) -> bool:
    """Whether it is one that carries, by the steps that it has begun."""
    return {names.RUNNER_STEP, names.CARRY_STEP} <= set(job.steps)


def newest_carry(run: RunFact) -> int | None:
    """The newest run attempt in which the stack was carried, or is to be; None where no job shows it.

    GitHub's "Re-run failed jobs" begins a run attempt in which a carry that went well isn't repeated.
    """
    carried = [
        job.attempt
        for job in run.jobs
        if has_carried(job) or (job.name in names.CARRY_JOBS and job.status != "completed")
    ]
    return max(carried, default=None)


def last_carry(run: RunFact) -> Job | None:
    """The job of the newest carry that hands over: the one with a resolver's answers, where it ran.

    None where there is none, or more than one that looks like it.
    """
    newest = newest_carry(run)
    jobs = [job for job in run.jobs if job.attempt == newest and has_carried(job)]
    answered = [job for job in jobs if names.ANSWERS_STEP in job.steps]
    first = [job for job in jobs if job not in answered]
    if len(answered) > 1 or len(first) > 1:
        return None
    return next(iter(answered or first), None)


def claimed(inbox: Iterable[str], runs: Sequence[RunFact]) -> tuple[str, ...]:
    """Those of the refs that a run could have handed over under: named for a run attempt that carried."""
    numbers: set[int] = set()
    for run in runs:
        newest = newest_carry(run)
        numbers |= {newest} if newest is not None else set(range(1, run.attempt + 1))
    return tuple(ref for ref in inbox if names.inbox_number(ref) in numbers)


def log_wanted(run: RunFact, inbox: Sequence[Inbox]) -> Job | None:
    """The job whose log is to be read: the carry has ended, and no token says what it handed over."""
    job = last_carry(run)
    if job is None or job.status != "completed":
        return None
    there = [one for one in inbox if one.run_attempt == job.attempt]
    if any(one.token is not None for one in there) or not (there or run.status == "completed"):
        return None
    return job


# What vouches --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Asked:
    """For whom tokens must be: our App's id, and the time at which they are weighed."""

    app_id: int
    now: datetime


def weigh(attempt: Attempt, runs: Sequence[RunFact], inbox: Sequence[Inbox], asked: Asked) -> Weighed:
    """The newest report that one of our own runs vouches for. `runs`: those that are ours."""
    told: list[Weighed] = []
    for run in reversed(runs):
        there = [one for one in inbox if claimed([one.ref], [run])]
        for one in sorted(there, key=lambda one: one.run_attempt, reverse=True):
            if one.token is not None:
                weighed = _signed(attempt, run, one, asked)
            elif not any(one.run_attempt == other.run_attempt and other.token for other in there):
                weighed = _logged(attempt, run, one)
            else:
                continue
            if weighed.vouch is not None:
                return weighed
            told.append(weighed)
    waiting = [one for one in told if one.waits]
    return (waiting or told or [Weighed()])[0]


def _signed(attempt: Attempt, run: RunFact, inbox: Inbox, asked: Asked) -> Weighed:
    token = inbox.token
    if token is None or token.unread:
        return Weighed(
            waits=f"the token at {inbox.ref} can't be checked yet: {token.unread if token else ''}"
        )
    if token.claims is None:
        return Weighed(problem=f"the token at {inbox.ref} is none of GitHub's: {token.problem}")
    claims = token.claims
    problem = claims_problem(attempt, run, inbox, claims, asked)
    if problem is not None:
        return Weighed(problem=f"the token at {inbox.ref} {problem}")
    vouch = Vouch(
        by=By.SIGNATURE,
        commit=inbox.commit,
        tip=inbox.tip,
        run=run.id,
        run_attempt=inbox.run_attempt,
        key=claims.key,
        issued=datetime.fromtimestamp(claims.issued, UTC),
    )
    return Weighed(run=run, inbox=inbox, vouch=vouch)


def claims_problem(attempt: Attempt, run: RunFact, inbox: Inbox, claims: Claims, asked: Asked) -> str | None:
    """What a signed token says otherwise than the run and the commit that it lies on, or None.

    The repository's name may have changed since, its id not. When the token ends doesn't matter: what it says
    of the past stays true.
    """
    where = f"{claims.repository}/{names.WORKFLOW_PATH}@{names.head(attempt.default_branch)}"
    wanted = {
        "audience": (claims.audience, names.audience(asked.app_id, attempt.id, inbox.commit)),
        "repository_id": (claims.repository_id, str(attempt.repository_id)),
        "run_id": (claims.run_id, str(run.id)),
        "run_attempt": (claims.run_attempt, str(inbox.run_attempt)),
        "event_name": (claims.event_name, "workflow_dispatch"),
        "workflow_ref": (claims.workflow_ref, where),
        "workflow_sha": (claims.workflow_sha, run.head_sha),
        # of the job itself: another one's where a workflow calls another
        "job_workflow_ref": (claims.job_workflow_ref or claims.workflow_ref, where),
    }
    for name, (said, expected) in wanted.items():
        if said != expected:
            return f"is one for something else: its {name} is {_shown(said)}, not {_shown(expected)}"
    if not 1 <= inbox.run_attempt <= run.attempt:
        return "is one of a run attempt that never was"
    since, until = _time(run, inbox.run_attempt, asked.now)
    if since is None or not since - LEEWAY <= _at(claims.issued) <= until + LEEWAY:
        return f"was issued at {_at(claims.issued):%Y-%m-%d %H:%M:%S} UTC, when run {run.id} wasn't under way"
    return None


def _time(run: RunFact, number: int, now: datetime) -> tuple[datetime | None, datetime]:
    """When a run attempt was under way, by GitHub's clock; one that goes on, until now.

    GitHub tells when the newest began; those before it lie between the run's making and that.
    """
    if number < run.attempt:
        return run.created, run.started or now
    ended = run.updated if run.status == "completed" else None
    return run.started or run.created, ended or now


def _at(seconds: int) -> datetime:
    # a signed time that no calendar has is out of every run's time
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:_SHOWN]


# Where no token can be had -------------------------------------------------------------------------


def _logged(attempt: Attempt, run: RunFact, inbox: Inbox) -> Weighed:
    job, log = last_carry(run), run.log
    if job is None and any(has_carried(one) for one in run.jobs):
        return Weighed(
            problem=f"two jobs of run {run.id} look like the one that carries, so neither's log counts"
        )
    if job is None or job.status != "completed":
        return Weighed(waits=f"the job of run {run.id} that carries hasn't ended")
    if log is None or log.job != job.id:
        return Weighed(waits=f"the log of run {run.id} wasn't read yet")
    if log.missing:
        return Weighed(waits=_no_log(run, log))
    if problem := log_problem(run, inbox, log):
        return Weighed(problem=problem)
    vouch = Vouch(by=By.LOG, commit=inbox.commit, run=run.id, run_attempt=inbox.run_attempt, job=job.id)
    return Weighed(run=run, inbox=inbox, vouch=vouch)


def _no_log(run: RunFact, log: CarryLog) -> str:
    return (
        f"nothing vouches for the report of run {run.id}: it has no token, and the log of its carry can't be "
        f"had, since it was deleted or isn't there yet ({log.missing})"
    )


def log_problem(run: RunFact, inbox: Inbox, log: CarryLog) -> str | None:
    """Why the log of the job that carried doesn't vouch for a report, or None."""
    if log.problem:
        return f"the log of run {run.id} can't be weighed: {log.problem}"
    if not log.commits:
        return f"run {run.id} vouches for no report, yet there is one at {inbox.ref}"
    if len(log.commits) > 1:
        return f"the log of run {run.id} names an inbox commit {len(log.commits)} times, so none counts"
    if log.commits != (inbox.commit,):
        return f"the report at {inbox.ref} isn't the one that run {run.id} pushed"
    return None


def turned_away(run: RunFact) -> str:
    """Why GitHub took nothing from the newest carry, as its log says in exactly one line; else empty."""
    return run.log.refused[0] if run.log is not None and len(run.log.refused) == 1 else ""
