from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core.configuration import Upstream
from patch_app.core.releases import (
    Accepted,
    NotYet,
    Rejected,
    Release,
    accepts,
    newer,
    tag_problem,
    version_key,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def release(tag: str, **more: object) -> Release:
    return Release.model_validate({"tag": tag, "published": NOW - timedelta(days=2), **more})


@pytest.mark.parametrize(
    "ascending",
    [
        ["v2026.8.3", "v2026.10.1", "v2026.10.2", "v2027.1.0"],
        ["rust-v0.9.0", "rust-v0.99.1", "rust-v0.132.0-alpha.2", "rust-v0.132.0"],
        # semver.org, precedence
        [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ],
        ["1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0"],
        # PEP 440, summary of permitted suffixes
        [
            "1.0.dev456",
            "1.0a1.dev1",
            "1.0a1",
            "1.0a2",
            "1.0b2",
            "1.0rc1",
            "1.0",
            "1.0.post1.dev2",
            "1.0.post1",
            "1.1",
        ],
        ["v1.9", "v1.9.1", "v1.10"],
        ["curl-8_4_0", "curl-8_4_1", "curl-8_10_0"],
        ["log4j-2.9", "log4j-2.17.0"],
        ["py3-v1.2.0", "py3-v1.10.0"],
        ["1.1.1", "1.1.1a", "1.1.1w"],
        ["7.1.1", "7.1.1-9", "7.1.1-15", "7.1.2"],
        ["release-20251231", "release-20260101"],
        ["V_9_8_P1", "V_9_9_P1", "V_9_10_P1"],
        ["v3.0-RC2", "v3.0-RC10", "v3.0-final", "v3.1"],
        ["pkg@1.2.3-next.4", "pkg@1.2.3"],
        ["v1.0.0-nightly.20260101.abc1234", "v1.0.0-alpha.1", "v1.0.0"],
    ],
)
def test_versions_are_ordered_by_numbers_and_never_by_letters(ascending: list[str]) -> None:
    for low, high in itertools.combinations(ascending, 2):
        assert newer(high, low), f"{high} > {low}"
        assert not newer(low, high), f"{low} < {high}"
    shuffled = random.Random(7).sample(ascending, len(ascending))
    assert sorted(shuffled, key=version_key) == ascending


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.2", "v1.2.0"),
        ("1.2", "v1.2"),
        ("v1.0.0+build.5", "v1.0.0"),
        ("1.0a1", "1.0-alpha.1"),
        ("v3.0-final", "v3.0"),
    ],
)
def test_two_ways_to_write_a_version_are_one_version(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)
    assert not newer(one, other)
    assert not newer(other, one)


@pytest.mark.parametrize("pair", [("rust-v2.0.0", "python-v1.0.0"), ("latest", "v1"), ("v1", "latest")])
def test_tags_of_different_series_have_no_order(pair: tuple[str, str]) -> None:
    assert not newer(*pair)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_three_tags_have_an_order_without_contradiction(a: str, b: str, c: str) -> None:
    assert not (newer(a, b) and newer(b, a))
    if newer(a, b) and newer(b, c):
        assert newer(a, c)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
)
def test_plain_versions_compare_like_their_numbers(a: list[int], b: list[int]) -> None:
    width = max(len(a), len(b))
    padded_a, padded_b = ([*numbers, *[0] * (width - len(numbers))] for numbers in (a, b))
    assert newer("v" + ".".join(map(str, a)), "v" + ".".join(map(str, b))) == (padded_a > padded_b)


def test_a_number_of_thousands_of_digits_breaks_nothing() -> None:
    version_key("v" + "9" * 10_000)
    version_key("1." * 5_000)


@pytest.mark.parametrize(
    "tag", ["v1.2.3", "rust-v0.132.0", "2026.10.1", "v1.2", "release-20260101", "7.1.1-15", "1.1.1w"]
)
def test_a_fork_without_policy_takes_plain_version_tags(tag: str) -> None:
    assert accepts(release(tag), Upstream(), NOW) == Accepted()


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("nightly", "no version tag"),
        ("v1.0.0-rc.1", "prerelease"),
        ("1.0a1", "prerelease"),
        ("1.0.dev3", "prerelease"),
        ("v1.2.3-alpine", "variant"),
        ("v1.0\u202e", "invisible"),
        ("v1..0", "holds"),
        ("refs/tags/v1", "full name"),
        ("a" * 40, "commit id"),
    ],
)
def test_a_fork_without_policy_leaves_what_is_no_release(tag: str, why: str) -> None:
    answer = accepts(release(tag), Upstream(), NOW)
    assert isinstance(answer, Rejected)
    assert why in answer.reason


def test_a_draft_is_never_taken() -> None:
    policy = Upstream(prereleases=True, tags="*")
    assert isinstance(accepts(release("v1", draft=True), policy, NOW), Rejected)


def test_a_release_flagged_as_prerelease_is_one_whatever_its_tag_says() -> None:
    assert isinstance(accepts(release("v1.0.0", prerelease=True), Upstream(), NOW), Rejected)
    assert accepts(release("v1.0.0", prerelease=True), Upstream(prereleases=True), NOW) == Accepted()
    assert accepts(release("v1.0.0-rc.1"), Upstream(prereleases=True), NOW) == Accepted()


def test_a_pattern_takes_its_tags_alone() -> None:
    policy = Upstream(tags="rust-v*")
    assert accepts(release("rust-v0.132.0"), policy, NOW) == Accepted()
    assert isinstance(accepts(release("v1.0.0"), policy, NOW), Rejected)
    assert isinstance(accepts(release("Rust-v1.0.0"), policy, NOW), Rejected)
    assert accepts(release("stable"), Upstream(tags="stable"), NOW) == Accepted()


def test_a_young_release_waits_until_it_is_old_enough() -> None:
    policy = Upstream.model_validate({"minimum_age": "3d"})
    published = NOW - timedelta(days=2)
    assert accepts(release("v1"), policy, NOW) == NotYet(until=published + timedelta(days=3))
    assert accepts(release("v1"), policy, NOW + timedelta(days=1)) == Accepted()


def test_an_older_or_equal_release_is_left() -> None:
    assert isinstance(accepts(release("v2026.8.3"), Upstream(), NOW, current="v2026.10.1"), Rejected)
    assert isinstance(accepts(release("v1.2.0"), Upstream(), NOW, current="v1.2.0"), Rejected)
    assert isinstance(accepts(release("v1.2.0"), Upstream(), NOW, current="v1.2"), Rejected)
    assert accepts(release("v2026.10.1"), Upstream(), NOW, current="v2026.8.3") == Accepted()
    assert accepts(release("v1"), Upstream(), NOW, current="some-other-2.0") == Accepted()


@pytest.mark.parametrize(
    "tag",
    [
        *["v1 ", "", "v1\n", "-v1", "v1~1", "v1^", "a:b", "@", "a@{b", "x.lock", "a//b", "\udc80", "a" * 201],
        *(f"v1{char}id" for char in "$`\"';&|<>(){}!#"),
        *["v1.0.0-$(id)", "v1.0.0-${{secrets.X}}"],
    ],
)
def test_tags_that_git_or_we_refuse_are_refused(tag: str) -> None:
    assert tag_problem(tag)


@pytest.mark.parametrize(
    "tag", ["v1.0.0", "rust-v0.132.0", "@scope/pkg@1.0.0", "release/1.0", "höhe-1", "v1+build"]
)
def test_tags_that_are_fine_are_taken(tag: str) -> None:
    assert tag_problem(tag) is None
