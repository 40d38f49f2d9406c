from __future__ import annotations

import json
import re

import pytest
from markdown_it import MarkdownIt

from patch_app.core import lines, messages
from patch_app.core.attempt import Attempt, Stage
from patch_app.core.configuration import Configuration
from patch_app.core.markdown import BODY_LIMIT, CHECK_LIMIT, size
from patch_app.core.proof import Proof
from tests.core import goldens, samples
from tests.core.test_markdown import assert_harmless, rendered


@pytest.mark.parametrize("path", goldens.FILES)
def test_file_kept_beside_the_code_is_what_the_code_makes(path: str) -> None:
    kept = (goldens.ROOT / path).read_text(encoding="utf-8")
    assert kept == goldens.FILES[path](), "run: python -m tests.core.goldens, and read what changed"


def bodies(attempt: Attempt) -> list[str]:
    out = [
        messages.pull_request_body(attempt),
        messages.gate_issue(attempt)[1],
        lines.last_line(attempt.model_copy(update={"stage": Stage.PROMOTED}), ""),
        lines.last_line(attempt, "v3@bob#1"),
        lines.last_line(attempt, ""),
        *messages.check_run(attempt)[1:],
    ]
    if attempt.report and messages.conflicted(attempt.report):
        out.append(messages.conflict_issue(attempt)[1])
    return out


@pytest.mark.parametrize(
    "make",
    [
        samples.carried,
        samples.decided,
        samples.conflicted,
        samples.gated,
        samples.hostile,
        samples.hostile_candidate,
    ],
)
@pytest.mark.parametrize("run", [True, False])
def test_nothing_that_strangers_wrote_pings_links_or_breaks_out(make: type[Attempt], run: bool) -> None:
    attempt = make() if run else make().model_copy(update={"runs": ()})
    for body in bodies(attempt):
        seen = rendered(body)
        assert_harmless(seen)
        assert not {"img", "script", "h1"} & set(seen.tags)
        assert seen.tags.count("table") == len(re.findall(r"(?m)^\| --- ", body))


@pytest.mark.parametrize("make", [samples.huge, samples.huge_conflict])
def test_the_largest_report_still_fits_into_what_github_takes(make: type[Attempt]) -> None:
    attempt = make()
    for body in bodies(attempt):
        assert size(body) <= BODY_LIMIT - 500 or body == messages.check_run(attempt)[2]
    title, summary, text = messages.check_run(attempt)
    assert len(title) <= 255
    assert size(summary) <= CHECK_LIMIT
    assert size(text) <= CHECK_LIMIT
    assert "more: all of them in [the run's summary]" in text


def test_what_an_approval_does_is_never_cut() -> None:
    assert "### To promote" in messages.pull_request_body(samples.huge())
    assert "### To go on by hand" in messages.conflict_issue(samples.huge_conflict())[1]


def test_merge_commits_that_are_left_out_are_said() -> None:
    attempt = samples.carried()
    assert attempt.report is not None
    for number, said in ((1, "1 merge commit, which adds"), (2, "2 merge commits, which add")):
        merges = tuple(samples.oid(number) for number in range(number))
        report = attempt.report.model_copy(update={"merges": merges})
        assert said in messages.pull_request_body(attempt.model_copy(update={"report": report}))


def adjusted(number: int, range_diff: str) -> Attempt:
    """A stack of adjusted patches, each with this range-diff of its own."""
    patches = [samples.patch(n, "adjusted", f"Patch {n}", range_diff=range_diff) for n in range(number)]
    return samples.attempt(samples.report(patches))


def test_the_range_diff_of_an_adjusted_patch_can_t_leave_its_fold() -> None:
    bad = samples.NASTY + "\n````\n</details>\n<script>\n@bob\n"
    seen = rendered(messages.pull_request_body(adjusted(2, bad)))
    assert_harmless(seen)
    # two range-diffs of single patches, the stack's, the commands
    assert seen.tags.count("details") == 4
    assert not {"img", "script", "h1"} & set(seen.tags)


@pytest.mark.parametrize(("number", "length"), [(1, 20_000), (10, 20_000), (100, 2000)])
def test_range_diffs_of_many_patches_leave_room_for_the_whole_stack_s(number: int, length: int) -> None:
    attempt = adjusted(number, ("+ü" + "x" * 97 + "\n") * (length // 100))
    body = messages.pull_request_body(attempt)
    assert size(body) <= BODY_LIMIT - 500
    assert "Range-diff: the old stack and the new one" in body
    assert "### To promote" in body
    assert "Range-diff of patch 1, which was adjusted" in body
    assert ("more diffs" in body and "Not shown: " in body) == (number > 1)


def test_a_long_range_diff_is_cut_before_the_table() -> None:
    attempt = samples.carried()
    assert attempt.report is not None
    long = attempt.report.model_copy(update={"range_diff": "+x\n" * 19_000 + "+ü\n" * 3000})
    body = messages.pull_request_body(attempt.model_copy(update={"report": long}))
    assert size(body) <= BODY_LIMIT
    assert "Fix the typo" in body
    assert "This was cut" in body
    assert "### To promote" in body


def test_the_check_run_holds_the_ids_that_it_vouches_for() -> None:
    for attempt in (samples.carried(), samples.hostile(), samples.huge()):
        summary = messages.check_run(attempt)[1]
        blocks = [t for t in MarkdownIt().parse(summary) if t.type == "fence" and t.info == "json"]
        assert json.loads(blocks[0].content) == messages.check_run_ids(attempt)
        assert messages.check_run_ids(attempt)["candidate"] == attempt.candidate


def test_a_commit_is_linked_where_the_fork_s_page_is_known_and_whole_where_it_isn_t() -> None:
    attempt = samples.carried()
    sha = attempt.candidate or ""
    assert f"](https://github.com/alice/tool/commit/{sha})" in messages.pull_request_body(attempt)
    without = messages.pull_request_body(attempt.model_copy(update={"runs": (), "artifacts": ()}))
    assert "](" not in without.replace("](https://github.com/alice/tool/runs/7)", "")
    assert sha in without


@pytest.mark.parametrize(
    ("verdicts", "title"),
    [
        (["clean"], "Carry 1 patch onto v2.0.0"),
        (["clean", "adjusted", "empty"], "Carry 2 patches onto v2.0.0"),
        (["already-upstream"], "Move main to v2.0.0: no patch of ours is left"),
        ([], "Move main to v2.0.0: no patch of ours is left"),
    ],
)
def test_the_title_counts_what_is_carried(verdicts: list[str], title: str) -> None:
    patches = [samples.patch(n, verdict, f"p{n}") for n, verdict in enumerate(verdicts)]
    attempt = samples.attempt(samples.report(patches))
    assert messages.pull_request_title(attempt) == title
    assert messages.pull_request_body(attempt)


@pytest.mark.parametrize(
    ("approve", "said"),
    [
        ("review", "or merge it once approved"),
        ("merge", "and merge it: the merge is what asks"),
        ("command", "the approval alone promotes nothing here: comment `/patch promote`"),
        ("auto", "This doesn't go on by itself, since not every patch is clean"),
    ],
)
def test_how_to_approve_is_said_as_it_is_configured(approve: str, said: str) -> None:
    there = {"promotion": {"approve": approve}, "upstream": {"minimum_age": "1d"}}
    check = [{"name": "build", "run": "make"}]
    config = Configuration.model_validate({**there, "check": check})
    body = messages.pull_request_body(samples.carried().model_copy(update={"configuration": config}))
    assert said in body


def test_a_candidate_that_goes_on_by_itself_asks_nobody_for_a_review() -> None:
    config = Configuration.model_validate(
        {
            "promotion": {"approve": "auto"},
            "upstream": {"minimum_age": "1d"},
            "check": [{"name": "build", "run": "make"}],
        }
    )
    clean = samples.attempt(samples.report([samples.patch(1, "clean", "p")]), configuration=config)
    proof = Proof(candidate=str(clean.candidate), patches=1, at=samples.NOW)
    proved = clean.model_copy(update={"proof": proof})
    body = messages.pull_request_body(proved)
    assert "this goes on by itself once all of the below is so" in body
    assert "an approving review on exactly" not in body
    said = "**Proved by the server from GitHub's own diffs**: 1 of 1."
    assert said in body
    assert said in messages.check_run(proved)[1]


def test_a_person_reads_why_it_is_theirs_to_decide_where_nothing_is_proved() -> None:
    there = {"promotion": {"approve": "auto"}, "upstream": {"minimum_age": "1d"}}
    config = Configuration.model_validate({**there, "check": [{"name": "build", "run": "make"}]})
    clean = samples.attempt(samples.report([samples.patch(1, "clean", "p")]), configuration=config)
    unread = "**A person has to decide**: GitHub's own diffs were not compared yet."
    assert unread in messages.pull_request_body(clean)
    other = Proof(candidate=samples.oid(7), patches=1, at=samples.NOW)
    assert unread in messages.check_run(clean.model_copy(update={"proof": other}))[1]
    why = "patch 1 of 1 isn't the same on the candidate: <img src=x> @mia has other lines"
    no = Proof(candidate=str(clean.candidate), patches=1, problem=why, at=samples.NOW)
    body = messages.pull_request_body(clean.model_copy(update={"proof": no}))
    assert "**A person has to decide**: patch 1 of 1 isn't the same" in body
    assert "<img" not in body
    assert "an approving review on exactly" in body


def test_a_long_stack_goes_on_by_a_range() -> None:
    issue = messages.conflict_issue(samples.huge_conflict())[1]
    assert f"{0x10000:x}".ljust(40, "0") + ".." in issue


def test_an_attempt_without_a_conflict_has_no_conflict_issue() -> None:
    with pytest.raises(ValueError, match="no conflict"):
        messages.conflict_issue(samples.carried())


def test_every_stage_has_a_check_run_that_github_takes() -> None:
    for stage in Stage:
        for attempt in (
            samples.attempt(None, stage=stage),
            samples.carried().model_copy(update={"stage": stage}),
        ):
            title, _, _ = messages.check_run(attempt)
            assert title
            status, conclusion = messages.check_conclusion(attempt)
            assert (conclusion is None) == (status != "completed")


def test_only_a_carried_stack_makes_a_green_check_run() -> None:
    green = {
        stage
        for stage in Stage
        if messages.check_conclusion(samples.attempt(None, stage=stage))[1] == "success"
    }
    assert green == {Stage.GATED, Stage.REVIEWING, Stage.APPROVED, Stage.PROMOTING, Stage.PROMOTED}
