"""What the configured checks say of the candidate: the ends of jobs of the run that carried it. Pure.

Nothing that such a job prints, annotates or hands on counts, and neither does its name: a check run can be
renamed by any workflow with `checks: write`. A job is known by its steps, and counts for the carry before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from patch_app.core import names, vouching
from patch_app.core.attempt import Attempt
from patch_app.core.facts import Job, RunFact

_GOOD = "success"


def jobs(attempt: Attempt, runs: Sequence[RunFact]) -> dict[str, Job]:
    """The newest job of each configured check, by the check's name.

    Of the run, and after the very carry, that handed over what the attempt goes by: a new carry makes them
    all void.
    """
    run = _run(attempt, runs)
    if run is None or attempt.vouch is None or vouching.newest_carry(run) != attempt.vouch.run_attempt:
        return {}
    since = attempt.vouch.run_attempt
    out: dict[str, Job] = {}
    for check in attempt.configuration.check:
        found = [job for job in run.jobs if job.attempt >= since and _is(job, check.name)]
        newest = max((job.attempt for job in found), default=0)
        found += [job for job in run.jobs if job.attempt > newest and _hides(attempt, job)] if found else []
        newest = max((job.attempt for job in found), default=0)
        last = [job for job in found if job.attempt == newest]
        if last:
            out[check.name] = max(last, key=_badness)
    return out


def passed(attempt: Attempt, runs: Sequence[RunFact]) -> bool:
    """Whether every configured check has passed."""
    found = jobs(attempt, runs)
    return all(
        one.name in found and found[one.name].conclusion == _GOOD for one in attempt.configuration.check
    )


def carried_anew(attempt: Attempt, runs: Sequence[RunFact]) -> bool:
    """Whether the run has carried once more since, as after GitHub's "Re-run all jobs"."""
    run = _run(attempt, runs)
    newest = vouching.newest_carry(run) if run is not None else None
    return attempt.vouch is not None and newest is not None and newest > attempt.vouch.run_attempt


def _run(attempt: Attempt, runs: Sequence[RunFact]) -> RunFact | None:
    vouch = attempt.vouch
    return next((run for run in runs if vouch is not None and run.id == vouch.run), None)


def _is(job: Job, check: str) -> bool:
    """Whether a job is the one of a check. By its name alone it can only stand in the way."""
    if vouching.has_carried(job):
        return False
    if {names.RUNNER_STEP, names.check_step(check)} <= set(job.steps):
        return True
    return job.name == f"check {check}" and job.conclusion != _GOOD


def _hides(attempt: Attempt, job: Job) -> bool:
    """Whether a job that went wrong could be one of any check: it ended before the step by which it would be
    known, and nothing but its name, which others can change, says what it is.
    """
    never_ran = job.conclusion in ("skipped", "cancelled") and not job.steps
    if job.conclusion in (None, _GOOD) or never_ran or vouching.has_carried(job):
        return False
    return not any(_is(job, check.name) for check in attempt.configuration.check)


def _badness(job: Job) -> int:
    """Of two jobs for one check the worse counts: failed, then one that hasn't ended."""
    if job.conclusion == _GOOD:
        return 0
    return 1 if job.conclusion is None else 2
