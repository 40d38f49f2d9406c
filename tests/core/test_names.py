from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import names, refnames

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.lists(
    st.sampled_from(["a", ".", "..", "/", ".lock", "-", "=", "=2E", "@{", "~", "LOCK", ".LOCK", "é"]),
    min_size=1,
).map("".join)


@given(NAMES)
def test_escaped_name_is_read_back(name: str) -> None:
    escaped = names.escape(name)
    assert names.unescape(escaped) == name
    assert "/" not in escaped


@given(NAMES, NAMES)
def test_two_names_never_share_a_ref_nor_stand_in_each_other_s_way(one: str, other: str) -> None:
    first, second = names.maintenance_branch(one, "v1"), names.maintenance_branch(other, "v1")
    assert (first == second) == (one == other)
    assert not first.startswith(f"{second}/")
    assert names.maintenance_branch("s", one).count("/") == names.maintenance_branch("s", other).count("/")


@given(st.text(max_size=20))
def test_what_was_never_escaped_is_refused(component: str) -> None:
    try:
        found = names.unescape(component)
    except ValueError:
        return
    assert names.escape(found) == component


@given(NAMES)
def test_no_escaped_name_has_what_git_refuses(name: str) -> None:
    why = refnames.problem(names.escape(name))
    assert why is None or "long" in why


def test_a_name_that_grows_too_long_for_a_file_is_refused() -> None:
    assert refnames.problem("é" * 100) == "is too long to be a part of the App's branch names"
    assert refnames.problem("e" * 200) is None


def git_takes(ref: str) -> bool:
    return subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "main", "feature/x", "a..b", ".hidden", "x.lock", "x.LOCK", "-dash", "a.", "...", "a b", "~^:?*[\\",
        "@", "@{", "é", "\u202e", "a//b", "=41", "v1.0+build", "\x01", ".lock", "..lock", "-", ".",
    ],
)  # fmt: skip
def test_git_takes_every_ref_that_is_made(name: str) -> None:
    assert git_takes(names.head(names.base_branch("main", name)))
    assert git_takes(names.head(names.maintenance_branch(name, name)))
    assert git_takes(f"refs/tags/{names.candidate_tag(name, name)}")
    assert names.unescape(names.escape(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "main", "a/b", "v1.0.0", "@x/y@1.0", "a@b", "é", "a=b", "a;b", "$(x)", "x.locked", "a{b}",
        "a..b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a b", "a\x7f", "a~", "a^",
        "a:", "a?", "a*", "a[", "a\\", "a@{b", "@",
    ],
)  # fmt: skip
def test_our_rules_for_names_are_git_s(name: str) -> None:
    # a lone @ is refused only as a branch name, of which git-check-ref-format sees `refs/heads/@`
    assert (refnames.problem(name) is None) == (git_takes(f"refs/heads/{name}") and name != "@")


# spaces that Git takes, a space and quotes to PowerShell, tag characters, a filler, a prepended mark
@pytest.mark.parametrize(
    "char",
    list("\u00a0\u2003\u202f\u3000\u2019\u201d\U000e0041\u3164\u0600\U0001d173"),
)
def test_a_tag_that_looks_or_reads_like_something_else_is_refused(char: str) -> None:
    assert git_takes(f"refs/tags/v1{char}x")
    assert refnames.tag_problem(f"v1{char}x") is not None
    assert refnames.tag_problem("v1-é日本\u2764\ufe0f") is None


def test_real_git_makes_all_branches_side_by_side(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet", "--bare")
    tree = git("hash-object", "-w", "-t", "tree", "/dev/null")
    commit = git("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", tree)
    branches = [
        names.maintenance_branch(stack, tag) for stack in ("a", "a/b", "a/b/c") for tag in ("v1", "v1/x")
    ]
    for branch in branches:
        git("update-ref", names.head(branch), commit)
    assert git("for-each-ref", "--format=%(refname:short)").split() == sorted(branches)


def test_ids_are_one_for_one_upstream_and_tag_and_tell_parts_apart() -> None:
    assert names.event_id("Acme/Tool", "v1") == names.event_id("acme/tool", "v1")
    assert names.event_id("acme/tool", "v1") != names.event_id("acme/tool", "V1")
    assert names.event_id("a", "bc") != names.event_id("ab", "c")
    ids = {names.attempt_id("e", repo, stack, n) for repo in (1, 11) for stack in ("1", "") for n in (1, 2)}
    assert len(ids) == 8
