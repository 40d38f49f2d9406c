"""`approve = "auto"`: an honest run's candidate goes on alone, a lying run's never does, whatever it says."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from patch_app.core.attempt import Attempt, Stage
from patch_app.forge.moods import Mood
from tests.stories.robot import CarryJob, Scratch, void
from tests.stories.world import FORK, UPSTREAM, World, check_invariants, numbered

AUTO = """\
[upstream]
minimum_age = "30m"
[[check]]
name = "build"
run = "true"
[promotion]
approve = "auto"
[candidate]
workflows = "trust"
"""
BUNDLE = "candidate.bundle"
WORKFLOW = b"on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: b}]}}\n"
# two places that begin and end alike, told apart by what is around them
ROOMS = b"start\nopen {\n}\nhall\nmiddle\nyard\nopen {\n}\nend\n"
LOCKED = b"start\nopen {\nlock()\n}\nhall\nmiddle\nyard\nopen {\n}\nend\n"
SUBMODULE = b"1" * 40
Files = dict[str, tuple[str, bytes] | None]

# the patches of the stack, in order, after the two of every story; `world` has one file of each kind
PATCHES: list[tuple[str, Files]] = [
    ("Draw a picture", {"logo.bin": ("100644", b"\x89\0\1picture\0")}),
    ("Link to it", {"link": ("120000", b"logo.bin")}),
    ("Say it without an end", {"tail.txt": ("100644", b"a\nb\nc")}),
    ("Lock a room", {"rooms.txt": ("100644", LOCKED)}),
    ("Build it", {".github/workflows/ours.yml": ("100644", WORKFLOW)}),
    ("Depend on it", {"kit": ("160000", SUBMODULE)}),
]
OURS, POT, PICTURE, LINK, TAIL, ROOM, BUILD, KIT, APP = range(9)


def arrange(world: World, configuration: str = AUTO) -> None:
    upstream = world.upstream
    more = {"rooms.txt": ROOMS, "tail.txt": b"a\nb"}
    world.upstream = lambda files, message: upstream({**files, **more}, message)  # type: ignore[method-assign]
    world.arrange(configuration=configuration)
    world.upstream = upstream  # type: ignore[method-assign]
    scratch = Scratch(world.folder / "alice")
    url = world.alice.git_url(FORK)
    scratch.git("fetch", "-q", url, "main")
    head = scratch.git("rev-parse", "FETCH_HEAD")
    for message, files in PATCHES:
        tree = with_files(scratch, f"{head}^{{tree}}", files)
        head = scratch.git("commit-tree", tree, "-p", head, "-m", message)
    scratch.git("push", "-q", url, f"{head}:refs/heads/main")


@pytest.fixture
def world(bare: World) -> World:
    arrange(bare)
    bare.serve()
    return bare


def with_files(scratch: Scratch, tree: str, files: Files) -> str:
    """The tree with files by mode and content; None takes one away."""
    scratch.git("read-tree", tree)
    for path, there in files.items():
        if there is None:
            scratch.git("update-index", "--force-remove", path)
            continue
        mode, content = there
        blob = (
            content.decode()
            if mode == "160000"
            else scratch.git("hash-object", "-w", "--stdin", stdin=content)
        )
        scratch.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    return scratch.git("write-tree")


def released(world: World, tag: str = "v1.1.0") -> Attempt:
    """Upstream has changed two of the files that patches touch, far from them; the release comes of age."""
    files = {"pot.txt": numbered(l15="new"), "rooms.txt": ROOMS + b"new\n", "notes.txt": tag}
    world.publish(tag, files)
    world.poll()
    world.settle()
    world.later()
    return world.attempt(tag)


# An honest run ------------------------------------------------------------------------------------


def test_an_honest_runs_candidate_is_proved_and_goes_on_alone(world: World) -> None:
    asked = requests(world)
    before = world.main()
    attempt = released(world)
    assert attempt.stage is Stage.PROMOTED, attempt.message
    assert world.main() == attempt.candidate != before
    assert attempt.approvals == ()
    assert attempt.proof is not None
    assert attempt.proof.problem is None
    assert attempt.pull_request is not None
    assert "**Proved by the server from GitHub's own diffs**: 8 of 8." in pull_body(world, attempt)
    assert attempt.check_run is not None
    run = world.alice.api("GET", f"/repos/{FORK}/check-runs/{attempt.check_run}")
    assert "**Proved by the server from GitHub's own diffs**: 8 of 8." in run["output"]["summary"]
    # each once: the diff of every patch, of its carried commit and of the App's own, whatever wakes it
    assert len(asked) == len(set(asked)) == 17, asked
    check_invariants(world)


def test_github_gives_no_diff_just_then_and_is_asked_again(world: World) -> None:
    asked = requests(world, Mood.BROKEN)
    attempt = released(world)
    assert attempt.stage is Stage.REVIEWING
    assert "**A person has to decide**: GitHub's own diffs can't be read just now" in pull_body(
        world, attempt
    )
    # whatever wakes the attempt, GitHub has some minutes
    world.comment(attempt.pull_request.number if attempt.pull_request else 0, "Well?", world.bob)
    world.settle()
    assert len(asked) <= 2
    world.later()
    assert world.attempt().stage is Stage.PROMOTED
    check_invariants(world)


def requests(world: World, mood: Mood | None = None) -> list[str]:
    """The diffs that the server asks for from now on; the first of them meets the mood."""
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        if "vnd.github.diff" in request.headers["accept"]:
            if mood is not None and not seen:
                world.forge.moods.next(mood, request.url.path)
            seen.append(request.url.path)

    world.server.engine.intake.app.http.event_hooks = {"request": [note], "response": []}
    return seen


def pull_body(world: World, attempt: Attempt) -> str:
    assert attempt.pull_request is not None
    body: str = world.issue(attempt.pull_request.number)["body"]
    return body


# A run that lies ------------------------------------------------------------------------------------


@dataclass
class Lie:
    """What a run hands over instead, with every verdict `clean` and every id and checksum right.

    `files`: what is otherwise from the commit of that number on. `raw`: a change of a commit's own text.
    `order`: in which the commits stand; one that isn't in it is said to be upstream's by now. `said`: what a
    person reads.
    """

    said: str
    files: dict[int, Files] = field(default_factory=dict)
    raw: dict[int, tuple[str, str]] = field(default_factory=dict)
    order: tuple[int, ...] = ()


def plain(content: bytes) -> tuple[str, bytes]:
    return "100644", content


def pot(**lines: str) -> tuple[str, bytes]:
    return plain(numbered(**{"l15": "new", "l3": "ours", **lines}).encode())


ELSEWHERE = ROOMS.replace(b"yard\nopen {\n", b"yard\nopen {\nlock()\n") + b"new\n"
CONFIGURED = AUTO.replace("[candidate]", "[candidate] ").encode()
MORE = {".github/workflows/ours.yml": plain(WORKFLOW + b"env: {}\n")}
NO_RULES = {".github/patch-app.toml": plain(CONFIGURED)}
LIES: dict[str, Lie] = {
    "a changed line": Lie("pot.txt has other lines", {POT: {"pot.txt": pot(l3="theirs")}}),
    "another line of the same file": Lie("pot.txt has other lines", {POT: {"pot.txt": pot(l9="x")}}),
    "white space alone": Lie("ours.txt has other lines", {OURS: {"ours.txt": plain(b"ours \n")}}),
    "a carriage return": Lie("ours.txt has other lines", {OURS: {"ours.txt": plain(b"ours\r\n")}}),
    "no newline at the end": Lie("ours.txt has other lines", {OURS: {"ours.txt": plain(b"ours")}}),
    "a newline at the end": Lie("tail.txt has other lines", {TAIL: {"tail.txt": plain(b"a\nb\nc\n")}}),
    "a line left out": Lie("tail.txt has other lines", {TAIL: {"tail.txt": plain(b"a\nb\n")}}),
    "an added file": Lie("evil.sh is changed too", {OURS: {"evil.sh": ("100755", b"#!/bin/sh\n")}}),
    "an empty file more": Lie("aaa is changed too", {OURS: {"aaa": plain(b"")}}),
    "a file taken away": Lie("tail.txt is changed too", {OURS: {"tail.txt": None}, TAIL: {}}),
    "a mode": Lie("ours.txt has another mode", {OURS: {"ours.txt": ("100755", b"ours\n")}}),
    "a mode of another file": Lie(
        "rooms.txt is changed too", {OURS: {"rooms.txt": ("100755", ROOMS + b"new\n")}}
    ),
    "another binary": Lie("isn't the same", {PICTURE: {"logo.bin": plain(b"\x89\0\1Picture\0")}}),
    "another link": Lie("link has other lines", {LINK: {"link": ("120000", b"/etc/passwd")}}),
    "a file for a link": Lie("link has another mode", {LINK: {"link": plain(b"logo.bin")}}),
    "another submodule": Lie("kit has other lines", {KIT: {"kit": ("160000", b"2" * 40)}}),
    "the same line elsewhere": Lie("another place", {ROOM: {"rooms.txt": plain(ELSEWHERE)}}),
    "a workflow": Lie("ours.yml has other lines", {BUILD: MORE}),
    "a workflow more": Lie("new.yml is changed too", {KIT: {".github/workflows/new.yml": plain(WORKFLOW)}}),
    "the App's configuration": Lie("the App's own commit on the candidate isn't", {APP: NO_RULES}),
    "more in the App's own commit": Lie("evil.sh is changed too", {APP: {"evil.sh": plain(b"x\n")}}),
    "another author": Lie("patch 2 has another author", raw={POT: ("author alice", "author Mallory")}),
    "another time": Lie("patch 2 has another author", raw={POT: (" +0000\ncommitter", " +0100\ncommitter")}),
    "another message": Lie("patch 2 has another author or message", raw={POT: ("Change", "Approve")}),
    "another committer": Lie(
        "a committer that isn't", raw={POT: ("committer patch_app", "committer GitHub")}
    ),
    "another order": Lie("not the patches in a row", order=(POT, OURS, *range(2, 9))),
    "a patch left out": Lie("not every patch is clean", order=tuple(range(1, 9))),
}


def forge_it(lie: Lie, scratch: Scratch, report: Any, files: dict[str, bytes], upstream: str) -> None:
    """The carried commits anew, as the lie wants them, in a bundle that is sound."""
    (scratch.folder / "real.bundle").write_bytes(files[BUNDLE])
    target, ref = report["target"]["sha"], report["bundle"]["ref"]
    scratch.git("fetch", "-q", upstream, target)
    scratch.git("fetch", "-q", "real.bundle", f"{ref}:refs/real")
    chain = [*report["patches"], report["installed"]]
    parent, changed = target, {}
    order = lie.order or tuple(range(len(chain)))
    for number in order:
        one = chain[number]
        changed |= lie.files.get(number, {})
        tree = with_files(scratch, tree_of(scratch, one["new"], parent, in_order=not lie.order), changed)
        parent = one["new"] = again(scratch, one["new"], tree, parent, lie.raw.get(number, ("", "")))
    gone = [one for number, one in enumerate(chain) if number not in order]
    for one in gone:
        one |= {"verdict": "already-upstream", "new": None}
    report["patches"] = [*gone, *(chain[number] for number in order[:-1])]
    scratch.git("update-ref", ref, parent)
    scratch.git(
        "-c", "pack.window=0", "bundle", "create", "-q", "--version=2", "forged.bundle", ref, f"^{target}"
    )
    report["candidate"] |= {"sha": parent, "tree": scratch.git("rev-parse", f"{parent}^{{tree}}")}
    report["bundle"]["tip"] = parent
    data = files[BUNDLE] = (scratch.folder / "forged.bundle").read_bytes()
    report["bundle"]["parts"] = [
        {"path": BUNDLE, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ]


def tree_of(scratch: Scratch, commit: str, parent: str, *, in_order: bool) -> str:
    """The commit's tree; in another order, what it changes on top of the parent's."""
    if in_order:
        return f"{commit}^{{tree}}"
    rows = scratch.git("diff-tree", "-r", "--no-renames", f"{commit}^", commit).splitlines()
    scratch.git("read-tree", f"{parent}^{{tree}}")
    for row in rows:
        (_, mode, _, blob, _), path = row.lstrip(":").split("\t")[0].split(), row.split("\t")[1]
        scratch.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    return scratch.git("write-tree")


def again(scratch: Scratch, commit: str, tree: str, parent: str, change: tuple[str, str]) -> str:
    """The commit with another tree and parent; what it says stays but for one change."""
    raw = subprocess.run(
        ["git", "cat-file", "commit", commit], cwd=scratch.folder, capture_output=True, check=True
    ).stdout
    head, _, message = raw.partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.startswith((b"tree ", b"parent "))]
    text = b"\n".join([f"tree {tree}".encode(), f"parent {parent}".encode(), *kept]) + b"\n\n" + message
    old, new = (one.encode() for one in change)
    assert old in text, text
    return scratch.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.replace(old, new, 1))


@contextmanager
def lying(world: World, change: Callable[[Scratch, Any, dict[str, bytes], str], None]) -> Iterator[None]:
    """Runs hand over what `change` makes of it, and have their checks run on that."""

    def carry(job: CarryJob) -> None:
        checks = ""

        def forged(scratch: Scratch, report: Any, files: dict[str, bytes]) -> None:
            nonlocal checks
            checks = job.outputs["checks"]
            change(scratch, report, files, f"{job.run.server_url}/{UPSTREAM}.git")

        job.rewrite(forged)
        job.outputs["checks"] = checks

    world.robot.carry = carry
    yield
    world.robot.carry = lambda job: void(job.carry())


def left_to_a_person(world: World, attempt: Attempt, said: str) -> None:
    """It waits for a review, says why, and never goes on by itself."""
    assert attempt.stage is Stage.REVIEWING, attempt.message
    body = pull_body(world, attempt).replace("\\", "")
    assert said in body[body.index("**A person has to decide**") :].split("\n")[0], body[:1500]
    assert "1 approving review(s)" in attempt.message
    assert attempt.checks[0].conclusion == "success"


@pytest.mark.parametrize("part", range(9))
def test_a_run_that_lies_about_every_verdict_gets_nothing_promoted(world: World, part: int) -> None:
    """One release after the other, each carried by a run that tells another lie."""
    before = world.main()
    for number, (name, lie) in enumerate(list(LIES.items())[part::9], 1):

        def change(
            scratch: Scratch, report: Any, files: dict[str, bytes], upstream: str, lie: Lie = lie
        ) -> None:
            forge_it(lie, scratch, report, files, upstream)

        with lying(world, change):
            attempt = released(world, f"v1.{number}.0")
        print(name)
        left_to_a_person(world, attempt, lie.said)
    world.later()
    assert world.main() == before
    check_invariants(world)


def test_a_person_promotes_what_could_not_be_proved(world: World) -> None:
    def change(scratch: Scratch, report: Any, files: dict[str, bytes], upstream: str) -> None:
        forge_it(LIES["a changed line"], scratch, report, files, upstream)

    with lying(world, change):
        attempt = released(world)
    world.approve(attempt)
    world.comment(attempt.pull_request.number if attempt.pull_request else 0, "/patch promote", world.bob)
    world.settle()
    assert world.attempt().stage is Stage.PROMOTED
    assert world.main() == attempt.candidate
    check_invariants(world)


# What GitHub doesn't show ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            "its diff is too large for GitHub", id="refused", marks=pytest.mark.forge(large_diff=406)
        ),
        pytest.param("can't be read just now", id="times-out", marks=pytest.mark.forge(large_diff=500)),
    ],
)
def test_a_diff_that_github_does_not_make_is_left_to_a_person(bare: World, said: str) -> None:
    arrange(bare)
    bare.patch({"big.txt": "x\n" * 20_001}, "Bring a big file")
    bare.serve()
    attempt = released(bare)
    left_to_a_person(bare, attempt, said)
    bare.later()
    assert bare.attempt().stage is Stage.REVIEWING
    bare.approve(attempt)
    bare.comment(attempt.pull_request.number if attempt.pull_request else 0, "/patch promote", bare.bob)
    bare.settle()
    assert bare.attempt().stage is Stage.PROMOTED
    check_invariants(bare)


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ('strategy = "merge"', "the release is merged into the stack"),
        ('strategy = "patches"\npatches = "patch/*"', "the stack is built from patch branches"),
    ],
)
def test_what_no_diff_shows_is_left_to_a_person(bare: World, stack: str, said: str) -> None:
    arrange(bare, f"{AUTO}[[stack]]\n{stack}\n")
    bare.alice.api("POST", f"/repos/{FORK}/git/refs", {"ref": "refs/heads/patch/a", "sha": bare.main()})
    bare.serve()
    left_to_a_person(bare, released(bare), said)


def test_a_stack_with_a_merge_is_left_to_a_person(bare: World) -> None:
    arrange(bare)
    scratch = Scratch(bare.folder / "side")
    url = bare.alice.git_url(FORK)
    scratch.git("fetch", "-q", url, "main")
    tree = with_files(scratch, "FETCH_HEAD^{tree}", {"side.txt": plain(b"side\n")})
    side = scratch.git("commit-tree", tree, "-p", "FETCH_HEAD^", "-m", "On the side")
    tree = with_files(scratch, "FETCH_HEAD^{tree}", {"side.txt": plain(b"side\n")})
    merge = scratch.git("commit-tree", tree, "-p", "FETCH_HEAD", "-p", side, "-m", "Merge")
    scratch.git("push", "-q", url, f"{merge}:refs/heads/main")
    bare.serve()
    attempt = released(bare)
    assert attempt.stage is Stage.REVIEWING
    assert "**A person has to decide**" in pull_body(bare, attempt)
    bare.later()
    assert bare.attempt().stage is Stage.REVIEWING
