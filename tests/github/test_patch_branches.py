"""Patch branches as GitHub has them; a report's word on which commits are one patch, held against that."""

from __future__ import annotations

from typing import Any

import pytest

from patch_app.core.attempt import Attempt, PatchBranch
from patch_app.core.configuration import parse
from patch_app.core.report import Report
from patch_app.github import claims
from patch_app.github.refs_of import Refs, prefixes
from tests.core.test_patch_branches import PINNED, SOURCES, claimed
from tests.core.world import BASE, HEAD, STACK, oid
from tests.github.test_claims import FORK, Client, attempt, commits, upstreams

FIRST, SECOND = (one.sha for one in PINNED)


def shown(message: str, *lines: str, **file: Any) -> dict[str, Any]:
    """A commit as GitHub shows it, with one file."""
    patch = {"patch": "@@ -1 +1 @@ here\n context\n" + "\n".join(lines)} if lines else {}
    return {
        "commit": {"author": {"name": "Ann", "email": "a@x", "date": "2026-01-01"}, "message": message},
        "files": [
            {"filename": "a.txt", "status": "modified", "additions": 1, "deletions": 1, **patch, **file}
        ],
    }


def github(first: dict[str, Any], built: dict[str, Any]) -> Any:
    return Client(
        {
            **upstreams(BASE),
            f"{FORK}/compare/{BASE}...{HEAD}": commits(*STACK),
            f"{FORK}/compare/{BASE}...{FIRST}": commits(FIRST),
            f"{FORK}/compare/{BASE}...{SECOND}": commits(SECOND),
            f"{FORK}/commits/{FIRST}": first,
            f"{FORK}/commits/{STACK[0]}": built,
        }
    )


def pinned(**changes: Any) -> Attempt:
    built = {STACK[1]: SECOND}
    return attempt('[[stack]]\nstrategy = "patches"\n').model_copy(
        update={"patches": PINNED, "built": built, **changes}
    )


@pytest.mark.parametrize(
    ("first", "built", "replaced", "holds"),
    [
        (shown("one", "-a", "+b"), shown("other", "-a", "+b"), False, True),
        (shown("one", "-a", "+b"), shown("one", "-a", "+c"), True, True),
        (shown("one", "-a", "+b"), shown("one", "-a", "+c"), False, False),
        (shown("one", "-a", "+b"), shown("other", "-a", "+c"), True, False),
        (shown("one", "-a", "+b"), shown("one", "-a", "+b", filename="b.txt"), False, False),
        (shown("one", changes=2), shown("one", changes=3, additions=2), False, False),
        (shown("one", changes=2), shown("one", changes=2), False, True),
        (shown("one", changes=0, sha=FIRST), shown("one", changes=0, sha=SECOND), False, False),
    ],
    ids=[
        "reworded",
        "amended",
        "other lines",
        "nothing alike",
        "other file",
        "too long and longer",
        "too long",
        "other binary",
    ],
)
async def test_commits_count_as_one_patch_only_where_github_shows_them_alike(
    first: dict[str, Any], built: dict[str, Any], replaced: bool, holds: bool
) -> None:
    claim = claimed({"old": FIRST} if replaced else {})
    found = await claims.evidence(github(first, built), pinned(), claim, "main")
    assert found["patch_commits"] == SOURCES
    assert found["unlike"] == (() if holds else (STACK[0],))
    assert found["base_is_upstream"]


async def test_what_the_app_itself_built_of_a_commit_needs_no_likeness() -> None:
    client = github({}, {})
    found = await claims.evidence(
        client, pinned(built={STACK[0]: FIRST, STACK[1]: SECOND}), claimed(), "main"
    )
    assert found["unlike"] == ()


async def test_report_of_other_branches_or_with_a_base_that_is_not_there_proves_nothing() -> None:
    whole = claimed().model_dump(mode="json", by_alias=True)
    whole["branches"][0]["base"] = oid("nowhere")
    found = await claims.evidence(github({}, {}), pinned(), Report.model_validate(whole), "main")
    assert (found["base_is_upstream"], found["patch_commits"]) == (False, {})
    found = await claims.evidence(github({}, {}), pinned(), claimed(branches=[]), "main")
    assert found["patch_commits"] == {}


def test_branches_of_a_list_and_of_a_pattern_are_picked_from_what_was_listed() -> None:
    there = Refs({f"refs/heads/{name}": FIRST for name in ("patch/10", "patch/9", "patch/x/y", "b", "main")})

    def found(configured: str) -> list[str]:
        table = parse(f'[[stack]]\nstrategy = "patches"\n{configured}')
        branches = there.patches("main", table) or ()
        return [one.branch for one in branches if one == PatchBranch(branch=one.branch, sha=FIRST)]

    assert found("") == ["patch/9", "patch/10", "patch/x/y"]
    assert found('patches = ["b", "gone"]') == ["b"]
    assert there.patches("main", parse("")) is None


@pytest.mark.parametrize(
    ("configured", "wanted"),
    [("", "refs/heads/patch/"), ('patches = "x-*"', "refs/heads/x-"), ('patches = ["b"]', "refs/heads/b")],
)
def test_no_more_is_listed_than_the_stack_is_built_from(configured: str, wanted: str) -> None:
    one = attempt(f'[[stack]]\nstrategy = "patches"\n{configured}')
    assert prefixes(one, preflight=False)[-1] == wanted
    # before the configuration is known, any branch may be one
    assert "refs/heads/" in prefixes(one, preflight=True)
