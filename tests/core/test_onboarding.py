from __future__ import annotations

import itertools
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from patch_app.core import configuration, detect, inherited, installed, names, onboarding, previewed
from patch_app.core import onboarding_text as texts
from patch_app.core.detect import Readings
from patch_app.core.hints import hints
from patch_app.core.installed import Footprint
from patch_app.core.markdown import BODY_LIMIT, size
from patch_app.core.onboarding import Known, Pull, Standing, standing
from patch_app.core.preview_requests import requests, targets
from patch_app.core.workflow_files import Broken
from tests.core import onboarding_samples as samples
from tests.core.samples import NASTY, oid
from tests.core.test_markdown import assert_harmless, rendered

# What is detected -----------------------------------------------------------------------------------


def proposed(readings: Readings) -> configuration.Configuration:
    return configuration.parse(detect.text(detect.detect(readings)))


def test_a_default_branch_that_mirrors_upstream_is_no_stack() -> None:
    found = proposed(samples.readings())
    assert [one.branch for one in found.stack] == ["code-mode-exec-hooks"]
    assert (found.upstream.repository, found.upstream.tags, found.upstream.prereleases) == (
        "openai/codex",
        "rust-v*",
        True,
    )


def test_a_default_branch_with_patches_is_the_stack_however_old() -> None:
    branches = (samples.branch("topic", 3, 9), samples.branch("main", 1, 1))
    found = detect.detect(samples.readings().model_copy(update={"branches": branches}))
    assert (found.stack, found.others) == ("main", ("topic",))
    assert proposed(samples.readings().model_copy(update={"branches": branches})).stack[0].branch is None


@pytest.mark.parametrize(
    "changed", [{}, {"branches": ()}, {"releases": ()}, {"upstream": None}, {"root": ()}]
)
def test_names_that_want_out_of_their_quotes_stay_in_them(changed: dict[str, Any]) -> None:
    found = proposed(samples.hostile_readings().model_copy(update=changed))
    assert found.promotion == configuration.Promotion()
    assert found.upstream.repository is None
    assert {one.branch for one in found.stack} <= {'a"b\\c', None, "\U0001f600", "tée'#"}
    text = detect.text(detect.detect(samples.hostile_readings()))
    assert text.isascii()
    assert "evil" not in text


@pytest.mark.parametrize(
    ("tags", "pattern"),
    [
        ((), None),
        (("v1.0", "v1.1"), None),
        (("1.0", "1.1", "2.0"), None),
        (("v1.0", "1.1", "v1.2"), "v*"),
        (("1.0", "1.1", "v1.2"), "[0-9]*"),
        (("rust-v0.1.0",), "rust-v*"),
        (("py3-v1.2.0", "py3-v1.1.0", "docs-1"), "py3-v*"),
        (("nightly", "latest"), None),
        (("x" * 150 + "1.0",), None),
    ],
)
def test_the_pattern_is_what_stands_before_the_version(tags: tuple[str, ...], pattern: str | None) -> None:
    found = detect.detect(samples.readings().model_copy(update={"releases": samples.releases(*tags)}))
    assert found.tags == pattern


def test_a_language_has_one_check_and_all_are_commented_out() -> None:
    root = ("package.json", "yarn.lock", "Makefile", "CMakeLists.txt", "go.mod")
    readings = samples.readings().model_copy(update={"root": root})
    assert [one.name for one in detect.detect(readings).checks] == ["go", "yarn", "cmake"]
    assert proposed(readings).check == ()
    uncommented = re.sub(r"(?m)^# (\[\[check|name|run|timeout)", r"\1", detect.text(detect.detect(readings)))
    assert [one.name for one in configuration.parse(uncommented).check] == ["go", "yarn", "cmake"]


def test_the_other_stacks_parse_once_their_signs_are_taken_off() -> None:
    text = detect.text(detect.detect(samples.readings()))
    found = configuration.parse(re.sub(r"(?m)^# (\[\[stack|branch)", r"\1", text))
    assert [one.branch for one in found.stack] == ["code-mode-exec-hooks", "main", "old-experiment"][::2]


# How a repository stands ----------------------------------------------------------------------------

OURS, OTHER = Footprint(runner=oid(1), intact=True), Footprint(runner=oid(1), intact=False)
NEW, OLD = oid(2), oid(3)


def pull(**changed: Any) -> Pull:
    given: dict[str, Any] = {
        "number": 1, "url": "u", "open": False, "merged": False, "created": samples.DAY,
        "closed": samples.DAY + timedelta(days=1), "head": oid(9), "body": "",
    }  # fmt: skip
    return Pull(**{**given, **changed})


OPEN, MERGED, CLOSED = pull(open=True, closed=None), pull(merged=True), pull()


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, Standing.OFFER),
        ({"archived": True, "asked": True}, Standing.ARCHIVED),
        ({"head": None}, Standing.EMPTY),
        ({"is_fork": False}, Standing.NOTHING),
        ({"is_fork": False, "has_configuration": True}, Standing.OFFER),
        ({"is_fork": False, "asked": True}, Standing.OFFER),
        ({"pull": OPEN}, Standing.OFFER),
        ({"pull": OPEN, "offered_blob": NEW}, Standing.OFFERED),
        ({"pull": OPEN, "offered_blob": NEW, "asked": True}, Standing.OFFER),
        ({"pull": CLOSED}, Standing.DECLINED),
        ({"pull": CLOSED, "asked": True}, Standing.OFFER),
        ({"pull": MERGED, "was_there": True}, Standing.REMOVED),
        ({"was_there": True}, Standing.REMOVED),
        ({"was_there": True, "asked": True}, Standing.OFFER),
        # merged into another branch, say, so that it never was on the default branch
        ({"pull": MERGED}, Standing.OFFER),
        ({"workflow_blob": NEW, "pull": CLOSED}, Standing.INSTALLED),
        ({"workflow_blob": OLD, "footprint": OURS}, Standing.UPDATE),
        ({"workflow_blob": OLD, "footprint": OURS, "is_fork": False}, Standing.UPDATE),
        ({"workflow_blob": OLD, "footprint": OURS, "pull": MERGED}, Standing.UPDATE),
        ({"workflow_blob": OLD, "footprint": OURS, "pull": OPEN, "offered_blob": OLD}, Standing.UPDATE),
        ({"workflow_blob": OLD, "footprint": OURS, "pull": OPEN, "offered_blob": NEW}, Standing.OFFERED),
        (
            {"workflow_blob": OLD, "footprint": OURS, "pull": pull(body=onboarding.mark(NEW))},
            Standing.DECLINED,
        ),
        ({"workflow_blob": OLD, "footprint": OURS, "pull": pull(body=onboarding.mark(OLD))}, Standing.UPDATE),
        ({"workflow_blob": OLD, "footprint": OTHER}, Standing.CHANGED),
        ({"workflow_blob": OLD, "footprint": None, "pull": MERGED}, Standing.CHANGED),
        ({"workflow_blob": OLD, "footprint": OTHER, "pull": OPEN, "offered_blob": OLD}, Standing.CHANGED),
        ({"workflow_blob": OLD, "footprint": OTHER, "asked": True}, Standing.UPDATE),
    ],
)
def test_each_repository_has_one_standing(changed: dict[str, Any], wanted: Standing) -> None:
    given: dict[str, Any] = {
        "head": oid(5),
        "is_fork": True,
        "has_configuration": False,
        "expected_blob": NEW,
    }
    assert standing(Known(**{**given, **changed})) is wanted


def test_nothing_is_opened_without_a_word_after_a_no_and_nothing_of_a_person_is_overwritten() -> None:
    """Every combination of what can be read."""
    seen = 0
    for values in itertools.product(
        (None, NEW, OLD),
        (None, OURS, OTHER),
        (None, OPEN, CLOSED, MERGED),
        (None, NEW, OLD),
        (False, True),
        (False, True),
    ):
        blob, footprint, newest, offered, was_there, fork = values
        known = Known(
            head=oid(5), is_fork=fork, has_configuration=False, expected_blob=NEW, workflow_blob=blob,
            footprint=footprint, pull=newest, offered_blob=offered, was_there=was_there,
        )  # fmt: skip
        found = standing(known)
        seen += 1
        if found is Standing.OFFER:
            assert (blob, fork) == (None, True)
            assert newest is not CLOSED
            assert newest is OPEN or not was_there
        if found is Standing.UPDATE:
            assert (blob, footprint) == (OLD, OURS)
    assert seen == 3 * 3 * 4 * 3 * 2 * 2


@pytest.mark.parametrize(
    ("comment", "asked"),
    [
        ("/patch onboard", True),
        ("please\n/patch onboard\nthanks", True),
        ("> /patch onboard", False),
        ("```\n/patch onboard\n```", False),
        ("<!-- /patch onboard -->", False),
        ("/patch onboarding", False),
        ("/patch onboard now", False),
    ],
)
def test_what_asks_for_the_pull_request_again(comment: str, asked: bool) -> None:
    assert onboarding.asks(comment) is asked


# The file itself ------------------------------------------------------------------------------------

TEMPLATE = (
    'a: 1\nenv:\n  PATCH_APP_RUNNER: "@RUNNER_COMMIT@" # sha256 of the other lines: @OTHER_LINES@\nb: 2\n'
)


def test_a_newer_runner_changes_one_line_and_any_other_change_is_seen() -> None:
    first, second = (installed.stamped(TEMPLATE, oid(number)) for number in (1, 2))
    assert len(set(first.splitlines()) ^ set(second.splitlines())) == 2
    assert installed.recognise(second) == Footprint(runner=oid(2), intact=True)
    assert installed.difference(first, second) == ""
    for changed in (second.replace(b"b: 2", b"b: 3"), second + b"c: 3\n", second.replace(b"\n", b"\r\n", 1)):
        assert installed.recognise(changed) == Footprint(runner=oid(2), intact=False)
        assert installed.difference(first, changed)


@pytest.mark.parametrize("content", [b"", b"a: 1\n", b"\0\xff", TEMPLATE.encode()])
def test_a_file_that_is_none_of_ours(content: bytes) -> None:
    assert installed.recognise(content) is None


def test_a_file_with_our_line_twice_is_none_of_ours() -> None:
    stamped = installed.stamped(TEMPLATE, oid(1))
    assert installed.recognise(stamped + stamped) is None


def test_a_long_difference_is_cut() -> None:
    told = installed.difference(b"", b"x\n" * 5000)
    assert len(told.splitlines()) == installed.MOST_LINES + 1
    assert "more lines" in told


# The texts ------------------------------------------------------------------------------------------


def test_nothing_that_strangers_wrote_breaks_out_of_the_body() -> None:
    body = texts.body(samples.hostile_offer())
    seen = rendered(body)
    assert_harmless(seen)
    assert not {"img", "script", "h1"} & set(seen.tags)
    assert size(body) <= BODY_LIMIT - 500
    assert onboarding.marked(texts.body(samples.offer())) == samples.BLOB
    update = texts.update_body(
        samples.update().model_copy(update={"takes_back": f"+{NASTY}\n````\n</details>"})
    )
    assert_harmless(rendered(update))
    changed = texts.changed_comment(oid(1), b"a\n", f"{NASTY}\n".encode())
    assert_harmless(rendered(changed))


def test_a_fork_without_workflows_and_one_that_can_t_be_read() -> None:
    assert "no workflow files besides" in inherited.text((), repository="a/b", url="u")
    assert "could not be read" in inherited.text((), repository="a/b", url="u", unread=True)
    broken = inherited.workflows({".github/workflows/x.yml": Broken(reason="no YAML")})
    assert "None of them starts by itself" in inherited.text(broken, repository="a/b", url="u")


# The preview ----------------------------------------------------------------------------------------


def claim(**changed: Any) -> str:
    given = {
        "number": 0, "target": oid(100), "status": "clean", "verdicts": {"clean": 1}, "conflict": None,
        "stage": None
    }  # fmt: skip
    return json.dumps({**given, **changed})


@pytest.mark.parametrize(
    "message",
    [
        "", "{}", "[" * 10_000, "x" * 70_000,
        claim(number=3), claim(number=-1), claim(number=True), claim(target="abc"), claim(target=oid(101)),
        claim(status="fine"), claim(verdicts={"lost": 1}), claim(verdicts={"clean": -1}),
        claim(verdicts={"clean": "1"}), claim(conflict="<script>"), claim(conflict=oid(1) + "\n"),
        claim(stage="Look: https://evil"), claim(more="<script>"),
    ],
)  # fmt: skip
def test_a_forged_claim_is_left_out(message: str) -> None:
    assert previewed.claims([message], samples.TARGETS) == {}


def test_a_section_is_replaced_and_knows_its_targets_whatever_their_names() -> None:
    odd = (previewed.Target(tag="v1 --> <!-- \"'", commit=oid(1)), *samples.TARGETS[:2])
    first = previewed.section(odd, previewed.State.WAITING, {}, repository_url=samples.URL)
    body = f"before\n{first}\nafter"
    assert previewed.targets_in(body) == odd
    second = previewed.section(
        odd, previewed.State.FAILED, {}, repository_url=samples.URL, run_url="https://x"
    )
    assert previewed.replaced(body, second) == f"before\n{second}\nafter"
    assert previewed.replaced(previewed.replaced(body, second), first) == body


@pytest.mark.parametrize("body", ["", "text", "<!-- patch-app:preview [ --><!-- patch-app:preview-end -->"])
def test_a_section_that_a_person_took_out_stays_out(body: str) -> None:
    assert previewed.targets_in(body) is None
    without_end = "<!-- patch-app:preview [] -->"
    assert previewed.replaced(without_end, "x") == without_end


def test_the_preview_is_of_the_last_releases_that_would_be_taken() -> None:
    found = targets(samples.readings().releases, configuration.Upstream(tags="rust-v*", minimum_age=5000))
    assert [one.tag for one in found] == ["rust-v0.132.0"]
    all_of_them = targets(
        samples.readings().releases, configuration.Upstream(tags="rust-v*", prereleases=True)
    )
    assert [one.tag for one in all_of_them] == [
        "rust-v0.133.0-alpha.2",
        "rust-v0.133.0-alpha.1",
        "rust-v0.132.0",
    ]
    settings = configuration.parse('[[check]]\nname = "a"\nrun = "evil"\n[resolver]\nrun = "evil"\n')
    made = requests(
        all_of_them,
        settings,
        branch="b",
        head=oid(1),
        upstream="o/r",
        git_url="https://github.example/o/r.git",
    )
    assert b"evil" not in made
    assert [one["target"]["name"] for one in json.loads(made)] == [one.tag for one in all_of_them]


# Where to look --------------------------------------------------------------------------------------

HERE = {"repository": {"id": 7, "full_name": "a/b", "default_branch": "main"}}


def pushed(ref: str, *paths: str) -> dict[str, Any]:
    return {**HERE, "ref": ref, "commits": [{"added": [], "modified": list(paths), "removed": []}]}


@pytest.mark.parametrize(
    ("event", "payload", "wanted"),
    [
        ("push", pushed("refs/heads/main", names.WORKFLOW_PATH), True),
        ("push", pushed("refs/heads/main", "src/a.c"), False),
        ("push", pushed("refs/heads/topic", names.WORKFLOW_PATH), False),
        ("push", {**HERE, "ref": "refs/heads/main", "commits": None}, True),
        ("push", {**HERE, "ref": "refs/heads/main", "commits": [{"added": None}, 3]}, False),
        ("repository", HERE, True),
        (
            "pull_request",
            {**HERE, "action": "closed", "pull_request": {"head": {"ref": names.INSTALL_BRANCH}}},
            True,
        ),
        ("pull_request", {**HERE, "action": "closed", "pull_request": {"head": {"ref": "x"}}}, False),
        ("pull_request", {**HERE, "action": "closed", "pull_request": None}, False),
        (
            "issue_comment",
            {
                **HERE,
                "action": "created",
                "issue": {"pull_request": {}},
                "comment": {"body": "/patch onboard"},
            },
            True,
        ),
        (
            "issue_comment",
            {**HERE, "action": "created", "issue": {}, "comment": {"body": "/patch onboard"}},
            False,
        ),
        ("issue_comment", {**HERE, "comment": None}, False),
        (
            "workflow_run",
            {
                **HERE,
                "action": "completed",
                "workflow_run": {"event": "pull_request", "head_branch": names.INSTALL_BRANCH},
            },
            True,
        ),
        ("workflow_run", {**HERE, "action": "completed", "workflow_run": {"event": "push"}}, False),
    ],
)
def test_which_deliveries_give_reason_to_look_at_the_installation(
    event: str, payload: dict[str, Any], wanted: bool
) -> None:
    assert hints(event, payload).onboarding is wanted
