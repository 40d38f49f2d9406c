"""Which commit our own run vouches for, whatever else lies in the inbox, is printed, or was run again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from patch_app.core import names, own_checks, vouching
from patch_app.core.approval import unfit_for_auto
from patch_app.core.attempt import Stage
from patch_app.core.configuration import Configuration
from patch_app.core.facts import Inbox, Job, RunFact
from patch_app.core.messages import check_run
from patch_app.core.vouch import By, CarryLog, Token, Vouch
from tests.core.world import (
    APP_ID,
    HEAD,
    INBOX,
    START,
    World,
    carry_job,
    check_job,
    claims,
    oid,
    report,
)

ATTEMPT = World().attempt.model_copy(update={"default_branch": "main"})
OTHER = oid("forged")
ASKED = vouching.Asked(app_id=APP_ID, now=START + timedelta(minutes=10))


def run(**changes: object) -> RunFact:
    fields: dict[str, object] = {
        "id": 7,
        "attempt": 1,
        "name": names.run_name(ATTEMPT.id),
        "path": names.WORKFLOW_PATH,
        "event": "workflow_dispatch",
        "head_sha": HEAD,
        "status": "completed",
        "created": START,
        "started": START,
        "updated": START + timedelta(minutes=5),
        "jobs": (carry_job(),),
    }
    return RunFact.model_validate(fields | changes)


def inbox(number: int = 1, commit: str = INBOX, token: Token | None = None, branch: bool = False) -> Inbox:
    ref = f"{names.inbox_prefix(ATTEMPT.id)}{number}"
    return Inbox(
        ref=names.as_branch(ref) if branch else ref, commit=commit, report=report(ATTEMPT.id), token=token
    )


def signed(commit: str = INBOX, **changes: object) -> Token:
    return Token(claims=claims(ATTEMPT, commit, **changes))


def weigh(*there: Inbox, of: RunFact | None = None) -> vouching.Weighed:
    return vouching.weigh(ATTEMPT, [of or run()], there, ASKED)


def said(log: CarryLog, **changes: object) -> RunFact:
    return run(log=log, **changes)


# Signatures ----------------------------------------------------------------------------------------


def test_signature_vouches_and_says_by_which_key() -> None:
    vouch = weigh(inbox(token=signed())).vouch
    assert vouch == Vouch(by=By.SIGNATURE, commit=INBOX, run=7, run_attempt=1, key="key-1", issued=START)


FOREIGN = "alice/tool/.github/workflows/evil.yml@refs/heads/evil"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"audience": names.audience(APP_ID, ATTEMPT.id, OTHER)}, "audience"),
        ({"audience": names.audience(APP_ID, "another0000001", INBOX)}, "audience"),
        ({"audience": names.audience(APP_ID + 1, ATTEMPT.id, INBOX)}, "audience"),
        ({"audience": "https://github.com/alice"}, "audience"),
        ({"repository_id": "3"}, "repository_id"),
        ({"run_id": "8"}, "run_id"),
        ({"run_attempt": "2"}, "run_attempt"),
        ({"event_name": "push"}, "event_name"),
        ({"workflow_ref": FOREIGN}, "workflow_ref"),
        ({"workflow_ref": f"alice/tool/{names.WORKFLOW_PATH}@refs/heads/evil"}, "workflow_ref"),
        ({"workflow_ref": f"eve/tool/{names.WORKFLOW_PATH}@refs/heads/main"}, "workflow_ref"),
        ({"workflow_ref": f"alice/tool/{names.WORKFLOW_PATH}@refs/tags/main"}, "workflow_ref"),
        ({"workflow_sha": OTHER}, "workflow_sha"),
        ({"job_workflow_ref": FOREIGN}, "job_workflow_ref"),
        ({"issued": int(START.timestamp()) - 3600}, "wasn't under way"),
        ({"issued": int(START.timestamp()) + 3600}, "wasn't under way"),
        ({"issued": -(10**15)}, "wasn't under way"),
        ({"issued": 10**15}, "wasn't under way"),
    ],
)
def test_token_that_says_something_else_is_refused_with_the_reason(
    changes: dict[str, object], word: str
) -> None:
    weighed = weigh(inbox(token=signed(**changes)))
    assert weighed.vouch is None
    assert word in weighed.problem


def test_repository_was_renamed_while_the_run_was_under_way() -> None:
    there = f"alice/kettle/{names.WORKFLOW_PATH}@refs/heads/main"
    renamed = {"repository": "alice/kettle", "workflow_ref": there, "job_workflow_ref": there}
    assert weigh(inbox(token=signed(**renamed))).vouch is not None


def test_token_without_a_job_workflow_ref_is_one_of_an_older_server() -> None:
    assert weigh(inbox(token=signed(job_workflow_ref=None))).vouch is not None


def test_clocks_differ_by_some_minutes_and_the_run_goes_on() -> None:
    going = run(status="in_progress", updated=START + timedelta(seconds=2))
    for seconds, of in ((-200, run()), (5 * 60 + 200, run()), (11 * 60, going)):
        assert weigh(inbox(token=signed(issued=int(START.timestamp()) + seconds)), of=of).vouch is not None
    assert weigh(inbox(token=signed(issued=int(START.timestamp()) + 3600)), of=going).vouch is None


def test_token_of_an_older_run_attempt_was_issued_before_the_newer_one_began() -> None:
    later = START + timedelta(hours=5)
    rerun = run(attempt=2, started=later, updated=later + timedelta(minutes=5))
    assert weigh(inbox(token=signed()), of=rerun).vouch is not None
    late = signed(issued=int(later.timestamp()) + 1000)
    assert "wasn't under way" in weigh(inbox(token=late), of=rerun).problem


def test_wrong_token_is_never_made_up_for_by_the_log() -> None:
    log = CarryLog(job=71, commits=(INBOX,))
    for token in (Token(problem="no key"), signed(OTHER)):
        weighed = weigh(inbox(token=token), of=said(log))
        assert (weighed.vouch, bool(weighed.problem)) == (None, True)
        # nor by one without a token in the other of the two places
        assert weigh(inbox(token=token), inbox(branch=True), of=said(log)).vouch is None


def test_somebody_writes_the_other_place_of_the_inbox_too() -> None:
    forged = inbox(commit=OTHER, token=Token(problem="no key"), branch=True)
    for there in ((forged, inbox(token=signed())), (inbox(token=signed()), forged)):
        found = weigh(*there).inbox
        assert found is not None
        assert found.commit == INBOX


def test_keys_that_cant_be_had_are_waited_for_and_told() -> None:
    world = World(token=Token(unread="the keys of https://x can't be read (it answers 502)"))
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.RUNNING
    assert "it answers 502" in world.attempt.message
    world.wait(600)
    assert world.settle() is Stage.RUNNING
    for _ in range(3):
        world.wait(1200)
        assert world.settle() is Stage.BLOCKED
    assert "it answers 502" in world.attempt.message
    world.token = None
    assert world.settle() is Stage.REVIEWING
    assert world.attempt.vouch is not None


# Logs ----------------------------------------------------------------------------------------------


def test_log_vouches_where_there_is_no_token_but_never_for_auto() -> None:
    world = World(by=By.LOG, configuration=Configuration.model_validate(AUTO), jobs=(check_job("build"),))
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING
    assert world.attempt.vouch == Vouch(by=By.LOG, commit=INBOX, run=7, run_attempt=1, job=71)
    assert "signed" in (unfit_for_auto(world.attempt) or "")
    world.ask("/patch promote")
    world.approve()
    assert world.settle() is Stage.PROMOTED


AUTO = {
    "upstream": {"minimum_age": "1d"},
    "check": [{"name": "build", "run": "true"}],
    "promotion": {"approve": "auto"},
}


@pytest.mark.parametrize(
    ("log", "word"),
    [
        (CarryLog(job=71), "vouches for no report"),
        (CarryLog(job=71, commits=(OTHER,)), "isn't the one"),
        (CarryLog(job=71, commits=(INBOX, INBOX)), "2 times"),
        (CarryLog(job=71, commits=(INBOX, OTHER)), "2 times"),
        (CarryLog(job=71, problem="it is too long"), "too long"),
    ],
)
def test_log_that_doesnt_name_exactly_this_commit_once_is_refused(log: CarryLog, word: str) -> None:
    weighed = weigh(inbox(), of=said(log))
    assert weighed.vouch is None
    assert word in weighed.problem


def test_log_of_another_job_and_of_an_unended_one_says_nothing() -> None:
    assert weigh(inbox(), of=said(CarryLog(job=99, commits=(INBOX,)))).vouch is None
    going = said(
        CarryLog(job=71, commits=(INBOX,)), jobs=(carry_job(status="in_progress"),), status="in_progress"
    )
    assert (weigh(inbox(), of=going).vouch, weigh(inbox(), of=going).problem) == (None, "")


def test_log_that_was_deleted_is_waited_for_and_then_said() -> None:
    world = World(by=By.LOG, log=CarryLog(job=71, missing="Not Found"))
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.RUNNING
    assert "deleted or isn't there yet" in world.attempt.message
    world.wait(60)
    assert world.settle() is Stage.FAILED
    assert "deleted or isn't there yet" in world.attempt.message


def test_job_that_was_renamed_to_carry_has_no_say() -> None:
    log = CarryLog(job=9, commits=(OTHER,))
    jobs = (carry_job(called="check build"), check_job("build", called="carry"))
    found = run(jobs=jobs, log=log)
    last = vouching.last_carry(found)
    assert last is not None
    assert last.id == 71
    assert vouching.log_wanted(found, [inbox()]) == last
    assert weigh(inbox(commit=OTHER), of=found).vouch is None


def test_two_jobs_look_like_the_carry() -> None:
    twin = carry_job().model_copy(update={"id": 72})
    found = said(CarryLog(job=71, commits=(INBOX,)), jobs=(carry_job(), twin))
    assert "two jobs" in weigh(inbox(), of=found).problem


def test_answers_of_a_resolver_are_handed_over_by_the_second_carry() -> None:
    second = carry_job().model_copy(
        update={"id": 72, "name": "carry resolved", "steps": (*carry_job().steps, names.ANSWERS_STEP)}
    )
    found = said(CarryLog(job=72, commits=(INBOX,)), jobs=(carry_job(), second))
    vouch = weigh(inbox(), of=found).vouch
    assert vouch is not None
    assert vouch.job == 72


# Run attempts --------------------------------------------------------------------------------------


def test_failed_jobs_are_run_again_and_the_carry_stays_that_of_the_first_attempt() -> None:
    found = run(attempt=2, jobs=(carry_job(), check_job("build", "failure"), check_job("build", attempt=2)))
    assert vouching.newest_carry(found) == 1
    forged = inbox(2, OTHER)
    assert vouching.claimed([inbox().ref, forged.ref], [found]) == (inbox().ref,)
    assert weigh(inbox(token=signed()), forged, of=found).vouch is not None


def test_newer_carry_makes_the_report_of_the_older_one_void() -> None:
    for status in ("queued", "in_progress", "completed"):
        newer = carry_job(2, status=status).model_copy(
            update={"steps": () if status == "queued" else carry_job().steps}
        )
        found = run(attempt=2, jobs=(carry_job(), newer))
        assert vouching.newest_carry(found) == 2
        assert weigh(inbox(token=signed()), of=found).vouch is None


def test_carry_that_was_cancelled_before_it_began_never_ran() -> None:
    cancelled = Job(id=80, name="carry", status="completed", conclusion="cancelled", attempt=2)
    assert vouching.newest_carry(run(attempt=2, jobs=(carry_job(), cancelled))) == 1


@pytest.mark.parametrize("name", ["01", "+1", "١", "1/1", "0", "", "1234567890", "-1", "2"])
def test_ref_that_is_named_for_no_run_attempt_is_not_looked_at(name: str) -> None:
    ref = f"{names.inbox_prefix(ATTEMPT.id)}{name}"
    # the last part alone counts, and two refs never stand for one run attempt in one place
    assert vouching.claimed([ref], [run()]) == ((ref,) if name == "1/1" else ())


# Configured checks ---------------------------------------------------------------------------------

CHECKED = ATTEMPT.model_copy(
    update={
        "configuration": Configuration.model_validate(
            {"check": [{"name": "build", "run": "true"}, {"name": "lint", "run": "true"}]}
        ),
        "vouch": Vouch(by=By.SIGNATURE, commit=INBOX, run=7, run_attempt=1),
    }
)


def ends(*jobs: Job, attempt: int = 1) -> dict[str, str | None]:
    found = own_checks.jobs(CHECKED, [run(attempt=attempt, jobs=jobs)])
    return {name: job.conclusion for name, job in found.items()}


def test_check_counts_by_its_newest_job_after_the_carry() -> None:
    jobs = (carry_job(), check_job("build", "failure"), check_job("lint"), check_job("build", attempt=2))
    assert ends(*jobs, attempt=2) == {"build": "success", "lint": "success"}
    assert ends(*jobs, check_job("build", None, attempt=3), attempt=3)["build"] is None


def test_check_that_failed_again_early_and_was_renamed_does_not_leave_the_older_one_to_count() -> None:
    first = (carry_job(), check_job("build"), check_job("lint"))
    again = check_job("build", "failure", attempt=2, called="x").model_copy(update={"steps": ("Set up job",)})
    assert "success" not in ends(*first, again, attempt=2).values()
    # what never ran hides nothing
    never = again.model_copy(update={"conclusion": "cancelled", "steps": ()})
    assert ends(*first, never, attempt=2) == {"build": "success", "lint": "success"}


def test_new_carry_makes_the_checks_of_the_older_one_void() -> None:
    jobs = (carry_job(), check_job("build"), check_job("lint"), carry_job(2))
    assert ends(*jobs, attempt=2) == {}
    assert own_checks.carried_anew(CHECKED, [run(attempt=2, jobs=jobs)])
    # those of a carry that nobody has read the report of neither
    assert ends(*jobs, check_job("build", attempt=2), attempt=2) == {}


def test_checks_of_another_run_dont_count() -> None:
    assert own_checks.jobs(CHECKED, [run(id=8, jobs=(carry_job(), check_job("build")))]) == {}


def test_failed_check_and_a_good_one_swap_their_names() -> None:
    jobs = (
        carry_job(),
        check_job("build", "failure", called="check lint"),
        check_job("lint", called="check build"),
        check_job("lint", attempt=2),
    )
    assert ends(*jobs, attempt=2)["build"] == "failure"


@pytest.mark.parametrize("steps", [(), ("Set up job", names.RUNNER_STEP, "Check lint"), ("Check build",)])
def test_green_job_that_only_has_the_name_of_a_check_doesnt_count(steps: tuple[str, ...]) -> None:
    green = Job(id=5, name="check build", status="completed", conclusion="success", steps=steps)
    assert "build" not in ends(carry_job(), green)
    assert "build" not in ends(carry_job(called="check build"), carry_job(called="check build"))


def test_of_two_jobs_of_one_check_the_worse_counts() -> None:
    good, bad, open_ = (check_job("build", end) for end in ("success", "failure", None))
    for jobs, end in (((good, bad), "failure"), ((bad, good), "failure"), ((open_, good), None)):
        assert ends(carry_job(), *jobs)["build"] == end
    assert ends(carry_job(), open_, bad)["build"] == "failure"


def test_check_that_was_cancelled_before_it_began_has_not_passed() -> None:
    cancelled = Job(id=5, name="check build", status="completed", conclusion="cancelled", attempt=2)
    assert ends(carry_job(), check_job("build"), cancelled, attempt=2)["build"] == "cancelled"


def test_somebody_presses_run_all_jobs_again_during_the_review() -> None:
    world = World(
        configuration=Configuration.model_validate({"check": [{"name": "build", "run": "true"}]}),
        jobs=(check_job("build", "failure"),),
    )
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING
    candidate = world.attempt.candidate
    world.run, world.run_attempt, world.jobs = "in_progress", 2, ()
    assert world.settle() is Stage.RUNNING
    world.jobs = (check_job("build", attempt=2),)
    world.run_ends()
    assert world.settle() is Stage.REVIEWING
    assert (world.attempt.candidate, world.attempt.vouch and world.attempt.vouch.run_attempt) == (
        candidate,
        2,
    )
    world.approve()
    assert world.settle() is Stage.PROMOTED


# Told ----------------------------------------------------------------------------------------------


def test_check_run_tells_what_vouched() -> None:
    world = World()
    world.settle()
    world.run_ends()
    world.settle()
    summary = check_run(world.attempt)[1]
    assert (
        f"The report `{INBOX[:12]}` is the one of attempt 1 of run 7, by GitHub's signature (key `key-1`"
        in summary
    )
    logged = world.attempt.model_copy(
        update={"vouch": Vouch(by=By.LOG, commit=INBOX, run=7, run_attempt=1, job=71)}
    )
    assert "by the log of the job that carried" in check_run(logged)[1]
    assert '"vouched_by": "log"' in check_run(logged)[1]


def test_candidate_that_only_an_annotation_had_vouched_for_is_not_promoted() -> None:
    world = World()
    world.settle()
    world.run_ends()
    assert world.settle() is Stage.REVIEWING
    world.attempt = world.attempt.model_copy(update={"vouch": None})
    world.approve()
    assert world.settle() is Stage.REVIEWING
    assert "nothing that counts vouches" in world.attempt.message
