"""Channels of a promoted candidate over made-up facts: who may, which tag, what starts, how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from patch_app.core import channel_texts, channels, plan, release_tag
from patch_app.core.attempt import Attempt, Link, Stage
from patch_app.core.channel import Channel, ChannelFacts, ChannelRun, ChannelState
from patch_app.core.commands import Command, Unknown, parse
from patch_app.core.configuration import Configuration
from patch_app.core.configuration_channels import ChannelName
from patch_app.core.decide import decide
from patch_app.core.effects import Comment, Effect, EffectState, Performed, StartWorkflow, UpdateRefs, key
from patch_app.core.facts import Ask, Facts, Sibling
from patch_app.core.hints import Hints, concerns
from patch_app.core.needs import Need, needs
from patch_app.core.rules import Rules
from patch_app.core.workflow_files import Broken
from patch_app.engine import releases
from tests.core.samples import NASTY, NOW, carried, oid

CANDIDATE, OTHER = oid(0xB2), oid(0x77)
RELEASE = {"on": {"push": {"tags": ["v*.*.*"]}}}
BUILD = {"on": {"workflow_dispatch": {"inputs": {"candidate": ""}}}}
FILES: dict[str, Any] = {
    ".github/workflows/release.yml": RELEASE,
    ".github/workflows/build.yml": BUILD,
    ".github/workflows/ci.yml": {"on": {"push": {"branches": ["main"]}}},
}
BOTH = {"internal": {"workflow": "build.yml"}, "public": {"suffix": "-fork.{n}"}}


def promoted(configured: Any = None, **more: Any) -> Attempt:
    configuration = Configuration.model_validate({"channels": BOTH if configured is None else configured})
    fields: dict[str, Any] = {
        "stage": Stage.PROMOTED,
        "configuration": configuration,
        "candidate": CANDIDATE,
        "rules": Rules(),
        "default_branch": "main",
        "pull_request": Link(number=5, url="https://github.com/alice/tool/pull/5"),
        **more,
    }
    return carried().model_copy(update=fields)


def known(**more: Any) -> ChannelFacts:
    fields: dict[str, Any] = {"files": FILES, "reachable": True, "upstream_tags": {"v2.0.0"}, **more}
    return ChannelFacts(**fields)


def facts(channel_facts: ChannelFacts | None, effects: list[Performed] | None = None, **more: Any) -> Facts:
    there = {one.key: one for one in effects or []}
    return Facts(now=NOW, app_slug="patch-app", channels=channel_facts, effects=there, **more)


def done(effect: Effect, state: EffectState = EffectState.DONE, **outcome: Any) -> Performed:
    return Performed(key=key(effect), effect=effect, state=state, outcome=outcome)


def asked(text: str, permission: str = "write") -> Ask:
    return Ask(id="comment:1", person="bob", permission=permission, commands=parse(text), number=5, comment=1)


def answer(attempt: Attempt, the_facts: Facts) -> tuple[Attempt, str]:
    decision = decide(attempt, the_facts)
    [said] = [one.body for one in decision.effects if isinstance(one, Comment)]
    return decision.attempt, said


def under_way(name: str, state: str = "asked", **more: Any) -> Channel:
    return Channel(name=ChannelName(name), state=ChannelState(state), person="bob", ask=1, since=NOW, **more)


def only(attempt: Attempt) -> Channel:
    [channel] = attempt.channels
    return channel


# Which tag ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "facts_of_tags", "expected"),
    [
        # upstream has the plain name, so the fork's first has number 1
        ({"suffix": "-fork.{n}"}, {}, "v2.0.0-fork.1"),
        # the highest number counts, also where a lower one is free again
        (
            {"suffix": "-fork.{n}"},
            {"tags": {"v2.0.0-fork.3": OTHER, "v2.0.0-fork.1": OTHER}},
            "v2.0.0-fork.4",
        ),
        # what only looks like one of ours is none
        ({"suffix": "-fork.{n}"}, {"tags": {"v2.0.0-fork.3x": OTHER, "v2.0.0-rc.7": OTHER}}, "v2.0.0-fork.1"),
        # upstream took the number meanwhile
        ({"suffix": "-fork.{n}"}, {"upstream_tags": {"v2.0.0", "v2.0.0-fork.1"}}, "v2.0.0-fork.2"),
        # a name of the fork's own, then a fix on the same release
        ({"tag": "v{version}-x", "suffix": ".{n}"}, {"upstream_tags": set()}, "v2.0.0-x"),
        ({"tag": "v{version}-x", "suffix": ".{n}"}, {"tags": {"v2.0.0-x": OTHER}}, "v2.0.0-x.1"),
        # the candidate has its tag already
        ({"suffix": "-fork.{n}"}, {"tags": {"v2.0.0-fork.2": CANDIDATE}}, "v2.0.0-fork.2"),
    ],
)
def test_a_release_gets_a_name_that_nobody_has(public: Any, facts_of_tags: Any, expected: str) -> None:
    attempt = promoted({"public": public})
    there = known(**facts_of_tags)
    found = release_tag.release(attempt, facts(there), there)
    assert isinstance(found, release_tag.Release), found
    assert (found.tag, found.there) == (expected, there.tags.get(expected) == CANDIDATE)


@pytest.mark.parametrize(
    ("public", "more", "said"),
    [
        (
            {},
            {},
            "`v2.0.0` is a tag of `upstream-org/tool` at another commit, and a published tag never moves",
        ),
        ({}, {"upstream_tags": set(), "tags": {"v2.0.0": OTHER}}, "`v2.0.0` is a tag of `alice/tool`"),
        ({}, {}, '`suffix = "-fork.{n}"` in `[channels.public]`'),
        (
            {"suffix": "-f{n}"},
            {"upstream_tags": {"v2.0.0", "v2.0.0-f1", "v2.0.0-f2", "v2.0.0-f3"}},
            "the next numbers behind it are taken too",
        ),
        ({"suffix": "-f{n}"}, {"upstream_tags": None}, "`upstream-org/tool` can't be read"),
        ({"suffix": "-f{n}"}, {"reachable": False}, "the candidate is no longer on `main`"),
        ({"suffix": "-f{n}"}, {"branches": {"v2.0.0-f1"}}, "there is a branch `v2.0.0-f1`"),
        ({"tag": "x" * 185 + "{tag}" * 3}, {"upstream_tags": set()}, "it is longer than 200 characters"),
        ({"tag": "patch-app/{tag}"}, {}, "would be one of the App's own"),
        ({"tag": "tool-{version}"}, {}, "no workflow of the candidate starts for the tag `tool-2.0.0`"),
        ({"tag": "tool-{version}"}, {}, "(`release.yml` takes `v*.*.*`)"),
        (
            {"tag": "tool-{version}", "workflow": "release.yml"},
            {},
            "`release.yml` of the candidate doesn't start for the tag `tool-2.0.0` (`release.yml` takes",
        ),
        ({"suffix": "-f{n}", "workflow": "gone.yml"}, {}, "the candidate has no workflow `gone.yml`"),
        (
            {"suffix": "-f{n}", "workflow": "release.yml"},
            {"files": {".github/workflows/release.yml": Broken(reason="no text")}},
            "`release.yml` of the candidate can't be read: no text",
        ),
        ({"suffix": "-f{n}"}, {"files": {}}, "no workflow of the candidate starts"),
    ],
)
def test_a_release_that_is_refused_before_any_tag_is_pushed(public: Any, more: Any, said: str) -> None:
    attempt = promoted({"public": public}, channels=(under_way("public"),))
    decision = channels.step(attempt, facts(known(**more)))
    channel = only(decision.attempt)
    assert channel.state is ChannelState.REFUSED
    assert said in channel.why
    assert not any(isinstance(one, UpdateRefs) for one in decision.effects)
    [comment] = [one for one in decision.effects if isinstance(one, Comment)]
    assert said in comment.body


def test_two_releases_of_one_stack_at_once() -> None:
    other = Sibling(
        id="b",
        event="e",
        tag="v1.9.0",
        number=1,
        stage=Stage.PROMOTED,
        newer=False,
        releasing="v1.9.0-fork.1",
    )
    there = known()
    found = release_tag.release(promoted(), facts(there, siblings=(other,)), there)
    assert found == "the tag `v1.9.0-fork.1` is being released: ask again when that has ended"


# Who may ask -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "permission", "rules", "said"),
    [
        ("/patch promote public", "write", Rules(), "puts the tag `v2.0.0-fork.1` on"),
        ("/patch promote PUBLIC", "read", Rules(), "needs write permission"),
        ("/patch promote public", "write", Rules(any=True), "needs maintain or admin permission"),
        ("/patch promote public", "write", None, "needs maintain or admin permission"),
        ("/patch promote public", "maintain", Rules(any=True), "puts the tag"),
        ("/patch promote internal", "triage", Rules(), "needs write permission"),
        ("/patch promote internal", "write", Rules(any=True), "starts `build.yml` on `main`"),
        ("/patch promote", "write", Rules(), "this attempt has ended"),
        ("/patch promote beta", "write", Rules(), "or a channel: internal, public"),
    ],
)
def test_who_may_send_a_candidate_where(text: str, permission: str, rules: Any, said: str) -> None:
    offered = (under_way("internal", "offered"), under_way("public", "offered"))
    attempt = promoted(rules=rules, channels=offered)
    after, told = answer(attempt, facts(known(), asks=(asked(text, permission),)))
    assert said in told
    moved = [one for one in after.channels if one.state is ChannelState.ASKED]
    assert len(moved) == ("starts" in said or "puts" in said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"stage": Stage.REVIEWING}, "only a promoted candidate can go there: the attempt is reviewing"),
        ({"stage": Stage.ROLLED_BACK}, "only a promoted candidate can go there"),
        ({"configuration": Configuration()}, "no channel `public` is configured for this attempt"),
        ({"channels": (under_way("public", "running"),)}, "it is under way already"),
        ({"channels": (under_way("public", "done", tag="v2.0.0-f1"),)}, "released as `v2.0.0-f1` already"),
    ],
)
def test_a_channel_that_is_asked_for_at_the_wrong_time(more: Any, said: str) -> None:
    attempt = promoted(**more)
    after, line, good = channels.ask(
        attempt, facts(known()), asked("/patch promote public"), ChannelName.PUBLIC
    )
    assert (good, after) == (False, attempt)
    assert said in line


def test_a_refusal_is_said_once_in_the_answer_and_kept() -> None:
    attempt = promoted({"public": {}})
    after, told = answer(attempt, facts(known(), asks=(asked("/patch promote public"),)))
    assert "is a tag of `upstream-org/tool`" in told
    assert only(after).state is ChannelState.REFUSED
    again = channels.step(after, facts(known()))
    assert (again.effects, again.attempt, after.watched) == ((), after, False)


def test_commands_name_a_channel_or_a_full_commit() -> None:
    assert channels.named(Command.model_validate(parse("/patch promote Public")[0].model_dump())) == "public"
    assert isinstance(parse("/patch promote publick")[0], Unknown)
    [commit] = parse(f"/patch promote {CANDIDATE}")
    assert isinstance(commit, Command)
    assert channels.named(commit) is None


# The way of a channel ----------------------------------------------------------------------------


def test_an_approval_names_everything_that_a_tag_starts() -> None:
    files = {**FILES, ".github/workflows/pages.yml": {"on": {"push": {"tags": ["**"]}}}}
    attempt = promoted({"public": {"suffix": "-f{n}", "workflow": "release.yml"}})
    decision = channels.step(attempt, facts(known(files=files)))
    [offer] = [one for one in decision.effects if isinstance(one, Comment)]
    assert "starts `pages.yml`, `release.yml`; `release.yml` is waited for" in offer.body
    both = promoted({"public": {"suffix": "-f{n}"}}, channels=(under_way("public"),))
    after = channels.step(both, facts(known(files=files))).attempt
    assert only(after).waits == (".github/workflows/pages.yml", ".github/workflows/release.yml")


def test_an_internal_channel_that_starts_by_itself_and_is_forgotten_by_a_crash() -> None:
    attempt = promoted({"internal": {"workflow": "build.yml", "approve": "auto"}})
    assert (attempt.watched, needs(attempt)) == (True, frozenset({Need.CHANNELS}))
    assert channels.step(attempt, facts(None)).attempt == attempt
    decision = channels.step(attempt, facts(known()))
    [wish] = decision.effects
    assert isinstance(wish, StartWorkflow)
    assert (wish.branch, wish.inputs, wish.ask) == ("main", {"candidate": CANDIDATE}, 1)
    # the same wish again, until it has an end
    assert channels.step(decision.attempt, facts(known())).effects == (wish,)
    begun = channels.step(decision.attempt, facts(known(), [done(wish, run_id=9, url="u")])).attempt
    assert only(begun).state is ChannelState.RUNNING
    run = ChannelRun(id=9, path=".github/workflows/build.yml", status="in_progress")
    now = channels.step(begun, facts(known(internal_run=run), [done(wish, run_id=9)])).attempt
    assert (only(now).state, now.watched) == (ChannelState.RUNNING, True)
    ended = run.model_copy(update={"status": "completed", "conclusion": "success"})
    decision = channels.step(now, facts(known(internal_run=ended), [done(wish, run_id=9)]))
    assert (only(decision.attempt).state, decision.attempt.watched) == (ChannelState.DONE, False)
    assert [one.kind for one in decision.effects] == ["comment"]


def test_github_shows_the_branch_as_it_was_before_the_promotion() -> None:
    attempt = promoted({"internal": {"workflow": "build.yml", "approve": "auto"}})
    asked_for = channels.step(attempt, facts(known(reachable=False))).attempt
    assert only(asked_for).state is ChannelState.ASKED
    assert len(channels.step(asked_for, facts(known())).effects) == 1
    late = facts(known(reachable=False)).model_copy(update={"now": NOW + timedelta(seconds=1000)})
    assert only(channels.step(asked_for, late).attempt).why == "the candidate is no longer on `main`"


@pytest.mark.parametrize(
    ("default", "files", "inputs", "said"),
    [
        ("main", {}, {}, "`build.yml` of the candidate doesn't start for `workflow_dispatch`"),
        ("main", FILES, {"commit": "{candidate}"}, "`build.yml` has no input `commit`; there is `candidate`"),
        ("trunk", FILES, {}, "main"),
        ("trunk", {}, {}, "trunk"),
    ],
)
def test_the_branch_whose_file_an_internal_channel_starts(
    default: str, files: Any, inputs: Any, said: str
) -> None:
    internal = {"workflow": "build.yml", **({"inputs": inputs} if inputs else {})}
    attempt = promoted({"internal": internal}, default_branch=default, channels=(under_way("internal"),))
    decision = channels.step(attempt, facts(known(files=files)))
    wishes = [one.branch for one in decision.effects if isinstance(one, StartWorkflow)]
    assert (wishes or [only(decision.attempt).why]) == [said]


def test_a_tag_is_pushed_once_from_nothing_and_its_runs_are_waited_for() -> None:
    attempt = promoted({"public": {"suffix": "-f{n}"}}, channels=(under_way("public"),))
    decision = channels.step(attempt, facts(known()))
    [wish] = decision.effects
    assert isinstance(wish, UpdateRefs)
    [change] = wish.changes
    assert (change.ref, change.before, change.after, change.force) == (
        "refs/tags/v2.0.0-f1", "0" * 40, CANDIDATE, False,
    )  # fmt: skip
    # pushed, but GitHub doesn't show it yet: no second tag
    running = channels.step(decision.attempt, facts(known(), [done(wish)]))
    assert (only(running.attempt).state, running.effects) == (ChannelState.RUNNING, ())
    tags = {"v2.0.0-f1": CANDIDATE}
    run = ChannelRun(id=3, path=".github/workflows/release.yml", status="completed", conclusion="success")
    before = running.attempt
    for runs, state in (
        ((), "running"),
        ((run.model_copy(update={"path": "x.yml"}),), "running"),
        ((run,), "done"),
    ):
        after = channels.step(before, facts(known(tags=tags, release_runs=runs), [done(wish)])).attempt
        assert only(after).state == state
    [event] = releases.released(before, after, NOW)
    assert (event.type, event.tag, event.payload["commit"]) == ("downstream.release", "v2.0.0-f1", CANDIDATE)
    assert releases.released(after, after, NOW) == ()


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "skipped", "neutral", "timed_out", None])
def test_a_release_workflow_that_ends_otherwise_is_no_release(conclusion: str | None) -> None:
    running = under_way("public", "running", tag="v2.0.0-f1", waits=(".github/workflows/release.yml",))
    attempt = promoted({"public": {"suffix": "-f{n}"}}, channels=(running,))
    run = ChannelRun(id=3, path=".github/workflows/release.yml", status="completed", conclusion=conclusion)
    there = known(tags={"v2.0.0-f1": CANDIDATE}, release_runs=(run,))
    decision = channels.step(attempt, facts(there))
    assert only(decision.attempt).state is ChannelState.FAILED
    assert releases.released(attempt, decision.attempt, NOW) == ()
    assert len(decision.effects) == 1


@pytest.mark.parametrize(
    ("tags", "late", "state", "said"),
    [
        ({"v2.0.0-f1": OTHER}, 0, "failed", "is no longer on the candidate"),
        ({}, 0, "running", ""),
        ({}, 1000, "failed", "is gone"),
        ({"v2.0.0-f1": CANDIDATE}, 800, "running", ""),
        ({"v2.0.0-f1": CANDIDATE}, 1000, "failed", "no run of `release.yml` for the tag"),
    ],
)
def test_a_tag_that_starts_nothing_or_is_moved_behind_our_back(
    tags: Any, late: int, state: str, said: str
) -> None:
    running = under_way("public", "running", tag="v2.0.0-f1", waits=(".github/workflows/release.yml",))
    attempt = promoted({"public": {"suffix": "-f{n}"}}, channels=(running,))
    now = facts(known(tags=tags)).model_copy(update={"now": NOW + timedelta(seconds=late)})
    channel = only(channels.step(attempt, now).attempt)
    assert channel.state == state
    assert said in channel.why


def test_github_refuses_the_tag_or_somebody_was_faster() -> None:
    attempt = promoted({"public": {"suffix": "-f{n}"}}, channels=(under_way("public"),))
    [wish] = channels.step(attempt, facts(known())).effects
    refused = facts(known(), [done(wish, EffectState.REFUSED, message="a rule")])
    assert only(channels.step(attempt, refused).attempt).why == "GitHub refused the tag: a rule"
    moved = done(wish, EffectState.REFUSED, message="moved", moved=True)
    taken = facts(known(tags={"v2.0.0-f1": OTHER}), [moved])
    [again] = channels.step(attempt, taken).effects
    assert isinstance(again, UpdateRefs)
    assert again.changes[0].ref == "refs/tags/v2.0.0-f2"


def test_a_comment_that_was_dropped_is_made_again_and_one_that_was_made_is_not() -> None:
    attempt = promoted({"public": {}}, channels=(under_way("public", "refused", why="no"),))
    [said] = channels.step(attempt, facts(None)).effects
    [again] = channels.step(attempt, facts(None, [done(said, EffectState.DROPPED)])).effects
    assert key(again) != key(said)
    assert channels.step(attempt, facts(None, [done(said)])).effects == ()


def test_a_rollback_while_a_channel_is_under_way() -> None:
    asked_for = promoted(
        {"public": {"suffix": "-f{n}"}}, stage=Stage.ROLLED_BACK, channels=(under_way("public"),)
    )
    assert asked_for.watched
    decision = channels.step(asked_for, facts(known(reachable=False)))
    assert only(decision.attempt).state is ChannelState.REFUSED
    assert not decision.attempt.watched
    # what is configured is not offered any more
    assert channels.step(promoted(stage=Stage.ROLLED_BACK), facts(known())).attempt.channels == ()


def test_an_ended_attempt_is_woken_by_the_end_of_a_run_that_a_channel_waits_for() -> None:
    run = ChannelRun(id=3, path="r", status="in_progress")
    waiting = promoted(channels=(under_way("public", "running", waits=("r",), runs=(run,)),))
    unknown = promoted(channels=(under_way("public", "running", waits=("r",)),))
    ended = promoted(channels=(under_way("public", "done", waits=("r",)),))
    told = Hints(repository_id=2, run=3)
    assert [concerns(told, one) for one in (waiting, unknown, ended)] == [True, True, False]
    for other in (Hints(repository_id=2, run=4), Hints(repository_id=2, run=0), Hints(repository_id=2)):
        assert not concerns(other, waiting)
    assert not concerns(Hints(repository_id=9, run=3), waiting)


def test_names_and_reasons_of_people_who_mean_harm_stay_in_their_place() -> None:
    attempt = promoted(stack="a|b<c>", candidate=CANDIDATE)
    channel = under_way("public", "done", tag="v2`@bob#1").model_copy(update={"person": NASTY})
    run = ChannelRun(id=1, path="x", status="completed", url="javascript:alert(1)")
    text = channel_texts.ended(attempt, channel.model_copy(update={"runs": (run,)}))
    assert "<img" not in text
    assert "javascript:alert(1)" not in text.splitlines()[-1] or len(text.splitlines()) == 1
    assert plan.Decision(attempt=attempt).effects == ()
